#ifndef VIV_ZAB_SYNC_H
#define VIV_ZAB_SYNC_H

#include "zab/history.h"

/* How a learner's history becomes the leader's: the choice (zab.md §6.1) and the stream that carries it out. Ranges
 * of zxids decide nothing here: a learner's last zxid is compared with the history's members (zab-pitfalls A-13).
 *
 * Where the choice differs from Apache's: a learner with entries after the leader's own in the same epoch is cut back
 * to the last common one, also when the leader went on in a later epoch; and since a learner of ours refuses a cut to
 * an entry it does not own and asks for a snapshot instead, it is offered the cut also where that is not certain. */

struct viv_leader_peer;
struct viv_zab_input;
struct viv_zab;

struct viv_sync_question {
    const struct viv_history *history; /* the leader's */
    uint64_t learner_zxid;             /* newest entry the learner claims */
    uint64_t target_zxid;              /* newest entry that is committed, or will be with NEWLEADER */
    uint32_t adopted_epoch;            /* the leader's current epoch before it led */
    bool native_voter;                 /* refuses what it does not own, and keeps uncommitted entries apart */
    bool native;
};

enum viv_sync_kind {
    VIV_SYNC_DIFF,  /* zxid: send what is above it, from memory */
    VIV_SYNC_TRUNC, /* zxid: cut to it, then send what is above it */
    VIV_SYNC_SNAP,
    VIV_SYNC_READ, /* ask the log whether it has the learner's zxid, and what follows */
};

struct viv_sync_choice {
    enum viv_sync_kind kind;
    uint64_t zxid;
};

struct viv_sync_choice viv_sync_choose(const struct viv_sync_question *question);

/* Brings the learner, whose claim is known, up to date and adds it to the broadcast, ending with NEWLEADER. Who has no
 * vote waits, as PROMISED, while as many as may are under way; call again. */
void viv_sync_begin(struct viv_zab *zab, struct viv_leader_peer *peer);
void viv_sync_log_data(struct viv_zab *zab, struct viv_leader_peer *peer, const struct viv_zab_input *input);
void viv_sync_snapshot_sent(struct viv_zab *zab, struct viv_leader_peer *peer);
/* Tells the learner of what was committed since it was last told. False: that is not in memory any more. */
bool viv_sync_commits(struct viv_zab *zab, struct viv_leader_peer *peer);

#endif /* VIV_ZAB_SYNC_H */
