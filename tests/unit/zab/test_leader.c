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

VIV_TEST(zab_leader, every_step_of_a_reign_waits_for_the_disk)
{
    struct actor actor;
    actor_init(&actor, &three);
    actor_elect(&actor);
    actor_introduce(&actor, 1, 1, 4, false); /* its promise is higher than ours */
    cr_assert_eq(actor_said(&actor, VIV_ZAB_EPOCHS)->accepted_epoch, 5);
    cr_assert_eq(actor_said(&actor, VIV_ZAB_EPOCHS)->current_epoch, 2);
    cr_assert_null(actor_sent(&actor, 1, VIV_PACKET_LEADERINFO));
    actor_give(&actor, (struct viv_zab_input){.kind = VIV_ZAB_EPOCHS_STORED});
    cr_assert_eq(actor_sent(&actor, 1, VIV_PACKET_LEADERINFO)->zxid, VIV_ZXID(5, 0));
    cr_assert_eq(actor_sent(&actor, 1, VIV_PACKET_LEADERINFO)->data.size, 4);
    actor_ackepoch(&actor, 1, LAST, 2);
    cr_assert_eq(actor_said(&actor, VIV_ZAB_EPOCHS)->current_epoch, 5);
    cr_assert_null(actor_sent(&actor, 1, VIV_PACKET_NEWLEADER));
    actor_give(&actor, (struct viv_zab_input){.kind = VIV_ZAB_EPOCHS_STORED});
    cr_assert_eq(actor_sent(&actor, 1, VIV_PACKET_DIFF)->zxid, LAST);
    cr_assert_eq(actor_sent(&actor, 1, VIV_PACKET_NEWLEADER)->zxid, VIV_ZXID(5, 0));
    cr_assert_eq(actor_count(&actor, VIV_ZAB_DELIVER), 0);
    actor_packet(&actor, 1, VIV_PACKET_ACK, VIV_ZXID(5, 0), nothing);
    cr_assert_eq(actor_said(&actor, VIV_ZAB_DELIVER)->entry.zxid, LAST);
    cr_assert_not_null(actor_sent(&actor, 1, VIV_PACKET_UPTODATE));
    cr_assert(actor_said(&actor, VIV_ZAB_ROLE)->flag);
    cr_assert_lt(actor_said(&actor, VIV_ZAB_DELIVER), actor_said(&actor, VIV_ZAB_ROLE));
    cr_assert_eq(viv_zab_next_zxid(actor.zab), VIV_ZXID(5, 1));
    actor_fini(&actor);
}

VIV_TEST(zab_leader, who_voted_for_it_comes_within_two_ticks_or_follows_another)
{
    struct actor actor;
    struct actor_config slow = three;
    slow.tick_ms = 1000;
    for (int i = 0; i < 2; i++) {
        actor_init(&actor, &slow);
        actor_elect(&actor);
        if (i == 1) { /* a quorum came: it may take its time with what follows */
            actor_introduce(&actor, 1, 1, 2, true);
            actor_give(&actor, (struct viv_zab_input){.kind = VIV_ZAB_EPOCHS_STORED});
        }
        actor_tick(&actor, 1900);
        cr_assert_eq(actor_state(&actor), VIV_LEADING);
        actor_tick(&actor, 200);
        cr_assert_eq(actor_state(&actor), i == 1 ? VIV_LEADING : VIV_LOOKING);
        actor_fini(&actor);
    }
}

VIV_TEST(zab_leader, an_entry_commits_with_a_quorum_and_is_delivered_when_it_is_on_its_own_disk)
{
    struct actor actor;
    actor_init(&actor, &three);
    actor_lead(&actor, true, LAST);
    propose(&actor);
    cr_assert_not_null(actor_said(&actor, VIV_ZAB_APPEND));
    cr_assert_not_null(actor_sent(&actor, 1, VIV_PACKET_PROPOSAL));
    actor_packet(&actor, 1, VIV_PACKET_ACK, VIV_ZXID(3, 1), nothing);
    cr_assert_eq(viv_zab_last_committed(actor.zab), LAST); /* one of three */
    stored(&actor, VIV_ZXID(3, 1));
    cr_assert_eq(actor_sent(&actor, 1, VIV_PACKET_COMMIT)->zxid, VIV_ZXID(3, 1));
    cr_assert_eq(actor_said(&actor, VIV_ZAB_DELIVER)->entry.zxid, VIV_ZXID(3, 1));
    cr_assert_eq(actor_said(&actor, VIV_ZAB_TRACE)->trace, VIV_TRACE_FIRST_COMMIT);
    actor_fini(&actor);
}

VIV_TEST(zab_leader, one_acknowledgement_speaks_for_all_before_it)
{
    struct actor actor;
    actor_init(&actor, &three);
    actor_lead(&actor, true, LAST);
    for (int i = 0; i < 5; i++) {
        propose(&actor);
    }
    stored(&actor, VIV_ZXID(3, 5));
    actor_packet(&actor, 1, VIV_PACKET_ACK, VIV_ZXID(3, 4), nothing);
    cr_assert_eq(actor_sent_count(&actor, 1, VIV_PACKET_COMMIT), 1);
    cr_assert_eq(actor_sent(&actor, 1, VIV_PACKET_COMMIT)->zxid, VIV_ZXID(3, 4));
    cr_assert_eq(actor_count(&actor, VIV_ZAB_DELIVER), 4);
    actor_fini(&actor);
}

VIV_TEST(zab_leader, a_java_follower_is_told_of_every_commit)
{
    struct actor actor;
    actor_init(&actor, &three);
    actor_lead(&actor, false, LAST);
    for (int i = 0; i < 5; i++) {
        propose(&actor);
    }
    stored(&actor, VIV_ZXID(3, 5));
    actor_packet(&actor, 1, VIV_PACKET_ACK, VIV_ZXID(3, 4), nothing);
    cr_assert_eq(actor_sent_count(&actor, 1, VIV_PACKET_COMMIT), 4);
    actor_fini(&actor);
}

VIV_TEST(zab_leader, acknowledging_what_was_never_sent_ends_the_connection)
{
    struct actor actor;
    actor_init(&actor, &three);
    actor_lead(&actor, true, LAST);
    actor_packet(&actor, 1, VIV_PACKET_ACK, VIV_ZXID(3, 1), nothing);
    cr_assert_eq(actor_said(&actor, VIV_ZAB_LINK_CLOSE)->link, 1);
    cr_assert_eq(actor_state(&actor), VIV_LOOKING); /* and with it the quorum is gone */
    actor_fini(&actor);
}

VIV_TEST(zab_leader, a_late_joiner_gets_the_live_stream_without_a_gap)
{
    struct actor actor;
    actor_init(&actor, &three);
    actor_lead(&actor, true, LAST);
    propose(&actor);
    propose(&actor);
    stored(&actor, VIV_ZXID(3, 2));
    actor_packet(&actor, 1, VIV_PACKET_ACK, VIV_ZXID(3, 1), nothing); /* 3.1 committed, 3.2 outstanding */
    actor_introduce(&actor, 2, 2, 2, false);
    cr_assert_eq(actor_sent(&actor, 2, VIV_PACKET_LEADERINFO)->zxid, VIV_ZXID(3, 0));
    actor_ackepoch(&actor, 2, VIV_ZXID(2, 2), 2);
    cr_assert_eq(actor_sent(&actor, 2, VIV_PACKET_DIFF)->zxid, VIV_ZXID(3, 1));
    cr_assert_eq(actor_sent_count(&actor, 2, VIV_PACKET_PROPOSAL), 3);
    cr_assert_eq(actor_sent_count(&actor, 2, VIV_PACKET_COMMIT), 2);
    cr_assert_not_null(actor_sent(&actor, 2, VIV_PACKET_NEWLEADER));
    propose(&actor);
    cr_assert_eq(actor_sent(&actor, 2, VIV_PACKET_PROPOSAL)->zxid, VIV_ZXID(3, 3));
    actor_packet(&actor, 1, VIV_PACKET_ACK, VIV_ZXID(3, 2), nothing);
    cr_assert_null(actor_sent(&actor, 2, VIV_PACKET_COMMIT)); /* a Java learner loses it before UPTODATE */
    actor_packet(&actor, 2, VIV_PACKET_ACK, VIV_ZXID(3, 2), nothing);
    cr_assert_null(actor_sent(&actor, 2, VIV_PACKET_UPTODATE)); /* that was not NEWLEADER's */
    actor_packet(&actor, 2, VIV_PACKET_ACK, VIV_ZXID(3, 0), nothing);
    cr_assert_lt(actor_sent(&actor, 2, VIV_PACKET_UPTODATE), actor_sent(&actor, 2, VIV_PACKET_COMMIT));
    cr_assert_eq(actor_sent(&actor, 2, VIV_PACKET_COMMIT)->zxid, VIV_ZXID(3, 2));
    actor_fini(&actor);
}

/* It may have been in the quorum of an entry that we never saw, and have lost it. */
VIV_TEST(zab_leader, a_voter_that_lost_its_disk_does_not_help_to_establish_a_leader)
{
    struct actor actor;
    actor_init(&actor, &three);
    actor_elect(&actor);
    actor_introduce(&actor, 1, 1, 0, false);
    actor_give(&actor, (struct viv_zab_input){.kind = VIV_ZAB_EPOCHS_STORED});
    actor_ackepoch(&actor, 1, 0, 0);
    cr_assert_null(actor_said(&actor, VIV_ZAB_EPOCHS));
    actor_introduce(&actor, 2, 2, 2, false);
    actor_ackepoch(&actor, 2, LAST, 2); /* one that knows makes the quorum; the other is served like any learner */
    cr_assert_eq(actor_said(&actor, VIV_ZAB_EPOCHS)->current_epoch, 3);
    actor_give(&actor, (struct viv_zab_input){.kind = VIV_ZAB_EPOCHS_STORED});
    cr_assert_not_null(actor_sent(&actor, 1, VIV_PACKET_SNAP));
    actor_fini(&actor);
}

VIV_TEST(zab_leader, an_ensemble_may_begin_with_empty_voters_also_when_the_first_attempt_failed)
{
    static const uint64_t of_a_lone_server[] = {VIV_ZXID(0, 1), VIV_ZXID(0, 2), 0};
    static const struct actor_config beginnings[] = {
        {.sid = 3},
        {.sid = 3, .accepted_epoch = 1, .current_epoch = 1},
        {.sid = 3, .accepted_epoch = 1, .current_epoch = 1, .zxids = of_a_lone_server},
    };
    for (size_t i = 0; i < sizeof beginnings / sizeof beginnings[0]; i++) {
        struct actor actor;
        actor_init(&actor, &beginnings[i]);
        actor_elect(&actor);
        actor_introduce(&actor, 1, 1, 0, false);
        actor_give(&actor, (struct viv_zab_input){.kind = VIV_ZAB_EPOCHS_STORED});
        actor_ackepoch(&actor, 1, 0, 0);
        cr_assert_eq(actor_said(&actor, VIV_ZAB_EPOCHS)->current_epoch, beginnings[i].current_epoch + 1);
        actor_fini(&actor);
    }
}

VIV_TEST(zab_leader, an_acknowledged_epoch_of_minus_one_is_not_counted)
{
    struct actor actor;
    actor_init(&actor, &three);
    actor_elect(&actor);
    actor_introduce(&actor, 1, 1, 2, true);
    actor_give(&actor, (struct viv_zab_input){.kind = VIV_ZAB_EPOCHS_STORED});
    cr_assert_not_null(actor_said(&actor, VIV_ZAB_ENVELOPE));
    cr_assert_eq(actor_sent(&actor, 1, VIV_PACKET_LEADERINFO)->data.size, 12);
    actor_ackepoch(&actor, 1, LAST, -1);
    cr_assert_null(actor_said(&actor, VIV_ZAB_EPOCHS));
    actor_introduce(&actor, 2, 2, 2, true);
    actor_ackepoch(&actor, 2, LAST, 2);
    cr_assert_eq(actor_said(&actor, VIV_ZAB_EPOCHS)->current_epoch, 3);
    actor_give(&actor, (struct viv_zab_input){.kind = VIV_ZAB_EPOCHS_STORED});
    cr_assert_not_null(actor_sent(&actor, 1, VIV_PACKET_NEWLEADER)); /* it is synchronised all the same */
    actor_fini(&actor);
}

VIV_TEST(zab_leader, a_learner_that_is_ahead_is_refused_and_soon_looked_up_to)
{
    struct actor actor;
    actor_init(&actor, &three);
    actor_elect(&actor);
    actor_introduce(&actor, 1, 1, 2, true);
    actor_introduce(&actor, 2, 2, 2, true);
    actor_give(&actor, (struct viv_zab_input){.kind = VIV_ZAB_EPOCHS_STORED});
    actor_ackepoch(&actor, 1, VIV_ZXID(2, 4), 2);
    cr_assert_eq(actor_said(&actor, VIV_ZAB_LINK_CLOSE)->link, 1);
    cr_assert_eq(actor_state(&actor), VIV_LEADING); /* the other one may do */
    actor_tick(&actor, 100);
    cr_assert_eq(actor_state(&actor), VIV_LOOKING);
    actor_fini(&actor);
}

VIV_TEST(zab_leader, a_bare_start_of_the_epoch_is_not_ahead)
{
    struct actor actor;
    actor_init(&actor,
               &(struct actor_config){
                   .sid = 3, .accepted_epoch = 3, .current_epoch = 3, .zxids = entries, .committed_zxid = LAST});
    actor_elect(&actor);
    actor_introduce(&actor, 1, 1, 3, false);
    actor_give(&actor, (struct viv_zab_input){.kind = VIV_ZAB_EPOCHS_STORED});
    actor_ackepoch(&actor, 1, VIV_ZXID(3, 0), 3); /* as a Java server that served epoch 3 without a transaction */
    actor_give(&actor, (struct viv_zab_input){.kind = VIV_ZAB_EPOCHS_STORED});
    cr_assert_eq(actor_sent(&actor, 1, VIV_PACKET_DIFF)->zxid, VIV_ZXID(3, 0));
    cr_assert_not_null(actor_sent(&actor, 1, VIV_PACKET_NEWLEADER));
    actor_fini(&actor);
}

VIV_TEST(zab_leader, strangers_impostors_and_old_dialects_are_turned_away)
{
    struct actor actor;
    uint8_t sid_only[8] = {0, 0, 0, 0, 0, 0, 0, 1};
    actor_init(&actor, &three);
    actor_elect(&actor);
    actor_introduce(&actor, 5, 77, 2, true);
    cr_assert_eq(actor_said(&actor, VIV_ZAB_LINK_CLOSE)->link, 5);
    actor_introduce(&actor, 6, 3, 2, true);
    cr_assert_eq(actor_said(&actor, VIV_ZAB_LINK_CLOSE)->link, 6);
    actor_give(&actor, (struct viv_zab_input){.kind = VIV_ZAB_LINK_UP, .link = 7});
    actor_packet(&actor, 7, VIV_PACKET_FOLLOWERINFO, 0, viv_bytes_of(sid_only, sizeof sid_only));
    cr_assert_eq(actor_said(&actor, VIV_ZAB_LINK_CLOSE)->link, 7);
    actor_give(&actor, (struct viv_zab_input){.kind = VIV_ZAB_LINK_UP, .link = 8});
    actor_packet(&actor, 8, VIV_PACKET_ACK, 0, nothing);
    cr_assert_eq(actor_said(&actor, VIV_ZAB_LINK_CLOSE)->link, 8);
    actor_fini(&actor);
}

VIV_TEST(zab_leader, a_live_follower_is_not_replaced_by_who_only_says_that_it_is_it)
{
    struct actor actor;
    actor_init(&actor, &three);
    actor_lead(&actor, true, LAST); /* follower 1 on link 1 */
    actor_introduce_as(&actor, (struct viv_zab_input){.link = 5}, 1, 2, true);
    cr_assert_eq(actor_said(&actor, VIV_ZAB_LINK_CLOSE)->link, 5);
    cr_assert_eq(actor_count(&actor, VIV_ZAB_LINK_CLOSE), 1U);
    actor_introduce_as(&actor, (struct viv_zab_input){.link = 6, .proved.words = {1 << 2}}, 1, 2,
                       true); /* it is server 2 */
    cr_assert_eq(actor_said(&actor, VIV_ZAB_LINK_CLOSE)->link, 6);
    actor_introduce_as(&actor, (struct viv_zab_input){.link = 7, .proved.words = {1 << 1}}, 1, 2, true);
    cr_assert_eq(actor_said(&actor, VIV_ZAB_LINK_CLOSE)->link, 1, "a server that comes back from its own address");
    actor_fini(&actor);
}

VIV_TEST(zab_leader, a_follower_that_is_silent_for_a_tick_is_replaced_by_a_newcomer_from_anywhere)
{
    struct actor actor;
    actor_init(&actor, &three);
    actor_lead(&actor, true, LAST);
    actor_tick(&actor, 99);
    actor_introduce_as(&actor, (struct viv_zab_input){.link = 5}, 1, 2, true);
    cr_assert_eq(actor_said(&actor, VIV_ZAB_LINK_CLOSE)->link, 5);
    actor_tick(&actor, 1);
    actor_introduce_as(&actor, (struct viv_zab_input){.link = 6}, 1, 2, true);
    cr_assert_eq(actor_said(&actor, VIV_ZAB_LINK_CLOSE)->link, 1);
    actor_fini(&actor);
}

VIV_TEST(zab_leader, a_certificate_of_one_server_does_not_speak_for_another)
{
    struct actor actor;
    actor_init(&actor, &three);
    actor_lead(&actor, true, LAST);
    struct viv_zab_input second = {.link = 5, .barred.words = {~UINT64_C(4)}, .proved.words = {1 << 2}};
    actor_introduce_as(&actor, second, 1, 2, true);
    cr_assert_eq(actor_said(&actor, VIV_ZAB_LINK_CLOSE)->link, 5);
    second.link = 6;
    actor_introduce_as(&actor, second, 2, 2, true);
    cr_assert_null(actor_said(&actor, VIV_ZAB_LINK_CLOSE), "for itself it does");
    actor_fini(&actor);
}

VIV_TEST(zab_leader, connections_that_do_not_say_who_they_are_make_room_after_two_ticks)
{
    enum { ROOM = 2 * VIV_MEMBERS_MAX };
    struct actor actor;
    actor_init(&actor, &three);
    actor_elect(&actor);
    for (uint32_t link = 1; link <= ROOM; link++) {
        actor_give(&actor, (struct viv_zab_input){.kind = VIV_ZAB_LINK_UP, .link = link});
        cr_assert_null(actor_said(&actor, VIV_ZAB_LINK_CLOSE));
    }
    actor_give(&actor, (struct viv_zab_input){.kind = VIV_ZAB_LINK_UP, .link = ROOM + 1});
    cr_assert_eq(actor_said(&actor, VIV_ZAB_LINK_CLOSE)->link, ROOM + 1, "the table is full");
    actor_tick(&actor, 200);
    cr_assert_null(actor_said(&actor, VIV_ZAB_LINK_CLOSE));
    actor_tick(&actor, 1);
    cr_assert_eq(actor_count(&actor, VIV_ZAB_LINK_CLOSE), (size_t)ROOM);
    actor_introduce(&actor, ROOM + 2, 1, 2, true);
    cr_assert_null(actor_said(&actor, VIV_ZAB_LINK_CLOSE));
    actor_fini(&actor);
}

VIV_TEST(zab_leader, a_voter_that_promised_a_later_epoch_brings_on_a_new_one)
{
    struct actor actor;
    actor_init(&actor, &three);
    actor_lead(&actor, true, LAST);
    actor_introduce(&actor, 2, 2, 3, true); /* the same epoch: it may come back */
    cr_assert_eq(actor_state(&actor), VIV_LEADING);
    actor_introduce(&actor, 9, 2, 7, true);
    cr_assert_eq(actor_state(&actor), VIV_LOOKING);
    actor_fini(&actor);
}

VIV_TEST(zab_leader, a_leader_without_a_quorum_resigns_at_once)
{
    struct actor actor;
    actor_init(&actor, &three);
    actor_lead(&actor, true, LAST);
    actor_give(&actor, (struct viv_zab_input){.kind = VIV_ZAB_LINK_DOWN, .link = 1});
    cr_assert_eq(actor_state(&actor), VIV_LOOKING);
    cr_assert_not(actor_said(&actor, VIV_ZAB_LISTEN)->flag);
    cr_assert_not_null(actor_said(&actor, VIV_ZAB_VOTE_SEND));
    actor_fini(&actor);
}

VIV_TEST(zab_leader, silence_for_sync_limit_ticks_ends_a_reign_and_pings_keep_it)
{
    struct actor actor;
    actor_init(&actor, &three);
    actor_lead(&actor, true, LAST);
    for (int i = 0; i < 20; i++) {
        actor_tick(&actor, 50);
        cr_assert_not_null(actor_sent(&actor, 1, VIV_PACKET_PING));
        actor_packet(&actor, 1, VIV_PACKET_PING, LAST, nothing);
        cr_assert_eq(actor_said(&actor, VIV_ZAB_PASSED)->sid, 1);
    }
    actor_tick(&actor, 500);
    cr_assert_eq(actor_state(&actor), VIV_LEADING);
    actor_tick(&actor, 10);
    cr_assert_eq(actor_state(&actor), VIV_LOOKING);
    actor_fini(&actor);
}

/* How many pings the follower gets in two seconds, half a tick apart by Java's rule. */
static size_t pings_of(bool native, bool adaptive)
{
    struct actor actor;
    struct actor_config config = three;
    size_t pings = 0;
    config.adaptive = adaptive;
    config.tick_ms = 2000;
    actor_init(&actor, &config);
    actor_lead(&actor, native, LAST);
    for (int i = 0; i < 200; i++) {
        actor_tick(&actor, 10);
        pings += actor_sent(&actor, 1, VIV_PACKET_PING) != NULL;
    }
    actor_fini(&actor);
    return pings;
}

VIV_TEST(zab_leader, followers_of_our_own_kind_hear_of_it_often_and_java_followers_every_half_tick)
{
    cr_assert_geq(pings_of(true, true), 20);
    cr_assert_geq(pings_of(true, false), 20, "they may watch it all the same");
    cr_assert_eq(pings_of(false, true), 2);
}

VIV_TEST(zab_leader, a_disk_that_does_not_answer_ends_a_reign)
{
    struct actor actor;
    actor_init(&actor, &three);
    actor_lead(&actor, true, LAST);
    propose(&actor);
    actor_packet(&actor, 1, VIV_PACKET_ACK, VIV_ZXID(3, 1), nothing);
    for (int i = 0; i < 11 && actor_state(&actor) == VIV_LEADING; i++) {
        actor_packet(&actor, 1, VIV_PACKET_PING, LAST, nothing);
        actor_tick(&actor, 50);
    }
    cr_assert_eq(actor_state(&actor), VIV_LOOKING);
    cr_assert_null(actor_said(&actor, VIV_ZAB_VOTE_SEND)); /* nor does it vote before the disk has spoken */
    actor_fini(&actor);
}

VIV_TEST(zab_leader, the_last_zxid_of_an_epoch_is_never_used)
{
    struct actor actor;
    actor_init(&actor, &three);
    actor_lead(&actor, true, LAST);
    propose(&actor);
    /* As if four thousand million entries had gone by. */
    actor.zab->history.last_zxid = actor.zab->durable.issued_zxid = VIV_ZXID(3, UINT32_MAX - 1);
    cr_assert_eq(viv_zab_next_zxid(actor.zab), VIV_ZXID(3, UINT32_MAX));
    propose(&actor);
    cr_assert_eq(actor_state(&actor), VIV_LOOKING);
    cr_assert_null(actor_sent(&actor, 1, VIV_PACKET_PROPOSAL));
    actor_fini(&actor);
}

VIV_TEST(zab_leader, an_observer_is_informed_of_what_is_committed_and_counts_for_nothing)
{
    struct actor actor;
    actor_init(&actor, &three);
    actor_lead(&actor, true, LAST);
    actor_introduce(&actor, 4, 4, 2, true);
    actor_ackepoch(&actor, 4, LAST, 2);
    actor_packet(&actor, 4, VIV_PACKET_ACK, VIV_ZXID(3, 0), nothing);
    cr_assert_not_null(actor_sent(&actor, 4, VIV_PACKET_UPTODATE));
    propose(&actor);
    cr_assert_null(actor_sent(&actor, 4, VIV_PACKET_PROPOSAL));
    actor_packet(&actor, 4, VIV_PACKET_ACK, VIV_ZXID(3, 1), nothing);
    stored(&actor, VIV_ZXID(3, 1));
    cr_assert_eq(viv_zab_last_committed(actor.zab), LAST);
    actor_packet(&actor, 1, VIV_PACKET_ACK, VIV_ZXID(3, 1), nothing);
    cr_assert_eq(actor_sent(&actor, 4, VIV_PACKET_INFORM)->zxid, VIV_ZXID(3, 1));
    actor_fini(&actor);
}

VIV_TEST(zab_leader, newleader_follows_the_whole_snapshot)
{
    struct actor actor;
    actor_init(&actor, &three);
    actor_lead(&actor, true, LAST);
    actor_introduce(&actor, 2, 2, 2, true);
    actor_ackepoch(&actor, 2, 0, 0); /* it has nothing */
    cr_assert_eq(actor_sent(&actor, 2, VIV_PACKET_SNAP)->zxid, LAST);
    cr_assert_eq(actor_said(&actor, VIV_ZAB_SNAP_SEND)->link, 2);
    propose(&actor);
    stored(&actor, VIV_ZXID(3, 1));
    cr_assert_null(actor_sent(&actor, 2, VIV_PACKET_PROPOSAL));
    actor_tick(&actor, 60);
    cr_assert_null(actor_sent(&actor, 2, VIV_PACKET_PING)); /* it would land inside the snapshot */
    actor_give(&actor, (struct viv_zab_input){.kind = VIV_ZAB_SNAP_SENT, .link = 2});
    cr_assert_lt(actor_sent(&actor, 2, VIV_PACKET_PROPOSAL), actor_sent(&actor, 2, VIV_PACKET_NEWLEADER));
    actor_fini(&actor);
}

VIV_TEST(zab_leader, an_old_claim_is_served_from_the_log_or_by_a_snapshot)
{
    struct viv_entry found[] = {{VIV_ZXID(1, 8), VIV_BYTES_LITERAL("a"), 0},
                                {VIV_ZXID(1, 9), VIV_BYTES_LITERAL("b"), 0}};
    struct actor actor;
    actor_init(&actor, &three);
    actor_lead(&actor, true, LAST);
    actor_introduce(&actor, 2, 2, 1, false);
    actor_ackepoch(&actor, 2, VIV_ZXID(1, 8), 1);
    cr_assert_eq(actor_said(&actor, VIV_ZAB_READ)->zxid_from, VIV_ZXID(1, 7));
    actor_give(&actor, (struct viv_zab_input){
                           .kind = VIV_ZAB_LOG_DATA, .link = 2, .entries = found, .entry_count = 2, .last = true});
    cr_assert_not_null(actor_sent(&actor, 2, VIV_PACKET_DIFF));
    cr_assert_eq(actor_sent_count(&actor, 2, VIV_PACKET_PROPOSAL), 4); /* 1.9, 2.1, 2.2, 2.3 */
    cr_assert_not_null(actor_sent(&actor, 2, VIV_PACKET_NEWLEADER));

    actor_introduce(&actor, 3, 2, 1, false); /* it comes again, with an entry that the log does not have */
    actor_ackepoch(&actor, 3, VIV_ZXID(1, 7), 1);
    actor_give(&actor, (struct viv_zab_input){
                           .kind = VIV_ZAB_LOG_DATA, .link = 3, .entries = found, .entry_count = 2, .last = true});
    cr_assert_null(actor_sent(&actor, 3, VIV_PACKET_DIFF));
    cr_assert_not_null(actor_sent(&actor, 3, VIV_PACKET_SNAP));
    actor_fini(&actor);
}

/* What memory begins with opens an epoch, which may follow anything: by zxids alone nothing seems to be missing. */
VIV_TEST(zab_leader, whoever_reads_from_a_log_that_rots_meanwhile_gets_no_history_with_a_hole)
{
    struct viv_entry found[] = {{VIV_ZXID(1, 8), VIV_BYTES_LITERAL("a"), 0}};
    struct actor actor;
    actor_init(&actor, &three);
    actor_lead(&actor, true, LAST);
    actor_introduce(&actor, 2, 2, 1, false);
    actor_ackepoch(&actor, 2, VIV_ZXID(1, 8), 1);
    actor_give(&actor, (struct viv_zab_input){.kind = VIV_ZAB_LOG_DATA, .link = 2, .entries = found, .entry_count = 1});
    cr_assert_not_null(actor_sent(&actor, 2, VIV_PACKET_DIFF));
    actor_give(&actor, (struct viv_zab_input){.kind = VIV_ZAB_LOG_DATA, .link = 2, .last = true, .is_cut = true});
    cr_assert_null(actor_sent(&actor, 2, VIV_PACKET_NEWLEADER));
    cr_assert_eq(actor_said(&actor, VIV_ZAB_LINK_CLOSE)->link, 2);
    actor_fini(&actor);
}

VIV_TEST(zab_leader, standalone_leads_at_once_and_delivers_what_is_durable)
{
    static const uint64_t plain[] = {1, 2, 3, 0};
    struct actor actor;
    actor_init(&actor, &(struct actor_config){.sid = 1, .standalone = true, .zxids = plain, .committed_zxid = 2});
    cr_assert_eq(actor_said(&actor, VIV_ZAB_DELIVER)->entry.zxid, 3);
    cr_assert(viv_zab_is_broadcasting_leader(actor.zab));
    cr_assert_eq(actor_count(&actor, VIV_ZAB_VOTE_SEND) + actor_count(&actor, VIV_ZAB_LISTEN), 0);
    cr_assert_eq(viv_zab_next_zxid(actor.zab), 4);
    propose(&actor);
    cr_assert_null(actor_said(&actor, VIV_ZAB_DELIVER));
    stored(&actor, 4);
    cr_assert_eq(actor_said(&actor, VIV_ZAB_DELIVER)->entry.zxid, 4);
    actor_fini(&actor);
}
