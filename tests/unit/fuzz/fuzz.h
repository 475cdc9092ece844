#ifndef VIV_TESTS_UNIT_FUZZ_FUZZ_H
#define VIV_TESTS_UNIT_FUZZ_FUZZ_H

#include "base/bytes.h"
#include "base/rng.h"

/* Seeded damage to valid bytes. Each case is copied to memory of exactly its size, so that a sanitized build sees every
 * read behind its end. */

/* Cases of one test: `usual`, or VIV_FUZZ_ROUNDS when that is set. */
unsigned fuzz_rounds(unsigned usual);
/* Flips bits, puts in telling numbers, cuts, doubles, inserts, and changes fields that have their length in front, with
 * and without the length: one to four of these. *bytes is changed in place. */
void fuzz_mutate(struct viv_rng *rng, struct viv_buffer *bytes);
/* The case in memory of its own; free(data). */
struct viv_bytes fuzz_exact(struct viv_bytes bytes);

#endif /* VIV_TESTS_UNIT_FUZZ_FUZZ_H */
