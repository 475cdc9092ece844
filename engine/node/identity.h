#ifndef VIV_NODE_IDENTITY_H
#define VIV_NODE_IDENTITY_H

#include "base/bytes.h"

/* Who a connection is (client-protocol.md §11.1), as the raw vector<Id> that travels with its writes: `ip:address`
 * from the start, more by `auth` requests. Nothing is ever removed. */

void viv_identity_init(struct viv_buffer *authinfo, struct viv_bytes address);
/* What the skin has proved: a raw vector<Id>, well-formed or empty. False: too many identities. */
bool viv_identity_add_proved(struct viv_buffer *authinfo, struct viv_bytes identities);
/* An `auth` request. False: unknown scheme, failed, or too many identities; the connection is to be closed. */
bool viv_identity_add(struct viv_buffer *authinfo, struct viv_bytes scheme, struct viv_bytes auth);

#endif /* VIV_NODE_IDENTITY_H */
