#include <string.h>

#include "base/rng.h"
#include "tests/support/viv_test.h"
#include "zab/history.h"

static void add(struct viv_history *history, uint64_t zxid, size_t size)
{
    uint8_t *body = viv_alloc(size);
    memset(body, (int)(zxid & 0xff), size);
    viv_history_append(history, &(struct viv_entry){zxid, {body, size}, (uint32_t)zxid});
    free(body);
}

VIV_TEST(zab_history, bodies_stay_where_they_are_while_it_grows_and_shrinks)
{
    struct viv_history history = {0};
    viv_history_reset(&history, 0);
    add(&history, 1, 100);
    const uint8_t *first = viv_history_at(&history, 0)->body.data;
    for (uint64_t zxid = 2; zxid <= 5000; zxid++) {
        add(&history, zxid, 1 + zxid % 700);
    }
    add(&history, 5001, 1 << 20);
    viv_history_truncate(&history, 4000);
    cr_assert_eq(viv_history_at(&history, 0)->body.data, first);
    for (size_t i = 0; i < history.count; i++) {
        const struct viv_entry *entry = viv_history_at(&history, i);
        cr_assert_eq(entry->zxid, i + 1);
        cr_assert_eq(entry->body.data[entry->body.size - 1], entry->zxid & 0xff);
    }
    cr_assert_eq(history.last_zxid, 4000);
    viv_history_fini(&history);
}

VIV_TEST(zab_history, only_committed_entries_are_delivered_and_only_once)
{
    struct viv_history history = {0};
    viv_history_reset(&history, 10);
    for (uint64_t zxid = 11; zxid <= 15; zxid++) {
        add(&history, zxid, 8);
    }
    cr_assert_null(viv_history_deliver(&history, 15));
    viv_history_commit(&history, 13);
    cr_assert_eq(viv_history_deliver(&history, 15)->zxid, 11);
    cr_assert_eq(viv_history_deliver(&history, 12)->zxid, 12);
    cr_assert_null(viv_history_deliver(&history, 12)); /* 13 is not durable */
    cr_assert_eq(viv_history_deliver(&history, 15)->zxid, 13);
    cr_assert_null(viv_history_deliver(&history, 15));
    viv_history_fini(&history);
}

VIV_TEST(zab_history, what_was_not_delivered_is_never_trimmed)
{
    struct viv_history history = {0};
    for (uint64_t zxid = 1; zxid <= 100; zxid++) {
        add(&history, zxid, 1000);
    }
    viv_history_commit(&history, 60);
    while (viv_history_deliver(&history, 60) != NULL) {
    }
    viv_history_trim(&history, 60, 10);
    cr_assert_eq(history.floor_zxid, 60);
    cr_assert_eq(history.count, 40);
    cr_assert(viv_history_contains(&history, 60));
    cr_assert_not(viv_history_contains(&history, 59));
    cr_assert_eq(viv_history_before(&history, 61), 60);
    cr_assert_eq(viv_history_above(&history, 70), 10);
    viv_history_fini(&history);
}

VIV_TEST(zab_history, any_place_is_found_in_a_history_of_any_length)
{
    struct viv_history history = {0};
    viv_history_reset(&history, 0);
    for (size_t count = 0; count <= 40; count++) {
        for (uint64_t zxid = 0; zxid <= 2 * count + 3; zxid++) { /* entries have odd zxids */
            size_t above = 0;
            while (above < history.count && viv_history_at(&history, above)->zxid <= zxid) {
                above++;
            }
            cr_assert_eq(viv_history_above(&history, zxid), above, "%llu of %zu", (unsigned long long)zxid, count);
        }
        add(&history, 2 * count + 1, 8);
    }
    viv_history_fini(&history);
}

VIV_TEST(zab_history, an_entry_follows_its_neighbour_or_opens_a_later_epoch)
{
    cr_assert(viv_history_follows(VIV_ZXID(2, 7), VIV_ZXID(2, 8)));
    cr_assert(viv_history_follows(VIV_ZXID(2, 7), VIV_ZXID(4, 1)));
    cr_assert(viv_history_follows(VIV_ZXID(2, 0), VIV_ZXID(2, 1)));
    cr_assert_not(viv_history_follows(VIV_ZXID(2, 7), VIV_ZXID(2, 9)));
    cr_assert_not(viv_history_follows(VIV_ZXID(2, 7), VIV_ZXID(4, 2)));
    cr_assert_not(viv_history_follows(VIV_ZXID(2, 7), VIV_ZXID(1, 1)));
    cr_assert_not(viv_history_follows(VIV_ZXID(2, 7), VIV_ZXID(2, 7)));
}
