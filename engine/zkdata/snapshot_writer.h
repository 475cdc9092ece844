#ifndef VIV_ZKDATA_SNAPSHOT_WRITER_H
#define VIV_ZKDATA_SNAPSHOT_WRITER_H

#include "base/bytes.h"
#include "tree/tree.h"

/* Makes the bytes of a snapshot file that Apache ZooKeeper 3.5 to 3.9 loads, slice by slice, while transactions may go
 * on being applied between the slices (a fuzzy snapshot, on-disk-format.md §5). Pure: no file, no socket; what is
 * ready is appended to the caller's buffer, so that it can go into either. Cannot fail.
 *
 * A file of it takes the name `snapshot.<zxid in hex>` with viv_zk_snapshot_writer_zxid, and the ending of its packing.
 * A fuzzy one needs the log from there on up to the zxid of its digest section. */

enum viv_zk_packing { VIV_ZK_PLAIN, VIV_ZK_GZIP, VIV_ZK_SNAPPY };

struct viv_zk_snapshot_form {
    enum viv_zk_packing packing;
    bool has_digest; /* the digest section of 3.6 and later: the tree's zxid and digest when the last slice was made */
    bool has_last_zxid; /* the section of 3.9, which `restore` over HTTP asks for; comes with the digest */
};

struct viv_zk_snapshot_writer;

/* `tree` must live until the end; freeing the tree or loading another into it in between is a mistake. */
struct viv_zk_snapshot_writer *viv_zk_snapshot_writer_begin(struct viv_tree *tree,
                                                            const struct viv_zk_snapshot_form *form);
/* Takes about `raw_bytes_max` bytes (of the unpacked form) further, and appends what is ready to *out: sometimes
 * nothing, when packed. False when that was the last of it. */
bool viv_zk_snapshot_writer_step(struct viv_zk_snapshot_writer *writer, size_t raw_bytes_max, struct viv_buffer *out);
/* The tree's zxid when the snapshot began. */
uint64_t viv_zk_snapshot_writer_zxid(const struct viv_zk_snapshot_writer *writer);
/* Frees; also before the last slice. */
void viv_zk_snapshot_writer_end(struct viv_zk_snapshot_writer *writer);

/* "", ".gz", ".snappy". */
const char *viv_zk_packing_ending(enum viv_zk_packing packing);

#endif /* VIV_ZKDATA_SNAPSHOT_WRITER_H */
