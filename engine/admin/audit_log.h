#ifndef VIV_ADMIN_AUDIT_LOG_H
#define VIV_ADMIN_AUDIT_LOG_H

#include <uv.h>

#include "base/bytes.h"
#include "base/status.h"

/* The audit log as a file: who changed what, a line each, with the time and a level in front. Lines are gathered and
 * written by a thread of libuv's pool, one batch at a time, so that a slow disk holds up nobody; the file is opened for
 * each batch, so that it may be moved away at any time. Does not know what the lines say.
 *
 * What waits has a limit: beyond it lines are lost, which the server's log says once and the file as soon as it can. A
 * failure to write is said once, until writing succeeds again. */

enum { VIV_AUDIT_WAITING_BYTES_MAX = 8 << 20 };

struct viv_audit_log;

/* Makes the file when it is missing, 0600. VIV_ERR_SYSTEM: it cannot be written; logged with what to do. */
viv_status viv_audit_log_open(uv_loop_t *loop, const char *path, struct viv_audit_log **log) VIV_MUST_USE;
/* Whole lines, each with its end; copied. NULL is no log. */
void viv_audit_log_add(struct viv_audit_log *log, struct viv_bytes lines, bool is_failure);
/* A line of the server's own: "user=...\toperation=...\tresult=...". */
void viv_audit_log_server(struct viv_audit_log *log, const char *operation, const char *result);
/* Writes what waits; after the loop has ended. NULL is nothing. */
void viv_audit_log_close(struct viv_audit_log *log);

#endif /* VIV_ADMIN_AUDIT_LOG_H */
