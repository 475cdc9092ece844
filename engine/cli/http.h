#ifndef VIV_CLI_HTTP_H
#define VIV_CLI_HTTP_H

#include "base/bytes.h"
#include "security/tls_channel.h"

/* One GET of a server's admin port, as HTTP/1.0: the answer ends with the connection. */

/* Splits a whole answer. False: it is no HTTP. `body` borrows from it. */
bool viv_cli_http_parse(struct viv_bytes answer, int *status, struct viv_bytes *body);

struct viv_cli_http_place {
    char host[256]; /* a name or a numeric address; "" ends it */
    uint16_t port;
    struct viv_tls_context *tls; /* NULL: plain */
};
/* Appends the body of a 200; an exit code otherwise, told. */
int viv_cli_http_get(const struct viv_cli_http_place *place, const char *path, uint32_t timeout_ms,
                     struct viv_buffer *body);

#endif /* VIV_CLI_HTTP_H */
