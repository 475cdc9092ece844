#ifndef VIV_PARTITION_PARTITION_H
#define VIV_PARTITION_PARTITION_H

#include "base/status.h"
#include "wire/path.h"

/* Partition schemes as pure functions: keys to bins (groups or servers), and paths to keys. A scheme is a table of
 * functions; the names are in partition/schemes.def. Knows nothing of leaders or of which servers live: it is given
 * bins, whose order never matters. Replicas never recompute a table that was logged; floating point is allowed here
 * (and compiled with -ffp-contract=off). Algorithms, vectors and bands: partitioning.md §2. */

struct viv_bin {
    uint32_t id;
    double weight; /* > 0 */
};

/* A member that is 0 means the value in parentheses; a NULL pointer to options means all of those. */
struct viv_partition_options {
    uint32_t vnodes;                        /* ring: points per bin of weight 1 (128) */
    double epsilon;                         /* ring-bounded: load bound (0.05) */
    uint32_t slots;                         /* ring-bounded: slots placed in order (256) */
    uint32_t table_size;                    /* maglev: a prime (65537) */
    const struct viv_partition_rule *rules; /* static: longest component-wise prefix wins, else the lowest id */
    size_t rule_count;
};

struct viv_partition_rule {
    struct viv_bytes prefix;
    uint32_t bin;
};

struct viv_placement; /* built state of one scheme over one set of bins */

typedef viv_status viv_partition_build_fn(const struct viv_bin *bins, size_t bin_count,
                                          const struct viv_partition_options *options, struct viv_placement **out);
typedef uint32_t viv_partition_lookup_fn(const struct viv_placement *placement, uint64_t key);
typedef uint32_t viv_partition_route_fn(const struct viv_placement *placement, struct viv_bytes path, unsigned depth);
/* The first `want` distinct bins in preference order; returns how many there are. */
typedef size_t viv_partition_top_fn(const struct viv_placement *placement, uint64_t key, size_t want, uint32_t *bins);
typedef size_t viv_partition_memory_fn(const struct viv_placement *placement);
typedef void viv_partition_free_fn(struct viv_placement *placement);

struct viv_partition_ops {
    const char *name;
    viv_partition_build_fn *build; /* VIV_ERR_INVALID: no bins, or an option out of range */
    viv_partition_lookup_fn *lookup;
    viv_partition_route_fn *route; /* for a scheme that looks at the path itself; NULL: by its key */
    viv_partition_top_fn *top;
    viv_partition_memory_fn *memory;
    viv_partition_free_fn *free;
};

/* By name, or NULL; viv_partition_schemes is NULL-terminated, in the order of schemes.def. */
const struct viv_partition_ops *viv_partition_find(const char *name);
extern const struct viv_partition_ops *const viv_partition_schemes[];

/* The partition key of a path: XXH64, seed 0, of its first `depth` components ("/a/b" at depth 1 is "a"; the trunk
 * above the cut and depth 0 give the key of ""). */
uint64_t viv_partition_key(struct viv_bytes path, unsigned depth);
/* The bin of a path under a scheme: what callers ask for. */
uint32_t viv_partition_route(const struct viv_partition_ops *ops, const struct viv_placement *placement,
                             struct viv_bytes path, unsigned depth);

#endif /* VIV_PARTITION_PARTITION_H */
