#include "base/rate.h"
#include "tests/support/viv_test.h"

static unsigned take_all(struct viv_rate *rate, uint64_t now_ms)
{
    unsigned taken = 0;
    while (viv_rate_take(rate, now_ms)) {
        taken++;
    }
    return taken;
}

VIV_TEST(base_rate, a_bucket_gives_its_burst_and_then_so_many_a_second)
{
    struct viv_rate rate;
    viv_rate_init(&rate, 1000, 2000, 5);
    cr_assert_eq(take_all(&rate, 5), 2000U);
    cr_assert_eq(take_all(&rate, 5), 0U);
    cr_assert_eq(take_all(&rate, 6), 1U);
    cr_assert_eq(take_all(&rate, 506), 500U);
    cr_assert_eq(take_all(&rate, 10006), 2000U, "never more than the burst");
    cr_assert_eq(take_all(&rate, UINT64_MAX), 2000U);
}

VIV_TEST(base_rate, a_slow_bucket_keeps_parts_of_a_token)
{
    struct viv_rate rate;
    viv_rate_init(&rate, 3, 1, 0);
    unsigned taken = 0;
    for (uint64_t now_ms = 0; now_ms <= 10000; now_ms += 10) {
        taken += viv_rate_take(&rate, now_ms);
    }
    cr_assert(taken >= 29 && taken <= 31, "%u in ten seconds and one at once", taken);
}

VIV_TEST(base_rate, one_line_a_second_says_how_many_were_swallowed)
{
    struct viv_log_gate gate = {0};
    uint64_t swallowed = 77;
    cr_assert(viv_log_gate_open(&gate, 0, &swallowed));
    cr_assert_eq(swallowed, 0U);
    for (unsigned i = 0; i < 100; i++) {
        cr_assert_not(viv_log_gate_open(&gate, 999, &swallowed));
    }
    cr_assert(viv_log_gate_open(&gate, 1000, &swallowed));
    cr_assert_eq(swallowed, 100U);
    cr_assert(viv_log_gate_open(&gate, 2000, &swallowed));
    cr_assert_eq(swallowed, 0U);
}
