#ifndef VIV_STORE_KV_DIR_H
#define VIV_STORE_KV_DIR_H

#include <stdbool.h>

#include "base/entry.h"
#include "store/file_io.h"

/* Where a key-value library keeps its files: one directory per image, `<store>-<gid>-<generation>`. A whole new image
 * is built under the next generation with the suffix `.new` and takes its name, durably, when it is complete; the
 * highest generation with a plain name is therefore always the current one, whatever the moment of a crash, and
 * everything else is a leftover. A lock file keeps a second process out.
 *
 * Knows names and directories; does not know what is in them. */

struct viv_kv_dir {
    const char *store;   /* borrowed: a literal */
    char *parent;        /* owned */
    uint64_t generation; /* of the current image; 0: there is none */
    struct viv_file lock;
    viv_gid gid;
    bool durable;
};

/* Locks, finds the current image and removes leftovers. VIV_ERR_BUSY, VIV_ERR_SYSTEM, VIV_ERR_IO (logged). */
viv_status viv_kv_dir_open(struct viv_kv_dir *dir, const char *store, const char *parent, viv_gid gid,
                           bool durable) VIV_MUST_USE;
void viv_kv_dir_close(struct viv_kv_dir *dir);
/* Paths; returned owned. */
char *viv_kv_dir_current(const struct viv_kv_dir *dir);
char *viv_kv_dir_next(const struct viv_kv_dir *dir);
/* Makes the empty directory of the next image. */
viv_status viv_kv_dir_make_next(struct viv_kv_dir *dir) VIV_MUST_USE;
/* The next image is complete and synced: it becomes the current one, durably. The one before is left for
 * viv_kv_dir_drop_old once nobody has it open. */
viv_status viv_kv_dir_promote_next(struct viv_kv_dir *dir) VIV_MUST_USE;
void viv_kv_dir_drop_old(const struct viv_kv_dir *dir);
void viv_kv_dir_drop_next(const struct viv_kv_dir *dir);
/* Bytes of all files of all images. */
uint64_t viv_kv_dir_bytes(const struct viv_kv_dir *dir);

#endif /* VIV_STORE_KV_DIR_H */
