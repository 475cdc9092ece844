#include <stdio.h>

#include "tests/support/node_client.h"
#include "tests/support/node_net_internal.h"
#include "tests/support/viv_test.h"

/* Snapshots that a server was not done with when it was killed, over a log that is slow to answer. */

enum { SERVERS = 3, AWAY = 0, ELECTION_MS = 10000 };

/* Two servers serve, and no log reaches back to where the third, which is down, would need it. */
static struct viv_node_net *net_beyond_logs(void)
{
    struct viv_node_net_config config = {.server_count = SERVERS, .snapshot_entries = 20};
    struct viv_node_net *net = viv_node_net_new(&config);
    struct viv_node_client client;
    viv_node_net_start_all(net);
    cr_assert(viv_node_net_settle(net, ELECTION_MS));
    viv_node_client_init(&client, net);
    cr_assert(viv_node_client_open(&client, viv_node_net_leader(net), 2000));
    for (int i = 0; i < 90; i++) {
        char path[32];
        snprintf(path, sizeof path, "/n-%d", i);
        cr_assert_eq(viv_node_client_create(&client, path, "some data", 0), 0);
    }
    viv_node_client_fini(&client);
    viv_node_net_run(net, 100);
    for (size_t i = 0; i < SERVERS; i++) {
        viv_node_net_kill(net, i);
    }
    for (size_t i = 0; i < SERVERS; i++) {
        if (i != AWAY) {
            viv_node_net_start(net, i);
        }
    }
    cr_assert(viv_node_net_settle(net, ELECTION_MS));
    return net;
}

static void expect_the_leaders_state(struct viv_node_net *net)
{
    struct viv_node_stats leader, other;
    cr_assert(viv_node_net_settle(net, ELECTION_MS), "the servers do not come together");
    viv_node_net_stats(net, viv_node_net_leader(net), &leader);
    viv_node_net_stats(net, AWAY, &other);
    cr_assert_eq(other.digest, leader.digest);
    cr_assert_geq(other.tree.nodes, 90);
}

/* Its promise stands, so it has nothing to store before the leader's next snapshot comes. */
VIV_TEST(node_install, a_snapshot_may_come_before_the_log_has_answered_what_the_last_one_left_behind)
{
    struct viv_node_net *net = net_beyond_logs();
    size_t left_behind = 0;
    for (uint64_t life_ms = 1; life_ms < 60; life_ms++) {
        viv_node_net_wipe(net, AWAY);
        viv_node_net_slow_log(net, AWAY, 0);
        viv_node_net_start(net, AWAY);
        viv_node_net_run(net, life_ms);
        viv_node_net_kill(net, AWAY);
        left_behind += net->servers[AWAY].disk.hard.install_zxid != 0;
        viv_node_net_slow_log(net, AWAY, life_ms % 2 == 0 ? 15 : 50);
        viv_node_net_start(net, AWAY);
        expect_the_leaders_state(net);
        viv_node_net_kill(net, AWAY);
    }
    cr_assert_gt(left_behind, 3);
    viv_node_net_free(net);
}
