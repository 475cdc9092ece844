#include "base/assert.h"
#include "node/group.h"
#include "node/learn.h"

static bool leads(const struct viv_group *group)
{
    return viv_zab_is_broadcasting_leader(group->zab);
}

struct viv_group_sync viv_group_sync_point(struct viv_group *group, uint64_t who, bool is_read)
{
    struct viv_group_sync sync = {.who = who, .after_zxid = viv_zab_last_proposed(group->zab)};
    sync.zxid = is_read ? viv_zab_last_committed(group->zab) : sync.after_zxid;
    if (!group->standalone && (is_read || !group->sync_is_quick)) {
        sync.mark = group->confirm_mark;
        group->confirm_wanted = true;
    }
    return sync;
}

bool viv_group_is_confirmed(const struct viv_group *group, const struct viv_group_sync *sync, uint64_t committed_zxid)
{
    return sync->mark <= group->confirmed_mark || committed_zxid > sync->after_zxid;
}

static void answer_front(struct viv_group *group)
{
    struct viv_group_sync *front = viv_fifo_front(&group->syncs);
    struct viv_group_note note = {.kind = VIV_GROUP_SYNCED, .who = front->who};
    viv_fifo_pop(&group->syncs);
    group->notify(group->notify_ctx, &note);
}

void viv_group_release_syncs(struct viv_group *group)
{
    uint64_t zxid = viv_tree_zxid(group->tree);
    for (;;) {
        const struct viv_group_sync *front = viv_fifo_front(&group->syncs);
        if (front == NULL || front->zxid > zxid || !viv_group_is_confirmed(group, front, zxid)) {
            return;
        }
        answer_front(group);
    }
}

void viv_group_release_syncs_before(struct viv_group *group, uint64_t zxid)
{
    const struct viv_group_sync *front;
    while ((front = viv_fifo_front(&group->syncs)) != NULL && front->zxid < zxid && front->after_zxid < zxid) {
        answer_front(group);
    }
}

void viv_group_sync(struct viv_group *group, uint64_t who, const struct viv_request *request)
{
    VIV_ASSERT(group->serving);
    if (leads(group)) {
        struct viv_group_sync point = viv_group_sync_point(group, who, false);
        *(struct viv_group_sync *)viv_fifo_push(&group->syncs) = point;
        viv_group_release_syncs(group);
    } else {
        *(struct viv_group_sync *)viv_fifo_push(&group->syncs) =
            (struct viv_group_sync){.who = who, .zxid = UINT64_MAX};
        viv_learn_forward(group, request);
    }
}

void viv_group_read_point(struct viv_group *group, const struct viv_request *request)
{
    VIV_ASSERT(group->serving);
    if (leads(group)) {
        struct viv_group_sync point = viv_group_sync_point(group, 0, true);
        *(struct viv_group_sync *)viv_fifo_push(&group->syncs) = point;
        viv_group_release_syncs(group);
    } else {
        *(struct viv_group_sync *)viv_fifo_push(&group->syncs) = (struct viv_group_sync){.zxid = UINT64_MAX};
        viv_learn_read_point(group, request);
    }
}

void viv_group_confirm(struct viv_group *group)
{
    if (group->confirm_wanted) {
        group->confirm_wanted = false;
        struct viv_zab_input input = {.kind = VIV_ZAB_CONFIRM, .zxid = group->confirm_mark++};
        viv_group_input(group, &input);
    }
}

void viv_group_confirmed(struct viv_group *group, const struct viv_zab_output *output)
{
    group->confirmed_mark = output->zxid;
    viv_group_release_syncs(group);
}

void viv_group_forget_syncs(struct viv_group *group)
{
    viv_fifo_clear(&group->syncs);
    viv_fifo_clear(&group->learner_syncs);
    group->confirm_wanted = false;
}
