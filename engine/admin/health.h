#ifndef VIV_ADMIN_HEALTH_H
#define VIV_ADMIN_HEALTH_H

#include "base/bytes.h"
#include "server/view.h"

/* Three questions that supervisors ask: a yes is status 200, a no 503, and the JSON says why.
 *
 * live           the process answers
 * ready          clients are served: in an ensemble, this server is part of a quorum that serves
 * safe-to-stop   without this server a quorum remains. A leader counts the voters that are synchronised with it; a
 *                follower knows of the others only whether its election connection to them stands, and counts those */

enum viv_health { VIV_HEALTH_LIVE, VIV_HEALTH_READY, VIV_HEALTH_SAFE_TO_STOP, VIV_HEALTH_COUNT };

/* "/ready"; VIV_HEALTH_COUNT: another path. */
enum viv_health viv_health_find(const char *path);
/* Appends the answer; returns whether it is a yes. */
bool viv_health_answer(enum viv_health question, const struct viv_server_view *view, struct viv_buffer *out);

#endif /* VIV_ADMIN_HEALTH_H */
