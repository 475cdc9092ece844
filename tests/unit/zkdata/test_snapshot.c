#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/endian.h"
#include "tests/support/viv_test.h"
#include "zkdata/snapshot.h"

static const char *dataset(const char *name)
{
    static char path[512];
    const char *top = getenv("VIV_SOURCE_DIR");
    snprintf(path, sizeof path, "%s/datasets/zookeeper-3.8/%s", top == NULL ? "." : top, name);
    return path;
}

struct seen {
    uint64_t nodes, ephemerals, data_bytes, unresolved_acls;
    bool has_known_node;
};

static viv_status look(void *ctx, const struct viv_zk_node *node)
{
    struct seen *seen = ctx;
    seen->nodes++;
    seen->ephemerals += node->znode.owner > 0;
    seen->data_bytes += node->znode.data.bytes.size;
    enum { UNRESOLVED_BYTES = 4 + 4 + 4 + 5 + 4 + 6 }; /* one entry, world:anyone, without a permission */
    bool grants_nothing = node->acl.size == UNRESOLVED_BYTES && viv_load_be32(node->acl.data + 4) == 0;
    seen->unresolved_acls += grants_nothing;
    if (viv_bytes_equal(node->path, VIV_BYTES_LITERAL("/hbase/table/ns0:tbl0000"))) {
        seen->has_known_node = node->znode.data.bytes.size > 0;
    }
    return VIV_OK;
}

VIV_TEST(zkdata_snapshot, a_compressed_snapshot_of_a_real_server_is_read_whole)
{
    struct seen seen = {0};
    struct viv_zk_snapshot_info info;
    cr_assert_eq(viv_zk_snapshot_read(dataset("bulk-20k/version-2/snapshot.5149.gz"), look, &info, &seen), VIV_OK);
    cr_assert_eq(info.nodes, seen.nodes);
    cr_assert_gt(seen.nodes, 20000);
    cr_assert_eq(info.sessions, 6);
    cr_assert(info.has_digest);
    cr_assert(seen.has_known_node);
    cr_assert_gt(seen.ephemerals, 100);
}

VIV_TEST(zkdata_snapshot, acl_keys_that_a_fuzzy_snapshot_lacks_grant_nothing)
{
    struct seen seen = {0};
    struct viv_zk_snapshot_info info;
    cr_assert_eq(viv_zk_snapshot_read(dataset("fuzzy-snapshot/version-2/snapshot.19e5"), look, &info, &seen), VIV_OK);
    cr_assert_eq(seen.unresolved_acls, 2);
}

static viv_status read_changed(size_t offset, uint8_t mask, size_t size)
{
    char copy[] = "/tmp/viv-snapshot-XXXXXX";
    uint8_t bytes[457];
    FILE *from = fopen(dataset("basic/version-2/snapshot.0"), "rb");
    cr_assert_not_null(from);
    cr_assert_eq(fread(bytes, 1, sizeof bytes, from), sizeof bytes);
    fclose(from);
    bytes[offset] ^= mask;
    int to = mkstemp(copy);
    cr_assert_geq(to, 0);
    cr_assert_eq(write(to, bytes, size), (ssize_t)size);
    close(to);
    struct seen seen = {0};
    struct viv_zk_snapshot_info info;
    viv_status status = viv_zk_snapshot_read(copy, look, &info, &seen);
    unlink(copy);
    return status;
}

VIV_TEST(zkdata_snapshot, every_flipped_bit_and_every_cut_is_noticed)
{
    cr_assert_eq(read_changed(0, 0, 457), VIV_OK);
    for (size_t offset = 0; offset < 457; offset++) {
        cr_assert_eq(read_changed(offset, 1 << (offset % 8), 457), VIV_ERR_CORRUPT, "offset %zu", offset);
    }
    for (size_t size = 0; size < 457; size++) {
        bool is_older_layout = size == 411 + 13; /* without the digest section: what 3.5 wrote */
        cr_assert_eq(read_changed(0, 0, size), is_older_layout ? VIV_OK : VIV_ERR_CORRUPT, "size %zu", size);
    }
}

VIV_TEST(zkdata_snapshot, a_missing_file_is_not_found)
{
    struct viv_zk_snapshot_info info;
    cr_assert_eq(viv_zk_snapshot_read(dataset("nothing/snapshot.0"), look, &info, NULL), VIV_ERR_NOT_FOUND);
}
