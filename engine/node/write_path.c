#include "base/assert.h"
#include "node/audit.h"
#include "node/node_internal.h"
#include "node/reconfigure.h"
#include "tree/acl.h"
#include "wire/reply_code.h"

/* What the reply to each write holds behind its header (client-protocol.md §5, §7). */
struct reply_shape {
    int32_t op;
    bool has_path, has_stat;
    int32_t type_in_multi; /* of its result; 0: not in a multi */
};

static const struct reply_shape shapes[] = {
    {VIV_OP_CREATE, true, false, VIV_OP_CREATE},
    {VIV_OP_CREATE2, true, true, VIV_OP_CREATE2},
    {VIV_OP_CREATE_CONTAINER, true, true, VIV_OP_CREATE2},
    {VIV_OP_CREATE_TTL, true, true, VIV_OP_CREATE2},
    {VIV_OP_DELETE, false, false, VIV_OP_DELETE},
    {VIV_OP_SET_DATA, false, true, VIV_OP_SET_DATA},
    {VIV_OP_SET_ACL, false, true, 0},
    {VIV_OP_CHECK, false, false, VIV_OP_CHECK},
    {VIV_OP_RECONFIG, false, true, 0},
    {VIV_OP_CLOSE_SESSION, false, false, 0},
};

static const struct reply_shape *shape_of(int32_t op)
{
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        if (shapes[i].op == op) {
            return &shapes[i];
        }
    }
    return NULL;
}

static void encode_result(struct viv_buffer *out, const struct reply_shape *shape,
                          const struct viv_apply_result *result)
{
    if (shape->has_path) {
        viv_jute_write_bytes(out, result->path);
    }
    if (shape->has_stat) {
        viv_stat_encode(out, &result->stat);
    }
}

/* The header of a failed multi stays 0: its results tell. */
static bool encode_multi(struct viv_buffer *out, const struct viv_applied *applied)
{
    for (size_t i = 0; i < applied->result_count; i++) {
        const struct viv_apply_result *result = &applied->results[i];
        if (result->type == VIV_OP_ERROR) {
            viv_multi_header_encode(out, &(struct viv_multi_header){.type = VIV_OP_ERROR, .err = result->err});
            viv_jute_write_int(out, result->err);
            continue;
        }
        const struct reply_shape *shape = shape_of(result->type);
        if (shape == NULL || shape->type_in_multi == 0) {
            return false;
        }
        viv_multi_header_encode(out, &(struct viv_multi_header){.type = shape->type_in_multi});
        encode_result(out, shape, result);
    }
    viv_multi_header_encode(out, &(struct viv_multi_header){.type = -1, .done = true, .err = -1});
    return true;
}

/* False when the transaction is not what this request can have come to. */
static bool encode_reply(const struct viv_node *node, struct viv_buffer *out, int32_t op,
                         const struct viv_applied *applied)
{
    if (op == VIV_OP_MULTI) {
        return applied->is_multi && encode_multi(out, applied);
    }
    const struct reply_shape *shape = shape_of(op);
    if (shape == NULL || applied->is_multi) {
        return false;
    }
    if (shape->has_path || shape->has_stat) {
        if (applied->result_count != 1) {
            return false;
        }
        if (op == VIV_OP_RECONFIG) {
            viv_jute_write_bytes(out, viv_group_shown_members(&node->group));
        }
        encode_result(out, shape, &applied->results[0]);
    }
    return true;
}

static void answer(struct viv_node *node, struct viv_connection *connection, const struct viv_pending *pending,
                   const struct viv_applied *applied, const struct viv_mark *mark)
{
    int32_t err = VIV_REPLY_OK;
    viv_buffer_clear(&node->record);
    if (applied->header.type == VIV_OP_ERROR) {
        err = applied->result_count == 1 ? applied->results[0].err : VIV_REPLY_MARSHALLING_ERROR;
    } else if (!encode_reply(node, &node->record, pending->op, applied)) {
        viv_request_close(node, connection);
        return;
    }
    if (err == VIV_REPLY_SESSION_MOVED) { /* the session has a newer connection elsewhere */
        viv_request_close(node, connection);
        return;
    }
    struct viv_subject subject = {.applied = applied, .mark = mark};
    viv_request_answer(node, connection, pending, &subject, err, viv_buffer_bytes(&node->record));
    if (err != VIV_REPLY_OK) {
        connection->stats.last_op = 0; /* as ZooKeeper shows it */
    }
    if (node->audits) {
        viv_audit_answered(node, connection, pending, applied);
    }
    viv_connection_pop(&node->connections, connection);
}

/* Transactions of a session come in the order of its requests. One that was proposed before the request was made
 * belongs to an older connection of the session, whatever its number. */
static bool is_awaited(const struct viv_connection *connection, const struct viv_txn_header *header)
{
    const struct viv_pending *front = viv_fifo_front(&connection->pending);
    return front != NULL && front->kind == VIV_PENDING_WRITE && front->xid == header->cxid &&
           header->zxid > front->after_zxid;
}

static void tell_session(struct viv_node *node, const struct viv_applied *applied, const struct viv_mark *mark)
{
    if (applied->header.type == VIV_OP_CREATE_SESSION && node->local.by_id.count > 0) {
        viv_local_made_global(node, applied->header.session_id);
    }
    if (applied->header.type == VIV_OP_CLOSE_SESSION) {
        viv_handshake_ended(node, applied->header.session_id);
    }
    struct viv_attachment *session = viv_attachments_find(&node->sessions, applied->header.session_id);
    if (session == NULL) {
        return;
    }
    struct viv_connection *connection = session->connection;
    if (applied->header.type == VIV_OP_CREATE_SESSION) {
        viv_handshake_created(node, connection, applied, mark);
        return;
    }
    if (is_awaited(connection, &applied->header)) {
        answer(node, connection, viv_fifo_front(&connection->pending), applied, mark);
    }
    if (applied->header.type == VIV_OP_CLOSE_SESSION) {
        viv_request_close(node, connection);
    } else if (connection->state != VIV_CONNECTION_CLOSING) {
        viv_request_advance(node, connection);
    }
}

/* Who may not read the node does not hear of it; the watch is spent all the same. */
static void deliver_event(void *ctx, const struct viv_watch_event *event)
{
    struct viv_node *node = ctx;
    struct viv_connection *connection = viv_connections_find(&node->connections, event->conn);
    VIV_ASSERT(connection != NULL);
    if (event->acl.size == 0 || node->group.rules.skips_acl ||
        viv_acl_allows(event->acl, VIV_PERM_READ, viv_buffer_bytes(&connection->authinfo))) {
        viv_connection_say(&node->connections, connection, event->frame);
        viv_request_measure_notified(&node->measure, event->type, event->frame.size);
    }
}

void viv_write_applied(struct viv_node *node, const struct viv_applied *applied, const struct viv_mark *mark)
{
    for (size_t i = 0; i < applied->change_count; i++) {
        viv_watches_fire(node->watches, &applied->changes[i], applied->header.zxid, deliver_event, node);
        if (node->measure.fired_all > 0) {
            viv_request_measure_fired(&node->measure);
        }
    }
    if (node->audits && applied->header.type == VIV_OP_CLOSE_SESSION) {
        viv_audit_session_closed(node, applied);
    }
    tell_session(node, applied, mark);
}
