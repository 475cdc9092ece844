#include "tests/support/node_client.h"
#include "tests/support/viv_test.h"
#include "wire/reply_code.h"

/* Sessions that only their server knows, and what makes them global; servers without a quorum. */

enum { SERVERS = 3, ELECTION_MS = 10000, TIMEOUT_MS = 1000, LONG_TIMEOUT_MS = 20000, EPHEMERAL = 1 };

struct ensemble {
    struct viv_node_net *net;
    struct viv_node_client client;
    size_t leader, follower, other; /* other: the second follower */
};

static void let_local_sessions(struct viv_node_config *config)
{
    config->policy.local_sessions = true;
}

static void let_upgrades(struct viv_node_config *config)
{
    config->policy.local_sessions = config->policy.local_session_upgrade = true;
}

static void let_read_only(struct viv_node_config *config)
{
    config->policy.read_only_mode = true;
}

static void let_all(struct viv_node_config *config)
{
    let_upgrades(config);
    let_read_only(config);
    config->session_timeout_max_ms = LONG_TIMEOUT_MS;
}

static void let_two_sessions(struct viv_node_config *config)
{
    let_upgrades(config);
    config->policy.sessions_count = 2;
}

static void ensemble_init(struct ensemble *ensemble, viv_node_recipe_adjust_fn *adjust)
{
    ensemble->net = viv_node_net_new(&(struct viv_node_net_config){.server_count = SERVERS, .adjust = adjust});
    viv_node_net_start_all(ensemble->net);
    cr_assert(viv_node_net_settle(ensemble->net, ELECTION_MS));
    ensemble->leader = viv_node_net_leader(ensemble->net);
    ensemble->follower = (ensemble->leader + 1) % SERVERS;
    ensemble->other = (ensemble->leader + 2) % SERVERS;
    viv_node_client_init(&ensemble->client, ensemble->net);
}

static void ensemble_fini(struct ensemble *ensemble)
{
    viv_node_client_fini(&ensemble->client);
    viv_node_net_free(ensemble->net);
}

static struct viv_node_stats stats_of(const struct ensemble *ensemble, size_t server)
{
    struct viv_node_stats stats;
    viv_node_net_stats(ensemble->net, server, &stats);
    return stats;
}

static void settle(struct ensemble *ensemble)
{
    cr_assert(viv_node_net_settle(ensemble->net, ELECTION_MS));
}

/* create /name as multi {create flags} */
static int32_t create_in_multi(struct viv_node_client *client, const char *path, int32_t flags)
{
    struct viv_buffer record = {0};
    viv_multi_header_encode(&record, &(struct viv_multi_header){.type = VIV_OP_CREATE, .err = -1});
    viv_buffer_append_bytes(&record, viv_node_client_create_record(client, path, "", flags));
    viv_multi_header_encode(&record, &(struct viv_multi_header){.type = -1, .done = true, .err = -1});
    int32_t err = viv_node_client_call(client, VIV_OP_MULTI, viv_buffer_bytes(&record));
    viv_buffer_fini(&record);
    return err;
}

/* ---- local sessions ---- */

VIV_TEST(node_local_session, opens_and_closes_without_a_transaction_on_any_server)
{
    struct ensemble ensemble;
    ensemble_init(&ensemble, let_local_sessions);
    uint64_t zxid = stats_of(&ensemble, ensemble.leader).last_zxid;
    for (size_t server = 0; server < SERVERS; server++) {
        struct viv_node_client client;
        viv_node_client_init(&client, ensemble.net);
        cr_assert(viv_node_client_open(&client, server, TIMEOUT_MS));
        cr_assert_eq((uint64_t)client.session_id >> 56, server + 1);
        cr_assert_eq(stats_of(&ensemble, server).sessions_local, 1);
        cr_assert_eq(viv_node_client_close_session(&client), 0);
        cr_assert_eq((uint64_t)client.header.zxid, zxid);
        viv_node_net_run(ensemble.net, 50);
        cr_assert(viv_node_net_is_closed(ensemble.net, client.conn));
        cr_assert_eq(stats_of(&ensemble, server).sessions_local, 0);
        cr_assert_eq(stats_of(&ensemble, server).last_zxid, zxid);
        cr_assert_eq(stats_of(&ensemble, server).tree.sessions, 0);
        cr_assert_not(viv_node_client_open(&client, server, TIMEOUT_MS), "a closed session is refused");
        viv_node_client_fini(&client);
    }
    ensemble_fini(&ensemble);
}

VIV_TEST(node_local_session, writes_and_reads_like_another_but_owns_nothing)
{
    struct ensemble ensemble;
    ensemble_init(&ensemble, let_local_sessions);
    struct viv_node_client *client = &ensemble.client;
    for (size_t server = 0; server < SERVERS; server++) {
        static const char *const paths[] = {"/a", "/b", "/c"};
        client->session_id = 0;
        cr_assert(viv_node_client_open(client, server, TIMEOUT_MS));
        cr_assert_eq(viv_node_client_create(client, paths[server], "x", 0), 0);
        cr_assert_eq(viv_node_client_set(client, paths[server], "y", 0), 0);
        cr_assert_eq(viv_node_client_create(client, "/e", "", EPHEMERAL), VIV_REPLY_EPHEMERAL_ON_LOCAL_SESSION);
        cr_assert_eq(create_in_multi(client, "/e", EPHEMERAL), VIV_REPLY_EPHEMERAL_ON_LOCAL_SESSION);
        cr_assert_eq(create_in_multi(client, "/m", 0), 0);
        cr_assert_eq(viv_node_client_delete(client, "/m", -1), 0);
        cr_assert_eq(viv_node_client_ask(client, VIV_OP_EXISTS, "/e", false), VIV_REPLY_NO_NODE);
        cr_assert_eq(viv_node_client_ask(client, VIV_OP_SYNC, "/", false), 0);
        cr_assert_eq(stats_of(&ensemble, server).tree.sessions, 0);
        cr_assert_eq(viv_node_client_close_session(client), 0);
    }
    ensemble_fini(&ensemble);
}

VIV_TEST(node_local_session, is_attached_again_where_it_is_held_and_refused_elsewhere)
{
    struct ensemble ensemble;
    ensemble_init(&ensemble, let_local_sessions);
    struct viv_node_client *client = &ensemble.client;
    cr_assert(viv_node_client_open(client, ensemble.follower, TIMEOUT_MS));
    int64_t session_id = client->session_id;
    cr_assert_not(viv_node_client_open(client, ensemble.other, TIMEOUT_MS));
    cr_assert_eq(client->timeout_ms, 0, "the negative answer, not a closed connection");
    cr_assert_not(viv_node_client_open(client, ensemble.leader, TIMEOUT_MS));
    cr_assert_eq(client->timeout_ms, 0);
    cr_assert(viv_node_client_open(client, ensemble.follower, TIMEOUT_MS));
    cr_assert_eq(client->session_id, session_id);
    client->password[3] ^= 1;
    cr_assert_not(viv_node_client_open(client, ensemble.follower, TIMEOUT_MS), "the password counts");
    ensemble_fini(&ensemble);
}

VIV_TEST(node_local_session, expires_on_its_server_unless_it_is_heard_of)
{
    struct ensemble ensemble;
    ensemble_init(&ensemble, let_local_sessions);
    struct viv_node_client *client = &ensemble.client;
    cr_assert(viv_node_client_open(client, ensemble.follower, TIMEOUT_MS));
    for (int i = 0; i < 10; i++) {
        viv_node_net_run(ensemble.net, TIMEOUT_MS / 2);
        cr_assert_eq(viv_node_client_call(client, VIV_OP_PING, (struct viv_bytes){0}), 0);
    }
    viv_node_net_run(ensemble.net, TIMEOUT_MS - 50);
    cr_assert_not(viv_node_net_is_closed(ensemble.net, client->conn), "never before its timeout");
    viv_node_net_run(ensemble.net, 50 + 2 * VIV_NODE_RECIPE_TICK_MS);
    cr_assert(viv_node_net_is_closed(ensemble.net, client->conn));
    cr_assert_eq(stats_of(&ensemble, ensemble.follower).sessions_local, 0);
    cr_assert_not(viv_node_client_open(client, ensemble.follower, TIMEOUT_MS));
    cr_assert_eq(client->timeout_ms, 0);
    ensemble_fini(&ensemble);
}

VIV_TEST(node_local_session, expires_in_time_when_there_was_none_for_long)
{
    struct ensemble ensemble;
    ensemble_init(&ensemble, let_local_sessions);
    struct viv_node_client *client = &ensemble.client;
    cr_assert(viv_node_client_open(client, ensemble.follower, TIMEOUT_MS));
    viv_node_net_run(ensemble.net, TIMEOUT_MS / 2);
    cr_assert_eq(viv_node_client_close_session(client), 0);
    viv_node_net_run(ensemble.net, 60 * TIMEOUT_MS);
    client->session_id = 0;
    cr_assert(viv_node_client_open(client, ensemble.follower, TIMEOUT_MS));
    viv_node_net_run(ensemble.net, TIMEOUT_MS + 2 * VIV_NODE_RECIPE_TICK_MS);
    cr_assert(viv_node_net_is_closed(ensemble.net, client->conn));
    cr_assert_eq(stats_of(&ensemble, ensemble.follower).sessions_local, 0);
    ensemble_fini(&ensemble);
}

VIV_TEST(node_local_session, survives_a_change_of_the_leader_at_its_server)
{
    struct ensemble ensemble;
    ensemble_init(&ensemble, let_local_sessions);
    struct viv_node_client *client = &ensemble.client;
    cr_assert(viv_node_client_open(client, ensemble.follower, TIMEOUT_MS));
    int64_t session_id = client->session_id;
    viv_node_net_kill(ensemble.net, ensemble.leader);
    viv_node_net_run(ensemble.net, 50);
    settle(&ensemble);
    cr_assert(viv_node_client_open(client, ensemble.follower, TIMEOUT_MS));
    cr_assert_eq(client->session_id, session_id);
    ensemble_fini(&ensemble);
}

/* ---- upgrades ---- */

VIV_TEST(node_local_session, the_first_ephemeral_makes_it_global_for_two_zxids)
{
    struct ensemble ensemble;
    ensemble_init(&ensemble, let_upgrades);
    for (size_t server = 0; server < SERVERS; server++) {
        static const char *const paths[] = {"/a", "/b", "/c"};
        struct viv_node_client *client = &ensemble.client;
        client->session_id = 0;
        cr_assert(viv_node_client_open(client, server, TIMEOUT_MS));
        uint64_t zxid = stats_of(&ensemble, ensemble.leader).last_zxid;
        int32_t err = server == 1 ? create_in_multi(client, paths[server], EPHEMERAL)
                                  : viv_node_client_create(client, paths[server], "", EPHEMERAL);
        cr_assert_eq(err, 0);
        cr_assert_eq((uint64_t)client->header.zxid, zxid + 2);
        cr_assert_eq(stats_of(&ensemble, server).sessions_local, 0);
        cr_assert_eq(stats_of(&ensemble, server).tree.sessions, 1);
        /* Now it is known everywhere, and its end is a transaction that takes the node along. */
        cr_assert(viv_node_client_open(client, (server + 1) % SERVERS, TIMEOUT_MS));
        cr_assert_eq(viv_node_client_ask(client, VIV_OP_EXISTS, paths[server], false), 0);
        cr_assert_eq(viv_node_client_close_session(client), 0);
        settle(&ensemble);
        cr_assert_eq(stats_of(&ensemble, server).tree.ephemerals, 0);
        cr_assert_eq(stats_of(&ensemble, server).last_zxid, zxid + 3);
    }
    ensemble_fini(&ensemble);
}

VIV_TEST(node_local_session, what_follows_the_upgrading_request_keeps_its_order)
{
    struct ensemble ensemble;
    ensemble_init(&ensemble, let_upgrades);
    struct viv_node_client *client = &ensemble.client;
    cr_assert(viv_node_client_open(client, ensemble.follower, TIMEOUT_MS));
    int32_t first = viv_node_client_send(client, VIV_OP_CREATE, viv_node_client_create_record(client, "/p", "", 0));
    viv_node_client_send(client, VIV_OP_CREATE, viv_node_client_create_record(client, "/p/e", "", EPHEMERAL));
    viv_node_client_send(client, VIV_OP_EXISTS, viv_node_client_path_record(client, "/p/e", false));
    viv_node_client_send(client, VIV_OP_CREATE, viv_node_client_create_record(client, "/f", "", EPHEMERAL));
    viv_node_client_send(client, VIV_OP_CLOSE_SESSION, (struct viv_bytes){0});
    for (int i = 0; i < 5; i++) {
        cr_assert(viv_node_client_wait(client, 1000), "reply %d", i);
        cr_assert_eq(client->header.xid, first + i);
        cr_assert_eq(client->header.err, 0, "request %d", i);
    }
    viv_node_net_run(ensemble.net, 100);
    cr_assert(viv_node_net_is_closed(ensemble.net, client->conn));
    settle(&ensemble);
    cr_assert_eq(stats_of(&ensemble, ensemble.leader).tree.ephemerals, 0);
    cr_assert_eq(stats_of(&ensemble, ensemble.leader).tree.sessions, 0);
    cr_assert_eq(stats_of(&ensemble, ensemble.follower).sessions_local, 0);
    ensemble_fini(&ensemble);
}

VIV_TEST(node_local_session, a_connection_lost_while_it_upgrades_leaves_one_session)
{
    struct ensemble ensemble;
    ensemble_init(&ensemble, let_upgrades);
    struct viv_node_client *client = &ensemble.client;
    cr_assert(viv_node_client_open(client, ensemble.follower, TIMEOUT_MS));
    viv_node_client_send(client, VIV_OP_CREATE, viv_node_client_create_record(client, "/e", "", EPHEMERAL));
    viv_node_net_run(ensemble.net, 1);
    viv_node_net_hang_up(ensemble.net, client->conn);
    cr_assert(viv_node_client_open(client, ensemble.follower, TIMEOUT_MS));
    viv_node_net_run(ensemble.net, 100);
    cr_assert_eq(stats_of(&ensemble, ensemble.follower).sessions_local, 0);
    cr_assert_eq(stats_of(&ensemble, ensemble.leader).tree.sessions, 1);
    cr_assert_eq(viv_node_client_create(client, "/e", "", EPHEMERAL), 0);
    cr_assert_eq(viv_node_client_close_session(client), 0);
    settle(&ensemble);
    cr_assert_eq(stats_of(&ensemble, ensemble.leader).tree.sessions, 0);
    ensemble_fini(&ensemble);
}

VIV_TEST(node_local_session, an_upgrade_that_is_refused_leaves_a_local_session)
{
    struct ensemble ensemble;
    ensemble_init(&ensemble, let_two_sessions);
    struct viv_node_client others[2];
    struct viv_node_client *client = &ensemble.client;
    for (int i = 0; i < 2; i++) {
        viv_node_client_init(&others[i], ensemble.net);
        cr_assert(viv_node_client_open(&others[i], ensemble.leader, TIMEOUT_MS));
        cr_assert_eq(viv_node_client_create(&others[i], i == 0 ? "/x" : "/y", "", EPHEMERAL), 0);
    }
    for (size_t server = 0; server < SERVERS; server++) {
        client->session_id = 0;
        cr_assert(viv_node_client_open(client, server, TIMEOUT_MS));
        cr_assert_eq(viv_node_client_create(client, "/e", "", EPHEMERAL), VIV_REPLY_THROTTLED);
        cr_assert_eq(stats_of(&ensemble, server).sessions_local, 1);
        cr_assert_eq(viv_node_client_create(client, "/p", "", 0), 0);
        cr_assert_eq(viv_node_client_delete(client, "/p", -1), 0);
        cr_assert_eq(viv_node_client_close_session(client), 0);
    }
    for (int i = 0; i < 2; i++) {
        viv_node_client_fini(&others[i]);
    }
    ensemble_fini(&ensemble);
}

/* ---- read-only mode ---- */

static void lose_quorum(struct ensemble *ensemble)
{
    viv_node_net_kill(ensemble->net, ensemble->leader);
    viv_node_net_kill(ensemble->net, ensemble->other);
    viv_node_net_run(ensemble->net, 1000);
}

VIV_TEST(node_read_only, begins_after_two_seconds_without_a_quorum_for_those_who_ask)
{
    struct ensemble ensemble;
    ensemble_init(&ensemble, let_read_only);
    struct viv_node_client *client = &ensemble.client;
    cr_assert(viv_node_client_open(client, ensemble.leader, TIMEOUT_MS));
    cr_assert_not(client->is_read_only);
    cr_assert_eq(viv_node_client_create(client, "/a", "x", 0), 0);
    cr_assert_eq(viv_node_client_create(client, "/e", "", EPHEMERAL), 0);
    settle(&ensemble);
    int64_t global_session = client->session_id;
    lose_quorum(&ensemble);
    client->session_id = 0;
    client->may_be_read_only = true;
    cr_assert_not(viv_node_client_open(client, ensemble.follower, TIMEOUT_MS), "too early");
    viv_node_net_run(ensemble.net, 2500);
    cr_assert(stats_of(&ensemble, ensemble.follower).read_only);
    client->may_be_read_only = false;
    cr_assert_not(viv_node_client_open(client, ensemble.follower, TIMEOUT_MS), "it did not ask for it");
    client->may_be_read_only = true;
    client->session_id = global_session;
    cr_assert_not(viv_node_client_open(client, ensemble.follower, TIMEOUT_MS), "a global session");
    client->session_id = 0;
    cr_assert(viv_node_client_open(client, ensemble.follower, TIMEOUT_MS));
    cr_assert(client->is_read_only);
    cr_assert_eq(viv_node_client_ask(client, VIV_OP_GET_DATA, "/a", true), 0);
    cr_assert(viv_node_client_data_is(client, "x"));
    cr_assert_eq(viv_node_client_ask(client, VIV_OP_EXISTS, "/e", false), 0);
    cr_assert_eq(viv_node_client_call(client, VIV_OP_PING, (struct viv_bytes){0}), 0);
    ensemble_fini(&ensemble);
}

VIV_TEST(node_read_only, refuses_whatever_needs_a_leader)
{
    struct ensemble ensemble;
    ensemble_init(&ensemble, let_read_only);
    struct viv_node_client *client = &ensemble.client;
    lose_quorum(&ensemble);
    viv_node_net_run(ensemble.net, 2500);
    client->may_be_read_only = true;
    cr_assert(viv_node_client_open(client, ensemble.follower, TIMEOUT_MS));
    uint64_t zxid = stats_of(&ensemble, ensemble.follower).last_zxid;
    cr_assert_eq(viv_node_client_create(client, "/a", "", 0), VIV_REPLY_NOT_READ_ONLY);
    cr_assert_eq((uint64_t)client->header.zxid, zxid);
    cr_assert_eq(viv_node_client_create(client, "/a", "", EPHEMERAL), VIV_REPLY_NOT_READ_ONLY);
    cr_assert_eq(viv_node_client_set(client, "/", "", -1), VIV_REPLY_NOT_READ_ONLY);
    cr_assert_eq(viv_node_client_delete(client, "/a", -1), VIV_REPLY_NOT_READ_ONLY);
    cr_assert_eq(viv_node_client_ask(client, VIV_OP_SYNC, "/", false), VIV_REPLY_NOT_READ_ONLY);
    cr_assert_eq(create_in_multi(client, "/a", 0), VIV_REPLY_NOT_READ_ONLY);
    cr_assert_eq(viv_node_client_call(client, VIV_OP_RECONFIG, (struct viv_bytes){0}), VIV_REPLY_NOT_READ_ONLY);
    cr_assert_eq(viv_node_client_ask(client, VIV_OP_CHECK, "/", false), VIV_REPLY_NOT_READ_ONLY);
    cr_assert_eq(viv_node_client_ask(client, VIV_OP_EXISTS, "/", false), 0);
    cr_assert_eq(viv_node_client_close_session(client), 0);
    viv_node_net_run(ensemble.net, 100);
    cr_assert(viv_node_net_is_closed(ensemble.net, client->conn));
    ensemble_fini(&ensemble);
}

VIV_TEST(node_read_only, ends_with_every_connection_when_the_quorum_is_back)
{
    struct ensemble ensemble;
    ensemble_init(&ensemble, let_read_only);
    struct viv_node_client *client = &ensemble.client;
    lose_quorum(&ensemble);
    viv_node_net_run(ensemble.net, 2500);
    client->may_be_read_only = true;
    cr_assert(viv_node_client_open(client, ensemble.follower, TIMEOUT_MS));
    /* A session without a quorum expires like another. */
    viv_node_net_run(ensemble.net, TIMEOUT_MS + 2 * VIV_NODE_RECIPE_TICK_MS);
    cr_assert(viv_node_net_is_closed(ensemble.net, client->conn));
    client->session_id = 0;
    cr_assert(viv_node_client_open(client, ensemble.follower, TIMEOUT_MS));
    viv_node_net_start(ensemble.net, ensemble.leader);
    viv_node_net_start(ensemble.net, ensemble.other);
    settle(&ensemble);
    cr_assert(viv_node_net_is_closed(ensemble.net, client->conn));
    cr_assert_not(stats_of(&ensemble, ensemble.follower).read_only);
    cr_assert_not(viv_node_client_open(client, ensemble.follower, TIMEOUT_MS), "nobody knows its session now");
    cr_assert_eq(client->timeout_ms, 0);
    client->session_id = 0;
    cr_assert(viv_node_client_open(client, ensemble.follower, TIMEOUT_MS));
    cr_assert_not(client->is_read_only);
    cr_assert_eq(viv_node_client_create(client, "/a", "", 0), 0);
    ensemble_fini(&ensemble);
}

VIV_TEST(node_read_only, is_not_served_unless_it_is_enabled)
{
    struct ensemble ensemble;
    ensemble_init(&ensemble, NULL);
    lose_quorum(&ensemble);
    viv_node_net_run(ensemble.net, 5000);
    ensemble.client.may_be_read_only = true;
    cr_assert_not(viv_node_client_open(&ensemble.client, ensemble.follower, TIMEOUT_MS));
    cr_assert_not(stats_of(&ensemble, ensemble.follower).read_only);
    ensemble_fini(&ensemble);
}

/* The upgrade is committed while its server is cut off, and comes there with what it missed. */
VIV_TEST(node_read_only, a_session_that_became_global_meanwhile_is_sent_elsewhere)
{
    struct ensemble ensemble;
    ensemble_init(&ensemble, let_all);
    struct viv_node_client *client = &ensemble.client;
    client->may_be_read_only = true;
    cr_assert(viv_node_client_open(client, ensemble.follower, LONG_TIMEOUT_MS));
    viv_node_client_send(client, VIV_OP_CREATE, viv_node_client_create_record(client, "/e", "", EPHEMERAL));
    while (stats_of(&ensemble, ensemble.leader).zab.outstanding == 0) {
        viv_node_net_run(ensemble.net, 1);
    }
    viv_node_net_isolate(ensemble.net, ensemble.follower, true);
    viv_node_net_run(ensemble.net, 3000);
    viv_node_net_isolate(ensemble.net, ensemble.follower, false);
    settle(&ensemble);
    struct viv_node_stats stats = stats_of(&ensemble, ensemble.follower);
    cr_assert_eq(stats.tree.sessions, 1);
    cr_assert_eq(stats.sessions_local, 1, "nobody has told it yet");
    viv_node_net_isolate(ensemble.net, ensemble.follower, true);
    viv_node_net_run(ensemble.net, 5000);
    cr_assert(stats_of(&ensemble, ensemble.follower).read_only);
    cr_assert_not(viv_node_client_open(client, ensemble.follower, LONG_TIMEOUT_MS));
    cr_assert_eq(stats_of(&ensemble, ensemble.follower).sessions_local, 0);
    viv_node_net_isolate(ensemble.net, ensemble.follower, false);
    settle(&ensemble);
    cr_assert(viv_node_client_open(client, ensemble.follower, LONG_TIMEOUT_MS));
    cr_assert_not(client->is_read_only);
    ensemble_fini(&ensemble);
}
