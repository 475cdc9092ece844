#ifndef VIV_ZAB_QUORUM_H
#define VIV_ZAB_QUORUM_H

#include "base/limits.h"
#include "zab/zab.h"

/* Which sets of servers may decide: majorities of the voters, or, when the members are in groups, more than half of
 * the weight in more than half of the groups that have any (zab.md §4.5). Any two such sets share a server. A set is a
 * mask over member indexes. Does not know what is being decided, or that there may be two configurations at a time. */

struct viv_quorum {
    const struct viv_zab_member *members; /* borrowed; sid 0: nobody has that index */
    size_t count;                         /* <= VIV_MEMBERS_MAX */
    uint64_t voters;
    uint64_t deciding; /* voters whose word counts: all of them, but those of weight 0 */
    /* One mask a group with weight; none: a majority decides. */
    uint64_t groups[VIV_MEMBERS_MAX];
    size_t group_count;
};

void viv_quorum_init(struct viv_quorum *quorum, const struct viv_zab_member *members, size_t count);
/* -1 when the server is not a member. */
int viv_quorum_index(const struct viv_quorum *quorum, viv_sid sid);
/* The mask of one voter; 0 for observers and strangers. */
uint64_t viv_quorum_voter(const struct viv_quorum *quorum, viv_sid sid);
/* May the server become leader? */
bool viv_quorum_may_lead(const struct viv_quorum *quorum, viv_sid sid);
bool viv_quorum_has(const struct viv_quorum *quorum, uint64_t set);
/* The highest zxid that a quorum has reached, when each member has reached zxids[its index]. */
uint64_t viv_quorum_zxid(const struct viv_quorum *quorum, const uint64_t zxids[VIV_MEMBERS_MAX]);

#endif /* VIV_ZAB_QUORUM_H */
