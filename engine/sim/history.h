#ifndef VIV_SIM_HISTORY_H
#define VIV_SIM_HISTORY_H

#include <stdio.h>

#include "base/entry.h"
#include "base/status.h"

/* What clients did and heard, and what the replicas made of it: one list of records in the order in which they were
 * seen, for the checkers (check/check.h). The simulator fills it in memory; a run of live processes is written as text
 * (JSON Lines, first the header, then a record a line) and read back. Knows no meaning: it keeps what it is given.
 *
 * Whoever records must keep to this:
 *  - The ensemble began empty, and everything that any client ever did to it is there.
 *  - REQUEST stands where the client let go of it, REPLY and EVENT where the client got them, in the order of that
 *    client's bytes. Time never goes back from one record to the next.
 *  - A connection's records are OPEN, then GRANT if an answer came, then the rest, LOST at its end. A client has one
 *    connection at a time (a frame of an older one that is still on its way may reach a server; it is never read).
 *  - A client's xids grow for as long as its session lives, and with every request.
 *  - Pings are left out, their replies too; auth packets (xid -4) and setWatches (-8) are there. */

/* Clients and servers are numbers below these: the checkers keep arrays of them. */
enum { VIV_SIM_CLIENTS_MAX = 1 << 16, VIV_SIM_SERVERS_MAX = 256 };

enum viv_sim_record_kind {
#define VIV_SIM_RECORD(kind, text, ...) VIV_SIM_##kind,
#include "sim/history.def"
#undef VIV_SIM_RECORD
    VIV_SIM_RECORD_KINDS,
};

/* Which fields a kind has is in history.def; the others are 0. */
struct viv_sim_record {
    enum viv_sim_record_kind kind;
    int64_t time_ns;    /* by one clock for all records, that of the observer; never goes back */
    int32_t client;     /* 0, 1, ...: who keeps the order of its own operations */
    int32_t server;     /* 1..254 */
    int32_t xid, type;  /* type: of a request the operation, of an event the kind of event */
    int32_t code;       /* of a reply the error, of an event the state */
    int32_t timeout_ms; /* asked for in OPEN; granted in GRANT, 0 when the client is told that its session is gone */
    int64_t session_id; /* asked for in OPEN, 0: a new one */
    uint64_t zxid;      /* OPEN: lastZxidSeen. LEADS: the first of its epoch (counter 0) */
    uint64_t digest;    /* of the tree at that zxid */
    struct viv_bytes bytes; /* OPEN: the client's address as text. REQUEST: the record behind the request header.
                               REPLY: what is behind the reply header. EVENT: the path. COMMIT: the entry's body */
};

/* What the checkers must know beside the records. The text form leaves out what is 0. */
struct viv_sim_header {
    bool has_log;      /* the COMMIT records are the whole order that was committed, from the first transaction on */
    bool strict_sync;  /* a sync and what follows it are linearizable */
    bool strict_reads; /* so is every read */
    bool is_zookeeper; /* Apache 3.8.0 served: the few rules in which it differs from ours (check/tree.h) apply */
    bool extended_types;
    int32_t clock_percent_max; /* a server's clock runs at most so fast by the observer's (0: 100) */
    int64_t expiry_slack_ms;   /* ... and a session may end so much earlier: a sign of life that a follower heard and
                                  had not yet passed on */
    int64_t wall_ms;           /* wall clock at time 0; 0: unknown, times of znodes are not looked at */
    int64_t wall_slack_ms;     /* ... and how far a server's may be from it */
};

struct viv_sim_history {
    struct viv_sim_header header;
    struct viv_sim_record *records;
    size_t count, capacity;
    struct viv_sim_block *blocks; /* of bytes; they never move */
};

/* All-zero is an empty history. */
void viv_sim_history_fini(struct viv_sim_history *history);
/* Copies the bytes. The time must not go back. */
void viv_sim_history_add(struct viv_sim_history *history, const struct viv_sim_record *record);

/* VIV_ERR_IO. */
viv_status viv_sim_history_write(const struct viv_sim_history *history, FILE *file) VIV_MUST_USE;
/* Fills an empty history. VIV_ERR_MALFORMED (line and reason are logged), VIV_ERR_IO. */
viv_status viv_sim_history_read(struct viv_sim_history *history, FILE *file) VIV_MUST_USE;

/* A short name for a kind, as in the text form. */
const char *viv_sim_record_kind_text(enum viv_sim_record_kind kind);

#endif /* VIV_SIM_HISTORY_H */
