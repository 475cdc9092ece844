#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "server/background.h"
#include "server/exit_code.h"
#include "server/log_thread.h"
#include "server/mailbox.h"
#include "store/log_store.h"
#include "store/state_store.h"
#include "tests/support/viv_test.h"

/* ---- stores that count what they are asked for ---- */

struct viv_log {
    const struct viv_log_ops *ops;
    unsigned appends, runs, syncs, truncates;
    unsigned syncs_at_truncate;
    struct viv_log_bounds bounds;
    viv_status prepare_status, sync_status;
    atomic_uint full_appends; /* so many fail for want of room */
    uint64_t fault_count;     /* entries 1, 2, ... are damaged */
};

struct viv_log_iter {
    uint64_t next, upto;
};

static viv_status fake_append(struct viv_log *log, const struct viv_log_run *runs, size_t run_count)
{
    if (log->full_appends > 0) {
        log->full_appends--;
        return VIV_ERR_NOSPACE;
    }
    log->appends++;
    log->runs += (unsigned)run_count;
    for (size_t i = 0; i < run_count; i++) {
        log->bounds.last_zxid = runs[i].entries[runs[i].entry_count - 1].zxid;
    }
    return VIV_OK;
}

static viv_status fake_sync(struct viv_log *log)
{
    log->syncs++;
    return log->sync_status;
}

static viv_status fake_truncate(struct viv_log *log, viv_gid gid, uint64_t keep_zxid)
{
    (void)gid;
    log->truncates++;
    log->syncs_at_truncate = log->syncs;
    log->bounds.last_zxid = keep_zxid;
    return VIV_OK;
}

static void fake_bounds(struct viv_log *log, viv_gid gid, struct viv_log_bounds *bounds)
{
    (void)gid;
    *bounds = log->bounds;
}

static viv_status fake_prepare(struct viv_log *log)
{
    return log->prepare_status;
}

static viv_status fake_iter_open(struct viv_log *log, viv_gid gid, uint64_t after, uint64_t upto,
                                 struct viv_log_iter **iter)
{
    (void)gid;
    if (after < log->bounds.base_zxid) {
        return VIV_ERR_TRIMMED;
    }
    *iter = viv_alloc(sizeof **iter);
    **iter = (struct viv_log_iter){after + 1, upto};
    return VIV_OK;
}

/* Two entries a call, so that a short range takes several chunks. */
static viv_status fake_iter_next(struct viv_log_iter *iter, struct viv_entry *entries, size_t capacity,
                                 size_t bytes_max, size_t *count)
{
    (void)capacity;
    (void)bytes_max;
    for (*count = 0; *count < 2 && iter->next <= iter->upto; (*count)++) {
        entries[*count] = (struct viv_entry){iter->next++, VIV_BYTES_LITERAL("body"), 0};
    }
    return VIV_OK;
}

static void fake_iter_close(struct viv_log_iter *iter)
{
    free(iter);
}

static size_t fake_faults(struct viv_log *log, viv_gid gid, uint64_t after, struct viv_log_fault *faults,
                          size_t capacity)
{
    size_t count = 0;
    (void)gid;
    for (uint64_t zxid = after + 1; zxid <= log->fault_count && count < capacity; zxid++) {
        faults[count++] = (struct viv_log_fault){.zxid = zxid, .bytes = 1};
    }
    return count;
}

static const struct viv_log_ops fake_log_ops = {
    .name = "fake",
    .traits = VIV_STORE_REPAIRS,
    .append = fake_append,
    .sync = fake_sync,
    .truncate = fake_truncate,
    .bounds = fake_bounds,
    .prepare = fake_prepare,
    .faults = fake_faults,
    .iter_open = fake_iter_open,
    .iter_next = fake_iter_next,
    .iter_close = fake_iter_close,
};

struct viv_state {
    const struct viv_state_ops *ops;
    viv_status write_status;
    unsigned writes, commits, aborts;
};

static viv_status fake_begin(struct viv_state *state, enum viv_checkpoint_kind kind, uint64_t zxid_start)
{
    (void)state;
    (void)kind;
    (void)zxid_start;
    return VIV_OK;
}

static viv_status fake_write(struct viv_state *state, struct viv_bytes rows)
{
    (void)rows;
    state->writes++;
    return state->write_status;
}

static viv_status fake_commit(struct viv_state *state, const struct viv_state_mark *mark, uint64_t *log_needed_after)
{
    state->commits++;
    *log_needed_after = mark->zxid_start;
    return VIV_OK;
}

static void fake_abort(struct viv_state *state)
{
    state->aborts++;
}

static const struct viv_state_ops fake_state_ops = {
    .name = "fake", .begin = fake_begin, .write = fake_write, .commit = fake_commit, .abort = fake_abort};

/* ---- completions ---- */

static void wake_nobody(void *ctx)
{
    (void)ctx;
}

struct rig {
    struct viv_log log;
    struct viv_state state;
    struct viv_mailbox done;
    struct viv_buffer taken;
    size_t used;
    unsigned room_asked;
};

static void rig_init(struct rig *rig)
{
    *rig = (struct rig){.log = {.ops = &fake_log_ops}, .state = {.ops = &fake_state_ops}};
    viv_mailbox_init(&rig->done, sizeof(struct viv_completion));
}

static void rig_fini(struct rig *rig)
{
    viv_buffer_fini(&rig->taken);
    viv_mailbox_fini(&rig->done);
}

/* The next completion, waiting for it. */
static struct viv_completion next_done(struct rig *rig)
{
    if (rig->used == rig->taken.size) {
        viv_buffer_clear(&rig->taken);
        rig->used = 0;
        cr_assert_gt(viv_mailbox_wait(&rig->done, &rig->taken), 0);
    }
    struct viv_completion completion;
    memcpy(&completion, rig->taken.data + rig->used, sizeof completion);
    rig->used += sizeof completion;
    return completion;
}

static bool is_quiet(struct rig *rig)
{
    return rig->used == rig->taken.size && rig->done.items.size == 0;
}

/* ---- the log thread ---- */

static void count_room(void *ctx)
{
    ((struct rig *)ctx)->room_asked++;
}

static struct viv_log_thread *start_log(struct rig *rig, uint64_t batch_bytes_max, uint64_t room_bytes)
{
    return viv_log_thread_start(&(struct viv_log_thread_config){
        .log = &rig->log,
        .path = "fake",
        .done = {&rig->done, wake_nobody, NULL},
        .batch_bytes_max = batch_bytes_max,
        .room_bytes = room_bytes,
        .used = count_room,
        .ctx = rig,
    });
}

static void add_append(struct viv_log_thread *thread, const struct viv_entry *entry, uint64_t ticket)
{
    viv_log_thread_add(
        thread,
        &(struct viv_action){.kind = VIV_ACTION_LOG_APPEND, .ticket = ticket, .entries = entry, .entry_count = 1}, 0);
}

static void make_entries(struct viv_entry *entries, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        entries[i] = (struct viv_entry){i + 1, VIV_BYTES_LITERAL("0123456789"), 0};
    }
}

VIV_TEST(server_log_thread, appends_of_one_turn_share_a_write_and_a_sync)
{
    struct rig rig;
    rig_init(&rig);
    struct viv_entry entries[100];
    make_entries(entries, 100);
    struct viv_log_thread *thread = start_log(&rig, 1 << 20, 1 << 20);
    for (uint64_t i = 0; i < 100; i++) {
        add_append(thread, &entries[i], i + 1);
    }
    viv_log_thread_kick(thread);
    for (uint64_t i = 0; i < 100; i++) {
        struct viv_completion done = next_done(&rig);
        cr_assert_eq(done.kind, VIV_EVENT_LOG_DONE);
        cr_assert_eq(done.ticket, i + 1);
    }
    viv_log_thread_stop(thread);
    cr_assert_eq(rig.log.appends, 1);
    cr_assert_eq(rig.log.runs, 100);
    cr_assert_eq(rig.log.syncs, 1);
    rig_fini(&rig);
}

VIV_TEST(server_log_thread, a_large_turn_is_written_in_bounded_batches_and_still_synced_once)
{
    struct rig rig;
    rig_init(&rig);
    struct viv_entry entries[10];
    make_entries(entries, 10);
    struct viv_log_thread *thread = start_log(&rig, 2 * (10 + sizeof entries[0]), 1 << 20);
    for (uint64_t i = 0; i < 10; i++) {
        add_append(thread, &entries[i], i + 1);
    }
    viv_log_thread_stop(thread);
    cr_assert_eq(rig.log.appends, 5);
    cr_assert_eq(rig.log.syncs, 1);
    rig_fini(&rig);
}

VIV_TEST(server_log_thread, a_truncation_waits_for_the_appends_before_it_and_holds_up_those_behind_it)
{
    struct rig rig;
    rig_init(&rig);
    struct viv_entry entries[3];
    make_entries(entries, 3);
    struct viv_log_thread *thread = start_log(&rig, 1 << 20, 1 << 20);
    add_append(thread, &entries[0], 1);
    add_append(thread, &entries[1], 2);
    viv_log_thread_add(thread, &(struct viv_action){.kind = VIV_ACTION_LOG_TRUNCATE, .ticket = 3, .zxid = 1}, 0);
    add_append(thread, &entries[2], 4);
    viv_log_thread_kick(thread);
    for (uint64_t ticket = 1; ticket <= 4; ticket++) {
        cr_assert_eq(next_done(&rig).ticket, ticket);
    }
    viv_log_thread_stop(thread);
    cr_assert_eq(rig.log.syncs_at_truncate, 1);
    cr_assert_eq(rig.log.syncs, 2);
    rig_fini(&rig);
}

VIV_TEST(server_log_thread, room_is_asked_for_when_enough_was_appended)
{
    struct rig rig;
    rig_init(&rig);
    struct viv_entry entries[2];
    make_entries(entries, 2);
    struct viv_log_thread *thread = start_log(&rig, 1 << 20, 10 + sizeof entries[0] + 1);
    add_append(thread, &entries[0], 1);
    viv_log_thread_kick(thread);
    (void)next_done(&rig);
    add_append(thread, &entries[1], 2);
    viv_log_thread_stop(thread);
    cr_assert_eq(rig.room_asked, 1);
    rig_fini(&rig);
}

VIV_TEST(server_log_thread, only_a_lone_append_may_be_written_by_the_caller)
{
    struct rig rig;
    rig_init(&rig);
    struct viv_entry entries[3];
    make_entries(entries, 3);
    struct viv_log_thread *thread = start_log(&rig, 1 << 20, 1 << 20);
    cr_assert_not(viv_log_thread_has_lone_append(thread));
    add_append(thread, &entries[0], 1);
    cr_assert(viv_log_thread_has_lone_append(thread));
    struct viv_log_batch batch;
    cr_assert_eq(viv_log_thread_write_inline(thread, &batch), 1);
    cr_assert_eq(batch.entry_count, 1);
    cr_assert_eq(rig.log.syncs, 1);
    cr_assert_not(viv_log_thread_has_lone_append(thread));
    add_append(thread, &entries[1], 2);
    add_append(thread, &entries[2], 3);
    cr_assert_not(viv_log_thread_has_lone_append(thread));
    viv_log_thread_stop(thread);
    cr_assert_eq(next_done(&rig).ticket, 2);
    cr_assert_eq(next_done(&rig).ticket, 3);
    cr_assert(is_quiet(&rig));
    rig_fini(&rig);
}

VIV_TEST(server_log_thread, a_full_disk_holds_a_write_back_until_there_is_room)
{
    struct rig rig;
    rig_init(&rig);
    rig.log.full_appends = 2;
    struct viv_entry entries[1];
    make_entries(entries, 1);
    struct viv_log_thread *thread = start_log(&rig, 1 << 20, 1 << 20);
    add_append(thread, &entries[0], 1);
    viv_log_thread_kick(thread);
    struct viv_completion full = next_done(&rig);
    cr_assert_eq(full.kind, VIV_EVENT_DISK_FULL);
    cr_assert(full.flag);
    cr_assert_not(next_done(&rig).flag);
    cr_assert_eq(next_done(&rig).ticket, 1);
    viv_log_thread_stop(thread);
    cr_assert_eq(rig.log.appends, 1);
    rig_fini(&rig);
}

VIV_TEST(server_log_thread, stopping_does_not_wait_for_a_full_disk)
{
    struct rig rig;
    rig_init(&rig);
    rig.log.full_appends = UINT32_MAX;
    struct viv_entry entries[1];
    make_entries(entries, 1);
    struct viv_log_thread *thread = start_log(&rig, 1 << 20, 1 << 20);
    add_append(thread, &entries[0], 1);
    viv_log_thread_stop(thread);
    cr_assert_eq(next_done(&rig).kind, VIV_EVENT_DISK_FULL);
    cr_assert(is_quiet(&rig));
    cr_assert_eq(rig.log.syncs, 0);
    rig_fini(&rig);
}

VIV_TEST(server_log_thread, a_failed_sync_ends_the_process_and_is_never_answered, .exit_code = VIV_EXIT_DATA)
{
    struct rig rig;
    rig_init(&rig);
    rig.log.sync_status = VIV_ERR_IO;
    struct viv_entry entries[1];
    make_entries(entries, 1);
    struct viv_log_thread *thread = start_log(&rig, 1 << 20, 1 << 20);
    add_append(thread, &entries[0], 1);
    viv_log_thread_kick(thread);
    next_done(&rig);
    cr_assert(false, "the append is answered although it is not durable");
}

/* ---- the background thread ---- */

static struct viv_background *start_background(struct rig *rig)
{
    return viv_background_start(&(struct viv_background_config){.log = &rig->log,
                                                                .state = &rig->state,
                                                                .log_path = "fake",
                                                                .state_path = "fake",
                                                                .done = {&rig->done, wake_nobody, NULL}});
}

static void add(struct viv_background *background, struct viv_action action)
{
    if (action.kind == VIV_ACTION_CHECKPOINT_ROWS) {
        viv_row_append(&action.rows, &(struct viv_row){VIV_ROW_PUT, VIV_BYTES_LITERAL("k"), VIV_BYTES_LITERAL("v")});
    }
    viv_background_add(background, &action);
    cr_assert_null(action.rows.data);
}

VIV_TEST(server_background, a_checkpoint_answers_every_block_and_its_end)
{
    struct rig rig;
    rig_init(&rig);
    struct viv_background *background = start_background(&rig);
    add(background, (struct viv_action){.kind = VIV_ACTION_CHECKPOINT_BEGIN, .ticket = 7, .zxid = 5});
    add(background, (struct viv_action){.kind = VIV_ACTION_CHECKPOINT_ROWS});
    add(background, (struct viv_action){.kind = VIV_ACTION_CHECKPOINT_ROWS});
    add(background,
        (struct viv_action){.kind = VIV_ACTION_CHECKPOINT_COMMIT, .mark = {.zxid_start = 5, .zxid_end = 6}});
    cr_assert_eq(next_done(&rig).kind, VIV_EVENT_CHECKPOINT_ROOM);
    cr_assert_eq(next_done(&rig).kind, VIV_EVENT_CHECKPOINT_ROOM);
    struct viv_completion done = next_done(&rig);
    cr_assert_eq(done.kind, VIV_EVENT_CHECKPOINT_DONE);
    cr_assert_eq(done.ticket, 7);
    cr_assert_eq(done.status, VIV_OK);
    cr_assert_eq(done.zxid, 5);
    viv_background_stop(background);
    rig_fini(&rig);
}

VIV_TEST(server_background, a_full_disk_ends_a_checkpoint_once_and_its_later_steps_are_dropped)
{
    struct rig rig;
    rig_init(&rig);
    rig.state.write_status = VIV_ERR_NOSPACE;
    struct viv_background *background = start_background(&rig);
    add(background, (struct viv_action){.kind = VIV_ACTION_CHECKPOINT_BEGIN, .ticket = 7});
    add(background, (struct viv_action){.kind = VIV_ACTION_CHECKPOINT_ROWS});
    add(background, (struct viv_action){.kind = VIV_ACTION_CHECKPOINT_ROWS});
    add(background, (struct viv_action){.kind = VIV_ACTION_CHECKPOINT_COMMIT});
    struct viv_completion done = next_done(&rig);
    cr_assert_eq(done.kind, VIV_EVENT_CHECKPOINT_DONE);
    cr_assert_eq(done.status, VIV_ERR_NOSPACE);
    cr_assert_eq(next_done(&rig).kind, VIV_EVENT_CHECKPOINT_ROOM);
    cr_assert_eq(next_done(&rig).kind, VIV_EVENT_CHECKPOINT_ROOM);
    viv_background_stop(background);
    cr_assert(is_quiet(&rig));
    cr_assert_eq(rig.state.writes, 1);
    cr_assert_eq(rig.state.commits, 0);
    rig_fini(&rig);
}

VIV_TEST(server_background, stopping_aborts_what_is_under_way)
{
    struct rig rig;
    rig_init(&rig);
    struct viv_background *background = start_background(&rig);
    add(background, (struct viv_action){.kind = VIV_ACTION_CHECKPOINT_BEGIN, .ticket = 7});
    add(background, (struct viv_action){.kind = VIV_ACTION_CHECKPOINT_ROWS});
    cr_assert_eq(next_done(&rig).kind, VIV_EVENT_CHECKPOINT_ROOM);
    viv_background_stop(background);
    cr_assert_eq(rig.state.aborts, 1);
    rig_fini(&rig);
}

VIV_TEST(server_background, a_full_log_is_told_when_it_begins_and_when_it_ends)
{
    struct rig rig;
    rig_init(&rig);
    struct viv_background *background = start_background(&rig);
    rig.log.prepare_status = VIV_ERR_NOSPACE;
    viv_background_prepare(background);
    struct viv_completion full = next_done(&rig);
    cr_assert_eq(full.kind, VIV_EVENT_DISK_FULL);
    cr_assert(full.flag);
    rig.log.prepare_status = VIV_OK;
    viv_background_prepare(background);
    cr_assert_not(next_done(&rig).flag);
    viv_background_prepare(background);
    viv_background_stop(background);
    cr_assert(is_quiet(&rig));
    rig_fini(&rig);
}

VIV_TEST(server_background, a_read_comes_in_chunks_of_which_few_are_unread)
{
    struct rig rig;
    rig_init(&rig);
    struct viv_background *background = start_background(&rig);
    add(background, (struct viv_action){.kind = VIV_ACTION_LOG_READ, .ticket = 9, .zxid_from = 10, .zxid = 30});
    uint64_t next = 11;
    bool last = false;
    while (!last) {
        struct viv_completion done = next_done(&rig);
        cr_assert_eq(done.ticket, 9);
        cr_assert_eq(done.status, VIV_OK);
        for (size_t i = 0; i < done.chunk->entry_count; i++) {
            cr_assert_eq(done.chunk->entries[i].zxid, next++);
            cr_assert(viv_bytes_equal(done.chunk->entries[i].body, VIV_BYTES_LITERAL("body")));
        }
        last = done.last;
        viv_completion_chunk_free(done.chunk);
        viv_background_chunk_done(background);
    }
    cr_assert_eq(next, 31);
    viv_background_stop(background);
    rig_fini(&rig);
}

VIV_TEST(server_background, a_read_of_what_was_trimmed_says_so)
{
    struct rig rig;
    rig_init(&rig);
    rig.log.bounds.base_zxid = 100;
    rig.log.bounds.last_zxid = 100;
    struct viv_background *background = start_background(&rig);
    add(background, (struct viv_action){.kind = VIV_ACTION_LOG_READ, .ticket = 9, .zxid_from = 10, .zxid = 30});
    struct viv_completion done = next_done(&rig);
    cr_assert_eq(done.status, VIV_ERR_TRIMMED);
    cr_assert(done.last);
    cr_assert_null(done.chunk);
    viv_background_stop(background);
    rig_fini(&rig);
}

/* How many are told of in one look; a read, which is answered after it, says that it is over. */
static uint64_t look(struct rig *rig, struct viv_background *background, uint64_t after)
{
    uint64_t told = 0;
    viv_background_scrub(background, 0);
    add(background, (struct viv_action){.kind = VIV_ACTION_LOG_READ, .ticket = 9, .zxid_from = 10, .zxid = 30});
    struct viv_completion done = next_done(rig);
    for (; done.kind == VIV_EVENT_LOG_FAULT; done = next_done(rig)) {
        cr_assert_eq(done.fault.zxid, after + ++told);
    }
    cr_assert_eq(done.kind, VIV_EVENT_LOG_READ);
    return told;
}

VIV_TEST(server_background, damaged_entries_are_told_again_and_again_and_counted_once)
{
    static const uint64_t counts[] = {0, 3, 64, 100};
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        struct rig rig;
        struct viv_background_counts found;
        rig_init(&rig);
        rig.log.bounds.base_zxid = rig.log.bounds.last_zxid = 100; /* a read has but one answer */
        rig.log.fault_count = counts[i];
        struct viv_background *background = start_background(&rig);
        uint64_t told = 0;
        for (unsigned looks = 0; looks < 9; looks++) {
            uint64_t more = look(&rig, background, told);
            told = more > 0 ? told + more : 0;
            viv_background_counts(background, &found);
            cr_assert(found.faults == counts[i] || (looks == 0 && counts[i] >= 64), "%llu of %llu in look %u",
                      (unsigned long long)found.faults, (unsigned long long)counts[i], looks);
        }
        viv_background_stop(background);
        rig_fini(&rig);
    }
}
