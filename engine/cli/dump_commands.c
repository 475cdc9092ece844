#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "cli/dump_file.h"
#include "cli/dump_online.h"
#include "cli/offline.h"

/* dump and restore: a namespace, or what is below one node, as lines of JSON (dump_file.h). From and into a directory
 * that no server holds, or through a server. */

/* ---- dump ---- */

struct dumping {
    FILE *file;
    uint64_t nodes;
};

static viv_status dump_node(void *ctx, const struct viv_zk_node *node)
{
    struct dumping *dumping = ctx;
    const struct viv_znode *z = &node->znode;
    const struct viv_cli_dump_node dumped = {
        .path = node->path,
        .data = z->data,
        .acl = node->acl,
        .czxid = z->czxid,
        .mzxid = z->mzxid,
        .pzxid = z->pzxid,
        .ctime_ms = z->ctime_ms,
        .mtime_ms = z->mtime_ms,
        .version = z->version,
        .children_created = z->child_counter,
        .aversion = z->aversion,
        .owner = z->owner,
    };
    viv_cli_dump_write_node(dumping->file, &dumped);
    dumping->nodes++;
    return VIV_OK;
}

static void dump_session(void *ctx, int64_t session_id, int32_t timeout_ms)
{
    struct dumping *dumping = ctx;
    viv_cli_dump_write_session(dumping->file, session_id, timeout_ms);
}

static int dump_offline(const struct viv_cli_args *args, const char *path, FILE *file)
{
    struct viv_cli_source_options options;
    struct viv_cli_source source;
    int code = viv_cli_source_options_read(args, &options);
    code = code == VIV_CLI_OK ? viv_cli_source_open(viv_cli_value(args, "--from"), &options, &source) : code;
    if (code != VIV_CLI_OK) {
        return code;
    }
    struct viv_znode top;
    struct dumping dumping = {.file = file};
    if (!viv_tree_find(source.tree, viv_bytes_text(path), &top)) {
        viv_cli_error("Node does not exist: %s", path);
        code = VIV_CLI_REFUSED;
    } else {
        const struct viv_cli_dump_header header = {viv_bytes_text(path), source.zxid, true};
        viv_cli_dump_write_header(file, &header);
        if (top.id == VIV_NODE_ROOT) {
            viv_tree_sessions(source.tree, dump_session, &dumping);
        }
        viv_status status = viv_zk_visit(source.tree, viv_bytes_text(path), dump_node, &dumping);
        VIV_ASSERT(status == VIV_OK);
        viv_cli_dump_write_end(file, dumping.nodes);
    }
    viv_cli_source_close(&source);
    return code;
}

static int close_output(FILE *file, const char *name, int code)
{
    bool is_whole = fflush(file) == 0 && !ferror(file);
    if (file != stdout) {
        is_whole = fclose(file) == 0 && is_whole;
    }
    if (!is_whole) {
        viv_cli_error("%s cannot be written: %s", name != NULL ? name : "standard output", strerror(errno));
        return code == VIV_CLI_OK ? VIV_CLI_FAILED : code;
    }
    return code;
}

static bool check_path(const char *command, const char *path)
{
    bool is_sound = path[0] == '/' && (path[1] == '\0' || path[strlen(path) - 1] != '/') && strstr(path, "//") == NULL;
    if (!is_sound) {
        viv_cli_error("%s: %s is not the path of a node", command, path);
    }
    return is_sound;
}

int viv_cli_run_dump(struct viv_cli *cli, const struct viv_cli_args *args)
{
    const char *path = viv_cli_arg(args, 0), *name = viv_cli_value(args, "--out");
    path = path != NULL ? path : "/";
    if (!check_path("dump", path)) {
        return VIV_CLI_USAGE;
    }
    bool is_offline = viv_cli_value(args, "--from") != NULL;
    if (!is_offline && viv_cli_value(args, "--as-of") != NULL) {
        return viv_cli_usage_error("dump: a server tells the present only; --as-of goes with --from DIR");
    }
    FILE *file = name != NULL ? fopen(name, "we") : stdout;
    if (file == NULL) {
        viv_cli_error("%s: %s", name, strerror(errno));
        return VIV_CLI_FAILED;
    }
    int code = is_offline ? dump_offline(args, path, file) : viv_cli_dump_online(cli, path, file);
    return close_output(file, name, code);
}

/* ---- restore ---- */

static int read_ephemerals(const char *text, enum viv_cli_ephemerals usual, enum viv_cli_ephemerals *out)
{
    static const char *const names[] = {"skip", "persistent", "keep"};
    *out = usual;
    for (size_t i = 0; text != NULL && i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(text, names[i]) == 0) {
            *out = (enum viv_cli_ephemerals)i;
            return VIV_CLI_OK;
        }
    }
    return text == NULL ? VIV_CLI_OK : viv_cli_usage_error("--ephemerals %s: skip, persistent or keep is wanted", text);
}

static void print_counts(const struct viv_cli *cli, const struct viv_cli_restore_counts *counts, const char *to,
                         uint64_t zxid)
{
    if (cli->settings.json) {
        viv_cli_print_json(json_pack("{s:s, s:I, s:I, s:I}", "to", to, "znodes", (json_int_t)counts->nodes,
                                     "ephemerals_left_out", (json_int_t)counts->ephemerals_left_out, "sessions",
                                     (json_int_t)counts->sessions));
        return;
    }
    printf("restored to %s: %" PRIu64 " znodes, %" PRIu64 " ephemeral ones left out, %" PRIu64
           " sessions; it goes on from 0x%" PRIx64 "\n",
           to, counts->nodes, counts->ephemerals_left_out, counts->sessions, zxid);
}

static bool is_whole(const char *file)
{
    struct viv_cli_dump_item item;
    struct viv_cli_dump_reader *reader = viv_cli_dump_open(file);
    bool is_top = reader != NULL && viv_cli_dump_next(reader, &item) && item.line == VIV_CLI_DUMP_HEADER &&
                  item.header.root.size == 1;
    if (reader != NULL) {
        viv_cli_dump_close(reader);
    }
    return is_top;
}

/* Ephemerals live on only with their sessions, and those are in the dump of a whole namespace. */
static int restore_offline(struct viv_cli *cli, const struct viv_cli_args *args, const char *file, const char *to)
{
    struct viv_cli_restore_options options = {.at = viv_cli_value(args, "--at")};
    struct viv_cli_restore_counts counts;
    struct viv_cli_source_options common;
    struct viv_tree *tree;
    bool keeps_all = options.at == NULL && strcmp(file, "-") != 0 && is_whole(file);
    if (read_ephemerals(viv_cli_value(args, "--ephemerals"),
                        keeps_all ? VIV_CLI_EPHEMERALS_KEEP : VIV_CLI_EPHEMERALS_SKIP,
                        &options.ephemerals) != VIV_CLI_OK ||
        viv_cli_source_options_read(args, &common) != VIV_CLI_OK ||
        viv_cli_read_server_id(args, "--to-server-id", &common.server_id) != VIV_CLI_OK) {
        return VIV_CLI_USAGE;
    }
    if (options.ephemerals == VIV_CLI_EPHEMERALS_KEEP && !keeps_all) {
        return viv_cli_usage_error("restore: ephemeral nodes can be kept only with a whole namespace, whose dump holds "
                                   "their sessions");
    }
    int code = viv_cli_dump_load(file, &options, &tree, &counts);
    if (code != VIV_CLI_OK) {
        return code;
    }
    uint32_t epoch = viv_cli_advance_epoch(tree, 0, counts.zxid);
    const struct viv_cli_target_plan plan = {
        to, viv_cli_value(args, "--to-log"), common.backend, common.server_id, epoch, epoch};
    code = viv_cli_build(&plan, tree);
    if (code == VIV_CLI_OK) {
        print_counts(cli, &counts, to, viv_tree_zxid(tree));
    }
    viv_tree_free(tree);
    return code;
}

int viv_cli_run_restore(struct viv_cli *cli, const struct viv_cli_args *args)
{
    const char *file = viv_cli_arg(args, 0), *to = viv_cli_value(args, "--to"), *at = viv_cli_value(args, "--at");
    if (at != NULL && !check_path("restore", at)) {
        return VIV_CLI_USAGE;
    }
    if (to != NULL) {
        return restore_offline(cli, args, file, to);
    }
    struct viv_cli_online_restore online = {.at = at, .overwrite = viv_cli_has(args, "--overwrite")};
    if (read_ephemerals(viv_cli_value(args, "--ephemerals"), VIV_CLI_EPHEMERALS_SKIP, &online.ephemerals) !=
        VIV_CLI_OK) {
        return VIV_CLI_USAGE;
    }
    if (online.ephemerals == VIV_CLI_EPHEMERALS_KEEP) {
        return viv_cli_usage_error("restore: through a server ephemeral nodes cannot be kept: they would be this "
                                   "program's own, and go with it");
    }
    return viv_cli_restore_online(cli, file, &online);
}
