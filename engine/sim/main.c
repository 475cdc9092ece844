#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "sim/campaign.h"
#include "sim/exit_code.h"

/* vivarium-sim: reads what is wanted, runs it, says what came of it. */

enum { SHRINK_TRIES = 3000, PROGRESS_SEEDS = 50 };

struct wish {
    unsigned long long first, last;
    bool has_seeds, wants_digest, wants_shrink, wants_plan;
    const char *replay;
    const char *folder; /* for schedules of failures */
    unsigned tries;
    struct viv_sim_options options;
};

static const char *const break_texts[] = {
#define X(name, text) text,
    VIV_SIM_BREAKS(X)
#undef X
};

static void print_help(FILE *file)
{
    fputs("usage: vivarium-sim [--seed N | --seeds A..B | --replay FILE] [options]\n"
          "An ensemble of real nodes over the real flat stores, in virtual time, on a simulated network, disks, clocks "
          "and\n"
          "clients, everything from one seed.\n\n"
          "  --seed N          run one seed\n"
          "  --seeds A..B      run many, and say what they were\n"
          "  --replay FILE     run a schedule, as a failure leaves one\n"
          "  --shrink          leave out of the one that fails what it does not need; prints the smaller schedule\n"
          "  --tries N         runs that --shrink may take (3000)\n"
          "  --print           print the schedule of the seed and do not run it\n"
          "  --digest          print the digest of everything that happened\n"
          "  --history FILE    write what clients and replicas saw (JSON Lines)\n"
          "  --folder DIR      where schedules of failures go (.)\n"
          "  --break NAME      break something on purpose, so that it is found:",
          file);
    for (unsigned i = 1; i < VIV_SIM_BREAK_COUNT; i++) {
        fprintf(file, " %s", break_texts[i]);
    }
    fputs("\n  --verbose         say what happens; twice: every event and action\n"
          "  --help            this text\n\n"
          "exit: 0 nothing was found, 1 something was, 2 the command line or a file makes no sense\n",
          file);
}

static bool find_break(const char *text, enum viv_sim_break *found)
{
    for (unsigned i = 0; i < VIV_SIM_BREAK_COUNT; i++) {
        if (strcmp(text, break_texts[i]) == 0) {
            *found = (enum viv_sim_break)i;
            return true;
        }
    }
    return false;
}

static bool read_seeds(const char *text, struct wish *wish)
{
    char rest;
    if (sscanf(text, "%llu..%llu%c", &wish->first, &wish->last, &rest) == 2) {
        wish->has_seeds = true;
    } else if (sscanf(text, "%llu%c", &wish->first, &rest) == 1) {
        wish->last = wish->first;
        wish->has_seeds = true;
    }
    return wish->has_seeds && wish->first <= wish->last;
}

static bool take_option(int option, const char *text, struct wish *wish)
{
    switch (option) {
    case 's':
        return read_seeds(text, wish);
    case 'r':
        wish->replay = text;
        return true;
    case 'k':
        wish->wants_shrink = true;
        return true;
    case 't':
        wish->tries = (unsigned)strtoul(text, NULL, 10);
        return wish->tries > 0;
    case 'p':
        wish->wants_plan = true;
        return true;
    case 'd':
        wish->wants_digest = true;
        return true;
    case 'y':
        wish->options.history = text;
        return true;
    case 'f':
        wish->folder = text;
        return true;
    case 'b':
        return find_break(text, &wish->options.breaks);
    case 'v':
        wish->options.is_chatty = wish->options.is_verbose;
        wish->options.is_verbose = true;
        return true;
    default:
        return false;
    }
}

/* VIV_SIM_EXIT_FOUND_NOTHING: go on. */
static int read_arguments(int argc, char **argv, struct wish *wish)
{
    static const struct option options[] = {
        {"seed", required_argument, NULL, 's'},
        {"seeds", required_argument, NULL, 's'},
        {"replay", required_argument, NULL, 'r'},
        {"shrink", no_argument, NULL, 'k'},
        {"tries", required_argument, NULL, 't'},
        {"print", no_argument, NULL, 'p'},
        {"digest", no_argument, NULL, 'd'},
        {"history", required_argument, NULL, 'y'},
        {"folder", required_argument, NULL, 'f'},
        {"break", required_argument, NULL, 'b'},
        {"verbose", no_argument, NULL, 'v'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 'h') {
            print_help(stdout);
            exit(VIV_SIM_EXIT_FOUND_NOTHING);
        }
        if (!take_option(option, optarg, wish)) {
            return VIV_SIM_EXIT_USAGE;
        }
    }
    bool is_one_of_them = wish->has_seeds != (wish->replay != NULL);
    return optind == argc && is_one_of_them ? VIV_SIM_EXIT_FOUND_NOTHING : VIV_SIM_EXIT_USAGE;
}

/* ---- runs ---- */

static void keep_schedule(const struct wish *wish, const struct viv_sim_plan *plan, const char *problem)
{
    char path[512];
    snprintf(path, sizeof path, "%s/sim-%" PRIu64 ".schedule", wish->folder, plan->seed);
    FILE *file = fopen(path, "w");
    if (file == NULL) {
        fprintf(stderr, "vivarium-sim: the schedule cannot be written to %s\n", path);
        return;
    }
    fprintf(file, "# %s\n", problem);
    viv_sim_plan_write(plan, file);
    fclose(file);
    printf("  again: vivarium-sim --seed %" PRIu64 "%s%s, or --replay %s; smaller: --shrink\n", plan->seed,
           wish->options.breaks != VIV_SIM_BREAK_NOTHING ? " --break " : "",
           wish->options.breaks != VIV_SIM_BREAK_NOTHING ? break_texts[wish->options.breaks] : "", path);
}

static void shrink(const struct wish *wish, struct viv_sim_plan *plan)
{
    struct viv_sim_result result;
    viv_sim_shrink(plan, &wish->options, wish->tries);
    viv_sim_try(plan, &wish->options, &result);
    printf("# %s\n", result.problem);
    viv_sim_plan_write(plan, stdout);
}

static void run_plan(const struct wish *wish, struct viv_sim_plan *plan, struct viv_sim_totals *totals)
{
    struct viv_sim_result result;
    viv_sim_try(plan, &wish->options, &result);
    viv_sim_totals_add(totals, plan->seed, &result);
    /* RocksDB's threads make their calls when they come to it: what a power cut leaves of them may be otherwise. */
    if (wish->wants_digest && plan->settings[VIV_SIM_SET_stores] >= VIV_SIM_STORES_ROCKSDB) {
        printf("%" PRIu64 " -\n", plan->seed);
    } else if (wish->wants_digest) {
        printf("%" PRIu64 " %016" PRIx64 "\n", plan->seed, result.trace);
    }
    if (result.core_ms > VIV_SIM_CORE_MS) {
        printf("seed %" PRIu64 " is slow: a healed majority took a write after %" PRId64 " ms\n", plan->seed,
               result.core_ms);
    }
    if (result.core_waits) {
        printf("seed %" PRIu64 " waits for a voter that may have a transaction damaged everywhere else%s\n", plan->seed,
               result.stays_down ? ", and stays down: that one has lost its disk" : "");
    }
    if (!result.failed) {
        return;
    }
    printf("seed %" PRIu64 ": %s\n", plan->seed, result.problem);
    if (wish->wants_shrink) {
        shrink(wish, plan);
    } else if (wish->replay == NULL) {
        keep_schedule(wish, plan, result.problem);
    }
}

static void run_seeds(const struct wish *wish, struct viv_sim_totals *totals)
{
    bool is_terminal = isatty(STDERR_FILENO) != 0;
    for (unsigned long long seed = wish->first; seed <= wish->last; seed++) {
        struct viv_sim_plan plan;
        viv_sim_plan_draw(&plan, seed);
        if (wish->wants_plan) {
            viv_sim_plan_write(&plan, stdout);
        } else {
            run_plan(wish, &plan, totals);
        }
        viv_sim_plan_fini(&plan);
        if (is_terminal && wish->first < wish->last && (seed - wish->first) % PROGRESS_SEEDS == 0) {
            fprintf(stderr, "\rseed %llu of %llu..%llu, %" PRIu64 " failed ", seed, wish->first, wish->last,
                    totals->failures);
        }
    }
    if (is_terminal && wish->first < wish->last) {
        fputc('\n', stderr);
    }
}

static int run_replay(const struct wish *wish, struct viv_sim_totals *totals)
{
    struct viv_sim_plan plan;
    FILE *file = fopen(wish->replay, "r");
    if (file == NULL) {
        fprintf(stderr, "vivarium-sim: %s cannot be read\n", wish->replay);
        return VIV_SIM_EXIT_USAGE;
    }
    viv_status status = viv_sim_plan_read(&plan, file);
    fclose(file);
    if (status == VIV_OK) {
        run_plan(wish, &plan, totals);
    }
    viv_sim_plan_fini(&plan);
    return status == VIV_OK ? VIV_SIM_EXIT_FOUND_NOTHING : VIV_SIM_EXIT_USAGE;
}

static void say_error(void *ctx, enum viv_log_level level, const char *room, const char *text, const char *fields)
{
    (void)ctx;
    (void)level;
    fprintf(stderr, "vivarium-sim: %s: %s %s\n", room, text, fields);
}

int main(int argc, char **argv)
{
    struct wish wish = {.folder = ".", .tries = SHRINK_TRIES};
    struct viv_sim_totals totals = {0};
    int code = read_arguments(argc, argv, &wish);
    if (code != VIV_SIM_EXIT_FOUND_NOTHING) {
        print_help(stderr);
        return code;
    }
    viv_log_set_sink(VIV_LOG_ERROR, say_error, NULL);
    if (wish.replay != NULL) {
        code = run_replay(&wish, &totals);
    } else {
        run_seeds(&wish, &totals);
    }
    if (code == VIV_SIM_EXIT_FOUND_NOTHING && !wish.wants_digest && !wish.wants_plan && !wish.wants_shrink) {
        viv_sim_totals_print(&totals, stdout);
    }
    return code != VIV_SIM_EXIT_FOUND_NOTHING ? code : totals.failures > 0 ? VIV_SIM_EXIT_FOUND : code;
}
