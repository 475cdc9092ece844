#ifndef VIV_ZAB_LEADER_INTERNAL_H
#define VIV_ZAB_LEADER_INTERNAL_H

#include "zab/zab_internal.h"

/* What the leader's files share: leader.c (the reign and its learners' links), leader_discovery.c (until the epoch is
 * established), leader_broadcast.c (from then on). */

/* ---- leader.c ---- */
/* Has a quorum, this server among it, got as far as `stage`? */
bool viv_leader_has_quorum(const struct viv_zab *zab, enum viv_peer_stage stage);
/* Ends the reign when the learners that are left are no quorum for its stage. */
void viv_leader_check_quorum(struct viv_zab *zab);

/* ---- leader_discovery.c ---- */
void viv_leader_discover(struct viv_zab *zab);
/* Goes on as soon as a quorum has promised and no history of it is better. */
void viv_leader_adopt(struct viv_zab *zab);
/* LEADERINFO to all that have introduced themselves. */
void viv_leader_ask_waiting(struct viv_zab *zab);
/* The first word of a learner, and its answer to LEADERINFO. */
void viv_leader_introduce(struct viv_zab *zab, struct viv_leader_peer *peer, const struct viv_packet *packet);
void viv_leader_promise(struct viv_zab *zab, struct viv_leader_peer *peer, const struct viv_packet *packet);
/* Begins the broadcast as soon as a quorum has acknowledged NEWLEADER. */
void viv_leader_establish(struct viv_zab *zab);

/* ---- leader_broadcast.c ---- */
/* The learner is synchronised and may serve. */
void viv_leader_welcome(struct viv_zab *zab, struct viv_leader_peer *peer);
void viv_leader_acknowledged(struct viv_zab *zab, struct viv_leader_peer *peer, uint64_t zxid);
void viv_leader_send_proposal(struct viv_zab *zab, struct viv_leader_peer *peer, const struct viv_entry *entry);
/* Commits what a quorum has stored. */
void viv_leader_commit(struct viv_zab *zab);

#endif /* VIV_ZAB_LEADER_INTERNAL_H */
