#ifndef VIV_BACKENDS_FLAT_SCAN_INTERNAL_H
#define VIV_BACKENDS_FLAT_SCAN_INTERNAL_H

#include "backends/flat/flat_internal.h"
#include "backends/flat/window.h"

/* What the two halves of opening share: scan.c takes batches as long as they continue the log, scan_end.c decides what
 * it means that none does. */

struct viv_flat_place {
    struct viv_flat_segment *segment;
    uint64_t offset, bytes;
    uint64_t ordinal; /* its own; of a stray one, the one it vouches for */
};

struct viv_flat_places {
    struct viv_flat_place *items;
    size_t count, capacity;
};

struct viv_flat_scan {
    struct viv_log *log;
    struct viv_flat_window window;
    struct viv_flat_identifier_walk walk; /* of walk.segment; NULL: of none yet */
    struct viv_store_report *report;
    uint64_t expected_ordinal;        /* 0: any */
    uint64_t durable_ordinal;         /* the highest that a kept batch vouches for */
    struct viv_flat_places uncertain; /* kept, and not vouched for */
    struct viv_flat_places stray;     /* readable batches behind the end */
    uint64_t last_zxid;               /* of the newest entry kept, for messages */
};

void viv_flat_places_add(struct viv_flat_places *places, struct viv_flat_place place);
/* Takes batches from log->active on until one is missing; log->active is then the segment where it is. */
viv_status viv_flat_scan_take(struct viv_flat_scan *scan) VIV_MUST_USE;
/* The identifier of the batch that begins at `offset` or the first behind it: scan->walk.has_found. */
viv_status viv_flat_scan_identifier(struct viv_flat_scan *scan, const struct viv_flat_segment *segment,
                                    uint64_t offset) VIV_MUST_USE;
/* Finds where the log ends: takes batches, passes over parts that are lost, cuts what was torn. */
viv_status viv_flat_scan_end(struct viv_flat_scan *scan) VIV_MUST_USE;

#endif /* VIV_BACKENDS_FLAT_SCAN_INTERNAL_H */
