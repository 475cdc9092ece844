#ifndef VIV_TREE_ROW_H
#define VIV_TREE_ROW_H

#include "base/row.h"
#include "base/status.h"
#include "tree/znode.h"

/* The tree's rows as bytes (tree/image.h says which there are). Keys are big-endian, so that memcmp keeps siblings
 * together; values are little-endian. Does not know a tree.
 *
 * Value of a node: u32 id | u8 parts | u32 content_crc | u64 czxid | i64 ctime
 *                  | CHANGED: u64 mzxid, i64 mtime, i32 version | ODD: u64 pzxid, i64 owner, i32 counter, i32 aversion
 *                  | ACL: u32 acl id | data */

enum { VIV_ROW_NODE = 'n', VIV_ROW_ACL = 'a', VIV_ROW_SESSION = 's' };

struct viv_row_key {
    uint8_t bytes[9];
};

struct viv_bytes viv_row_key_acl(struct viv_row_key *key, uint32_t acl_id);
struct viv_bytes viv_row_key_session(struct viv_row_key *key, int64_t session_id);
/* Replaces what is in the buffer; the result borrows from it. */
struct viv_bytes viv_row_key_node(struct viv_buffer *key, viv_node_id parent, struct viv_bytes name);

void viv_row_append_node(struct viv_buffer *rows, const struct viv_znode *node, uint32_t content_crc, bool hidden);
void viv_row_append_acl(struct viv_buffer *rows, uint32_t acl_id, struct viv_bytes list);
void viv_row_append_session(struct viv_buffer *rows, int64_t session_id, int32_t timeout_ms);

/* Parsers of rows whose first key byte said what they are; false when malformed. Borrow from the row. */
bool viv_row_parse_node(const struct viv_row *row, struct viv_znode *node, uint32_t *content_crc, bool *hidden);
bool viv_row_parse_acl(const struct viv_row *row, uint32_t *acl_id, struct viv_bytes *list);
bool viv_row_parse_session(const struct viv_row *row, int64_t *session_id, int32_t *timeout_ms);

#endif /* VIV_TREE_ROW_H */
