#include "tests/support/viv_test.h"
#include "tests/unit/zab/actor.h"
#include "zab/zab_internal.h"

static const uint64_t two_entries[] = {VIV_ZXID(2, 1), VIV_ZXID(2, 2), 0};
static const struct actor_config three = {
    .sid = 3, .accepted_epoch = 2, .current_epoch = 2, .zxids = two_entries, .committed_zxid = VIV_ZXID(2, 1)};

#define LAST VIV_ZXID(2, 2)

VIV_TEST(zab_election, the_first_vote_goes_to_every_other_voter_and_names_the_durable_end)
{
    struct actor actor;
    actor_init(&actor, &three);
    cr_assert_eq(actor_count(&actor, VIV_ZAB_VOTE_SEND), 2);
    const struct viv_vote *vote = &actor_said(&actor, VIV_ZAB_VOTE_SEND)->vote;
    cr_assert_eq(vote->leader, 3);
    cr_assert_eq(vote->zxid, LAST);
    cr_assert_eq(vote->peer_epoch, 2);
    cr_assert_eq(vote->round, 1);
    cr_assert_eq(vote->config.size, 9);
    actor_fini(&actor);
}

VIV_TEST(zab_election, nobody_waits_when_every_voter_agreed)
{
    struct actor actor;
    actor_init(&actor, &three);
    actor_vote(&actor, 1, VIV_LOOKING, 3, LAST, 1, 2);
    cr_assert_eq(actor_state(&actor), VIV_LOOKING);
    actor_vote(&actor, 2, VIV_LOOKING, 3, LAST, 1, 2);
    cr_assert_eq(actor_state(&actor), VIV_LEADING);
    const struct viv_zab_output *listen = actor_said(&actor, VIV_ZAB_LISTEN);
    cr_assert(listen->flag);
    cr_assert_lt(listen, actor_said(&actor, VIV_ZAB_ROLE));
    for (const struct viv_zab_output *output = actor.out.items; output < listen; output++) {
        cr_assert_neq(output->vote.state, VIV_LEADING); /* before it is announced */
    }
    actor_fini(&actor);
}

VIV_TEST(zab_election, a_quorum_waits_for_a_better_vote_before_it_decides)
{
    struct actor actor;
    actor_init(&actor, &three);
    actor_vote(&actor, 1, VIV_LOOKING, 3, LAST, 1, 2);
    actor_tick(&actor, 190);
    cr_assert_eq(actor_state(&actor), VIV_LOOKING);
    actor_vote(&actor, 2, VIV_LOOKING, 2, VIV_ZXID(2, 3), 1, 2);
    actor_tick(&actor, 20);
    cr_assert_eq(actor_state(&actor), VIV_LOOKING); /* the longer history is supported by two of three only now */
    actor_tick(&actor, 200);
    cr_assert_eq(actor_state(&actor), VIV_FOLLOWING);
    actor_fini(&actor);
}

VIV_TEST(zab_election, a_newer_epoch_wins_over_a_longer_history)
{
    struct actor actor;
    actor_init(&actor, &three);
    actor_vote(&actor, 1, VIV_LOOKING, 1, VIV_ZXID(2, 1), 1, 3);
    cr_assert_eq(actor_said(&actor, VIV_ZAB_VOTE_SEND)->vote.leader, 1);
    actor_fini(&actor);
}

VIV_TEST(zab_election, a_later_round_is_joined_and_an_older_one_answered)
{
    struct actor actor;
    actor_init(&actor, &three);
    actor_vote(&actor, 1, VIV_LOOKING, 1, VIV_ZXID(2, 1), 9, 2);
    cr_assert_eq(actor_said(&actor, VIV_ZAB_VOTE_SEND)->vote.round, 9);
    cr_assert_eq(actor_said(&actor, VIV_ZAB_VOTE_SEND)->vote.leader, 3);
    actor_vote(&actor, 2, VIV_LOOKING, 2, VIV_ZXID(2, 1), 4, 2);
    cr_assert_eq(actor_count(&actor, VIV_ZAB_VOTE_SEND), 1);
    cr_assert_eq(actor_said(&actor, VIV_ZAB_VOTE_SEND)->sid, 2);
    cr_assert_eq(actor_said(&actor, VIV_ZAB_VOTE_SEND)->vote.round, 9);
    actor_fini(&actor);
}

VIV_TEST(zab_election, a_late_joiner_needs_the_leaders_own_word)
{
    struct actor actor;
    actor_init(&actor, &three);
    actor_vote(&actor, 2, VIV_FOLLOWING, 1, 77, 5, 6);
    cr_assert_eq(actor_state(&actor), VIV_LOOKING);
    /* Another round and another zxid: members of a running ensemble joined at different times. */
    actor_vote(&actor, 1, VIV_LEADING, 1, 33, 2, 6);
    cr_assert_eq(actor_state(&actor), VIV_FOLLOWING);
    cr_assert_eq(actor_said(&actor, VIV_ZAB_LINK_DIAL)->sid, 1);
    actor_fini(&actor);
}

VIV_TEST(zab_election, old_followers_do_not_make_a_leader_of_one_that_restarted)
{
    struct actor actor;
    actor_init(&actor, &three);
    actor_vote(&actor, 1, VIV_FOLLOWING, 3, LAST, 8, 2);
    actor_vote(&actor, 2, VIV_FOLLOWING, 3, LAST, 8, 2);
    cr_assert_eq(actor_state(&actor), VIV_LOOKING);
    actor_fini(&actor);
}

/* Its last entry, which only it has, makes 3, 5 and 6 the voters. */
static void propose_others(struct actor *actor)
{
    struct viv_bytes text = VIV_BYTES_LITERAL("server.3=h:1:2:participant\nserver.5=h:3:4:participant\n"
                                              "server.6=h:5:6:participant\nversion=200000002");
    actor_init(actor, &three);
    cr_assert(viv_membership_propose(&actor->zab->membership, text, LAST));
    cr_assert(viv_zab_is_reconfiguring(actor->zab));
}

VIV_TEST(zab_election, a_proposed_configuration_has_no_say_in_who_reigns_and_has_one_in_who_is_elected)
{
    struct actor actor;
    propose_others(&actor);
    actor_vote(&actor, 1, VIV_FOLLOWING, 2, 77, 5, 6);
    cr_assert_eq(actor_state(&actor), VIV_LOOKING);
    actor_vote(&actor, 2, VIV_LEADING, 2, 77, 5, 6);
    cr_assert_eq(actor_state(&actor), VIV_FOLLOWING, "two of the active three are enough");
    actor_fini(&actor);

    propose_others(&actor);
    actor_vote(&actor, 2, VIV_LEADING, 2, 77, 5, 6);
    actor_vote(&actor, 5, VIV_FOLLOWING, 2, 77, 5, 6);
    actor_vote(&actor, 6, VIV_FOLLOWING, 2, 77, 5, 6);
    cr_assert_eq(actor_state(&actor), VIV_LOOKING, "two of the proposed three are not");
    actor_fini(&actor);

    for (int settled = 0; settled < 2; settled++) {
        enum viv_server_state state = settled != 0 ? VIV_FOLLOWING : VIV_LOOKING;
        propose_others(&actor);
        actor_vote(&actor, 1, state, 3, LAST, 1, 2);
        actor_vote(&actor, 2, state, 3, LAST, 1, 2);
        actor_tick(&actor, 300);
        cr_assert_eq(actor_state(&actor), VIV_LOOKING, "it leads with a quorum of each only");
        actor_vote(&actor, 5, VIV_LOOKING, 3, LAST, 1, 2);
        actor_tick(&actor, 300);
        cr_assert_eq(actor_state(&actor), VIV_LEADING);
        actor_fini(&actor);
    }
}

VIV_TEST(zab_election, votes_for_strangers_and_from_untrusted_databases_are_passed_over)
{
    struct actor actor;
    actor_init(&actor, &three);
    actor_vote(&actor, 1, VIV_LOOKING, 77, VIV_ZXID(9, 9), 1, 9);
    actor_vote(&actor, 2, VIV_LOOKING, 2, UINT64_MAX, 1, 9);
    actor_vote(&actor, 77, VIV_LOOKING, 2, VIV_ZXID(9, 9), 1, 9);
    actor_tick(&actor, 1000);
    cr_assert_eq(actor_said(&actor, VIV_ZAB_VOTE_SEND)->vote.leader, 3);
    actor_fini(&actor);
}

VIV_TEST(zab_election, an_observer_asks_and_is_answered_but_never_counted)
{
    struct actor actor;
    actor_init(&actor, &three);
    actor_vote(&actor, 4, VIV_LOOKING, INT64_MIN, (uint64_t)INT64_MIN, 1, INT64_MIN);
    cr_assert_eq(actor_said(&actor, VIV_ZAB_VOTE_SEND)->sid, 4);
    actor_fini(&actor);

    actor_init(&actor, &(struct actor_config){.sid = 4});
    cr_assert_eq(actor_said(&actor, VIV_ZAB_VOTE_SEND)->vote.leader, INT64_MIN);
    cr_assert_eq(actor_count(&actor, VIV_ZAB_VOTE_SEND), 3);
    actor_vote(&actor, 1, VIV_FOLLOWING, 2, 5, 3, 6);
    actor_vote(&actor, 2, VIV_LEADING, 2, 5, 3, 6);
    cr_assert_eq(actor_state(&actor), VIV_OBSERVING);
    actor_fini(&actor);
}

VIV_TEST(zab_election, a_lost_leader_is_not_waited_for)
{
    struct actor actor;
    actor_init(&actor, &(struct actor_config){.sid = 1});
    actor_follow(&actor, 1, true);
    actor_give(&actor, (struct viv_zab_input){.kind = VIV_ZAB_LINK_DOWN, .link = 1});
    cr_assert_eq(actor_state(&actor), VIV_LOOKING);
    actor_vote(&actor, 2, VIV_LOOKING, 2, 0, 8, 0);
    cr_assert_eq(actor_state(&actor), VIV_FOLLOWING);
    actor_fini(&actor);
}

VIV_TEST(zab_election, an_election_begins_when_the_disk_has_answered)
{
    struct actor actor;
    actor_init(&actor, &(struct actor_config){.sid = 1});
    actor_follow(&actor, 1, true);
    actor_packet(&actor, 1, VIV_PACKET_DIFF, VIV_ZXID(1, 1), (struct viv_bytes){0});
    actor_packet(&actor, 1, VIV_PACKET_PROPOSAL, VIV_ZXID(1, 1), VIV_BYTES_LITERAL("x"));
    cr_assert_not_null(actor_said(&actor, VIV_ZAB_APPEND));
    actor_give(&actor, (struct viv_zab_input){.kind = VIV_ZAB_LINK_DOWN, .link = 1});
    cr_assert_null(actor_said(&actor, VIV_ZAB_VOTE_SEND));
    actor_give(&actor, (struct viv_zab_input){.kind = VIV_ZAB_STORED, .zxid = VIV_ZXID(1, 1)});
    cr_assert_eq(actor_said(&actor, VIV_ZAB_VOTE_SEND)->vote.zxid, VIV_ZXID(1, 1));
    actor_fini(&actor);
}

/* ---- other policies ---- */

static void ranked_vote(struct actor *actor, viv_sid from, viv_sid leader, uint64_t zxid, struct viv_vote_rank rank)
{
    struct viv_zab_input input = {.kind = VIV_ZAB_VOTE, .sid = from};
    input.vote = (struct viv_vote){
        .state = VIV_LOOKING, .leader = leader, .zxid = zxid, .round = 1, .peer_epoch = 2, .rank = rank};
    actor_give(actor, input);
}

static const struct viv_vote_rank first_of_ring = {.present = true, .policy = 1, .slack = 5, .rank = 0};

VIV_TEST(zab_election, by_another_policy_a_voter_that_does_not_know_it_is_neither_heard_nor_followed)
{
    struct actor actor;
    struct actor_config config = three;
    config.policy = "ring";
    config.slack = 5;
    actor_init(&actor, &config);
    cr_assert(actor_said(&actor, VIV_ZAB_VOTE_SEND)->vote.rank.present);
    actor.zab->has_served = true; /* before, it would end for that */
    actor_vote(&actor, 1, VIV_LOOKING, 3, LAST, 1, 2);
    actor_vote(&actor, 2, VIV_LOOKING, 3, LAST, 1, 2);
    cr_assert_eq(actor_state(&actor), VIV_LOOKING);
    struct viv_vote_rank other = first_of_ring;
    other.slack = 6;
    ranked_vote(&actor, 1, 3, LAST, other);
    actor_tick(&actor, 300);
    cr_assert_eq(actor_state(&actor), VIV_LOOKING); /* as many transactions behind as it likes: two orders */
    struct viv_vote_rank same = first_of_ring;
    same.rank = actor.zab->election.proposal.rank;
    ranked_vote(&actor, 1, 3, LAST, same);
    cr_assert_eq(actor_state(&actor), VIV_LEADING); /* and whoever is not heard is not waited for */
    actor_introduce(&actor, 9, 2, 2, false);
    cr_assert_eq(actor_said(&actor, VIV_ZAB_LINK_CLOSE)->link, 9);
    actor_fini(&actor);
}

static struct viv_vote plain_vote(bool is_ours)
{
    return (struct viv_vote){
        .state = VIV_LOOKING, .leader = 3, .zxid = LAST, .round = 1, .peer_epoch = 2, .native = is_ours};
}

VIV_TEST(zab_election, by_another_policy_a_server_that_meets_one_of_zookeepers_before_it_has_served_ends)
{
    struct actor actor;
    struct actor_config config = three;
    for (int i = 0; i < 3; i++) {
        config.policy = i == 0 ? NULL : "ring";
        actor_init(&actor, &config);
        actor_give(&actor, (struct viv_zab_input){.kind = VIV_ZAB_VOTE, .sid = 1, .vote = plain_vote(i == 2)});
        const struct viv_zab_output *end = actor_said(&actor, VIV_ZAB_FATAL);
        cr_assert_eq(end != NULL, i == 1, "one of ours is misconfigured, not foreign");
        cr_assert(end == NULL || end->flag);
        actor_fini(&actor);
    }
    actor_init(&actor, &config);
    actor.zab->has_served = true;
    actor_give(&actor, (struct viv_zab_input){.kind = VIV_ZAB_VOTE, .sid = 1, .vote = plain_vote(false)});
    cr_assert_null(actor_said(&actor, VIV_ZAB_FATAL));
    actor_fini(&actor);
}

VIV_TEST(zab_election, by_the_policy_of_zookeeper_a_ranked_vote_is_not_heard)
{
    struct actor actor;
    actor_init(&actor, &three);
    cr_assert_not(actor_said(&actor, VIV_ZAB_VOTE_SEND)->vote.rank.present);
    ranked_vote(&actor, 1, 3, LAST, first_of_ring);
    ranked_vote(&actor, 2, 3, LAST, first_of_ring);
    cr_assert_eq(actor_state(&actor), VIV_LOOKING);
    actor_fini(&actor);
}
