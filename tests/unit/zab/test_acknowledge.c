#include "tests/support/viv_test.h"
#include "tests/unit/zab/actor.h"

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
