#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "tests/crash/rot_case.h"
#include "tests/support/node_client.h"
#include "sim/power_cut.h"

enum {
    SNAP_COUNT = 60,
    SNAP_COUNT_NEVER = 100000,
    SESSION_MS = 2000,
    SETTLE_MS = 15000,
    JUDGE_MS = 40000, /* to serve again; ten elections and more */
    REPLY_MS = 3000,
    LAGGARD = ROT_SERVERS - 1,
};

void rot_node_path(unsigned node, char *path, size_t size)
{
    snprintf(path, size, "/n%03u", node);
}

void rot_node_value(unsigned node, unsigned value, char *text, size_t size)
{
    int used = snprintf(text, size, "%u of %u ", value, node);
    size_t filler = (node * 37 + value * 11) % 400;
    for (size_t i = 0; i < filler && (size_t)used + 1 < size; i++) {
        text[used++] = (char)('a' + (i + node + value) % 26);
    }
    text[used] = '\0';
}

/* ---- the client, who never takes silence for a failure of the test ---- */

/* The reply's err; INT32_MIN: none came. */
static int32_t ask(struct viv_node_client *client, int32_t op, struct viv_bytes record)
{
    int32_t xid = viv_node_client_send(client, op, record);
    while (viv_node_client_wait(client, REPLY_MS)) {
        if (client->header.xid == xid) {
            return client->header.err;
        }
    }
    return INT32_MIN;
}

static int32_t write_node(struct viv_node_client *client, struct rot_history *history, unsigned node, unsigned value)
{
    char path[16], text[512];
    rot_node_path(node, path, sizeof path);
    rot_node_value(node, value, text, sizeof text);
    bool is_there = history->values[node] > 0;
    int32_t err = is_there ? ask(client, VIV_OP_SET_DATA, viv_node_client_set_record(client, path, text, -1))
                           : ask(client, VIV_OP_CREATE, viv_node_client_create_record(client, path, text, 0));
    if (err == 0) {
        history->values[node] = value;
    }
    return err;
}

/* ---- preparing ---- */

struct preparation {
    struct viv_node_net *net;
    struct viv_node_client client;
    struct rot_history *history;
    unsigned written;
};

static bool reach(struct preparation *at)
{
    return viv_node_net_settle(at->net, SETTLE_MS) && viv_node_client_open_any(&at->client, SESSION_MS);
}

static bool write_some(struct preparation *at, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        at->written++;
        if (write_node(&at->client, at->history, at->written * 7919 % ROT_NODES, at->written) != 0) {
            return false;
        }
    }
    viv_node_net_run(at->net, 300);
    return true;
}

static void stop_all(struct preparation *at)
{
    viv_node_net_run(at->net, 500);
    for (size_t i = 0; i < ROT_SERVERS; i++) {
        viv_node_net_kill(at->net, i);
    }
}

/* Two epochs at least, so that not all of the log is one leader's. */
static bool change_leader(struct preparation *at)
{
    size_t leader = viv_node_net_leader(at->net);
    viv_node_net_run(at->net, 300);
    viv_node_net_kill(at->net, leader);
    viv_node_net_run(at->net, 300);
    viv_node_net_start(at->net, leader);
    at->client.session_id = 0;
    return reach(at);
}

static bool play(struct preparation *at, enum rot_base base, const char *top, const char *older)
{
    viv_node_net_start_all(at->net);
    unsigned share = base == ROT_YOUNG ? 25 : 90;
    if (!reach(at) || !write_some(at, share) || !change_leader(at) || !write_some(at, share)) {
        return false;
    }
    stop_all(at);
    struct viv_sim_power_cut *copy = viv_sim_power_cut_new(top);
    (void)viv_sim_power_cut_choose(copy, 0, 0, 3);
    viv_sim_power_cut_make(copy, older);
    viv_sim_power_cut_free(copy);
    viv_node_net_start_all(at->net);
    at->client.session_id = 0;
    if (!reach(at) || !write_some(at, share)) {
        return false;
    }
    if (base == ROT_LAGGING || base == ROT_FAR_BEHIND) {
        viv_node_net_kill(at->net, LAGGARD);
        at->client.session_id = 0;
        if (!reach(at) || !write_some(at, base == ROT_LAGGING ? 15 : 200)) {
            return false;
        }
    }
    return true;
}

bool rot_prepare(enum rot_base base, const struct viv_configuration *configuration, const char *top, const char *older,
                 struct rot_history *history)
{
    struct rot_stores *stores = viv_alloc(sizeof *stores);
    rot_stores_init(stores, configuration, top, base == ROT_YOUNG ? SNAP_COUNT_NEVER : SNAP_COUNT);
    struct viv_node_net_config config = {.server_count = ROT_SERVERS, .stores = &stores->calls};
    struct preparation at = {.net = viv_node_net_new(&config), .history = history};
    viv_node_client_init(&at.client, at.net);
    bool is_done = play(&at, base, top, older);
    struct viv_node_stats stats;
    viv_node_net_stats(at.net, 0, &stats);
    history->last_zxid = stats.last_zxid;
    stop_all(&at);
    for (size_t i = 0; i < ROT_SERVERS; i++) {
        memcpy(history->image_starts[i], stores->servers[i].image_starts, sizeof history->image_starts[i]);
    }
    viv_node_client_fini(&at.client);
    viv_node_net_free(at.net);
    free(stores);
    return is_done;
}

/* ---- verdict ---- */

struct judge {
    struct viv_node_net *net;
    const struct rot_history *history;
    char *why;
    size_t why_size;
};

/* What server `server` says of a node is what was acknowledged. */
static enum rot_verdict judge_node(struct judge *judge, struct viv_node_client *client, unsigned node, size_t server)
{
    char path[16], text[512];
    rot_node_path(node, path, sizeof path);
    rot_node_value(node, judge->history->values[node], text, sizeof text);
    int32_t err = ask(client, VIV_OP_GET_DATA, viv_node_client_path_record(client, path, false));
    if (err == INT32_MIN) {
        snprintf(judge->why, judge->why_size, "server %zu does not answer a read", server + 1);
        return ROT_UNAVAILABLE;
    }
    bool is_right = judge->history->values[node] == 0 ? err != 0 : err == 0 && viv_node_client_data_is(client, text);
    if (!is_right) {
        snprintf(judge->why, judge->why_size, "server %zu: %s is wrong, error %d", server + 1, path, err);
    }
    return is_right ? ROT_CORRECT : ROT_UNSAFE;
}

static enum rot_verdict judge_server(struct judge *judge, size_t server)
{
    struct viv_node_client client;
    viv_node_client_init(&client, judge->net);
    enum rot_verdict verdict = ROT_CORRECT;
    if (!viv_node_client_open(&client, server, SESSION_MS) ||
        ask(&client, VIV_OP_SYNC, viv_node_client_path_record(&client, "/", false)) != 0) {
        snprintf(judge->why, judge->why_size, "server %zu takes no session", server + 1);
        verdict = ROT_UNAVAILABLE;
    }
    for (unsigned node = 0; node < ROT_NODES && verdict == ROT_CORRECT; node++) {
        verdict = judge_node(judge, &client, node, server);
    }
    viv_node_client_fini(&client);
    return verdict;
}

static bool serves(const struct viv_node_net *net, size_t server, struct viv_node_stats *stats)
{
    if (viv_node_net_node(net, server) == NULL) {
        return false;
    }
    viv_node_net_stats(net, server, stats);
    return stats->serving;
}

/* A leader, and everybody who runs serves at its zxid. */
static bool is_healed(struct viv_node_net *net, void *ctx)
{
    (void)ctx;
    struct viv_node_stats stats;
    uint64_t zxid = 0;
    size_t serving = 0;
    for (size_t i = 0; i < ROT_SERVERS; i++) {
        if (viv_node_net_node(net, i) == NULL) {
            continue;
        }
        if (!serves(net, i, &stats) || (zxid != 0 && zxid != stats.last_zxid)) {
            return false;
        }
        zxid = stats.last_zxid;
        serving++;
    }
    return serving >= ROT_SERVERS / 2 + 1 && viv_node_net_leader(net) != SIZE_MAX;
}

static enum rot_verdict judge_write(struct judge *judge)
{
    struct viv_node_client client;
    viv_node_client_init(&client, judge->net);
    size_t leader = viv_node_net_leader(judge->net);
    bool is_written = leader != SIZE_MAX && viv_node_client_open(&client, leader, SESSION_MS) &&
                      ask(&client, VIV_OP_CREATE, viv_node_client_create_record(&client, "/afterwards", "x", 0)) == 0;
    viv_node_client_fini(&client);
    if (!is_written) {
        snprintf(judge->why, judge->why_size, "no write succeeds");
    }
    return is_written ? ROT_CORRECT : ROT_UNAVAILABLE;
}

static enum rot_verdict judge_digests(struct judge *judge)
{
    struct viv_node_stats one, other;
    viv_node_net_run(judge->net, 500);
    for (size_t i = 0; i < ROT_SERVERS; i++) {
        for (size_t j = 0; j < i; j++) {
            if (serves(judge->net, i, &one) && serves(judge->net, j, &other) && one.last_zxid == other.last_zxid &&
                one.digest != other.digest) {
                snprintf(judge->why, judge->why_size, "servers %zu and %zu differ at one zxid", j + 1, i + 1);
                return ROT_UNSAFE;
            }
        }
    }
    return ROT_CORRECT;
}

static enum rot_verdict judge_net(struct judge *judge)
{
    struct viv_node_stats stats;
    (void)viv_node_net_run_until(judge->net, JUDGE_MS, is_healed, NULL);
    enum rot_verdict verdict = viv_node_net_leader(judge->net) != SIZE_MAX ? ROT_CORRECT : ROT_UNAVAILABLE;
    if (verdict != ROT_CORRECT) {
        snprintf(judge->why, judge->why_size, "nobody leads");
    }
    /* Also without a leader: whoever serves must not lie. */
    for (size_t i = 0; i < ROT_SERVERS && verdict != ROT_UNSAFE; i++) {
        if (serves(judge->net, i, &stats)) {
            enum rot_verdict one = judge_server(judge, i);
            verdict = one == ROT_UNSAFE || verdict == ROT_CORRECT ? one : verdict;
        }
    }
    verdict = verdict == ROT_CORRECT ? judge_write(judge) : verdict;
    return verdict == ROT_CORRECT ? judge_digests(judge) : verdict;
}

enum rot_verdict rot_judge(struct rot_stores *stores, const bool *up, const struct rot_history *history, size_t *down,
                           char *why, size_t why_size)
{
    struct viv_node_net_config config = {.server_count = ROT_SERVERS, .stores = &stores->calls};
    struct judge judge = {viv_node_net_new(&config), history, why, why_size};
    for (size_t i = 0; i < ROT_SERVERS; i++) {
        if (up[i]) {
            viv_node_net_start(judge.net, i);
        }
    }
    enum rot_verdict verdict = judge_net(&judge);
    struct viv_node_stats stats;
    *down = 0;
    for (size_t i = 0; i < ROT_SERVERS; i++) {
        *down += up[i] && !serves(judge.net, i, &stats);
    }
    viv_node_net_free(judge.net);
    return verdict;
}
