#include "cli/names.h"

#include <stdlib.h>

#include "base/assert.h"

void viv_cli_names_add(struct viv_cli_names *names, struct viv_bytes name)
{
    if (names->count == names->capacity) {
        names->capacity = names->capacity == 0 ? 64 : names->capacity * 2;
        names->spans = viv_realloc(names->spans, names->capacity * sizeof *names->spans);
    }
    names->spans[names->count++] = (struct viv_cli_name_span){names->bytes.size, name.size};
    viv_buffer_append_bytes(&names->bytes, name);
}

struct viv_bytes viv_cli_name(const struct viv_cli_names *names, size_t index)
{
    VIV_ASSERT(index < names->count);
    return viv_bytes_of(names->bytes.data + names->spans[index].at, names->spans[index].size);
}

static int by_bytes(const void *a, const void *b, void *ctx)
{
    const uint8_t *bytes = ctx;
    const struct viv_cli_name_span *left = a;
    const struct viv_cli_name_span *right = b;
    return viv_bytes_compare(viv_bytes_of(bytes + left->at, left->size), viv_bytes_of(bytes + right->at, right->size));
}

void viv_cli_names_sort(struct viv_cli_names *names)
{
    if (names->count > 0) {
        qsort_r(names->spans, names->count, sizeof *names->spans, by_bytes, names->bytes.data);
    }
}

void viv_cli_names_fini(struct viv_cli_names *names)
{
    viv_buffer_fini(&names->bytes);
    free(names->spans);
    *names = (struct viv_cli_names){0};
}
