#ifndef VIV_METRICS_METRICS_H
#define VIV_METRICS_METRICS_H

#include <stddef.h>

#include "base/bytes.h"
#include "base/entry.h"
#include "metrics/slow.h"
#include "metrics/stages.h"
#include "metrics/tally.h"
#include "metrics/top.h"

/* Everything that a server counts and times, in fixed memory: the registry that metrics.def describes, the stages of
 * requests, the busiest paths and sessions, the slowest requests. Whoever sees something happen records it; whoever
 * shows numbers visits them. Pure: time comes in as numbers, nothing is allocated after viv_metrics_new.
 *
 * Not known here: where a value comes from, who asks, HTTP, JSON. One thread. */

enum viv_metric_kind {
    VIV_METRIC_GAUGE,
    VIV_METRIC_COUNTER,
    VIV_METRIC_SUMMARY,   /* mntr: avg_ min_ max_ cnt_ sum_ */
    VIV_METRIC_ADVANCED,  /* and p50_ p95_ p99_ p999_ */
    VIV_METRIC_INFO,      /* a word instead of a number */
    VIV_METRIC_GAUGE_SET, /* the same, one for each of some keys: namespaces or servers */
    VIV_METRIC_COUNTER_SET,
    VIV_METRIC_SUMMARY_SET,
    VIV_METRIC_ADVANCED_SET,
};

enum viv_metric_unit {
    VIV_METRIC_NUMBER,
    VIV_METRIC_BITS,    /* all 64 of them, no sign */
    VIV_METRIC_DECIMAL, /* kept in ten-thousandths */
    VIV_METRIC_TIME,    /* kept in ns, shown in ms */
};

enum viv_metric_scope {
    VIV_METRIC_ALWAYS,
    VIV_METRIC_ENSEMBLE, /* not on a standalone server */
    VIV_METRIC_LEADER,   /* only while leading an ensemble */
    VIV_METRIC_SERVER,   /* ours */
    VIV_METRIC_GROUP,    /* ours, one for each group */
};

enum viv_metric_id {
#define VIV_METRIC(name, kind, unit, scope, help) VIV_METRIC_##name,
#include "metrics/metrics.def"
#undef VIV_METRIC
    VIV_METRIC_COUNT,
};

enum {
    VIV_METRIC_KEYS_MAX = 64, /* of one set; what comes after them is counted together, under the key "other" */
    VIV_METRIC_KEY_BYTES_MAX = 63,
};

struct viv_metrics;

struct viv_metrics *viv_metrics_new(size_t group_count);
void viv_metrics_free(struct viv_metrics *metrics);
/* Time passes, for what is kept in windows. At least once a second. */
void viv_metrics_tick(struct viv_metrics *metrics, uint64_t now_ns);

/* ---- recording; rows of scope GROUP by the _group_ calls ---- */

void viv_metrics_set(struct viv_metrics *metrics, enum viv_metric_id id, int64_t value); /* GAUGE */
void viv_metrics_add(struct viv_metrics *metrics, enum viv_metric_id id, uint64_t more); /* COUNTER */
void viv_metrics_set_count(struct viv_metrics *metrics, enum viv_metric_id id,
                           uint64_t all); /* COUNTER kept elsewhere */
void viv_metrics_observe(struct viv_metrics *metrics, enum viv_metric_id id, uint64_t value); /* SUMMARY, ADVANCED */
void viv_metrics_observe_many(struct viv_metrics *metrics, enum viv_metric_id id, uint64_t value, uint64_t count);
/* The tally behind a SUMMARY or ADVANCED, for those who record at every request. */
struct viv_tally *viv_metrics_tally(struct viv_metrics *metrics, enum viv_metric_id id);
void viv_metrics_set_text(struct viv_metrics *metrics, enum viv_metric_id id,
                          const char *text); /* INFO; borrowed for good */
void viv_metrics_group_set(struct viv_metrics *metrics, viv_gid gid, enum viv_metric_id id, int64_t value);
void viv_metrics_group_set_count(struct viv_metrics *metrics, viv_gid gid, enum viv_metric_id id, uint64_t all);
/* Sets. A key is cut at VIV_METRIC_KEY_BYTES_MAX. */
void viv_metrics_key_set(struct viv_metrics *metrics, enum viv_metric_id id, struct viv_bytes key, int64_t value);
void viv_metrics_key_add(struct viv_metrics *metrics, enum viv_metric_id id, struct viv_bytes key, uint64_t more);
void viv_metrics_key_set_count(struct viv_metrics *metrics, enum viv_metric_id id, struct viv_bytes key, uint64_t all);
void viv_metrics_key_observe(struct viv_metrics *metrics, enum viv_metric_id id, struct viv_bytes key, uint64_t value,
                             uint64_t count);
/* A *_per_namespace summary: `bytes` and the path's length, under the first part of the path; the root has none. */
void viv_metrics_namespace_observe(struct viv_metrics *metrics, enum viv_metric_id id, struct viv_bytes path,
                                   uint64_t bytes, uint64_t count);
/* The same for a counter, and for a gauge. */
void viv_metrics_namespace_add(struct viv_metrics *metrics, enum viv_metric_id id, struct viv_bytes path,
                               uint64_t more);
void viv_metrics_namespace_set(struct viv_metrics *metrics, enum viv_metric_id id, struct viv_bytes path,
                               int64_t value);
/* Forgets the keys of a GAUGE_SET, which is filled anew each time it is shown. */
void viv_metrics_keys_clear(struct viv_metrics *metrics, enum viv_metric_id id);

/* As srst does: counters and summaries begin anew for mntr. What Prometheus sees goes on. */
void viv_metrics_reset(struct viv_metrics *metrics);

struct viv_stages *viv_metrics_stages(const struct viv_metrics *metrics);
struct viv_top *viv_metrics_top(const struct viv_metrics *metrics);
struct viv_slow *viv_metrics_slow(const struct viv_metrics *metrics);

/* ---- showing ---- */

/* Who is shown depends on what this server is just now. */
struct viv_metrics_view {
    bool is_ensemble, is_leader;
};

/* One line of mntr. ZooKeeper's names come without zk_ (as in HTTP monitor), ours with viv_. `text` is the value as
 * mntr prints it, which is a JSON number too unless is_word. Borrowed for the call. */
struct viv_metric_line {
    const char *name, *text;
    bool is_ours, is_word;
};
typedef void viv_metric_line_fn(void *ctx, const struct viv_metric_line *line);
void viv_metrics_visit(const struct viv_metrics *metrics, const struct viv_metrics_view *view,
                       viv_metric_line_fn *visit, void *ctx);
/* Appends the lines of mntr: zk_<name> TAB value, or viv_<name> TAB value. */
void viv_metrics_mntr(const struct viv_metrics *metrics, const struct viv_metrics_view *view, struct viv_buffer *out);
/* Appends Prometheus' text exposition 0.0.4, shaped as ZooKeeper's (admin.md §4). name_count 0: all; else only the
 * samples of these names, as `?name[]=` asks for: a summary's are its name, name_count and name_sum. */
void viv_metrics_prometheus(const struct viv_metrics *metrics, const struct viv_metrics_view *view,
                            const struct viv_bytes *names, size_t name_count, struct viv_buffer *out);

#endif /* VIV_METRICS_METRICS_H */
