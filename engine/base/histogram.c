#include "base/histogram.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

enum { SUB_COUNT = 1 << VIV_HISTOGRAM_SUB_BITS, LINEAR_COUNT = 2 * SUB_COUNT };

void viv_histogram_init(struct viv_histogram *histogram)
{
    *histogram = (struct viv_histogram){.min_us = UINT64_MAX};
    histogram->counts = viv_alloc_zeroed(VIV_HISTOGRAM_BUCKET_COUNT, sizeof *histogram->counts);
}

void viv_histogram_fini(struct viv_histogram *histogram)
{
    free(histogram->counts);
    *histogram = (struct viv_histogram){.min_us = UINT64_MAX};
}

void viv_histogram_clear(struct viv_histogram *histogram)
{
    uint64_t *counts = histogram->counts;
    memset(counts, 0, VIV_HISTOGRAM_BUCKET_COUNT * sizeof *counts);
    *histogram = (struct viv_histogram){.counts = counts, .min_us = UINT64_MAX};
}

size_t viv_histogram_bucket(uint64_t value_us)
{
    VIV_ASSERT(value_us <= VIV_HISTOGRAM_US_MAX);
    if (value_us < LINEAR_COUNT) {
        return value_us;
    }
    unsigned doubling = 63 - (unsigned)__builtin_clzll(value_us) - VIV_HISTOGRAM_SUB_BITS;
    size_t bucket = ((size_t)doubling << VIV_HISTOGRAM_SUB_BITS) + (size_t)(value_us >> doubling);
    VIV_ASSERT(bucket < VIV_HISTOGRAM_BUCKET_COUNT);
    return bucket;
}

uint64_t viv_histogram_bucket_low_us(size_t bucket)
{
    VIV_ASSERT(bucket < VIV_HISTOGRAM_BUCKET_COUNT);
    if (bucket < LINEAR_COUNT) {
        return bucket;
    }
    unsigned doubling = (unsigned)(bucket >> VIV_HISTOGRAM_SUB_BITS) - 1;
    return ((uint64_t)(bucket & (SUB_COUNT - 1)) + SUB_COUNT) << doubling;
}

uint64_t viv_histogram_bucket_high_us(size_t bucket)
{
    if (bucket < LINEAR_COUNT) {
        return bucket;
    }
    unsigned doubling = (unsigned)(bucket >> VIV_HISTOGRAM_SUB_BITS) - 1;
    return viv_histogram_bucket_low_us(bucket) + ((uint64_t)1 << doubling) - 1;
}

void viv_histogram_record(struct viv_histogram *histogram, uint64_t value_us)
{
    viv_histogram_record_many(histogram, value_us, 1);
}

void viv_histogram_record_many(struct viv_histogram *histogram, uint64_t value_us, uint64_t count)
{
    if (count == 0) {
        return;
    }
    if (value_us > VIV_HISTOGRAM_US_MAX) {
        histogram->overflow += count;
        return;
    }
    value_us = value_us == 0 ? 1 : value_us;
    histogram->counts[viv_histogram_bucket(value_us)] += count;
    histogram->total += count;
    histogram->sum_us += value_us * count;
    histogram->min_us = value_us < histogram->min_us ? value_us : histogram->min_us;
    histogram->max_us = value_us > histogram->max_us ? value_us : histogram->max_us;
}

void viv_histogram_merge(struct viv_histogram *into, const struct viv_histogram *from)
{
    for (size_t i = 0; i < VIV_HISTOGRAM_BUCKET_COUNT; i++) {
        into->counts[i] += from->counts[i];
    }
    into->total += from->total;
    into->overflow += from->overflow;
    into->sum_us += from->sum_us;
    into->min_us = from->min_us < into->min_us ? from->min_us : into->min_us;
    into->max_us = from->max_us > into->max_us ? from->max_us : into->max_us;
}

uint64_t viv_histogram_quantile(const struct viv_histogram *histogram, double quantile)
{
    VIV_ASSERT(quantile >= 0 && quantile <= 1);
    uint64_t all = histogram->total + histogram->overflow;
    if (all == 0) {
        return 0;
    }
    /* The rank is rounded up: p50 of two values is the first. The tiny term forgives 0.999 * 1000 = 999.0000001. */
    double exact = quantile * (double)all;
    uint64_t rank = (uint64_t)exact;
    rank += exact - (double)rank > 1e-6;
    rank = rank == 0 ? 1 : rank;
    uint64_t seen = 0;
    for (size_t i = 0; i < VIV_HISTOGRAM_BUCKET_COUNT; i++) {
        seen += histogram->counts[i];
        if (seen >= rank) {
            uint64_t high_us = viv_histogram_bucket_high_us(i);
            return high_us < histogram->max_us ? high_us : histogram->max_us;
        }
    }
    return UINT64_MAX;
}

double viv_histogram_mean_us(const struct viv_histogram *histogram)
{
    return histogram->total == 0 ? 0 : (double)histogram->sum_us / (double)histogram->total;
}

void viv_histogram_encode(const struct viv_histogram *histogram, struct viv_buffer *out)
{
    const char *separator = "";
    viv_buffer_append(out, "[", 1);
    for (size_t i = 0; i < VIV_HISTOGRAM_BUCKET_COUNT; i++) {
        if (histogram->counts[i] > 0) {
            viv_buffer_printf(out, "%s[%" PRIu64 ",%" PRIu64 "]", separator, viv_histogram_bucket_low_us(i),
                              histogram->counts[i]);
            separator = ",";
        }
    }
    viv_buffer_append(out, "]", 1);
}

static bool take_char(struct viv_bytes *text, char wanted)
{
    if (text->size == 0 || text->data[0] != (uint8_t)wanted) {
        return false;
    }
    text->data++;
    text->size--;
    return true;
}

static bool take_number(struct viv_bytes *text, uint64_t *number)
{
    enum { DIGITS_MAX = 18 };
    uint64_t value = 0;
    size_t digits = 0;
    while (digits < text->size && digits < DIGITS_MAX && text->data[digits] >= '0' && text->data[digits] <= '9') {
        value = value * 10 + (uint64_t)(text->data[digits] - '0');
        digits++;
    }
    text->data += digits;
    text->size -= digits;
    *number = value;
    return digits > 0;
}

bool viv_histogram_decode(struct viv_histogram *histogram, struct viv_bytes text)
{
    if (!take_char(&text, '[')) {
        return false;
    }
    if (take_char(&text, ']')) {
        return text.size == 0;
    }
    do {
        uint64_t low_us;
        uint64_t count;
        if (!take_char(&text, '[') || !take_number(&text, &low_us) || !take_char(&text, ',') ||
            !take_number(&text, &count) || !take_char(&text, ']') || low_us > VIV_HISTOGRAM_US_MAX) {
            return false;
        }
        viv_histogram_record_many(histogram, low_us, count);
    } while (take_char(&text, ','));
    return take_char(&text, ']') && text.size == 0;
}
