#include "base/assert.h"
#include "base/log.h"
#include "node/node_internal.h"
#include "wire/reply_code.h"

/* Sessions that only this server knows (client-protocol.md §10): no transaction makes or ends them, nobody else
 * honours them, they own no ephemerals. The server that holds them expires them. A session becomes a global one, for
 * good, when its createSession is in the tree; until then what its client asks for waits. */

enum { FLAG_EPHEMERAL = 1, FLAGS_CONTAINER = 4 };

bool viv_local_knows(const struct viv_node *node, int64_t session_id)
{
    return node->local.by_id.count > 0 && viv_expiry_is_alive(&node->local, session_id);
}

/* While there was none, or nobody was served, nobody told the time. */
void viv_local_track(struct viv_node *node, const struct viv_connection *connection)
{
    viv_expiry_awake(&node->local, node->turn.now_ms);
    viv_expiry_track(&node->local, connection->session_id, connection->timeout_ms, node->group.sid, node->turn.now_ms);
}

void viv_local_touch(struct viv_node *node, const struct viv_attachment *session)
{
    viv_expiry_touch(&node->local, session->id, 0, node->turn.now_ms);
}

void viv_local_end(struct viv_node *node, struct viv_connection *connection)
{
    viv_expiry_remove(&node->local, connection->session_id);
    viv_request_close(node, connection);
}

static void expire(struct viv_node *node, int64_t session_id)
{
    struct viv_attachment *session = viv_attachments_find(&node->sessions, session_id);
    viv_log(VIV_LOG_INFO, "node", "a local session expires", "session=0x%llx", (unsigned long long)session_id);
    viv_expiry_remove(&node->local, session_id);
    if (session != NULL && session->is_local) {
        viv_request_close(node, session->connection);
    }
}

/* Time in which this server serves nobody does not count: nobody could be heard. */
void viv_local_tick(struct viv_node *node)
{
    int64_t session_id;
    if (node->local.by_id.count == 0 || !(node->group.serving || node->is_read_only)) {
        return;
    }
    viv_expiry_awake(&node->local, node->turn.now_ms);
    while (viv_expiry_next_due(&node->local, node->turn.now_ms, &session_id)) {
        expire(node, session_id);
    }
}

/* ---- the way to a global session ---- */

static bool is_ephemeral(int32_t flags)
{
    return flags < FLAGS_CONTAINER && (flags & FLAG_EPHEMERAL) != 0;
}

static bool creates_ephemeral(int32_t op, struct viv_jute_reader *reader)
{
    struct viv_create_request request;
    viv_create_request_decode(reader, &request, (enum viv_op)op);
    return !reader->bad && is_ephemeral(request.flags);
}

static void skip_item(int32_t op, struct viv_jute_reader *reader)
{
    struct viv_path_version_request path_version;
    struct viv_set_data_request set_data;
    if (op == VIV_OP_SET_DATA) {
        viv_set_data_request_decode(reader, &set_data);
    } else if (op == VIV_OP_DELETE || op == VIV_OP_CHECK) {
        viv_path_version_request_decode(reader, &path_version);
    } else {
        reader->bad = true; /* the leader says what is wrong with it */
    }
}

static bool is_create(int32_t op)
{
    return op == VIV_OP_CREATE || op == VIV_OP_CREATE2 || op == VIV_OP_CREATE_CONTAINER || op == VIV_OP_CREATE_TTL;
}

bool viv_local_needs_global(int32_t op, struct viv_bytes record)
{
    struct viv_jute_reader reader = viv_jute_reader_of(record);
    if (is_create(op)) {
        return creates_ephemeral(op, &reader);
    }
    while (op == VIV_OP_MULTI && !reader.bad) {
        struct viv_multi_header header;
        viv_multi_header_decode(&reader, &header);
        if (reader.bad || header.done) {
            return false;
        }
        if (!is_create(header.type)) {
            skip_item(header.type, &reader);
        } else if (creates_ephemeral(header.type, &reader)) {
            return true;
        }
    }
    return false;
}

int32_t viv_local_upgrade(struct viv_node *node, struct viv_connection *connection)
{
    VIV_ASSERT(connection->session->is_local && connection->waits_for == VIV_CONNECTION_WAITS_NOT);
    if (!node->policy.local_session_upgrade || node->is_read_only) {
        return VIV_REPLY_EPHEMERAL_ON_LOCAL_SESSION;
    }
    connection->waits_for = VIV_CONNECTION_WAITS_UPGRADE;
    int32_t err = viv_handshake_propose(node, connection);
    if (err != VIV_REPLY_OK) {
        connection->waits_for = VIV_CONNECTION_WAITS_NOT;
    }
    return err;
}

void viv_local_made_global(struct viv_node *node, int64_t session_id)
{
    viv_expiry_remove(&node->local, session_id);
    struct viv_attachment *session = viv_attachments_find(&node->sessions, session_id);
    if (session == NULL || !session->is_local) {
        return;
    }
    session->is_local = false;
    struct viv_connection *connection = session->connection;
    if (connection->waits_for == VIV_CONNECTION_WAITS_UPGRADE) {
        connection->waits_for = VIV_CONNECTION_WAITS_NOT;
        viv_request_take_early(node, connection);
    }
}

void viv_local_upgrade_refused(struct viv_node *node, struct viv_connection *connection, int32_t err)
{
    VIV_ASSERT(connection->waits_for == VIV_CONNECTION_WAITS_UPGRADE && connection->early.count > 0);
    connection->waits_for = VIV_CONNECTION_WAITS_NOT;
    viv_request_refuse_early(node, connection, err);
    viv_request_take_early(node, connection);
}
