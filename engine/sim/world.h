#ifndef VIV_SIM_WORLD_H
#define VIV_SIM_WORLD_H

#include "sim/agenda.h"
#include "sim/client.h"
#include "sim/fault.h"
#include "sim/history.h"
#include "sim/network.h"
#include "sim/replica.h"
#include "sim/rot.h"
#include "sim/run.h"
#include "sim/server.h"

/* One run from the inside: what its parts share. Each part has a file of its own: server.c the processes and their
 * loops, storage.c their disks' threads, network.c what lies between, client.c who asks, fault.c what goes wrong,
 * replica.c what may never be, run.c the phases. */

enum viv_sim_due_kind {
    VIV_SIM_DUE_TURN,       /* server, life */
    VIV_SIM_DUE_TICK,       /* server, life */
    VIV_SIM_DUE_START,      /* server, life: the process begins */
    VIV_SIM_DUE_DISK,       /* server, life: the disk's task is done */
    VIV_SIM_DUE_ROOM,       /* server, life: a full disk is tried again */
    VIV_SIM_DUE_DIAL,       /* connection: who is dialled hears of it */
    VIV_SIM_DUE_ANSWER,     /* connection: who dialled hears of it */
    VIV_SIM_DUE_PIPE,       /* connection, direction: bytes or an end arrive */
    VIV_SIM_DUE_VOTE,       /* from << 8 | to */
    VIV_SIM_DUE_CLIENT,     /* client, generation */
    VIV_SIM_DUE_FAULT,      /* index into the plan */
    VIV_SIM_DUE_FAULT_ENDS, /* the same */
    VIV_SIM_DUE_PHASE,
    VIV_SIM_DUE_KINDS,
};

/* Servers, then clients, then the one that asks whether there is life. */
enum {
    VIV_SIM_PROBE = VIV_SIM_CALLERS_MAX,
    VIV_SIM_HOSTS_MAX = VIV_SIM_MACHINES_MAX + VIV_SIM_CALLERS_MAX + 1,
};

/* The one folder of every disk. */
#define VIV_SIM_FOLDER "/data"

struct viv_sim_world {
    const struct viv_sim_plan *plan;
    const struct viv_sim_options *options;
    struct viv_sim_agenda agenda;
    int64_t now_ns;
    uint64_t trace; /* digest of everything that happened */
    struct viv_sim_server servers[VIV_SIM_MACHINES_MAX];
    size_t server_count;
    struct viv_sim_client clients[VIV_SIM_CALLERS_MAX + 1];
    struct viv_sim_network network;
    struct viv_sim_truth truth;
    struct viv_sim_rot rot;
    struct viv_sim_recording *recording; /* of the libraries; NULL: there are none */
    unsigned library_lives;
    struct viv_sim_history history;
    struct viv_sim_trouble *troubles; /* one for each fault of the plan */
    struct viv_sim_result *result;
    bool faults_are_over;
};

static inline int64_t viv_sim_setting(const struct viv_sim_world *world, enum viv_sim_setting setting)
{
    return world->plan->settings[setting];
}
#define VIV_SIM_GET(world, name) viv_sim_setting((world), VIV_SIM_SET_##name)

static inline size_t viv_sim_client_host(size_t client)
{
    return VIV_SIM_MACHINES_MAX + client;
}

/* The run is over: something is wrong. Only the first one is kept. */
void viv_sim_fail(struct viv_sim_world *world, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Nothing more is to be seen: it has failed, or the only server will not start from what its disk has become. */
bool viv_sim_is_over(const struct viv_sim_world *world);
/* For people, when they want to see. */
void viv_sim_say(const struct viv_sim_world *world, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A rare thing has happened (sim/marks.h). */
static inline void viv_sim_mark(const struct viv_sim_world *world, const char *line)
{
    if (world->options->marks != NULL) {
        viv_sim_marks_hear(world->options->marks, line);
    }
}
/* Goes into the digest of the run. */
void viv_sim_note(struct viv_sim_world *world, const char *what, uint64_t a, uint64_t b, struct viv_bytes bytes);

#endif /* VIV_SIM_WORLD_H */
