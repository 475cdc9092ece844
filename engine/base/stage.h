#ifndef VIV_BASE_STAGE_H
#define VIV_BASE_STAGE_H

/* Codes of trace events, base/trace.def. */
enum viv_trace_code {
#define VIV_TRACE(name, text) VIV_TRACE_##name,
#include "base/trace.def"
#undef VIV_TRACE
    VIV_TRACE_COUNT,
};

/* "FOLLOW_LOST" and so on; never NULL. */
const char *viv_trace_name(enum viv_trace_code code);

#endif /* VIV_BASE_STAGE_H */
