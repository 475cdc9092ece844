#include "base/rng.h"

#include "base/assert.h"

void viv_rng_init(struct viv_rng *rng, uint64_t seed)
{
    rng->state = seed;
}

uint64_t viv_mix64(uint64_t value)
{
    value ^= value >> 30;
    value *= 0xbf58476d1ce4e5b9U;
    value ^= value >> 27;
    value *= 0x94d049bb133111ebU;
    value ^= value >> 31;
    return value;
}

uint64_t viv_rng_next(struct viv_rng *rng)
{
    rng->state += 0x9e3779b97f4a7c15U;
    return viv_mix64(rng->state);
}

uint64_t viv_rng_below(struct viv_rng *rng, uint64_t bound)
{
    VIV_ASSERT(bound > 0);
    /* The high half of a 128-bit product is uniform enough: the bias is below bound / 2^64. */
    return (uint64_t)(((unsigned __int128)viv_rng_next(rng) * bound) >> 64);
}
