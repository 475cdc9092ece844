#include "partition/partition.h"

#include <string.h>
#include <xxhash.h>

#include "base/assert.h"

#define VIV_SCHEME(symbol) extern const struct viv_partition_ops viv_partition_##symbol;
#include "partition/schemes.def"
#undef VIV_SCHEME

const struct viv_partition_ops *const viv_partition_schemes[] = {
#define VIV_SCHEME(symbol) &viv_partition_##symbol,
#include "partition/schemes.def"
#undef VIV_SCHEME
    NULL,
};

const struct viv_partition_ops *viv_partition_find(const char *name)
{
    VIV_ASSERT(name != NULL);
    for (size_t i = 0; viv_partition_schemes[i] != NULL; i++) {
        if (strcmp(viv_partition_schemes[i]->name, name) == 0) {
            return viv_partition_schemes[i];
        }
    }
    return NULL;
}

uint64_t viv_partition_key(struct viv_bytes path, unsigned depth)
{
    VIV_ASSERT(path.size == 0 || path.data[0] == '/');
    size_t end = 0;
    unsigned components = 0;
    while (components < depth && end + 1 < path.size) {
        end++; /* over the slash */
        while (end < path.size && path.data[end] != '/') {
            end++;
        }
        components++;
    }
    return components == depth && depth > 0 ? XXH64(path.data + 1, end - 1, 0) : XXH64("", 0, 0);
}

uint32_t viv_partition_route(const struct viv_partition_ops *ops, const struct viv_placement *placement,
                             struct viv_bytes path, unsigned depth)
{
    return ops->route != NULL ? ops->route(placement, path, depth)
                              : ops->lookup(placement, viv_partition_key(path, depth));
}
