#include "admin/restore.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "admin/authorization.h"
#include "base/assert.h"
#include "base/entry.h"
#include "base/log.h"
#include "datadir/restore.h"
#include "server/view.h"

enum { ANSWER_MS_MAX = 2000 };

static const char name[] = "restore";

/* One request. */
struct restoration {
    struct viv_http_work work; /* first */
    struct viv_restores *restores;
    uv_work_t check;
    int fd; /* -1: the snapshot is written, or cannot be */
    uint64_t bytes;
    bool is_checking, is_checked;
    viv_status status;
    struct viv_zk_snapshot_info info;
    uint64_t zxid;    /* where the state will go on */
    unsigned holders; /* the request, the thread */
};

struct viv_restores {
    struct viv_server *server;
    uv_loop_t *loop;
    const struct viv_config *config;
    const struct viv_data_dir *data;
    struct viv_pace pace;
    struct restoration *running;
    uint64_t promised_ms; /* 0: nothing is */
};

struct viv_restores *viv_restores_new(struct viv_server *server, uv_loop_t *loop)
{
    struct viv_restores *restores = viv_alloc_zeroed(1, sizeof *restores);
    struct viv_server_view view;
    viv_server_view(server, &view);
    *restores = (struct viv_restores){.server = server, .loop = loop, .config = view.config, .data = view.data};
    return restores;
}

void viv_restores_free(struct viv_restores *restores)
{
    VIV_ASSERT(restores->running == NULL);
    free(restores);
}

void viv_restores_turn(struct viv_restores *restores)
{
    if (restores->promised_ms != 0 && uv_now(restores->loop) >= restores->promised_ms + ANSWER_MS_MAX) {
        viv_server_begin_again(restores->server);
    }
}

/* ---- one request ---- */

static void count(struct viv_restores *restores, enum viv_metric_id id)
{
    viv_metrics_add(viv_node_metrics(viv_server_node(restores->server)), id, 1);
}

static void forget(const struct viv_restores *restores)
{
    char *path = viv_datadir_restore_path(restores->data->state_path);
    unlink(path);
    free(path);
}

static void let_go(struct restoration *restoration)
{
    if (--restoration->holders > 0) {
        return;
    }
    if (restoration->fd >= 0) {
        close(restoration->fd);
    }
    if (restoration->restores->promised_ms == 0) {
        forget(restoration->restores);
    }
    restoration->restores->running = NULL;
    free(restoration);
}

static void fail(struct restoration *restoration, viv_status status)
{
    restoration->status = status;
    restoration->is_checked = true;
    count(restoration->restores, VIV_METRIC_restore_error_count);
    forget(restoration->restores);
}

static void on_take(struct viv_http_work *work, struct viv_bytes bytes)
{
    struct restoration *restoration = (struct restoration *)work;
    while (bytes.size > 0 && restoration->fd >= 0) {
        ssize_t size = write(restoration->fd, bytes.data, bytes.size);
        if (size < 0 && errno != EINTR) {
            viv_log(VIV_LOG_ERROR, "admin",
                    "a snapshot to restore cannot be stored; see to the disk, and send it again",
                    "path=%s.restore error=\"%s\"", restoration->restores->data->state_path, strerror(errno));
            fail(restoration, errno == ENOSPC || errno == EDQUOT ? VIV_ERR_NOSPACE : VIV_ERR_SYSTEM);
            close(restoration->fd);
            restoration->fd = -1;
        } else if (size > 0) {
            restoration->bytes += (uint64_t)size;
            bytes = viv_bytes_of(bytes.data + size, bytes.size - (size_t)size);
        }
    }
}

static void on_check(uv_work_t *work)
{
    struct restoration *restoration = work->data;
    const struct viv_data_dir *data = restoration->restores->data;
    restoration->status = viv_datadir_restore_check(data->state_path, data->log_path, &restoration->info);
}

/* An epoch behind all that any client can have seen, here or where the snapshot was taken. */
static viv_status promise(struct restoration *restoration)
{
    struct viv_restores *restores = restoration->restores;
    struct viv_server_view view;
    viv_server_view(restores->server, &view);
    uint32_t epochs[] = {view.stats.zab.accepted_epoch, VIV_ZXID_EPOCH(view.stats.last_zxid),
                         VIV_ZXID_EPOCH(restoration->info.last_zxid)};
    uint32_t epoch = 0;
    for (size_t i = 0; i < sizeof epochs / sizeof epochs[0]; i++) {
        epoch = epochs[i] > epoch ? epochs[i] : epoch;
    }
    if (epoch >= INT32_MAX) {
        viv_log(VIV_LOG_ERROR, "admin", "a snapshot cannot be restored: no epoch is left", "epoch=%u", epoch);
        return VIV_ERR_LIMIT;
    }
    VIV_TRY(viv_datadir_restore_promise(restores->data->state_path, epoch + 1));
    restoration->zxid = VIV_ZXID(epoch + 1, 0);
    restores->promised_ms = uv_now(restores->loop);
    viv_server_take_no_more(restores->server);
    return VIV_OK;
}

static void on_checked(uv_work_t *work, int cancelled)
{
    struct restoration *restoration = work->data;
    bool is_asked_for = restoration->holders > 1;
    viv_status status = cancelled != 0 ? VIV_ERR_INTERRUPTED : restoration->status;
    status = status == VIV_OK && is_asked_for ? promise(restoration) : status;
    restoration->is_checked = true;
    if (status != VIV_OK) {
        fail(restoration, status);
    }
    viv_http_wake(&restoration->work);
    let_go(restoration);
}

static void begin_check(struct restoration *restoration)
{
    close(restoration->fd);
    restoration->fd = -1;
    restoration->is_checking = true;
    restoration->check.data = restoration;
    VIV_ASSERT(uv_queue_work(restoration->restores->loop, &restoration->check, on_check, on_checked) == 0);
    restoration->holders++;
}

static const char *explain(viv_status status)
{
    switch (status) {
    case VIV_ERR_CORRUPT:
        return "The body is not a whole snapshot that tells its zxid";
    case VIV_ERR_NOSPACE:
        return "The disk is full";
    default:
        return "The snapshot cannot be restored: see the server's log";
    }
}

static void tell(const struct restoration *restoration, struct viv_http_answer *answer)
{
    struct viv_json json = {0};
    answer->type = "application/json";
    viv_json_open(&json, &answer->body, NULL);
    viv_json_integer(&json, &answer->body, "last_zxid", (int64_t)restoration->info.last_zxid);
    viv_json_integer(&json, &answer->body, "new_zxid", (int64_t)restoration->zxid);
    viv_json_text(&json, &answer->body, "command", name);
    viv_json_null(&json, &answer->body, "error");
    viv_json_close(&json, &answer->body);
}

static bool on_answer(struct viv_http_work *work, struct viv_http_answer *answer)
{
    struct restoration *restoration = (struct restoration *)work;
    if (!restoration->is_checked && !restoration->is_checking && restoration->bytes > 0) {
        begin_check(restoration);
    }
    if (restoration->bytes == 0 && !restoration->is_checked) {
        viv_authorization_refuse(answer, MHD_HTTP_BAD_REQUEST, name, "The body must be a snapshot");
    } else if (restoration->is_checked && restoration->status != VIV_OK) {
        viv_authorization_refuse(answer, MHD_HTTP_INTERNAL_SERVER_ERROR, name, explain(restoration->status));
    } else if (restoration->is_checked) {
        tell(restoration, answer);
    } else {
        return false;
    }
    return true;
}

static void on_end(struct viv_http_work *work)
{
    struct restoration *restoration = (struct restoration *)work;
    if (restoration->restores->promised_ms != 0) {
        viv_server_begin_again(restoration->restores->server);
    }
    let_go(restoration);
}

/* ---- who may, and when ---- */

static struct restoration *begin(struct viv_restores *restores)
{
    struct restoration *restoration = viv_alloc_zeroed(1, sizeof *restoration);
    restoration->work = (struct viv_http_work){.take = on_take, .answer = on_answer, .end = on_end};
    restoration->restores = restores;
    restoration->holders = 1;
    char *path = viv_datadir_restore_path(restores->data->state_path);
    restoration->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (restoration->fd < 0) {
        viv_log(VIV_LOG_ERROR, "admin", "a snapshot to restore cannot be stored; see to the disk, and send it again",
                "path=%s error=\"%s\"", path, strerror(errno));
        fail(restoration, VIV_ERR_SYSTEM);
    }
    free(path);
    restores->running = restoration;
    return restoration;
}

/* NULL: this server can be restored. */
static const char *find_reason(const struct viv_restores *restores, unsigned *status)
{
    *status = MHD_HTTP_SERVICE_UNAVAILABLE;
    if (!restores->config->admin.restore_enabled) {
        return "Restore command is disabled";
    }
    if (!restores->config->standalone) {
        *status = MHD_HTTP_CONFLICT;
        return "In an ensemble a server restored alone would differ from the others: restore a server that is alone, "
               "then make the directories of all servers from its own with vivarium-cli rescue --into DIR --servers "
               "IDS";
    }
    if (restores->data->is_volatile) {
        *status = MHD_HTTP_CONFLICT;
        return "This storage configuration keeps nothing, and so nothing can be restored into it";
    }
    return viv_server_is_serving(restores->server) ? NULL : "This ZooKeeper instance is not currently serving requests";
}

void viv_restores_answer(struct viv_restores *restores, const struct viv_http_request *request,
                         struct viv_http_answer *answer)
{
    unsigned status;
    if (!viv_authorization_check(restores->server, request, name, answer)) {
        return;
    }
    const char *reason = find_reason(restores, &status);
    uint64_t now_ms = uv_now(restores->loop);
    /* While one is under way the next waits, whatever the interval. */
    uint64_t interval_ms = restores->running != NULL ? UINT64_MAX / 2 : (uint64_t)restores->config->admin.rate_limit_ms;
    if (reason != NULL) {
        viv_authorization_refuse(answer, status, name, reason);
    } else if (!viv_pace_take(&restores->pace, now_ms, interval_ms, name, answer)) {
        count(restores, VIV_METRIC_restore_rate_limited_count);
    } else {
        answer->work = &begin(restores)->work;
    }
}
