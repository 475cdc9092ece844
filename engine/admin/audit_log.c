#include "admin/audit_log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/log.h"
#include "server/environment.h"

struct viv_audit_log {
    uv_loop_t *loop;
    uv_work_t work;
    char *path;
    struct viv_buffer waiting, writing; /* writing belongs to the work while that runs */
    bool is_writing;
    int error; /* errno of the last batch; set by the work */
    bool is_broken;
    uint64_t lost_count;
};

/* ---- writing ---- */

static int write_all(const char *path, struct viv_bytes bytes)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0) {
        return errno;
    }
    int error = 0;
    while (bytes.size > 0 && error == 0) {
        ssize_t written = write(fd, bytes.data, bytes.size);
        if (written < 0) {
            error = errno;
        } else {
            bytes = viv_bytes_of(bytes.data + written, bytes.size - (size_t)written);
        }
    }
    return close(fd) == 0 || error != 0 ? error : errno;
}

static void on_work(uv_work_t *work)
{
    struct viv_audit_log *log = work->data;
    log->error = write_all(log->path, viv_buffer_bytes(&log->writing));
}

static void heed_outcome(struct viv_audit_log *log)
{
    if (log->error != 0 && !log->is_broken) {
        viv_log(VIV_LOG_ERROR, "audit", "the audit log cannot be written: lines are lost until it can",
                "path=%s error=\"%s\"", log->path, strerror(log->error));
    } else if (log->error == 0 && log->is_broken) {
        viv_log(VIV_LOG_INFO, "audit", "the audit log is written again", "path=%s", log->path);
    }
    log->is_broken = log->error != 0;
}

static void write_waiting(struct viv_audit_log *log);

static void on_written(uv_work_t *work, int status)
{
    struct viv_audit_log *log = work->data;
    (void)status;
    log->is_writing = false;
    heed_outcome(log);
    viv_buffer_clear(&log->writing);
    write_waiting(log);
}

static void put_stamp(struct viv_buffer *out, bool is_failure)
{
    struct timespec now;
    struct tm utc;
    char stamp[32];
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%S", &utc);
    viv_buffer_printf(out, "%s.%03ldZ %s audit: ", stamp, now.tv_nsec / 1000000, is_failure ? "ERROR" : "INFO");
}

static void tell_lost(struct viv_audit_log *log)
{
    if (log->lost_count > 0) {
        put_stamp(&log->waiting, true);
        viv_buffer_printf(&log->waiting, "lost=%" PRIu64 "\n", log->lost_count);
        log->lost_count = 0;
    }
}

static void write_waiting(struct viv_audit_log *log)
{
    tell_lost(log);
    if (log->is_writing || log->waiting.size == 0) {
        return;
    }
    struct viv_buffer batch = log->waiting;
    log->waiting = log->writing;
    log->writing = batch;
    log->is_writing = true;
    log->work.data = log;
    VIV_ASSERT(uv_queue_work(log->loop, &log->work, on_work, on_written) == 0);
}

/* ---- life ---- */

viv_status viv_audit_log_open(uv_loop_t *loop, const char *path, struct viv_audit_log **opened)
{
    int error = write_all(path, (struct viv_bytes){0});
    if (error != 0) {
        viv_log(VIV_LOG_ERROR, "audit", "the audit log cannot be opened; set audit.file to a file that can be written",
                "path=%s error=\"%s\"", path, strerror(error));
        return VIV_ERR_SYSTEM;
    }
    struct viv_audit_log *log = viv_alloc_zeroed(1, sizeof *log);
    log->loop = loop;
    log->path = viv_alloc(strlen(path) + 1);
    memcpy(log->path, path, strlen(path) + 1);
    *opened = log;
    return VIV_OK;
}

static void lose(struct viv_audit_log *log, struct viv_bytes lines)
{
    if (log->lost_count == 0) {
        viv_log(VIV_LOG_ERROR, "audit", "the audit log is written too slowly: lines are lost",
                "path=%s waiting_bytes=%zu", log->path, log->waiting.size);
    }
    for (size_t i = 0; i < lines.size; i++) {
        log->lost_count += lines.data[i] == '\n';
    }
}

void viv_audit_log_add(struct viv_audit_log *log, struct viv_bytes lines, bool is_failure)
{
    if (log == NULL) {
        return;
    }
    if (log->waiting.size + lines.size > VIV_AUDIT_WAITING_BYTES_MAX) {
        lose(log, lines);
        return;
    }
    while (lines.size > 0) {
        const uint8_t *end = memchr(lines.data, '\n', lines.size);
        VIV_ASSERT(end != NULL);
        size_t size = (size_t)(end - lines.data) + 1;
        put_stamp(&log->waiting, is_failure);
        viv_buffer_append(&log->waiting, lines.data, size);
        lines = viv_bytes_of(lines.data + size, lines.size - size);
    }
    if (!log->is_writing) {
        write_waiting(log);
    }
}

void viv_audit_log_server(struct viv_audit_log *log, const char *operation, const char *result)
{
    char user[256];
    struct viv_buffer line = {0};
    viv_environment_user(user, sizeof user);
    viv_buffer_printf(&line, "user=%s\toperation=%s\tresult=%s\n", user, operation, result);
    viv_audit_log_add(log, viv_buffer_bytes(&line), false);
    viv_buffer_fini(&line);
}

void viv_audit_log_close(struct viv_audit_log *log)
{
    if (log == NULL) {
        return;
    }
    VIV_ASSERT(!log->is_writing);
    tell_lost(log);
    if (log->waiting.size > 0) {
        log->error = write_all(log->path, viv_buffer_bytes(&log->waiting));
        heed_outcome(log);
    }
    viv_buffer_fini(&log->waiting);
    viv_buffer_fini(&log->writing);
    free(log->path);
    free(log);
}
