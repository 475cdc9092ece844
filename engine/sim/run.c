#include "sim/run.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/checksum.h"
#include "base/log.h"
#include "sim/check/check.h"
#include "sim/fault.h"
#include "sim/recipe.h"
#include "sim/world.h"
#include "tree/image.h"

enum {
    LOOK_MS = 20,
    QUIET_MS = 20000, /* and as long as a client waits for a server that lost its power */
    ALL_MS = 20000,
    EVENTS_MAX = 20000000,
    START_SPREAD_MS = 300,
};
#define NS_PER_MS INT64_C(1000000)

/* ---- words ---- */

void viv_sim_fail(struct viv_sim_world *world, const char *format, ...)
{
    struct viv_sim_result *result = world->result;
    if (result->failed) {
        return;
    }
    result->failed = true;
    int size =
        snprintf(result->problem, sizeof result->problem, "at %lld.%06lld s: ", (long long)(world->now_ns / 1000000000),
                 (long long)(world->now_ns / 1000 % 1000000));
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(result->problem + size, sizeof result->problem - (size_t)size, format, arguments);
    va_end(arguments);
}

bool viv_sim_is_over(const struct viv_sim_world *world)
{
    return world->result->failed || (world->server_count == 1 && world->result->refusals > 0);
}

void viv_sim_note(struct viv_sim_world *world, const char *what, uint64_t a, uint64_t b, struct viv_bytes bytes)
{
    uint32_t crc = viv_crc32c(viv_crc32c(0, what, strlen(what)), bytes.data, bytes.size);
    world->trace = viv_mix64(world->trace ^ (uint64_t)world->now_ns) + viv_mix64(a + ((uint64_t)crc << 32)) +
                   viv_mix64(b ^ bytes.size);
    if (world->options->is_chatty) {
        viv_sim_say(world, "%s %llx %llx %zu %08x", what, (unsigned long long)a, (unsigned long long)b, bytes.size,
                    crc);
    }
}

void viv_sim_say(const struct viv_sim_world *world, const char *format, ...)
{
    if (world->options->is_verbose) {
        va_list arguments;
        va_start(arguments, format);
        fprintf(stderr, "%lld.%06lld ", (long long)(world->now_ns / 1000000000),
                (long long)(world->now_ns / 1000 % 1000000));
        vfprintf(stderr, format, arguments);
        fputc('\n', stderr);
        va_end(arguments);
    }
}

/* ---- what falls due ---- */

static bool is_alive(const struct viv_sim_world *world, const struct viv_sim_due *due)
{
    return world->servers[due->a].life == due->b;
}

static void happen(struct viv_sim_world *world, const struct viv_sim_due *due)
{
    size_t a = (size_t)due->a;
    switch ((enum viv_sim_due_kind)due->kind) {
    case VIV_SIM_DUE_TURN:
        viv_sim_server_turn(world, a);
        break;
    case VIV_SIM_DUE_TICK:
        viv_sim_server_tick(world, a);
        break;
    case VIV_SIM_DUE_START:
        viv_sim_server_begin(world, a);
        break;
    case VIV_SIM_DUE_DISK:
        viv_sim_storage_done(world, a);
        break;
    case VIV_SIM_DUE_ROOM:
        viv_sim_storage_room(world, a);
        break;
    case VIV_SIM_DUE_DIAL:
        viv_sim_network_dial_arrives(world, (uint32_t)a);
        break;
    case VIV_SIM_DUE_ANSWER:
        viv_sim_network_answer_arrives(world, (uint32_t)a);
        break;
    case VIV_SIM_DUE_PIPE:
        viv_sim_network_pipe_arrives(world, (uint32_t)a, (size_t)due->b);
        break;
    case VIV_SIM_DUE_VOTE:
        viv_sim_network_vote_arrives(world, a >> 8, a & 0xff);
        break;
    case VIV_SIM_DUE_CLIENT:
        if (world->clients[a].generation == due->b) {
            viv_sim_client_wake(world, a);
        }
        break;
    case VIV_SIM_DUE_FAULT:
        viv_sim_fault_begin(world, a);
        break;
    case VIV_SIM_DUE_FAULT_ENDS:
        viv_sim_fault_end(world, a);
        break;
    case VIV_SIM_DUE_PHASE:
    case VIV_SIM_DUE_KINDS:
        break;
    }
}

/* Runs until it is time to look at the phase again. */
static void run_until_look(struct viv_sim_world *world)
{
    struct viv_sim_due due;
    while (!viv_sim_is_over(world) && viv_sim_agenda_take(&world->agenda, &due)) {
        world->now_ns = due.at_ns;
        if (++world->result->events > EVENTS_MAX) {
            viv_sim_fail(world, "more than %d events", EVENTS_MAX);
        }
        if (due.kind == VIV_SIM_DUE_PHASE) {
            return;
        }
        if (due.kind > VIV_SIM_DUE_ROOM || is_alive(world, &due)) {
            happen(world, &due);
        }
    }
}

static void look_after(struct viv_sim_world *world, int64_t ms)
{
    viv_sim_agenda_add(&world->agenda, world->now_ns + ms * NS_PER_MS, VIV_SIM_DUE_PHASE, 0, 0);
    run_until_look(world);
}

typedef bool condition_fn(struct viv_sim_world *world);

/* Waits for it; how long it took in ms, or -1 and a failure, unless `servers` wait rightly. */
static int64_t wait_for_some(struct viv_sim_world *world, condition_fn *condition, int64_t limit_ms, uint64_t servers,
                             const char *what)
{
    int64_t begin_ns = world->now_ns;
    while (!viv_sim_is_over(world)) {
        int64_t waited_ms = (world->now_ns - begin_ns) / NS_PER_MS;
        if (condition(world)) {
            return waited_ms;
        }
        if (waited_ms >= limit_ms && viv_sim_truth_waits_rightly(world, servers)) {
            return -1;
        }
        if (waited_ms >= limit_ms) {
            viv_sim_fail(world, "%s: not within %lld ms", what, (long long)limit_ms);
        }
        look_after(world, LOOK_MS);
    }
    return -1;
}

static uint64_t all_servers(const struct viv_sim_world *world)
{
    return (UINT64_C(1) << world->server_count) - 1;
}

static int64_t wait_for(struct viv_sim_world *world, condition_fn *condition, int64_t limit_ms, const char *what)
{
    return wait_for_some(world, condition, limit_ms, 0, what);
}

/* ---- phases ---- */

static uint64_t core_of(const struct viv_sim_world *world)
{
    struct viv_sim_voters voters = viv_sim_truth_voters(world);
    if (viv_sim_rot_is_on(world, UINT64_MAX, true)) {
        return voters.all; /* what one has lost another one has, whichever that is */
    }
    uint64_t core = (uint64_t)VIV_SIM_GET(world, core) & voters.all;
    bool is_enough =
        viv_sim_truth_decide(world, &voters, core, false) &&
        (viv_sim_truth_decide(world, &voters, core, true) || !viv_sim_truth_decide(world, &voters, voters.all, true));
    return is_enough ? core : voters.all;
}

static bool probe_answered(struct viv_sim_world *world)
{
    (void)viv_sim_client_probe(world, VIV_SIM_PROBE);
    return world->clients[VIV_SIM_PROBE].answered > 0;
}

static bool clients_are_done(struct viv_sim_world *world)
{
    for (size_t i = 0; i < VIV_SIM_CALLERS_MAX; i++) {
        if (viv_sim_client_exists(world, i) && !viv_sim_client_is_done(world, i)) {
            return false;
        }
    }
    return true;
}

/* No checkpoint is under way, whose walk over the tree would be disturbed. */
static bool all_rest_together(struct viv_sim_world *world)
{
    for (size_t i = 0; i < world->server_count; i++) {
        const struct viv_sim_storage *storage = &world->servers[i].storage;
        const struct viv_node *node = world->servers[i].node;
        if (storage->is_busy || storage->background_tasks.count > 0 ||
            (node != NULL && viv_tree_is_walked(viv_node_tree(node)))) {
            return false;
        }
    }
    return viv_sim_truth_stand_together(world, SIZE_MAX);
}

static bool all_stand_together(struct viv_sim_world *world)
{
    return viv_sim_truth_stand_together(world, SIZE_MAX);
}

/* What the limits of ZooKeeper's own configuration add up to. Whether a majority took VIV_SIM_CORE_MS or more is told
 * apart (struct viv_sim_result). */
static int64_t limits_ms(const struct viv_sim_world *world)
{
    return VIV_SIM_GET(world, tick_ms) * (VIV_SIM_GET(world, init_limit) + VIV_SIM_GET(world, sync_limit));
}

static void heal_core(struct viv_sim_world *world)
{
    uint64_t core = core_of(world);
    viv_sim_say(world, "the voters %llx are healed", (unsigned long long)core);
    world->faults_are_over = true;
    for (size_t i = 0; i < world->server_count; i++) {
        if ((core >> i & 1) == 0) {
            viv_sim_exclude(world, i);
        }
    }
    viv_sim_heal(world, core);
    viv_sim_client_init(world, VIV_SIM_PROBE);
    world->clients[VIV_SIM_PROBE].allowed = core;
    viv_sim_client_wake_at(world, VIV_SIM_PROBE, world->now_ns);
    world->result->core_ms = wait_for_some(world, probe_answered, VIV_SIM_CORE_MS + limits_ms(world), core,
                                           "a healed majority does not take a write");
    world->result->core_waits = !viv_sim_is_over(world) && world->result->core_ms < 0;
}

static void heal_all(struct viv_sim_world *world)
{
    viv_sim_say(world, "all are healed");
    viv_sim_heal(world, all_servers(world));
    for (size_t i = 0; i < VIV_SIM_CALLERS_MAX; i++) {
        struct viv_sim_client *client = &world->clients[i];
        client->op_count = client->next_op < client->op_count ? client->next_op : client->op_count;
        if (client->silent_until_ns > world->now_ns) { /* longer than anybody waits here */
            client->silent_until_ns = world->now_ns;
            viv_sim_client_wake_at(world, i, world->now_ns);
        }
    }
    int64_t done_ms = wait_for_some(world, clients_are_done, QUIET_MS + VIV_SIM_GET(world, session_ms),
                                    all_servers(world), "clients do not get their answers");
    if (done_ms >= 0) {
        world->result->all_ms = wait_for_some(world, all_stand_together, ALL_MS + limits_ms(world), all_servers(world),
                                              "the servers do not come together");
    }
    if (!viv_sim_is_over(world) && world->result->all_ms < 0) {
        viv_sim_say(world, "a transaction is lost with a disk: the ensemble stays down");
        world->result->stays_down = true;
    }
}

static void start_again(struct viv_sim_world *world)
{
    for (size_t i = 0; i < world->server_count; i++) {
        viv_sim_server_stop(world, i, true);
    }
    for (size_t i = 0; i < world->server_count; i++) {
        viv_sim_server_power(world, i);
        viv_sim_server_start(world, i, viv_sim_draw(&world->servers[i].rng, 1, START_SPREAD_MS) * NS_PER_MS);
    }
    (void)wait_for(world, all_rest_together, ALL_MS + limits_ms(world),
                   "after a restart the servers do not come together");
    if (!viv_sim_is_over(world)) {
        viv_sim_truth_compare(world);
    }
}

/* ---- the history ---- */

static void check_history(struct viv_sim_world *world)
{
    struct viv_check_report report = {0};
    viv_check_history(&world->history, &report);
    for (size_t i = 0; i < VIV_CHECKER_COUNT; i++) {
        world->result->checked[i] = report.checked[i];
    }
    if (report.failure_count > 0) {
        const struct viv_check_failure *first = &report.failures[0];
        viv_sim_fail(world, "%s: %.*s (%zu such)", viv_checker_text(first->checker), (int)first->text.size,
                     (const char *)first->text.data, report.failure_count);
    }
    viv_check_report_fini(&report);
}

static void write_history(const struct viv_sim_world *world, const char *path)
{
    FILE *file = fopen(path, "w");
    bool is_written = file != NULL && viv_sim_history_write(&world->history, file) == VIV_OK;
    is_written = (file == NULL || fclose(file) == 0) && is_written;
    if (!is_written) {
        viv_log(VIV_LOG_ERROR, "sim", "the history cannot be written", "file=%s", path);
    }
}

/* ---- the whole ---- */

static void set_up(struct viv_sim_world *world)
{
    uint64_t first_zxid = (uint64_t)VIV_SIM_GET(world, first_zxid);
    viv_sim_stream(&world->agenda.ties, world->plan->seed, VIV_SIM_TIES, 0);
    world->server_count = (size_t)(VIV_SIM_GET(world, voters) + VIV_SIM_GET(world, observers));
    world->troubles = viv_alloc_zeroed(world->plan->fault_count + 1, sizeof *world->troubles);
    world->history.header = (struct viv_sim_header){
        .has_log = true,
        .extended_types = true,
        .strict_sync = true,
        .clock_percent_max = 200,
        .expiry_slack_ms = VIV_SIM_GET(world, tick_ms),
        .wall_ms = 0,
    };
    viv_sim_libraries_begin(world);
    viv_sim_network_init(world);
    viv_sim_truth_init(world, first_zxid);
    for (size_t i = 0; i < world->server_count; i++) {
        viv_sim_server_init(world, i);
        if (first_zxid > 0 && viv_sim_recipe_history(world, i, first_zxid) != VIV_OK) {
            viv_sim_fail(world, "no history could be made for server %zu", i + 1);
        }
        viv_sim_server_start(world, i, viv_sim_draw(&world->servers[i].rng, 1, START_SPREAD_MS) * NS_PER_MS);
    }
    for (size_t i = 0; i < VIV_SIM_CALLERS_MAX; i++) {
        if (!viv_sim_client_exists(world, i)) {
            continue;
        }
        viv_sim_client_init(world, i);
        viv_sim_client_wake_at(world, i, viv_sim_draw(&world->clients[i].rng, 1, START_SPREAD_MS) * NS_PER_MS);
    }
    for (size_t i = 0; i < world->plan->fault_count; i++) {
        viv_sim_agenda_add(&world->agenda, world->plan->faults[i].at_us * 1000, VIV_SIM_DUE_FAULT, i, 0);
    }
}

static void tear_down(struct viv_sim_world *world)
{
    for (size_t i = 0; i < world->server_count; i++) {
        viv_sim_server_fini(world, i);
    }
    for (size_t i = 0; i <= VIV_SIM_PROBE; i++) {
        viv_sim_client_fini(world, i);
    }
    viv_sim_libraries_end(world);
    viv_sim_network_fini(world);
    viv_sim_truth_fini(world);
    viv_sim_history_fini(&world->history);
    viv_sim_agenda_fini(&world->agenda);
    free(world->troubles);
    free(world->rot.injuries);
    free(world);
}

void viv_sim_run(const struct viv_sim_plan *plan, const struct viv_sim_options *options, struct viv_sim_result *result)
{
    struct viv_sim_world *world = viv_alloc_zeroed(1, sizeof *world);
    *result = (struct viv_sim_result){.core_ms = -1, .all_ms = -1};
    world->plan = plan;
    world->options = options;
    world->result = result;
    set_up(world);
    look_after(world, VIV_SIM_GET(world, load_ms));
    void (*const phases[])(struct viv_sim_world * world) = {heal_core, heal_all, start_again};
    for (size_t i = 0; i < sizeof phases / sizeof phases[0] && !viv_sim_is_over(world) && !result->stays_down; i++) {
        phases[i](world);
    }
    if (!result->failed) {
        check_history(world);
    }
    if (options->history != NULL) {
        write_history(world, options->history);
    }
    result->trace = world->trace;
    result->time_ns = world->now_ns;
    tear_down(world);
}
