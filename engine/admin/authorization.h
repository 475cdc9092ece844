#ifndef VIV_ADMIN_AUTHORIZATION_H
#define VIV_ADMIN_AUTHORIZATION_H

#include <stdbool.h>

#include "base/bytes.h"

/* The header by which somebody who wants more than numbers says who he is: "digest user:password", or a scheme alone
 * ("ip"). */

enum { VIV_AUTHORIZATION_BYTES_MAX = 4096 };

/* Splits the text at its one blank. False: empty, too long, or not of that form. Borrows from the text. */
bool viv_authorization_parse(const char *text, struct viv_bytes *scheme, struct viv_bytes *auth);

#endif /* VIV_ADMIN_AUTHORIZATION_H */
