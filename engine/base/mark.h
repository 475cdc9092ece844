#ifndef VIV_BASE_MARK_H
#define VIV_BASE_MARK_H

#include <stdatomic.h>
#include <stdint.h>

/* Branches that are seldom taken, counted when they are: a run of the simulator says which of them it never saw. One
 * relaxed increment each, and only where an operation is rare anyway; the counters are the third of the house's
 * globals, and nothing reads them but reports. */

enum viv_mark {
#define VIV_MARK_NAME(name, text) VIV_MARK_##name,
#include "base/mark.def"
#undef VIV_MARK_NAME
    VIV_MARK_COUNT,
};

extern _Atomic uint64_t viv_mark_counts[VIV_MARK_COUNT];

#define VIV_MARK(name) ((void)atomic_fetch_add_explicit(&viv_mark_counts[VIV_MARK_##name], 1, memory_order_relaxed))

uint64_t viv_mark_count(enum viv_mark mark);
const char *viv_mark_name(enum viv_mark mark);

#endif /* VIV_BASE_MARK_H */
