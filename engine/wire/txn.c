#include "wire/records.h"

/* Records of transactions (on-disk-format.md §2.2). They hold results, not requests. */

void viv_txn_header_encode(struct viv_buffer *out, const struct viv_txn_header *header)
{
    viv_jute_write_long(out, header->session_id);
    viv_jute_write_int(out, header->cxid);
    viv_jute_write_long(out, (int64_t)header->zxid);
    viv_jute_write_long(out, header->time_ms);
    viv_jute_write_int(out, header->type);
}

void viv_txn_header_decode(struct viv_jute_reader *reader, struct viv_txn_header *header)
{
    header->session_id = viv_jute_read_long(reader);
    header->cxid = viv_jute_read_int(reader);
    header->zxid = (uint64_t)viv_jute_read_long(reader);
    header->time_ms = viv_jute_read_long(reader);
    header->type = viv_jute_read_int(reader);
}

void viv_create_txn_encode(struct viv_buffer *out, const struct viv_create_txn *txn, enum viv_op type)
{
    viv_jute_write_bytes(out, txn->path);
    viv_jute_write_slice(out, txn->data);
    viv_buffer_append_bytes(out, txn->acl);
    if (type != VIV_OP_CREATE_CONTAINER && type != VIV_OP_CREATE_TTL) {
        viv_jute_write_bool(out, txn->ephemeral);
    }
    viv_jute_write_int(out, txn->parent_cversion);
    if (type == VIV_OP_CREATE_TTL) {
        viv_jute_write_long(out, txn->ttl_ms);
    }
}

/* Writers of 3.3 and older leave the parent counter out: -1 then. */
void viv_create_txn_decode(struct viv_jute_reader *reader, struct viv_create_txn *txn, enum viv_op type)
{
    txn->path = viv_jute_read_buffer(reader).bytes;
    txn->data = viv_jute_read_buffer(reader);
    txn->acl = viv_acl_list_read(reader);
    bool has_flag = type != VIV_OP_CREATE_CONTAINER && type != VIV_OP_CREATE_TTL;
    txn->ephemeral = has_flag && viv_jute_read_bool(reader);
    bool is_old = type == VIV_OP_CREATE && !reader->bad && reader->rest.size == 0;
    txn->parent_cversion = is_old ? -1 : viv_jute_read_int(reader);
    txn->ttl_ms = type == VIV_OP_CREATE_TTL ? viv_jute_read_long(reader) : 0;
}

void viv_set_data_txn_encode(struct viv_buffer *out, const struct viv_set_data_txn *txn)
{
    viv_jute_write_bytes(out, txn->path);
    viv_jute_write_slice(out, txn->data);
    viv_jute_write_int(out, txn->version);
}

void viv_set_data_txn_decode(struct viv_jute_reader *reader, struct viv_set_data_txn *txn)
{
    txn->path = viv_jute_read_buffer(reader).bytes;
    txn->data = viv_jute_read_buffer(reader);
    txn->version = viv_jute_read_int(reader);
}

void viv_set_acl_txn_encode(struct viv_buffer *out, const struct viv_set_acl_txn *txn)
{
    viv_jute_write_bytes(out, txn->path);
    viv_buffer_append_bytes(out, txn->acl);
    viv_jute_write_int(out, txn->version);
}

void viv_set_acl_txn_decode(struct viv_jute_reader *reader, struct viv_set_acl_txn *txn)
{
    txn->path = viv_jute_read_buffer(reader).bytes;
    txn->acl = viv_acl_list_read(reader);
    txn->version = viv_jute_read_int(reader);
}

void viv_path_version_txn_encode(struct viv_buffer *out, const struct viv_path_version_txn *txn)
{
    viv_jute_write_bytes(out, txn->path);
    viv_jute_write_int(out, txn->version);
}

void viv_path_version_txn_decode(struct viv_jute_reader *reader, struct viv_path_version_txn *txn)
{
    txn->path = viv_jute_read_buffer(reader).bytes;
    txn->version = viv_jute_read_int(reader);
}
