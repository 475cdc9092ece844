#ifndef VIV_EXPERIMENTS_LAB_LOAD_INTERNAL_H
#define VIV_EXPERIMENTS_LAB_LOAD_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/rng.h"
#include "experiments/lab/load.h"

/* What load.c (thread, phases) and load_session.c (requests and replies) share. */

/* A request in flight or waiting to be sent. */
struct load_request {
    uint64_t due_ns;
    uint32_t key;    /* or index of the created znode */
    uint32_t number; /* of the write; 0 for a read */
};

struct load_session {
    struct viv_load *load;
    struct viv_lab_client *client;
    uint32_t index;
    bool up;
    uint64_t in_flight;
    struct load_request *slots; /* pipeline of them; a request's token is its slot */
    uint32_t *free_slots;
    uint32_t free_count;
    uint64_t *due; /* ring of due times not yet sent, open loop only */
    size_t due_head, due_count, due_capacity;
};

enum load_phase { LOAD_CONNECTING, LOAD_WARMUP, LOAD_MEASURE, LOAD_DRAIN, LOAD_DONE };

struct viv_load {
    struct viv_load_spec spec;
    const struct viv_client_address *servers;
    size_t server_count;
    struct viv_keyset *keyset;
    bool *is_written; /* by key, of a system without order: a write of it is under way; otherwise NULL */
    pthread_t thread;
    struct viv_lab_loop *loop;
    struct load_session *sessions;
    struct viv_rng rng;

    enum load_phase phase;
    uint64_t phase_end_ns;
    uint64_t next_due_ns; /* open loop: when the next request is due */
    uint32_t next_session;
    uint64_t cpu_start_ns;
    uint64_t in_flight;
    struct viv_load_result result;

    _Atomic uint64_t started_ns, ended_ns;
    _Atomic uint64_t mark_ns;
    _Atomic uint64_t first_ack_ns;
    _Atomic uint64_t silence_from_ns; /* 0: nobody asked */
    uint64_t last_ack_ns;             /* of a write, since then; 0: none yet */
    _Atomic bool stop;
    _Atomic bool done;
};

/* load_session.c */
void load_session_open(struct viv_load *load, uint32_t index);
void load_session_fini(struct load_session *session);
/* Sends as much as the pipeline and the phase allow. */
void load_session_fill(struct load_session *session);
/* Plans one arrival at `due_ns`. */
void load_session_plan(struct load_session *session, uint64_t due_ns);

/* load.c */
void load_count(struct viv_load *load, const struct load_request *request, const struct viv_client_reply *reply);

#endif /* VIV_EXPERIMENTS_LAB_LOAD_INTERNAL_H */
