#include <stdio.h>
#include <string.h>

#include "metrics/metrics.h"
#include "node/inspect.h"
#include "tests/support/node_client.h"
#include "tests/support/viv_test.h"

enum { MS = 1000000, DISK_MS = 2, NETWORK_MS = 1 };

struct wanted {
    enum viv_stage_view view;
    const char *op, *stage;
    struct viv_tally tally;
};

static void look(void *ctx, const struct viv_stage_sample *sample)
{
    struct wanted *wanted = ctx;
    if (sample->view == wanted->view && strcmp(sample->op, wanted->op) == 0 &&
        strcmp(sample->stage, wanted->stage) == 0) {
        wanted->tally = *sample->tally;
    }
}

static struct viv_tally stage(const struct viv_node_net *net, size_t server, enum viv_stage_view view, const char *op,
                              const char *name)
{
    struct wanted wanted = {.view = view, .op = op, .stage = name};
    viv_stages_visit(viv_metrics_stages(viv_node_metrics(viv_node_net_node(net, server))), look, &wanted);
    return wanted.tally;
}

static struct viv_node_net *serving(size_t server_count)
{
    struct viv_node_net *net = viv_node_net_new(&(struct viv_node_net_config){.server_count = server_count});
    viv_node_net_start_all(net);
    cr_assert(viv_node_net_settle(net, 60000));
    return net;
}

static void work(struct viv_node_client *client, size_t writes, size_t reads)
{
    cr_assert_eq(viv_node_client_create(client, "/app", "", 0), 0);
    for (size_t i = 0; i < writes; i++) {
        cr_assert_eq(viv_node_client_set(client, "/app", "0123456789", -1), 0);
    }
    for (size_t i = 0; i < reads; i++) {
        cr_assert_eq(viv_node_client_ask(client, VIV_OP_GET_DATA, "/app", false), 0);
    }
}

/* The value of "name TAB value", or -1. */
static long value_of(const struct viv_node_net *net, size_t server, const char *name)
{
    const struct viv_node *node = viv_node_net_node(net, server);
    struct viv_buffer text = {0};
    char wanted[96];
    viv_node_sample(node);
    viv_buffer_printf(&text, "\n");
    viv_metrics_mntr(viv_node_metrics(node), &(struct viv_metrics_view){true, true}, &text);
    viv_buffer_append(&text, "", 1);
    snprintf(wanted, sizeof wanted, "\n%s\t", name);
    const char *at = strstr((char *)text.data, wanted);
    long value = -1;
    if (at != NULL) {
        cr_assert_eq(sscanf(at + strlen(wanted), "%ld", &value), 1);
    }
    viv_buffer_fini(&text);
    return value;
}

VIV_TEST(node_measure, alone_a_write_waits_for_the_disk_and_for_nothing_else)
{
    struct viv_node_net *net = serving(1);
    struct viv_node_client client;
    viv_node_client_init(&client, net);
    cr_assert(viv_node_client_open(&client, 0, 10000));
    work(&client, 20, 30);
    static const struct {
        const char *stage;
        uint64_t took_ms;
    } expected[] = {{"routed", 0},    {"prepared", 0}, {"proposed", 0}, {"stored", DISK_MS},
                    {"committed", 0}, {"applied", 0},  {"replied", 0},  {"whole", DISK_MS}};
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        struct viv_tally tally = stage(net, 0, VIV_STAGE_VIEW_CLIENT, "setData", expected[i].stage);
        cr_expect_eq(tally.count, 20, "%s", expected[i].stage);
        cr_expect_eq(tally.min, expected[i].took_ms * MS, "%s", expected[i].stage);
        cr_expect_eq(tally.max, expected[i].took_ms * MS, "%s", expected[i].stage);
    }
    cr_expect_eq(stage(net, 0, VIV_STAGE_VIEW_LEADER, "setData", "stored").count, 20);
    cr_expect_eq(stage(net, 0, VIV_STAGE_VIEW_CLIENT, "getData", "whole").count, 30);
    cr_expect_eq(stage(net, 0, VIV_STAGE_VIEW_CLIENT, "getData", "stored").count, 0);
    cr_expect_eq(value_of(net, 0, "zk_cnt_updatelatency"), 22); /* with the session and the create */
    cr_expect_eq(value_of(net, 0, "zk_max_updatelatency"), DISK_MS);
    cr_expect_eq(value_of(net, 0, "zk_cnt_readlatency"), 30);
    cr_expect_eq(value_of(net, 0, "zk_sum_app_write_per_namespace"), 4 + 20 * (4 + 10));
    cr_expect_eq(value_of(net, 0, "zk_sum_app_read_per_namespace"), 30 * (4 + 10 + 68));
    cr_expect_eq(value_of(net, 0, "zk_proposal_count"), 22);
    viv_node_client_fini(&client);
    viv_node_net_free(net);
}

VIV_TEST(node_measure, a_forwarded_write_is_seen_by_both_servers)
{
    struct viv_node_net *net = serving(3);
    size_t leader = viv_node_net_leader(net), follower = (leader + 1) % 3;
    struct viv_node_client client;
    viv_node_client_init(&client, net);
    cr_assert(viv_node_client_open(&client, follower, 10000));
    work(&client, 10, 0);
    struct viv_tally proposed = stage(net, follower, VIV_STAGE_VIEW_CLIENT, "setData", "proposed");
    cr_expect_eq(proposed.count, 10);
    cr_expect_eq(proposed.min, 2 * NETWORK_MS * MS, "there and back: %lu ns", (unsigned long)proposed.min);
    cr_expect_eq(stage(net, follower, VIV_STAGE_VIEW_CLIENT, "setData", "stored").min, DISK_MS * MS);
    cr_expect_eq(stage(net, follower, VIV_STAGE_VIEW_CLIENT, "setData", "prepared").count, 0);
    cr_expect_eq(stage(net, follower, VIV_STAGE_VIEW_LEADER, "setData", "stored").count, 0);
    struct viv_tally stored = stage(net, leader, VIV_STAGE_VIEW_LEADER, "setData", "stored");
    cr_expect_eq(stored.count, 10);
    cr_expect_eq(stored.min, DISK_MS * MS);
    /* The followers' disks work beside the leader's; their word comes two ways of the network later. */
    cr_expect_eq(stage(net, leader, VIV_STAGE_VIEW_LEADER, "setData", "committed").min, 2 * NETWORK_MS * MS);
    cr_expect_eq(stage(net, leader, VIV_STAGE_VIEW_CLIENT, "setData", "whole").count, 0);
    cr_expect_geq(value_of(net, leader, "zk_cnt_quorum_ack_latency"), 11);
    cr_expect_eq(value_of(net, leader, "zk_min_quorum_ack_latency"), DISK_MS + 2 * NETWORK_MS);
    cr_expect_geq(value_of(net, follower, "zk_learner_proposal_received_count"), 11);
    cr_expect_eq(value_of(net, follower, "zk_cnt_follower_sync_time"), 1);
    cr_expect_eq(value_of(net, leader, "zk_cnt_follower_sync_time"), 0);
    cr_expect_eq(value_of(net, leader, "zk_learners"), 2);
    char name[64];
    snprintf(name, sizeof name, "zk_max_%zu_ack_latency", follower + 1);
    cr_expect_eq(value_of(net, leader, name), DISK_MS + 2 * NETWORK_MS);
    viv_node_client_fini(&client);
    viv_node_net_free(net);
}

static void first_slow(void *ctx, const struct viv_slow_request *request)
{
    struct viv_slow_request *first = ctx;
    if (first->whole_ns == 0) {
        cr_expect_eq(request->path.size, 4);
        cr_expect_eq(memcmp(request->path.data, "/app", 4), 0);
        *first = *request;
    }
}

static void only_item(void *ctx, const struct viv_top_item *item)
{
    *(struct viv_top_item *)ctx = *item;
}

VIV_TEST(node_measure, the_busiest_and_the_slowest_have_names)
{
    struct viv_node_net *net = serving(1);
    struct viv_node_client client;
    viv_node_client_init(&client, net);
    cr_assert(viv_node_client_open(&client, 0, 10000));
    work(&client, 20, 5);
    struct viv_metrics *metrics = viv_node_metrics(viv_node_net_node(net, 0));
    struct viv_slow_request slowest = {0};
    viv_slow_visit(viv_metrics_slow(metrics), first_slow, &slowest);
    cr_expect_eq(slowest.whole_ns, DISK_MS * MS);
    cr_expect_eq(slowest.session_id, client.session_id);
    cr_expect_eq(slowest.op, VIV_OP_SET_DATA);
    cr_expect_eq(slowest.times.at_ns[VIV_STAGE_STORED] - slowest.times.at_ns[VIV_STAGE_RECEIVED], DISK_MS * MS);
    struct viv_top_item item = {0};
    viv_top_visit_paths(viv_metrics_top(metrics), only_item, &item);
    cr_expect_eq(item.count, 21);
    viv_top_visit_sessions(viv_metrics_top(metrics), only_item, &item);
    cr_expect_eq(item.session_id, client.session_id);
    cr_expect_eq(item.count, 27);
    viv_node_client_fini(&client);
    viv_node_net_free(net);
}

VIV_TEST(node_measure, after_a_reset_extremes_are_those_of_what_came_since)
{
    struct viv_node_net *net = serving(1);
    struct viv_node_client client;
    viv_node_client_init(&client, net);
    cr_assert(viv_node_client_open(&client, 0, 10000));
    work(&client, 200, 0);
    viv_node_reset_stats((struct viv_node *)viv_node_net_node(net, 0));
    cr_expect_eq(value_of(net, 0, "zk_max_updatelatency"), 0);
    cr_expect_eq(value_of(net, 0, "zk_max_client_response_size"), -1);
    cr_assert_eq(viv_node_client_set(&client, "/app", "", -1), 0);
    cr_expect_eq(value_of(net, 0, "zk_cnt_updatelatency"), 1);
    cr_expect_eq(value_of(net, 0, "zk_min_updatelatency"), DISK_MS);
    cr_expect_eq(value_of(net, 0, "zk_max_updatelatency"), DISK_MS);
    cr_expect_eq(value_of(net, 0, "zk_max_latency"), DISK_MS);
    cr_expect_eq(value_of(net, 0, "zk_max_client_response_size"), 16 + 68);
    viv_node_client_fini(&client);
    viv_node_net_free(net);
}

VIV_TEST(node_measure, who_is_told_of_a_change_is_counted_by_kind)
{
    struct viv_node_net *net = serving(1);
    struct viv_node_client clients[3];
    for (size_t i = 0; i < 3; i++) {
        viv_node_client_init(&clients[i], net);
        cr_assert(viv_node_client_open(&clients[i], 0, 10000));
    }
    cr_assert_eq(viv_node_client_create(&clients[0], "/app", "", 0), 0);
    cr_assert_eq(viv_node_client_ask(&clients[1], VIV_OP_GET_DATA, "/app", true), 0);
    cr_assert_eq(viv_node_client_ask(&clients[2], VIV_OP_GET_DATA, "/app", true), 0);
    cr_assert_eq(viv_node_client_set(&clients[0], "/app", "x", -1), 0);
    cr_expect_eq(value_of(net, 0, "zk_cnt_node_changed_watch_count"), 1);
    cr_expect_eq(value_of(net, 0, "zk_max_node_changed_watch_count"), 2);
    cr_expect_eq(value_of(net, 0, "zk_cnt_node_created_watch_count"), 0);
    cr_expect_gt(value_of(net, 0, "zk_watch_bytes"), 0);
    for (size_t i = 0; i < 3; i++) {
        viv_node_client_fini(&clients[i]);
    }
    viv_node_net_free(net);
}
