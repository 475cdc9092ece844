#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <openssl/x509.h>
#include <string.h>

#include "base/assert.h"
#include "base/endian.h"
#include "security/key_store.h"

/* Java's JKS: entries one after the other, all numbers big-endian, and at the end a SHA-1 over the password as UTF-16,
 * a fixed phrase and everything before. A private key is hidden by a stream of SHA-1 digests that begins with a salt,
 * and is followed by a digest of its own. (The format and the protection are those of OpenJDK's JavaKeyStore and
 * KeyProtector.) */

enum {
    DIGEST_BYTES = SHA_DIGEST_LENGTH,
    ENTRY_KEY = 1,
    ENTRY_TRUSTED = 2,
    ENTRIES_MAX = VIV_KEY_STORE_CERTIFICATES_MAX,
    CHAIN_MAX = 32,
};

static const char phrase[] = "Mighty Aphrodite";

struct reader {
    struct viv_bytes rest;
    bool bad;
    uint32_t version;
    struct viv_buffer password; /* UTF-16, big-endian */
};

static struct viv_bytes take(struct reader *reader, size_t size)
{
    if (reader->bad || size > reader->rest.size) {
        reader->bad = true;
        return (struct viv_bytes){0};
    }
    struct viv_bytes taken = viv_bytes_of(reader->rest.data, size);
    reader->rest = viv_bytes_of(reader->rest.data + size, reader->rest.size - size);
    return taken;
}

static uint32_t take_u32(struct reader *reader)
{
    struct viv_bytes bytes = take(reader, 4);
    return reader->bad ? 0 : viv_load_be32(bytes.data);
}

static struct viv_bytes take_text(struct reader *reader)
{
    struct viv_bytes bytes = take(reader, 2);
    return reader->bad ? bytes : take(reader, viv_load_be16(bytes.data));
}

/* Each byte becomes a character: passwords of stores are ASCII in practice, and Latin-1 at most. */
static void widen(struct viv_buffer *out, const char *password)
{
    size_t size = strlen(password);
    viv_buffer_reserve(out, 2 * size + 1);
    for (size_t i = 0; i < size; i++) {
        uint8_t pair[2] = {0, (uint8_t)password[i]};
        viv_buffer_append(out, pair, sizeof pair);
    }
}

static void digest(uint8_t out[DIGEST_BYTES], struct viv_bytes first, struct viv_bytes second, struct viv_bytes third)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    VIV_ASSERT(context != NULL);
    VIV_ASSERT(EVP_DigestInit_ex(context, EVP_sha1(), NULL) == 1);
    VIV_ASSERT(EVP_DigestUpdate(context, first.data, first.size) == 1);
    VIV_ASSERT(EVP_DigestUpdate(context, second.data, second.size) == 1);
    VIV_ASSERT(EVP_DigestUpdate(context, third.data, third.size) == 1);
    VIV_ASSERT(EVP_DigestFinal_ex(context, out, NULL) == 1);
    EVP_MD_CTX_free(context);
}

static X509 *take_certificate(struct reader *reader)
{
    if (reader->version == 2) {
        struct viv_bytes type = take_text(reader);
        reader->bad = reader->bad || !viv_bytes_equal(type, VIV_BYTES_LITERAL("X.509"));
    }
    struct viv_bytes bytes = take(reader, take_u32(reader));
    const unsigned char *at = bytes.data;
    X509 *certificate = reader->bad ? NULL : d2i_X509(NULL, &at, (long)bytes.size);
    reader->bad = reader->bad || certificate == NULL;
    return certificate;
}

/* salt, hidden key, digest of the password and the key; NULL when it is not that, or the password is not its own. */
static EVP_PKEY *unhide(struct viv_bytes hidden, struct viv_bytes password)
{
    if (hidden.size < 2 * DIGEST_BYTES) {
        return NULL;
    }
    size_t size = hidden.size - 2 * DIGEST_BYTES;
    struct viv_buffer plain = {0};
    uint8_t stream[DIGEST_BYTES], check[DIGEST_BYTES];
    struct viv_bytes last = viv_bytes_of(hidden.data, DIGEST_BYTES);
    viv_buffer_extend(&plain, size);
    for (size_t i = 0; i < size; i++) {
        if (i % DIGEST_BYTES == 0) {
            digest(stream, password, last, (struct viv_bytes){0});
            last = viv_bytes_of(stream, DIGEST_BYTES);
        }
        plain.data[i] = hidden.data[DIGEST_BYTES + i] ^ stream[i % DIGEST_BYTES];
    }
    digest(check, password, viv_buffer_bytes(&plain), (struct viv_bytes){0});
    EVP_PKEY *key = NULL;
    if (CRYPTO_memcmp(check, hidden.data + DIGEST_BYTES + size, DIGEST_BYTES) == 0) {
        const unsigned char *at = plain.data;
        key = d2i_AutoPrivateKey(NULL, &at, (long)size);
    }
    OPENSSL_cleanse(stream, sizeof stream);
    viv_key_store_wipe(&plain);
    return key;
}

/* EncryptedPrivateKeyInfo around the hidden key; the algorithm has one value. */
static EVP_PKEY *read_key(struct viv_bytes bytes, struct viv_bytes password)
{
    const unsigned char *at = bytes.data;
    X509_SIG *info = d2i_X509_SIG(NULL, &at, (long)bytes.size);
    if (info == NULL) {
        return NULL;
    }
    const X509_ALGOR *algorithm;
    const ASN1_OCTET_STRING *hidden;
    X509_SIG_get0(info, &algorithm, &hidden);
    const ASN1_OBJECT *object;
    X509_ALGOR_get0(&object, NULL, NULL, algorithm);
    char name[64];
    OBJ_obj2txt(name, sizeof name, object, 1);
    EVP_PKEY *key = NULL;
    if (strcmp(name, "1.3.6.1.4.1.42.2.17.1.1") == 0) {
        key = unhide(viv_bytes_of(ASN1_STRING_get0_data(hidden), (size_t)ASN1_STRING_length(hidden)), password);
    }
    X509_SIG_free(info);
    return key;
}

/* The first key counts; chains of others are read over. */
static viv_status take_key(struct reader *reader, struct viv_key_store *store)
{
    struct viv_bytes bytes = take(reader, take_u32(reader));
    uint32_t count = take_u32(reader);
    bool is_first = store->key == NULL;
    if (reader->bad || count > CHAIN_MAX) {
        return VIV_ERR_MALFORMED;
    }
    if (is_first && (store->key = read_key(bytes, viv_buffer_bytes(&reader->password))) == NULL) {
        return VIV_ERR_UNSUPPORTED; /* the store's password is right: this key has another */
    }
    for (; count > 0 && !reader->bad; count--) {
        X509 *certificate = take_certificate(reader);
        if (certificate != NULL && is_first) {
            viv_key_store_push(&store->chain, certificate);
        } else {
            X509_free(certificate);
        }
    }
    return reader->bad ? VIV_ERR_MALFORMED : VIV_OK;
}

static viv_status take_entry(struct reader *reader, struct viv_key_store *store)
{
    uint32_t tag = take_u32(reader);
    (void)take_text(reader); /* alias */
    (void)take(reader, 8);   /* date */
    if (!reader->bad && tag == ENTRY_KEY) {
        return take_key(reader, store);
    }
    X509 *certificate = !reader->bad && tag == ENTRY_TRUSTED ? take_certificate(reader) : NULL;
    if (certificate == NULL) {
        return VIV_ERR_MALFORMED;
    }
    viv_key_store_push(&store->trusted, certificate);
    return VIV_OK;
}

static viv_status take_entries(struct reader *reader, struct viv_key_store *store)
{
    reader->version = take_u32(reader);
    uint32_t count = take_u32(reader);
    if (reader->bad || reader->version < 1 || reader->version > 2 || count > ENTRIES_MAX) {
        return VIV_ERR_MALFORMED;
    }
    for (; count > 0; count--) {
        VIV_TRY(take_entry(reader, store));
    }
    return reader->rest.size == 0 ? VIV_OK : VIV_ERR_MALFORMED;
}

viv_status viv_key_store_read_jks(struct viv_key_store *store, struct viv_bytes bytes, const char *password)
{
    if (bytes.size < 4 + DIGEST_BYTES || viv_load_be32(bytes.data) != 0xfeedfeed) {
        return VIV_ERR_MALFORMED;
    }
    size_t size = bytes.size - DIGEST_BYTES;
    struct reader reader = {.rest = viv_bytes_of(bytes.data + 4, size - 4)};
    widen(&reader.password, password);
    uint8_t check[DIGEST_BYTES];
    digest(check, viv_buffer_bytes(&reader.password), viv_bytes_of(phrase, sizeof phrase - 1),
           viv_bytes_of(bytes.data, size));
    viv_status status = VIV_ERR_INVALID; /* or a damaged file: the digest cannot tell them apart */
    if (CRYPTO_memcmp(check, bytes.data + size, DIGEST_BYTES) == 0) {
        status = take_entries(&reader, store);
    }
    viv_key_store_wipe(&reader.password);
    return status;
}
