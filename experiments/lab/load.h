#ifndef VIV_EXPERIMENTS_LAB_LOAD_H
#define VIV_EXPERIMENTS_LAB_LOAD_H

#include "base/histogram.h"
#include "experiments/lab/dialect.h"
#include "experiments/lab/keyset.h"

/* The load generator: one thread, many sessions, one kind of operation. Closed loop: every session keeps `pipeline`
 * requests in flight. Open loop: arrivals are planned in advance and never wait for replies; the latency of a request
 * counts from the time it was DUE, so that a stall is charged to every request it delayed (partitioning.md §4.6).
 * Knows the client and the keys; knows no servers' processes and writes no files. */

enum viv_load_op { VIV_LOAD_CREATE, VIV_LOAD_SET, VIV_LOAD_GET, VIV_LOAD_MIXED };
enum viv_load_arrivals { VIV_LOAD_CONSTANT, VIV_LOAD_POISSON };

struct viv_load_spec {
    const struct viv_dialect *dialect; /* of the servers */
    enum viv_load_op op;
    uint32_t clients;
    uint32_t pipeline; /* requests in flight per session; a bound only, in an open loop */
    double rate_per_s; /* of all sessions together; 0: closed loop */
    enum viv_load_arrivals arrivals;
    uint32_t read_percent; /* of VIV_LOAD_MIXED: gets among sets */
    uint64_t warmup_ns;    /* served, not measured */
    uint64_t measure_ns;   /* 0: until viv_load_stop */
    uint64_t ops_max;      /* 0: no bound; otherwise the measurement ends when so many are acknowledged */
    int attach;            /* index of the one server to use; -1: spread over all, in turn */
    uint32_t session_timeout_ms;
    uint64_t seed;
    /* For the selftest's negative control alone: wait for the reply before the next request, skip the arrivals that
     * came due meanwhile, and take latency from the sending: coordinated omission. */
    bool omit_coordinated;
};

enum { VIV_LOAD_TENTH_NS = 100000000 };

/* How the lab's clients come and come back: often enough that what is measured is the server's absence. */
enum { VIV_LOAD_CONNECT_TIMEOUT_MS = 1000, VIV_LOAD_REATTACH_TIMEOUT_MS = 40, VIV_LOAD_RETRY_MS = 5 };

/* One second of the measurement; the last one may be shorter. */
struct viv_load_second {
    uint64_t ok;
    uint64_t gets; /* of ok */
    uint64_t errors;
    uint64_t lost; /* unanswered when their connection went: fate unknown */
    /* Of ok; closed loop: by the second of the reply, open loop: of the due time. */
    struct viv_histogram reads, writes;
};

struct viv_load_result {
    uint64_t start_ns; /* of the measurement */
    uint64_t end_ns;
    struct viv_load_second *seconds;
    size_t second_count;
    uint32_t *tenths; /* acknowledged in each 100 ms since start_ns */
    size_t tenth_count;
    size_t tenth_capacity;
    uint64_t offered; /* requests due (open) or made (closed) within the measurement */
    uint64_t ok, errors, lost;
    int32_t first_error;    /* reply code of the first refused request, 0: none */
    uint64_t reconnects;    /* times a session came back */
    uint64_t expired;       /* sessions that were told they had expired */
    uint64_t client_cpu_ns; /* of the generator's thread, within the measurement */
    uint64_t silence_ns;    /* longest time between two acknowledged writes since viv_load_watch_silence */
    bool all_connected;     /* false: some session never came up and nothing was measured */
};

struct viv_load;

/* Starts the thread. `servers` and `keyset` are borrowed until viv_load_finish; meanwhile nobody else touches the
 * keyset. VIV_ERR_SYSTEM: no thread or no descriptors. */
viv_status viv_load_start(const struct viv_load_spec *spec, const struct viv_client_address *servers,
                          size_t server_count, struct viv_keyset *keyset, struct viv_load **out) VIV_MUST_USE;
/* When the measurement began; 0: not yet. */
uint64_t viv_load_started_ns(const struct viv_load *load);
/* When it ended; 0: not yet. Replies to what is in flight may still be waited for. */
uint64_t viv_load_ended_ns(const struct viv_load *load);
/* True when the thread has nothing more to do. */
bool viv_load_is_done(const struct viv_load *load);
/* From now on the first acknowledged write that was sent at or after `at_ns` is looked for. */
void viv_load_mark(struct viv_load *load, uint64_t at_ns);
/* When the acknowledgement of that write came; 0: not yet. */
uint64_t viv_load_first_ack_ns(const struct viv_load *load);
/* From at_ns on the longest time without an acknowledged write is looked for. Once a load. */
void viv_load_watch_silence(struct viv_load *load, uint64_t at_ns);
/* Ends the measurement soon; what is in flight is still waited for, within limits. */
void viv_load_stop(struct viv_load *load);
/* Waits for the thread, hands the result over (owned by the caller) and frees the load. */
void viv_load_finish(struct viv_load *load, struct viv_load_result *result);
void viv_load_result_fini(struct viv_load_result *result);
/* Latencies of all seconds together; the caller owns `into`, initialised. */
void viv_load_merge_latencies(const struct viv_load_result *result, struct viv_histogram *into);
const char *viv_load_op_name(enum viv_load_op op);

#endif /* VIV_EXPERIMENTS_LAB_LOAD_H */
