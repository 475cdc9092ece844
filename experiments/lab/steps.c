#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/log.h"
#include "base/rng.h"
#include "experiments/lab/trial_internal.h"
#include "experiments/lab/verify.h"

enum { WATCH_NS = 2000000, SESSION_TIMEOUT_TICKS = 8, SESSION_TIMEOUT_MS_MIN = 4000 };
#define NS_PER_S         UINT64_C(1000000000)
#define VERIFY_LIMIT_NS  (120 * NS_PER_S)
#define CONNECT_LIMIT_NS (40 * NS_PER_S)

viv_status trial_fail(struct viv_trial *trial, viv_status status, const char *format, ...)
{
    VIV_ASSERT(status != VIV_OK);
    if (status != VIV_ERR_INTERRUPTED && trial->why[0] == '\0') {
        va_list args;
        va_start(args, format);
        vsnprintf(trial->why, sizeof trial->why, format, args);
        va_end(args);
    }
    return status;
}

void trial_sample(struct viv_trial *trial, struct step_samples *samples)
{
    if (samples->count == samples->capacity) {
        samples->capacity = samples->capacity == 0 ? 16 : samples->capacity * 2;
        samples->items = viv_realloc(samples->items, samples->capacity * sizeof *samples->items);
    }
    struct step_sample *sample = &samples->items[samples->count++];
    viv_fleet_usage(&trial->fleet, &sample->usage);
    sample->at_ns = viv_client_now_ns();
}

viv_status trial_watch(struct viv_trial *trial, uint64_t until_ns, struct step_samples *samples, trial_ready_fn *ready,
                       void *ctx, bool *reached)
{
    uint64_t next_sample_ns = samples->count > 0 ? samples->items[samples->count - 1].at_ns + NS_PER_S : 0;
    *reached = false;
    while (!*reached && viv_client_now_ns() < until_ns) {
        uint64_t now_ns = viv_client_now_ns();
        uint64_t wake_ns = now_ns + WATCH_NS < until_ns ? now_ns + WATCH_NS : until_ns;
        VIV_TRY(viv_interrupt_wait(trial->options->interrupt, wake_ns));
        if (viv_client_now_ns() >= next_sample_ns) {
            trial_sample(trial, samples);
            next_sample_ns = samples->items[samples->count - 1].at_ns + NS_PER_S;
            viv_status status = viv_fleet_check(&trial->fleet);
            if (status != VIV_OK) {
                return trial_fail(trial, status, "%s", trial->fleet.why);
            }
        }
        *reached = ready != NULL && ready(ctx);
    }
    return VIV_OK;
}

/* Index of the server that sessions attach to, or -1. */
static viv_status find_place(struct viv_trial *trial, enum viv_place place, int *index)
{
    uint32_t leader;
    *index = -1;
    if (place == VIV_PLACE_SPREAD) {
        return VIV_OK;
    }
    viv_status status = viv_fleet_leader(&trial->fleet, &leader);
    if (status != VIV_OK) {
        return trial_fail(trial, status, "%s", trial->fleet.why);
    }
    *index = (int)(place == VIV_PLACE_LEADER ? leader : (leader + 1) % trial->cell->servers);
    return VIV_OK;
}

static void abandon(struct viv_load *load)
{
    struct viv_load_result result;
    viv_load_stop(load);
    viv_load_finish(load, &result);
    viv_load_result_fini(&result);
}

uint32_t trial_session_timeout_ms(const struct viv_trial *trial)
{
    uint32_t timeout_ms = trial->cell->tick_ms * SESSION_TIMEOUT_TICKS;
    return timeout_ms < SESSION_TIMEOUT_MS_MIN ? SESSION_TIMEOUT_MS_MIN : timeout_ms;
}

viv_status trial_start_load(struct viv_trial *trial, const struct viv_step *step, struct viv_load **out)
{
    struct viv_load_spec spec = step->load;
    struct viv_load *load;
    VIV_TRY(find_place(trial, step->attach, &spec.attach));
    spec.dialect = viv_system_dialect(trial->cell->system);
    spec.session_timeout_ms = trial_session_timeout_ms(trial);
    spec.seed = viv_mix64(trial->seed ^ (uint64_t)(step - trial->options->plan->steps + 1));
    viv_status status = viv_load_start(&spec, trial->fleet.addresses, trial->cell->servers, &trial->keyset, &load);
    if (status != VIV_OK) {
        return trial_fail(trial, status, "the load generator could not be started");
    }
    uint64_t limit_ns = viv_client_now_ns() + CONNECT_LIMIT_NS + spec.warmup_ns;
    while (status == VIV_OK && viv_load_started_ns(load) == 0) {
        status = viv_interrupt_wait(trial->options->interrupt, viv_client_now_ns() + WATCH_NS);
        if (status == VIV_OK && (viv_load_is_done(load) || viv_client_now_ns() > limit_ns)) {
            status = trial_fail(trial, VIV_ERR_BUSY, "step %s: not all sessions could connect", step->name);
        }
    }
    if (status != VIV_OK) {
        abandon(load);
        return status;
    }
    *out = load;
    return VIV_OK;
}

viv_status trial_verify(struct viv_trial *trial, const struct viv_step *step)
{
    struct viv_verify_result result = {0};
    uint64_t limit_ns = viv_client_now_ns() + VERIFY_LIMIT_NS;
    const struct viv_dialect *dialect = viv_system_dialect(trial->cell->system);
    viv_status status;
    if (step->kind == VIV_STEP_LOAD) {
        int leader;
        VIV_TRY(find_place(trial, VIV_PLACE_LEADER, &leader));
        status = viv_verify_created(dialect, &trial->fleet.addresses[leader], trial->options->interrupt, &trial->keyset,
                                    limit_ns, &result);
    } else {
        status = viv_verify_keys(dialect, trial->fleet.addresses, trial->cell->servers, trial->options->interrupt,
                                 &trial->keyset, limit_ns, &result);
    }
    if (status != VIV_OK) {
        return trial_fail(trial, status, "after step %s: %s", step->name, result.why);
    }
    trial->checked += result.checked;
    trial->lost_acked += result.lost_acked;
    trial->violations += result.violations;
    record_line(trial, json_pack("{s:s,s:s,s:I,s:I,s:I}", "t", "check", "step", step->name, "checked",
                                 (json_int_t)result.checked, "lost_acked", (json_int_t)result.lost_acked, "violations",
                                 (json_int_t)result.violations));
    return VIV_OK;
}

static bool has_ended(void *ctx)
{
    return viv_load_ended_ns(ctx) != 0;
}

static viv_status run_load(struct viv_trial *trial, const struct viv_step *step)
{
    struct viv_load *load;
    struct viv_load_result result;
    struct step_samples samples = {0};
    bool ended;
    VIV_TRY(trial_start_load(trial, step, &load));
    trial_sample(trial, &samples);
    uint64_t limit_ns = viv_load_started_ns(load) + step->load.measure_ns + NS_PER_S;
    viv_status status = trial_watch(trial, limit_ns, &samples, has_ended, load, &ended);
    trial_sample(trial, &samples);
    if (status != VIV_OK) {
        viv_load_stop(load);
    }
    viv_load_finish(load, &result);
    if (status == VIV_OK) {
        record_load(trial, step, &result, &samples);
    }
    if (status == VIV_OK && step->load.op == VIV_LOAD_CREATE) {
        status = trial_verify(trial, step);
    }
    viv_load_result_fini(&result);
    free(samples.items);
    return status;
}

viv_status trial_step(struct viv_trial *trial, const struct viv_step *step)
{
    switch (step->kind) {
    case VIV_STEP_LOAD:
        return run_load(trial, step);
    case VIV_STEP_KILL:
    case VIV_STEP_STOP:
    case VIV_STEP_RESTART:
    case VIV_STEP_TERM:
    case VIV_STEP_FREEZE:
        return trial_fault(trial, step);
    case VIV_STEP_COLD_START:
        return trial_cold_start(trial, step);
    case VIV_STEP_PLACE:
        return trial_place(trial, step);
    }
    VIV_ASSERT(false);
    return VIV_ERR_INVALID;
}
