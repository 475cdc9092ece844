#ifndef VIV_DATADIR_DATADIR_H
#define VIV_DATADIR_DATADIR_H

#include "base/status.h"
#include "store/log_store.h"
#include "store/state_store.h"

/* Our own data directory from outside a server: where its two folders are, whether somebody uses them, and a copy to
 * work on, because opening a store repairs and locks what it finds. Knows the stores by their contracts only. */

struct viv_datadir_pairing { /* a storage configuration (backends/registry.h) */
    const char *name;
    const struct viv_log_ops *log;
    const struct viv_state_ops *state;
};

struct viv_datadir {
    char *state_path, *log_path;
    int64_t server_id;
    int lock; /* shared, on server.lock; -1: nobody ever served from here */
};

/* `path` is a dataDir with our folder `vivarium` in it, or that folder; `log_path` the same of dataLogDir, NULL when
 * they are one. `server_id` 0: the number in dataDir's myid, 1 without one. VIV_ERR_NOT_FOUND: none of ours is there
 * (not logged). VIV_ERR_BUSY: a server holds it; VIV_ERR_SYSTEM. */
viv_status viv_datadir_open(const char *path, const char *log_path, int64_t server_id,
                            struct viv_datadir *out) VIV_MUST_USE;
void viv_datadir_close(struct viv_datadir *datadir);
/* True when viv_datadir_open would find something at `path`. */
bool viv_datadir_is_there(const char *path);

/* A copy in a new folder below $TMPDIR (/var/tmp without it), removed by close. *copy holds no lock. */
viv_status viv_datadir_copy(const struct viv_datadir *datadir, struct viv_datadir *copy, char **folder) VIV_MUST_USE;
void viv_datadir_copy_free(struct viv_datadir *copy, char *folder);

/* mkdir -p with 0700; VIV_ERR_SYSTEM, logged. */
viv_status viv_datadir_make(const char *path) VIV_MUST_USE;
/* rm -r; what is not there is removed. */
viv_status viv_datadir_remove(const char *path) VIV_MUST_USE;
/* The same of all that is in a folder, but the file called `keep` (NULL: nothing is kept). */
viv_status viv_datadir_empty(const char *path, const char *keep) VIV_MUST_USE;
/* Everything below `path`, and its entry in its parent, is on the disk. */
viv_status viv_datadir_sync(const char *path) VIV_MUST_USE;

#endif /* VIV_DATADIR_DATADIR_H */
