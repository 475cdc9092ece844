#ifndef VIV_NODE_MARKS_H
#define VIV_NODE_MARKS_H

#include <stdbool.h>
#include <stdint.h>

/* When entries of the log passed the stages that lie between two turns: what is handed to the log in one turn has one
 * mark. Marks are laid, then stored, then passed when their entries are applied, each in zxid order, so finding one is
 * a step forward. Fixed memory: the newest are kept, also when they were passed, for acknowledgements that come late.
 */

enum { VIV_MARKS_MAX = 256 };

struct viv_mark {
    uint64_t zxid_first, zxid; /* the entries it speaks for */
    uint64_t proposed_ns;
    uint64_t stored_ns; /* 0: not yet */
    bool is_own;        /* proposed here */
};

struct viv_marks {
    struct viv_mark ring[VIV_MARKS_MAX];
    uint64_t laid, stored, passed; /* counts, since the start */
};

void viv_marks_lay(struct viv_marks *marks, const struct viv_mark *mark);
/* The log has everything up to zxid. */
void viv_marks_store(struct viv_marks *marks, uint64_t zxid, uint64_t now_ns);
/* The mark of the entry that is being applied; NULL when it has none (recovered, or laid too long ago). */
const struct viv_mark *viv_marks_pass(struct viv_marks *marks, uint64_t zxid);
/* The mark of an entry that somebody has acknowledged, or NULL. */
const struct viv_mark *viv_marks_find(const struct viv_marks *marks, uint64_t zxid);
/* Entries laid so far are not expected any more. */
void viv_marks_clear(struct viv_marks *marks);

#endif /* VIV_NODE_MARKS_H */
