#include "node/lead.h"

#include "base/assert.h"
#include "base/log.h"
#include "node/learn.h"
#include "wire/reply_code.h"

static void track(void *ctx, int64_t session_id, int32_t timeout_ms)
{
    struct viv_group *group = ctx;
    viv_expiry_track(&group->expiry, session_id, timeout_ms, 0, group->turn->now_ms);
}

void viv_lead_begin(struct viv_group *group)
{
    viv_tree_sessions(group->tree, track, group);
    viv_reap_begin(&group->reap, group->turn->now_ms);
}

/* ---- writes ---- */

static int32_t timeout_of(struct viv_bytes record)
{
    struct viv_jute_reader reader = viv_jute_reader_of(record);
    return viv_jute_read_int(&reader);
}

/* What the request means for the session it belongs to. False when the session lives on another server now. */
static bool account(struct viv_group *group, const struct viv_request *request, viv_sid server)
{
    switch (request->op) {
    case VIV_OP_CREATE_SESSION:
        viv_expiry_track(&group->expiry, request->session_id, timeout_of(request->record), server, group->turn->now_ms);
        return true;
    case VIV_OP_CLOSE_SESSION: /* the last word of a session, from wherever it comes */
        viv_expiry_mark_closing(&group->expiry, request->session_id);
        return true;
    default:
        viv_expiry_touch(&group->expiry, request->session_id, 0, group->turn->now_ms);
        return viv_expiry_claim(&group->expiry, request->session_id, server);
    }
}

/* A refusal that the tree knows nothing of; like any other it is a transaction and costs a zxid. */
static void refuse(struct viv_group *group, const struct viv_request *request, uint64_t zxid, int32_t err)
{
    struct viv_txn_header header = {
        .session_id = request->session_id,
        .cxid = request->cxid,
        .zxid = zxid,
        .time_ms = group->turn->wall_ms,
        .type = VIV_OP_ERROR,
    };
    viv_txn_header_encode(&group->scratch, &header);
    viv_jute_write_int(&group->scratch, err);
}

/* One transaction of the request; what viv_prepare says of it. */
static int32_t propose(struct viv_group *group, const struct viv_request *request, bool is_here)
{
    int32_t code = VIV_REPLY_SESSION_MOVED;
    uint64_t zxid = viv_zab_next_zxid(group->zab);
    viv_buffer_clear(&group->scratch);
    if (is_here) {
        code = viv_prepare(group->preparer, request, zxid, group->turn->wall_ms, &group->scratch);
        if (code == VIV_REPLY_QUOTA_EXCEEDED) {
            viv_group_measure_over_quota(&group->measure, request);
        }
    } else {
        refuse(group, request, zxid, code);
    }
    viv_ration_proposed(&group->ration, group->scratch.size);
    viv_group_measure_proposed(&group->measure, group->scratch.size);
    struct viv_zab_input input = {.kind = VIV_ZAB_PROPOSE,
                                  .sid = request->op == VIV_OP_RECONFIG ? group->successor : 0,
                                  .zxid = zxid,
                                  .data = viv_buffer_bytes(&group->scratch)};
    viv_group_input(group, &input);
    return code;
}

int32_t viv_lead_propose(struct viv_group *group, const struct viv_request *request, viv_sid server)
{
    VIV_ASSERT(viv_zab_is_broadcasting_leader(group->zab));
    if (group->disk_full) {
        return VIV_REPLY_SYSTEM_ERROR;
    }
    int32_t refusal = viv_ration_judge(&group->ration, group->tree, &group->expiry, request, group->turn->now_ms);
    if (refusal != VIV_REPLY_OK) {
        return refusal;
    }
    bool is_here = account(group, request, server);
    /* The epoch may run out of zxids on the way: the next leader ends the session. */
    while (viv_zab_is_broadcasting_leader(group->zab) && propose(group, request, is_here) == VIV_PREPARE_AGAIN) {
    }
    return VIV_REPLY_OK;
}

void viv_lead_applied(struct viv_group *group, const struct viv_applied *applied)
{
    if (applied->header.type == VIV_OP_CLOSE_SESSION) {
        viv_expiry_remove(&group->expiry, applied->header.session_id);
    }
}

/* ---- deadlines ---- */

static void touch_all(struct viv_group *group, struct viv_bytes table)
{
    struct viv_jute_reader reader = viv_jute_reader_of(table);
    while (reader.rest.size > 0) {
        int64_t session_id = viv_jute_read_long(&reader);
        int32_t timeout_ms = viv_jute_read_int(&reader);
        if (reader.bad) {
            viv_log(VIV_LOG_WARN, "node", "a table of sessions is malformed", "gid=%u bytes=%zu", group->gid,
                    table.size);
            return;
        }
        viv_expiry_touch(&group->expiry, session_id, timeout_ms, group->turn->now_ms);
    }
}

static void touch_own(struct viv_group *group)
{
    struct viv_buffer touched = {0};
    struct viv_group_note note = {.kind = VIV_GROUP_TOUCHED_ASK, .touched = &touched};
    group->notify(group->notify_ctx, &note);
    touch_all(group, viv_buffer_bytes(&touched));
    viv_buffer_fini(&touched);
}

/* What is on its way to the node keeps it when the transaction is prepared; the next pass looks again. */
static void reap(struct viv_group *group)
{
    struct viv_buffer record = {0}, path = {0};
    viv_node_id id;
    viv_reap_allow(&group->reap, group->turn->now_ms);
    while (!group->disk_full && viv_zab_is_broadcasting_leader(group->zab) &&
           (id = viv_reap_next(&group->reap, group->tree, group->turn->wall_ms)) != VIV_NODE_NONE) {
        viv_buffer_clear(&path);
        viv_buffer_clear(&record);
        viv_tree_path(group->tree, id, &path);
        viv_jute_write_bytes(&record, viv_buffer_bytes(&path));
        struct viv_request request = {.op = VIV_OP_DELETE_CONTAINER, .record = viv_buffer_bytes(&record)};
        (void)viv_lead_propose(group, &request, group->sid);
    }
    viv_buffer_fini(&record);
    viv_buffer_fini(&path);
}

/* Our own clients first: what they did since the last tick counts. */
void viv_lead_tick(struct viv_group *group)
{
    if (!group->serving || !viv_zab_is_broadcasting_leader(group->zab)) {
        return;
    }
    viv_expiry_awake(&group->expiry, group->turn->now_ms);
    touch_own(group);
    int64_t session_id;
    while (!group->disk_full && viv_zab_is_broadcasting_leader(group->zab) &&
           viv_expiry_next_due(&group->expiry, group->turn->now_ms, &session_id)) {
        viv_log(VIV_LOG_INFO, "node", "a session expires", "gid=%u session=0x%llx", group->gid,
                (unsigned long long)session_id);
        viv_metrics_add(group->measure.metrics, VIV_METRIC_stale_sessions_expired, 1);
        struct viv_request request = {.session_id = session_id, .op = VIV_OP_CLOSE_SESSION};
        (void)viv_lead_propose(group, &request, group->sid);
    }
    reap(group);
}

/* ---- what learners ask for ---- */

static void answer(struct viv_group *group, uint32_t link, int32_t type, struct viv_bytes data)
{
    struct viv_zab_input input = {
        .kind = VIV_ZAB_PASS,
        .link = link,
        .packet = {.type = type,
                   .zxid = type == VIV_PACKET_SYNC ? 0 : UINT64_MAX,
                   .has_data = data.size > 0,
                   .data = data},
    };
    viv_group_input(group, &input);
}

static bool is_native(const struct viv_group *group, uint32_t link_id)
{
    const struct viv_link *link = viv_links_find(group->links, link_id);
    return link != NULL && link->enveloped;
}

/* Between our own servers a write that became no transaction is answered by its header and the code; ZooKeeper's
 * protocol has no word for it, its learners are left to their clients' timeouts. */
static void tell_refusal(struct viv_group *group, uint32_t link_id, const struct viv_request *request, int32_t err)
{
    if (!is_native(group, link_id)) {
        return;
    }
    viv_buffer_clear(&group->scratch);
    viv_jute_write_long(&group->scratch, request->session_id);
    viv_jute_write_int(&group->scratch, request->cxid);
    viv_jute_write_int(&group->scratch, err);
    answer(group, link_id, VIV_PACKET_REQUEST, viv_buffer_bytes(&group->scratch));
}

/* A learner of ours says it; of ZooKeeper's it is assumed, as its own leader does, when the session is not known and
 * was not made here. */
static bool is_from_local_session(const struct viv_group *group, const struct viv_zab_output *output,
                                  int64_t session_id)
{
    if (!group->ration.local_sessions) {
        return false;
    }
    if (is_native(group, output->link)) {
        return output->packet.zxid == VIV_LEARN_LOCAL_SESSION;
    }
    return viv_expiry_deadline_ms(&group->expiry, session_id) == 0 &&
           (viv_sid)((uint64_t)session_id >> 56) != group->sid;
}

static void take_request(struct viv_group *group, const struct viv_zab_output *output)
{
    struct viv_jute_reader reader = viv_jute_reader_of(output->packet.data);
    struct viv_request request = {0};
    request.session_id = viv_jute_read_long(&reader);
    request.cxid = viv_jute_read_int(&reader);
    request.op = viv_jute_read_int(&reader);
    request.record = reader.rest;
    if (output->packet.has_authinfo) {
        request.authinfo = output->packet.authinfo;
    }
    request.is_local = is_from_local_session(group, output, request.session_id);
    bool is_write = viv_prepare_is_write(request.op) || request.op == VIV_OP_CREATE_SESSION;
    if (reader.bad || (!is_write && request.op != VIV_OP_SYNC)) {
        viv_log(VIV_LOG_WARN, "node", "a learner forwarded what is no write", "gid=%u sid=%lld op=%d", group->gid,
                (long long)output->sid, request.op);
        return;
    }
    if (request.op == VIV_OP_SYNC) {
        bool is_read = is_native(group, output->link) && output->packet.zxid == VIV_LEARN_READ_POINT;
        struct viv_group_sync point = viv_group_sync_point(group, output->link, is_read);
        *(struct viv_group_sync *)viv_fifo_push(&group->learner_syncs) = point;
        return;
    }
    int32_t err = viv_lead_propose(group, &request, output->sid);
    if (err != VIV_REPLY_OK) {
        tell_refusal(group, output->link, &request, err);
    }
}

/* ---- whose session it is ---- */

static void tell_attached(struct viv_group *group, const struct viv_group_sync *asked, bool is_alive)
{
    if (asked->who == 0) {
        struct viv_group_note note = {.kind = VIV_GROUP_ATTACHED, .session_id = asked->session_id, .flag = is_alive};
        group->notify(group->notify_ctx, &note);
        return;
    }
    viv_buffer_clear(&group->scratch);
    viv_jute_write_long(&group->scratch, asked->session_id);
    viv_jute_write_bool(&group->scratch, is_alive);
    answer(group, (uint32_t)asked->who, VIV_PACKET_REVALIDATE, viv_buffer_bytes(&group->scratch));
}

static bool hand_over(struct viv_group *group, const struct viv_group_sync *asked)
{
    bool is_alive = viv_expiry_is_alive(&group->expiry, asked->session_id);
    if (is_alive) {
        viv_expiry_track(&group->expiry, asked->session_id, asked->timeout_ms, asked->server, group->turn->now_ms);
    }
    return is_alive;
}

/* One that is closing is over once all is committed that is proposed now; that one is over which we do not know is
 * certain once it is confirmed that we lead. */
static void attach(struct viv_group *group, struct viv_group_sync asked)
{
    if (hand_over(group, &asked)) {
        tell_attached(group, &asked, true);
        return;
    }
    bool is_closing = viv_expiry_deadline_ms(&group->expiry, asked.session_id) != 0;
    struct viv_group_sync point = viv_group_sync_point(group, asked.who, !is_closing);
    point.session_id = asked.session_id;
    point.timeout_ms = asked.timeout_ms;
    point.server = asked.server;
    *(struct viv_group_sync *)viv_fifo_push(&group->learner_syncs) = point;
}

void viv_lead_attach(struct viv_group *group, int64_t session_id, int32_t timeout_ms)
{
    attach(group, (struct viv_group_sync){.session_id = session_id, .timeout_ms = timeout_ms, .server = group->sid});
    viv_lead_release_syncs(group);
}

static void take_revalidation(struct viv_group *group, const struct viv_zab_output *output)
{
    struct viv_jute_reader reader = viv_jute_reader_of(output->packet.data);
    int64_t session_id = viv_jute_read_long(&reader);
    int32_t timeout_ms = viv_jute_read_int(&reader);
    if (reader.bad) {
        viv_log(VIV_LOG_WARN, "node", "a re-attachment is malformed", "gid=%u sid=%lld", group->gid,
                (long long)output->sid);
        return;
    }
    attach(group, (struct viv_group_sync){
                      .who = output->link, .session_id = session_id, .timeout_ms = timeout_ms, .server = output->sid});
}

void viv_lead_passed(struct viv_group *group, const struct viv_zab_output *output)
{
    if (!group->serving) {
        return;
    }
    switch (output->packet.type) {
    case VIV_PACKET_REQUEST:
        take_request(group, output);
        break;
    case VIV_PACKET_REVALIDATE:
        take_revalidation(group, output);
        break;
    case VIV_PACKET_PING:
        touch_all(group, output->packet.data);
        break;
    default:
        viv_log(VIV_LOG_WARN, "node", "a learner sent what a leader has no use for", "gid=%u sid=%lld type=%d",
                group->gid, (long long)output->sid, output->packet.type);
        break;
    }
}

void viv_lead_sync_before(struct viv_group *group, struct viv_link *link, const struct viv_packet *packet)
{
    bool is_commit = packet->type == VIV_PACKET_COMMIT || packet->type == VIV_PACKET_COMMITANDACTIVATE;
    if (!is_commit && packet->type != VIV_PACKET_INFORM && packet->type != VIV_PACKET_INFORMANDACTIVATE) {
        return;
    }
    for (size_t i = 0; i < group->learner_syncs.count; i++) {
        struct viv_group_sync *sync = viv_fifo_at(&group->learner_syncs, i);
        if (sync->after_zxid >= packet->zxid) {
            return;
        }
        if (sync->who != link->id || sync->is_answered || sync->session_id != 0) {
            continue;
        }
        if (is_commit && link->enveloped && VIV_ZXID_COUNTER(sync->zxid) != 0) {
            viv_link_put_packet(link, group->gid, &(struct viv_packet){.type = VIV_PACKET_COMMIT, .zxid = sync->zxid});
        }
        viv_link_put_packet(link, group->gid, &(struct viv_packet){.type = VIV_PACKET_SYNC});
        sync->is_answered = true;
    }
}

/* The oldest, when it may be answered. */
static bool take_released(struct viv_group *group, struct viv_group_sync *sync)
{
    const struct viv_group_sync *front = viv_fifo_front(&group->learner_syncs);
    uint64_t committed_zxid = viv_zab_last_committed(group->zab);
    if (front == NULL || front->zxid > committed_zxid || !viv_group_is_confirmed(group, front, committed_zxid)) {
        return false;
    }
    *sync = *front;
    viv_fifo_pop(&group->learner_syncs);
    return true;
}

/* An answer is an input to ZAB, after which this is called again: so many may wait that they must not nest. */
void viv_lead_release_syncs(struct viv_group *group)
{
    struct viv_group_sync sync;
    if (group->learner_syncs.count == 0 || group->releasing) {
        return;
    }
    group->releasing = true;
    while (take_released(group, &sync)) {
        if (sync.session_id != 0) {
            tell_attached(group, &sync, hand_over(group, &sync));
        } else if (!sync.is_answered) {
            answer(group, (uint32_t)sync.who, VIV_PACKET_SYNC, (struct viv_bytes){0});
        }
    }
    group->releasing = false;
}
