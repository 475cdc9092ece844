#include <stdlib.h>

#include "tests/support/viv_test.h"
#include "tests/unit/zab/net.h"

static struct net *net_new(const struct net_config *config)
{
    struct net *net = viv_alloc(sizeof *net);
    net_init(net, config);
    return net;
}

static void net_free(struct net *net)
{
    net_fini(net);
    free(net);
}

static void start_all(struct net *net)
{
    for (size_t i = 0; i < net->count; i++) {
        if (net->servers[i].zab == NULL) {
            net_start(net, i);
        }
    }
}

VIV_TEST(zab_network, three_servers_elect_a_leader_and_commit_on_all)
{
    struct net *net = net_new(&(struct net_config){.seed = 1, .voters = 3, .disk_ms_max = 5, .packet_ms_max = 2});
    start_all(net);
    cr_assert(net_settle(net, 1000), "%s", net->failure);
    for (int i = 0; i < 100; i++) {
        cr_assert(net_propose(net));
    }
    cr_assert(net_settle(net, 1000), "%s", net->failure);
    cr_assert_eq(net->truth.count, 100);
    cr_assert_str_empty(net->failure);
    net_free(net);
}
