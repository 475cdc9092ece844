#include "tests/support/viv_test.h"
#include "tests/unit/zab/actor.h"
#include "zab/membership.h"

/* What an acknowledgement is worth to a leader, and when. */

static const uint64_t entries[] = {VIV_ZXID(2, 1), VIV_ZXID(2, 2), VIV_ZXID(2, 3), 0};
static const struct actor_config three = {
    .sid = 3, .accepted_epoch = 2, .current_epoch = 2, .zxids = entries, .committed_zxid = VIV_ZXID(2, 2)};
static const struct viv_bytes nothing = {0};

/* Java learners acknowledge proposals that they were sent while they synchronise; these are not of the epoch yet. */
VIV_TEST(zab_acknowledge, nothing_counts_before_the_epoch_is_adopted)
{
    struct actor actor;
    actor_init(&actor, &three);
    actor_lead(&actor, true, VIV_ZXID(2, 3));
    actor_introduce(&actor, 2, 2, 2, false);
    actor_ackepoch(&actor, 2, VIV_ZXID(2, 3), 2);
    actor_give(&actor, (struct viv_zab_input){.kind = VIV_ZAB_PROPOSE,
                                              .zxid = viv_zab_next_zxid(actor.zab),
                                              .data = VIV_BYTES_LITERAL("body")});
    actor_give(&actor, (struct viv_zab_input){.kind = VIV_ZAB_STORED, .zxid = VIV_ZXID(3, 1)});
    actor_packet(&actor, 2, VIV_PACKET_ACK, VIV_ZXID(3, 1), nothing);
    cr_assert_eq(viv_zab_last_committed(actor.zab), VIV_ZXID(2, 3));
    actor_packet(&actor, 2, VIV_PACKET_ACK, VIV_ZXID(3, 0), nothing);
    cr_assert_eq(viv_zab_last_committed(actor.zab), VIV_ZXID(3, 1));
    actor_fini(&actor);
}

static struct viv_zab_member voter(viv_sid sid)
{
    return (struct viv_zab_member){.sid = sid, .voter = true};
}

/* Voters 1, 2, 3 become 3, 4, 5. */
VIV_TEST(zab_acknowledge, a_reconfiguration_needs_a_quorum_of_each_configuration)
{
    enum { VOTERS = 5 };
    const uint64_t proposed = VIV_ZXID(3, 7), before = VIV_ZXID(3, 6), after = VIV_ZXID(3, 9);
    const struct viv_zab_member members[] = {voter(1), voter(2), voter(3)};
    const struct viv_bytes text = VIV_BYTES_LITERAL("server.3=h3:2888:3888:participant\n"
                                                    "server.4=h4:2888:3888:participant\n"
                                                    "server.5=h5:2888:3888:participant\n"
                                                    "version=300000007");
    const struct {
        uint64_t reached[VOTERS]; /* by 1, 2, ... */
        uint64_t committed;
    } cases[] = {
        {{after, after, after, 0, 0}, before}, /* only the old ones */
        {{0, 0, after, after, after}, 0},      /* only the new ones */
        {{after, 0, after, after, 0}, after},       {{proposed, 0, after, after, 0}, proposed},
        {{after, 0, after, proposed, 0}, proposed},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct viv_membership membership;
        uint64_t reached[VIV_MEMBERS_MAX] = {0}, set = 0;
        viv_membership_init(&membership, members, sizeof members / sizeof members[0], nothing, 1);
        cr_assert(viv_membership_propose(&membership, text, proposed));
        for (viv_sid sid = 1; sid <= VOTERS; sid++) {
            int index = viv_membership_index(&membership, sid);
            reached[index] = cases[i].reached[sid - 1];
            set |= cases[i].reached[sid - 1] != 0 ? UINT64_C(1) << index : 0;
        }
        cr_assert_eq(viv_membership_zxid(&membership, reached), cases[i].committed, "case %zu", i);
        cr_assert_eq(viv_membership_has(&membership, set), cases[i].committed >= proposed, "case %zu", i);
        viv_membership_fini(&membership);
    }
}
