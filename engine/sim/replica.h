#ifndef VIV_SIM_REPLICA_H
#define VIV_SIM_REPLICA_H

#include "node/node.h"
#include "sim/plan.h"

/* What may never be, looked at from outside while a run goes on: every entry that any server was given, each server's
 * log as its node asked for it and as its disk called it durable, and the one order in which all of them apply.
 *
 *  - All servers apply the same entries in the same order; zxids grow; at equal zxids the digests are equal.
 *  - An epoch has one leader.
 *  - What a disk called durable is there after every restart, in order; what it cut away stays away; epochs too.
 *  - What a client was told of is in that order, and in the logs of all at the end.
 *
 * Fills the records of replicas in the history (sim/history.h), whose checkers ask for more. */

struct viv_sim_world;

/* Each entry that was ever seen is kept once; its number stands for it. */
struct viv_sim_entry {
    uint64_t zxid;
    uint32_t crc;
    struct viv_bytes body; /* owned */
};

struct viv_sim_pool {
    struct viv_sim_entry *entries; /* from 1 */
    size_t count, capacity;
    uint32_t *slots;
    size_t slot_count;
};

/* A list of entries' numbers, by zxid. */
struct viv_sim_numbers {
    uint32_t *items;
    size_t count, capacity;
};

/* A LOG_* action that was not answered yet. */
struct viv_sim_ticket {
    uint64_t ticket;
    enum viv_action_kind kind;
    size_t count; /* of the log's entries, when it was given */
    struct viv_hard_state hard;
};

struct viv_sim_mirror {
    struct viv_sim_numbers log;
    size_t durable_count; /* of them */
    uint64_t base_zxid;   /* what is older is not in the log */
    uint64_t cut_zxid;    /* the first entry of those cut away last */
    struct viv_sim_ticket *tickets;
    size_t ticket_count, ticket_capacity;
    bool had_tickets;                       /* when the process ended */
    bool may_lose;                          /* its disk rotted: it need not give back what it called durable */
    struct viv_hard_state hard, hard_found; /* durable; given back at a start that is not over yet */
    uint64_t applied_zxid;
    size_t applied_index; /* into the order: how many entries are applied, when has_index */
    bool has_index;
    uint64_t stream_zxid; /* of the tree that it was sent whole last; 0: of none. It may show parts of later ones */
    bool is_fuzzy;        /* the tree is that one, and nobody has been served from it since it came, or since a start */
    struct viv_sim_numbers recovered;
    uint64_t recovered_base_zxid;
};

struct viv_sim_agreed {
    uint32_t number;
    bool has_digest;
    uint64_t digest, digest_extra;
};

struct viv_sim_truth {
    struct viv_sim_pool pool;
    struct viv_sim_agreed *order;
    size_t order_count, order_capacity;
    uint64_t first_zxid; /* of the order: what comes before */
    struct viv_sim_mirror mirrors[VIV_SIM_MACHINES_MAX];
    struct {
        uint64_t epoch;
        size_t server;
    } * leaders;
    size_t leader_count;
    uint64_t told_zxid; /* the highest that a client heard of as the zxid of its write */
};

void viv_sim_truth_init(struct viv_sim_world *world, uint64_t first_zxid);
void viv_sim_truth_fini(struct viv_sim_world *world);

void viv_sim_truth_told(struct viv_sim_world *world, size_t server, const struct viv_action *action);
void viv_sim_truth_answered(struct viv_sim_world *world, size_t server, const struct viv_event *event);
void viv_sim_truth_trace(struct viv_sim_world *world, size_t server, const struct viv_action *action);
void viv_sim_truth_look(struct viv_sim_world *world, size_t server); /* after every step */
/* Where a truncation cuts: as told, or elsewhere for a control. */
uint64_t viv_sim_truth_cut(const struct viv_sim_world *world, size_t server, uint64_t keep_zxid);
/* These servers have come together and get no further, as they must: their leader wants a transaction of which none of
 * them has an intact copy, some voter that could have one is not among them or lost its disk, and without that one it
 * cannot be told that the transaction was never committed. */
bool viv_sim_truth_waits_rightly(const struct viv_sim_world *world, uint64_t servers);
/* Control: the answer to an append, which was given before. */
bool viv_sim_truth_is_early(const struct viv_sim_world *world, size_t server, const struct viv_event *event);

void viv_sim_truth_recovers(struct viv_sim_world *world, size_t server, const struct viv_log_bounds *bounds,
                            const struct viv_state_mark *mark);
void viv_sim_truth_recovers_entry(struct viv_sim_world *world, size_t server, const struct viv_entry *entry);
void viv_sim_truth_recovers_hard(struct viv_sim_world *world, size_t server, const struct viv_hard_state *hard);
void viv_sim_truth_began(struct viv_sim_world *world, size_t server);
/* The start is over: what was given back is durable now, and what it comes to is seen. */
void viv_sim_truth_ready(struct viv_sim_world *world, size_t server);
void viv_sim_truth_ended(struct viv_sim_world *world, size_t server);
void viv_sim_truth_wiped(struct viv_sim_world *world, size_t server);

/* A client was told that its write has that zxid; or saw data of that time. */
void viv_sim_truth_client_told(struct viv_sim_world *world, uint64_t zxid);
/* All servers but one serve one leader and have applied all there is. */
bool viv_sim_truth_stand_together(const struct viv_sim_world *world, size_t except);
/* The server has the entry of that zxid durable, in its log or below its image. */
bool viv_sim_truth_has(const struct viv_sim_world *world, size_t server, uint64_t zxid);
/* The voters (bits) of the configuration that is committed last, and of each that some log proposes beside it: what is
 * decided takes a majority of all of them. */
struct viv_sim_voters {
    uint64_t sets[VIV_SIM_MACHINES_MAX + 1];
    size_t count;
    uint64_t all;
};
struct viv_sim_voters viv_sim_truth_voters(const struct viv_sim_world *world);
/* Whether these servers (bits) are a majority of each; grown up: of those that have adopted an epoch, since a voter
 * that never did, or forgot it, does not count for a new one (zab/leader_discovery.c). */
bool viv_sim_truth_decide(const struct viv_sim_world *world, const struct viv_sim_voters *voters, uint64_t servers,
                          bool grown_up);
/* Somebody leads a later epoch. */
bool viv_sim_truth_is_replaced(const struct viv_sim_world *world, uint64_t epoch);
/* It leads the newest epoch, or is alone. */
bool viv_sim_truth_decides(const struct viv_sim_world *world, size_t server);
/* At the end: all servers are alike, and their sums are those of what they hold. */
void viv_sim_truth_compare(struct viv_sim_world *world);

/* pool.c */
uint32_t viv_sim_pool_number(struct viv_sim_pool *pool, const struct viv_entry *entry); /* adds it when it is new */
void viv_sim_pool_fini(struct viv_sim_pool *pool);
void viv_sim_numbers_add(struct viv_sim_numbers *numbers, uint32_t number);

#endif /* VIV_SIM_REPLICA_H */
