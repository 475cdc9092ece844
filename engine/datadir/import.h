#ifndef VIV_DATADIR_IMPORT_H
#define VIV_DATADIR_IMPORT_H

#include "datadir/build.h"
#include "zkdata/recover.h"

/* What Apache ZooKeeper left in a data directory becomes a data directory of ours. ZooKeeper's files are only read.
 *
 * Crash-safe: everything is made in folders beside the final ones (`<state_path>.import`), the record of the import is
 * the last file in, and then the folders take their names, the state's last. Killed before the record: the next import
 * starts over; killed after it: the next one only finishes the renaming.
 *
 * The record (import.json) says what was imported. A start that finds files of ZooKeeper's which are newer than that
 * knows that ZooKeeper ran again, and refuses: one of the two histories would be lost silently. A copy of the record
 * stays beside the folder (`<state_path>.imported`): when the folder is gone, the old data is not imported again as if
 * nothing had been written since. */

struct viv_datadir_import {
    const char *data_dir, *data_log_dir; /* ZooKeeper's, as in zoo.cfg; the second NULL or the same when they are one */
    struct viv_datadir_plan plan;        /* state_path and log_path: the final folders, which do not exist yet; epochs
                                            are filled in */
    bool trust_empty;
};

struct viv_datadir_imported {
    struct viv_zk_recovered facts; /* without the tree */
    uint64_t znodes, sessions, ephemerals, digest;
    bool was_finished; /* an earlier import had come to its record: nothing was read, and the rest here is zero */
};

/* *lock: an exclusive lock on server.lock in the new folder, for the caller to keep or close. VIV_ERR_BUSY: somebody
 * else imports or serves; VIV_ERR_FOREIGN: the log's folder exists already, without the state's; those of
 * viv_zk_recover and viv_datadir_build. Logged with what to do. */
viv_status viv_datadir_import_run(const struct viv_datadir_import *import, struct viv_datadir_imported *out,
                                  int *lock) VIV_MUST_USE;

/* Whether our folder `state_path` is still the newest that is known of this data directory. VIV_ERR_FOREIGN:
 * ZooKeeper has run here since, or ran here without ever being imported; logged with what to do. */
viv_status viv_datadir_import_check(const char *state_path, const char *data_dir,
                                    const char *data_log_dir) VIV_MUST_USE;

#endif /* VIV_DATADIR_IMPORT_H */
