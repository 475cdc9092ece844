#include "tree/blob.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"

enum {
    UNIT_BYTES = 1 << VIV_BLOB_UNIT_SHIFT,
    UNITS_SHIFT = VIV_BLOB_PAGE_SHIFT - VIV_BLOB_UNIT_SHIFT,
    PAGE_BYTES = 1 << VIV_BLOB_PAGE_SHIFT,
    PAGES_MAX = VIV_BLOB_LONG_FIRST >> UNITS_SHIFT,
    FINE_BYTES_MAX = 512,
    MIDDLE_BYTES_MAX = 4096,
    MIDDLE_STEP = 64,
    SHARED_BYTES_MAX = 32768,
    FINE_CLASSES = FINE_BYTES_MAX / UNIT_BYTES,
    MIDDLE_CLASSES = (MIDDLE_BYTES_MAX - FINE_BYTES_MAX) / MIDDLE_STEP,
    COARSE_STEPS = 8, /* classes per doubling */
};

_Static_assert(FINE_CLASSES + MIDDLE_CLASSES + 3 * COARSE_STEPS == VIV_BLOB_CLASSES, "every class has a list");

/* The smallest class that holds `size`. */
static uint32_t class_of(size_t size)
{
    VIV_ASSERT(size > 0 && size <= SHARED_BYTES_MAX);
    if (size <= FINE_BYTES_MAX) {
        return (uint32_t)((size - 1) / UNIT_BYTES);
    }
    if (size <= MIDDLE_BYTES_MAX) {
        return FINE_CLASSES + (uint32_t)((size - FINE_BYTES_MAX - 1) / MIDDLE_STEP);
    }
    uint32_t class = FINE_CLASSES + MIDDLE_CLASSES;
    size_t base = MIDDLE_BYTES_MAX;
    while (size > base * 2) {
        base *= 2;
        class += COARSE_STEPS;
    }
    return class + (uint32_t)((size - base - 1) / (base / COARSE_STEPS));
}

static size_t class_bytes(uint32_t class)
{
    VIV_ASSERT(class < VIV_BLOB_CLASSES);
    if (class < FINE_CLASSES) {
        return (size_t)(class + 1) * UNIT_BYTES;
    }
    class -= FINE_CLASSES;
    if (class < MIDDLE_CLASSES) {
        return FINE_BYTES_MAX + (size_t)(class + 1) * MIDDLE_STEP;
    }
    class -= MIDDLE_CLASSES;
    size_t base = (size_t)MIDDLE_BYTES_MAX << (class / COARSE_STEPS);
    return base + (class % COARSE_STEPS + 1) * (base / COARSE_STEPS);
}

bool viv_blob_same_class(size_t a, size_t b)
{
    if (a == 0 || b == 0 || a > SHARED_BYTES_MAX || b > SHARED_BYTES_MAX) {
        return a == b;
    }
    return class_of(a) == class_of(b);
}

void viv_blobs_init(struct viv_blobs *blobs)
{
    *blobs = (struct viv_blobs){.page_count = 1, .current_bytes = PAGE_BYTES};
    viv_pool_init(&blobs->longs, sizeof(struct viv_blob_long));
}

static struct viv_blob_long *long_at(const struct viv_blobs *blobs, uint32_t index)
{
    return viv_pool_at(&blobs->longs, index);
}

void viv_blobs_fini(struct viv_blobs *blobs)
{
    for (uint32_t i = 1; i < blobs->page_count; i++) {
        free(blobs->pages[i]);
    }
    for (uint32_t i = 0; i < blobs->longs.used; i++) {
        if (long_at(blobs, i)->used) {
            free(long_at(blobs, i)->bytes);
        }
    }
    free(blobs->pages);
    viv_pool_fini(&blobs->longs);
    *blobs = (struct viv_blobs){0};
}

static void open_page(struct viv_blobs *blobs)
{
    if (blobs->page_count >= PAGES_MAX) {
        viv_out_of_memory((unsigned long long)PAGES_MAX << VIV_BLOB_PAGE_SHIFT);
    }
    if (blobs->page_count >= blobs->page_capacity) {
        uint32_t capacity = blobs->page_capacity == 0 ? 16 : blobs->page_capacity * 2;
        blobs->pages = viv_realloc(blobs->pages, capacity * sizeof *blobs->pages);
        blobs->memory_bytes += (capacity - blobs->page_capacity) * sizeof *blobs->pages;
        blobs->page_capacity = capacity;
    }
    blobs->pages[blobs->page_count++] = viv_alloc(PAGE_BYTES);
    blobs->memory_bytes += PAGE_BYTES;
    blobs->current_bytes = 0;
}

static uint32_t current_ref(const struct viv_blobs *blobs)
{
    return ((blobs->page_count - 1) << UNITS_SHIFT) + blobs->current_bytes / UNIT_BYTES;
}

static void push_free(struct viv_blobs *blobs, uint32_t class, uint32_t ref)
{
    memcpy(viv_blob_at(blobs, ref), &blobs->free_first[class], sizeof ref);
    blobs->free_first[class] = ref;
    blobs->free_bytes += class_bytes(class);
}

static uint32_t pop_free(struct viv_blobs *blobs, uint32_t class)
{
    uint32_t ref = blobs->free_first[class];
    if (ref != 0) {
        memcpy(&blobs->free_first[class], viv_blob_at(blobs, ref), sizeof ref);
        blobs->free_bytes -= class_bytes(class);
    }
    return ref;
}

/* Hands a stretch of whole units to the free lists, longest blocks first. */
static void give_back(struct viv_blobs *blobs, uint32_t ref, size_t size)
{
    VIV_ASSERT(size % UNIT_BYTES == 0);
    while (size > 0) {
        size_t part = size < SHARED_BYTES_MAX ? size : SHARED_BYTES_MAX;
        uint32_t class = class_of(part);
        class -= class_bytes(class) > part ? 1 : 0;
        push_free(blobs, class, ref);
        ref += (uint32_t)(class_bytes(class) / UNIT_BYTES);
        size -= class_bytes(class);
    }
}

/* Cuts a block off a freed one of a class at least twice as long; 0 when there is none. */
static uint32_t cut_larger(struct viv_blobs *blobs, size_t block_bytes)
{
    if (block_bytes * 2 > SHARED_BYTES_MAX) {
        return 0;
    }
    for (uint32_t class = class_of(block_bytes * 2); class < VIV_BLOB_CLASSES; class ++) {
        uint32_t ref = pop_free(blobs, class);
        if (ref != 0) {
            give_back(blobs, ref + (uint32_t)(block_bytes / UNIT_BYTES), class_bytes(class) - block_bytes);
            return ref;
        }
    }
    return 0;
}

static uint32_t take_from_page(struct viv_blobs *blobs, size_t block_bytes)
{
    size_t left = PAGE_BYTES - blobs->current_bytes;
    if (left < block_bytes) {
        uint32_t ref = cut_larger(blobs, block_bytes);
        if (ref != 0) {
            return ref;
        }
        give_back(blobs, current_ref(blobs), left);
        open_page(blobs);
    }
    uint32_t ref = current_ref(blobs);
    blobs->current_bytes += (uint32_t)block_bytes;
    return ref;
}

static uint32_t alloc_long(struct viv_blobs *blobs, size_t size)
{
    uint32_t index = viv_pool_take(&blobs->longs);
    if (index > UINT32_MAX - VIV_BLOB_LONG_FIRST) {
        viv_out_of_memory(size);
    }
    *long_at(blobs, index) = (struct viv_blob_long){.used = true, .bytes = viv_alloc(size)};
    blobs->memory_bytes += sizeof(struct viv_blob_long) + size;
    return VIV_BLOB_LONG_FIRST + index;
}

static void free_long(struct viv_blobs *blobs, uint32_t index, size_t size)
{
    VIV_ASSERT(long_at(blobs, index)->used);
    free(long_at(blobs, index)->bytes);
    long_at(blobs, index)->used = false;
    viv_pool_give(&blobs->longs, index);
    blobs->memory_bytes -= sizeof(struct viv_blob_long) + size;
}

uint32_t viv_blob_alloc(struct viv_blobs *blobs, size_t size)
{
    if (size == 0) {
        return 0;
    }
    if (size > SHARED_BYTES_MAX) {
        return alloc_long(blobs, size);
    }
    uint32_t class = class_of(size);
    uint32_t ref = pop_free(blobs, class);
    return ref != 0 ? ref : take_from_page(blobs, class_bytes(class));
}

void viv_blob_free(struct viv_blobs *blobs, uint32_t ref, size_t size)
{
    VIV_ASSERT((ref == 0) == (size == 0));
    VIV_ASSERT((ref >= VIV_BLOB_LONG_FIRST) == (size > SHARED_BYTES_MAX));
    if (size > SHARED_BYTES_MAX) {
        free_long(blobs, ref - VIV_BLOB_LONG_FIRST, size);
    } else if (size > 0) {
        push_free(blobs, class_of(size), ref);
    }
}
