#include "node/identity.h"

#include <openssl/evp.h>
#include <string.h>

#include "base/assert.h"
#include "base/endian.h"
#include "base/limits.h"
#include "wire/jute.h"

enum { BASE64_BYTES_MAX = (EVP_MAX_MD_SIZE + 2) / 3 * 4 };

/* Once only: the count in front grows with every identity, and ACL checks walk them all. */
static bool holds(struct viv_bytes authinfo, struct viv_bytes scheme, struct viv_bytes id)
{
    struct viv_jute_reader reader = viv_jute_reader_of(authinfo);
    for (int32_t left = viv_jute_read_int(&reader); left > 0; left--) {
        struct viv_bytes held_scheme = viv_jute_read_buffer(&reader).bytes;
        struct viv_bytes held_id = viv_jute_read_buffer(&reader).bytes;
        if (viv_bytes_equal(held_scheme, scheme) && viv_bytes_equal(held_id, id)) {
            return true;
        }
    }
    VIV_ASSERT(!reader.bad);
    return false;
}

static bool add(struct viv_buffer *authinfo, struct viv_bytes scheme, struct viv_bytes id)
{
    if (holds(viv_buffer_bytes(authinfo), scheme, id)) {
        return true;
    }
    if (authinfo->size + scheme.size + id.size > VIV_IDENTITY_BYTES_MAX) {
        return false;
    }
    viv_store_be32(authinfo->data, viv_load_be32(authinfo->data) + 1);
    viv_jute_write_bytes(authinfo, scheme);
    viv_jute_write_bytes(authinfo, id);
    return true;
}

static bool add_super(struct viv_buffer *authinfo)
{
    return add(authinfo, VIV_BYTES_LITERAL("super"), (struct viv_bytes){0});
}

void viv_identity_init(struct viv_buffer *authinfo, struct viv_bytes address)
{
    viv_buffer_clear(authinfo);
    viv_jute_write_int(authinfo, 0);
    VIV_ASSERT(address.size < VIV_IDENTITY_BYTES_MAX / 2);
    (void)add(authinfo, VIV_BYTES_LITERAL("ip"), address);
}

bool viv_identity_add_proved(struct viv_buffer *authinfo, struct viv_bytes identities)
{
    struct viv_jute_reader reader = viv_jute_reader_of(identities);
    for (int32_t left = identities.size == 0 ? 0 : viv_jute_read_int(&reader); left > 0; left--) {
        struct viv_bytes scheme = viv_jute_read_buffer(&reader).bytes;
        struct viv_bytes id = viv_jute_read_buffer(&reader).bytes;
        VIV_ASSERT(!reader.bad); /* made by this server */
        if (!add(authinfo, scheme, id)) {
            return false;
        }
    }
    return true;
}

static const struct {
    const char *name, *other_name;
    const EVP_MD *(*algorithm)(void);
} hashes[VIV_IDENTITY_HASHES] = {
    [VIV_IDENTITY_SHA1] = {"SHA1", "SHA-1", EVP_sha1},
    [VIV_IDENTITY_SHA224] = {"SHA-224", "SHA224", EVP_sha224},
    [VIV_IDENTITY_SHA256] = {"SHA-256", "SHA256", EVP_sha256},
    [VIV_IDENTITY_SHA384] = {"SHA-384", "SHA384", EVP_sha384},
    [VIV_IDENTITY_SHA512] = {"SHA-512", "SHA512", EVP_sha512},
    [VIV_IDENTITY_SHA3_256] = {"SHA3-256", "SHA3-256", EVP_sha3_256},
    [VIV_IDENTITY_SHA3_512] = {"SHA3-512", "SHA3-512", EVP_sha3_512},
};

static bool same_name(const char *a, const char *b)
{
    while (*a != '\0' && (*a == *b || (*a >= 'a' && *a <= 'z' && *a - ('a' - 'A') == *b))) {
        a++;
        b++;
    }
    return *a == *b;
}

bool viv_identity_hash_find(const char *name, int64_t *hash)
{
    for (int64_t i = 0; i < VIV_IDENTITY_HASHES; i++) {
        if (same_name(name, hashes[i].name) || same_name(name, hashes[i].other_name)) {
            *hash = i;
            return true;
        }
    }
    return false;
}

/* "user:password" becomes "user:" + base64(hash(user:password)); the user ends at the first colon. */
static bool add_digest(struct viv_buffer *authinfo, const struct viv_identity_rules *rules, struct viv_bytes auth)
{
    uint8_t sum[EVP_MAX_MD_SIZE];
    unsigned sum_bytes;
    VIV_ASSERT(rules->hash < VIV_IDENTITY_HASHES);
    if (EVP_Digest(auth.data, auth.size, sum, &sum_bytes, hashes[rules->hash].algorithm(), NULL) != 1) {
        return false;
    }
    unsigned char text[BASE64_BYTES_MAX + 1];
    int size = EVP_EncodeBlock(text, sum, (int)sum_bytes);
    const uint8_t *colon = auth.size == 0 ? NULL : memchr(auth.data, ':', auth.size);
    size_t user_bytes = colon == NULL ? auth.size : (size_t)(colon - auth.data);
    struct viv_buffer id = {0};
    viv_buffer_append(&id, auth.data, user_bytes);
    viv_buffer_append(&id, ":", 1);
    viv_buffer_append(&id, text, (size_t)size);
    bool is_super = rules->super_digest.size > 0 && viv_bytes_equal(viv_buffer_bytes(&id), rules->super_digest);
    bool added =
        (!is_super || add_super(authinfo)) && add(authinfo, VIV_BYTES_LITERAL("digest"), viv_buffer_bytes(&id));
    viv_buffer_fini(&id);
    return added;
}

bool viv_identity_add(struct viv_buffer *authinfo, const struct viv_identity_rules *rules, struct viv_bytes scheme,
                      struct viv_bytes auth)
{
    VIV_ASSERT(authinfo->size >= 4);
    if (viv_bytes_equal(scheme, VIV_BYTES_LITERAL("digest"))) {
        return !rules->no_digest && add_digest(authinfo, rules, auth);
    }
    return viv_bytes_equal(scheme, VIV_BYTES_LITERAL("ip")); /* there from the start */
}
