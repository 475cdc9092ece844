#include <stdlib.h>

#include "base/assert.h"
#include "sim/world.h"

/* What server/log_thread and server/background do with the stores, one task at a time. Answers are given when the disk
 * is done with the task (storage.c). */

enum {
    RUNS_MAX = 256,
    PIECE_ENTRIES_MAX = 256,
    PIECE_BYTES_MAX = 1 << 20,
    NAPS_MAX = 64,
    RESERVE_PART = 10,
    CHECKPOINT_WRITES = 4, /* of a library's, at a time */
    SCRUB_BYTES = 128 << 10,
    FAULTS_TOLD_MAX = 64,
    NO_ROOM_NOW = 1,
    NO_ROOM_AHEAD = 2,
};

/* ---- the process ends itself ---- */

static bool survives(struct viv_sim_world *world, size_t server, const char *phase, viv_status status)
{
    if (status == VIV_OK) {
        return true;
    }
    viv_sim_note(world, phase, server, (uint64_t)status, (struct viv_bytes){0});
    world->servers[server].storage.is_dying = true;
    return false;
}

static void set_full(struct viv_sim_world *world, size_t server, unsigned kind, bool is_full)
{
    struct viv_sim_storage *storage = &world->servers[server].storage;
    bool was_full = storage->full != 0;
    storage->full = (storage->full & ~kind) | (is_full ? kind : 0);
    if (was_full != (storage->full != 0)) {
        struct viv_event event = {.kind = VIV_EVENT_DISK_FULL, .flag = storage->full != 0};
        storage->asked_ns = world->now_ns;
        viv_sim_server_input(world, server, &event, (struct viv_bytes){0});
    }
}

/* ---- the log ---- */

static void append_neighbours(struct viv_sim_world *world, size_t server)
{
    struct viv_sim_storage *storage = &world->servers[server].storage;
    struct viv_sim_tasks *tasks = &storage->log_tasks;
    struct viv_log_run runs[RUNS_MAX];
    size_t count = 0, bytes = 0;
    uint64_t bytes_max = (uint64_t)VIV_SIM_GET(world, segment_bytes) / 4;
    while (count < tasks->count && count < RUNS_MAX && bytes < bytes_max &&
           tasks->items[tasks->first + count].chore == VIV_SIM_CHORE_ACTION &&
           tasks->items[tasks->first + count].action.kind == VIV_ACTION_LOG_APPEND) {
        const struct viv_action *action = &tasks->items[tasks->first + count].action;
        runs[count++] = (struct viv_log_run){action->gid, action->zxid, action->entries, action->entry_count};
        for (size_t i = 0; i < action->entry_count; i++) {
            bytes += action->entries[i].body.size + sizeof action->entries[i];
        }
    }
    viv_status status = viv_log_append(storage->log, runs, count);
    if (status == VIV_ERR_NOSPACE) {
        set_full(world, server, NO_ROOM_NOW, true);
        storage->naps = storage->naps == 0 ? 1 : storage->naps < NAPS_MAX ? storage->naps * 2 : storage->naps;
        storage->waits_for_room = true;
        return;
    }
    storage->naps = 0;
    set_full(world, server, NO_ROOM_NOW, false);
    if (!survives(world, server, "append fails", status) ||
        !survives(world, server, "sync fails", viv_log_sync(storage->log))) {
        return;
    }
    for (size_t i = 0; i < count; i++) {
        struct viv_event event = {.kind = VIV_EVENT_LOG_DONE, .ticket = tasks->items[tasks->first + i].action.ticket};
        viv_sim_storage_answer(storage, &event);
        free(tasks->items[tasks->first + i].copied);
    }
    tasks->first += count;
    tasks->count -= count;
    storage->used_bytes += bytes;
    storage->is_unsettled = true;
    if (storage->used_bytes >= bytes_max) {
        storage->used_bytes = 0;
        storage->wants_room = true;
    }
}

static viv_status change_log(struct viv_sim_world *world, size_t server, const struct viv_action *action)
{
    struct viv_log *log = world->servers[server].storage.log;
    switch (action->kind) {
    case VIV_ACTION_LOG_TRUNCATE:
        return viv_log_truncate(log, action->gid, viv_sim_truth_cut(world, server, action->zxid));
    case VIV_ACTION_LOG_RESET:
        return viv_log_reset(log, action->gid, action->zxid);
    case VIV_ACTION_LOG_HARD:
        return world->options->breaks == VIV_SIM_BREAK_LOST_HARD_STATE
                   ? VIV_OK
                   : viv_log_hard_put(log, action->gid, &action->hard);
    case VIV_ACTION_LOG_TRIM:
        return viv_log_trim(log, action->gid, action->zxid);
    case VIV_ACTION_LOG_REPAIR: {
        viv_status status = viv_log_repair(log, action->gid, action->zxid, action->bytes);
        return status == VIV_ERR_NOT_FOUND ? VIV_OK : status;
    }
    default:
        VIV_ASSERT(!"not a task of the log thread");
        return VIV_ERR_INVALID;
    }
}

void viv_sim_task_log(struct viv_sim_world *world, size_t server)
{
    struct viv_sim_storage *storage = &world->servers[server].storage;
    struct viv_sim_tasks *tasks = &storage->log_tasks;
    const struct viv_action *action = &tasks->items[tasks->first].action;
    bool is_chore = tasks->items[tasks->first].chore == VIV_SIM_CHORE_SETTLE;
    if (!is_chore && action->kind == VIV_ACTION_LOG_APPEND) {
        append_neighbours(world, server);
        return;
    }
    viv_status status = is_chore ? viv_log_settle(storage->log) : change_log(world, server, action);
    if (survives(world, server, "the log fails", status) && !is_chore && action->kind != VIV_ACTION_LOG_TRIM) {
        struct viv_event event = {.kind = VIV_EVENT_LOG_DONE, .ticket = action->ticket};
        viv_sim_storage_answer(storage, &event);
    }
    tasks->first++;
    tasks->count--;
}

static void prepare(struct viv_sim_world *world, size_t server)
{
    struct viv_sim_storage *storage = &world->servers[server].storage;
    viv_status status = viv_log_prepare(storage->log);
    storage->wants_room = false;
    if (status == VIV_OK || status == VIV_ERR_NOSPACE) {
        set_full(world, server, NO_ROOM_AHEAD, status == VIV_ERR_NOSPACE);
    } else {
        (void)survives(world, server, "prepare fails", status);
    }
}

/* ---- the background ---- */

static void read_log(struct viv_sim_world *world, size_t server, const struct viv_action *action)
{
    struct viv_sim_storage *storage = &world->servers[server].storage;
    size_t piece = (size_t)VIV_SIM_GET(world, read_entries);
    struct viv_entry entries[PIECE_ENTRIES_MAX];
    struct viv_log_iter *iter;
    struct viv_event event = {.kind = VIV_EVENT_LOG_READ, .ticket = action->ticket};
    piece = piece < 1 ? 1 : piece > PIECE_ENTRIES_MAX ? PIECE_ENTRIES_MAX : piece;
    event.status = viv_log_iter_open(storage->log, action->gid, action->zxid_from, action->zxid, &iter);
    bool is_open = event.status == VIV_OK;
    while (event.status == VIV_OK && !event.last) {
        size_t count = 0;
        event.status = viv_log_iter_next(storage->log, iter, entries, piece, PIECE_BYTES_MAX, &count);
        size_t sound = event.status == VIV_OK ? viv_log_count_sound(entries, count) : 0;
        bool is_damaged = sound < count;
        event.last = count == 0;
        count = sound;
        if (event.status == VIV_OK && (count > 0 || event.last)) {
            event.entries = count > 0 ? viv_sim_copy_entries(entries, count) : NULL;
            event.entry_count = count;
            viv_sim_storage_answer(storage, &event);
            storage->answers[storage->answer_count - 1].entries = (struct viv_entry *)(uintptr_t)event.entries;
        }
        event.status = is_damaged ? VIV_ERR_CORRUPT : event.status;
    }
    if (is_open) {
        viv_log_iter_close(storage->log, iter);
    }
    if (event.status == VIV_ERR_TRIMMED || event.status == VIV_ERR_CORRUPT) {
        event.last = true;
        event.entries = NULL;
        event.entry_count = 0;
        viv_sim_storage_answer(storage, &event);
    } else {
        (void)survives(world, server, "reading the log fails", event.status);
    }
}

static void checkpoint_done(struct viv_sim_storage *storage, viv_status status, uint64_t log_needed_after)
{
    struct viv_event event = {.kind = VIV_EVENT_CHECKPOINT_DONE,
                              .ticket = storage->checkpoint_ticket,
                              .status = status,
                              .zxid = log_needed_after};
    storage->in_checkpoint = false;
    viv_sim_storage_answer(storage, &event);
}

/* True when the checkpoint goes on. */
static bool step_worked(struct viv_sim_world *world, size_t server, viv_status status)
{
    struct viv_sim_storage *storage = &world->servers[server].storage;
    if (status == VIV_ERR_NOSPACE || status == VIV_ERR_CORRUPT) {
        checkpoint_done(storage, status, 0);
        return false;
    }
    return survives(world, server, "the state store fails", status);
}

static uint64_t thin(struct viv_sim_world *world, size_t server)
{
    uint64_t log_needed_after = 0;
    (void)survives(world, server, "thinning fails",
                   viv_state_thin(world->servers[server].storage.state, &log_needed_after));
    return log_needed_after;
}

static void run_checkpoint(struct viv_sim_world *world, size_t server, struct viv_action *action)
{
    struct viv_sim_storage *storage = &world->servers[server].storage;
    uint64_t needed = 0;
    switch (action->kind) {
    case VIV_ACTION_CHECKPOINT_BEGIN:
        storage->in_checkpoint = true;
        storage->checkpoint_ticket = action->ticket;
        (void)step_worked(world, server, viv_state_begin(storage->state, action->checkpoint, action->zxid));
        break;
    case VIV_ACTION_CHECKPOINT_ROWS:
        if (storage->in_checkpoint) {
            (void)step_worked(world, server, viv_state_write(storage->state, viv_buffer_bytes(&action->rows)));
        }
        viv_sim_storage_answer(storage, &(struct viv_event){.kind = VIV_EVENT_CHECKPOINT_ROOM});
        break;
    case VIV_ACTION_CHECKPOINT_COMMIT:
        if (storage->in_checkpoint &&
            step_worked(world, server, viv_state_commit(storage->state, &action->mark, &needed))) {
            needed = storage->is_low && needed < action->mark.zxid_start ? thin(world, server) : needed;
            checkpoint_done(storage, VIV_OK, needed);
        }
        break;
    default:
        if (storage->in_checkpoint) {
            storage->in_checkpoint = false;
            viv_state_abort(storage->state);
        }
        break;
    }
    viv_sim_storage_pay(storage, CHECKPOINT_WRITES, action->kind == VIV_ACTION_CHECKPOINT_ROWS ? 0 : 2);
    viv_buffer_fini(&action->rows);
}

static void watch_room(struct viv_sim_world *world, size_t server)
{
    struct viv_sim_storage *storage = &world->servers[server].storage;
    bool was_low = storage->is_low;
    uint64_t reserve = ((uint64_t)VIV_SIM_GET(world, disk_kib) << 10) / RESERVE_PART;
    if (storage->in_checkpoint) {
        return;
    }
    storage->is_low = viv_sim_disk_room_bytes(storage->disk) < reserve;
    if (storage->is_low || was_low) {
        viv_sim_storage_answer(storage, &(struct viv_event){.kind = VIV_EVENT_DISK_LOW,
                                                            .flag = storage->is_low,
                                                            .zxid = storage->is_low ? thin(world, server) : 0});
    }
}

static void scrub(struct viv_sim_world *world, size_t server)
{
    struct viv_sim_storage *storage = &world->servers[server].storage;
    struct viv_log_fault faults[FAULTS_TOLD_MAX];
    size_t bytes;
    bool is_image = storage->scrubs_image && !storage->in_checkpoint;
    storage->scrubs_image = !storage->scrubs_image;
    viv_status status = is_image ? viv_state_scrub(storage->state, SCRUB_BYTES, &bytes)
                                 : viv_log_scrub(storage->log, &storage->scrub, SCRUB_BYTES);
    if (is_image && status == VIV_ERR_CORRUPT) {
        viv_sim_storage_answer(storage, &(struct viv_event){.kind = VIV_EVENT_IMAGE_FAULT});
    }
    if (status != VIV_ERR_CORRUPT && !survives(world, server, "the scrub fails", status)) {
        return;
    }
    size_t count = viv_log_faults(storage->log, 0, storage->fault_told_zxid, faults, FAULTS_TOLD_MAX);
    storage->fault_told_zxid = count > 0 ? faults[count - 1].zxid : 0;
    for (size_t i = 0; i < count; i++) {
        viv_sim_storage_answer(
            storage, &(struct viv_event){.kind = VIV_EVENT_LOG_FAULT, .zxid = faults[i].zxid, .fault = faults[i]});
    }
}

void viv_sim_task_background(struct viv_sim_world *world, size_t server)
{
    struct viv_sim_storage *storage = &world->servers[server].storage;
    struct viv_sim_tasks *tasks = &storage->background_tasks;
    if (storage->wants_room) {
        prepare(world, server);
        return;
    }
    struct viv_sim_task task = tasks->items[tasks->first++];
    tasks->count--;
    if (task.chore == VIV_SIM_CHORE_WATCH) {
        watch_room(world, server);
    } else if (task.chore == VIV_SIM_CHORE_SCRUB) {
        scrub(world, server);
    } else if (task.action.kind == VIV_ACTION_LOG_READ) {
        read_log(world, server, &task.action);
    } else {
        run_checkpoint(world, server, &task.action);
    }
}
