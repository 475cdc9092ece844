#include "server/background.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/statvfs.h>
#include <uv.h>

#include "base/assert.h"
#include "base/log.h"
#include "server/mailbox.h"
#include "store/log_store.h"
#include "store/state_store.h"

enum { FAULTS_TOLD_MAX = 64, CHUNK_ENTRIES_MAX = 4096, CHUNK_BYTES_MAX = 1 << 20, CHUNKS_UNREAD_MAX = 4 };
#define RESERVE_BYTES_MAX (UINT64_C(1) << 30)

enum task_kind { TASK_BEGIN, TASK_ROWS, TASK_COMMIT, TASK_ABORT, TASK_READ, TASK_PREPARE, TASK_WATCH_DISK, TASK_SCRUB };

struct task {
    enum task_kind kind;
    viv_gid gid;
    uint64_t ticket, zxid, zxid_from;
    enum viv_checkpoint_kind checkpoint;
    struct viv_state_mark mark;
    struct viv_buffer rows;
    size_t bytes; /* SCRUB */
};

struct viv_background {
    struct viv_background_config config;
    pthread_t thread;
    struct viv_mailbox inbox; /* of struct task */
    atomic_bool stopping;
    atomic_bool wants_room; /* asked for; goes before the next task, since a log without room holds up every write */

    pthread_mutex_t chunk_mutex;
    pthread_cond_t chunk_ready;
    unsigned chunks_unread;

    _Atomic uint64_t prepares, prepare_ns, scrub_bytes, scrub_mended, scrub_image_bytes, faults, image_faults;
    atomic_bool is_scrub_asked;

    /* of the thread */
    bool in_checkpoint;
    uint64_t checkpoint_ticket;
    bool log_is_full;
    bool disk_is_low;
    struct viv_scrub scrub;
    bool is_images_turn; /* of the log and the images, which are looked at in turn */
    bool image_is_damaged;
    uint64_t fault_told_zxid; /* the newest told of in this round; 0: a round begins */
    uint64_t faults_in_round;
};

static void post(struct viv_background *background, const struct viv_completion *completion)
{
    viv_completion_post(&background->config.done, completion, 1);
}

/* ---- checkpoints ---- */

static void checkpoint_done(struct viv_background *background, viv_status status, uint64_t log_needed_after)
{
    background->in_checkpoint = false;
    post(background, &(struct viv_completion){.kind = VIV_EVENT_CHECKPOINT_DONE,
                                              .ticket = background->checkpoint_ticket,
                                              .status = status,
                                              .zxid = log_needed_after});
}

/* ---- the reserve ---- */

static uint64_t free_bytes(const char *path)
{
    struct statvfs disk;
    return statvfs(path, &disk) == 0 ? (uint64_t)disk.f_bavail * disk.f_frsize : UINT64_MAX;
}

/* The reserve that was configured, or a twentieth of the file system and at most so much. */
static uint64_t reserve_bytes(const struct viv_background *background, const char *path)
{
    struct statvfs disk;
    if (background->config.reserve_bytes != VIV_BACKGROUND_RESERVE_AUTO) {
        return background->config.reserve_bytes;
    }
    uint64_t twentieth = statvfs(path, &disk) == 0 ? (uint64_t)disk.f_blocks * disk.f_frsize / 20 : 0;
    return twentieth < RESERVE_BYTES_MAX ? twentieth : RESERVE_BYTES_MAX;
}

static bool is_low(const struct viv_background *background, const char *path)
{
    return free_bytes(path) < reserve_bytes(background, path);
}

/* Zero when there is no image, and then no part of the log can go. */
static uint64_t thin(struct viv_background *background)
{
    uint64_t log_needed_after = 0;
    viv_status status = viv_state_thin(background->config.state, &log_needed_after);
    if (status != VIV_OK) {
        viv_server_fatal("thin", background->config.state_path, status);
    }
    return log_needed_after;
}

/* While the disk runs low every image but the newest goes, and the log before it; said when that begins and ends. */
static void run_watch_disk(struct viv_background *background)
{
    const struct viv_background_config *config = &background->config;
    bool was_low = background->disk_is_low;
    if (background->in_checkpoint) {
        return;
    }
    background->disk_is_low = is_low(background, config->log_path) || is_low(background, config->state_path);
    if (background->disk_is_low != was_low) {
        viv_log(VIV_LOG_WARN, "server",
                background->disk_is_low
                    ? "the disk runs low: only the newest image and the log after it are kept; make "
                      "room, or set disk.reserveMiB lower"
                    : "the disk has its reserve again: an older image is kept as a fallback",
                "path=%s free_bytes=%llu reserve_bytes=%llu", config->log_path,
                (unsigned long long)free_bytes(config->log_path),
                (unsigned long long)reserve_bytes(background, config->log_path));
    }
    if (background->disk_is_low || was_low) {
        post(background, &(struct viv_completion){.kind = VIV_EVENT_DISK_LOW,
                                                  .flag = background->disk_is_low,
                                                  .zxid = background->disk_is_low ? thin(background) : 0});
    }
}

/* Counted once, however often the store says it. */
static void note_image(struct viv_background *background, bool is_damaged)
{
    atomic_fetch_add(&background->image_faults, is_damaged && !background->image_is_damaged);
    background->image_is_damaged = is_damaged;
}

/* A step that met a full disk ends the checkpoint and leaves the old image whole; one that met a damaged image ends it
 * too, and a whole image from memory replaces that; anything else ends the process. */
static bool step_failed(struct viv_background *background, const char *phase, viv_status status)
{
    if (status == VIV_OK) {
        return false;
    }
    if (status != VIV_ERR_NOSPACE && status != VIV_ERR_CORRUPT) {
        viv_server_fatal(phase, background->config.state_path, status);
    }
    if (status == VIV_ERR_NOSPACE) {
        viv_log(VIV_LOG_WARN, "server", "a checkpoint was given up: the disk is full", "phase=%s path=%s", phase,
                background->config.state_path);
    } else {
        note_image(background, true);
    }
    checkpoint_done(background, status, 0);
    return true;
}

static void run_begin(struct viv_background *background, const struct task *task)
{
    VIV_ASSERT(!background->in_checkpoint);
    background->in_checkpoint = true;
    background->checkpoint_ticket = task->ticket;
    (void)step_failed(background, "checkpoint-begin",
                      viv_state_begin(background->config.state, task->checkpoint, task->zxid));
}

static void run_rows(struct viv_background *background, struct task *task)
{
    if (background->in_checkpoint) {
        viv_status status = viv_state_write(background->config.state, viv_buffer_bytes(&task->rows));
        (void)step_failed(background, "checkpoint-write", status);
    }
    viv_buffer_fini(&task->rows);
    post(background, &(struct viv_completion){.kind = VIV_EVENT_CHECKPOINT_ROOM});
}

static void run_commit(struct viv_background *background, const struct task *task)
{
    if (!background->in_checkpoint) {
        return;
    }
    uint64_t log_needed_after = 0;
    viv_status status = viv_state_commit(background->config.state, &task->mark, &log_needed_after);
    if (!step_failed(background, "checkpoint-commit", status)) {
        if (background->disk_is_low && log_needed_after < task->mark.zxid_start) {
            log_needed_after = thin(background);
        }
        background->image_is_damaged = false; /* a delta of a damaged one does not come so far */
        checkpoint_done(background, VIV_OK, log_needed_after);
    }
}

static void run_abort(struct viv_background *background)
{
    if (background->in_checkpoint) {
        background->in_checkpoint = false;
        viv_state_abort(background->config.state);
    }
}

/* ---- the log ---- */

static void run_prepare(struct viv_background *background)
{
    uint64_t begin_ns = uv_hrtime();
    viv_status status = viv_log_prepare(background->config.log);
    atomic_fetch_add(&background->prepares, 1);
    atomic_fetch_add(&background->prepare_ns, uv_hrtime() - begin_ns);
    if (status != VIV_OK && status != VIV_ERR_NOSPACE) {
        viv_server_fatal("prepare", background->config.log_path, status);
    }
    bool is_full = status == VIV_ERR_NOSPACE;
    if (is_full != background->log_is_full) {
        background->log_is_full = is_full;
        post(background,
             &(struct viv_completion){.kind = VIV_EVENT_DISK_FULL, .disk = VIV_DISK_NO_ROOM_AHEAD, .flag = is_full});
    }
}

/* Waits until the loop has consumed enough of what was read; false when the thread shall end. */
static bool wait_for_reader(struct viv_background *background)
{
    pthread_mutex_lock(&background->chunk_mutex);
    while (background->chunks_unread >= CHUNKS_UNREAD_MAX && !atomic_load(&background->stopping)) {
        pthread_cond_wait(&background->chunk_ready, &background->chunk_mutex);
    }
    background->chunks_unread++;
    pthread_mutex_unlock(&background->chunk_mutex);
    return !atomic_load(&background->stopping);
}

static struct viv_completion_chunk *copy_chunk(const struct viv_entry *entries, size_t count)
{
    struct viv_completion_chunk *chunk = viv_alloc_zeroed(1, sizeof *chunk);
    chunk->entries = viv_alloc(count * sizeof *entries);
    chunk->entry_count = count;
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++) {
        bytes += entries[i].body.size;
    }
    viv_buffer_reserve(&chunk->bodies, bytes);
    for (size_t i = 0; i < count; i++) {
        chunk->entries[i] = entries[i];
        chunk->entries[i].body.data = chunk->bodies.data + chunk->bodies.size;
        viv_buffer_append_bytes(&chunk->bodies, entries[i].body);
    }
    return chunk;
}

static viv_status read_chunks(struct viv_background *background, const struct task *task)
{
    struct viv_log *log = background->config.log;
    struct viv_log_iter *iter;
    VIV_TRY(viv_log_iter_open(log, task->gid, task->zxid_from, task->zxid, &iter));
    struct viv_entry *entries = viv_alloc(CHUNK_ENTRIES_MAX * sizeof *entries);
    viv_status status = VIV_OK;
    bool last = false;
    while (status == VIV_OK && !last && wait_for_reader(background)) {
        size_t count = 0;
        status = viv_log_iter_next(log, iter, entries, CHUNK_ENTRIES_MAX, CHUNK_BYTES_MAX, &count);
        size_t sound = status == VIV_OK ? viv_log_count_sound(entries, count) : 0;
        bool is_damaged = status == VIV_OK && sound < count;
        last = count == 0;
        if (status == VIV_OK && (sound > 0 || last)) {
            post(background, &(struct viv_completion){.kind = VIV_EVENT_LOG_READ,
                                                      .ticket = task->ticket,
                                                      .last = last,
                                                      .chunk = copy_chunk(entries, sound)});
        } else {
            viv_background_chunk_done(background); /* nothing was handed over */
        }
        status = is_damaged ? VIV_ERR_CORRUPT : status;
    }
    free(entries);
    viv_log_iter_close(log, iter);
    return status;
}

static void run_read(struct viv_background *background, const struct task *task)
{
    viv_status status = read_chunks(background, task);
    if (status != VIV_OK && status != VIV_ERR_TRIMMED && status != VIV_ERR_CORRUPT) {
        viv_server_fatal("read", background->config.log_path, status);
    }
    if (status != VIV_OK) {
        post(background, &(struct viv_completion){
                             .kind = VIV_EVENT_LOG_READ, .ticket = task->ticket, .status = status, .last = true});
    }
}

/* ---- the slow look ---- */

/* Some at a time, from the oldest on, and then from the beginning: who can repair them keeps few in mind. */
static void tell_faults(struct viv_background *background)
{
    struct viv_log_fault faults[FAULTS_TOLD_MAX];
    uint64_t after = background->fault_told_zxid;
    size_t count = viv_log_faults(background->config.log, 0, after, faults, FAULTS_TOLD_MAX);
    background->faults_in_round = (after > 0 ? background->faults_in_round : 0) + count;
    background->fault_told_zxid = count > 0 ? faults[count - 1].zxid : 0;
    if (count < FAULTS_TOLD_MAX) {
        atomic_store(&background->faults, background->faults_in_round);
    }
    for (size_t i = 0; i < count; i++) {
        post(background, &(struct viv_completion){.kind = VIV_EVENT_LOG_FAULT, .fault = faults[i]});
    }
}

static void look_at_log(struct viv_background *background, size_t bytes_max)
{
    struct viv_scrub *scrub = &background->scrub;
    viv_status status = viv_log_scrub(background->config.log, scrub, bytes_max);
    if (status != VIV_OK && status != VIV_ERR_CORRUPT) {
        viv_server_fatal("scrub", background->config.log_path, status);
    }
    atomic_store(&background->scrub_bytes, scrub->bytes);
    atomic_store(&background->scrub_mended, scrub->mended);
}

/* Not while one is being written. False when there was nothing to look at. */
static bool look_at_images(struct viv_background *background, size_t bytes_max)
{
    size_t bytes = 0;
    if (background->in_checkpoint) {
        return false;
    }
    viv_status status = viv_state_scrub(background->config.state, bytes_max, &bytes);
    if (status != VIV_OK && status != VIV_ERR_CORRUPT) {
        viv_server_fatal("scrub", background->config.state_path, status);
    }
    note_image(background, status == VIV_ERR_CORRUPT);
    if (status == VIV_ERR_CORRUPT) {
        post(background, &(struct viv_completion){.kind = VIV_EVENT_IMAGE_FAULT});
    }
    atomic_fetch_add(&background->scrub_image_bytes, bytes);
    return bytes > 0;
}

static void run_scrub(struct viv_background *background, const struct task *task)
{
    atomic_store(&background->is_scrub_asked, false);
    if (task->bytes > 0) {
        background->is_images_turn = !background->is_images_turn;
        if (!background->is_images_turn || !look_at_images(background, task->bytes)) {
            look_at_log(background, task->bytes);
        }
    }
    tell_faults(background);
}

/* ---- the thread ---- */

static void execute(struct viv_background *background, struct task *task)
{
    if (atomic_exchange(&background->wants_room, false)) {
        run_prepare(background);
    }
    switch (task->kind) {
    case TASK_BEGIN:
        run_begin(background, task);
        break;
    case TASK_ROWS:
        run_rows(background, task);
        break;
    case TASK_COMMIT:
        run_commit(background, task);
        break;
    case TASK_ABORT:
        run_abort(background);
        break;
    case TASK_READ:
        run_read(background, task);
        break;
    case TASK_WATCH_DISK:
        run_watch_disk(background);
        break;
    case TASK_SCRUB:
        run_scrub(background, task);
        break;
    case TASK_PREPARE:
        break; /* it only wakes the thread */
    }
}

static void *run(void *arg)
{
    struct viv_background *background = arg;
    struct viv_buffer taken = {0};
    size_t count;
    while ((count = viv_mailbox_wait(&background->inbox, &taken)) > 0) {
        struct task *tasks = (struct task *)taken.data;
        for (size_t i = 0; i < count; i++) {
            if (atomic_load(&background->stopping)) {
                viv_buffer_fini(&tasks[i].rows);
            } else {
                execute(background, &tasks[i]);
            }
        }
        viv_buffer_clear(&taken);
    }
    run_abort(background);
    viv_buffer_fini(&taken);
    return NULL;
}

struct viv_background *viv_background_start(const struct viv_background_config *config)
{
    struct viv_background *background = viv_alloc_zeroed(1, sizeof *background);
    background->config = *config;
    viv_mailbox_init(&background->inbox, sizeof(struct task));
    VIV_ASSERT(pthread_mutex_init(&background->chunk_mutex, NULL) == 0);
    VIV_ASSERT(pthread_cond_init(&background->chunk_ready, NULL) == 0);
    VIV_ASSERT(pthread_create(&background->thread, NULL, run, background) == 0);
    return background;
}

void viv_background_stop(struct viv_background *background)
{
    pthread_mutex_lock(&background->chunk_mutex);
    atomic_store(&background->stopping, true);
    pthread_cond_signal(&background->chunk_ready);
    pthread_mutex_unlock(&background->chunk_mutex);
    viv_mailbox_close(&background->inbox);
    pthread_join(background->thread, NULL);
    pthread_cond_destroy(&background->chunk_ready);
    pthread_mutex_destroy(&background->chunk_mutex);
    viv_mailbox_fini(&background->inbox);
    free(background);
}

void viv_background_add(struct viv_background *background, struct viv_action *action)
{
    static const enum task_kind kinds[] = {
        [VIV_ACTION_LOG_READ] = TASK_READ,          [VIV_ACTION_CHECKPOINT_BEGIN] = TASK_BEGIN,
        [VIV_ACTION_CHECKPOINT_ROWS] = TASK_ROWS,   [VIV_ACTION_CHECKPOINT_COMMIT] = TASK_COMMIT,
        [VIV_ACTION_CHECKPOINT_ABORT] = TASK_ABORT,
    };
    VIV_ASSERT(action->kind >= VIV_ACTION_LOG_READ && action->kind <= VIV_ACTION_CHECKPOINT_ABORT);
    struct task task = {
        .kind = kinds[action->kind],
        .gid = action->gid,
        .ticket = action->ticket,
        .zxid = action->zxid,
        .zxid_from = action->zxid_from,
        .checkpoint = action->checkpoint,
        .mark = action->mark,
        .rows = action->rows,
    };
    action->rows = (struct viv_buffer){0};
    viv_mailbox_post(&background->inbox, &task, 1);
}

void viv_background_prepare(struct viv_background *background)
{
    if (!atomic_exchange(&background->wants_room, true)) {
        struct task task = {.kind = TASK_PREPARE};
        viv_mailbox_post(&background->inbox, &task, 1);
    }
}

void viv_background_watch_disk(struct viv_background *background)
{
    struct task task = {.kind = TASK_WATCH_DISK};
    viv_mailbox_post(&background->inbox, &task, 1);
}

void viv_background_scrub(struct viv_background *background, size_t bytes)
{
    if (!atomic_exchange(&background->is_scrub_asked, true)) { /* a thread that has other work looks later */
        struct task task = {.kind = TASK_SCRUB, .bytes = bytes};
        viv_mailbox_post(&background->inbox, &task, 1);
    }
}

void viv_background_chunk_done(struct viv_background *background)
{
    pthread_mutex_lock(&background->chunk_mutex);
    VIV_ASSERT(background->chunks_unread > 0);
    background->chunks_unread--;
    pthread_cond_signal(&background->chunk_ready);
    pthread_mutex_unlock(&background->chunk_mutex);
}

void viv_background_counts(struct viv_background *background, struct viv_background_counts *counts)
{
    *counts = (struct viv_background_counts){
        .prepares = atomic_load(&background->prepares),
        .prepare_ns = atomic_load(&background->prepare_ns),
        .scrub_bytes = atomic_load(&background->scrub_bytes),
        .scrub_mended = atomic_load(&background->scrub_mended),
        .scrub_image_bytes = atomic_load(&background->scrub_image_bytes),
        .image_faults = atomic_load(&background->image_faults),
        .faults = atomic_load(&background->faults),
    };
}
