#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/log.h"
#include "tests/crash/store_workload.h"
#include "sim/power_cut.h"

/* Every durable configuration as the libraries really are, after power cuts that nobody could wait for: one run of the
 * workload is recorded, call by call, and the folders that a power cut may leave between any two calls are made and
 * opened. What was acknowledged by then must be there, nothing else may be but what had been asked for, and a second
 * open finds the same.
 *
 *   store_crash CONFIGURATION [--seed S] [--subsets K] [--one-in N] [--nested N] [--no-syncs] [--at MOMENT.STATE]
 *
 * --subsets   how many states by lot, in each of three manners, at every moment
 * --one-in    looks at every N-th state only
 * --nested    of every N-th state the recovery is recorded as well, and cut short in its turn
 * --no-syncs  negative control: the record forgets that anything was synced; violations are expected
 * --at        that one state, with what the stores say; its folder is left there
 *
 * Needs no order of threads: RocksDB may record otherwise the next time, so a state that fails is kept. */

enum { TRACE_BYTES = 1 << 30, SEEN_MAX = 1 << 20, STATE_SECONDS_MAX = 20, KEPT_MAX = 5, NESTED_STATES_MAX = 24 };

struct options {
    const struct viv_configuration *configuration;
    uint64_t seed, one_in, nested_one_in;
    unsigned subsets;
    bool no_syncs, has_at;
    size_t at_moment, at_state;
};

/* What is noted between two calls. */
struct note {
    bool is_acknowledged;
    struct model_op op;
};

/* Shared with the child that looks, which may be killed by what it opens. */
struct shared {
    uint64_t seen[SEEN_MAX]; /* hashes, open addressing */
    uint64_t numbered, distinct, moments, violations, nested;
    size_t moment, state;
    bool is_nested;
    char complaint[512];
};

struct looker {
    const struct options *options;
    struct shared *shared;
    struct viv_sim_power_cut *cut;
    struct workload *workload;
    struct model_transcript transcript;
    struct model_found *found;
    struct viv_sim_recording *nested_trace;
    char top[64], folder[96];
};

static char first_error[256];

static void remember_line(void *ctx, enum viv_log_level level, const char *room, const char *text, const char *fields)
{
    const struct options *options = ctx;
    if (options->has_at) {
        fprintf(stderr, "%s: %s %s\n", room, text, fields);
    } else if (level >= VIV_LOG_ERROR && first_error[0] == '\0') {
        snprintf(first_error, sizeof first_error, "%s: %s %s", room, text, fields);
    }
}

/* ---- recording ---- */

static void note(bool is_acknowledged, const struct model_op *op)
{
    struct note said = {is_acknowledged, *op};
    viv_sim_recorder_note(&said, sizeof said);
}

static int record_workload(const struct options *options, const char *folder)
{
    struct workload *workload = viv_alloc(sizeof *workload);
    workload_init(workload, options->configuration, folder);
    if (workload_open(workload) != VIV_OK) {
        return 1;
    }
    for (unsigned step = 1; step <= WORKLOAD_STEPS; step++) {
        struct model_op op = model_next(&workload->model, step);
        note(false, &op);
        if (workload_perform(workload, &op) != VIV_OK) {
            return 1;
        }
        note(true, &op);
        model_apply(&workload->model, &op);
    }
    workload_close(workload);
    free(workload);
    return 0;
}

/* In a child: this process never opens a store, so that it can always fork. */
static bool record(const struct options *options, struct viv_sim_recording *trace, const char *folder)
{
    pid_t child = fork();
    if (child == 0) {
        viv_sim_recorder_start(trace, folder);
        int result = record_workload(options, folder);
        viv_sim_recorder_stop();
        _exit(result);
    }
    int status;
    return waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static bool replay_is_whole(const struct viv_sim_recording *trace, const char *folder)
{
    struct viv_sim_power_cut *cut = viv_sim_power_cut_new(NULL);
    for (const struct viv_sim_call *record = trace->first; record != NULL; record = record->next) {
        viv_sim_power_cut_step(cut, record, false);
    }
    bool is_whole = viv_sim_power_cut_is_whole(cut, folder);
    viv_sim_power_cut_free(cut);
    return is_whole;
}

/* ---- looking at one state ---- */

/* False when it was seen before. */
static bool remember(struct shared *shared, uint64_t hash)
{
    hash = hash == 0 ? 1 : hash;
    for (size_t i = hash % SEEN_MAX;; i = (i + 1) % SEEN_MAX) {
        if (shared->seen[i] == hash) {
            return false;
        }
        if (shared->seen[i] == 0) {
            VIV_ASSERT(shared->distinct < SEEN_MAX / 2);
            shared->seen[i] = hash;
            shared->distinct++;
            return true;
        }
    }
}

static const char *judge_folder(struct looker *looker)
{
    looker->workload->config.log_dir = looker->workload->config.state_dir = looker->folder;
    const char *complaint = NULL;
    for (int round = 0; round < 2 && complaint == NULL; round++) {
        if (workload_open(looker->workload) != VIV_OK) {
            return round == 0 ? "the stores do not open" : "the stores do not open a second time";
        }
        workload_find(looker->workload, looker->found);
        workload_close(looker->workload);
        complaint = model_complaint(&looker->workload->model, &looker->transcript, looker->found);
    }
    return complaint;
}

static void complain(struct looker *looker, struct viv_sim_power_cut *cut, const char *complaint)
{
    struct shared *shared = looker->shared;
    const struct options *options = looker->options;
    if (shared->violations++ >= KEPT_MAX || options->no_syncs) {
        return;
    }
    char kept[96];
    snprintf(kept, sizeof kept, "crash-%s-%zu.%zu%s", options->configuration->name, shared->moment, shared->state,
             shared->is_nested ? "-nested" : "");
    viv_sim_power_cut_remove(kept);
    viv_sim_power_cut_make(cut, kept);
    printf("# %s: %s; the state is kept in %s; repeat: ./store_crash %s --seed %" PRIu64 " --subsets %u --at %zu.%zu\n",
           complaint, first_error, kept, options->configuration->name, options->seed, options->subsets, shared->moment,
           shared->state);
    fflush(stdout);
}

static void look(struct looker *looker, struct viv_sim_power_cut *cut)
{
    alarm(STATE_SECONDS_MAX);
    first_error[0] = '\0';
    viv_sim_power_cut_remove(looker->folder);
    viv_sim_power_cut_make(cut, looker->folder);
    const char *complaint = judge_folder(looker);
    if (complaint != NULL) {
        complain(looker, cut, complaint);
    }
}

/* Records what the stores do when they open the chosen state, and cuts that short: one state by lot at each moment. */
static void look_deeper(struct looker *looker)
{
    const struct options *options = looker->options;
    looker->shared->is_nested = true;
    viv_sim_power_cut_remove(looker->folder);
    viv_sim_power_cut_make(looker->cut, looker->folder);
    struct viv_sim_power_cut *inner = viv_sim_power_cut_new(looker->folder);
    viv_sim_recording_clear(looker->nested_trace);
    viv_sim_recorder_start(looker->nested_trace, looker->folder);
    looker->workload->config.log_dir = looker->workload->config.state_dir = looker->folder;
    if (workload_open(looker->workload) == VIV_OK) {
        workload_close(looker->workload);
    }
    viv_sim_recorder_stop();
    uint64_t seed = options->seed * 7 + looker->shared->moment;
    size_t left = NESTED_STATES_MAX;
    for (struct viv_sim_call *at = looker->nested_trace->first; at != NULL && left > 0; at = at->next) {
        viv_sim_power_cut_step(inner, at, options->no_syncs);
        size_t count = viv_sim_power_cut_count(inner, 1);
        if (remember(looker->shared, viv_sim_power_cut_choose(inner, 1, seed, seed % count))) {
            looker->shared->nested++;
            look(looker, inner);
            left--;
        }
        seed = seed * 6364136223846793005U + 1442695040888963407U;
        seed ^= seed >> 33;
    }
    viv_sim_power_cut_free(inner);
    looker->shared->is_nested = false;
}

/* ---- all states ---- */

static void take_note(struct looker *looker, const struct note *said)
{
    looker->transcript.pending = said->op;
    looker->transcript.has_pending = !said->is_acknowledged;
    if (said->is_acknowledged) {
        model_apply(&looker->workload->model, &said->op);
    }
}

static void look_at_moment(struct looker *looker)
{
    const struct options *options = looker->options;
    struct shared *shared = looker->shared;
    size_t count = viv_sim_power_cut_count(looker->cut, options->subsets);
    for (size_t state = 0; state < count; state++) {
        bool is_at = options->at_moment == shared->moment && options->at_state == state;
        bool is_due = shared->numbered++ % options->one_in == 0;
        if (options->has_at ? !is_at : !is_due) {
            continue;
        }
        uint64_t hash =
            viv_sim_power_cut_choose(looker->cut, options->subsets, options->seed + shared->moment * 31, state);
        shared->state = state;
        if (remember(shared, hash)) {
            look(looker, looker->cut);
            if (options->nested_one_in > 0 && hash % options->nested_one_in == 0) {
                look_deeper(looker);
            }
        }
    }
}

static int look_at_all(const struct options *options, const struct viv_sim_recording *trace, struct shared *shared,
                       const char *top)
{
    struct looker looker = {.options = options,
                            .shared = shared,
                            .cut = viv_sim_power_cut_new(NULL),
                            .workload = viv_alloc(sizeof *looker.workload),
                            .found = viv_alloc(sizeof *looker.found),
                            .nested_trace = viv_sim_recording_new(TRACE_BYTES)};
    snprintf(looker.folder, sizeof looker.folder, "%s/state", top);
    workload_init(looker.workload, options->configuration, looker.folder);
    viv_log_set_sink(VIV_LOG_INFO, remember_line, (void *)options);
    shared->moments = shared->numbered = 0;
    for (const struct viv_sim_call *record = trace->first; record != NULL; record = record->next) {
        viv_sim_power_cut_step(looker.cut, record, options->no_syncs);
        if (record->kind == VIV_SIM_CALL_NOTE) {
            struct note said;
            memcpy(&said, record->bytes, sizeof said);
            take_note(&looker, &said);
        }
        shared->moment = shared->moments++;
        look_at_moment(&looker);
    }
    viv_sim_power_cut_free(looker.cut);
    viv_sim_recording_free(looker.nested_trace);
    free(looker.workload);
    free(looker.found);
    return 0;
}

/* A state that kills who opens it is a violation like others; what was looked at before it is not looked at again. */
static void look_in_children(const struct options *options, const struct viv_sim_recording *trace,
                             struct shared *shared, const char *top)
{
    for (;;) {
        pid_t child = fork();
        if (child == 0) {
            _exit(look_at_all(options, trace, shared, top));
        }
        int status;
        VIV_ASSERT(waitpid(child, &status, 0) == child);
        if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
            return;
        }
        shared->violations++;
        printf("# moment %zu state %zu%s ended the process with status 0x%x\n", shared->moment, shared->state,
               shared->is_nested ? " (nested)" : "", (unsigned)status);
        fflush(stdout);
        shared->is_nested = false;
    }
}

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static int run(const struct options *options)
{
    char top[] = "/dev/shm/viv-crash-XXXXXX";
    char folder[sizeof top + 16];
    if (mkdtemp(top) == NULL) {
        perror("/dev/shm");
        return 2;
    }
    snprintf(folder, sizeof folder, "%s/run", top);
    struct viv_sim_recording *trace = viv_sim_recording_new(TRACE_BYTES);
    struct shared *shared =
        mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    VIV_ASSERT(shared != MAP_FAILED && mkdir(folder, 0700) == 0);
    int result = 1;
    if (record(options, trace, folder) && replay_is_whole(trace, folder)) {
        double begin_s = now_s();
        look_in_children(options, trace, shared, top);
        double seconds = now_s() - begin_s;
        printf("%s%s: %zu calls, %" PRIu64 " distinct states and %" PRIu64 " of interrupted recoveries, %" PRIu64
               " violations; %.0f states/s; seed %" PRIu64 ", %u subsets\n",
               options->configuration->name, options->no_syncs ? " without syncs" : "", trace->count,
               shared->distinct - shared->nested, shared->nested, shared->violations,
               (double)shared->distinct / seconds, options->seed, options->subsets);
        result = (shared->violations > 0) == options->no_syncs ? 0 : 1;
    } else {
        fprintf(stderr, "the workload could not be recorded\n");
    }
    if (!options->has_at) {
        viv_sim_power_cut_remove(top);
    } else {
        printf("the state is in %s/state\n", top);
    }
    return result;
}

static bool parse(int argc, char **argv, struct options *options)
{
    *options = (struct options){.seed = 1, .one_in = 1, .subsets = 6};
    options->configuration = argc > 1 ? viv_configuration_find(argv[1]) : NULL;
    for (int i = 2; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        if (strcmp(argv[i], "--no-syncs") == 0) {
            options->no_syncs = true;
            continue;
        }
        if (strcmp(argv[i], "--seed") == 0) {
            options->seed = strtoull(value, NULL, 10);
        } else if (strcmp(argv[i], "--subsets") == 0) {
            options->subsets = (unsigned)strtoul(value, NULL, 10);
        } else if (strcmp(argv[i], "--one-in") == 0) {
            options->one_in = strtoull(value, NULL, 10);
        } else if (strcmp(argv[i], "--nested") == 0) {
            options->nested_one_in = strtoull(value, NULL, 10);
        } else if (strcmp(argv[i], "--at") == 0) {
            options->has_at = sscanf(value, "%zu.%zu", &options->at_moment, &options->at_state) == 2;
        } else {
            return false;
        }
        i++;
    }
    return options->configuration != NULL && options->one_in > 0;
}

int main(int argc, char **argv)
{
    struct options options;
    if (!parse(argc, argv, &options)) {
        fprintf(stderr, "usage: store_crash CONFIGURATION [--seed S] [--subsets K] [--one-in N] [--nested N] "
                        "[--no-syncs] [--at MOMENT.STATE]\n");
        return 2;
    }
    return run(&options);
}
