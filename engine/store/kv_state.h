#ifndef VIV_STORE_KV_STATE_H
#define VIV_STORE_KV_STATE_H

#include "store/kv_image.h"
#include "store/kv_run.h"

/* The state store contract over any ordered key-value library. Deltas go into the current image as one atomic unit;
 * a whole image is built in a new directory that then takes the old one's place (store/kv_dir.h). What a library must
 * be able to do is the table below; a backend is that table, its open function, and a viv_state_ops of the functions
 * below.
 *
 * Knows checkpoints, marks and directories; does not know how a library lays out its files. */

struct viv_kv_image; /* one open image of the library */

/* Every function logs its own failures. VIV_ERR_NOSPACE: the image on disk is as it was. */
struct viv_kv_library {
    const char *name;
    bool takes_delta_in_runs; /* false: a whole delta comes in one run */

    /* build: make an image in the empty directory `path`. VIV_ERR_CORRUPT: what is there is damaged. */
    viv_status (*open)(const char *path, bool build, bool durable, struct viv_kv_image **image);
    /* Forgets what was not committed. */
    void (*close)(struct viv_kv_image *image);
    /* The encoded mark, appended to *out. */
    viv_status (*read_mark)(struct viv_kv_image *image, struct viv_buffer *out);
    /* Every row to the feed. */
    viv_status (*scan)(struct viv_kv_image *image, struct viv_kv_feed *feed);
    /* The next rows of the image in `path`, from the disk and not from what the library has in memory, each to
     * viv_kv_look_row; the mark as well when none is left. No unit is open. VIV_ERR_CORRUPT: also where the disk
     * refuses to read. */
    viv_status (*look)(struct viv_kv_image *image, const char *path, struct viv_kv_look *look);
    /* The run's rows into the open unit, which the first write opens. Keeps rows and sum of *mark right, or leaves
     * them to commit when it is building. */
    viv_status (*write)(struct viv_kv_image *image, const struct viv_kv_run *run, struct viv_kv_mark *mark);
    /* Puts the mark into the unit; durable on return, all or nothing (an image being built: durable). */
    viv_status (*commit)(struct viv_kv_image *image, struct viv_kv_mark *mark);
    /* Drops the open unit, if there is one. */
    void (*abort)(struct viv_kv_image *image);
};

viv_status viv_kv_state_open(const struct viv_state_ops *ops, const struct viv_kv_library *library,
                             const struct viv_store_config *config, viv_gid gid, struct viv_state **state,
                             struct viv_store_report *report) VIV_MUST_USE;
viv_state_close_fn viv_kv_state_close;
viv_state_load_fn viv_kv_state_load;
viv_state_begin_fn viv_kv_state_begin;
viv_state_write_fn viv_kv_state_write;
viv_state_commit_fn viv_kv_state_commit;
viv_state_abort_fn viv_kv_state_abort;
viv_state_thin_fn viv_kv_state_thin;
viv_state_measure_fn viv_kv_state_measure;
viv_state_scrub_fn viv_kv_state_scrub;

/* The members of a viv_state_ops after its name, traits and open. */
#define VIV_KV_STATE_OPS                                                                                               \
    .close = viv_kv_state_close, .load = viv_kv_state_load, .begin = viv_kv_state_begin, .write = viv_kv_state_write,  \
    .commit = viv_kv_state_commit, .abort = viv_kv_state_abort, .thin = viv_kv_state_thin,                             \
    .measure = viv_kv_state_measure, .scrub = viv_kv_state_scrub

#endif /* VIV_STORE_KV_STATE_H */
