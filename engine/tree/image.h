#ifndef VIV_TREE_IMAGE_H
#define VIV_TREE_IMAGE_H

#include "base/row.h"
#include "base/status.h"
#include "tree/tree.h"

/* The tree as rows (base/row.h), out and in: what state stores keep. The walk is fuzzy: it goes on in slices while
 * transactions are applied between them. Slots freed during a walk are not reused until it ends, a full walk stops at
 * the highest id of its start, ACLs and sessions are written last, and a loaded row without parent is dropped.
 *
 * Keys: 'n' | u64 parent id big-endian | name  -> node id, flags, stat, acl id, data
 *       'a' | u32 acl id -> raw vector<ACL>       's' | u64 session id -> timeout       ('m' belongs to the stores)
 *
 * A delta walk emits what changed since the previous walk *began* (that one having been committed): first deletes,
 * then puts. One walk at a time. */

enum viv_walk_kind { VIV_WALK_FULL, VIV_WALK_DELTA };

/* From here on the tree remembers which rows changed (needed for deltas; costs a bit per node). What loading brings
 * does not count as changed, but rows that it drops or puts right do, even when it came first. */
void viv_tree_track_changes(struct viv_tree *tree);
void viv_tree_walk_begin(struct viv_tree *tree, enum viv_walk_kind kind);
bool viv_tree_is_walked(const struct viv_tree *tree);
/* Appends rows until about bytes_max; false when the walk is complete. */
bool viv_tree_walk_step(struct viv_tree *tree, size_t bytes_max, struct viv_buffer *rows);
/* committed: the image is durable; otherwise the rows of an aborted delta count as changed again. */
void viv_tree_walk_end(struct viv_tree *tree, bool committed);
/* Rows changed since the last walk began (0 without tracking). */
uint64_t viv_tree_changed_rows(const struct viv_tree *tree);

/* Loading into an empty tree made by viv_tree_new_empty(): blocks in any order, then finish, which links children,
 * drops orphans and sets the zxid from which replay continues. */
struct viv_tree *viv_tree_new_empty(void);
viv_status viv_tree_load_rows(struct viv_tree *tree, struct viv_bytes rows) VIV_MUST_USE;
viv_status viv_tree_load_finish(struct viv_tree *tree, uint64_t zxid) VIV_MUST_USE;

/* ZooKeeper's own snapshot stream (zab-interop.md §3.2): sessions, ACLs, nodes in preorder with full paths,
 * terminator, "BenWasHere". Out: sliced and fuzzy, parents before children. */
struct viv_tree_stream;
struct viv_tree_stream *viv_tree_stream_begin(struct viv_tree *tree);
bool viv_tree_stream_step(struct viv_tree_stream *stream, size_t bytes_max, struct viv_buffer *out);
void viv_tree_stream_end(struct viv_tree_stream *stream);
/* In: feed bytes as they come into an empty tree. *used = bytes consumed (the rest belongs to what follows the
 * stream); *done after the signature. VIV_ERR_MALFORMED. Also the body of a snapshot file behind its header. */
struct viv_tree_loader;
struct viv_tree_loader *viv_tree_loader_begin(struct viv_tree *empty_tree);
/* Call before the first byte: the stream ends with the nodes' terminator, which then is the last byte used and sets
 * *done (a snapshot file has its seal there instead of the signature). */
void viv_tree_loader_expect_no_signature(struct viv_tree_loader *loader);
/* Call before the first byte: owners as ZooKeeper 3.5.3 wrote them for TTL nodes become what later ones write (with its
 * emulate353TTLNodes on). The digest is then that of the tree as it is here. */
void viv_tree_loader_emulate_353_ttl(struct viv_tree_loader *loader);
viv_status viv_tree_loader_feed(struct viv_tree_loader *loader, struct viv_bytes bytes, size_t *used,
                                bool *done) VIV_MUST_USE;
/* Sets the tree's zxid; frees the loader. */
void viv_tree_loader_end(struct viv_tree_loader *loader, uint64_t zxid);

#endif /* VIV_TREE_IMAGE_H */
