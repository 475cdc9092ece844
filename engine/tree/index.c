#include "tree/index.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "base/assert.h"

enum {
    GROUP = 16, /* tags looked at together */
    SEGMENT_SLOTS = 1024,
    TAG_EMPTY = 0,
    TAG_GONE = 1, /* was in use: probes go on behind it */
    TAG_USED = 0x80,
    TAG_BITS = 7,
    DEPTH_SLACK = 4, /* directory entries per segment, as a power of two, before a segment grows instead */
};

struct viv_index_segment {
    uint32_t slot_count;
    uint32_t used;  /* entries */
    uint32_t spent; /* entries and gone ones */
    uint32_t depth; /* top bits of the hash that all its entries share */
    uint8_t tags[]; /* slot_count, then as many uint32_t ids */
};

static uint32_t *ids_of(struct viv_index_segment *segment)
{
    return (uint32_t *)(void *)(segment->tags + segment->slot_count);
}

/* One bit for each of the 16 tags that equals `tag`. */
static uint32_t match(const uint8_t *tags, uint8_t tag)
{
#if defined(__SSE2__)
    __m128i group = _mm_loadu_si128((const __m128i *)(const void *)tags);
    return (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(group, _mm_set1_epi8((char)tag)));
#else
    uint32_t mask = 0;
    for (uint32_t i = 0; i < GROUP; i++) {
        mask |= (uint32_t)(tags[i] == tag) << i;
    }
    return mask;
#endif
}

static uint8_t tag_of(uint64_t hash)
{
    return (uint8_t)(TAG_USED | (hash & ((1U << TAG_BITS) - 1)));
}

static uint32_t first_group(const struct viv_index_segment *segment, uint64_t hash)
{
    return (uint32_t)(hash >> TAG_BITS) & (segment->slot_count / GROUP - 1);
}

static uint32_t next_group(const struct viv_index_segment *segment, uint32_t group)
{
    return (group + 1) & (segment->slot_count / GROUP - 1);
}

static size_t directory_slot(uint32_t depth, uint64_t hash)
{
    return depth == 0 ? 0 : (size_t)(hash >> (64 - depth));
}

static size_t segment_bytes(uint32_t slot_count)
{
    return sizeof(struct viv_index_segment) + (size_t)slot_count * (1 + sizeof(uint32_t));
}

static struct viv_index_segment *new_segment(struct viv_index *index, uint32_t slot_count, uint32_t depth)
{
    struct viv_index_segment *segment = viv_alloc(segment_bytes(slot_count));
    *segment = (struct viv_index_segment){.slot_count = slot_count, .depth = depth};
    memset(segment->tags, TAG_EMPTY, slot_count);
    index->memory_bytes += segment_bytes(slot_count);
    return segment;
}

static void free_segment(struct viv_index *index, struct viv_index_segment *segment)
{
    index->memory_bytes -= segment_bytes(segment->slot_count);
    free(segment);
}

static void make_directory(struct viv_index *index, uint32_t depth)
{
    index->depth = depth;
    index->directory = viv_alloc(sizeof *index->directory << depth);
    index->memory_bytes = sizeof *index->directory << depth;
    for (size_t i = 0; i < (size_t)1 << depth; i++) {
        index->directory[i] = new_segment(index, SEGMENT_SLOTS, depth);
    }
}

void viv_index_init(struct viv_index *index)
{
    *index = (struct viv_index){0};
    make_directory(index, 0);
}

/* The directory entries of one segment are neighbours: 1 << (index depth - segment depth) of them. */
static size_t entries_of(const struct viv_index *index, const struct viv_index_segment *segment)
{
    return (size_t)1 << (index->depth - segment->depth);
}

void viv_index_fini(struct viv_index *index)
{
    size_t end = (size_t)1 << index->depth;
    for (size_t i = 0; i < end;) {
        struct viv_index_segment *segment = index->directory[i];
        i += entries_of(index, segment);
        free_segment(index, segment);
    }
    free(index->directory);
    *index = (struct viv_index){0};
}

void viv_index_reserve(struct viv_index *index, uint64_t count)
{
    VIV_ASSERT(index->count == 0);
    uint32_t depth = 0;
    /* Segments fill to about 4/5, so that chance seldom makes one split while loading. */
    while (((uint64_t)SEGMENT_SLOTS * 4 / 5) << depth < count) {
        depth++;
    }
    viv_index_fini(index);
    make_directory(index, depth);
}

uint64_t viv_index_hash(viv_node_id parent, struct viv_bytes name)
{
    return XXH3_64bits_withSeed(name.data, name.size, parent * UINT64_C(0x9e3779b97f4a7c15));
}

void viv_index_prefetch(const struct viv_index *index, uint64_t hash)
{
    struct viv_index_segment *segment = index->directory[directory_slot(index->depth, hash)];
    uint32_t slot = first_group(segment, hash) * GROUP;
    __builtin_prefetch(segment->tags + slot);
    __builtin_prefetch(ids_of(segment) + slot, 1);
}

static bool slot_is(const struct viv_znodes *znodes, viv_node_id id, viv_node_id parent, struct viv_bytes name)
{
    const struct viv_slot *slot = viv_slot_at(znodes, id);
    return slot->parent == parent && viv_bytes_equal(viv_slot_name(znodes, slot), name);
}

viv_node_id viv_index_find(const struct viv_index *index, const struct viv_znodes *znodes, uint64_t hash,
                           viv_node_id parent, struct viv_bytes name)
{
    struct viv_index_segment *segment = index->directory[directory_slot(index->depth, hash)];
    const uint32_t *ids = ids_of(segment);
    /* Tags and ids are two cache misses; let them overlap. */
    __builtin_prefetch(ids + first_group(segment, hash) * GROUP);
    for (uint32_t group = first_group(segment, hash);; group = next_group(segment, group)) {
        const uint8_t *tags = segment->tags + (size_t)group * GROUP;
        for (uint32_t mask = match(tags, tag_of(hash)); mask != 0; mask &= mask - 1) {
            viv_node_id id = ids[group * GROUP + (uint32_t)__builtin_ctz(mask)];
            if (slot_is(znodes, id, parent, name)) {
                return id;
            }
        }
        if (match(tags, TAG_EMPTY) != 0) {
            return VIV_NODE_NONE;
        }
    }
}

static bool is_full(const struct viv_index_segment *segment)
{
    return segment->spent + 1 > segment->slot_count / 8 * 7;
}

static void put(struct viv_index_segment *segment, uint64_t hash, viv_node_id id)
{
    VIV_ASSERT(!is_full(segment));
    uint32_t group = first_group(segment, hash);
    uint32_t mask;
    while ((mask = match(segment->tags + (size_t)group * GROUP, TAG_EMPTY) |
                   match(segment->tags + (size_t)group * GROUP, TAG_GONE)) == 0) {
        group = next_group(segment, group);
    }
    uint32_t slot = group * GROUP + (uint32_t)__builtin_ctz(mask);
    segment->spent += segment->tags[slot] == TAG_EMPTY ? 1 : 0;
    segment->used++;
    segment->tags[slot] = tag_of(hash);
    ids_of(segment)[slot] = id;
}

static uint64_t hash_of(const struct viv_znodes *znodes, viv_node_id id)
{
    const struct viv_slot *slot = viv_slot_at(znodes, id);
    return viv_index_hash(slot->parent, viv_slot_name(znodes, slot));
}

/* Moves the entries of a segment to low or, where the bit below its depth is set, to high. */
static void distribute(const struct viv_znodes *znodes, struct viv_index_segment *from, struct viv_index_segment *low,
                       struct viv_index_segment *high)
{
    enum { AHEAD = 8 };
    const uint32_t *ids = ids_of(from);
    for (uint32_t i = 0; i < from->slot_count; i++) {
        if (i + AHEAD < from->slot_count && from->tags[i + AHEAD] & TAG_USED) {
            __builtin_prefetch(viv_slot_at(znodes, ids[i + AHEAD]));
        }
        if (from->tags[i] & TAG_USED) {
            uint64_t hash = hash_of(znodes, ids[i]);
            bool goes_high = (hash >> (63 - from->depth)) & 1;
            put(goes_high ? high : low, hash, ids[i]);
        }
    }
}

static void double_directory(struct viv_index *index)
{
    size_t count = (size_t)1 << index->depth;
    index->directory = viv_realloc(index->directory, sizeof *index->directory * count * 2);
    for (size_t i = count; i-- > 0;) {
        index->directory[2 * i] = index->directory[i];
        index->directory[2 * i + 1] = index->directory[i];
    }
    index->memory_bytes += sizeof *index->directory * count;
    index->depth++;
}

static void split(struct viv_index *index, const struct viv_znodes *znodes, struct viv_index_segment *segment,
                  uint64_t hash)
{
    if (segment->depth == index->depth) {
        double_directory(index);
    }
    struct viv_index_segment *low = new_segment(index, segment->slot_count, segment->depth + 1);
    struct viv_index_segment *high = new_segment(index, segment->slot_count, segment->depth + 1);
    distribute(znodes, segment, low, high);
    size_t entries = entries_of(index, segment);
    size_t first = directory_slot(index->depth, hash) & ~(entries - 1);
    for (size_t i = 0; i < entries; i++) {
        VIV_ASSERT(index->directory[first + i] == segment);
        index->directory[first + i] = i < entries / 2 ? low : high;
    }
    free_segment(index, segment);
}

/* The same entries without the gone ones, in a segment of another size or the same. */
static void rebuild(struct viv_index *index, const struct viv_znodes *znodes, struct viv_index_segment *segment,
                    uint32_t slot_count, uint64_t hash)
{
    struct viv_index_segment *fresh = new_segment(index, slot_count, segment->depth);
    distribute(znodes, segment, fresh, fresh);
    size_t entries = entries_of(index, segment);
    size_t first = directory_slot(index->depth, hash) & ~(entries - 1);
    for (size_t i = 0; i < entries; i++) {
        index->directory[first + i] = fresh;
    }
    free_segment(index, segment);
}

static void make_room(struct viv_index *index, const struct viv_znodes *znodes, struct viv_index_segment *segment,
                      uint64_t hash)
{
    uint64_t directory_max = (index->count / SEGMENT_SLOTS + 1) << DEPTH_SLACK;
    if (segment->used < segment->slot_count / 4 * 3) {
        rebuild(index, znodes, segment, segment->slot_count, hash);
    } else if ((uint64_t)2 << segment->depth <= directory_max) {
        split(index, znodes, segment, hash);
    } else {
        rebuild(index, znodes, segment, segment->slot_count * 2, hash);
    }
}

void viv_index_insert(struct viv_index *index, const struct viv_znodes *znodes, uint64_t hash, viv_node_id id)
{
    VIV_ASSERT(id != VIV_NODE_NONE);
    struct viv_index_segment *segment = index->directory[directory_slot(index->depth, hash)];
    while (is_full(segment)) {
        make_room(index, znodes, segment, hash);
        segment = index->directory[directory_slot(index->depth, hash)];
    }
    put(segment, hash, id);
    index->count++;
}

void viv_index_remove(struct viv_index *index, uint64_t hash, viv_node_id id)
{
    struct viv_index_segment *segment = index->directory[directory_slot(index->depth, hash)];
    uint32_t *ids = ids_of(segment);
    for (uint32_t group = first_group(segment, hash);; group = next_group(segment, group)) {
        uint8_t *tags = segment->tags + (size_t)group * GROUP;
        for (uint32_t mask = match(tags, tag_of(hash)); mask != 0; mask &= mask - 1) {
            uint32_t i = (uint32_t)__builtin_ctz(mask);
            if (ids[group * GROUP + i] == id) {
                /* A group with an empty slot ends every probe anyway: the slot need not be kept as gone. */
                bool ends_probes = match(tags, TAG_EMPTY) != 0;
                tags[i] = ends_probes ? TAG_EMPTY : TAG_GONE;
                segment->spent -= ends_probes ? 1 : 0;
                segment->used--;
                index->count--;
                return;
            }
        }
        VIV_ASSERT(match(tags, TAG_EMPTY) == 0);
    }
}
