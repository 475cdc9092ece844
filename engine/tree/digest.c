#include "tree/digest.h"

#include <xxhash.h>

#include "base/assert.h"
#include "base/endian.h"
#include "base/rng.h"
#include "tree/crc32.h"

enum { STAT_BYTES = 60 };

uint32_t viv_digest_content(struct viv_bytes path, struct viv_bytes data)
{
    return viv_crc32(viv_crc32(0, path), data);
}

uint64_t viv_digest_node(const struct viv_znodes *znodes, const struct viv_slot *slot)
{
    VIV_ASSERT(slot->flags & VIV_SLOT_LIVE);
    if (slot->flags & VIV_SLOT_HIDDEN) {
        return 0;
    }
    const struct viv_slot_ext *ext = viv_slot_ext_of(znodes, slot);
    bool wide = slot->flags & VIV_SLOT_WIDE;
    uint8_t stat[STAT_BYTES];
    viv_store_be64(stat, slot->czxid);
    viv_store_be64(stat + 8, slot->mzxid);
    viv_store_be64(stat + 16, ext == NULL ? slot->czxid : ext->pzxid);
    viv_store_be64(stat + 24, wide ? (uint64_t)viv_slot_wide_of(znodes, slot)->ctime_ms : slot->ctime_ms);
    viv_store_be64(stat + 32, wide ? (uint64_t)viv_slot_wide_of(znodes, slot)->mtime_ms : slot->mtime_ms);
    viv_store_be32(stat + 40, (uint32_t)slot->version);
    viv_store_be32(stat + 44, ext == NULL ? 0 : (uint32_t)ext->child_counter);
    viv_store_be32(stat + 48, ext == NULL ? 0 : (uint32_t)ext->aversion);
    viv_store_be64(stat + 52, ext == NULL ? 0 : (uint64_t)ext->owner);
    return viv_crc32(slot->content_crc, viv_bytes_of(stat, sizeof stat));
}

uint64_t viv_digest_acl(const struct viv_znodes *znodes, const struct viv_slot *slot, uint64_t list_hash)
{
    if (viv_slot_acl_id(znodes, slot) == 0) {
        return 0;
    }
    struct viv_bytes name = viv_slot_name(znodes, slot);
    return viv_mix64(XXH3_64bits_withSeed(name.data, name.size, slot->czxid) + list_hash);
}

uint64_t viv_digest_session(int64_t session_id, int32_t timeout_ms)
{
    return viv_mix64(viv_mix64((uint64_t)session_id) + (uint32_t)timeout_ms);
}
