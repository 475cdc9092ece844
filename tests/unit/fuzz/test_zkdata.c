#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "base/endian.h"
#include "cli/dump_file.h"
#include "tests/support/viv_test.h"
#include "tests/unit/fuzz/fuzz.h"
#include "tree/apply.h"
#include "zkdata/log.h"
#include "zkdata/snapshot.h"
#include "zkdata/snapshot_writer.h"
#include "zkdata/txn.h"

/* Files of ZooKeeper's, and dumps, that were damaged: read to where they are sound, refused, never believed blindly.
 * Checksums would keep most damage from the decoders behind them, so half of the cases are sealed again. */

enum { ROUNDS = 3000, SMALL_ENTRY_BYTES = 400, SEAL_BYTES = 13 };

/* ---- a file whose contents change from round to round ---- */

struct scratch {
    char path[64];
    int fd;
};

static void scratch_open(struct scratch *scratch, const char *ending)
{
    snprintf(scratch->path, sizeof scratch->path, "%s/viv-fuzz-XXXXXX%s",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp", ending);
    scratch->fd = mkstemps(scratch->path, (int)strlen(ending));
    cr_assert_geq(scratch->fd, 0);
}

static void scratch_write(const struct scratch *scratch, struct viv_bytes bytes)
{
    cr_assert_eq(pwrite(scratch->fd, bytes.data, bytes.size, 0), (ssize_t)bytes.size);
    cr_assert_eq(ftruncate(scratch->fd, (off_t)bytes.size), 0);
}

static void scratch_close(struct scratch *scratch)
{
    close(scratch->fd);
    unlink(scratch->path);
}

static const char *dataset(const char *name)
{
    static char path[512];
    const char *top = getenv("VIV_SOURCE_DIR");
    snprintf(path, sizeof path, "%s/datasets/zookeeper-3.8/%s", top == NULL ? "." : top, name);
    return path;
}

/* ---- logs ---- */

/* Small entries of every kind: small files are damaged in more places a second. */
static void read_entries(const char *name, struct viv_buffer *entries, size_t *count)
{
    struct viv_zk_log *log;
    struct viv_bytes entry;
    enum viv_zk_log_found found;
    cr_assert_eq(viv_zk_log_open(dataset(name), &log), VIV_OK);
    for (;;) {
        cr_assert_eq(viv_zk_log_next(log, &entry, &found), VIV_OK);
        if (found != VIV_ZK_LOG_ENTRY) {
            break;
        }
        if (entry.size <= SMALL_ENTRY_BYTES) {
            uint8_t size[4];
            viv_store_be32(size, (uint32_t)entry.size);
            viv_buffer_append(entries, size, sizeof size);
            viv_buffer_append_bytes(entries, entry);
            ++*count;
        }
    }
    viv_zk_log_close(log);
}

static struct viv_bytes entry_at(const struct viv_buffer *entries, size_t index)
{
    size_t at = 0;
    while (index-- > 0) {
        at += 4 + viv_load_be32(entries->data + at);
    }
    return viv_bytes_of(entries->data + at + 4, viv_load_be32(entries->data + at));
}

/* A few entries, one of them perhaps damaged and sealed again. */
static void make_log(struct viv_rng *rng, const struct viv_buffer *entries, size_t count, struct viv_buffer *out)
{
    bool is_sealed = viv_rng_below(rng, 2) == 0;
    size_t length = 1 + viv_rng_below(rng, 6), chosen = viv_rng_below(rng, length);
    size_t first = viv_rng_below(rng, count);
    struct viv_buffer entry = {0};
    viv_buffer_clear(out);
    viv_zk_log_write_header(out);
    for (size_t i = 0; i < length && first + i < count; i++) {
        viv_buffer_clear(&entry);
        viv_buffer_append_bytes(&entry, entry_at(entries, first + i));
        if (is_sealed && i == chosen) {
            fuzz_mutate(rng, &entry);
        }
        if (entry.size > 0) {
            viv_zk_log_write_entry(out, viv_buffer_bytes(&entry));
        }
    }
    if (!is_sealed) {
        fuzz_mutate(rng, out);
    }
    viv_buffer_fini(&entry);
}

static void replay(const char *path, struct viv_tree *tree, struct viv_arena *arena)
{
    struct viv_zk_log *log;
    if (viv_zk_log_open(path, &log) != VIV_OK) {
        return;
    }
    struct viv_bytes entry;
    enum viv_zk_log_found found;
    while (viv_zk_log_next(log, &entry, &found) == VIV_OK && found == VIV_ZK_LOG_ENTRY) {
        struct viv_zk_txn txn;
        struct viv_bytes exact = fuzz_exact(entry);
        viv_arena_reset(arena);
        if (viv_zk_txn_read(exact, arena, &txn)) {
            struct viv_applied applied;
            viv_tree_apply(tree, txn.bytes, VIV_APPLY_REPLAY, arena, &applied);
        }
        free((void *)exact.data);
    }
    viv_zk_log_close(log);
}

VIV_TEST(fuzz_zkdata, a_damaged_log_is_replayed_to_where_it_is_sound)
{
    struct viv_buffer entries = {0}, file = {0};
    struct viv_arena arena = {0};
    struct scratch scratch;
    struct viv_rng rng;
    size_t count = 0;
    read_entries("basic/version-2/log.1", &entries, &count);
    read_entries("quorum-member/version-2/log.100000001", &entries, &count);
    cr_assert_gt(count, 80);
    viv_rng_init(&rng, 21);
    scratch_open(&scratch, "");
    struct viv_tree *tree = viv_tree_new();
    for (unsigned round = 0; round < fuzz_rounds(ROUNDS); round++) {
        make_log(&rng, &entries, count, &file);
        scratch_write(&scratch, viv_buffer_bytes(&file));
        replay(scratch.path, tree, &arena);
        if (round % 256 == 0) {
            viv_tree_free(tree);
            tree = viv_tree_new();
        }
    }
    viv_tree_free(tree);
    scratch_close(&scratch);
    viv_arena_fini(&arena);
    viv_buffer_fini(&entries);
    viv_buffer_fini(&file);
}

/* ---- snapshots ---- */

static void damage_snapshot(struct viv_rng *rng, const struct viv_buffer *sound, struct viv_buffer *out)
{
    viv_buffer_clear(out);
    viv_buffer_append_bytes(out, viv_buffer_bytes(sound));
    if (viv_rng_below(rng, 2) == 0) {
        fuzz_mutate(rng, out);
        return;
    }
    out->size -= SEAL_BYTES; /* the sound one has no other trailer */
    fuzz_mutate(rng, out);
    uint8_t seal[SEAL_BYTES] = {[11] = 1, [12] = '/'};
    viv_store_be64(seal, adler32_z(1, out->data, out->size));
    viv_buffer_append(out, seal, sizeof seal);
}

/* A tree with sessions, ACLs and a handful of nodes, without the large ones of the data sets. */
static void small_snapshot(enum viv_zk_packing packing, bool with_trailer, struct viv_buffer *out)
{
    struct viv_buffer entries = {0};
    struct viv_arena arena = {0};
    struct viv_tree *tree = viv_tree_new();
    size_t count = 0;
    read_entries("basic/version-2/log.1", &entries, &count);
    for (size_t i = 0; i < count; i++) {
        struct viv_applied applied;
        viv_arena_reset(&arena);
        viv_tree_apply(tree, entry_at(&entries, i), VIV_APPLY_REPLAY, &arena, &applied);
    }
    const struct viv_zk_snapshot_form form = {packing, with_trailer, with_trailer};
    struct viv_zk_snapshot_writer *writer = viv_zk_snapshot_writer_begin(tree, &form);
    while (viv_zk_snapshot_writer_step(writer, 1000, out)) {
    }
    viv_zk_snapshot_writer_end(writer);
    viv_tree_free(tree);
    viv_arena_fini(&arena);
    viv_buffer_fini(&entries);
}

static bool load(const char *path)
{
    struct viv_tree *tree;
    struct viv_zk_snapshot_info info;
    if (viv_zk_snapshot_load(path, 1, &tree, &info) != VIV_OK) {
        return false;
    }
    viv_tree_free(tree);
    return true;
}

VIV_TEST(fuzz_zkdata, a_damaged_snapshot_is_refused)
{
    struct viv_buffer sound = {0}, with_trailer = {0}, file = {0};
    struct scratch scratch;
    struct viv_rng rng;
    unsigned believed = 0;
    small_snapshot(VIV_ZK_PLAIN, false, &sound);
    small_snapshot(VIV_ZK_PLAIN, true, &with_trailer);
    viv_rng_init(&rng, 22);
    scratch_open(&scratch, "");
    scratch_write(&scratch, viv_buffer_bytes(&sound));
    cr_assert(load(scratch.path), "the corpus is sound");
    for (unsigned round = 0; round < fuzz_rounds(ROUNDS); round++) {
        if (round % 4 == 0) {
            viv_buffer_clear(&file);
            viv_buffer_append_bytes(&file, viv_buffer_bytes(&with_trailer));
            fuzz_mutate(&rng, &file);
        } else {
            damage_snapshot(&rng, &sound, &file);
        }
        scratch_write(&scratch, viv_buffer_bytes(&file));
        believed += load(scratch.path);
    }
    cr_assert_gt(believed, 0, "sealed again, some damage gets through to the decoder");
    scratch_close(&scratch);
    viv_buffer_fini(&sound);
    viv_buffer_fini(&with_trailer);
    viv_buffer_fini(&file);
}

VIV_TEST(fuzz_zkdata, a_damaged_packing_is_refused)
{
    static const enum viv_zk_packing packings[] = {VIV_ZK_SNAPPY, VIV_ZK_SNAPPY, VIV_ZK_SNAPPY, VIV_ZK_GZIP};
    struct viv_buffer sound[2] = {{0}}, file = {0};
    struct scratch scratch[2];
    struct viv_rng rng;
    small_snapshot(VIV_ZK_SNAPPY, true, &sound[0]);
    small_snapshot(VIV_ZK_GZIP, true, &sound[1]);
    viv_rng_init(&rng, 23);
    scratch_open(&scratch[0], ".snappy");
    scratch_open(&scratch[1], ".gz");
    for (unsigned round = 0; round < fuzz_rounds(ROUNDS); round++) {
        size_t which = packings[round % 4] == VIV_ZK_GZIP;
        viv_buffer_clear(&file);
        viv_buffer_append_bytes(&file, viv_buffer_bytes(&sound[which]));
        if (round >= 2) { /* the first of each is sound */
            fuzz_mutate(&rng, &file);
        }
        scratch_write(&scratch[which], viv_buffer_bytes(&file));
        bool is_believed = load(scratch[which].path);
        cr_assert(round >= 2 || is_believed);
    }
    for (size_t i = 0; i < 2; i++) {
        scratch_close(&scratch[i]);
        viv_buffer_fini(&sound[i]);
    }
    viv_buffer_fini(&file);
}

/* ---- dumps ---- */

static const char sound_dump[] =
    "{\"vivarium_dump\":1,\"root\":\"/\",\"zxid\":\"0x4d\",\"exact\":true}\n"
    "{\"session\":\"0x10000124f4c0000\",\"timeout_ms\":30000}\n"
    "{\"path\":\"/"
    "\",\"kind\":\"persistent\",\"text\":\"root\",\"acl\":[[31,\"world\",\"anyone\"]],\"stat\":{\"czxid\":0,"
    "\"mzxid\":1,\"pzxid\":9,\"ctime\":0,\"mtime\":5,\"version\":1,\"children_created\":3,\"aversion\":0}}\n"
    "{\"path\":\"/a\",\"kind\":\"ttl\",\"ttl_ms\":1000,\"base64\":\"/wD+\",\"acl\":[[1,\"digest\",\"u:x\"]],\"stat\":{"
    "\"czxid\":2,\"mzxid\":2,\"pzxid\":2,\"ctime\":1,\"mtime\":1,\"version\":0,\"children_created\":0,\"aversion\":0}}"
    "\n"
    "{\"path_base64\":\"L/8=\",\"kind\":\"container\",\"acl\":[],\"stat\":{\"czxid\":3,\"mzxid\":3,\"pzxid\":3,"
    "\"ctime\":1,\"mtime\":1,\"version\":0,\"children_created\":0,\"aversion\":0}}\n"
    "{\"path\":\"/a/e\",\"kind\":\"ephemeral\",\"owner\":\"0x10000124f4c0000\",\"text\":\"\",\"acl\":[[31,\"world\","
    "\"anyone\"]],\"stat\":{\"czxid\":4,\"mzxid\":4,\"pzxid\":4,\"ctime\":1,\"mtime\":1,\"version\":0,"
    "\"children_created\":0,\"aversion\":0}}\n"
    "{\"end\":true,\"nodes\":4}\n";

static bool load_dump(const char *path, enum viv_cli_ephemerals ephemerals, const char *at)
{
    const struct viv_cli_restore_options options = {at, ephemerals};
    struct viv_cli_restore_counts counts;
    struct viv_tree *tree;
    if (viv_cli_dump_load(path, &options, &tree, &counts) != VIV_CLI_OK) {
        return false;
    }
    viv_tree_free(tree);
    return true;
}

VIV_TEST(fuzz_zkdata, a_damaged_dump_is_refused)
{
    struct viv_buffer file = {0};
    struct scratch scratch;
    struct viv_rng rng;
    viv_rng_init(&rng, 24);
    scratch_open(&scratch, ".jsonl");
    cr_assert_not_null(freopen("/dev/null", "w", stderr), "each refusal tells a line");
    scratch_write(&scratch, viv_bytes_text(sound_dump));
    cr_assert(load_dump(scratch.path, VIV_CLI_EPHEMERALS_KEEP, NULL), "the corpus is sound");
    for (unsigned round = 0; round < fuzz_rounds(ROUNDS); round++) {
        viv_buffer_clear(&file);
        viv_buffer_append(&file, sound_dump, sizeof sound_dump - 1);
        fuzz_mutate(&rng, &file);
        scratch_write(&scratch, viv_buffer_bytes(&file));
        (void)load_dump(scratch.path, (enum viv_cli_ephemerals)(round % 3), round % 2 == 0 ? NULL : "/b/c");
    }
    scratch_close(&scratch);
    viv_buffer_fini(&file);
}
