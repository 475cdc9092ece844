#include <stdio.h>

#include "node/reap.h"
#include "tests/support/node_client.h"
#include "tests/support/viv_test.h"
#include "tests/support/world.h"
#include "tree/reapable.h"
#include "wire/reply_code.h"

/* Containers and TTL nodes that nobody needs go by themselves. */

enum { TTL_MS = 500 };

static void reap_often(struct viv_node_config *config)
{
    config->rules.extended_types = true;
    config->reaping = (struct viv_reap_config){.check_ms = 200, .per_minute = 60000};
}

static struct viv_node_net *start(size_t server_count, struct viv_node_client *client)
{
    struct viv_node_net_config config = {.server_count = server_count, .adjust = reap_often};
    struct viv_node_net *net = viv_node_net_new(&config);
    viv_node_net_start_all(net);
    cr_assert(viv_node_net_settle(net, 5000));
    viv_node_client_init(client, net);
    cr_assert(viv_node_client_open_any(client, 2000));
    return net;
}

static int32_t create(struct viv_node_client *client, int32_t op, const char *path, int32_t flags, int64_t ttl_ms)
{
    struct viv_buffer record = {0};
    struct viv_create_request request = {
        .path = {.bytes = viv_bytes_text(path)}, .acl = viv_acl_open_unsafe(), .flags = flags, .ttl_ms = ttl_ms};
    viv_create_request_encode(&record, &request, (enum viv_op)op);
    int32_t err = viv_node_client_call(client, op, viv_buffer_bytes(&record));
    viv_buffer_fini(&record);
    return err;
}

/* Runs while the client says that it is there. */
static void pass(struct viv_node_client *client, int steps)
{
    for (int i = 0; i < steps; i++) {
        cr_assert_eq(viv_node_client_ask(client, VIV_OP_EXISTS, "/", false), 0);
        viv_node_net_run(client->net, 100);
    }
}

static bool exists(struct viv_node_client *client, const char *path)
{
    return viv_node_client_ask(client, VIV_OP_EXISTS, path, false) == 0;
}

static void useless_nodes_go(size_t server_count)
{
    struct viv_node_client client;
    struct viv_node_net *net = start(server_count, &client);
    cr_assert_eq(create(&client, VIV_OP_CREATE_CONTAINER, "/new", 4, -1), 0);
    cr_assert_eq(create(&client, VIV_OP_CREATE_CONTAINER, "/used", 4, -1), 0);
    cr_assert_eq(create(&client, VIV_OP_CREATE_CONTAINER, "/inhabited", 4, -1), 0);
    cr_assert_eq(create(&client, VIV_OP_CREATE_TTL, "/short", 5, TTL_MS), 0);
    cr_assert_eq(create(&client, VIV_OP_CREATE_TTL, "/full", 5, TTL_MS), 0);
    cr_assert_eq(create(&client, VIV_OP_CREATE_TTL, "/long-", 6, 3600000), 0);
    cr_assert_eq(viv_node_client_create(&client, "/used/x", NULL, 0), 0);
    cr_assert_eq(viv_node_client_create(&client, "/inhabited/x", NULL, 0), 0);
    cr_assert_eq(viv_node_client_create(&client, "/full/x", NULL, 0), 0);
    cr_assert_eq(viv_node_client_ask(&client, VIV_OP_EXISTS, "/used", true), 0);
    pass(&client, 3);
    cr_assert(exists(&client, "/used") && exists(&client, "/short"));
    cr_assert_eq(viv_node_client_delete(&client, "/used/x", -1), 0);
    pass(&client, 12);
    cr_assert_not(exists(&client, "/used"));
    cr_assert_not(exists(&client, "/short"));
    cr_assert(exists(&client, "/new") && exists(&client, "/inhabited") && exists(&client, "/full"));
    cr_assert(exists(&client, "/long-0000000005"));
    cr_assert(viv_node_client_events_are(&client, "2 /used\n"), "they go as if somebody had deleted them");
    cr_assert(viv_node_net_settle(net, 1000));
    viv_node_client_fini(&client);
    viv_node_net_free(net);
}

VIV_TEST(node_reap, useless_nodes_go_and_others_stay)
{
    useless_nodes_go(1);
}

VIV_TEST(node_reap, an_ensembles_leader_reaps_for_all)
{
    useless_nodes_go(3);
}

VIV_TEST(node_reap, what_the_image_brings_is_reaped_by_the_next_leader)
{
    struct viv_node_client client;
    struct viv_node_net_config config = {.server_count = 1, .snapshot_entries = 4, .adjust = reap_often};
    struct viv_node_net *net = viv_node_net_new(&config);
    viv_node_net_start(net, 0);
    cr_assert(viv_node_net_settle(net, 1000));
    viv_node_client_init(&client, net);
    cr_assert(viv_node_client_open(&client, 0, 2000));
    cr_assert_eq(create(&client, VIV_OP_CREATE_TTL, "/ttl", 5, TTL_MS), 0);
    for (int i = 0; i < 8; i++) {
        cr_assert_eq(viv_node_client_create(&client, "/n-", NULL, 2), 0);
    }
    viv_node_net_run(net, 50);
    viv_node_net_kill(net, 0);
    viv_node_net_start(net, 0);
    cr_assert(viv_node_net_settle(net, 1000));
    cr_assert(viv_node_client_open(&client, 0, 2000));
    cr_assert(exists(&client, "/ttl"));
    pass(&client, 12);
    cr_assert_not(exists(&client, "/ttl"));
    viv_node_client_fini(&client);
    viv_node_net_free(net);
}

VIV_TEST(node_reap, a_client_may_not_ask_for_it)
{
    struct viv_node_client client;
    struct viv_node_net *net = start(1, &client);
    cr_assert_eq(create(&client, VIV_OP_CREATE_CONTAINER, "/c", 4, -1), 0);
    struct viv_buffer record = {0};
    viv_jute_write_text(&record, "/c");
    cr_assert_eq(viv_node_client_call(&client, VIV_OP_DELETE_CONTAINER, viv_buffer_bytes(&record)),
                 VIV_REPLY_UNIMPLEMENTED);
    viv_node_net_run(net, 50);
    cr_assert(viv_node_net_is_closed(net, client.conn));
    viv_buffer_fini(&record);
    viv_node_client_fini(&client);
    viv_node_net_free(net);
}

/* ---- the rate, without a server ---- */

static void make_containers(struct viv_world *world, int count)
{
    for (int i = 0; i < count; i++) {
        char path[32], child[40];
        snprintf(path, sizeof path, "/c%d", i);
        snprintf(child, sizeof child, "%s/x", path);
        cr_assert_eq(viv_world_create_as(world, VIV_OP_CREATE_CONTAINER, path, NULL, NULL, 4), 0);
        cr_assert_eq(viv_world_create(world, child, 0), 0);
        cr_assert_eq(viv_world_delete(world, child, -1), 0);
        viv_world_settle(world);
    }
}

static int count_due(struct viv_reap *reap, const struct viv_tree *tree, uint64_t now_ms)
{
    int count = 0;
    viv_reap_allow(reap, now_ms);
    while (viv_reap_next(reap, tree, 1800000000000) != VIV_NODE_NONE) {
        count++;
    }
    return count;
}

VIV_TEST(node_reap, a_pass_is_spread_at_the_rate_that_was_set)
{
    enum { NODES = 100, TICK_MS = 20 };
    struct viv_world world;
    viv_world_init(&world);
    make_containers(&world, NODES);
    struct viv_reap reap = {.config = {.check_ms = 1000, .per_minute = 3000}};
    viv_reap_begin(&reap, 0);
    int total = 0, ticks = 0;
    for (uint64_t now_ms = TICK_MS; now_ms < 1000; now_ms += TICK_MS) {
        cr_assert_eq(count_due(&reap, world.tree, now_ms), 0, "not before the first interval has passed");
    }
    cr_assert_leq(total = count_due(&reap, world.tree, 1000), 50, "credit of a second at most");
    for (uint64_t now_ms = 1000 + TICK_MS; total < NODES; now_ms += TICK_MS, ticks++) {
        int count = count_due(&reap, world.tree, now_ms);
        cr_assert_leq(count, 1, "3000 a minute are one in 20 ms");
        total += count;
        cr_assert_lt(ticks, 60);
    }
    cr_assert_geq(ticks, 49);
    viv_world_fini(&world);
}

VIV_TEST(node_reap, a_container_that_never_had_a_child_goes_only_when_that_is_asked_for)
{
    struct viv_znode node = {.owner = VIV_OWNER_CONTAINER, .mtime_ms = 1000};
    cr_assert_not(viv_znode_is_reapable(&node, 1000000, 0));
    cr_assert_not(viv_znode_is_reapable(&node, 1500, 500));
    cr_assert(viv_znode_is_reapable(&node, 1501, 500));
    node.child_counter = 1;
    cr_assert(viv_znode_is_reapable(&node, 1000, 0));
    node.child_count = 1;
    cr_assert_not(viv_znode_is_reapable(&node, 1000, 0));
    node = (struct viv_znode){.owner = (int64_t)(VIV_OWNER_TTL_MARK | 500), .mtime_ms = 1000};
    cr_assert_not(viv_znode_is_reapable(&node, 1500, 0));
    cr_assert(viv_znode_is_reapable(&node, 1501, 0));
}

/* ---- a session's end ---- */

static void have_short_entries(struct viv_node_config *config)
{
    config->frame_bytes_max = 1200;
}

VIV_TEST(node_reap, a_session_with_more_ephemerals_than_an_entry_can_name_takes_all_of_them_along)
{
    enum { NODES = 400 };
    struct viv_node_client client;
    struct viv_node_net_config config = {.server_count = 3, .snapshot_entries = 90, .adjust = have_short_entries};
    struct viv_node_net *net = viv_node_net_new(&config);
    viv_node_net_start_all(net);
    cr_assert(viv_node_net_settle(net, 5000));
    viv_node_client_init(&client, net);
    cr_assert(viv_node_client_open_any(&client, 2000));
    for (int i = 0; i < NODES; i++) {
        cr_assert_eq(viv_node_client_create(&client, "/e-", NULL, 3), 0);
    }
    cr_assert_eq(viv_node_client_close_session(&client), 0);
    cr_assert(viv_node_net_settle(net, 1000));
    for (size_t i = 0; i < 3; i++) {
        viv_node_net_kill(net, i);
        viv_node_net_start(net, i);
    }
    cr_assert(viv_node_net_settle(net, 5000));
    struct viv_node_stats first, stats;
    viv_node_net_stats(net, 0, &first);
    cr_assert_eq(first.tree.ephemerals, 0);
    for (size_t i = 1; i < 3; i++) {
        viv_node_net_stats(net, i, &stats);
        cr_assert_eq(stats.digest, first.digest);
        cr_assert_eq(stats.tree.nodes, first.tree.nodes);
    }
    viv_node_client_fini(&client);
    viv_node_net_free(net);
}
