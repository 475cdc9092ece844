#ifndef VIV_METRICS_SAMPLER_H
#define VIV_METRICS_SAMPLER_H

#include <stdbool.h>
#include <stdint.h>

/* Which of many like things are looked at closely: the first 128 of a second, and of those behind them every 64th,
 * which then stands for 64. So the work is bounded, and what happens rarely is measured whole. All-zero is ready. */

enum { VIV_SAMPLER_ALL_PER_S = 128, VIV_SAMPLER_WEIGHT_MAX = 64 };

struct viv_sampler {
    uint64_t seen, seen_before, looked_ns;
    uint64_t mask; /* weight - 1 */
};

static inline bool viv_sampler_takes(struct viv_sampler *sampler)
{
    if ((++sampler->seen & sampler->mask) != 0) {
        return false;
    }
    if (sampler->seen - sampler->seen_before > VIV_SAMPLER_ALL_PER_S) {
        sampler->mask = VIV_SAMPLER_WEIGHT_MAX - 1;
    }
    return true;
}

static inline uint64_t viv_sampler_weight(const struct viv_sampler *sampler)
{
    return sampler->mask + 1;
}

/* Time passes. At least once a second. */
void viv_sampler_tick(struct viv_sampler *sampler, uint64_t now_ns);

#endif /* VIV_METRICS_SAMPLER_H */
