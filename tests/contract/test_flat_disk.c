#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/checksum.h"
#include "store/file_io.h"
#include "tests/contract/store_suite.h"

/* The flat stores on a disk that is full for a while, or whose sync fails once: the real one, with two of its calls
 * replaced. */

struct moody_disk {
    struct viv_file_ops ops;
    struct viv_disk disk;
    bool is_full;
    unsigned syncs_until_failure; /* 0: they all work */
};

static int moody_open(void *ctx, const char *path, unsigned flags)
{
    const struct moody_disk *moody = ctx;
    return moody->is_full && (flags & VIV_FILE_CREATE) ? -ENOSPC : viv_disk_real.ops->open(NULL, path, flags);
}

/* Room that a file has already can still be written. */
static int64_t moody_write(void *ctx, int file, const void *from, size_t size, uint64_t offset)
{
    const struct moody_disk *moody = ctx;
    bool has_room = viv_disk_real.ops->size(NULL, file) >= (int64_t)(offset + size);
    return moody->is_full && !has_room ? -ENOSPC : viv_disk_real.ops->write(NULL, file, from, size, offset);
}

static int moody_reserve(void *ctx, int file, uint64_t bytes)
{
    const struct moody_disk *moody = ctx;
    return moody->is_full ? -ENOSPC : viv_disk_real.ops->reserve(NULL, file, bytes);
}

static int moody_sync(void *ctx, int file)
{
    struct moody_disk *moody = ctx;
    bool fails = moody->syncs_until_failure > 0 && --moody->syncs_until_failure == 0;
    return fails ? -EIO : viv_disk_real.ops->sync(NULL, file);
}

static void moody_world(struct world *world, struct moody_disk *moody)
{
    *moody = (struct moody_disk){.ops = *viv_disk_real.ops};
    moody->ops.open = moody_open;
    moody->ops.write = moody_write;
    moody->ops.reserve = moody_reserve;
    moody->ops.sync = moody_sync;
    moody->disk = (struct viv_disk){&moody->ops, moody};
    world_init(world, viv_configuration_find("flat"));
    world->config.disk = &moody->disk;
}

/* One entry of 100 KB. */
static viv_status append_block(struct world *world, uint64_t zxid)
{
    static const uint8_t body[100 << 10];
    struct viv_entry entry = {zxid, {body, sizeof body}, viv_crc32c(0, body, sizeof body)};
    struct viv_log_run run = {0, zxid - 1, &entry, 1};
    return viv_log_append(world->log, &run, 1);
}

VIV_TEST(flat_disk, a_full_disk_is_told_before_anything_is_written_and_passes)
{
    struct world world;
    struct moody_disk moody;
    moody_world(&world, &moody);
    world_open_log(&world);
    moody.is_full = true;
    cr_assert_eq(viv_log_prepare(world.log), VIV_ERR_NOSPACE);
    uint64_t zxid = 0;
    viv_status status = VIV_OK;
    while (status == VIV_OK) {
        status = append_block(&world, ++zxid);
    }
    cr_assert_eq(status, VIV_ERR_NOSPACE);
    cr_assert_gt(zxid, 5); /* the segment that was there took what it could */
    cr_assert_eq(world_bounds(&world, 0).last_zxid, zxid - 1);
    cr_assert_eq(viv_log_sync(world.log), VIV_OK);
    cr_assert_eq(append_block(&world, zxid), VIV_ERR_NOSPACE);
    struct viv_log_iter *iter;
    struct viv_entry entry;
    size_t count;
    cr_assert_eq(viv_log_iter_open(world.log, 0, 0, zxid - 1, &iter), VIV_OK);
    cr_assert_eq(viv_log_iter_next(world.log, iter, &entry, 1, 1, &count), VIV_OK);
    viv_log_iter_close(world.log, iter);
    moody.is_full = false;
    cr_assert_eq(viv_log_prepare(world.log), VIV_OK);
    cr_assert_eq(append_block(&world, zxid), VIV_OK);
    cr_assert_eq(viv_log_sync(world.log), VIV_OK);
    world_reopen_log(&world);
    cr_assert_eq(world_bounds(&world, 0).last_zxid, zxid);
    cr_assert_eq(world_file_count(&world, "log-0"), 2);
    world_fini(&world);
}

VIV_TEST(flat_disk, a_checkpoint_that_meets_a_full_disk_leaves_the_old_image_and_no_trace)
{
    struct world world;
    struct moody_disk moody;
    moody_world(&world, &moody);
    world_open_state(&world);
    world_checkpoint(&world, VIV_CHECKPOINT_FULL, 10, 0, 1000, 1);
    cr_assert_eq(viv_state_begin(world.state, VIV_CHECKPOINT_FULL, 20), VIV_OK);
    world_write_rows(&world, VIV_ROW_PUT, 0, 1000, 2);
    moody.is_full = true;
    struct viv_state_mark mark = {20, 25, 20000};
    uint64_t needed;
    cr_assert_eq(viv_state_commit(world.state, &mark, &needed), VIV_ERR_NOSPACE);
    /* Calls that were under way already get the same answer, and an abort is harmless. */
    cr_assert_eq(viv_state_write(world.state, (struct viv_bytes){NULL, 0}), VIV_ERR_NOSPACE);
    viv_state_abort(world.state);
    cr_assert_eq(viv_state_begin(world.state, VIV_CHECKPOINT_FULL, 30), VIV_ERR_NOSPACE);
    world_load(&world, 10);
    cr_assert_eq(world_file_count(&world, "snap-"), 1);
    moody.is_full = false;
    world_checkpoint(&world, VIV_CHECKPOINT_FULL, 40, 0, 500, 4);
    world_reopen_state(&world);
    world_load(&world, 40);
    world_fini(&world);
}

VIV_TEST(flat_disk, after_a_failed_sync_the_log_takes_nothing_any_more)
{
    struct world world;
    struct moody_disk moody;
    moody_world(&world, &moody);
    world_open_log(&world);
    world_append_synced(&world, 0, 1, 5, 0);
    moody.syncs_until_failure = 1;
    world_append(&world, 0, 6, 6, 0);
    cr_assert_eq(viv_log_sync(world.log), VIV_ERR_IO);
    struct viv_hard_state hard = {1, 1, 0};
    cr_assert_eq(viv_log_sync(world.log), VIV_ERR_IO);
    cr_assert_eq(append_block(&world, 7), VIV_ERR_IO);
    cr_assert_eq(viv_log_hard_put(world.log, 0, &hard), VIV_ERR_IO);
    cr_assert_eq(viv_log_truncate(world.log, 0, 5), VIV_ERR_IO);
    cr_assert_eq(viv_log_reset(world.log, 0, 9), VIV_ERR_IO);
    cr_assert_eq(viv_log_trim(world.log, 0, 5), VIV_ERR_IO);
    cr_assert_eq(viv_log_prepare(world.log), VIV_ERR_IO);
    cr_assert(world_logged(&world, "operation=sync"));
    world_reopen_log(&world);
    world_expect_log(&world, 0, 0, 6, 0);
    world_fini(&world);
}

VIV_TEST(flat_disk, a_failed_sync_of_the_hard_state_keeps_the_old_promise_in_memory)
{
    struct world world;
    struct moody_disk moody;
    moody_world(&world, &moody);
    world_open_log(&world);
    struct viv_hard_state hard = {3, 3, 0};
    cr_assert_eq(viv_log_hard_put(world.log, 0, &hard), VIV_OK);
    moody.syncs_until_failure = 2;
    hard.accepted_epoch = 4;
    cr_assert_eq(viv_log_hard_put(world.log, 0, &hard), VIV_ERR_IO);
    viv_log_hard_get(world.log, 0, &hard);
    cr_assert_eq(hard.accepted_epoch, 3);
    cr_assert_eq(append_block(&world, 1), VIV_ERR_IO);
    world_fini(&world);
}

VIV_TEST(flat_disk, after_a_failed_sync_the_image_store_takes_nothing_any_more)
{
    struct world world;
    struct moody_disk moody;
    moody_world(&world, &moody);
    world_open_state(&world);
    world_checkpoint(&world, VIV_CHECKPOINT_FULL, 10, 0, 1000, 1);
    cr_assert_eq(viv_state_begin(world.state, VIV_CHECKPOINT_FULL, 20), VIV_OK);
    world_write_rows(&world, VIV_ROW_PUT, 0, 1000, 2);
    moody.syncs_until_failure = 1;
    struct viv_state_mark mark = {20, 25, 20000};
    uint64_t needed;
    cr_assert_eq(viv_state_commit(world.state, &mark, &needed), VIV_ERR_IO);
    cr_assert_eq(viv_state_begin(world.state, VIV_CHECKPOINT_FULL, 30), VIV_ERR_IO);
    world_reopen_state(&world);
    world_load(&world, 10);
    world_fini(&world);
}
