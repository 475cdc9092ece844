#ifndef VIV_ZAB_PEERS_H
#define VIV_ZAB_PEERS_H

#include "base/sid_set.h"
#include "zab/quorum.h"

/* A leader's table of its learners: who they are, how far each of them got, what it was sent and told and what it
 * acknowledged. Does not know what the leader does about it. */

/* Where one learner is; it only ever goes forward (the table is in peers.c). */
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
    viv_sid sid;                       /* 0: stranger */
    struct viv_sid_set barred, proved; /* of struct viv_zab_input */
    int index;                         /* its slot in the membership; -1: a guest, whom no configuration names */
    bool is_follower;      /* is sent proposals and acknowledges them; whether that counts is another matter */
    bool repairs;          /* knows of damaged entries */
    bool wants_snapshot;   /* its history is known, and of no use to it */
    bool native;           /* one of our own servers: cumulative ACK and COMMIT */
    bool rolls;            /* goes over to a later epoch while it serves */
    bool beats;            /* gives PINGs back in every stage; see watch.h */
    bool counted;          /* its ACKEPOCH counts */
    uint64_t claimed_zxid; /* its newest entry when it came */
    int32_t claimed_epoch; /* and the epoch that it had adopted; -1: not told */
    uint64_t sent_zxid;    /* newest entry it has or was sent */
    uint64_t told_zxid;    /* newest commit it was told of */
    uint64_t acked_zxid;   /* newest entry it acknowledged */
    uint64_t read_to_zxid; /* READING: end of what was asked for */
    bool read_opened;      /* READING: DIFF was sent */
    bool takes_snapshot;   /* how it is brought up to date */
    uint32_t epoch;        /* of the last NEWLEADER sent */
    uint32_t asked_epoch, promised_epoch; /* of the last LEADERINFO sent while it serves, and of its answer */
    uint64_t heard_at_ms;
    uint64_t confirmed_round; /* newest PING that it gave back */
    uint64_t stuck_since_ms;  /* when it last got on while it owes acknowledgements; 0: owes none */
    uint64_t bulk_bytes;      /* of its synchronisation, that may be on their way to it, and since when; see watch.h */
    uint64_t bulk_since_ms;
};

struct viv_peers {
    struct viv_leader_peer *items;
    size_t count, capacity;
};

void viv_peers_fini(struct viv_peers *peers);
/* A connection that nothing was heard on. NULL: there are too many. */
struct viv_leader_peer *viv_peers_add(struct viv_peers *peers, uint32_t link, uint64_t now_ms);
/* NULL when there is none on that link. Pointers are good until one is added or forgotten. */
struct viv_leader_peer *viv_peers_find(struct viv_peers *peers, uint32_t link);
/* Why `newcomer` may not speak for server `sid`, or NULL; *older is then the connection
 * that it replaces, if any. That can only be a dead one when the newcomer is the server by its certificate or address;
 * else anybody could put an end to it, so it must have been silent for `alive_ms`, as a live one never is. Who is
 * turned away may come again. */
const char *viv_peers_object(struct viv_peers *peers, const struct viv_leader_peer *newcomer, viv_sid sid,
                             uint64_t now_ms, uint64_t alive_ms, struct viv_leader_peer **older);
void viv_peers_forget(struct viv_peers *peers, struct viv_leader_peer *peer);
void viv_peers_advance(struct viv_leader_peer *peer, enum viv_peer_stage stage);
/* The followers that got as far as `stage`, or further; guests have no place in a set. With `as_observers` also those
 * of our own kind that came as observers: they promise and adopt an epoch like followers, and one whom a configuration
 * that it has not heard of makes a voter comes as it can. */
uint64_t viv_peers_at(const struct viv_peers *peers, enum viv_peer_stage stage, bool as_observers);
/* Those whose ACKEPOCH counts. */
uint64_t viv_peers_counted(const struct viv_peers *peers);

#endif /* VIV_ZAB_PEERS_H */
