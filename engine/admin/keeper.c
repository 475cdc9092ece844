#include "admin/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "admin/authorization.h"
#include "base/assert.h"
#include "base/log.h"
#include "server/view.h"
#include "store/file_io.h"

struct keeper {
    struct viv_http_work work; /* first */
    struct viv_server *server;
    uv_loop_t *loop;
    uv_idle_t idle;   /* makes pieces */
    uv_work_t finish; /* syncs and names the file */
    struct viv_report *report;
    struct viv_buffer piece;
    char *folder, *draft, *path;
    const char *kind, *size_header;
    enum viv_metric_id fault;
    int fd; /* -1: not open */
    uint64_t bytes;
    bool is_done;
    int why;          /* errno of what failed; 0: nothing did */
    unsigned holders; /* the request, the idle handle, the thread */
};

/* ---- life ---- */

static void end_file(struct keeper *keeper)
{
    viv_report_free(keeper->report);
    keeper->report = NULL;
    if (keeper->fd >= 0) {
        close(keeper->fd);
        unlink(keeper->draft);
        keeper->fd = -1;
    }
}

static void let_go(struct keeper *keeper)
{
    if (--keeper->holders == 0) {
        end_file(keeper);
        viv_buffer_fini(&keeper->piece);
        free(keeper->folder);
        free(keeper->draft);
        free(keeper->path);
        free(keeper);
    }
}

static void on_idle_closed(uv_handle_t *handle)
{
    let_go(handle->data);
}

static void stop_idle(struct keeper *keeper)
{
    if (!uv_is_closing((uv_handle_t *)&keeper->idle)) {
        uv_close((uv_handle_t *)&keeper->idle, on_idle_closed);
    }
}

static void fail(struct keeper *keeper, int why)
{
    keeper->why = why;
    keeper->is_done = true;
    viv_metrics_add(viv_node_metrics(viv_server_node(keeper->server)), keeper->fault, 1);
    viv_log(VIV_LOG_ERROR, "admin", "a file for operators cannot be kept; see to the disk, and ask again",
            "path=%s error=\"%s\"", keeper->path, strerror(why));
    end_file(keeper);
}

/* ---- the file is whole ---- */

static bool is_of_kind(const char *name, const char *kind, uint64_t *number)
{
    size_t size = strlen(kind);
    char *end;
    if (strncmp(name, kind, size) != 0 || name[size] != '.') {
        return false;
    }
    *number = strtoull(name + size + 1, &end, 16);
    return *end == '\0' && end > name + size + 1;
}

/* One of too many files goes, the oldest. False: there are not too many. */
static bool remove_one(const struct keeper *keeper)
{
    struct viv_file_names names = {0};
    uint64_t oldest = UINT64_MAX;
    unsigned count = 0;
    if (viv_file_list(&viv_disk_real, keeper->folder, &names) == VIV_OK) {
        for (size_t i = 0; i < names.count; i++) {
            uint64_t number;
            if (is_of_kind(names.names[i], keeper->kind, &number)) {
                count++;
                oldest = number < oldest ? number : oldest;
            }
        }
    }
    viv_file_names_fini(&names);
    char *path = viv_file_path(keeper->folder, "%s.%" PRIx64, keeper->kind, oldest);
    bool is_removed = count > VIV_KEEPER_FILES && unlink(path) == 0;
    free(path);
    return is_removed;
}

static void on_finish(uv_work_t *work)
{
    struct keeper *keeper = work->data;
    int folder = open(keeper->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool is_kept =
        folder >= 0 && fsync(keeper->fd) == 0 && rename(keeper->draft, keeper->path) == 0 && fsync(folder) == 0;
    keeper->why = is_kept ? 0 : errno;
    if (folder >= 0) {
        close(folder);
    }
    while (is_kept && remove_one(keeper)) {
    }
}

static void on_finished(uv_work_t *work, int status)
{
    struct keeper *keeper = work->data;
    (void)status;
    keeper->is_done = true;
    if (keeper->why != 0) {
        fail(keeper, keeper->why);
    } else {
        close(keeper->fd);
        keeper->fd = -1;
    }
    viv_http_wake(&keeper->work);
    let_go(keeper);
}

static void finish(struct keeper *keeper)
{
    viv_report_free(keeper->report);
    keeper->report = NULL;
    keeper->finish.data = keeper;
    VIV_ASSERT(uv_queue_work(keeper->loop, &keeper->finish, on_finish, on_finished) == 0);
    keeper->holders++;
}

/* ---- piece by piece ---- */

static bool write_piece(struct keeper *keeper)
{
    size_t done = 0;
    while (done < keeper->piece.size) {
        ssize_t size = write(keeper->fd, keeper->piece.data + done, keeper->piece.size - done);
        if (size < 0 && errno != EINTR) {
            return false;
        }
        done += size > 0 ? (size_t)size : 0;
    }
    keeper->bytes += done;
    return true;
}

static void on_idle(uv_idle_t *idle)
{
    struct keeper *keeper = idle->data;
    viv_buffer_clear(&keeper->piece);
    bool goes_on = viv_report_next(keeper->report, &keeper->piece);
    bool is_broken = keeper->report->is_broken;
    if (is_broken || !write_piece(keeper)) {
        fail(keeper, is_broken ? ECANCELED : errno);
        stop_idle(keeper);
        viv_http_wake(&keeper->work);
    } else if (!goes_on) {
        finish(keeper);
        stop_idle(keeper);
    }
}

/* ---- the request ---- */

static bool on_answer(struct viv_http_work *work, struct viv_http_answer *answer)
{
    struct keeper *keeper = (struct keeper *)work;
    if (!keeper->is_done) {
        return false;
    }
    struct viv_json json = {0};
    answer->type = "application/json";
    answer->status = keeper->why == 0 ? MHD_HTTP_OK : MHD_HTTP_INTERNAL_SERVER_ERROR;
    viv_json_open(&json, &answer->body, NULL);
    if (keeper->why == 0) {
        answer->headers[1].name = keeper->size_header;
        snprintf(answer->headers[1].value, sizeof answer->headers[1].value, "%" PRIu64, keeper->bytes);
        viv_json_text(&json, &answer->body, "file", keeper->path);
    }
    viv_json_text(&json, &answer->body, "command", keeper->kind);
    if (keeper->why == 0) {
        viv_json_null(&json, &answer->body, "error");
    } else {
        viv_json_text(&json, &answer->body, "error", strerror(keeper->why));
    }
    viv_json_close(&json, &answer->body);
    return true;
}

static void on_end(struct viv_http_work *work)
{
    struct keeper *keeper = (struct keeper *)work;
    if (keeper->report != NULL) {
        end_file(keeper);
        stop_idle(keeper);
    }
    let_go(keeper);
}

struct viv_http_work *viv_keeper_new(uv_loop_t *loop, const char *folder, const char *kind, uint64_t number,
                                     struct viv_report *report, const char *size_header, enum viv_metric_id fault)
{
    struct keeper *keeper = viv_alloc_zeroed(1, sizeof *keeper);
    *keeper = (struct keeper){
        .work = {.answer = on_answer, .end = on_end},
        .server = report->server,
        .loop = loop,
        .report = report,
        .folder = viv_file_path(NULL, "%s", folder),
        .draft = viv_file_path(folder, "%s.new", kind),
        .path = viv_file_path(folder, "%s.%" PRIx64, kind, number),
        .kind = kind,
        .size_header = size_header,
        .fault = fault,
        .holders = 1,
    };
    bool has_folder = mkdir(folder, 0700) == 0 || errno == EEXIST;
    keeper->fd = has_folder ? open(keeper->draft, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600) : -1;
    if (keeper->fd < 0) {
        fail(keeper, errno);
        return &keeper->work;
    }
    VIV_ASSERT(uv_idle_init(loop, &keeper->idle) == 0);
    VIV_ASSERT(uv_idle_start(&keeper->idle, on_idle) == 0);
    keeper->idle.data = keeper;
    keeper->holders++;
    return &keeper->work;
}
