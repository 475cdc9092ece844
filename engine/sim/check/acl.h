#ifndef VIV_SIM_CHECK_ACL_H
#define VIV_SIM_CHECK_ACL_H

#include "wire/records.h"

/* Who may what (client-protocol.md §11), told a second time: see tree.h. */

enum { VIV_REF_IDENTITIES_MAX = 8 };

struct viv_ref_identity {
    struct viv_bytes scheme, id;
};

/* Of a connection: its address, and what it proved. Borrows. */
struct viv_ref_identities {
    struct viv_ref_identity items[VIV_REF_IDENTITIES_MAX];
    size_t count;
};

bool viv_ref_may(struct viv_bytes acl, int32_t perms, const struct viv_ref_identities *who);
/* The list as it is stored; 0, or the code with which it is refused. */
int32_t viv_ref_acl_fix(struct viv_bytes acl, const struct viv_ref_identities *who, struct viv_buffer *out);
/* What getACL shows to someone without ADMIN. */
void viv_ref_acl_mask(struct viv_bytes acl, struct viv_buffer *out);
/* "user:password" becomes "user:digest". */
void viv_ref_digest_of(struct viv_bytes proof, struct viv_buffer *out);

#endif /* VIV_SIM_CHECK_ACL_H */
