#include "node/learn.h"

#include "base/log.h"

static void ask(struct viv_group *group, const struct viv_packet *packet)
{
    struct viv_zab_input input = {.kind = VIV_ZAB_PASS, .link = viv_zab_leader_link(group->zab), .packet = *packet};
    viv_group_input(group, &input);
}

static void forward(struct viv_group *group, const struct viv_request *request, uint64_t sense)
{
    viv_buffer_clear(&group->scratch);
    viv_jute_write_long(&group->scratch, request->session_id);
    viv_jute_write_int(&group->scratch, request->cxid);
    viv_jute_write_int(&group->scratch, request->op);
    viv_buffer_append_bytes(&group->scratch, request->record);
    struct viv_packet packet = {
        .type = VIV_PACKET_REQUEST,
        .zxid = sense,
        .has_data = true,
        .data = viv_buffer_bytes(&group->scratch),
        .has_authinfo = request->authinfo.size > 0,
        .authinfo = request->authinfo,
    };
    ask(group, &packet);
}

void viv_learn_forward(struct viv_group *group, const struct viv_request *request)
{
    forward(group, request, request->is_local ? VIV_LEARN_LOCAL_SESSION : UINT64_MAX);
}

void viv_learn_read_point(struct viv_group *group, const struct viv_request *request)
{
    forward(group, request, VIV_LEARN_READ_POINT);
}

void viv_learn_revalidate(struct viv_group *group, int64_t session_id, int32_t timeout_ms)
{
    viv_metrics_add(group->measure.metrics, VIV_METRIC_revalidate_count, 1);
    viv_buffer_clear(&group->scratch);
    viv_jute_write_long(&group->scratch, session_id);
    viv_jute_write_int(&group->scratch, timeout_ms);
    struct viv_packet packet = {
        .type = VIV_PACKET_REVALIDATE,
        .zxid = UINT64_MAX,
        .has_data = true,
        .data = viv_buffer_bytes(&group->scratch),
    };
    ask(group, &packet);
}

/* The answer stands for everything committed before it on this link; some of it may still be on its way to our disk,
 * and so not in the tree. */
static void take_sync(struct viv_group *group)
{
    for (size_t i = 0; i < group->syncs.count; i++) {
        struct viv_group_sync *sync = viv_fifo_at(&group->syncs, i);
        if (sync->zxid == UINT64_MAX) {
            sync->zxid = viv_zab_last_committed(group->zab);
            viv_group_release_syncs(group);
            return;
        }
    }
    viv_log(VIV_LOG_WARN, "node", "a sync was answered that nobody asked for", "gid=%u", group->gid);
}

static void take_attachment(struct viv_group *group, struct viv_bytes data)
{
    struct viv_jute_reader reader = viv_jute_reader_of(data);
    struct viv_group_note note = {.kind = VIV_GROUP_ATTACHED};
    note.session_id = viv_jute_read_long(&reader);
    note.flag = viv_jute_read_bool(&reader);
    if (!reader.bad) {
        group->notify(group->notify_ctx, &note);
    }
}

static void take_refusal(struct viv_group *group, struct viv_bytes data)
{
    struct viv_jute_reader reader = viv_jute_reader_of(data);
    struct viv_group_note note = {.kind = VIV_GROUP_REFUSED};
    note.session_id = viv_jute_read_long(&reader);
    note.cxid = viv_jute_read_int(&reader);
    note.err = viv_jute_read_int(&reader);
    if (!reader.bad) {
        group->notify(group->notify_ctx, &note);
    }
}

void viv_learn_passed(struct viv_group *group, const struct viv_zab_output *output)
{
    if (!group->serving) {
        return;
    }
    switch (output->packet.type) {
    case VIV_PACKET_SYNC:
        take_sync(group);
        break;
    case VIV_PACKET_REVALIDATE:
        take_attachment(group, output->packet.data);
        break;
    case VIV_PACKET_REQUEST:
        take_refusal(group, output->packet.data);
        break;
    default:
        viv_log(VIV_LOG_WARN, "node", "the leader sent what a learner has no use for", "gid=%u type=%d", group->gid,
                output->packet.type);
        break;
    }
}
