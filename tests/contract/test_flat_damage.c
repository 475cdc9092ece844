#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/checksum.h"
#include "base/endian.h"
#include "store/file_io.h"
#include "tests/contract/store_suite.h"
#include "tests/support/crash_disk.h"

/* VIV_LONG=1 takes every byte and every block instead of some. */

/* The flat log with damage in it: whatever block or byte of a segment rots, the log opens, names exactly the entries
 * whose bodies are gone, takes these back, and its file is then byte for byte what it was. */

enum { BLOCK = 4096 };

static void flat_world(struct world *world)
{
    world_init(world, viv_configuration_find("flat"));
}

static struct viv_buffer read_all(const char *path)
{
    struct viv_buffer bytes = {0};
    FILE *file = fopen(path, "rb");
    cr_assert_not_null(file, "%s", path);
    uint8_t chunk[BLOCK];
    for (size_t got; (got = fread(chunk, 1, sizeof chunk, file)) > 0;) {
        viv_buffer_append(&bytes, chunk, got);
    }
    fclose(file);
    return bytes;
}

static void write_at(const char *path, const void *bytes, size_t size, size_t offset)
{
    int file = open(path, O_WRONLY);
    cr_assert_geq(file, 0, "%s", path);
    cr_assert_eq(pwrite(file, bytes, size, (off_t)offset), (ssize_t)size);
    close(file);
}

static void expect_file(const char *path, const struct viv_buffer *whole, const char *what, size_t at)
{
    struct viv_buffer found = read_all(path);
    cr_assert_eq(found.size, whole->size);
    for (size_t i = 0; i < whole->size; i++) {
        cr_assert_eq(found.data[i], whole->data[i], "%s at %zu: byte %zu is not what it was", what, at, i);
    }
    viv_buffer_fini(&found);
}

static void close_settled(struct world *world)
{
    cr_assert_eq(viv_log_settle(world->log), VIV_OK);
    world_close_log(world);
}

/* Puts every damaged entry back, of lineage 0; returns how many there were. */
static unsigned repair_all(struct world *world)
{
    struct viv_log_fault fault;
    unsigned count = 0;
    while (viv_log_faults(world->log, 0, 0, &fault, 1) == 1) {
        struct viv_entry entry = world_entry(0, fault.zxid, 0);
        cr_assert_eq(entry.body.size, fault.bytes);
        cr_assert_eq(entry.body_crc, fault.body_crc);
        cr_assert_eq(viv_log_repair(world->log, 0, fault.zxid, entry.body), VIV_OK);
        count++;
    }
    return count;
}

/* A whole round of the slow look. */
static void scrub_all(struct world *world, struct viv_scrub *scrub)
{
    uint64_t rounds = scrub->rounds + 2;
    while (scrub->rounds < rounds) {
        cr_assert_eq(viv_log_scrub(world->log, scrub, 64 << 10), VIV_OK);
    }
}

/* Batches of three entries in one segment; returns the last zxid. */
static uint64_t fill(struct world *world, unsigned batches)
{
    uint64_t zxid = 0;
    world_open_log(world);
    for (unsigned i = 0; i < batches; i++, zxid += 3) {
        world_append_synced(world, 0, zxid + 1, zxid + 3, 0);
    }
    return zxid;
}

VIV_TEST(flat_damage, any_rotten_byte_of_a_segment_is_made_good_or_named_and_taken_back)
{
    struct world world;
    char path[512];
    flat_world(&world);
    uint64_t last = fill(&world, 5);
    close_settled(&world);
    cr_assert(world_file(&world, "log-0", 0, path, sizeof path));
    struct viv_buffer whole = read_all(path);
    unsigned faults = 0, mended = 0;
    size_t step = getenv("VIV_LONG") != NULL ? 1 : 13;
    for (size_t at = 0; at < whole.size; at += step) {
        bool is_used = at < 128 || (at >= BLOCK && at < BLOCK + 5 * 1024) || at >= whole.size - BLOCK - 1024;
        if (!is_used || (at >= whole.size - BLOCK + 128)) {
            continue;
        }
        uint8_t rotten = whole.data[at] ^ (uint8_t)(1U << at % 8);
        write_at(path, &rotten, 1, at);
        viv_buffer_clear(&world.lines);
        world_open_log(&world);
        cr_assert_eq(world_bounds(&world, 0).last_zxid, last, "byte %zu", at);
        unsigned count = repair_all(&world);
        cr_assert_leq(count, 1, "byte %zu", at);
        faults += count;
        mended += world_logged(&world, "written again");
        world_expect_log(&world, 0, 0, last, 0);
        world_close_log(&world);
        struct viv_buffer now = read_all(path);
        bool is_padding = memcmp(now.data, whole.data, whole.size) != 0;
        viv_buffer_fini(&now);
        if (is_padding) { /* behind a body: nothing reads it */
            cr_assert(count == 0 && whole.data[at] == 0, "byte %zu is neither noticed nor padding", at);
            write_at(path, whole.data + at, 1, at);
        }
    }
    cr_assert_gt(faults, 1000 / step);
    cr_assert_gt(mended, 500 / step);
    viv_buffer_fini(&whole);
    world_fini(&world);
}

VIV_TEST(flat_damage, any_rotten_block_of_a_log_is_named_and_taken_back)
{
    static uint8_t junk[BLOCK];
    struct world world;
    char path[512];
    flat_world(&world);
    uint64_t last = fill(&world, 1300); /* more than a segment */
    close_settled(&world);
    cr_assert_geq(world_file_count(&world, "log-0"), 2);
    memset(junk, 0xb7, sizeof junk);
    unsigned faults = 0;
    for (size_t n = 0; n < 2; n++) {
        cr_assert(world_file(&world, "log-0", n, path, sizeof path));
        struct viv_buffer whole = read_all(path);
        size_t step = getenv("VIV_LONG") != NULL ? BLOCK : (size_t)BLOCK * 7;
        for (size_t at = 0; at < whole.size; at += step) {
            write_at(path, junk, BLOCK, at);
            world_open_log(&world);
            cr_assert_eq(world_bounds(&world, 0).last_zxid, last, "block %zu", at);
            faults += repair_all(&world);
            struct viv_scrub scrub = {0};
            scrub_all(&world, &scrub); /* identifiers of a finished segment */
            world_close_log(&world);
            world_open_log(&world);
            cr_assert_eq(viv_log_faults(world.log, 0, 0, &(struct viv_log_fault){0}, 1), 0);
            world_expect_log(&world, 0, 0, last, 0);
            world_close_log(&world);
            write_at(path, whole.data, whole.size, 0);
        }
        viv_buffer_fini(&whole);
    }
    cr_assert_gt(faults, 100);
    world_fini(&world);
}

VIV_TEST(flat_damage, a_wrong_body_is_refused_and_a_fault_outlives_a_restart)
{
    struct world world;
    char path[512];
    flat_world(&world);
    fill(&world, 4);
    close_settled(&world);
    cr_assert(world_file(&world, "log-0", 0, path, sizeof path));
    struct viv_buffer whole = read_all(path);
    struct viv_entry body = world_entry(0, 5, 0);
    uint8_t *found = memmem(whole.data, whole.size, body.body.data, body.body.size);
    cr_assert_not_null(found);
    size_t at = (size_t)(found - whole.data);
    uint8_t flipped = whole.data[at] ^ 1;
    write_at(path, &flipped, 1, at);
    world_open_log(&world);
    struct viv_log_fault fault;
    for (int round = 0; round < 2; round++) {
        cr_assert_eq(viv_log_faults(world.log, 0, 0, &fault, 1), 1);
        cr_assert_eq(fault.zxid, 5);
        cr_assert_not(fault.is_uncertain);
        cr_assert_eq(viv_log_repair(world.log, 0, 5, world_entry(0, 6, 0).body), VIV_ERR_INVALID);
        cr_assert_eq(viv_log_repair(world.log, 0, 6, world_entry(0, 6, 0).body), VIV_ERR_NOT_FOUND);
        world_append_synced(&world, 0, 13 + (uint64_t)round, 13 + (uint64_t)round, 0);
        world_reopen_log(&world);
    }
    cr_assert_eq(viv_log_truncate(world.log, 0, 5), VIV_OK); /* it counts as part of the history */
    cr_assert_eq(viv_log_truncate(world.log, 0, 4), VIV_OK);
    cr_assert_eq(viv_log_faults(world.log, 0, 0, &fault, 1), 0);
    world_append_synced(&world, 0, 5, 9, 0);
    world_reopen_log(&world);
    world_expect_log(&world, 0, 0, 9, 0);
    viv_buffer_fini(&whole);
    world_fini(&world);
}

VIV_TEST(flat_damage, the_slow_look_finds_what_rots_while_the_log_is_open)
{
    struct world world;
    char path[512];
    struct viv_scrub scrub = {0};
    struct viv_log_fault fault;
    flat_world(&world);
    uint64_t last = fill(&world, 2500); /* more than a segment */
    cr_assert_eq(viv_log_settle(world.log), VIV_OK);
    cr_assert(world_file(&world, "log-0", 0, path, sizeof path));
    struct viv_buffer whole = read_all(path);
    scrub_all(&world, &scrub);
    cr_assert_eq(scrub.faults + scrub.mended, 0);
    cr_assert_gt(scrub.bytes, 1000000);
    struct viv_entry entry = world_entry(0, 78, 0);
    uint8_t *found = memmem(whole.data, whole.size, entry.body.data, entry.body.size);
    cr_assert(found != NULL && entry.body.size > 0);
    size_t places[] = {(size_t)(found - whole.data), BLOCK + 20, whole.size - BLOCK - 900, 20};
    for (size_t i = 0; i < 4; i++) {
        uint8_t flipped = whole.data[places[i]] ^ 0x40;
        write_at(path, &flipped, 1, places[i]);
    }
    scrub_all(&world, &scrub);
    cr_assert_eq(viv_log_faults(world.log, 0, 0, &fault, 1), 1);
    cr_assert_eq(fault.zxid, 78);
    cr_assert_eq(scrub.mended, 3);
    cr_assert_eq(repair_all(&world), 1);
    expect_file(path, &whole, "after the slow look", 0);
    world_expect_log(&world, 0, 0, last, 0);
    viv_buffer_fini(&whole);
    world_fini(&world);
}

VIV_TEST(flat_damage, what_is_lost_with_its_identifiers_counts_as_trimmed)
{
    static uint8_t junk[2 * BLOCK];
    struct world world;
    char path[512];
    flat_world(&world);
    uint64_t last = fill(&world, 60);
    world_close_log(&world); /* not settled: identifiers of the newest batches were never written */
    cr_assert(world_file(&world, "log-0", 0, path, sizeof path));
    struct viv_buffer whole = read_all(path);
    write_at(path, junk, sizeof junk, BLOCK + 50 * 512);
    viv_buffer_clear(&world.lines);
    world_open_log(&world);
    cr_assert(world_logged(&world, "part of the log is lost"));
    struct viv_log_bounds bounds = world_bounds(&world, 0);
    cr_assert_eq(bounds.last_zxid, last);
    cr_assert_gt(bounds.base_zxid, 0);
    world_expect_log(&world, 0, bounds.base_zxid, last, 0);
    world_append_synced(&world, 0, last + 1, last + 300, 0);
    world_reopen_log(&world);
    world_expect_log(&world, 0, bounds.base_zxid, last + 300, 0);
    viv_buffer_fini(&whole);
    world_fini(&world);
}

VIV_TEST(flat_damage, a_log_whose_first_batches_are_lost_does_not_begin_at_the_beginning)
{
    static const uint8_t zeros[BLOCK];
    struct world world;
    char path[512];
    flat_world(&world);
    uint64_t last = fill(&world, 60);
    close_settled(&world);
    cr_assert(world_file(&world, "log-0", 0, path, sizeof path));
    struct viv_buffer whole = read_all(path);
    write_at(path, zeros, sizeof zeros, BLOCK);
    write_at(path, zeros, sizeof zeros, whole.size - 2 * BLOCK); /* the oldest identifiers */
    world_open_log(&world);
    struct viv_log_bounds bounds = world_bounds(&world, 0);
    cr_assert_gt(bounds.base_zxid, 0, "the lost entries would not be missed");
    world_expect_log(&world, 0, bounds.base_zxid, last, 0);
    viv_buffer_fini(&whole);
    world_fini(&world);
}

/* No batch is readable any more, nor the identifiers that would say where the first was: those of later ones still say
 * that there were some. */
VIV_TEST(flat_damage, a_log_of_which_only_late_identifiers_are_left_is_not_empty)
{
    static const uint8_t zeros[BLOCK];
    struct world world;
    char path[512];
    flat_world(&world);
    fill(&world, 60);
    close_settled(&world);
    cr_assert(world_file(&world, "log-0", 0, path, sizeof path));
    struct viv_buffer whole = read_all(path);
    for (size_t at = BLOCK; at < whole.size / 2; at += sizeof zeros) {
        write_at(path, zeros, sizeof zeros, at);
    }
    write_at(path, zeros, sizeof zeros, whole.size - 2 * BLOCK); /* the oldest identifiers */
    cr_assert_eq(world_try_open_log(&world), VIV_ERR_CORRUPT);
    viv_buffer_fini(&whole);
    world_fini(&world);
}

/* ---- blocks that cannot be read, at the start of one file ---- */

static const char *unreadable_name;
static int unreadable_handle;

static int open_noting(void *ctx, const char *path, unsigned flags)
{
    int handle = viv_disk_real.ops->open(ctx, path, flags);
    if (strstr(path, unreadable_name) != NULL) {
        unreadable_handle = handle;
    } else if (handle == unreadable_handle) {
        unreadable_handle = -1; /* another file has its number now */
    }
    return handle;
}

static int64_t read_refusing(void *ctx, int file, void *to, size_t size, uint64_t offset)
{
    return file == unreadable_handle && offset < 512 ? -EIO : viv_disk_real.ops->read(ctx, file, to, size, offset);
}

VIV_TEST(flat_damage, a_block_of_the_hard_state_or_of_an_image_that_cannot_be_read_is_a_damaged_one)
{
    struct world world;
    char path[512];
    struct viv_state_mark mark;
    struct viv_file_ops ops = *viv_disk_real.ops;
    struct viv_disk disk = {&ops, NULL};
    struct viv_hard_state hard = {7, 6, 0};
    ops.open = open_noting;
    ops.read = read_refusing;
    flat_world(&world);
    uint64_t last = fill(&world, 5);
    cr_assert_eq(viv_log_hard_put(world.log, 0, &hard), VIV_OK);
    world_close_log(&world);
    world_open_state(&world);
    world_checkpoint(&world, VIV_CHECKPOINT_FULL, 3, 0, 10, 1);
    world_checkpoint(&world, VIV_CHECKPOINT_FULL, 9, 0, 10, 2);
    world.config.disk = &disk;
    unreadable_handle = -1;
    unreadable_name = "/hard";
    world_open_log(&world);
    viv_log_hard_get(world.log, 0, &hard);
    cr_assert(hard.accepted_epoch == 7 && hard.current_epoch == 6);
    cr_assert_eq(world_bounds(&world, 0).last_zxid, last);
    world_close_log(&world);
    cr_assert(world_file(&world, "snap-", 1, path, sizeof path));
    unreadable_name = path;
    world_reopen_state(&world);
    cr_assert_eq(world_try_load(&world, &mark), VIV_OK);
    cr_assert_eq(mark.zxid_start, 3, "the image before the one that cannot be read");
    world.config.disk = NULL;
    world_fini(&world);
}

VIV_TEST(flat_damage, a_segment_of_the_first_version_is_read_and_written_on)
{
    struct world world;
    char path[512];
    static uint8_t zeros[BLOCK];
    flat_world(&world);
    world_open_log(&world);
    world_append_synced(&world, 0, 1, 8, 0);
    world_append_synced(&world, 0, 9, 12, 0);
    world_close_log(&world);
    cr_assert(world_file(&world, "log-0", 0, path, sizeof path));
    struct viv_buffer whole = read_all(path);
    viv_store_le32(whole.data + 12, 1); /* the version, and the checksum of the header */
    uint32_t crc = viv_crc32c(0, whole.data, 8);
    viv_store_le32(whole.data + 8, viv_crc32c(crc, whole.data + 12, BLOCK - 12));
    write_at(path, whole.data, BLOCK, 0);
    write_at(path, zeros, BLOCK, whole.size - BLOCK);
    world_open_log(&world);
    world_expect_log(&world, 0, 0, 12, 0);
    for (uint64_t zxid = 13; zxid < 5000; zxid += 3) {
        world_append_synced(&world, 0, zxid, zxid + 2, 0);
    }
    cr_assert_geq(world_file_count(&world, "log-0"), 2);
    uint64_t last = world_bounds(&world, 0).last_zxid;
    world_reopen_log(&world);
    world_expect_log(&world, 0, 0, last, 0);
    viv_buffer_fini(&whole);
    world_fini(&world);
}

/* ---- power goes while an entry is put back ---- */

struct cut_short {
    struct world world;
    struct crash_disk *disk;
    struct viv_disk calls;
};

/* Twelve entries, of which the fifth is damaged on the disk itself. */
static void cut_short_init(struct cut_short *cut, uint64_t seed)
{
    *cut = (struct cut_short){.disk = crash_disk_new(seed)};
    flat_world(&cut->world);
    cut->calls = crash_disk_calls(cut->disk);
    cut->world.config.disk = &cut->calls;
    fill(&cut->world, 4);
    close_settled(&cut->world);
    char *path = viv_file_path(cut->world.config.log_dir, "log-%016x", 1);
    struct viv_file file;
    uint8_t *bytes = viv_alloc(1 << 16);
    size_t got = 0;
    cr_assert_eq(viv_file_open(&cut->calls, path, VIV_FILE_WRITE, &file), VIV_OK);
    cr_assert_eq(viv_file_read(&cut->calls, &file, bytes, 1 << 16, 0, &got), VIV_OK);
    struct viv_entry entry = world_entry(0, 5, 0);
    uint8_t *found = memmem(bytes, got, entry.body.data, entry.body.size);
    cr_assert_not_null(found);
    found[0] ^= 1;
    cr_assert_eq(viv_file_write(&cut->calls, &file, found, 1, (uint64_t)(found - bytes)), VIV_OK);
    cr_assert_eq(viv_file_sync(&cut->calls, &file), VIV_OK);
    viv_file_close(&cut->calls, &file);
    crash_disk_restart(cut->disk);
    free(bytes);
    free(path);
}

static void cut_short_fini(struct cut_short *cut)
{
    world_fini(&cut->world);
    crash_disk_free(cut->disk);
}

VIV_TEST(flat_damage, power_lost_at_any_call_of_a_repair_leaves_the_entry_damaged_or_whole)
{
    unsigned damaged = 0, whole = 0;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct cut_short cut;
        cut_short_init(&cut, seed);
        world_open_log(&cut.world);
        crash_disk_set_fault(cut.disk, CRASH_POWER, crash_disk_count(cut.disk) + 1 + seed % 4);
        viv_status status = viv_log_repair(cut.world.log, 0, 5, world_entry(0, 5, 0).body);
        world_close_log(&cut.world);
        crash_disk_power_on(cut.disk);
        world_open_log(&cut.world);
        cr_assert_eq(world_bounds(&cut.world, 0).last_zxid, 12);
        struct viv_log_fault fault;
        size_t count = viv_log_faults(cut.world.log, 0, 0, &fault, 1);
        cr_assert(count == 0 || fault.zxid == 5);
        cr_assert(status != VIV_OK || count == 0, "what was repaired is damaged again");
        damaged += count == 1;
        whole += count == 0;
        repair_all(&cut.world);
        world_expect_log(&cut.world, 0, 0, 12, 0);
        cut_short_fini(&cut);
    }
    cr_assert(damaged > 0 && whole > 0);
}
