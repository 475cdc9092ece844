#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/offline.h"
#include "store/file_io.h"
#include "zkdata/log.h"
#include "zkdata/snapshot_writer.h"
#include "zkdata/txn.h"

/* export: a namespace becomes a data directory that Apache ZooKeeper starts from: a snapshot, and with --with-log the
 * transactions since the image, each with the digest of the state behind it. */

enum { SLICE_BYTES = 1 << 20, DIGEST_BYTES = 12, DIGEST_VERSION = 2 };

struct export
{
    char *folder; /* version-2 under its draft name */
    enum viv_zk_packing packing;
    uint64_t snapshot_zxid, snapshot_bytes, records;
    FILE *log;
    struct viv_buffer bytes, entry;
    struct viv_arena arena;
};

static viv_status failed(const char *path)
{
    viv_cli_error("%s cannot be written: %s", path, strerror(errno));
    return VIV_ERR_SYSTEM;
}

static viv_status write_bytes(FILE *file, struct viv_buffer *bytes, const char *path)
{
    size_t size = bytes->size;
    bool is_written = size == 0 || fwrite(bytes->data, 1, size, file) == size;
    viv_buffer_clear(bytes);
    return is_written ? VIV_OK : failed(path);
}

static viv_status close_file(FILE *file, viv_status status, const char *path)
{
    return fclose(file) == 0 || status != VIV_OK ? status : failed(path);
}

static viv_status write_snapshot(struct export *export, struct viv_tree *tree)
{
    const struct viv_zk_snapshot_form form = {.packing = export->packing, .has_digest = true};
    export->snapshot_zxid = viv_tree_zxid(tree);
    char *path = viv_file_path(export->folder, "snapshot.%" PRIx64 "%s", export->snapshot_zxid,
                               viv_zk_packing_ending(export->packing));
    FILE *file = fopen(path, "wbe");
    viv_status status = file == NULL ? failed(path) : VIV_OK;
    if (status == VIV_OK) {
        struct viv_zk_snapshot_writer *writer = viv_zk_snapshot_writer_begin(tree, &form);
        bool more = true;
        while (more && status == VIV_OK) {
            more = viv_zk_snapshot_writer_step(writer, SLICE_BYTES, &export->bytes);
            export->snapshot_bytes += export->bytes.size;
            status = write_bytes(file, &export->bytes, path);
        }
        viv_zk_snapshot_writer_end(writer);
        status = close_file(file, status, path);
    }
    free(path);
    return status;
}

static viv_status open_log(struct export *export, uint64_t zxid)
{
    char *path = viv_file_path(export->folder, "log.%" PRIx64, zxid);
    export->log = fopen(path, "wbe");
    viv_status status = export->log == NULL ? failed(path) : VIV_OK;
    free(path);
    viv_zk_log_write_header(&export->bytes);
    return status;
}

static viv_status write_entry(void *ctx, const struct viv_tree *tree, const struct viv_entry *entry)
{
    struct export *export = ctx;
    struct viv_zk_txn txn;
    viv_arena_reset(&export->arena);
    if (!viv_zk_txn_read(entry->body, &export->arena, &txn)) {
        viv_cli_error("the transaction 0x%" PRIx64 " is of a kind that ZooKeeper does not know", entry->zxid);
        return VIV_ERR_CORRUPT;
    }
    if (export->log == NULL) {
        VIV_TRY(open_log(export, entry->zxid));
    }
    viv_buffer_clear(&export->entry);
    viv_buffer_append_bytes(&export->entry, txn.bytes);
    if (txn.header.type != VIV_OP_ERROR) {
        viv_jute_write_int(&export->entry, DIGEST_VERSION);
        viv_jute_write_long(&export->entry, (int64_t)viv_tree_digest(tree));
    }
    viv_zk_log_write_entry(&export->bytes, viv_buffer_bytes(&export->entry));
    export->records++;
    return write_bytes(export->log, &export->bytes, "the transaction log");
}

/* The image is fuzzy up to its end: the snapshot is taken where it is exact, the log goes on from there. */
static viv_status write_with_log(struct export *export, struct viv_cli_source *source, uint64_t as_of)
{
    const struct viv_datadir_facts *facts = viv_datadir_reader_facts(source->reader);
    if (facts->has_image && facts->mark.zxid_end > 0) {
        VIV_TRY(viv_datadir_reader_replay(source->reader, facts->mark.zxid_end, NULL, NULL));
    }
    VIV_TRY(write_snapshot(export, source->tree));
    viv_status status = viv_datadir_reader_replay(source->reader, as_of, write_entry, export);
    return export->log == NULL ? status : close_file(export->log, status, "the transaction log");
}

static viv_status write_epochs(const struct export *export, const struct viv_cli_source *source)
{
    uint32_t of_zxid = VIV_ZXID_EPOCH(viv_tree_zxid(source->tree));
    uint32_t current = source->current_epoch > of_zxid ? source->current_epoch : of_zxid;
    uint32_t accepted = source->accepted_epoch > current ? source->accepted_epoch : current;
    char text[16];
    snprintf(text, sizeof text, "%u", accepted);
    if (viv_cli_write_text(export->folder, "acceptedEpoch", text) != VIV_CLI_OK) {
        return VIV_ERR_SYSTEM;
    }
    snprintf(text, sizeof text, "%u", current);
    return viv_cli_write_text(export->folder, "currentEpoch", text) == VIV_CLI_OK ? VIV_OK : VIV_ERR_SYSTEM;
}

static viv_status write_all(struct export *export, struct viv_cli_source *source, bool with_log, uint64_t as_of)
{
    VIV_TRY(with_log ? write_with_log(export, source, as_of) : write_snapshot(export, source->tree));
    VIV_TRY(write_epochs(export, source));
    return viv_datadir_sync(export->folder);
}

static void print(const struct viv_cli *cli, const struct export *export, const struct viv_cli_source *source,
                  const char *to)
{
    char zxid[24];
    struct viv_tree_counts counts;
    viv_tree_counts(source->tree, &counts);
    snprintf(zxid, sizeof zxid, "0x%" PRIx64, viv_tree_zxid(source->tree));
    if (cli->settings.json) {
        viv_cli_print_json(json_pack("{s:s, s:s, s:I, s:I, s:I, s:I}", "to", to, "zxid", zxid, "znodes",
                                     (json_int_t)counts.nodes, "sessions", (json_int_t)counts.sessions,
                                     "snapshot_bytes", (json_int_t) export->snapshot_bytes, "log_records",
                                     (json_int_t) export->records));
        return;
    }
    printf("exported to %s: %" PRIu64 " znodes, %" PRIu64 " sessions, last zxid %s; snapshot of %" PRIu64
           " bytes, %" PRIu64 " log records\n",
           to, counts.nodes, counts.sessions, zxid, export->snapshot_bytes, export->records);
}

static int read_packing(const char *name, enum viv_zk_packing *packing)
{
    for (int i = VIV_ZK_PLAIN; i <= VIV_ZK_SNAPPY; i++) {
        const char *ending = viv_zk_packing_ending((enum viv_zk_packing)i);
        if (name == NULL ? i == VIV_ZK_PLAIN : *ending == '.' && strcmp(ending + 1, name) == 0) {
            *packing = (enum viv_zk_packing)i;
            return VIV_CLI_OK;
        }
    }
    return viv_cli_usage_error("--compress %s: gz or snappy is wanted", name);
}

static int give_name(const struct export *export, const struct viv_cli_source *source, const char *to)
{
    char *path = viv_file_path(to, "version-2");
    viv_status status = viv_file_rename(&viv_disk_real, export->folder, path);
    free(path);
    if (status == VIV_OK) {
        status = viv_file_sync_dir(&viv_disk_real, to);
    }
    char text[24];
    snprintf(text, sizeof text, "%" PRId64 "\n", source->server_id);
    bool has_id = source->server_id != 0 && VIV_ZXID_EPOCH(viv_tree_zxid(source->tree)) > 0;
    return status != VIV_OK ? viv_cli_exit_of(status) : has_id ? viv_cli_write_text(to, "myid", text) : VIV_CLI_OK;
}

static int export_to(struct viv_cli *cli, struct viv_cli_source *source, const char *to, enum viv_zk_packing packing,
                     bool with_log, uint64_t as_of)
{
    struct export export = {.folder = viv_file_path(to, "version-2.new"), .packing = packing};
    viv_status status = viv_datadir_remove(export.folder);
    if (status == VIV_OK) {
        status = viv_datadir_make(export.folder);
    }
    if (status == VIV_OK) {
        status = write_all(&export, source, with_log, as_of);
    }
    int code = status == VIV_OK ? give_name(&export, source, to) : viv_cli_exit_of(status);
    if (code == VIV_CLI_OK) {
        print(cli, &export, source, to);
    }
    viv_arena_fini(&export.arena);
    viv_buffer_fini(&export.bytes);
    viv_buffer_fini(&export.entry);
    free(export.folder);
    return code;
}

static bool has_version_2(const char *to)
{
    struct stat at;
    char *path = viv_file_path(to, "version-2");
    bool found = stat(path, &at) == 0;
    free(path);
    return found;
}

int viv_cli_run_export(struct viv_cli *cli, const struct viv_cli_args *args)
{
    const char *to = viv_cli_value(args, "--to");
    bool with_log = viv_cli_has(args, "--with-log");
    enum viv_zk_packing packing = VIV_ZK_PLAIN;
    struct viv_cli_source_options options;
    struct viv_cli_source source;
    if (to == NULL) {
        return viv_cli_usage_error("export: --to names the new directory");
    }
    int code = read_packing(viv_cli_value(args, "--compress"), &packing);
    code = code == VIV_CLI_OK ? viv_cli_source_options_read(args, &options) : code;
    if (code != VIV_CLI_OK) {
        return code;
    }
    if (has_version_2(to)) {
        viv_cli_error("%s holds data of ZooKeeper already; name a new directory", to);
        return VIV_CLI_REFUSED;
    }
    options.only_image = with_log;
    code = viv_cli_source_open(viv_cli_arg(args, 0), &options, &source);
    if (code != VIV_CLI_OK) {
        return code;
    }
    if (with_log && source.kind != VIV_CLI_SOURCE_OURS) {
        code = viv_cli_usage_error("export: --with-log reads a data directory of ours");
    } else {
        code = export_to(cli, &source, to, packing, with_log, options.as_of);
    }
    viv_cli_source_close(&source);
    return code;
}
