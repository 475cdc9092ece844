#ifndef VIV_NODE_MARKS_H
#define VIV_NODE_MARKS_H

#include <stdbool.h>
#include <stdint.h>

/* When entries of the log passed the stages that lie between two turns: what is handed to the log in one turn has one
 * mark. Marks are laid as the log answers and passed as entries are applied, both in zxid order, so finding one is a
 * step forward. Fixed memory: when too many wait, the newest speaks for more. */

enum { VIV_MARKS_MAX = 256 };

struct viv_mark {
    uint64_t zxid; /* of the last entry that it speaks for */
    uint64_t proposed_ns, stored_ns;
    bool is_own; /* proposed here */
};

struct viv_marks {
    struct viv_mark ring[VIV_MARKS_MAX];
    unsigned first, count;
};

void viv_marks_lay(struct viv_marks *marks, const struct viv_mark *mark);
/* The mark of the entry that is being applied; NULL when it has none (recovered, or long ago). */
const struct viv_mark *viv_marks_pass(struct viv_marks *marks, uint64_t zxid);
/* The log was truncated or replaced. */
void viv_marks_clear(struct viv_marks *marks);

#endif /* VIV_NODE_MARKS_H */
