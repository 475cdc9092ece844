#ifndef VIV_SECURITY_TLS_CONTEXT_H
#define VIV_SECURITY_TLS_CONTEXT_H

#include <openssl/bio.h>

#include "security/key_store.h"

/* What all connections of one port have in common: own key, whom to trust, which versions and ciphers. Made from
 * settings and the files they name, never changed afterwards; new files make a new context, and connections keep the
 * one that they began with. Making one reads files and may take some 10 ms; it may be done in any thread, everything
 * else belongs to one.
 *
 * TLS 1.2 and 1.3, forward-secret authenticated ciphers unless settings name others, no renegotiation, no compression,
 * no resumption: a revoked certificate is refused at the next connection. */

enum viv_tls_use {
    VIV_TLS_SERVES_CLIENTS, /* needs a key, and somebody to trust unless no certificates are asked for */
    VIV_TLS_JOINS_PEERS,    /* needs both: either side shows a certificate */
    VIV_TLS_IS_CLIENT,      /* needs somebody to trust; may have a key */
};

struct viv_tls_context {
    SSL_CTX *ssl;
    BIO_METHOD *memory; /* where connections find and leave their bytes */
    enum viv_tls_client_auth client_auth;
    bool trust_any_host;
    unsigned users;
};

/* One reference is the caller's. The status and the fault are those of viv_key_store_load, or VIV_ERR_UNSUPPORTED for
 * ciphers that nobody knows. A certificate that is expired or not yet valid is warned of. */
viv_status viv_tls_context_new(const struct viv_tls_settings *settings, const char *prefix, enum viv_tls_use use,
                               struct viv_tls_context **out, struct viv_tls_fault *fault) VIV_MUST_USE;
struct viv_tls_context *viv_tls_context_share(struct viv_tls_context *context);
void viv_tls_context_drop(struct viv_tls_context *context); /* NULL is allowed */

#endif /* VIV_SECURITY_TLS_CONTEXT_H */
