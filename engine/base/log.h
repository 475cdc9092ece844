#ifndef VIV_BASE_LOG_H
#define VIV_BASE_LOG_H

/* Structured log lines. This module formats; a sink given by the program writes. It knows no clock and no
 * file: the sink adds the time. The sink and its threshold are one of the two globals of the house. */

enum viv_log_level { VIV_LOG_DEBUG, VIV_LOG_INFO, VIV_LOG_WARN, VIV_LOG_ERROR };

/* `room` and `text` are plain words; `fields` is "key=value key=value" or "". All borrowed for the call. */
typedef void viv_log_sink_fn(void *ctx, enum viv_log_level level, const char *room, const char *text,
                             const char *fields);

/* Installs the sink; lines below `threshold` are dropped before they are formatted. NULL drops everything.
 * Call before the first thread is started; the sink must be callable from any thread. */
void viv_log_set_sink(enum viv_log_level threshold, viv_log_sink_fn *sink, void *ctx);

/* One line: a fixed `text` that says what happened, and printf-style "key=value" fields with the facts. */
void viv_log(enum viv_log_level level, const char *room, const char *text, const char *fields_format, ...)
    __attribute__((format(printf, 4, 5)));

#endif /* VIV_BASE_LOG_H */
