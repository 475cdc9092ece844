#ifndef VIV_SECURITY_KEY_STORE_H
#define VIV_SECURITY_KEY_STORE_H

#include <openssl/types.h>
#include <openssl/safestack.h>

#include "base/bytes.h"
#include "base/status.h"
#include "security/tls_fault.h"
#include "security/tls_settings.h"

/* The content of a key store or trust store file in memory: PEM, PKCS#12 or Java's JKS. Java writes PKCS#12 into files
 * named .jks since version 9, so of these two the content decides, as it does for Java itself.
 *
 * Knows files and formats; does not know what a connection is. */

/* Stores are small; a larger file is not one. */
enum { VIV_KEY_STORE_BYTES_MAX = 4 << 20, VIV_KEY_STORE_CERTIFICATES_MAX = 1000 };

struct viv_key_store {
    EVP_PKEY *key;                /* NULL when there is none */
    STACK_OF(X509) * chain;       /* of the key: its own certificate first */
    STACK_OF(X509) * trusted;     /* certificates that belong to no key */
    STACK_OF(X509_CRL) * revoked; /* PEM only */
};

/* Reads the file. VIV_ERR_IO: missing, unreadable or its password file is; VIV_ERR_INVALID: wrong password;
 * VIV_ERR_MALFORMED: not a store of that type; VIV_ERR_UNSUPPORTED: a type or protection that is not served. `key`
 * names the configuration key of the file for the fault ("ssl.keyStore"). Nothing is owned after a failure. */
viv_status viv_key_store_load(struct viv_key_store *store, const struct viv_tls_store_settings *settings,
                              const char *key, struct viv_tls_fault *fault) VIV_MUST_USE;
/* A pair of stores as a connection needs them: the first holds a private key that fits its certificate, the other at
 * least one certificate. `prefix` is that of the keys ("ssl.", "ssl.quorum."). Either may be NULL: not wanted. */
viv_status viv_key_stores_load(const struct viv_tls_settings *settings, const char *prefix, struct viv_key_store *key,
                               struct viv_key_store *trust, struct viv_tls_fault *fault) VIV_MUST_USE;
void viv_key_store_fini(struct viv_key_store *store);

/* Overwrites, then frees. */
void viv_key_store_wipe(struct viv_buffer *secret);

/* One format each, from bytes; for viv_key_store_load and the tests. What a failure leaves in *store is the caller's to
 * end. */
void viv_key_store_push(STACK_OF(X509) * *stack, X509 *certificate); /* takes the certificate; makes the stack */
viv_status viv_key_store_read_pem(struct viv_key_store *store, struct viv_bytes bytes, const char *password);
viv_status viv_key_store_read_pkcs12(struct viv_key_store *store, struct viv_bytes bytes, const char *password);
viv_status viv_key_store_read_jks(struct viv_key_store *store, struct viv_bytes bytes, const char *password);

#endif /* VIV_SECURITY_KEY_STORE_H */
