#include "server/trace.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/log.h"

enum { LINE_BYTES_MAX = 256 };

viv_status viv_trace_open(struct viv_trace *trace, const char *path, viv_sid sid)
{
    *trace = (struct viv_trace){.fd = -1, .sid = sid};
    if (path[0] == '\0') {
        return VIV_OK;
    }
    trace->fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (trace->fd < 0) {
        viv_log(VIV_LOG_ERROR, "trace", "the file of trace.file cannot be opened", "path=%s error=\"%s\"", path,
                strerror(errno));
        return VIV_ERR_SYSTEM;
    }
    return VIV_OK;
}

void viv_trace_close(struct viv_trace *trace)
{
    if (trace->fd >= 0) {
        close(trace->fd);
        trace->fd = -1;
    }
}

void viv_trace_record(struct viv_trace *trace, viv_gid gid, enum viv_trace_code code, uint64_t a, uint64_t b)
{
    if (trace->fd < 0) {
        return;
    }
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    char line[LINE_BYTES_MAX];
    int size = snprintf(
        line, sizeof line,
        "{\"t_ns\":%" PRIu64 ",\"sid\":%" PRId64 ",\"gid\":%u,\"code\":\"%s\",\"a\":%" PRIu64 ",\"b\":%" PRIu64 "}\n",
        (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec, trace->sid, gid, viv_trace_name(code), a, b);
    VIV_ASSERT(size > 0 && size < LINE_BYTES_MAX);
    if (write(trace->fd, line, (size_t)size) != size) {
        viv_log(VIV_LOG_WARN, "trace", "tracing stopped: the file cannot be written", "error=\"%s\"", strerror(errno));
        viv_trace_close(trace);
    }
}
