#ifndef VIV_TREE_OPERATION_H
#define VIV_TREE_OPERATION_H

#include "tree/overlay.h"
#include "tree/prepare.h"

/* One change of one node: request -> record of the transaction, alone or as a part of a multi. Private to the room. */

struct viv_preparer {
    struct viv_prepare_rules rules;
    struct viv_overlay overlay;
    struct viv_buffer path, acl; /* of the operation at hand: with its suffix, fixed up */
    int64_t time_ms;             /* of the transaction at hand */
    int64_t warned_ms;           /* when a quota was complained about last */
    uint64_t warnings_kept_back; /* since then */
};

/* Of the record behind a transaction's header. */
static inline size_t viv_preparer_record_bytes_max(const struct viv_preparer *preparer)
{
    return preparer->rules.entry_bytes_max - VIV_TXN_HEADER_BYTES;
}

/* True for an operation that changes or checks one node: create, create2, createContainer, createTTL, delete,
 * deleteContainer, setData, setACL, check. */
bool viv_operation_is_known(int32_t op);
/* Takes one request record off the reader. On VIV_REPLY_OK appends the record of the transaction to `record` and
 * remembers the change under zxid; otherwise neither. */
int32_t viv_operation_prepare(struct viv_preparer *preparer, const struct viv_request *request, int32_t op,
                              struct viv_jute_reader *reader, uint64_t zxid, struct viv_buffer *record);

#endif /* VIV_TREE_OPERATION_H */
