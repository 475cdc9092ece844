#include "base/stage.h"
#include "tests/support/viv_test.h"
#include "tests/unit/zab/actor.h"
#include "zab/zab_internal.h"

static const uint64_t entries[] = {VIV_ZXID(2, 1), VIV_ZXID(2, 2), VIV_ZXID(2, 3), 0};
static const struct actor_config three = {
    .sid = 3, .accepted_epoch = 2, .current_epoch = 2, .zxids = entries, .committed_zxid = VIV_ZXID(2, 2)};
static const struct viv_bytes nothing = {0};

#define LAST VIV_ZXID(2, 3)

static void propose(struct actor *actor)
{
    actor_give(actor, (struct viv_zab_input){.kind = VIV_ZAB_PROPOSE,
                                             .zxid = viv_zab_next_zxid(actor->zab),
                                             .data = VIV_BYTES_LITERAL("body")});
}

static void stored(struct actor *actor, uint64_t zxid)
{
    actor_give(actor, (struct viv_zab_input){.kind = VIV_ZAB_STORED, .zxid = zxid});
}

VIV_TEST(zab_reign, elected_by_rank_it_pulls_the_best_history_of_the_quorum_before_it_adopts_its_epoch)
{
    struct actor actor;
    struct actor_config config = three;
    config.policy = "ring";
    config.slack = VIV_ELECTION_SLACK_ANY;
    actor_init(&actor, &config);
    struct viv_zab_input input = {.kind = VIV_ZAB_VOTE, .sid = 1};
    input.vote = (struct viv_vote){.leader = 3, .zxid = LAST, .round = 1, .peer_epoch = 2};
    input.vote.rank = (struct viv_vote_rank){true, 1, VIV_ELECTION_SLACK_ANY, actor.zab->election.proposal.rank, 0, 0};
    actor_give(&actor, input);
    actor_tick(&actor, 300);
    cr_assert_eq(actor_state(&actor), VIV_LEADING);
    actor_introduce(&actor, 1, 1, 2, true);
    cr_assert_null(actor_sent(&actor, 1, VIV_PACKET_ACKEPOCH)); /* nothing is pulled before there are promises */
    actor_give(&actor, (struct viv_zab_input){.kind = VIV_ZAB_EPOCHS_STORED});
    actor_ackepoch(&actor, 1, VIV_ZXID(2, 5), 2);
    const struct viv_packet *ask = actor_sent(&actor, 1, VIV_PACKET_ACKEPOCH);
    cr_assert_eq(ask->zxid, LAST);
    cr_assert_null(actor_said(&actor, VIV_ZAB_EPOCHS));
    actor_packet(&actor, 1, VIV_PACKET_DIFF, LAST, nothing);
    for (uint64_t zxid = VIV_ZXID(2, 4); zxid <= VIV_ZXID(2, 5); zxid++) {
        actor_packet(&actor, 1, VIV_PACKET_PROPOSAL, zxid, VIV_BYTES_LITERAL("body"));
        cr_assert_eq(actor_said(&actor, VIV_ZAB_APPEND)->entries[0].zxid, zxid);
    }
    actor_packet(&actor, 1, VIV_PACKET_ACKEPOCH, VIV_ZXID(2, 5), viv_bytes_of((const uint8_t[]){0, 0, 0, 2}, 4));
    cr_assert_null(actor_said(&actor, VIV_ZAB_EPOCHS));
    stored(&actor, VIV_ZXID(2, 5));
    cr_assert_eq(actor_said(&actor, VIV_ZAB_EPOCHS)->current_epoch, 3); /* D4 */
    actor_give(&actor, (struct viv_zab_input){.kind = VIV_ZAB_EPOCHS_STORED});
    cr_assert_not_null(actor_sent(&actor, 1, VIV_PACKET_NEWLEADER));
    actor_fini(&actor);
}

static void confirm(struct actor *actor, uint64_t mark)
{
    actor_give(actor, (struct viv_zab_input){.kind = VIV_ZAB_CONFIRM, .zxid = mark});
}

VIV_TEST(zab_reign, a_round_of_pings_shows_that_a_quorum_still_follows)
{
    struct actor actor;
    actor_init(&actor, &three);
    actor_lead(&actor, true, LAST);
    confirm(&actor, 1);
    const struct viv_packet *ping = actor_sent(&actor, 1, VIV_PACKET_PING);
    cr_assert_not_null(ping);
    cr_assert(ping->has_data && ping->data.size == 0); /* the sessions are not asked for */
    uint64_t round = ping->zxid;
    cr_assert_null(actor_said(&actor, VIV_ZAB_CONFIRMED));
    confirm(&actor, 2);
    confirm(&actor, 3);
    cr_assert_null(actor_sent(&actor, 1, VIV_PACKET_PING)); /* they share the next round */
    actor_packet(&actor, 1, VIV_PACKET_PING, round - 1, nothing);
    cr_assert_null(actor_said(&actor, VIV_ZAB_CONFIRMED)); /* an echo from before the question */
    actor_packet(&actor, 1, VIV_PACKET_PING, round, nothing);
    cr_assert_eq(actor_said(&actor, VIV_ZAB_CONFIRMED)->zxid, 1);
    cr_assert_eq(actor_sent(&actor, 1, VIV_PACKET_PING)->zxid, round + 1);
    actor_packet(&actor, 1, VIV_PACKET_PING, round + 7, nothing);
    cr_assert_null(actor_said(&actor, VIV_ZAB_CONFIRMED)); /* a round that was never asked for */
    actor_packet(&actor, 1, VIV_PACKET_PING, round + 1, nothing);
    cr_assert_eq(actor_said(&actor, VIV_ZAB_CONFIRMED)->zxid, 3);
    cr_assert_null(actor_sent(&actor, 1, VIV_PACKET_PING));
    actor_fini(&actor);
}

/* For how long a leader bears a disk whose answers took so long, when the next one does not come. */
static uint64_t borne_ms(uint64_t answer_ms)
{
    struct actor actor;
    struct actor_config config = three;
    uint64_t waited_ms = 0;
    config.adaptive = true;
    config.tick_ms = 2000;
    actor_init(&actor, &config);
    actor_lead(&actor, true, LAST);
    for (uint64_t zxid = VIV_ZXID(3, 1); zxid <= VIV_ZXID(3, 20); zxid++) {
        propose(&actor);
        for (uint64_t ms = 0; ms < answer_ms; ms += 20) {
            actor_packet(&actor, 1, VIV_PACKET_PING, 0, nothing);
            actor_tick(&actor, 20);
        }
        stored(&actor, zxid);
        actor_packet(&actor, 1, VIV_PACKET_ACK, zxid, nothing);
        actor_tick(&actor, 20);
    }
    for (int i = 0; i < 50; i++) { /* a second without work is none of waiting */
        actor_packet(&actor, 1, VIV_PACKET_PING, 0, nothing);
        actor_tick(&actor, 20);
    }
    propose(&actor);
    actor_packet(&actor, 1, VIV_PACKET_ACK, VIV_ZXID(3, 21), nothing);
    for (; actor_state(&actor) == VIV_LEADING && waited_ms < 20000; waited_ms += 20) {
        actor_packet(&actor, 1, VIV_PACKET_PING, 0, nothing);
        actor_tick(&actor, 20);
    }
    cr_assert_null(actor_said(&actor, VIV_ZAB_VOTE_SEND)); /* it could not keep a promise */
    actor_fini(&actor);
    return waited_ms;
}

VIV_TEST(zab_reign, a_disk_that_freezes_ends_a_reign_soon_and_a_slow_one_is_given_time)
{
    cr_assert_eq(borne_ms(20), 620);
    cr_assert_eq(borne_ms(100), 620);
    cr_assert_eq(borne_ms(400), 1620);
    cr_assert_eq(borne_ms(3000), 10020); /* syncLimit */
}
