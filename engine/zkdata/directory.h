#ifndef VIV_ZKDATA_DIRECTORY_H
#define VIV_ZKDATA_DIRECTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

/* What Apache ZooKeeper left in a data directory (on-disk-format.md §1): which files, by name and size, and the small
 * ones' contents. Reads no snapshot and no log. */

enum { VIV_ZK_NAME_BYTES = 64 };

struct viv_zk_file {
    uint64_t zxid; /* of the name */
    uint64_t bytes;
    char name[VIV_ZK_NAME_BYTES];
    char *path;
};

struct viv_zk_files {
    struct viv_zk_file *items;
    size_t count;
};

struct viv_zk_directory {
    char *snapshot_dir, *log_dir;  /* the two version-2 */
    struct viv_zk_files snapshots; /* newest first */
    struct viv_zk_files logs;      /* oldest first */
    bool has_accepted_epoch, has_current_epoch, has_current_epoch_draft, has_myid;
    int64_t accepted_epoch, current_epoch, current_epoch_draft, myid;
};

/* `data_dir` and `data_log_dir` as in zoo.cfg, or the version-2 itself; the second may be NULL or the same. Without
 * a version-2 the result is empty. VIV_ERR_INVALID: snapshots among the logs or logs among the snapshots of two
 * directories; VIV_ERR_CORRUPT: an epoch that is no number; VIV_ERR_SYSTEM. Logged with what to do. */
viv_status viv_zk_directory_read(const char *data_dir, const char *data_log_dir,
                                 struct viv_zk_directory *out) VIV_MUST_USE;
void viv_zk_directory_fini(struct viv_zk_directory *directory);
/* There is a snapshot or a log. */
bool viv_zk_directory_has_data(const struct viv_zk_directory *directory);

/* ZooKeeper's quick look at the ends of a snapshot file: false means that it would not even try to load it. */
bool viv_zk_snapshot_looks_whole(const char *path);

#endif /* VIV_ZKDATA_DIRECTORY_H */
