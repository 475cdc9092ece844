#include <stdio.h>

#include "tests/support/node_client.h"
#include "tests/support/viv_test.h"

/* How long anything takes at the settings that a server is installed with, in virtual time. */

enum { SERVERS = 3, TICK_MS = 2000, SYNC_LIMIT = 5, SETTLE_MS = 30000, COMMIT_MS_MAX = 5000 };

static void as_installed(struct viv_node_config *config)
{
    config->tick_ms = config->zab.tick_ms = TICK_MS;
    config->session_timeout_min_ms = 2 * TICK_MS;
    config->session_timeout_max_ms = 20 * TICK_MS;
}

static void as_zookeeper(struct viv_node_config *config)
{
    as_installed(config);
    config->zab.adaptive = false;
}

static struct viv_node_net *ensemble(viv_node_recipe_adjust_fn *adjust)
{
    struct viv_node_net_config config = {.server_count = SERVERS, .adjust = adjust};
    struct viv_node_net *net = viv_node_net_new(&config);
    viv_node_net_start_all(net);
    cr_assert(viv_node_net_settle(net, SETTLE_MS));
    viv_node_net_run(net, 3000); /* they know one another's rhythm */
    return net;
}

static bool serves_not(struct viv_node_net *net, void *ctx)
{
    struct viv_node_stats stats;
    viv_node_net_stats(net, *(size_t *)ctx, &stats);
    return !stats.serving;
}

VIV_TEST(node_deadlines, a_leader_without_a_quorum_stops_serving_within_sync_limit)
{
    viv_node_recipe_adjust_fn *const detectors[] = {as_installed, as_zookeeper};
    for (size_t i = 0; i < 2; i++) {
        struct viv_node_net *net = ensemble(detectors[i]);
        struct viv_node_client client;
        viv_node_client_init(&client, net);
        size_t leader = viv_node_net_leader(net);
        cr_assert(viv_node_client_open(&client, leader, 40000));
        viv_node_net_isolate(net, leader, true);
        viv_node_client_send(&client, VIV_OP_CREATE, viv_node_client_create_record(&client, "/n", "", 0));
        cr_assert(viv_node_net_run_until(net, SYNC_LIMIT * TICK_MS + TICK_MS / 10, serves_not, &leader));
        cr_assert_not(viv_node_client_wait(&client, 0), "the write was answered");
        viv_node_client_fini(&client);
        viv_node_net_free(net);
    }
}

/* ---- when the faults end ---- */

static void isolate_leader(struct viv_node_net *net)
{
    viv_node_net_isolate(net, viv_node_net_leader(net), true);
}

static void isolate_followers(struct viv_node_net *net)
{
    size_t leader = viv_node_net_leader(net);
    for (size_t i = 0; i < SERVERS; i++) {
        viv_node_net_isolate(net, i, i != leader);
    }
}

static void isolate_everybody(struct viv_node_net *net)
{
    for (size_t i = 0; i < SERVERS; i++) {
        viv_node_net_isolate(net, i, true);
    }
}

static void kill_leader_and_another(struct viv_node_net *net)
{
    size_t leader = viv_node_net_leader(net);
    viv_node_net_kill(net, leader);
    viv_node_net_kill(net, (leader + 1) % SERVERS);
}

static void kill_everybody(struct viv_node_net *net)
{
    for (size_t i = 0; i < SERVERS; i++) {
        viv_node_net_kill(net, i);
    }
}

static const struct fault {
    const char *name;
    void (*begin)(struct viv_node_net *net);
} faults[] = {
    {"the leader is cut off", isolate_leader},   {"the followers are cut off", isolate_followers},
    {"everybody is cut off", isolate_everybody}, {"two are killed", kill_leader_and_another},
    {"all are killed", kill_everybody},
};

static void heal(struct viv_node_net *net)
{
    for (size_t i = 0; i < SERVERS; i++) {
        viv_node_net_isolate(net, i, false);
        if (viv_node_net_node(net, i) == NULL) {
            viv_node_net_start(net, i);
        }
    }
}

/* Somebody who asks one server for a session and then for a write, and again when he is closed. */
struct asker {
    viv_conn conn; /* 0: none */
    bool has_session, is_done;
};

static void send(struct viv_node_net *net, viv_conn conn, struct viv_bytes record)
{
    struct viv_buffer frame = {0};
    viv_jute_write_bytes(&frame, record);
    viv_node_net_send(net, conn, viv_buffer_bytes(&frame));
    viv_buffer_fini(&frame);
}

static void ask_for_session(struct viv_node_net *net, struct asker *asker, size_t server)
{
    struct viv_node_stats stats;
    viv_node_net_stats(net, server, &stats);
    if (stats.serving) {
        struct viv_buffer record = {0};
        *asker = (struct asker){.conn = viv_node_net_connect(net, server)};
        viv_connect_request_encode(&record, &(struct viv_connect_request){.timeout_ms = 40000});
        send(net, asker->conn, viv_buffer_bytes(&record));
        viv_buffer_fini(&record);
    }
}

static void ask_for_write(struct viv_node_net *net, struct asker *asker)
{
    struct viv_node_client maker;
    struct viv_buffer record = {0};
    viv_node_client_init(&maker, net);
    viv_request_header_encode(&record, &(struct viv_request_header){.xid = 1, .type = VIV_OP_CREATE});
    viv_buffer_append_bytes(&record, viv_node_client_create_record(&maker, "/n", "", 2));
    send(net, asker->conn, viv_buffer_bytes(&record));
    viv_buffer_fini(&record);
    viv_node_client_fini(&maker);
}

static void go_on(struct viv_node_net *net, struct asker *asker, size_t server)
{
    struct viv_buffer frame = {0};
    if (asker->conn == 0 || viv_node_net_is_closed(net, asker->conn)) {
        ask_for_session(net, asker, server);
    } else if (viv_node_net_receive(net, asker->conn, &frame)) {
        if (asker->has_session) {
            asker->is_done = true;
        } else {
            asker->has_session = true;
            ask_for_write(net, asker);
        }
    }
    viv_buffer_fini(&frame);
}

/* How long after the end of the fault somebody's write is acknowledged. */
static uint64_t commits_after_ms(struct viv_node_net *net)
{
    uint64_t begin_ms = viv_node_net_now_ms(net);
    struct asker askers[SERVERS] = {0};
    while (viv_node_net_now_ms(net) < begin_ms + SETTLE_MS) {
        viv_node_net_run(net, 5);
        for (size_t i = 0; i < SERVERS; i++) {
            go_on(net, &askers[i], i);
            if (askers[i].is_done) {
                return viv_node_net_now_ms(net) - begin_ms;
            }
        }
    }
    return SETTLE_MS;
}

VIV_TEST(node_deadlines, five_seconds_after_the_faults_ended_a_leader_commits, .timeout = 120)
{
    static const uint64_t lengths_ms[] = {200, 900, 3000, 9000, 11000, 35000, 120000};
    uint64_t longest_ms = 0;
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        for (size_t j = 0; j < sizeof lengths_ms / sizeof lengths_ms[0]; j++) {
            struct viv_node_net *net = ensemble(as_installed);
            faults[i].begin(net);
            viv_node_net_run(net, lengths_ms[j]);
            heal(net);
            uint64_t took_ms = commits_after_ms(net);
            longest_ms = took_ms > longest_ms ? took_ms : longest_ms;
            cr_assert_leq(took_ms, COMMIT_MS_MAX, "%s for %llu ms: %llu ms", faults[i].name,
                          (unsigned long long)lengths_ms[j], (unsigned long long)took_ms);
            viv_node_net_free(net);
        }
    }
    printf("# the longest took %llu ms\n", (unsigned long long)longest_ms);
}
