#include <stdio.h>
#include <string.h>

#include "tests/support/node_client.h"
#include "tests/support/viv_test.h"
#include "wire/reply_code.h"

/* How three crashes make Apache ZooKeeper 3.8.0 diverge for good: a server that is elected with entries nobody else has
 * writes an image that holds them, dies before it reigns, is told to truncate by the next leader, and loads the image
 * again. Here no image ever holds what was not committed, and a cut is one of the state too. */

enum { SERVERS = 3, ELECTION_MS = 10000, SESSION_MS = 2000 };

struct trio {
    struct viv_node_net *net;
    struct viv_node_client client;
    size_t ghost, others[2]; /* who alone has the entry */
};

/* An image wherever one may be written: after each entry. */
static void trio_init(struct trio *trio)
{
    struct viv_node_net_config config = {.server_count = SERVERS, .snapshot_entries = 1};
    *trio = (struct trio){.net = viv_node_net_new(&config)};
    viv_node_net_start_all(trio->net);
    cr_assert(viv_node_net_settle(trio->net, ELECTION_MS));
    trio->ghost = viv_node_net_leader(trio->net);
    trio->others[0] = (trio->ghost + 1) % SERVERS;
    trio->others[1] = (trio->ghost + 2) % SERVERS;
    viv_node_client_init(&trio->client, trio->net);
}

static void trio_fini(struct trio *trio)
{
    viv_node_client_fini(&trio->client);
    viv_node_net_free(trio->net);
}

/* Writes what is acknowledged, then what only the log of the leader has, who is cut off. */
static void write_a_ghost(struct trio *trio)
{
    struct viv_node_client *client = &trio->client;
    cr_assert(viv_node_client_open(client, trio->ghost, SESSION_MS));
    cr_assert_eq(viv_node_client_create(client, "/ok", "", 0), VIV_REPLY_OK);
    viv_node_net_run(trio->net, 100);
    viv_node_net_isolate(trio->net, trio->ghost, true);
    viv_node_client_send(client, VIV_OP_CREATE, viv_node_client_create_record(client, "/ghost", "", 0));
    viv_node_net_run(trio->net, 50);
}

static void kill_all(struct trio *trio)
{
    for (size_t i = 0; i < SERVERS; i++) {
        viv_node_net_kill(trio->net, i);
    }
    viv_node_net_isolate(trio->net, trio->ghost, false);
}

static bool leads(struct viv_node_net *net, void *ctx)
{
    struct viv_node_stats stats;
    viv_node_net_stats(net, *(size_t *)ctx, &stats);
    return stats.zab.state == VIV_LEADING;
}

/* Elected by a voter that dies right after its vote: its log answers nothing in time. */
static void elect_for_a_moment(struct trio *trio)
{
    viv_node_net_slow_log(trio->net, trio->others[0], 5000);
    viv_node_net_start(trio->net, trio->ghost);
    viv_node_net_start(trio->net, trio->others[0]);
    cr_assert(viv_node_net_run_until(trio->net, ELECTION_MS, leads, &trio->ghost));
    viv_node_net_run(trio->net, 50);
    cr_assert(leads(trio->net, &trio->ghost));
    viv_node_net_kill(trio->net, trio->others[0]);
    viv_node_net_run(trio->net, 50);
    viv_node_net_kill(trio->net, trio->ghost);
    viv_node_net_slow_log(trio->net, trio->others[0], 0);
}

/* All that run agree, and none of them knows the entry. */
static void expect_no_ghost(struct trio *trio, const char *when)
{
    struct viv_node_stats first, stats;
    cr_assert(viv_node_net_settle(trio->net, ELECTION_MS), "%s", when);
    viv_node_net_stats(trio->net, viv_node_net_leader(trio->net), &first);
    for (size_t i = 0; i < SERVERS; i++) {
        if (viv_node_net_node(trio->net, i) != NULL) {
            viv_node_net_stats(trio->net, i, &stats);
            cr_assert_eq(stats.digest, first.digest, "%s: the servers differ", when);
            trio->client.session_id = 0;
            cr_assert(viv_node_client_open(&trio->client, i, SESSION_MS));
            cr_assert_eq(viv_node_client_ask(&trio->client, VIV_OP_EXISTS, "/ok", false), VIV_REPLY_OK, "%s", when);
            cr_assert_eq(viv_node_client_ask(&trio->client, VIV_OP_EXISTS, "/ghost", false), VIV_REPLY_NO_NODE, "%s",
                         when);
        }
    }
}

VIV_TEST(node_divergence, what_an_elected_leader_alone_had_logged_is_gone_once_it_was_truncated)
{
    struct trio trio;
    struct viv_node_net_counts before, after;
    trio_init(&trio);
    write_a_ghost(&trio);
    kill_all(&trio);
    elect_for_a_moment(&trio);

    viv_node_net_start(trio.net, trio.others[0]);
    viv_node_net_start(trio.net, trio.others[1]);
    expect_no_ghost(&trio, "the others, without it");
    viv_node_net_counts(trio.net, trio.ghost, &before);
    viv_node_net_start(trio.net, trio.ghost);
    expect_no_ghost(&trio, "it comes back");
    viv_node_net_counts(trio.net, trio.ghost, &after);
    cr_assert_eq(after.log_truncates, before.log_truncates + 1);

    viv_node_net_kill(trio.net, trio.ghost);
    viv_node_net_start(trio.net, trio.ghost);
    expect_no_ghost(&trio, "it starts again from its own disk");
    viv_node_net_kill(trio.net, viv_node_net_leader(trio.net));
    expect_no_ghost(&trio, "the next leader");
    for (size_t i = 0; i < SERVERS; i++) {
        if (viv_node_net_node(trio.net, i) == NULL) {
            viv_node_net_wipe(trio.net, i);
            viv_node_net_start(trio.net, i);
        }
    }
    expect_no_ghost(&trio, "a server that gets a snapshot of it");
    trio_fini(&trio);
}

static bool another_leads(struct viv_node_net *net, void *ctx)
{
    struct trio *trio = ctx;
    return leads(net, &trio->others[0]) || leads(net, &trio->others[1]);
}

static uint64_t applied_zxid(const struct trio *trio)
{
    return viv_tree_zxid(viv_node_tree(viv_node_net_node(trio->net, trio->ghost)));
}

/* One process that leads, follows and leads again, and applies nothing on the way by which it could forget. */
VIV_TEST(node_divergence, what_was_prepared_in_a_reign_that_is_over_is_nothing_to_the_next)
{
    struct trio trio;
    trio_init(&trio);
    write_a_ghost(&trio);
    uint64_t zxid = applied_zxid(&trio);
    cr_assert(viv_node_net_run_until(trio.net, ELECTION_MS, another_leads, &trio));
    viv_node_net_isolate(trio.net, trio.ghost, false);
    cr_assert(viv_node_net_settle(trio.net, ELECTION_MS));
    viv_node_net_kill(trio.net, viv_node_net_leader(trio.net));
    cr_assert(viv_node_net_settle(trio.net, ELECTION_MS));
    cr_assert_eq(viv_node_net_leader(trio.net), trio.ghost, "it does not lead again");
    cr_assert(viv_node_client_open(&trio.client, trio.ghost, SESSION_MS), "its session is over");
    cr_assert_eq(applied_zxid(&trio), zxid, "something was written meanwhile");
    cr_assert_eq(viv_node_client_create(&trio.client, "/ghost", "", 0), VIV_REPLY_OK);
    trio_fini(&trio);
}
