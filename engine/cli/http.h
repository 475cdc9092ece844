#ifndef VIV_CLI_HTTP_H
#define VIV_CLI_HTTP_H

#include "base/bytes.h"

/* One GET of a server's admin port, as HTTP/1.0: the answer ends with the connection. Knows no TLS. */

/* Splits a whole answer. False: it is no HTTP. `body` borrows from it. */
bool viv_cli_http_parse(struct viv_bytes answer, int *status, struct viv_bytes *body);

/* `host` is a name or a numeric address. Appends the body of a 200; an exit code otherwise, told. */
int viv_cli_http_get(const char *host, uint16_t port, const char *path, uint32_t timeout_ms, struct viv_buffer *body);

#endif /* VIV_CLI_HTTP_H */
