#ifndef VIV_BACKENDS_FLAT_IDENTIFIER_H
#define VIV_BACKENDS_FLAT_IDENTIFIER_H

#include "backends/flat/format.h"
#include "store/file_io.h"

/* What the log holds, kept apart from it: header and table of every batch once more, at the other end of the segment.
 * They tell which entries a damaged batch held, and by their checksums whether a peer's copy is the right one
 * (zab-pitfalls.md, D.2). They grow downwards from the copy of the segment's header: of each batch the table, and above
 * it the header, so that they are read from the top.
 *
 * An identifier is written after the sync of its batch and becomes durable with a later one: where there is one, its
 * batch had been durable. Many are written at once, since each write into another part of the file costs a sync about
 * a twentieth of its time. Until then header and table of the batch itself say the same. */

struct viv_flat_segment;

enum { VIV_FLAT_IDENTIFIERS_AT_ONCE_BYTES = 4096 };

/* Those not written yet, newest first: the last `size` bytes of the memory. All-zero is empty. */
struct viv_flat_identifiers {
    uint8_t *bytes;
    size_t size, capacity;
};

void viv_flat_identifiers_fini(struct viv_flat_identifiers *identifiers);
/* `batch` begins with header and table. */
void viv_flat_identifiers_add(struct viv_flat_identifiers *identifiers, const struct viv_flat_batch_header *header,
                              const uint8_t *batch);
/* Writes them below what the segment has, and forgets them. segment->identifier_bytes counts them already. */
viv_status viv_flat_identifiers_write(struct viv_flat_identifiers *identifiers, const struct viv_disk *disk,
                                      const struct viv_flat_segment *segment) VIV_MUST_USE;
/* They are all that the segment should have: writes them when the file differs, and forgets them. */
viv_status viv_flat_identifiers_settle(struct viv_flat_identifiers *identifiers, const struct viv_disk *disk,
                                       const struct viv_flat_segment *segment, bool *is_changed) VIV_MUST_USE;

/* Reads them in the order of their batches, passing over damaged ones. */
struct viv_flat_identifier_walk {
    const struct viv_disk *disk;
    const struct viv_flat_segment *segment;
    uint64_t at, low;        /* what is still to be read */
    struct viv_buffer chunk; /* of the file, ending above `at` */
    uint64_t chunk_offset;
    bool has_found; /* the two below are good */
    struct viv_flat_batch_header header;
    struct viv_buffer table;
};

void viv_flat_identifier_walk_begin(struct viv_flat_identifier_walk *walk, const struct viv_disk *disk,
                                    const struct viv_flat_segment *segment);
void viv_flat_identifier_walk_fini(struct viv_flat_identifier_walk *walk);
/* The first from where it stands whose batch begins at `offset` or later; walk->has_found is false when there is none.
 * The same may be asked for again. */
viv_status viv_flat_identifier_seek(struct viv_flat_identifier_walk *walk, uint64_t offset) VIV_MUST_USE;

#endif /* VIV_BACKENDS_FLAT_IDENTIFIER_H */
