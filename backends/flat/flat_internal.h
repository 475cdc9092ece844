#ifndef VIV_BACKENDS_FLAT_FLAT_INTERNAL_H
#define VIV_BACKENDS_FLAT_FLAT_INTERNAL_H

#include <pthread.h>

#include "backends/flat/fault.h"
#include "backends/flat/format.h"
#include "backends/flat/hard.h"
#include "backends/flat/identifier.h"
#include "backends/flat/index.h"
#include "store/file_io.h"
#include "store/log_store.h"

/* The log's object, shared by its files: segment.c makes and recycles segments, scan.c reads them at open, write.c
 * writes batches, iter.c reads ranges, log.c joins them into the contract.
 *
 * Locking: `mutex` guards everything below it. File calls are made without it; what they touch stays in place because
 * only the log thread writes to the active segment, and a segment with a reference is never reused. */

struct viv_flat_segment {
    struct viv_file file;
    struct viv_flat_segment_header header;
    uint64_t end;              /* where the next batch goes */
    uint64_t file_bytes;       /* grows beyond segment_bytes for one oversized batch */
    uint64_t first_ordinal;    /* of its first batch; 0: empty */
    uint64_t identifier_bytes; /* of all its batches, also of those whose identifiers wait to be written */
    bool is_finished;          /* its last batch says that the log goes on in the next one */
    unsigned references;       /* the log's own and one per reader */
};

struct viv_log {
    const struct viv_log_ops *ops;
    struct viv_disk disk;
    char *dir;
    uint64_t segment_bytes;
    bool is_durable, may_forget;
    struct viv_flat_owner owner;
    struct viv_file lock;
    struct viv_buffer scratch;         /* log thread: the batch being written */
    struct viv_flat_run_input *inputs; /* log thread: its runs */
    size_t input_capacity;
    struct viv_buffer calls;             /* log thread: the caller's runs as viv_flat_run_input */
    struct viv_flat_identifiers waiting; /* log thread: of the active segment */

    pthread_mutex_t mutex;
    pthread_cond_t preparing_done;
    bool is_preparing, is_releasing;
    viv_status failed; /* sticky: the status every later write answers */
    /* By number, without a gap: those that hold batches up to `active`, then empty ones made ahead. */
    struct viv_flat_segment **segments;
    size_t segment_count, segment_capacity;
    size_t active;
    char **spares; /* paths of files to be reused */
    size_t spare_count;
    uint64_t ordinal, durable_ordinal; /* of the newest batch, written and synced */
    uint32_t previous_crc;
    struct viv_flat_index index;
    struct viv_flat_faults faults;
    struct viv_flat_hard hard;
    struct viv_store_measure measure;
};

extern const struct viv_log_ops viv_flat_log;

/* segment.c */

enum { VIV_FLAT_SPARES_MAX = 2 };

/* Where the identifiers begin, going down; the end of the file for a segment that has none. */
uint64_t viv_flat_segment_top(const struct viv_flat_segment *segment);
bool viv_flat_segment_has_identifiers(const struct viv_flat_segment *segment);
/* Puts the header at both ends of the file. */
viv_status viv_flat_segment_write_header(struct viv_log *log, const struct viv_flat_segment *segment) VIV_MUST_USE;
/* The header stands at both ends of the file; one damaged copy is written again. *is_there false: both are damaged. */
viv_status viv_flat_segment_check_header(struct viv_log *log, struct viv_flat_segment *segment, uint64_t seq,
                                         bool *is_there, bool *is_mended) VIV_MUST_USE;
/* Opens every segment of the directory, in order, and notes the spare ones; removes leftovers. */
viv_status viv_flat_segments_open(struct viv_log *log, const struct viv_file_names *names) VIV_MUST_USE;
/* Makes the next segment ready: durable, header and all, under its final name. VIV_ERR_NOSPACE leaves nothing. */
viv_status viv_flat_segment_prepare(struct viv_log *log) VIV_MUST_USE;
/* Drops a reference; the last one closes the file. Call with the mutex held. */
void viv_flat_segment_unref(struct viv_log *log, struct viv_flat_segment *segment);
/* Retires the oldest segments that no group needs. Call without the mutex. */
viv_status viv_flat_segments_release(struct viv_log *log) VIV_MUST_USE;

/* scan.c */

/* Reads all segments, fills the index, cuts a torn tail, and makes durable what was read. */
viv_status viv_flat_scan(struct viv_log *log, struct viv_store_report *report) VIV_MUST_USE;

/* write.c */

/* Writes one batch after the newest, moving on to the next segment when it does not fit. */
viv_status viv_flat_write(struct viv_log *log, const struct viv_flat_run_input *runs, size_t run_count) VIV_MUST_USE;
viv_status viv_flat_sync(struct viv_log *log) VIV_MUST_USE;
/* Writes the identifiers of what is durable. */
viv_status viv_flat_settle(struct viv_log *log) VIV_MUST_USE;
/* Remembers a terminal status; returns it. */
viv_status viv_flat_fail(struct viv_log *log, viv_status status);

/* iter.c */

viv_log_iter_open_fn viv_flat_iter_open;
viv_log_iter_next_fn viv_flat_iter_next;
viv_log_iter_close_fn viv_flat_iter_close;
/* Whether the group has an entry of exactly this zxid. */
viv_status viv_flat_has_entry(struct viv_log *log, viv_gid gid, uint64_t zxid, bool *is_there) VIV_MUST_USE;

/* repair.c */

/* Makes the header and the table of the batch at `offset` good again out of its identifier. VIV_ERR_CORRUPT: there is
 * none. Any thread that holds a reference. */
viv_status viv_flat_mend(struct viv_log *log, const struct viv_flat_segment *segment, uint64_t offset) VIV_MUST_USE;
/* The body of an entry was read and is wrong: looks once more, and notes and names it when it is so. */
void viv_flat_note_fault(struct viv_log *log, const struct viv_flat_segment *segment,
                         const struct viv_flat_fault *fault);
viv_log_faults_fn viv_flat_faults_get;
viv_log_repair_fn viv_flat_repair;
viv_log_scrub_fn viv_flat_scrub;

#endif /* VIV_BACKENDS_FLAT_FLAT_INTERNAL_H */
