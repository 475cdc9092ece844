#include "metrics/sampler.h"

enum { LOOK_NS = 1000000000 };

void viv_sampler_tick(struct viv_sampler *sampler, uint64_t now_ns)
{
    if (now_ns - sampler->looked_ns < LOOK_NS) {
        return;
    }
    sampler->are_many = sampler->seen - sampler->seen_before > VIV_SAMPLER_MANY_PER_S;
    sampler->seen_before = sampler->seen;
    sampler->looked_ns = now_ns;
    sampler->spent -= sampler->spent < VIV_SAMPLER_REFILL_PER_S ? sampler->spent : VIV_SAMPLER_REFILL_PER_S;
    if (sampler->are_many) {
        viv_sampler_thin_out(sampler);
    } else {
        sampler->mask = 0;
    }
}
