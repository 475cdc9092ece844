#ifndef VIV_TREE_SLAB_H
#define VIV_TREE_SLAB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Equal-sized elements addressed by u32 ids: chunks that never move under a directory that grows. Id 0 is never
 * handed out. Freed ids are handed out again, last freed first, except while somebody holds them back: who goes through
 * the elements in slices relies on an id meaning one element until the end. Knows nothing of what the elements are. */

enum { VIV_SLAB_CHUNK_SHIFT = 10, VIV_SLAB_CHUNK_ELEMENTS = 1 << VIV_SLAB_CHUNK_SHIFT };

struct viv_slab {
    uint8_t **chunks; /* NULL where loading left a gap of a whole chunk */
    uint32_t chunk_count, chunk_capacity;
    uint32_t element_bytes;
    uint32_t live_count;
    uint32_t fresh;     /* ids from here on were never handed out */
    uint32_t gap_chunk; /* chunks below this one are known to exist */
    uint32_t free_first;
    uint32_t held_first, held_last; /* freed while held back */
    uint32_t hold_count;
    uint64_t memory_bytes;
};

void viv_slab_init(struct viv_slab *slab, uint32_t element_bytes);
void viv_slab_fini(struct viv_slab *slab);
/* A zeroed element. */
uint32_t viv_slab_alloc(struct viv_slab *slab);
/* Zeroes the element but for its first four bytes. */
void viv_slab_free(struct viv_slab *slab, uint32_t id);
/* Freed ids wait until as many releases as holds. */
void viv_slab_hold(struct viv_slab *slab);
void viv_slab_release(struct viv_slab *slab);

/* Loading at given ids: claim any of them (the element is zeroed when it is first claimed), then end with the
 * predicate that tells which elements are in use. No alloc and no free in between. */
typedef bool viv_slab_live_fn(const void *element);
void *viv_slab_claim(struct viv_slab *slab, uint32_t id);
void viv_slab_claim_end(struct viv_slab *slab, viv_slab_live_fn *is_live);

/* True when the id lies in a chunk that exists; whether the element is in use is for its owner to tell. */
static inline bool viv_slab_has(const struct viv_slab *slab, uint32_t id)
{
    uint32_t chunk = id >> VIV_SLAB_CHUNK_SHIFT;
    return chunk < slab->chunk_count && slab->chunks[chunk] != NULL;
}

/* The first id from `id` on that lies in a chunk that exists; slab->fresh or more when there is none. */
static inline uint32_t viv_slab_skip_gap(const struct viv_slab *slab, uint32_t id)
{
    while (id < slab->fresh && !viv_slab_has(slab, id)) {
        id = (id | (VIV_SLAB_CHUNK_ELEMENTS - 1)) + 1;
    }
    return id;
}

/* The element of an id that exists. */
static inline void *viv_slab_at(const struct viv_slab *slab, uint32_t id)
{
    return slab->chunks[id >> VIV_SLAB_CHUNK_SHIFT] +
           (size_t)(id & (VIV_SLAB_CHUNK_ELEMENTS - 1)) * slab->element_bytes;
}

#endif /* VIV_TREE_SLAB_H */
