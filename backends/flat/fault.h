#ifndef VIV_BACKENDS_FLAT_FAULT_H
#define VIV_BACKENDS_FLAT_FAULT_H

#include "store/log_store.h"

/* The entries of the log that are known by their identifiers but whose bodies are damaged, and where these stand. It
 * reads no file; the log's mutex guards it. */

struct viv_flat_fault {
    viv_gid gid;
    struct viv_log_fault entry;
    uint64_t seq, batch, offset; /* the segment; its batch and the entry's body in it */
    uint64_t ordinal;            /* of the batch; only while the log is being opened */
};

/* By group and zxid. All-zero is empty. */
struct viv_flat_faults {
    struct viv_flat_fault *items;
    size_t count, capacity;
};

void viv_flat_faults_fini(struct viv_flat_faults *faults);
/* False: it was known. */
bool viv_flat_faults_add(struct viv_flat_faults *faults, const struct viv_flat_fault *fault);
/* NULL when there is none; valid until they change. */
const struct viv_flat_fault *viv_flat_faults_find(const struct viv_flat_faults *faults, viv_gid gid, uint64_t zxid);
/* Position of the first of the group above `zxid`. */
size_t viv_flat_faults_above(const struct viv_flat_faults *faults, viv_gid gid, uint64_t zxid);
/* The first uncertain one of the group; 0: there is none. */
uint64_t viv_flat_faults_uncertain(const struct viv_flat_faults *faults, viv_gid gid);
/* Forgets those of the group in (after, upto]. */
void viv_flat_faults_forget(struct viv_flat_faults *faults, viv_gid gid, uint64_t after, uint64_t upto);
/* Forgets those of the segments up to `seq`. */
void viv_flat_faults_release(struct viv_flat_faults *faults, uint64_t seq);

#endif /* VIV_BACKENDS_FLAT_FAULT_H */
