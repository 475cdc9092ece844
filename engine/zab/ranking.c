#include "zab/ranking.h"

#include "base/assert.h"
#include "base/log.h"
#include "zab/zab_internal.h"

enum { PROBE_MS = 2000 };

void viv_ranking_init(struct viv_zab *zab, const struct viv_zab_config *config)
{
    const char *name = config->election_policy != NULL ? config->election_policy : "fle";
    zab->ranking = (struct viv_ranking){
        .policy = viv_election_policy_find(name),
        .slack = config->election_slack,
        .priority = config->election_priority,
    };
    VIV_ASSERT(zab->ranking.policy != NULL); /* names are checked where configuration is read */
    VIV_ASSERT(zab->ranking.policy->rank != NULL || zab->ranking.slack == 0);
}

bool viv_ranking_pulls(const struct viv_zab *zab)
{
    return zab->ranking.policy->rank != NULL;
}

/* The least time within which a quorum, this server among it, can answer. */
static uint64_t quorum_rtt_ms(const struct viv_zab *zab)
{
    const struct viv_ranking *ranking = &zab->ranking;
    uint64_t best = VIV_ELECTION_RANK_WORST;
    for (uint64_t left = ranking->measured; left != 0; left &= left - 1) {
        uint32_t limit = ranking->rtt_ms_x8[__builtin_ctzll(left)] / 8;
        uint64_t within = viv_membership_voter(&zab->membership, zab->sid);
        for (uint64_t other = ranking->measured; other != 0; other &= other - 1) {
            int index = __builtin_ctzll(other);
            within |= ranking->rtt_ms_x8[index] / 8 <= limit ? UINT64_C(1) << index : 0;
        }
        if (limit < best && viv_membership_has(&zab->membership, within)) {
            best = limit;
        }
    }
    return best;
}

uint64_t viv_ranking_own(const struct viv_zab *zab, uint64_t round)
{
    const struct viv_ranking *ranking = &zab->ranking;
    if (ranking->policy->rank == NULL) {
        return 0;
    }
    if (ranking->is_unfit) {
        return VIV_ELECTION_RANK_WORST;
    }
    return ranking->policy->rank(&(struct viv_election_facts){
        .sid = zab->sid,
        .round = round,
        .priority = ranking->priority,
        .rtt_ms = quorum_rtt_ms(zab),
    });
}

struct viv_vote_rank viv_ranking_say(const struct viv_zab *zab, uint64_t rank, uint32_t echo)
{
    const struct viv_ranking *ranking = &zab->ranking;
    return (struct viv_vote_rank){
        .present = ranking->policy->rank != NULL,
        .policy = ranking->policy->number,
        .slack = ranking->slack,
        .rank = rank,
        /* Never 0: a millisecond does not matter. */
        .stamp = echo == 0 && zab->state != VIV_LOOKING ? (uint32_t)zab->now_ms | 1U : 0,
        .echo = echo,
    };
}

static void measure(struct viv_zab *zab, int index, uint32_t echo)
{
    struct viv_ranking *ranking = &zab->ranking;
    uint32_t took_ms = ((uint32_t)zab->now_ms | 1U) - echo;
    if (took_ms > zab->sync_limit_ms) {
        return; /* an echo of long ago */
    }
    bool is_first = (ranking->measured >> index & 1) == 0;
    uint32_t before = ranking->rtt_ms_x8[index];
    ranking->rtt_ms_x8[index] = is_first ? 8 * took_ms : before - before / 8 + took_ms;
    ranking->measured |= UINT64_C(1) << index;
}

bool viv_ranking_hear(struct viv_zab *zab, int index, const struct viv_vote *vote)
{
    struct viv_ranking *ranking = &zab->ranking;
    uint64_t bit = UINT64_C(1) << index;
    bool is_same =
        vote->rank.present == (ranking->policy->rank != NULL) &&
        (!vote->rank.present || (vote->rank.policy == ranking->policy->number && vote->rank.slack == ranking->slack));
    bool is_ours = vote->native || vote->rank.present;
    if (!is_ours && viv_ranking_pulls(zab) && zab->state == VIV_LOOKING && !zab->has_served) {
        viv_zab_refuse(zab,
                       "a voter of this ensemble is an Apache ZooKeeper server, which knows no election.policy but "
                       "fle: take election.policy out of the configuration of all servers, or that voter out of "
                       "the ensemble");
        return false;
    }
    if (!is_same && (ranking->strangers & bit) == 0) {
        viv_log(
            VIV_LOG_ERROR, VIV_ZAB_ROOM,
            "a voter elects otherwise and is not listened to: election.policy and election.slack must be the same on "
            "every server, and Apache ZooKeeper's know only fle",
            "gid=%u sid=%lld own=%s its=%u", zab->gid, (long long)zab->membership.slots[index], ranking->policy->name,
            vote->rank.policy);
    }
    ranking->strangers = is_same ? ranking->strangers & ~bit : ranking->strangers | bit;
    if (is_same && vote->rank.echo != 0) {
        measure(zab, index, vote->rank.echo);
    }
    return is_same;
}

bool viv_ranking_is_probe_due(struct viv_zab *zab)
{
    struct viv_ranking *ranking = &zab->ranking;
    if (!ranking->policy->measures || zab->now_ms < ranking->probe_at_ms) {
        return false;
    }
    ranking->probe_at_ms = zab->now_ms + PROBE_MS;
    return true;
}
