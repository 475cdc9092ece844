#ifndef VIV_NODE_REQUEST_MEASURE_H
#define VIV_NODE_REQUEST_MEASURE_H

#include "metrics/metrics.h"
#include "metrics/sampler.h"
#include "node/connection.h"
#include "node/marks.h"
#include "node/node.h"
#include "tree/apply.h"
#include "wire/op.h"

/* What the session side counts and times: every request once, when it is answered. */

/* Reads or updates. A request is usual when it changes nothing but sums: it is neither the quickest nor the longest so
 * far, nor among the slow ones. */
struct viv_request_kind {
    struct viv_tally *tally;
    uint64_t usual_from_ns, usual_span_ns;
};

struct viv_request_measure {
    struct viv_metrics *metrics; /* the node's */
    struct viv_request_kind reads, updates;
    struct viv_sampler sampler;
    uint64_t auth_failures, watch_bytes;
    unsigned fired[VIV_EVENT_NODE_CHILDREN_CHANGED + 1], fired_all; /* notifications of the change at hand, by type */
};

/* What a request was about. */
struct viv_subject {
    struct viv_bytes record, reply;    /* a read's */
    const struct viv_applied *applied; /* the transaction that a write became, or NULL */
    const struct viv_mark *mark;       /* when that passed the stages in between, or NULL */
};

void viv_request_measure_init(struct viv_request_measure *measure, struct viv_metrics *metrics);
/* What is usual follows from the tallies; they were changed. */
void viv_request_measure_set_usual(struct viv_request_measure *measure);
void viv_request_measure_tick(struct viv_request_measure *measure, uint64_t now_ns);
/* A notification of so many bytes goes out. */
static inline void viv_request_measure_notified(struct viv_request_measure *measure, enum viv_event_type type,
                                                uint64_t bytes)
{
    measure->watch_bytes += bytes;
    measure->fired[type]++;
    measure->fired_all++;
}
/* All who wait for one change were told. */
void viv_request_measure_fired(struct viv_request_measure *measure);
void viv_request_measure_stats(const struct viv_request_measure *measure, struct viv_node_stats *stats);

/* Of those that are sampled: stages, namespaces and sessions. */
void viv_request_measure_sample(struct viv_request_measure *measure, const struct viv_connection *connection,
                                const struct viv_pending *request, const struct viv_subject *subject,
                                const struct viv_turn *turn);
/* The quickest so far, or slow. */
void viv_request_measure_unusual(struct viv_request_measure *measure, const struct viv_connection *connection,
                                 const struct viv_pending *request, const struct viv_subject *subject,
                                 const struct viv_turn *turn);

/* The request is answered in this turn. */
static inline void viv_request_measure_answered(struct viv_request_measure *measure,
                                                const struct viv_connection *connection,
                                                const struct viv_pending *request, const struct viv_subject *subject,
                                                const struct viv_turn *turn)
{
    struct viv_request_kind *kind = request->kind == VIV_PENDING_WRITE ? &measure->updates : &measure->reads;
    uint64_t whole_ns = turn->now_ns - request->received_ns;
    viv_tally_add_sum(kind->tally, whole_ns);
    if (whole_ns - kind->usual_from_ns >= kind->usual_span_ns) { /* also when it is less: the difference wraps */
        viv_request_measure_unusual(measure, connection, request, subject, turn);
    }
    if (viv_sampler_takes(&measure->sampler)) {
        viv_request_measure_sample(measure, connection, request, subject, turn);
    }
}

#endif /* VIV_NODE_REQUEST_MEASURE_H */
