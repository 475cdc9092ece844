#ifndef VIV_ADMIN_AUTHORIZATION_H
#define VIV_ADMIN_AUTHORIZATION_H

#include <stdbool.h>

#include "admin/http.h"
#include "base/bytes.h"

/* What the commands that are not for everybody have in common: the header by which somebody says who he is ("digest
 * user:password", or a scheme alone: "ip"), the refusals, and one request in each interval of the rate limiter. */

enum { VIV_AUTHORIZATION_BYTES_MAX = 4096 };

/* Splits the text at its one blank. False: empty, too long, or not of that form. Borrows from the text. */
bool viv_authorization_parse(const char *text, struct viv_bytes *scheme, struct viv_bytes *auth);
/* Whether whoever asks holds every permission on "/"; if not, the answer says so. */
bool viv_authorization_check(struct viv_server *server, const struct viv_http_request *request, const char *command,
                             struct viv_http_answer *answer);
/* A command's answer that is an error, in the form of ZooKeeper's. */
void viv_authorization_refuse(struct viv_http_answer *answer, unsigned status, const char *command, const char *error);

struct viv_pace {
    uint64_t taken_ms;
    bool was_taken;
};
/* Takes the turn when the interval is over; if it is not, the answer says so. */
bool viv_pace_take(struct viv_pace *pace, uint64_t now_ms, uint64_t interval_ms, const char *command,
                   struct viv_http_answer *answer);

#endif /* VIV_ADMIN_AUTHORIZATION_H */
