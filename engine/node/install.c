#include "node/install.h"

#include "base/assert.h"
#include "base/log.h"
#include "node/reconfigure.h"

static void tell_zab(struct viv_group *group, enum viv_zab_input_kind kind)
{
    struct viv_zab_input input = {.kind = kind, .link = group->install.link, .zxid = group->install.zxid};
    if (kind == VIV_ZAB_SNAP_INSTALLED) {
        input.data = viv_group_shown_members(group);
    }
    viv_group_input(group, &input);
}

void viv_install_begin(struct viv_group *group, const struct viv_zab_output *output)
{
    struct viv_install *install = &group->install;
    struct viv_link *link = viv_links_find(group->links, output->link);
    VIV_ASSERT(install->state == VIV_INSTALL_NONE && !group->serving);
    if (link == NULL) {
        install->link = output->link;
        tell_zab(group, VIV_ZAB_SNAP_ABORTED);
        return;
    }
    link->snapshot = true;
    install->state = VIV_INSTALL_RECEIVING;
    install->link = output->link;
    install->zxid = output->zxid;
    install->forgets_epoch = output->flag;
    install->tree = viv_group_new_tree(group);
    install->is_native = link->enveloped;
    install->loader = viv_tree_loader_begin(install->tree);
    if (group->emulate_353_ttl) {
        viv_tree_loader_emulate_353_ttl(install->loader);
    }
}

static void give_up(struct viv_install *install)
{
    if (install->loader != NULL) {
        viv_tree_loader_end(install->loader, install->zxid);
        install->loader = NULL;
    }
    if (install->tree != NULL) {
        viv_tree_free(install->tree);
        install->tree = NULL;
    }
    install->state = VIV_INSTALL_NONE;
}

void viv_install_fini(struct viv_install *install)
{
    give_up(install);
}

void viv_install_link_lost(struct viv_group *group, uint32_t link)
{
    if (group->install.state == VIV_INSTALL_RECEIVING && group->install.link == link) {
        give_up(&group->install);
        tell_zab(group, VIV_ZAB_SNAP_ABORTED);
    }
}

viv_status viv_install_feed(struct viv_group *group, struct viv_link *link, struct viv_bytes bytes, size_t *used)
{
    struct viv_install *install = &group->install;
    VIV_ASSERT(install->state == VIV_INSTALL_RECEIVING && install->link == link->id);
    bool done = false;
    viv_status status = viv_tree_loader_feed(install->loader, bytes, used, &done);
    if (status != VIV_OK) {
        viv_log(VIV_LOG_WARN, "node", "a snapshot stream is malformed", "gid=%u zxid=0x%llx", group->gid,
                (unsigned long long)install->zxid);
        return status;
    }
    tell_zab(group, VIV_ZAB_SNAP_PROGRESS);
    if (done) {
        link->snapshot = false;
        viv_tree_loader_end(install->loader, install->zxid);
        install->loader = NULL;
        install->state = VIV_INSTALL_MARKING;
        group->hard.install_zxid = install->zxid;
        group->hard.current_epoch = install->forgets_epoch ? 0 : group->hard.current_epoch;
        viv_group_log_action(group, VIV_ACTION_LOG_HARD, VIV_LOG_TICKET_INSTALL_MARK);
    }
    return VIV_OK;
}

void viv_install_marked(struct viv_group *group)
{
    VIV_ASSERT(group->install.state == VIV_INSTALL_MARKING);
    group->install.state = VIV_INSTALL_WRITING;
    viv_checkpoint_abort(&group->checkpoint, group->turn); /* of the old tree */
    viv_checkpoint_begin(&group->checkpoint, group->install.tree, VIV_CHECKPOINT_INSTALL, group->turn);
    group->checkpoint.omits_digest = !group->install.is_native;
}

void viv_install_written(struct viv_group *group, viv_status status)
{
    VIV_ASSERT(group->install.state == VIV_INSTALL_WRITING);
    if (status != VIV_OK) {
        viv_group_fatal(group, "the leader's snapshot cannot be stored");
        return;
    }
    group->install.state = VIV_INSTALL_RESETTING;
    viv_group_log_action(group, VIV_ACTION_LOG_RESET, VIV_LOG_TICKET_INSTALL_RESET)->zxid = group->install.zxid;
    group->hard.install_zxid = 0;
    viv_group_log_action(group, VIV_ACTION_LOG_HARD, VIV_LOG_TICKET_INSTALL_CLEAR);
}

void viv_install_cleared(struct viv_group *group)
{
    struct viv_install *install = &group->install;
    VIV_ASSERT(install->state == VIV_INSTALL_RESETTING);
    viv_group_replace_tree(group, install->tree);
    install->tree = NULL;
    install->state = VIV_INSTALL_NONE;
    group->entries_since_image = group->bytes_since_image = 0;
    tell_zab(group, VIV_ZAB_SNAP_INSTALLED);
}
