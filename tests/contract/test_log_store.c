#include <pthread.h>
#include <stdlib.h>

#include "base/checksum.h"
#include "tests/contract/store_suite.h"

static void a_new_log_is_empty(struct world *world)
{
    world_open_log(world);
    struct viv_log_bounds bounds = world_bounds(world, 0);
    cr_assert_eq(bounds.base_zxid, 0);
    cr_assert_eq(bounds.last_zxid, 0);
    cr_assert_eq(bounds.commit_zxid, 0);
    world_expect_log(world, 0, 0, 0, 0);
}

static void appended_entries_are_read_back_in_order(struct world *world)
{
    world_open_log(world);
    world_append_synced(world, 0, 1, 50, 0);
    world_append_synced(world, 0, 51, 51, 0);
    world_append(world, 0, 52, 60, 0);
    world_expect_log(world, 0, 0, 60, 0);
    world_expect_log(world, 0, 50, 60, 0);
}

static void synced_entries_survive_a_restart(struct world *world)
{
    world_needs_durability(world);
    world_open_log(world);
    for (uint64_t zxid = 1; zxid <= 100; zxid += 4) {
        world_append_synced(world, 0, zxid, zxid + 3, 0);
    }
    world_reopen_log(world);
    world_expect_log(world, 0, 0, 100, 0);
    cr_assert_eq(world_bounds(world, 0).commit_zxid, 96);
    world_append_synced(world, 0, 101, 101, 0);
    world_reopen_log(world);
    world_expect_log(world, 0, 0, 101, 0);
}

static void a_range_ends_where_it_was_asked_to(struct world *world)
{
    world_open_log(world);
    world_append_synced(world, 0, 1, 10, 0);
    world_append_synced(world, 0, 20, 30, 0);
    struct viv_log_iter *iter;
    struct viv_entry entries[64];
    size_t count;
    cr_assert_eq(viv_log_iter_open(world->log, 0, 8, 21, &iter), VIV_OK);
    uint64_t seen[8];
    size_t seen_count = 0;
    do {
        cr_assert_eq(viv_log_iter_next(world->log, iter, entries, 64, 1 << 20, &count), VIV_OK);
        for (size_t i = 0; i < count; i++) {
            seen[seen_count++] = entries[i].zxid;
        }
    } while (count > 0);
    viv_log_iter_close(world->log, iter);
    uint64_t expected[] = {9, 10, 20, 21};
    cr_assert_eq(seen_count, 4);
    cr_assert_arr_eq(seen, expected, sizeof expected);
}

static void a_bite_holds_one_entry_at_least_and_not_much_more_than_asked(struct world *world)
{
    world_open_log(world);
    world_append_synced(world, 0, 1, 40, 0);
    struct viv_log_iter *iter;
    struct viv_entry entries[40];
    size_t count;
    cr_assert_eq(viv_log_iter_open(world->log, 0, 0, 40, &iter), VIV_OK);
    cr_assert_eq(viv_log_iter_next(world->log, iter, entries, 40, 1, &count), VIV_OK);
    cr_assert_geq(count, 1);
    cr_assert_leq(count, 2);
    viv_log_iter_close(world->log, iter);
}

static void a_truncated_tail_stays_away_after_a_restart(struct world *world)
{
    world_needs_durability(world);
    world_open_log(world);
    world_append_synced(world, 0, 1, 10, 0);
    world_append_synced(world, 0, 11, 20, 0);
    cr_assert_eq(viv_log_truncate(world->log, 0, 15), VIV_OK);
    world_expect_log(world, 0, 0, 15, 0);
    world_reopen_log(world);
    world_expect_log(world, 0, 0, 15, 0);
    cr_assert_leq(world_bounds(world, 0).commit_zxid, 15);
}

static void what_is_appended_after_a_truncation_replaces_the_tail(struct world *world)
{
    world_open_log(world);
    world_append_synced(world, 0, 1, 20, 0);
    cr_assert_eq(viv_log_truncate(world->log, 0, 12), VIV_OK);
    world_append_synced(world, 0, 13, 30, 1);
    if (!world_is_volatile(world)) {
        world_reopen_log(world);
    }
    struct viv_log_iter *iter;
    struct viv_entry entry;
    size_t count;
    cr_assert_eq(viv_log_iter_open(world->log, 0, 0, 30, &iter), VIV_OK);
    for (uint64_t zxid = 1; zxid <= 30; zxid++) {
        cr_assert_eq(viv_log_iter_next(world->log, iter, &entry, 1, 1, &count), VIV_OK);
        struct viv_entry wanted = world_entry(0, zxid, zxid <= 12 ? 0 : 1);
        cr_assert_eq(count, 1);
        cr_assert_eq(entry.zxid, zxid);
        cr_assert(viv_bytes_equal(entry.body, wanted.body));
    }
    viv_log_iter_close(world->log, iter);
}

static void truncating_to_nothing_and_again_works(struct world *world)
{
    world_open_log(world);
    world_append_synced(world, 0, 1, 5, 0);
    cr_assert_eq(viv_log_truncate(world->log, 0, 0), VIV_OK);
    world_append_synced(world, 0, 1, 9, 1);
    cr_assert_eq(viv_log_truncate(world->log, 0, 9), VIV_OK);
    cr_assert_eq(viv_log_truncate(world->log, 0, 8), VIV_OK);
    cr_assert_eq(viv_log_truncate(world->log, 0, 3), VIV_OK);
    if (!world_is_volatile(world)) {
        world_reopen_log(world);
    }
    world_expect_log(world, 0, 0, 3, 1);
}

static void a_truncation_to_a_zxid_that_is_not_there_is_refused(struct world *world)
{
    world_open_log(world);
    world_append_synced(world, 0, 1, 5, 0);
    world_append_synced(world, 0, 9, 12, 0);
    cr_assert_eq(viv_log_truncate(world->log, 0, 7), VIV_ERR_INVALID);
    cr_assert_eq(viv_log_truncate(world->log, 0, 13), VIV_ERR_INVALID);
    cr_assert_eq(world_bounds(world, 0).last_zxid, 12);
    cr_assert_eq(viv_log_truncate(world->log, 0, 5), VIV_OK);
    world_expect_log(world, 0, 0, 5, 0);
}

static void a_reset_starts_history_anew_behind_an_image(struct world *world)
{
    world_open_log(world);
    world_append_synced(world, 0, 1, 30, 0);
    cr_assert_eq(viv_log_reset(world->log, 0, 100), VIV_OK);
    for (int round = 0; round < 2; round++) {
        struct viv_log_bounds bounds = world_bounds(world, 0);
        cr_assert_eq(bounds.base_zxid, 100);
        cr_assert_eq(bounds.commit_zxid, 100);
        struct viv_log_iter *iter;
        cr_assert_eq(viv_log_iter_open(world->log, 0, 30, 100, &iter), VIV_ERR_TRIMMED);
        if (!world_is_volatile(world)) {
            world_reopen_log(world);
        }
    }
    world_append_synced(world, 0, 101, 110, 0);
    world_expect_log(world, 0, 100, 110, 0);
}

static void groups_share_the_log_and_nothing_else(struct world *world)
{
    world_open_log(world);
    for (uint64_t zxid = 1; zxid <= 30; zxid++) {
        world_append(world, 0, zxid, zxid, 0);
        world_append(world, 7, 1000 + zxid, 1000 + zxid, 0);
        world_append_synced(world, 500, 2 * zxid - 1, 2 * zxid, 0);
    }
    cr_assert_eq(viv_log_truncate(world->log, 0, 11), VIV_OK);
    cr_assert_eq(viv_log_reset(world->log, 500, 77), VIV_OK);
    world_append_synced(world, 500, 78, 90, 0);
    struct viv_hard_state hard = {4, 3, 0};
    cr_assert_eq(viv_log_hard_put(world->log, 7, &hard), VIV_OK);
    if (!world_is_volatile(world)) {
        world_reopen_log(world);
    }
    world_expect_log(world, 0, 0, 11, 0);
    world_expect_log(world, 500, 77, 90, 0);
    struct viv_log_iter *iter;
    cr_assert_eq(viv_log_iter_open(world->log, 7, 0, 2000, &iter), VIV_OK);
    viv_log_iter_close(world->log, iter);
    world_expect_log(world, 7, 1000, 1030, 0);
    viv_log_hard_get(world->log, 0, &hard);
    cr_assert_eq(hard.accepted_epoch, 0);
    viv_log_hard_get(world->log, 7, &hard);
    cr_assert_eq(hard.accepted_epoch, 4);
}

static void one_call_may_carry_runs_of_several_groups_and_hints_alone(struct world *world)
{
    world_open_log(world);
    uint8_t byte = 'x';
    struct viv_entry first[2] = {{1, {&byte, 1}, viv_crc32c(0, &byte, 1)}, {2, {&byte, 1}, viv_crc32c(0, &byte, 1)}};
    struct viv_entry more = {3, {&byte, 1}, viv_crc32c(0, &byte, 1)};
    struct viv_log_run runs[] = {{0, 0, first, 2}, {1, 0, first, 1}, {0, 2, &more, 1}, {1, 1, NULL, 0}};
    cr_assert_eq(viv_log_append(world->log, runs, 4), VIV_OK);
    cr_assert_eq(viv_log_sync(world->log), VIV_OK);
    if (!world_is_volatile(world)) {
        world_reopen_log(world);
    }
    cr_assert_eq(world_bounds(world, 0).last_zxid, 3);
    cr_assert_eq(world_bounds(world, 0).commit_zxid, 2);
    cr_assert_eq(world_bounds(world, 1).last_zxid, 1);
    cr_assert_eq(world_bounds(world, 1).commit_zxid, 1);
    struct viv_log_iter *iter;
    struct viv_entry entries[4];
    size_t count;
    cr_assert_eq(viv_log_iter_open(world->log, 0, 0, 3, &iter), VIV_OK);
    cr_assert_eq(viv_log_iter_next(world->log, iter, entries, 4, 1 << 20, &count), VIV_OK);
    cr_assert_eq(count, 3);
    viv_log_iter_close(world->log, iter);
}

static void a_hint_is_never_above_the_last_entry(struct world *world)
{
    world_open_log(world);
    world_append_synced(world, 0, 1, 3, 0);
    struct viv_log_run hint = {0, 900, NULL, 0};
    cr_assert_eq(viv_log_append(world->log, &hint, 1), VIV_OK);
    cr_assert_eq(world_bounds(world, 0).commit_zxid, 3);
}

static void hard_state_survives_and_starts_at_zero(struct world *world)
{
    world_open_log(world);
    struct viv_hard_state hard;
    viv_log_hard_get(world->log, 0, &hard);
    cr_assert_eq(hard.accepted_epoch + hard.current_epoch + hard.install_zxid, 0);
    for (uint32_t epoch = 1; epoch <= 20; epoch++) {
        hard = (struct viv_hard_state){epoch, epoch - 1, (uint64_t)epoch << 40};
        cr_assert_eq(viv_log_hard_put(world->log, 0, &hard), VIV_OK);
        if (!world_is_volatile(world)) {
            world_reopen_log(world);
        }
        viv_log_hard_get(world->log, 0, &hard);
        cr_assert_eq(hard.accepted_epoch, epoch);
        cr_assert_eq(hard.current_epoch, epoch - 1);
        cr_assert_eq(hard.install_zxid, (uint64_t)epoch << 40);
    }
}

/* Enough to fill several small segments: 300 KB in each call. */
static void append_much(struct world *world, uint64_t first, uint64_t last)
{
    enum { PAYLOAD_BYTES = 100 << 10 };
    uint8_t *payload = viv_alloc_zeroed(1, PAYLOAD_BYTES);
    uint32_t crc = viv_crc32c(0, payload, PAYLOAD_BYTES);
    for (uint64_t zxid = first; zxid <= last; zxid++) {
        struct viv_entry entry = {zxid, {payload, PAYLOAD_BYTES}, crc};
        struct viv_log_run run = {0, zxid - 1, &entry, 1};
        cr_assert_eq(viv_log_append(world->log, &run, 1), VIV_OK);
        cr_assert_eq(viv_log_sync(world->log), VIV_OK);
        cr_assert_eq(viv_log_prepare(world->log), VIV_OK);
    }
    free(payload);
}

static void a_trimmed_range_is_refused_and_the_rest_stays(struct world *world)
{
    world_open_log(world);
    append_much(world, 1, 60);
    cr_assert_eq(viv_log_trim(world->log, 0, 40), VIV_OK);
    uint64_t base = world_bounds(world, 0).base_zxid;
    cr_assert_gt(base, 20);
    cr_assert_leq(base, 40);
    for (int round = 0; round < 2; round++) {
        cr_assert_eq(world_bounds(world, 0).base_zxid, base);
        cr_assert_eq(world_bounds(world, 0).last_zxid, 60);
        struct viv_log_iter *iter;
        cr_assert_eq(viv_log_iter_open(world->log, 0, base - 1, 60, &iter), VIV_ERR_TRIMMED);
        struct viv_entry entry;
        size_t count;
        cr_assert_eq(viv_log_iter_open(world->log, 0, base, 60, &iter), VIV_OK);
        cr_assert_eq(viv_log_iter_next(world->log, iter, &entry, 1, 1, &count), VIV_OK);
        cr_assert_eq(entry.zxid, base + 1);
        viv_log_iter_close(world->log, iter);
        if (!world_is_volatile(world)) {
            world_reopen_log(world);
        }
    }
    append_much(world, 61, 70);
    cr_assert_eq(world_bounds(world, 0).last_zxid, 70);
}

static void a_group_that_needs_old_entries_keeps_them_for_all(struct world *world)
{
    world_open_log(world);
    world_append_synced(world, 9, 1, 3, 0);
    append_much(world, 1, 40);
    cr_assert_eq(viv_log_trim(world->log, 0, 40), VIV_OK);
    if (!world_is_volatile(world)) {
        world_reopen_log(world);
    }
    world_expect_log(world, 9, 0, 3, 0);
    cr_assert_eq(viv_log_trim(world->log, 0, 40), VIV_OK);
    cr_assert_eq(viv_log_trim(world->log, 9, 3), VIV_OK);
    cr_assert_gt(world_bounds(world, 0).base_zxid, 20);
    if (!world_is_volatile(world)) {
        world_reopen_log(world);
    }
    cr_assert_eq(world_bounds(world, 9).last_zxid, 3);
    cr_assert_eq(world_bounds(world, 9).base_zxid, 3);
}

static void an_entry_larger_than_a_segment_is_taken(struct world *world)
{
    world_open_log(world);
    world_append_synced(world, 0, 1, 3, 0);
    size_t size = 5 << 20;
    uint8_t *body = viv_alloc(size);
    for (size_t i = 0; i < size; i++) {
        body[i] = (uint8_t)(i * 7 >> 3);
    }
    struct viv_entry entry = {4, {body, size}, viv_crc32c(0, body, size)};
    struct viv_log_run run = {0, 3, &entry, 1};
    cr_assert_eq(viv_log_append(world->log, &run, 1), VIV_OK);
    cr_assert_eq(viv_log_sync(world->log), VIV_OK);
    world_append_synced(world, 0, 5, 5, 0);
    if (!world_is_volatile(world)) {
        world_reopen_log(world);
    }
    struct viv_log_iter *iter;
    struct viv_entry back;
    size_t count;
    cr_assert_eq(viv_log_iter_open(world->log, 0, 3, 5, &iter), VIV_OK);
    cr_assert_eq(viv_log_iter_next(world->log, iter, &back, 1, 1, &count), VIV_OK);
    cr_assert_eq(back.body.size, size);
    cr_assert(viv_bytes_equal(back.body, entry.body));
    viv_log_iter_close(world->log, iter);
    cr_assert_eq(world_bounds(world, 0).last_zxid, 5);
    free(body);
}

static void a_second_process_is_kept_out(struct world *world)
{
    world_needs_durability(world);
    world_open_log(world);
    struct viv_log *second;
    cr_assert_eq(viv_log_open(world->configuration->log, &world->config, &second, &world->report), VIV_ERR_BUSY);
    world_reopen_log(world);
}

static void the_files_of_another_server_or_ensemble_are_refused(struct world *world)
{
    world_needs_durability(world);
    world_open_log(world);
    world_append_synced(world, 0, 1, 3, 0);
    world_close_log(world);
    world->config.server_id = 4;
    cr_assert_eq(world_try_open_log(world), VIV_ERR_FOREIGN);
    world->config.server_id = 3;
    world->config.cluster[1]++;
    cr_assert_eq(world_try_open_log(world), VIV_ERR_FOREIGN);
    world->config.cluster[0] = world->config.cluster[1] = 0;
    world_open_log(world);
    world_expect_log(world, 0, 0, 3, 0);
}

static void a_volatile_configuration_refuses_to_promise_durability(struct world *world)
{
    if (!world_is_volatile(world)) {
        cr_skip_test("this configuration is durable");
    }
    world->config.durable = true;
    cr_assert_eq(world_try_open_log(world), VIV_ERR_UNSUPPORTED);
    cr_assert_eq(viv_state_open(world->configuration->state, &world->config, 0, &world->state, &world->report),
                 VIV_ERR_UNSUPPORTED);
    cr_assert(world_logged(world, "durability=none"));
}

struct background {
    struct world *world;
    bool is_ordered;
    viv_status status;
};

/* True when everything from the log's base to its end is there, in order and sound. A trim may end it early. */
static bool read_all_there_is(struct world *world)
{
    struct viv_log_bounds bounds = world_bounds(world, 0);
    struct viv_log_iter *iter;
    struct viv_entry entries[8];
    size_t count = 0;
    uint64_t expected = bounds.base_zxid + 1;
    bool is_ordered = true;
    if (viv_log_iter_open(world->log, 0, bounds.base_zxid, bounds.last_zxid, &iter) != VIV_OK) {
        return true;
    }
    while (viv_log_iter_next(world->log, iter, entries, 8, 1 << 20, &count) == VIV_OK && count > 0) {
        for (size_t i = 0; i < count; i++, expected++) {
            is_ordered = is_ordered && entries[i].zxid == expected &&
                         viv_crc32c(0, entries[i].body.data, entries[i].body.size) == entries[i].body_crc;
        }
    }
    viv_log_iter_close(world->log, iter);
    return is_ordered;
}

static void *read_prepare_and_trim(void *argument)
{
    struct background *background = argument;
    for (int round = 0; round < 40 && background->status == VIV_OK; round++) {
        background->is_ordered = read_all_there_is(background->world) && background->is_ordered;
        background->status = viv_log_prepare(background->world->log);
        uint64_t last = world_bounds(background->world, 0).last_zxid;
        if (background->status == VIV_OK && round % 4 == 0) {
            background->status = viv_log_trim(background->world->log, 0, last - 3);
        }
    }
    return NULL;
}

static void the_background_thread_reads_prepares_and_trims_while_the_log_grows(struct world *world)
{
    world_open_log(world);
    append_much(world, 1, 5);
    struct background background = {world, true, VIV_OK};
    pthread_t thread;
    cr_assert_eq(pthread_create(&thread, NULL, read_prepare_and_trim, &background), 0);
    for (uint64_t zxid = 6; zxid <= 80; zxid++) {
        append_much(world, zxid, zxid);
        if (zxid % 10 == 0) {
            cr_assert_eq(viv_log_trim(world->log, 0, zxid - 5), VIV_OK);
        }
    }
    cr_assert_eq(pthread_join(thread, NULL), 0);
    cr_assert(background.is_ordered);
    cr_assert_eq(background.status, VIV_OK);
    cr_assert_not(world_logged(world, "damaged"));
    if (!world_is_volatile(world)) {
        world_reopen_log(world);
    }
    cr_assert_eq(world_bounds(world, 0).last_zxid, 80);
}

#define VIV_SCENARIOS(S, ...)                                                                                          \
    S(a_new_log_is_empty, __VA_ARGS__)                                                                                 \
    S(appended_entries_are_read_back_in_order, __VA_ARGS__)                                                            \
    S(synced_entries_survive_a_restart, __VA_ARGS__)                                                                   \
    S(a_range_ends_where_it_was_asked_to, __VA_ARGS__)                                                                 \
    S(a_bite_holds_one_entry_at_least_and_not_much_more_than_asked, __VA_ARGS__)                                       \
    S(a_truncated_tail_stays_away_after_a_restart, __VA_ARGS__)                                                        \
    S(what_is_appended_after_a_truncation_replaces_the_tail, __VA_ARGS__)                                              \
    S(truncating_to_nothing_and_again_works, __VA_ARGS__)                                                              \
    S(a_truncation_to_a_zxid_that_is_not_there_is_refused, __VA_ARGS__)                                                \
    S(a_reset_starts_history_anew_behind_an_image, __VA_ARGS__)                                                        \
    S(groups_share_the_log_and_nothing_else, __VA_ARGS__)                                                              \
    S(one_call_may_carry_runs_of_several_groups_and_hints_alone, __VA_ARGS__)                                          \
    S(a_hint_is_never_above_the_last_entry, __VA_ARGS__)                                                               \
    S(hard_state_survives_and_starts_at_zero, __VA_ARGS__)                                                             \
    S(a_trimmed_range_is_refused_and_the_rest_stays, __VA_ARGS__)                                                      \
    S(a_group_that_needs_old_entries_keeps_them_for_all, __VA_ARGS__)                                                  \
    S(an_entry_larger_than_a_segment_is_taken, __VA_ARGS__)                                                            \
    S(a_second_process_is_kept_out, __VA_ARGS__)                                                                       \
    S(the_files_of_another_server_or_ensemble_are_refused, __VA_ARGS__)                                                \
    S(a_volatile_configuration_refuses_to_promise_durability, __VA_ARGS__)                                             \
    S(the_background_thread_reads_prepares_and_trims_while_the_log_grows, __VA_ARGS__)

#define VIV_CONFIGURATION(name, log, state, purpose) VIV_SCENARIOS(VIV_STAMP, name, log, state)
#include "backends/configurations.def"
#undef VIV_CONFIGURATION
