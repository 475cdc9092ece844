#ifndef VIV_SERVER_TRACE_H
#define VIV_SERVER_TRACE_H

#include "base/entry.h"
#include "base/stage.h"
#include "base/status.h"

/* Milestones (base/trace.def) with the time at which they were reached, one JSON object a line, written at once: they
 * are rare, and the process may be killed the moment after.
 *
 *   {"t_ns":812345678901234,"sid":1,"gid":0,"code":"LEADING","a":0,"b":0}
 *
 * t_ns is CLOCK_MONOTONIC, so that the events of all processes of one machine share a time line. */

struct viv_trace {
    int fd; /* -1: records are dropped */
    viv_sid sid;
};

/* Appends to the file at `path`; "" opens nothing. VIV_ERR_SYSTEM was logged. */
viv_status viv_trace_open(struct viv_trace *trace, const char *path, viv_sid sid) VIV_MUST_USE;
void viv_trace_close(struct viv_trace *trace);
void viv_trace_record(struct viv_trace *trace, viv_gid gid, enum viv_trace_code code, uint64_t a, uint64_t b);

#endif /* VIV_SERVER_TRACE_H */
