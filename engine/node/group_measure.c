#include "node/group_measure.h"

#include <stdio.h>

#include "base/endian.h"
#include "wire/jute.h"
#include "wire/op.h"
#include "wire/peer.h"

enum { NS_PER_MS = 1000000, CHANGES_COUNTED_MAX = 16, TXN_TIME_OFFSET = 20, TXN_HEAD_BYTES = 32 };

void viv_group_measure_init(struct viv_group_measure *measure, struct viv_metrics *metrics, const struct viv_zab *zab)
{
    *measure = (struct viv_group_measure){.metrics = metrics, .zab = zab};
}

void viv_group_measure_reset(struct viv_group_measure *measure)
{
    measure->proposal_bytes_last = measure->proposal_bytes_min = measure->proposal_bytes_max = 0;
}

/* Wall clocks of two servers: what seems to lie ahead took no time. */
static uint64_t wall_age_ns(int64_t since_ms, const struct viv_turn *turn)
{
    return turn->wall_ms > since_ms ? (uint64_t)(turn->wall_ms - since_ms) * NS_PER_MS : 0;
}

/* The path comes first in the records of writes; of a multi it is not known which operation went too far. */
void viv_group_measure_over_quota(struct viv_group_measure *measure, const struct viv_request *request)
{
    struct viv_jute_reader reader = viv_jute_reader_of(request->record);
    struct viv_bytes path = viv_jute_read_buffer(&reader).bytes;
    if (!reader.bad && request->op != VIV_OP_MULTI) {
        viv_metrics_namespace_add(measure->metrics, VIV_METRIC_quota_exceeded_error_per_namespace, path, 1);
    }
}

/* ---- entries ---- */

void viv_group_measure_appended(struct viv_group_measure *measure, const struct viv_entry *entries, size_t count,
                                const struct viv_turn *turn)
{
    bool is_leading = viv_zab_is_broadcasting_leader(measure->zab);
    struct viv_mark mark = {entries[0].zxid, entries[count - 1].zxid, turn->now_ns, 0, is_leading};
    viv_marks_lay(&measure->marks, &mark);
    measure->appended += count;
    if (is_leading) {
        return;
    }
    struct viv_bytes body = entries[count - 1].body;
    measure->learnt += count;
    if (body.size >= TXN_HEAD_BYTES) {
        int64_t time_ms = (int64_t)viv_load_be64(body.data + TXN_TIME_OFFSET);
        viv_metrics_observe_many(measure->metrics, VIV_METRIC_proposal_latency, wall_age_ns(time_ms, turn), count);
    }
}

void viv_group_measure_stored(struct viv_group_measure *measure, uint64_t zxid, size_t count, uint64_t proposed_ns,
                              const struct viv_turn *turn)
{
    uint64_t took_ns = turn->now_ns - proposed_ns;
    viv_marks_store(&measure->marks, zxid, turn->now_ns);
    if (viv_sampler_takes(&measure->batches)) {
        count *= viv_sampler_weight(&measure->batches);
        viv_metrics_observe_many(measure->metrics, VIV_METRIC_sync_processor_queue_and_flush_time_ms, took_ns, count);
        viv_metrics_observe_many(measure->metrics, VIV_METRIC_proposal_ack_creation_latency, took_ns, count);
    }
}

/* One number names a learner in three sets: how long its acknowledgement took, which is the time that the proposal
 * spent on the way to it and back, and how many it still owes. */
void viv_group_measure_acked(struct viv_group_measure *measure, uint32_t link, uint64_t zxid,
                             const struct viv_turn *turn)
{
    viv_sid sid = viv_zab_learner_sid(measure->zab, link);
    if (sid == 0 || !viv_sampler_takes(&measure->acks)) {
        return;
    }
    const struct viv_mark *mark = viv_marks_find(&measure->marks, zxid);
    uint64_t weight = viv_sampler_weight(&measure->acks), proposed = viv_zab_last_proposed(measure->zab);
    bool is_behind = proposed > zxid && VIV_ZXID_EPOCH(proposed) == VIV_ZXID_EPOCH(zxid);
    char key[16];
    int size = snprintf(key, sizeof key, "%d", (int)sid);
    struct viv_bytes name = viv_bytes_of(key, (size_t)size);
    viv_metrics_key_observe(measure->metrics, VIV_METRIC_learner_handler_qp_size, name, is_behind ? proposed - zxid : 0,
                            weight);
    if (mark != NULL) {
        uint64_t took_ns = turn->now_ns - mark->proposed_ns;
        viv_metrics_key_observe(measure->metrics, VIV_METRIC_ack_latency, name, took_ns, weight);
        viv_metrics_key_observe(measure->metrics, VIV_METRIC_learner_handler_qp_time_ms, name, took_ns, weight);
    }
}

/* ---- transactions ---- */

/* A run counts when one of it is sampled, for itself or for those that were passed over. */
static void count_run(struct viv_group_measure *measure, bool is_leading, const struct viv_turn *turn)
{
    struct viv_metrics *metrics = measure->metrics;
    uint64_t age_ns = wall_age_ns(measure->run_time_ms, turn), weight = viv_sampler_weight(&measure->sampler);
    uint64_t count = measure->run_count > weight ? measure->run_count : weight;
    viv_metrics_observe_many(metrics, VIV_METRIC_propagation_latency, age_ns, count);
    if (!is_leading) {
        viv_metrics_observe_many(metrics, VIV_METRIC_commit_propagation_latency, age_ns, count);
    } else if (measure->mark.zxid != 0) {
        uint64_t took_ns = turn->now_ns - measure->mark.proposed_ns;
        viv_metrics_observe_many(metrics, VIV_METRIC_quorum_ack_latency, took_ns, count);
    }
}

void viv_group_measure_end_run(struct viv_group_measure *measure, const struct viv_turn *turn)
{
    bool is_leading = viv_zab_is_broadcasting_leader(measure->zab);
    measure->applied += measure->run_count;
    measure->applied_as_learner += is_leading ? 0 : measure->run_count;
    if ((measure->sampler.seen & measure->sampler.mask) < measure->run_count) {
        count_run(measure, is_leading, turn);
    }
    measure->run_count = measure->run_zxid_max = 0;
}

void viv_group_measure_begin_run(struct viv_group_measure *measure, const struct viv_applied *applied,
                                 const struct viv_turn *turn)
{
    viv_group_measure_pause(measure, turn);
    const struct viv_mark *mark = viv_marks_pass(&measure->marks, applied->header.zxid);
    measure->mark = mark != NULL ? *mark : (struct viv_mark){0};
    measure->run_zxid_max = mark != NULL ? mark->zxid : applied->header.zxid;
    measure->run_time_ms = applied->header.time_ms;
}

/* As ZooKeeper counts a write: its path and the data that it brings. */
static void count_changes(struct viv_group_measure *measure, const struct viv_applied *applied, uint64_t weight)
{
    for (size_t i = 0; i < applied->change_count && i < CHANGES_COUNTED_MAX; i++) {
        const struct viv_change *change = &applied->changes[i];
        bool has_stat = applied->result_count == applied->change_count && change->kind != VIV_CHANGE_DELETED;
        uint64_t bytes =
            has_stat && applied->results[i].stat.data_bytes > 0 ? (uint64_t)applied->results[i].stat.data_bytes : 0;
        viv_metrics_namespace_observe(measure->metrics, VIV_METRIC_write_per_namespace, change->path, bytes, weight);
        viv_top_write(viv_metrics_top(measure->metrics), change->path, weight);
    }
}

void viv_group_measure_sample(struct viv_group_measure *measure, const struct viv_applied *applied,
                              const struct viv_turn *turn)
{
    uint64_t weight = viv_sampler_weight(&measure->sampler);
    count_changes(measure, applied, weight);
    if (!viv_zab_is_broadcasting_leader(measure->zab) || measure->mark.zxid == 0) {
        return;
    }
    struct viv_stage_times times = {{
        [VIV_STAGE_RECEIVED] = measure->mark.proposed_ns,
        [VIV_STAGE_ROUTED] = measure->mark.proposed_ns,
        [VIV_STAGE_PREPARED] = measure->mark.proposed_ns,
        [VIV_STAGE_PROPOSED] = measure->mark.proposed_ns,
        [VIV_STAGE_STORED] = measure->mark.stored_ns,
        [VIV_STAGE_COMMITTED] = turn->now_ns,
        [VIV_STAGE_APPLIED] = turn->now_ns,
    }};
    viv_stages_record(viv_metrics_stages(measure->metrics), VIV_STAGE_VIEW_LEADER, applied->header.type, &times,
                      weight);
}

/* ---- roles ---- */

static void observe_since(struct viv_metrics *metrics, enum viv_metric_id id, uint64_t *since_ns,
                          const struct viv_turn *turn)
{
    if (*since_ns != 0) {
        viv_metrics_observe(metrics, id, turn->now_ns - *since_ns);
        *since_ns = 0;
    }
}

static void begin_serving(struct viv_group_measure *measure, const struct viv_turn *turn)
{
    static const enum viv_metric_id syncs[] = {
        [VIV_FOLLOWING] = VIV_METRIC_follower_sync_time,
        [VIV_OBSERVING] = VIV_METRIC_observer_sync_time,
    };
    if (measure->state == VIV_LEADING) {
        measure->led_ns = turn->now_ns;
        if (measure->lost_ns != 0) {
            viv_metrics_observe(measure->metrics, VIV_METRIC_leader_unavailable_time, turn->now_ns - measure->lost_ns);
        }
        measure->found_ns = 0;
    } else if (measure->state != VIV_LOOKING) {
        observe_since(measure->metrics, syncs[measure->state], &measure->found_ns, turn);
    }
    observe_since(measure->metrics, VIV_METRIC_unavailable_time, &measure->lost_ns, turn);
}

void viv_group_measure_role(struct viv_group_measure *measure, const struct viv_zab_output *role,
                            const struct viv_turn *turn)
{
    if (role->state == VIV_LOOKING && measure->looking_ns == 0) {
        measure->looking_ns = turn->now_ns;
    } else if (role->state != VIV_LOOKING && measure->looking_ns != 0) {
        observe_since(measure->metrics, VIV_METRIC_election_time, &measure->looking_ns, turn);
        measure->found_ns = turn->now_ns;
    }
    measure->state = role->state;
    if (role->flag && !measure->serving) {
        begin_serving(measure, turn);
    } else if (!role->flag && measure->serving) {
        measure->lost_ns = turn->now_ns;
        measure->led_ns = 0;
        viv_marks_clear(&measure->marks);
    }
    measure->serving = role->flag;
}

void viv_group_measure_sync(struct viv_group_measure *measure, uint64_t packet_type, size_t streams)
{
    bool is_snapshot = packet_type == VIV_PACKET_SNAP;
    viv_metrics_add(measure->metrics, is_snapshot ? VIV_METRIC_snap_count : VIV_METRIC_diff_count, 1);
    viv_metrics_observe(measure->metrics, is_snapshot ? VIV_METRIC_inflight_snap_count : VIV_METRIC_inflight_diff_count,
                        is_snapshot ? streams + 1 : 1);
}

/* ---- images ---- */

void viv_group_measure_checkpoint(struct viv_group_measure *measure, const struct viv_turn *turn)
{
    measure->checkpoint_ns = turn->now_ns;
}

void viv_group_measure_checkpoint_done(struct viv_group_measure *measure, bool ok, uint64_t bytes,
                                       const struct viv_turn *turn)
{
    struct viv_metrics *metrics = measure->metrics;
    if (!ok) {
        viv_metrics_add(metrics, VIV_METRIC_viv_checkpoint_failures, 1);
        viv_metrics_add(metrics, VIV_METRIC_snapshot_error_count, 1);
        return;
    }
    viv_metrics_add(metrics, VIV_METRIC_viv_checkpoints, 1);
    viv_metrics_observe(metrics, VIV_METRIC_viv_checkpoint_bytes, bytes);
    if (measure->checkpoint_ns != 0) {
        viv_metrics_observe(metrics, VIV_METRIC_snapshottime, turn->now_ns - measure->checkpoint_ns);
        viv_metrics_observe(metrics, VIV_METRIC_viv_checkpoint_ms, turn->now_ns - measure->checkpoint_ns);
    }
    measure->checkpoint_ns = 0;
}

uint64_t viv_group_measure_leader_ms(const struct viv_group_measure *measure, const struct viv_turn *turn)
{
    return measure->led_ns != 0 ? (turn->now_ns - measure->led_ns) / NS_PER_MS : 0;
}

void viv_group_measure_tick(struct viv_group_measure *measure, const struct viv_turn *turn)
{
    viv_sampler_tick(&measure->sampler, turn->now_ns);
    viv_sampler_tick(&measure->batches, turn->now_ns);
    viv_sampler_tick(&measure->acks, turn->now_ns);
}
