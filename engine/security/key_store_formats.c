#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/provider.h>
#include <openssl/x509.h>
#include <pthread.h>
#include <string.h>

#include "base/assert.h"
#include "security/key_store.h"

/* ---- PEM ---- */

static int give_password(char *out, int capacity, int for_writing, void *password)
{
    (void)for_writing;
    size_t size = strlen(password);
    if (size > (size_t)capacity) {
        return -1;
    }
    memcpy(out, password, size);
    return (int)size;
}

static void take_item(struct viv_key_store *store, X509_INFO *item)
{
    if (item->x509 != NULL) {
        viv_key_store_push(&store->trusted, item->x509);
        item->x509 = NULL;
    }
    if (item->crl != NULL) {
        store->revoked = store->revoked != NULL ? store->revoked : sk_X509_CRL_new_null();
        VIV_ASSERT(store->revoked != NULL);
        VIV_ASSERT(sk_X509_CRL_push(store->revoked, item->crl) > 0);
        item->crl = NULL;
    }
}

static bool contains(struct viv_bytes bytes, const char *text)
{
    return bytes.size > 0 && memmem(bytes.data, bytes.size, text, strlen(text)) != NULL;
}

/* The first key, when there is one. */
static viv_status read_pem_key(struct viv_key_store *store, struct viv_bytes bytes, const char *password)
{
    if (!contains(bytes, "PRIVATE KEY-----")) {
        return VIV_OK;
    }
    BIO *bio = BIO_new_mem_buf(bytes.data, (int)bytes.size);
    VIV_ASSERT(bio != NULL);
    store->key = PEM_read_bio_PrivateKey(bio, NULL, give_password, (void *)password);
    BIO_free(bio);
    if (store->key == NULL) {
        return contains(bytes, "ENCRYPTED") ? VIV_ERR_INVALID : VIV_ERR_MALFORMED;
    }
    return VIV_OK;
}

/* Certificates before or after a key belong to it, the first one being its own; without a key all are trusted. */
viv_status viv_key_store_read_pem(struct viv_key_store *store, struct viv_bytes bytes, const char *password)
{
    ERR_clear_error();
    VIV_TRY(read_pem_key(store, bytes, password));
    BIO *bio = BIO_new_mem_buf(bytes.data, (int)bytes.size);
    VIV_ASSERT(bio != NULL);
    STACK_OF(X509_INFO) *items = PEM_X509_INFO_read_bio(bio, NULL, give_password, (void *)password);
    BIO_free(bio);
    if (items == NULL) {
        return VIV_ERR_MALFORMED;
    }
    for (int i = 0; i < sk_X509_INFO_num(items); i++) {
        take_item(store, sk_X509_INFO_value(items, i));
    }
    sk_X509_INFO_pop_free(items, X509_INFO_free);
    if (store->key != NULL) {
        store->chain = store->trusted;
        store->trusted = NULL;
    }
    bool is_empty = store->key == NULL && sk_X509_num(store->trusted) < 1;
    return is_empty || sk_X509_num(store->trusted) > VIV_KEY_STORE_CERTIFICATES_MAX ? VIV_ERR_MALFORMED : VIV_OK;
}

/* ---- PKCS#12 ---- */

/* Stores of Java 8 and of older tools are protected with ciphers that OpenSSL keeps in a provider of its own. */
static void load_providers(void)
{
    static OSSL_PROVIDER *usual, *old;
    usual = OSSL_PROVIDER_load(NULL, "default"); /* else loading another would put it aside */
    old = OSSL_PROVIDER_load(NULL, "legacy");
    (void)usual, (void)old;
    ERR_clear_error();
}

/* Stores are read again in more than one thread. */
static void load_old_ciphers(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, load_providers);
}

static bool is_password(PKCS12 *store, const char *password)
{
    return PKCS12_verify_mac(store, password, -1) == 1 ||
           (password[0] == '\0' && PKCS12_verify_mac(store, NULL, 0) == 1);
}

viv_status viv_key_store_read_pkcs12(struct viv_key_store *store, struct viv_bytes bytes, const char *password)
{
    ERR_clear_error();
    const unsigned char *at = bytes.data;
    PKCS12 *file = d2i_PKCS12(NULL, &at, (long)bytes.size);
    if (file == NULL) {
        return VIV_ERR_MALFORMED;
    }
    viv_status status = VIV_ERR_INVALID;
    if (!PKCS12_mac_present(file) || is_password(file, password)) {
        X509 *own = NULL;
        STACK_OF(X509) *others = NULL;
        int parsed = PKCS12_parse(file, password, &store->key, &own, &others);
        if (parsed != 1) {
            load_old_ciphers();
            parsed = PKCS12_parse(file, password, &store->key, &own, &others);
        }
        status = parsed == 1 ? VIV_OK : VIV_ERR_UNSUPPORTED;
        if (own != NULL) {
            viv_key_store_push(&store->chain, own);
        }
        for (int i = 0; i < sk_X509_num(others); i++) {
            viv_key_store_push(own != NULL ? &store->chain : &store->trusted, sk_X509_value(others, i));
        }
        sk_X509_free(others);
    }
    PKCS12_free(file);
    return status;
}
