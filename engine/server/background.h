#ifndef VIV_SERVER_BACKGROUND_H
#define VIV_SERVER_BACKGROUND_H

#include "node/action.h"
#include "server/completion.h"

/* The thread for long work on the stores: checkpoints, making room in the log, reading old entries for a learner.
 * Tasks run in the order in which they were given. A failing device ends the process; a full one does not: it is
 * reported as DISK_FULL (room in the log) or as the status of the checkpoint. Before it is full, what is kept only as a
 * fallback goes, so that a server left alone does not fill its disk. */

struct viv_background;

#define VIV_BACKGROUND_RESERVE_AUTO UINT64_MAX

struct viv_background_config {
    struct viv_log *log;
    struct viv_state *state;
    const char *log_path, *state_path; /* for messages; borrowed */
    uint64_t reserve_bytes; /* of the file systems, to be left free; VIV_BACKGROUND_RESERVE_AUTO: as they are large */
    struct viv_completion_sink done;
};

struct viv_background *viv_background_start(const struct viv_background_config *config);
/* Drops what has not begun, aborts a checkpoint, joins the thread. */
void viv_background_stop(struct viv_background *background);

/* CHECKPOINT_* and LOG_READ. Takes action->rows. */
void viv_background_add(struct viv_background *background, struct viv_action *action);
/* Asks for room in the log. Any thread. */
void viv_background_prepare(struct viv_background *background);
/* Looks whether the disks still have their reserve; DISK_LOW tells when they have not. */
void viv_background_watch_disk(struct viv_background *background);
/* Looks at about so many bytes more of the log or, in turn, of the images; tells of damaged entries of the log, also of
 * those known before (0 bytes: of no others), as LOG_FAULT, and of a damaged image as IMAGE_FAULT. */
void viv_background_scrub(struct viv_background *background, size_t bytes);
/* Since the start. Any thread. */
struct viv_background_counts {
    uint64_t prepares, prepare_ns;              /* times that room in the log was made, and how long that took */
    uint64_t scrub_bytes, scrub_mended, faults; /* read again; made good without help; damaged, as last counted */
    uint64_t scrub_image_bytes, image_faults;   /* read again; images found damaged */
};
void viv_background_counts(struct viv_background *background, struct viv_background_counts *counts);
/* A chunk of LOG_READ was consumed: the next may be read. */
void viv_background_chunk_done(struct viv_background *background);

#endif /* VIV_SERVER_BACKGROUND_H */
