#ifndef VIV_TREE_ACL_H
#define VIV_TREE_ACL_H

#include "wire/records.h"

/* Evaluation and fix-up of ACL lists (client-protocol.md §11.2, §11.3). Lists and identities travel as raw jute
 * vectors. What a list grants depends on the identities alone, whatever their schemes; a list may be stored when the
 * schemes it names are among those of this server (world and auth always are). */

enum viv_acl_scheme {
    VIV_ACL_DIGEST = 1,
    VIV_ACL_IP = 2,
    VIV_ACL_X509 = 4,
    VIV_ACL_SASL = 8,
    VIV_ACL_SCHEMES_DEFAULT = VIV_ACL_DIGEST | VIV_ACL_IP,
};

/* True when `acl` (raw vector<ACL>) grants one of `perms` to a connection with `authinfo` (raw vector<Id>, may be
 * empty). An empty list grants everything. */
bool viv_acl_allows(struct viv_bytes acl, int32_t perms, struct viv_bytes authinfo);
/* Checks and canonicalises a list to be stored; appends the raw vector to out. `schemes`: a set of enum viv_acl_scheme.
 * Returns 0 or a reply code. */
int32_t viv_acl_fix(struct viv_bytes acl, struct viv_bytes authinfo, unsigned schemes, struct viv_buffer *out);

#endif /* VIV_TREE_ACL_H */
