#ifndef VIV_NODE_EXPIRY_H
#define VIV_NODE_EXPIRY_H

#include <stdbool.h>

#include "base/entry.h"
#include "node/table.h"

/* The leader's view of every session: when it dies, which server it is attached to, whether it is closing already.
 * Deadlines are rounded up to whole ticks, so that sessions expire in groups (client-protocol.md §10):
 * deadline = (floor((now + timeout) / tick) + 1) * tick.
 *
 * What it does not know: connections, transactions, and the replicated session table that it is filled from. */

struct viv_expiry_session;

struct viv_expiry {
    uint32_t tick_ms;
    struct viv_table by_id;
    struct viv_expiry_session **buckets; /* a ring of lists, one a tick */
    uint64_t tick_next;                  /* the first tick that was not looked at yet */
    bool started;                        /* tick_next is meaningful */
    uint64_t awake_at_ms, slept_ms;      /* when last told of it (0: never); what does not count */
};

void viv_expiry_init(struct viv_expiry *expiry, uint32_t tick_ms);
void viv_expiry_fini(struct viv_expiry *expiry);
/* Forgets every session. */
void viv_expiry_clear(struct viv_expiry *expiry);

/* To be told more often than every tick. A longer silence is time in which this server did not run, so that nobody
 * could be heard: no session ages by it. */
void viv_expiry_awake(struct viv_expiry *expiry, uint64_t now_ms);

/* Adds a session, or renews one that is there: new timeout, new owner (0: whoever writes first). */
void viv_expiry_track(struct viv_expiry *expiry, int64_t session_id, int32_t timeout_ms, viv_sid owner,
                      uint64_t now_ms);
/* Activity. timeout_ms: as negotiated where the session is attached; 0: as before. Unknown and closing sessions are
 * left alone. */
void viv_expiry_touch(struct viv_expiry *expiry, int64_t session_id, int32_t timeout_ms, uint64_t now_ms);
/* True when the session is known and not closing. */
bool viv_expiry_is_alive(const struct viv_expiry *expiry, int64_t session_id);
/* A write came through `server`: false when the session lives but belongs to another server. A session without owner
 * gets this one. */
bool viv_expiry_claim(struct viv_expiry *expiry, int64_t session_id, viv_sid server);
/* Its closeSession is on the way. */
void viv_expiry_mark_closing(struct viv_expiry *expiry, int64_t session_id);
void viv_expiry_remove(struct viv_expiry *expiry, int64_t session_id);
/* When the session dies unless it is heard of before, on the clock of `now_ms`; 0 when it is not known. */
uint64_t viv_expiry_deadline_ms(const struct viv_expiry *expiry, int64_t session_id);
/* Takes one session whose deadline has passed and marks it closing; false when there is none. */
bool viv_expiry_next_due(struct viv_expiry *expiry, uint64_t now_ms, int64_t *session_id);

#endif /* VIV_NODE_EXPIRY_H */
