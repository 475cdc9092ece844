#include "metrics/sampler.h"

enum { LOOK_NS = 1000000000 };

void viv_sampler_tick(struct viv_sampler *sampler, uint64_t now_ns)
{
    if (now_ns - sampler->looked_ns >= LOOK_NS) {
        sampler->mask = 0;
        sampler->seen_before = sampler->seen;
        sampler->looked_ns = now_ns;
    }
}
