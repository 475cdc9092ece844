#ifndef VIV_BACKENDS_FLAT_STATE_INTERNAL_H
#define VIV_BACKENDS_FLAT_STATE_INTERNAL_H

#include <zstd.h>

#include "backends/flat/image.h"
#include "store/file_io.h"
#include "store/state_store.h"

/* The image store's object, shared by state.c (files and their life), image_write.c and image_load.c. */

struct viv_flat_image {
    struct viv_flat_image_header header;
    char *path;
    uint64_t bytes;
};

/* How far a look at the images has come. All-zero begins. */
struct viv_flat_look {
    uint64_t seq; /* of the image; the oldest one after it is next */
    uint64_t offset, frame_count, row_count, raw_bytes;
};

/* An image being written under a temporary name. */
struct viv_flat_image_writer {
    bool is_open;
    viv_status ended; /* a full disk ended the checkpoint: what its remaining calls answer */
    struct viv_file file;
    struct viv_flat_image_header header;
    struct viv_flat_image_footer totals;
    uint64_t offset, unsynced_bytes;
    uint32_t row_count; /* of the frame being filled */
    struct viv_buffer raw, stored;
    ZSTD_CCtx *zstd;
};

struct viv_state {
    const struct viv_state_ops *ops;
    struct viv_disk disk;
    char *dir;
    viv_gid gid;
    bool is_durable;
    unsigned load_threads;
    uint64_t image_upto; /* 0: any */
    struct viv_flat_owner owner;
    struct viv_file lock;
    viv_status failed;             /* sticky */
    struct viv_flat_image *images; /* usable ones, oldest first */
    size_t image_count;
    uint64_t next_seq;
    bool has_damaged; /* files stand there that are no usable image */
    struct viv_flat_image_writer writer;
    struct viv_flat_look look;
    struct viv_store_measure measure;
};

extern const struct viv_state_ops viv_flat_state;

/* image_write.c: all with the writer open. VIV_ERR_NOSPACE is the only status that is not terminal. */

viv_status viv_flat_image_start(struct viv_state *state, const char *path) VIV_MUST_USE;
viv_status viv_flat_image_add(struct viv_state *state, struct viv_bytes rows) VIV_MUST_USE;
/* Writes what is left and the footer; durable on return. */
viv_status viv_flat_image_finish(struct viv_state *state, const struct viv_state_mark *mark) VIV_MUST_USE;
/* Closes the file and gives the memory back; the file stays. */
void viv_flat_image_drop(struct viv_state *state);

/* image_load.c */

/* Feeds one image. VIV_ERR_CORRUPT: it is damaged (logged), after any number of rows; otherwise the status of `rows`
 * or of reading. */
viv_status viv_flat_image_load(struct viv_state *state, const struct viv_flat_image *image, viv_state_rows_fn *rows,
                               void *ctx, struct viv_state_mark *mark, struct viv_store_report *report) VIV_MUST_USE;

/* About `bytes_max` bytes more of the image from where the look is, which all-zero but for seq begins; *bytes: read.
 * *is_end: it is whole. VIV_ERR_CORRUPT as above, or the status of reading. */
viv_status viv_flat_image_look(const struct viv_state *state, const struct viv_flat_image *image,
                               struct viv_flat_look *look, size_t bytes_max, size_t *bytes, bool *is_end) VIV_MUST_USE;

#endif /* VIV_BACKENDS_FLAT_STATE_INTERNAL_H */
