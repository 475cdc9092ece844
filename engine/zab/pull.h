#ifndef VIV_ZAB_PULL_H
#define VIV_ZAB_PULL_H

#include "zab/zab.h"

/* A prospective leader that was not elected for its history (election_policy.h) takes over the best one before it
 * leads: phase 1 of the paper, where ZooKeeper trusts the election. Only after a quorum has promised its epoch, so that
 * nothing more can be committed in an older one; from the best of that quorum by (current epoch, zxid), which holds
 * everything that ever was. What it has itself beside that is cut off, not merged. Its current epoch stays what it was
 * until the whole is durable (D4): if it dies on the way, it is compared by that epoch, and its longer log deceives
 * nobody.
 *
 * On the link of that follower, between LEADERINFO and DIFF: the leader says ACKEPOCH with its own end, and is answered
 * by DIFF or TRUNC, PROPOSALs, and ACKEPOCH with the other's end; epoch -1: too far apart for what is in memory. Then
 * the leader makes room for somebody else, and ranks itself last until it has followed. */

struct viv_leader_peer;
struct viv_zab;

struct viv_pull {
    uint32_t link;
    uint32_t epoch;   /* of the history that comes */
    bool is_whole;    /* all of it has come */
    uint64_t entries; /* so far, in this server's life */
};

/* The learner whose promise counts and whose history is the best, if it is ahead of the leader's; or NULL. */
struct viv_leader_peer *viv_pull_source(struct viv_zab *zab);
/* The leader. */
void viv_pull_begin(struct viv_zab *zab, const struct viv_leader_peer *source);
void viv_pull_heard(struct viv_zab *zab, const struct viv_packet *packet);
/* The disk has answered. */
void viv_pull_stored(struct viv_zab *zab);
/* The learner is asked. */
void viv_pull_serve(struct viv_zab *zab, const struct viv_packet *packet);

#endif /* VIV_ZAB_PULL_H */
