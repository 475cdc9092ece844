#include <stdio.h>

#include "base/assert.h"
#include "tests/support/node_client.h"
#include "tests/support/viv_test.h"
#include "wire/members.h"
#include "wire/path.h"
#include "wire/reply_code.h"

/* A client changes the ensemble: who may, what is refused and in which order, what is answered, and what a restart or a
 * snapshot brings back. Four servers; the voters' lines are those of the recipe, with ports for clients here. */

enum { SERVERS = 4, ELECTION_MS = 10000 };

struct stand {
    struct viv_node_net *net;
    struct viv_node_client client;
};

static void skip_acl(struct viv_node_config *config)
{
    config->zab.reconfigurable = true;
    config->rules.skips_acl = true;
}

static void nobody_is(struct viv_node_config *config)
{
    config->zab.reconfigurable = true;
}

static void stand_init(struct stand *stand, viv_node_recipe_adjust_fn *adjust, size_t servers)
{
    struct viv_node_net_config config = {.server_count = servers, .adjust = adjust, .snapshot_entries = 16};
    stand->net = viv_node_net_new(&config);
    viv_node_net_start_all(stand->net);
    cr_assert(viv_node_net_settle(stand->net, ELECTION_MS));
    viv_node_client_init(&stand->client, stand->net);
    cr_assert(viv_node_client_open(&stand->client, 0, 2000));
}

static void stand_fini(struct stand *stand)
{
    viv_node_client_fini(&stand->client);
    viv_node_net_free(stand->net);
}

static struct viv_jute_slice slice_of(const char *text)
{
    return (struct viv_jute_slice){.bytes = viv_bytes_text(text != NULL ? text : ""), .null = text == NULL};
}

static int32_t reconfigure(struct stand *stand, const char *joining, const char *leaving, const char *members,
                           int64_t version)
{
    struct viv_buffer record = {0};
    struct viv_reconfig_request request = {slice_of(joining), slice_of(leaving), slice_of(members), version};
    viv_reconfig_request_encode(&record, &request);
    int32_t err = viv_node_client_call(&stand->client, VIV_OP_RECONFIG, viv_buffer_bytes(&record));
    viv_buffer_fini(&record);
    return err;
}

/* What the server shows at /zookeeper/config. */
static struct viv_members shown(const struct stand *stand, size_t server)
{
    struct viv_znode node;
    struct viv_members members;
    const struct viv_tree *tree = viv_node_tree(viv_node_net_node(stand->net, server));
    cr_assert(viv_tree_find(tree, viv_bytes_text(VIV_PATH_CONFIG), &node));
    cr_assert_eq(viv_members_parse(node.data.bytes, &members), VIV_OK);
    return members;
}

VIV_TEST(node_reconfigure, the_answer_is_the_new_configuration_and_all_show_it)
{
    struct stand stand;
    stand_init(&stand, skip_acl, SERVERS);
    cr_assert_eq(shown(&stand, 0).version, UINT64_C(1) << 32, "the first epoch gives the first version");
    cr_assert_eq(reconfigure(&stand, "server.4=127.0.0.1:2003:3003:observer;4003", NULL, NULL, -1), 0);
    struct viv_jute_reader reader = viv_jute_reader_of(viv_buffer_bytes(&stand.client.record));
    struct viv_bytes text = viv_jute_read_buffer(&reader).bytes;
    struct viv_stat stat;
    struct viv_members members;
    viv_stat_decode(&reader, &stat);
    cr_assert_not(reader.bad);
    cr_assert_eq(viv_members_parse(text, &members), VIV_OK);
    cr_assert_eq(members.version, (uint64_t)stat.mzxid, "its version is its transaction");
    cr_assert_eq(stat.version, -1);
    cr_assert_not(viv_members_find(&members, 4)->voter);
    cr_assert(viv_node_net_settle(stand.net, ELECTION_MS));
    for (size_t i = 0; i < SERVERS; i++) {
        cr_assert_eq(shown(&stand, i).version, members.version);
    }
    struct viv_node_stats stats;
    viv_node_net_stats(stand.net, 3, &stats);
    cr_assert_eq(stats.zab.state, VIV_OBSERVING);
    stand_fini(&stand);
}

VIV_TEST(node_reconfigure, refusals_come_in_zookeepers_order)
{
    static const char *const fifth = "server.5=127.0.0.1:2004:3004:participant;4004";
    struct stand stand;
    stand_init(&stand, skip_acl, SERVERS);
    cr_assert_eq(reconfigure(&stand, "nonsense", NULL, NULL, 5), VIV_REPLY_BAD_VERSION);
    cr_assert_eq(reconfigure(&stand, "nonsense", NULL, NULL, INT64_C(1) << 32), VIV_REPLY_BAD_ARGUMENTS);
    cr_assert_eq(reconfigure(&stand, "server.5=127.0.0.1:2004:3004", NULL, NULL, -1), VIV_REPLY_BAD_ARGUMENTS);
    cr_assert_eq(reconfigure(&stand, "server.5=127.0.0.1:2000:3004;4004", NULL, NULL, -1), VIV_REPLY_BAD_ARGUMENTS);
    cr_assert_eq(reconfigure(&stand, NULL, "two", NULL, -1), VIV_REPLY_MARSHALLING_ERROR);
    cr_assert_eq(reconfigure(&stand, NULL, "1,2,3", NULL, -1), VIV_REPLY_BAD_ARGUMENTS);
    cr_assert_eq(reconfigure(&stand, NULL, NULL, "server.1=127.0.0.1:2000:3000", -1), VIV_REPLY_BAD_ARGUMENTS);
    cr_assert_eq(reconfigure(&stand, fifth, "1,2,3", NULL, -1), VIV_REPLY_NEW_CONFIG_NO_QUORUM);
    cr_assert_eq(reconfigure(&stand, "leader=9", NULL, NULL, -1), VIV_REPLY_NEW_CONFIG_NO_QUORUM);
    cr_assert_eq(reconfigure(&stand, "leader=0", NULL, NULL, -1), VIV_REPLY_NEW_CONFIG_NO_QUORUM);
    cr_assert_eq(reconfigure(&stand, "leader=x", NULL, NULL, -1), VIV_REPLY_BAD_ARGUMENTS);
    cr_assert_eq(shown(&stand, 0).version, UINT64_C(1) << 32);
    stand_fini(&stand);
    stand_init(&stand, nobody_is, SERVERS);
    cr_assert_eq(reconfigure(&stand, NULL, "x", NULL, -1), VIV_REPLY_MARSHALLING_ERROR, "before who may");
    cr_assert_eq(reconfigure(&stand, NULL, "4", NULL, -1), VIV_REPLY_NO_AUTH);
    stand_fini(&stand);
    stand_init(&stand, NULL, SERVERS);
    cr_assert_eq(reconfigure(&stand, "nonsense", NULL, NULL, 5), VIV_REPLY_RECONFIG_DISABLED);
    stand_fini(&stand);
    stand_init(&stand, skip_acl, 1);
    cr_assert_eq(reconfigure(&stand, "nonsense", NULL, NULL, 5), VIV_REPLY_UNIMPLEMENTED, "alone");
    stand_fini(&stand);
}

/* Appends so many observers, the first of them with this number. */
static void print_observers(struct viv_buffer *text, int first, int count)
{
    for (int i = first; i < first + count; i++) {
        viv_buffer_printf(text, ",server.%d=127.0.0.2:%d:%d:observer;%d", i, 10000 + i, 20000 + i, 30000 + i);
    }
    viv_buffer_append(text, "", 1);
}

/* Nobody could hold the old and the new configuration beside each other: it would be in the log of every server. */
VIV_TEST(node_reconfigure, servers_that_are_too_many_together_are_refused_and_come_in_two_steps)
{
    static const char voters[] = "server.1=127.0.0.1:2000:3000:participant;4000,"
                                 "server.2=127.0.0.1:2001:3001:participant;4001,"
                                 "server.3=127.0.0.1:2002:3002:participant;4002,"
                                 "server.4=127.0.0.1:2003:3003:participant;4003";
    struct stand stand;
    struct viv_buffer many = {0}, others = {0};
    viv_buffer_append(&many, voters, sizeof voters - 1);
    viv_buffer_append(&others, voters, sizeof voters - 1);
    print_observers(&many, 10, VIV_MEMBERS_MAX - 4);
    print_observers(&others, 110, VIV_MEMBERS_MAX - 4);
    stand_init(&stand, skip_acl, SERVERS);
    cr_assert_eq(reconfigure(&stand, NULL, NULL, (const char *)many.data, -1), 0);
    cr_assert_eq(reconfigure(&stand, NULL, NULL, (const char *)others.data, -1), VIV_REPLY_BAD_ARGUMENTS);
    cr_assert_eq(reconfigure(&stand, NULL, NULL, voters, -1), 0);
    cr_assert_eq(reconfigure(&stand, NULL, NULL, (const char *)others.data, -1), 0);
    cr_assert(viv_node_net_settle(stand.net, ELECTION_MS));
    stand_fini(&stand);
    viv_buffer_fini(&many);
    viv_buffer_fini(&others);
}

VIV_TEST(node_reconfigure, log_image_and_snapshot_bring_the_members_back)
{
    struct stand stand;
    stand_init(&stand, skip_acl, SERVERS);
    viv_node_net_kill(stand.net, 3); /* it led, and will take a snapshot */
    cr_assert(viv_node_net_settle(stand.net, ELECTION_MS));
    cr_assert(viv_node_client_open(&stand.client, 0, 2000));
    cr_assert_eq(reconfigure(&stand, NULL, "4", NULL, -1), 0);
    uint64_t version = shown(&stand, 0).version;
    for (int i = 0; i < 40; i++) { /* images; the log behind them goes */
        char path[16];
        snprintf(path, sizeof path, "/n%d", i);
        cr_assert_eq(viv_node_client_create(&stand.client, path, "x", 0), 0);
    }
    viv_node_net_run(stand.net, 500);
    for (size_t i = 0; i < 3; i++) {
        viv_node_net_kill(stand.net, i);
    }
    viv_node_net_wipe(stand.net, 3);
    viv_node_net_start_all(stand.net);
    cr_assert(viv_node_net_settle(stand.net, ELECTION_MS));
    for (size_t i = 0; i < SERVERS; i++) {
        cr_assert_eq(shown(&stand, i).version, version, "server %zu", i);
        cr_assert_eq(shown(&stand, i).count, 3);
    }
    stand_fini(&stand);
}

VIV_TEST(node_reconfigure, clients_of_servers_that_keep_their_part_notice_nothing)
{
    struct stand stand;
    stand_init(&stand, skip_acl, SERVERS);
    viv_conn conn = stand.client.conn;
    cr_assert_eq(viv_node_client_ask(&stand.client, VIV_OP_GET_DATA, VIV_PATH_CONFIG, true), 0);
    cr_assert_eq(reconfigure(&stand, NULL, "2", NULL, -1), 0);
    cr_assert(viv_node_client_events_are(&stand.client, "3 " VIV_PATH_CONFIG "\n"), "a watch tells of it");
    cr_assert_eq(viv_node_client_create(&stand.client, "/a", "x", 0), 0);
    cr_assert_eq(stand.client.conn, conn);
    cr_assert_not(viv_node_net_is_closed(stand.net, conn));
    stand_fini(&stand);
}

VIV_TEST(node_reconfigure, another_leads_when_it_is_asked_for)
{
    struct stand stand;
    stand_init(&stand, skip_acl, SERVERS);
    size_t leader = viv_node_net_leader(stand.net);
    char wish[16];
    snprintf(wish, sizeof wish, "leader=%zu", (leader + 1) % SERVERS + 1);
    struct viv_buffer record = {0};
    struct viv_reconfig_request request = {slice_of(wish), slice_of(NULL), slice_of(NULL), -1};
    viv_reconfig_request_encode(&record, &request);
    viv_node_client_send(&stand.client, VIV_OP_RECONFIG, viv_buffer_bytes(&record));
    viv_buffer_fini(&record);
    viv_node_net_run(stand.net, 100); /* the connection may go with its server's leader */
    cr_assert(viv_node_net_settle(stand.net, 300));
    cr_assert_eq(viv_node_net_leader(stand.net), (leader + 1) % SERVERS);
    stand_fini(&stand);
}
