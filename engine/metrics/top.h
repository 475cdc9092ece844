#ifndef VIV_METRICS_TOP_H
#define VIV_METRICS_TOP_H

#include "base/bytes.h"

/* The busiest paths (by writes) and sessions (by requests) of the last ten seconds, by Space-Saving (Metwally et al.
 * 2005): a fixed number of counters, and a newcomer takes over the least of them with its count. A key with more than
 * 1/64 of all is certain to be there; a count is too high by at most its `error`. Callers sample: they record one
 * request for `weight` of its like. */

enum {
    VIV_TOP_COUNTERS = 64,
    VIV_TOP_PATH_BYTES_MAX = 200, /* a longer path is shown cut, counted whole */
};
#define VIV_TOP_WINDOW_NS UINT64_C(10000000000)

struct viv_top;

struct viv_top *viv_top_new(void);
void viv_top_free(struct viv_top *top);
/* At least once a second. */
void viv_top_tick(struct viv_top *top, uint64_t now_ns);
void viv_top_write(struct viv_top *top, struct viv_bytes path, uint64_t weight);
void viv_top_request(struct viv_top *top, int64_t session_id, uint64_t weight);

/* Busiest first, of the last whole window; before there is one, of the one that began at the start. `window_ns` is its
 * length, for rates; 0: nothing was measured yet. */
struct viv_top_item {
    struct viv_bytes path; /* paths */
    int64_t session_id;    /* sessions */
    uint64_t count, error;
};
typedef void viv_top_item_fn(void *ctx, const struct viv_top_item *item);
uint64_t viv_top_window_ns(const struct viv_top *top);
void viv_top_visit_paths(const struct viv_top *top, viv_top_item_fn *visit, void *ctx);
void viv_top_visit_sessions(const struct viv_top *top, viv_top_item_fn *visit, void *ctx);

#endif /* VIV_METRICS_TOP_H */
