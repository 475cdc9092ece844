#ifndef VIV_ADMIN_REPORT_H
#define VIV_ADMIN_REPORT_H

#include "admin/dues.h"
#include "admin/json.h"
#include "node/watch.h"

/* A text for operators that is made in pieces. A list of a million watches or sessions would hold up every client if it
 * were written at once: a report does a few hundred items' work each time it is asked to go on, and whoever sends it
 * asks when the last piece has found a taker. Does not know where the text goes. */

struct viv_server;
struct viv_report;

/* Appends a piece to `out`. True: this step is done, the next one may begin. */
typedef bool viv_report_step_fn(struct viv_report *report, struct viv_buffer *out);

/* Items that one piece looks at: about a millisecond. */
enum { VIV_REPORT_LOOKS = 1000, VIV_REPORT_STEPS_MAX = 8 };

struct viv_report {
    struct viv_server *server;
    uint64_t asking; /* the client connection that asked, or 0 */
    int word;        /* which question, as whoever made the steps numbers them */
    viv_report_step_fn *steps[VIV_REPORT_STEPS_MAX + 1];
    size_t step;
    /* where the running step is; all-zero when it begins */
    struct viv_report_place {
        uint64_t at, inside;
        int64_t session_id;
        struct viv_watch_cursor watch;
        bool is_begun, is_named, is_done;
    } place;
    struct viv_dues dues; /* gathered by one step for the next */
    uint64_t gathered;
    struct viv_json json;       /* of answers in JSON; empty in texts */
    struct viv_buffer question; /* what was given with the word, NUL-terminated; owned */
    bool is_member_open;        /* in a list of lists in JSON: the inner one is open */
    void *detail;               /* whose the steps are, when they need more than this; */
    void (*end_detail)(void *); /* and what is called for it when the report is freed */
    bool is_broken;             /* it cannot come to its end */
    struct viv_bytes source;    /* what an answer is made from that is not in the server; borrowed */
};

/* `steps` ends with NULL and is copied. */
struct viv_report *viv_report_new(struct viv_server *server, viv_report_step_fn *const *steps);
void viv_report_free(struct viv_report *report);
/* Appends the next piece, possibly an empty one. False: that was the last. */
bool viv_report_next(struct viv_report *report, struct viv_buffer *out);

#endif /* VIV_ADMIN_REPORT_H */
