#include "security/tls_context.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/log.h"
#include "security/tls_channel.h"

#define USUAL_CIPHERS "ECDHE+AESGCM:ECDHE+CHACHA20"

/* ---- names of ciphers ---- */

/* Adds the library's own name of a cipher that is called by its IANA name, or by the library's. */
static bool add_cipher(SSL *all, const char *name, size_t size, struct viv_buffer *modern, struct viv_buffer *older)
{
    STACK_OF(SSL_CIPHER) *known = SSL_get_ciphers(all);
    for (int i = 0; i < sk_SSL_CIPHER_num(known); i++) {
        const SSL_CIPHER *cipher = sk_SSL_CIPHER_value(known, i);
        const char *names[] = {SSL_CIPHER_standard_name(cipher), SSL_CIPHER_get_name(cipher)};
        for (size_t k = 0; k < sizeof names / sizeof names[0]; k++) {
            if (names[k] != NULL && strlen(names[k]) == size && memcmp(names[k], name, size) == 0) {
                struct viv_buffer *out = strncmp(names[1], "TLS_", 4) == 0 ? modern : older;
                viv_buffer_printf(out, "%s%s", out->size > 0 ? ":" : "", names[1]);
                return true;
            }
        }
    }
    return false;
}

/* Splits a comma list into those of TLS 1.3 and the older ones. False: *bad is one that is unknown. */
static bool translate_ciphers(SSL_CTX *ssl, const char *list, struct viv_buffer *modern, struct viv_buffer *older,
                              const char **bad)
{
    VIV_ASSERT(SSL_CTX_set_cipher_list(ssl, "ALL") == 1);
    SSL *all = SSL_new(ssl);
    VIV_ASSERT(all != NULL);
    *bad = NULL;
    while (*list != '\0' && *bad == NULL) {
        size_t size = strcspn(list, ", \t:");
        if (size > 0 && !add_cipher(all, list, size, modern, older)) {
            *bad = list;
        }
        list += size + (list[size] != '\0');
    }
    SSL_free(all);
    return *bad == NULL;
}

/* A version that no listed suite is for is not offered; when none is left, nobody could ever connect. */
static viv_status leave_out_versions(SSL_CTX *ssl, bool has_modern, bool has_older, const char *prefix,
                                     struct viv_tls_fault *fault)
{
    long least = SSL_CTX_get_min_proto_version(ssl), most = SSL_CTX_get_max_proto_version(ssl);
    bool serves_1_2 = least <= TLS1_2_VERSION && has_older, serves_1_3 = most >= TLS1_3_VERSION && has_modern;
    if (!serves_1_2 && !serves_1_3) {
        viv_tls_fault_set(fault,
                          "no cipher suite is for a TLS version that may be used; add one to the list, or a version",
                          "keys=%sciphersuites,%sprotocol,%senabledProtocols", prefix, prefix, prefix);
        return VIV_ERR_UNSUPPORTED;
    }
    SSL_CTX_set_min_proto_version(ssl, serves_1_2 ? TLS1_2_VERSION : TLS1_3_VERSION);
    SSL_CTX_set_max_proto_version(ssl, serves_1_3 ? TLS1_3_VERSION : TLS1_2_VERSION);
    return VIV_OK;
}

static viv_status set_ciphers(SSL_CTX *ssl, const char *list, const char *prefix, struct viv_tls_fault *fault)
{
    if (list[0] == '\0') {
        VIV_ASSERT(SSL_CTX_set_cipher_list(ssl, USUAL_CIPHERS) == 1);
        return VIV_OK;
    }
    struct viv_buffer modern = {0}, older = {0};
    const char *bad;
    viv_status status = VIV_OK;
    if (!translate_ciphers(ssl, list, &modern, &older, &bad)) {
        viv_tls_fault_set(fault, "a cipher suite is unknown or too weak to be offered; remove it from the list",
                          "key=%sciphersuites suite=%.*s", prefix, (int)strcspn(bad, ", \t:"), bad);
        status = VIV_ERR_UNSUPPORTED;
    } else {
        viv_buffer_append(&modern, "", 1);
        viv_buffer_append(&older, "", 1);
        VIV_ASSERT(SSL_CTX_set_ciphersuites(ssl, (const char *)modern.data) == 1);
        (void)SSL_CTX_set_cipher_list(ssl, older.size > 1 ? (const char *)older.data : USUAL_CIPHERS);
        status = leave_out_versions(ssl, modern.size > 1, older.size > 1, prefix, fault);
    }
    ERR_clear_error();
    viv_buffer_fini(&modern);
    viv_buffer_fini(&older);
    return status;
}

/* ---- certificates ---- */

static void warn_of_age(const X509 *certificate, const char *prefix)
{
    int before = X509_cmp_current_time(X509_get0_notBefore(certificate));
    int after = X509_cmp_current_time(X509_get0_notAfter(certificate));
    if (before <= 0 && after >= 0) {
        return;
    }
    char subject[256];
    X509_NAME_oneline(X509_get_subject_name(certificate), subject, sizeof subject);
    viv_log(VIV_LOG_WARN, "tls",
            before > 0 ? "the own certificate is not valid yet: others will refuse it; check it and the clock"
                       : "the own certificate has expired: others will refuse it; replace it",
            "key=%skeyStore.location subject=\"%s\"", prefix, subject);
}

static viv_status use_key(SSL_CTX *ssl, const struct viv_key_store *store, const struct viv_tls_settings *settings,
                          const char *prefix, struct viv_tls_fault *fault)
{
    X509 *own = sk_X509_value(store->chain, 0);
    ERR_clear_error();
    bool is_taken = SSL_CTX_use_certificate(ssl, own) == 1 && SSL_CTX_use_PrivateKey(ssl, store->key) == 1;
    for (int i = 1; is_taken && i < sk_X509_num(store->chain); i++) {
        is_taken = SSL_CTX_add1_chain_cert(ssl, sk_X509_value(store->chain, i)) == 1; /* a weak one is not */
    }
    if (!is_taken) {
        viv_tls_fault_set_openssl(fault,
                                  "a certificate or the key of a TLS store is refused; make all of its chain stronger",
                                  "key=%skeyStore.location path=%s", prefix, settings->key.path);
        return VIV_ERR_UNSUPPORTED;
    }
    warn_of_age(own, prefix);
    return VIV_OK;
}

/* As Java: every certificate on the way up is looked for in a list of its issuer's, but the one that is trusted needs
 * none, because whoever put it into the store trusts it. */
static int heed_revocation(int is_good, X509_STORE_CTX *check)
{
    int anchor = sk_X509_num(X509_STORE_CTX_get0_chain(check)) - 1;
    bool is_excused = X509_STORE_CTX_get_error(check) == X509_V_ERR_UNABLE_TO_GET_CRL &&
                      X509_STORE_CTX_get_error_depth(check) == anchor;
    if (!is_good && is_excused) {
        X509_STORE_CTX_set_error(check, X509_V_OK);
    }
    return is_good || is_excused;
}

/* Any certificate of the trust store is trusted, also one that is not self-signed, as Java does. */
static viv_status use_trust(SSL_CTX *ssl, const struct viv_key_store *store, const struct viv_tls_settings *settings,
                            const char *prefix, struct viv_tls_fault *fault)
{
    X509_STORE *trusted = SSL_CTX_get_cert_store(ssl);
    X509_STORE_set_flags(trusted, X509_V_FLAG_PARTIAL_CHAIN);
    for (int i = 0; i < sk_X509_num(store->trusted); i++) {
        X509 *certificate = sk_X509_value(store->trusted, i);
        VIV_ASSERT(X509_STORE_add_cert(trusted, certificate) == 1);
        VIV_ASSERT(SSL_CTX_add_client_CA(ssl, certificate) == 1);
    }
    if (!settings->crl) {
        return VIV_OK;
    }
    if (sk_X509_CRL_num(store->revoked) < 1) {
        viv_tls_fault_set(fault,
                          "revocation lists are to be heeded and there is none; put it into the trust store, in PEM",
                          "key=%scrl path=%s", prefix, settings->trust.path);
        return VIV_ERR_INVALID;
    }
    X509_STORE_set_flags(trusted, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
    X509_STORE_set_verify_cb(trusted, heed_revocation);
    for (int i = 0; i < sk_X509_CRL_num(store->revoked); i++) {
        VIV_ASSERT(X509_STORE_add_crl(trusted, sk_X509_CRL_value(store->revoked, i)) == 1);
    }
    return VIV_OK;
}

/* ---- contexts ---- */

static SSL_CTX *new_ssl(const struct viv_tls_settings *settings)
{
    SSL_CTX *ssl = SSL_CTX_new(TLS_method());
    VIV_ASSERT(ssl != NULL);
    uint32_t protocols = settings->protocols != 0 ? settings->protocols : VIV_TLS_ANY;
    SSL_CTX_set_min_proto_version(ssl, protocols & VIV_TLS_1_2 ? TLS1_2_VERSION : TLS1_3_VERSION);
    SSL_CTX_set_max_proto_version(ssl, protocols & VIV_TLS_1_3 ? TLS1_3_VERSION : TLS1_2_VERSION);
    SSL_CTX_set_options(ssl, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_NO_TICKET |
                                 SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(ssl, 0);
    SSL_CTX_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS);
    return ssl;
}

static viv_status fill(SSL_CTX *ssl, const struct viv_tls_settings *settings, const char *prefix, enum viv_tls_use use,
                       struct viv_tls_fault *fault)
{
    bool wants_key = use != VIV_TLS_IS_CLIENT || settings->key.path[0] != '\0';
    bool wants_trust = use != VIV_TLS_SERVES_CLIENTS || settings->client_auth != VIV_TLS_CLIENT_NONE;
    struct viv_key_store key = {0}, trust = {0};
    viv_status status =
        viv_key_stores_load(settings, prefix, wants_key ? &key : NULL, wants_trust ? &trust : NULL, fault);
    if (status == VIV_OK && wants_key) {
        status = use_key(ssl, &key, settings, prefix, fault);
    }
    if (status == VIV_OK && wants_trust) {
        status = use_trust(ssl, &trust, settings, prefix, fault);
    }
    viv_key_store_fini(&key);
    viv_key_store_fini(&trust);
    return status == VIV_OK ? set_ciphers(ssl, settings->ciphers, prefix, fault) : status;
}

viv_status viv_tls_context_new(const struct viv_tls_settings *settings, const char *prefix, enum viv_tls_use use,
                               struct viv_tls_context **out, struct viv_tls_fault *fault)
{
    SSL_CTX *ssl = new_ssl(settings);
    viv_status status = fill(ssl, settings, prefix, use, fault);
    if (status != VIV_OK) {
        SSL_CTX_free(ssl);
        return status;
    }
    struct viv_tls_context *context = viv_alloc_zeroed(1, sizeof *context);
    context->ssl = ssl;
    context->memory = viv_tls_channel_memory();
    context->client_auth = use == VIV_TLS_JOINS_PEERS ? VIV_TLS_CLIENT_NEED : settings->client_auth;
    context->trust_any_host = settings->trust_any_host;
    context->users = 1;
    *out = context;
    return VIV_OK;
}

struct viv_tls_context *viv_tls_context_share(struct viv_tls_context *context)
{
    context->users++;
    return context;
}

void viv_tls_context_drop(struct viv_tls_context *context)
{
    if (context != NULL && --context->users == 0) {
        SSL_CTX_free(context->ssl);
        BIO_meth_free(context->memory);
        free(context);
    }
}
