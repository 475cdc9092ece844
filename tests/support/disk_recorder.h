#ifndef VIV_TESTS_SUPPORT_DISK_RECORDER_H
#define VIV_TESTS_SUPPORT_DISK_RECORDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Records every call with which this process, libraries included, changes files below one folder: linked into a
 * program it takes the place of libc's functions. A changing call that it does not know how to record aborts the
 * process; what it cannot see (libc calling itself) is found by power_cut_is_whole, which rebuilds the folder from the
 * record.
 *
 * The record lies in memory shared with the processes that were forked after disk_trace_new, so a child can record
 * what its parent judges: RocksDB's threads do not survive a fork. Threads: records are in the order in which the calls
 * were made. */

enum disk_record_kind {
    DISK_OPEN,     /* path, inode; flag: it was made or emptied by this */
    DISK_WRITE,    /* inode, offset, bytes; flag: durable when it returned (O_DSYNC) */
    DISK_RESIZE,   /* inode, offset = new size */
    DISK_EXTEND,   /* inode, offset = at least this size */
    DISK_SYNC,     /* inode */
    DISK_SYNC_DIR, /* path */
    DISK_RENAME,   /* path, to */
    DISK_UNLINK,   /* path; of an empty folder too */
    DISK_MKDIR,    /* path */
    DISK_NOTE,     /* bytes: what the program said between two calls */
};

struct disk_record {
    enum disk_record_kind kind;
    bool flag;
    uint32_t inode;        /* from 1; a name that is opened again keeps its number */
    const char *path, *to; /* below the folder, without a leading slash; "": the folder itself */
    uint64_t offset;
    const uint8_t *bytes;
    size_t size;
    struct disk_record *next;
};

struct disk_trace {
    struct disk_record *first, *last;
    size_t count, used_bytes, capacity_bytes;
};

struct disk_trace *disk_trace_new(size_t capacity_bytes);
void disk_trace_clear(struct disk_trace *trace);
void disk_trace_free(struct disk_trace *trace);

/* From now on calls below `root` are recorded, until stop. Files that are there already count as inodes of their own
 * once they are opened for writing. */
void disk_recorder_start(struct disk_trace *trace, const char *root);
void disk_recorder_stop(void);
void disk_recorder_note(const void *bytes, size_t size);

#endif /* VIV_TESTS_SUPPORT_DISK_RECORDER_H */
