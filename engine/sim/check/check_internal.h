#ifndef VIV_SIM_CHECK_CHECK_INTERNAL_H
#define VIV_SIM_CHECK_CHECK_INTERNAL_H

#include "sim/check/check.h"
#include "sim/check/write.h"

/* What the checkers share: the history sorted into connections, operations and transactions, and what the reference
 * tree made of each. index.c fills it, replay.c adds the outcomes, the others look. */

#define VIV_CHECK_NONE SIZE_MAX

struct viv_check_item { /* what a connection heard, in its order */
    size_t record;
    size_t operation; /* VIV_CHECK_NONE: an event */
};

struct viv_check_connection {
    int32_t client, server;
    size_t open, grant, lost;             /* records; grant and lost may be VIV_CHECK_NONE */
    int64_t session_id;                   /* granted; before that the one asked for */
    struct viv_ref_identities identities; /* in the order in which they were proved, the address first */
    struct viv_buffer proofs[VIV_REF_IDENTITIES_MAX];
    struct viv_check_item *items;
    size_t item_count, item_capacity;
    size_t first, last; /* operations; the first that may still be answered */
};

struct viv_check_operation {
    size_t connection, request, reply; /* reply: VIV_CHECK_NONE when nobody knows what became of it */
    size_t identity_count;             /* that the connection had when it was sent */
    uint64_t floor_zxid;               /* of the last write that anybody had been acknowledged by then */
    size_t transaction;                /* that it became, or VIV_CHECK_NONE */
    size_t next;                       /* of the same connection */
    int *missed; /* of setWatches: per path the event that it came too late for, 0: none. By replay.c; NULL without an
                    answer, unless its events were heard and there was a tree that explains them */
    size_t missed_count;
};

struct viv_check_transaction {
    uint64_t zxid;
    size_t record;    /* COMMIT, or the REPLY that tells of it */
    size_t operation; /* VIV_CHECK_NONE: the ensemble's own */
    struct viv_txn_header header;
    struct viv_bytes body; /* behind the header */
    bool is_close;
    bool is_guess; /* in a history without a log: what an unanswered request may have become */
    struct viv_ref_outcome outcome;
};

struct viv_check {
    const struct viv_sim_history *history;
    struct viv_check_report *report;
    struct viv_check_connection *connections;
    size_t connection_count, connection_capacity;
    struct viv_check_operation *operations;
    size_t operation_count, operation_capacity;
    struct viv_check_transaction *transactions; /* by zxid */
    size_t transaction_count, transaction_capacity;
    bool is_trial, has_failed; /* a trial counts nothing, and stops where it fails first */
};

/* One more failure of a checker. `operation` may be VIV_CHECK_NONE; otherwise who did what comes first in the text. */
void viv_check_fail(struct viv_check *check, enum viv_checker checker, size_t record, size_t operation,
                    const char *format, ...) __attribute__((format(printf, 5, 6)));

void viv_check_index(struct viv_check *check);
void viv_check_index_fini(struct viv_check *check);
/* Executes the transactions in their order on a reference tree, and compares all replies: writes and reads. Returns how
 * many comparisons there were. */
size_t viv_check_replay(struct viv_check *check);
/* Without a log: finds places among the zxids that nobody accounts for, at which requests without an answer, and
 * sessions that ended by themselves, explain what was seen. Bounded: what it does not find stays a failure. */
void viv_check_guess(struct viv_check *check);
void viv_check_add_transaction(struct viv_check *check, size_t at, const struct viv_check_transaction *transaction);
void viv_check_order(struct viv_check *check);
void viv_check_watches(struct viv_check *check);
void viv_check_sessions(struct viv_check *check);
void viv_check_servers(struct viv_check *check);

/* ---- small questions ---- */

const struct viv_sim_record *viv_check_request(const struct viv_check *check, size_t operation);
/* NULL without one. */
const struct viv_sim_record *viv_check_reply(const struct viv_check *check, size_t operation);
struct viv_ref_identities viv_check_identities(const struct viv_check *check, size_t operation);
/* It was answered, and the answer is that of a transaction. */
bool viv_check_is_acknowledged_write(const struct viv_check *check, size_t operation);
/* The last one at or below zxid; VIV_CHECK_NONE. */
size_t viv_check_transaction_at(const struct viv_check *check, uint64_t zxid);

/* ---- missed.c: what watches that are set again have missed ---- */

bool viv_check_is_set_watches(int32_t op);
/* In the tree as it is now, which is that of the answer. */
void viv_check_note_missed(struct viv_check *check, struct viv_ref_tree *tree, size_t operation);
void viv_check_forget_missed(struct viv_check_operation *operation);
/* Those without an answer of which events were heard. One is explained, and its `missed` known, by any tree from the
 * zxid that it names on in which these are what it missed first. */
struct viv_check_unexplained {
    size_t *operations;
    size_t count;
};
void viv_check_find_unexplained(const struct viv_check *check, struct viv_check_unexplained *found);
/* The tree stays as it is until the transaction of next_zxid. */
void viv_check_explain_missed(struct viv_check *check, struct viv_ref_tree *tree,
                              struct viv_check_unexplained *unexplained, uint64_t next_zxid);
/* The next such event that was heard, from that record on; VIV_CHECK_NONE. They come behind the last answer on their
 * connection. */
size_t viv_check_next_missed(const struct viv_check *check, size_t operation, size_t from);

/* ---- compare.c: is this what the tree says; if not, `difference` says what is wrong ---- */

bool viv_check_same_read(struct viv_ref_tree *tree, const struct viv_sim_record *request, int64_t session_id,
                         const struct viv_ref_identities *who, const struct viv_sim_record *reply,
                         struct viv_buffer *difference);
bool viv_check_same_write(struct viv_ref_tree *tree, const struct viv_sim_record *request,
                          const struct viv_ref_outcome *outcome, const struct viv_sim_record *reply,
                          struct viv_buffer *difference);
/* Is there anything in it that can be compared? */
bool viv_check_is_read(int32_t op);

#endif /* VIV_SIM_CHECK_CHECK_INTERNAL_H */
