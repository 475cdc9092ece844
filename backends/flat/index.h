#ifndef VIV_BACKENDS_FLAT_INDEX_H
#define VIV_BACKENDS_FLAT_INDEX_H

#include <stdbool.h>

#include "backends/flat/format.h"
#include "store/log_store.h"

/* Where each group's live entries are: one span per group and batch, in memory only, rebuilt at open by applying the
 * log's runs in order. It reads no file; the log's mutex guards it. */

struct viv_flat_span {
    uint64_t first_zxid, last_zxid; /* live ones; a truncation lowers last_zxid */
    uint64_t seq, offset;           /* the batch */
};

struct viv_flat_group {
    viv_gid gid;
    uint64_t base_zxid, last_zxid, commit_zxid;
    uint64_t trim_zxid; /* entries up to this one may go */
    bool is_lost;       /* what came before is not known: the next run says where the group stands */
    struct viv_flat_span *spans;
    size_t span_count, span_capacity;
};

struct viv_flat_index {
    struct viv_flat_group *groups; /* by gid */
    size_t group_count;
    bool has_forgotten; /* while the log is read: a group that was not heard of yet may have stood in the lost part */
};

void viv_flat_index_fini(struct viv_flat_index *index);
/* NULL when the group never wrote. */
struct viv_flat_group *viv_flat_index_find(struct viv_flat_index *index, viv_gid gid);
/* Made when missing. */
struct viv_flat_group *viv_flat_index_group(struct viv_flat_index *index, viv_gid gid);
/* Takes a run into account. `first` and `last` are its zxids when it has entries. False: it does not continue the
 * group's history (only bytes from a disk can do that). */
bool viv_flat_index_apply(struct viv_flat_index *index, const struct viv_flat_run *run, uint64_t first, uint64_t last,
                          uint64_t seq, uint64_t offset);
/* Part of the log is missing: of every group only what comes now is known. */
void viv_flat_index_forget(struct viv_flat_index *index);
/* The log was read to its end. True: some group has not been heard of since part of it was missing. */
bool viv_flat_index_is_lost(struct viv_flat_index *index);
/* The first span with entries above zxid; NULL at the end. Valid until the index changes. */
const struct viv_flat_span *viv_flat_group_above(const struct viv_flat_group *group, uint64_t zxid);
/* Whether zxid lies in a span of the group. */
bool viv_flat_index_holds(struct viv_flat_index *index, viv_gid gid, uint64_t zxid);
/* Whether some group still needs entries of this, the oldest, segment. */
bool viv_flat_index_needs(const struct viv_flat_index *index, uint64_t oldest_seq);
/* Forgets the entries of the oldest segment. */
void viv_flat_index_release(struct viv_flat_index *index, uint64_t oldest_seq);

#endif /* VIV_BACKENDS_FLAT_INDEX_H */
