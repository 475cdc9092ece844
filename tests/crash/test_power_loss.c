#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "tests/crash/store_workload.h"
#include "tests/support/crash_disk.h"
#include "tests/support/viv_test.h"

/* The flat stores on a disk that loses power at any call, also while they recover, and on one whose sync fails. What
 * was acknowledged must be there; and what a server has once read at its start must never vanish afterwards. */

struct round {
    uint64_t seed;
    struct crash_disk *disk;
    struct viv_disk calls;
    struct workload *workload;
    struct model_transcript transcript;
    char complaint[200];
};

static void round_init(struct round *round, uint64_t seed)
{
    *round = (struct round){.seed = seed, .disk = crash_disk_new(seed)};
    round->calls = crash_disk_calls(round->disk);
    round->workload = viv_alloc(sizeof *round->workload);
    workload_init(round->workload, viv_configuration_find("flat"), "disk");
    round->workload->config.disk = &round->calls;
}

static void round_fini(struct round *round)
{
    free(round->workload);
    crash_disk_free(round->disk);
}

/* Runs the workload until it fails or ends. */
static void run(struct round *round)
{
    struct workload *workload = round->workload;
    if (workload_open(workload) != VIV_OK) {
        return;
    }
    for (unsigned step = 1; step <= WORKLOAD_STEPS; step++) {
        struct model_op op = model_next(&workload->model, step);
        round->transcript.pending = op;
        round->transcript.has_pending = true;
        if (workload_perform(workload, &op) != VIV_OK) {
            break;
        }
        model_apply(&workload->model, &op);
        round->transcript.has_pending = false;
    }
    workload_close(workload);
}

static void complain(struct round *round, const char *what)
{
    snprintf(round->complaint, sizeof round->complaint, "seed %llu: %s", (unsigned long long)round->seed, what);
}

/* Opens, judges, closes; false when there was something to complain of. */
static bool look(struct round *round, struct model_found *found)
{
    if (workload_open(round->workload) != VIV_OK) {
        complain(round, "the stores do not open");
        return false;
    }
    workload_find(round->workload, found);
    workload_close(round->workload);
    const char *complaint = model_complaint(&round->workload->model, &round->transcript, found);
    if (complaint != NULL) {
        complain(round, complaint);
    }
    return complaint == NULL;
}

/* After the fault: recover (and be cut short in it), look, lose power without having written, look again. */
static void recover_and_look(struct round *round, bool is_power_lost)
{
    struct viv_rng rng;
    viv_rng_init(&rng, round->seed * 31 + 1);
    struct model_found *first = viv_alloc(sizeof *first);
    struct model_found *second = viv_alloc(sizeof *second);
    if (is_power_lost) {
        crash_disk_power_on(round->disk);
        crash_disk_set_fault(round->disk, CRASH_POWER, 1 + viv_rng_below(&rng, 30));
        if (workload_open(round->workload) == VIV_OK) {
            workload_close(round->workload);
        }
        crash_disk_power_on(round->disk);
    } else {
        crash_disk_restart(round->disk);
    }
    if (look(round, first)) {
        crash_disk_power_on(round->disk);
        if (look(round, second) && (memcmp(first->bounds, second->bounds, sizeof first->bounds) != 0 ||
                                    memcmp(first->hard, second->hard, sizeof first->hard) != 0 ||
                                    first->mark.zxid_start != second->mark.zxid_start)) {
            complain(round, "what was read at a start was gone after the next power loss");
        }
    }
    free(first);
    free(second);
}

static uint64_t calls_of_a_whole_run(void)
{
    struct round round;
    round_init(&round, 1);
    run(&round);
    uint64_t count = crash_disk_count(round.disk);
    round_fini(&round);
    return count;
}

static void print_line(void *ctx, enum viv_log_level level, const char *room, const char *text, const char *fields)
{
    (void)ctx;
    (void)level;
    fprintf(stderr, "%s: %s %s\n", room, text, fields);
}

/* Returns how many rounds gave reason to complain; prints the first ones. */
static unsigned sweep(enum crash_fault fault, uint64_t rounds)
{
    uint64_t total = calls_of_a_whole_run();
    viv_log_set_sink(getenv("VIV_SWEEP_VERBOSE") != NULL ? VIV_LOG_INFO : VIV_LOG_ERROR + 1, print_line, NULL);
    unsigned complaints = 0;
    for (uint64_t seed = 1; seed <= rounds; seed++) {
        struct round round;
        round_init(&round, seed);
        crash_disk_set_fault(round.disk, fault, 1 + seed * 7919 % total);
        run(&round);
        recover_and_look(&round, fault == CRASH_POWER || fault == CRASH_LYING_SYNC || fault == CRASH_LYING_DIR);
        if (round.complaint[0] != '\0' && complaints++ < 5) {
            fprintf(stderr, "%s\n", round.complaint);
        }
        round_fini(&round);
    }
    return complaints;
}

static uint64_t rounds_wanted(uint64_t usual)
{
    const char *wanted = getenv("VIV_SWEEP_ROUNDS");
    return wanted != NULL ? strtoull(wanted, NULL, 10) : usual;
}

VIV_TEST(power_loss, at_any_call_nothing_acknowledged_is_lost)
{
    cr_assert_eq(sweep(CRASH_POWER, rounds_wanted(150)), 0);
}

VIV_TEST(power_loss, a_sync_that_failed_leaves_nothing_that_can_vanish_later)
{
    cr_assert_eq(sweep(CRASH_SYNC_KEEP, rounds_wanted(60)), 0);
}

VIV_TEST(power_loss, a_sync_that_failed_and_dropped_its_pages_loses_nothing_acknowledged)
{
    cr_assert_eq(sweep(CRASH_SYNC_DROP, rounds_wanted(60)), 0);
}

VIV_TEST(power_loss, control_a_disk_whose_syncs_do_nothing_is_noticed)
{
    cr_assert_gt(sweep(CRASH_LYING_SYNC, 20), 0);
}

VIV_TEST(power_loss, control_a_disk_that_forgets_names_is_noticed)
{
    cr_assert_gt(sweep(CRASH_LYING_DIR, 20), 0);
}
