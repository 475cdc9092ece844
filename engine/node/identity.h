#ifndef VIV_NODE_IDENTITY_H
#define VIV_NODE_IDENTITY_H

#include "base/bytes.h"

/* Who a connection is (client-protocol.md §11.1), as the raw vector<Id> that travels with its writes: `ip:address`
 * from the start, more by `auth` requests. Nothing is ever removed. */

/* The hash in a digest's id. SHA-1 is what every client library computes; with another, ACL lists that clients
 * hashed themselves match nobody. */
enum viv_identity_hash {
    VIV_IDENTITY_SHA1,
    VIV_IDENTITY_SHA224,
    VIV_IDENTITY_SHA256,
    VIV_IDENTITY_SHA384,
    VIV_IDENTITY_SHA512,
    VIV_IDENTITY_SHA3_256,
    VIV_IDENTITY_SHA3_512,
    VIV_IDENTITY_HASHES,
};
/* By Java's name for it, letter case ignored; false: there is none of that name. */
bool viv_identity_hash_find(const char *name, int64_t *hash);

struct viv_identity_rules {
    bool no_digest;                /* the scheme is switched off */
    enum viv_identity_hash hash;   /* of digests */
    struct viv_bytes super_digest; /* "super:hash": who proves it is `super` beside; empty: nobody */
};

void viv_identity_init(struct viv_buffer *authinfo, struct viv_bytes address);
/* What the skin has proved: a raw vector<Id>, well-formed or empty. False: too many identities. */
bool viv_identity_add_proved(struct viv_buffer *authinfo, struct viv_bytes identities);
/* An `auth` request. False: unknown scheme, failed, or too many identities; the connection is to be closed. */
bool viv_identity_add(struct viv_buffer *authinfo, const struct viv_identity_rules *rules, struct viv_bytes scheme,
                      struct viv_bytes auth);

#endif /* VIV_NODE_IDENTITY_H */
