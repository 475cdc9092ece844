#include "datadir/import.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/log.h"
#include "datadir/folder.h"
#include "store/file_io.h"

#define TOMBSTONE_ENDING ".imported"

enum { RECORD_VERSION = 1 };

/* ---- the record ---- */

static json_t *files_json(const struct viv_zk_files *files)
{
    json_t *object = json_object();
    for (size_t i = 0; i < files->count; i++) {
        json_object_set_new(object, files->items[i].name, json_integer((json_int_t)files->items[i].bytes));
    }
    return object;
}

static json_t *record_json(const struct viv_zk_directory *directory, const struct viv_zk_recovered *facts)
{
    char zxid[24], digest[24];
    snprintf(zxid, sizeof zxid, "0x%" PRIx64, facts->zxid);
    snprintf(digest, sizeof digest, "0x%" PRIx64, viv_tree_digest(facts->tree));
    return json_pack("{s:i, s:s, s:s, s:s, s:I, s:I, s:s, s:o, s:s, s:o}", "version", RECORD_VERSION, "zxid", zxid,
                     "digest", digest, "snapshot", facts->snapshot_name, "accepted_epoch",
                     (json_int_t)facts->accepted_epoch, "current_epoch", (json_int_t)facts->current_epoch,
                     "snapshot_dir", directory->snapshot_dir, "snapshots", files_json(&directory->snapshots), "log_dir",
                     directory->log_dir, "logs", files_json(&directory->logs));
}

/* NULL when there is no sound one. */
static json_t *read_record(const char *folder)
{
    char *path = viv_file_path(folder, VIV_FOLDER_IMPORT_NAME);
    json_t *record = json_load_file(path, 0, NULL);
    free(path);
    bool is_sound = json_is_object(record) && json_is_string(json_object_get(record, "zxid")) &&
                    json_is_object(json_object_get(record, "snapshots")) &&
                    json_is_object(json_object_get(record, "logs"));
    if (!is_sound) {
        json_decref(record);
        return NULL;
    }
    return record;
}

/* Beside the folder, and left behind when that is moved away or lost: what was imported once must not come back as if
 * nothing had been written since. */
static viv_status write_tombstone(const char *state_path, const json_t *record)
{
    char *path = viv_file_path(NULL, "%s" TOMBSTONE_ENDING, state_path);
    viv_status status = viv_folder_has(path) ? VIV_OK : viv_folder_write_json(path, record);
    free(path);
    return status;
}

static viv_status refuse_second(const char *state_path)
{
    char *path = viv_file_path(NULL, "%s" TOMBSTONE_ENDING, state_path);
    viv_status status = VIV_OK;
    if (viv_folder_has(path)) {
        viv_log(VIV_LOG_ERROR, "import",
                "ZooKeeper's data was imported here before, and the folder with everything written since is gone. "
                "Restore that folder; or, in an ensemble, move version-2 away and start this server empty; or, to go "
                "back to the time of the import and lose what came after, remove the file",
                "folder=%s file=%s", state_path, path);
        status = VIV_ERR_FOREIGN;
    }
    free(path);
    return status;
}

/* ---- did ZooKeeper run again ---- */

/* A file that was not there at the import, or has another size, and whose name is behind what was imported. */
static const struct viv_zk_file *find_newer(const struct viv_zk_files *files, const json_t *known, uint64_t zxid)
{
    for (size_t i = 0; i < files->count; i++) {
        const json_t *bytes = json_object_get(known, files->items[i].name);
        bool is_known = json_is_integer(bytes) && (uint64_t)json_integer_value(bytes) == files->items[i].bytes;
        if (files->items[i].zxid > zxid && !is_known) {
            return &files->items[i];
        }
    }
    return NULL;
}

/* What shows that ZooKeeper ran since the record was made, for people; NULL: nothing does. */
static const char *find_change(const json_t *record, const struct viv_zk_directory *directory)
{
    uint64_t zxid = strtoull(json_string_value(json_object_get(record, "zxid")), NULL, 16);
    const struct viv_zk_file *newer = find_newer(&directory->logs, json_object_get(record, "logs"), zxid);
    if (newer == NULL) {
        newer = find_newer(&directory->snapshots, json_object_get(record, "snapshots"), zxid);
    }
    if (newer != NULL) {
        return newer->path;
    }
    int64_t accepted = json_integer_value(json_object_get(record, "accepted_epoch"));
    int64_t current = json_integer_value(json_object_get(record, "current_epoch"));
    bool has_newer_epoch = (directory->has_accepted_epoch && directory->accepted_epoch > accepted) ||
                           (directory->has_current_epoch && directory->current_epoch > current);
    return has_newer_epoch ? "acceptedEpoch or currentEpoch" : NULL;
}

static viv_status compare(const json_t *record, const struct viv_zk_directory *directory)
{
    const char *change = find_change(record, directory);
    if (change == NULL) {
        return VIV_OK;
    }
    viv_log(VIV_LOG_ERROR, "import",
            "Apache ZooKeeper has run on this data directory since it was imported: there are two histories now, and "
            "one must be given up. To keep ours, move version-2 away; to take ZooKeeper's, move vivarium and "
            "vivarium.imported away (of dataDir, and of dataLogDir): it is then imported again",
            "file=%s imported_zxid=%s", change, json_string_value(json_object_get(record, "zxid")));
    return VIV_ERR_FOREIGN;
}

viv_status viv_datadir_import_check(const char *state_path, const char *data_dir, const char *data_log_dir)
{
    struct viv_zk_directory directory;
    VIV_TRY(viv_zk_directory_read(data_dir, data_log_dir, &directory));
    viv_status status = VIV_OK;
    if (viv_zk_directory_has_data(&directory)) {
        json_t *record = read_record(state_path);
        if (record != NULL) {
            status = compare(record, &directory);
            status = status == VIV_OK ? write_tombstone(state_path, record) : status;
            json_decref(record);
        } else {
            viv_log(VIV_LOG_ERROR, "import",
                    "this data directory holds data of ours and data of Apache ZooKeeper that was never imported; "
                    "move version-2 away to go on with ours, or the folder vivarium to import ZooKeeper's",
                    "path=%s", directory.snapshot_dir);
            status = VIV_ERR_FOREIGN;
        }
    }
    viv_zk_directory_fini(&directory);
    return status;
}

/* ---- the import ---- */

struct work {
    const struct viv_datadir_import *import;
    bool is_one;       /* folder, for state and log */
    char *state, *log; /* where it is made */
    struct viv_zk_directory directory;
    struct viv_datadir_imported *out;
};

static void remember(struct viv_datadir_imported *out, struct viv_zk_recovered *facts)
{
    struct viv_tree_counts counts;
    viv_tree_counts(facts->tree, &counts);
    out->znodes = counts.nodes;
    out->sessions = counts.sessions;
    out->ephemerals = counts.ephemerals;
    out->digest = viv_tree_digest(facts->tree);
    out->facts = *facts;
    out->facts.tree = NULL;
}

static viv_status build(struct work *work)
{
    struct viv_zk_recovered facts;
    struct viv_zk_recovery_options options = {.trust_empty = work->import->trust_empty};
    VIV_TRY(viv_zk_recover(&work->directory, &options, &facts));
    struct viv_datadir_plan plan = work->import->plan;
    plan.state_path = work->state;
    plan.log_path = work->log;
    plan.accepted_epoch = facts.accepted_epoch;
    plan.current_epoch = facts.current_epoch;
    viv_status status = viv_datadir_build(&plan, facts.tree);
    if (status == VIV_OK && plan.durable) {
        status = viv_datadir_sync(work->log);
    }
    if (status == VIV_OK) {
        char *path = viv_file_path(work->state, VIV_FOLDER_IMPORT_NAME);
        json_t *record = record_json(&work->directory, &facts);
        status = viv_folder_write_json(path, record);
        json_decref(record);
        free(path);
    }
    remember(work->out, &facts);
    viv_tree_free(facts.tree);
    return status;
}

/* The log first: while the state has no name, this import is not over. */
static viv_status finish(const struct work *work)
{
    const struct viv_datadir_plan *plan = &work->import->plan;
    VIV_TRY(viv_datadir_sync(work->state));
    if (!work->is_one) {
        if (viv_folder_has(plan->log_path)) {
            VIV_TRY(viv_datadir_remove(work->log)); /* the one with the name was made before the interruption */
        } else {
            VIV_TRY(viv_folder_rename(work->log, plan->log_path));
        }
    }
    return viv_folder_rename(work->state, plan->state_path);
}

/* An import that had come to its record, of what ZooKeeper's folder still holds. */
static bool is_complete(const struct work *work)
{
    json_t *record = read_record(work->state);
    bool is_current = record != NULL && find_change(record, &work->directory) == NULL;
    json_decref(record);
    return is_current;
}

/* What could not be finished costs space, not safety. */
static void remove_drafts(const struct work *work)
{
    viv_status status = viv_datadir_remove(work->state);
    if (status == VIV_OK && !work->is_one) {
        status = viv_datadir_remove(work->log);
    }
    (void)status; /* logged */
}

static viv_status start_over(struct work *work)
{
    const struct viv_datadir_plan *plan = &work->import->plan;
    if (!work->is_one && viv_folder_has(plan->log_path)) {
        viv_log(VIV_LOG_ERROR, "import",
                "dataLogDir holds a log of ours, but dataDir no state that it belongs to; restore dataDir/vivarium, or "
                "move dataLogDir/vivarium away to import ZooKeeper's data",
                "path=%s", plan->log_path);
        return VIV_ERR_FOREIGN;
    }
    VIV_TRY(refuse_second(plan->state_path));
    VIV_TRY(viv_datadir_empty(work->state, VIV_FOLDER_LOCK_NAME)); /* that we hold */
    if (!work->is_one) {
        VIV_TRY(viv_datadir_empty(work->log, NULL));
    }
    viv_status status = build(work);
    if (status != VIV_OK) {
        remove_drafts(work);
    }
    return status;
}

static viv_status run(struct work *work)
{
    if (viv_folder_has(work->import->plan.state_path)) {
        viv_log(VIV_LOG_ERROR, "import", "this data directory is there already; name another one, or move it away",
                "path=%s", work->import->plan.state_path);
        return VIV_ERR_BUSY;
    }
    work->out->was_finished = is_complete(work);
    if (!work->out->was_finished) {
        VIV_TRY(start_over(work));
    } else {
        viv_log(VIV_LOG_INFO, "import", "an import that was interrupted at its end is finished", "path=%s",
                work->import->plan.state_path);
    }
    VIV_TRY(finish(work));
    json_t *record = read_record(work->import->plan.state_path);
    VIV_ASSERT(record != NULL);
    viv_status status = write_tombstone(work->import->plan.state_path, record);
    json_decref(record);
    return status;
}

viv_status viv_datadir_import_run(const struct viv_datadir_import *import, struct viv_datadir_imported *out, int *lock)
{
    *out = (struct viv_datadir_imported){0};
    *lock = -1;
    struct work work = {.import = import, .out = out};
    VIV_TRY(viv_zk_directory_read(import->data_dir, import->data_log_dir, &work.directory));
    work.is_one = strcmp(import->plan.state_path, import->plan.log_path) == 0;
    work.state = viv_file_path(NULL, "%s.import", import->plan.state_path);
    work.log = viv_file_path(NULL, "%s.import", import->plan.log_path);
    viv_status status = viv_datadir_make(work.state);
    if (status == VIV_OK) {
        status = viv_folder_lock(work.state, lock);
    }
    if (status == VIV_OK && !work.is_one) {
        status = viv_datadir_make(work.log);
    }
    if (status == VIV_OK) {
        status = run(&work);
    }
    if (status != VIV_OK && *lock >= 0) {
        close(*lock);
        *lock = -1;
    }
    viv_zk_directory_fini(&work.directory);
    free(work.state);
    free(work.log);
    return status;
}
