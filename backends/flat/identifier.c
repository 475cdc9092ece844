#include "backends/flat/identifier.h"

#include <stdlib.h>
#include <string.h>

#include "backends/flat/flat_internal.h"
#include "backends/flat/window.h"
#include "base/assert.h"

/* They stand close together: behind so much that makes no sense there are none. */
enum { CHUNK_BYTES = 256 << 10, GAP_BYTES_MAX = CHUNK_BYTES, ALIGNMENT_BYTES = 8 };

static void drop(struct viv_flat_identifiers *identifiers)
{
    identifiers->size = 0;
}

void viv_flat_identifiers_fini(struct viv_flat_identifiers *identifiers)
{
    free(identifiers->bytes);
    *identifiers = (struct viv_flat_identifiers){0};
}

static uint8_t *first_of(const struct viv_flat_identifiers *identifiers)
{
    return identifiers->bytes + (identifiers->capacity - identifiers->size);
}

static void make_room(struct viv_flat_identifiers *identifiers, size_t bytes)
{
    size_t wanted = identifiers->size + bytes;
    if (wanted <= identifiers->capacity) {
        return;
    }
    size_t capacity =
        wanted > 2 * VIV_FLAT_IDENTIFIERS_AT_ONCE_BYTES ? 2 * wanted : (size_t)2 * VIV_FLAT_IDENTIFIERS_AT_ONCE_BYTES;
    uint8_t *grown = viv_alloc(capacity);
    if (identifiers->size > 0) {
        memcpy(grown + (capacity - identifiers->size), first_of(identifiers), identifiers->size);
    }
    free(identifiers->bytes);
    identifiers->bytes = grown;
    identifiers->capacity = capacity;
}

void viv_flat_identifiers_add(struct viv_flat_identifiers *identifiers, const struct viv_flat_batch_header *header,
                              const uint8_t *batch)
{
    size_t table_bytes = (size_t)viv_flat_table_bytes_of(header);
    make_room(identifiers, VIV_FLAT_BATCH_HEADER_BYTES + table_bytes);
    identifiers->size += VIV_FLAT_BATCH_HEADER_BYTES + table_bytes;
    uint8_t *to = first_of(identifiers);
    memcpy(to, batch + VIV_FLAT_BATCH_HEADER_BYTES, table_bytes);
    memcpy(to + table_bytes, batch, VIV_FLAT_BATCH_HEADER_BYTES);
}

/* Where the newest of the segment begins. */
static uint64_t low_of(const struct viv_flat_segment *segment)
{
    return viv_flat_segment_top(segment) - segment->identifier_bytes;
}

viv_status viv_flat_identifiers_write(struct viv_flat_identifiers *identifiers, const struct viv_disk *disk,
                                      const struct viv_flat_segment *segment)
{
    viv_status status = VIV_OK;
    if (identifiers->size > 0) {
        VIV_ASSERT(low_of(segment) >= segment->end);
        status = viv_file_write(disk, &segment->file, first_of(identifiers), identifiers->size, low_of(segment));
    }
    drop(identifiers);
    return status;
}

viv_status viv_flat_identifiers_settle(struct viv_flat_identifiers *identifiers, const struct viv_disk *disk,
                                       const struct viv_flat_segment *segment, bool *is_changed)
{
    VIV_ASSERT(identifiers->size == segment->identifier_bytes);
    size_t got = 0;
    uint8_t *found = viv_alloc(identifiers->size + 1);
    viv_status status = viv_file_read(disk, &segment->file, found, identifiers->size, low_of(segment), &got);
    bool is_readable = status == VIV_OK && got == identifiers->size;
    *is_changed = !is_readable || memcmp(found, first_of(identifiers), got) != 0;
    free(found);
    if (status != VIV_OK && status != VIV_ERR_IO) {
        return status;
    }
    if (*is_changed) {
        return viv_flat_identifiers_write(identifiers, disk, segment);
    }
    drop(identifiers);
    return VIV_OK;
}

/* ---- reading ---- */

void viv_flat_identifier_walk_begin(struct viv_flat_identifier_walk *walk, const struct viv_disk *disk,
                                    const struct viv_flat_segment *segment)
{
    walk->disk = disk;
    walk->segment = segment;
    walk->at = viv_flat_segment_top(segment);
    walk->low = VIV_FLAT_BLOCK_BYTES;
    walk->has_found = false;
    viv_buffer_clear(&walk->chunk);
}

void viv_flat_identifier_walk_fini(struct viv_flat_identifier_walk *walk)
{
    viv_buffer_fini(&walk->chunk);
    viv_buffer_fini(&walk->table);
}

/* The `size` bytes that end at `end`, out of a chunk that reaches further down; NULL when they cannot be read. */
static viv_status bytes_below(struct viv_flat_identifier_walk *walk, uint64_t end, size_t size, const uint8_t **bytes)
{
    *bytes = NULL;
    if (end < walk->low + size) {
        return VIV_OK;
    }
    bool is_held =
        walk->chunk.size > 0 && end - size >= walk->chunk_offset && end <= walk->chunk_offset + walk->chunk.size;
    if (!is_held) {
        size_t wanted = size > CHUNK_BYTES ? size : CHUNK_BYTES;
        wanted = end - walk->low < wanted ? (size_t)(end - walk->low) : wanted;
        viv_buffer_clear(&walk->chunk);
        VIV_TRY(viv_flat_read_around(walk->disk, &walk->segment->file, wanted, end - wanted, &walk->chunk, NULL));
        walk->chunk_offset = end - wanted;
        if (walk->chunk.size < wanted) {
            viv_buffer_clear(&walk->chunk);
            return VIV_OK;
        }
    }
    *bytes = walk->chunk.data + (end - size - walk->chunk_offset);
    return VIV_OK;
}

/* Takes what ends at walk->at, if it is an identifier. */
static viv_status take(struct viv_flat_identifier_walk *walk, bool *is_taken)
{
    const uint8_t *bytes;
    struct viv_flat_batch_header header;
    *is_taken = false;
    VIV_TRY(bytes_below(walk, walk->at, VIV_FLAT_BATCH_HEADER_BYTES, &bytes));
    if (bytes == NULL || !viv_flat_identifier_decode(bytes, &walk->segment->header, &header)) {
        return VIV_OK;
    }
    size_t table_bytes = (size_t)viv_flat_table_bytes_of(&header);
    VIV_TRY(bytes_below(walk, walk->at - VIV_FLAT_BATCH_HEADER_BYTES, table_bytes, &bytes));
    if (bytes == NULL || !viv_flat_table_is_sound(&header, bytes, walk->segment->header.salt)) {
        return VIV_OK;
    }
    viv_buffer_clear(&walk->table);
    viv_buffer_append(&walk->table, bytes, table_bytes);
    walk->header = header;
    walk->has_found = true;
    walk->at -= VIV_FLAT_BATCH_HEADER_BYTES + table_bytes;
    *is_taken = true;
    return VIV_OK;
}

viv_status viv_flat_identifier_seek(struct viv_flat_identifier_walk *walk, uint64_t offset)
{
    while (!(walk->has_found && walk->header.offset >= offset)) {
        bool is_taken = false;
        uint64_t from = walk->at;
        walk->has_found = false;
        while (!is_taken && walk->at > walk->low && from - walk->at < GAP_BYTES_MAX) {
            VIV_TRY(take(walk, &is_taken));
            walk->at -= is_taken ? 0 : ALIGNMENT_BYTES;
        }
        if (!is_taken) {
            walk->at = walk->low;
            return VIV_OK;
        }
    }
    return VIV_OK;
}
