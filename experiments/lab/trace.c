#include "experiments/lab/trace.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "experiments/lab/files.h"

enum { TRACE_BYTES_MAX = 64 << 20 };

static bool code_of(const json_t *value, enum viv_trace_code *code)
{
    const char *name = json_string_value(value);
    for (unsigned i = 0; i < VIV_TRACE_COUNT && name != NULL; i++) {
        if (strcmp(name, viv_trace_name(i)) == 0) {
            *code = i;
            return true;
        }
    }
    return false;
}

static bool parse_line(const char *line, size_t size, struct viv_trace_event *event)
{
    json_t *json = json_loadb(line, size, 0, NULL);
    const json_t *time = json_object_get(json, "t_ns");
    bool ok = json_is_integer(time) && code_of(json_object_get(json, "code"), &event->code);
    if (ok) {
        event->t_ns = (uint64_t)json_integer_value(time);
        event->sid = json_integer_value(json_object_get(json, "sid"));
        event->gid = (viv_gid)json_integer_value(json_object_get(json, "gid"));
        event->a = json_integer_value(json_object_get(json, "a"));
        event->b = json_integer_value(json_object_get(json, "b"));
    }
    json_decref(json);
    return ok;
}

void viv_trace_add(struct viv_trace *trace, const struct viv_trace_event *event)
{
    if (trace->event_count == trace->event_capacity) {
        trace->event_capacity = trace->event_capacity == 0 ? 64 : trace->event_capacity * 2;
        trace->events = viv_realloc(trace->events, trace->event_capacity * sizeof *trace->events);
    }
    trace->events[trace->event_count++] = *event;
}

void viv_trace_read(struct viv_trace *trace, const char *path)
{
    struct viv_buffer text = {0};
    if (viv_file_read(path, TRACE_BYTES_MAX, &text)) {
        const char *rest = (const char *)text.data;
        size_t left = text.size;
        while (left > 0) {
            const char *end = memchr(rest, '\n', left);
            size_t size = end != NULL ? (size_t)(end - rest) : left;
            struct viv_trace_event event = {0};
            if (size > 0 && parse_line(rest, size, &event)) {
                viv_trace_add(trace, &event);
            }
            rest += size + (end != NULL);
            left -= size + (end != NULL);
        }
    }
    viv_buffer_fini(&text);
}

static int by_time(const void *left, const void *right)
{
    const struct viv_trace_event *a = left;
    const struct viv_trace_event *b = right;
    return a->t_ns < b->t_ns ? -1 : a->t_ns > b->t_ns;
}

void viv_trace_sort(struct viv_trace *trace)
{
    if (trace->event_count > 1) {
        qsort(trace->events, trace->event_count, sizeof *trace->events, by_time);
    }
}

void viv_trace_fini(struct viv_trace *trace)
{
    free(trace->events);
    *trace = (struct viv_trace){0};
}
