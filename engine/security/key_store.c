#include "security/key_store.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/assert.h"

void viv_key_store_fini(struct viv_key_store *store)
{
    EVP_PKEY_free(store->key);
    sk_X509_pop_free(store->chain, X509_free);
    sk_X509_pop_free(store->trusted, X509_free);
    sk_X509_CRL_pop_free(store->revoked, X509_CRL_free);
    *store = (struct viv_key_store){0};
}

void viv_key_store_wipe(struct viv_buffer *secret)
{
    if (secret->data != NULL) {
        OPENSSL_cleanse(secret->data, secret->capacity);
    }
    viv_buffer_fini(secret);
}

void viv_key_store_push(STACK_OF(X509) * *stack, X509 *certificate)
{
    if (*stack == NULL) {
        *stack = sk_X509_new_null();
    }
    VIV_ASSERT(*stack != NULL);
    VIV_ASSERT(sk_X509_push(*stack, certificate) > 0);
}

/* ---- files ---- */

/* All of a file, never moved while it grows, so that a secret leaves no copy behind. False: errno says why. */
static bool read_file(const char *path, struct viv_buffer *out)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    off_t size = lseek(fd, 0, SEEK_END);
    int why = size < 0 ? errno : size > VIV_KEY_STORE_BYTES_MAX ? EFBIG : 0;
    size_t wanted = why == 0 ? (size_t)size : 0;
    viv_buffer_reserve(out, wanted + 1);
    while (why == 0 && out->size < wanted) {
        ssize_t got = pread(fd, out->data + out->size, wanted - out->size, (off_t)out->size);
        why = got < 0 ? errno : 0;
        if (got <= 0) {
            break;
        }
        out->size += (size_t)got;
    }
    close(fd);
    errno = why;
    return why == 0;
}

/* The reason of a failed read_file as a sentence that says what to do. */
static const char *why_unread(int why)
{
    switch (why) {
    case ENOENT:
    case ENOTDIR:
        return "a TLS file is missing; put it there, or correct its key in the configuration";
    case EACCES:
    case EPERM:
        return "a TLS file may not be read; give the user that runs the server the right to read it";
    case EFBIG:
        return "a TLS file is too large to be one; correct its key in the configuration";
    default:
        return "a TLS file cannot be read";
    }
}

static viv_status read_password(const struct viv_tls_store_settings *settings, const char *key,
                                struct viv_buffer *password, struct viv_tls_fault *fault)
{
    if (settings->password_path[0] == '\0') {
        viv_buffer_append(password, settings->password, strlen(settings->password) + 1);
        return VIV_OK;
    }
    if (!read_file(settings->password_path, password)) {
        viv_tls_fault_set(fault, why_unread(errno), "key=%s.passwordPath path=%s error=\"%s\"", key,
                          settings->password_path, strerror(errno));
        return VIV_ERR_IO;
    }
    password->data[password->size] = '\0'; /* read_file leaves room for it */
    password->size = strcspn((const char *)password->data, "\r\n");
    password->data[password->size++] = '\0';
    return VIV_OK;
}

/* ---- formats ---- */

typedef viv_status read_fn(struct viv_key_store *store, struct viv_bytes bytes, const char *password);

static bool starts_with(struct viv_bytes bytes, const char *text, size_t size)
{
    return bytes.size >= size && memcmp(bytes.data, text, size) == 0;
}

static enum viv_tls_store_type type_of(const struct viv_tls_store_settings *settings)
{
    static const struct {
        const char *suffix;
        enum viv_tls_store_type type;
    } suffixes[] = {
        {".pem", VIV_TLS_STORE_PEM},    {".crt", VIV_TLS_STORE_PEM},       {".p12", VIV_TLS_STORE_PKCS12},
        {".pfx", VIV_TLS_STORE_PKCS12}, {".pkcs12", VIV_TLS_STORE_PKCS12}, {".jks", VIV_TLS_STORE_JKS},
    };
    size_t size = strlen(settings->path);
    for (size_t i = 0; settings->type == VIV_TLS_STORE_BY_SUFFIX && i < sizeof suffixes / sizeof suffixes[0]; i++) {
        size_t suffix = strlen(suffixes[i].suffix);
        if (size >= suffix && strcasecmp(settings->path + size - suffix, suffixes[i].suffix) == 0) {
            return suffixes[i].type;
        }
    }
    return settings->type;
}

/* Java reads either of its two formats under the name of the other. */
static read_fn *reader_of(enum viv_tls_store_type type, struct viv_bytes bytes)
{
    if (type == VIV_TLS_STORE_PEM) {
        return viv_key_store_read_pem;
    }
    return starts_with(bytes, "\xfe\xed\xfe\xed", 4) ? viv_key_store_read_jks : viv_key_store_read_pkcs12;
}

static const char *why_refused(viv_status status)
{
    switch (status) {
    case VIV_ERR_INVALID:
        return "the password of a TLS store is wrong, or its file is damaged; correct the password or the file";
    case VIV_ERR_UNSUPPORTED:
        return "a TLS store is protected in a way that is not supported; convert it to PKCS#12 or PEM";
    default:
        return "a TLS store is damaged or of another type; correct its type key (PEM, PKCS12 or JKS) or the file";
    }
}

viv_status viv_key_store_load(struct viv_key_store *store, const struct viv_tls_store_settings *settings,
                              const char *key, struct viv_tls_fault *fault)
{
    *store = (struct viv_key_store){0};
    enum viv_tls_store_type type = type_of(settings);
    if (type == VIV_TLS_STORE_BY_SUFFIX) {
        viv_tls_fault_set(fault,
                          "the type of a TLS store is unknown; give its type key (PEM, PKCS12 or JKS) or name the file "
                          ".pem, .p12 or .jks",
                          "key=%s.type path=%s", key, settings->path);
        return VIV_ERR_UNSUPPORTED;
    }
    struct viv_buffer bytes = {0}, password = {0};
    viv_status status = VIV_OK;
    if (!read_file(settings->path, &bytes)) {
        viv_tls_fault_set(fault, why_unread(errno), "key=%s.location path=%s error=\"%s\"", key, settings->path,
                          strerror(errno));
        status = VIV_ERR_IO;
    } else {
        status = read_password(settings, key, &password, fault);
    }
    if (status == VIV_OK) {
        struct viv_bytes content = viv_buffer_bytes(&bytes);
        status = reader_of(type, content)(store, content, (const char *)password.data);
        if (status != VIV_OK) {
            viv_key_store_fini(store);
            viv_tls_fault_set_openssl(fault, why_refused(status), "key=%s.location path=%s", key, settings->path);
        }
    }
    viv_key_store_wipe(&bytes);
    viv_key_store_wipe(&password);
    return status;
}

/* ---- pairs ---- */

static viv_status check_key(const struct viv_key_store *store, const struct viv_tls_store_settings *settings,
                            const char *prefix, struct viv_tls_fault *fault)
{
    const char *what = store->key == NULL ? "a TLS key store holds no private key; add it to the file"
                       : sk_X509_num(store->chain) < 1
                           ? "a TLS key store holds a key without its certificate; add it to the file"
                       : X509_check_private_key(sk_X509_value(store->chain, 0), store->key) != 1
                           ? "the private key and the certificate of a TLS key store do not belong together"
                           : NULL;
    if (what != NULL) {
        viv_tls_fault_set(fault, what, "key=%skeyStore.location path=%s", prefix, settings->path);
        return VIV_ERR_INVALID;
    }
    return VIV_OK;
}

static viv_status check_trust(const struct viv_key_store *store, const struct viv_tls_store_settings *settings,
                              const char *prefix, struct viv_tls_fault *fault)
{
    if (sk_X509_num(store->trusted) < 1) {
        viv_tls_fault_set(fault, "a TLS trust store holds no certificate to trust; add the one of the authority",
                          "key=%strustStore.location path=%s", prefix, settings->path);
        return VIV_ERR_INVALID;
    }
    return VIV_OK;
}

static viv_status load_named(const struct viv_tls_store_settings *settings, const char *prefix, const char *name,
                             struct viv_key_store *store, struct viv_tls_fault *fault)
{
    char key[64];
    if (settings->path[0] == '\0') {
        viv_tls_fault_set(fault, "a TLS store is not configured; give the key that is named here", "key=%s%s.location",
                          prefix, name);
        return VIV_ERR_INVALID;
    }
    snprintf(key, sizeof key, "%s%s", prefix, name);
    return viv_key_store_load(store, settings, key, fault);
}

static viv_status load_key(const struct viv_tls_settings *settings, const char *prefix, struct viv_key_store *key,
                           struct viv_tls_fault *fault)
{
    VIV_TRY(load_named(&settings->key, prefix, "keyStore", key, fault));
    return check_key(key, &settings->key, prefix, fault);
}

static viv_status load_trust(const struct viv_tls_settings *settings, const char *prefix, struct viv_key_store *trust,
                             struct viv_tls_fault *fault)
{
    VIV_TRY(load_named(&settings->trust, prefix, "trustStore", trust, fault));
    return check_trust(trust, &settings->trust, prefix, fault);
}

viv_status viv_key_stores_load(const struct viv_tls_settings *settings, const char *prefix, struct viv_key_store *key,
                               struct viv_key_store *trust, struct viv_tls_fault *fault)
{
    struct viv_key_store none = {0};
    viv_status status = VIV_OK;
    if (key != NULL) {
        *key = none;
        status = load_key(settings, prefix, key, fault);
    }
    if (trust != NULL) {
        *trust = none;
        status = status == VIV_OK ? load_trust(settings, prefix, trust, fault) : status;
    }
    if (status != VIV_OK) {
        viv_key_store_fini(key != NULL ? key : &none);
        viv_key_store_fini(trust != NULL ? trust : &none);
    }
    return status;
}
