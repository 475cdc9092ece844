#ifndef VIV_TREE_TXN_RECORD_H
#define VIV_TREE_TXN_RECORD_H

#include "base/arena.h"
#include "wire/records.h"

/* One operation of a transaction, decoded and checked (on-disk-format.md §2.2): bytes from outside end here, before
 * anything changes. Does not know a tree. */

enum viv_txn_kind {
    VIV_TXN_CREATE,
    VIV_TXN_DELETE,
    VIV_TXN_SET_DATA,
    VIV_TXN_SET_ACL,
    VIV_TXN_ERROR,
    VIV_TXN_CHECK,
    VIV_TXN_CREATE_SESSION,
    VIV_TXN_CLOSE_SESSION,
    VIV_TXN_KINDS,
};

struct viv_txn_record {
    int32_t type; /* enum viv_op, as in the transaction */
    enum viv_txn_kind kind;
    bool in_multi; /* may be part of a multi */
    union {
        struct viv_create_txn create;
        struct viv_set_data_txn set_data;
        struct viv_set_acl_txn set_acl;
        struct viv_path_version_txn check;
        struct viv_bytes path; /* delete */
        int32_t timeout_ms;    /* createSession */
        int32_t err;
        struct {
            struct viv_bytes *paths; /* in the arena */
            size_t path_count;
        } close;
    };
};

/* False when the type is unknown (a multi is no single operation) or the bytes cannot be what it says. Borrows from the
 * reader's bytes. */
bool viv_txn_record_decode(struct viv_jute_reader *reader, int32_t type, struct viv_arena *arena,
                           struct viv_txn_record *record);

#endif /* VIV_TREE_TXN_RECORD_H */
