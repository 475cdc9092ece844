#ifndef VIV_STORE_KV_RUN_H
#define VIV_STORE_KV_RUN_H

#include "base/row.h"
#include "base/status.h"

/* Rows of a checkpoint on their way into an ordered store: collected, then visited in key order, because a tree takes
 * sorted rows several times faster than random ones. Of several rows with one key only the last counts. */

struct viv_kv_run {
    struct viv_buffer bytes; /* blocks as they came */
    struct viv_row *rows;    /* after sorting: one per key, ascending; borrow from bytes */
    size_t row_count;
};

/* Copies a block. VIV_ERR_MALFORMED: it is not a sequence of rows, and nothing was taken. */
viv_status viv_kv_run_add(struct viv_kv_run *run, struct viv_bytes rows) VIV_MUST_USE;
/* Fills rows and row_count; valid until the next add or clear. */
void viv_kv_run_sort(struct viv_kv_run *run);
void viv_kv_run_clear(struct viv_kv_run *run); /* keeps the memory */
void viv_kv_run_fini(struct viv_kv_run *run);

#endif /* VIV_STORE_KV_RUN_H */
