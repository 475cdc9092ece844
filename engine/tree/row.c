#include "tree/row.h"

#include <string.h>

#include "base/assert.h"
#include "base/endian.h"

enum row_part { PART_CHANGED = 1, PART_ODD = 2, PART_ACL = 4, PART_DATA_NULL = 8, PART_HIDDEN = 16, PARTS_KNOWN = 31 };

enum {
    NODE_KEY_BYTES = 9, /* before the name */
    NODE_FIXED_BYTES = 4 + 1 + 4 + 8 + 8,
    CHANGED_BYTES = 8 + 8 + 4,
    ODD_BYTES = 8 + 8 + 4 + 4,
    ACL_BYTES = 4,
    NODE_VALUE_BYTES_MAX = NODE_FIXED_BYTES + CHANGED_BYTES + ODD_BYTES + ACL_BYTES,
};

struct viv_bytes viv_row_key_acl(struct viv_row_key *key, uint32_t acl_id)
{
    key->bytes[0] = VIV_ROW_ACL;
    viv_store_be32(key->bytes + 1, acl_id);
    return (struct viv_bytes){key->bytes, 5};
}

struct viv_bytes viv_row_key_session(struct viv_row_key *key, int64_t session_id)
{
    key->bytes[0] = VIV_ROW_SESSION;
    viv_store_be64(key->bytes + 1, (uint64_t)session_id);
    return (struct viv_bytes){key->bytes, 9};
}

struct viv_bytes viv_row_key_node(struct viv_buffer *key, viv_node_id parent, struct viv_bytes name)
{
    viv_buffer_clear(key);
    uint8_t *bytes = viv_buffer_extend(key, NODE_KEY_BYTES);
    bytes[0] = VIV_ROW_NODE;
    viv_store_be64(bytes + 1, parent);
    viv_buffer_append_bytes(key, name);
    return viv_buffer_bytes(key);
}

static unsigned parts_of(const struct viv_znode *node, bool hidden)
{
    bool changed = node->mzxid != node->czxid || node->mtime_ms != node->ctime_ms || node->version != 0;
    bool odd = node->pzxid != node->czxid || node->owner != 0 || node->child_counter != 0 || node->aversion != 0;
    return (changed ? PART_CHANGED : 0) | (odd ? PART_ODD : 0) | (node->acl_id != 0 ? PART_ACL : 0) |
           (node->data.null ? PART_DATA_NULL : 0) | (hidden ? PART_HIDDEN : 0);
}

/* Returns the bytes written. */
static size_t encode_value(uint8_t *out, const struct viv_znode *node, uint32_t content_crc, unsigned parts)
{
    uint8_t *at = out;
    viv_store_le32(at, node->id);
    at[4] = (uint8_t)parts;
    viv_store_le32(at + 5, content_crc);
    viv_store_le64(at + 9, node->czxid);
    viv_store_le64(at + 17, (uint64_t)node->ctime_ms);
    at += NODE_FIXED_BYTES;
    if (parts & PART_CHANGED) {
        viv_store_le64(at, node->mzxid);
        viv_store_le64(at + 8, (uint64_t)node->mtime_ms);
        viv_store_le32(at + 16, (uint32_t)node->version);
        at += CHANGED_BYTES;
    }
    if (parts & PART_ODD) {
        viv_store_le64(at, node->pzxid);
        viv_store_le64(at + 8, (uint64_t)node->owner);
        viv_store_le32(at + 16, (uint32_t)node->child_counter);
        viv_store_le32(at + 20, (uint32_t)node->aversion);
        at += ODD_BYTES;
    }
    if (parts & PART_ACL) {
        viv_store_le32(at, node->acl_id);
        at += ACL_BYTES;
    }
    return (size_t)(at - out);
}

void viv_row_append_node(struct viv_buffer *rows, const struct viv_znode *node, uint32_t content_crc, bool hidden)
{
    enum { ROW_HEADER_BYTES = 9 };
    uint8_t value[NODE_VALUE_BYTES_MAX];
    size_t value_bytes = encode_value(value, node, content_crc, parts_of(node, hidden));
    VIV_ASSERT(value_bytes <= sizeof value);
    /* The frame of base/row.h written in place: a row has its data once only, without a copy in between. */
    uint8_t *header = viv_buffer_extend(rows, ROW_HEADER_BYTES + NODE_KEY_BYTES);
    header[0] = VIV_ROW_PUT;
    viv_store_le32(header + 1, (uint32_t)(NODE_KEY_BYTES + node->name.size));
    viv_store_le32(header + 5, (uint32_t)(value_bytes + node->data.bytes.size));
    header[ROW_HEADER_BYTES] = VIV_ROW_NODE;
    viv_store_be64(header + ROW_HEADER_BYTES + 1, node->parent);
    viv_buffer_append_bytes(rows, node->name);
    viv_buffer_append(rows, value, value_bytes);
    viv_buffer_append_bytes(rows, node->data.bytes);
}

void viv_row_append_acl(struct viv_buffer *rows, uint32_t acl_id, struct viv_bytes list)
{
    struct viv_row_key key;
    viv_row_append(rows, &(struct viv_row){VIV_ROW_PUT, viv_row_key_acl(&key, acl_id), list});
}

void viv_row_append_session(struct viv_buffer *rows, int64_t session_id, int32_t timeout_ms)
{
    struct viv_row_key key;
    uint8_t value[4];
    viv_store_le32(value, (uint32_t)timeout_ms);
    viv_row_append(rows, &(struct viv_row){VIV_ROW_PUT, viv_row_key_session(&key, session_id), {value, sizeof value}});
}

bool viv_row_parse_node(const struct viv_row *row, struct viv_znode *node, uint32_t *content_crc, bool *hidden)
{
    const uint8_t *at = row->value.data;
    if (row->key.size < NODE_KEY_BYTES || row->value.size < NODE_FIXED_BYTES) {
        return false;
    }
    uint64_t parent = viv_load_be64(row->key.data + 1);
    unsigned parts = at[4];
    size_t header_bytes = NODE_FIXED_BYTES + (parts & PART_CHANGED ? CHANGED_BYTES : 0) +
                          (parts & PART_ODD ? ODD_BYTES : 0) + (parts & PART_ACL ? ACL_BYTES : 0);
    if (row->value.size < header_bytes || parts > PARTS_KNOWN || parent > UINT32_MAX) {
        return false;
    }
    *node = (struct viv_znode){
        .id = viv_load_le32(at),
        .parent = (viv_node_id)parent,
        .czxid = viv_load_le64(at + 9),
        .ctime_ms = (int64_t)viv_load_le64(at + 17),
        .name = {row->key.data + NODE_KEY_BYTES, row->key.size - NODE_KEY_BYTES},
        .data = {.bytes = {at + header_bytes, row->value.size - header_bytes}, .null = parts & PART_DATA_NULL},
    };
    node->mzxid = node->pzxid = node->czxid;
    node->mtime_ms = node->ctime_ms;
    *content_crc = viv_load_le32(at + 5);
    *hidden = parts & PART_HIDDEN;
    at += NODE_FIXED_BYTES;
    if (parts & PART_CHANGED) {
        node->mzxid = viv_load_le64(at);
        node->mtime_ms = (int64_t)viv_load_le64(at + 8);
        node->version = (int32_t)viv_load_le32(at + 16);
        at += CHANGED_BYTES;
    }
    if (parts & PART_ODD) {
        node->pzxid = viv_load_le64(at);
        node->owner = (int64_t)viv_load_le64(at + 8);
        node->child_counter = (int32_t)viv_load_le32(at + 16);
        node->aversion = (int32_t)viv_load_le32(at + 20);
        at += ODD_BYTES;
    }
    node->acl_id = parts & PART_ACL ? viv_load_le32(at) : 0;
    return node->data.bytes.size <= (node->data.null ? 0 : VIV_ZNODE_DATA_BYTES_MAX) &&
           node->name.size <= VIV_ZNODE_DATA_BYTES_MAX;
}

bool viv_row_parse_acl(const struct viv_row *row, uint32_t *acl_id, struct viv_bytes *list)
{
    struct viv_jute_reader reader = viv_jute_reader_of(row->value);
    *list = viv_acl_list_read(&reader);
    if (row->key.size != 5 || reader.bad || reader.rest.size != 0) {
        return false;
    }
    *acl_id = viv_load_be32(row->key.data + 1);
    return *acl_id != 0 && *acl_id != UINT32_MAX;
}

bool viv_row_parse_session(const struct viv_row *row, int64_t *session_id, int32_t *timeout_ms)
{
    if (row->key.size != 9 || row->value.size != 4) {
        return false;
    }
    *session_id = (int64_t)viv_load_be64(row->key.data + 1);
    *timeout_ms = (int32_t)viv_load_le32(row->value.data);
    return true;
}
