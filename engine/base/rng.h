#ifndef VIV_BASE_RNG_H
#define VIV_BASE_RNG_H

#include <stdint.h>

/* A seeded generator (splitmix64). The only randomness in the centre; the same seed gives the same numbers. */

struct viv_rng {
    uint64_t state;
};

void viv_rng_init(struct viv_rng *rng, uint64_t seed);
uint64_t viv_rng_next(struct viv_rng *rng);
/* Uniform in [0, bound); bound > 0. */
uint64_t viv_rng_below(struct viv_rng *rng, uint64_t bound);
/* The splitmix64 finaliser, for combining hashes. */
uint64_t viv_mix64(uint64_t value);

#endif /* VIV_BASE_RNG_H */
