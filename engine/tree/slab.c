#include "tree/slab.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"

enum { LINK_BYTES = 4, CHUNKS_MAX = 1 << (32 - VIV_SLAB_CHUNK_SHIFT) };

void viv_slab_init(struct viv_slab *slab, uint32_t element_bytes)
{
    VIV_ASSERT(element_bytes >= 2 * LINK_BYTES && element_bytes % 8 == 0);
    *slab = (struct viv_slab){.element_bytes = element_bytes, .fresh = 1};
}

void viv_slab_fini(struct viv_slab *slab)
{
    for (uint32_t i = 0; i < slab->chunk_count; i++) {
        free(slab->chunks[i]);
    }
    free(slab->chunks);
    *slab = (struct viv_slab){0};
}

static void set_link(struct viv_slab *slab, uint32_t id, uint32_t next)
{
    memcpy(viv_slab_at(slab, id), &next, LINK_BYTES);
}

static uint32_t link_of(const struct viv_slab *slab, uint32_t id)
{
    uint32_t next;
    memcpy(&next, viv_slab_at(slab, id), LINK_BYTES);
    return next;
}

static void grow_directory(struct viv_slab *slab, uint32_t chunk)
{
    VIV_ASSERT(chunk < CHUNKS_MAX);
    uint32_t capacity = slab->chunk_capacity == 0 ? 16 : slab->chunk_capacity;
    while (capacity <= chunk) {
        capacity *= 2;
    }
    if (capacity != slab->chunk_capacity) {
        slab->chunks = viv_realloc(slab->chunks, capacity * sizeof *slab->chunks);
        slab->memory_bytes += (capacity - slab->chunk_capacity) * sizeof *slab->chunks;
        slab->chunk_capacity = capacity;
    }
    while (slab->chunk_count <= chunk) {
        slab->chunks[slab->chunk_count++] = NULL;
    }
}

static void need_chunk(struct viv_slab *slab, uint32_t chunk)
{
    if (chunk >= slab->chunk_count) {
        grow_directory(slab, chunk);
    }
    if (slab->chunks[chunk] == NULL) {
        slab->chunks[chunk] = viv_alloc_zeroed(VIV_SLAB_CHUNK_ELEMENTS, slab->element_bytes);
        slab->memory_bytes += (uint64_t)VIV_SLAB_CHUNK_ELEMENTS * slab->element_bytes;
    }
}

/* Threads a chunk that loading had skipped onto the free list; false when there is none left. */
static bool fill_gap(struct viv_slab *slab)
{
    uint32_t end = slab->fresh >> VIV_SLAB_CHUNK_SHIFT;
    while (slab->gap_chunk < end && slab->chunks[slab->gap_chunk] != NULL) {
        slab->gap_chunk++;
    }
    if (slab->gap_chunk >= end) {
        return false;
    }
    need_chunk(slab, slab->gap_chunk);
    uint32_t first = slab->gap_chunk << VIV_SLAB_CHUNK_SHIFT;
    for (uint32_t id = first + VIV_SLAB_CHUNK_ELEMENTS; id-- > first && id != 0;) {
        set_link(slab, id, slab->free_first);
        slab->free_first = id;
    }
    return true;
}

uint32_t viv_slab_alloc(struct viv_slab *slab)
{
    uint32_t id;
    if (slab->free_first != 0 || fill_gap(slab)) {
        id = slab->free_first;
        slab->free_first = link_of(slab, id);
        set_link(slab, id, 0);
    } else {
        if (slab->fresh == UINT32_MAX) {
            viv_out_of_memory(slab->element_bytes);
        }
        id = slab->fresh++;
        need_chunk(slab, id >> VIV_SLAB_CHUNK_SHIFT);
    }
    slab->live_count++;
    VIV_ASSERT(id != 0);
    return id;
}

void viv_slab_free(struct viv_slab *slab, uint32_t id)
{
    VIV_ASSERT(id != 0 && id < slab->fresh);
    VIV_ASSERT(slab->live_count > 0);
    memset(viv_slab_at(slab, id), 0, slab->element_bytes);
    slab->live_count--;
    if (slab->hold_count == 0) {
        set_link(slab, id, slab->free_first);
        slab->free_first = id;
        return;
    }
    set_link(slab, id, slab->held_first);
    slab->held_first = id;
    if (slab->held_last == 0) {
        slab->held_last = id;
    }
}

void viv_slab_hold(struct viv_slab *slab)
{
    slab->hold_count++;
}

void viv_slab_release(struct viv_slab *slab)
{
    VIV_ASSERT(slab->hold_count > 0);
    slab->hold_count--;
    if (slab->hold_count == 0 && slab->held_first != 0) {
        set_link(slab, slab->held_last, slab->free_first);
        slab->free_first = slab->held_first;
        slab->held_first = 0;
        slab->held_last = 0;
    }
}

void *viv_slab_claim(struct viv_slab *slab, uint32_t id)
{
    VIV_ASSERT(id != 0 && id != UINT32_MAX);
    VIV_ASSERT(slab->free_first == 0);
    need_chunk(slab, id >> VIV_SLAB_CHUNK_SHIFT);
    if (id >= slab->fresh) {
        slab->fresh = id + 1;
    }
    return viv_slab_at(slab, id);
}

void viv_slab_claim_end(struct viv_slab *slab, viv_slab_live_fn *is_live)
{
    VIV_ASSERT(slab->hold_count == 0);
    uint32_t last_free = 0;
    slab->live_count = 0;
    slab->free_first = 0;
    for (uint32_t id = viv_slab_skip_gap(slab, 1); id < slab->fresh; id = viv_slab_skip_gap(slab, id + 1)) {
        if (is_live(viv_slab_at(slab, id))) {
            slab->live_count++;
        } else if (last_free == 0) {
            slab->free_first = id;
            last_free = id;
        } else {
            set_link(slab, last_free, id);
            last_free = id;
        }
    }
    if (last_free != 0) {
        set_link(slab, last_free, 0);
    }
}
