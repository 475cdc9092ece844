#include "sim/campaign.h"

#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/log.h"
#include "sim/library.h"

/* Of the processor: how busy the machine is makes no run fail. */
enum { SECONDS_MAX = 120, SECONDS_ASLEEP_MAX = 3600 };

struct last_words {
    struct viv_sim_result *result;
    bool is_verbose;
    uint64_t marks[VIV_SIM_MARKS];
};

/* An assertion that fails leaves its words where the parent finds them. */
static void hear_log(void *ctx, enum viv_log_level level, const char *room, const char *text, const char *fields)
{
    struct last_words *words = ctx;
    char line[1024];
    snprintf(line, sizeof line, "%s %s", text, fields);
    viv_sim_marks_hear(words->marks, line);
    if (strcmp(room, "assert") == 0) {
        snprintf(words->result->problem, sizeof words->result->problem, "%s: %s", text, fields);
    }
    if (words->is_verbose) {
        fprintf(stderr, "    %s %s: %s %s\n", level == VIV_LOG_ERROR ? "error" : "log", room, text, fields);
    }
}

_Noreturn static void run_child(const struct viv_sim_plan *plan, const struct viv_sim_options *options,
                                struct viv_sim_result *shared)
{
    struct last_words words = {.result = shared, .is_verbose = options->is_verbose};
    struct viv_sim_options marking = *options;
    marking.marks = words.marks;
    struct viv_sim_result result;
    viv_log_set_sink(VIV_LOG_INFO, hear_log, &words);
    setrlimit(RLIMIT_CPU, &(struct rlimit){SECONDS_MAX, RLIM_INFINITY});
    alarm(SECONDS_ASLEEP_MAX);
    viv_sim_run(plan, &marking, &result);
    memcpy(result.marks, words.marks, sizeof result.marks);
    *shared = result;
    fflush(stderr);
    _exit(0);
}

void viv_sim_try(const struct viv_sim_plan *plan, const struct viv_sim_options *options, struct viv_sim_result *result)
{
    struct viv_sim_result *shared =
        mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int status = 0;
    VIV_ASSERT(shared != MAP_FAILED);
    fflush(stdout);
    pid_t child = fork();
    VIV_ASSERT(child >= 0);
    if (child == 0) {
        run_child(plan, options, shared);
    }
    VIV_ASSERT(waitpid(child, &status, 0) == child);
    viv_sim_libraries_clean(child);
    *result = *shared;
    munmap(shared, sizeof *shared);
    if (WIFSIGNALED(status) || WEXITSTATUS(status) != 0) {
        size_t size = strlen(result->problem);
        result->failed = true;
        if (WIFSIGNALED(status) && (WTERMSIG(status) == SIGXCPU || WTERMSIG(status) == SIGALRM)) {
            snprintf(result->problem, sizeof result->problem, "the run takes more than %d s", SECONDS_MAX);
        } else if (size == 0) {
            snprintf(result->problem, sizeof result->problem, "the run died of signal %d, status %d", WTERMSIG(status),
                     WEXITSTATUS(status));
        }
    }
}

void viv_sim_failure_kind(const struct viv_sim_result *result, char *to, size_t size)
{
    enum { WORDS_BYTES = 32 };
    const char *from = strncmp(result->problem, "at ", 3) == 0 ? strstr(result->problem, " s: ") : NULL;
    size_t kept = 0;
    from = from != NULL ? from + 4 : result->problem;
    for (; *from != '\0' && kept + 1 < size && kept < WORDS_BYTES; from++) {
        if ((*from >= 'a' && *from <= 'z') || (*from >= 'A' && *from <= 'Z')) {
            to[kept++] = *from;
        }
    }
    to[kept] = '\0';
}

/* ---- sums ---- */

static void add_all(uint64_t *sums, const uint64_t *parts, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        sums[i] += parts[i];
    }
}

void viv_sim_totals_add(struct viv_sim_totals *totals, uint64_t seed, const struct viv_sim_result *result)
{
    struct viv_sim_result *sum = &totals->sum;
    totals->seeds++;
    totals->failures += result->failed;
    totals->time_ns += result->time_ns;
    sum->events += result->events;
    sum->turns += result->turns;
    sum->asked += result->asked;
    sum->answered += result->answered;
    sum->commits += result->commits;
    sum->epochs += result->epochs;
    sum->reconfigurations += result->reconfigurations;
    sum->injuries += result->injuries;
    sum->refusals += result->refusals;
    add_all(sum->faults, result->faults, VIV_SIM_FAULT_KINDS);
    add_all(sum->checked, result->checked, VIV_CHECKER_COUNT);
    for (size_t i = 0; i < VIV_SIM_MARKS; i++) {
        sum->marks[i] += result->marks[i];
        totals->mark_seeds[i] += result->marks[i] > 0;
    }
    totals->slow_cores += result->core_ms > VIV_SIM_CORE_MS;
    totals->waiting_cores += result->core_waits;
    totals->ends += result->stays_down;
    if (result->core_ms > totals->core_ms_worst) {
        totals->core_ms_worst = result->core_ms;
        totals->worst_core_seed = seed;
    }
    totals->all_ms_worst = result->all_ms > totals->all_ms_worst ? result->all_ms : totals->all_ms_worst;
}

static void print_marks(const struct viv_sim_totals *totals, FILE *file)
{
    size_t hit = 0;
    for (unsigned i = 0; i < VIV_SIM_MARKS; i++) {
        hit += totals->mark_seeds[i] > 0;
    }
    fprintf(file, "marks: %zu of %d reached", hit, (int)VIV_SIM_MARKS);
    for (unsigned i = 0; i < VIV_SIM_MARKS; i++) {
        if (totals->mark_seeds[i] == 0) {
            fprintf(file, "%s %s", hit < VIV_SIM_MARKS ? "; never:" : ",", viv_sim_mark_name(i));
            hit = VIV_SIM_MARKS;
        }
    }
    fprintf(file, "\n");
}

void viv_sim_totals_print(const struct viv_sim_totals *totals, FILE *file)
{
    const struct viv_sim_result *sum = &totals->sum;
    uint64_t faults = 0;
    for (unsigned i = 0; i < VIV_SIM_FAULT_KINDS; i++) {
        faults += sum->faults[i];
    }
    fprintf(file, "seeds: %" PRIu64 ", failed: %" PRIu64 "\n", totals->seeds, totals->failures);
    fprintf(file, "simulated: %" PRId64 " s, %" PRIu64 " events, %" PRIu64 " turns\n", totals->time_ns / 1000000000,
            sum->events, sum->turns);
    fprintf(file,
            "operations: %" PRIu64 " sent, %" PRIu64 " answered; %" PRIu64 " entries committed, %" PRIu64
            " of them configurations, in %" PRIu64 " epochs\n",
            sum->asked, sum->answered, sum->commits, sum->reconfigurations, sum->epochs);
    fprintf(file, "faults: %" PRIu64 ":", faults);
    for (unsigned i = 0; i < VIV_SIM_FAULT_KINDS; i++) {
        fprintf(file, " %s %" PRIu64, viv_sim_fault_text((enum viv_sim_fault_kind)i), sum->faults[i]);
    }
    fprintf(file, "; %" PRIu64 " places of disks rotted, and %" PRIu64 " starts were refused for it", sum->injuries,
            sum->refusals);
    fprintf(file, "\nchecked:");
    for (unsigned i = 0; i < VIV_CHECKER_COUNT; i++) {
        fprintf(file, " %s %" PRIu64, viv_checker_text((enum viv_checker)i), sum->checked[i]);
    }
    fprintf(file,
            "\na healed majority took a write after %" PRId64 " ms at worst (seed %" PRIu64
            "), after more than %d ms in %" PRIu64 " seeds; all were alike %" PRId64
            " ms after all were healed at worst\n",
            totals->core_ms_worst, totals->worst_core_seed, VIV_SIM_CORE_MS, totals->slow_cores, totals->all_ms_worst);
    fprintf(file,
            "a healed majority waited, as it must, for a voter that may have a transaction damaged everywhere else in "
            "%" PRIu64 " seeds; for one that had lost its disk, for ever, in %" PRIu64 "\n",
            totals->waiting_cores, totals->ends);
    print_marks(totals, file);
}
