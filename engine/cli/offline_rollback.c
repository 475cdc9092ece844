#include <inttypes.h>
#include <stdio.h>

#include "cli/offline.h"

/* rollback: a new data directory with the state as of an earlier transaction. Its epoch is behind every one before, so
 * clients that have seen later transactions come back by themselves; sessions opened later are told that they expired.
 */

static void print(const struct viv_cli *cli, const char *to, uint64_t as_of, const struct viv_tree *tree,
                  uint32_t epoch)
{
    char was[24], now[24];
    struct viv_tree_counts counts;
    viv_tree_counts(tree, &counts);
    snprintf(was, sizeof was, "0x%" PRIx64, as_of);
    snprintf(now, sizeof now, "0x%" PRIx64, viv_tree_zxid(tree));
    if (cli->settings.json) {
        viv_cli_print_json(json_pack("{s:s, s:s, s:s, s:I, s:I, s:I}", "to", to, "as_of", was, "zxid", now, "epoch",
                                     (json_int_t)epoch, "znodes", (json_int_t)counts.nodes, "sessions",
                                     (json_int_t)counts.sessions));
        return;
    }
    printf("%s holds the state as of %s: %" PRIu64 " znodes, %" PRIu64 " sessions; it goes on from %s, epoch %u\n", to,
           was, counts.nodes, counts.sessions, now, epoch);
}

struct newest {
    uint64_t zxid;
    uint32_t epoch;
    const char *backend; /* NULL: the files do not tell */
};

/* What is known of the present: the new epoch must be behind it, and the storage stays the same. */
static int read_newest(const char *from, struct viv_cli_source_options options, struct newest *out)
{
    struct viv_cli_source newest;
    options.as_of = 0;
    int code = viv_cli_source_open(from, &options, &newest);
    if (code == VIV_CLI_OK) {
        out->zxid = newest.zxid;
        out->epoch = newest.accepted_epoch > newest.current_epoch ? newest.accepted_epoch : newest.current_epoch;
        const struct viv_datadir_facts *facts = newest.reader != NULL ? viv_datadir_reader_facts(newest.reader) : NULL;
        out->backend = facts != NULL && facts->has_image ? facts->backend : NULL;
        viv_cli_source_close(&newest);
    }
    return code;
}

int viv_cli_run_rollback(struct viv_cli *cli, const struct viv_cli_args *args)
{
    const char *from = viv_cli_arg(args, 0), *to = viv_cli_value(args, "--to");
    const char *wanted = viv_cli_value(args, "--to-zxid");
    struct viv_cli_source_options options;
    struct viv_cli_source source;
    struct newest newest = {0};
    if (to == NULL || wanted == NULL) {
        return viv_cli_usage_error("rollback: --to-zxid names the last transaction to keep, --to the new directory");
    }
    int code = viv_cli_source_options_read(args, &options);
    if (code != VIV_CLI_OK) {
        return code;
    }
    if (!viv_cli_parse_zxid(wanted, &options.as_of) || options.as_of == 0) {
        return viv_cli_usage_error("--to-zxid %s: a transaction's id is wanted, such as 0x4d", wanted);
    }
    int64_t to_server_id = 0;
    code = viv_cli_read_server_id(args, "--to-server-id", &to_server_id);
    code = code == VIV_CLI_OK ? read_newest(from, options, &newest) : code;
    code = code == VIV_CLI_OK ? viv_cli_source_open(from, &options, &source) : code;
    if (code != VIV_CLI_OK) {
        return code;
    }
    uint32_t epoch = viv_cli_advance_epoch(source.tree, newest.epoch, newest.zxid);
    const char *to_log = viv_cli_value(args, "--to-log");
    const char *backend = options.backend != NULL ? options.backend : newest.backend;
    int64_t server_id = to_server_id != 0 ? to_server_id : newest.epoch > 0 ? source.server_id : 0;
    const struct viv_cli_target_plan plan = {to, to_log, backend, server_id, epoch, epoch};
    code = viv_cli_build(&plan, source.tree);
    if (code == VIV_CLI_OK) {
        print(cli, to, options.as_of, source.tree, epoch);
    }
    viv_cli_source_close(&source);
    return code;
}
