#include "base/rng.h"
#include "tests/support/viv_test.h"
#include "zab/election_policy.h"
#include "zab/quorum.h"

static const struct viv_zab_member five[] = {{11, true}, {12, false}, {13, true}, {14, true}, {15, true}};

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
