#include "admin/dues.h"

#include <string.h>

#include "base/assert.h"

void viv_dues_fini(struct viv_dues *dues)
{
    viv_buffer_fini(&dues->sets);
    viv_buffer_fini(&dues->items);
}

size_t viv_dues_set_count(const struct viv_dues *dues)
{
    return dues->sets.size / sizeof(struct viv_due_set);
}

size_t viv_dues_item_count(const struct viv_dues *dues)
{
    return dues->items.size / sizeof(struct viv_due_item);
}

static struct viv_due_set *set_at(const struct viv_dues *dues, size_t index)
{
    VIV_ASSERT(index < viv_dues_set_count(dues));
    return (struct viv_due_set *)dues->sets.data + index;
}

const struct viv_due_set *viv_dues_set(const struct viv_dues *dues, size_t index)
{
    return set_at(dues, index);
}

const struct viv_due_item *viv_dues_item(const struct viv_dues *dues, uint32_t place)
{
    VIV_ASSERT(place > 0 && place <= viv_dues_item_count(dues));
    return (const struct viv_due_item *)dues->items.data + place - 1;
}

/* The set of that time; made where it belongs when there is none. Sets are few: times are whole ticks. */
static struct viv_due_set *need_set(struct viv_dues *dues, uint64_t at_ms)
{
    size_t low = 0, high = viv_dues_set_count(dues);
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (set_at(dues, middle)->at_ms < at_ms) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    size_t count = viv_dues_set_count(dues);
    if (low == count || set_at(dues, low)->at_ms != at_ms) {
        viv_buffer_extend(&dues->sets, sizeof(struct viv_due_set));
        struct viv_due_set *set = set_at(dues, low);
        memmove(set + 1, set, (count - low) * sizeof *set);
        *set = (struct viv_due_set){.at_ms = at_ms};
    }
    return set_at(dues, low);
}

void viv_dues_add(struct viv_dues *dues, uint64_t at_ms, uint64_t number)
{
    struct viv_due_set *set = need_set(dues, at_ms);
    struct viv_due_item item = {number, set->first};
    VIV_ASSERT(viv_dues_item_count(dues) < UINT32_MAX);
    viv_buffer_append(&dues->items, &item, sizeof item);
    set->first = (uint32_t)viv_dues_item_count(dues);
    set->count++;
}
