#ifndef VIV_ZAB_HISTORY_H
#define VIV_ZAB_HISTORY_H

#include "base/entry.h"

/* The recent end of the log in memory: what a learner that comes back is sent, what waits for its commit, what waits
 * for the disk. Owns the bodies; they never move. Entries stand for everything after floor_zxid: the server's whole
 * history is what is at or below the floor (image and log) and then these entries.
 *
 * It tells committed from uncommitted and delivered from not; it does not know roles, disks or learners. */

struct viv_history_block;

struct viv_history_item {
    struct viv_entry entry; /* a damaged one has no bytes, but room for them in the block */
    struct viv_history_block *block;
    size_t offset; /* of the body in the block */
};

/* All-zero is an empty history from the beginning of time. */
struct viv_history {
    uint64_t floor_zxid;     /* where the first entry begins; may be the start of an epoch (counter 0) */
    uint64_t last_zxid;      /* newest entry, or the floor */
    uint64_t committed_zxid; /* known committed, for good */
    uint64_t delivered_zxid; /* <= committed_zxid */
    struct viv_history_item *ring;
    size_t first, count, capacity; /* capacity: a power of two */
    size_t body_bytes;
    size_t damaged_count;
    struct viv_history_block *filling; /* where the next body goes */
    struct viv_history_block *spare;
};

void viv_history_fini(struct viv_history *history);
/* Forgets everything: an image at zxid, committed and delivered, is the history now. */
void viv_history_reset(struct viv_history *history, uint64_t zxid);

/* True when an entry at `next` may come right after `zxid`: the next of its epoch, or the first of a later one. */
bool viv_history_follows(uint64_t zxid, uint64_t next);
/* Copies the body, unless the entry is damaged. entry->zxid is above last_zxid. */
void viv_history_append(struct viv_history *history, const struct viv_entry *entry);
/* Entries 0 .. count-1, oldest first. Valid until it is truncated, trimmed or reset. */
const struct viv_entry *viv_history_at(const struct viv_history *history, size_t index);
/* Index of the first entry above zxid; count when there is none. */
size_t viv_history_above(const struct viv_history *history, uint64_t zxid);
/* An entry, or the floor. */
bool viv_history_contains(const struct viv_history *history, uint64_t zxid);
/* The newest entry below zxid, or the floor. zxid is above the floor. */
uint64_t viv_history_before(const struct viv_history *history, uint64_t zxid);

/* The oldest damaged entry, beyond which nothing is delivered; or NULL. */
const struct viv_entry *viv_history_damaged(const struct viv_history *history);
/* The body of a damaged entry, whose size and checksum it has. Returns the entry. */
const struct viv_entry *viv_history_mend(struct viv_history *history, uint64_t zxid, struct viv_bytes body);

void viv_history_commit(struct viv_history *history, uint64_t zxid);
/* The oldest entry that is committed up to limit_zxid and was not delivered, which it is from now on; or NULL. */
const struct viv_entry *viv_history_deliver(struct viv_history *history, uint64_t limit_zxid);
/* Forgets entries above zxid, which is at or above committed_zxid. */
void viv_history_truncate(struct viv_history *history, uint64_t zxid);
/* Forgets the oldest entries up to limit_zxid (delivered ones) while the bodies exceed bytes_max. */
void viv_history_trim(struct viv_history *history, uint64_t limit_zxid, size_t bytes_max);

#endif /* VIV_ZAB_HISTORY_H */
