#ifndef VIV_BASE_LOOKUP_H
#define VIV_BASE_LOOKUP_H

#include "base/bytes.h"

/* Finds items of somebody's array by hash: a set of (hash, item) pairs, open addressing with linear probing. It does
 * not know the keys: the caller computes the hash, walks the candidates and compares. Several items may share a hash.
 * Nothing may depend on the order of the candidates of different keys. All-zero is a valid empty lookup. */

#define VIV_LOOKUP_NONE UINT32_MAX

struct viv_lookup_slot {
    uint32_t hash, item; /* VIV_LOOKUP_NONE: free */
};

struct viv_lookup {
    struct viv_lookup_slot *slots;
    uint32_t capacity; /* a power of two, or 0 */
    uint32_t count;
};

/* A hash for keys that are bytes; the same everywhere and always. */
uint32_t viv_lookup_hash(struct viv_bytes key);

void viv_lookup_fini(struct viv_lookup *lookup);
void viv_lookup_add(struct viv_lookup *lookup, uint32_t hash, uint32_t item);
/* The pair must be there. */
void viv_lookup_remove(struct viv_lookup *lookup, uint32_t hash, uint32_t item);
/* Candidates one after the other: *cursor is 0 before the first call. VIV_LOOKUP_NONE after the last. The lookup must
 * not change meanwhile. */
uint32_t viv_lookup_next(const struct viv_lookup *lookup, uint32_t hash, uint32_t *cursor);

#endif /* VIV_BASE_LOOKUP_H */
