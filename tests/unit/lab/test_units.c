#include "experiments/lab/units.h"
#include "tests/support/viv_test.h"

VIV_TEST(lab_units, durations_come_with_their_unit)
{
    uint64_t ns = 0;
    cr_assert(viv_units_duration("250us", &ns));
    cr_assert_eq(ns, 250000);
    cr_assert(viv_units_duration("1.5s", &ns));
    cr_assert_eq(ns, UINT64_C(1500000000));
    cr_assert(viv_units_duration("2min", &ns));
    cr_assert_eq(ns, UINT64_C(120000000000));
    static const char *const refused[] = {"20", "", "s", "2 s", "-1s", "1.s5", "2sec", "0.5ns", "99999999999999h"};
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        cr_assert_not(viv_units_duration(refused[i], &ns), "%s", refused[i]);
    }
}

VIV_TEST(lab_units, sizes_tell_binary_from_decimal)
{
    uint64_t bytes = 0;
    cr_assert(viv_units_size("100B", &bytes));
    cr_assert_eq(bytes, 100);
    cr_assert(viv_units_size("1KiB", &bytes));
    cr_assert_eq(bytes, 1024);
    cr_assert(viv_units_size("1kB", &bytes));
    cr_assert_eq(bytes, 1000);
    cr_assert(viv_units_size("4GiB", &bytes));
    cr_assert_eq(bytes, UINT64_C(4) << 30);
    cr_assert_not(viv_units_size("100", &bytes));
    cr_assert_not(viv_units_size("1K", &bytes));
}

VIV_TEST(lab_units, counts_may_be_thousands_and_millions)
{
    uint64_t count = 0;
    cr_assert(viv_units_count("20k", &count));
    cr_assert_eq(count, 20000);
    cr_assert(viv_units_count("1.5M", &count));
    cr_assert_eq(count, 1500000);
    cr_assert_not(viv_units_count("three", &count));
    cr_assert_not(viv_units_count("1.5", &count));
}

VIV_TEST(lab_units, rates_and_shares_carry_their_signs)
{
    double per_s = 0;
    uint32_t percent = 0;
    cr_assert(viv_units_rate("1000/s", &per_s));
    cr_assert_eq(per_s, 1000);
    cr_assert_not(viv_units_rate("1000", &per_s));
    cr_assert(viv_units_percent("90%", &percent));
    cr_assert_eq(percent, 90);
    cr_assert_not(viv_units_percent("101%", &percent));
}
