#include "base/assert.h"
#include "base/log.h"
#include "node/group.h"
#include "node/reconfigure.h"
#include "wire/path.h"

void viv_group_recover_restart(struct viv_group *group)
{
    viv_tree_free(group->tree);
    group->tree = viv_group_new_tree(group);
}

/* What an ensemble shows at /zookeeper/config before any transaction has been there. */
static void seed_config(struct viv_group *group, struct viv_bytes config_text)
{
    struct viv_txn_header header = {.type = VIV_OP_SET_DATA};
    struct viv_set_data_txn txn = {
        .path = VIV_BYTES_LITERAL(VIV_PATH_CONFIG), .data.bytes = config_text, .version = -1};
    viv_buffer_clear(&group->scratch);
    viv_txn_header_encode(&group->scratch, &header);
    viv_set_data_txn_encode(&group->scratch, &txn);
    struct viv_applied applied;
    viv_arena_reset(&group->apply_arena);
    viv_tree_apply(group->tree, viv_buffer_bytes(&group->scratch), VIV_APPLY_REPLAY, &group->apply_arena, &applied);
    VIV_ASSERT(!applied.malformed && viv_tree_zxid(group->tree) == 0);
}

/* An image that came from another kind of server has no digest: it may show some of what is still to be replayed. */
viv_status viv_group_check_digest(const struct viv_group *group)
{
    uint64_t digest = viv_tree_digest(group->tree);
    if (digest == group->mark.digest || group->mark.digest == 0) {
        return VIV_OK;
    }
    viv_log(VIV_LOG_ERROR, "node", "image and log do not give the state that was recorded",
            "gid=%u zxid=0x%llx digest=0x%llx recorded=0x%llx", group->gid, (unsigned long long)group->mark.zxid_end,
            (unsigned long long)digest, (unsigned long long)group->mark.digest);
    return VIV_ERR_CORRUPT;
}

viv_status viv_group_recover_image_end(struct viv_group *group, const struct viv_state_mark *mark,
                                       const struct viv_hard_state *hard, struct viv_bytes config_text)
{
    group->mark = *mark;
    group->hard = *hard;
    group->image_exists = mark->digest != 0 || mark->zxid_end != 0;
    group->image_zxid = mark->zxid_start;
    if (group->image_exists) {
        VIV_TRY(viv_tree_load_finish(group->tree, mark->zxid_start));
    } else {
        viv_tree_free(group->tree);
        group->tree = viv_tree_new();
        if (group->state_takes_deltas) {
            viv_tree_track_changes(group->tree);
        }
        if (!group->standalone && config_text.size > 0) {
            seed_config(group, config_text);
        }
    }
    if (!group->standalone) {
        viv_zab_recover_members(group->zab, viv_group_shown_members(group));
    }
    group->preparer = viv_preparer_new(group->tree, &group->rules);
    group->recovered_zxid = mark->zxid_start;
    /* An installed image is exact; one of our own that only began at the same zxid needs our log. */
    group->log_is_stale =
        hard->install_zxid != 0 && hard->install_zxid == mark->zxid_start && mark->zxid_end == mark->zxid_start;
    return group->image_exists && mark->zxid_end == mark->zxid_start ? viv_group_check_digest(group) : VIV_OK;
}

/* Whatever an image shows was committed, also when the log's own hint is older. */
viv_status viv_group_recover_entry(struct viv_group *group, const struct viv_entry *entry, bool committed)
{
    VIV_ASSERT(group->preparer != NULL);
    if (group->log_is_stale) {
        return VIV_OK;
    }
    if (entry->zxid <= group->recovered_zxid) {
        viv_log(VIV_LOG_ERROR, "node", "the log goes back", "gid=%u zxid=0x%llx after=0x%llx", group->gid,
                (unsigned long long)entry->zxid, (unsigned long long)group->recovered_zxid);
        return VIV_ERR_CORRUPT;
    }
    group->recovered_zxid = entry->zxid;
    group->entries_since_image++;
    group->bytes_since_image += entry->body.size;
    committed = committed || entry->zxid <= group->mark.zxid_end;
    group->is_behind_fault = group->is_behind_fault || viv_entry_is_damaged(entry);
    viv_zab_recover(group->zab, entry, committed);
    if (!committed || group->is_behind_fault) {
        return VIV_OK;
    }
    struct viv_applied applied;
    viv_arena_reset(&group->apply_arena);
    viv_tree_apply(group->tree, entry->body, VIV_APPLY_REPLAY, &group->apply_arena, &applied);
    if (applied.malformed) {
        viv_log(VIV_LOG_ERROR, "node", "a transaction in the log cannot be decoded", "gid=%u zxid=0x%llx", group->gid,
                (unsigned long long)entry->zxid);
        return VIV_ERR_CORRUPT;
    }
    /* Over a fuzzy image the tree is nobody's state before the image's end. */
    if (entry->zxid >= group->mark.zxid_end && viv_digests_wants(entry->zxid)) {
        viv_digests_note(&group->digests, entry->zxid, viv_tree_digest(group->tree));
    }
    return entry->zxid == group->mark.zxid_end ? viv_group_check_digest(group) : VIV_OK;
}

viv_status viv_group_recover_end(struct viv_group *group, const struct viv_log_bounds *bounds)
{
    VIV_ASSERT(group->preparer != NULL);
    uint64_t applied = viv_tree_zxid(group->tree);
    struct viv_log_bounds log = *bounds;
    bool log_is_new = log.base_zxid == 0 && log.last_zxid == 0;
    /* Ours has a digest, and a log: a new one took the place of what was acknowledged since. */
    bool is_foreign = group->mark.digest == 0 && group->mark.zxid_start == group->mark.zxid_end;
    if (group->log_is_stale || (log_is_new && is_foreign)) {
        log.base_zxid = log.last_zxid = group->mark.zxid_start; /* an installed or imported image stands alone */
    }
    if (log.base_zxid > group->mark.zxid_start || log.last_zxid < group->mark.zxid_end) {
        viv_log(VIV_LOG_ERROR, "node", "image and log do not join", "gid=%u image=0x%llx..0x%llx log=0x%llx..0x%llx",
                group->gid, (unsigned long long)group->mark.zxid_start, (unsigned long long)group->mark.zxid_end,
                (unsigned long long)log.base_zxid, (unsigned long long)log.last_zxid);
        return VIV_ERR_CORRUPT;
    }
    group->start = (struct viv_zab_start){
        .accepted_epoch = group->hard.accepted_epoch,
        .current_epoch = group->hard.current_epoch,
        .base_zxid = log.base_zxid,
        .applied_zxid = applied,
        .last_zxid = log.last_zxid,
        .uncertain_from_zxid = bounds->uncertain_zxid,
    };
    return VIV_OK;
}

/* What the log holds counts in elections; there is no state that it could be applied to. */
void viv_group_recover_baseless(struct viv_group *group, const struct viv_log_bounds *bounds,
                                const struct viv_hard_state *hard, struct viv_bytes config_text)
{
    const struct viv_state_mark none = {0};
    viv_status status = viv_group_recover_image_end(group, &none, hard, config_text);
    VIV_ASSERT(status == VIV_OK);
    group->start = (struct viv_zab_start){
        .accepted_epoch = hard->accepted_epoch,
        .current_epoch = hard->current_epoch,
        .base_zxid = bounds->last_zxid,
        .applied_zxid = bounds->last_zxid,
        .last_zxid = bounds->last_zxid,
        .baseless = true,
    };
}
