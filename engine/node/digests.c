#include "node/digests.h"

#include "base/assert.h"

void viv_digests_note(struct viv_digests *digests, uint64_t zxid, uint64_t digest)
{
    VIV_ASSERT(viv_digests_wants(zxid));
    digests->items[digests->count++ % VIV_DIGESTS_MAX] = (struct viv_zxid_digest){zxid, digest};
}

size_t viv_digests_count(const struct viv_digests *digests)
{
    return digests->count < VIV_DIGESTS_MAX ? (size_t)digests->count : VIV_DIGESTS_MAX;
}

struct viv_zxid_digest viv_digests_at(const struct viv_digests *digests, size_t index)
{
    VIV_ASSERT(index < viv_digests_count(digests));
    return digests->items[(digests->count - viv_digests_count(digests) + index) % VIV_DIGESTS_MAX];
}
