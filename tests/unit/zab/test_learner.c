#include "base/endian.h"
#include "tests/support/viv_test.h"
#include "tests/unit/zab/actor.h"

static const uint64_t entries[] = {VIV_ZXID(2, 1), VIV_ZXID(2, 2), VIV_ZXID(2, 3), 0};
static const struct actor_config one = {
    .sid = 1, .accepted_epoch = 2, .current_epoch = 2, .zxids = entries, .committed_zxid = VIV_ZXID(2, 2)};
static const struct viv_bytes nothing = {0};
static const struct viv_bytes body = {(const uint8_t *)"body", 4};

#define LAST VIV_ZXID(2, 3)

static void stored(struct actor *actor, uint64_t zxid)
{
    actor_give(actor, (struct viv_zab_input){.kind = VIV_ZAB_STORED, .zxid = zxid});
}

static void epochs_stored(struct actor *actor)
{
    actor_give(actor, (struct viv_zab_input){.kind = VIV_ZAB_EPOCHS_STORED});
}

/* Up to UPTODATE, with nothing to learn. */
static void serve(struct actor *actor, bool native)
{
    actor_init(actor, &one);
    actor_follow(actor, 3, native);
    actor_packet(actor, 1, VIV_PACKET_DIFF, LAST, nothing);
    actor_packet(actor, 1, VIV_PACKET_NEWLEADER, VIV_ZXID(3, 0), nothing);
    epochs_stored(actor);
    actor_packet(actor, 1, VIV_PACKET_UPTODATE, UINT64_MAX, nothing);
}

VIV_TEST(zab_learner, a_promise_is_durable_before_it_is_given)
{
    struct actor actor;
    uint8_t info[4] = {0, 1, 0, 0};
    actor_init(&actor, &one);
    actor_vote(&actor, 2, VIV_FOLLOWING, 3, 1, 7, 3);
    actor_vote(&actor, 3, VIV_LEADING, 3, 1, 7, 3);
    cr_assert_eq(actor_said(&actor, VIV_ZAB_LINK_DIAL)->sid, 3);
    actor_give(&actor, (struct viv_zab_input){.kind = VIV_ZAB_LINK_UP, .link = 1, .sid = 3});
    cr_assert_eq(actor_sent(&actor, 1, VIV_PACKET_FOLLOWERINFO)->zxid, VIV_ZXID(2, 0));
    cr_assert_eq(actor_sent(&actor, 1, VIV_PACKET_FOLLOWERINFO)->data.size, 28);
    actor_packet(&actor, 1, VIV_PACKET_LEADERINFO, VIV_ZXID(3, 0), viv_bytes_of(info, 4));
    cr_assert_eq(actor_said(&actor, VIV_ZAB_EPOCHS)->accepted_epoch, 3);
    cr_assert_null(actor_sent(&actor, 1, VIV_PACKET_ACKEPOCH));
    epochs_stored(&actor);
    cr_assert_eq(actor_sent(&actor, 1, VIV_PACKET_ACKEPOCH)->zxid, LAST);
    cr_assert_eq(viv_load_be32(actor_sent(&actor, 1, VIV_PACKET_ACKEPOCH)->data.data), 2);
    actor_fini(&actor);
}

VIV_TEST(zab_learner, a_promise_given_before_is_answered_with_minus_one_and_a_lower_one_refused)
{
    struct actor actor;
    actor_init(&actor, &(struct actor_config){.sid = 1, .accepted_epoch = 5});
    actor_follow(&actor, 5, true);
    cr_assert_eq(viv_load_be32(actor_sent(&actor, 1, VIV_PACKET_ACKEPOCH)->data.data), UINT32_MAX);
    cr_assert_not_null(actor_said(&actor, VIV_ZAB_ENVELOPE));
    actor_fini(&actor);

    actor_init(&actor, &(struct actor_config){.sid = 1, .accepted_epoch = 6});
    actor_follow(&actor, 5, true);
    cr_assert_null(actor_sent(&actor, 1, VIV_PACKET_ACKEPOCH));
    cr_assert_eq(actor_state(&actor), VIV_LOOKING);
    actor_fini(&actor);
}

VIV_TEST(zab_learner, newleader_is_acknowledged_after_the_history_and_then_the_epoch)
{
    struct actor actor;
    actor_init(&actor, &one);
    actor_follow(&actor, 3, true);
    actor_packet(&actor, 1, VIV_PACKET_DIFF, VIV_ZXID(2, 4), nothing);
    actor_packet(&actor, 1, VIV_PACKET_PROPOSAL, VIV_ZXID(2, 4), body);
    actor_packet(&actor, 1, VIV_PACKET_COMMIT, VIV_ZXID(2, 4), nothing);
    actor_packet(&actor, 1, VIV_PACKET_NEWLEADER, VIV_ZXID(3, 0), nothing);
    cr_assert_null(actor_said(&actor, VIV_ZAB_EPOCHS));
    stored(&actor, VIV_ZXID(2, 4));
    cr_assert_eq(actor_said(&actor, VIV_ZAB_EPOCHS)->current_epoch, 3);
    cr_assert_null(actor_sent(&actor, 1, VIV_PACKET_ACK));
    epochs_stored(&actor);
    cr_assert_eq(actor_sent_count(&actor, 1, VIV_PACKET_ACK), 1);
    cr_assert_eq(actor_sent(&actor, 1, VIV_PACKET_ACK)->zxid, VIV_ZXID(3, 0));
    cr_assert_eq(actor_count(&actor, VIV_ZAB_DELIVER), 0); /* the quorum has not spoken */
    actor_packet(&actor, 1, VIV_PACKET_UPTODATE, UINT64_MAX, nothing);
    cr_assert_eq(actor_count(&actor, VIV_ZAB_DELIVER), 2);
    cr_assert(actor_said(&actor, VIV_ZAB_ROLE)->flag);
    actor_fini(&actor);
}

VIV_TEST(zab_learner, proposals_between_newleader_and_uptodate_are_acknowledged_after_it)
{
    struct actor actor;
    actor_init(&actor, &one);
    actor_follow(&actor, 3, false);
    actor_packet(&actor, 1, VIV_PACKET_DIFF, LAST, nothing);
    actor_packet(&actor, 1, VIV_PACKET_PROPOSAL, VIV_ZXID(3, 1), body);
    actor_packet(&actor, 1, VIV_PACKET_NEWLEADER, VIV_ZXID(3, 0), nothing);
    actor_packet(&actor, 1, VIV_PACKET_PROPOSAL, VIV_ZXID(3, 2), body);
    stored(&actor, VIV_ZXID(3, 2));
    cr_assert_null(actor_sent(&actor, 1, VIV_PACKET_ACK)); /* the first one must be NEWLEADER's */
    epochs_stored(&actor);
    cr_assert_eq(actor_sent_count(&actor, 1, VIV_PACKET_ACK), 3);
    cr_assert_eq(actor_sent(&actor, 1, VIV_PACKET_ACK)->zxid, VIV_ZXID(3, 0));
    actor_packet(&actor, 1, VIV_PACKET_COMMIT, VIV_ZXID(3, 1), nothing);
    cr_assert_eq(actor_count(&actor, VIV_ZAB_DELIVER), 0);
    actor_packet(&actor, 1, VIV_PACKET_UPTODATE, UINT64_MAX, nothing);
    cr_assert_eq(actor_count(&actor, VIV_ZAB_DELIVER), 2); /* 2.3 and 3.1 */
    actor_fini(&actor);
}

VIV_TEST(zab_learner, a_leader_of_ours_gets_one_acknowledgement_and_a_java_leader_one_for_each)
{
    for (int native = 0; native <= 1; native++) {
        struct actor actor;
        serve(&actor, native);
        for (uint32_t i = 1; i <= 3; i++) {
            actor_packet(&actor, 1, VIV_PACKET_PROPOSAL, VIV_ZXID(3, i), body);
        }
        stored(&actor, VIV_ZXID(3, 3));
        cr_assert_eq(actor_sent_count(&actor, 1, VIV_PACKET_ACK), native ? 1 : 3);
        actor_fini(&actor);
    }
}

VIV_TEST(zab_learner, a_commit_ahead_of_the_own_disk_waits_for_it)
{
    struct actor actor;
    serve(&actor, true);
    actor_packet(&actor, 1, VIV_PACKET_PROPOSAL, VIV_ZXID(3, 1), body);
    actor_packet(&actor, 1, VIV_PACKET_PROPOSAL, VIV_ZXID(3, 2), body);
    actor_packet(&actor, 1, VIV_PACKET_COMMIT, VIV_ZXID(3, 2), nothing);
    cr_assert_eq(actor_count(&actor, VIV_ZAB_DELIVER), 0);
    stored(&actor, VIV_ZXID(3, 1));
    cr_assert_eq(actor_said(&actor, VIV_ZAB_DELIVER)->entry.zxid, VIV_ZXID(3, 1));
    cr_assert_eq(actor_count(&actor, VIV_ZAB_DELIVER), 1);
    actor_fini(&actor);
}

VIV_TEST(zab_learner, a_gap_an_unknown_commit_or_one_out_of_turn_is_not_tolerated)
{
    struct actor actor;
    serve(&actor, true);
    actor_packet(&actor, 1, VIV_PACKET_PROPOSAL, VIV_ZXID(3, 2), body);
    cr_assert_eq(actor_state(&actor), VIV_LOOKING);
    actor_fini(&actor);

    serve(&actor, true);
    actor_packet(&actor, 1, VIV_PACKET_COMMIT, VIV_ZXID(3, 1), nothing);
    cr_assert_eq(actor_state(&actor), VIV_LOOKING);
    actor_fini(&actor);

    serve(&actor, false);
    actor_packet(&actor, 1, VIV_PACKET_PROPOSAL, VIV_ZXID(3, 1), body);
    actor_packet(&actor, 1, VIV_PACKET_PROPOSAL, VIV_ZXID(3, 2), body);
    actor_packet(&actor, 1, VIV_PACKET_COMMIT, VIV_ZXID(3, 2), nothing);
    cr_assert_eq(actor_state(&actor), VIV_LOOKING);
    actor_fini(&actor);
}

VIV_TEST(zab_learner, a_commit_of_what_is_applied_is_nothing_new)
{
    struct actor actor;
    serve(&actor, true);
    actor_packet(&actor, 1, VIV_PACKET_COMMIT, VIV_ZXID(2, 1), nothing);
    cr_assert_eq(actor_state(&actor), VIV_FOLLOWING);
    cr_assert_eq(actor_count(&actor, VIV_ZAB_DELIVER), 0);
    actor_fini(&actor);
}

VIV_TEST(zab_learner, a_cut_is_durable_before_newleader_is_acknowledged)
{
    struct actor actor;
    actor_init(&actor, &one);
    actor_follow(&actor, 3, true);
    actor_packet(&actor, 1, VIV_PACKET_TRUNC, VIV_ZXID(2, 2), nothing);
    cr_assert_eq(actor_said(&actor, VIV_ZAB_TRUNCATE)->zxid, VIV_ZXID(2, 2));
    actor_packet(&actor, 1, VIV_PACKET_NEWLEADER, VIV_ZXID(3, 0), nothing);
    cr_assert_null(actor_said(&actor, VIV_ZAB_EPOCHS));
    actor_give(&actor, (struct viv_zab_input){.kind = VIV_ZAB_TRUNCATED});
    cr_assert_not_null(actor_said(&actor, VIV_ZAB_EPOCHS));
    actor_fini(&actor);
}

VIV_TEST(zab_learner, a_cut_to_what_is_not_owned_or_below_what_is_committed_becomes_a_call_for_a_snapshot)
{
    uint64_t targets[] = {VIV_ZXID(2, 1), VIV_ZXID(1, 9)};
    for (int i = 0; i < 2; i++) {
        struct actor actor;
        uint8_t info[4] = {0, 1, 0, 0};
        actor_init(&actor, &one);
        actor_follow(&actor, 3, true);
        actor_packet(&actor, 1, VIV_PACKET_TRUNC, targets[i], nothing);
        cr_assert_null(actor_said(&actor, VIV_ZAB_TRUNCATE));
        cr_assert_eq(actor_said(&actor, VIV_ZAB_LINK_CLOSE)->link, 1);
        cr_assert_eq(actor_said(&actor, VIV_ZAB_LINK_DIAL)->sid, 3);
        actor_give(&actor, (struct viv_zab_input){.kind = VIV_ZAB_LINK_UP, .link = 2, .sid = 3});
        actor_packet(&actor, 2, VIV_PACKET_LEADERINFO, VIV_ZXID(3, 0), viv_bytes_of(info, 4));
        cr_assert_eq(actor_sent(&actor, 2, VIV_PACKET_ACKEPOCH)->zxid, 0);
        cr_assert_eq(viv_load_be32(actor_sent(&actor, 2, VIV_PACKET_ACKEPOCH)->data.data), UINT32_MAX);
        actor_packet(&actor, 2, VIV_PACKET_SNAP, VIV_ZXID(2, 3), nothing);
        cr_assert_eq(actor_said(&actor, VIV_ZAB_SNAP_RECEIVE)->zxid, VIV_ZXID(2, 3));
        actor_give(&actor, (struct viv_zab_input){.kind = VIV_ZAB_SNAP_INSTALLED, .link = 2, .zxid = VIV_ZXID(2, 3)});
        cr_assert_eq(viv_zab_last_committed(actor.zab), VIV_ZXID(2, 3));
        actor_fini(&actor);
    }
}

VIV_TEST(zab_learner, what_comes_behind_a_snapshot_waits_until_it_is_installed)
{
    struct actor actor;
    actor_init(&actor, &one);
    actor_follow(&actor, 3, true);
    actor_packet(&actor, 1, VIV_PACKET_SNAP, VIV_ZXID(2, 9), nothing);
    actor_packet(&actor, 1, VIV_PACKET_PROPOSAL, VIV_ZXID(2, 9), body); /* also in the snapshot */
    actor_packet(&actor, 1, VIV_PACKET_PROPOSAL, VIV_ZXID(2, 10), body);
    actor_packet(&actor, 1, VIV_PACKET_COMMIT, VIV_ZXID(2, 10), nothing);
    actor_packet(&actor, 1, VIV_PACKET_NEWLEADER, VIV_ZXID(3, 0), nothing);
    cr_assert_null(actor_said(&actor, VIV_ZAB_APPEND));
    actor_give(&actor, (struct viv_zab_input){.kind = VIV_ZAB_SNAP_INSTALLED, .link = 1, .zxid = VIV_ZXID(2, 9)});
    cr_assert_eq(actor_said(&actor, VIV_ZAB_APPEND)->entry_count, 1);
    cr_assert_null(actor_said(&actor, VIV_ZAB_EPOCHS));
    stored(&actor, VIV_ZXID(2, 10));
    epochs_stored(&actor);
    actor_packet(&actor, 1, VIV_PACKET_UPTODATE, UINT64_MAX, nothing);
    cr_assert_eq(actor_said(&actor, VIV_ZAB_DELIVER)->entry.zxid, VIV_ZXID(2, 10));
    actor_fini(&actor);
}

VIV_TEST(zab_learner, a_snapshot_given_up_leaves_the_old_history_and_only_then_a_vote)
{
    struct actor actor;
    actor_init(&actor, &one);
    actor_follow(&actor, 3, true);
    actor_packet(&actor, 1, VIV_PACKET_SNAP, VIV_ZXID(2, 9), nothing);
    actor_give(&actor, (struct viv_zab_input){.kind = VIV_ZAB_LINK_DOWN, .link = 1});
    cr_assert_null(actor_said(&actor, VIV_ZAB_VOTE_SEND));
    actor_give(&actor, (struct viv_zab_input){.kind = VIV_ZAB_SNAP_ABORTED, .link = 1});
    cr_assert_eq(actor_said(&actor, VIV_ZAB_VOTE_SEND)->vote.zxid, LAST);
    cr_assert_eq(actor_said(&actor, VIV_ZAB_VOTE_SEND)->vote.peer_epoch, 2);
    actor_fini(&actor);
}

VIV_TEST(zab_learner, pings_are_answered_with_the_nodes_sessions)
{
    struct actor actor;
    serve(&actor, true);
    actor_packet(&actor, 1, VIV_PACKET_PING, 99, nothing);
    cr_assert_eq(actor_said(&actor, VIV_ZAB_PING_ASK)->link, 1);
    actor_give(&actor, (struct viv_zab_input){.kind = VIV_ZAB_PING_REPLY, .link = 1});
    cr_assert_eq(actor_sent(&actor, 1, VIV_PACKET_PING)->zxid, 99);
    cr_assert(actor_sent(&actor, 1, VIV_PACKET_PING)->has_data); /* length 0, never null */
    actor_fini(&actor);
}

VIV_TEST(zab_learner, a_ping_that_asks_for_nothing_is_given_back_at_once)
{
    struct actor actor;
    serve(&actor, true);
    actor_give(&actor, (struct viv_zab_input){.kind = VIV_ZAB_PACKET,
                                              .link = 1,
                                              .packet = {.type = VIV_PACKET_PING, .zxid = 7, .has_data = true}});
    cr_assert_null(actor_said(&actor, VIV_ZAB_PING_ASK));
    cr_assert_eq(actor_sent(&actor, 1, VIV_PACKET_PING)->zxid, 7);
    actor_fini(&actor);
}

VIV_TEST(zab_learner, a_silent_leader_is_left_after_sync_limit_ticks)
{
    struct actor actor;
    serve(&actor, true);
    actor_tick(&actor, 500);
    cr_assert_eq(actor_state(&actor), VIV_FOLLOWING);
    actor_tick(&actor, 10);
    cr_assert_eq(actor_state(&actor), VIV_LOOKING);
    cr_assert_eq(actor_said(&actor, VIV_ZAB_LINK_CLOSE)->link, 1);
    actor_fini(&actor);
}

static const struct actor_config adaptive = {.sid = 1,
                                             .adaptive = true,
                                             .tick_ms = 2000,
                                             .accepted_epoch = 2,
                                             .current_epoch = 2,
                                             .zxids = entries,
                                             .committed_zxid = VIV_ZXID(2, 2)};

/* How long a leader that was heard every 50 ms may be silent. */
static uint64_t silence_borne_ms(bool native)
{
    struct actor actor;
    uint64_t silence_ms = 0;
    actor_init(&actor, &adaptive);
    actor_follow(&actor, 3, native);
    actor_packet(&actor, 1, VIV_PACKET_DIFF, LAST, nothing);
    actor_packet(&actor, 1, VIV_PACKET_NEWLEADER, VIV_ZXID(3, 0), nothing);
    epochs_stored(&actor);
    actor_packet(&actor, 1, VIV_PACKET_UPTODATE, UINT64_MAX, nothing);
    for (int i = 0; i < 60; i++) {
        actor_tick(&actor, 50);
        actor_packet(&actor, 1, VIV_PACKET_PING, LAST, nothing);
    }
    while (actor_state(&actor) == VIV_FOLLOWING) {
        actor_tick(&actor, 20);
        silence_ms += 20;
    }
    actor_fini(&actor);
    return silence_ms;
}

VIV_TEST(zab_learner, a_silent_leader_of_our_own_kind_is_left_soon_and_a_foreign_one_after_sync_limit)
{
    cr_assert_eq(silence_borne_ms(true), 420);
    cr_assert_eq(silence_borne_ms(false), 5 * 2000 + 20);
}

VIV_TEST(zab_learner, a_closed_door_is_knocked_at_every_tick_and_then_left)
{
    struct actor actor;
    actor_init(&actor, &one);
    actor_vote(&actor, 2, VIV_FOLLOWING, 3, 1, 7, 3);
    actor_vote(&actor, 3, VIV_LEADING, 3, 1, 7, 3);
    int dials = 1;
    while (actor_state(&actor) == VIV_FOLLOWING) {
        actor_give(&actor, (struct viv_zab_input){.kind = VIV_ZAB_LINK_DOWN, .sid = 3});
        actor_tick(&actor, 20);
        dials += actor_said(&actor, VIV_ZAB_LINK_DIAL) != NULL;
    }
    cr_assert_eq(dials, 50);
    actor_fini(&actor);
}

VIV_TEST(zab_learner, requests_pass_on_the_leaders_link_while_serving)
{
    struct actor actor;
    struct viv_packet request = {.type = VIV_PACKET_REQUEST, .zxid = UINT64_MAX, .has_data = true, .data = body};
    serve(&actor, true);
    cr_assert_eq(viv_zab_leader_link(actor.zab), 1);
    actor_give(&actor, (struct viv_zab_input){.kind = VIV_ZAB_PASS, .link = 1, .packet = request});
    cr_assert(viv_bytes_equal(actor_sent(&actor, 1, VIV_PACKET_REQUEST)->data, body));
    actor_packet(&actor, 1, VIV_PACKET_SYNC, 0, nothing);
    cr_assert_eq(actor_said(&actor, VIV_ZAB_PASSED)->packet.type, VIV_PACKET_SYNC);
    actor_fini(&actor);
}

VIV_TEST(zab_learner, an_observer_acknowledges_newleader_and_nothing_else)
{
    struct actor actor;
    actor_init(&actor, &(struct actor_config){.sid = 4});
    actor_follow(&actor, 3, true);
    actor_packet(&actor, 1, VIV_PACKET_DIFF, 0, nothing);
    actor_packet(&actor, 1, VIV_PACKET_NEWLEADER, VIV_ZXID(3, 0), nothing);
    epochs_stored(&actor);
    cr_assert_not_null(actor_sent(&actor, 1, VIV_PACKET_ACK));
    actor_packet(&actor, 1, VIV_PACKET_UPTODATE, UINT64_MAX, nothing);
    actor_packet(&actor, 1, VIV_PACKET_INFORM, VIV_ZXID(3, 1), body);
    stored(&actor, VIV_ZXID(3, 1));
    cr_assert_null(actor_sent(&actor, 1, VIV_PACKET_ACK));
    cr_assert_eq(actor_said(&actor, VIV_ZAB_DELIVER)->entry.zxid, VIV_ZXID(3, 1));
    actor_fini(&actor);
}

/* A vote may say whatever its sender likes. */
VIV_TEST(zab_learner, a_leader_may_be_of_an_earlier_epoch_than_a_vote_for_it_said)
{
    struct actor actor;
    struct viv_buffer info = {0};
    viv_store_be32(viv_buffer_extend(&info, 4), 0x10000);
    actor_init(&actor, &(struct actor_config){.sid = 1});
    actor_vote(&actor, 2, VIV_LOOKING, 3, 0, 1, INT64_C(1) << 40);
    actor_tick(&actor, 300);
    cr_assert_eq(actor_state(&actor), VIV_FOLLOWING);
    actor_give(&actor, (struct viv_zab_input){.kind = VIV_ZAB_LINK_UP, .link = 1, .sid = 3});
    actor_packet(&actor, 1, VIV_PACKET_LEADERINFO, VIV_ZXID(1, 0), viv_buffer_bytes(&info));
    actor_give(&actor, (struct viv_zab_input){.kind = VIV_ZAB_EPOCHS_STORED});
    actor_packet(&actor, 1, VIV_PACKET_DIFF, 0, (struct viv_bytes){0});
    actor_packet(&actor, 1, VIV_PACKET_NEWLEADER, VIV_ZXID(1, 0), (struct viv_bytes){0});
    actor_give(&actor, (struct viv_zab_input){.kind = VIV_ZAB_EPOCHS_STORED});
    actor_packet(&actor, 1, VIV_PACKET_UPTODATE, UINT64_MAX, (struct viv_bytes){0});
    cr_assert_eq(viv_zab_leader_link(actor.zab), 1);
    viv_buffer_fini(&info);
    actor_fini(&actor);
}
