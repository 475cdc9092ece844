#ifndef VIV_ZAB_RANKING_H
#define VIV_ZAB_RANKING_H

#include "base/limits.h"
#include "zab/election_policy.h"

/* This server among the candidates: its own rank, what it says of it in votes, and whether others elect by the same
 * policy. A voter that does not (ZooKeeper's know only fle) is not listened to, nor counted, nor led: by two orders at
 * once nobody would ever be elected. It is told of once, in the log. A server that meets one of ZooKeeper's before it
 * has served refuses to start (exit code 2); later, one that was added by mistake shall not end an ensemble that works.
 *
 * With the policy rtt votes carry a stamp of time that comes back at once, also while nobody looks for a leader. */

struct viv_zab;

struct viv_ranking {
    const struct viv_election_policy *policy;
    uint64_t slack;
    uint32_t priority;
    bool is_unfit;      /* its history was too far behind to be pulled: last among equals until it has followed */
    uint64_t strangers; /* voters that elect otherwise, a mask over slots; told of already */
    uint64_t measured;  /* voters with an rtt */
    uint32_t rtt_ms_x8[VIV_MEMBERS_MAX]; /* smoothed, by slot */
    uint64_t probe_at_ms;
};

void viv_ranking_init(struct viv_zab *zab, const struct viv_zab_config *config);
/* Whether a winner may lack something, and pulls it. */
bool viv_ranking_pulls(const struct viv_zab *zab);
uint64_t viv_ranking_own(const struct viv_zab *zab, uint64_t round);
/* What goes with a vote for this candidate. echo: the stamp that is given back, 0: none. */
struct viv_vote_rank viv_ranking_say(const struct viv_zab *zab, uint64_t rank, uint32_t echo);
/* A vote came. False: from a voter that elects otherwise. */
bool viv_ranking_hear(struct viv_zab *zab, int index, const struct viv_vote *vote);
/* True when it is time to measure again. */
bool viv_ranking_is_probe_due(struct viv_zab *zab);

#endif /* VIV_ZAB_RANKING_H */
