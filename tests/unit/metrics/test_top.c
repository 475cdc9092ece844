#include <stdio.h>
#include <string.h>

#include "base/rng.h"
#include "metrics/slow.h"
#include "metrics/top.h"
#include "tests/support/viv_test.h"

#define SECOND UINT64_C(1000000000)

struct found {
    size_t count;
    char first[VIV_TOP_PATH_BYTES_MAX + 1];
    uint64_t first_count, last_count;
    int64_t first_session;
    bool is_sorted, is_within_error;
    uint64_t exact_of_first;
};

static void take(void *ctx, const struct viv_top_item *item)
{
    struct found *found = ctx;
    if (found->count == 0) {
        snprintf(found->first, sizeof found->first, "%.*s", (int)item->path.size, (const char *)item->path.data);
        found->first_count = item->count;
        found->first_session = item->session_id;
        found->is_within_error = item->count - item->error <= found->exact_of_first;
    } else if (item->count > found->last_count) {
        found->is_sorted = false;
    }
    found->last_count = item->count;
    found->count++;
}

VIV_TEST(metrics_top, a_path_with_a_twentieth_of_all_writes_stands_first_among_ten_thousand)
{
    struct viv_top *top = viv_top_new();
    struct viv_rng rng;
    viv_rng_init(&rng, 3);
    viv_top_tick(top, SECOND);
    uint64_t hot = 0;
    for (unsigned i = 0; i < 100000; i++) {
        char path[32];
        if (i % 20 == 0) {
            hot++;
            viv_top_write(top, viv_bytes_text("/hot"), 1);
            continue;
        }
        int size = snprintf(path, sizeof path, "/cold/%u", (unsigned)(viv_rng_next(&rng) % 10000));
        viv_top_write(top, viv_bytes_of(path, (size_t)size), 1);
    }
    struct found found = {.is_sorted = true, .exact_of_first = hot};
    viv_top_visit_paths(top, take, &found);
    cr_expect_eq(found.count, VIV_TOP_COUNTERS);
    cr_expect_str_eq(found.first, "/hot");
    cr_expect_geq(found.first_count, hot);
    cr_expect(found.is_within_error);
    cr_expect(found.is_sorted);
    viv_top_free(top);
}

VIV_TEST(metrics_top, a_window_is_shown_when_it_is_whole_and_forgotten_after_the_next)
{
    struct viv_top *top = viv_top_new();
    viv_top_tick(top, SECOND);
    viv_top_request(top, 5, 3);
    viv_top_tick(top, 11 * SECOND);
    viv_top_request(top, 6, 9);
    struct found found = {.is_sorted = true};
    viv_top_visit_sessions(top, take, &found);
    cr_expect_eq(found.count, 1);
    cr_expect_eq(found.first_session, 5);
    cr_expect_eq(found.first_count, 3);
    cr_expect_eq(viv_top_window_ns(top), VIV_TOP_WINDOW_NS);
    viv_top_tick(top, 21 * SECOND);
    found = (struct found){.is_sorted = true};
    viv_top_visit_sessions(top, take, &found);
    cr_expect_eq(found.first_session, 6);
    viv_top_tick(top, 60 * SECOND);
    found = (struct found){.is_sorted = true};
    viv_top_visit_sessions(top, take, &found);
    cr_expect_eq(found.count, 0);
    viv_top_free(top);
}

/* ---- slow ---- */

struct slowest {
    uint64_t whole_ns[VIV_SLOW_COUNT];
    size_t count;
    char path[VIV_SLOW_PATH_BYTES_MAX + 1];
};

static void take_slow(void *ctx, const struct viv_slow_request *request)
{
    struct slowest *slowest = ctx;
    if (slowest->count == 0) {
        snprintf(slowest->path, sizeof slowest->path, "%.*s", (int)request->path.size,
                 (const char *)request->path.data);
    }
    slowest->whole_ns[slowest->count++] = request->whole_ns;
}

static void offer(struct viv_slow *slow, uint64_t whole_ns, struct viv_bytes path)
{
    if (whole_ns >= viv_slow_from_ns(slow)) {
        viv_slow_record(slow, &(struct viv_slow_request){.op = 5, .whole_ns = whole_ns, .path = path});
    }
}

VIV_TEST(metrics_slow, the_slowest_sixty_four_of_a_minute_are_kept_with_their_paths)
{
    struct viv_slow *slow = viv_slow_new();
    char path[2 * VIV_SLOW_PATH_BYTES_MAX];
    memset(path, 'p', sizeof path);
    for (uint64_t second = 1; second <= 50; second++) {
        viv_slow_tick(slow, second * SECOND);
        for (uint64_t i = 0; i < 200; i++) {
            offer(slow, 1 + (i * 7919 + second * 104729) % 100000, viv_bytes_text("/x"));
        }
    }
    offer(slow, 1000000, viv_bytes_of(path, sizeof path));
    memset(path, '?', sizeof path); /* what is kept is a copy */
    struct slowest slowest = {.count = 0};
    viv_slow_visit(slow, take_slow, &slowest);
    cr_expect_eq(slowest.count, VIV_SLOW_COUNT);
    cr_expect_eq(slowest.whole_ns[0], 1000000);
    cr_expect_eq(strlen(slowest.path), VIV_SLOW_PATH_BYTES_MAX);
    cr_expect_eq(slowest.path[0], 'p');
    for (size_t i = 1; i < slowest.count; i++) {
        cr_expect_leq(slowest.whole_ns[i], slowest.whole_ns[i - 1]);
    }
    /* Of 10 000 values spread evenly below 100 000 the 63rd largest. */
    cr_expect_geq(slowest.whole_ns[VIV_SLOW_COUNT - 1], 98000);
    viv_slow_free(slow);
}

VIV_TEST(metrics_slow, what_is_older_than_a_minute_is_forgotten)
{
    struct viv_slow *slow = viv_slow_new();
    viv_slow_tick(slow, SECOND);
    offer(slow, 500, viv_bytes_text("/old"));
    struct slowest slowest = {.count = 0};
    viv_slow_tick(slow, 50 * SECOND);
    viv_slow_visit(slow, take_slow, &slowest);
    cr_expect_eq(slowest.count, 1);
    viv_slow_tick(slow, 62 * SECOND);
    slowest.count = 0;
    viv_slow_visit(slow, take_slow, &slowest);
    cr_expect_eq(slowest.count, 0);
    offer(slow, 1, viv_bytes_text("/new"));
    viv_slow_tick(slow, 1000 * SECOND);
    viv_slow_visit(slow, take_slow, &slowest);
    cr_expect_eq(slowest.count, 0);
    viv_slow_free(slow);
}
