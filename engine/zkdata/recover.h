#ifndef VIV_ZKDATA_RECOVER_H
#define VIV_ZKDATA_RECOVER_H

#include "base/entry.h"
#include "tree/tree.h"
#include "zkdata/directory.h"

/* From what ZooKeeper left on disk to the tree that a ZooKeeper started there would serve: the newest sound snapshot,
 * the logs over it, every recorded digest compared (on-disk-format.md §3.4 to §6). Reads only. Memory: the tree and a
 * window of one file. */

struct viv_zk_recovery_options {
    uint64_t upto_zxid; /* the state as of this transaction; 0 = the newest */
    bool trust_empty;   /* logs without any snapshot are replayed over an empty tree (snapshot.trust.empty) */
};

struct viv_zk_recovered {
    struct viv_tree *tree; /* owned by the caller */
    uint64_t zxid;         /* last transaction */
    uint64_t snapshot_zxid;
    char snapshot_name[VIV_ZK_NAME_BYTES]; /* "" when none was used */
    uint64_t snapshots_rejected;           /* newer ones that are damaged or unfinished */
    uint64_t records;                      /* replayed */
    uint64_t digests_compared, digest_mismatches, first_mismatch_zxid;
    uint64_t torn_files;                    /* logs that end inside a record */
    uint64_t ephemerals_dropped;            /* of sessions that no longer exist */
    uint32_t accepted_epoch, current_epoch; /* as read, or of the last zxid where the files are missing */
};

/* VIV_ERR_NOT_FOUND: no data at all; VIV_ERR_TRIMMED: nothing on disk reaches back to upto_zxid, or forward to it;
 * VIV_ERR_CORRUPT, VIV_ERR_LIMIT, VIV_ERR_IO, VIV_ERR_SYSTEM. Logged with file, offset and what to do. A digest that
 * does not agree is counted and logged as a warning: ZooKeeper starts then too. */
viv_status viv_zk_recover(const struct viv_zk_directory *directory, const struct viv_zk_recovery_options *options,
                          struct viv_zk_recovered *out) VIV_MUST_USE;

#endif /* VIV_ZKDATA_RECOVER_H */
