#ifndef VIV_ZAB_LEARNER_H
#define VIV_ZAB_LEARNER_H

#include "detect/detector.h"
#include "zab/history.h"
#include "zab/zab.h"

/* A follower's or observer's side: finds its leader's door, promises, takes over its history, then logs what is
 * proposed, acknowledges what is durable and delivers what is committed (zab.md §5-§7). Knows one link.
 *
 * A history that cannot be cut as the leader asks (the entry to keep is not ours, or what would go was committed) is
 * not touched: the learner comes back on a new connection claiming zxid 0, for which a leader sends a snapshot. Such a
 * claim is never counted for an epoch: it says -1 as ACKEPOCH's epoch, since it hides how far this history goes. */

enum viv_learner_stage {
    VIV_LEARNER_IDLE,       /* not following */
    VIV_LEARNER_DIALLING,   /* LINK_DIAL was not answered yet */
    VIV_LEARNER_PAUSING,    /* the dial failed: another one at the next tick */
    VIV_LEARNER_INTRODUCED, /* waits for LEADERINFO */
    VIV_LEARNER_PROMISING,  /* stores the promise */
    VIV_LEARNER_OFFERED,    /* ACKEPOCH sent: waits for DIFF, TRUNC or SNAP */
    VIV_LEARNER_RECEIVING,  /* until NEWLEADER came and all before it is durable */
    VIV_LEARNER_ADOPTING,   /* stores the epoch */
    VIV_LEARNER_ACKED,      /* acknowledged NEWLEADER: waits for UPTODATE */
    VIV_LEARNER_SERVES,
};

struct viv_learner {
    enum viv_learner_stage stage;
    viv_sid leader;
    uint32_t link; /* 0: none */
    bool native;   /* the leader is one of our own servers */
    bool beats;    /* and says all the time that it is there */
    uint32_t epoch;
    bool claims_nothing;
    bool repairs;        /* the leader knows of damaged entries */
    bool wants_snapshot; /* says what it has, and takes nothing but a snapshot for it */
    bool newleader_seen;
    struct viv_buffer announced; /* the configuration that came with NEWLEADER; believed from UPTODATE on */
    viv_sid designated;          /* who leads after the newest reconfiguration told as committed; 0: not said */
    uint64_t newleader_zxid;     /* everything up to it must be durable before NEWLEADER is acknowledged */
    uint64_t told_zxid;          /* the leader said that this is committed; believed from UPTODATE on */
    uint64_t acked_zxid;
    uint64_t ping_zxid;
    uint64_t heard_at_ms;
    struct viv_detector detector; /* of the leader; see watch.h */
    uint64_t dial_until_ms;
    struct viv_history incoming; /* behind a snapshot that is being installed */
};

void viv_learner_begin(struct viv_zab *zab, viv_sid leader);
/* Closes the link. A snapshot on its way is answered later. */
void viv_learner_end(struct viv_zab *zab);
void viv_learner_fini(struct viv_learner *learner);

/* Inputs. */
void viv_learner_link_up(struct viv_zab *zab, uint32_t link, viv_sid sid);
void viv_learner_link_down(struct viv_zab *zab, uint32_t link, viv_sid sid);
void viv_learner_packet(struct viv_zab *zab, uint32_t link, const struct viv_packet *packet);
void viv_learner_ping_reply(struct viv_zab *zab, uint32_t link, struct viv_bytes data);
void viv_learner_progress(struct viv_zab *zab, uint32_t link);
void viv_learner_pass(struct viv_zab *zab, uint32_t link, const struct viv_packet *packet);
void viv_learner_tick(struct viv_zab *zab);
/* A server looks for a leader, in a later round than ours. */
void viv_learner_heard_vote(struct viv_zab *zab, viv_sid sid, uint64_t round);

/* Continuations of what is durable now. */
void viv_learner_promised(struct viv_zab *zab);
void viv_learner_adopted(struct viv_zab *zab);
void viv_learner_stored(struct viv_zab *zab);
void viv_learner_truncated(struct viv_zab *zab);
void viv_learner_installed(struct viv_zab *zab, uint64_t zxid, struct viv_bytes members);
void viv_learner_install_aborted(struct viv_zab *zab);

#endif /* VIV_ZAB_LEARNER_H */
