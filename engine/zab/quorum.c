#include "zab/quorum.h"

#include "base/assert.h"

void viv_quorum_init(struct viv_quorum *quorum, const struct viv_zab_member *members, size_t count)
{
    VIV_ASSERT(count <= VIV_MEMBERS_MAX);
    *quorum = (struct viv_quorum){.members = members, .count = count};
    for (size_t i = 0; i < count; i++) {
        VIV_ASSERT(viv_quorum_index(quorum, members[i].sid) == (int)i); /* every sid once */
        if (members[i].voter) {
            quorum->voters |= UINT64_C(1) << i;
        }
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

bool viv_quorum_has(const struct viv_quorum *quorum, uint64_t set)
{
    return 2 * __builtin_popcountll(set & quorum->voters) > __builtin_popcountll(quorum->voters);
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
