#include <stdlib.h>

#include "base/assert.h"
#include "experiments/lab/files.h"
#include "experiments/lab/trial_internal.h"

/* Fault steps: a fault under an open-loop load, the recovery it is followed by, and what puts the ensemble together
 * again. All times are taken in this process, which started the servers and shares their clock. */

#define NS_PER_S UINT64_C(1000000000)
/* Dense enough for a 99th percentile a second, thin enough to disturb nobody. */
#define READS_PER_S 1000.0
/* Room for milestones to reach the servers' files before they are read. */
#define TRACE_SETTLE_NS UINT64_C(50000000)

struct fault {
    struct viv_trial *trial;
    const struct viv_step *step;
    struct viv_load *load;
    struct step_samples samples;
    uint32_t target;           /* index of the server */
    uint64_t fault_ns;         /* just before the signal */
    uint64_t ack_ns;           /* first acknowledged write that was made after the signal had taken effect */
    uint64_t restart_ns;       /* start of the process that was killed, 0: none was */
    uint64_t read_ns;          /* its first answered read */
    struct viv_reader *reader; /* of the server that a restart step is going to kill */
    uint32_t reader_target;
};

static viv_status pick_target(struct fault *fault)
{
    uint32_t leader;
    struct viv_fleet *fleet = &fault->trial->fleet;
    viv_status status = viv_fleet_leader(fleet, &leader);
    if (status != VIV_OK) {
        return trial_fail(fault->trial, status, "step %s: %s", fault->step->name, fleet->why);
    }
    uint32_t servers = fault->trial->cell->servers;
    fault->target = fault->step->target == VIV_PLACE_LEADER ? leader : (leader + 1) % servers;
    return VIV_OK;
}

/* What the server answers like is measured from before the fault on. Should the ensemble choose another leader before
 * that, the reader has watched the wrong server and `warm` is left out. */
static viv_status watch_target(struct fault *fault)
{
    struct viv_trial *trial = fault->trial;
    if (fault->step->kind != VIV_STEP_RESTART) {
        return VIV_OK;
    }
    VIV_TRY(pick_target(fault));
    fault->reader_target = fault->target;
    viv_status status =
        viv_reader_start(viv_system_dialect(trial->cell->system), &trial->fleet.addresses[fault->target], READS_PER_S,
                         trial->keyset.key_count, trial_session_timeout_ms(trial), &fault->reader);
    return status == VIV_OK ? VIV_OK
                            : trial_fail(trial, status, "step %s: no reader could be started", fault->step->name);
}

static double finish_reader(struct fault *fault, uint64_t end_ns)
{
    struct viv_read_sample *samples;
    size_t count;
    double warm_ms = -1;
    if (fault->reader == NULL) {
        return warm_ms;
    }
    viv_reader_finish(fault->reader, &samples, &count);
    if (fault->read_ns != 0 && fault->reader_target == fault->target) {
        warm_ms = viv_recovery_warm_ms(samples, count, fault->fault_ns, fault->read_ns, end_ns, fault->step->steady_ns);
    }
    free(samples);
    return warm_ms;
}

static void tell(struct fault *fault, uint64_t at_ns, const char *code, const char *verb)
{
    record_event(fault->trial, fault->step, at_ns, code,
                 json_pack("{s:s,s:s,s:i}", "do", verb, "target", viv_place_name(fault->step->target), "sid",
                           (int)fault->target + 1));
}

static bool has_ended(void *ctx)
{
    struct fault *fault = ctx;
    return viv_fleet_has_ended(&fault->trial->fleet, fault->target);
}

/* A server that is told to stop may serve for a while yet: what counts is the longest time without an acknowledgement,
 * and the ensemble has recovered when it acknowledges without that server. */
static viv_status await_end(struct fault *fault)
{
    bool reached;
    struct viv_trial *trial = fault->trial;
    VIV_TRY(trial_watch(trial, fault->fault_ns + fault->step->limit_ns, &fault->samples, has_ended, fault, &reached));
    if (!reached) {
        return trial_fail(trial, VIV_ERR_BUSY, "step %s: the server did not stop within %.0f s of SIGTERM",
                          fault->step->name, (double)fault->step->limit_ns / 1e9);
    }
    viv_load_mark(fault->load, viv_client_now_ns());
    return VIV_OK;
}

static viv_status strike(struct fault *fault)
{
    struct viv_fleet *fleet = &fault->trial->fleet;
    fault->fault_ns = viv_client_now_ns();
    if (fault->step->kind == VIV_STEP_STOP) {
        viv_fleet_stop(fleet, fault->target);
    } else if (fault->step->kind == VIV_STEP_TERM) {
        viv_load_watch_silence(fault->load, fault->fault_ns);
        viv_fleet_term(fleet, fault->target);
    } else if (fault->step->kind == VIV_STEP_FREEZE) {
        viv_load_watch_silence(fault->load, fault->fault_ns);
        VIV_TRY(viv_fleet_freeze(fleet, fault->target));
    } else {
        viv_fleet_kill(fleet, fault->target);
    }
    viv_load_mark(fault->load, viv_client_now_ns());
    bool is_killed = fault->step->kind == VIV_STEP_KILL || fault->step->kind == VIV_STEP_RESTART;
    tell(fault, fault->fault_ns, "FAULT", is_killed ? "kill" : viv_step_kind_name(fault->step->kind));
    return VIV_OK;
}

static bool acked(void *ctx)
{
    return viv_load_first_ack_ns(ctx) != 0;
}

static viv_status await_recovery(struct fault *fault)
{
    bool reached;
    uint64_t limit_ns = fault->fault_ns + fault->step->limit_ns;
    VIV_TRY(trial_watch(fault->trial, limit_ns, &fault->samples, acked, fault->load, &reached));
    if (!reached) {
        return trial_fail(fault->trial, VIV_ERR_BUSY, "step %s: no write was acknowledged within %.0f s of the fault",
                          fault->step->name, (double)fault->step->limit_ns / 1e9);
    }
    fault->ack_ns = viv_load_first_ack_ns(fault->load);
    record_event(fault->trial, fault->step, fault->ack_ns, "FIRST_ACK", NULL);
    return VIV_OK;
}

static viv_status start_again(struct fault *fault)
{
    struct viv_fleet *fleet = &fault->trial->fleet;
    viv_status status = viv_fleet_start(fleet, fault->target);
    fault->restart_ns = fleet->servers[fault->target].started_ns;
    tell(fault, fault->restart_ns, "START", "start");
    if (status == VIV_OK) {
        status =
            viv_fleet_await_serving(fleet, fault->target, fault->restart_ns + fault->step->limit_ns, &fault->read_ns);
    }
    if (status != VIV_OK) {
        return trial_fail(fault->trial, status, "step %s: %s", fault->step->name, fleet->why);
    }
    tell(fault, fault->read_ns, "FIRST_READ", "start");
    return VIV_OK;
}

/* A stopped server is left stopped until the rest has recovered. */
static viv_status put_together(struct fault *fault)
{
    struct viv_fleet *fleet = &fault->trial->fleet;
    uint64_t at_ns[VIV_FLEET_SERVERS_MAX];
    if (fault->step->kind == VIV_STEP_STOP) {
        viv_fleet_cont(fleet, fault->target);
        tell(fault, viv_client_now_ns(), "CONT", "cont");
    } else if (fault->step->kind == VIV_STEP_FREEZE) {
        VIV_TRY(viv_fleet_thaw(fleet, fault->target));
        tell(fault, viv_client_now_ns(), "CONT", "thaw");
    } else if (fault->restart_ns == 0) {
        VIV_TRY(start_again(fault));
    }
    viv_status status = viv_fleet_await_all(fleet, viv_client_now_ns() + fault->step->limit_ns, at_ns);
    if (status != VIV_OK) {
        return trial_fail(fault->trial, status, "after step %s: %s", fault->step->name, fleet->why);
    }
    return VIV_OK;
}

static viv_status under_load(struct fault *fault)
{
    bool reached;
    struct viv_trial *trial = fault->trial;
    VIV_TRY(watch_target(fault));
    trial_sample(trial, &fault->samples);
    uint64_t until_ns = viv_load_started_ns(fault->load) + fault->step->before_ns;
    VIV_TRY(trial_watch(trial, until_ns, &fault->samples, NULL, NULL, &reached));
    VIV_TRY(pick_target(fault));
    VIV_TRY(strike(fault));
    if (fault->step->kind == VIV_STEP_RESTART) {
        VIV_TRY(start_again(fault));
    }
    if (fault->step->kind == VIV_STEP_TERM) {
        VIV_TRY(await_end(fault));
    }
    VIV_TRY(await_recovery(fault));
    uint64_t from_ns = fault->read_ns > fault->ack_ns ? fault->read_ns : fault->ack_ns;
    VIV_TRY(trial_watch(trial, from_ns + fault->step->after_ns, &fault->samples, NULL, NULL, &reached));
    trial_sample(trial, &fault->samples);
    return VIV_OK;
}

static void read_traces(struct viv_trial *trial, struct viv_trace *trace)
{
    *trace = (struct viv_trace){0};
    for (uint32_t i = 0; i < trial->cell->servers; i++) {
        char *path = viv_text("%s/trace.jsonl", trial->fleet.servers[i].home);
        viv_trace_read(trace, path);
        free(path);
    }
    viv_trace_sort(trace);
}

/* Cuts the times into parts where the system says enough; otherwise the whole stands alone. */
static void analyse(struct fault *fault, const struct viv_load_result *result, double warm_ms)
{
    struct viv_trial *trial = fault->trial;
    struct viv_trace trace;
    struct viv_recovery recovery;
    read_traces(trial, &trace);
    record_trace(trial, fault->step, &trace, fault->fault_ns);
    double ramp_ms = viv_recovery_ramp_ms(result, fault->fault_ns, fault->ack_ns, fault->step->steady_ns);
    if (fault->step->kind == VIV_STEP_TERM || fault->step->kind == VIV_STEP_FREEZE) {
        viv_recovery_hand_over(result, &recovery);
    } else if (fault->step->target == VIV_PLACE_LEADER) {
        bool cut = viv_recovery_failover(&trace, fault->fault_ns, fault->ack_ns, (viv_sid)fault->target + 1,
                                         trial->cell->servers, &recovery);
        /* A leader that is back before the others have agreed, or that is alone, leaves no failover to be cut. */
        recovery.whole_only = !cut && fault->step->kind == VIV_STEP_RESTART;
    } else {
        viv_recovery_follower_loss(fault->fault_ns, fault->ack_ns, &recovery);
    }
    record_recovery(trial, fault->step, &recovery, fault->target, "ramp", ramp_ms);
    if (fault->restart_ns != 0) {
        viv_recovery_restart(&trace, fault->restart_ns, fault->read_ns, (viv_sid)fault->target + 1, &recovery);
        record_recovery(trial, fault->step, &recovery, fault->target, "warm", warm_ms);
    }
    viv_trace_fini(&trace);
}

viv_status trial_fault(struct viv_trial *trial, const struct viv_step *step)
{
    struct fault fault = {.trial = trial, .step = step};
    struct viv_load_result result;
    VIV_TRY(trial_start_load(trial, step, &fault.load));
    viv_status status = under_load(&fault);
    viv_load_stop(fault.load);
    viv_load_finish(fault.load, &result);
    double warm_ms = finish_reader(&fault, result.end_ns);
    if (status == VIV_OK) {
        record_load(trial, step, &result, &fault.samples);
        status = put_together(&fault);
    }
    if (status == VIV_OK) {
        status = trial_verify(trial, step);
    }
    if (status == VIV_OK) {
        analyse(&fault, &result, warm_ms);
    }
    viv_load_result_fini(&result);
    free(fault.samples.items);
    return status;
}

static void analyse_cold(struct viv_trial *trial, const struct viv_step *step, uint64_t start_ns,
                         const uint64_t *read_ns)
{
    struct viv_trace trace;
    struct viv_recovery recovery;
    uint32_t first = 0;
    read_traces(trial, &trace);
    record_trace(trial, step, &trace, start_ns);
    for (uint32_t i = 0; i < trial->cell->servers; i++) {
        uint64_t own_start_ns = trial->fleet.servers[i].started_ns;
        viv_recovery_restart(&trace, own_start_ns, read_ns[i], (viv_sid)i + 1, &recovery);
        record_recovery(trial, step, &recovery, i, NULL, -1);
        first = read_ns[i] < read_ns[first] ? i : first;
    }
    /* The ensemble is back when the first of its servers answers: that server's parts, from the common start. */
    viv_recovery_restart(&trace, start_ns, read_ns[first], (viv_sid)first + 1, &recovery);
    recovery.kind = "cold";
    record_recovery(trial, step, &recovery, first, NULL, -1);
    viv_trace_fini(&trace);
}

viv_status trial_cold_start(struct viv_trial *trial, const struct viv_step *step)
{
    struct viv_fleet *fleet = &trial->fleet;
    uint64_t read_ns[VIV_FLEET_SERVERS_MAX] = {0};
    for (uint32_t i = 0; i < trial->cell->servers; i++) {
        viv_fleet_kill(fleet, i);
    }
    uint64_t start_ns = viv_client_now_ns();
    record_event(trial, step, start_ns, "START", json_pack("{s:s,s:s}", "do", "start", "target", "all"));
    viv_status status = viv_fleet_start_all(fleet);
    if (status == VIV_OK) {
        status = viv_fleet_await_all(fleet, start_ns + step->limit_ns, read_ns);
    }
    if (status != VIV_OK) {
        return trial_fail(trial, status, "step %s: %s", step->name, fleet->why);
    }
    for (uint32_t i = 0; i < trial->cell->servers; i++) {
        record_event(trial, step, read_ns[i], "FIRST_READ", json_pack("{s:i}", "sid", (int)i + 1));
    }
    record_step_without_load(trial, step, start_ns);
    VIV_TRY(viv_interrupt_wait(trial->options->interrupt, viv_client_now_ns() + TRACE_SETTLE_NS));
    analyse_cold(trial, step, start_ns, read_ns);
    return trial_verify(trial, step);
}
