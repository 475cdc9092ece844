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

VIV_TEST(zab_election_policy, fle_is_a_strict_total_order)
{
    const struct viv_election_policy *fle = viv_election_policy_find("fle");
    struct viv_rng rng;
    struct viv_candidate all[40];
    viv_rng_init(&rng, 7);
    for (int i = 0; i < 40; i++) {
        all[i] = (struct viv_candidate){(viv_sid)viv_rng_below(&rng, 3), VIV_ZXID(viv_rng_below(&rng, 2), i % 3),
                                        (int64_t)viv_rng_below(&rng, 3) - 1};
    }
    all[0] = (struct viv_candidate){INT64_MIN, (uint64_t)INT64_MIN, INT64_MIN}; /* an observer's */
    for (int a = 0; a < 40; a++) {
        cr_assert(a == 0 || fle->better(&all[a], &all[0]));
        for (int b = 0; b < 40; b++) {
            bool same =
                all[a].leader == all[b].leader && all[a].zxid == all[b].zxid && all[a].peer_epoch == all[b].peer_epoch;
            cr_assert_eq(fle->better(&all[a], &all[b]) + fle->better(&all[b], &all[a]), same ? 0 : 1);
            for (int c = 0; c < 40; c++) {
                bool chain = fle->better(&all[a], &all[b]) && fle->better(&all[b], &all[c]);
                cr_assert(fle->better(&all[a], &all[c]) || !chain);
            }
        }
    }
    cr_assert_null(viv_election_policy_find("dice"));
}

VIV_TEST(zab_election_policy, a_newer_epoch_beats_a_higher_zxid)
{
    const struct viv_election_policy *fle = viv_election_policy_find("fle");
    struct viv_candidate newer = {1, VIV_ZXID(2, 5), 3};
    struct viv_candidate longer = {9, VIV_ZXID(2, 900), 2};
    cr_assert(fle->better(&newer, &longer));
}
