#ifndef VIV_DATADIR_RESTORE_H
#define VIV_DATADIR_RESTORE_H

#include "datadir/build.h"
#include "zkdata/snapshot.h"

/* A server begins anew from a snapshot of ZooKeeper's form that it was given while it ran. While it runs the snapshot
 * is only stored, looked through, and promised; its next start keeps the promise before anything else: state and log
 * are built beside the old ones, which stay under other names as a way back. The state begins an epoch behind every
 * zxid that a client can have seen, so that clients come back by themselves.
 *
 * Crash-safe: before the promise nothing has happened, after it every start finishes what the one before began.
 *
 *     <state_path>.restore        the snapshot
 *     <state_path>.restore.json   the promise
 *     <state_path>.restoring      what is being built; the same for the log
 *     <state_path>.replaced       what was there before; the same for the log */

/* Where the snapshot is to be written; the caller frees it. */
char *viv_datadir_restore_path(const char *state_path);
/* Reads the snapshot to its end and puts it on the disk; then removes what an earlier restore had replaced. May run in
 * any thread. VIV_ERR_CORRUPT: it is none, or does not tell its zxid, or a node is younger; those of
 * viv_zk_snapshot_load. Logged. */
viv_status viv_datadir_restore_check(const char *state_path, const char *log_path,
                                     struct viv_zk_snapshot_info *info) VIV_MUST_USE;
/* After a check: from here on the next start restores, in this epoch, which is later than the snapshot's. */
viv_status viv_datadir_restore_promise(const char *state_path, uint32_t epoch) VIV_MUST_USE;
bool viv_datadir_restore_is_promised(const char *state_path);
/* Keeps the promise; the plan's epochs are filled in. *lock is an exclusive lock on the old folder, which must exist,
 * and becomes one on the new. After a failure the old state is in its place, or the next start goes on; logged. */
viv_status viv_datadir_restore_run(const struct viv_datadir_plan *plan, int *lock) VIV_MUST_USE;

#endif /* VIV_DATADIR_RESTORE_H */
