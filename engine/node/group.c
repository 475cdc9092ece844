#include "node/group.h"

#include <stdlib.h>

#include "base/assert.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/stage.h"
#include "node/install.h"
#include "node/lead.h"
#include "node/learn.h"
#include "node/reconfigure.h"
#include "node/stream.h"
#include "wire/reply_code.h"

/* What ZooKeeper's own servers read back, with the digest that theirs append: jute.maxbuffer and as much again. */
static size_t entry_bytes_max(size_t frame_bytes_max)
{
    enum { EXTRA_BYTES_MIN = 1024, DIGEST_BYTES = 12 };
    size_t extra_bytes = frame_bytes_max > EXTRA_BYTES_MIN ? frame_bytes_max : EXTRA_BYTES_MIN;
    size_t bytes = frame_bytes_max + extra_bytes - DIGEST_BYTES;
    return bytes < VIV_ENTRY_BYTES_MAX ? bytes : VIV_ENTRY_BYTES_MAX;
}

void viv_group_init(struct viv_group *group, const struct viv_node_config *config, struct viv_links *links,
                    const struct viv_turn *turn, struct viv_metrics *metrics, viv_group_note_fn *notify,
                    void *notify_ctx)
{
    *group = (struct viv_group){
        .gid = config->zab.gid,
        .sid = config->zab.sid,
        .standalone = config->zab.standalone,
        .links = links,
        .turn = turn,
        .notify = notify,
        .notify_ctx = notify_ctx,
        .rules = config->rules,
        .reap = {.config = config->reaping},
        .emulate_353_ttl = config->emulate_353_ttl,
        .sync_is_quick = config->policy.sync_is_quick,
        .confirm_mark = 1,
        .state_takes_deltas = config->state_takes_deltas,
        /* Servers of one ensemble should not all write an image at the same moment. */
        .checkpoint_entries = config->snapshot_entries - config->snapshot_entries / 16 * (config->zab.sid % 8),
        .checkpoint_bytes = config->snapshot_bytes - config->snapshot_bytes / 16 * (config->zab.sid % 8),
    };
    group->rules.entry_bytes_max = entry_bytes_max(config->frame_bytes_max);
    if (config->zab.reconfigurable) {
        group->rules.reconfigure = viv_reconfigure;
        group->rules.reconfigure_ctx = group;
    }
    group->zab = viv_zab_new(&config->zab);
    viv_group_measure_init(&group->measure, metrics, group->zab);
    group->tree = viv_group_new_tree(group);
    group->outputs.arena = &group->zab_arena;
    group->checkpoint.gid = group->gid;
    viv_expiry_init(&group->expiry, config->tick_ms);
    viv_ration_init(&group->ration, &config->policy);
    viv_group_log_init(group);
    viv_fifo_init(&group->syncs, sizeof(struct viv_group_sync));
    viv_fifo_init(&group->learner_syncs, sizeof(struct viv_group_sync));
    viv_streams_init(&group->streams);
}

void viv_group_fini(struct viv_group *group)
{
    viv_streams_fini(&group->streams);
    viv_install_fini(&group->install);
    viv_checkpoint_fini(&group->checkpoint);
    viv_group_log_fini(group);
    viv_fifo_fini(&group->syncs);
    viv_fifo_fini(&group->learner_syncs);
    viv_expiry_fini(&group->expiry);
    free(group->outputs.items);
    viv_arena_fini(&group->zab_arena);
    viv_arena_fini(&group->apply_arena);
    viv_buffer_fini(&group->scratch);
    if (group->preparer != NULL) {
        viv_preparer_free(group->preparer);
    }
    viv_tree_free(group->tree);
    viv_zab_free(group->zab);
}

void viv_group_fatal(struct viv_group *group, const char *text)
{
    struct viv_action *action = viv_actions_add(group->turn->out, VIV_ACTION_FATAL);
    action->gid = group->gid;
    action->text = text;
}

/* On a disk that runs low an image follows so much log: it is what lets the log before it go. */
enum { LOW_DISK_IMAGE_BYTES = 64 << 20 };

/* A damaged image is of no use meanwhile, but a disk that has just refused another one should not be asked at once. */
enum { IMAGE_RETRY_MS = 10000 };

static void trace(struct viv_group *group, int code, uint64_t a, uint64_t b)
{
    struct viv_action *action = viv_actions_add(group->turn->out, VIV_ACTION_TRACE);
    action->gid = group->gid;
    action->trace = code;
    action->a = a;
    action->b = b;
}

uint64_t viv_group_zxid(const struct viv_group *group)
{
    uint64_t zxid = viv_tree_zxid(group->tree);
    return group->serving && zxid < group->served_zxid ? group->served_zxid : zxid;
}

/* ---- for the session side ---- */

int32_t viv_group_write(struct viv_group *group, const struct viv_request *request)
{
    VIV_ASSERT(group->serving);
    if (viv_zab_is_broadcasting_leader(group->zab)) {
        return viv_lead_propose(group, request, group->sid);
    }
    viv_learn_forward(group, request);
    return VIV_REPLY_OK;
}

void viv_group_attach(struct viv_group *group, int64_t session_id, int32_t timeout_ms)
{
    VIV_ASSERT(group->serving);
    if (viv_zab_is_broadcasting_leader(group->zab)) {
        viv_lead_attach(group, session_id, timeout_ms);
    } else {
        viv_learn_revalidate(group, session_id, timeout_ms);
    }
}

/* ---- delivery ---- */

/* While a learner synchronises, its tree may already show later transactions (a fuzzy snapshot, now or before a
 * restart): only from BROADCAST on is it exact, and only then is anybody looking. */
static void deliver(struct viv_group *group, const struct viv_zab_output *output)
{
    VIV_ASSERT(output->entry.zxid > viv_tree_zxid(group->tree));
    bool exact = group->phase == VIV_ZAB_BROADCAST;
    struct viv_applied applied;
    viv_group_release_syncs_before(group, output->entry.zxid);
    viv_arena_reset(&group->apply_arena);
    viv_tree_apply(group->tree, output->entry.body, exact ? VIV_APPLY_LIVE : VIV_APPLY_REPLAY, &group->apply_arena,
                   &applied);
    if (applied.malformed || applied.header.zxid != output->entry.zxid) {
        viv_log(VIV_LOG_ERROR, "node", "a committed transaction cannot be decoded", "gid=%u zxid=0x%llx", group->gid,
                (unsigned long long)output->entry.zxid);
        viv_group_fatal(group, "a committed transaction cannot be decoded");
        return;
    }
    if (group->is_behind_fault && output->entry.zxid == group->mark.zxid_end) {
        group->is_behind_fault = false;
        if (viv_group_check_digest(group) != VIV_OK) {
            viv_group_fatal(group, "image and log do not give the state that was recorded");
            return;
        }
    }
    viv_preparer_applied(group->preparer, output->entry.zxid);
    viv_ration_applied(&group->ration, output->entry.body.size);
    group->entries_since_image++;
    group->bytes_since_image += output->entry.body.size;
    group->image_is_wanted = group->image_is_wanted || applied.header.type == VIV_OP_RECONFIG;
    viv_lead_applied(group, &applied);
    if (exact) {
        if (viv_digests_wants(output->entry.zxid)) {
            viv_digests_note(&group->digests, output->entry.zxid, viv_tree_digest(group->tree));
        }
        const struct viv_mark *mark = viv_group_measure_applied(&group->measure, &applied, group->turn);
        struct viv_group_note note = {.kind = VIV_GROUP_APPLIED, .applied = &applied, .mark = mark};
        group->notify(group->notify_ctx, &note);
    }
    viv_group_release_syncs(group);
}

/* ---- what ZAB asks for ---- */

static void set_serving(struct viv_group *group, bool serving)
{
    if (group->serving == serving) {
        return;
    }
    group->serving = serving;
    group->served_zxid = group->standalone ? 0 : VIV_ZXID(group->hard.current_epoch, 0);
    viv_group_forget_syncs(group);
    viv_preparer_reset(group->preparer, group->tree);
    viv_expiry_clear(&group->expiry);
    viv_ration_reset(&group->ration);
    if (serving && viv_zab_is_broadcasting_leader(group->zab)) {
        viv_lead_begin(group);
    }
    struct viv_group_note note = {.kind = VIV_GROUP_SERVING, .flag = serving};
    group->notify(group->notify_ctx, &note);
}

static void change_role(struct viv_group *group, const struct viv_zab_output *output)
{
    group->phase = output->phase;
    struct viv_group_note note = {.kind = VIV_GROUP_LOOKING, .flag = output->phase == VIV_ZAB_ELECTION};
    group->notify(group->notify_ctx, &note);
    viv_group_measure_role(&group->measure, output, group->turn);
    set_serving(group, output->flag);
}

static void store_epochs(struct viv_group *group, const struct viv_zab_output *output)
{
    group->hard.accepted_epoch = output->accepted_epoch;
    group->hard.current_epoch = output->current_epoch;
    viv_group_log_action(group, VIV_ACTION_LOG_HARD, VIV_LOG_TICKET_EPOCHS);
}

static void truncate_log(struct viv_group *group, const struct viv_zab_output *output)
{
    if (output->zxid < viv_tree_zxid(group->tree)) {
        viv_group_fatal(group, "the leader wants committed transactions to be forgotten");
        return;
    }
    viv_group_log_action(group, VIV_ACTION_LOG_TRUNCATE, VIV_LOG_TICKET_TRUNCATE)->zxid = output->zxid;
}

static void send_packet(struct viv_group *group, const struct viv_zab_output *output)
{
    struct viv_link *link = viv_links_find(group->links, output->link);
    if (link != NULL) {
        viv_lead_sync_before(group, link, &output->packet);
        viv_link_put_packet(link, group->gid, &output->packet);
    }
}

static void open_envelope(struct viv_group *group, const struct viv_zab_output *output)
{
    struct viv_link *link = viv_links_find(group->links, output->link);
    if (link != NULL) {
        link->enveloped = true;
    }
}

static void send_vote(struct viv_group *group, const struct viv_zab_output *output)
{
    viv_buffer_clear(&group->scratch);
    viv_vote_encode(&group->scratch, &output->vote);
    struct viv_action *action = viv_actions_add(group->turn->out, VIV_ACTION_VOTE_SEND);
    action->sid = output->sid;
    action->bytes = viv_arena_copy(&group->turn->out->arena, viv_buffer_bytes(&group->scratch));
}

static void listen_for_learners(struct viv_group *group, const struct viv_zab_output *output)
{
    if (!output->flag) {
        viv_links_drop_accepted(group->links, group->turn->out); /* what was said last still goes */
    }
    viv_actions_add(group->turn->out, VIV_ACTION_LISTEN)->flag = output->flag;
}

static void dial(struct viv_group *group, const struct viv_zab_output *output)
{
    viv_actions_add(group->turn->out, VIV_ACTION_LINK_DIAL)->sid = output->sid;
}

static void close_link(struct viv_group *group, const struct viv_zab_output *output)
{
    viv_links_close(group->links, output->link, group->turn->out);
    viv_install_link_lost(group, output->link);
}

static void answer_ping(struct viv_group *group, const struct viv_zab_output *output)
{
    struct viv_buffer touched = {0};
    struct viv_group_note note = {.kind = VIV_GROUP_TOUCHED_ASK, .touched = &touched};
    group->notify(group->notify_ctx, &note);
    struct viv_zab_input input = {.kind = VIV_ZAB_PING_REPLY, .link = output->link, .data = viv_buffer_bytes(&touched)};
    viv_group_input(group, &input);
    viv_buffer_fini(&touched);
}

static void passed(struct viv_group *group, const struct viv_zab_output *output)
{
    if (viv_zab_is_broadcasting_leader(group->zab)) {
        viv_lead_passed(group, output);
    } else {
        viv_learn_passed(group, output);
    }
}

static void pass_trace(struct viv_group *group, const struct viv_zab_output *output)
{
    if (output->trace == VIV_TRACE_SYNC_KIND) {
        viv_group_measure_sync(&group->measure, output->b, group->streams.count);
    }
    trace(group, output->trace, output->a, output->b);
}

static void pass_fatal(struct viv_group *group, const struct viv_zab_output *output)
{
    viv_group_fatal(group, output->text);
    group->turn->out->items[group->turn->out->count - 1].flag = output->flag;
}

typedef void output_fn(struct viv_group *group, const struct viv_zab_output *output);
static output_fn *const output_table[] = {
    [VIV_ZAB_VOTE_SEND] = send_vote,
    [VIV_ZAB_LISTEN] = listen_for_learners,
    [VIV_ZAB_LINK_DIAL] = dial,
    [VIV_ZAB_LINK_CLOSE] = close_link,
    [VIV_ZAB_SEND] = send_packet,
    [VIV_ZAB_ENVELOPE] = open_envelope,
    [VIV_ZAB_APPEND] = viv_group_append,
    [VIV_ZAB_EPOCHS] = store_epochs,
    [VIV_ZAB_TRUNCATE] = truncate_log,
    [VIV_ZAB_READ] = viv_group_read_log,
    [VIV_ZAB_REPAIR] = viv_group_repair,
    [VIV_ZAB_SNAP_SEND] = viv_stream_begin,
    [VIV_ZAB_SNAP_RECEIVE] = viv_install_begin,
    [VIV_ZAB_DELIVER] = deliver,
    [VIV_ZAB_ROLE] = change_role,
    [VIV_ZAB_PING_ASK] = answer_ping,
    [VIV_ZAB_MEMBERS] = viv_group_tell_members,
    [VIV_ZAB_PASSED] = passed,
    [VIV_ZAB_CONFIRMED] = viv_group_confirmed,
    [VIV_ZAB_TRACE] = pass_trace,
    [VIV_ZAB_FATAL] = pass_fatal,
};

/* Handlers may give ZAB further inputs; what these ask for goes behind what is already listed. */
static void drain(struct viv_group *group)
{
    if (group->draining) {
        return;
    }
    group->draining = true;
    for (size_t i = 0; i < group->outputs.count; i++) {
        struct viv_zab_output output = group->outputs.items[i]; /* the list may move */
        VIV_ASSERT((size_t)output.kind < sizeof output_table / sizeof output_table[0]);
        output_table[output.kind](group, &output);
    }
    group->outputs.count = 0;
    viv_arena_reset(&group->zab_arena);
    group->draining = false;
    viv_group_measure_pause(&group->measure, group->turn);
    viv_lead_release_syncs(group);
}

void viv_group_input(struct viv_group *group, struct viv_zab_input *input)
{
    input->now_ms = group->turn->now_ms;
    viv_zab_step(group->zab, input, &group->outputs);
    drain(group);
}

/* ---- events ---- */

void viv_group_start(struct viv_group *group)
{
    if (group->log_is_stale) {
        viv_group_log_action(group, VIV_ACTION_LOG_RESET, VIV_LOG_TICKET_RECOVERED)->zxid = group->mark.zxid_start;
    }
    if (group->hard.install_zxid != 0) {
        group->hard.install_zxid = 0;
        viv_group_log_action(group, VIV_ACTION_LOG_HARD, VIV_LOG_TICKET_RECOVERED);
    }
    group->start.now_ms = group->turn->now_ms;
    viv_zab_start(group->zab, &group->start, &group->outputs);
    drain(group);
}

void viv_group_tick(struct viv_group *group)
{
    struct viv_zab_input input = {.kind = VIV_ZAB_TICK};
    viv_group_input(group, &input);
    viv_group_measure_tick(&group->measure, group->turn);
    viv_lead_tick(group);
}

void viv_group_disk_full(struct viv_group *group, bool is_full)
{
    group->disk_full = is_full;
}

static void trim_log(struct viv_group *group, uint64_t needed_after)
{
    struct viv_action *action = viv_actions_add(group->turn->out, VIV_ACTION_LOG_TRIM);
    action->gid = group->gid;
    action->zxid = needed_after;
}

/* An image that is being written or installed says itself what the log needs, when it is done. */
void viv_group_disk_low(struct viv_group *group, bool is_low, uint64_t needed_after)
{
    group->disk_low = is_low;
    if (is_low && needed_after > group->trimmed_to && group->checkpoint.state == VIV_CHECKPOINT_IDLE &&
        group->install.state == VIV_INSTALL_NONE) {
        group->trimmed_to = needed_after;
        trim_log(group, needed_after);
    }
}

/* Changes are tracked from before the loading, so that the next delta knows of rows that loading drops. */
struct viv_tree *viv_group_new_tree(const struct viv_group *group)
{
    struct viv_tree *tree = viv_tree_new_empty();
    if (group->state_takes_deltas) {
        viv_tree_track_changes(tree);
    }
    return tree;
}

void viv_group_replace_tree(struct viv_group *group, struct viv_tree *tree)
{
    VIV_ASSERT(!group->serving);
    VIV_ASSERT(group->streams.count == 0);
    viv_preparer_reset(group->preparer, tree);
    viv_tree_free(group->tree);
    group->tree = tree;
}

/* ---- images ---- */

/* Told again and again until it is replaced: an image that was begun after the last time tells of its success later. */
void viv_group_image_fault(struct viv_group *group)
{
    group->image_is_damaged = true;
}

static bool is_image_due(const struct viv_group *group)
{
    return group->image_is_wanted || (group->image_is_damaged && group->turn->now_ms >= group->image_retry_ms) ||
           (group->disk_low && group->bytes_since_image >= LOW_DISK_IMAGE_BYTES) ||
           (group->checkpoint_entries > 0 && group->entries_since_image >= group->checkpoint_entries) ||
           (group->checkpoint_bytes > 0 && group->bytes_since_image >= group->checkpoint_bytes);
}

void viv_group_checkpoint_slice(struct viv_group *group, bool is_busy)
{
    if (group->checkpoint.state == VIV_CHECKPOINT_IDLE && group->serving && is_image_due(group)) {
        VIV_ASSERT(group->install.state == VIV_INSTALL_NONE);
        bool is_delta = group->state_takes_deltas && group->image_exists && !group->image_is_damaged;
        group->entries_since_image = group->bytes_since_image = 0;
        group->image_is_wanted = false;
        viv_group_measure_checkpoint(&group->measure, group->turn);
        viv_checkpoint_begin(&group->checkpoint, group->tree, is_delta ? VIV_CHECKPOINT_DELTA : VIV_CHECKPOINT_FULL,
                             group->turn);
    }
    viv_checkpoint_slice(&group->checkpoint, is_busy, group->turn);
}

void viv_group_checkpoint_done(struct viv_group *group, const struct viv_event *event)
{
    enum viv_checkpoint_kind kind = group->checkpoint.kind;
    if (!viv_checkpoint_done(&group->checkpoint, event)) {
        return;
    }
    viv_group_measure_checkpoint_done(&group->measure, event->status == VIV_OK, group->checkpoint.bytes, group->turn);
    if (event->status != VIV_OK) {
        viv_log(VIV_LOG_WARN, "node", "a checkpoint failed; the older image stays", "gid=%u zxid=0x%llx status=\"%s\"",
                group->gid, (unsigned long long)group->checkpoint.zxid_start, viv_status_text(event->status));
        group->image_is_damaged = group->image_is_damaged || event->status == VIV_ERR_CORRUPT;
        group->image_retry_ms = group->turn->now_ms + (kind == VIV_CHECKPOINT_DELTA ? 0 : IMAGE_RETRY_MS);
    } else {
        group->image_exists = true;
        group->image_zxid = group->checkpoint.zxid_start;
        group->image_wall_ms = group->turn->wall_ms;
        trace(group, VIV_TRACE_CHECKPOINT_END, group->checkpoint.zxid_start, group->checkpoint.bytes);
    }
    if (event->status == VIV_OK && kind != VIV_CHECKPOINT_DELTA && group->image_is_damaged) {
        group->image_is_damaged = false;
        viv_log(VIV_LOG_INFO, "node", "a damaged image was replaced by a new one", "gid=%u zxid=0x%llx", group->gid,
                (unsigned long long)group->image_zxid);
    }
    if (kind == VIV_CHECKPOINT_INSTALL) {
        viv_install_written(group, event->status);
    } else if (event->status == VIV_OK) {
        trim_log(group, event->zxid);
    }
}
