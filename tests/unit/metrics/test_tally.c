#include <stdlib.h>

#include "base/rng.h"
#include "metrics/sampler.h"
#include "metrics/tally.h"
#include "tests/support/viv_test.h"

static int compare(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
    return a < b ? -1 : a > b;
}

VIV_TEST(metrics_tally, a_quantile_is_within_one_part_in_thirty_two_of_the_exact_one)
{
    enum { VALUES = 5000 };
    static uint64_t values[VALUES];
    static const unsigned per_milles[] = {1, 500, 900, 950, 990, 999, 1000};
    struct viv_rng rng;
    viv_rng_init(&rng, 7);
    struct viv_tally tally = {0};
    uint64_t sum = 0;
    for (size_t i = 0; i < VALUES; i++) {
        values[i] = viv_rng_next(&rng) >> (28 + viv_rng_next(&rng) % 36);
        sum += values[i];
        viv_tally_add_many(&tally, values[i], 1);
    }
    qsort(values, VALUES, sizeof values[0], compare);
    for (size_t i = 0; i < sizeof per_milles / sizeof per_milles[0]; i++) {
        uint64_t exact = values[(VALUES * per_milles[i] + 999) / 1000 - 1];
        uint64_t told = viv_tally_quantile(&tally, per_milles[i]);
        uint64_t off = told > exact ? told - exact : exact - told;
        cr_expect_leq(off * 32, exact, "p%u: %lu, exactly %lu", per_milles[i], (unsigned long)told,
                      (unsigned long)exact);
    }
    cr_expect_eq(tally.min, values[0]);
    cr_expect_eq(tally.max, values[VALUES - 1]);
    cr_expect_eq(tally.sum, sum);
    cr_expect_eq(tally.count, VALUES);
}

VIV_TEST(metrics_tally, every_bucket_begins_where_the_one_before_it_ends)
{
    unsigned bucket = 0;
    for (uint64_t value = 0; value < 1 << 16; value++) {
        unsigned next = viv_tally_bucket(value);
        cr_assert(next == bucket || next == bucket + 1, "value %lu", (unsigned long)value);
        bucket = next;
    }
    cr_expect_eq(viv_tally_bucket((UINT64_C(1) << VIV_TALLY_VALUE_BITS) - 1), VIV_TALLY_BUCKET_COUNT - 1);
    cr_expect_eq(viv_tally_bucket(UINT64_MAX), VIV_TALLY_BUCKET_COUNT - 1);
}

VIV_TEST(metrics_tally, extremes_are_kept_from_the_first_value_on)
{
    uint64_t least = 0, largest = 0;
    static const uint64_t values[] = {50, 60, 40, 55, 100, 7};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        viv_note_extremes(values[i], &least, &largest);
    }
    cr_expect_eq(least, 7);
    cr_expect_eq(largest, 100);
}

static void see(struct viv_sampler *sampler, unsigned count, uint64_t *taken, uint64_t *stood_for)
{
    *taken = *stood_for = 0;
    for (unsigned i = 0; i < count; i++) {
        if (viv_sampler_takes(sampler)) {
            *taken += 1;
            *stood_for += viv_sampler_weight(sampler);
        }
    }
}

VIV_TEST(metrics_sampler, few_are_all_taken_and_many_are_stood_for)
{
    enum { MANY = 64000, SOME = 350, S = 1000000000 };
    struct viv_sampler sampler = {0};
    uint64_t taken, stood_for, now_ns = UINT64_C(5) * S;
    viv_sampler_tick(&sampler, now_ns);
    see(&sampler, VIV_SAMPLER_BURST, &taken, &stood_for);
    cr_expect_eq(taken, VIV_SAMPLER_BURST);
    cr_expect_eq(stood_for, VIV_SAMPLER_BURST);
    for (unsigned second = 0; second < 20; second++) { /* one client that waits for each answer */
        viv_sampler_tick(&sampler, now_ns += S);
        see(&sampler, SOME, &taken, &stood_for);
        cr_expect_leq(taken, VIV_SAMPLER_REFILL_PER_S + 1 + SOME / VIV_SAMPLER_WEIGHT);
        cr_expect_leq(stood_for, SOME + VIV_SAMPLER_WEIGHT);
        cr_expect_geq(stood_for, SOME - VIV_SAMPLER_WEIGHT);
    }
    see(&sampler, MANY, &taken, &stood_for); /* the first busy second, and those behind it */
    for (unsigned second = 0; second < 5; second++) {
        viv_sampler_tick(&sampler, now_ns += S);
        see(&sampler, MANY, &taken, &stood_for);
        cr_expect_leq(taken, 1 + MANY / VIV_SAMPLER_WEIGHT_MAX);
        cr_expect_leq(stood_for, MANY + VIV_SAMPLER_WEIGHT_MAX);
        cr_expect_geq(stood_for, MANY - VIV_SAMPLER_WEIGHT_MAX);
    }
    for (unsigned second = 0; second <= VIV_SAMPLER_BURST / VIV_SAMPLER_REFILL_PER_S + 1; second++) {
        viv_sampler_tick(&sampler, now_ns += S);
    }
    see(&sampler, VIV_SAMPLER_BURST, &taken, &stood_for);
    cr_expect_eq(taken, VIV_SAMPLER_BURST); /* after a rest they are few again */
}
