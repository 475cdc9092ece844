#ifndef VIV_DATADIR_FOLDER_H
#define VIV_DATADIR_FOLDER_H

#include <jansson.h>
#include <stdbool.h>

#include "base/status.h"

/* Steps that whoever makes a data directory and puts it in its place has in common. Statuses but VIV_OK were logged
 * with what to do. */

#define VIV_FOLDER_IMPORT_NAME "import.json"
#define VIV_FOLDER_LOCK_NAME   "server.lock"

bool viv_folder_has(const char *path);
/* Logs errno with `what`: VIV_ERR_NOSPACE or VIV_ERR_SYSTEM. */
viv_status viv_folder_refused(const char *what, const char *path);
/* Whole or not at all, and on the disk. */
viv_status viv_folder_write_json(const char *path, const json_t *record) VIV_MUST_USE;
/* An exclusive lock on the folder's server.lock. VIV_ERR_BUSY: another process has it. */
viv_status viv_folder_lock(const char *folder, int *lock) VIV_MUST_USE;
/* A folder or a file takes a name beside it, on the disk too. */
viv_status viv_folder_rename(const char *from, const char *to) VIV_MUST_USE;

#endif /* VIV_DATADIR_FOLDER_H */
