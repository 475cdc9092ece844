#ifndef VIV_SIM_CHECK_CHECK_H
#define VIV_SIM_CHECK_CHECK_H

#include "sim/history.h"

/* Says whether a history is one that an ensemble may have: each checker reads the records and a reference tree
 * (check/tree.h) that shares nothing with the engine's. O(n log n), no search, when the history has its log. Does not
 * know who recorded it, nor what was broken while it was recorded. */

#define VIV_CHECKERS(X)                                                                                                \
    X(writes)     /* linearizable in the order of zxids, every field of every reply */                                 \
    X(reads)      /* per client never back; what is read is the tree at the reply's zxid; sync */                      \
    X(watches)    /* exactly the events owed, in order, before the reply that reveals them */                          \
    X(sessions)   /* ephemerals and sessions end only by delete, close, or expiry in its time */                       \
    X(agreement)  /* one committed order for all servers, zxids grow, one leader an epoch, trees alike */              \
    X(durability) /* what was acknowledged is in that order */

enum viv_checker {
#define X(name) VIV_CHECKER_##name,
    VIV_CHECKERS(X)
#undef X
        VIV_CHECKER_COUNT,
};

enum { VIV_CHECK_KEPT_EACH = 4, VIV_CHECK_KEPT_MAX = VIV_CHECK_KEPT_EACH * VIV_CHECKER_COUNT };

struct viv_check_failure {
    enum viv_checker checker;
    size_t record;          /* index into the history of what is wrong, or of where it was noticed */
    struct viv_buffer text; /* client, operation, zxid, what was expected, what was seen */
};

/* All-zero before; the texts are the caller's to free with _fini. */
struct viv_check_report {
    size_t failure_count, kept_count; /* the first VIV_CHECK_KEPT_EACH of each checker are kept */
    struct viv_check_failure failures[VIV_CHECK_KEPT_MAX];
    size_t failures_of[VIV_CHECKER_COUNT];
    size_t guess_count; /* without a log: unanswered requests and ended sessions that explain what was seen */
    size_t checked[VIV_CHECKER_COUNT]; /* replies, events, ... that were compared: none is no evidence */
};

void viv_check_history(const struct viv_sim_history *history, struct viv_check_report *report);
void viv_check_report_fini(struct viv_check_report *report);
const char *viv_checker_text(enum viv_checker checker);

#endif /* VIV_SIM_CHECK_CHECK_H */
