#ifndef VIV_NODE_EVENT_H
#define VIV_NODE_EVENT_H

#include "base/entry.h"
#include "base/sid_set.h"
#include "store/log_store.h"
#include "store/state_store.h"
#include "wire/session.h"

/* All that can come into a node. Bytes are borrowed for the call. Time is in every event. */

typedef uint64_t viv_conn; /* a client connection; never 0, never reused */

enum viv_event_kind {
    VIV_EVENT_START,            /* once, after recovery */
    VIV_EVENT_TICK,             /* at least every tick_ms / 10, 20 ms at most */
    VIV_EVENT_CLIENT_OPEN,      /* conn, bytes = textual address without port; identities = raw vector<Id> that its
                                   certificate proves, empty without one; flag: over TLS */
    VIV_EVENT_CLIENT_FRAME,     /* conn, bytes = one frame without its length */
    VIV_EVENT_CLIENT_CLOSED,    /* conn: the socket is gone (also after CLIENT_CLOSE) */
    VIV_EVENT_CLIENT_DRAINED,   /* conn: answers a CLIENT_SEND with flag */
    VIV_EVENT_CLIENT_SASL_DONE, /* conn: answers CLIENT_SASL, in order. sasl = outcome, bytes = token for the client;
                                   identities = raw vector<Id> that a COMPLETE exchange proves */
    VIV_EVENT_VOTE,             /* sid, bytes = body of an election message */
    VIV_EVENT_LINK_UP,          /* link, sid as dialled, or sid 0 for a learner that connected: barred, proved */
    VIV_EVENT_LINK_DOWN,        /* link; or link 0 and sid when a dial failed */
    VIV_EVENT_LINK_BYTES,       /* link, bytes as they came */
    VIV_EVENT_LINK_DRAINED,     /* link: answers a LINK_SEND with flag */
    VIV_EVENT_LOG_DONE,         /* ticket: that LOG_* action and all before it are durable; in order */
    VIV_EVENT_LOG_READ,        /* ticket, entries, entry_count, last; status VIV_ERR_TRIMMED or VIV_ERR_CORRUPT: none */
    VIV_EVENT_LOG_FAULT,       /* zxid, fault: an entry of the log is damaged */
    VIV_EVENT_CHECKPOINT_ROOM, /* one block of CHECKPOINT_ROWS was consumed, or dropped after a failure or ABORT */
    VIV_EVENT_CHECKPOINT_DONE, /* ticket = that of BEGIN; status of COMMIT, or of the first step that failed (later
                                  steps of that ticket are then dropped); zxid = log_needed_after */
    VIV_EVENT_IMAGE_FAULT,     /* an image in the state store is damaged. Repeated until a whole one has replaced it */
    VIV_EVENT_DISK_LOW,        /* flag: the disk has no reserve left; zxid: what the log needs, the fallback images
                                  being gone. Repeated while it is so; flag false ends it */
    VIV_EVENT_DISK_FULL,       /* flag: the log cannot prepare room (true), or can again (false) */
};

struct viv_event {
    enum viv_event_kind kind;
    uint64_t now_ms; /* monotonic */
    uint64_t now_ns; /* the same clock, read once a turn, for measuring; 0: now_ms is all that is known */
    int64_t wall_ms; /* for transaction times only */
    viv_conn conn;
    viv_sid sid;
    uint32_t link;
    uint64_t ticket;
    uint64_t zxid;
    viv_status status;
    struct viv_bytes bytes;
    struct viv_bytes identities;
    enum viv_sasl_outcome sasl;
    struct viv_sid_set barred, proved; /* whom the other end of a link cannot be, and who it is by its certificate or
                                          address */
    const struct viv_entry *entries;
    size_t entry_count;
    struct viv_log_fault fault;
    bool last, flag;
};

#endif /* VIV_NODE_EVENT_H */
