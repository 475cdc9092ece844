#include "server/log_thread.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include "base/assert.h"
#include "server/mailbox.h"

enum {
    BATCH_RUNS_MAX = 4096,
    INLINE_BYTES_MAX = 64 << 10,
    SLOW_SYNC_NS = 1000000, /* a caller is never held up longer than this knowingly */
    SLOW_SYNC_REMEMBERED_NS = 1000000000,
    FULL_NAP_NS = 50000000, /* between two tries: first one nap, then twice as many, up to */
    FULL_NAPS_MAX = 64,
};

struct log_task {
    enum viv_action_kind kind;
    viv_gid gid;
    uint64_t ticket, zxid, added_ns;
    const struct viv_entry *entries;
    size_t entry_count;
    struct viv_hard_state hard;
    struct viv_bytes bytes; /* REPAIR */
};

struct viv_log_thread {
    struct viv_log_thread_config config;
    pthread_t thread;
    struct viv_mailbox inbox; /* of struct log_task */
    struct viv_buffer added;  /* loop side: tasks since the last kick */

    struct viv_buffer runs; /* log thread side, kept between batches for their memory */
    struct viv_buffer done;
    uint64_t bytes_since_used;

    atomic_bool stopping;
    atomic_size_t busy;               /* tasks handed over and not finished: 0 gives the log to the caller */
    _Atomic uint64_t slow_sync_at_ns; /* when a sync last took long */
};

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

static void check(struct viv_log_thread *thread, const char *phase, viv_status status)
{
    if (status != VIV_OK) {
        viv_server_fatal(phase, thread->config.path, status);
    }
}

static void note_done(struct viv_log_thread *thread, const struct log_task *task)
{
    struct viv_completion done = {.kind = VIV_EVENT_LOG_DONE, .ticket = task->ticket};
    viv_buffer_append(&thread->done, &done, sizeof done);
}

static void post_done(struct viv_log_thread *thread)
{
    if (thread->done.size > 0) {
        viv_completion_post(&thread->config.done, (const struct viv_completion *)thread->done.data,
                            thread->done.size / sizeof(struct viv_completion));
        viv_buffer_clear(&thread->done);
    }
}

static void say_full(struct viv_log_thread *thread, bool is_full)
{
    struct viv_completion full = {.kind = VIV_EVENT_DISK_FULL, .disk = VIV_DISK_NO_ROOM_NOW, .flag = is_full};
    viv_completion_post(&thread->config.done, &full, 1);
}

/* False: told to stop. */
static bool nap(struct viv_log_thread *thread, unsigned naps)
{
    for (unsigned i = 0; i < naps && !atomic_load(&thread->stopping); i++) {
        nanosleep(&(struct timespec){.tv_nsec = FULL_NAP_NS}, NULL);
    }
    return !atomic_load(&thread->stopping);
}

/* A full disk has taken nothing of the batch: it is held back until there is room, and nothing behind it is answered.
 * False: told to stop while waiting. */
static bool append_when_possible(struct viv_log_thread *thread, const struct viv_log_run *runs, size_t count)
{
    viv_status status = viv_log_append(thread->config.log, runs, count);
    if (status != VIV_ERR_NOSPACE) {
        check(thread, "append", status);
        return true;
    }
    say_full(thread, true);
    for (unsigned naps = 1; status == VIV_ERR_NOSPACE && nap(thread, naps); naps += naps < FULL_NAPS_MAX ? naps : 0) {
        status = viv_log_append(thread->config.log, runs, count);
    }
    if (status == VIV_ERR_NOSPACE) {
        return false;
    }
    check(thread, "append", status);
    say_full(thread, false);
    return true;
}

static bool write_runs(struct viv_log_thread *thread)
{
    size_t count = thread->runs.size / sizeof(struct viv_log_run);
    VIV_ASSERT(count > 0);
    bool is_written = append_when_possible(thread, (const struct viv_log_run *)thread->runs.data, count);
    viv_buffer_clear(&thread->runs);
    return is_written;
}

/* appended_ns: when the append of the batch began. */
static void sync_log(struct viv_log_thread *thread, uint64_t appended_ns, struct viv_log_batch *batch)
{
    uint64_t begin_ns = now_ns();
    check(thread, "sync", viv_log_sync(thread->config.log));
    uint64_t end_ns = now_ns();
    if (end_ns - begin_ns > SLOW_SYNC_NS) {
        atomic_store(&thread->slow_sync_at_ns, end_ns);
    }
    batch->append_ns = begin_ns - appended_ns;
    batch->sync_ns = end_ns - begin_ns;
}

/* The last answer of a batch tells of it. */
static void note_batch(struct viv_log_thread *thread, const struct viv_log_batch *batch)
{
    VIV_ASSERT(thread->done.size >= sizeof(struct viv_completion));
    uint8_t *end = thread->done.data + thread->done.size;
    ((struct viv_completion *)(end - sizeof(struct viv_completion)))->batch = *batch;
}

/* Asks for room once enough was appended. */
static void note_bytes(struct viv_log_thread *thread, size_t bytes)
{
    thread->bytes_since_used += bytes;
    if (thread->bytes_since_used >= thread->config.room_bytes) {
        thread->bytes_since_used = 0;
        thread->config.used(thread->config.ctx);
    }
}

static size_t entries_bytes(const struct log_task *task)
{
    size_t bytes = 0;
    for (size_t i = 0; i < task->entry_count; i++) {
        bytes += task->entries[i].body.size + sizeof(struct viv_entry);
    }
    return bytes;
}

/* Appends every LOG_APPEND at the front of the tasks, syncs once, answers each. Returns how many there were; 0 when
 * told to stop before all could be written. */
static size_t append_neighbours(struct viv_log_thread *thread, const struct log_task *tasks, size_t count)
{
    size_t used = 0, batch_bytes = 0;
    uint64_t begin_ns = now_ns();
    struct viv_log_batch batch = {.queue_ns = begin_ns > tasks[0].added_ns ? begin_ns - tasks[0].added_ns : 0};
    for (; used < count && tasks[used].kind == VIV_ACTION_LOG_APPEND; used++) {
        const struct log_task *task = &tasks[used];
        size_t task_bytes = entries_bytes(task);
        if (thread->runs.size > 0 && (batch_bytes + task_bytes > thread->config.batch_bytes_max ||
                                      thread->runs.size >= BATCH_RUNS_MAX * sizeof(struct viv_log_run))) {
            if (!write_runs(thread)) {
                return 0;
            }
            batch_bytes = 0;
        }
        struct viv_log_run run = {task->gid, task->zxid, task->entries, task->entry_count};
        viv_buffer_append(&thread->runs, &run, sizeof run);
        batch_bytes += task_bytes;
        batch.bytes += task_bytes;
        batch.entry_count += task->entry_count;
        note_done(thread, task);
    }
    if (!write_runs(thread)) {
        return 0;
    }
    sync_log(thread, begin_ns, &batch);
    batch.task_count = used;
    note_batch(thread, &batch);
    note_bytes(thread, batch.bytes);
    return used;
}

viv_status viv_log_thread_perform(struct viv_log *log, const struct viv_action *action)
{
    viv_status status;
    switch (action->kind) {
    case VIV_ACTION_LOG_TRUNCATE:
        return viv_log_truncate(log, action->gid, action->zxid);
    case VIV_ACTION_LOG_RESET:
        return viv_log_reset(log, action->gid, action->zxid);
    case VIV_ACTION_LOG_HARD:
        return viv_log_hard_put(log, action->gid, &action->hard);
    case VIV_ACTION_LOG_REPAIR:
        status = viv_log_repair(log, action->gid, action->zxid, action->bytes);
        return status == VIV_ERR_NOT_FOUND ? VIV_OK : status; /* whole meanwhile, or truncated */
    case VIV_ACTION_LOG_TRIM:
        return viv_log_trim(log, action->gid, action->zxid);
    default:
        VIV_ASSERT(!"not an action of the log thread");
        return VIV_ERR_INVALID;
    }
}

static void execute_other(struct viv_log_thread *thread, const struct log_task *task)
{
    static const char *const phases[] = {
        [VIV_ACTION_LOG_TRUNCATE] = "truncate", [VIV_ACTION_LOG_RESET] = "reset", [VIV_ACTION_LOG_HARD] = "hard-state",
        [VIV_ACTION_LOG_REPAIR] = "repair",     [VIV_ACTION_LOG_TRIM] = "trim",
    };
    struct viv_action action = {
        .kind = task->kind, .gid = task->gid, .zxid = task->zxid, .hard = task->hard, .bytes = task->bytes};
    viv_status status = viv_log_thread_perform(thread->config.log, &action);
    check(thread, phases[task->kind], status);
    if (task->kind != VIV_ACTION_LOG_TRIM) {
        note_done(thread, task);
    }
}

static bool execute(struct viv_log_thread *thread, const struct log_task *tasks, size_t count)
{
    for (size_t i = 0; i < count;) {
        if (tasks[i].kind == VIV_ACTION_LOG_APPEND) {
            size_t used = append_neighbours(thread, &tasks[i], count - i);
            if (used == 0) {
                return false;
            }
            i += used;
        } else {
            execute_other(thread, &tasks[i++]);
        }
        /* At once: what is durable may release replies while the next task still waits for the disk. */
        post_done(thread);
    }
    return true;
}

static void *run(void *arg)
{
    struct viv_log_thread *thread = arg;
    struct viv_buffer taken = {0};
    size_t count;
    while ((count = viv_mailbox_wait(&thread->inbox, &taken)) > 0) {
        if (!execute(thread, (const struct log_task *)taken.data, count)) {
            break;
        }
        viv_buffer_clear(&taken);
        atomic_fetch_sub(&thread->busy, count);
    }
    viv_buffer_fini(&taken);
    return NULL;
}

struct viv_log_thread *viv_log_thread_start(const struct viv_log_thread_config *config)
{
    VIV_ASSERT(config->room_bytes > 0);
    struct viv_log_thread *thread = viv_alloc_zeroed(1, sizeof *thread);
    thread->config = *config;
    viv_mailbox_init(&thread->inbox, sizeof(struct log_task));
    VIV_ASSERT(pthread_create(&thread->thread, NULL, run, thread) == 0);
    return thread;
}

void viv_log_thread_stop(struct viv_log_thread *thread)
{
    viv_log_thread_kick(thread);
    atomic_store(&thread->stopping, true);
    viv_mailbox_close(&thread->inbox);
    pthread_join(thread->thread, NULL);
    viv_mailbox_fini(&thread->inbox);
    viv_buffer_fini(&thread->added);
    viv_buffer_fini(&thread->runs);
    viv_buffer_fini(&thread->done);
    free(thread);
}

void viv_log_thread_add(struct viv_log_thread *thread, const struct viv_action *action, uint64_t now_ns)
{
    struct log_task task = {
        .kind = action->kind,
        .gid = action->gid,
        .ticket = action->ticket,
        .zxid = action->zxid,
        .added_ns = now_ns,
        .entries = action->entries,
        .entry_count = action->entry_count,
        .hard = action->hard,
        .bytes = action->bytes,
    };
    viv_buffer_append(&thread->added, &task, sizeof task);
}

void viv_log_thread_kick(struct viv_log_thread *thread)
{
    if (thread->added.size > 0) {
        size_t count = thread->added.size / sizeof(struct log_task);
        atomic_fetch_add(&thread->busy, count);
        viv_mailbox_post(&thread->inbox, thread->added.data, count);
        viv_buffer_clear(&thread->added);
    }
}

void viv_log_thread_settle(struct viv_log_thread *thread)
{
    if (atomic_load(&thread->busy) == 0) {
        check(thread, "settle", viv_log_settle(thread->config.log));
    }
}

bool viv_log_thread_has_lone_append(const struct viv_log_thread *thread)
{
    const struct log_task *task = (const struct log_task *)thread->added.data;
    if (thread->added.size != sizeof *task || task->kind != VIV_ACTION_LOG_APPEND || atomic_load(&thread->busy) > 0 ||
        entries_bytes(task) > INLINE_BYTES_MAX) {
        return false;
    }
    uint64_t slow_at_ns = atomic_load(&thread->slow_sync_at_ns);
    return slow_at_ns == 0 || now_ns() - slow_at_ns >= SLOW_SYNC_REMEMBERED_NS;
}

uint64_t viv_log_thread_write_inline(struct viv_log_thread *thread, struct viv_log_batch *batch)
{
    VIV_ASSERT(thread->added.size == sizeof(struct log_task));
    VIV_ASSERT(atomic_load(&thread->busy) == 0);
    struct log_task task = *(const struct log_task *)thread->added.data;
    struct viv_log_run run = {task.gid, task.zxid, task.entries, task.entry_count};
    *batch = (struct viv_log_batch){.entry_count = task.entry_count, .task_count = 1, .bytes = entries_bytes(&task)};
    uint64_t begin_ns = now_ns();
    viv_status status = viv_log_append(thread->config.log, &run, 1);
    if (status == VIV_ERR_NOSPACE) {
        return 0;
    }
    check(thread, "append", status);
    viv_buffer_clear(&thread->added);
    sync_log(thread, begin_ns, batch);
    note_bytes(thread, batch->bytes);
    return task.ticket;
}
