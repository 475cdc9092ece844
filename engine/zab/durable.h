#ifndef VIV_ZAB_DURABLE_H
#define VIV_ZAB_DURABLE_H

#include "detect/detector.h"
#include "zab/zab.h"

/* What is on the disk, what is on its way there, and which step waits for it (zab.md §13, D1-D8). Roles never look at
 * what they asked for, only at what was answered. Answers come in the order of the questions; a role that is gone
 * left its questions behind, and their answers then prove durability and nothing more.
 *
 * Does not know why something is stored: the continuation is a name that zab.c dispatches on. */

/* Who goes on when the epochs are durable. */
enum viv_durable_next {
    VIV_DURABLE_NOBODY,
    VIV_DURABLE_LEADER_PROMISED,  /* D2: LEADERINFO may be sent */
    VIV_DURABLE_LEADER_ADOPTED,   /* D4: NEWLEADER may be sent */
    VIV_DURABLE_LEARNER_PROMISED, /* D3: ACKEPOCH may be sent */
    VIV_DURABLE_LEARNER_ADOPTED,  /* D5: NEWLEADER may be acknowledged */
    /* the same four while they serve, rollover.h */
    VIV_DURABLE_ROLLOVER_PROMISED,
    VIV_DURABLE_ROLLOVER_ADOPTED,
    VIV_DURABLE_ROLLOVER_LEARNER_PROMISED,
    VIV_DURABLE_ROLLOVER_LEARNER_ADOPTED,
};

struct viv_durable {
    uint32_t accepted_epoch, current_epoch; /* on the disk */
    uint64_t last_zxid;                     /* newest entry on the disk */
    uint64_t issued_zxid;                   /* newest entry handed to the log */
    struct viv_detector disk;               /* of its answers, while any are due */
    uint32_t accepted_asked, current_asked;
    bool epochs_pending;
    enum viv_durable_next next;
    bool truncating;
    bool installing;
    bool repairing;
};

void viv_durable_start(struct viv_zab *zab, const struct viv_zab_start *start);
/* True when an answer has been due for longer than a disk that works ever took lately. */
bool viv_durable_is_stuck(struct viv_zab *zab);
/* Asks for the entries of the history that were not handed to the log yet. */
void viv_durable_append(struct viv_zab *zab);
/* Asks for the epochs; one question at a time. */
void viv_durable_epochs(struct viv_zab *zab, uint32_t accepted, uint32_t current, enum viv_durable_next next);
/* Cuts history and log above zxid, which the history contains. */
void viv_durable_truncate(struct viv_zab *zab, uint64_t zxid);
/* Puts the body of a damaged entry of the log back. */
void viv_durable_repair(struct viv_zab *zab, const struct viv_entry *entry);
/* True when nothing is on its way: log and history are the same. Only then does an election begin. */
bool viv_durable_is_idle(const struct viv_durable *durable);

/* The answers. */
void viv_durable_stored(struct viv_zab *zab, uint64_t zxid);
enum viv_durable_next viv_durable_epochs_stored(struct viv_zab *zab);
void viv_durable_truncated(struct viv_zab *zab);
void viv_durable_repaired(struct viv_zab *zab);
/* The history is reset by the caller. Where it became shorter the epoch is forgotten, until a leader's is adopted. */
void viv_durable_installed(struct viv_zab *zab, uint64_t zxid);

#endif /* VIV_ZAB_DURABLE_H */
