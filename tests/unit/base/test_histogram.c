#include <string.h>

#include "base/histogram.h"
#include "tests/support/viv_test.h"

VIV_TEST(base_histogram, quantiles_of_one_to_a_thousand_are_those_computed_by_hand)
{
    struct viv_histogram histogram;
    viv_histogram_init(&histogram);
    for (uint64_t value_us = 1; value_us <= 1000; value_us++) {
        viv_histogram_record(&histogram, value_us);
    }
    cr_assert_eq(viv_histogram_quantile(&histogram, 0), 1);
    cr_assert_eq(viv_histogram_quantile(&histogram, 0.5), 500);
    cr_assert_eq(viv_histogram_quantile(&histogram, 0.99), 990);
    cr_assert_eq(viv_histogram_quantile(&histogram, 0.999), 999);
    cr_assert_eq(viv_histogram_quantile(&histogram, 1), 1000);
    cr_assert_eq(viv_histogram_mean_us(&histogram), 500.5);
    viv_histogram_fini(&histogram);
}

VIV_TEST(base_histogram, every_bucket_begins_where_the_one_before_ends)
{
    for (size_t bucket = 1; bucket < VIV_HISTOGRAM_BUCKET_COUNT; bucket++) {
        cr_assert_eq(viv_histogram_bucket_low_us(bucket), viv_histogram_bucket_high_us(bucket - 1) + 1);
    }
    for (uint64_t value_us = 1; value_us <= VIV_HISTOGRAM_US_MAX; value_us = value_us * 21 / 20 + 1) {
        size_t bucket = viv_histogram_bucket(value_us);
        uint64_t low_us = viv_histogram_bucket_low_us(bucket);
        uint64_t high_us = viv_histogram_bucket_high_us(bucket);
        cr_assert(low_us <= value_us && value_us <= high_us);
        cr_assert_leq((high_us - low_us) * 1024, low_us, "three digits are kept");
    }
}

VIV_TEST(base_histogram, what_is_longer_than_the_range_is_counted_apart_and_spoils_the_quantile)
{
    struct viv_histogram histogram;
    viv_histogram_init(&histogram);
    viv_histogram_record_many(&histogram, 10, 99);
    viv_histogram_record(&histogram, VIV_HISTOGRAM_US_MAX + 1);
    cr_assert_eq(histogram.total, 99);
    cr_assert_eq(histogram.overflow, 1);
    cr_assert_eq(histogram.max_us, 10);
    cr_assert_eq(viv_histogram_quantile(&histogram, 0.99), 10);
    cr_assert_eq(viv_histogram_quantile(&histogram, 1), UINT64_MAX);
    viv_histogram_fini(&histogram);
}

VIV_TEST(base_histogram, the_longest_value_has_a_bucket)
{
    struct viv_histogram histogram;
    viv_histogram_init(&histogram);
    viv_histogram_record(&histogram, VIV_HISTOGRAM_US_MAX);
    cr_assert_eq(histogram.total, 1);
    cr_assert_eq(viv_histogram_quantile(&histogram, 0.5), VIV_HISTOGRAM_US_MAX);
    viv_histogram_fini(&histogram);
}

VIV_TEST(base_histogram, merging_gives_the_counts_of_recording_everything_in_one)
{
    struct viv_histogram parts[2];
    struct viv_histogram whole;
    viv_histogram_init(&parts[0]);
    viv_histogram_init(&parts[1]);
    viv_histogram_init(&whole);
    for (uint64_t i = 0; i < 5000; i++) {
        uint64_t value_us = 1 + i * i % 777777;
        viv_histogram_record(&parts[i & 1], value_us);
        viv_histogram_record(&whole, value_us);
    }
    viv_histogram_merge(&parts[0], &parts[1]);
    cr_assert_eq(memcmp(parts[0].counts, whole.counts, VIV_HISTOGRAM_BUCKET_COUNT * sizeof *whole.counts), 0);
    cr_assert_eq(parts[0].sum_us, whole.sum_us);
    cr_assert_eq(parts[0].min_us, whole.min_us);
    cr_assert_eq(parts[0].max_us, whole.max_us);
    viv_histogram_fini(&parts[0]);
    viv_histogram_fini(&parts[1]);
    viv_histogram_fini(&whole);
}

VIV_TEST(base_histogram, text_brings_every_count_back)
{
    struct viv_histogram histogram;
    struct viv_histogram copy;
    struct viv_buffer text = {0};
    viv_histogram_init(&histogram);
    viv_histogram_init(&copy);
    viv_histogram_encode(&histogram, &text);
    cr_assert(viv_bytes_equal(viv_buffer_bytes(&text), VIV_BYTES_LITERAL("[]")));
    cr_assert(viv_histogram_decode(&copy, viv_buffer_bytes(&text)));
    viv_histogram_record_many(&histogram, 112, 4031);
    viv_histogram_record_many(&histogram, 4097, 2);
    viv_buffer_clear(&text);
    viv_histogram_encode(&histogram, &text);
    cr_assert(viv_bytes_equal(viv_buffer_bytes(&text), VIV_BYTES_LITERAL("[[112,4031],[4096,2]]")));
    cr_assert(viv_histogram_decode(&copy, viv_buffer_bytes(&text)));
    cr_assert_eq(memcmp(copy.counts, histogram.counts, VIV_HISTOGRAM_BUCKET_COUNT * sizeof *copy.counts), 0);
    viv_buffer_fini(&text);
    viv_histogram_fini(&histogram);
    viv_histogram_fini(&copy);
}

VIV_TEST(base_histogram, damaged_text_is_refused)
{
    static const char *const damaged[] = {"",         "[",     "[[1,2]", "[[1]]", "[[1,2],]", "[[200000000,1]]",
                                          "[[1,2]]x", "[[,2]]"};
    for (size_t i = 0; i < sizeof damaged / sizeof *damaged; i++) {
        struct viv_histogram histogram;
        viv_histogram_init(&histogram);
        cr_assert_not(viv_histogram_decode(&histogram, viv_bytes_text(damaged[i])), "%s", damaged[i]);
        viv_histogram_fini(&histogram);
    }
}
