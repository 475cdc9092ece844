#ifndef VIV_BACKENDS_LMDB_PAGES_H
#define VIV_BACKENDS_LMDB_PAGES_H

#include "base/status.h"

/* LMDB keeps no checksum of its pages and follows whatever offsets and page numbers it finds in them: one rotten bit
 * can end the process, send a later write into live data, or hide a row from a lookup. So the structure of a file is
 * checked before LMDB sees it: every page is reached once, lies inside the file, holds what its header says; every key
 * is in order and on the side of its separators; no free page is in use.
 *
 * Knows the file format of LMDB 0.9 (64-bit, little-endian); does not know what the rows mean, their own checksums are
 * for the reader. */

/* VIV_ERR_CORRUPT, VIV_ERR_IO, VIV_ERR_SYSTEM; logged. */
viv_status viv_lmdb_pages_check(const char *path) VIV_MUST_USE;

#endif /* VIV_BACKENDS_LMDB_PAGES_H */
