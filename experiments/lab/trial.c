#include "experiments/lab/trial.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

#include "base/assert.h"
#include "experiments/lab/files.h"
#include "experiments/lab/initial.h"
#include "experiments/lab/machine.h"
#include "experiments/lab/trial_internal.h"

enum { END_LIMIT_MS = 5000, STEAL_TENTHS_MAX = 50, DISK_FREE_PERCENT_MIN = 10 };
#define NS_PER_S       UINT64_C(1000000000)
#define START_LIMIT_NS (60 * NS_PER_S)
/* The slowest system measured loads 5000 znodes a second; the limit is far from that. */
#define LOAD_LIMIT_NS (1800 * NS_PER_S)

static void progress(const struct viv_trial *trial, const char *doing)
{
    if (trial->options->progress != NULL) {
        trial->options->progress(trial->options->ctx, doing);
    }
}

static void record_setup(struct viv_trial *trial, uint64_t start_ns, const uint64_t *read_ns,
                         const struct viv_initial_result *initial)
{
    json_t *starts = json_array();
    for (uint32_t i = 0; i < trial->cell->servers; i++) {
        json_array_append_new(starts, json_real((double)(read_ns[i] - start_ns) / 1e6));
    }
    record_line(trial, json_pack("{s:s,s:o,s:I,s:I,s:f}", "t", "setup", "start_ms", starts, "znodes",
                                 (json_int_t)initial->znodes, "data_bytes", (json_int_t)initial->data_bytes, "load_ms",
                                 (double)initial->duration_ns / 1e6));
}

static viv_status set_up(struct viv_trial *trial)
{
    struct viv_fleet *fleet = &trial->fleet;
    struct viv_initial_result initial;
    uint64_t read_ns[VIV_FLEET_SERVERS_MAX] = {0};
    uint32_t leader;
    progress(trial, "start");
    uint64_t start_ns = viv_client_now_ns();
    viv_status status = viv_fleet_start_all(fleet);
    if (status == VIV_OK) {
        status = viv_fleet_await_all(fleet, start_ns + START_LIMIT_NS, read_ns);
    }
    if (status == VIV_OK) {
        status = viv_fleet_leader(fleet, &leader);
    }
    if (status != VIV_OK) {
        return trial_fail(trial, status, "%s", fleet->why);
    }
    progress(trial, "initial state");
    status = viv_initial_load(trial->cell, &fleet->addresses[leader], trial->options->interrupt, &trial->keyset,
                              trial->options->plan->seed, viv_client_now_ns() + LOAD_LIMIT_NS, &initial);
    if (status != VIV_OK) {
        return trial_fail(trial, status, "%s", initial.why);
    }
    record_setup(trial, start_ns, read_ns, &initial);
    return VIV_OK;
}

static viv_status run_steps(struct viv_trial *trial)
{
    const struct viv_plan *plan = trial->options->plan;
    if (trial->cell->system != VIV_SYSTEM_PARTITION) {
        VIV_TRY(set_up(trial));
    }
    for (uint32_t i = 0; i < plan->step_count; i++) {
        progress(trial, plan->steps[i].name);
        VIV_TRY(trial_step(trial, &plan->steps[i]));
    }
    return VIV_OK;
}

static void check_disk(struct viv_trial *trial)
{
    struct statvfs info;
    if (statvfs(trial->options->work_dir, &info) == 0 &&
        info.f_bavail * 100 < (uint64_t)info.f_blocks * DISK_FREE_PERCENT_MIN) {
        trial_invalid(trial, "less than %d %% of the disk is free", DISK_FREE_PERCENT_MIN);
    }
}

static void record_failure(struct viv_trial *trial)
{
    struct viv_buffer logs = {0};
    viv_fleet_log_tails(&trial->fleet, &logs);
    viv_buffer_append(&logs, "", 1);
    json_t *text = json_string((const char *)logs.data);
    record_line(trial, json_pack("{s:s,s:s,s:o}", "t", "failure", "why", trial->why, "logs",
                                 text != NULL ? text : json_string("(not text)")));
    viv_buffer_fini(&logs);
}

static viv_status live(struct viv_trial *trial, enum viv_trial_outcome *outcome)
{
    const struct viv_trial_options *options = trial->options;
    struct viv_machine_cpu before;
    struct viv_machine_cpu after;
    viv_machine_cpu(&before);
    bool freezes = viv_plan_freezes_syncs(options->plan);
    char *home = viv_text("%s/%s-%u", options->work_dir, trial->cell->name, options->slot.trial);
    viv_status status = viv_fleet_open(&trial->fleet, trial->cell, options->places, options->interrupt, home, freezes);
    free(home);
    if (status != VIV_OK) {
        trial_fail(trial, status, "the ensemble's directories or ports: %s", viv_status_text(status));
    } else {
        status = run_steps(trial);
        if (status == VIV_OK) {
            check_disk(trial);
            viv_fleet_end_all(&trial->fleet, END_LIMIT_MS);
        } else if (status != VIV_ERR_INTERRUPTED) {
            record_failure(trial);
        }
        viv_fleet_close(&trial->fleet);
    }
    if (status == VIV_ERR_INTERRUPTED) {
        return status;
    }
    viv_machine_cpu(&after);
    uint64_t steal_tenths = viv_machine_steal_tenths(&before, &after);
    if (steal_tenths > STEAL_TENTHS_MAX) {
        trial_invalid(trial, "the host took %.1f %% of the CPU time away", (double)steal_tenths / 10);
    }
    if (status != VIV_OK) {
        *outcome = VIV_TRIAL_FAILED;
    } else if (trial->lost_acked + trial->violations > 0) {
        *outcome = VIV_TRIAL_BROKEN;
    } else {
        *outcome = json_array_size(trial->invalid_why) > 0 ? VIV_TRIAL_INVALID : VIV_TRIAL_VALID;
    }
    record_summary(trial, status == VIV_OK ? "ok" : "failed", steal_tenths);
    return VIV_OK;
}

viv_status viv_trial_run(const struct viv_trial_options *options, struct viv_buffer *out,
                         enum viv_trial_outcome *outcome)
{
    const struct viv_plan *plan = options->plan;
    struct viv_trial trial = {.options = options,
                              .cell = &plan->cells[options->slot.cell],
                              .seed = viv_plan_seed(plan, &options->slot),
                              .clock0_ns = viv_client_now_ns(),
                              .out = out,
                              .invalid_why = json_array()};
    record_header(&trial);
    viv_status status = VIV_OK;
    char *unavailable = viv_system_unavailable(trial.cell, options->places, viv_plan_freezes_syncs(plan));
    if (unavailable != NULL) {
        snprintf(trial.why, sizeof trial.why, "%s", unavailable);
        record_summary(&trial, "n/a", 0);
        *outcome = VIV_TRIAL_UNAVAILABLE;
        free(unavailable);
    } else {
        /* One key set and one namespace for all cells: the plan's seed, not the trial's. */
        viv_keyset_init(&trial.keyset, trial.cell->keys, trial.cell->value_bytes, plan->seed);
        status = live(&trial, outcome);
        viv_keyset_fini(&trial.keyset);
    }
    json_decref(trial.invalid_why);
    return status;
}
