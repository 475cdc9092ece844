#ifndef VIV_ZAB_LEARNER_INTERNAL_H
#define VIV_ZAB_LEARNER_INTERNAL_H

#include "zab/zab_internal.h"

/* What the learner's files share: learner.c (its link and its time), learner_sync.c (until it has adopted the epoch),
 * learner_follow.c (the stream of proposals and commits). */

/* ---- learner.c ---- */
/* Dials the leader from the beginning. */
void viv_learner_connect_anew(struct viv_zab *zab);

/* ---- learner_sync.c ---- */
/* LEADERINFO; then DIFF, TRUNC or SNAP. */
void viv_learner_promise(struct viv_zab *zab, const struct viv_packet *packet);
void viv_learner_synchronise(struct viv_zab *zab, const struct viv_packet *packet);
/* Where entries go: behind the snapshot that is on its way, or to the history. */
struct viv_history *viv_learner_target(struct viv_zab *zab);
/* D5: history, then epoch, then acknowledgement. */
void viv_learner_adopt(struct viv_zab *zab);

/* ---- learner_follow.c ---- */
void viv_learner_follow(struct viv_zab *zab, const struct viv_packet *packet);
/* D6: tells what is durable and was not told yet. */
void viv_learner_acknowledge(struct viv_zab *zab);

#endif /* VIV_ZAB_LEARNER_INTERNAL_H */
