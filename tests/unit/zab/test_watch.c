#include "base/stage.h"
#include "tests/support/viv_test.h"
#include "tests/unit/zab/actor.h"
#include "zab/watch.h"

/* Silence between our own servers, at default settings: a tick of two seconds, initLimit 10, syncLimit 5. */

enum { STEP_MS = 20, TICK_MS = 2000, INIT_LIMIT_MS = 10 * TICK_MS, SYNC_LIMIT_MS = 5 * TICK_MS };

static const uint64_t entries[] = {VIV_ZXID(2, 1), VIV_ZXID(2, 2), VIV_ZXID(2, 3), 0};
static const struct viv_bytes nothing = {0};

#define LAST VIV_ZXID(2, 3)

static void begin(struct actor *actor, viv_sid sid)
{
    actor_init(actor, &(struct actor_config){.sid = sid,
                                             .adaptive = true,
                                             .tick_ms = TICK_MS,
                                             .accepted_epoch = 2,
                                             .current_epoch = 2,
                                             .zxids = entries,
                                             .committed_zxid = VIV_ZXID(2, 2)});
}

static void beat(struct actor *actor, uint32_t link)
{
    struct viv_packet ping = {.type = VIV_PACKET_PING, .has_data = true};
    actor_give(actor, (struct viv_zab_input){.kind = VIV_ZAB_PACKET, .link = link, .packet = ping});
}

/* For how long its state stays as it is with nobody saying anything; ends the actor. */
static uint64_t borne_ms(struct actor *actor)
{
    enum viv_server_state state = actor_state(actor);
    uint64_t waited_ms = 0;
    while (actor_state(actor) == state && waited_ms < 2 * INIT_LIMIT_MS) {
        actor_tick(actor, STEP_MS);
        waited_ms += STEP_MS;
    }
    actor_fini(actor);
    return waited_ms;
}

/* ---- a learner, of its leader ---- */

static void serve(struct actor *actor)
{
    begin(actor, 1);
    actor_follow(actor, 3, true);
    actor_packet(actor, 1, VIV_PACKET_DIFF, LAST, nothing);
    actor_packet(actor, 1, VIV_PACKET_NEWLEADER, VIV_ZXID(3, 0), nothing);
    actor_give(actor, (struct viv_zab_input){.kind = VIV_ZAB_EPOCHS_STORED});
    actor_packet(actor, 1, VIV_PACKET_UPTODATE, UINT64_MAX, nothing);
}

VIV_TEST(zab_watch, a_leader_that_falls_silent_in_its_first_second_is_left_after_two)
{
    struct actor actor;
    serve(&actor);
    for (int i = 0; i < 2; i++) {
        actor_tick(&actor, VIV_ZAB_BEAT_MS);
        actor_packet(&actor, 1, VIV_PACKET_PING, LAST, nothing);
    }
    cr_assert_eq(borne_ms(&actor), 2000 + STEP_MS);
}

VIV_TEST(zab_watch, no_stutter_earns_a_leader_more_than_three_seconds)
{
    struct actor actor;
    serve(&actor);
    for (int i = 0; i < 20; i++) {
        for (uint64_t ms = 0; ms < (i % 2 == 0 ? 1900 : VIV_ZAB_BEAT_MS); ms += STEP_MS) {
            actor_tick(&actor, STEP_MS);
        }
        cr_assert_eq(actor_state(&actor), VIV_FOLLOWING);
        actor_packet(&actor, 1, VIV_PACKET_PING, LAST, nothing);
    }
    cr_assert_eq(borne_ms(&actor), 3000 + STEP_MS);
}

VIV_TEST(zab_watch, time_in_which_this_server_itself_stood_still_is_no_silence)
{
    struct actor actor;
    serve(&actor);
    for (int i = 0; i < 10; i++) {
        actor_tick(&actor, 4000);
        cr_assert_eq(actor_state(&actor), VIV_FOLLOWING);
        actor_packet(&actor, 1, VIV_PACKET_PING, LAST, nothing);
    }
    actor_fini(&actor);
}

/* The link is up; the leader is known by its votes alone. */
static uint64_t borne_at_the_door_ms(bool is_ours)
{
    struct actor actor;
    begin(&actor, 1);
    for (viv_sid from = 2; from <= 3; from++) {
        struct viv_vote vote = {.state = from == 3 ? VIV_LEADING : VIV_FOLLOWING,
                                .leader = 3,
                                .zxid = LAST,
                                .round = 7,
                                .peer_epoch = 2,
                                .native = is_ours};
        actor_give(&actor, (struct viv_zab_input){.kind = VIV_ZAB_VOTE, .sid = from, .vote = vote});
    }
    actor_give(&actor, (struct viv_zab_input){.kind = VIV_ZAB_LINK_UP, .link = 1, .sid = 3});
    cr_assert_not_null(actor_sent(&actor, 1, VIV_PACKET_FOLLOWERINFO));
    return borne_ms(&actor);
}

VIV_TEST(zab_watch, a_leader_of_our_own_kind_that_says_nothing_at_all_is_left_after_two_seconds)
{
    cr_assert_eq(borne_at_the_door_ms(true), 2000 + STEP_MS);
    cr_assert_eq(borne_at_the_door_ms(false), INIT_LIMIT_MS + STEP_MS, "a foreign one may take its time");
}

VIV_TEST(zab_watch, a_learner_waits_for_as_long_as_its_leader_shows_that_it_is_there_and_gives_the_beats_back)
{
    struct actor actor;
    begin(&actor, 1);
    actor_follow(&actor, 3, true);
    for (int i = 0; i < 2 * INIT_LIMIT_MS / VIV_ZAB_BEAT_MS; i++) {
        actor_tick(&actor, VIV_ZAB_BEAT_MS);
        cr_assert_eq(actor_state(&actor), VIV_FOLLOWING);
        beat(&actor, 1);
        cr_assert_eq(actor_sent_count(&actor, 1, VIV_PACKET_PING), 1);
    }
    cr_assert_eq(borne_ms(&actor), VIV_DETECTOR_LEAST_MS + STEP_MS);
}

VIV_TEST(zab_watch, before_both_ends_have_changed_over_to_the_envelope_a_beat_is_not_given_back)
{
    struct actor actor;
    begin(&actor, 1);
    for (viv_sid from = 2; from <= 3; from++) {
        actor_vote(&actor, from, from == 3 ? VIV_LEADING : VIV_FOLLOWING, 3, LAST, 7, 2);
    }
    actor_give(&actor, (struct viv_zab_input){.kind = VIV_ZAB_LINK_UP, .link = 1, .sid = 3});
    beat(&actor, 1);
    cr_assert_null(actor_sent(&actor, 1, VIV_PACKET_PING));
    cr_assert_eq(borne_ms(&actor), 2000 + STEP_MS, "that it beats shows that it is one of ours");
}

/* ---- a leader, of its quorum ---- */

VIV_TEST(zab_watch, a_leader_speaks_to_who_has_introduced_himself_and_waits_for_him)
{
    struct actor actor;
    begin(&actor, 3);
    actor_elect(&actor);
    actor_introduce(&actor, 1, 1, 2, true);
    actor_tick(&actor, VIV_ZAB_BEAT_MS);
    cr_assert_not_null(actor_sent(&actor, 1, VIV_PACKET_PING));
    actor_give(&actor, (struct viv_zab_input){.kind = VIV_ZAB_EPOCHS_STORED}); /* the others' promises are due */
    for (int i = 0; i < 5000 / VIV_ZAB_BEAT_MS; i++) {
        actor_tick(&actor, VIV_ZAB_BEAT_MS);
        beat(&actor, 1);
        cr_assert_eq(actor_state(&actor), VIV_LEADING);
    }
    cr_assert_eq(borne_ms(&actor), 1000 + 2 * STEP_MS);
}

/* A leader whose only learner has this newest entry, from when it has sent it what it lacks. */
static uint64_t is_borne_behind_bulk_ms(struct viv_bytes body, uint64_t claimed_zxid)
{
    struct actor actor;
    actor_init(&actor, &(struct actor_config){.sid = 3,
                                              .adaptive = true,
                                              .tick_ms = TICK_MS,
                                              .accepted_epoch = 2,
                                              .current_epoch = 2,
                                              .zxids = entries,
                                              .body = body,
                                              .committed_zxid = VIV_ZXID(2, 2)});
    actor_elect(&actor);
    actor_introduce(&actor, 1, 1, 2, true);
    actor_give(&actor, (struct viv_zab_input){.kind = VIV_ZAB_EPOCHS_STORED});
    actor_ackepoch(&actor, 1, claimed_zxid, 2);
    actor_give(&actor, (struct viv_zab_input){.kind = VIV_ZAB_EPOCHS_STORED});
    if (actor_said(&actor, VIV_ZAB_SNAP_SEND) != NULL) {
        if (body.size > 0) {
            actor_give(&actor, (struct viv_zab_input){.kind = VIV_ZAB_SNAP_PROGRESS, .link = 1});
        }
        actor_give(&actor, (struct viv_zab_input){.kind = VIV_ZAB_SNAP_SENT, .link = 1});
    }
    cr_assert_not_null(actor_sent(&actor, 1, VIV_PACKET_NEWLEADER));
    beat(&actor, 1); /* given back before it heard anything of that */
    return borne_ms(&actor);
}

VIV_TEST(zab_watch, who_is_brought_up_to_date_over_a_slow_link_is_given_the_time_it_takes)
{
    enum { BODY_BYTES = 2 << 20 };
    static uint8_t body[BODY_BYTES];
    const uint64_t two_bodies_ms = 2 * BODY_BYTES / 1000;
    cr_assert_lt(is_borne_behind_bulk_ms(nothing, VIV_ZXID(2, 1)), 3000);
    uint64_t borne = is_borne_behind_bulk_ms(viv_bytes_of(body, sizeof body), VIV_ZXID(2, 1));
    cr_assert_gt(borne, two_bodies_ms + 1000);
    cr_assert_lt(borne, two_bodies_ms + 3000);
    cr_assert_gt(is_borne_behind_bulk_ms(viv_bytes_of(body, sizeof body), 0), 8000, "the end of a large snapshot");
    cr_assert_lt(is_borne_behind_bulk_ms(nothing, 0), 3000, "a small one");
}

VIV_TEST(zab_watch, a_leader_whose_quorum_falls_silent_gives_up_soon_and_with_a_foreign_one_after_sync_limit)
{
    struct actor actor;
    begin(&actor, 3);
    actor_lead(&actor, true, LAST);
    cr_assert_eq(borne_ms(&actor), 2000 + 2 * STEP_MS);
    begin(&actor, 3);
    actor_lead(&actor, false, LAST);
    cr_assert_eq(borne_ms(&actor), SYNC_LIMIT_MS + STEP_MS);
}

VIV_TEST(zab_watch, a_silent_follower_costs_a_leader_nothing_while_there_is_another)
{
    struct actor actor;
    begin(&actor, 3);
    actor_lead(&actor, true, LAST);
    actor_introduce(&actor, 2, 2, 2, true);
    actor_ackepoch(&actor, 2, LAST, 2);
    actor_packet(&actor, 2, VIV_PACKET_ACK, VIV_ZXID(3, 0), nothing);
    for (int i = 0; i < 8000 / VIV_ZAB_BEAT_MS; i++) {
        actor_tick(&actor, VIV_ZAB_BEAT_MS);
        actor_packet(&actor, 2, VIV_PACKET_PING, 0, nothing);
        cr_assert_eq(actor_state(&actor), VIV_LEADING);
    }
    cr_assert_eq(borne_ms(&actor), 1000 + 2 * STEP_MS);
}

/* For how long an elected leader to whom nobody comes waits. */
static uint64_t waits_for_voters_ms(bool are_ours)
{
    struct actor actor;
    begin(&actor, 3);
    for (viv_sid from = 1; from <= 2; from++) {
        struct viv_vote vote = {
            .state = VIV_LOOKING, .leader = 3, .zxid = LAST, .round = 1, .peer_epoch = 2, .native = are_ours};
        actor_give(&actor, (struct viv_zab_input){.kind = VIV_ZAB_VOTE, .sid = from, .vote = vote});
    }
    cr_assert_eq(actor_state(&actor), VIV_LEADING);
    return borne_ms(&actor);
}

VIV_TEST(zab_watch, an_elected_leader_waits_two_seconds_for_voters_of_our_own_kind)
{
    cr_assert_eq(waits_for_voters_ms(true), 2000);
    cr_assert_eq(waits_for_voters_ms(false), 2 * TICK_MS);
}
