#ifndef VIV_METRICS_SAMPLER_H
#define VIV_METRICS_SAMPLER_H

#include <stdbool.h>
#include <stdint.h>

/* Which of many like things are looked at closely: all of them while they are few; then one of sixteen, and one of
 * sixty-four in a second after one of more than a thousand. One that is taken stands for that many. So even a client on
 * its own pays for few looks, a busy server for fewer, and what happens rarely is measured whole. All-zero is ready. */

enum {
    VIV_SAMPLER_BURST = 1024,     /* taken in a row before any is passed over; */
    VIV_SAMPLER_REFILL_PER_S = 2, /* so many of them are forgotten in a second */
    VIV_SAMPLER_MANY_PER_S = 1024,
    VIV_SAMPLER_WEIGHT = 16,
    VIV_SAMPLER_WEIGHT_MAX = 64,
};

struct viv_sampler {
    uint64_t seen, seen_before, looked_ns;
    uint64_t mask;  /* weight - 1 */
    uint32_t spent; /* of the burst */
    bool are_many;
};

static inline void viv_sampler_thin_out(struct viv_sampler *sampler)
{
    sampler->mask = (sampler->are_many ? VIV_SAMPLER_WEIGHT_MAX : VIV_SAMPLER_WEIGHT) - 1;
}

static inline bool viv_sampler_takes(struct viv_sampler *sampler)
{
    if ((++sampler->seen & sampler->mask) != 0) {
        return false;
    }
    if (sampler->mask == 0 && sampler->spent++ >= VIV_SAMPLER_BURST) {
        sampler->spent = VIV_SAMPLER_BURST;
        viv_sampler_thin_out(sampler);
        return (sampler->seen & sampler->mask) == 0;
    }
    return true;
}

/* Of what was taken last. */
static inline uint64_t viv_sampler_weight(const struct viv_sampler *sampler)
{
    return sampler->mask + 1;
}

/* Time passes. At least once a second. */
void viv_sampler_tick(struct viv_sampler *sampler, uint64_t now_ns);

#endif /* VIV_METRICS_SAMPLER_H */
