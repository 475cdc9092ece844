#ifndef VIV_ZAB_ELECTION_POLICY_H
#define VIV_ZAB_ELECTION_POLICY_H

#include "zab/zab.h"

/* How candidates are ranked. Safety never rests on it (zab.md §4.4); that voters agree does: the order must be total
 * and the same for all of them. Does not know rounds, servers' states or who counts votes. */

struct viv_candidate {
    viv_sid leader;
    uint64_t zxid;
    int64_t peer_epoch;
};

struct viv_election_policy {
    const char *name;
    /* A strict total order over candidates. */
    bool (*better)(const struct viv_candidate *a, const struct viv_candidate *b);
};

/* NULL when there is none of that name. */
const struct viv_election_policy *viv_election_policy_find(const char *name);

#endif /* VIV_ZAB_ELECTION_POLICY_H */
