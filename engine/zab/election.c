#include "zab/election.h"

#include <string.h>

#include "base/assert.h"
#include "zab/zab_internal.h"

enum { FINALIZE_MS = 200, RESEND_MS_MIN = 200, RESEND_MS_MAX = 1000 };

/* "My database is empty and I do not trust it" in a Java server's vote. */
#define ZXID_UNTRUSTED UINT64_MAX

static uint64_t bit(int index)
{
    return UINT64_C(1) << index;
}

static struct viv_vote vote_of(const struct viv_zab *zab, const struct viv_candidate *candidate)
{
    return (struct viv_vote){
        .state = VIV_LOOKING,
        .leader = candidate->leader,
        .zxid = candidate->zxid,
        .round = zab->election.round,
        .peer_epoch = candidate->peer_epoch,
        .rank.rank = candidate->rank,
    };
}

static void send_vote_with(struct viv_zab *zab, viv_sid sid, uint32_t echo)
{
    const struct viv_election *election = &zab->election;
    struct viv_zab_output *output = viv_zab_emit(zab, VIV_ZAB_VOTE_SEND);
    output->sid = sid;
    output->vote = zab->state == VIV_LOOKING ? vote_of(zab, &election->proposal) : election->serving;
    output->vote.state = zab->state;
    output->vote.config = viv_buffer_bytes(&zab->membership.active.text);
    if (zab->membership.has_proposed) {
        output->vote.proposed = viv_buffer_bytes(&zab->membership.proposed.text);
    } else if (zab->membership.has_hinted && !viv_membership_may_lead(&zab->membership, output->vote.leader)) {
        /* Who has not heard the hint could make nothing of this vote, nor of the candidate's own. */
        output->vote.proposed = viv_buffer_bytes(&zab->membership.hinted.text);
    }
    output->vote.native = true;
    output->vote.rank = viv_ranking_say(zab, output->vote.rank.rank, echo);
}

static void send_vote(struct viv_zab *zab, viv_sid sid)
{
    send_vote_with(zab, sid, 0);
}

static void broadcast(struct viv_zab *zab)
{
    const struct viv_membership *membership = &zab->membership;
    for (uint64_t left = viv_membership_voters(membership); left != 0; left &= left - 1) {
        viv_sid sid = membership->slots[__builtin_ctzll(left)];
        if (sid != zab->sid) {
            send_vote(zab, sid);
        }
    }
}

/* Who may not lead proposes the smallest of everything: it learns of the leader and never wins. */
static struct viv_candidate own_candidate(const struct viv_zab *zab, uint64_t round)
{
    if (!viv_membership_may_lead(&zab->membership, zab->sid) || viv_repair_must_yield(zab)) {
        return (struct viv_candidate){INT64_MIN, (uint64_t)INT64_MIN, INT64_MIN, VIV_ELECTION_RANK_WORST};
    }
    VIV_ASSERT(viv_durable_is_idle(&zab->durable)); /* D8 */
    return (struct viv_candidate){zab->sid, zab->durable.last_zxid, (int64_t)zab->durable.current_epoch,
                                  viv_ranking_own(zab, round)};
}

static bool is_better(const struct viv_zab *zab, const struct viv_candidate *a, const struct viv_candidate *b)
{
    return viv_election_better(zab->ranking.policy, zab->ranking.slack, a, b);
}

static bool ballots_agree(const struct viv_ballot *a, const struct viv_ballot *b)
{
    if (!a->present || !b->present || a->candidate.leader != b->candidate.leader ||
        a->candidate.peer_epoch != b->candidate.peer_epoch) {
        return false;
    }
    if (a->state != VIV_LOOKING && b->state != VIV_LOOKING) {
        return true; /* servers that joined at different times report different rounds and zxids */
    }
    return a->round == b->round && a->candidate.zxid == b->candidate.zxid;
}

static uint64_t agreeing(const struct viv_ballot *ballots, const struct viv_ballot *with)
{
    uint64_t set = 0;
    for (size_t i = 0; i < VIV_MEMBERS_MAX; i++) {
        set |= ballots_agree(&ballots[i], with) ? bit((int)i) : 0;
    }
    return set;
}

static struct viv_ballot own_ballot(const struct viv_zab *zab)
{
    return (struct viv_ballot){true, VIV_LOOKING, zab->election.round, zab->election.proposal};
}

static void propose(struct viv_zab *zab, const struct viv_candidate *candidate)
{
    struct viv_election *election = &zab->election;
    election->proposal = *candidate;
    if (viv_membership_voter(&zab->membership, zab->sid) != 0) {
        election->seen[viv_membership_index(&zab->membership, zab->sid)] = own_ballot(zab);
    }
    broadcast(zab);
}

static void decide(struct viv_zab *zab, const struct viv_candidate *candidate, uint64_t supporters)
{
    struct viv_election *election = &zab->election;
    VIV_ASSERT(viv_membership_may_follow(&zab->membership, candidate->leader));
    VIV_ASSERT(election->is_open);
    election->is_open = false;
    election->supporters = supporters;
    election->serving = vote_of(zab, candidate);
    viv_zab_elected(zab, candidate->leader);
}

/* After something changed: has a quorum agreed with what we propose? */
static void count(struct viv_zab *zab)
{
    struct viv_election *election = &zab->election;
    struct viv_ballot own = own_ballot(zab);
    uint64_t agreed = agreeing(election->seen, &own);
    if (!viv_membership_has(&zab->membership, agreed)) {
        election->is_agreed = false;
        return;
    }
    uint64_t expected = viv_membership_deciding(&zab->membership) & ~election->absent & ~zab->ranking.strangers;
    if ((expected & ~agreed) == 0) {
        decide(zab, &election->proposal, agreed);
        return;
    }
    if (!election->is_agreed) {
        election->is_agreed = true;
        election->decide_at_ms = zab->now_ms + FINALIZE_MS;
    }
}

static void looking_vote(struct viv_zab *zab, int index, const struct viv_ballot *ballot)
{
    struct viv_election *election = &zab->election;
    viv_sid sid = zab->membership.slots[index];
    if (ballot->candidate.zxid == ZXID_UNTRUSTED) {
        return;
    }
    if (ballot->round < election->round) {
        send_vote(zab, sid);
        return;
    }
    if (ballot->round > election->round) {
        struct viv_candidate own = own_candidate(zab, ballot->round);
        election->round = ballot->round;
        memset(election->seen, 0, sizeof election->seen);
        election->is_agreed = false;
        propose(zab, is_better(zab, &ballot->candidate, &own) ? &ballot->candidate : &own);
    } else if (is_better(zab, &ballot->candidate, &election->proposal)) {
        election->is_agreed = false;
        propose(zab, &ballot->candidate);
    } else if ((election->answered & bit(index)) == 0) {
        send_vote(zab, sid); /* it may have come up after our vote was sent */
    }
    election->answered |= bit(index);
    election->seen[index] = *ballot;
    count(zab);
}

/* May the votes in `ballots` make us follow or lead? */
static bool leader_is_sure(const struct viv_zab *zab, const struct viv_ballot *ballots, const struct viv_ballot *ballot)
{
    if (ballot->candidate.leader == zab->sid) {
        return ballot->round == zab->election.round;
    }
    int index = viv_membership_index(&zab->membership, ballot->candidate.leader);
    return ballots[index].present && ballots[index].state == VIV_LEADING;
}

/* Is there a leader already, by the word of those who follow it and its own? The configuration that our history alone
 * proposes has no say in that: whoever reigns without having heard of it needs no quorum of it, and cuts it off here.
 * Whether it may reign is for its discovery to find out. To lead ourselves takes both, as any election does. */
static bool reigns(const struct viv_zab *zab, const struct viv_ballot *ballot, uint64_t agreed)
{
    bool has_quorum = ballot->candidate.leader == zab->sid ? viv_membership_has(&zab->membership, agreed)
                                                           : viv_membership_has_active(&zab->membership, agreed);
    return has_quorum && leader_is_sure(zab, zab->election.settled, ballot);
}

static void settled_vote(struct viv_zab *zab, int index, const struct viv_ballot *ballot)
{
    struct viv_election *election = &zab->election;
    if (ballot->round == election->round) {
        election->seen[index] = *ballot;
        uint64_t agreed = agreeing(election->seen, ballot);
        if (viv_membership_has(&zab->membership, agreed) && leader_is_sure(zab, election->seen, ballot)) {
            decide(zab, &ballot->candidate, agreed);
            return;
        }
    }
    election->settled[index] = *ballot;
    uint64_t agreed = agreeing(election->settled, ballot);
    if (reigns(zab, ballot, agreed)) {
        election->round = ballot->round;
        decide(zab, &ballot->candidate, agreed);
    }
}

static void heed(struct viv_zab *zab, int index, const struct viv_ballot *ballot)
{
    VIV_ASSERT(zab->state == VIV_LOOKING && zab->election.is_open);
    if (!viv_membership_may_follow(&zab->membership, ballot->candidate.leader)) {
        return;
    }
    zab->election.absent &= ~bit(index);
    if (ballot->state == VIV_LOOKING) {
        looking_vote(zab, index, ballot);
    } else if (ballot->state == VIV_FOLLOWING || ballot->state == VIV_LEADING) {
        settled_vote(zab, index, ballot);
    }
}

/* Slots have changed hands, and who was proposed may be named no longer. */
static void count_anew(struct viv_zab *zab)
{
    struct viv_election *election = &zab->election;
    memset(election->seen, 0, sizeof election->seen);
    memset(election->settled, 0, sizeof election->settled);
    memset(election->early, 0, sizeof election->early);
    election->is_agreed = false;
    election->answered = 0;
    if (election->is_open) {
        struct viv_candidate own = own_candidate(zab, election->round);
        propose(zab, &own);
    }
}

/* A configuration in a vote is committed, and adopted. One that is only proposed in the voter's history may make a
 * server the best candidate of whom this one does not know yet; it changes nothing else. Both are believed of servers
 * that the own configurations name. */
static void heed_members(struct viv_zab *zab, viv_sid sid, const struct viv_vote *vote)
{
    struct viv_membership *membership = &zab->membership;
    if (zab->state != VIV_LOOKING || viv_membership_index(membership, sid) < 0) {
        return;
    }
    if (!viv_bytes_equal(vote->config, viv_buffer_bytes(&membership->active.text)) &&
        viv_zab_adopt_members(zab, vote->config)) {
        viv_election_begin(zab, 0, 0);
    }
    bool had_hint = membership->has_hinted;
    if (zab->state == VIV_LOOKING && vote->proposed.size > 0 && !membership->has_proposed &&
        viv_membership_hint(membership, vote->proposed)) {
        viv_zab_tell_members(zab);
        if (had_hint) {
            count_anew(zab);
        }
    }
}

static void note_kind(struct viv_zab *zab, viv_sid sid, const struct viv_vote *vote)
{
    if (vote->native) {
        viv_sid_set_add(&zab->natives, sid);
    } else {
        viv_sid_set_remove(&zab->natives, sid);
    }
}

void viv_election_vote(struct viv_zab *zab, viv_sid sid, const struct viv_vote *vote)
{
    struct viv_election *election = &zab->election;
    if (sid == zab->sid || zab->standalone) {
        return;
    }
    heed_members(zab, sid, vote);
    int index = viv_membership_index(&zab->membership, sid);
    bool has_vote = zab->state != VIV_LOOKING || election->is_open;
    if (index < 0 && !zab->reconfigurable) {
        return;
    }
    if (viv_membership_voter(&zab->membership, sid) == 0) {
        if (vote->state == VIV_LOOKING && has_vote) {
            send_vote(zab, sid);
        }
        return;
    }
    note_kind(zab, sid, vote);
    if (!viv_ranking_hear(zab, index, vote) || vote->rank.echo != 0) {
        return; /* an echo answers a vote and is none: it would be answered as well, and so on */
    }
    if (zab->ranking.policy->measures && vote->rank.stamp != 0 && zab->state != VIV_LOOKING &&
        vote->state != VIV_LOOKING) {
        send_vote_with(zab, sid, vote->rank.stamp);
    }
    struct viv_ballot ballot = {
        true, vote->state, vote->round, {vote->leader, vote->zxid, vote->peer_epoch, vote->rank.rank}};
    if (zab->state != VIV_LOOKING) {
        if (vote->state == VIV_LOOKING) {
            send_vote(zab, sid);
            viv_leader_lost_supporter(zab, index, vote->round);
            viv_learner_heard_vote(zab, sid, vote->round);
        }
        return;
    }
    if (election->is_open) {
        heed(zab, index, &ballot);
    } else {
        election->early[index] = ballot;
    }
}

void viv_election_begin(struct viv_zab *zab, viv_sid lost, viv_sid designated)
{
    struct viv_election *election = &zab->election;
    VIV_ASSERT(zab->state == VIV_LOOKING);
    uint64_t round = election->round;
    viv_membership_forget_hint(&zab->membership);
    *election = (struct viv_election){
        .round = round, .absent = viv_membership_voter(&zab->membership, lost), .designated = designated};
    zab->elections++;
    viv_zab_trace(zab, VIV_TRACE_LOOKING, 0, 0);
    viv_election_open(zab);
}

/* Nobody agrees on its own with a quorum of several; a lone voter does. */
void viv_election_open(struct viv_zab *zab)
{
    struct viv_election *election = &zab->election;
    if (zab->state != VIV_LOOKING || election->is_open || !viv_durable_is_idle(&zab->durable)) {
        return;
    }
    VIV_ASSERT(zab->history.last_zxid == zab->durable.last_zxid);
    election->is_open = true;
    if (viv_membership_may_lead(&zab->membership, election->designated)) {
        struct viv_candidate candidate = {election->designated, zab->durable.last_zxid,
                                          (int64_t)zab->durable.current_epoch, 0};
        decide(zab, &candidate, viv_membership_voters(&zab->membership));
        return;
    }
    election->round++;
    election->resend_wait_ms = RESEND_MS_MIN;
    election->resend_at_ms = zab->now_ms + election->resend_wait_ms;
    struct viv_candidate own = own_candidate(zab, election->round);
    propose(zab, &own);
    count(zab);
    for (size_t i = 0; i < VIV_MEMBERS_MAX && election->is_open; i++) {
        struct viv_ballot early = election->early[i];
        if (early.present) {
            heed(zab, (int)i, &early);
        }
    }
}

void viv_election_tick(struct viv_zab *zab)
{
    struct viv_election *election = &zab->election;
    if (zab->state != VIV_LOOKING || !election->is_open) {
        return;
    }
    if (election->is_agreed && zab->now_ms >= election->decide_at_ms) {
        struct viv_ballot own = own_ballot(zab);
        decide(zab, &election->proposal, agreeing(election->seen, &own));
        return;
    }
    if (zab->now_ms >= election->resend_at_ms) {
        broadcast(zab);
        election->answered = 0;
        bool at_most = 2 * election->resend_wait_ms > RESEND_MS_MAX;
        election->resend_wait_ms = at_most ? RESEND_MS_MAX : 2 * election->resend_wait_ms;
        /* Servers that lost the same leader should not speak in unison for ever. */
        election->resend_at_ms = zab->now_ms + election->resend_wait_ms + viv_rng_below(&zab->rng, RESEND_MS_MIN / 4);
    }
}

void viv_election_measure(struct viv_zab *zab)
{
    if (zab->state != VIV_LOOKING && viv_ranking_is_probe_due(zab)) {
        broadcast(zab);
    }
}

void viv_election_announce(struct viv_zab *zab)
{
    VIV_ASSERT(zab->state != VIV_LOOKING);
    broadcast(zab);
}

void viv_election_established(struct viv_zab *zab, uint32_t epoch)
{
    zab->election.serving.peer_epoch = (int64_t)epoch;
}
