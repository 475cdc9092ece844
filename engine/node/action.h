#ifndef VIV_NODE_ACTION_H
#define VIV_NODE_ACTION_H

#include "base/arena.h"
#include "base/entry.h"
#include "store/log_store.h"
#include "node/event.h"
#include "store/state_store.h"

/* All that a node can ask for. Actions are performed in order, after the step; several steps may append to one list.
 * Bytes are borrowed until viv_actions_reset, except where "takes" is said. LOG_* actions but LOG_READ run on the log
 * thread in issue order; neighbouring LOG_APPENDs may share one write and one sync. */

enum viv_action_kind {
    VIV_ACTION_CLIENT_SEND,      /* conn, bytes: complete frames with their lengths; flag: answer with one
                                    CLIENT_DRAINED as soon as less than 256 KiB of them are unsent */
    VIV_ACTION_CLIENT_CLOSE,     /* conn: send what is queued, then close */
    VIV_ACTION_CLIENT_PAUSE,     /* conn (0 = all), flag: stop reading, or go on */
    VIV_ACTION_CLIENT_SASL,      /* conn, bytes: a token of the client's; answered by one CLIENT_SASL_DONE. The next one
                                    of the connection comes after that */
    VIV_ACTION_VOTE_SEND,        /* sid, bytes: body of an election message; the latest replaces an unsent one */
    VIV_ACTION_LISTEN,           /* flag: the quorum port accepts learners, or not (accepted links close) */
    VIV_ACTION_LINK_DIAL,        /* sid */
    VIV_ACTION_LINK_SEND,        /* link, bytes; flag: answer with one LINK_DRAINED as soon as less than 256 KiB of what
                                    was handed over for this link are unsent (also when that is so at once) */
    VIV_ACTION_LINK_CLOSE,       /* link */
    VIV_ACTION_LOG_APPEND,       /* gid, ticket, entries, entry_count, zxid = commit hint. The array and the bodies
                                    stay valid until LOG_DONE of that ticket */
    VIV_ACTION_LOG_TRUNCATE,     /* gid, ticket, zxid = keep */
    VIV_ACTION_LOG_RESET,        /* gid, ticket, zxid = base */
    VIV_ACTION_LOG_HARD,         /* gid, ticket, hard */
    VIV_ACTION_LOG_REPAIR,       /* gid, ticket, zxid, bytes: the body of a damaged entry; valid until LOG_DONE */
    VIV_ACTION_LOG_TRIM,         /* gid, zxid; no answer */
    VIV_ACTION_LOG_READ,         /* gid, ticket, zxid_from, zxid: answered by LOG_READ events */
    VIV_ACTION_CHECKPOINT_BEGIN, /* gid, ticket, checkpoint kind, zxid = start */
    VIV_ACTION_CHECKPOINT_ROWS,  /* rows: takes the buffer; at most 16 unanswered */
    VIV_ACTION_CHECKPOINT_COMMIT, /* mark */
    VIV_ACTION_CHECKPOINT_ABORT,  /* no answer */
    VIV_ACTION_TRACE,             /* trace code, gid, a, b: stamped with the monotonic clock in ns and recorded */
    VIV_ACTION_AUDIT,             /* bytes: lines of the audit log, each with its end; flag: they tell of a failure */
    VIV_ACTION_MEMBERS,           /* bytes, members_next: texts of the active configuration of the ensemble, and of the
                                     proposed one or empty. First of all at the start */
    VIV_ACTION_FATAL,             /* text: stop the process, exit code 3; flag: the configuration is wrong, 2 */
};

struct viv_action {
    enum viv_action_kind kind;
    viv_gid gid;
    viv_sid sid;
    viv_conn conn;
    uint32_t link;
    uint64_t ticket;
    uint64_t zxid, zxid_from;
    struct viv_bytes bytes, members_next;
    struct viv_buffer rows;
    const struct viv_entry *entries;
    size_t entry_count;
    struct viv_hard_state hard;
    enum viv_checkpoint_kind checkpoint;
    struct viv_state_mark mark;
    bool flag;
    int trace;
    uint64_t a, b;
    const char *text;
};

struct viv_actions {
    struct viv_action *items;
    size_t count, capacity;
    struct viv_arena arena;
};

void viv_actions_fini(struct viv_actions *actions);
void viv_actions_reset(struct viv_actions *actions); /* rows never performed are freed */
struct viv_action *viv_actions_add(struct viv_actions *actions, enum viv_action_kind kind);

#endif /* VIV_NODE_ACTION_H */
