#include "metrics/sampler.h"

enum { LOOK_NS = 1000000000 };

void viv_sampler_tick(struct viv_sampler *sampler, uint64_t now_ns)
{
    uint64_t passed_ns = now_ns - sampler->looked_ns;
    if (passed_ns >= LOOK_NS) {
        uint64_t seen = sampler->seen - sampler->seen_before;
        sampler->mask = seen > VIV_SAMPLER_ALL_PER_S * (passed_ns / LOOK_NS) ? VIV_SAMPLER_WEIGHT_MAX - 1 : 0;
        sampler->seen_before = sampler->seen;
        sampler->looked_ns = now_ns;
    }
}
