#ifndef VIV_BASE_ROW_H
#define VIV_BASE_ROW_H

#include <stdbool.h>

#include "base/bytes.h"

/* The unit in which state travels between the tree and a state store: put a key with a value, or delete a key.
 * Keys are unique over the whole state and ordered by memcmp; the first byte is a table tag chosen by the tree.
 * A block of rows is their concatenation:
 *
 *   u8 op (1 put, 2 delete) | u32 key_size | u32 value_size | key | value         little-endian
 *
 * This module frames rows; it does not know what keys and values mean. */

enum viv_row_op { VIV_ROW_PUT = 1, VIV_ROW_DELETE = 2 };

struct viv_row {
    enum viv_row_op op;
    struct viv_bytes key;   /* 1 byte to 16 MiB */
    struct viv_bytes value; /* empty for a delete */
};

void viv_row_append(struct viv_buffer *block, const struct viv_row *row);
/* Takes the next row off the front of *block (row borrows from it). False at the end, and at a malformed row, which
 * then leaves (*block).size > 0. */
bool viv_row_next(struct viv_bytes *block, struct viv_row *row);

#endif /* VIV_BASE_ROW_H */
