#ifndef VIV_SIM_QUEUE_H
#define VIV_SIM_QUEUE_H

#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"

/* An array that is filled at its end and read from `first`: room for one item more. Returns where the items are now,
 * which the caller owns. */
static inline void *viv_sim_queue_room(void *items, size_t item_bytes, size_t *first, size_t count, size_t *capacity)
{
    if (*first + count < *capacity) {
        return items;
    }
    if (*first > 0) {
        memmove(items, (char *)items + *first * item_bytes, count * item_bytes);
    }
    *first = 0;
    if (count * 2 >= *capacity) {
        *capacity = count * 2 + 16;
        items = viv_realloc(items, *capacity * item_bytes);
    }
    return items;
}

#endif /* VIV_SIM_QUEUE_H */
