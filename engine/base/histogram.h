#ifndef VIV_BASE_HISTOGRAM_H
#define VIV_BASE_HISTOGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

/* Counts of durations in microseconds, 1 us to 100 s, in the manner of HDR histograms: below 2048 us every value has a
 * bucket of its own; above, each doubling of the range is cut into 1024 buckets, so a value is told with an error below
 * 1/1024 of itself (three significant digits). What is longer than the range is counted apart, as overflow, and never
 * put into the last bucket. Merging adds counts and loses nothing. Knows no clock and no unit but its own. */

enum {
    VIV_HISTOGRAM_US_MAX = 100000000,
    VIV_HISTOGRAM_SUB_BITS = 10,
    VIV_HISTOGRAM_BUCKET_COUNT = 18 << VIV_HISTOGRAM_SUB_BITS, /* the largest value lies in doubling 16 above 2048 */
};

struct viv_histogram {
    uint64_t *counts; /* VIV_HISTOGRAM_BUCKET_COUNT of them */
    uint64_t total;   /* without overflow */
    uint64_t overflow;
    uint64_t sum_us; /* of the exact values, without overflow */
    uint64_t min_us; /* exact; UINT64_MAX while empty */
    uint64_t max_us; /* exact, of what is within the range */
};

void viv_histogram_init(struct viv_histogram *histogram);
void viv_histogram_fini(struct viv_histogram *histogram);
void viv_histogram_clear(struct viv_histogram *histogram);

/* 0 counts as 1 us, the shortest that is told apart. */
void viv_histogram_record(struct viv_histogram *histogram, uint64_t value_us);
void viv_histogram_record_many(struct viv_histogram *histogram, uint64_t value_us, uint64_t count);
void viv_histogram_merge(struct viv_histogram *into, const struct viv_histogram *from);

/* The smallest value that at least the share `quantile` (0 to 1) of the recorded values do not exceed, as the highest
 * value of its bucket, and never above max_us. 0 when empty. Overflow counts as larger than any value: a quantile
 * that falls into it is UINT64_MAX. */
uint64_t viv_histogram_quantile(const struct viv_histogram *histogram, double quantile);
double viv_histogram_mean_us(const struct viv_histogram *histogram);

/* Bucket of a value of at most VIV_HISTOGRAM_US_MAX, and the lowest and highest value of a bucket. */
size_t viv_histogram_bucket(uint64_t value_us);
uint64_t viv_histogram_bucket_low_us(size_t bucket);
uint64_t viv_histogram_bucket_high_us(size_t bucket);

/* Sparse text: "[[low_us,count],...]", ascending, buckets without counts left out. Appends. */
void viv_histogram_encode(const struct viv_histogram *histogram, struct viv_buffer *out);
/* Adds what viv_histogram_encode wrote. False at text of another form; counts read so far stay added. The exact
 * minimum, maximum and sum are not in the text: they are taken from the buckets' lowest values. */
bool viv_histogram_decode(struct viv_histogram *histogram, struct viv_bytes text);

#endif /* VIV_BASE_HISTOGRAM_H */
