#include "datasets/namespace.h"

#include <stdlib.h>
#include <string.h>

#include "tests/support/viv_test.h"
#include "wire/path.h"

struct means {
    double path_bytes, name_bytes, data_bytes, empty_share, largest_share;
};

static int compare_paths(const void *a, const void *b)
{
    return viv_bytes_compare(*(const struct viv_bytes *)a, *(const struct viv_bytes *)b);
}

/* Generates `count` znodes, checks each against those before it, and averages. */
static struct means survey(const char *shape, size_t count)
{
    struct means means = {0};
    struct viv_buffer *texts = viv_alloc_zeroed(count, sizeof *texts);
    struct viv_bytes *paths = viv_alloc_zeroed(count, sizeof *paths);
    struct viv_namespace *space = viv_namespace_open(shape, count, 1);
    struct viv_namespace_node node;
    size_t made = 0;
    for (; viv_namespace_next(space, &node); made++) {
        cr_assert(viv_path_is_valid(node.path), "%.*s", (int)node.path.size, (const char *)node.path.data);
        viv_buffer_append_bytes(&texts[made], node.path);
        paths[made] = viv_buffer_bytes(&texts[made]);
        means.path_bytes += (double)node.path.size / (double)count;
        means.name_bytes += (double)viv_path_name(node.path).size / (double)count;
        means.data_bytes += (double)node.data.size / (double)count;
        means.empty_share += (node.data.size == 0) / (double)count;
        means.largest_share += (memmem(node.path.data, node.path.size, "/blocks/", 8) != NULL) / (double)count;
    }
    viv_namespace_close(space);
    cr_assert_eq(made, count);
    qsort(paths, count, sizeof *paths, compare_paths);
    for (size_t i = 1; i < count; i++) {
        cr_assert_neq(viv_bytes_compare(paths[i - 1], paths[i]), 0, "a path appears twice");
        struct viv_bytes parent = viv_path_parent(paths[i]);
        cr_assert(parent.size == 0 || bsearch(&parent, paths, count, sizeof parent, compare_paths) != NULL,
                  "a znode has no parent");
    }
    for (size_t i = 0; i < count; i++) {
        viv_buffer_fini(&texts[i]);
    }
    free(texts);
    free(paths);
    return means;
}

VIV_TEST(datasets_namespace, every_shape_has_unique_legal_paths_whose_parents_exist)
{
    for (const char *const *shape = viv_namespace_shapes; *shape != NULL; shape++) {
        survey(*shape, 30000);
    }
}

VIV_TEST(datasets_namespace, the_mergetree_shape_has_the_published_means)
{
    struct means means = survey("mergetree", 50000);
    cr_assert(means.path_bytes > 110 && means.path_bytes < 120, "paths of %.1f bytes", means.path_bytes);
    cr_assert(means.name_bytes > 20 && means.name_bytes < 28, "names of %.1f bytes", means.name_bytes);
    cr_assert(means.data_bytes > 42 && means.data_bytes < 51, "data of %.1f bytes", means.data_bytes);
    cr_assert(means.empty_share > 0.40 && means.empty_share < 0.47, "%.2f are empty", means.empty_share);
    cr_assert(means.largest_share > 0.09 && means.largest_share < 0.13, "%.2f in one directory", means.largest_share);
}

VIV_TEST(datasets_namespace, an_unknown_shape_is_refused)
{
    cr_assert_null(viv_namespace_open("octopus", 10, 1));
}
