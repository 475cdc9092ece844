#include "zab/quorum.h"

#include "base/assert.h"

/* Groups without weight are left out: nobody waits for them. */
static void find_groups(struct viv_quorum *quorum)
{
    uint32_t numbers[VIV_MEMBERS_MAX];
    quorum->deciding = 0;
    for (size_t i = 0; i < quorum->count; i++) {
        const struct viv_zab_member *member = &quorum->members[i];
        if (!member->voter || member->weight == 0) {
            continue;
        }
        VIV_ASSERT(member->group > 0);
        size_t at = 0;
        while (at < quorum->group_count && numbers[at] != member->group) {
            at++;
        }
        quorum->group_count += at == quorum->group_count;
        numbers[at] = member->group;
        quorum->groups[at] |= UINT64_C(1) << i;
        quorum->deciding |= UINT64_C(1) << i;
    }
    VIV_ASSERT(quorum->group_count > 0);
}

void viv_quorum_init(struct viv_quorum *quorum, const struct viv_zab_member *members, size_t count)
{
    VIV_ASSERT(count <= VIV_MEMBERS_MAX);
    *quorum = (struct viv_quorum){.members = members, .count = count};
    bool has_groups = false;
    for (size_t i = 0; i < count; i++) {
        VIV_ASSERT(members[i].sid == 0 || viv_quorum_index(quorum, members[i].sid) == (int)i); /* every sid once */
        if (members[i].voter) {
            quorum->voters |= UINT64_C(1) << i;
            has_groups = has_groups || members[i].group > 0;
        }
    }
    quorum->deciding = quorum->voters;
    if (has_groups) {
        find_groups(quorum);
    }
}

int viv_quorum_index(const struct viv_quorum *quorum, viv_sid sid)
{
    for (size_t i = 0; i < quorum->count; i++) {
        if (quorum->members[i].sid == sid) {
            return (int)i;
        }
    }
    return -1;
}

uint64_t viv_quorum_voter(const struct viv_quorum *quorum, viv_sid sid)
{
    int index = viv_quorum_index(quorum, sid);
    return index < 0 ? 0 : quorum->voters & (UINT64_C(1) << index);
}

bool viv_quorum_may_lead(const struct viv_quorum *quorum, viv_sid sid)
{
    return (viv_quorum_voter(quorum, sid) & quorum->deciding) != 0;
}

/* Weights are bounded where they are read (VIV_WEIGHT_MAX), so that no sum overflows. */
static uint64_t weight_of(const struct viv_quorum *quorum, uint64_t set)
{
    uint64_t weight = 0;
    for (size_t i = 0; i < quorum->count; i++) {
        weight += (set >> i & 1) != 0 ? quorum->members[i].weight : 0;
    }
    return weight;
}

bool viv_quorum_has(const struct viv_quorum *quorum, uint64_t set)
{
    if (quorum->group_count == 0) {
        return 2 * __builtin_popcountll(set & quorum->voters) > __builtin_popcountll(quorum->voters);
    }
    size_t won = 0;
    for (size_t i = 0; i < quorum->group_count; i++) {
        won += 2 * weight_of(quorum, set & quorum->groups[i]) > weight_of(quorum, quorum->groups[i]);
    }
    return 2 * won > quorum->group_count;
}

uint64_t viv_quorum_zxid(const struct viv_quorum *quorum, const uint64_t zxids[VIV_MEMBERS_MAX])
{
    uint64_t best = 0;
    for (size_t i = 0; i < quorum->count; i++) {
        uint64_t reached = 0;
        for (size_t j = 0; j < quorum->count; j++) {
            reached |= zxids[j] >= zxids[i] ? UINT64_C(1) << j : 0;
        }
        if (zxids[i] > best && viv_quorum_has(quorum, reached)) {
            best = zxids[i];
        }
    }
    return best;
}
