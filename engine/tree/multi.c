#include "tree/multi.h"

#include "base/assert.h"
#include "base/endian.h"
#include "base/limits.h"
#include "wire/reply_code.h"

enum { FLAGS_MAX = 6, HEADER_BYTES = 9 };

/* What must hold of every operation before the first is looked at: the kind is allowed in a multi, the record can be
 * read, and, since 3.9, create flags mean something. */
static bool skip_operation(int32_t op, struct viv_jute_reader *reader)
{
    struct viv_create_request create;
    struct viv_path_version_request path_version;
    struct viv_set_data_request set_data;

    switch (op) {
    case VIV_OP_CREATE:
    case VIV_OP_CREATE2:
    case VIV_OP_CREATE_CONTAINER:
    case VIV_OP_CREATE_TTL:
        viv_create_request_decode(reader, &create, (enum viv_op)op);
        return !reader->bad && !create.path.null && create.flags >= 0 && create.flags <= FLAGS_MAX;
    case VIV_OP_DELETE:
    case VIV_OP_CHECK:
        viv_path_version_request_decode(reader, &path_version);
        return !reader->bad && !path_version.path.null;
    case VIV_OP_SET_DATA:
        viv_set_data_request_decode(reader, &set_data);
        return !reader->bad && !set_data.path.null;
    default:
        return false;
    }
}

/* Counts the operations up to the terminator; -1 when the request is not a multi of changes. */
static int32_t count_operations(struct viv_bytes record)
{
    struct viv_jute_reader reader = viv_jute_reader_of(record);
    struct viv_multi_header header;
    int32_t count = 0;

    while (true) {
        viv_multi_header_decode(&reader, &header);
        if (reader.bad) {
            return -1;
        }
        if (header.done) {
            return count;
        }
        if (!skip_operation(header.type, &reader)) {
            return -1;
        }
        count++;
    }
}

/* Txn { int type; buffer data } with an error code as its data. */
static void append_error(struct viv_buffer *record, int32_t code)
{
    viv_jute_write_int(record, VIV_OP_ERROR);
    viv_jute_write_int(record, sizeof code);
    viv_jute_write_int(record, code);
}

/* The same with the record of one operation, whose size is known when it has been written. */
static int32_t append_operation(struct viv_preparer *preparer, const struct viv_request *request, int32_t op,
                                struct viv_jute_reader *reader, uint64_t zxid, struct viv_buffer *record)
{
    size_t start = record->size;
    viv_jute_write_int(record, op);
    viv_jute_write_int(record, 0);
    size_t data_start = record->size;
    int32_t code = viv_operation_prepare(preparer, request, op, reader, zxid, record);
    if (code == VIV_REPLY_OK) {
        viv_store_be32(record->data + data_start - 4, (uint32_t)(record->size - data_start));
    } else {
        record->size = start;
        append_error(record, code);
    }
    return code;
}

/* What the reply will say of an operation whose record begins with its final path. */
static size_t reply_bytes(int32_t op, struct viv_bytes record)
{
    size_t path_bytes = 4 + viv_load_be32(record.data);
    switch (op) {
    case VIV_OP_CREATE:
        return HEADER_BYTES + path_bytes;
    case VIV_OP_SET_DATA:
        return HEADER_BYTES + VIV_STAT_BYTES;
    case VIV_OP_DELETE:
    case VIV_OP_CHECK:
        return HEADER_BYTES;
    default:
        return HEADER_BYTES + path_bytes + VIV_STAT_BYTES;
    }
}

/* Neither the log and the peers nor the client could take it. */
static bool is_too_long(const struct viv_preparer *preparer, size_t record_bytes, size_t reply_size)
{
    const struct viv_prepare_rules *rules = &preparer->rules;
    return record_bytes > viv_preparer_record_bytes_max(preparer) ||
           (rules->reply_bytes_max != 0 && reply_size > rules->reply_bytes_max);
}

int32_t viv_multi_prepare(struct viv_preparer *preparer, const struct viv_request *request, uint64_t zxid,
                          struct viv_buffer *record, int32_t *failure)
{
    struct viv_jute_reader reader = viv_jute_reader_of(request->record);
    size_t start = record->size, reply_size = HEADER_BYTES;
    int32_t count = count_operations(request->record);

    *failure = VIV_REPLY_OK;
    if (count < 0) {
        return VIV_REPLY_MARSHALLING_ERROR;
    }
    viv_jute_write_int(record, count);
    for (int32_t i = 0; i < count; i++) {
        struct viv_multi_header header;
        if (*failure != VIV_REPLY_OK) {
            append_error(record, VIV_REPLY_RUNTIME_INCONSISTENCY);
            continue;
        }
        viv_multi_header_decode(&reader, &header);
        size_t operation_start = record->size;
        *failure = append_operation(preparer, request, header.type, &reader, zxid, record);
        if (*failure != VIV_REPLY_OK) {
            viv_overlay_rollback(&preparer->overlay, zxid);
        } else {
            enum { TXN_BYTES = 8 };
            reply_size += reply_bytes(header.type, viv_bytes_of(record->data + operation_start + TXN_BYTES, 4));
        }
        /* An ACL entry without an id, over which the reference server trips, lists that grew beyond an entry of the
         * log when they were fixed up, or too much to answer: the whole request fails. */
        if (*failure == VIV_REPLY_MARSHALLING_ERROR || is_too_long(preparer, record->size - start, reply_size)) {
            viv_overlay_rollback(&preparer->overlay, zxid);
            record->size = start;
            return VIV_REPLY_MARSHALLING_ERROR;
        }
    }
    VIV_ASSERT(record->size > start);
    return VIV_REPLY_OK;
}
