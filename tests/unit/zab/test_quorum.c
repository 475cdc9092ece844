#include "base/rng.h"
#include "tests/support/viv_test.h"
#include "zab/election_policy.h"
#include "zab/quorum.h"

static const struct viv_zab_member five[] = {{.sid = 11, .voter = true},
                                             {.sid = 12},
                                             {.sid = 13, .voter = true},
                                             {.sid = 14, .voter = true},
                                             {.sid = 15, .voter = true}};

VIV_TEST(zab_quorum, more_than_half_of_the_voters_decide_and_observers_count_for_nothing)
{
    struct viv_quorum quorum;
    viv_quorum_init(&quorum, five, 5); /* four voters */
    uint64_t eleven = viv_quorum_voter(&quorum, 11);
    uint64_t thirteen = viv_quorum_voter(&quorum, 13);
    cr_assert_eq(viv_quorum_voter(&quorum, 12), 0);
    cr_assert_eq(viv_quorum_voter(&quorum, 99), 0);
    cr_assert_eq(viv_quorum_index(&quorum, 99), -1);
    cr_assert_not(viv_quorum_has(&quorum, eleven | thirteen));
    cr_assert_not(viv_quorum_has(&quorum, eleven | thirteen | UINT64_C(1) << 1));
    cr_assert(viv_quorum_has(&quorum, eleven | thirteen | viv_quorum_voter(&quorum, 15)));
}

VIV_TEST(zab_quorum, the_zxid_of_a_quorum_is_what_three_of_four_reached)
{
    struct viv_quorum quorum;
    viv_quorum_init(&quorum, five, 5);
    uint64_t reached[VIV_MEMBERS_MAX] = {9, 100, 7, 3, 8};
    cr_assert_eq(viv_quorum_zxid(&quorum, reached), 7);
    reached[3] = 8;
    cr_assert_eq(viv_quorum_zxid(&quorum, reached), 8);
}

/* Three groups of three; 9 counts for nothing, 10 observes; group 4 has no weight. */
static const struct viv_zab_member grouped[] = {
    {1, true, 1, 1}, {2, true, 1, 1}, {3, true, 1, 1}, {4, true, 2, 5},   {5, true, 2, 1},  {6, true, 2, 1},
    {7, true, 3, 1}, {8, true, 3, 1}, {9, true, 3, 0}, {10, false, 0, 1}, {11, true, 4, 0},
};

static uint64_t set_of(const struct viv_quorum *quorum, const char *sids)
{
    uint64_t set = 0;
    for (; *sids != '\0'; sids++) {
        set |= viv_quorum_voter(quorum, *sids - '0');
    }
    return set;
}

VIV_TEST(zab_quorum, more_than_half_of_the_weight_in_more_than_half_of_the_groups_decides)
{
    struct viv_quorum quorum;
    viv_quorum_init(&quorum, grouped, sizeof grouped / sizeof *grouped);
    cr_assert_eq(quorum.group_count, 3);
    cr_assert(viv_quorum_has(&quorum, set_of(&quorum, "124")), "two of group 1, and the heavy one of group 2");
    cr_assert_not(viv_quorum_has(&quorum, set_of(&quorum, "12569")),
                  "5 and 6 are no half of group 2, nor 9 of group 3");
    cr_assert(viv_quorum_has(&quorum, set_of(&quorum, "1278")));
    cr_assert_not(viv_quorum_has(&quorum, set_of(&quorum, "1279")), "weight 0 does not count");
    cr_assert_not(viv_quorum_has(&quorum, set_of(&quorum, "123569")), "one group of three");
    cr_assert(viv_quorum_may_lead(&quorum, 4));
    cr_assert_not(viv_quorum_may_lead(&quorum, 9));
    cr_assert_not(viv_quorum_may_lead(&quorum, 10));
    cr_assert_neq(viv_quorum_voter(&quorum, 9), 0, "it follows and acknowledges all the same");
}

VIV_TEST(zab_quorum, any_two_quorums_share_a_server_that_counts)
{
    struct viv_quorum quorum;
    viv_quorum_init(&quorum, grouped, sizeof grouped / sizeof *grouped);
    for (uint64_t a = 0; a < 1U << 11; a++) {
        bool has = viv_quorum_has(&quorum, a);
        bool rest_has = viv_quorum_has(&quorum, ~a & ((1U << 11) - 1));
        cr_assert_not(has && rest_has, "0x%llx and the others decide apart", (unsigned long long)a);
    }
}

static bool is_same(const struct viv_candidate *a, const struct viv_candidate *b)
{
    return a->leader == b->leader && a->zxid == b->zxid && a->peer_epoch == b->peer_epoch && a->rank == b->rank;
}

/* Total, antisymmetric, transitive: over candidates that lie close together in everything. What a policy cannot tell
 * apart (a zxid within the slack) is told apart by rank or sid, so two candidates compare alike only when they are the
 * same server's. */
static void expect_order(const struct viv_election_policy *policy, uint64_t slack, uint64_t seed)
{
    enum { COUNT = 32 };
    struct viv_rng rng;
    struct viv_candidate all[COUNT];
    viv_rng_init(&rng, seed);
    for (int i = 0; i < COUNT; i++) {
        viv_sid sid = (viv_sid)i + 1;
        all[i] = (struct viv_candidate){sid, VIV_ZXID(viv_rng_below(&rng, 2), viv_rng_below(&rng, 12)),
                                        (int64_t)viv_rng_below(&rng, 3), viv_rng_below(&rng, 4)};
    }
    all[0] = (struct viv_candidate){INT64_MIN, (uint64_t)INT64_MIN, INT64_MIN, UINT64_MAX}; /* an observer's */
    for (int a = 0; a < COUNT; a++) {
        cr_assert(a == 0 || viv_election_better(policy, slack, &all[a], &all[0]));
        for (int b = 0; b < COUNT; b++) {
            bool ab = viv_election_better(policy, slack, &all[a], &all[b]);
            bool ba = viv_election_better(policy, slack, &all[b], &all[a]);
            cr_assert_eq(ab + ba, is_same(&all[a], &all[b]) ? 0 : 1);
            for (int c = 0; c < COUNT && ab; c++) {
                bool bc = viv_election_better(policy, slack, &all[b], &all[c]);
                bool ac = viv_election_better(policy, slack, &all[a], &all[c]);
                cr_assert(ac || !bc, "%s, slack %llu, seed %llu: a circle", policy->name, (unsigned long long)slack,
                          (unsigned long long)seed);
            }
        }
    }
}

static const char *const policy_names[] = {"fle", "ring", "priority", "rtt"};
static const uint64_t slacks[] = {0, 1, 2, 5, 1000, VIV_ELECTION_SLACK_ANY};

VIV_TEST(zab_election_policy, every_policy_is_a_strict_total_order_with_any_slack)
{
    for (size_t i = 0; i < sizeof policy_names / sizeof policy_names[0]; i++) {
        for (size_t j = 0; j < sizeof slacks / sizeof slacks[0] && (i > 0 || j == 0); j++) {
            for (uint64_t seed = 1; seed <= 20; seed++) {
                expect_order(viv_election_policy_find(policy_names[i]), slacks[j], seed);
            }
        }
    }
    cr_assert_null(viv_election_policy_find("dice"));
}

/* "Within so many of one another" is no order: the control for the test above. */
static bool better_within(uint64_t slack, const struct viv_candidate *a, const struct viv_candidate *b)
{
    uint64_t apart = a->zxid > b->zxid ? a->zxid - b->zxid : b->zxid - a->zxid;
    return apart <= slack ? a->rank < b->rank : a->zxid > b->zxid;
}

VIV_TEST(zab_election_policy, zxids_within_the_slack_of_one_another_would_go_round_in_a_circle)
{
    struct viv_candidate a = {1, VIV_ZXID(1, 10), 1, 3}, b = {2, VIV_ZXID(1, 8), 1, 2}, c = {3, VIV_ZXID(1, 6), 1, 1};
    cr_assert(better_within(2, &b, &a) && better_within(2, &c, &b) && better_within(2, &a, &c));
    const struct viv_election_policy *ring = viv_election_policy_find("ring");
    cr_assert_not(viv_election_better(ring, 2, &b, &a) && viv_election_better(ring, 2, &c, &b) &&
                  viv_election_better(ring, 2, &a, &c));
}

VIV_TEST(zab_election_policy, a_newer_epoch_beats_a_higher_zxid)
{
    struct viv_candidate newer = {1, VIV_ZXID(2, 5), 3, 9};
    struct viv_candidate longer = {9, VIV_ZXID(2, 900), 2, 1};
    for (size_t i = 0; i < sizeof policy_names / sizeof policy_names[0]; i++) {
        cr_assert(viv_election_better(viv_election_policy_find(policy_names[i]), 0, &newer, &longer));
    }
}

VIV_TEST(zab_election_policy, a_rank_decides_between_equals_and_within_the_slack_only)
{
    const struct viv_election_policy *priority = viv_election_policy_find("priority");
    struct viv_candidate near = {1, VIV_ZXID(2, 90), 2, 1}, long_one = {9, VIV_ZXID(2, 95), 2, 5};
    struct viv_candidate empty = {3, 0, 0, 0};
    cr_assert(viv_election_better(priority, 0, &long_one, &near));
    cr_assert(viv_election_better(priority, 100, &near, &long_one));
    cr_assert(viv_election_better(priority, VIV_ELECTION_SLACK_ANY, &near, &long_one));
    cr_assert(viv_election_better(priority, VIV_ELECTION_SLACK_ANY, &long_one, &empty)); /* it may have lost its disk */
    near.zxid = long_one.zxid;
    cr_assert(viv_election_better(priority, 0, &near, &long_one));
    cr_assert(viv_election_better(viv_election_policy_find("fle"), 0, &long_one, &near));
}

VIV_TEST(zab_election_policy, the_point_on_the_ring_moves_so_that_everybody_is_nearest_now_and_then)
{
    const struct viv_election_policy *ring = viv_election_policy_find("ring");
    int won[5] = {0};
    for (uint64_t round = 1; round <= 500; round++) {
        size_t nearest = 0;
        uint64_t ranks[5];
        for (size_t i = 0; i < 5; i++) {
            ranks[i] = ring->rank(&(struct viv_election_facts){.sid = (viv_sid)i + 1, .round = round});
            nearest = ranks[i] < ranks[nearest] ? i : nearest;
        }
        won[nearest]++;
    }
    for (size_t i = 0; i < 5; i++) {
        cr_assert_gt(won[i], 30, "server %zu won %d of 500", i + 1, won[i]);
    }
}
