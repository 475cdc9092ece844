#ifndef VIV_TREE_ACL_H
#define VIV_TREE_ACL_H

#include "wire/records.h"

/* Evaluation and fix-up of ACL lists (client-protocol.md §11.2, §11.3). Lists and identities travel as raw jute
 * vectors. Schemes served: world, and auth/digest/ip as far as identities name them; others are refused on storing. */

/* True when `acl` (raw vector<ACL>) grants one of `perms` to a connection with `authinfo` (raw vector<Id>, may be
 * empty). An empty list grants everything. */
bool viv_acl_allows(struct viv_bytes acl, int32_t perms, struct viv_bytes authinfo);
/* Checks and canonicalises a list to be stored; appends the raw vector to out. Returns 0 or a reply code. */
int32_t viv_acl_fix(struct viv_bytes acl, struct viv_bytes authinfo, struct viv_buffer *out);

#endif /* VIV_TREE_ACL_H */
