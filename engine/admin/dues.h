#ifndef VIV_ADMIN_DUES_H
#define VIV_ADMIN_DUES_H

#include "base/bytes.h"

/* Numbers by the time at which each falls due, as `dump` lists sessions and connections: those of one time form a set.
 * Filled in any order, told in the order of time. All-zero is empty. Knows nothing of what the numbers name. */

struct viv_due_set {
    uint64_t at_ms;
    uint32_t first, count; /* first: item number + 1 */
};

struct viv_due_item {
    uint64_t number;
    uint32_t next; /* item number + 1; 0 ends the set */
};

struct viv_dues {
    struct viv_buffer sets;  /* of struct viv_due_set, by time */
    struct viv_buffer items; /* of struct viv_due_item */
};

void viv_dues_fini(struct viv_dues *dues); /* empty and reusable */
void viv_dues_add(struct viv_dues *dues, uint64_t at_ms, uint64_t number);
size_t viv_dues_set_count(const struct viv_dues *dues);
size_t viv_dues_item_count(const struct viv_dues *dues);
const struct viv_due_set *viv_dues_set(const struct viv_dues *dues, size_t index);
/* `place` is a set's first, or an item's next; not 0. */
const struct viv_due_item *viv_dues_item(const struct viv_dues *dues, uint32_t place);

#endif /* VIV_ADMIN_DUES_H */
