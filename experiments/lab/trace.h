#ifndef VIV_EXPERIMENTS_LAB_TRACE_H
#define VIV_EXPERIMENTS_LAB_TRACE_H

#include "base/entry.h"
#include "base/stage.h"
#include "base/status.h"

/* Recovery milestones as our servers write them, one JSON object a line: {t_ns, sid, gid, code, a, b}, times of
 * CLOCK_MONOTONIC, which all processes of a machine share. Knows no meaning of the codes. */

struct viv_trace_event {
    uint64_t t_ns;
    viv_sid sid;
    viv_gid gid;
    enum viv_trace_code code;
    int64_t a, b;
};

struct viv_trace {
    struct viv_trace_event *events; /* by time */
    size_t event_count, event_capacity;
};

/* Adds the events of one file; one that is not there adds none, and neither does the half line that a killed server
 * leaves behind. Call viv_trace_sort after the last. */
void viv_trace_read(struct viv_trace *trace, const char *path);
void viv_trace_add(struct viv_trace *trace, const struct viv_trace_event *event);
void viv_trace_sort(struct viv_trace *trace);
void viv_trace_fini(struct viv_trace *trace);

#endif /* VIV_EXPERIMENTS_LAB_TRACE_H */
