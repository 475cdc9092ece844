#include <stdio.h>
#include <stdlib.h>

#include "tests/support/viv_test.h"
#include "tests/unit/zab/actor.h"
#include "tests/unit/zab/net.h"
#include "wire/members.h"
#include "wire/records.h"

/* Reconfigurations of a whole ensemble: what each of two configurations must agree to, and what happens when a server
 * dies at any moment of it. VIV_ZAB_SEEDS=n, n from 1000 on: at each moment, not at one of seven. Servers are named by
 * index; the leader of an idle ensemble is the last of its voters. */

static struct net *net_of_seed(uint64_t seed, size_t voters, size_t observers, size_t spares)
{
    struct net *net = viv_alloc(sizeof *net);
    net_init(net, &(struct net_config){.seed = seed,
                                       .voters = voters,
                                       .observers = observers,
                                       .spares = spares,
                                       .disk_ms_max = 3,
                                       .packet_ms_max = 2,
                                       .vote_ms_max = 2});
    for (size_t i = 0; i < net->count; i++) {
        net_start(net, i);
    }
    cr_assert(net_settle(net, 5000), "%s", net->failure);
    cr_assert(net_propose(net));
    cr_assert(net_settle(net, 5000), "%s", net->failure);
    return net;
}

static struct net *net_of(size_t voters, size_t observers, size_t spares)
{
    return net_of_seed(2, voters, observers, spares);
}

static void net_free(struct net *net)
{
    cr_assert_str_empty(net->failure);
    net_fini(net);
    free(net);
}

static void isolate(struct net *net, size_t index, bool cut)
{
    for (size_t other = 0; other < net->count; other++) {
        net_cut(net, index, other, cut);
    }
}

static uint64_t version_of(const struct net *net, size_t index)
{
    return viv_zab_members_version(net->servers[index].zab);
}

static bool works(struct net *net)
{
    return net_settle(net, 10000) && net_propose(net) && net_settle(net, 10000);
}

/* ---- at any moment ---- */

static const struct change_case {
    const char *name;
    size_t voters, observers, spares;
    struct net_change change;
} cases[] = {
    {"a voter more", 3, 0, 1, {.voters = 0xf}},
    {"a voter less", 4, 0, 1, {.voters = 0xe}},
    {"the leader goes", 4, 0, 1, {.voters = 0x7}},
    {"the leader is replaced", 3, 0, 1, {.voters = 0xb}},
    {"most are replaced", 3, 0, 2, {.voters = 0x19}},
    {"another leads", 3, 0, 1, {.voters = 0x7, .successor = 1}},
    {"an observer votes", 3, 1, 1, {.voters = 0xf}},
    {"a voter observes", 4, 0, 1, {.voters = 0x7, .observers = 0x8}},
    {"parts are exchanged", 3, 1, 1, {.voters = 0xb, .observers = 0x4}},
};

/* `victim` dies so many events after the proposal: the others go on, and it comes back. */
static bool play(const struct change_case *one, size_t victim, size_t moment)
{
    struct net *net = net_of(one->voters, one->observers, one->spares);
    cr_assert(net_reconfigure(net, &one->change), "%s", one->name);
    net_propose(net);
    net_run_events(net, moment);
    bool is_over = viv_zab_members_version(net->servers[victim].zab) > UINT32_MAX + UINT64_C(1) &&
                   net_leader(net) >= 0 && net_settle(net, 1);
    net_crash(net, victim);
    cr_assert(works(net), "%s: server %zu died at %zu: %s", one->name, victim, moment, net->failure);
    net_start(net, victim);
    cr_assert(works(net), "%s: server %zu came back, died at %zu: %s", one->name, victim, moment, net->failure);
    uint64_t version = version_of(net, 0);
    for (size_t i = 0; i < net->count; i++) {
        cr_assert_eq(version_of(net, i), version, "%s: server %zu died at %zu", one->name, victim, moment);
    }
    net_free(net);
    return is_over;
}

VIV_TEST(zab_reconfigure, whoever_dies_at_whatever_moment_the_others_go_on, .timeout = 300)
{
    const char *seeds = getenv("VIV_ZAB_SEEDS");
    size_t step = seeds != NULL && atol(seeds) >= 1000 ? 1 : 7, plays = 0;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (size_t victim = 0; victim < cases[i].voters + cases[i].observers + cases[i].spares; victim++) {
            for (size_t moment = 0; moment < 400 && !play(&cases[i], victim, moment); moment += step) {
                plays++;
            }
        }
    }
    printf("# moments=%zu\n", plays);
    cr_assert_gt(plays, 200);
}

/* ---- one by one ---- */

VIV_TEST(zab_reconfigure, a_new_voter_counts_and_a_former_one_does_not)
{
    struct net *net = net_of(3, 0, 2);
    cr_assert(net_reconfigure(net, &(struct net_change){.voters = 0x1c})); /* 2 stays, 3 and 4 come */
    cr_assert(works(net), "%s", net->failure);
    net_crash(net, 0);
    net_crash(net, 1);
    cr_assert(works(net), "%s", net->failure);
    net_start(net, 0);
    net_start(net, 1);
    cr_assert(works(net), "%s", net->failure); /* they follow without a vote */
    net_crash(net, 3);
    net_crash(net, 4);
    net_run(net, 3000);
    cr_assert_lt(net_leader(net), 0, "two former voters and one of three are no quorum");
    net_start(net, 4);
    cr_assert(works(net), "%s", net->failure);
    net_free(net);
}

VIV_TEST(zab_reconfigure, a_leader_that_is_left_out_hands_over_and_follows)
{
    struct net *net = net_of(3, 0, 1);
    int leader = net_leader(net);
    cr_assert_eq(leader, 2);
    cr_assert(net_reconfigure(net, &(struct net_change){.voters = 0x3}));
    cr_assert(net_settle(net, 100), "no new leader after 100 ms");
    cr_assert_neq(net_leader(net), leader);
    cr_assert_eq(net->servers[2].state, VIV_FOLLOWING);
    net_free(net);
}

VIV_TEST(zab_reconfigure, the_leader_that_is_wished_for_leads_without_an_election)
{
    struct net *net = net_of(3, 0, 1);
    cr_assert(net_reconfigure(net, &(struct net_change){.voters = 0x7, .successor = 1}));
    cr_assert(net_settle(net, 100), "no new leader after 100 ms");
    cr_assert_eq(net_leader(net), 0);
    struct viv_zab_stats stats;
    viv_zab_stats(net->servers[1].zab, &stats);
    cr_assert_eq(stats.leader, 1);
    net_free(net);
}

/* The seed decides whether a cut link breaks at once, which ends the reign, or only swallows what is sent. */
VIV_TEST(zab_reconfigure, while_it_is_proposed_nothing_is_committed_without_both_quorums)
{
    size_t held = 0;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        struct net *net = net_of_seed(seed, 3, 0, 2);
        size_t shown = net->truth.count;
        isolate(net, 3, true);
        isolate(net, 4, true);
        if (net_reconfigure(net, &(struct net_change){.voters = 0x1c})) { /* 2, 3, 4: it leads still */
            net_propose(net);
            net_run(net, 100);
            held += net_leader(net) == 2;
            cr_assert_eq(net->truth.count, shown, "a quorum of the old configuration alone has committed");
        }
        isolate(net, 3, false);
        isolate(net, 4, false);
        cr_assert(works(net), "%s", net->failure);
        net_free(net);
    }
    cr_assert_gt(held, 0);
}

/* Nobody may sit there as a leader whose new configuration is gone. */
VIV_TEST(zab_reconfigure, a_leader_without_a_quorum_of_the_proposed_configuration_resigns)
{
    struct net *net = net_of(3, 0, 2);
    cr_assert(net_reconfigure(net, &(struct net_change){.voters = 0x1c}));
    net_crash(net, 3);
    net_crash(net, 4);
    net_run(net, 1000);
    cr_assert_lt(net_leader(net), 0, "it leads although it can commit nothing");
    net_start(net, 3);
    cr_assert(works(net), "%s", net->failure);
    net_free(net);
}

VIV_TEST(zab_reconfigure, a_voter_that_never_heard_of_its_promotion_votes_when_it_is_needed)
{
    struct net *net = net_of(3, 0, 1);
    isolate(net, 3, true);
    cr_assert(net_reconfigure(net, &(struct net_change){.voters = 0xf})); /* 3 of 4 are enough without it */
    cr_assert(net_settle(net, 3000) || true);
    net_run(net, 300);
    cr_assert_gt(version_of(net, 0), UINT32_MAX + UINT64_C(1));
    cr_assert_leq(version_of(net, 3), UINT32_MAX + UINT64_C(1));
    net_crash(net, (size_t)net_leader(net));
    isolate(net, 3, false);
    cr_assert(works(net), "%s", net->failure); /* two that know and one that learns of it are three of four */
    net_free(net);
}

VIV_TEST(zab_reconfigure, of_two_reconfigurations_by_two_leaders_one_remains)
{
    struct net *net = net_of(5, 0, 2);
    cr_assert_eq(net_leader(net), 4);
    isolate(net, 4, true);
    cr_assert(net_reconfigure(net, &(struct net_change){.voters = 0x2f})); /* by 4, which does not know yet */
    isolate(net, 4, true);
    net_run(net, 2000); /* the others elect */
    cr_assert(net_reconfigure(net, &(struct net_change){.voters = 0x4f}));
    net_run(net, 500);
    isolate(net, 4, false);
    cr_assert(works(net), "%s", net->failure);
    for (size_t i = 0; i < net->count; i++) {
        cr_assert_eq(version_of(net, i), version_of(net, 0));
    }
    net_crash(net, 6); /* a voter: five are 0 1 2 3 6 */
    net_crash(net, 3);
    cr_assert(works(net), "%s", net->failure);
    net_free(net);
}

VIV_TEST(zab_reconfigure, one_is_proposed_only_when_the_last_is_committed_and_its_quorum_follows)
{
    struct net *net = net_of(3, 0, 2);
    cr_assert(net_reconfigure(net, &(struct net_change){.voters = 0xf}));
    cr_assert_not(net_reconfigure(net, &(struct net_change){.voters = 0x7}));
    cr_assert(works(net), "%s", net->failure);
    net_crash(net, 3);
    net_crash(net, 4);
    net_run(net, 1000);
    cr_assert_not(net_reconfigure(net, &(struct net_change){.voters = 0x1c}), "two of three are not there");
    cr_assert(net_reconfigure(net, &(struct net_change){.voters = 0x7}));
    cr_assert(works(net), "%s", net->failure);
    net_free(net);
}

/* A leader proposed it to nobody, died, and the others went on without it. */
VIV_TEST(zab_reconfigure, a_configuration_that_is_truncated_is_gone)
{
    struct net *net = net_of(3, 0, 1);
    uint64_t before = version_of(net, 0);
    isolate(net, 2, true);
    cr_assert(net_reconfigure(net, &(struct net_change){.voters = 0xb}));
    net_run(net, 20); /* on its own disk */
    cr_assert(viv_zab_is_reconfiguring(net->servers[2].zab) || net_leader(net) != 2);
    net_crash(net, 2);
    isolate(net, 2, false);
    cr_assert(works(net), "%s", net->failure);
    net_start(net, 2);
    cr_assert(works(net), "%s", net->failure);
    for (size_t i = 0; i < net->count; i++) {
        cr_assert_eq(version_of(net, i), before);
        cr_assert_not(viv_zab_is_reconfiguring(net->servers[i].zab));
    }
    net_free(net);
}

/* The same, and the configuration that it alone knows of would need its own vote: those who reign do without. */
VIV_TEST(zab_reconfigure, who_reigns_needs_no_quorum_of_what_only_the_one_that_comes_back_has_heard_of)
{
    struct net *net = net_of(3, 0, 1);
    uint64_t before = version_of(net, 0);
    isolate(net, 2, true);
    cr_assert(net_reconfigure(net, &(struct net_change){.voters = 0x6}));
    net_run(net, 2000); /* on its own disk; the others elect */
    cr_assert(viv_zab_is_reconfiguring(net->servers[2].zab));
    cr_assert_eq(net_leader(net), 1);
    isolate(net, 2, false);
    cr_assert(works(net), "%s", net->failure);
    for (size_t i = 0; i < net->count; i++) {
        cr_assert_eq(version_of(net, i), before);
        cr_assert_not(viv_zab_is_reconfiguring(net->servers[i].zab));
    }
    net_free(net);
}

VIV_TEST(zab_reconfigure, a_server_that_missed_all_of_it_follows_the_ensemble_of_today)
{
    struct net *net = net_of(3, 0, 2);
    net_crash(net, 0);
    cr_assert(net_settle(net, 3000), "%s", net->failure);
    cr_assert(net_reconfigure(net, &(struct net_change){.voters = 0x16})); /* 1 2 4 */
    cr_assert(works(net), "%s", net->failure);
    for (size_t i = 1; i <= 4; i++) {
        net_checkpoint(net, i, true);
    }
    net_start(net, 0);
    cr_assert(works(net), "%s", net->failure);
    cr_assert_eq(net->servers[0].state, VIV_FOLLOWING);
    cr_assert_eq(version_of(net, 0), version_of(net, 1));
    net_free(net);
}

VIV_TEST(zab_reconfigure, the_whole_room_loses_its_power_and_knows_its_members)
{
    struct net *net = net_of(3, 0, 2);
    cr_assert(net_reconfigure(net, &(struct net_change){.voters = 0x1c, .observers = 0x1}));
    cr_assert(works(net), "%s", net->failure);
    uint64_t version = version_of(net, 2);
    for (size_t i = 0; i < net->count; i++) {
        net_checkpoint(net, i, i % 2 == 0);
        net_crash(net, i);
    }
    for (size_t i = 0; i < net->count; i++) {
        net_start(net, i);
    }
    cr_assert(works(net), "%s", net->failure);
    cr_assert_eq(version_of(net, 4), version);
    cr_assert_eq(net->servers[0].state, VIV_OBSERVING);
    net_free(net);
}

static void print_voters(struct viv_buffer *text, uint64_t version, const viv_sid *sids)
{
    struct viv_members members = {.version = version};
    for (; *sids != 0; sids++) {
        struct viv_member member = {.sid = *sids,
                                    .host = "h",
                                    .peer_port = (int)*sids,
                                    .election_port = 1,
                                    .voter = true,
                                    .weight = 1,
                                    .client_port = -1};
        cr_assert(viv_members_insert(&members, &member));
    }
    viv_buffer_clear(text);
    viv_members_print(&members, text);
}

/* What lies before it is the history that the epoch began with; the start of the epoch is no entry to commit. */
VIV_TEST(zab_reconfigure, nothing_is_committed_before_one_that_is_the_first_entry_of_its_epoch)
{
    struct actor actor;
    struct viv_buffer text = {0}, body = {0};
    actor_init(&actor, &(struct actor_config){.sid = 3, .reconfigurable = true});
    actor_lead(&actor, true, 0);
    uint64_t zxid = viv_zab_next_zxid(actor.zab);
    cr_assert_eq(zxid, VIV_ZXID(1, 1));
    print_voters(&text, zxid, (const viv_sid[]){1, 2, 3, 5, 6, 0});
    viv_txn_header_encode(&body, &(struct viv_txn_header){.zxid = zxid, .type = VIV_OP_RECONFIG});
    viv_set_data_txn_encode(&body, &(struct viv_set_data_txn){.data.bytes = viv_buffer_bytes(&text), .version = -1});
    actor_give(&actor, (struct viv_zab_input){.kind = VIV_ZAB_PROPOSE, .zxid = zxid, .data = viv_buffer_bytes(&body)});
    actor_give(&actor, (struct viv_zab_input){.kind = VIV_ZAB_STORED, .zxid = zxid});
    actor_packet(&actor, 1, VIV_PACKET_ACK, zxid, (struct viv_bytes){0}); /* two of the three, not three of the five */
    cr_assert_eq(actor_sent_count(&actor, 1, VIV_PACKET_COMMIT), 0);
    cr_assert_eq(viv_zab_last_committed(actor.zab), 0);
    viv_buffer_fini(&text);
    viv_buffer_fini(&body);
    actor_fini(&actor);
}

static void vote_with(struct actor *actor, viv_sid from, viv_sid leader, const struct viv_buffer *proposed)
{
    struct viv_vote vote = {.state = VIV_LOOKING,
                            .leader = leader,
                            .zxid = VIV_ZXID(1, 9),
                            .round = 1,
                            .peer_epoch = 1,
                            .proposed = viv_buffer_bytes(proposed)};
    actor_give(actor, (struct viv_zab_input){.kind = VIV_ZAB_VOTE, .sid = from, .vote = vote});
}

/* Of two voters each may have another reconfiguration in its history. */
VIV_TEST(zab_reconfigure, whom_a_newer_hint_does_not_name_is_not_elected_and_hints_do_not_take_turns)
{
    struct actor actor;
    struct viv_buffer older = {0}, newer = {0};
    print_voters(&older, VIV_ZXID(1, 8), (const viv_sid[]){1, 2, 3, 9, 0});
    print_voters(&newer, VIV_ZXID(1, 9), (const viv_sid[]){1, 2, 3, 8, 0});
    actor_init(&actor, &(struct actor_config){.sid = 1, .reconfigurable = true});
    vote_with(&actor, 2, 9, &older); /* two of three would do */
    vote_with(&actor, 3, 3, &newer);
    actor_tick(&actor, 300);
    cr_assert_eq(actor_state(&actor), VIV_FOLLOWING, "3 and this server agree");
    actor_fini(&actor);

    actor_init(&actor, &(struct actor_config){.sid = 1, .reconfigurable = true});
    vote_with(&actor, 3, 3, &newer);
    for (int i = 0; i < 3; i++) {
        vote_with(&actor, 2, 2, &older);
    }
    actor_tick(&actor, 300);
    cr_assert_eq(actor_state(&actor), VIV_FOLLOWING, "3 and this server agree");
    actor_fini(&actor);
    viv_buffer_fini(&older);
    viv_buffer_fini(&newer);
}

/* Else whoever has not heard of it would never vote for that server, which may be the only one that can lead. */
VIV_TEST(zab_reconfigure, who_votes_for_a_server_that_only_a_hint_names_passes_the_hint_on)
{
    struct actor actor;
    struct viv_buffer hint = {0};
    print_voters(&hint, VIV_ZXID(1, 8), (const viv_sid[]){1, 2, 3, 9, 0});
    actor_init(&actor, &(struct actor_config){.sid = 1, .reconfigurable = true});
    vote_with(&actor, 2, 2, &hint);
    cr_assert_eq(actor_said(&actor, VIV_ZAB_VOTE_SEND)->vote.leader, 2);
    cr_assert_eq(actor_said(&actor, VIV_ZAB_VOTE_SEND)->vote.proposed.size, 0);
    vote_with(&actor, 2, 9, &hint);
    const struct viv_vote *vote = &actor_said(&actor, VIV_ZAB_VOTE_SEND)->vote;
    cr_assert_eq(vote->leader, 9);
    cr_assert(viv_bytes_equal(vote->proposed, viv_buffer_bytes(&hint)));
    actor_fini(&actor);
    viv_buffer_fini(&hint);
}

/* ---- who has no vote ---- */

/* Observers that come at once take turns; a voter never waits. */
VIV_TEST(zab_reconfigure, observers_beyond_a_limit_wait_until_others_are_up_to_date)
{
    struct actor actor;
    actor_init(&actor, &(struct actor_config){.sid = 3, .reconfigurable = true, .diff_syncs_max = 1});
    actor_lead(&actor, true, 0);
    for (uint32_t link = 4; link <= 5; link++) { /* two guests that observe */
        actor_introduce_as(&actor, (struct viv_zab_input){.link = link}, link == 4 ? 4 : 9, 1, true);
        actor_ackepoch(&actor, link, 0, 0);
        cr_assert_eq(actor_sent(&actor, link, VIV_PACKET_NEWLEADER) != NULL, link == 4);
    }
    actor_tick(&actor, 20);
    cr_assert_null(actor_sent(&actor, 5, VIV_PACKET_NEWLEADER));
    actor_introduce(&actor, 6, 2, 1, true);
    actor_ackepoch(&actor, 6, 0, 0);
    cr_assert_not_null(actor_sent(&actor, 6, VIV_PACKET_NEWLEADER), "a voter");
    actor_packet(&actor, 6, VIV_PACKET_ACK, VIV_ZXID(1, 0), (struct viv_bytes){0});
    actor_packet(&actor, 4, VIV_PACKET_ACK, VIV_ZXID(1, 0), (struct viv_bytes){0});
    actor_tick(&actor, 20);
    cr_assert_not_null(actor_sent(&actor, 5, VIV_PACKET_NEWLEADER));
    actor_fini(&actor);
}
