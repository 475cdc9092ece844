#ifndef VIV_SERVER_LOG_SINK_H
#define VIV_SERVER_LOG_SINK_H

#include "base/log.h"

/* Writes log lines to stderr: ISO time, level, room, text, key=value. One write a line, so that lines of several
 * threads never mix. A viv_log_sink_fn; ctx is not used. */
void viv_log_sink_stderr(void *ctx, enum viv_log_level level, const char *room, const char *text, const char *fields);

#endif /* VIV_SERVER_LOG_SINK_H */
