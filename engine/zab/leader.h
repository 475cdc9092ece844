#ifndef VIV_ZAB_LEADER_H
#define VIV_ZAB_LEADER_H

#include "base/rate.h"
#include "detect/detector.h"
#include "zab/confirm.h"
#include "zab/peers.h"
#include "zab/pull.h"
#include "zab/rollover.h"

/* The leader's side: gathers promises for a new epoch, brings learners up to date, proposes, counts, commits, and
 * resigns when it has no quorum any more (zab.md §5-§8). Knows its learners by link; how one of them is brought up to
 * date is sync.h's business, what is durable is durable.h's. */

enum viv_leader_stage {
    VIV_LEADER_IDLE,      /* not leading */
    VIV_LEADER_GATHERING, /* waits for FOLLOWERINFO of a quorum */
    VIV_LEADER_PROMISING, /* stores the promise of its own epoch */
    VIV_LEADER_ASKING,    /* waits for ACKEPOCH of a quorum */
    VIV_LEADER_REPAIRING, /* a damaged entry of its history must be whole, or given up, first */
    VIV_LEADER_PULLING,   /* takes over a better history of that quorum's */
    VIV_LEADER_ADOPTING,  /* stores the epoch */
    VIV_LEADER_SYNCING,   /* waits for a quorum to acknowledge NEWLEADER */
    VIV_LEADER_BROADCASTING,
};

struct viv_leader {
    enum viv_leader_stage stage;
    uint32_t epoch;         /* the new one, from PROMISING on */
    uint32_t accepted_max;  /* highest promise heard of */
    uint32_t adopted_epoch; /* current epoch before this reign */
    uint64_t initial_zxid;  /* end of the history that NEWLEADER commits */
    bool has_committed;     /* something of its own epoch */
    uint64_t deadline_ms;   /* for the quorum waited for */
    bool is_hurried;        /* the next deadlines are short */
    uint64_t ping_at_ms, beat_at_ms;
    uint64_t heard_quorum_ms; /* when one was heard of last */
    struct viv_detector detector;
    struct viv_buffer stamped; /* the configuration with the version that it gets with this epoch; or empty */
    viv_sid successor;         /* who shall lead after the proposed reconfiguration; 0: this server if it can */
    uint64_t handing_over_ms;  /* when that was proposed */
    uint64_t activated_zxid;   /* the newest reconfiguration of this reign, and who leads from it on */
    viv_sid designated;
    uint64_t looking; /* supporters that look for a leader again */
    struct viv_peers peers;
    struct viv_confirm confirm;
    struct viv_rollover rollover;
    struct viv_pull pull;
    uint64_t last_zxid_before;     /* the epoch before, when this reign went over to another; else 0 */
    struct viv_log_gate strangers; /* lines about connections that never said who they are */
};

void viv_leader_begin(struct viv_zab *zab);
/* Standalone: leads at once, and whatever its log holds is committed. */
void viv_leader_begin_alone(struct viv_zab *zab);
void viv_leader_end(struct viv_zab *zab); /* forgets everything; closing links is LISTEN's effect */
void viv_leader_fini(struct viv_leader *leader);

/* Inputs. */
void viv_leader_link_up(struct viv_zab *zab, const struct viv_zab_input *input);
void viv_leader_link_down(struct viv_zab *zab, uint32_t link);
void viv_leader_packet(struct viv_zab *zab, uint32_t link, const struct viv_packet *packet);
void viv_leader_log_data(struct viv_zab *zab, const struct viv_zab_input *input);
void viv_leader_snapshot_sent(struct viv_zab *zab, uint32_t link);
void viv_leader_progress(struct viv_zab *zab, uint32_t link);
void viv_leader_pass(struct viv_zab *zab, uint32_t link, const struct viv_packet *packet);
void viv_leader_propose(struct viv_zab *zab, uint64_t zxid, struct viv_bytes body, viv_sid successor);
void viv_leader_tick(struct viv_zab *zab);
/* One that voted looks for a leader again, in a later round. */
void viv_leader_lost_supporter(struct viv_zab *zab, int index, uint64_t round);

/* Continuations of what is durable now. */
void viv_leader_promised(struct viv_zab *zab);
/* Its history is whole, or shorter: goes on from REPAIRING. */
void viv_leader_repaired(struct viv_zab *zab);
void viv_leader_adopted(struct viv_zab *zab);
void viv_leader_stored(struct viv_zab *zab);

/* For sync.c. */
void viv_leader_drop(struct viv_zab *zab, struct viv_leader_peer *peer, const char *reason);
/* The end of what a learner may be told is committed once it is synchronised. */
uint64_t viv_leader_target(const struct viv_zab *zab);
/* What NEWLEADER says. */
struct viv_bytes viv_leader_members(const struct viv_zab *zab);
uint64_t viv_leader_last_proposed(const struct viv_zab *zab);

#endif /* VIV_ZAB_LEADER_H */
