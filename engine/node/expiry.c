#include "node/expiry.h"

#include <stdlib.h>

#include "base/assert.h"
#include "base/bytes.h"

/* The ring is longer than any sensible timeout in ticks; a longer one simply passes by more than once. Closing
 * sessions wait for their transaction in a list of their own behind the ring. */
enum { BUCKET_COUNT = 256, CLOSING = BUCKET_COUNT, LIST_COUNT };

struct viv_expiry_session {
    int64_t id;
    int32_t timeout_ms;
    viv_sid owner;
    uint64_t deadline_tick;
    bool closing;
    struct viv_expiry_session *next, **previous; /* in its list */
};

void viv_expiry_init(struct viv_expiry *expiry, uint32_t tick_ms)
{
    VIV_ASSERT(tick_ms > 0);
    *expiry = (struct viv_expiry){.tick_ms = tick_ms};
    expiry->buckets = viv_alloc_zeroed(LIST_COUNT, sizeof(struct viv_expiry_session *));
}

void viv_expiry_fini(struct viv_expiry *expiry)
{
    viv_expiry_clear(expiry);
    viv_table_fini(&expiry->by_id);
    free(expiry->buckets);
    expiry->buckets = NULL;
}

static struct viv_expiry_session *find(const struct viv_expiry *expiry, int64_t session_id)
{
    return viv_table_get(&expiry->by_id, (uint64_t)session_id);
}

static void unlink_session(struct viv_expiry_session *session)
{
    *session->previous = session->next;
    if (session->next != NULL) {
        session->next->previous = session->previous;
    }
}

static void link_session(struct viv_expiry *expiry, struct viv_expiry_session *session, size_t list)
{
    VIV_ASSERT(list < LIST_COUNT);
    session->next = expiry->buckets[list];
    session->previous = &expiry->buckets[list];
    if (session->next != NULL) {
        session->next->previous = &session->next;
    }
    expiry->buckets[list] = session;
}

static void renew(struct viv_expiry *expiry, struct viv_expiry_session *session, uint64_t now_ms)
{
    session->deadline_tick = (now_ms - expiry->slept_ms + (uint64_t)session->timeout_ms) / expiry->tick_ms + 1;
    link_session(expiry, session, session->deadline_tick % BUCKET_COUNT);
}

static void drop(struct viv_expiry *expiry, struct viv_expiry_session *session)
{
    unlink_session(session);
    viv_table_remove(&expiry->by_id, (uint64_t)session->id);
    free(session);
}

void viv_expiry_clear(struct viv_expiry *expiry)
{
    for (size_t list = 0; list < LIST_COUNT; list++) {
        while (expiry->buckets[list] != NULL) {
            drop(expiry, expiry->buckets[list]);
        }
    }
    VIV_ASSERT(expiry->by_id.count == 0);
    expiry->started = false;
    expiry->awake_at_ms = expiry->slept_ms = 0;
}

void viv_expiry_awake(struct viv_expiry *expiry, uint64_t now_ms)
{
    VIV_ASSERT(now_ms >= expiry->awake_at_ms);
    uint64_t silence_ms = now_ms - expiry->awake_at_ms;
    if (expiry->awake_at_ms != 0 && silence_ms > expiry->tick_ms) {
        expiry->slept_ms += silence_ms;
    }
    expiry->awake_at_ms = now_ms;
}

void viv_expiry_track(struct viv_expiry *expiry, int64_t session_id, int32_t timeout_ms, viv_sid owner, uint64_t now_ms)
{
    struct viv_expiry_session *session = find(expiry, session_id);
    if (session == NULL) {
        session = viv_alloc_zeroed(1, sizeof *session);
        session->id = session_id;
        viv_table_add(&expiry->by_id, (uint64_t)session_id, session);
    } else {
        unlink_session(session);
    }
    session->timeout_ms = timeout_ms > 0 ? timeout_ms : 0;
    session->owner = owner;
    session->closing = false;
    renew(expiry, session, now_ms);
    if (!expiry->started) {
        expiry->started = true;
        expiry->tick_next = (now_ms - expiry->slept_ms) / expiry->tick_ms;
    }
}

void viv_expiry_touch(struct viv_expiry *expiry, int64_t session_id, int32_t timeout_ms, uint64_t now_ms)
{
    struct viv_expiry_session *session = find(expiry, session_id);
    if (session != NULL && !session->closing) {
        session->timeout_ms = timeout_ms > 0 ? timeout_ms : session->timeout_ms;
        unlink_session(session);
        renew(expiry, session, now_ms);
    }
}

bool viv_expiry_is_alive(const struct viv_expiry *expiry, int64_t session_id)
{
    const struct viv_expiry_session *session = find(expiry, session_id);
    return session != NULL && !session->closing;
}

bool viv_expiry_claim(struct viv_expiry *expiry, int64_t session_id, viv_sid server)
{
    struct viv_expiry_session *session = find(expiry, session_id);
    if (session == NULL || session->closing) {
        return true;
    }
    if (session->owner == 0) {
        session->owner = server;
    }
    return session->owner == server;
}

void viv_expiry_mark_closing(struct viv_expiry *expiry, int64_t session_id)
{
    struct viv_expiry_session *session = find(expiry, session_id);
    if (session != NULL && !session->closing) {
        session->closing = true;
        unlink_session(session);
        link_session(expiry, session, CLOSING);
    }
}

void viv_expiry_remove(struct viv_expiry *expiry, int64_t session_id)
{
    struct viv_expiry_session *session = find(expiry, session_id);
    if (session != NULL) {
        drop(expiry, session);
    }
}

uint64_t viv_expiry_deadline_ms(const struct viv_expiry *expiry, int64_t session_id)
{
    const struct viv_expiry_session *session = find(expiry, session_id);
    return session == NULL ? 0 : session->deadline_tick * expiry->tick_ms + expiry->slept_ms;
}

/* The first session of the bucket that is due at `tick`; those of a later round of the ring stay. */
static struct viv_expiry_session *first_due(const struct viv_expiry *expiry, uint64_t tick)
{
    struct viv_expiry_session *session = expiry->buckets[tick % BUCKET_COUNT];
    while (session != NULL && session->deadline_tick > tick) {
        session = session->next;
    }
    return session;
}

bool viv_expiry_next_due(struct viv_expiry *expiry, uint64_t now_ms, int64_t *session_id)
{
    if (!expiry->started) {
        return false;
    }
    uint64_t tick_now = (now_ms - expiry->slept_ms) / expiry->tick_ms;
    for (; expiry->tick_next <= tick_now; expiry->tick_next++) {
        struct viv_expiry_session *session = first_due(expiry, expiry->tick_next);
        if (session != NULL) {
            *session_id = session->id;
            viv_expiry_mark_closing(expiry, session->id);
            return true;
        }
    }
    return false;
}
