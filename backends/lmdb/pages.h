#ifndef VIV_BACKENDS_LMDB_PAGES_H
#define VIV_BACKENDS_LMDB_PAGES_H

#include "base/bytes.h"
#include "base/status.h"

/* LMDB keeps no checksum of its pages and follows whatever offsets and page numbers it finds in them: one rotten bit
 * can end the process, send a later write into live data, or hide a row from a lookup. So the structure of a file is
 * checked before LMDB sees it: every page is reached once, lies inside the file, holds what its header says; every key
 * is in order and on the side of its separators; no free page is in use.
 *
 * Knows the file format of LMDB 0.9 (64-bit, little-endian); does not know what the rows mean, their own checksums are
 * for the reader. */

/* VIV_ERR_CORRUPT, also for a page that cannot be read; VIV_ERR_IO, VIV_ERR_SYSTEM; logged. */
viv_status viv_lmdb_pages_check(const char *path) VIV_MUST_USE;

/* A status other than VIV_OK ends the look with that status. */
typedef viv_status viv_lmdb_row_fn(void *ctx, struct viv_bytes key, struct viv_bytes value);

/* The same by and by, while nobody writes: all but the one table that holds `table`, and of that the pages on the way
 * to the keys above `after` (empty: all) and the rows there. */
struct viv_lmdb_look {
    const char *table;
    struct viv_bytes after;
    size_t bytes_max, bytes; /* of pages: about so many at most; looked at */
    bool is_end;             /* no row is left */
    viv_lmdb_row_fn *row;
    void *ctx;
};
viv_status viv_lmdb_pages_look(const char *path, struct viv_lmdb_look *look) VIV_MUST_USE;

#endif /* VIV_BACKENDS_LMDB_PAGES_H */
