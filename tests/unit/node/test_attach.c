#include "tests/support/node_client.h"
#include "tests/support/viv_test.h"

/* A session that comes back to another server of three. */

enum { SERVERS = 3, ELECTION_MS = 10000, TIMEOUT_MS = 2000 };

struct ensemble {
    struct viv_node_net *net;
    struct viv_node_client client;
    size_t leader, follower;
};

static void ensemble_init(struct ensemble *ensemble)
{
    struct viv_node_net_config config = {.server_count = SERVERS};
    ensemble->net = viv_node_net_new(&config);
    viv_node_net_start_all(ensemble->net);
    cr_assert(viv_node_net_settle(ensemble->net, ELECTION_MS));
    ensemble->leader = viv_node_net_leader(ensemble->net);
    ensemble->follower = (ensemble->leader + 1) % SERVERS;
    viv_node_client_init(&ensemble->client, ensemble->net);
}

static void ensemble_fini(struct ensemble *ensemble)
{
    viv_node_client_fini(&ensemble->client);
    viv_node_net_free(ensemble->net);
}

VIV_TEST(node_attach, a_write_through_the_connection_a_session_has_left_closes_it)
{
    struct ensemble ensemble;
    ensemble_init(&ensemble);
    struct viv_node_client *client = &ensemble.client;
    cr_assert(viv_node_client_open(client, ensemble.follower, TIMEOUT_MS));
    cr_assert_eq(viv_node_client_create(client, "/a", "old", 0), 0);
    struct viv_node_client old = *client;
    old.record = old.events = old.order = old.scratch = (struct viv_buffer){0};
    cr_assert(viv_node_client_open(client, ensemble.leader, TIMEOUT_MS), "the session moves");
    viv_node_client_send(&old, VIV_OP_SET_DATA, viv_node_client_set_record(&old, "/a", "stray", -1));
    cr_assert_not(viv_node_client_wait(&old, 500));
    cr_assert(viv_node_net_is_closed(ensemble.net, old.conn));
    cr_assert_eq(viv_node_client_ask(client, VIV_OP_GET_DATA, "/a", false), 0);
    cr_assert(viv_node_client_data_is(client, "old"));
    viv_node_client_fini(&old);
    ensemble_fini(&ensemble);
}

VIV_TEST(node_attach, an_unknown_session_is_refused_by_every_server)
{
    struct ensemble ensemble;
    ensemble_init(&ensemble);
    cr_assert(viv_node_client_open(&ensemble.client, ensemble.follower, TIMEOUT_MS));
    cr_assert_eq(viv_node_client_close_session(&ensemble.client), 0);
    viv_node_net_run(ensemble.net, 100);
    for (size_t server = 0; server < SERVERS; server++) {
        ensemble.client.timeout_ms = -1;
        cr_assert_not(viv_node_client_open(&ensemble.client, server, TIMEOUT_MS));
        cr_assert_eq(ensemble.client.timeout_ms, 0);
    }
    ensemble_fini(&ensemble);
}

/* The leader knows the second, and makes sure of the first before it answers. */
VIV_TEST(node_attach, everybody_is_answered_for_his_own_session)
{
    struct ensemble ensemble;
    struct viv_node_client gone;
    ensemble_init(&ensemble);
    viv_node_client_init(&gone, ensemble.net);
    cr_assert(viv_node_client_open(&gone, ensemble.follower, TIMEOUT_MS));
    cr_assert(viv_node_client_open(&ensemble.client, ensemble.leader, TIMEOUT_MS));
    int64_t session_id = ensemble.client.session_id;
    cr_assert_eq(viv_node_client_close_session(&gone), 0);
    viv_node_net_run(ensemble.net, 100);
    viv_node_client_knock(&gone, ensemble.follower, TIMEOUT_MS);
    viv_node_client_knock(&ensemble.client, ensemble.follower, TIMEOUT_MS);
    cr_assert(viv_node_client_enter(&ensemble.client));
    cr_assert_eq(ensemble.client.session_id, session_id);
    gone.timeout_ms = -1;
    cr_assert_not(viv_node_client_enter(&gone));
    cr_assert_eq(gone.timeout_ms, 0);
    viv_node_client_fini(&gone);
    ensemble_fini(&ensemble);
}

VIV_TEST(node_attach, a_follower_tells_of_an_end_when_its_tree_shows_it)
{
    enum { SLOW_MS = 300 };
    struct ensemble ensemble;
    int32_t timeout_ms;
    ensemble_init(&ensemble);
    viv_node_net_kill(ensemble.net, ensemble.follower);
    viv_node_net_slow_log(ensemble.net, ensemble.follower, SLOW_MS);
    viv_node_net_start(ensemble.net, ensemble.follower);
    cr_assert(viv_node_net_settle(ensemble.net, ELECTION_MS));
    cr_assert(viv_node_client_open(&ensemble.client, ensemble.leader, TIMEOUT_MS));
    cr_assert_eq(viv_node_client_create(&ensemble.client, "/mine", "", 1), 0);
    int64_t seen_zxid = ensemble.client.last_zxid;
    viv_node_net_run(ensemble.net, 2 * SLOW_MS);
    cr_assert_eq(viv_node_client_close_session(&ensemble.client), 0);
    const struct viv_tree *tree = viv_node_tree(viv_node_net_node(ensemble.net, ensemble.follower));
    cr_assert(viv_tree_session(tree, ensemble.client.session_id, &timeout_ms), "the follower is behind");
    ensemble.client.last_zxid = seen_zxid;
    cr_assert_not(viv_node_client_open(&ensemble.client, ensemble.follower, TIMEOUT_MS));
    cr_assert_eq(ensemble.client.timeout_ms, 0, "it is told");
    cr_assert_not(viv_tree_session(tree, ensemble.client.session_id, &timeout_ms), "it was told too early");
    ensemble_fini(&ensemble);
}

/* As after an outage that all their sessions have not survived. The leader answers them together. */
VIV_TEST(node_attach, any_number_of_clients_may_hear_at_once_that_their_sessions_are_over)
{
    enum { COMERS = 20000 };
    struct ensemble ensemble;
    ensemble_init(&ensemble);
    struct viv_node_client *client = &ensemble.client;
    cr_assert(viv_node_client_open(client, ensemble.follower, TIMEOUT_MS));
    cr_assert_eq(viv_node_client_close_session(client), 0);
    viv_node_net_run(ensemble.net, 100);
    for (int i = 0; i < COMERS; i++) {
        viv_node_client_knock(client, ensemble.follower, TIMEOUT_MS);
    }
    client->timeout_ms = -1;
    cr_assert_not(viv_node_client_enter(client));
    cr_assert_eq(client->timeout_ms, 0, "the last one is told, too");
    ensemble_fini(&ensemble);
}

VIV_TEST(node_attach, a_reply_is_to_the_request_of_its_own_connection)
{
    struct viv_node_client client;
    struct viv_node_net_config config = {.server_count = 1};
    struct viv_node_net *net = viv_node_net_new(&config);
    viv_node_net_slow_log(net, 0, 200);
    viv_node_net_start(net, 0);
    viv_node_net_run(net, 1000);
    viv_node_client_init(&client, net);
    cr_assert(viv_node_client_open(&client, 0, TIMEOUT_MS));
    int32_t xid = client.xid;
    viv_node_client_send(&client, VIV_OP_CREATE, viv_node_client_create_record(&client, "/first", "", 0));
    viv_node_net_run(net, 20);
    cr_assert(viv_node_client_open(&client, 0, TIMEOUT_MS), "the session has a new connection");
    client.xid = xid; /* as a client counts that starts again */
    viv_node_client_send(&client, VIV_OP_CREATE, viv_node_client_create_record(&client, "/second", "", 0));
    cr_assert(viv_node_client_wait(&client, 2000));
    cr_assert_eq(client.record.size, 4 + sizeof "/second" - 1, "it is the reply to another request");
    viv_node_client_fini(&client);
    viv_node_net_free(net);
}
