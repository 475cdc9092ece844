#include <stdio.h>
#include <stdlib.h>

#include "base/rng.h"
#include "tests/support/node_client.h"
#include "tests/support/viv_test.h"

/* Three servers, and everything that can befall them drawn from one seed: kills of one or all, silent partitions, empty
 * machines, full disks, while a client writes. Whatever happened, once it stops all come together, nothing that was
 * acknowledged is lost and no client sees time go back (node_client checks that at every reply). */

enum { SERVERS = 3, STEPS = 60, KEYS = 4, SETTLE_MS = 20000, PATIENCE_MS = 400 };

struct chaos {
    struct viv_node_net *net;
    struct viv_node_client client;
    struct viv_rng rng;
    bool isolated[SERVERS];
    int acknowledged[KEYS], sent[KEYS]; /* numbers written to each key */
    bool connected;
    uint64_t seed;
};

static bool is_up(const struct chaos *chaos, size_t server)
{
    return viv_node_net_node(chaos->net, server) != NULL;
}

/* A key's number, or -1 when there is none. */
static int number_read(const struct viv_node_client *client)
{
    struct viv_jute_reader reader = viv_jute_reader_of(viv_buffer_bytes(&client->record));
    struct viv_bytes data = viv_jute_read_buffer(&reader).bytes;
    char text[16];
    if (client->header.err != 0 || reader.bad || data.size >= sizeof text) {
        return -1;
    }
    snprintf(text, sizeof text, "%.*s", (int)data.size, (const char *)data.data);
    return atoi(text);
}

static void connect_again(struct chaos *chaos)
{
    size_t server = viv_rng_below(&chaos->rng, SERVERS);
    if (chaos->connected && viv_node_net_is_closed(chaos->net, chaos->client.conn)) {
        chaos->connected = false;
    }
    if (!chaos->connected && is_up(chaos, server)) {
        chaos->connected = viv_node_client_open(&chaos->client, server, 2000);
        if (!chaos->connected && chaos->client.timeout_ms == 0) {
            chaos->client.session_id = 0;
        }
    }
}

static void write_one(struct chaos *chaos)
{
    size_t key = viv_rng_below(&chaos->rng, KEYS);
    char path[16], text[16];
    connect_again(chaos);
    if (!chaos->connected) {
        return;
    }
    int number = ++chaos->sent[key];
    snprintf(path, sizeof path, "/key-%zu", key);
    snprintf(text, sizeof text, "%d", number);
    int32_t xid = viv_node_client_send(&chaos->client, VIV_OP_SET_DATA,
                                       viv_node_client_set_record(&chaos->client, path, text, -1));
    while (viv_node_client_wait(&chaos->client, PATIENCE_MS)) {
        if (chaos->client.header.xid == xid) {
            chaos->acknowledged[key] = chaos->client.header.err == 0 ? number : chaos->acknowledged[key];
            return;
        }
    }
    viv_node_net_hang_up(chaos->net, chaos->client.conn); /* its fate is unknown */
    chaos->connected = false;
}

static void start_one(struct chaos *chaos, size_t server)
{
    if (!is_up(chaos, server)) {
        viv_node_net_start(chaos->net, server);
    }
}

static size_t up_count(const struct chaos *chaos)
{
    size_t count = 0;
    for (size_t i = 0; i < SERVERS; i++) {
        count += is_up(chaos, i) && !chaos->isolated[i];
    }
    return count;
}

/* An empty machine has forgotten its promises: only one at a time, when the others serve. */
static void replace_machine(struct chaos *chaos, size_t server)
{
    viv_node_net_kill(chaos->net, server);
    for (size_t i = 0; i < SERVERS; i++) {
        viv_node_net_isolate(chaos->net, i, false);
        chaos->isolated[i] = false;
        if (i != server) {
            start_one(chaos, i);
        }
    }
    if (viv_node_net_settle(chaos->net, SETTLE_MS)) {
        viv_node_net_wipe(chaos->net, server);
        viv_node_net_start(chaos->net, server);
        cr_assert(viv_node_net_settle(chaos->net, SETTLE_MS), "seed %llu: an empty server does not come in",
                  (unsigned long long)chaos->seed);
    }
}

static void befall(struct chaos *chaos)
{
    size_t server = viv_rng_below(&chaos->rng, SERVERS);
    switch (viv_rng_below(&chaos->rng, 12)) {
    case 0:
    case 1:
        viv_node_net_kill(chaos->net, server);
        break;
    case 2:
        for (size_t i = 0; i < SERVERS; i++) {
            viv_node_net_kill(chaos->net, i);
        }
        break;
    case 3:
    case 4:
        for (size_t i = 0; i < SERVERS; i++) {
            start_one(chaos, i);
        }
        break;
    case 5:
        start_one(chaos, server);
        break;
    case 6:
        chaos->isolated[server] = up_count(chaos) > 2;
        viv_node_net_isolate(chaos->net, server, chaos->isolated[server]);
        break;
    case 7:
        for (size_t i = 0; i < SERVERS; i++) {
            chaos->isolated[i] = false;
            viv_node_net_isolate(chaos->net, i, false);
        }
        break;
    case 8:
        viv_node_net_run(chaos->net, viv_rng_below(&chaos->rng, 3000));
        break;
    case 9:
        viv_node_net_disk_full(chaos->net, server, viv_rng_below(&chaos->rng, 2) == 0);
        break;
    case 10:
        if (viv_rng_below(&chaos->rng, 4) == 0) {
            replace_machine(chaos, server);
        }
        break;
    default:
        viv_node_net_run(chaos->net, viv_rng_below(&chaos->rng, 60));
        break;
    }
}

static void make_peace(struct chaos *chaos)
{
    for (size_t i = 0; i < SERVERS; i++) {
        viv_node_net_isolate(chaos->net, i, false);
        viv_node_net_disk_full(chaos->net, i, false);
        start_one(chaos, i);
    }
    viv_node_net_run(chaos->net, 2000); /* until everybody has noticed what is cut */
    cr_assert(viv_node_net_settle(chaos->net, SETTLE_MS), "seed %llu: the servers do not come together",
              (unsigned long long)chaos->seed);
}

static void check_state(struct chaos *chaos)
{
    struct viv_node_stats first, stats;
    viv_node_net_stats(chaos->net, 0, &first);
    for (size_t i = 1; i < SERVERS; i++) {
        viv_node_net_stats(chaos->net, i, &stats);
        cr_assert_eq(stats.digest, first.digest, "seed %llu: trees differ", (unsigned long long)chaos->seed);
        cr_assert_eq(stats.digest_extra, first.digest_extra, "seed %llu: sessions differ",
                     (unsigned long long)chaos->seed);
    }
    struct viv_node_client fresh;
    viv_node_client_init(&fresh, chaos->net);
    cr_assert(viv_node_client_open_any(&fresh, 2000));
    for (size_t key = 0; key < KEYS; key++) {
        char path[16];
        snprintf(path, sizeof path, "/key-%zu", key);
        (void)viv_node_client_ask(&fresh, VIV_OP_GET_DATA, path, false);
        int number = number_read(&fresh);
        cr_assert(number >= chaos->acknowledged[key] && number <= chaos->sent[key],
                  "seed %llu: %s is %d, acknowledged %d, sent %d", (unsigned long long)chaos->seed, path, number,
                  chaos->acknowledged[key], chaos->sent[key]);
    }
    viv_node_client_fini(&fresh);
}

static void let_epochs_be_short(struct viv_node_config *config)
{
    config->zab.epoch_entries_max = 12;
}

static void play(uint64_t seed)
{
    struct viv_node_net_config config = {
        .server_count = SERVERS, .snapshot_entries = 10 + seed % 20, .log_read_entries = 3};
    config.adjust = seed % 4 == 0 ? let_epochs_be_short : NULL;
    struct chaos chaos = {.net = viv_node_net_new(&config), .seed = seed};
    viv_rng_init(&chaos.rng, seed);
    viv_node_client_init(&chaos.client, chaos.net);
    viv_node_net_start_all(chaos.net);
    make_peace(&chaos);
    cr_assert(viv_node_client_open(&chaos.client, 0, 2000));
    chaos.connected = true;
    for (size_t key = 0; key < KEYS; key++) {
        char path[16];
        snprintf(path, sizeof path, "/key-%zu", key);
        cr_assert_eq(viv_node_client_create(&chaos.client, path, "0", 0), 0);
    }
    for (int step = 0; step < STEPS; step++) {
        for (uint64_t writes = viv_rng_below(&chaos.rng, 8); writes > 0; writes--) {
            write_one(&chaos);
        }
        befall(&chaos);
    }
    make_peace(&chaos);
    check_state(&chaos);
    viv_node_client_fini(&chaos.client);
    viv_node_net_free(chaos.net);
}

/* VIV_CHAOS_SEEDS=FIRST-LAST plays others than the usual ones. */
VIV_TEST(node_chaos, whatever_befalls_them_servers_come_together_with_all_that_was_acknowledged)
{
    unsigned long long first = 1, last = 30;
    const char *range = getenv("VIV_CHAOS_SEEDS");
    if (range != NULL) {
        cr_assert_eq(sscanf(range, "%llu-%llu", &first, &last), 2);
    }
    for (unsigned long long seed = first; seed <= last; seed++) {
        play(seed);
    }
}
