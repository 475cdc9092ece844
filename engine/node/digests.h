#ifndef VIV_NODE_DIGESTS_H
#define VIV_NODE_DIGESTS_H

#include <stddef.h>
#include <stdint.h>

/* The history of the tree's digest that `hash` shows: one of every 128 transactions, the newest 1024, as in ZooKeeper,
 * so that operators can compare servers that are not at the same transaction. All-zero is empty. */

enum { VIV_DIGEST_INTERVAL = 128, VIV_DIGESTS_MAX = 1024 };

struct viv_zxid_digest {
    uint64_t zxid, digest;
};

struct viv_digests {
    struct viv_zxid_digest items[VIV_DIGESTS_MAX];
    uint64_t count; /* ever noted */
};

/* Whether this transaction's digest belongs into the history. */
static inline int viv_digests_wants(uint64_t zxid)
{
    return zxid % VIV_DIGEST_INTERVAL == 0;
}

void viv_digests_note(struct viv_digests *digests, uint64_t zxid, uint64_t digest);
/* How many are held; the oldest is number 0. */
size_t viv_digests_count(const struct viv_digests *digests);
struct viv_zxid_digest viv_digests_at(const struct viv_digests *digests, size_t index);

#endif /* VIV_NODE_DIGESTS_H */
