#ifndef VIV_TREE_MULTI_H
#define VIV_TREE_MULTI_H

#include "tree/operation.h"

/* Several operations, all or none (client-protocol.md §7). Private to the room. */

/* Appends the record of a multi: either every operation's, or, when one fails, its error in its place and
 * VIV_REPLY_RUNTIME_INCONSISTENCY for those after it; `*failure` is then its code. Returns other than VIV_REPLY_OK, and
 * appends nothing, when the request as a whole is refused, also because no entry could hold the record. */
int32_t viv_multi_prepare(struct viv_preparer *preparer, const struct viv_request *request, uint64_t zxid,
                          struct viv_buffer *record, int32_t *failure);

#endif /* VIV_TREE_MULTI_H */
