#include "tests/crash/rot_stores.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/assert.h"
#include "base/log.h"
#include "server/log_thread.h"

enum { READ_ENTRIES = 256, READ_BYTES = 1 << 20 };

/* ---- configuration ---- */

static const char *one_myid(void *ctx, const char *data_dir)
{
    (void)data_dir;
    return ctx;
}

static void configure(struct rot_server *server, size_t number, const char *backend, unsigned snap_count)
{
    struct viv_buffer text = {0};
    viv_buffer_printf(&text,
                      "tickTime=100\ninitLimit=10\nsyncLimit=5\ndataDir=%s\nclientPort=0\nsnapCount=%u\n"
                      "log.segmentBytes=1048576\nbackend=%s\nclusterId=00000000000000aa00000000000000bb\n",
                      server->folder, snap_count, backend);
    for (size_t i = 1; i <= ROT_SERVERS; i++) {
        viv_buffer_printf(&text, "server.%zu=127.0.0.1:%zu:%zu\n", i, 2000 + i, 3000 + i);
    }
    struct viv_config_backend known = {backend, false};
    struct viv_config_backends backends = {&known, 1, backend};
    char myid[8];
    snprintf(myid, sizeof myid, "%zu", number + 1);
    struct viv_config_sources sources = {.myid = one_myid, .ctx = myid};
    struct viv_config_report report = {0};
    viv_config_parse(&server->config, "rot", viv_buffer_bytes(&text), &backends, &sources, &report);
    if (report.error_count > 0) {
        fprintf(stderr, "%.*s", (int)report.text.size, (const char *)report.text.data);
    }
    VIV_ASSERT(report.error_count == 0);
    viv_config_report_fini(&report);
    viv_buffer_fini(&text);
}

/* ---- what servers say ---- */

static void listen_to(void *ctx, enum viv_log_level level, const char *room, const char *text, const char *fields)
{
    struct rot_stores *stores = ctx;
    struct rot_server *server = &stores->servers[stores->speaking];
    if (level >= VIV_LOG_ERROR) {
        size_t used = strlen(server->last_words);
        snprintf(server->last_words + used, sizeof server->last_words - used, "%s: %s %s; ", room, text, fields);
    }
    if (getenv("VIV_ROT_VERBOSE") != NULL) {
        fprintf(stderr, "%zu %s: %s %s\n", stores->speaking + 1, room, text, fields);
    }
}

/* ---- the calls of a node_net ---- */

static struct viv_node *start(void *ctx, size_t number)
{
    struct rot_stores *stores = ctx;
    struct rot_server *server = &stores->servers[number];
    stores->speaking = number;
    server->last_words[0] = '\0';
    server->in_checkpoint = false;
    struct viv_recovery recovery = {
        .config = &server->config,
        .data = &server->data,
        .log_ops = stores->configuration->log,
        .state_ops = stores->configuration->state,
        .trace = &server->trace,
    };
    struct viv_node *node;
    return viv_recovery_run(&recovery, &server->stores, &node) == VIV_OK ? node : NULL;
}

static void stop(void *ctx, size_t number, const char *text)
{
    struct rot_stores *stores = ctx;
    struct rot_server *server = &stores->servers[number];
    if (text != NULL) {
        size_t used = strlen(server->last_words);
        snprintf(server->last_words + used, sizeof server->last_words - used, "ended: %s", text);
    }
    if (server->in_checkpoint) {
        viv_state_abort(server->stores.state);
        server->in_checkpoint = false;
    }
    viv_stores_close(&server->stores);
}

static viv_status append(struct viv_log *log, const struct viv_action *action)
{
    struct viv_log_run run = {action->gid, action->zxid, action->entries, action->entry_count};
    VIV_TRY(viv_log_append(log, &run, 1));
    VIV_TRY(viv_log_sync(log));
    VIV_TRY(viv_log_settle(log)); /* in virtual time the 20 ms are over at once */
    return viv_log_prepare(log);
}

static viv_status read_log(struct viv_log *log, const struct viv_action *action, viv_node_disk_event_fn *answer,
                           void *answer_ctx)
{
    struct viv_log_iter *iter;
    VIV_TRY(viv_log_iter_open(log, action->gid, action->zxid_from, action->zxid, &iter));
    struct viv_entry entries[READ_ENTRIES];
    viv_status status = VIV_OK;
    size_t count = 1;
    while (status == VIV_OK && count > 0) {
        status = viv_log_iter_next(log, iter, entries, READ_ENTRIES, READ_BYTES, &count);
        size_t sound = status == VIV_OK ? viv_log_count_sound(entries, count) : 0;
        if (status == VIV_OK && (sound > 0 || count == 0)) {
            struct viv_event event = {.kind = VIV_EVENT_LOG_READ,
                                      .ticket = action->ticket,
                                      .entries = entries,
                                      .entry_count = sound,
                                      .last = count == 0};
            answer(answer_ctx, &event);
        }
        status = status == VIV_OK && sound < count ? VIV_ERR_CORRUPT : status;
    }
    viv_log_iter_close(log, iter);
    return status;
}

/* As the background thread: what cannot be read is told, anything else ends the process. */
static bool read_and_answer(struct viv_log *log, const struct viv_action *action, viv_node_disk_event_fn *answer,
                            void *answer_ctx)
{
    viv_status status = read_log(log, action, answer, answer_ctx);
    if (status == VIV_ERR_TRIMMED || status == VIV_ERR_CORRUPT) {
        struct viv_event event = {.kind = VIV_EVENT_LOG_READ, .ticket = action->ticket, .status = status, .last = true};
        answer(answer_ctx, &event);
        return true;
    }
    return status == VIV_OK;
}

static viv_status commit(struct rot_server *server, const struct viv_action *action, uint64_t *needed)
{
    VIV_TRY(viv_state_commit(server->stores.state, &action->mark, needed));
    server->image_starts[1] = server->image_starts[0];
    server->image_starts[0] = action->mark.zxid_start;
    return VIV_OK;
}

static viv_status perform_checkpoint(struct rot_server *server, const struct viv_action *action,
                                     viv_node_disk_event_fn *answer, void *answer_ctx)
{
    struct viv_state *state = server->stores.state;
    struct viv_event event = {.kind = VIV_EVENT_CHECKPOINT_ROOM, .ticket = action->ticket};
    switch (action->kind) {
    case VIV_ACTION_CHECKPOINT_BEGIN:
        server->in_checkpoint = true;
        server->checkpoint_ticket = action->ticket;
        return viv_state_begin(state, action->checkpoint, action->zxid);
    case VIV_ACTION_CHECKPOINT_ROWS:
        VIV_TRY(viv_state_write(state, viv_buffer_bytes(&action->rows)));
        answer(answer_ctx, &event);
        return VIV_OK;
    case VIV_ACTION_CHECKPOINT_COMMIT:
        server->in_checkpoint = false;
        VIV_TRY(commit(server, action, &event.zxid));
        event.kind = VIV_EVENT_CHECKPOINT_DONE;
        event.ticket = server->checkpoint_ticket;
        answer(answer_ctx, &event);
        return VIV_OK;
    default:
        server->in_checkpoint = false;
        viv_state_abort(state);
        return VIV_OK;
    }
}

static bool perform(void *ctx, size_t number, const struct viv_action *action, viv_node_disk_event_fn *answer,
                    void *answer_ctx)
{
    struct rot_stores *stores = ctx;
    struct rot_server *server = &stores->servers[number];
    struct viv_log *log = server->stores.log;
    viv_status status = VIV_OK;
    stores->speaking = number;
    switch (action->kind) {
    case VIV_ACTION_LOG_APPEND:
        status = append(log, action);
        break;
    case VIV_ACTION_LOG_TRUNCATE:
    case VIV_ACTION_LOG_RESET:
    case VIV_ACTION_LOG_HARD:
    case VIV_ACTION_LOG_REPAIR:
        status = viv_log_thread_perform(log, action);
        break;
    case VIV_ACTION_LOG_TRIM:
        return viv_log_thread_perform(log, action) == VIV_OK;
    case VIV_ACTION_LOG_READ:
        return read_and_answer(log, action, answer, answer_ctx);
    default:
        return perform_checkpoint(server, action, answer, answer_ctx) == VIV_OK;
    }
    if (status == VIV_OK) {
        answer(answer_ctx, &(struct viv_event){.kind = VIV_EVENT_LOG_DONE, .ticket = action->ticket});
    }
    return status == VIV_OK;
}

void rot_stores_init(struct rot_stores *stores, const struct viv_configuration *configuration, const char *top,
                     unsigned snap_count)
{
    *stores = (struct rot_stores){.configuration = configuration, .calls = {start, perform, stop, stores}};
    for (size_t i = 0; i < ROT_SERVERS; i++) {
        struct rot_server *server = &stores->servers[i];
        snprintf(server->folder, sizeof server->folder, "%s/%zu", top, i + 1);
        mkdir(server->folder, 0700);
        configure(server, i, configuration->name, snap_count);
        server->trace.fd = -1;
        server->data.lock_fd = -1;
        snprintf(server->data.state_path, sizeof server->data.state_path, "%s", server->folder);
        snprintf(server->data.log_path, sizeof server->data.log_path, "%s", server->folder);
    }
    viv_log_set_sink(VIV_LOG_INFO, listen_to, stores);
}
