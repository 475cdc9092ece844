#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/offline.h"
#include "store/file_io.h"

/* import: ZooKeeper's data directory becomes one of ours. */

static void print(const struct viv_cli *cli, const struct viv_datadir_imported *done, const char *to)
{
    const struct viv_zk_recovered *facts = &done->facts;
    char zxid[24];
    snprintf(zxid, sizeof zxid, "0x%" PRIx64, facts->zxid);
    if (cli->settings.json) {
        viv_cli_print_json(json_pack("{s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:s, s:I}", "to", to, "zxid", zxid,
                                     "znodes", (json_int_t)done->znodes, "ephemerals", (json_int_t)done->ephemerals,
                                     "sessions", (json_int_t)done->sessions, "records", (json_int_t)facts->records,
                                     "digests_compared", (json_int_t)facts->digests_compared, "digest_mismatches",
                                     (json_int_t)facts->digest_mismatches, "snapshot", facts->snapshot_name, "epoch",
                                     (json_int_t)facts->current_epoch));
        return;
    }
    printf("imported to %s: %" PRIu64 " znodes (%" PRIu64 " ephemeral), %" PRIu64 " sessions, last zxid %s, epoch %u\n",
           to, done->znodes, done->ephemerals, done->sessions, zxid, facts->current_epoch);
    printf("from %s and %" PRIu64 " transactions; %" PRIu64 " recorded digests compared, %" PRIu64 " differ\n",
           facts->snapshot_name[0] != '\0' ? facts->snapshot_name : "no snapshot", facts->records,
           facts->digests_compared, facts->digest_mismatches);
}

static int run(const struct viv_cli *cli, const struct viv_datadir_import *import, const char *to)
{
    struct viv_datadir_imported done;
    int lock;
    viv_status status = viv_datadir_import_run(import, &done, &lock);
    if (status == VIV_OK) {
        close(lock);
        print(cli, &done, to);
    }
    return viv_cli_exit_of(status);
}

int viv_cli_run_import(struct viv_cli *cli, const struct viv_cli_args *args)
{
    const char *from = viv_cli_arg(args, 0), *to = viv_cli_value(args, "--to");
    const char *to_log = viv_cli_value(args, "--to-log");
    struct viv_cli_source_options options;
    if (to == NULL) {
        return viv_cli_usage_error("import: --to names the new data directory");
    }
    int code = viv_cli_source_options_read(args, &options);
    const struct viv_datadir_pairing *pairing = code == VIV_CLI_OK ? viv_cli_pairing(options.backend) : NULL;
    if (pairing == NULL) {
        return VIV_CLI_USAGE;
    }
    struct viv_zk_directory theirs;
    viv_status status = viv_zk_directory_read(from, options.log_dir, &theirs);
    if (status != VIV_OK) {
        return viv_cli_exit_of(status);
    }
    int64_t myid = options.server_id != 0 ? options.server_id : theirs.has_myid ? theirs.myid : 0;
    viv_zk_directory_fini(&theirs);
    char *state = viv_file_path(to, "vivarium"), *log = viv_file_path(to_log != NULL ? to_log : to, "vivarium");
    const struct viv_datadir_import import = {
        .data_dir = from,
        .data_log_dir = options.log_dir,
        .plan = {.pairing = *pairing,
                 .state_path = state,
                 .log_path = log,
                 .server_id = myid != 0 ? myid : 1,
                 .durable = true,
                 .segment_bytes = VIV_CLI_SEGMENT_BYTES},
        .trust_empty = options.trust_empty,
    };
    code = run(cli, &import, to);
    free(state);
    free(log);
    if (code == VIV_CLI_OK && myid != 0) {
        char text[24];
        snprintf(text, sizeof text, "%" PRId64 "\n", myid);
        code = viv_cli_write_text(to, "myid", text);
    }
    return code;
}
