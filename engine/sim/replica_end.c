#include <stdio.h>
#include <stdlib.h>

#include "base/stage.h"
#include "node/inspect.h"
#include "sim/world.h"
#include "tree/image.h"
#include "wire/members.h"

/* Who leads, and what must hold when a run ends. */

static void mark_trace(struct viv_sim_world *world, const struct viv_action *action)
{
    char line[64];
    bool is_second = action->trace == VIV_TRACE_SYNC_KIND || action->trace == VIV_TRACE_CHECKPOINT_BEGIN;
    snprintf(line, sizeof line, "trace %s %llx", viv_trace_name((enum viv_trace_code)action->trace),
             (unsigned long long)(is_second ? action->b : action->a));
    viv_sim_mark(world, line);
}

void viv_sim_truth_trace(struct viv_sim_world *world, size_t server, const struct viv_action *action)
{
    struct viv_sim_truth *truth = &world->truth;
    struct viv_node_stats stats;
    viv_sim_say(world, "server %zu: %s %llx %llx", server + 1, viv_trace_name((enum viv_trace_code)action->trace),
                (unsigned long long)action->a, (unsigned long long)action->b);
    mark_trace(world, action);
    if (action->trace != VIV_TRACE_SYNC_OK) {
        return;
    }
    viv_node_stats(world->servers[server].node, &stats);
    uint64_t epoch = stats.zab.current_epoch;
    for (size_t i = 0; i < truth->leader_count; i++) {
        if (truth->leaders[i].epoch == epoch && truth->leaders[i].server != server) {
            viv_sim_fail(world, "servers %zu and %zu lead epoch %llu", truth->leaders[i].server + 1, server + 1,
                         (unsigned long long)epoch);
        }
    }
    truth->leaders = viv_realloc(truth->leaders, (truth->leader_count + 1) * sizeof *truth->leaders);
    truth->leaders[truth->leader_count].epoch = epoch;
    truth->leaders[truth->leader_count++].server = server;
    world->result->epochs++;
    viv_sim_history_add(&world->history, &(struct viv_sim_record){.kind = VIV_SIM_LEADS,
                                                                  .time_ns = world->now_ns,
                                                                  .server = (int32_t)server + 1,
                                                                  .zxid = epoch << 32});
}

bool viv_sim_truth_is_replaced(const struct viv_sim_world *world, uint64_t epoch)
{
    for (size_t i = 0; i < world->truth.leader_count; i++) {
        if (world->truth.leaders[i].epoch > epoch) {
            return true;
        }
    }
    return false;
}

bool viv_sim_truth_decides(const struct viv_sim_world *world, size_t server)
{
    struct viv_node_stats stats;
    if (!viv_node_keeps_deadlines(world->servers[server].node)) {
        return false;
    }
    viv_node_stats(world->servers[server].node, &stats);
    return !viv_sim_truth_is_replaced(world, stats.zab.current_epoch);
}

static uint64_t last_zxid(const struct viv_sim_truth *truth)
{
    return truth->order_count > 0 ? truth->pool.entries[truth->order[truth->order_count - 1].number].zxid
                                  : truth->first_zxid;
}

bool viv_sim_truth_stand_together(const struct viv_sim_world *world, size_t except)
{
    viv_sid leader = 0;
    for (size_t i = 0; i < world->server_count; i++) {
        struct viv_node_stats stats;
        if (i == except) {
            continue;
        }
        if (!viv_sim_serves(world, i)) {
            return false;
        }
        viv_node_stats(world->servers[i].node, &stats);
        if ((leader != 0 && stats.zab.leader != leader) ||
            viv_tree_zxid(viv_node_tree(world->servers[i].node)) != last_zxid(&world->truth)) {
            return false;
        }
        leader = stats.zab.leader;
    }
    return leader != 0 || world->server_count == 1;
}

/* ---- who decides ---- */

/* False: the entry is no configuration. */
static bool voters_of(const struct viv_sim_truth *truth, uint32_t number, uint64_t *voters)
{
    struct viv_bytes text;
    struct viv_members members;
    if (!viv_reconfig_txn_text(truth->pool.entries[number].body, &text) ||
        viv_members_parse(text, &members) != VIV_OK) {
        return false;
    }
    *voters = 0;
    for (size_t i = 0; i < members.count; i++) {
        *voters |= members.items[i].voter ? UINT64_C(1) << (members.items[i].sid - 1) : 0;
    }
    return true;
}

struct viv_sim_voters viv_sim_truth_voters(const struct viv_sim_world *world)
{
    const struct viv_sim_truth *truth = &world->truth;
    struct viv_sim_voters voters = {.sets = {(UINT64_C(1) << VIV_SIM_GET(world, voters)) - 1}, .count = 1};
    bool is_found = VIV_SIM_GET(world, reconfigures) == 0;
    for (size_t i = truth->order_count; i > 0 && !is_found; i--) {
        is_found = voters_of(truth, truth->order[i - 1].number, &voters.sets[0]);
    }
    for (size_t server = 0; server < world->server_count && VIV_SIM_GET(world, reconfigures) != 0; server++) {
        const struct viv_sim_numbers *log = &truth->mirrors[server].log;
        bool is_newer = true, is_proposed = false;
        for (size_t i = log->count; i > 0 && is_newer && !is_proposed; i--) {
            is_newer = truth->pool.entries[log->items[i - 1]].zxid > last_zxid(truth);
            is_proposed = is_newer && voters_of(truth, log->items[i - 1], &voters.sets[voters.count]);
        }
        voters.count += is_proposed;
    }
    for (size_t i = 0; i < voters.count; i++) {
        voters.all |= voters.sets[i];
    }
    return voters;
}

bool viv_sim_truth_decide(const struct viv_sim_world *world, const struct viv_sim_voters *voters, uint64_t servers,
                          bool grown_up)
{
    for (size_t i = 0; i < world->server_count && grown_up; i++) {
        servers &= world->truth.mirrors[i].hard.current_epoch > 0 ? UINT64_MAX : ~(UINT64_C(1) << i);
    }
    for (size_t i = 0; i < voters->count; i++) {
        if (__builtin_popcountll(voters->sets[i] & servers) <= __builtin_popcountll(voters->sets[i]) / 2) {
            return false;
        }
    }
    return true;
}

/* ---- a transaction that nobody has ---- */

enum copy { COPY_NONE, COPY_DAMAGED, COPY_INTACT };

/* As the disk itself says. */
static enum copy copy_of(const struct viv_sim_world *world, size_t server, uint64_t zxid)
{
    struct viv_log *log = world->servers[server].storage.log;
    struct viv_log_iter *iter;
    struct viv_entry entry;
    size_t count = 0;
    viv_status status = log == NULL ? VIV_ERR_TRIMMED : viv_log_iter_open(log, 0, zxid - 1, zxid, &iter);
    if (status != VIV_OK) { /* it is older than this log: part of an image */
        return COPY_INTACT;
    }
    status = viv_log_iter_next(log, iter, &entry, 1, SIZE_MAX, &count);
    bool is_intact = status == VIV_OK && count == 1 && viv_log_count_sound(&entry, 1) == 1;
    viv_log_iter_close(log, iter);
    return is_intact ? COPY_INTACT : status == VIV_OK && count == 0 ? COPY_NONE : COPY_DAMAGED;
}

static uint64_t wanted_of(const struct viv_sim_world *world, uint64_t servers)
{
    for (size_t i = 0; i < world->server_count; i++) {
        struct viv_node_stats stats;
        if ((servers >> i & 1) == 0 || world->servers[i].node == NULL) {
            continue;
        }
        viv_node_stats(world->servers[i].node, &stats);
        if (stats.zab.state == VIV_LEADING && stats.zab.wanted_zxid != 0) {
            return stats.zab.wanted_zxid;
        }
    }
    return 0;
}

/* Not even those of whom nothing is known could have committed it together with the others. */
static bool is_disproved(const struct viv_sim_voters *voters, uint64_t absent)
{
    for (size_t i = 0; i < voters->count; i++) {
        uint64_t set = voters->sets[i];
        if (__builtin_popcountll(set & ~absent) > __builtin_popcountll(set) / 2) {
            return false;
        }
    }
    return true;
}

bool viv_sim_truth_waits_rightly(const struct viv_sim_world *world, uint64_t servers)
{
    struct viv_sim_voters voters = viv_sim_truth_voters(world);
    uint64_t zxid = wanted_of(world, servers), absent = 0, unheard = voters.all & ~servers;
    if (zxid == 0) {
        return false;
    }
    for (size_t i = 0; i < world->server_count; i++) {
        uint64_t bit = UINT64_C(1) << i;
        if ((voters.all & servers & bit) == 0) {
            continue;
        }
        enum copy copy = copy_of(world, i, zxid);
        if (copy == COPY_INTACT) {
            return false;
        }
        bool has_past = world->truth.mirrors[i].hard.current_epoch > 0;
        unheard |= has_past ? 0 : bit;
        absent |= has_past && copy == COPY_NONE ? bit : 0;
    }
    return unheard != 0 && !is_disproved(&voters, absent);
}

/* ---- the end ---- */

/* The sums of a tree that is read back from its rows. */
static void rescan(struct viv_sim_world *world, size_t server)
{
    struct viv_tree *tree = viv_node_tree_to_walk(world->servers[server].node), *copy = viv_tree_new_empty();
    struct viv_buffer rows = {0};
    viv_tree_walk_begin(tree, VIV_WALK_FULL);
    while (viv_tree_walk_step(tree, SIZE_MAX / 2, &rows)) {
    }
    viv_tree_walk_end(tree, false);
    bool is_loaded = viv_tree_load_rows(copy, viv_buffer_bytes(&rows)) == VIV_OK &&
                     viv_tree_load_finish(copy, viv_tree_zxid(tree)) == VIV_OK;
    if (!is_loaded || viv_tree_digest(copy) != viv_tree_digest(tree) ||
        viv_tree_digest_extra(copy) != viv_tree_digest_extra(tree)) {
        viv_sim_fail(world, "server %zu: its running sums are not those of its tree", server + 1);
    }
    viv_buffer_fini(&rows);
    viv_tree_free(copy);
}

void viv_sim_truth_compare(struct viv_sim_world *world)
{
    const struct viv_sim_truth *truth = &world->truth;
    if (truth->told_zxid > last_zxid(truth)) {
        viv_sim_fail(world, "a client was told of 0x%llx, and all end at 0x%llx", (unsigned long long)truth->told_zxid,
                     (unsigned long long)last_zxid(truth));
    }
    for (size_t i = 0; i < world->server_count; i++) {
        struct viv_node_stats stats, first;
        viv_node_stats(world->servers[0].node, &first);
        viv_node_stats(world->servers[i].node, &stats);
        if (stats.digest != first.digest || stats.digest_extra != first.digest_extra) {
            viv_sim_fail(world, "servers 1 and %zu end with different trees", i + 1);
        }
        rescan(world, i);
    }
}
