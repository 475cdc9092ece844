#ifndef VIV_SIM_NETWORK_H
#define VIV_SIM_NETWORK_H

#include "base/bytes.h"
#include "sim/plan.h"

/* What lies between hosts: connections, that keep the order of bytes, may stall and may end at any byte, and election
 * messages, that may be late or lost. A cut loses no byte of a connection: what was sent waits, as with TCP, and comes
 * when the cut has healed. A machine without power says nothing, a process that ended closes its connections. Knows
 * bytes and hosts; not what servers or clients make of them. */

struct viv_sim_world;

struct viv_sim_segment {
    int64_t at_ns;
    struct viv_buffer bytes;
    bool is_end;
};

/* One direction of a connection. */
struct viv_sim_pipe {
    struct viv_sim_segment *segments;
    size_t first, count, capacity;
    int64_t last_ns; /* nothing later arrives before */
    uint64_t unread; /* bytes under way */
    bool is_stalled; /* the first segment was due during a cut */
    bool tell_drained;
    bool is_closed; /* no more is sent */
};

struct viv_sim_connection {
    uint32_t id;
    bool is_client;  /* of a client to a server; else between servers */
    size_t hosts[2]; /* who dialled, who accepted */
    uint64_t lives[2];
    bool is_up[2]; /* that side knows it and has not closed it */
    bool is_refused;
    bool is_waiting;              /* the dial met a cut */
    struct viv_sim_pipe pipes[2]; /* [0]: from who dialled */
    struct viv_buffer frames;     /* of a client, not whole yet at its server */
    bool is_paused;               /* the server does not read it */
};

struct viv_sim_votes {
    struct viv_sim_segment *items;
    size_t first, count, capacity;
    int64_t last_ns;
    struct viv_buffer held; /* the latest one, that a cut keeps back */
    bool is_held;
};

struct viv_sim_network {
    struct viv_sim_connection **connections; /* by id, from 1; NULL: forgotten */
    size_t connection_count, connection_capacity, oldest;
    struct viv_sim_votes *votes; /* from * VIV_SIM_MACHINES_MAX + to */
    unsigned *cuts;              /* from * hosts + to: how many faults cut it */
    int64_t *extra_us;           /* the same: what faults add */
    struct viv_rng *draws;       /* the same */
};

void viv_sim_network_init(struct viv_sim_world *world);
void viv_sim_network_fini(struct viv_sim_world *world);

/* Nothing passes from one host to the other while the number of cuts is not 0. */
void viv_sim_network_cut(struct viv_sim_world *world, size_t from, size_t to, int change);
void viv_sim_network_heal(struct viv_sim_world *world, size_t a, size_t b); /* all cuts and delays, both ways */
void viv_sim_network_delay(struct viv_sim_world *world, size_t from, size_t to, int64_t change_us);
/* Connections between the two end, each direction at some byte of what is under way. */
void viv_sim_network_break(struct viv_sim_world *world, size_t a, size_t b);
/* The host's process ended: its ends close; or it lost its power: it says nothing. */
void viv_sim_network_gone(struct viv_sim_world *world, size_t host, bool lost_power);
void viv_sim_network_powered(struct viv_sim_world *world, size_t host); /* it has power again: it can say no */

/* Returns the connection's id; the outcome comes later. */
uint32_t viv_sim_network_dial(struct viv_sim_world *world, size_t from, size_t to, bool is_client);
void viv_sim_network_send(struct viv_sim_world *world, uint32_t id, size_t from, struct viv_bytes bytes);
void viv_sim_network_tell_drained(struct viv_sim_world *world, uint32_t id, size_t from);
/* What was sent before still goes. */
void viv_sim_network_close(struct viv_sim_world *world, uint32_t id, size_t by);
void viv_sim_network_close_accepted(struct viv_sim_world *world, size_t host);
void viv_sim_network_pause(struct viv_sim_world *world, uint32_t id, size_t host, bool is_paused); /* 0: all clients */
struct viv_sim_connection *viv_sim_network_find(const struct viv_sim_world *world, uint32_t id);   /* or NULL */
void viv_sim_network_vote(struct viv_sim_world *world, size_t from, size_t to, struct viv_bytes body);

/* What falls due. */
void viv_sim_network_dial_arrives(struct viv_sim_world *world, uint32_t id);
void viv_sim_network_answer_arrives(struct viv_sim_world *world, uint32_t id);
void viv_sim_network_pipe_arrives(struct viv_sim_world *world, uint32_t id, size_t direction);
void viv_sim_network_vote_arrives(struct viv_sim_world *world, size_t from, size_t to);

#endif /* VIV_SIM_NETWORK_H */
