#ifndef VIV_BASE_SID_SET_H
#define VIV_BASE_SID_SET_H

#include "base/entry.h"
#include "base/limits.h"

/* A set of server ids, from 1 to VIV_SID_MAX. All-zero is empty. Does not know who is a member of anything. */

struct viv_sid_set {
    uint64_t words[VIV_SID_MAX / 64 + 1];
};

static inline bool viv_sid_is_valid(viv_sid sid)
{
    return sid >= 1 && sid <= VIV_SID_MAX;
}

/* sid is valid. */
static inline void viv_sid_set_add(struct viv_sid_set *set, viv_sid sid)
{
    set->words[sid / 64] |= UINT64_C(1) << sid % 64;
}

static inline void viv_sid_set_remove(struct viv_sid_set *set, viv_sid sid)
{
    set->words[sid / 64] &= ~(UINT64_C(1) << sid % 64);
}

static inline bool viv_sid_set_has(const struct viv_sid_set *set, viv_sid sid)
{
    return viv_sid_is_valid(sid) && (set->words[sid / 64] >> sid % 64 & 1) != 0;
}

#endif /* VIV_BASE_SID_SET_H */
