#include "zab/election_policy.h"

#include <string.h>

#include "base/assert.h"
#include "base/rng.h"

/* Of each server, so that none owns almost nothing of the ring. */
enum { RING_POINTS = 32 };

/* The target moves with the round, so that a server which is near but slow does not win for ever. */
static uint64_t ring_rank(const struct viv_election_facts *facts)
{
    uint64_t target = viv_mix64(facts->round ^ UINT64_C(0x726f756e64)); /* "round" */
    uint64_t nearest = UINT64_MAX;
    for (uint64_t i = 0; i < RING_POINTS; i++) {
        uint64_t distance = viv_mix64((uint64_t)facts->sid * RING_POINTS + i) - target;
        nearest = distance < nearest ? distance : nearest;
    }
    return nearest;
}

static uint64_t priority_rank(const struct viv_election_facts *facts)
{
    return UINT32_MAX - facts->priority;
}

static uint64_t rtt_rank(const struct viv_election_facts *facts)
{
    return facts->rtt_ms;
}

static const struct viv_election_policy policies[] = {
    {"fle", 0, NULL, false},
    {"ring", 1, ring_rank, false},
    {"priority", 2, priority_rank, false},
    {"rtt", 3, rtt_rank, true},
};

const struct viv_election_policy *viv_election_policy_find(const char *name)
{
    VIV_ASSERT(name != NULL);
    for (size_t i = 0; i < sizeof policies / sizeof policies[0]; i++) {
        if (strcmp(policies[i].name, name) == 0) {
            return &policies[i];
        }
    }
    return NULL;
}

/* Epoch first: a higher zxid of an older epoch may be a tail that was never committed. A server without a past comes
 * last in any case, for it cannot be counted on. */
static int64_t epoch_of(uint64_t slack, const struct viv_candidate *candidate)
{
    return slack == VIV_ELECTION_SLACK_ANY && candidate->peer_epoch > 0 ? 1 : candidate->peer_epoch;
}

/* Everything is signed, since observers propose the smallest long. */
static int64_t step_of(uint64_t slack, const struct viv_candidate *candidate)
{
    if (slack == VIV_ELECTION_SLACK_ANY) {
        return 0;
    }
    int64_t zxid = (int64_t)candidate->zxid;
    return zxid > 0 && slack > 0 ? (int64_t)(candidate->zxid / (slack + 1)) : zxid;
}

bool viv_election_better(const struct viv_election_policy *policy, uint64_t slack, const struct viv_candidate *a,
                         const struct viv_candidate *b)
{
    if (epoch_of(slack, a) != epoch_of(slack, b)) {
        return epoch_of(slack, a) > epoch_of(slack, b);
    }
    if (step_of(slack, a) != step_of(slack, b)) {
        return step_of(slack, a) > step_of(slack, b);
    }
    if (policy->rank != NULL && a->rank != b->rank) {
        return a->rank < b->rank;
    }
    return a->leader > b->leader;
}
