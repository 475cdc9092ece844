#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/endian.h"
#include "tests/unit/tree/support.h"

/* Files that a real ZooKeeper 3.8.0 wrote (datasets/zookeeper-3.8): its snapshots are loaded, its logs applied, and the
 * digest it recorded behind each transaction must be ours. */

enum { FILE_HEADER_BYTES = 16, DIGEST_BYTES = 12, RECORD_END = 'B' };

/* Gzipped or not; skips the test when the file is not there. */
static void read_dataset(const char *name, struct viv_buffer *out)
{
    char path[512];
    const char *top = getenv("VIV_SOURCE_DIR");
    snprintf(path, sizeof path, "%s/datasets/zookeeper-3.8/%s", top == NULL ? "." : top, name);
    gzFile file = gzopen(path, "rb");
    if (file == NULL) {
        cr_skip_test("%s is not there", path);
    }
    int got;
    do {
        got = gzread(file, viv_buffer_reserve(out, 1 << 16), 1 << 16);
        cr_assert_geq(got, 0);
        out->size += (size_t)got;
    } while (got > 0);
    gzclose(file);
}

static struct viv_tree *load_snapshot(const char *name, uint64_t zxid)
{
    struct viv_buffer file = {0};
    struct viv_tree *tree = viv_tree_new_empty();
    struct viv_tree_loader *loader = viv_tree_loader_begin(tree);
    bool done = false;
    read_dataset(name, &file);
    viv_tree_loader_expect_no_signature(loader);
    size_t at = FILE_HEADER_BYTES;
    while (!done) {
        size_t used = 0;
        size_t piece = file.size - at < 1000 ? file.size - at : 1000;
        cr_assert_gt(piece, 0);
        cr_assert_eq(viv_tree_loader_feed(loader, viv_bytes_of(file.data + at, piece), &used, &done), VIV_OK);
        at += used;
    }
    viv_tree_loader_end(loader, zxid);
    cr_assert_eq(viv_load_be64(file.data + at), adler32(1, file.data, (uInt)at), "the seal is where the nodes end");
    viv_buffer_fini(&file);
    return tree;
}

struct log_run {
    uint64_t after;         /* apply only what is newer */
    uint64_t digests_after; /* compare digests only from here on: a fuzzy snapshot is exact later than its name says */
    enum viv_apply_mode mode;
    size_t applied, compared;
};

static void apply_record(struct viv_tree *tree, struct viv_bytes entry, struct viv_arena *arena, struct log_run *run)
{
    struct viv_applied applied;
    struct viv_jute_reader reader = viv_jute_reader_of(entry);
    struct viv_txn_header header;
    viv_txn_header_decode(&reader, &header);
    if (header.zxid <= run->after) {
        return;
    }
    viv_arena_reset(arena);
    viv_tree_apply(tree, entry, run->mode, arena, &applied);
    cr_assert_not(applied.malformed, "zxid %llx", (unsigned long long)header.zxid);
    run->applied++;
    bool has_digest = header.type != VIV_OP_ERROR;
    if (has_digest && header.zxid >= run->digests_after) {
        const uint8_t *digest = entry.data + entry.size - DIGEST_BYTES;
        cr_assert_eq(viv_load_be32(digest), 2);
        cr_assert_eq(viv_tree_digest(tree), viv_load_be64(digest + 4), "digest after zxid %llx, type %d",
                     (unsigned long long)header.zxid, header.type);
        run->compared++;
    }
}

static void apply_log(struct viv_tree *tree, const char *name, struct log_run *run)
{
    struct viv_buffer file = {0};
    struct viv_arena arena = {0};
    read_dataset(name, &file);
    size_t at = FILE_HEADER_BYTES;
    while (at + 12 <= file.size && viv_load_be32(file.data + at + 8) != 0) {
        size_t size = viv_load_be32(file.data + at + 8);
        cr_assert_leq(at + 12 + size + 1, file.size);
        cr_assert_eq(file.data[at + 12 + size], RECORD_END);
        apply_record(tree, viv_bytes_of(file.data + at + 12, size), &arena, run);
        at += 12 + size + 1;
    }
    viv_arena_fini(&arena);
    viv_buffer_fini(&file);
}

VIV_TEST(tree_datasets, the_snapshot_of_a_fresh_server_is_our_fresh_tree)
{
    struct viv_tree *loaded = load_snapshot("basic/version-2/snapshot.0", 0);
    struct viv_tree *fresh = viv_tree_new();
    assert_same_tree(loaded, fresh);
    viv_tree_free(loaded);
    viv_tree_free(fresh);
}

VIV_TEST(tree_datasets, every_record_of_a_real_log_gives_the_digest_written_behind_it)
{
    struct viv_tree *tree = load_snapshot("basic/version-2/snapshot.0", 0);
    struct log_run run = {.mode = VIV_APPLY_LIVE};
    apply_log(tree, "basic/version-2/log.1", &run);
    struct viv_tree_counts counts;
    viv_tree_counts(tree, &counts);
    cr_assert_eq(viv_tree_zxid(tree), 0x4d);
    cr_assert_eq(viv_tree_digest(tree), 90433163911);
    cr_assert_eq(counts.sessions, 2);
    cr_assert_gt(run.compared, 50);
    int32_t timeout_ms;
    cr_assert(viv_tree_session(tree, 0x10000124f4c0002, &timeout_ms));
    cr_assert_eq(timeout_ms, 25000);
    viv_tree_free(tree);
}

VIV_TEST(tree_datasets, reconfigurations_of_a_quorum_member_give_the_digest_written_behind_them)
{
    struct viv_tree *tree = load_snapshot("quorum-member/version-2/snapshot.0", 0);
    struct log_run run = {.mode = VIV_APPLY_LIVE};
    apply_log(tree, "quorum-member/version-2/log.100000001", &run);
    cr_assert_eq(viv_tree_zxid(tree), 0x20000000d);
    cr_assert_eq(viv_tree_digest(tree), 18238196224);
    viv_tree_free(tree);
}

VIV_TEST(tree_datasets, a_long_log_gives_the_tree_of_the_snapshot_written_after_it)
{
    struct viv_tree *replayed = load_snapshot("bulk-20k/log-only/version-2/snapshot.0.gz", 0);
    struct viv_tree *loaded = load_snapshot("bulk-20k/version-2/snapshot.5149.gz", 0x5149);
    struct log_run run = {.mode = VIV_APPLY_LIVE};
    apply_log(replayed, "bulk-20k/log-only/version-2/log.1.gz", &run);
    cr_assert_eq(run.applied, 20809);
    assert_same_tree(replayed, loaded);
    struct log_run rest = {.after = 0x5149, .mode = VIV_APPLY_LIVE};
    apply_log(loaded, "bulk-20k/version-2/log.514a", &rest);
    cr_assert_eq(viv_tree_digest(loaded), 43568132004022);
    cr_assert_eq(viv_tree_zxid(loaded), 0x5180);
    viv_tree_free(replayed);
    viv_tree_free(loaded);
}

/* What the node's list grants to an address range; 0 also for a list that does not name it. */
static void assert_perms_of_ip(const struct viv_tree *tree, const char *path, const char *range, int32_t perms)
{
    struct viv_znode node;
    cr_assert(viv_tree_find(tree, viv_bytes_text(path), &node));
    struct viv_jute_reader reader = viv_jute_reader_of(viv_tree_acl(tree, node.acl_id));
    int32_t granted = 0;
    for (int32_t count = viv_jute_read_int(&reader); count > 0; count--) {
        struct viv_acl_entry entry;
        viv_acl_entry_decode(&reader, &entry);
        granted |= viv_bytes_equal(entry.id.bytes, viv_bytes_text(range)) ? entry.perms : 0;
    }
    cr_assert_eq(granted, perms);
}

VIV_TEST(tree_datasets, a_real_fuzzy_snapshot_and_its_logs_give_the_exact_digests)
{
    static const char *const logs[] = {"194d", "1a01", "1acb", "1bf7"};
    struct viv_tree *tree = load_snapshot("fuzzy-snapshot/version-2/snapshot.19e5", 0x19e5);
    assert_perms_of_ip(tree, "/pool/p0814", "10.7.0.0/16", 0);
    struct log_run run = {.after = 0x19e5, .digests_after = 0x1a63, .mode = VIV_APPLY_REPLAY};
    for (size_t i = 0; i < sizeof logs / sizeof logs[0]; i++) {
        char name[64];
        snprintf(name, sizeof name, "fuzzy-snapshot/version-2/log.%s", logs[i]);
        apply_log(tree, name, &run);
    }
    cr_assert_eq(viv_tree_zxid(tree), 0x1c17);
    cr_assert_eq(viv_tree_digest(tree), 5009259682080);
    assert_perms_of_ip(tree, "/pool/p0814", "10.7.0.0/16", 6);
    cr_assert_eq(run.compared, 288);
    viv_tree_free(tree);
}
