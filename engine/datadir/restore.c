#include "datadir/restore.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/log.h"
#include "datadir/folder.h"
#include "store/file_io.h"

#define SNAPSHOT_ENDING ".restore"
#define PROMISE_ENDING  ".restore.json"
#define DRAFT_ENDING    ".restoring"
#define OLD_ENDING      ".replaced"

enum { PROMISE_VERSION = 1 };

char *viv_datadir_restore_path(const char *state_path)
{
    return viv_file_path(NULL, "%s" SNAPSHOT_ENDING, state_path);
}

static char *promise_path(const char *state_path)
{
    return viv_file_path(NULL, "%s" PROMISE_ENDING, state_path);
}

/* ---- while the server runs ---- */

static viv_status sync_file(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    viv_status status =
        fd >= 0 && fsync(fd) == 0 ? VIV_OK : viv_folder_refused("a snapshot to restore cannot be stored", path);
    if (fd >= 0) {
        close(fd);
    }
    return status;
}

static viv_status expect_older(void *ctx, const struct viv_zk_node *node)
{
    const struct viv_zk_snapshot_info *info = ctx;
    const struct viv_znode *znode = &node->znode;
    bool is_older =
        znode->czxid <= info->last_zxid && znode->mzxid <= info->last_zxid && znode->pzxid <= info->last_zxid;
    return is_older ? VIV_OK : VIV_ERR_CORRUPT;
}

static viv_status load(const char *path, struct viv_tree **tree, struct viv_zk_snapshot_info *info)
{
    VIV_TRY(viv_zk_snapshot_load(path, 0, tree, info));
    if (info->has_last_zxid && viv_zk_visit(*tree, viv_bytes_text("/"), expect_older, info) == VIV_OK) {
        return VIV_OK;
    }
    viv_log(VIV_LOG_ERROR, "restore",
            info->has_last_zxid
                ? "a node of the snapshot is younger than the snapshot; take another one"
                : "the snapshot does not tell its zxid; one of the command snapshot, of 3.9 or later, is wanted",
            "path=%s", path);
    viv_tree_free(*tree);
    return VIV_ERR_CORRUPT;
}

static viv_status forget_old(const char *folder)
{
    char *old = viv_file_path(NULL, "%s" OLD_ENDING, folder);
    viv_status status = viv_datadir_remove(old);
    free(old);
    return status;
}

viv_status viv_datadir_restore_check(const char *state_path, const char *log_path, struct viv_zk_snapshot_info *info)
{
    struct viv_tree *tree;
    char *path = viv_datadir_restore_path(state_path);
    viv_status status = load(path, &tree, info);
    if (status == VIV_OK) {
        viv_tree_free(tree);
        status = sync_file(path);
    }
    status = status == VIV_OK ? forget_old(state_path) : status;
    free(path);
    return status == VIV_OK ? forget_old(log_path) : status;
}

viv_status viv_datadir_restore_promise(const char *state_path, uint32_t epoch)
{
    char *draft = viv_file_path(NULL, "%s" PROMISE_ENDING ".new", state_path), *path = promise_path(state_path);
    json_t *promise = json_pack("{s:i, s:I}", "version", PROMISE_VERSION, "epoch", (json_int_t)epoch);
    viv_status status = viv_folder_write_json(draft, promise);
    status = status == VIV_OK ? viv_folder_rename(draft, path) : status;
    json_decref(promise);
    free(draft);
    free(path);
    return status;
}

bool viv_datadir_restore_is_promised(const char *state_path)
{
    char *path = promise_path(state_path);
    bool is_there = viv_folder_has(path);
    free(path);
    return is_there;
}

/* ---- at the next start ---- */

struct restore {
    const struct viv_datadir_plan *plan;
    bool is_one;       /* folder, for state and log */
    char *state, *log; /* drafts */
    uint32_t epoch;
};

static viv_status read_promise(struct restore *restore)
{
    char *path = promise_path(restore->plan->state_path);
    json_t *promise = json_load_file(path, 0, NULL);
    json_int_t epoch = json_integer_value(json_object_get(promise, "epoch"));
    bool is_sound =
        json_integer_value(json_object_get(promise, "version")) == PROMISE_VERSION && epoch > 0 && epoch <= INT32_MAX;
    restore->epoch = (uint32_t)epoch;
    if (!is_sound) {
        viv_log(VIV_LOG_ERROR, "restore",
                "what was promised cannot be read; remove the file to go on with the state before", "path=%s", path);
    }
    json_decref(promise);
    free(path);
    return is_sound ? VIV_OK : VIV_ERR_CORRUPT;
}

/* What was once imported stays known (datadir/import.h), wherever the old state is by now. */
static viv_status keep_import_record(const struct restore *restore)
{
    char *old = viv_file_path(NULL, "%s" OLD_ENDING "/" VIV_FOLDER_IMPORT_NAME, restore->plan->state_path);
    char *own = viv_file_path(restore->plan->state_path, VIV_FOLDER_IMPORT_NAME);
    char *new = viv_file_path(restore->state, VIV_FOLDER_IMPORT_NAME);
    json_t *record = json_load_file(viv_folder_has(old) ? old : own, 0, NULL);
    viv_status status = record != NULL ? viv_folder_write_json(new, record) : VIV_OK;
    json_decref(record);
    free(old);
    free(own);
    free(new);
    return status;
}

static viv_status build(const struct restore *restore)
{
    struct viv_tree *tree;
    struct viv_zk_snapshot_info info;
    char *path = viv_datadir_restore_path(restore->plan->state_path);
    viv_status status = load(path, &tree, &info);
    if (status != VIV_OK) {
        viv_log(VIV_LOG_ERROR, "restore",
                "the snapshot that was to be restored is gone or damaged; put it back, or remove the promise to go on "
                "with the state before",
                "snapshot=%s promise=%s" PROMISE_ENDING, path, restore->plan->state_path);
        free(path);
        return status;
    }
    struct viv_datadir_plan plan = *restore->plan;
    plan.state_path = restore->state;
    plan.log_path = restore->log;
    plan.accepted_epoch = plan.current_epoch = restore->epoch;
    viv_datadir_begin_epoch(tree, restore->epoch);
    status = viv_datadir_build(&plan, tree);
    status = status == VIV_OK ? keep_import_record(restore) : status;
    status = status == VIV_OK ? viv_datadir_sync(restore->state) : status;
    status = status == VIV_OK ? viv_datadir_sync(restore->log) : status;
    viv_tree_free(tree);
    free(path);
    return status;
}

/* An old folder that was put aside before a crash must not give its place to the new one that followed it. */
static viv_status exchange(const char *draft, const char *folder)
{
    char *old = viv_file_path(NULL, "%s" OLD_ENDING, folder);
    viv_status status = VIV_OK;
    if (viv_folder_has(old)) {
        status = viv_datadir_remove(folder);
    } else if (viv_folder_has(folder)) {
        status = viv_folder_rename(folder, old);
    }
    status = status == VIV_OK ? viv_folder_rename(draft, folder) : status;
    free(old);
    return status;
}

static viv_status finish(const struct restore *restore)
{
    const char *state = restore->plan->state_path;
    if (!restore->is_one) {
        VIV_TRY(exchange(restore->log, restore->plan->log_path));
    }
    VIV_TRY(exchange(restore->state, state));
    char *promise = promise_path(state), *snapshot = viv_datadir_restore_path(state);
    viv_status status = unlink(promise) == 0 ? VIV_OK : viv_folder_refused("a promise cannot be removed", promise);
    if (status == VIV_OK) {
        unlink(snapshot);
        viv_log(VIV_LOG_WARN, "restore",
                "the state is that of a snapshot now, in a new epoch; the one before is kept, and may be removed",
                "epoch=%u kept=%s" OLD_ENDING, restore->epoch, state);
    }
    free(promise);
    free(snapshot);
    return status;
}

static viv_status run(struct restore *restore, int *lock)
{
    VIV_TRY(read_promise(restore));
    VIV_TRY(viv_datadir_remove(restore->state));
    VIV_TRY(viv_datadir_make(restore->state));
    if (!restore->is_one) {
        VIV_TRY(viv_datadir_remove(restore->log));
        VIV_TRY(viv_datadir_make(restore->log));
    }
    VIV_TRY(viv_folder_lock(restore->state, lock));
    VIV_TRY(build(restore));
    return finish(restore);
}

viv_status viv_datadir_restore_run(const struct viv_datadir_plan *plan, int *lock)
{
    struct restore restore = {
        .plan = plan,
        .is_one = strcmp(plan->state_path, plan->log_path) == 0,
        .state = viv_file_path(NULL, "%s" DRAFT_ENDING, plan->state_path),
        .log = viv_file_path(NULL, "%s" DRAFT_ENDING, plan->log_path),
    };
    int old_lock = *lock;
    *lock = -1;
    viv_status status = run(&restore, lock);
    close(old_lock);
    if (status != VIV_OK && *lock >= 0) {
        close(*lock);
        *lock = -1;
    }
    free(restore.state);
    free(restore.log);
    return status;
}
