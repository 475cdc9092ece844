#include "base/assert.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/stage.h"
#include "node/audit.h"
#include "node/identity.h"
#include "node/node_internal.h"
#include "node/read_path.h"
#include "wire/reply_code.h"

enum { NS_PER_MS = 1000000 };

void viv_request_close(struct viv_node *node, struct viv_connection *connection)
{
    if (connection->state == VIV_CONNECTION_CLOSING) {
        return;
    }
    connection->state = VIV_CONNECTION_CLOSING;
    viv_attachments_detach(&node->sessions, connection);
    viv_watches_drop(node->watches, connection->id);
    viv_listings_drop(&node->listings, connection->id);
    viv_connection_forget(&node->connections, connection);
    viv_connection_mark_dirty(&node->connections, connection);
}

void viv_request_close_all(struct viv_node *node)
{
    for (struct viv_connection *connection = node->connections.first; connection != NULL;
         connection = connection->next) {
        viv_request_close(node, connection);
    }
}

static void count_latency(struct viv_connection_stats *stats, uint64_t latency_ms)
{
    stats->latency_ms_last = latency_ms;
    stats->latency_ms_sum += latency_ms;
    if (stats->latency_count == 1 || latency_ms < stats->latency_ms_min) {
        stats->latency_ms_min = latency_ms;
    }
    if (latency_ms > stats->latency_ms_max) {
        stats->latency_ms_max = latency_ms;
    }
}

/* For every reply: what is answered in the turn it came in, which is most, takes no time that could be told. */
static inline void count_for_connection(struct viv_connection_stats *stats, const struct viv_pending *request,
                                        uint64_t zxid, const struct viv_turn *turn)
{
    uint64_t latency_ns = turn->now_ns - request->received_ns;
    stats->last_op = request->op;
    stats->last_cxid = request->xid >= 0 ? request->xid : stats->last_cxid;
    stats->last_zxid = zxid;
    stats->last_reply_ms = turn->now_ms;
    stats->latency_count++;
    if (latency_ns < NS_PER_MS) {
        stats->latency_ms_last = stats->latency_ms_min = 0;
    } else {
        count_latency(stats, latency_ns / NS_PER_MS);
    }
}

void viv_request_count(struct viv_node *node, struct viv_connection *connection, const struct viv_pending *request,
                       const struct viv_subject *subject, uint64_t zxid)
{
    count_for_connection(&connection->stats, request, zxid, &node->turn);
    viv_request_measure_answered(&node->measure, connection, request, subject, &node->turn);
}

void viv_request_answer(struct viv_node *node, struct viv_connection *connection, const struct viv_pending *request,
                        const struct viv_subject *subject, int32_t err, struct viv_bytes record)
{
    uint64_t zxid = viv_group_zxid(&node->group);
    struct viv_reply_header header = {.xid = request->xid, .zxid = (int64_t)zxid, .err = err};
    viv_connection_reply(&node->connections, connection, &header, record);
    viv_request_count(node, connection, request, subject, zxid);
}

/* ---- requests without a transaction ---- */

static void trace_first_read(struct viv_node *node)
{
    if (!node->traced_read) {
        node->traced_read = true;
        viv_actions_add(node->turn.out, VIV_ACTION_TRACE)->trace = VIV_TRACE_FIRST_READ;
    }
}

/* True when the connection is closed for it: a client does not look at the answer to its setWatches, and would wait for
 * events that never come. */
static bool heed_bounds(struct viv_node *node, struct viv_connection *connection, int32_t op)
{
    bool is_fatal = op == VIV_OP_SET_WATCHES || op == VIV_OP_SET_WATCHES2;
    node->read_bounds.is_hit = false;
    viv_limit_hit(&node->limits, node->read_bounds.limit, connection->id, node->turn.now_ms);
    if (is_fatal) {
        viv_request_close(node, connection);
    }
    return is_fatal;
}

static void serve_read(struct viv_node *node, struct viv_connection *connection, const struct viv_pending *pending,
                       struct viv_bytes record)
{
    if (pending->op == VIV_OP_PING) {
        struct viv_pending ping = *pending;
        ping.xid = VIV_XID_PING;
        viv_request_answer(node, connection, &ping, &(struct viv_subject){0}, VIV_REPLY_OK, (struct viv_bytes){0});
        return;
    }
    struct viv_read read = {
        .conn = connection->id,
        .session_id = connection->session_id,
        .op = pending->op,
        .record = record,
        .authinfo = viv_buffer_bytes(&connection->authinfo),
        .bounds = &node->read_bounds,
        .skips_acl = node->group.rules.skips_acl,
    };
    viv_buffer_clear(&node->events);
    viv_buffer_clear(&node->record);
    int32_t err = pending->op == VIV_OP_GET_CHILDREN_PAGE
                      ? viv_listings_serve(&node->listings, node->group.tree, &read, node->turn.now_ms, &node->record)
                      : viv_read_serve(node->group.tree, node->watches, &read, &node->events, &node->record);
    if (node->read_bounds.is_hit && heed_bounds(node, connection, pending->op)) {
        return;
    }
    viv_connection_say(&node->connections, connection, viv_buffer_bytes(&node->events));
    struct viv_subject subject = {.record = record, .reply = viv_buffer_bytes(&node->record)};
    viv_request_answer(node, connection, pending, &subject, err, subject.reply);
    trace_first_read(node);
}

static void serve_refusal(struct viv_node *node, struct viv_connection *connection, const struct viv_pending *pending)
{
    viv_request_answer(node, connection, pending, &(struct viv_subject){0}, pending->err, (struct viv_bytes){0});
    connection->stats.last_op = 0;
    if (node->audits) {
        viv_audit_answered(node, connection, pending, NULL);
    }
}

/* The end of a session that no transaction knows of. */
static void serve_end(struct viv_node *node, struct viv_connection *connection, const struct viv_pending *pending)
{
    viv_request_answer(node, connection, pending, &(struct viv_subject){0}, VIV_REPLY_OK, (struct viv_bytes){0});
    viv_local_end(node, connection);
}

static void end_unknown(struct viv_node *node, struct viv_connection *connection, int32_t xid)
{
    struct viv_reply_header header = {.xid = xid, .zxid = -1, .err = VIV_REPLY_UNIMPLEMENTED};
    viv_connection_reply(&node->connections, connection, &header, (struct viv_bytes){0});
    viv_request_close(node, connection);
}

/* What stands before a write is answered in one go, so that it does not see the write: that has a limit, for one and
 * for all. Who asks for little is not closed for what others ask for. */
static void close_for_too_much(struct viv_node *node, struct viv_connection *connection)
{
    size_t bytes = connection->outbox.size, bytes_total = node->connections.outbox_bytes;
    uint64_t swallowed;
    if (viv_log_gate_open(&node->too_much, node->turn.now_ms, &swallowed)) {
        viv_log(VIV_LOG_WARN, "node", "closed: before a write it asks for more at once than can be held",
                "conn=%llu bytes=%zu bytes_total=%zu swallowed=%llu", (unsigned long long)connection->id, bytes,
                bytes_total, (unsigned long long)swallowed);
    }
    viv_connection_unsay(&node->connections, connection);
    viv_request_close(node, connection);
}

static inline bool has_too_much(struct viv_node *node, struct viv_connection *connection)
{
    size_t bytes = connection->outbox.size;
    bool is_crowded = bytes >= VIV_OUTPUT_PAUSE_BYTES && node->connections.outbox_bytes > VIV_OUTPUT_BYTES_TURN_MAX;
    if (bytes <= VIV_OUTPUT_BYTES_MAX && !is_crowded) {
        return false;
    }
    close_for_too_much(node, connection);
    return true;
}

/* Reads wait for their reader, unless a write or a sync stands behind them: its word comes from elsewhere, and what was
 * asked before it must be answered by then. */
static bool may_wait(const struct viv_connection *connection)
{
    if (!viv_connection_is_full(connection)) {
        return false;
    }
    for (size_t i = 0; i < connection->pending.count; i++) {
        const struct viv_pending *pending = viv_fifo_at(&connection->pending, i);
        if (pending->kind == VIV_PENDING_WRITE || pending->kind == VIV_PENDING_SYNC) {
            return false;
        }
    }
    return true;
}

void viv_request_advance(struct viv_node *node, struct viv_connection *connection)
{
    for (;;) {
        struct viv_pending *front = viv_fifo_front(&connection->pending);
        if (front == NULL || may_wait(connection) || has_too_much(node, connection) ||
            front->kind == VIV_PENDING_WRITE || front->kind == VIV_PENDING_SYNC || viv_fresh_is_early(node, front)) {
            return;
        }
        if (front->kind == VIV_PENDING_END) {
            serve_end(node, connection, front);
            return;
        }
        if (front->kind == VIV_PENDING_UNKNOWN) {
            end_unknown(node, connection, front->xid);
            return;
        }
        if (front->kind == VIV_PENDING_READ) {
            serve_read(node, connection, front, viv_buffer_bytes(&front->record));
        } else {
            serve_refusal(node, connection, front);
        }
        if (connection->state == VIV_CONNECTION_CLOSING) {
            return;
        }
        viv_connection_pop(&node->connections, connection);
    }
}

void viv_request_drained(struct viv_node *node, struct viv_connection *connection)
{
    connection->is_held = false;
    viv_connection_mark_dirty(&node->connections, connection);
    viv_request_advance(node, connection);
}

static void take_read(struct viv_node *node, struct viv_connection *connection, const struct viv_pending *request,
                      struct viv_bytes record)
{
    uint64_t point = viv_fresh_point(node, connection, request->op);
    if (connection->pending.count == 0 && point == 0 && !viv_connection_is_full(connection)) {
        serve_read(node, connection, request, record);
        return;
    }
    struct viv_pending *pending = viv_connection_push(&node->connections, connection, request, record.size);
    pending->kind = VIV_PENDING_READ;
    pending->read_point = point;
    viv_buffer_append_bytes(&pending->record, record);
}

/* ---- requests that the leader must see ---- */

static struct viv_request request_of(const struct viv_connection *connection, const struct viv_pending *pending,
                                     struct viv_bytes record)
{
    return (struct viv_request){
        .session_id = connection->session_id,
        .cxid = pending->xid,
        .op = pending->op,
        .record = record,
        .authinfo = viv_buffer_bytes(&connection->authinfo),
        .is_local = connection->session->is_local,
    };
}

static void refuse_in_order(struct viv_node *node, struct viv_connection *connection, const struct viv_pending *request,
                            int32_t err)
{
    struct viv_pending *pending = viv_connection_push(&node->connections, connection, request, 0);
    pending->kind = VIV_PENDING_REFUSED;
    pending->err = err;
    viv_request_advance(node, connection);
}

static void take_end(struct viv_node *node, struct viv_connection *connection, const struct viv_pending *request)
{
    connection->state = VIV_CONNECTION_LEAVING;
    viv_connection_push(&node->connections, connection, request, 0)->kind = VIV_PENDING_END;
    viv_request_advance(node, connection);
}

static void take_write(struct viv_node *node, struct viv_connection *connection, const struct viv_pending *request,
                       struct viv_bytes record)
{
    struct viv_pending *pending = viv_connection_push(&node->connections, connection, request, record.size);
    pending->kind = VIV_PENDING_WRITE;
    if (node->audits) {
        viv_buffer_append_bytes(&pending->record, record);
    }
    pending->after_zxid = viv_zab_last_proposed(node->group.zab);
    if (request->op == VIV_OP_CLOSE_SESSION) {
        connection->state = VIV_CONNECTION_LEAVING;
    }
    viv_request_advance(node, connection);
    if (connection->state == VIV_CONNECTION_CLOSING) {
        return;
    }
    struct viv_request wanted = request_of(connection, request, record);
    int32_t err = viv_group_write(&node->group, &wanted);
    if (err != VIV_REPLY_OK) {
        viv_request_refused(node, connection->session_id, request->xid, err);
    }
}

static void take_sync(struct viv_node *node, struct viv_connection *connection, const struct viv_pending *request,
                      struct viv_bytes record)
{
    struct viv_pending *pending = viv_connection_push(&node->connections, connection, request, record.size);
    pending->kind = VIV_PENDING_SYNC;
    viv_buffer_append_bytes(&pending->record, record);
    viv_request_advance(node, connection);
    if (connection->state == VIV_CONNECTION_CLOSING) {
        return;
    }
    struct viv_request wanted = request_of(connection, request, record);
    viv_group_sync(&node->group, connection->id, &wanted);
}

/* Everything this connection asked for before is answered by now: the leader's word came behind it. */
void viv_request_synced(struct viv_node *node, viv_conn conn)
{
    struct viv_connection *connection = viv_connections_find(&node->connections, conn);
    if (connection == NULL || connection->state == VIV_CONNECTION_CLOSING) {
        return;
    }
    struct viv_pending *front = viv_fifo_front(&connection->pending);
    if (front == NULL || front->kind != VIV_PENDING_SYNC) {
        viv_log(VIV_LOG_WARN, "node", "a sync was answered out of order", "conn=%llu", (unsigned long long)conn);
        viv_request_close(node, connection);
        return;
    }
    struct viv_jute_reader reader = viv_jute_reader_of(viv_buffer_bytes(&front->record));
    struct viv_jute_slice path = viv_jute_read_buffer(&reader);
    viv_buffer_clear(&node->record);
    if (!reader.bad) {
        viv_jute_write_slice(&node->record, path);
    }
    struct viv_subject subject = {.record = viv_buffer_bytes(&front->record)};
    viv_request_answer(node, connection, front, &subject, reader.bad ? VIV_REPLY_MARSHALLING_ERROR : VIV_REPLY_OK,
                       viv_buffer_bytes(&node->record));
    viv_connection_pop(&node->connections, connection);
    viv_request_advance(node, connection);
}

static struct viv_pending *find_write(const struct viv_connection *connection, int32_t xid)
{
    for (size_t i = 0; i < connection->pending.count; i++) {
        struct viv_pending *pending = viv_fifo_at(&connection->pending, i);
        if (pending->kind == VIV_PENDING_WRITE && pending->xid == xid) {
            return pending;
        }
    }
    return NULL;
}

void viv_request_refused(struct viv_node *node, int64_t session_id, int32_t cxid, int32_t err)
{
    struct viv_attachment *session = viv_attachments_find(&node->sessions, session_id);
    if (session == NULL) {
        return;
    }
    struct viv_connection *connection = session->connection;
    if (connection->waits_for == VIV_CONNECTION_WAITS_UPGRADE && cxid == 0) {
        viv_local_upgrade_refused(node, connection, err);
        return;
    }
    if (connection->state == VIV_CONNECTION_ATTACHING) {
        viv_request_close(node, connection); /* the session could not be made */
        return;
    }
    struct viv_pending *pending = find_write(connection, cxid);
    if (pending != NULL && pending->op == VIV_OP_CLOSE_SESSION) {
        viv_request_close(node, connection); /* nor ended */
        return;
    }
    if (pending != NULL) {
        pending->kind = VIV_PENDING_REFUSED;
        pending->err = err;
    }
    viv_request_advance(node, connection);
}

/* ---- dispatch ---- */

/* What came before it is answered first. */
static void take_unknown(struct viv_node *node, struct viv_connection *connection, const struct viv_pending *request)
{
    viv_strange_tell(&node->strangeness, VIV_STRANGE_REQUEST, node->turn.now_ms, connection->id, request->op);
    viv_connection_push(&node->connections, connection, request, 0)->kind = VIV_PENDING_UNKNOWN;
    connection->state = VIV_CONNECTION_LEAVING;
    viv_request_advance(node, connection);
}

/* A write of a session that only this server knows. False: the frame is to come again, when the session is global. */
static bool take_local_write(struct viv_node *node, struct viv_connection *connection,
                             const struct viv_pending *request, struct viv_bytes record)
{
    if (request->op == VIV_OP_CLOSE_SESSION) {
        take_end(node, connection, request);
    } else if (!viv_local_needs_global(request->op, record)) {
        take_write(node, connection, request, record);
    } else {
        int32_t err = viv_local_upgrade(node, connection);
        if (err == VIV_REPLY_OK) {
            return false;
        }
        refuse_in_order(node, connection, request, err);
    }
    return true;
}

static void touch(struct viv_node *node, struct viv_attachment *session)
{
    if (session->is_local) {
        viv_local_touch(node, session);
    } else {
        viv_attachments_touch(&node->sessions, session);
    }
}

/* False: not now; the frame is to be kept. */
static bool serve(struct viv_node *node, struct viv_connection *connection, struct viv_bytes frame,
                  uint64_t received_ns)
{
    struct viv_request_header header;
    struct viv_jute_reader reader = viv_jute_reader_of(frame);
    viv_request_header_decode(&reader, &header);
    if (reader.bad) {
        viv_strange_tell(&node->strangeness, VIV_STRANGE_HEADER, node->turn.now_ms, connection->id,
                         (int64_t)frame.size);
        viv_request_close(node, connection);
        return true;
    }
    node->requests++;
    touch(node, connection->session);
    struct viv_pending request = {
        .xid = header.xid, .op = header.type, .received_ns = received_ns, .routed_ns = node->turn.now_ns};
    if (header.type == VIV_OP_AUTH) {
        viv_authenticate_auth(node, connection, header.xid, reader.rest);
    } else if (header.type == VIV_OP_SASL) {
        viv_authenticate_sasl(node, connection, header.xid, reader.rest);
    } else if (!viv_authenticate_enough(node, connection, header.xid)) {
        return true;
    } else if (node->is_read_only && viv_read_only_refuses(header.type)) {
        refuse_in_order(node, connection, &request, VIV_REPLY_NOT_READ_ONLY);
    } else if (header.type == VIV_OP_PING || header.type == VIV_OP_GET_CHILDREN_PAGE ||
               viv_read_is_served(header.type)) {
        take_read(node, connection, &request, reader.rest);
    } else if (viv_fresh_holds(node, connection)) {
        connection->waits_for = VIV_CONNECTION_WAITS_READS;
        return false;
    } else if (header.type == VIV_OP_SYNC) {
        take_sync(node, connection, &request, reader.rest);
    } else if (viv_prepare_is_write(header.type)) {
        if (connection->session->is_local) {
            return take_local_write(node, connection, &request, reader.rest);
        }
        take_write(node, connection, &request, reader.rest);
    } else {
        take_unknown(node, connection, &request);
    }
    return true;
}

static void keep_early(struct viv_node *node, struct viv_connection *connection, struct viv_bytes frame)
{
    struct viv_early_frame *early = viv_fifo_push(&connection->early);
    viv_buffer_append_bytes(&early->frame, frame);
    early->received_ns = node->turn.now_ns;
    viv_connection_mark_dirty(&node->connections, connection);
}

void viv_request_take(struct viv_node *node, struct viv_connection *connection, struct viv_bytes frame)
{
    node->frames_received++;
    switch (connection->state) {
    case VIV_CONNECTION_NEW:
        viv_handshake_take(node, connection, frame);
        break;
    case VIV_CONNECTION_ATTACHING:
        keep_early(node, connection, frame);
        break;
    case VIV_CONNECTION_LIVE:
        if (connection->waits_for != VIV_CONNECTION_WAITS_NOT || !serve(node, connection, frame, node->turn.now_ns)) {
            keep_early(node, connection, frame);
        }
        viv_connection_hold(connection, node->turn.out);
        break;
    case VIV_CONNECTION_LEAVING:
    case VIV_CONNECTION_CLOSING:
        break;
    }
}

void viv_request_take_early(struct viv_node *node, struct viv_connection *connection)
{
    while (connection->early.count > 0 && connection->state == VIV_CONNECTION_LIVE &&
           connection->waits_for == VIV_CONNECTION_WAITS_NOT && !has_too_much(node, connection)) {
        struct viv_early_frame *front = viv_fifo_front(&connection->early);
        struct viv_buffer frame = front->frame;
        front->frame = (struct viv_buffer){0}; /* a connection that closes forgets its frames */
        if (!serve(node, connection, viv_buffer_bytes(&frame), front->received_ns)) {
            front = viv_fifo_front(&connection->early);
            front->frame = frame;
            return;
        }
        viv_buffer_fini(&frame);
        if (connection->early.count > 0) {
            viv_fifo_pop(&connection->early);
        }
    }
    if (connection->state != VIV_CONNECTION_CLOSING) {
        viv_connection_mark_dirty(&node->connections, connection); /* it may be read from again */
    }
}

void viv_request_refuse_early(struct viv_node *node, struct viv_connection *connection, int32_t err)
{
    struct viv_early_frame *front = viv_fifo_front(&connection->early);
    struct viv_request_header header;
    struct viv_jute_reader reader = viv_jute_reader_of(viv_buffer_bytes(&front->frame));
    viv_request_header_decode(&reader, &header);
    VIV_ASSERT(!reader.bad);
    uint64_t received_ns = front->received_ns;
    viv_buffer_fini(&front->frame);
    viv_fifo_pop(&connection->early);
    struct viv_pending request = {
        .xid = header.xid, .op = header.type, .received_ns = received_ns, .routed_ns = node->turn.now_ns};
    refuse_in_order(node, connection, &request, err);
}
