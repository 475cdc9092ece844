#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "partition/bins.h"

/* What an operator decided: a list of path prefixes, the longest that ends at a component's end wins, and the bin with
 * the lowest id takes the rest. A key alone has no prefixes: it matches the rule whose whole prefix it is the key of.
 * Weights mean nothing. */

struct rule {
    struct viv_bytes prefix; /* without slashes at its ends; owned */
    uint64_t key;
    uint32_t index; /* of the bin */
};

struct viv_placement {
    struct viv_bins bins;
    struct rule *rules; /* longest prefix first */
    size_t rule_count;
};

static void static_free(struct viv_placement *placement)
{
    for (size_t i = 0; i < placement->rule_count; i++) {
        free((void *)(uintptr_t)placement->rules[i].prefix.data);
    }
    free(placement->rules);
    viv_bins_fini(&placement->bins);
    free(placement);
}

static struct viv_bytes without_slashes(struct viv_bytes path)
{
    while (path.size > 0 && path.data[0] == '/') {
        path.data++;
        path.size--;
    }
    while (path.size > 0 && path.data[path.size - 1] == '/') {
        path.size--;
    }
    return path;
}

static bool find_bin(const struct viv_bins *bins, uint32_t id, uint32_t *index)
{
    for (size_t i = 0; i < bins->count; i++) {
        if (bins->list[i].id == id) {
            *index = (uint32_t)i;
            return true;
        }
    }
    return false;
}

static unsigned components_of(struct viv_bytes prefix)
{
    unsigned count = prefix.size > 0;
    for (size_t i = 0; i < prefix.size; i++) {
        count += prefix.data[i] == '/';
    }
    return count;
}

/* False: the rule names no bin of ours. */
static bool add_rule(struct viv_placement *placement, const struct viv_partition_rule *from)
{
    struct rule rule = {0};
    if (!find_bin(&placement->bins, from->bin, &rule.index)) {
        return false;
    }
    struct viv_bytes prefix = without_slashes(from->prefix);
    uint8_t *text = viv_alloc(prefix.size + 1);
    text[0] = '/';
    if (prefix.size > 0) {
        memcpy(text + 1, prefix.data, prefix.size);
    }
    rule.key = viv_partition_key(viv_bytes_of(text, prefix.size + 1), components_of(prefix));
    rule.prefix = viv_bytes_of(text, prefix.size + 1);
    placement->rules[placement->rule_count++] = rule;
    return true;
}

static int compare_rules(const void *left, const void *right)
{
    const struct rule *a = left, *b = right;
    if (a->prefix.size != b->prefix.size) {
        return a->prefix.size > b->prefix.size ? -1 : 1;
    }
    return viv_bytes_compare(a->prefix, b->prefix);
}

static bool has_contradiction(const struct viv_placement *placement)
{
    for (size_t i = 1; i < placement->rule_count; i++) {
        if (viv_bytes_equal(placement->rules[i].prefix, placement->rules[i - 1].prefix)) {
            return true;
        }
    }
    return false;
}

static viv_status static_build(const struct viv_bin *bins, size_t bin_count,
                               const struct viv_partition_options *options, struct viv_placement **out)
{
    struct viv_bins sorted;
    VIV_TRY(viv_bins_init(&sorted, bins, bin_count));
    size_t rule_count = options == NULL ? 0 : options->rule_count;
    struct viv_placement *placement = viv_alloc_zeroed(1, sizeof *placement);
    placement->bins = sorted;
    placement->rules = viv_alloc((rule_count + 1) * sizeof placement->rules[0]);
    bool is_valid = true;
    for (size_t i = 0; i < rule_count && is_valid; i++) {
        is_valid = add_rule(placement, &options->rules[i]);
    }
    qsort(placement->rules, placement->rule_count, sizeof placement->rules[0], compare_rules);
    if (!is_valid || has_contradiction(placement)) {
        static_free(placement);
        return VIV_ERR_INVALID;
    }
    *out = placement;
    return VIV_OK;
}

static size_t index_of(const struct viv_placement *placement, uint64_t key)
{
    for (size_t i = 0; i < placement->rule_count; i++) {
        if (placement->rules[i].key == key) {
            return placement->rules[i].index;
        }
    }
    return 0;
}

static uint32_t static_lookup(const struct viv_placement *placement, uint64_t key)
{
    return placement->bins.list[index_of(placement, key)].id;
}

static bool is_below(struct viv_bytes path, struct viv_bytes prefix)
{
    bool is_root = prefix.size == 1;
    return is_root ||
           (viv_bytes_starts_with(path, prefix) && (path.size == prefix.size || path.data[prefix.size] == '/'));
}

static uint32_t static_route(const struct viv_placement *placement, struct viv_bytes path, unsigned depth)
{
    (void)depth;
    for (size_t i = 0; i < placement->rule_count; i++) {
        if (is_below(path, placement->rules[i].prefix)) {
            return placement->bins.list[placement->rules[i].index].id;
        }
    }
    VIV_ASSERT(placement->bins.count > 0);
    return placement->bins.list[0].id;
}

static size_t static_top(const struct viv_placement *placement, uint64_t key, size_t want, uint32_t *bins)
{
    return viv_bins_cycle(&placement->bins, index_of(placement, key), want, bins);
}

static size_t static_memory(const struct viv_placement *placement)
{
    size_t bytes = sizeof *placement + viv_bins_bytes(&placement->bins);
    for (size_t i = 0; i < placement->rule_count; i++) {
        bytes += sizeof placement->rules[i] + placement->rules[i].prefix.size;
    }
    return bytes;
}

const struct viv_partition_ops viv_partition_static = {
    .name = "static",
    .build = static_build,
    .lookup = static_lookup,
    .route = static_route,
    .top = static_top,
    .memory = static_memory,
    .free = static_free,
};
