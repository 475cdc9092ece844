#include "tree/prepare.h"

#include <stdlib.h>

#include "base/assert.h"
#include "base/endian.h"
#include "base/limits.h"
#include "tree/multi.h"
#include "tree/operation.h"
#include "wire/path.h"
#include "wire/reply_code.h"

struct viv_preparer *viv_preparer_new(const struct viv_tree *tree, const struct viv_prepare_rules *rules)
{
    struct viv_preparer *preparer = viv_alloc_zeroed(1, sizeof *preparer);
    preparer->rules = *rules;
    if (preparer->rules.entry_bytes_max == 0 || preparer->rules.entry_bytes_max > VIV_ENTRY_BYTES_MAX) {
        preparer->rules.entry_bytes_max = VIV_ENTRY_BYTES_MAX;
    }
    VIV_ASSERT(preparer->rules.entry_bytes_max > VIV_TXN_HEADER_BYTES);
    viv_overlay_init(&preparer->overlay, tree);
    return preparer;
}

void viv_preparer_free(struct viv_preparer *preparer)
{
    viv_overlay_fini(&preparer->overlay);
    viv_buffer_fini(&preparer->path);
    viv_buffer_fini(&preparer->acl);
    free(preparer);
}

void viv_preparer_applied(struct viv_preparer *preparer, uint64_t zxid)
{
    viv_overlay_applied(&preparer->overlay, zxid);
}

void viv_preparer_reset(struct viv_preparer *preparer, const struct viv_tree *tree)
{
    viv_overlay_fini(&preparer->overlay);
    viv_overlay_init(&preparer->overlay, tree);
}

/* ---- sessions ---- */

static int32_t prepare_create_session(struct viv_preparer *preparer, const struct viv_request *request, uint64_t zxid,
                                      struct viv_buffer *record)
{
    struct viv_jute_reader reader = viv_jute_reader_of(request->record);
    int32_t timeout_ms = viv_jute_read_int(&reader);
    if (reader.bad) {
        return VIV_REPLY_MARSHALLING_ERROR;
    }
    viv_overlay_put_session(&preparer->overlay, request->session_id, zxid, true);
    viv_jute_write_int(record, timeout_ms);
    return VIV_REPLY_OK;
}

/* An ephemeral goes with its session: it is gone, and its parent has one child less. */
static void remove_ephemeral(struct viv_overlay *overlay, struct viv_bytes path, uint64_t zxid)
{
    struct viv_overlay_node parent;
    struct viv_bytes parent_path = viv_path_parent(path);

    bool found = viv_overlay_find(overlay, parent_path, &parent);
    VIV_ASSERT(found);
    VIV_ASSERT(parent.child_count > 0);
    parent.child_count--;
    viv_overlay_put(overlay, parent_path, zxid, &parent, NULL);
    viv_overlay_put(overlay, path, zxid, &(struct viv_overlay_node){.exists = false}, NULL);
}

/* How many bytes of a record that names all, in a vector or each as a delete of a multi. */
static size_t list_bytes(const struct viv_path_list *paths)
{
    return 4 + 4 * paths->count + paths->text.size;
}

/* The record of a multi that deletes the first of them, as many as go in, and at least one: a path was in an entry when
 * its node was created. */
static void shed_ephemerals(struct viv_preparer *preparer, const struct viv_path_list *paths, uint64_t zxid,
                            struct viv_buffer *record)
{
    size_t start = record->size, count = 0;
    viv_jute_write_int(record, 0);
    while (count < paths->count) {
        struct viv_bytes path = paths->items[count];
        enum { PART_BYTES = 12 };
        if (count > 0 && record->size - start + PART_BYTES + path.size > viv_preparer_record_bytes_max(preparer)) {
            break;
        }
        viv_jute_write_int(record, VIV_OP_DELETE);
        viv_jute_write_int(record, (int32_t)path.size + 4);
        viv_jute_write_bytes(record, path);
        remove_ephemeral(&preparer->overlay, path, zxid);
        count++;
    }
    viv_store_be32(record->data + start, (uint32_t)count);
}

static int32_t prepare_close_session(struct viv_preparer *preparer, const struct viv_request *request, uint64_t zxid,
                                     struct viv_buffer *record)
{
    struct viv_path_list paths = {0};

    if (!viv_overlay_session_lives(&preparer->overlay, request->session_id)) {
        return VIV_REPLY_SESSION_EXPIRED;
    }
    viv_overlay_ephemerals(&preparer->overlay, request->session_id, &paths);
    bool fits = list_bytes(&paths) <= viv_preparer_record_bytes_max(preparer);
    if (fits) {
        viv_jute_write_int(record, (int32_t)paths.count);
        for (size_t i = 0; i < paths.count; i++) {
            viv_jute_write_bytes(record, paths.items[i]);
            remove_ephemeral(&preparer->overlay, paths.items[i], zxid);
        }
        viv_overlay_put_session(&preparer->overlay, request->session_id, zxid, false);
    } else {
        shed_ephemerals(preparer, &paths, zxid, record);
    }
    viv_path_list_fini(&paths);
    return fits ? VIV_REPLY_OK : VIV_PREPARE_AGAIN;
}

/* ---- requests ---- */

static int32_t prepare_single(struct viv_preparer *preparer, const struct viv_request *request, uint64_t zxid,
                              struct viv_buffer *record)
{
    struct viv_jute_reader reader = viv_jute_reader_of(request->record);
    bool is_own = request->op == VIV_OP_DELETE_CONTAINER && request->session_id == 0;

    if (!is_own && !viv_prepare_is_write(request->op)) {
        return VIV_REPLY_UNIMPLEMENTED;
    }
    VIV_ASSERT(viv_operation_is_known(request->op));
    return viv_operation_prepare(preparer, request, request->op, &reader, zxid, record);
}

/* Appends the record. A failed multi is a record like another: *failure then says what failed in it. */
static int32_t prepare_record(struct viv_preparer *preparer, const struct viv_request *request, uint64_t zxid,
                              struct viv_buffer *record, int32_t *failure)
{
    *failure = VIV_REPLY_OK;
    switch (request->op) {
    case VIV_OP_CREATE_SESSION:
        return prepare_create_session(preparer, request, zxid, record);
    case VIV_OP_CLOSE_SESSION:
        return prepare_close_session(preparer, request, zxid, record);
    case VIV_OP_MULTI:
        return viv_multi_prepare(preparer, request, zxid, record, failure);
    default:
        return prepare_single(preparer, request, zxid, record);
    }
}

/* Over the one that stands there. */
static void put_header(struct viv_buffer *body, size_t start, const struct viv_txn_header *header)
{
    size_t end = body->size;
    body->size = start;
    viv_txn_header_encode(body, header);
    body->size = end;
}

int32_t viv_prepare(struct viv_preparer *preparer, const struct viv_request *request, uint64_t zxid, int64_t time_ms,
                    struct viv_buffer *body)
{
    struct viv_txn_header header = {request->session_id, request->cxid, zxid, time_ms, request->op};
    size_t start = body->size;
    int32_t failure;

    VIV_ASSERT(zxid > viv_tree_zxid(preparer->overlay.tree));
    preparer->time_ms = time_ms;
    viv_txn_header_encode(body, &header);
    int32_t code = prepare_record(preparer, request, zxid, body, &failure);
    if (body->size - start > preparer->rules.entry_bytes_max) {
        viv_overlay_rollback(&preparer->overlay, zxid);
        code = VIV_REPLY_MARSHALLING_ERROR;
    }
    if (code == VIV_PREPARE_AGAIN) {
        put_header(body, start, &(struct viv_txn_header){.zxid = zxid, .time_ms = time_ms, .type = VIV_OP_MULTI});
    } else if (code != VIV_REPLY_OK) {
        /* A refusal is a transaction too. */
        body->size = start;
        header.type = VIV_OP_ERROR;
        viv_txn_header_encode(body, &header);
        viv_jute_write_int(body, code);
    }
    VIV_ASSERT(body->size - start <= preparer->rules.entry_bytes_max);
    return code != VIV_REPLY_OK ? code : failure;
}

bool viv_prepare_is_write(int32_t op)
{
    static const int32_t writes[] = {
        VIV_OP_CREATE,  VIV_OP_CREATE2, VIV_OP_CREATE_CONTAINER, VIV_OP_CREATE_TTL,    VIV_OP_DELETE, VIV_OP_SET_DATA,
        VIV_OP_SET_ACL, VIV_OP_MULTI,   VIV_OP_RECONFIG,         VIV_OP_CLOSE_SESSION,
    };

    for (size_t i = 0; i < sizeof writes / sizeof writes[0]; i++) {
        if (writes[i] == op) {
            return true;
        }
    }
    return false;
}
