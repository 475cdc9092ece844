#include <stdio.h>
#include <string.h>

#include "node/node_internal.h"
#include "tests/support/node_client.h"
#include "tests/support/viv_test.h"
#include "wire/reply_code.h"
#include "zab/zab_internal.h"

/* Three servers and their clients. */

enum { SERVERS = 3, ELECTION_MS = 10000 };

struct ensemble {
    struct viv_node_net *net;
    struct viv_node_client client;
};

static void ensemble_init(struct ensemble *ensemble, uint64_t snapshot_entries)
{
    struct viv_node_net_config config = {
        .server_count = SERVERS, .snapshot_entries = snapshot_entries, .log_read_entries = 7};
    ensemble->net = viv_node_net_new(&config);
    viv_node_net_start_all(ensemble->net);
    cr_assert(viv_node_net_settle(ensemble->net, ELECTION_MS), "three servers elect a leader and serve");
    viv_node_client_init(&ensemble->client, ensemble->net);
}

static void ensemble_fini(struct ensemble *ensemble)
{
    viv_node_client_fini(&ensemble->client);
    viv_node_net_free(ensemble->net);
}

static size_t leader_of(const struct ensemble *ensemble)
{
    size_t leader = viv_node_net_leader(ensemble->net);
    cr_assert_neq(leader, SIZE_MAX, "there should be a leader");
    return leader;
}

static size_t follower_of(const struct ensemble *ensemble)
{
    return (leader_of(ensemble) + 1) % SERVERS;
}

/* Everybody that runs has the same state. */
static void expect_equal(struct ensemble *ensemble)
{
    struct viv_node_stats first = {0};
    cr_assert(viv_node_net_settle(ensemble->net, ELECTION_MS), "the servers do not come together");
    for (size_t i = 0; i < SERVERS; i++) {
        struct viv_node_stats stats;
        if (viv_node_net_node(ensemble->net, i) == NULL) {
            continue;
        }
        viv_node_net_stats(ensemble->net, i, &stats);
        if (first.last_zxid == 0) {
            first = stats;
        }
        cr_assert_eq(stats.last_zxid, first.last_zxid);
        cr_assert_eq(stats.digest, first.digest, "server %zu has another tree", i + 1);
        cr_assert_eq(stats.digest_extra, first.digest_extra, "server %zu has other sessions or ACLs", i + 1);
    }
}

static void create_some(struct viv_node_client *client, const char *prefix, int count)
{
    for (int i = 0; i < count; i++) {
        char path[64];
        snprintf(path, sizeof path, "/%s-%d", prefix, i);
        cr_assert_eq(viv_node_client_create(client, path, prefix, 0), 0);
    }
}

static void expect_some(struct viv_node_client *client, const char *prefix, int count)
{
    for (int i = 0; i < count; i++) {
        char path[64];
        snprintf(path, sizeof path, "/%s-%d", prefix, i);
        cr_assert_eq(viv_node_client_ask(client, VIV_OP_GET_DATA, path, false), 0, "%s is lost", path);
        cr_assert(viv_node_client_data_is(client, prefix));
    }
}

VIV_TEST(node_ensemble, a_write_through_a_follower_is_everywhere)
{
    struct ensemble ensemble;
    ensemble_init(&ensemble, 0);
    struct viv_node_client *client = &ensemble.client;
    cr_assert(viv_node_client_open(client, follower_of(&ensemble), 2000));
    cr_assert_eq(viv_node_client_create(client, "/a", "one", 0), 0);
    cr_assert_eq(viv_node_client_create(client, "/a", "one", 0), VIV_REPLY_NODE_EXISTS);
    cr_assert_eq(viv_node_client_set(client, "/a", "two", 0), 0);
    cr_assert_eq(viv_node_client_set(client, "/a", "two", 0), VIV_REPLY_BAD_VERSION);
    cr_assert_eq(viv_node_client_ask(client, VIV_OP_GET_DATA, "/a", false), 0);
    cr_assert(viv_node_client_data_is(client, "two"), "the follower shows what it has acknowledged");
    expect_equal(&ensemble);
    ensemble_fini(&ensemble);
}

VIV_TEST(node_ensemble, a_sync_shows_what_was_committed_elsewhere)
{
    struct ensemble ensemble;
    struct viv_node_client other;
    ensemble_init(&ensemble, 0);
    viv_node_client_init(&other, ensemble.net);
    cr_assert(viv_node_client_open(&ensemble.client, leader_of(&ensemble), 2000));
    cr_assert(viv_node_client_open(&other, follower_of(&ensemble), 2000));
    for (int i = 0; i < 20; i++) {
        char text[16];
        char path[16];
        snprintf(text, sizeof text, "%d", i);
        snprintf(path, sizeof path, "/s%d", i);
        cr_assert_eq(viv_node_client_create(&ensemble.client, path, text, 0), 0);
        viv_node_client_send(&other, VIV_OP_SYNC, viv_node_client_path_record(&other, "/", false));
        viv_node_client_send(&other, VIV_OP_GET_DATA, viv_node_client_path_record(&other, path, false));
        cr_assert(viv_node_client_wait(&other, 100));
        cr_assert(viv_node_client_wait(&other, 100));
        cr_assert_eq(other.header.err, 0, "a read behind a sync sees what was acknowledged before it");
        cr_assert(viv_node_client_data_is(&other, text));
    }
    viv_node_client_fini(&other);
    ensemble_fini(&ensemble);
}

/* One acknowledgement, and so one COMMIT, may stand for what was written on both sides of a sync. */
VIV_TEST(node_ensemble, a_sync_among_writes_is_answered_in_its_place)
{
    struct ensemble ensemble;
    ensemble_init(&ensemble, 0);
    struct viv_node_client *client = &ensemble.client;
    cr_assert(viv_node_client_open(client, follower_of(&ensemble), 2000));
    cr_assert_eq(viv_node_client_create(client, "/a", "", 0), 0);
    for (int i = 0; i < 10; i++) {
        int32_t first =
            viv_node_client_send(client, VIV_OP_SET_DATA, viv_node_client_set_record(client, "/a", "x", -1));
        for (int j = 0; j < 3; j++) {
            viv_node_client_send(client, VIV_OP_SYNC, viv_node_client_path_record(client, "/", false));
            viv_node_client_send(client, VIV_OP_SET_DATA, viv_node_client_set_record(client, "/a", "y", -1));
        }
        int64_t zxid = 0;
        for (int j = 0; j < 7; j++) {
            cr_assert(viv_node_client_wait(client, 1000));
            cr_assert_eq(client->header.xid, first + j);
            cr_assert_eq(client->header.err, 0);
            cr_assert(j == 0 || client->header.zxid == zxid + (j % 2 == 0),
                      "a sync has the zxid of the write before it");
            zxid = client->header.zxid;
        }
    }
    expect_equal(&ensemble);
    ensemble_fini(&ensemble);
}

VIV_TEST(node_ensemble, a_session_and_what_was_acknowledged_survive_the_leader)
{
    struct ensemble ensemble;
    ensemble_init(&ensemble, 0);
    struct viv_node_client *client = &ensemble.client;
    size_t leader = leader_of(&ensemble);
    cr_assert(viv_node_client_open(client, leader, 2000));
    int64_t session_id = client->session_id;
    create_some(client, "before", 10);
    cr_assert_eq(viv_node_client_create(client, "/mine", "", 1), 0);
    viv_node_net_kill(ensemble.net, leader);
    cr_assert(viv_node_net_settle(ensemble.net, ELECTION_MS), "two of three go on");
    cr_assert(viv_node_client_open_any(client, 2000));
    cr_assert_eq(client->session_id, session_id);
    expect_some(client, "before", 10);
    cr_assert_eq(viv_node_client_ask(client, VIV_OP_EXISTS, "/mine", false), 0);
    create_some(client, "after", 10);
    viv_node_net_start(ensemble.net, leader);
    expect_equal(&ensemble);
    ensemble_fini(&ensemble);
}

VIV_TEST(node_ensemble, clients_are_closed_where_there_is_no_quorum)
{
    struct ensemble ensemble;
    ensemble_init(&ensemble, 0);
    size_t leader = leader_of(&ensemble);
    cr_assert(viv_node_client_open(&ensemble.client, leader, 2000));
    viv_node_net_kill(ensemble.net, (leader + 1) % SERVERS);
    viv_node_net_kill(ensemble.net, (leader + 2) % SERVERS);
    viv_node_net_run(ensemble.net, 3000);
    cr_assert(viv_node_net_is_closed(ensemble.net, ensemble.client.conn));
    cr_assert_not(viv_node_client_open(&ensemble.client, leader, 2000));
    ensemble_fini(&ensemble);
}

VIV_TEST(node_ensemble, an_expired_session_is_gone_on_every_server)
{
    struct ensemble ensemble;
    struct viv_node_client other;
    ensemble_init(&ensemble, 0);
    viv_node_client_init(&other, ensemble.net);
    cr_assert(viv_node_client_open(&ensemble.client, follower_of(&ensemble), 1000));
    cr_assert(viv_node_client_open(&other, (leader_of(&ensemble) + 2) % SERVERS, 2000));
    cr_assert_eq(viv_node_client_create(&ensemble.client, "/mine", "", 1), 0);
    cr_assert_eq(viv_node_client_ask(&other, VIV_OP_SYNC, "/", false), 0);
    cr_assert_eq(viv_node_client_ask(&other, VIV_OP_EXISTS, "/mine", true), 0);
    for (int i = 0; i < 8; i++) {
        viv_node_net_run(ensemble.net, 200);
        cr_assert_eq(viv_node_client_call(&other, VIV_OP_PING, (struct viv_bytes){0}), 0);
    }
    cr_assert(viv_node_client_events_are(&other, "2 /mine\n"));
    cr_assert(viv_node_net_is_closed(ensemble.net, ensemble.client.conn));
    cr_assert_not(viv_node_client_open(&ensemble.client, leader_of(&ensemble), 1000));
    expect_equal(&ensemble);
    viv_node_client_fini(&other);
    ensemble_fini(&ensemble);
}

VIV_TEST(node_ensemble, pings_through_a_follower_keep_a_session_alive)
{
    struct ensemble ensemble;
    ensemble_init(&ensemble, 0);
    cr_assert(viv_node_client_open(&ensemble.client, follower_of(&ensemble), 1000));
    for (int i = 0; i < 15; i++) {
        viv_node_net_run(ensemble.net, 300);
        cr_assert_eq(viv_node_client_call(&ensemble.client, VIV_OP_PING, (struct viv_bytes){0}), 0);
    }
    ensemble_fini(&ensemble);
}

VIV_TEST(node_ensemble, a_full_disk_at_the_leader_is_told_to_clients_of_followers)
{
    struct ensemble ensemble;
    ensemble_init(&ensemble, 0);
    cr_assert(viv_node_client_open(&ensemble.client, follower_of(&ensemble), 2000));
    viv_node_net_disk_full(ensemble.net, leader_of(&ensemble), true);
    cr_assert_eq(viv_node_client_create(&ensemble.client, "/a", "", 0), VIV_REPLY_SYSTEM_ERROR);
    viv_node_net_disk_full(ensemble.net, leader_of(&ensemble), false);
    viv_node_net_run(ensemble.net, 5);
    cr_assert_eq(viv_node_client_create(&ensemble.client, "/a", "", 0), 0);
    ensemble_fini(&ensemble);
}

/* ---- catching up ---- */

VIV_TEST(node_ensemble, a_follower_that_was_away_is_told_what_it_missed)
{
    struct ensemble ensemble;
    struct viv_node_net_counts counts;
    ensemble_init(&ensemble, 0);
    size_t follower = follower_of(&ensemble);
    cr_assert(viv_node_client_open(&ensemble.client, leader_of(&ensemble), 2000));
    create_some(&ensemble.client, "before", 10);
    viv_node_net_kill(ensemble.net, follower);
    create_some(&ensemble.client, "missed", 30);
    viv_node_net_start(ensemble.net, follower);
    expect_equal(&ensemble);
    viv_node_net_counts(ensemble.net, follower, &counts);
    cr_assert_eq(counts.installs, 0, "a few entries are no reason for a snapshot");
    ensemble_fini(&ensemble);
}

/* The leader's memory does not reach back to what a server needs: all restart, and history begins at their images. */
static void restart_without(struct ensemble *ensemble, size_t away)
{
    for (size_t i = 0; i < SERVERS; i++) {
        viv_node_net_kill(ensemble->net, i);
    }
    for (size_t i = 0; i < SERVERS; i++) {
        if (i != away) {
            viv_node_net_start(ensemble->net, i);
        }
    }
    cr_assert(viv_node_net_settle(ensemble->net, ELECTION_MS));
}

VIV_TEST(node_ensemble, an_empty_server_gets_a_snapshot)
{
    struct ensemble ensemble;
    struct viv_node_net_counts counts;
    ensemble_init(&ensemble, 20);
    size_t empty = follower_of(&ensemble);
    cr_assert(viv_node_client_open(&ensemble.client, leader_of(&ensemble), 2000));
    create_some(&ensemble.client, "before", 90);
    viv_node_net_run(ensemble.net, 100);
    restart_without(&ensemble, empty);
    viv_node_net_wipe(ensemble.net, empty);
    viv_node_net_start(ensemble.net, empty);
    expect_equal(&ensemble);
    viv_node_net_counts(ensemble.net, empty, &counts);
    cr_assert_eq(counts.installs, 1);
    cr_assert_eq(counts.log_resets, 1);
    cr_assert(viv_node_client_open(&ensemble.client, empty, 2000));
    expect_some(&ensemble.client, "before", 90);
    create_some(&ensemble.client, "after", 30);
    expect_equal(&ensemble);
    restart_without(&ensemble, SIZE_MAX);
    expect_equal(&ensemble);
    ensemble_fini(&ensemble);
}

VIV_TEST(node_ensemble, a_server_killed_while_it_installs_a_snapshot_starts_again)
{
    struct ensemble ensemble;
    ensemble_init(&ensemble, 20);
    size_t empty = follower_of(&ensemble);
    cr_assert(viv_node_client_open(&ensemble.client, leader_of(&ensemble), 2000));
    create_some(&ensemble.client, "before", 90);
    viv_node_net_run(ensemble.net, 100);
    restart_without(&ensemble, empty);
    for (uint64_t life_ms = 1; life_ms < 700; life_ms += 3) {
        if (life_ms % 2 == 1) {
            viv_node_net_wipe(ensemble.net, empty);
        }
        viv_node_net_start(ensemble.net, empty);
        viv_node_net_run(ensemble.net, life_ms);
        viv_node_net_kill(ensemble.net, empty);
    }
    viv_node_net_start(ensemble.net, empty);
    expect_equal(&ensemble);
    ensemble_fini(&ensemble);
}

VIV_TEST(node_ensemble, writes_go_on_while_a_snapshot_is_sent)
{
    struct ensemble ensemble;
    ensemble_init(&ensemble, 20);
    size_t empty = follower_of(&ensemble);
    cr_assert(viv_node_client_open(&ensemble.client, leader_of(&ensemble), 2000));
    create_some(&ensemble.client, "before", 90);
    viv_node_net_run(ensemble.net, 100);
    restart_without(&ensemble, empty);
    viv_node_net_wipe(ensemble.net, empty);
    cr_assert(viv_node_client_open(&ensemble.client, leader_of(&ensemble), 2000));
    viv_node_net_start(ensemble.net, empty);
    for (int i = 0; i < 300; i++) {
        cr_assert_eq(viv_node_client_create(&ensemble.client, "/during-", "x", 2), 0);
        cr_assert_eq(viv_node_client_set(&ensemble.client, "/before-3", i % 2 == 0 ? "x" : "before", -1), 0);
    }
    expect_equal(&ensemble);
    ensemble_fini(&ensemble);
}

VIV_TEST(node_ensemble, a_snapshot_in_many_slices_is_whole_although_the_tree_changes_under_it)
{
    enum { NODES = 60, DATA_BYTES = 50000 };
    struct ensemble ensemble;
    struct viv_node_net_counts counts;
    static char data[DATA_BYTES + 1];
    char path[32];
    ensemble_init(&ensemble, 20);
    struct viv_node_client *client = &ensemble.client;
    size_t empty = follower_of(&ensemble);
    memset(data, 'x', DATA_BYTES);
    cr_assert(viv_node_client_open(client, leader_of(&ensemble), 2000));
    for (int i = 0; i < NODES; i++) {
        snprintf(path, sizeof path, "/big-%d", i);
        cr_assert_eq(viv_node_client_create(client, path, data, 0), 0);
    }
    viv_node_net_run(ensemble.net, 100);
    restart_without(&ensemble, empty);
    viv_node_net_wipe(ensemble.net, empty);
    cr_assert(viv_node_client_open(client, leader_of(&ensemble), 2000));
    viv_node_net_start(ensemble.net, empty);
    for (int i = 0; i < NODES; i++) {
        snprintf(path, sizeof path, "/big-%d", (i * 7) % NODES);
        cr_assert_eq(viv_node_client_delete(client, path, -1), 0);
        cr_assert_eq(viv_node_client_create(client, path, i % 2 == 0 ? "small" : data, 0), 0);
    }
    expect_equal(&ensemble);
    viv_node_net_counts(ensemble.net, empty, &counts);
    cr_assert_eq(counts.installs, 1);
    ensemble_fini(&ensemble);
}

VIV_TEST(node_ensemble, a_leader_cut_off_from_the_others_gives_up_what_it_could_not_commit)
{
    struct ensemble ensemble;
    ensemble_init(&ensemble, 0);
    struct viv_node_client *client = &ensemble.client;
    size_t old_leader = leader_of(&ensemble);
    cr_assert(viv_node_client_open(client, old_leader, 2000));
    cr_assert_eq(viv_node_client_create(client, "/a", "kept", 0), 0);
    viv_node_net_isolate(ensemble.net, old_leader, true);
    viv_node_client_send(client, VIV_OP_SET_DATA, viv_node_client_set_record(client, "/a", "lost", -1));
    cr_assert_not(viv_node_client_wait(client, 3000), "it cannot be acknowledged");
    cr_assert(viv_node_net_is_closed(ensemble.net, client->conn));
    viv_node_net_run(ensemble.net, 3000);
    struct viv_node_client other;
    viv_node_client_init(&other, ensemble.net);
    cr_assert(viv_node_client_open(&other, (old_leader + 1) % SERVERS, 2000) ||
              viv_node_client_open(&other, (old_leader + 2) % SERVERS, 2000));
    create_some(&other, "meanwhile", 5);
    viv_node_net_isolate(ensemble.net, old_leader, false);
    expect_equal(&ensemble);
    client->session_id = 0; /* the old one has expired */
    cr_assert(viv_node_client_open(client, old_leader, 2000));
    cr_assert_eq(viv_node_client_ask(client, VIV_OP_GET_DATA, "/a", false), 0);
    cr_assert(viv_node_client_data_is(client, "kept"));
    viv_node_client_fini(&other);
    ensemble_fini(&ensemble);
}

VIV_TEST(node_ensemble, rounds_of_kills_lose_nothing_that_was_acknowledged)
{
    enum { ROUNDS = 24, WRITES = 6 };
    struct ensemble ensemble;
    ensemble_init(&ensemble, 25);
    struct viv_node_client *client = &ensemble.client;
    char prefix[16];
    for (int round = 0; round < ROUNDS; round++) {
        snprintf(prefix, sizeof prefix, "r%d", round);
        cr_assert(viv_node_client_open_any(client, 2000), "round %d", round);
        create_some(client, prefix, WRITES);
        viv_node_client_send(client, VIV_OP_CREATE, viv_node_client_create_record(client, "/maybe-", "", 2));
        viv_node_net_run(ensemble.net, (uint64_t)round % 7);
        size_t victim = round % 4 == 3 ? SIZE_MAX : (leader_of(&ensemble) + (size_t)round % 2) % SERVERS;
        for (size_t i = 0; i < SERVERS; i++) {
            if (victim == SIZE_MAX || victim == i) {
                viv_node_net_kill(ensemble.net, i);
            }
        }
        for (size_t i = 0; i < SERVERS; i++) {
            if (viv_node_net_node(ensemble.net, i) == NULL) {
                viv_node_net_start(ensemble.net, i);
            }
        }
        expect_equal(&ensemble);
    }
    cr_assert(viv_node_client_open_any(client, 2000));
    for (int round = 0; round < ROUNDS; round++) {
        snprintf(prefix, sizeof prefix, "r%d", round);
        expect_some(client, prefix, WRITES);
    }
    ensemble_fini(&ensemble);
}

VIV_TEST(node_ensemble, a_refusal_is_heard_by_a_client_that_is_leaving)
{
    struct ensemble ensemble;
    ensemble_init(&ensemble, 0);
    struct viv_node_client *client = &ensemble.client;
    size_t leader = leader_of(&ensemble);
    cr_assert(viv_node_client_open(client, follower_of(&ensemble), 2000));
    viv_node_net_disk_full(ensemble.net, leader, true);
    int32_t xid = viv_node_client_send(client, VIV_OP_CREATE, viv_node_client_create_record(client, "/n", "", 0));
    viv_node_client_send(client, VIV_OP_CLOSE_SESSION, (struct viv_bytes){0});
    cr_assert(viv_node_client_wait(client, 1000), "the write is answered first");
    cr_assert_eq(client->header.xid, xid);
    cr_assert_eq(client->header.err, VIV_REPLY_SYSTEM_ERROR);
    viv_node_net_run(ensemble.net, 50);
    cr_assert(viv_node_net_is_closed(ensemble.net, client->conn));
    ensemble_fini(&ensemble);
}

/* ---- the end of an epoch ---- */

enum { EPOCH_ENTRIES = 40 };

static void let_epochs_be_short(struct viv_node_config *config)
{
    config->zab.epoch_entries_max = EPOCH_ENTRIES;
}

static uint64_t elections_of(const struct ensemble *ensemble)
{
    uint64_t elections = 0;
    for (size_t i = 0; i < SERVERS; i++) {
        struct viv_node_stats stats;
        viv_node_net_stats(ensemble->net, i, &stats);
        elections += stats.zab.elections;
    }
    return elections;
}

/* Ephemerals, watches and a second client's reads across ten epochs, one after the other. */
VIV_TEST(node_ensemble, a_leader_whose_zxids_run_out_goes_on_in_the_next_epoch)
{
    enum { WRITES = 10 * EPOCH_ENTRIES };
    struct viv_node_net_config config = {
        .server_count = SERVERS, .snapshot_entries = 30, .log_read_entries = 7, .adjust = let_epochs_be_short};
    struct ensemble ensemble = {.net = viv_node_net_new(&config)};
    struct viv_node_client *client = &ensemble.client, watcher;
    viv_node_net_start_all(ensemble.net);
    cr_assert(viv_node_net_settle(ensemble.net, ELECTION_MS));
    viv_node_client_init(client, ensemble.net);
    viv_node_client_init(&watcher, ensemble.net);
    size_t leader = leader_of(&ensemble);
    uint64_t elections = elections_of(&ensemble);
    cr_assert(viv_node_client_open(client, follower_of(&ensemble), 2000));
    cr_assert(viv_node_client_open(&watcher, leader, 2000));
    cr_assert_eq(viv_node_client_create(client, "/mine", "", 1), 0);
    cr_assert_eq(viv_node_client_create(client, "/x", "", 0), 0);
    int32_t epoch = (int32_t)VIV_ZXID_EPOCH((uint64_t)client->last_zxid);
    for (int i = 0; i < WRITES; i++) {
        char text[16];
        snprintf(text, sizeof text, "%d", i);
        cr_assert_eq(viv_node_client_ask(&watcher, VIV_OP_GET_DATA, "/x", true), 0);
        viv_buffer_clear(&watcher.events);
        cr_assert_eq(viv_node_client_set(client, "/x", text, -1), 0, "write %d", i);
        cr_assert_eq(viv_node_client_ask(&watcher, VIV_OP_SYNC, "/x", false), 0);
        cr_assert(viv_node_client_events_are(&watcher, "3 /x\n"), "write %d is not told", i);
        cr_assert_eq(viv_node_client_ask(&watcher, VIV_OP_GET_DATA, "/x", false), 0);
        cr_assert(viv_node_client_data_is(&watcher, text));
    }
    int32_t passed = (int32_t)VIV_ZXID_EPOCH((uint64_t)client->last_zxid) - epoch;
    cr_assert(passed >= 8 && passed <= 24, "%d epochs", passed);
    cr_assert_eq(elections_of(&ensemble), elections, "somebody looked for a leader");
    cr_assert_eq(leader_of(&ensemble), leader);
    viv_node_net_kill(ensemble.net, leader); /* and the next leader knows all of it */
    cr_assert(viv_node_net_settle(ensemble.net, ELECTION_MS));
    cr_assert(viv_node_client_open(client, (leader + 1) % SERVERS, 2000) ||
              viv_node_client_open(client, (leader + 2) % SERVERS, 2000));
    cr_assert_eq(viv_node_client_ask(client, VIV_OP_EXISTS, "/mine", false), 0);
    viv_node_net_start(ensemble.net, leader);
    cr_assert_eq(viv_node_client_close_session(client), 0);
    expect_equal(&ensemble);
    cr_assert(viv_node_client_open(&watcher, leader, 2000));
    cr_assert_eq(viv_node_client_ask(&watcher, VIV_OP_EXISTS, "/mine", false), VIV_REPLY_NO_NODE);
    viv_node_client_fini(&watcher);
    ensemble_fini(&ensemble);
}

static void let_entries_be_short(struct viv_node_config *config)
{
    config->frame_bytes_max = 2048;
}

/* Its ephemerals take several entries, and the epoch has no zxid left for the first of them. */
VIV_TEST(node_ensemble, a_leader_without_zxids_steps_down_in_the_middle_of_a_long_close)
{
    enum { EPHEMERALS = 100 };
    struct viv_node_net_config config = {.server_count = SERVERS, .adjust = let_entries_be_short};
    struct ensemble ensemble = {.net = viv_node_net_new(&config)};
    viv_node_net_start_all(ensemble.net);
    cr_assert(viv_node_net_settle(ensemble.net, ELECTION_MS));
    viv_node_client_init(&ensemble.client, ensemble.net);
    size_t leader = leader_of(&ensemble);
    cr_assert(viv_node_client_open(&ensemble.client, leader, 2000));
    for (int i = 0; i < EPHEMERALS; i++) {
        char path[128];
        snprintf(path, sizeof path, "/%0100d", i);
        cr_assert_eq(viv_node_client_create(&ensemble.client, path, NULL, 1), 0);
    }
    /* As if four thousand million entries had gone by. */
    struct viv_zab *zab = viv_node_net_node(ensemble.net, leader)->group.zab;
    uint32_t epoch = VIV_ZXID_EPOCH(viv_zab_last_proposed(zab));
    zab->history.last_zxid = zab->durable.issued_zxid = VIV_ZXID(epoch, UINT32_MAX - 1);
    viv_node_client_send(&ensemble.client, VIV_OP_CLOSE_SESSION, (struct viv_bytes){0});
    viv_node_net_run(ensemble.net, 3);
    cr_assert_not(viv_zab_is_broadcasting_leader(zab));
    ensemble_fini(&ensemble);
}
