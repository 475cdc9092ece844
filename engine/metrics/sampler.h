#ifndef VIV_METRICS_SAMPLER_H
#define VIV_METRICS_SAMPLER_H

#include <stdbool.h>
#include <stdint.h>

/* Which of many like things are looked at closely: all while they are few, every sixteenth, standing for sixteen, from
 * a thousand a second on. All-zero begins by taking all. */

enum { VIV_SAMPLER_ALL_PER_S = 1000, VIV_SAMPLER_WEIGHT_MAX = 16 };

struct viv_sampler {
    uint64_t seen, seen_before, looked_ns;
    uint64_t mask; /* weight - 1 */
};

static inline bool viv_sampler_takes(struct viv_sampler *sampler)
{
    return (++sampler->seen & sampler->mask) == 0;
}

static inline uint64_t viv_sampler_weight(const struct viv_sampler *sampler)
{
    return sampler->mask + 1;
}

/* Time passes: decides anew once a second. */
void viv_sampler_tick(struct viv_sampler *sampler, uint64_t now_ns);

#endif /* VIV_METRICS_SAMPLER_H */
