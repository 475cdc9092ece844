#include <stdio.h>

#include "tests/support/node_client.h"
#include "tests/support/viv_test.h"
#include "wire/reply_code.h"

/* Usage under a quota is the same on every server, whatever way its tree came: by commits, by a restart over image and
 * log, or by the leader's snapshot. */

enum { SERVERS = 3, NODES = 60 };
#define STATS "/zookeeper/quota/q/zookeeper_stats"

static void expect_stats(const struct viv_node_net *net, const char *text)
{
    for (size_t server = 0; server < SERVERS; server++) {
        struct viv_znode node;
        cr_assert(viv_tree_find(viv_node_tree(viv_node_net_node(net, server)), VIV_BYTES_LITERAL(STATS), &node));
        cr_assert(viv_bytes_equal(node.data.bytes, viv_bytes_text(text)), "server %zu says '%.*s', expected '%s'",
                  server, (int)node.data.bytes.size, (const char *)node.data.bytes.data, text);
        cr_assert_eq(node.version, 0);
    }
}

static void write_some(struct viv_node_client *client, int from)
{
    char path[32];
    for (int i = from; i < from + NODES; i++) {
        snprintf(path, sizeof path, "/q/%d", i);
        cr_assert_eq(viv_node_client_create(client, path, "12345", i % 2), 0);
    }
    for (int i = from; i < from + NODES; i += 3) {
        snprintf(path, sizeof path, "/q/%d", i);
        cr_assert_eq(viv_node_client_set(client, path, "1", -1), 0);
        cr_assert_eq(i % 2 == 1 || viv_node_client_delete(client, path, -1) == 0, true);
    }
}

VIV_TEST(node_quota, usage_is_the_same_on_every_server_and_after_every_way_back)
{
    struct viv_node_net_config config = {.server_count = SERVERS, .snapshot_entries = 25};
    struct viv_node_net *net = viv_node_net_new(&config);
    struct viv_node_client client;
    viv_node_net_start_all(net);
    cr_assert(viv_node_net_settle(net, 5000));
    viv_node_client_init(&client, net);
    cr_assert(viv_node_client_open_any(&client, 2000));
    cr_assert_eq(viv_node_client_create(&client, "/q", "abc", 0), 0);
    cr_assert_eq(viv_node_client_create(&client, "/zookeeper/quota/q", NULL, 0), 0);
    cr_assert_eq(viv_node_client_create(&client, "/zookeeper/quota/q/zookeeper_limits", "countHardLimit=91", 0), 0);
    cr_assert_eq(viv_node_client_create(&client, STATS, NULL, 0), 0);
    write_some(&client, 0);
    cr_assert(viv_node_net_settle(net, 1000));
    /* 60 nodes of 5 bytes; of 20 that were set to 1 byte, 10 were deleted. */
    expect_stats(net, "count=51,bytes=213");
    for (size_t server = 0; server < SERVERS; server++) {
        viv_node_net_kill(net, server);
        if (server == 1) {
            viv_node_net_wipe(net, server);
        }
        viv_node_net_start(net, server);
        cr_assert(viv_node_net_settle(net, 5000));
        expect_stats(net, "count=51,bytes=213");
    }
    cr_assert(viv_node_client_open_any(&client, 2000));
    for (int i = 1000; i < 1040; i++) {
        char path[32];
        snprintf(path, sizeof path, "/q/%d", i);
        cr_assert_eq(viv_node_client_create(&client, path, NULL, 0), 0);
    }
    cr_assert_eq(viv_node_client_create(&client, "/q/over", NULL, 0), VIV_REPLY_QUOTA_EXCEEDED);
    cr_assert(viv_node_net_settle(net, 1000));
    expect_stats(net, "count=91,bytes=213");
    cr_assert_eq(viv_node_client_close_session(&client), 0);
    cr_assert(viv_node_net_settle(net, 1000));
    expect_stats(net, "count=61,bytes=103");
    viv_node_client_fini(&client);
    viv_node_net_free(net);
}
