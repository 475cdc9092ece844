#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"

enum { FIELDS_BYTES_MAX = 2048 };

static struct {
    enum viv_log_level threshold;
    viv_log_sink_fn *sink;
    void *ctx;
} output;

void viv_log_set_sink(enum viv_log_level threshold, viv_log_sink_fn *sink, void *ctx)
{
    output.threshold = threshold;
    output.sink = sink;
    output.ctx = ctx;
}

void viv_log(enum viv_log_level level, const char *room, const char *text, const char *fields_format, ...)
{
    if (output.sink == NULL || level < output.threshold) {
        return;
    }
    char fields[FIELDS_BYTES_MAX];
    va_list args;
    va_start(args, fields_format);
    vsnprintf(fields, sizeof fields, fields_format, args);
    va_end(args);
    output.sink(output.ctx, level, room, text, fields);
}

_Noreturn void viv_assert_failed(const char *expr, const char *file, int line)
{
    viv_log(VIV_LOG_ERROR, "assert", "an assertion failed", "expr=\"%s\" at=%s:%d", expr, file, line);
    abort();
}

_Noreturn void viv_out_of_memory(unsigned long long wanted_bytes)
{
    viv_log(VIV_LOG_ERROR, "memory", "out of memory", "wanted_bytes=%llu", wanted_bytes);
    abort();
}
