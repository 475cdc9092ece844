#include "tree/znode.h"

#include <string.h>

#include "base/assert.h"

enum { NARROW_NAME_BYTES_MAX = UINT16_MAX, NARROW_ACL_ID_MAX = UINT16_MAX };
static const int64_t narrow_time_ms_max = (INT64_C(1) << 48) - 1;

void viv_znodes_init(struct viv_znodes *znodes)
{
    viv_slab_init(&znodes->slots, sizeof(struct viv_slot));
    viv_slab_init(&znodes->exts, sizeof(struct viv_slot_ext));
    viv_blobs_init(&znodes->blobs);
}

void viv_znodes_fini(struct viv_znodes *znodes)
{
    viv_slab_fini(&znodes->slots);
    viv_slab_fini(&znodes->exts);
    viv_blobs_fini(&znodes->blobs);
}

struct viv_jute_slice viv_slot_data(const struct viv_znodes *znodes, const struct viv_slot *slot)
{
    if (slot->flags & VIV_SLOT_DATA_NULL) {
        return (struct viv_jute_slice){.null = true};
    }
    if (slot->data_bytes == 0) {
        return (struct viv_jute_slice){.null = false};
    }
    const uint8_t *blob = viv_blob_at(&znodes->blobs, slot->blob);
    return (struct viv_jute_slice){.bytes = {blob + viv_slot_name(znodes, slot).size, slot->data_bytes}};
}

struct viv_slot_ext *viv_slot_need_ext(struct viv_znodes *znodes, struct viv_slot *slot)
{
    if (slot->ext == 0) {
        slot->ext = viv_slab_alloc(&znodes->exts);
        viv_slot_ext_of(znodes, slot)->pzxid = slot->czxid;
    }
    return viv_slot_ext_of(znodes, slot);
}

static bool time_is_narrow(int64_t time_ms)
{
    return time_ms >= 0 && time_ms <= narrow_time_ms_max;
}

static struct viv_slot_wide *need_wide(struct viv_znodes *znodes, struct viv_slot *slot)
{
    if (!(slot->flags & VIV_SLOT_WIDE)) {
        uint32_t id = viv_slab_alloc(&znodes->exts);
        struct viv_slot_wide *wide = viv_slab_at(&znodes->exts, id);
        *wide = (struct viv_slot_wide){(int64_t)slot->ctime_ms, (int64_t)slot->mtime_ms, (uint32_t)slot->acl_id,
                                       (uint32_t)slot->name_bytes, 0};
        slot->ctime_ms = id;
        slot->flags |= VIV_SLOT_WIDE;
    }
    return viv_slot_wide_of(znodes, slot);
}

void viv_slot_set_mtime(struct viv_znodes *znodes, struct viv_slot *slot, int64_t mtime_ms)
{
    if (!(slot->flags & VIV_SLOT_WIDE) && time_is_narrow(mtime_ms)) {
        slot->mtime_ms = (uint64_t)mtime_ms & (uint64_t)narrow_time_ms_max;
    } else {
        need_wide(znodes, slot)->mtime_ms = mtime_ms;
    }
}

void viv_slot_set_acl_id(struct viv_znodes *znodes, struct viv_slot *slot, uint32_t acl_id)
{
    if (!(slot->flags & VIV_SLOT_WIDE) && acl_id <= NARROW_ACL_ID_MAX) {
        slot->acl_id = acl_id & NARROW_ACL_ID_MAX;
    } else {
        need_wide(znodes, slot)->acl_id = acl_id;
    }
}

static void set_name_bytes(struct viv_znodes *znodes, struct viv_slot *slot, size_t size)
{
    VIV_ASSERT(size <= UINT32_MAX);
    if (!(slot->flags & VIV_SLOT_WIDE) && size <= NARROW_NAME_BYTES_MAX) {
        slot->name_bytes = size & NARROW_NAME_BYTES_MAX;
    } else {
        need_wide(znodes, slot)->name_bytes = (uint32_t)size;
    }
}

static void set_ctime(struct viv_znodes *znodes, struct viv_slot *slot, int64_t ctime_ms)
{
    if (!(slot->flags & VIV_SLOT_WIDE) && time_is_narrow(ctime_ms)) {
        slot->ctime_ms = (uint64_t)ctime_ms & (uint64_t)narrow_time_ms_max;
    } else {
        need_wide(znodes, slot)->ctime_ms = ctime_ms;
    }
}

static void copy_bytes(uint8_t *to, struct viv_bytes bytes)
{
    if (bytes.size > 0) {
        memcpy(to, bytes.data, bytes.size);
    }
}

static void set_data_fields(struct viv_slot *slot, struct viv_jute_slice data)
{
    VIV_ASSERT(data.bytes.size <= VIV_ZNODE_DATA_BYTES_MAX);
    VIV_ASSERT(!data.null || data.bytes.size == 0);
    slot->data_bytes = (uint32_t)data.bytes.size & 0xffffff;
    slot->flags = (uint8_t)((slot->flags & ~(unsigned)VIV_SLOT_DATA_NULL) | (data.null ? VIV_SLOT_DATA_NULL : 0));
}

void viv_slot_fill(struct viv_znodes *znodes, struct viv_slot *slot, const struct viv_znode *from)
{
    VIV_ASSERT(slot->flags == 0 && slot->blob == 0 && slot->ext == 0);
    slot->flags = VIV_SLOT_LIVE;
    slot->czxid = from->czxid;
    slot->mzxid = from->mzxid;
    slot->version = from->version;
    slot->parent = from->parent;
    set_ctime(znodes, slot, from->ctime_ms);
    viv_slot_set_mtime(znodes, slot, from->mtime_ms);
    viv_slot_set_acl_id(znodes, slot, from->acl_id);
    set_name_bytes(znodes, slot, from->name.size);
    set_data_fields(slot, from->data);
    size_t size = from->name.size + from->data.bytes.size;
    slot->blob = viv_blob_alloc(&znodes->blobs, size);
    if (size > 0) {
        uint8_t *blob = viv_blob_at(&znodes->blobs, slot->blob);
        copy_bytes(blob, from->name);
        copy_bytes(blob + from->name.size, from->data.bytes);
    }
    if (from->pzxid != from->czxid || from->owner != 0 || from->child_counter != 0 || from->aversion != 0) {
        struct viv_slot_ext *ext = viv_slot_need_ext(znodes, slot);
        ext->pzxid = from->pzxid;
        ext->owner = from->owner;
        ext->child_counter = from->child_counter;
        ext->aversion = from->aversion;
    }
}

void viv_slot_set_data(struct viv_znodes *znodes, struct viv_slot *slot, struct viv_jute_slice data)
{
    struct viv_bytes name = viv_slot_name(znodes, slot);
    size_t old_size = name.size + slot->data_bytes;
    size_t size = name.size + data.bytes.size;
    if (!viv_blob_same_class(old_size, size)) {
        uint32_t blob = viv_blob_alloc(&znodes->blobs, size);
        copy_bytes(size == 0 ? NULL : viv_blob_at(&znodes->blobs, blob), name);
        viv_blob_free(&znodes->blobs, slot->blob, old_size);
        slot->blob = blob;
    }
    set_data_fields(slot, data);
    if (data.bytes.size > 0) {
        memmove(viv_blob_at(&znodes->blobs, slot->blob) + name.size, data.bytes.data, data.bytes.size);
    }
}

void viv_slot_release(struct viv_znodes *znodes, struct viv_slot *slot)
{
    VIV_ASSERT(slot->flags & VIV_SLOT_LIVE);
    viv_blob_free(&znodes->blobs, slot->blob, viv_slot_name(znodes, slot).size + slot->data_bytes);
    if (slot->ext != 0) {
        viv_slab_free(&znodes->exts, slot->ext);
    }
    if (slot->flags & VIV_SLOT_WIDE) {
        viv_slab_free(&znodes->exts, (uint32_t)slot->ctime_ms);
    }
    slot->flags = 0;
    slot->blob = 0;
    slot->ext = 0;
}

void viv_slot_read(const struct viv_znodes *znodes, viv_node_id id, struct viv_znode *node)
{
    const struct viv_slot *slot = viv_slot_at(znodes, id);
    VIV_ASSERT(slot->flags & VIV_SLOT_LIVE);
    *node = (struct viv_znode){
        .id = id,
        .parent = slot->parent,
        .czxid = slot->czxid,
        .mzxid = slot->mzxid,
        .pzxid = slot->czxid,
        .ctime_ms = (int64_t)slot->ctime_ms,
        .mtime_ms = (int64_t)slot->mtime_ms,
        .version = slot->version,
        .acl_id = (uint32_t)slot->acl_id,
        .data = viv_slot_data(znodes, slot),
        .name = viv_slot_name(znodes, slot),
    };
    if (slot->flags & VIV_SLOT_WIDE) {
        const struct viv_slot_wide *wide = viv_slot_wide_of(znodes, slot);
        node->ctime_ms = wide->ctime_ms;
        node->mtime_ms = wide->mtime_ms;
        node->acl_id = wide->acl_id;
    }
    const struct viv_slot_ext *ext = viv_slot_ext_of(znodes, slot);
    if (ext != NULL) {
        node->pzxid = ext->pzxid;
        node->owner = ext->owner;
        node->child_counter = ext->child_counter;
        node->aversion = ext->aversion;
        node->child_count = viv_owner_is_session(ext->owner) ? 0 : ext->child_count;
    }
}
