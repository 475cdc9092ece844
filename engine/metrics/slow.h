#ifndef VIV_METRICS_SLOW_H
#define VIV_METRICS_SLOW_H

#include "base/bytes.h"
#include "metrics/stages.h"

/* The slowest requests of the last minute with the times of their stages, in fixed memory. Every request is asked
 * about, so the question is one comparison; few are kept. */

enum { VIV_SLOW_COUNT = 64, VIV_SLOW_PATH_BYTES_MAX = 160 };

struct viv_slow;

struct viv_slow_request {
    int32_t op;
    int64_t session_id;
    uint64_t whole_ns; /* received to replied */
    int64_t wall_ms;   /* when it was answered */
    struct viv_stage_times times;
    struct viv_bytes path; /* cut; empty where it is not known (a refused write) */
};

struct viv_slow *viv_slow_new(void);
void viv_slow_free(struct viv_slow *slow);
/* At least once a second. */
void viv_slow_tick(struct viv_slow *slow, uint64_t now_ns);
/* What took at least so long belongs to the slowest of these ten seconds so far. */
uint64_t viv_slow_from_ns(const struct viv_slow *slow);
/* Copies it. Only from viv_slow_from_ns on. */
void viv_slow_record(struct viv_slow *slow, const struct viv_slow_request *request);

/* Slowest first, at most VIV_SLOW_COUNT, of the last minute (50 to 60 s). Borrowed for the call. */
typedef void viv_slow_request_fn(void *ctx, const struct viv_slow_request *request);
void viv_slow_visit(const struct viv_slow *slow, viv_slow_request_fn *visit, void *ctx);

#endif /* VIV_METRICS_SLOW_H */
