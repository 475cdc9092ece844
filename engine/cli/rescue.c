#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/limits.h"
#include "cli/offline.h"
#include "cli/text.h"

/* The way back after a majority of servers was lost for good: looks at what survived, says what is newest and what is
 * lost with the others, and writes it as the data of a new server, or of a smaller ensemble's. The directories that
 * are looked at are never written to: copies below $TMPDIR are read. */

/* The lost servers may have been through elections that no survivor saw, and clients may have seen a zxid of each. The
 * new history begins in an epoch that none of them can have reached: to every client it looks newer than what it saw.
 */
enum { EPOCHS_AHEAD = 1000, EPOCH_MAX = INT32_MAX, SERVERS_MAX = VIV_MEMBERS_MAX, TIME_BYTES = 64 };

struct candidate {
    const char *argument;
    char *data_dir;
    const char *log_dir; /* NULL: the same */
    viv_status status;
    int64_t server_id;
    struct viv_datadir_facts facts;
    uint64_t last_zxid;      /* newest transaction */
    int64_t last_time_ms;    /* its wall clock; 0 when the log does not hold it */
    uint64_t doubtful_count; /* transactions stored, and not known there to be committed */
    struct viv_tree_counts counts;
    struct viv_datadir_reader *reader; /* kept open for the newest one: it owns the tree */
};

struct rescue {
    struct viv_cli *cli;
    struct candidate *candidates;
    size_t count;
    struct candidate *best; /* NULL: nothing can be read */
    uint32_t epoch;         /* highest that any of them has seen */
    int64_t server_ids[SERVERS_MAX];
    size_t server_count;
    uint64_t new_zxid;
    const char *into;    /* NULL: nothing shall be written */
    const char *backend; /* what it is written as; NULL: as what survived */
};

static void tell_time(int64_t wall_ms, char text[TIME_BYTES])
{
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm when;
    if (wall_ms == 0 || localtime_r(&seconds, &when) == NULL ||
        strftime(text, TIME_BYTES, "%Y-%m-%d %H:%M:%S %Z", &when) == 0) {
        strcpy(text, "unknown");
    }
}

/* ---- looking ---- */

/* As servers do when they elect: the later epoch wins, then the later transaction. */
static bool is_newer(const struct candidate *a, const struct candidate *b)
{
    if (a->facts.hard.current_epoch != b->facts.hard.current_epoch) {
        return a->facts.hard.current_epoch > b->facts.hard.current_epoch;
    }
    return a->last_zxid > b->last_zxid;
}

static uint32_t later(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

static viv_status on_entry(void *ctx, const struct viv_tree *tree, const struct viv_entry *entry)
{
    struct candidate *candidate = ctx;
    struct viv_jute_reader reader = viv_jute_reader_of(entry->body);
    struct viv_txn_header header;
    (void)tree;
    viv_txn_header_decode(&reader, &header);
    candidate->last_time_ms = header.time_ms;
    candidate->doubtful_count +=
        entry->zxid > candidate->facts.log.commit_zxid && entry->zxid > candidate->facts.mark.zxid_end;
    return VIV_OK;
}

static viv_status read_whole(struct candidate *candidate, const struct viv_datadir *datadir)
{
    VIV_TRY(viv_datadir_reader_open(datadir, viv_cli_pairings(), NULL, 0, &candidate->reader));
    candidate->facts = *viv_datadir_reader_facts(candidate->reader);
    VIV_TRY(viv_datadir_reader_replay(candidate->reader, 0, on_entry, candidate));
    struct viv_tree *tree = viv_datadir_reader_tree(candidate->reader);
    candidate->last_zxid = viv_tree_zxid(tree);
    viv_tree_counts(tree, &candidate->counts);
    return VIV_OK;
}

static void let_go(struct candidate *candidate)
{
    if (candidate->reader != NULL) {
        viv_datadir_reader_close(candidate->reader);
        candidate->reader = NULL;
    }
}

static void examine(struct rescue *rescue, struct candidate *candidate)
{
    struct viv_datadir datadir;
    candidate->data_dir = strdup(candidate->argument);
    char *colon = strchr(candidate->data_dir, ':');
    if (colon != NULL) {
        *colon = '\0';
        candidate->log_dir = colon + 1;
    }
    candidate->status = viv_datadir_open(candidate->data_dir, candidate->log_dir, 0, &datadir);
    if (candidate->status == VIV_OK) {
        candidate->server_id = datadir.server_id;
        candidate->status = read_whole(candidate, &datadir);
        viv_datadir_close(&datadir);
    }
    const struct viv_hard_state *hard = &candidate->facts.hard;
    rescue->epoch = later(rescue->epoch, later(hard->accepted_epoch, hard->current_epoch));
    rescue->epoch = later(rescue->epoch, VIV_ZXID_EPOCH(candidate->last_zxid));
    if (candidate->status == VIV_OK && (rescue->best == NULL || is_newer(candidate, rescue->best))) {
        if (rescue->best != NULL) {
            let_go(rescue->best); /* one tree in memory is enough */
        }
        rescue->best = candidate;
    } else {
        let_go(candidate);
    }
}

/* ---- telling ---- */

static void print_candidates(const struct rescue *rescue)
{
    printf("%-6s %-8s %-20s %10s %9s  %s\n", "server", "epoch", "newest transaction", "nodes", "sessions", "directory");
    for (size_t i = 0; i < rescue->count; i++) {
        const struct candidate *one = &rescue->candidates[i];
        if (one->status != VIV_OK) {
            printf("%-6s %-8s %-20s %10s %9s  %s: %s\n", "-", "-", "-", "-", "-", one->argument,
                   viv_status_text(one->status));
            continue;
        }
        printf("%-6" PRId64 " %-8" PRIu32 " 0x%-18" PRIx64 " %10" PRIu64 " %9" PRIu64 "  %s\n", one->server_id,
               one->facts.hard.current_epoch, one->last_zxid, one->counts.nodes, one->counts.sessions, one->argument);
    }
}

static void print_findings(const struct rescue *rescue)
{
    const struct candidate *best = rescue->best;
    char when[TIME_BYTES];
    tell_time(best->last_time_ms, when);
    printf("\nThe newest history is that of server %" PRId64 " (%s): up to transaction 0x%" PRIx64 ", made %s.\n",
           best->server_id, best->argument, best->last_zxid, when);
    if (best->doubtful_count > 0) {
        printf("Its last %" PRIu64
               " transactions are stored and not known there to be committed. They are kept: servers\n"
               "that are lost may have acknowledged them to clients.\n",
               best->doubtful_count);
    }
    printf("What only the lost servers had stored after that transaction is lost. Clients that saw it find it undone;\n"
           "a lock or a leadership taken in those last moments may have two holders: restart what depends on one.\n");
}

static void print_plan(const struct rescue *rescue)
{
    if (rescue->into == NULL) {
        printf("\nNothing was written. `--into DIR` prepares a new server from it, `--servers 1,2,3` an ensemble.\n");
        return;
    }
    printf(
        "\nThe state will begin anew in epoch %u (transaction 0x%" PRIx64 "), later than anything a client can have\n"
        "seen, so that all of them come back by themselves. Sessions live on, with their ephemeral nodes, until they\n"
        "time out. It will be written to:\n",
        VIV_ZXID_EPOCH(rescue->new_zxid), rescue->new_zxid);
}

static const char *backend_of(const struct rescue *rescue)
{
    return rescue->backend != NULL ? rescue->backend : rescue->best->facts.backend;
}

static void print_next_steps(const struct rescue *rescue)
{
    printf("\nDone. Next:\n");
    if (rescue->server_count == 1) {
        printf("  1. start a server with dataDir=%s and backend=%s, without any server.N line, where the clients\n"
               "     look for one;\n",
               rescue->into, backend_of(rescue));
    } else {
        printf("  1. bring each folder to its machine as the dataDir (owner, 0700), write backend=%s and the server.N\n"
               "     lines of these %zu servers and no others into every configuration; then start them;\n",
               backend_of(rescue), rescue->server_count);
    }
    printf(
        "  2. do not start any of the old servers again: they would be another history;\n"
        "  3. look around (`vivarium-cli stat /`, `vivarium-cli ls -R /`), then grow the ensemble by empty servers.\n");
}

static json_t *json_candidate(const struct candidate *one)
{
    if (one->status != VIV_OK) {
        return json_pack("{s:s, s:s}", "directory", one->argument, "error", viv_status_text(one->status));
    }
    return json_pack("{s:s, s:I, s:i, s:o, s:I, s:I, s:I, s:I}", "directory", one->argument, "server",
                     (json_int_t)one->server_id, "epoch", (int)one->facts.hard.current_epoch, "last_zxid",
                     viv_cli_json_hex((int64_t)one->last_zxid), "last_time_ms", (json_int_t)one->last_time_ms,
                     "uncommitted", (json_int_t)one->doubtful_count, "nodes", (json_int_t)one->counts.nodes, "sessions",
                     (json_int_t)one->counts.sessions);
}

static void print_json(const struct rescue *rescue, bool written)
{
    json_t *list = json_array();
    for (size_t i = 0; i < rescue->count; i++) {
        json_array_append_new(list, json_candidate(&rescue->candidates[i]));
    }
    json_t *told =
        json_pack("{s:o, s:o, s:b}", "directories", list, "newest",
                  rescue->best != NULL ? json_string(rescue->best->argument) : json_null(), "written", written);
    if (rescue->best != NULL) {
        json_object_set_new(told, "new_zxid", viv_cli_json_hex((int64_t)rescue->new_zxid));
    }
    viv_cli_print_json(told);
}

/* ---- writing ---- */

static bool read_servers(struct rescue *rescue, const char *text)
{
    for (const char *at = text; rescue->server_count < SERVERS_MAX; at++) {
        char *end;
        long id = strtol(at, &end, 10);
        if (end == at || id < 1 || id > VIV_SID_MAX || (*end != ',' && *end != '\0')) {
            break;
        }
        rescue->server_ids[rescue->server_count++] = id;
        at = end;
        if (*end == '\0') {
            return true;
        }
    }
    viv_cli_error("rescue: --servers %s: numbers from 1 to %d with commas between them are wanted", text, VIV_SID_MAX);
    return false;
}

/* An ensemble's directories stand in the given one; a single server's is the given one. */
static char *directory_of(const struct rescue *rescue, size_t index)
{
    struct viv_buffer path = {0};
    viv_buffer_printf(&path, "%s", rescue->into);
    if (rescue->server_count > 1) {
        viv_buffer_printf(&path, "/server-%" PRId64, rescue->server_ids[index]);
    }
    viv_buffer_append(&path, "", 1);
    return (char *)path.data;
}

/* Nothing is written beside or over what is there. */
static int write_all(const struct rescue *rescue)
{
    struct viv_tree *tree = viv_datadir_reader_tree(rescue->best->reader);
    if (access(rescue->into, F_OK) == 0) {
        viv_cli_error("rescue: %s is there already; name a new directory", rescue->into);
        return VIV_CLI_FAILED;
    }
    uint32_t epoch = viv_cli_advance_epoch(tree, VIV_ZXID_EPOCH(rescue->new_zxid) - 1, 0);
    VIV_ASSERT(viv_tree_zxid(tree) == rescue->new_zxid);
    int code = VIV_CLI_OK;
    for (size_t i = 0; code == VIV_CLI_OK && i < rescue->server_count; i++) {
        char *path = directory_of(rescue, i);
        struct viv_cli_target_plan plan = {.path = path,
                                           .backend = backend_of(rescue),
                                           .server_id = rescue->server_ids[i],
                                           .accepted_epoch = epoch,
                                           .current_epoch = epoch};
        code = viv_cli_build(&plan, tree);
        free(path);
    }
    return code;
}

static int act(const struct rescue *rescue)
{
    bool json = rescue->cli->settings.json;
    if (!json) {
        print_plan(rescue);
    }
    for (size_t i = 0; !json && rescue->into != NULL && i < rescue->server_count; i++) {
        char *path = directory_of(rescue, i);
        printf("  server %" PRId64 "  %s\n", rescue->server_ids[i], path);
        free(path);
    }
    fflush(stdout);
    if (rescue->into == NULL || !viv_cli_confirm(rescue->cli, "Write it?")) {
        if (rescue->into != NULL) {
            viv_cli_error("rescue: nothing was written; --yes does it without asking");
        }
        if (json) {
            print_json(rescue, false);
        }
        return VIV_CLI_OK;
    }
    if (write_all(rescue) != VIV_CLI_OK) {
        viv_cli_error("rescue: the state could not be written whole to %s; remove what is there before you try again",
                      rescue->into);
        return VIV_CLI_FAILED;
    }
    if (json) {
        print_json(rescue, true);
    } else {
        print_next_steps(rescue);
    }
    return VIV_CLI_OK;
}

static int run(struct rescue *rescue)
{
    for (size_t i = 0; i < rescue->count; i++) {
        examine(rescue, &rescue->candidates[i]);
    }
    if (!rescue->cli->settings.json) {
        print_candidates(rescue);
    }
    if (rescue->best == NULL) {
        if (rescue->cli->settings.json) {
            print_json(rescue, false);
        }
        viv_cli_error("rescue: none of these directories can be read; is there a backup?");
        return VIV_CLI_REFUSED;
    }
    if (rescue->epoch > EPOCH_MAX - EPOCHS_AHEAD) {
        viv_cli_error("rescue: epoch %u leaves no later one", rescue->epoch);
        return VIV_CLI_REFUSED;
    }
    rescue->new_zxid = VIV_ZXID(rescue->epoch + EPOCHS_AHEAD, 0);
    if (!rescue->cli->settings.json) {
        print_findings(rescue);
    }
    return act(rescue);
}

int viv_cli_run_rescue(struct viv_cli *cli, const struct viv_cli_args *args)
{
    const char *servers = viv_cli_value(args, "--servers") != NULL ? viv_cli_value(args, "--servers") : "1";
    struct rescue rescue = {.cli = cli,
                            .count = args->count,
                            .into = viv_cli_value(args, "--into"),
                            .backend = viv_cli_value(args, "--backend")};
    if (rescue.backend != NULL && viv_cli_pairing(rescue.backend) == NULL) {
        return VIV_CLI_USAGE;
    }
    if (!read_servers(&rescue, servers)) {
        return VIV_CLI_USAGE;
    }
    rescue.candidates = viv_alloc_zeroed(rescue.count, sizeof *rescue.candidates);
    for (size_t i = 0; i < rescue.count; i++) {
        rescue.candidates[i].argument = viv_cli_arg(args, i);
    }
    int code = run(&rescue);
    for (size_t i = 0; i < rescue.count; i++) {
        let_go(&rescue.candidates[i]);
        free(rescue.candidates[i].data_dir);
    }
    free(rescue.candidates);
    return code;
}
