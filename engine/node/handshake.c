#include "base/assert.h"
#include "base/endian.h"
#include "base/log.h"
#include "node/node_internal.h"
#include "wire/reply_code.h"
#include "wire/session.h"

/* ZooKeeper's own patience with connections that say nothing. */

static void respond(struct viv_node *node, struct viv_connection *connection, bool positive)
{
    struct viv_connect_response response = {
        .has_read_only = connection->has_read_only,
        .read_only = node->is_read_only,
    };
    if (positive) {
        response.timeout_ms = connection->timeout_ms;
        response.session_id = connection->session_id;
        viv_session_password(connection->session_id, response.password);
    }
    viv_buffer_clear(&node->record);
    viv_buffer_extend(&node->record, 4);
    viv_connect_response_encode(&node->record, &response);
    viv_store_be32(node->record.data, (uint32_t)(node->record.size - 4));
    viv_connection_say(&node->connections, connection, viv_buffer_bytes(&node->record));
}

/* "Expired", as clients understand it. */
static void refuse(struct viv_node *node, struct viv_connection *connection)
{
    respond(node, connection, false);
    viv_request_close(node, connection);
}

static void attach(struct viv_node *node, struct viv_connection *connection, bool is_local)
{
    if (is_local) {
        viv_local_track(node, connection);
    }
    struct viv_connection *previous = viv_attachments_take(&node->sessions, connection, is_local);
    if (previous != NULL) {
        viv_request_close(node, previous);
    }
}

static void go_live(struct viv_node *node, struct viv_connection *connection)
{
    VIV_ASSERT(connection->state == VIV_CONNECTION_ATTACHING && connection->session != NULL);
    connection->state = VIV_CONNECTION_LIVE;
    respond(node, connection, true);
    viv_request_take_early(node, connection);
}

/* ---- a new session ---- */

static void make_id(struct viv_node *node, struct viv_connection *connection)
{
    int32_t timeout_ms;
    do {
        connection->session_id = viv_attachments_make_id(&node->sessions);
    } while (viv_tree_session(node->group.tree, connection->session_id, &timeout_ms) ||
             viv_local_knows(node, connection->session_id));
}

int32_t viv_handshake_propose(struct viv_node *node, const struct viv_connection *connection)
{
    uint8_t record[4];
    viv_store_be32(record, (uint32_t)connection->timeout_ms);
    struct viv_request request = {
        .session_id = connection->session_id,
        .op = VIV_OP_CREATE_SESSION,
        .record = viv_bytes_of(record, sizeof record),
    };
    return viv_group_write(&node->group, &request);
}

static void create_session(struct viv_node *node, struct viv_connection *connection)
{
    bool is_local = node->policy.local_sessions || node->is_read_only;
    if (is_local && node->local.by_id.count >= node->policy.sessions_count) {
        viv_limit_hit(&node->limits, VIV_LIMIT_SESSIONS, connection->id, node->turn.now_ms);
        viv_request_close(node, connection);
        return;
    }
    make_id(node, connection);
    attach(node, connection, is_local);
    if (is_local) {
        go_live(node, connection);
    } else if (viv_handshake_propose(node, connection) != VIV_REPLY_OK) {
        viv_request_close(node, connection);
    }
}

void viv_handshake_created(struct viv_node *node, struct viv_connection *connection, const struct viv_applied *applied,
                           const struct viv_mark *mark)
{
    if (connection->state == VIV_CONNECTION_ATTACHING) {
        struct viv_pending request = {
            .kind = VIV_PENDING_WRITE,
            .op = VIV_OP_CREATE_SESSION,
            .received_ns = connection->asked_ns,
            .routed_ns = connection->asked_ns,
        };
        viv_request_count(node, connection, &request, &(struct viv_subject){.applied = applied, .mark = mark},
                          viv_group_zxid(&node->group));
        go_live(node, connection);
    }
}

/* ---- an old one ---- */

static void finish_attachment(struct viv_node *node, struct viv_connection *connection, bool known)
{
    if (!known) {
        refuse(node, connection);
        return;
    }
    attach(node, connection, false);
    go_live(node, connection);
}

/* A session may have become a global one while nobody looked. */
static bool is_local(struct viv_node *node, int64_t session_id)
{
    int32_t timeout_ms;
    if (viv_tree_session(node->group.tree, session_id, &timeout_ms)) {
        viv_expiry_remove(&node->local, session_id);
    }
    return viv_local_knows(node, session_id);
}

/* The password first: a stranger must not be able to drop a session's connection. */
static void find_session(struct viv_node *node, struct viv_connection *connection, struct viv_bytes password)
{
    uint8_t expected[VIV_PASSWORD_BYTES];
    viv_session_password(connection->session_id, expected);
    if (!viv_bytes_equal(password, viv_bytes_of(expected, sizeof expected))) {
        refuse(node, connection);
        return;
    }
    if (is_local(node, connection->session_id)) {
        attach(node, connection, true);
        go_live(node, connection);
        return;
    }
    *(struct viv_revalidation *)viv_fifo_push(&node->revalidating) =
        (struct viv_revalidation){.conn = connection->id, .session_id = connection->session_id};
    viv_group_attach(&node->group, connection->session_id, connection->timeout_ms);
}

/* The oldest question about a session, whether or not the leader has said already that it is over; NULL: none. */
static struct viv_revalidation *find_asked(struct viv_node *node, int64_t session_id, bool is_over)
{
    for (size_t i = 0; i < node->revalidating.count; i++) {
        struct viv_revalidation *asked = viv_fifo_at(&node->revalidating, i);
        if (asked->conn != 0 && asked->session_id == session_id && asked->is_over == is_over) {
            return asked;
        }
    }
    return NULL;
}

/* Connections that are gone are answered too. */
static void answer_asked(struct viv_node *node, struct viv_revalidation *asked, bool known)
{
    struct viv_connection *connection = viv_connections_find(&node->connections, asked->conn);
    asked->conn = 0;
    for (asked = viv_fifo_front(&node->revalidating); asked != NULL && asked->conn == 0;
         asked = viv_fifo_front(&node->revalidating)) {
        viv_fifo_pop(&node->revalidating);
    }
    if (connection != NULL && connection->state == VIV_CONNECTION_ATTACHING) {
        finish_attachment(node, connection, known);
    }
}

void viv_handshake_attached(struct viv_node *node, int64_t session_id, bool known)
{
    int32_t timeout_ms;
    struct viv_revalidation *asked = find_asked(node, session_id, false);
    if (asked == NULL) {
        viv_log(VIV_LOG_WARN, "node", "an answer about a session that nobody asked for", "session=0x%llx",
                (unsigned long long)session_id);
        return;
    }
    if (!known && viv_tree_session(node->group.tree, session_id, &timeout_ms)) {
        asked->is_over = true; /* told when the tree shows it: until then its ephemerals are there */
        return;
    }
    answer_asked(node, asked, known);
}

void viv_handshake_ended(struct viv_node *node, int64_t session_id)
{
    struct viv_revalidation *asked;
    while ((asked = find_asked(node, session_id, true)) != NULL) {
        answer_asked(node, asked, false);
    }
}

/* ---- the first frame ---- */

static int32_t clamp_timeout(const struct viv_node *node, int32_t wanted_ms)
{
    if (wanted_ms < 0 || (uint32_t)wanted_ms < node->session_timeout_min_ms) {
        return (int32_t)node->session_timeout_min_ms;
    }
    if ((uint32_t)wanted_ms > node->session_timeout_max_ms) {
        return (int32_t)node->session_timeout_max_ms;
    }
    return wanted_ms;
}

/* Who is not served may find another server that does. */
static bool is_served(struct viv_node *node, const struct viv_connect_request *request)
{
    /* A client that has seen more than we have would see time go back. */
    if (request->last_zxid_seen > (int64_t)viv_group_zxid(&node->group)) {
        return false;
    }
    if (!node->is_read_only) {
        return node->group.serving;
    }
    return request->has_read_only && request->read_only &&
           (request->session_id == 0 || is_local(node, request->session_id));
}

/* Under too much load those come first who were here before: they are always admitted, but take a token when there is
 * one, so that after a storm new sessions wait until the old ones are back. */
static bool is_admitted(struct viv_node *node, const struct viv_connection *connection,
                        const struct viv_connect_request *request)
{
    uint64_t now_ms = node->turn.now_ms;
    if (request->session_id != 0) {
        (void)viv_rate_take(&node->new_sessions, now_ms);
        return true;
    }
    if (node->connections.is_paused) {
        viv_limit_hit(&node->limits, VIV_LIMIT_OVERLOAD, connection->id, now_ms);
        return false;
    }
    if (node->new_sessions.burst > 0 && !viv_rate_take(&node->new_sessions, now_ms)) {
        viv_limit_hit(&node->limits, VIV_LIMIT_NEW_SESSIONS, connection->id, now_ms);
        return false;
    }
    return true;
}

void viv_handshake_take(struct viv_node *node, struct viv_connection *connection, struct viv_bytes frame)
{
    VIV_ASSERT(connection->state == VIV_CONNECTION_NEW);
    struct viv_connect_request request;
    struct viv_jute_reader reader = viv_jute_reader_of(frame);
    viv_connect_request_decode(&reader, &request);
    if (reader.bad) {
        viv_strange_tell(&node->strangeness, VIV_STRANGE_HANDSHAKE, node->turn.now_ms, connection->id,
                         (int64_t)frame.size);
        viv_request_close(node, connection);
        return;
    }
    if (!node->group.serving && !node->is_read_only) {
        viv_metrics_add(node->metrics, VIV_METRIC_cnxn_closed_without_zk_server_running, 1);
    }
    if (!is_served(node, &request) || !is_admitted(node, connection, &request)) {
        viv_request_close(node, connection);
        return;
    }
    viv_metrics_add(node->metrics, VIV_METRIC_connection_request_count, 1);
    if (request.session_id != 0) {
        viv_metrics_add(node->metrics, VIV_METRIC_connection_revalidate_count, 1);
    }
    connection->state = VIV_CONNECTION_ATTACHING;
    connection->asked_ns = node->turn.now_ns;
    connection->has_read_only = request.has_read_only;
    connection->timeout_ms = clamp_timeout(node, request.timeout_ms);
    connection->session_id = request.session_id;
    if (request.session_id == 0) {
        create_session(node, connection);
    } else {
        find_session(node, connection, request.password.bytes);
    }
}

void viv_handshake_expect(struct viv_node *node, struct viv_connection *connection)
{
    *(viv_conn *)viv_fifo_push(&node->handshaking) = connection->id;
}

void viv_handshake_tick(struct viv_node *node)
{
    for (;;) {
        viv_conn *oldest = viv_fifo_front(&node->handshaking);
        if (oldest == NULL) {
            return;
        }
        struct viv_connection *connection = viv_connections_find(&node->connections, *oldest);
        if (connection != NULL && connection->state <= VIV_CONNECTION_ATTACHING) {
            if (connection->opened_ms + node->policy.handshake_ms > node->turn.now_ms) {
                return;
            }
            viv_metrics_add(node->metrics, VIV_METRIC_sessionless_connections_expired, 1);
            viv_request_close(node, connection);
        }
        viv_fifo_pop(&node->handshaking);
    }
}
