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
#include "tests/crash/rot_case.h"
#include "sim/power_cut.h"

/* The table of the paper on protocol-aware recovery (CTRL, FAST 2018), for every durable configuration: three servers
 * with an acknowledged history, whose folders are damaged on purpose. They start in one process and in virtual time,
 * over their real stores; a client then asks each that serves for everything. An atlas of the files says before
 * whether a copy of everything is left. Speaks TAP, a line a row.
 *
 *   store_rot [CONFIGURATION...] [--cases N] [--seed S] [--only ROW.CASE] [--truncating]
 *
 * --cases N     so many hundredths of a whole run (100: 2500 targeted cases, 5000 random ones); when not given, two a
 * row
 * --only        that one case, with what the servers say
 * --truncating  negative control: each log ends before its first damage, as if nothing had been behind it */

enum row_kind { TARGETED, EVERY_COPY, BLOCKS, IMAGES, FILES };

struct row {
    const char *name;
    enum row_kind kind;
    unsigned faults; /* bits of enum rot_fault */
    size_t damages_max;
    bool one_is_down;
    unsigned cases; /* of a whole run */
};

#define FAULT(name) (1U << ROT_##name)

static const struct row rows[] = {
    {"targeted, a copy is left", TARGETED, FAULT(FLIP) | FAULT(ZERO) | FAULT(JUNK) | FAULT(UNREADABLE), 3, false, 2500},
    {"targeted, every copy gone", EVERY_COPY, FAULT(FLIP) | FAULT(ZERO) | FAULT(JUNK), 0, false, 1000},
    {"random block corruption", BLOCKS, FAULT(FLIP) | FAULT(ZERO) | FAULT(JUNK), 3, false, 5000},
    {"random block error", BLOCKS, FAULT(UNREADABLE), 3, false, 1000},
    {"corruption, a server down or behind", BLOCKS, FAULT(FLIP) | FAULT(ZERO) | FAULT(JUNK), 2, true, 1000},
    {"snapshot corruption", IMAGES, FAULT(FLIP) | FAULT(ZERO) | FAULT(JUNK) | FAULT(SWAP) | FAULT(UNREADABLE), 2, false,
     1000},
    {"file-system metadata", FILES, FAULT(CUT) | FAULT(EXTENDED) | FAULT(MISSING) | FAULT(WRONG_FILE), 2, false, 1000},
    {"lost write", BLOCKS, FAULT(STALE), 2, false, 500},
    {"misdirected write", BLOCKS, FAULT(MISDIRECTED) | FAULT(SWAP), 2, false, 500},
    {"torn write", TARGETED, FAULT(TORN), 2, false, 500},
};
enum {
    ROWS = sizeof rows / sizeof rows[0],
    CASE_SECONDS_MAX = 60,
    SHOWN_MAX = 3,
    TRIES_MAX = 50,
    CASES_OF_A_SAMPLE = 2
};

struct base {
    struct viv_sim_power_cut *now[ROT_SERVERS]; /* whole folders, to be made again for each case */
    char folder[64], older[64];
    struct rot_history *history; /* shared with the child that prepared it */
    struct rot_atlas atlases[ROT_SERVERS];
};

/* What came of a case; the child that judges it may die. */
struct outcome {
    enum rot_verdict verdict;
    size_t down;
    bool is_named; /* each server that is down said which file */
    char why[256], words[ROT_SERVERS][512];
};

struct tally {
    unsigned cases, died, down, unnamed;
    unsigned left[ROT_VERDICTS], gone[ROT_VERDICTS];
};

struct run {
    const struct viv_configuration *configuration;
    struct base bases[ROT_BASES];
    struct outcome *outcome;
    uint64_t seed;
    unsigned hundredths;
    size_t only_row;
    unsigned only_case;
    bool has_only, is_truncating;
    char top[48], work[64];
};

struct one_case {
    const struct base *base;
    struct rot_damage damages[ROT_DAMAGES_MAX];
    enum rot_fault faults[ROT_DAMAGES_MAX];
    size_t damage_count;
    bool up[ROT_SERVERS];
    bool is_recoverable;
};

/* ---- bases ---- */

static void *share(size_t size)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    VIV_ASSERT(memory != MAP_FAILED);
    return memory;
}

static void make_base(struct run *run, enum rot_base kind)
{
    struct base *base = &run->bases[kind];
    snprintf(base->folder, sizeof base->folder, "%s/base-%d", run->top, (int)kind);
    snprintf(base->older, sizeof base->older, "%s/older-%d", run->top, (int)kind);
    base->history = share(sizeof *base->history);
    VIV_ASSERT(mkdir(base->folder, 0700) == 0);
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        VIV_ASSERT(freopen("/dev/null", "w", stdout) != NULL);
        _exit(rot_prepare(kind, run->configuration, base->folder, base->older, base->history) ? 0 : 1);
    }
    int status;
    VIV_ASSERT(waitpid(child, &status, 0) == child && status == 0);
    for (size_t i = 0; i < ROT_SERVERS; i++) {
        char folder[96];
        snprintf(folder, sizeof folder, "%s/%zu", base->folder, i + 1);
        rot_atlas_read(&base->atlases[i], folder);
        base->now[i] = viv_sim_power_cut_new(folder);
        (void)viv_sim_power_cut_choose(base->now[i], 0, 0, 3);
    }
}

static void free_base(struct base *base)
{
    for (size_t i = 0; i < ROT_SERVERS; i++) {
        viv_sim_power_cut_free(base->now[i]);
        rot_atlas_fini(&base->atlases[i]);
    }
    munmap(base->history, sizeof *base->history);
}

/* ---- choosing ---- */

static enum rot_fault pick_fault(const struct row *row, struct viv_rng *rng)
{
    for (;;) {
        enum rot_fault fault = (enum rot_fault)viv_rng_below(rng, ROT_FAULTS);
        if (row->faults & (1U << fault)) {
            return fault;
        }
    }
}

static bool is_eligible(const struct row *row, const struct rot_place *place)
{
    bool is_image = place->structure >= ROT_IMAGE_HEADER;
    return row->kind != IMAGES || is_image;
}

/* A structure first, so that the rare ones have their share. NULL: the server has none. */
static const struct rot_place *pick_place(const struct row *row, const struct rot_atlas *atlas, struct viv_rng *rng)
{
    for (unsigned tries = 0; tries < TRIES_MAX; tries++) {
        enum rot_structure wanted = (enum rot_structure)viv_rng_below(rng, ROT_STRUCTURES);
        const struct rot_place *found = NULL;
        uint64_t seen = 0;
        for (size_t i = 0; i < atlas->count; i++) {
            const struct rot_place *place = &atlas->places[i];
            if (place->structure == wanted && is_eligible(row, place) && viv_rng_below(rng, ++seen) == 0) {
                found = place;
            }
        }
        if (found != NULL) {
            return found;
        }
    }
    return NULL;
}

/* What the fault hits: all of the place, or the blocks of 512 or 4096 bytes around a spot in it, or one byte. */
static struct rot_damage aim(const struct row *row, const struct rot_place *place, enum rot_fault fault, size_t server,
                             struct viv_rng *rng)
{
    struct rot_damage damage = {.server = server, .from = place->from, .to = place->to};
    snprintf(damage.file, sizeof damage.file, "%s", place->file);
    uint64_t spot = place->from + (place->to > place->from ? viv_rng_below(rng, place->to - place->from) : 0);
    uint64_t block = viv_rng_below(rng, 2) == 0 ? 512 : 4096;
    if (rot_fault_is_of_whole_files(fault)) {
        damage.from = 0;
        damage.to = UINT64_MAX;
    } else if (fault == ROT_FLIP) {
        damage.from = spot;
        damage.to = spot + 1;
    } else if (row->kind != TARGETED || place->to - place->from > 65536 || fault == ROT_UNREADABLE) {
        damage.from = spot / block * block;
        damage.to = damage.from + block;
    }
    return damage;
}

static void add_damage(struct one_case *chosen, const struct rot_damage *damage, enum rot_fault fault)
{
    VIV_ASSERT(chosen->damage_count < ROT_DAMAGES_MAX);
    chosen->damages[chosen->damage_count] = *damage;
    chosen->faults[chosen->damage_count++] = fault;
}

/* One entry that no image holds, in every log that has it. */
static bool choose_every_copy(const struct row *row, struct one_case *chosen, struct viv_rng *rng)
{
    const struct base *base = chosen->base;
    const struct rot_place *entry = pick_place(row, &base->atlases[0], rng);
    for (unsigned tries = 0; tries < 1000 && entry != NULL && entry->structure != ROT_BODY; tries++) {
        entry = pick_place(row, &base->atlases[0], rng);
    }
    if (entry == NULL || entry->structure != ROT_BODY || entry->to == entry->from) {
        return false;
    }
    uint64_t zxid = entry->first_zxid;
    for (size_t server = 0; server < ROT_SERVERS; server++) {
        if (base->history->image_starts[server][0] >= zxid || zxid > base->history->last_zxid) {
            return false;
        }
        for (size_t i = 0; i < base->atlases[server].count; i++) {
            const struct rot_place *place = &base->atlases[server].places[i];
            if (place->structure == ROT_BODY && place->first_zxid == zxid) {
                enum rot_fault fault = pick_fault(row, rng);
                struct rot_damage damage = aim(row, place, fault, server, rng);
                damage.from = fault == ROT_FLIP ? damage.from : place->from;
                damage.to = fault == ROT_FLIP ? damage.to : place->to;
                add_damage(chosen, &damage, fault);
            }
        }
    }
    return true;
}

static bool choose_damages(const struct row *row, struct one_case *chosen, struct viv_rng *rng)
{
    size_t count = 1 + (size_t)viv_rng_below(rng, row->damages_max);
    for (size_t i = 0; i < count; i++) {
        size_t server = (size_t)viv_rng_below(rng, ROT_SERVERS);
        const struct rot_place *place = pick_place(row, &chosen->base->atlases[server], rng);
        if (place == NULL || place->from == place->to || !chosen->up[server]) {
            continue;
        }
        enum rot_fault fault = pick_fault(row, rng);
        struct rot_damage damage = aim(row, place, fault, server, rng);
        add_damage(chosen, &damage, fault);
    }
    return chosen->damage_count > 0;
}

/* Of a file that is missing, cut or another's, the promise is that the others go on without its server. */
static bool is_recoverable(const struct row *row, const struct one_case *chosen)
{
    bool up[ROT_SERVERS];
    memcpy(up, chosen->up, sizeof up);
    for (size_t i = 0; i < chosen->damage_count && row->kind == FILES; i++) {
        up[chosen->damages[i].server] = false;
    }
    return rot_is_recoverable(chosen->base->atlases, chosen->base->history, up, chosen->damages, chosen->damage_count);
}

/* False: nothing fits in this base. */
static bool choose(struct run *run, const struct row *row, struct one_case *chosen, struct viv_rng *rng)
{
    for (unsigned tries = 0; tries < TRIES_MAX; tries++) {
        *chosen = (struct one_case){.base = &run->bases[viv_rng_below(rng, ROT_BASES)], .up = {true, true, true}};
        if (row->one_is_down) {
            chosen->up[viv_rng_below(rng, ROT_SERVERS)] = false;
        }
        bool is_chosen =
            row->kind == EVERY_COPY ? choose_every_copy(row, chosen, rng) : choose_damages(row, chosen, rng);
        chosen->is_recoverable = is_recoverable(row, chosen);
        if (is_chosen && (row->kind != TARGETED || chosen->is_recoverable)) {
            return true;
        }
    }
    return false;
}

/* ---- one case ---- */

/* Each log that was damaged ends before its first damage: headers from there on are gone. */
static void truncate_logs(const struct one_case *chosen, const char *work)
{
    for (size_t i = 0; i < chosen->damage_count; i++) {
        const struct rot_damage *damage = &chosen->damages[i];
        const struct rot_atlas *atlas = &chosen->base->atlases[damage->server];
        for (size_t j = 0; j < atlas->count && strncmp(damage->file, "log-", 4) == 0; j++) {
            const struct rot_place *place = &atlas->places[j];
            int order = strcmp(place->file, damage->file);
            bool is_behind = order > 0 || (order == 0 && place->batch_to > damage->from);
            if (place->batch_to == 0) {
                continue;
            }
            struct rot_damage rest = {.server = damage->server, .from = place->from, .to = place->to};
            char folder[96];
            snprintf(rest.file, sizeof rest.file, "%s", place->file);
            snprintf(folder, sizeof folder, "%s/%zu", work, damage->server + 1);
            if (is_behind) {
                rot_inflict(ROT_ZERO, &rest, folder, folder, folder, NULL);
            }
        }
    }
}

static void set_up(struct run *run, const struct one_case *chosen, struct viv_rng *rng)
{
    viv_sim_power_cut_remove(run->work);
    VIV_ASSERT(mkdir(run->work, 0700) == 0);
    for (size_t i = 0; i < ROT_SERVERS; i++) {
        char folder[96];
        snprintf(folder, sizeof folder, "%s/%zu", run->work, i + 1);
        viv_sim_power_cut_make(chosen->base->now[i], folder);
    }
    for (size_t i = 0; i < chosen->damage_count; i++) {
        char folder[96], older[96], other[96];
        size_t server = chosen->damages[i].server;
        snprintf(folder, sizeof folder, "%s/%zu", run->work, server + 1);
        snprintf(older, sizeof older, "%s/%zu", chosen->base->older, server + 1);
        snprintf(other, sizeof other, "%s/%zu", chosen->base->folder, (server + 1) % ROT_SERVERS + 1);
        rot_inflict(chosen->faults[i], &chosen->damages[i], folder, older, other, rng);
    }
    if (run->is_truncating) {
        truncate_logs(chosen, run->work);
    }
}

static void judge(struct run *run, const struct one_case *chosen, struct viv_rng *rng)
{
    alarm(CASE_SECONDS_MAX);
    set_up(run, chosen, rng);
    struct rot_stores *stores = viv_alloc(sizeof *stores);
    VIV_ASSERT(freopen("/dev/null", "w", stdout) != NULL);
    rot_stores_init(stores, run->configuration, run->work, 1000);
    struct outcome *outcome = run->outcome;
    outcome->verdict =
        rot_judge(stores, chosen->up, chosen->base->history, &outcome->down, outcome->why, sizeof outcome->why);
    for (size_t i = 0; i < ROT_SERVERS; i++) {
        snprintf(outcome->words[i], sizeof outcome->words[i], "%s", stores->servers[i].last_words);
    }
    free(stores);
}

static void show(const struct run *run, size_t row, unsigned number, const struct one_case *chosen, int status)
{
    const struct outcome *outcome = run->outcome;
    static const char *const verdicts[] = {"unavailable", "unsafe", "correct"};
    printf("# %s, %s: %s; base %d;", run->configuration->name, rows[row].name,
           status != 0 ? "died" : verdicts[outcome->verdict], (int)(chosen->base - run->bases));
    for (size_t i = 0; i < chosen->damage_count; i++) {
        const struct rot_damage *damage = &chosen->damages[i];
        printf(" server %zu %s %" PRIu64 "..%" PRId64 " %s;", damage->server + 1, damage->file, damage->from,
               (int64_t)damage->to, rot_fault_names[chosen->faults[i]]);
    }
    printf(" %s; repeat: ./store_rot %s --seed %" PRIu64 " --only %zu.%u%s\n", outcome->why, run->configuration->name,
           run->seed, row, number, run->is_truncating ? " --truncating" : "");
    for (size_t i = 0; i < ROT_SERVERS; i++) {
        if (outcome->words[i][0] != '\0') {
            printf("#   server %zu: %s\n", i + 1, outcome->words[i]);
        }
    }
}

static void run_case(struct run *run, size_t row, unsigned number, struct tally *tally)
{
    struct one_case chosen;
    struct viv_rng rng;
    viv_rng_init(&rng, run->seed * 1000003 + row * 100003 + number);
    if (!choose(run, &rows[row], &chosen, &rng)) {
        return;
    }
    memset(run->outcome, 0, sizeof *run->outcome);
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        judge(run, &chosen, &rng);
        _exit(0);
    }
    int status;
    VIV_ASSERT(waitpid(child, &status, 0) == child);
    tally->cases++;
    tally->down += run->outcome->down > 0;
    if (status != 0) {
        tally->died++;
    } else if (chosen.is_recoverable) {
        tally->left[run->outcome->verdict]++;
    } else {
        tally->gone[run->outcome->verdict]++;
    }
    bool is_bad = status != 0 || run->outcome->verdict == ROT_UNSAFE ||
                  (chosen.is_recoverable && run->outcome->verdict == ROT_UNAVAILABLE);
    bool is_among_first = tally->died + tally->left[ROT_UNSAFE] + tally->gone[ROT_UNSAFE] <= SHOWN_MAX &&
                          tally->left[ROT_UNAVAILABLE] <= SHOWN_MAX;
    if (run->has_only || (is_bad && is_among_first && !run->is_truncating)) {
        show(run, row, number, &chosen, status);
    }
}

/* ---- the table ---- */

static bool run_row(struct run *run, size_t row, struct tally *tally)
{
    unsigned count = run->hundredths > 0 ? (rows[row].cases * run->hundredths + 99) / 100 : CASES_OF_A_SAMPLE;
    for (unsigned number = 0; number < count; number++) {
        if (!run->has_only || (run->only_row == row && run->only_case == number)) {
            run_case(run, row, number, tally);
        }
    }
    return tally->died == 0 && tally->left[ROT_UNSAFE] == 0 && tally->gone[ROT_UNSAFE] == 0 &&
           tally->left[ROT_UNAVAILABLE] == 0;
}

static void print_row(const struct run *run, size_t row, const struct tally *tally, bool is_good, unsigned *number)
{
    printf("%sok %u - %s: %s\n", is_good ? "" : "not ", ++*number, run->configuration->name, rows[row].name);
    printf("# %5u cases; a copy left: %u / %u / %u; none left: %u / %u / %u (unavailable / unsafe / correct); "
           "a server down in %u; died %u\n",
           tally->cases, tally->left[ROT_UNAVAILABLE], tally->left[ROT_UNSAFE], tally->left[ROT_CORRECT],
           tally->gone[ROT_UNAVAILABLE], tally->gone[ROT_UNSAFE], tally->gone[ROT_CORRECT], tally->down, tally->died);
    fflush(stdout);
}

/* With truncation at the first damage the table must show what that costs. */
static bool run_control(struct run *run, unsigned *number)
{
    struct tally sum = {0};
    run->is_truncating = true;
    (void)run_row(run, 1, &sum);
    run->is_truncating = false;
    bool is_good = sum.gone[ROT_UNSAFE] > 0;
    printf("%sok %u - %s: control: a log that is cut at its first damage loses what was acknowledged\n",
           is_good ? "" : "not ", ++*number, run->configuration->name);
    printf("# %u cases, %u unsafe\n", sum.cases, sum.gone[ROT_UNSAFE]);
    return is_good;
}

static bool run_configuration(struct run *run, unsigned *number)
{
    char top[] = "/dev/shm/viv-rot-XXXXXX";
    VIV_ASSERT(mkdtemp(top) != NULL);
    struct timespec begin, end;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    snprintf(run->top, sizeof run->top, "%s", top);
    snprintf(run->work, sizeof run->work, "%s/work", top);
    bool is_good = true;
    unsigned cases = 0;
    for (int kind = 0; kind < ROT_BASES; kind++) {
        make_base(run, (enum rot_base)kind);
    }
    for (size_t row = 0; row < ROWS; row++) {
        struct tally tally = {0};
        bool is_row_good = run_row(run, row, &tally);
        is_good = is_good && is_row_good;
        cases += tally.cases;
        if (tally.cases > 0) {
            print_row(run, row, &tally, is_row_good, number);
        }
    }
    if (!run->has_only && !run->is_truncating) {
        is_good = run_control(run, number) && is_good;
    }
    clock_gettime(CLOCK_MONOTONIC, &end);
    printf("# %s: %u cases in %ld s, seed %" PRIu64 "\n", run->configuration->name, cases,
           (long)(end.tv_sec - begin.tv_sec), run->seed);
    for (int kind = 0; kind < ROT_BASES; kind++) {
        free_base(&run->bases[kind]);
    }
    viv_sim_power_cut_remove(run->has_only ? "/dev/shm/viv-rot-none" : top);
    if (run->has_only) {
        printf("# the folders are in %s\n", top);
    }
    return is_good;
}

int main(int argc, char **argv)
{
    struct run *run = viv_alloc_zeroed(1, sizeof *run);
    run->seed = 1;
    run->outcome = share(sizeof *run->outcome);
    const struct viv_configuration *only = NULL;
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        if (strcmp(argv[i], "--cases") == 0) {
            run->hundredths = (unsigned)strtoul(value, NULL, 10), i++;
        } else if (strcmp(argv[i], "--seed") == 0) {
            run->seed = strtoull(value, NULL, 10), i++;
        } else if (strcmp(argv[i], "--only") == 0) {
            run->has_only = sscanf(value, "%zu.%u", &run->only_row, &run->only_case) == 2, i++;
            run->hundredths = 100;
            setenv("VIV_ROT_VERBOSE", "1", 1);
        } else if (strcmp(argv[i], "--truncating") == 0) {
            run->is_truncating = true;
        } else if ((only = viv_configuration_find(argv[i])) == NULL) {
            fprintf(
                stderr,
                "usage: store_rot [CONFIGURATION] [--cases HUNDREDTHS] [--seed S] [--only ROW.CASE] [--truncating]\n");
            return 2;
        }
    }
    bool is_good = true;
    unsigned number = 0;
    for (const struct viv_configuration *c = viv_configurations; c->name != NULL; c++) {
        if (!(c->log->traits & VIV_STORE_VOLATILE) && (only == NULL || only == c)) {
            run->configuration = c;
            is_good = run_configuration(run, &number) && is_good;
        }
    }
    printf("1..%u\n", number);
    munmap(run->outcome, sizeof *run->outcome);
    free(run);
    return is_good ? 0 : 1;
}
