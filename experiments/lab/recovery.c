#include "experiments/lab/recovery.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"

enum { TENTHS_PER_S = 10, NS_PER_US = 1000 };
#define SUM_TOLERANCE_MS 1.0
#define WINDOW_NS        (TENTHS_PER_S * (uint64_t)VIV_LOAD_TENTH_NS)
#define WARM_RATIO       1.2

static double ms_between(uint64_t from_ns, uint64_t to_ns)
{
    return to_ns >= from_ns ? (double)(to_ns - from_ns) / 1e6 : 0;
}

/* Ends a component at to_ns. One that would be negative counts nothing, and the sum then betrays it. */
static void add_part(struct viv_recovery *recovery, const char *name, uint64_t *from_ns, uint64_t to_ns)
{
    VIV_ASSERT(recovery->part_count < VIV_RECOVERY_PARTS_MAX);
    recovery->parts[recovery->part_count++] = (struct viv_recovery_part){name, ms_between(*from_ns, to_ns)};
    *from_ns = to_ns;
}

static void check_sum(struct viv_recovery *recovery)
{
    double sum_ms = 0;
    for (unsigned i = 0; i < recovery->part_count; i++) {
        sum_ms += recovery->parts[i].ms;
    }
    recovery->sum_check_ms = sum_ms - recovery->whole_ms;
}

bool viv_recovery_adds_up(const struct viv_recovery *recovery)
{
    return recovery->sum_check_ms <= SUM_TOLERANCE_MS && recovery->sum_check_ms >= -SUM_TOLERANCE_MS;
}

static bool missing(struct viv_recovery *recovery, enum viv_trace_code code)
{
    snprintf(recovery->why, sizeof recovery->why, "no %s among the servers' milestones", viv_trace_name(code));
    recovery->part_count = 0;
    return false;
}

/* The last event of the code in [from_ns, to_ns], of the server or (sid 0) of any; NULL when there is none. */
static const struct viv_trace_event *last_event(const struct viv_trace *trace, enum viv_trace_code code, viv_sid sid,
                                                uint64_t from_ns, uint64_t to_ns)
{
    for (size_t i = trace->event_count; i-- > 0;) {
        const struct viv_trace_event *event = &trace->events[i];
        if (event->code == code && event->t_ns >= from_ns && event->t_ns <= to_ns && (sid == 0 || event->sid == sid)) {
            return event;
        }
    }
    return NULL;
}

static const struct viv_trace_event *first_event(const struct viv_trace *trace, enum viv_trace_code code, viv_sid sid,
                                                 uint64_t from_ns, uint64_t to_ns)
{
    for (size_t i = 0; i < trace->event_count; i++) {
        const struct viv_trace_event *event = &trace->events[i];
        if (event->code == code && event->t_ns >= from_ns && event->t_ns <= to_ns && (sid == 0 || event->sid == sid)) {
            return event;
        }
    }
    return NULL;
}

/* When a quorum of the voters that are left had noticed: the q-th of the servers' first FOLLOW_LOST. 0: fewer did. */
static uint64_t quorum_noticed_ns(const struct viv_trace *trace, uint64_t fault_ns, uint64_t ack_ns, viv_sid lost_sid,
                                  uint32_t server_count)
{
    uint32_t quorum = server_count / 2 + 1;
    uint32_t noticed = 0;
    uint64_t seen = 0; /* bit per sid */
    VIV_ASSERT(server_count < 64);
    for (size_t i = 0; i < trace->event_count; i++) {
        const struct viv_trace_event *event = &trace->events[i];
        bool counts = event->code == VIV_TRACE_FOLLOW_LOST && event->t_ns >= fault_ns && event->t_ns <= ack_ns &&
                      event->sid != lost_sid && event->sid > 0 && event->sid < 64;
        if (counts && (seen >> event->sid & 1) == 0) {
            seen |= UINT64_C(1) << event->sid;
            if (++noticed == quorum) {
                return event->t_ns;
            }
        }
    }
    return 0;
}

/* The milestones are looked for from the end: the last FIRST_COMMIT before the acknowledgement names the leader that
 * won, and what it reached last counts. Rounds that failed before are thus part of `elect`. */
bool viv_recovery_failover(const struct viv_trace *trace, uint64_t fault_ns, uint64_t ack_ns, viv_sid lost_sid,
                           uint32_t server_count, struct viv_recovery *recovery)
{
    *recovery = (struct viv_recovery){.kind = "failover", .whole_ms = ms_between(fault_ns, ack_ns)};
    uint64_t at_ns = fault_ns;
    uint64_t noticed_ns = quorum_noticed_ns(trace, fault_ns, ack_ns, lost_sid, server_count);
    if (noticed_ns == 0) {
        return missing(recovery, VIV_TRACE_FOLLOW_LOST);
    }
    const struct viv_trace_event *commit = last_event(trace, VIV_TRACE_FIRST_COMMIT, 0, fault_ns, ack_ns);
    if (commit == NULL) {
        return missing(recovery, VIV_TRACE_FIRST_COMMIT);
    }
    const struct viv_trace_event *leading = last_event(trace, VIV_TRACE_LEADING, commit->sid, fault_ns, commit->t_ns);
    const struct viv_trace_event *epoch = last_event(trace, VIV_TRACE_EPOCH_OK, commit->sid, fault_ns, commit->t_ns);
    const struct viv_trace_event *synced = last_event(trace, VIV_TRACE_SYNC_OK, commit->sid, fault_ns, commit->t_ns);
    if (leading == NULL || epoch == NULL || synced == NULL) {
        return missing(recovery, leading == NULL ? VIV_TRACE_LEADING
                                 : epoch == NULL ? VIV_TRACE_EPOCH_OK
                                                 : VIV_TRACE_SYNC_OK);
    }
    add_part(recovery, "detect", &at_ns, noticed_ns);
    add_part(recovery, "elect", &at_ns, leading->t_ns);
    add_part(recovery, "discover", &at_ns, epoch->t_ns);
    add_part(recovery, "sync", &at_ns, synced->t_ns);
    add_part(recovery, "activate", &at_ns, commit->t_ns);
    add_part(recovery, "reconnect", &at_ns, ack_ns);
    check_sum(recovery);
    for (size_t i = 0; i < trace->event_count; i++) {
        const struct viv_trace_event *event = &trace->events[i];
        recovery->rounds += event->code == VIV_TRACE_LEADING && event->t_ns >= fault_ns && event->t_ns <= ack_ns;
    }
    return true;
}

void viv_recovery_follower_loss(uint64_t fault_ns, uint64_t ack_ns, struct viv_recovery *recovery)
{
    *recovery =
        (struct viv_recovery){.kind = "follower-loss", .whole_ms = ms_between(fault_ns, ack_ns), .whole_only = true};
    snprintf(recovery->why, sizeof recovery->why, "the leader stayed");
}

void viv_recovery_hand_over(const struct viv_load_result *result, struct viv_recovery *recovery)
{
    *recovery =
        (struct viv_recovery){.kind = "failover", .whole_ms = (double)result->silence_ns / 1e6, .whole_only = true};
    snprintf(recovery->why, sizeof recovery->why, "the longest time without an acknowledged write");
}

bool viv_recovery_restart(const struct viv_trace *trace, uint64_t start_ns, uint64_t read_ns, viv_sid sid,
                          struct viv_recovery *recovery)
{
    static const struct {
        enum viv_trace_code code;
        const char *name;
    } own[] = {{VIV_TRACE_INIT_OK, "init"},
               {VIV_TRACE_SNAP_OK, "load_snapshot"},
               {VIV_TRACE_LOG_OK, "scan_log"},
               {VIV_TRACE_REPLAY_OK, "replay"}};
    *recovery = (struct viv_recovery){.kind = "restart", .whole_ms = ms_between(start_ns, read_ns)};
    uint64_t at_ns = start_ns;
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
        const struct viv_trace_event *event = first_event(trace, own[i].code, sid, start_ns, read_ns);
        if (event == NULL) {
            return missing(recovery, own[i].code);
        }
        add_part(recovery, own[i].name, &at_ns, event->t_ns);
    }
    /* A follower is in when it is UPTODATE, a leader when it SERVEs. */
    const struct viv_trace_event *in = last_event(trace, VIV_TRACE_UPTODATE, sid, at_ns, read_ns);
    bool leads = in == NULL;
    in = leads ? last_event(trace, VIV_TRACE_SERVING, sid, at_ns, read_ns) : in;
    if (in == NULL) {
        return missing(recovery, VIV_TRACE_UPTODATE);
    }
    const struct viv_trace_event *found =
        last_event(trace, leads ? VIV_TRACE_LEADING : VIV_TRACE_FOLLOWING, sid, at_ns, in->t_ns);
    if (found == NULL) {
        return missing(recovery, leads ? VIV_TRACE_LEADING : VIV_TRACE_FOLLOWING);
    }
    add_part(recovery, "find_leader", &at_ns, found->t_ns);
    add_part(recovery, "sync", &at_ns, in->t_ns);
    add_part(recovery, "serve", &at_ns, read_ns);
    check_sum(recovery);
    recovery->rounds = 1;
    return true;
}

static uint32_t window(const struct viv_load_result *result, size_t first_tenth)
{
    uint32_t acked = 0;
    for (size_t i = first_tenth; i < first_tenth + TENTHS_PER_S; i++) {
        acked += i < result->tenth_count ? result->tenths[i] : 0;
    }
    return acked;
}

static int by_count(const void *left, const void *right)
{
    uint32_t a = *(const uint32_t *)left;
    uint32_t b = *(const uint32_t *)right;
    return a < b ? -1 : a > b;
}

/* Of the whole seconds before the fault; 0 when there is none. */
static uint32_t median_before(const struct viv_load_result *result, uint64_t fault_ns)
{
    size_t count = (size_t)((fault_ns - result->start_ns) / VIV_LOAD_TENTH_NS) / TENTHS_PER_S;
    if (count == 0) {
        return 0;
    }
    uint32_t *windows = viv_alloc(count * sizeof *windows);
    for (size_t i = 0; i < count; i++) {
        windows[i] = window(result, i * TENTHS_PER_S);
    }
    qsort(windows, count, sizeof *windows, by_count);
    uint32_t median = windows[(count - 1) / 2];
    free(windows);
    return median;
}

double viv_recovery_ramp_ms(const struct viv_load_result *result, uint64_t fault_ns, uint64_t ack_ns,
                            uint64_t steady_ns)
{
    VIV_ASSERT(fault_ns >= result->start_ns && ack_ns >= fault_ns);
    double wanted = 0.95 * median_before(result, fault_ns);
    size_t ack_tenth = (size_t)((ack_ns - result->start_ns) / VIV_LOAD_TENTH_NS);
    size_t end_tenth = (size_t)((result->end_ns - result->start_ns) / VIV_LOAD_TENTH_NS);
    size_t steady_tenths = (size_t)(steady_ns / VIV_LOAD_TENTH_NS);
    for (size_t first = ack_tenth; first + steady_tenths <= end_tenth; first++) {
        size_t held = 0;
        while (held + TENTHS_PER_S <= steady_tenths && window(result, first + held) >= wanted) {
            held++;
        }
        if (held + TENTHS_PER_S > steady_tenths) {
            uint64_t at_ns = result->start_ns + first * VIV_LOAD_TENTH_NS;
            return first == ack_tenth ? 0 : ms_between(ack_ns, at_ns);
        }
    }
    return -1;
}

/* The 99th percentile of what was due in [from_ns, to_ns); UINT64_MAX when nothing was, or too little was answered. */
static uint64_t read_p99_us(const struct viv_read_sample *samples, size_t count, uint64_t from_ns, uint64_t to_ns)
{
    struct viv_histogram latencies;
    viv_histogram_init(&latencies);
    for (size_t i = 0; i < count; i++) {
        if (samples[i].due_ns >= from_ns && samples[i].due_ns < to_ns) {
            viv_histogram_record(&latencies, samples[i].latency_ns / NS_PER_US);
        }
    }
    bool is_empty = latencies.total + latencies.overflow == 0;
    uint64_t p99_us = is_empty ? UINT64_MAX : viv_histogram_quantile(&latencies, 0.99);
    viv_histogram_fini(&latencies);
    return p99_us;
}

double viv_recovery_warm_ms(const struct viv_read_sample *samples, size_t count, uint64_t fault_ns, uint64_t read_ns,
                            uint64_t end_ns, uint64_t steady_ns)
{
    VIV_ASSERT(fault_ns > WINDOW_NS && read_ns >= fault_ns && steady_ns >= WINDOW_NS);
    uint64_t before_us = read_p99_us(samples, count, fault_ns - WINDOW_NS, fault_ns);
    if (before_us == UINT64_MAX) {
        return -1;
    }
    for (uint64_t first_ns = read_ns; first_ns + steady_ns <= end_ns; first_ns += VIV_LOAD_TENTH_NS) {
        uint64_t from_ns = first_ns;
        while (from_ns + WINDOW_NS <= first_ns + steady_ns &&
               (double)read_p99_us(samples, count, from_ns, from_ns + WINDOW_NS) <= WARM_RATIO * (double)before_us) {
            from_ns += VIV_LOAD_TENTH_NS;
        }
        if (from_ns + WINDOW_NS > first_ns + steady_ns) {
            return ms_between(read_ns, first_ns);
        }
    }
    return -1;
}
