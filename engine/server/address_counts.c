#include "server/address_counts.h"

#include <string.h>

#include "base/assert.h"

struct item {
    uint8_t address[16];
    uint64_t count;
};

static struct item *find(struct viv_address_counts *counts, const uint8_t address[16])
{
    struct item *items = (struct item *)counts->items.data;
    for (size_t i = 0; i < counts->items.size / sizeof *items; i++) {
        if (memcmp(items[i].address, address, sizeof items[i].address) == 0) {
            return &items[i];
        }
    }
    return NULL;
}

bool viv_address_counts_add(struct viv_address_counts *counts, const uint8_t address[16], uint64_t most)
{
    struct item *item = find(counts, address);
    if (item == NULL) {
        item = (struct item *)viv_buffer_extend(&counts->items, sizeof *item);
        memcpy(item->address, address, sizeof item->address);
        item->count = 0;
    }
    if (most > 0 && item->count >= most) {
        return false;
    }
    item->count++;
    return true;
}

void viv_address_counts_remove(struct viv_address_counts *counts, const uint8_t address[16])
{
    struct item *item = find(counts, address);
    VIV_ASSERT(item != NULL);
    VIV_ASSERT(item->count > 0);
    if (--item->count == 0) {
        *item = *(struct item *)(counts->items.data + counts->items.size - sizeof *item);
        counts->items.size -= sizeof *item;
    }
}

void viv_address_counts_fini(struct viv_address_counts *counts)
{
    viv_buffer_fini(&counts->items);
}
