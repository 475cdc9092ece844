#include "base/mark.h"

_Atomic uint64_t viv_mark_counts[VIV_MARK_COUNT];

uint64_t viv_mark_count(enum viv_mark mark)
{
    return atomic_load_explicit(&viv_mark_counts[mark], memory_order_relaxed);
}

const char *viv_mark_name(enum viv_mark mark)
{
    static const char *const names[] = {
#define VIV_MARK_NAME(name, text) #name,
#include "base/mark.def"
#undef VIV_MARK_NAME
    };
    return names[mark];
}
