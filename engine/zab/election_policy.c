#include "zab/election_policy.h"

#include <string.h>

#include "base/assert.h"

/* Epoch first: a higher zxid of an older epoch may be a tail that was never committed. Everything is signed, since
 * observers propose the smallest long. */
static bool fle_better(const struct viv_candidate *a, const struct viv_candidate *b)
{
    if (a->peer_epoch != b->peer_epoch) {
        return a->peer_epoch > b->peer_epoch;
    }
    if (a->zxid != b->zxid) {
        return (int64_t)a->zxid > (int64_t)b->zxid;
    }
    return a->leader > b->leader;
}

static const struct viv_election_policy policies[] = {
    {"fle", fle_better},
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
