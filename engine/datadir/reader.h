#ifndef VIV_DATADIR_READER_H
#define VIV_DATADIR_READER_H

#include "datadir/datadir.h"
#include "tree/tree.h"

/* Reads what a server of ours would come back with, now or as of an earlier transaction, from a copy of its data
 * directory: the newest image that is old enough, then the log. The past reaches back as far as the log does from an
 * image that is kept (flat keeps two, the others one), or to the beginning while the log still begins there. */

struct viv_datadir_reader;

struct viv_datadir_facts {
    const char *backend;        /* the configuration that these files are of */
    bool has_image;             /* false: the state comes from the log alone */
    struct viv_state_mark mark; /* of the image */
    struct viv_log_bounds log;
    struct viv_hard_state hard;
    uint64_t images_rejected, torn_bytes; /* damaged images passed over; the log's tail that a crash left */
    uint64_t image_bytes, log_bytes, entries;
};

/* Copies, opens, loads the image that `upto_zxid` needs (0: the newest). `pairings` ends with a NULL name; `backend`
 * NULL finds the one whose image is newest. VIV_ERR_TRIMMED: nothing reaches back that far; VIV_ERR_INVALID: no such
 * backend; those of viv_datadir_open and of the stores. Logged. */
viv_status viv_datadir_reader_open(const struct viv_datadir *datadir, const struct viv_datadir_pairing *pairings,
                                   const char *backend, uint64_t upto_zxid,
                                   struct viv_datadir_reader **out) VIV_MUST_USE;
void viv_datadir_reader_close(struct viv_datadir_reader *reader);
const struct viv_datadir_facts *viv_datadir_reader_facts(const struct viv_datadir_reader *reader);

/* Called after an entry was applied. A status other than VIV_OK ends the replay with it. */
typedef viv_status viv_datadir_entry_fn(void *ctx, const struct viv_tree *tree, const struct viv_entry *entry);

/* Applies the log up to `upto_zxid` (0: all of it). VIV_ERR_TRIMMED: the log does not reach it; VIV_ERR_CORRUPT: image
 * and log do not join, or do not give the digest that was recorded. May be called again to go on. */
viv_status viv_datadir_reader_replay(struct viv_datadir_reader *reader, uint64_t upto_zxid, viv_datadir_entry_fn *visit,
                                     void *ctx) VIV_MUST_USE;
/* Borrowed until close. Exact from the image's zxid_end on. */
struct viv_tree *viv_datadir_reader_tree(struct viv_datadir_reader *reader);

#endif /* VIV_DATADIR_READER_H */
