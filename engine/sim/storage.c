#include <stdlib.h>
#include <string.h>

#include "backends/registry.h"
#include "base/assert.h"
#include "sim/queue.h"
#include "sim/recipe.h"
#include "sim/world.h"

/* The stores of a server and its disk's threads, in virtual time: one task after the other on one disk, the log's and
 * the background's drawn by lot, so that a checkpoint and the log get in each other's way. Answers are given when the
 * disk is done. */

enum {
    LOAD_ENTRIES_MAX = 256,
    LOAD_BYTES_MAX = 1 << 20,
    NAP_MS = 50,
    WATCH_MS = 1000,
    SCRUB_MS = 1000,
    RETRY_MS = 500,
    OPEN_WRITES = 8,
};
#define NS_PER_MS INT64_C(1000000)

/* ---- tasks ---- */

static void push(struct viv_sim_tasks *tasks, const struct viv_sim_task *task)
{
    tasks->items = viv_sim_queue_room(tasks->items, sizeof *task, &tasks->first, tasks->count, &tasks->capacity);
    tasks->items[tasks->first + tasks->count++] = *task;
}

static void drop(struct viv_sim_tasks *tasks)
{
    for (size_t i = 0; i < tasks->count; i++) {
        viv_buffer_fini(&tasks->items[tasks->first + i].action.rows);
        free(tasks->items[tasks->first + i].copied);
    }
    tasks->first = tasks->count = 0;
}

void viv_sim_storage_answer(struct viv_sim_storage *storage, const struct viv_event *event)
{
    if (storage->answer_count == storage->answer_capacity) {
        storage->answer_capacity = storage->answer_capacity * 2 + 16;
        storage->answers = viv_realloc(storage->answers, storage->answer_capacity * sizeof *storage->answers);
    }
    storage->answers[storage->answer_count++] = (struct viv_sim_input){.event = *event};
}

static void drop_answers(struct viv_sim_storage *storage)
{
    for (size_t i = 0; i < storage->answer_count; i++) {
        free(storage->answers[i].entries);
    }
    storage->answer_count = 0;
}

/* ---- life ---- */

void viv_sim_storage_init(struct viv_sim_world *world, size_t server)
{
    struct viv_sim_storage *storage = &world->servers[server].storage;
    *storage = (struct viv_sim_storage){0};
    viv_sim_stream(&storage->rng, world->plan->seed, VIV_SIM_DISK, server);
    storage->disk = viv_sim_disk_new(&(struct viv_sim_disk_config){
        .seed = viv_rng_next(&storage->rng),
        .strict = VIV_SIM_GET(world, strict) != 0,
        .rots = VIV_SIM_GET(world, rots) != 0,
        .torn = VIV_SIM_GET(world, torn) != 0,
        .capacity_bytes = (uint64_t)VIV_SIM_GET(world, disk_kib) << 10,
        .write_ns = VIV_SIM_GET(world, write_us) * 1000,
        .sync_ns = VIV_SIM_GET(world, sync_us) * 1000,
    });
    storage->library = viv_sim_library_new(world, server);
}

void viv_sim_storage_fini(struct viv_sim_world *world, size_t server)
{
    struct viv_sim_storage *storage = &world->servers[server].storage;
    viv_sim_disk_free(storage->disk);
    viv_sim_library_free(storage->library);
    free(storage->log_tasks.items);
    free(storage->background_tasks.items);
    free(storage->answers);
    *storage = (struct viv_sim_storage){0};
}

static viv_status replay(struct viv_sim_world *world, size_t server, const struct viv_state_mark *mark)
{
    struct viv_sim_server *at = &world->servers[server];
    struct viv_log_bounds bounds;
    struct viv_entry entries[LOAD_ENTRIES_MAX];
    struct viv_log_iter *iter;
    viv_log_bounds(at->storage.log, 0, &bounds);
    viv_sim_truth_recovers(world, server, &bounds, mark);
    uint64_t after = mark->zxid_start > bounds.base_zxid ? mark->zxid_start : bounds.base_zxid;
    if (after >= bounds.last_zxid) {
        return viv_node_recover_end(at->node, &bounds);
    }
    VIV_TRY(viv_log_iter_open(at->storage.log, 0, after, bounds.last_zxid, &iter));
    size_t count = 1;
    viv_status status = VIV_OK;
    while (status == VIV_OK && count > 0) {
        status = viv_log_iter_next(at->storage.log, iter, entries, LOAD_ENTRIES_MAX, LOAD_BYTES_MAX, &count);
        for (size_t i = 0; status == VIV_OK && i < count; i++) {
            bool is_committed = world->server_count == 1 || entries[i].zxid <= bounds.commit_zxid;
            viv_sim_truth_recovers_entry(world, server, &entries[i]);
            status = world->server_count == 1 && viv_entry_is_damaged(&entries[i])
                         ? VIV_ERR_CORRUPT /* nobody else has it */
                         : viv_node_recover_entry(at->node, &entries[i], is_committed);
        }
    }
    viv_log_iter_close(at->storage.log, iter);
    return status == VIV_OK ? viv_node_recover_end(at->node, &bounds) : status;
}

/* Nothing here can be served: what the log holds counts in elections, and a leader has the state. */
static void begin_baseless(struct viv_sim_world *world, size_t server, const struct viv_hard_state *hard)
{
    struct viv_sim_server *at = &world->servers[server];
    struct viv_log_bounds bounds;
    viv_log_bounds(at->storage.log, 0, &bounds);
    viv_sim_mark(world, "sim a server begins without a state");
    viv_node_free(at->node);
    at->node = viv_sim_recipe_node(world, server);
    viv_sim_truth_recovers(world, server, &bounds, &(struct viv_state_mark){.zxid_start = bounds.last_zxid});
    viv_node_recover_baseless(at->node, &bounds, hard);
}

static viv_status recover(struct viv_sim_world *world, size_t server)
{
    struct viv_sim_server *at = &world->servers[server];
    struct viv_store_report report = {0};
    struct viv_state_mark mark = {0};
    struct viv_hard_state hard;
    viv_status status =
        viv_state_load(at->storage.state, viv_node_recover_rows, viv_node_recover_restart, at->node, &mark, &report);
    if (status == VIV_ERR_NOT_FOUND) {
        mark = (struct viv_state_mark){0};
        status = VIV_OK;
    }
    viv_log_hard_get(at->storage.log, 0, &hard);
    viv_sim_truth_recovers_hard(world, server, &hard);
    status = status == VIV_OK ? viv_node_recover_image_end(at->node, &mark, &hard) : status;
    status = status == VIV_OK ? replay(world, server, &mark) : status;
    if (status == VIV_ERR_CORRUPT && world->server_count > 1) {
        begin_baseless(world, server, &hard);
        status = VIV_OK;
    }
    return status;
}

void viv_sim_storage_pay(struct viv_sim_storage *storage, unsigned writes, unsigned syncs)
{
    if (storage->library != NULL) {
        viv_sim_disk_pass(storage->disk, writes, syncs);
    }
}

viv_status viv_sim_storage_open(struct viv_sim_world *world, size_t server)
{
    struct viv_sim_server *at = &world->servers[server];
    struct viv_sim_storage *storage = &at->storage;
    const struct viv_disk calls = viv_sim_disk_calls(storage->disk);
    const struct viv_store_config config = {
        .log_dir = VIV_SIM_FOLDER,
        .state_dir = storage->library != NULL ? viv_sim_library_folder(storage->library) : VIV_SIM_FOLDER,
        .server_id = (int64_t)server + 1,
        .durable = true,
        .may_forget = world->server_count > 1,
        .segment_bytes = (uint64_t)VIV_SIM_GET(world, segment_bytes),
        .load_threads = 1,
        .disk = &calls,
    };
    struct viv_store_report report = {0};
    enum viv_sim_break breaks = world->options->breaks;
    if (breaks == VIV_SIM_BREAK_LYING_DISK || breaks == VIV_SIM_BREAK_LYING_DIRECTORY) {
        viv_sim_disk_set_fault(
            storage->disk, breaks == VIV_SIM_BREAK_LYING_DISK ? VIV_SIM_DISK_LYING_SYNC : VIV_SIM_DISK_LYING_DIR, 0);
    }
    const struct viv_configuration *configuration = viv_sim_library_configuration(world, server);
    VIV_TRY(viv_state_open(configuration->state, &config, 0, &storage->state, &report));
    viv_sim_storage_pay(storage, OPEN_WRITES, 1);
    VIV_TRY(viv_log_open(configuration->log, &config, &storage->log, &report));
    bool is_cut = false; /* alone nobody can tell whether a torn end was ever acknowledged */
    VIV_TRY(world->server_count == 1 ? viv_log_cut_torn(storage->log, 0, &is_cut) : VIV_OK);
    at->node = viv_sim_recipe_node(world, server);
    storage->wants_room = true;
    return recover(world, server);
}

void viv_sim_storage_close(struct viv_sim_world *world, size_t server)
{
    struct viv_sim_storage *storage = &world->servers[server].storage;
    drop(&storage->log_tasks);
    drop(&storage->background_tasks);
    drop_answers(storage);
    viv_sim_library_halt(storage->library, world->now_ns);
    if (storage->library != NULL && storage->in_checkpoint) {
        viv_state_abort(storage->state);
    }
    if (storage->state != NULL) {
        viv_state_close(storage->state);
    }
    if (storage->log != NULL) {
        viv_log_close(storage->log);
    }
    storage->state = NULL;
    storage->log = NULL;
    storage->is_busy = storage->in_checkpoint = storage->is_low = storage->wants_room = storage->is_unsettled = false;
    storage->is_dying = storage->waits_for_room = false;
    storage->full = 0;
    storage->used_bytes = storage->naps = 0;
    storage->watched_ns = storage->asked_ns = storage->scrubbed_ns = 0;
    storage->scrub = (struct viv_scrub){0};
    storage->fault_told_zxid = 0;
}

/* ---- tasks ---- */

void viv_sim_storage_take(struct viv_sim_world *world, size_t server, struct viv_action *action)
{
    struct viv_sim_storage *storage = &world->servers[server].storage;
    struct viv_sim_task task = {.action = *action};
    action->rows = (struct viv_buffer){0}; /* taken */
    bool is_background = action->kind >= VIV_ACTION_LOG_READ;
    bool is_early = world->options->breaks == VIV_SIM_BREAK_EARLY_ACK && action->kind == VIV_ACTION_LOG_APPEND;
    if (is_early && action->entry_count > 0) { /* the node may forget them at once */
        task.copied = viv_sim_copy_entries(action->entries, action->entry_count);
        task.action.entries = task.copied;
    }
    push(is_background ? &storage->background_tasks : &storage->log_tasks, &task);
    if (is_early) {
        struct viv_event event = {.kind = VIV_EVENT_LOG_DONE, .ticket = action->ticket};
        viv_sim_server_input(world, server, &event, (struct viv_bytes){0});
    }
    viv_sim_storage_run(world, server);
}

void viv_sim_storage_run(struct viv_sim_world *world, size_t server)
{
    struct viv_sim_server *at = &world->servers[server];
    struct viv_sim_storage *storage = &at->storage;
    bool has_log = storage->log_tasks.count > 0 && !storage->waits_for_room;
    bool has_background = storage->wants_room || storage->background_tasks.count > 0;
    if (at->node == NULL || at->is_paused || storage->is_busy || !(has_log || has_background)) {
        return;
    }
    bool takes_log = has_log && (!has_background || viv_rng_below(&storage->rng, 2) == 0);
    storage->is_busy = true;
    viv_sim_disk_begin(storage->disk, world->now_ns);
    viv_sim_library_task(storage->library, world->now_ns);
    if (takes_log) {
        viv_sim_task_log(world, server);
    } else {
        viv_sim_task_background(world, server);
    }
    int64_t done_ns = viv_sim_disk_time_ns(storage->disk);
    viv_sim_library_task_until(storage->library, done_ns);
    viv_sim_agenda_add(&world->agenda, done_ns, VIV_SIM_DUE_DISK, server, at->life);
    if (storage->waits_for_room && takes_log) {
        viv_sim_agenda_add(&world->agenda, world->now_ns + (int64_t)storage->naps * NAP_MS * NS_PER_MS,
                           VIV_SIM_DUE_ROOM, server, at->life);
    }
}

void viv_sim_storage_room(struct viv_sim_world *world, size_t server)
{
    world->servers[server].storage.waits_for_room = false;
    viv_sim_storage_run(world, server);
}

void viv_sim_storage_done(struct viv_sim_world *world, size_t server)
{
    struct viv_sim_storage *storage = &world->servers[server].storage;
    storage->is_busy = false;
    if (storage->is_dying) {
        viv_sim_mark(world, "sim a process ends");
        viv_sim_server_stop(world, server, false);
        viv_sim_server_start(world, server, VIV_SIM_RESTART_MS * NS_PER_MS);
        return;
    }
    for (size_t i = 0; i < storage->answer_count; i++) {
        struct viv_event *event = &storage->answers[i].event;
        bool is_early = viv_sim_truth_is_early(world, server, event);
        viv_sim_truth_answered(world, server, event);
        if (!is_early) {
            viv_sim_server_input(world, server, event, (struct viv_bytes){0});
        }
    }
    drop_answers(storage);
    viv_sim_storage_run(world, server);
}

void viv_sim_storage_tick(struct viv_sim_world *world, size_t server)
{
    struct viv_sim_storage *storage = &world->servers[server].storage;
    if (VIV_SIM_GET(world, disk_kib) > 0 && world->now_ns - storage->watched_ns >= WATCH_MS * NS_PER_MS) {
        storage->watched_ns = world->now_ns;
        push(&storage->background_tasks, &(struct viv_sim_task){.chore = VIV_SIM_CHORE_WATCH});
        viv_sim_storage_run(world, server);
    }
    if (VIV_SIM_GET(world, rots) != 0 && world->now_ns - storage->scrubbed_ns >= SCRUB_MS * NS_PER_MS) {
        storage->scrubbed_ns = world->now_ns;
        push(&storage->background_tasks, &(struct viv_sim_task){.chore = VIV_SIM_CHORE_SCRUB});
        viv_sim_storage_run(world, server);
    }
    if (storage->is_unsettled && storage->log_tasks.count == 0 && !storage->is_busy) {
        storage->is_unsettled = false;
        push(&storage->log_tasks, &(struct viv_sim_task){.chore = VIV_SIM_CHORE_SETTLE});
        viv_sim_storage_run(world, server);
    }
    if (storage->full != 0 && world->now_ns - storage->asked_ns >= RETRY_MS * NS_PER_MS) {
        storage->asked_ns = world->now_ns;
        storage->wants_room = true;
        viv_sim_storage_run(world, server);
    }
}
