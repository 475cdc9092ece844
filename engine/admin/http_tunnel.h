#ifndef VIV_ADMIN_HTTP_TUNNEL_H
#define VIV_ADMIN_HTTP_TUNNEL_H

#include "admin/http.h"

/* TLS in front of the HTTP library, which speaks plain text only: a connection is decrypted here, by the TLS of all
 * other ports (security/tls_channel.h: reloading, revocation, versions, ciphers), and is handed on through a pair of
 * sockets when the hands are shaken. Neither side is read faster than the other takes it. Does not know HTTP. */

/* Takes the descriptor, whose first byte is yet to be read. */
void viv_http_tunnel_take(struct viv_http *http, int fd);
/* Turns out whose handshake takes too long; who is through is the library's to judge. */
void viv_http_tunnel_patrol(struct viv_http *http);
void viv_http_tunnel_close_all(struct viv_http *http);

#endif /* VIV_ADMIN_HTTP_TUNNEL_H */
