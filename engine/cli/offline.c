#include "cli/offline.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backends/registry.h"
#include "base/assert.h"
#include "base/limits.h"
#include "cli/dump_file.h"
#include "store/file_io.h"
#include "tree/apply.h"

enum { PAIRINGS_MAX = 32 };

int viv_cli_exit_of(viv_status status)
{
    switch (status) {
    case VIV_OK:
        return VIV_CLI_OK;
    case VIV_ERR_IO:
    case VIV_ERR_NOSPACE:
    case VIV_ERR_SYSTEM:
        return VIV_CLI_FAILED;
    default:
        return VIV_CLI_REFUSED;
    }
}

/* ---- options ---- */

bool viv_cli_parse_zxid(const char *text, uint64_t *zxid)
{
    char *end;
    errno = 0;
    *zxid = strtoull(text, &end, 0);
    return errno == 0 && end != text && *end == '\0' && *text != '-';
}

int viv_cli_source_options_read(const struct viv_cli_args *args, struct viv_cli_source_options *out)
{
    *out = (struct viv_cli_source_options){
        .log_dir = viv_cli_value(args, "--log-dir"),
        .backend = viv_cli_value(args, "--backend"),
        .trust_empty = viv_cli_has(args, "--trust-empty"),
    };
    const char *as_of = viv_cli_value(args, "--as-of");
    if (as_of != NULL && (!viv_cli_parse_zxid(as_of, &out->as_of) || out->as_of == 0)) {
        return viv_cli_usage_error("--as-of %s: a transaction's id is wanted, such as 0x4d", as_of);
    }
    return viv_cli_read_server_id(args, "--server-id", &out->server_id);
}

int viv_cli_read_server_id(const struct viv_cli_args *args, const char *name, int64_t *server_id)
{
    const char *text = viv_cli_value(args, name);
    uint64_t number = 0;
    if (text != NULL && (!viv_cli_parse_uint64(text, &number) || number == 0 || number > VIV_SID_MAX)) {
        return viv_cli_usage_error("%s %s: a number from 1 to %d is wanted", name, text, VIV_SID_MAX);
    }
    *server_id = (int64_t)number;
    return VIV_CLI_OK;
}

const struct viv_datadir_pairing *viv_cli_pairings(void)
{
    static struct viv_datadir_pairing pairings[PAIRINGS_MAX];
    size_t count = 0;
    for (const struct viv_configuration *c = viv_configurations; c->name != NULL && count + 1 < PAIRINGS_MAX; c++) {
        pairings[count++] = (struct viv_datadir_pairing){c->name, c->log, c->state};
    }
    return pairings;
}

static bool keeps(const struct viv_datadir_pairing *pairing)
{
    return ((pairing->log->traits | pairing->state->traits) & VIV_STORE_VOLATILE) == 0;
}

static const struct viv_datadir_pairing *find_pairing(const char *name)
{
    const struct viv_datadir_pairing *pairing = viv_cli_pairings();
    while (pairing->name != NULL && strcmp(pairing->name, name) != 0) {
        pairing++;
    }
    return pairing->name != NULL && keeps(pairing) ? pairing : NULL;
}

const struct viv_datadir_pairing *viv_cli_pairing(const char *name)
{
    const struct viv_datadir_pairing *found = find_pairing(name != NULL ? name : viv_configuration_default());
    if (found == NULL && name == NULL) {
        found = find_pairing("flat"); /* the build's default keeps nothing */
    }
    if (found == NULL) {
        viv_cli_error("backend %s: this build has no such storage, or it keeps nothing", name);
    }
    return found;
}

/* ---- sources ---- */

static int open_ours(const char *path, const struct viv_cli_source_options *options, struct viv_cli_source *out)
{
    out->kind = VIV_CLI_SOURCE_OURS;
    viv_status status = viv_datadir_open(path, options->log_dir, options->server_id, &out->datadir);
    if (status == VIV_OK) {
        status =
            viv_datadir_reader_open(&out->datadir, viv_cli_pairings(), options->backend, options->as_of, &out->reader);
    }
    if (status == VIV_OK && !options->only_image) {
        status = viv_datadir_reader_replay(out->reader, options->as_of, NULL, NULL);
    }
    if (status == VIV_OK) {
        const struct viv_datadir_facts *facts = viv_datadir_reader_facts(out->reader);
        out->tree = viv_datadir_reader_tree(out->reader);
        out->accepted_epoch = facts->hard.accepted_epoch;
        out->current_epoch = facts->hard.current_epoch;
        out->server_id = out->datadir.server_id;
    } else if (status == VIV_ERR_NOT_FOUND) {
        viv_cli_error("%s: there is no data directory here", options->log_dir != NULL ? options->log_dir : path);
    }
    return viv_cli_exit_of(status);
}

static int open_zookeeper(const char *path, const struct viv_cli_source_options *options, struct viv_cli_source *out)
{
    struct viv_zk_directory directory;
    out->kind = VIV_CLI_SOURCE_ZOOKEEPER;
    viv_status status = viv_zk_directory_read(path, options->log_dir, &directory);
    if (status != VIV_OK) {
        return viv_cli_exit_of(status);
    }
    const struct viv_zk_recovery_options recovery = {options->as_of, options->trust_empty};
    status = viv_zk_recover(&directory, &recovery, &out->zookeeper);
    out->server_id = directory.has_myid ? directory.myid : 0;
    viv_zk_directory_fini(&directory);
    out->tree = out->zookeeper.tree;
    out->accepted_epoch = out->zookeeper.accepted_epoch;
    out->current_epoch = out->zookeeper.current_epoch;
    return viv_cli_exit_of(status);
}

static int open_snapshot(const char *path, const char *name, struct viv_cli_source *out)
{
    uint64_t zxid = strtoull(name, NULL, 16);
    out->kind = VIV_CLI_SOURCE_SNAPSHOT;
    viv_status status = viv_zk_snapshot_load(path, zxid, &out->tree, &out->snapshot);
    out->accepted_epoch = out->current_epoch = VIV_ZXID_EPOCH(zxid);
    return viv_cli_exit_of(status);
}

static int open_file(const char *path, struct viv_cli_source *out)
{
    const char *slash = strrchr(path, '/'), *name = slash == NULL ? path : slash + 1;
    static const char snapshot[] = "snapshot.";
    if (strncmp(name, snapshot, sizeof snapshot - 1) == 0) {
        return open_snapshot(path, name + sizeof snapshot - 1, out);
    }
    out->kind = VIV_CLI_SOURCE_DUMP;
    const struct viv_cli_restore_options whole = {.at = NULL, .ephemerals = VIV_CLI_EPHEMERALS_KEEP};
    struct viv_cli_restore_counts counts = {0};
    return viv_cli_dump_load(path, &whole, &out->tree, &counts);
}

int viv_cli_source_open(const char *path, const struct viv_cli_source_options *options, struct viv_cli_source *out)
{
    struct stat at;
    *out = (struct viv_cli_source){.datadir = {.lock = -1}};
    if (stat(path, &at) != 0) {
        viv_cli_error("%s: %s", path, strerror(errno));
        return VIV_CLI_FAILED;
    }
    int code;
    if (!S_ISDIR(at.st_mode)) {
        code = open_file(path, out);
    } else {
        code = viv_datadir_is_there(path) ? open_ours(path, options, out) : open_zookeeper(path, options, out);
    }
    if (code != VIV_CLI_OK) {
        viv_cli_source_close(out);
        return code;
    }
    out->zxid = viv_tree_zxid(out->tree);
    return VIV_CLI_OK;
}

void viv_cli_source_close(struct viv_cli_source *source)
{
    if (source->reader != NULL) {
        viv_datadir_reader_close(source->reader);
    } else if (source->tree != NULL) {
        viv_tree_free(source->tree);
    }
    viv_datadir_close(&source->datadir);
    *source = (struct viv_cli_source){.datadir = {.lock = -1}};
}

/* ---- new directories ---- */

int viv_cli_write_text(const char *folder, const char *name, const char *text)
{
    char *path = viv_file_path(folder, "%s", name), *draft = viv_file_path(folder, "%s.tmp", name);
    int fd = open(draft, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    ssize_t size = (ssize_t)strlen(text);
    bool is_written = fd >= 0 && write(fd, text, (size_t)size) == size && fsync(fd) == 0;
    if (fd >= 0) {
        close(fd);
    }
    if (!is_written || rename(draft, path) != 0) {
        viv_cli_error("%s cannot be written: %s", path, strerror(errno));
        is_written = false;
    }
    free(path);
    free(draft);
    return is_written ? VIV_CLI_OK : VIV_CLI_FAILED;
}

static int write_myid(const char *path, int64_t server_id)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRId64 "\n", server_id);
    return server_id == 0 ? VIV_CLI_OK : viv_cli_write_text(path, "myid", text);
}

static int check_new(const char *path)
{
    if (viv_datadir_is_there(path)) {
        viv_cli_error("%s holds a data directory already; name a new one", path);
        return VIV_CLI_REFUSED;
    }
    return VIV_CLI_OK;
}

static viv_status rename_synced(const char *from, const char *to)
{
    VIV_TRY(viv_file_rename(&viv_disk_real, from, to));
    char *above = viv_file_path(to, "..");
    viv_status status = viv_file_sync_dir(&viv_disk_real, above);
    free(above);
    return status;
}

/* Made beside their final names: a directory that was not finished is not taken for one. */
static viv_status build(struct viv_datadir_plan *plan, struct viv_tree *tree, const char *state_path,
                        const char *log_path)
{
    bool is_one = strcmp(state_path, log_path) == 0;
    VIV_TRY(viv_datadir_remove(plan->state_path));
    VIV_TRY(viv_datadir_make(plan->state_path));
    if (!is_one) {
        VIV_TRY(viv_datadir_remove(plan->log_path));
        VIV_TRY(viv_datadir_make(plan->log_path));
    }
    VIV_TRY(viv_datadir_build(plan, tree));
    VIV_TRY(viv_datadir_sync(plan->state_path));
    if (!is_one) {
        VIV_TRY(viv_datadir_sync(plan->log_path));
        VIV_TRY(rename_synced(plan->log_path, log_path));
    }
    return rename_synced(plan->state_path, state_path);
}

int viv_cli_build(const struct viv_cli_target_plan *target, struct viv_tree *tree)
{
    const char *log_dir = target->log_dir != NULL ? target->log_dir : target->path;
    const struct viv_datadir_pairing *pairing = viv_cli_pairing(target->backend);
    if (pairing == NULL) {
        return VIV_CLI_USAGE;
    }
    if (check_new(target->path) != VIV_CLI_OK || check_new(log_dir) != VIV_CLI_OK) {
        return VIV_CLI_REFUSED;
    }
    char *state_path = viv_file_path(target->path, "vivarium"), *log_path = viv_file_path(log_dir, "vivarium");
    char *state_draft = viv_file_path(target->path, "vivarium.new"),
         *log_draft = viv_file_path(log_dir, "vivarium.new");
    struct viv_datadir_plan plan = {
        .pairing = *pairing,
        .state_path = state_draft,
        .log_path = log_draft,
        .server_id = target->server_id != 0 ? target->server_id : 1,
        .durable = true,
        .segment_bytes = VIV_CLI_SEGMENT_BYTES,
        .accepted_epoch = target->accepted_epoch,
        .current_epoch = target->current_epoch,
    };
    int code = viv_cli_exit_of(build(&plan, tree, state_path, log_path));
    free(state_path);
    free(log_path);
    free(state_draft);
    free(log_draft);
    return code == VIV_CLI_OK ? write_myid(target->path, target->server_id) : code;
}

uint32_t viv_cli_advance_epoch(struct viv_tree *tree, uint32_t epoch, uint64_t zxid)
{
    uint32_t next = (epoch > VIV_ZXID_EPOCH(zxid) ? epoch : VIV_ZXID_EPOCH(zxid)) + 1;
    viv_datadir_begin_epoch(tree, next);
    return next;
}
