#ifndef VIV_SERVER_ADDRESS_COUNTS_H
#define VIV_SERVER_ADDRESS_COUNTS_H

#include "base/bytes.h"

/* How many connections each client address holds. Few addresses are expected: a list that is searched from its
 * front. */

struct viv_address_counts {
    struct viv_buffer items;
};

/* Counts one more, unless that makes more than `most` (0: no limit). */
bool viv_address_counts_add(struct viv_address_counts *counts, const uint8_t address[16], uint64_t most);
/* Undoes one add. */
void viv_address_counts_remove(struct viv_address_counts *counts, const uint8_t address[16]);
void viv_address_counts_fini(struct viv_address_counts *counts);

#endif /* VIV_SERVER_ADDRESS_COUNTS_H */
