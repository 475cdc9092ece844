#ifndef VIV_ZAB_LEADER_H
#define VIV_ZAB_LEADER_H

#include "zab/zab.h"

/* The leader's side: gathers promises for a new epoch, brings learners up to date, proposes, counts, commits, and
 * resigns when it has no quorum any more (zab.md §5-§8). Knows its learners by link; how one of them is brought up to
 * date is sync.h's business, what is durable is durable.h's. */

enum viv_leader_stage {
    VIV_LEADER_IDLE,      /* not leading */
    VIV_LEADER_GATHERING, /* waits for FOLLOWERINFO of a quorum */
    VIV_LEADER_PROMISING, /* stores the promise of its own epoch */
    VIV_LEADER_ASKING,    /* waits for ACKEPOCH of a quorum */
    VIV_LEADER_ADOPTING,  /* stores the epoch */
    VIV_LEADER_SYNCING,   /* waits for a quorum to acknowledge NEWLEADER */
    VIV_LEADER_BROADCASTING,
};

/* Where one learner is; it only ever goes forward (the table is in leader.c). */
enum viv_peer_stage {
    VIV_PEER_STRANGER,   /* nothing heard yet */
    VIV_PEER_INTRODUCED, /* LEADERINFO is due as soon as there is an epoch */
    VIV_PEER_ASKED,      /* LEADERINFO sent */
    VIV_PEER_PROMISED,   /* ACKEPOCH came; synchronisation is due as soon as the epoch is adopted */
    VIV_PEER_READING,    /* the log is read for it */
    VIV_PEER_SNAPPING,   /* the tree is streamed to it */
    VIV_PEER_FOLLOWS,    /* NEWLEADER sent; proposals are sent as they come */
    VIV_PEER_SYNCED,     /* acknowledged NEWLEADER */
    VIV_PEER_SERVES,     /* UPTODATE sent */
    VIV_PEER_STAGE_COUNT,
};

struct viv_leader_peer {
    enum viv_peer_stage stage;
    uint32_t link;
    viv_sid sid; /* 0: stranger */
    int index;   /* among the members */
    bool voter;
    bool native;           /* one of our own servers: cumulative ACK and COMMIT */
    bool counted;          /* its ACKEPOCH counts */
    uint64_t claimed_zxid; /* its newest entry when it came */
    uint64_t sent_zxid;    /* newest entry it has or was sent */
    uint64_t told_zxid;    /* newest commit it was told of */
    uint64_t acked_zxid;   /* newest entry it acknowledged */
    uint64_t read_to_zxid; /* READING: end of what was asked for */
    bool read_opened;      /* READING: DIFF was sent */
    uint64_t heard_at_ms;
    uint64_t stuck_since_ms; /* when it last got on while it owes acknowledgements; 0: owes none */
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
    uint64_t ping_at_ms;
    uint64_t looking; /* supporters that look for a leader again */
    struct viv_leader_peer *peers;
    size_t count, capacity;
};

void viv_leader_begin(struct viv_zab *zab);
/* Standalone: leads at once, and whatever its log holds is committed. */
void viv_leader_begin_alone(struct viv_zab *zab);
void viv_leader_end(struct viv_zab *zab); /* forgets everything; closing links is LISTEN's effect */
void viv_leader_fini(struct viv_leader *leader);

/* Inputs. */
void viv_leader_link_up(struct viv_zab *zab, uint32_t link);
void viv_leader_link_down(struct viv_zab *zab, uint32_t link);
void viv_leader_packet(struct viv_zab *zab, uint32_t link, const struct viv_packet *packet);
void viv_leader_log_data(struct viv_zab *zab, const struct viv_zab_input *input);
void viv_leader_snapshot_sent(struct viv_zab *zab, uint32_t link);
void viv_leader_progress(struct viv_zab *zab, uint32_t link);
void viv_leader_pass(struct viv_zab *zab, uint32_t link, const struct viv_packet *packet);
void viv_leader_propose(struct viv_zab *zab, uint64_t zxid, struct viv_bytes body);
void viv_leader_tick(struct viv_zab *zab);
/* One that voted looks for a leader again, in a later round. */
void viv_leader_lost_supporter(struct viv_zab *zab, int index, uint64_t round);

/* Continuations of what is durable now. */
void viv_leader_promised(struct viv_zab *zab);
void viv_leader_adopted(struct viv_zab *zab);
void viv_leader_stored(struct viv_zab *zab);

/* For sync.c. */
void viv_leader_advance(struct viv_leader_peer *peer, enum viv_peer_stage stage);
void viv_leader_drop(struct viv_zab *zab, struct viv_leader_peer *peer, const char *reason);
/* The end of what a learner may be told is committed once it is synchronised. */
uint64_t viv_leader_target(const struct viv_zab *zab);
uint64_t viv_leader_last_proposed(const struct viv_zab *zab);

#endif /* VIV_ZAB_LEADER_H */
