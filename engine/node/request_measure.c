#include "node/request_measure.h"

#include "base/endian.h"
#include "wire/records.h"

enum { NS_PER_MS = 1000000 };

void viv_request_measure_init(struct viv_request_measure *measure, struct viv_metrics *metrics)
{
    *measure = (struct viv_request_measure){
        .metrics = metrics,
        .reads = {.tally = viv_metrics_tally(metrics, VIV_METRIC_readlatency)},
        .updates = {.tally = viv_metrics_tally(metrics, VIV_METRIC_updatelatency)},
    };
}

static void set_usual_of(struct viv_request_kind *kind, uint64_t slow_from_ns)
{
    const struct viv_tally *tally = kind->tally;
    uint64_t end_ns = tally->max + 1 < slow_from_ns ? tally->max + 1 : slow_from_ns;
    kind->usual_from_ns = tally->min;
    kind->usual_span_ns = tally->count > 0 && end_ns > tally->min ? end_ns - tally->min : 0;
}

void viv_request_measure_set_usual(struct viv_request_measure *measure)
{
    uint64_t slow_from_ns = viv_slow_from_ns(viv_metrics_slow(measure->metrics));
    set_usual_of(&measure->reads, slow_from_ns);
    set_usual_of(&measure->updates, slow_from_ns);
}

void viv_request_measure_tick(struct viv_request_measure *measure, uint64_t now_ns)
{
    viv_metrics_tick(measure->metrics, now_ns);
    viv_sampler_tick(&measure->sampler, now_ns);
    viv_request_measure_set_usual(measure);
}

void viv_request_measure_fired(struct viv_request_measure *measure)
{
    static const enum viv_metric_id ids[] = {
        [VIV_EVENT_NODE_CREATED] = VIV_METRIC_node_created_watch_count,
        [VIV_EVENT_NODE_DELETED] = VIV_METRIC_node_deleted_watch_count,
        [VIV_EVENT_NODE_DATA_CHANGED] = VIV_METRIC_node_changed_watch_count,
        [VIV_EVENT_NODE_CHILDREN_CHANGED] = VIV_METRIC_node_children_watch_count,
    };
    for (unsigned type = VIV_EVENT_NODE_CREATED; type <= VIV_EVENT_NODE_CHILDREN_CHANGED; type++) {
        if (measure->fired[type] > 0) {
            viv_metrics_observe(measure->metrics, ids[type], measure->fired[type]);
        }
        measure->fired[type] = 0;
    }
    measure->fired_all = 0;
}

/* ZooKeeper's latency is that of reads and updates together. */
void viv_request_measure_stats(const struct viv_request_measure *measure, struct viv_node_stats *stats)
{
    const struct viv_tally *reads = measure->reads.tally, *updates = measure->updates.tally;
    uint64_t min_ns =
        reads->count > 0 && (updates->count == 0 || reads->min < updates->min) ? reads->min : updates->min;
    stats->latency_ms_min = min_ns / NS_PER_MS;
    stats->latency_ms_max = (reads->max > updates->max ? reads->max : updates->max) / NS_PER_MS;
    stats->latency_ms_sum = (reads->sum + updates->sum) / NS_PER_MS;
    stats->latency_count = reads->count + updates->count;
}

/* The path comes first in the records of reads that have one. */
static struct viv_bytes path_of(const struct viv_pending *request, const struct viv_subject *subject)
{
    if (subject->applied != NULL) {
        return subject->applied->change_count > 0 ? subject->applied->changes[0].path : (struct viv_bytes){0};
    }
    if (request->op == VIV_OP_MULTI_READ || request->op == VIV_OP_SET_WATCHES || request->op == VIV_OP_SET_WATCHES2) {
        return (struct viv_bytes){0};
    }
    struct viv_jute_reader reader = viv_jute_reader_of(subject->record);
    struct viv_bytes path = viv_jute_read_buffer(&reader).bytes;
    return reader.bad ? (struct viv_bytes){0} : path;
}

/* On a follower preparing is the leader's, and not seen here. */
static struct viv_stage_times times_of(const struct viv_pending *request, const struct viv_subject *subject,
                                       const struct viv_turn *turn)
{
    struct viv_stage_times times = {{
        [VIV_STAGE_RECEIVED] = request->received_ns,
        [VIV_STAGE_ROUTED] = request->routed_ns,
        [VIV_STAGE_REPLIED] = turn->now_ns,
    }};
    if (subject->mark != NULL) {
        times.at_ns[VIV_STAGE_PREPARED] = subject->mark->is_own ? subject->mark->proposed_ns : 0;
        times.at_ns[VIV_STAGE_PROPOSED] = subject->mark->proposed_ns;
        times.at_ns[VIV_STAGE_STORED] = subject->mark->stored_ns;
    }
    if (subject->applied != NULL) {
        times.at_ns[VIV_STAGE_COMMITTED] = turn->now_ns;
        times.at_ns[VIV_STAGE_APPLIED] = turn->now_ns;
    }
    return times;
}

/* ---- samples ---- */

/* As ZooKeeper counts a read that succeeds: its path, the stat, and the data or names (asked of a 3.8.0 server). 0: not
 * at all. */
static uint64_t read_bytes(int32_t op, struct viv_bytes reply)
{
    if (reply.size < sizeof(uint32_t)) {
        return 0;
    }
    uint64_t names = viv_load_be32(reply.data) * (uint64_t)sizeof(uint32_t); /* their lengths, where they are listed */
    switch (op) {
    case VIV_OP_EXISTS:
        return VIV_STAT_BYTES;
    case VIV_OP_GET_DATA:
        return reply.size - sizeof(uint32_t);
    case VIV_OP_GET_CHILDREN:
        return reply.size - sizeof(uint32_t) - names + VIV_STAT_BYTES;
    case VIV_OP_GET_CHILDREN2:
        return reply.size - sizeof(uint32_t) - names;
    default:
        return 0;
    }
}

static void count_write(struct viv_metrics *metrics, const struct viv_stage_times *times, uint64_t weight)
{
    uint64_t received_ns = times->at_ns[VIV_STAGE_RECEIVED], stored_ns = times->at_ns[VIV_STAGE_STORED];
    uint64_t committed_ns = times->at_ns[VIV_STAGE_COMMITTED], proposed_ns = times->at_ns[VIV_STAGE_PROPOSED];
    viv_metrics_observe_many(metrics, VIV_METRIC_local_write_committed_time_ms, committed_ns - received_ns, weight);
    if (stored_ns != 0) {
        viv_metrics_observe_many(metrics, VIV_METRIC_server_write_committed_time_ms, committed_ns - proposed_ns,
                                 weight);
        viv_metrics_observe_many(metrics, VIV_METRIC_write_commitproc_time_ms, committed_ns - stored_ns, weight);
    }
    viv_metrics_observe_many(metrics, VIV_METRIC_write_final_proc_time_ms,
                             times->at_ns[VIV_STAGE_REPLIED] - times->at_ns[VIV_STAGE_APPLIED], weight);
}

static void count_read(struct viv_metrics *metrics, const struct viv_pending *request,
                       const struct viv_subject *subject, const struct viv_stage_times *times, uint64_t weight)
{
    viv_metrics_observe_many(metrics, VIV_METRIC_read_commitproc_time_ms,
                             times->at_ns[VIV_STAGE_REPLIED] - times->at_ns[VIV_STAGE_ROUTED], weight);
    viv_metrics_observe_many(metrics, VIV_METRIC_read_final_proc_time_ms, 0, weight); /* within the turn */
    uint64_t bytes = read_bytes(request->op, subject->reply);
    if (bytes > 0) {
        viv_metrics_namespace_observe(metrics, VIV_METRIC_read_per_namespace, path_of(request, subject), bytes, weight);
    }
}

void viv_request_measure_sample(struct viv_request_measure *measure, const struct viv_connection *connection,
                                const struct viv_pending *request, const struct viv_subject *subject,
                                const struct viv_turn *turn)
{
    struct viv_stage_times times = times_of(request, subject, turn);
    uint64_t weight = viv_sampler_weight(&measure->sampler);
    viv_tally_add_bucket(request->kind == VIV_PENDING_WRITE ? measure->updates.tally : measure->reads.tally,
                         turn->now_ns - request->received_ns, weight);
    viv_stages_record(viv_metrics_stages(measure->metrics), VIV_STAGE_VIEW_CLIENT, request->op, &times, weight);
    viv_top_request(viv_metrics_top(measure->metrics), connection->session_id, weight);
    if (subject->applied != NULL) {
        count_write(measure->metrics, &times, weight);
    } else if (request->kind == VIV_PENDING_READ) {
        count_read(measure->metrics, request, subject, &times, weight);
    }
}

void viv_request_measure_unusual(struct viv_request_measure *measure, const struct viv_connection *connection,
                                 const struct viv_pending *request, const struct viv_subject *subject,
                                 const struct viv_turn *turn)
{
    struct viv_slow *slow = viv_metrics_slow(measure->metrics);
    struct viv_request_kind *kind = request->kind == VIV_PENDING_WRITE ? &measure->updates : &measure->reads;
    uint64_t whole_ns = turn->now_ns - request->received_ns;
    viv_tally_add_extreme(kind->tally, whole_ns);
    if (whole_ns >= viv_slow_from_ns(slow)) {
        struct viv_slow_request kept = {
            .op = request->op,
            .session_id = connection->session_id,
            .whole_ns = whole_ns,
            .wall_ms = turn->wall_ms,
            .times = times_of(request, subject, turn),
            .path = path_of(request, subject),
        };
        viv_slow_record(slow, &kept);
    }
    viv_request_measure_set_usual(measure);
}
