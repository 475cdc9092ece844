#ifndef VIV_SECURITY_TLS_CHANNEL_H
#define VIV_SECURITY_TLS_CHANNEL_H

#include "base/bytes.h"
#include "security/tls_context.h"

/* One TLS connection without a socket: bytes of the network go in and come out through memory. Never blocks. */

struct viv_tls_channel;

struct viv_tls_channel *viv_tls_channel_accept(struct viv_tls_context *context);
/* `host` is a name or a numeric address: the certificate of the other side must be made for it, unless the context
 * trusts any host. */
struct viv_tls_channel *viv_tls_channel_connect(struct viv_tls_context *context, const char *host);
void viv_tls_channel_free(struct viv_tls_channel *channel); /* NULL is allowed */

/* Bytes from the network in (none, to begin a handshake as the one who connects); what they said is appended to *plain,
 * what is to be sent in answer to *out, also after a failure. VIV_ERR_INTERRUPTED: the other side has said that it
 * ends; VIV_ERR_MALFORMED: the connection is to be closed, viv_tls_channel_why says why. */
viv_status viv_tls_channel_take(struct viv_tls_channel *channel, struct viv_bytes in, struct viv_buffer *plain,
                                struct viv_buffer *out) VIV_MUST_USE;
/* The handshake is over and the other side is who it must be. */
bool viv_tls_channel_is_open(const struct viv_tls_channel *channel);
/* Only when open: appends to *out what carries the bytes. */
void viv_tls_channel_put(struct viv_tls_channel *channel, struct viv_bytes plain, struct viv_buffer *out);
/* Says that nothing follows; once. */
void viv_tls_channel_end(struct viv_tls_channel *channel, struct viv_buffer *out);
const char *viv_tls_channel_why(const struct viv_tls_channel *channel);

/* The raw vector<Id> that the other side's certificate proves (client-protocol.md §11.1), empty without one: its
 * subject under scheme x509, and under super when it is `super_user` ("": nobody is). */
void viv_tls_channel_identities(const struct viv_tls_channel *channel, const char *super_user, struct viv_buffer *out);
/* Whether the other side's certificate is made for this name or numeric address. */
bool viv_tls_channel_is_host(const struct viv_tls_channel *channel, const char *host);

/* For tls_context.c: how the library reaches the memory of a channel. */
BIO_METHOD *viv_tls_channel_memory(void);

#endif /* VIV_SECURITY_TLS_CHANNEL_H */
