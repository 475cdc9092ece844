#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "experiments/lab/recovery.h"
#include "tests/support/viv_test.h"

#define MS    UINT64_C(1000000)
#define START (1000 * MS)

static void add(struct viv_trace *trace, uint64_t at_ms, viv_sid sid, enum viv_trace_code code)
{
    viv_trace_add(trace, &(struct viv_trace_event){.t_ns = START + at_ms * MS, .sid = sid, .code = code});
}

/* Server 3 is lost at 0; servers 1 and 2 notice at 10 and 12; 2 wins at 20, and commits its first proposal at 31. */
static void failover(struct viv_trace *trace)
{
    *trace = (struct viv_trace){0};
    add(trace, 10, 1, VIV_TRACE_FOLLOW_LOST);
    add(trace, 12, 2, VIV_TRACE_FOLLOW_LOST);
    add(trace, 20, 2, VIV_TRACE_LEADING);
    add(trace, 24, 2, VIV_TRACE_EPOCH_OK);
    add(trace, 30, 2, VIV_TRACE_SYNC_OK);
    add(trace, 31, 2, VIV_TRACE_FIRST_COMMIT);
    viv_trace_sort(trace);
}

static double part(const struct viv_recovery *recovery, const char *name)
{
    for (unsigned i = 0; i < recovery->part_count; i++) {
        if (strcmp(recovery->parts[i].name, name) == 0) {
            return recovery->parts[i].ms;
        }
    }
    return -1;
}

VIV_TEST(lab_recovery, the_parts_of_a_failover_are_those_computed_by_hand)
{
    struct viv_trace trace;
    struct viv_recovery recovery;
    failover(&trace);
    cr_assert(viv_recovery_failover(&trace, START, START + 40 * MS, 3, 3, &recovery));
    cr_assert_eq(part(&recovery, "detect"), 12);
    cr_assert_eq(part(&recovery, "elect"), 8);
    cr_assert_eq(part(&recovery, "discover"), 4);
    cr_assert_eq(part(&recovery, "sync"), 6);
    cr_assert_eq(part(&recovery, "activate"), 1);
    cr_assert_eq(part(&recovery, "reconnect"), 9);
    cr_assert_eq(recovery.whole_ms, 40);
    cr_assert(viv_recovery_adds_up(&recovery));
    viv_trace_fini(&trace);
}

VIV_TEST(lab_recovery, a_round_that_failed_belongs_to_the_election)
{
    struct viv_trace trace;
    struct viv_recovery recovery;
    failover(&trace);
    add(&trace, 14, 1, VIV_TRACE_LEADING);
    viv_trace_sort(&trace);
    cr_assert(viv_recovery_failover(&trace, START, START + 40 * MS, 3, 3, &recovery));
    cr_assert_eq(part(&recovery, "elect"), 8);
    cr_assert_eq(recovery.rounds, 2);
    viv_trace_fini(&trace);
}

VIV_TEST(lab_recovery, milestones_out_of_order_do_not_add_up)
{
    struct viv_trace trace = {0};
    struct viv_recovery recovery;
    add(&trace, 10, 1, VIV_TRACE_FOLLOW_LOST);
    add(&trace, 25, 2, VIV_TRACE_FOLLOW_LOST);
    add(&trace, 20, 2, VIV_TRACE_LEADING); /* before a quorum has noticed */
    add(&trace, 26, 2, VIV_TRACE_EPOCH_OK);
    add(&trace, 30, 2, VIV_TRACE_SYNC_OK);
    add(&trace, 31, 2, VIV_TRACE_FIRST_COMMIT);
    viv_trace_sort(&trace);
    cr_assert(viv_recovery_failover(&trace, START, START + 40 * MS, 3, 3, &recovery));
    cr_assert_not(viv_recovery_adds_up(&recovery));
    viv_trace_fini(&trace);
}

VIV_TEST(lab_recovery, a_missing_milestone_is_named)
{
    struct viv_trace trace = {0};
    struct viv_recovery recovery;
    cr_assert_not(viv_recovery_failover(&trace, START, START + 40 * MS, 3, 3, &recovery));
    cr_assert_not_null(strstr(recovery.why, "FOLLOW_LOST"));
    cr_assert_eq(recovery.whole_ms, 40);
    cr_assert_eq(recovery.part_count, 0);
}

VIV_TEST(lab_recovery, the_parts_of_a_restart_reach_from_the_start_to_the_first_read)
{
    struct viv_trace trace = {0};
    struct viv_recovery recovery;
    add(&trace, 2, 1, VIV_TRACE_INIT_OK);
    add(&trace, 52, 1, VIV_TRACE_SNAP_OK);
    add(&trace, 55, 1, VIV_TRACE_LOG_OK);
    add(&trace, 60, 1, VIV_TRACE_REPLAY_OK);
    add(&trace, 70, 1, VIV_TRACE_FOLLOWING);
    add(&trace, 80, 1, VIV_TRACE_UPTODATE);
    cr_assert(viv_recovery_restart(&trace, START, START + 81 * MS, 1, &recovery));
    cr_assert_eq(part(&recovery, "init"), 2);
    cr_assert_eq(part(&recovery, "load_snapshot"), 50);
    cr_assert_eq(part(&recovery, "replay"), 5);
    cr_assert_eq(part(&recovery, "find_leader"), 10);
    cr_assert_eq(part(&recovery, "sync"), 10);
    cr_assert_eq(part(&recovery, "serve"), 1);
    cr_assert(viv_recovery_adds_up(&recovery));
    viv_trace_fini(&trace);
}

static void fill(uint32_t *tenths, size_t from, size_t to, uint32_t value)
{
    for (size_t i = from; i < to; i++) {
        tenths[i] = value;
    }
}

VIV_TEST(lab_recovery, the_ramp_ends_when_throughput_is_back_for_good)
{
    uint32_t tenths[100] = {0};
    struct viv_load_result result = {
        .start_ns = START, .end_ns = START + 10000 * MS, .tenths = tenths, .tenth_count = 100};
    fill(tenths, 0, 20, 100);
    fill(tenths, 30, 40, 50); /* half as fast for a second after the fault at 2 s and the answer at 3 s */
    fill(tenths, 40, 100, 100);
    double ramp_ms = viv_recovery_ramp_ms(&result, START + 2000 * MS, START + 3000 * MS, 3000 * MS);
    cr_assert_eq(ramp_ms, 900, "nine full tenths and one half are 95 %%");
    fill(tenths, 30, 100, 90);
    cr_assert_lt(viv_recovery_ramp_ms(&result, START + 2000 * MS, START + 3000 * MS, 3000 * MS), 0);
    fill(tenths, 30, 100, 96);
    cr_assert_eq(viv_recovery_ramp_ms(&result, START + 2000 * MS, START + 3000 * MS, 3000 * MS), 0);
}

/* One read a millisecond from START on for ten seconds: 100 us each. */
static void read_evenly(struct viv_read_sample *samples, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        samples[i] = (struct viv_read_sample){START + 1000 * MS + i * MS, 100000};
    }
}

VIV_TEST(lab_recovery, a_restarted_server_is_warm_when_its_reads_are_as_fast_as_before_for_good)
{
    static struct viv_read_sample samples[10000];
    size_t count = sizeof samples / sizeof *samples;
    uint64_t fault_ns = START + 3000 * MS;
    uint64_t read_ns = START + 4000 * MS;
    uint64_t end_ns = START + 11000 * MS;
    read_evenly(samples, count);
    for (size_t i = 2000; i < 3000; i++) {
        samples[i].latency_ns = UINT64_MAX; /* it was down */
    }
    cr_assert_eq(viv_recovery_warm_ms(samples, count, fault_ns, read_ns, end_ns, 3000 * MS), 0);
    for (size_t i = 3000; i < 3800; i++) {
        samples[i].latency_ns = 121000; /* a fifth slower and a little more */
    }
    cr_assert_eq(viv_recovery_warm_ms(samples, count, fault_ns, read_ns, end_ns, 3000 * MS), 800);
    for (size_t i = 5000; i < 5020; i++) {
        samples[i].latency_ns = 900000; /* two reads in a hundred, once more, before three steady seconds are over */
    }
    cr_assert_eq(viv_recovery_warm_ms(samples, count, fault_ns, read_ns, end_ns, 3000 * MS), 2100);
    cr_assert_lt(viv_recovery_warm_ms(samples, count, fault_ns, read_ns, START + 7000 * MS, 3000 * MS), 0);
    cr_assert_lt(viv_recovery_warm_ms(samples, 0, fault_ns, read_ns, end_ns, 3000 * MS), 0, "nothing was read before");
}
