#include "base/assert.h"
#include "base/log.h"
#include "node/identity.h"
#include "node/node_internal.h"
#include "wire/reply_code.h"

/* Who a connection is: `auth` requests, SASL exchanges, and what is required before anything else is served
 * (client-protocol.md §11.1, §11.4). All of it is answered at once, ahead of whatever waits, with zxid 0. */

enum { IDENTITY_BYTES_MIN = 8 };

static void say(struct viv_node *node, struct viv_connection *connection, int32_t xid, int32_t err,
                struct viv_bytes record)
{
    struct viv_reply_header header = {.xid = xid, .err = err};
    viv_connection_reply(&node->connections, connection, &header, record);
}

static void refuse(struct viv_node *node, struct viv_connection *connection, int32_t xid, int32_t err, const char *text)
{
    node->measure.auth_failures++;
    viv_log(VIV_LOG_INFO, "node", text, "conn=%llu", (unsigned long long)connection->id);
    say(node, connection, xid, err, (struct viv_bytes){0});
    viv_request_close(node, connection);
}

/* ---- auth ---- */

/* A client of another ensemble is sent away without a word, so that it looks for its own. */
static bool is_ensemble(const struct viv_node *node, struct viv_bytes name)
{
    return name.size == 0 || node->policy.ensemble_names.size == 0 ||
           viv_node_policy_lists(node->policy.ensemble_names, name);
}

static bool has_scheme(const struct viv_connection *connection, struct viv_bytes list)
{
    struct viv_jute_reader reader = viv_jute_reader_of(viv_buffer_bytes(&connection->authinfo));
    for (int32_t left = viv_jute_read_count(&reader, IDENTITY_BYTES_MIN); left > 0; left--) {
        struct viv_bytes scheme = viv_jute_read_buffer(&reader).bytes;
        (void)viv_jute_read_buffer(&reader);
        if (viv_node_policy_lists(list, scheme)) {
            return true;
        }
    }
    VIV_ASSERT(!reader.bad); /* made by this server */
    return false;
}

/* What a certificate proves was proved when the connection was opened: asking again changes nothing. */
static bool add_identity(struct viv_node *node, struct viv_connection *connection, struct viv_bytes scheme,
                         struct viv_bytes auth)
{
    if (viv_bytes_equal(scheme, VIV_BYTES_LITERAL("ensemble"))) {
        return true;
    }
    if (viv_bytes_equal(scheme, VIV_BYTES_LITERAL("x509"))) {
        return has_scheme(connection, scheme);
    }
    return viv_identity_add(&connection->authinfo, &node->identity, scheme, auth);
}

void viv_authenticate_auth(struct viv_node *node, struct viv_connection *connection, int32_t xid,
                           struct viv_bytes record)
{
    struct viv_jute_reader reader = viv_jute_reader_of(record);
    (void)viv_jute_read_int(&reader);
    struct viv_bytes scheme = viv_jute_read_buffer(&reader).bytes;
    struct viv_bytes auth = viv_jute_read_buffer(&reader).bytes;
    if (!reader.bad && viv_bytes_equal(scheme, VIV_BYTES_LITERAL("ensemble")) && !is_ensemble(node, auth)) {
        viv_log(VIV_LOG_INFO, "node", "closed: it looks for another ensemble", "conn=%llu",
                (unsigned long long)connection->id);
        viv_request_close(node, connection);
    } else if (reader.bad || !add_identity(node, connection, scheme, auth)) {
        refuse(node, connection, xid, VIV_REPLY_AUTH_FAILED, "authentication failed");
    } else {
        say(node, connection, xid, VIV_REPLY_OK, (struct viv_bytes){0});
    }
}

/* ---- SASL ---- */

static void say_token(struct viv_node *node, struct viv_connection *connection, struct viv_bytes token)
{
    viv_buffer_clear(&node->record);
    viv_jute_write_slice(&node->record, (struct viv_jute_slice){.bytes = token, .null = token.size == 0});
    say(node, connection, connection->sasl_xid, VIV_REPLY_OK, viv_buffer_bytes(&node->record));
}

void viv_authenticate_sasl(struct viv_node *node, struct viv_connection *connection, int32_t xid,
                           struct viv_bytes record)
{
    struct viv_jute_reader reader = viv_jute_reader_of(record);
    struct viv_bytes token = viv_jute_read_buffer(&reader).bytes;
    connection->sasl_xid = xid;
    if (reader.bad) {
        refuse(node, connection, xid, VIV_REPLY_MARSHALLING_ERROR, "a SASL token is malformed");
    } else if (!node->policy.serves_sasl) {
        say_token(node, connection, (struct viv_bytes){0});
    } else {
        struct viv_action *action = viv_actions_add(node->turn.out, VIV_ACTION_CLIENT_SASL);
        action->conn = connection->id;
        action->bytes = viv_arena_copy(&node->turn.out->arena, token);
        connection->waits_for = VIV_CONNECTION_WAITS_SASL;
    }
}

static void fail_sasl(struct viv_node *node, struct viv_connection *connection)
{
    bool is_required = viv_node_policy_lists(node->policy.schemes_required, VIV_BYTES_LITERAL("sasl"));
    if (node->policy.keep_failed_sasl && !is_required) {
        viv_log(VIV_LOG_INFO, "node", "SASL authentication failed; the connection may stay", "conn=%llu",
                (unsigned long long)connection->id);
        say_token(node, connection, (struct viv_bytes){0});
        return;
    }
    refuse(node, connection, connection->sasl_xid,
           is_required ? VIV_REPLY_SESSION_CLOSED_REQUIRE_AUTH : VIV_REPLY_AUTH_FAILED, "SASL authentication failed");
}

void viv_authenticate_sasl_done(struct viv_node *node, struct viv_connection *connection, const struct viv_event *event)
{
    if (connection->waits_for != VIV_CONNECTION_WAITS_SASL || connection->state == VIV_CONNECTION_CLOSING) {
        return; /* closed in the meantime */
    }
    connection->waits_for = VIV_CONNECTION_WAITS_NOT;
    bool is_sound =
        event->sasl != VIV_SASL_FAILED &&
        (event->sasl != VIV_SASL_COMPLETE || viv_identity_add_proved(&connection->authinfo, event->identities));
    if (is_sound) {
        say_token(node, connection, event->bytes);
    } else {
        fail_sasl(node, connection);
    }
    viv_request_take_early(node, connection);
}

/* ---- what is required ---- */

bool viv_authenticate_enough(struct viv_node *node, struct viv_connection *connection, int32_t xid)
{
    if (node->policy.schemes_required.size == 0 || has_scheme(connection, node->policy.schemes_required)) {
        return true;
    }
    refuse(node, connection, xid, VIV_REPLY_SESSION_CLOSED_REQUIRE_AUTH,
           "closed: it asks for something before it has proved who it is (enforce.auth.schemes)");
    return false;
}
