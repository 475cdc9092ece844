#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/offline.h"
#include "cli/text.h"
#include "store/file_io.h"

/* inspect: what a data directory holds, ours or ZooKeeper's, and whether a server would start from it. The answer is
 * one JSON object; without --json it is printed as lines. */

static json_t *zxid_json(uint64_t zxid)
{
    return viv_cli_json_hex((int64_t)zxid);
}

/* ---- lines ---- */

static void print_value(const char *name, const json_t *value)
{
    if (json_is_string(value)) {
        printf("%-22s %s\n", name, json_string_value(value));
    } else if (json_is_boolean(value)) {
        printf("%-22s %s\n", name, json_is_true(value) ? "yes" : "no");
    } else {
        printf("%-22s %" JSON_INTEGER_FORMAT "\n", name, json_integer_value(value));
    }
}

static void print_file(const json_t *file)
{
    printf("%14" JSON_INTEGER_FORMAT "  %s%s\n", json_integer_value(json_object_get(file, "bytes")),
           json_string_value(json_object_get(file, "name")),
           json_is_false(json_object_get(file, "whole")) ? "  (not finished)" : "");
}

static void print(const struct viv_cli *cli, json_t *facts)
{
    if (cli->settings.json) {
        viv_cli_print_json(facts);
        return;
    }
    const char *name;
    json_t *value;
    size_t index;
    json_object_foreach(facts, name, value)
    {
        if (!json_is_array(value)) {
            print_value(name, value);
        }
    }
    const json_t *file;
    json_array_foreach(json_object_get(facts, "files"), index, file)
    {
        print_file(file);
    }
    json_decref(facts);
}

/* ---- files ---- */

static uint64_t add_files(json_t *files, const char *folder, const char *shown)
{
    struct viv_file_names names;
    uint64_t bytes = 0;
    if (viv_file_list(&viv_disk_real, folder, &names) != VIV_OK) {
        return 0;
    }
    for (size_t i = 0; i < names.count; i++) {
        char *path = viv_file_path(folder, "%s", names.names[i]);
        char *name =
            *shown == '\0' ? viv_file_path(NULL, "%s", names.names[i]) : viv_file_path(shown, "%s", names.names[i]);
        struct stat at;
        if (names.names[i][0] != '.' && stat(path, &at) == 0) {
            if (S_ISDIR(at.st_mode)) {
                bytes += add_files(files, path, name);
            } else {
                bytes += (uint64_t)at.st_size;
                json_array_append_new(files, json_pack("{s:o, s:I}", "name", viv_cli_json_text(viv_bytes_text(name)),
                                                       "bytes", (json_int_t)at.st_size));
            }
        }
        free(path);
        free(name);
    }
    viv_file_names_fini(&names);
    return bytes;
}

static void add_zookeeper_files(json_t *array, const struct viv_zk_files *files, bool are_snapshots, uint64_t *bytes)
{
    for (size_t i = 0; i < files->count; i++) {
        const struct viv_zk_file *file = &files->items[i];
        json_t *object = json_pack("{s:s, s:I, s:o}", "name", file->name, "bytes", (json_int_t)file->bytes, "zxid",
                                   zxid_json(file->zxid));
        if (are_snapshots) {
            json_object_set_new(object, "whole", json_boolean(viv_zk_snapshot_looks_whole(file->path)));
        }
        *bytes += file->bytes;
        json_array_append_new(array, object);
    }
}

/* ---- facts ---- */

static void set_state(json_t *facts, const struct viv_cli_source *source)
{
    struct viv_tree_counts counts;
    viv_tree_counts(source->tree, &counts);
    json_object_set_new(facts, "last_zxid", zxid_json(viv_tree_zxid(source->tree)));
    json_object_set_new(facts, "digest", zxid_json(viv_tree_digest(source->tree)));
    json_object_set_new(facts, "znodes", json_integer((json_int_t)counts.nodes));
    json_object_set_new(facts, "ephemerals", json_integer((json_int_t)counts.ephemerals));
    json_object_set_new(facts, "sessions", json_integer((json_int_t)counts.sessions));
    json_object_set_new(facts, "acl_lists", json_integer((json_int_t)counts.acls));
    json_object_set_new(facts, "data_bytes", json_integer((json_int_t)counts.data_bytes));
    json_object_set_new(facts, "accepted_epoch", json_integer(source->accepted_epoch));
    json_object_set_new(facts, "current_epoch", json_integer(source->current_epoch));
}

static bool set_ours(json_t *facts, const struct viv_cli_source *source)
{
    const struct viv_datadir_facts *ours = viv_datadir_reader_facts(source->reader);
    json_object_set_new(facts, "backend", json_string(ours->backend));
    json_object_set_new(facts, "server_id", json_integer(source->server_id));
    json_object_set_new(facts, "has_image", json_boolean(ours->has_image));
    json_object_set_new(facts, "image_zxid_begin", zxid_json(ours->mark.zxid_start));
    json_object_set_new(facts, "image_zxid_end", zxid_json(ours->mark.zxid_end));
    json_object_set_new(facts, "log_zxid_after", zxid_json(ours->log.base_zxid));
    json_object_set_new(facts, "log_zxid_last", zxid_json(ours->log.last_zxid));
    json_object_set_new(facts, "log_zxid_committed", zxid_json(ours->log.commit_zxid));
    json_object_set_new(facts, "images_damaged", json_integer((json_int_t)ours->images_rejected));
    json_object_set_new(facts, "torn_bytes", json_integer((json_int_t)ours->torn_bytes));
    return ours->images_rejected == 0;
}

static bool set_zookeeper(json_t *facts, const struct viv_cli_source *source)
{
    const struct viv_zk_recovered *theirs = &source->zookeeper;
    json_object_set_new(facts, "snapshot", json_string(theirs->snapshot_name));
    json_object_set_new(facts, "snapshot_zxid", zxid_json(theirs->snapshot_zxid));
    json_object_set_new(facts, "snapshots_unusable", json_integer((json_int_t)theirs->snapshots_rejected));
    json_object_set_new(facts, "records_replayed", json_integer((json_int_t)theirs->records));
    json_object_set_new(facts, "digests_compared", json_integer((json_int_t)theirs->digests_compared));
    json_object_set_new(facts, "digest_mismatches", json_integer((json_int_t)theirs->digest_mismatches));
    json_object_set_new(facts, "torn_files", json_integer((json_int_t)theirs->torn_files));
    return theirs->digest_mismatches == 0;
}

static void set_files(json_t *facts, const char *path, const char *log_dir, bool is_ours)
{
    json_t *files = json_array();
    uint64_t bytes = 0;
    struct viv_datadir ours = {.lock = -1};
    struct viv_zk_directory theirs;
    if (is_ours && viv_datadir_open(path, log_dir, 0, &ours) == VIV_OK) {
        bytes = add_files(files, ours.state_path, "");
        bytes += strcmp(ours.state_path, ours.log_path) != 0 ? add_files(files, ours.log_path, "") : 0;
        viv_datadir_close(&ours);
    } else if (!is_ours && viv_zk_directory_read(path, log_dir, &theirs) == VIV_OK) {
        add_zookeeper_files(files, &theirs.snapshots, true, &bytes);
        add_zookeeper_files(files, &theirs.logs, false, &bytes);
        viv_zk_directory_fini(&theirs);
    }
    json_object_set_new(facts, "disk_bytes", json_integer((json_int_t)bytes));
    json_object_set_new(facts, "files", files);
}

/* By a running server: that says nothing about its soundness. Logged. */
static bool is_held(const char *path, const struct viv_cli_source_options *options)
{
    struct viv_datadir datadir;
    viv_status status = viv_datadir_open(path, options->log_dir, options->server_id, &datadir);
    if (status == VIV_OK) {
        viv_datadir_close(&datadir);
    }
    return status == VIV_ERR_BUSY;
}

int viv_cli_run_inspect(struct viv_cli *cli, const struct viv_cli_args *args)
{
    const char *path = viv_cli_arg(args, 0);
    struct viv_cli_source_options options;
    struct viv_cli_source source;
    int code = viv_cli_source_options_read(args, &options);
    if (code != VIV_CLI_OK) {
        return code;
    }
    bool is_ours = viv_datadir_is_there(path);
    if (is_ours && is_held(path, &options)) {
        return VIV_CLI_REFUSED;
    }
    code = viv_cli_source_open(path, &options, &source);
    if (code == VIV_CLI_FAILED) {
        return code;
    }
    json_t *facts = json_pack("{s:s}", "format", is_ours ? "vivarium" : "zookeeper");
    bool is_sound = code == VIV_CLI_OK;
    if (is_sound) {
        is_sound = is_ours ? set_ours(facts, &source) : set_zookeeper(facts, &source);
        set_state(facts, &source);
        viv_cli_source_close(&source);
    }
    json_object_set_new(facts, "sound", json_boolean(is_sound));
    set_files(facts, path, options.log_dir, is_ours);
    print(cli, facts);
    return is_sound ? VIV_CLI_OK : VIV_CLI_REFUSED;
}
