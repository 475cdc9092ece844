#ifndef VIV_ZAB_ELECTION_POLICY_H
#define VIV_ZAB_ELECTION_POLICY_H

#include "zab/zab.h"

/* How candidates are ordered. Every voter ranks itself by the policy, a number where less is better, and says so in its
 * vote; how two candidates compare follows from what is in the votes alone, so voters that share policy and slack
 * agree, and the order is total whatever the ranks are.
 *
 *   fle      ZooKeeper's: epoch, then zxid, then server id. No rank, nothing in the vote; the only one with its servers
 *   ring     the distance on a hash ring from a point that moves with every round
 *   priority what the operator wrote, more is better
 *   rtt      the time to the nearest quorum and back, as measured
 *
 * slack is how many transactions the winner may lag behind the best of its epoch (zab.md §17: R1 with 0, a mere
 * tie-break; R3; R2 with VIV_ELECTION_SLACK_ANY). Zxids count in steps of slack + 1: "within k of one another" alone
 * would be no order. A winner that lags pulls what it lacks before it leads (pull.h): safety never rests on the order.
 */

#define VIV_ELECTION_SLACK_ANY  UINT64_MAX
#define VIV_ELECTION_RANK_WORST UINT64_MAX

struct viv_candidate {
    viv_sid leader;
    uint64_t zxid;
    int64_t peer_epoch;
    uint64_t rank; /* fle: 0 */
};

/* What a server ranks itself by. */
struct viv_election_facts {
    viv_sid sid;
    uint64_t round;
    uint32_t priority;
    uint64_t rtt_ms; /* VIV_ELECTION_RANK_WORST: not known yet */
};

struct viv_election_policy {
    const char *name;
    uint32_t number;                                          /* in votes; never reused */
    uint64_t (*rank)(const struct viv_election_facts *facts); /* NULL: none */
    bool measures;                                            /* the facts need rtt_ms */
};

/* NULL when there is none of that name. */
const struct viv_election_policy *viv_election_policy_find(const char *name);
/* A strict total order over candidates of one round. */
bool viv_election_better(const struct viv_election_policy *policy, uint64_t slack, const struct viv_candidate *a,
                         const struct viv_candidate *b);

#endif /* VIV_ZAB_ELECTION_POLICY_H */
