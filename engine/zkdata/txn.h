#ifndef VIV_ZKDATA_TXN_H
#define VIV_ZKDATA_TXN_H

#include "base/arena.h"
#include "wire/records.h"

/* Where a transaction ends and the tree digest behind it begins: an entry of a log file is TxnHeader, record, and
 * (from 3.6 on, but for errors) a TxnDigest, which nothing announces but the bytes that are left. */

struct viv_zk_txn {
    struct viv_txn_header header;
    struct viv_bytes bytes; /* header and record, without the digest */
    bool has_digest;
    uint64_t digest; /* of the tree after this transaction */
};

/* False: the bytes are no transaction. Borrows from `entry`; the arena serves the decoding only. */
bool viv_zk_txn_read(struct viv_bytes entry, struct viv_arena *arena, struct viv_zk_txn *txn);

#endif /* VIV_ZKDATA_TXN_H */
