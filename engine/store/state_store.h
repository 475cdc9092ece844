#ifndef VIV_STORE_STATE_STORE_H
#define VIV_STORE_STATE_STORE_H

#include "base/entry.h"
#include "base/row.h"
#include "store/store.h"

/* A durable image of one group's committed state, as rows (base/row.h) whose meaning only the tree knows.
 *
 * An image is fuzzy: its rows were collected while transactions were applied, so it holds all effects up to
 * mark.zxid_start and any subset of those in (zxid_start, zxid_end]. Replaying the log from zxid_start over it, in
 * the tree's idempotent mode, gives the exact state from zxid_end on. The caller commits an image only when the local
 * log is durable up to zxid_end (on disk, state never runs ahead of the log), and trims the log only below the
 * zxid_start of the *second newest* durable image.
 *
 * Threads: load at start by the main thread; everything else by the background thread, one checkpoint at a time.
 * Errors as in log_store.h: VIV_ERR_IO and VIV_ERR_SYSTEM are terminal, VIV_ERR_NOSPACE leaves the old image whole and
 * the checkpoint aborted. VIV_ERR_CORRUPT from a step of a DELTA: the image that it would change is damaged, the
 * checkpoint aborted, and only a whole image helps. What is damaged in an image that is being written is VIV_ERR_IO. */

struct viv_state; /* opaque; embeds `const struct viv_state_ops *ops` as its first member */

struct viv_state_mark {
    uint64_t zxid_start;
    uint64_t zxid_end;
    uint64_t digest; /* the tree's digest at zxid_end, checked after replay */
};

enum viv_checkpoint_kind {
    VIV_CHECKPOINT_FULL,    /* the rows are the whole state: what was there before is superseded */
    VIV_CHECKPOINT_DELTA,   /* deletes and puts on top of the newest image; stores with VIV_STORE_DELTAS only */
    VIV_CHECKPOINT_INSTALL, /* as FULL, and every older image is useless from the commit on (a SNAP from the leader) */
};

/* Called once per block of rows, on the caller's thread, blocks in any order. A status other than VIV_OK ends the
 * load with that status. */
typedef viv_status viv_state_rows_fn(void *ctx, struct viv_bytes rows);

typedef viv_status viv_state_open_fn(const struct viv_store_config *config, viv_gid gid, struct viv_state **state,
                                     struct viv_store_report *report);
typedef void viv_state_close_fn(struct viv_state *state);
/* Feeds the newest sound image to `rows` and fills *mark. VIV_ERR_NOT_FOUND: there is none (a new server). A damaged
 * newest image is set aside and the one before is used: `restart` is called before rows of another image follow, so
 * that the receiver can drop what it has. VIV_ERR_CORRUPT: images exist, none is sound. */
typedef void viv_state_restart_fn(void *ctx);
typedef viv_status viv_state_load_fn(struct viv_state *state, viv_state_rows_fn *rows, viv_state_restart_fn *restart,
                                     void *ctx, struct viv_state_mark *mark, struct viv_store_report *report);
/* begin, any number of write, then commit or abort. Not visible after a crash until commit returned VIV_OK. */
typedef viv_status viv_state_begin_fn(struct viv_state *state, enum viv_checkpoint_kind kind, uint64_t zxid_start);
/* In a DELTA a delete of an absent key is legal; within one checkpoint deletes come before puts. */
typedef viv_status viv_state_write_fn(struct viv_state *state, struct viv_bytes rows);
/* Durable and atomic with its mark. *log_needed_after: the log must keep every entry above it (the zxid_start of the
 * older image that is still kept as a fallback, or of this one). */
typedef viv_status viv_state_commit_fn(struct viv_state *state, const struct viv_state_mark *mark,
                                       uint64_t *log_needed_after);
typedef void viv_state_abort_fn(struct viv_state *state);
/* Makes room: gives up what is kept only as a fallback, never the newest image. *log_needed_after as for commit, 0 when
 * there is no image. Not within a checkpoint. */
typedef viv_status viv_state_thin_fn(struct viv_state *state, uint64_t *log_needed_after);
/* Looks at about `bytes_max` bytes more of all images, as they are on the disk, round after round; *bytes is how many
 * it looked at, 0 without an image. VIV_ERR_CORRUPT: an image is damaged, logged once and told by every call until a
 * whole image has replaced it. Not within a checkpoint. */
typedef viv_status viv_state_scrub_fn(struct viv_state *state, size_t bytes_max, size_t *bytes);
typedef void viv_state_measure_fn(struct viv_state *state, struct viv_store_measure *measure);

struct viv_state_ops {
    const char *name;
    unsigned traits; /* enum viv_store_trait */
    viv_state_open_fn *open;
    viv_state_close_fn *close;
    viv_state_load_fn *load;
    viv_state_begin_fn *begin;
    viv_state_write_fn *write;
    viv_state_commit_fn *commit;
    viv_state_abort_fn *abort;
    viv_state_thin_fn *thin;
    viv_state_measure_fn *measure;
    viv_state_scrub_fn *scrub; /* NULL with VIV_STORE_VOLATILE */
};

viv_status viv_state_open(const struct viv_state_ops *ops, const struct viv_store_config *config, viv_gid gid,
                          struct viv_state **state, struct viv_store_report *report) VIV_MUST_USE;
void viv_state_close(struct viv_state *state);
viv_status viv_state_load(struct viv_state *state, viv_state_rows_fn *rows, viv_state_restart_fn *restart, void *ctx,
                          struct viv_state_mark *mark, struct viv_store_report *report) VIV_MUST_USE;
viv_status viv_state_begin(struct viv_state *state, enum viv_checkpoint_kind kind, uint64_t zxid_start) VIV_MUST_USE;
viv_status viv_state_write(struct viv_state *state, struct viv_bytes rows) VIV_MUST_USE;
viv_status viv_state_commit(struct viv_state *state, const struct viv_state_mark *mark,
                            uint64_t *log_needed_after) VIV_MUST_USE;
void viv_state_abort(struct viv_state *state);
viv_status viv_state_thin(struct viv_state *state, uint64_t *log_needed_after) VIV_MUST_USE;
void viv_state_measure(struct viv_state *state, struct viv_store_measure *measure);
viv_status viv_state_scrub(struct viv_state *state, size_t bytes_max, size_t *bytes) VIV_MUST_USE;
unsigned viv_state_traits(const struct viv_state *state);

#endif /* VIV_STORE_STATE_STORE_H */
