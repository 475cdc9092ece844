#ifndef VIV_STORE_LOG_STORE_H
#define VIV_STORE_LOG_STORE_H

#include <stddef.h>

#include "base/entry.h"
#include "store/store.h"

/* The replicated history of every group on this server plus the hard state that ZAB must never forget.
 *
 * What it does not know: znodes, leadership, what is committed (it is told, and only remembers the hint). Bodies are
 * opaque and never re-encoded. One log is shared by all groups: cutting one group's tail is a synced record in the
 * log, never a cut of a file that another group needs.
 *
 * Threads: append, sync, truncate, reset, hard_put, repair and settle are called by one thread (the log thread);
 * iter_*, prepare, scrub, faults and trim may run on another thread at the same time; the implementation guards its own
 * index.
 *
 * Errors: VIV_ERR_IO and VIV_ERR_SYSTEM from a call that writes are terminal: the store refuses every later write with
 * the same status, the caller ends the process; nothing is retried (a failed sync leaves pages clean but not durable,
 * zab-pitfalls C). VIV_ERR_NOSPACE is returned before anything of that call was written and is not terminal. */

struct viv_log; /* opaque; an implementation embeds `const struct viv_log_ops *ops` as its first member */
struct viv_log_iter;

struct viv_log_run {
    viv_gid gid;
    uint64_t commit_zxid;            /* highest zxid known committed in this group: a safe lower bound for recovery */
    const struct viv_entry *entries; /* zxids strictly increasing, above everything appended before */
    size_t entry_count;              /* 0 is legal: it only records the commit hint */
};

struct viv_log_bounds {
    uint64_t base_zxid;   /* history starts after this one: 0, or the zxid of an installed image, or what was trimmed */
    uint64_t last_zxid;   /* newest entry; base_zxid when empty */
    uint64_t commit_zxid; /* newest recorded hint, never above last_zxid */
    uint64_t uncertain_zxid; /* the first damaged entry of which nothing shows that it was durable; 0: there is none */
};

/* Everything ZAB must not forget, per group. Durable when hard_put returns, atomically old or new after a crash. */
struct viv_hard_state {
    uint32_t accepted_epoch; /* highest epoch promised */
    uint32_t current_epoch;  /* highest epoch whose initial history was adopted; <= accepted_epoch */
    uint64_t install_zxid;   /* != 0: an image of that zxid is being installed */
};

typedef viv_status viv_log_open_fn(const struct viv_store_config *config, struct viv_log **log,
                                   struct viv_store_report *report);
typedef void viv_log_close_fn(struct viv_log *log); /* syncs nothing: crash-equivalent on purpose */
/* Writes the runs as one batch. Not durable until sync. */
typedef viv_status viv_log_append_fn(struct viv_log *log, const struct viv_log_run *runs, size_t run_count);
typedef viv_status viv_log_sync_fn(struct viv_log *log);
/* Forgets every entry of the group above keep_zxid; durable on return, also against a later crash that would bring
 * older bytes back. VIV_ERR_INVALID when keep_zxid is neither in the log nor its base. */
typedef viv_status viv_log_truncate_fn(struct viv_log *log, viv_gid gid, uint64_t keep_zxid);
/* An image at base_zxid replaced the group's history: forgets every entry, history restarts after base_zxid. */
typedef viv_status viv_log_reset_fn(struct viv_log *log, viv_gid gid, uint64_t base_zxid);
/* Entries of the group at or below zxid may disappear (whole segments, when no group needs them). */
typedef viv_status viv_log_trim_fn(struct viv_log *log, viv_gid gid, uint64_t zxid);
typedef void viv_log_bounds_fn(struct viv_log *log, viv_gid gid, struct viv_log_bounds *bounds);
/* Entries in (after, upto] in order. VIV_ERR_TRIMMED when `after` is below base_zxid. */
typedef viv_status viv_log_iter_open_fn(struct viv_log *log, viv_gid gid, uint64_t after, uint64_t upto,
                                        struct viv_log_iter **iter);
/* Up to `capacity` entries and about `bytes_max` bytes (at least one entry); *count 0 at the end. Entries stay valid
 * until the next call. A damaged one comes in its turn with zxid, size and checksum, and without bytes
 * (viv_entry_is_damaged). VIV_ERR_CORRUPT, where not even that is known, names file, offset and zxid in its log line.
 */
typedef viv_status viv_log_iter_next_fn(struct viv_log_iter *iter, struct viv_entry *entries, size_t capacity,
                                        size_t bytes_max, size_t *count);
typedef void viv_log_iter_close_fn(struct viv_log_iter *iter);
/* All-zero for a group never written. */
typedef void viv_log_hard_get_fn(struct viv_log *log, viv_gid gid, struct viv_hard_state *hard);
typedef viv_status viv_log_hard_put_fn(struct viv_log *log, viv_gid gid, const struct viv_hard_state *hard);
/* Makes room for what will be appended next (a spare segment). Called by the background thread after start and
 * whenever append used one up. VIV_ERR_NOSPACE: the caller refuses writes until a later prepare succeeds. */
typedef viv_status viv_log_prepare_fn(struct viv_log *log);
typedef void viv_log_measure_fn(struct viv_log *log, struct viv_store_measure *measure);

/* An entry that is known by its identifier, which is kept apart from it, while its body is damaged. It counts as part
 * of the history: only a copy of exactly this checksum takes its place. */
struct viv_log_fault {
    uint64_t zxid;
    uint32_t bytes, body_crc;
    bool is_uncertain; /* nothing shows that it was durable before the damage: it may be a torn write */
};
/* Up to `capacity` of the group above `after`, in order; returns how many. Stores without VIV_STORE_REPAIRS have none.
 */
typedef size_t viv_log_faults_fn(struct viv_log *log, viv_gid gid, uint64_t after, struct viv_log_fault *faults,
                                 size_t capacity);
/* Puts the body of a damaged entry back; durable on return, and a crash on the way leaves the entry damaged or whole.
 * VIV_ERR_INVALID: size or checksum are not the identifier's. VIV_ERR_NOT_FOUND: no such entry is damaged (any more).
 */
typedef viv_status viv_log_repair_fn(struct viv_log *log, viv_gid gid, uint64_t zxid, struct viv_bytes body);
/* For a server that nobody can help: what begins with an entry of which nothing shows that it was ever durable was torn
 * by a crash, and is truncated away. */
viv_status viv_log_cut_torn(struct viv_log *log, viv_gid gid, bool *is_cut) VIV_MUST_USE;
/* Writes identifiers that wait for more of them; the next sync makes them durable. Costs next to nothing when none
 * does; call it now and then. */
typedef viv_status viv_log_settle_fn(struct viv_log *log);

/* Where a look at all that is on the disk has got to, and what it has met. All-zero begins. */
struct viv_scrub {
    uint64_t segment, offset;
    uint64_t bytes; /* looked at since the beginning of time; likewise the others */
    uint64_t rounds, mended, faults;
};
/* Looks at about `bytes_max` bytes more, notes damaged entries (viv_log_faults then tells of them) and mends what can
 * be mended here. */
typedef viv_status viv_log_scrub_fn(struct viv_log *log, struct viv_scrub *scrub, size_t bytes_max);

struct viv_log_ops {
    const char *name;
    unsigned traits; /* enum viv_store_trait */
    /* VIV_ERR_BUSY: another process holds the directory. A store with VIV_STORE_REPAIRS opens with damaged entries
     * (viv_log_faults); what stood before a place where nothing tells what was there counts as trimmed.
     * VIV_ERR_CORRUPT: other damage before the tail; the log line names file, offset and zxid. VIV_ERR_FOREIGN,
     * VIV_ERR_VERSION, VIV_ERR_IO. Everything read is made durable (D1). */
    viv_log_open_fn *open;
    viv_log_close_fn *close;
    viv_log_append_fn *append;
    viv_log_sync_fn *sync;
    viv_log_truncate_fn *truncate;
    viv_log_reset_fn *reset;
    viv_log_trim_fn *trim;
    viv_log_bounds_fn *bounds;
    viv_log_iter_open_fn *iter_open;
    viv_log_iter_next_fn *iter_next;
    viv_log_iter_close_fn *iter_close;
    viv_log_hard_get_fn *hard_get;
    viv_log_hard_put_fn *hard_put;
    viv_log_prepare_fn *prepare;
    viv_log_measure_fn *measure;
    /* VIV_STORE_REPAIRS; else NULL */
    viv_log_faults_fn *faults;
    viv_log_repair_fn *repair;
    viv_log_settle_fn *settle;
    viv_log_scrub_fn *scrub;
};

/* Dispatchers: assert the contract, then call the table. Named as the members. */
viv_status viv_log_open(const struct viv_log_ops *ops, const struct viv_store_config *config, struct viv_log **log,
                        struct viv_store_report *report) VIV_MUST_USE;
void viv_log_close(struct viv_log *log);
viv_status viv_log_append(struct viv_log *log, const struct viv_log_run *runs, size_t run_count) VIV_MUST_USE;
viv_status viv_log_sync(struct viv_log *log) VIV_MUST_USE;
viv_status viv_log_truncate(struct viv_log *log, viv_gid gid, uint64_t keep_zxid) VIV_MUST_USE;
viv_status viv_log_reset(struct viv_log *log, viv_gid gid, uint64_t base_zxid) VIV_MUST_USE;
viv_status viv_log_trim(struct viv_log *log, viv_gid gid, uint64_t zxid) VIV_MUST_USE;
void viv_log_bounds(struct viv_log *log, viv_gid gid, struct viv_log_bounds *bounds);
viv_status viv_log_iter_open(struct viv_log *log, viv_gid gid, uint64_t after, uint64_t upto,
                             struct viv_log_iter **iter) VIV_MUST_USE;
viv_status viv_log_iter_next(struct viv_log *log, struct viv_log_iter *iter, struct viv_entry *entries, size_t capacity,
                             size_t bytes_max, size_t *count) VIV_MUST_USE;
void viv_log_iter_close(struct viv_log *log, struct viv_log_iter *iter);
void viv_log_hard_get(struct viv_log *log, viv_gid gid, struct viv_hard_state *hard);
viv_status viv_log_hard_put(struct viv_log *log, viv_gid gid, const struct viv_hard_state *hard) VIV_MUST_USE;
viv_status viv_log_prepare(struct viv_log *log) VIV_MUST_USE;
void viv_log_measure(struct viv_log *log, struct viv_store_measure *measure);
/* How many come before the first damaged one. */
size_t viv_log_count_sound(const struct viv_entry *entries, size_t count);
size_t viv_log_faults(struct viv_log *log, viv_gid gid, uint64_t after, struct viv_log_fault *faults, size_t capacity);
viv_status viv_log_repair(struct viv_log *log, viv_gid gid, uint64_t zxid, struct viv_bytes body) VIV_MUST_USE;
viv_status viv_log_settle(struct viv_log *log) VIV_MUST_USE;
viv_status viv_log_scrub(struct viv_log *log, struct viv_scrub *scrub, size_t bytes_max) VIV_MUST_USE;

#endif /* VIV_STORE_LOG_STORE_H */
