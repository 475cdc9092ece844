#ifndef VIV_SIM_RECORDER_H
#define VIV_SIM_RECORDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Records every call with which this process, libraries included, changes files below one folder: linked into a
 * program it takes the place of libc's functions. A changing call that it does not know how to record aborts the
 * process; what it cannot see (libc calling itself) is found by viv_sim_power_cut_is_whole, which rebuilds the folder
 * from the record.
 *
 * The record lies in memory shared with the processes that were forked after viv_sim_recording_new, so a child can
 * record what its parent judges: RocksDB's threads do not survive a fork. Threads: records are in the order in which
 * the calls were made. */

enum viv_sim_call_kind {
    VIV_SIM_CALL_OPEN,     /* path, inode; flag: it was made or emptied by this */
    VIV_SIM_CALL_WRITE,    /* inode, offset, bytes; flag: durable when it returned (O_DSYNC) */
    VIV_SIM_CALL_RESIZE,   /* inode, offset = new size */
    VIV_SIM_CALL_EXTEND,   /* inode, offset = at least this size */
    VIV_SIM_CALL_SYNC,     /* inode */
    VIV_SIM_CALL_SYNC_DIR, /* path */
    VIV_SIM_CALL_RENAME,   /* path, to */
    VIV_SIM_CALL_UNLINK,   /* path; of an empty folder too */
    VIV_SIM_CALL_MKDIR,    /* path */
    VIV_SIM_CALL_NOTE,     /* bytes: what the program said between two calls */
};

struct viv_sim_call {
    enum viv_sim_call_kind kind;
    bool flag;
    uint32_t inode;        /* from 1; a name that is opened again keeps its number */
    const char *path, *to; /* below the folder, without a leading slash; "": the folder itself */
    uint64_t offset;
    const uint8_t *bytes;
    size_t size;
    struct viv_sim_call *next;
};

struct viv_sim_recording {
    struct viv_sim_call *first, *last;
    size_t count, used_bytes, capacity_bytes;
};

struct viv_sim_recording *viv_sim_recording_new(size_t capacity_bytes);
/* The call after that one, which may be NULL for the first; NULL: there is none yet. */
const struct viv_sim_call *viv_sim_recording_next(const struct viv_sim_recording *recording,
                                                  const struct viv_sim_call *after);
void viv_sim_recording_clear(struct viv_sim_recording *trace);
void viv_sim_recording_free(struct viv_sim_recording *trace);

/* From now on calls below `root` are recorded, until stop. Files that are there already count as inodes of their own
 * once they are opened for writing. */
void viv_sim_recorder_start(struct viv_sim_recording *trace, const char *root);
void viv_sim_recorder_stop(void);
void viv_sim_recorder_note(const void *bytes, size_t size);

#endif /* VIV_SIM_RECORDER_H */
