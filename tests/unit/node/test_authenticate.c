#include "tests/support/node_client.h"
#include "tests/support/viv_test.h"
#include "wire/reply_code.h"

/* What a connection must prove, and how; the net's stand-in for SASL takes any token but "no" for a name, and "more"
 * for an exchange that goes on. */

enum { TIMEOUT_MS = 1000 };

struct stand {
    struct viv_node_net *net;
    struct viv_node_client client;
};

static void serve_sasl(struct viv_node_config *config)
{
    config->policy.serves_sasl = true;
    config->policy.ensemble_names = VIV_BYTES_LITERAL("red,green");
}

static void keep_failed_sasl(struct viv_node_config *config)
{
    serve_sasl(config);
    config->policy.keep_failed_sasl = true;
}

static void require_sasl(struct viv_node_config *config)
{
    keep_failed_sasl(config);
    config->policy.schemes_required = VIV_BYTES_LITERAL("sasl");
}

static void require_digest_or_x509(struct viv_node_config *config)
{
    config->policy.schemes_required = VIV_BYTES_LITERAL("x509,digest");
}

static void stand_init(struct stand *stand, viv_node_recipe_adjust_fn *adjust)
{
    stand->net = viv_node_net_new(&(struct viv_node_net_config){.server_count = 1, .adjust = adjust});
    viv_node_net_start(stand->net, 0);
    cr_assert(viv_node_net_settle(stand->net, 1000));
    viv_node_client_init(&stand->client, stand->net);
    cr_assert(viv_node_client_open(&stand->client, 0, TIMEOUT_MS));
}

static void stand_fini(struct stand *stand)
{
    viv_node_client_fini(&stand->client);
    viv_node_net_free(stand->net);
}

static int32_t send_token(struct viv_node_client *client, const char *token)
{
    struct viv_buffer record = {0};
    viv_jute_write_text(&record, token);
    int32_t xid = viv_node_client_send(client, VIV_OP_SASL, viv_buffer_bytes(&record));
    viv_buffer_fini(&record);
    return xid;
}

static int32_t give_token(struct viv_node_client *client, const char *token)
{
    int32_t xid = send_token(client, token);
    cr_assert(viv_node_client_wait(client, 1000));
    cr_assert_eq(client->header.xid, xid);
    cr_assert_eq(client->header.zxid, 0);
    return client->header.err;
}

static int32_t authenticate(struct viv_node_client *client, const char *scheme, const char *auth)
{
    struct viv_buffer record = {0};
    viv_jute_write_int(&record, 0);
    viv_jute_write_text(&record, scheme);
    viv_jute_write_text(&record, auth);
    int32_t err = viv_node_client_call(client, VIV_OP_AUTH, viv_buffer_bytes(&record));
    viv_buffer_fini(&record);
    return err;
}

static bool is_closed(struct stand *stand)
{
    viv_node_net_run(stand->net, 20);
    return viv_node_net_is_closed(stand->net, stand->client.conn);
}

/* Whether the connection has the identity sasl:NAME. */
static bool is_known_as(struct viv_node_client *client, const char *name)
{
    cr_assert_eq(viv_node_client_call(client, VIV_OP_WHO_AM_I, (struct viv_bytes){0}), 0);
    struct viv_jute_reader reader = viv_jute_reader_of(viv_buffer_bytes(&client->record));
    for (int32_t left = viv_jute_read_int(&reader); left > 0; left--) {
        struct viv_bytes scheme = viv_jute_read_buffer(&reader).bytes;
        struct viv_bytes user = viv_jute_read_buffer(&reader).bytes;
        if (viv_bytes_equal(scheme, VIV_BYTES_LITERAL("sasl")) && viv_bytes_equal(user, viv_bytes_text(name))) {
            return true;
        }
    }
    return false;
}

VIV_TEST(node_authenticate, an_exchange_takes_its_rounds_and_gives_an_identity)
{
    struct stand stand;
    stand_init(&stand, serve_sasl);
    cr_assert_eq(give_token(&stand.client, "more"), 0);
    cr_assert(viv_node_client_data_is(&stand.client, "more"), "the answer's token");
    cr_assert_not(is_known_as(&stand.client, "more"));
    cr_assert_eq(give_token(&stand.client, "bob"), 0);
    cr_assert(is_known_as(&stand.client, "bob"));
    stand_fini(&stand);
}

VIV_TEST(node_authenticate, what_comes_behind_a_token_waits_for_its_outcome)
{
    struct stand stand;
    stand_init(&stand, require_sasl);
    int32_t xid = send_token(&stand.client, "bob");
    viv_node_client_send(&stand.client, VIV_OP_CREATE, viv_node_client_create_record(&stand.client, "/a", "", 0));
    viv_node_client_send(&stand.client, VIV_OP_EXISTS, viv_node_client_path_record(&stand.client, "/a", false));
    for (int i = 0; i < 3; i++) {
        cr_assert(viv_node_client_wait(&stand.client, 1000));
        cr_assert_eq(stand.client.header.xid, xid + i);
        cr_assert_eq(stand.client.header.err, 0);
    }
    stand_fini(&stand);
}

VIV_TEST(node_authenticate, a_failed_exchange_ends_the_connection_unless_it_may_stay)
{
    static const struct {
        viv_node_recipe_adjust_fn *adjust;
        int32_t err;
    } cases[] = {{serve_sasl, VIV_REPLY_AUTH_FAILED},
                 {keep_failed_sasl, 0},
                 {require_sasl, VIV_REPLY_SESSION_CLOSED_REQUIRE_AUTH}};
    for (size_t i = 0; i < 3; i++) {
        struct stand stand;
        stand_init(&stand, cases[i].adjust);
        cr_assert_eq(give_token(&stand.client, "no"), cases[i].err);
        cr_assert_eq(is_closed(&stand), cases[i].err != 0);
        if (cases[i].err == 0) {
            cr_assert_not(is_known_as(&stand.client, "no"));
        }
        stand_fini(&stand);
    }
}

VIV_TEST(node_authenticate, a_connection_that_closes_during_its_exchange_is_forgotten)
{
    struct stand stand;
    stand_init(&stand, serve_sasl);
    send_token(&stand.client, "bob");
    viv_node_net_run(stand.net, 1);
    viv_node_net_hang_up(stand.net, stand.client.conn);
    viv_node_net_run(stand.net, 50);
    cr_assert(viv_node_client_open(&stand.client, 0, TIMEOUT_MS));
    cr_assert_not(is_known_as(&stand.client, "bob"));
    stand_fini(&stand);
}

VIV_TEST(node_authenticate, where_a_scheme_is_required_everything_else_is_refused_and_ends_the_connection)
{
    static const int32_t operations[] = {VIV_OP_EXISTS, VIV_OP_CREATE, VIV_OP_PING, VIV_OP_CLOSE_SESSION, 4711};
    struct stand stand;
    stand_init(&stand, require_digest_or_x509);
    for (size_t i = 0; i < sizeof operations / sizeof operations[0]; i++) {
        cr_assert(viv_node_client_open(&stand.client, 0, TIMEOUT_MS));
        viv_node_client_send(&stand.client, operations[i], (struct viv_bytes){0});
        cr_assert(viv_node_client_wait(&stand.client, 100));
        cr_assert_eq(stand.client.header.err, VIV_REPLY_SESSION_CLOSED_REQUIRE_AUTH);
        cr_assert_eq(stand.client.header.zxid, 0);
        cr_assert(is_closed(&stand));
    }
    cr_assert(viv_node_client_open(&stand.client, 0, TIMEOUT_MS));
    cr_assert_eq(authenticate(&stand.client, "digest", "bob:secret"), 0);
    cr_assert_eq(viv_node_client_create(&stand.client, "/a", "", 0), 0);
    stand_fini(&stand);
}

VIV_TEST(node_authenticate, a_client_of_another_ensemble_is_sent_away_without_a_word)
{
    static const struct {
        const char *name;
        bool is_ours;
    } cases[] = {{"red", true}, {"green", true}, {"", true}, {"blue", false}, {"re", false}, {"red,green", false}};
    struct stand stand;
    stand_init(&stand, serve_sasl);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        cr_assert(viv_node_client_open(&stand.client, 0, TIMEOUT_MS));
        struct viv_buffer record = {0};
        viv_jute_write_int(&record, 0);
        viv_jute_write_text(&record, "ensemble");
        viv_jute_write_text(&record, cases[i].name);
        viv_node_client_send(&stand.client, VIV_OP_AUTH, viv_buffer_bytes(&record));
        cr_assert_eq(viv_node_client_wait(&stand.client, 100), cases[i].is_ours, "%s", cases[i].name);
        cr_assert_neq(is_closed(&stand), cases[i].is_ours, "%s", cases[i].name);
        viv_buffer_fini(&record);
    }
    stand_fini(&stand);
}

VIV_TEST(node_authenticate, a_certificate_is_proved_when_the_connection_opens_or_not_at_all)
{
    struct stand stand;
    stand_init(&stand, NULL);
    cr_assert_eq(authenticate(&stand.client, "x509", "CN=bob"), VIV_REPLY_AUTH_FAILED);
    cr_assert(is_closed(&stand));
    cr_assert(viv_node_client_open(&stand.client, 0, TIMEOUT_MS));
    cr_assert_eq(authenticate(&stand.client, "super", ""), VIV_REPLY_AUTH_FAILED);
    stand_fini(&stand);
}
