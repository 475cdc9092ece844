#ifndef VIV_BACKENDS_FLAT_HARD_H
#define VIV_BACKENDS_FLAT_HARD_H

#include "backends/flat/format.h"
#include "store/file_io.h"
#include "store/log_store.h"

/* What ZAB must not forget, of all groups, in one file of two 4 KiB slots. Both slots are written and synced one
 * after the other by every put, so that a torn write and a rotten slot each leave a good one. */

enum { VIV_FLAT_HARD_GROUPS_MAX = 128 };

struct viv_flat_hard_group {
    viv_gid gid;
    struct viv_hard_state state;
};

struct viv_flat_hard {
    struct viv_file file;
    struct viv_flat_owner owner;
    uint64_t seq;
    struct viv_flat_hard_group groups[VIV_FLAT_HARD_GROUPS_MAX];
    size_t group_count;
    bool is_durable;
};

/* Reads the file in `dir`, or makes it when `may_create`; with `may_forget` also when neither copy can be read, empty.
 * Brings both slots to the newest state. owner->cluster is
 * filled in when it was {0,0} and the file knows it. VIV_ERR_CORRUPT, VIV_ERR_FOREIGN, VIV_ERR_VERSION and those of
 * store/file_io.h; on failure nothing stays open. */
viv_status viv_flat_hard_open(struct viv_flat_hard *hard, const struct viv_disk *disk, const char *dir,
                              struct viv_flat_owner *owner, bool is_durable, bool may_create,
                              bool may_forget) VIV_MUST_USE;
void viv_flat_hard_close(struct viv_flat_hard *hard, const struct viv_disk *disk);
void viv_flat_hard_get(const struct viv_flat_hard *hard, viv_gid gid, struct viv_hard_state *state);
/* Durable on return. VIV_ERR_LIMIT: too many groups. In memory the new state shows only when it is durable. */
viv_status viv_flat_hard_put(struct viv_flat_hard *hard, const struct viv_disk *disk, viv_gid gid,
                             const struct viv_hard_state *state) VIV_MUST_USE;

#endif /* VIV_BACKENDS_FLAT_HARD_H */
