#include <stdlib.h>
#include <string.h>

#include "tests/support/node_client.h"
#include "tests/support/viv_test.h"
#include "wire/reply_code.h"

/* What nobody may miss because somebody is slow: a follower's disk, or the reader of a connection. */

enum { SERVERS = 3, ELECTION_MS = 10000, SESSION_MS = 2000 };

VIV_TEST(node_slow, a_sync_waits_for_what_is_on_its_way_to_the_disk_of_a_follower)
{
    enum { LOG_MS = 200 };
    struct viv_node_client writer, reader;
    struct viv_node_net_config config = {.server_count = SERVERS};
    struct viv_node_net *net = viv_node_net_new(&config);
    viv_node_net_start_all(net);
    cr_assert(viv_node_net_settle(net, ELECTION_MS));
    size_t leader = viv_node_net_leader(net), follower = (leader + 1) % SERVERS;
    viv_node_net_kill(net, follower);
    viv_node_net_slow_log(net, follower, LOG_MS);
    viv_node_net_start(net, follower);
    cr_assert(viv_node_net_settle(net, ELECTION_MS));
    viv_node_client_init(&writer, net);
    viv_node_client_init(&reader, net);
    cr_assert(viv_node_client_open(&writer, leader, SESSION_MS));
    cr_assert(viv_node_client_open(&reader, follower, SESSION_MS));
    cr_assert_eq(viv_node_client_create(&writer, "/a", "", 0), 0);
    viv_node_net_run(net, LOG_MS / 4);
    cr_assert_eq(viv_node_client_ask(&reader, VIV_OP_EXISTS, "/a", false), VIV_REPLY_NO_NODE, "it is not behind");
    cr_assert_eq(viv_node_client_ask(&reader, VIV_OP_SYNC, "/", false), 0);
    cr_assert_eq(viv_node_client_ask(&reader, VIV_OP_EXISTS, "/a", false), 0, "it was acknowledged before the sync");
    viv_node_client_fini(&writer);
    viv_node_client_fini(&reader);
    viv_node_net_free(net);
}

/* Two of the replies are as much as may be unsent: the others wait, and the event comes while they do. */
VIV_TEST(node_slow, who_takes_its_replies_slowly_misses_no_event)
{
    enum { BIG_BYTES = 700 << 10, REPLIES = 12 };
    struct viv_node_client slow, writer;
    struct viv_node_net_config config = {.server_count = 1};
    struct viv_node_net *net = viv_node_net_new(&config);
    char *big = viv_alloc_zeroed(1, BIG_BYTES + 1);
    memset(big, 'x', BIG_BYTES);
    viv_node_net_start(net, 0);
    viv_node_net_run(net, 100);
    viv_node_client_init(&slow, net);
    viv_node_client_init(&writer, net);
    cr_assert(viv_node_client_open(&slow, 0, SESSION_MS));
    cr_assert(viv_node_client_open(&writer, 0, SESSION_MS));
    cr_assert_eq(viv_node_client_create(&writer, "/big", big, 0), 0);
    cr_assert_eq(viv_node_client_create(&writer, "/a", "", 0), 0);
    cr_assert_eq(viv_node_client_ask(&slow, VIV_OP_EXISTS, "/a", true), 0);
    viv_buffer_clear(&slow.order);
    viv_node_client_send(&writer, VIV_OP_SET_DATA, viv_node_client_set_record(&writer, "/a", "", -1));
    for (int i = 0; i < REPLIES; i++) {
        viv_node_client_send(&slow, VIV_OP_GET_DATA, viv_node_client_path_record(&slow, "/big", false));
    }
    for (int i = 0; i < REPLIES; i++) {
        cr_assert(viv_node_client_wait(&slow, 1000));
    }
    cr_assert(viv_node_client_events_are(&slow, "3 /a\n"), "it missed the event");
    cr_assert(slow.order.data[0] == 'r' && slow.order.data[REPLIES] == 'r', "the event did not come among the replies");
    free(big);
    viv_node_client_fini(&slow);
    viv_node_client_fini(&writer);
    viv_node_net_free(net);
}
