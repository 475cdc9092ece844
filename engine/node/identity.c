#include "node/identity.h"

#include <openssl/evp.h>
#include <string.h>

#include "base/assert.h"
#include "base/endian.h"
#include "base/limits.h"
#include "wire/jute.h"

enum { SHA1_BYTES = 20, SHA1_BASE64_BYTES = 28 };

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

/* "user:password" becomes "user:" + base64(SHA-1(user:password)); the user ends at the first colon. */
static bool add_digest(struct viv_buffer *authinfo, struct viv_bytes auth)
{
    uint8_t sum[EVP_MAX_MD_SIZE];
    if (EVP_Digest(auth.data, auth.size, sum, NULL, EVP_sha1(), NULL) != 1) {
        return false;
    }
    unsigned char text[SHA1_BASE64_BYTES + 1];
    int size = EVP_EncodeBlock(text, sum, SHA1_BYTES);
    VIV_ASSERT(size == SHA1_BASE64_BYTES);
    const uint8_t *colon = auth.size == 0 ? NULL : memchr(auth.data, ':', auth.size);
    size_t user_bytes = colon == NULL ? auth.size : (size_t)(colon - auth.data);
    struct viv_buffer id = {0};
    viv_buffer_append(&id, auth.data, user_bytes);
    viv_buffer_append(&id, ":", 1);
    viv_buffer_append(&id, text, SHA1_BASE64_BYTES);
    bool added = add(authinfo, VIV_BYTES_LITERAL("digest"), viv_buffer_bytes(&id));
    viv_buffer_fini(&id);
    return added;
}

bool viv_identity_add(struct viv_buffer *authinfo, struct viv_bytes scheme, struct viv_bytes auth)
{
    VIV_ASSERT(authinfo->size >= 4);
    if (viv_bytes_equal(scheme, VIV_BYTES_LITERAL("digest"))) {
        return add_digest(authinfo, auth);
    }
    return viv_bytes_equal(scheme, VIV_BYTES_LITERAL("ip")); /* there from the start */
}
