#ifndef VIV_BASE_STAGE_H
#define VIV_BASE_STAGE_H

/* The eight stages of a request: trace points, names of histograms, columns of the latency figure. */
#define VIV_STAGES(STAGE)                                                                                              \
    STAGE(RECEIVED, received)                                                                                          \
    STAGE(ROUTED, routed)                                                                                              \
    STAGE(PREPARED, prepared)                                                                                          \
    STAGE(PROPOSED, proposed)                                                                                          \
    STAGE(STORED, stored)                                                                                              \
    STAGE(COMMITTED, committed)                                                                                        \
    STAGE(APPLIED, applied)                                                                                            \
    STAGE(REPLIED, replied)

enum viv_stage {
#define VIV_STAGE_ENUM(upper, lower) VIV_STAGE_##upper,
    VIV_STAGES(VIV_STAGE_ENUM)
#undef VIV_STAGE_ENUM
        VIV_STAGE_COUNT,
};

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
