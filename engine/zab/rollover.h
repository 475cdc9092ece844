#ifndef VIV_ZAB_ROLLOVER_H
#define VIV_ZAB_ROLLOVER_H

#include "zab/zab.h"

/* A counter of 32 bits lasts some hours. Between our own servers a leader whose zxids run out goes on in the next epoch
 * with the learners that it has: no election, no link lost, no write held up for longer than a few syncs.
 *
 * It is discovery and synchronisation once more, on links that are up:
 *   1. the leader promises the new epoch (D2), then asks its voters on their links (LEADERINFO); each promises (D3) and
 *      answers ACKEPOCH as it did when it came. Nobody can promise one epoch twice, so the epoch has one leader.
 *   2. with a quorum of promises, and everybody that is there among them, it proposes nothing more in the old epoch.
 * Its whole history lies before the new epoch in its log (D4); then NEWLEADER goes out, behind every proposal of the
 *      old epoch and before the first of the new one. A learner stores it in that order too, so that it acknowledges
 *      nothing of the new epoch before that epoch (D5, D6).
 * Unlike a new leader it need not wait until the old epoch's tail is committed: it is the same primary, and prepares
 * what follows on top of that tail.
 *
 * Whoever has not promised in time is cut off and comes back by an election. With one of ZooKeeper's servers there, or
 * without a quorum of promises, the leader resigns at the end of the epoch, as ZooKeeper's do. */

struct viv_leader_peer;
struct viv_zab;

struct viv_rollover {
    uint32_t epoch;   /* that is being prepared; 0: none */
    bool is_promised; /* by the leader itself */
    uint64_t since_ms;
};

/* The leader. Time passed, an entry was proposed, or somebody came or went. */
void viv_rollover_look(struct viv_zab *zab);
/* Whether the zxid is so close to the end of its epoch that a leader begins to ask. */
bool viv_rollover_is_near(const struct viv_zab *zab, uint64_t zxid);
/* Newcomers wait for its end. */
bool viv_rollover_is_under_way(const struct viv_zab *zab);
/* ACKEPOCH of a learner that serves. */
void viv_rollover_heard(struct viv_zab *zab, struct viv_leader_peer *peer, const struct viv_packet *packet);
/* Continuations of what is durable now. */
void viv_rollover_promised(struct viv_zab *zab);
void viv_rollover_adopted(struct viv_zab *zab);
/* Tells the learner, which serves, of the epoch that the entry to be sent next belongs to. */
void viv_rollover_tell(struct viv_zab *zab, struct viv_leader_peer *peer, uint64_t zxid);

/* A learner that serves: LEADERINFO, NEWLEADER, and what follows when they are stored. */
void viv_rollover_asked(struct viv_zab *zab, const struct viv_packet *packet);
void viv_rollover_told(struct viv_zab *zab, const struct viv_packet *packet);
void viv_rollover_learner_promised(struct viv_zab *zab);
void viv_rollover_learner_adopted(struct viv_zab *zab);

#endif /* VIV_ZAB_ROLLOVER_H */
