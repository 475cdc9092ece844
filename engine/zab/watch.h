#ifndef VIV_ZAB_WATCH_H
#define VIV_ZAB_WATCH_H

#include "detect/detector.h"

/* Silence between our own servers. A leader says something to every learner of our kind at least each
 * VIV_ZAB_BEAT_MS from the moment the learner has introduced itself, whatever either waits for; but for a snapshot,
 * which shows by its bytes that it goes on. From LEADERINFO on, where both change over to the envelope, the learner
 * gives it back. So both know within seconds, in every phase, that the
 * other is gone, whatever tickTime, initLimit and syncLimit say; these stay the upper bounds, and the only ones towards
 * ZooKeeper's servers and with failureDetector=fixed.
 *
 * A learner watches its leader. A leader does not give up a learner sooner for that, only its reign: when too few are
 * heard of for a quorum, what it could do no more is better done by another. Whoever is brought up to date hears its
 * beats behind all that was sent before: he is given time for it, as over a slow link. */

struct viv_zab;

enum { VIV_ZAB_BEAT_MS = 50 }; /* its cost is two small packets a learner */

/* A learner's, of its leader. begin: the link is up. */
void viv_watch_leader_begin(struct viv_zab *zab);
void viv_watch_leader_heard(struct viv_zab *zab);
/* Time passed. True: the leader is gone. */
bool viv_watch_leader_is_silent(struct viv_zab *zab);

/* A leader's, of the quorum of its stage. */
void viv_watch_quorum_begin(struct viv_zab *zab);
/* Time passed. True: there is none any more. */
bool viv_watch_quorum_is_silent(struct viv_zab *zab);

#endif /* VIV_ZAB_WATCH_H */
