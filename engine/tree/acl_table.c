#include "tree/acl_table.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "base/assert.h"

void viv_acl_table_init(struct viv_acl_table *table)
{
    *table = (struct viv_acl_table){0};
    viv_slab_init(&table->items, sizeof(struct viv_acl_item));
}

void viv_acl_table_fini(struct viv_acl_table *table)
{
    for (uint32_t id = 1; id < table->items.fresh; id++) {
        struct viv_acl_item *item = viv_acl_table_item(table, id);
        if (item != NULL) {
            free(item->bytes);
        }
    }
    viv_slab_fini(&table->items);
    viv_lookup_fini(&table->lookup);
    *table = (struct viv_acl_table){0};
}

struct viv_acl_item *viv_acl_table_item(const struct viv_acl_table *table, uint32_t id)
{
    if (id == 0 || !viv_slab_has(&table->items, id)) {
        return NULL;
    }
    struct viv_acl_item *item = viv_slab_at(&table->items, id);
    /* A free element keeps a link where the size is, so the bytes tell. */
    return item->bytes == NULL ? NULL : item;
}

struct viv_bytes viv_acl_table_list(const struct viv_acl_table *table, uint32_t id)
{
    const struct viv_acl_item *item = viv_acl_table_item(table, id);
    VIV_ASSERT(id == 0 || item != NULL);
    return id == 0 ? viv_acl_open_unsafe() : (struct viv_bytes){item->bytes, item->size};
}

uint64_t viv_acl_table_hash(const struct viv_acl_table *table, uint32_t id)
{
    const struct viv_acl_item *item = viv_acl_table_item(table, id);
    VIV_ASSERT(id == 0 || item != NULL);
    return id == 0 ? 0 : item->hash;
}

static void fill(struct viv_acl_table *table, uint32_t id, struct viv_bytes list, uint64_t hash)
{
    VIV_ASSERT(list.size > 0 && list.size <= UINT32_MAX);
    struct viv_acl_item *item = viv_slab_at(&table->items, id);
    *item = (struct viv_acl_item){.size = (uint32_t)list.size, .hash = hash, .bytes = viv_alloc(list.size)};
    memcpy(item->bytes, list.data, list.size);
    viv_lookup_add(&table->lookup, (uint32_t)hash, id);
    table->list_bytes += list.size;
}

uint32_t viv_acl_table_intern(struct viv_acl_table *table, struct viv_bytes list, bool *is_new)
{
    *is_new = false;
    if (viv_bytes_equal(list, viv_acl_open_unsafe())) {
        return 0;
    }
    uint64_t hash = XXH3_64bits(list.data, list.size);
    uint32_t cursor = 0;
    uint32_t id;
    while ((id = viv_lookup_next(&table->lookup, (uint32_t)hash, &cursor)) != VIV_LOOKUP_NONE) {
        if (viv_bytes_equal(viv_acl_table_list(table, id), list)) {
            viv_acl_table_refer(table, id);
            return id;
        }
    }
    id = viv_slab_alloc(&table->items);
    fill(table, id, list, hash);
    viv_acl_table_refer(table, id);
    *is_new = true;
    return id;
}

void viv_acl_table_refer(struct viv_acl_table *table, uint32_t id)
{
    struct viv_acl_item *item = viv_acl_table_item(table, id);
    VIV_ASSERT(id == 0 || item != NULL);
    if (item != NULL) {
        item->references++;
    }
}

void viv_acl_table_discard(struct viv_acl_table *table, uint32_t id)
{
    struct viv_acl_item *item = viv_acl_table_item(table, id);
    VIV_ASSERT(item != NULL && item->references == 0);
    viv_lookup_remove(&table->lookup, (uint32_t)item->hash, id);
    table->list_bytes -= item->size;
    free(item->bytes);
    viv_slab_free(&table->items, id);
}

bool viv_acl_table_drop(struct viv_acl_table *table, uint32_t id)
{
    if (id == 0) {
        return false;
    }
    struct viv_acl_item *item = viv_acl_table_item(table, id);
    VIV_ASSERT(item != NULL && item->references > 0);
    if (--item->references > 0) {
        return false;
    }
    viv_acl_table_discard(table, id);
    return true;
}

bool viv_acl_table_claim(struct viv_acl_table *table, uint32_t id, struct viv_bytes list)
{
    VIV_ASSERT(id != 0);
    if (viv_acl_table_item(table, id) != NULL) {
        return false;
    }
    (void)viv_slab_claim(&table->items, id);
    table->items.live_count++;
    fill(table, id, list, XXH3_64bits(list.data, list.size));
    return true;
}

static bool item_is_live(const void *element)
{
    return ((const struct viv_acl_item *)element)->bytes != NULL;
}

void viv_acl_table_claim_end(struct viv_acl_table *table)
{
    viv_slab_claim_end(&table->items, item_is_live);
}
