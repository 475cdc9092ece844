#ifndef VIV_ZAB_CONFIRM_H
#define VIV_ZAB_CONFIRM_H

#include "zab/zab.h"

/* Is the leader still one? A server that leads by its own lights may have been replaced long ago. So it asks: a PING
 * carries the number of a round, every learner, Apache ZooKeeper's too, gives it back, and whoever answers had not left
 * for another leader when he did. Once a quorum has answered, no other leader can have committed anything before the
 * round began, for it needed a promise of somebody in that quorum. No lease, no clock.
 *
 * One round at a time: whoever asks while one is under way shares the next. Knows marks and rounds; does not know what
 * waits for them. */

struct viv_leader_peer;
struct viv_zab;

struct viv_confirm {
    uint64_t asked, sent, done; /* marks: wanted, of the round under way, of the last one that a quorum answered */
    uint64_t round;             /* never repeats; every PING carries the newest */
};

void viv_confirm_ask(struct viv_zab *zab, uint64_t mark);
/* A learner gave a PING back. */
void viv_confirm_heard(struct viv_zab *zab, struct viv_leader_peer *peer, uint64_t round);
/* The reign is over: nobody is answered. */
void viv_confirm_end(struct viv_zab *zab);

#endif /* VIV_ZAB_CONFIRM_H */
