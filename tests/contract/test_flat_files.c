#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/checksum.h"
#include "store/file_io.h"
#include "tests/contract/store_suite.h"

/* What the flat backend makes of files that were torn, rotten, missing, or left over: the cases that need to know its
 * layout (backends/flat/README.md). */

static void flat_world(struct world *world)
{
    world_init(world, viv_configuration_find("flat"));
}

static struct viv_buffer read_all(const char *path)
{
    struct viv_buffer bytes = {0};
    FILE *file = fopen(path, "rb");
    cr_assert_not_null(file, "%s", path);
    fseek(file, 0, SEEK_END);
    long size = ftell(file);
    fseek(file, 0, SEEK_SET);
    cr_assert_eq(fread(viv_buffer_extend(&bytes, (size_t)size), 1, (size_t)size, file), (size_t)size);
    fclose(file);
    return bytes;
}

static void write_at(const char *path, const void *bytes, size_t size, long offset)
{
    int file = open(path, O_WRONLY);
    cr_assert_geq(file, 0, "%s", path);
    cr_assert_eq(pwrite(file, bytes, size, offset), (ssize_t)size);
    close(file);
}

static void log_path(const struct world *world, size_t n, char *path)
{
    cr_assert(world_file(world, "log-0", n, path, 512));
}

/* Where batches start in the n-th segment, found by their magic at sector starts. */
static size_t batch_offsets(const struct viv_buffer *segment, long *offsets, size_t capacity)
{
    size_t count = 0;
    for (size_t at = 4096; at < segment->size && count < capacity; at += 512) {
        if (memcmp(segment->data + at, "BTCH", 4) == 0) {
            offsets[count++] = (long)at;
        }
    }
    return count;
}

static long batch_bytes(const struct viv_buffer *segment, long offset)
{
    uint32_t body;
    memcpy(&body, segment->data + offset + 56, sizeof body);
    return 64 + (long)body;
}

VIV_TEST(flat_files, a_tail_torn_at_any_byte_is_cut_and_written_again)
{
    struct world world;
    char path[512];
    long offsets[8];
    flat_world(&world);
    world_open_log(&world);
    world_append_synced(&world, 0, 1, 4, 0);
    world_append_synced(&world, 0, 5, 9, 0);
    world_append_synced(&world, 0, 10, 12, 0);
    world_close_log(&world);
    log_path(&world, 0, path);
    struct viv_buffer whole = read_all(path);
    cr_assert_eq(batch_offsets(&whole, offsets, 8), 3);
    long end = offsets[2] + batch_bytes(&whole, offsets[2]);
    uint8_t *zeros = viv_alloc_zeroed(1, 8192);
    for (long cut = offsets[2]; cut <= end; cut++) {
        write_at(path, whole.data, (size_t)end, 0);
        write_at(path, zeros, 8192, (long)whole.size - 4096 - 8192); /* identifiers of the round before */
        write_at(path, zeros, 8192, cut);
        world_open_log(&world);
        /* What of it can be named is a fault that nothing proves to have been durable: alone it is cut. */
        struct viv_log_fault fault;
        bool is_cut;
        cr_assert(viv_log_faults(world.log, 0, 0, &fault, 1) == 0 || (fault.zxid > 9 && fault.is_uncertain));
        cr_assert_eq(viv_log_cut_torn(world.log, 0, &is_cut), VIV_OK);
        /* A byte that was zero anyway is no loss. */
        uint64_t last = world_bounds(&world, 0).last_zxid;
        cr_assert(last >= 9 && last <= 12, "cut at %ld: %llu", cut, (unsigned long long)last);
        cr_assert(cut < end || last == 12);
        world_expect_log(&world, 0, 0, last, 0);
        if (cut % 64 == 0) {
            world_append_synced(&world, 0, last + 1, 20, 0);
            world_reopen_log(&world);
            world_expect_log(&world, 0, 0, 20, 0);
        }
        world_close_log(&world);
        write_at(path, zeros, 8192, end);
    }
    free(zeros);
    viv_buffer_fini(&whole);
    world_fini(&world);
}

VIV_TEST(flat_files, batches_that_were_never_synced_may_be_lost_in_any_combination)
{
    struct world world;
    char path[512];
    long offsets[8];
    uint8_t zeros[512] = {0};
    flat_world(&world);
    world_open_log(&world);
    world_append_synced(&world, 0, 1, 4, 0);
    world_append(&world, 0, 5, 5, 0);
    world_append(&world, 0, 6, 6, 0);
    world_append(&world, 0, 7, 7, 0);
    world_append(&world, 0, 8, 8, 0);
    world_close_log(&world);
    log_path(&world, 0, path);
    struct viv_buffer whole = read_all(path);
    cr_assert_eq(batch_offsets(&whole, offsets, 8), 5);
    for (unsigned round = 0; round < 32; round++) {
        unsigned lost = round / 2, lineage = round % 2;
        write_at(path, whole.data, whole.size, 0);
        uint64_t expected = 8;
        for (unsigned i = 4; i-- > 0;) {
            if (lost & (1U << i)) {
                write_at(path, zeros, sizeof zeros, offsets[1 + i]);
                expected = 4 + i;
            }
        }
        world_open_log(&world);
        world_expect_log(&world, 0, 0, expected, 0);
        /* What was cut must not come back behind a new batch of the same size, nor behind the lost one once more. */
        world_append_synced(&world, 0, expected + 1, expected + 1, lineage);
        world_reopen_log(&world);
        cr_assert_eq(world_bounds(&world, 0).last_zxid, expected + 1);
        world_close_log(&world);
    }
    viv_buffer_fini(&whole);
    world_fini(&world);
}

/* The write of a batch was acknowledged and is lost, and a batch of the same number that was cut off lies there again.
 */
VIV_TEST(flat_files, a_batch_of_an_older_life_in_the_place_of_a_lost_one_is_noticed)
{
    struct world world;
    char path[512];
    long offsets[8];
    flat_world(&world);
    world_open_log(&world);
    world_append_synced(&world, 0, 1, 4, 0);
    world_close_log(&world);
    log_path(&world, 0, path);
    struct viv_buffer start = read_all(path), old = {0};
    for (unsigned lineage = 0; lineage < 2; lineage++) {
        write_at(path, start.data, start.size, 0);
        world_open_log(&world);
        world_append_synced(&world, 0, 5, 5, lineage);
        world_append_synced(&world, 0, 6, 6, lineage);
        cr_assert_eq(viv_log_settle(world.log), VIV_OK);
        world_close_log(&world);
        old = lineage == 0 ? read_all(path) : old;
    }
    cr_assert_eq(batch_offsets(&old, offsets, 8), 3);
    write_at(path, old.data + offsets[2], (size_t)batch_bytes(&old, offsets[2]), offsets[2]);
    world_open_log(&world);
    struct viv_log_fault fault;
    cr_assert_eq(viv_log_faults(world.log, 0, 0, &fault, 1), 1);
    cr_assert_eq(fault.zxid, 6);
    cr_assert_eq(fault.body_crc, world_entry(0, 6, 1).body_crc);
    viv_buffer_fini(&start);
    viv_buffer_fini(&old);
    world_fini(&world);
}

/* Fills segments of 1 MiB with entries of 100 KB, one batch each. */
static void fill(struct world *world, uint64_t first, uint64_t last)
{
    size_t size = 100 << 10;
    uint8_t *body = viv_alloc_zeroed(1, size);
    memset(body, (int)(first % 251), size);
    uint32_t crc = viv_crc32c(0, body, size);
    for (uint64_t zxid = first; zxid <= last; zxid++) {
        struct viv_entry entry = {zxid, {body, size}, crc};
        struct viv_log_run run = {0, zxid - 1, &entry, 1};
        cr_assert_eq(viv_log_append(world->log, &run, 1), VIV_OK);
        cr_assert_eq(viv_log_sync(world->log), VIV_OK);
    }
    free(body);
}

VIV_TEST(flat_files, a_missing_segment_or_one_without_a_header_is_refused)
{
    struct world world;
    char path[512];
    char aside[600];
    flat_world(&world);
    world_open_log(&world);
    fill(&world, 1, 30);
    world_close_log(&world);
    log_path(&world, 1, path);
    snprintf(aside, sizeof aside, "%s/aside", world.dir);
    cr_assert_eq(rename(path, aside), 0);
    cr_assert_eq(world_try_open_log(&world), VIV_ERR_CORRUPT);
    cr_assert(world_logged(&world, "a log segment is missing"));
    cr_assert(world_logged(&world, path));
    cr_assert_eq(rename(aside, path), 0);
    log_path(&world, 2, path);
    cr_assert_eq(rename(path, aside), 0);
    cr_assert_eq(world_try_open_log(&world), VIV_ERR_CORRUPT);
    cr_assert(world_logged(&world, "the newest log segment is missing"));
    cr_assert_eq(rename(aside, path), 0);
    for (size_t n = 0; n < 3; n++) {
        log_path(&world, n, path);
        struct viv_buffer whole = read_all(path);
        long places[] = {50, (long)whole.size - 4096 + 50};
        uint8_t junk = whole.data[50] ^ 0xa5;
        for (size_t i = 0; i < 2; i++) { /* the other copy is as good */
            write_at(path, &junk, 1, places[i]);
            world_open_log(&world);
            world_close_log(&world);
            struct viv_buffer mended = read_all(path);
            cr_assert_eq(memcmp(mended.data, whole.data, whole.size), 0);
            viv_buffer_fini(&mended);
        }
        write_at(path, &junk, 1, places[0]);
        write_at(path, &junk, 1, places[1]);
        cr_assert_eq(world_try_open_log(&world), VIV_ERR_CORRUPT);
        cr_assert(world_logged(&world, "the header of a log segment is damaged"));
        write_at(path, whole.data, whole.size, 0);
        viv_buffer_fini(&whole);
    }
    world_open_log(&world);
    world_fini(&world);
}

VIV_TEST(flat_files, recycled_segments_never_bring_old_entries_back)
{
    struct world world;
    flat_world(&world);
    world_open_log(&world);
    uint64_t zxid = 1;
    uint64_t recycled_count = 0;
    for (int round = 0; round < 12; round++) {
        fill(&world, zxid, zxid + 11);
        zxid += 12;
        cr_assert_eq(viv_log_trim(world.log, 0, zxid - 2), VIV_OK);
        cr_assert_eq(viv_log_prepare(world.log), VIV_OK);
        struct viv_store_measure measure;
        viv_log_measure(world.log, &measure);
        recycled_count += measure.segments_recycled;
        world_reopen_log(&world);
        cr_assert_eq(world_bounds(&world, 0).last_zxid, zxid - 1);
        fill(&world, zxid, zxid);
        zxid++;
        world_reopen_log(&world);
        cr_assert_eq(world_bounds(&world, 0).last_zxid, zxid - 1);
    }
    cr_assert_gt(recycled_count, 5);
    world_fini(&world);
}

VIV_TEST(flat_files, one_torn_or_rotten_copy_of_the_hard_state_is_repaired)
{
    struct world world;
    char path[512];
    flat_world(&world);
    world_open_log(&world);
    struct viv_hard_state hard = {1, 1, 0};
    cr_assert_eq(viv_log_hard_put(world.log, 0, &hard), VIV_OK);
    cr_assert(world_file(&world, "hard", 0, path, sizeof path));
    struct viv_buffer before = read_all(path);
    hard.accepted_epoch = 2;
    cr_assert_eq(viv_log_hard_put(world.log, 0, &hard), VIV_OK);
    struct viv_buffer after = read_all(path);
    cr_assert_eq(after.size, 8192);
    for (size_t torn = 0; torn <= 8192; torn += 8) {
        /* The crash came when so many bytes of the two writes had reached the disk. */
        world_close_log(&world);
        write_at(path, before.data, before.size, 0);
        write_at(path, after.data, torn, 0);
        world_open_log(&world);
        viv_log_hard_get(world.log, 0, &hard);
        cr_assert_eq(hard.accepted_epoch, torn >= 64 + 24 ? 2 : hard.accepted_epoch, "torn at %zu", torn);
        cr_assert(hard.accepted_epoch == 1 || hard.accepted_epoch == 2);
        cr_assert_eq(hard.current_epoch, 1);
        struct viv_buffer repaired = read_all(path);
        cr_assert_eq(memcmp(repaired.data, repaired.data + 4096, 4096), 0);
        viv_buffer_fini(&repaired);
    }
    viv_buffer_fini(&before);
    viv_buffer_fini(&after);
    world_fini(&world);
}

VIV_TEST(flat_files, a_lost_hard_state_is_refused)
{
    struct world world;
    char path[512];
    uint8_t junk = 0x5a;
    flat_world(&world);
    world_open_log(&world);
    world_append_synced(&world, 0, 1, 2, 0);
    world_close_log(&world);
    cr_assert(world_file(&world, "hard", 0, path, sizeof path));
    write_at(path, &junk, 1, 20);
    world_open_log(&world);
    world_close_log(&world);
    write_at(path, &junk, 1, 20);
    write_at(path, &junk, 1, 4096 + 20);
    cr_assert_eq(world_try_open_log(&world), VIV_ERR_CORRUPT);
    cr_assert(world_logged(&world, path));
    /* Where a server without promises counts for nothing, it begins anew with what its log holds. */
    world.config.may_forget = true;
    world_open_log(&world);
    cr_assert(world_logged(&world, "the promises of this server are lost"));
    struct viv_hard_state hard;
    viv_log_hard_get(world.log, 0, &hard);
    cr_assert_eq(hard.accepted_epoch, 0);
    world_expect_log(&world, 0, 0, 2, 0);
    world_close_log(&world);
    cr_assert_eq(unlink(path), 0);
    world.config.may_forget = false;
    cr_assert_eq(world_try_open_log(&world), VIV_ERR_CORRUPT);
    world.config.may_forget = true;
    world_open_log(&world);
    world_expect_log(&world, 0, 0, 2, 0);
    world_fini(&world);
}

VIV_TEST(flat_files, a_damaged_newest_image_falls_back_to_the_one_before)
{
    struct world world;
    char path[512];
    flat_world(&world);
    world_open_state(&world);
    world_checkpoint(&world, VIV_CHECKPOINT_FULL, 100, 0, 20000, 1);
    world_checkpoint(&world, VIV_CHECKPOINT_FULL, 200, 0, 30000, 2);
    cr_assert(world_file(&world, "snap-", 1, path, sizeof path));
    struct viv_buffer whole = read_all(path);
    for (size_t at = 0; at < whole.size; at += whole.size / 60) {
        uint8_t flipped = whole.data[at] ^ 4;
        write_at(path, &flipped, 1, (long)at);
        viv_buffer_clear(&world.lines);
        world_reopen_state(&world);
        world_load(&world, 100);
        cr_assert_eq(world_loaded_count(), 20000);
        cr_assert(world_logged(&world, path), "byte %zu", at);
        cr_assert_geq(world.report.rejected_files, 1);
        write_at(path, whole.data + at, 1, (long)at);
    }
    cr_assert_eq(truncate(path, (off_t)whole.size - 1), 0);
    world_reopen_state(&world);
    world_load(&world, 100);
    /* The next image replaces the damaged one, and the sound one stays. */
    world_checkpoint(&world, VIV_CHECKPOINT_FULL, 300, 0, 100, 3);
    cr_assert_eq(world_file_count(&world, "snap-"), 2);
    world_reopen_state(&world);
    world_load(&world, 300);
    viv_buffer_fini(&whole);
    world_fini(&world);
}

VIV_TEST(flat_files, damaged_images_and_no_sound_one_is_not_a_new_server)
{
    struct world world;
    char path[512];
    struct viv_state_mark mark;
    flat_world(&world);
    world_open_state(&world);
    world_checkpoint(&world, VIV_CHECKPOINT_FULL, 100, 0, 1000, 1);
    cr_assert(world_file(&world, "snap-", 0, path, sizeof path));
    write_at(path, "junk", 4, 150);
    world_reopen_state(&world);
    cr_assert_eq(world_try_load(&world, &mark), VIV_ERR_CORRUPT);
    cr_assert_eq(world_loaded_count(), 0);
    write_at(path, "junk", 4, 0);
    world_reopen_state(&world);
    cr_assert_eq(world_try_load(&world, &mark), VIV_ERR_CORRUPT);
    world_fini(&world);
}

VIV_TEST(flat_files, leftovers_of_a_crash_are_removed)
{
    struct world world;
    flat_world(&world);
    world_open_log(&world);
    world_open_state(&world);
    world_checkpoint(&world, VIV_CHECKPOINT_FULL, 100, 0, 10, 1);
    const char *leftovers[] = {"log-00000000000000ff.tmp", "snap-0000.tmp"};
    for (size_t i = 0; i < 2; i++) {
        char *path = viv_file_path(world.dir, "%s", leftovers[i]);
        FILE *file = fopen(path, "wb");
        fputs("half of something", file);
        fclose(file);
        free(path);
    }
    world_reopen_log(&world);
    world_reopen_state(&world);
    cr_assert_eq(world_file_count(&world, "snap-0000.tmp"), 0);
    cr_assert_eq(world_file_count(&world, "log-00000000000000ff"), 0);
    world_load(&world, 100);
    world_fini(&world);
}

VIV_TEST(flat_files, nobody_else_may_read_the_files)
{
    struct world world;
    flat_world(&world);
    world_open_log(&world);
    world_open_state(&world);
    world_checkpoint(&world, VIV_CHECKPOINT_FULL, 100, 0, 10, 1);
    char path[512];
    for (size_t n = 0; world_file(&world, "", n, path, sizeof path); n++) {
        struct stat stat_of;
        cr_assert_eq(stat(path, &stat_of), 0);
        cr_assert_eq(stat_of.st_mode & 0777, 0600, "%s", path);
    }
    world_fini(&world);
}
