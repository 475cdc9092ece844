#include "store/kv_run.h"

#include <stdlib.h>

#include "base/assert.h"

viv_status viv_kv_run_add(struct viv_kv_run *run, struct viv_bytes rows)
{
    struct viv_bytes rest = rows;
    struct viv_row row;
    size_t count = 0;
    while (viv_row_next(&rest, &row)) {
        count++;
    }
    if (rest.size > 0) {
        return VIV_ERR_MALFORMED;
    }
    viv_buffer_append_bytes(&run->bytes, rows);
    run->row_count += count;
    return VIV_OK;
}

/* Equal keys stay in the order of arrival, which is the order of their addresses inside the one buffer. */
static int compare_rows(const void *left, const void *right)
{
    const struct viv_row *a = left, *b = right;
    int order = viv_bytes_compare(a->key, b->key);
    return order != 0 ? order : (a->key.data > b->key.data) - (a->key.data < b->key.data);
}

void viv_kv_run_sort(struct viv_kv_run *run)
{
    free(run->rows);
    run->rows = viv_alloc((run->row_count + 1) * sizeof run->rows[0]);
    struct viv_bytes rest = viv_buffer_bytes(&run->bytes);
    size_t count = 0;
    while (viv_row_next(&rest, &run->rows[count])) {
        count++;
    }
    VIV_ASSERT(rest.size == 0 && count <= run->row_count);
    qsort(run->rows, count, sizeof run->rows[0], compare_rows);
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (i + 1 == count || !viv_bytes_equal(run->rows[i].key, run->rows[i + 1].key)) {
            run->rows[kept++] = run->rows[i];
        }
    }
    run->row_count = kept;
}

void viv_kv_run_clear(struct viv_kv_run *run)
{
    viv_buffer_clear(&run->bytes);
    free(run->rows);
    run->rows = NULL;
    run->row_count = 0;
}

void viv_kv_run_fini(struct viv_kv_run *run)
{
    viv_kv_run_clear(run);
    viv_buffer_fini(&run->bytes);
}
