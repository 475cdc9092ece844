#include "zab/zab_internal.h"

/* Questions about who decides, and who follows. */

size_t viv_zab_synced_voters(const struct viv_zab *zab, viv_sid *sids)
{
    size_t count = 0;
    for (size_t i = 0; i < zab->leader.peers.count && count < VIV_MEMBERS_MAX; i++) {
        const struct viv_leader_peer *peer = &zab->leader.peers.items[i];
        if (peer->stage == VIV_PEER_SERVES && peer->is_follower) {
            sids[count++] = peer->sid;
        }
    }
    return count;
}

struct viv_bytes viv_zab_members_text(const struct viv_zab *zab)
{
    return viv_buffer_bytes(&zab->membership.active.text);
}

uint64_t viv_zab_members_version(const struct viv_zab *zab)
{
    return zab->membership.active.version;
}

bool viv_zab_is_reconfiguring(const struct viv_zab *zab)
{
    return zab->membership.has_proposed;
}

bool viv_zab_has_synced_quorum(const struct viv_zab *zab, const struct viv_zab_member *members, size_t count)
{
    struct viv_quorum quorum;
    viv_quorum_init(&quorum, members, count);
    uint64_t set = viv_quorum_voter(&quorum, zab->sid);
    for (size_t i = 0; i < zab->leader.peers.count; i++) {
        const struct viv_leader_peer *peer = &zab->leader.peers.items[i];
        /* Who has just become an observer comes back as one, and acknowledges nothing. */
        bool stays = peer->is_follower && !viv_membership_is_observer(&zab->membership, peer->sid);
        set |= stays && peer->stage >= VIV_PEER_SYNCED ? viv_quorum_voter(&quorum, peer->sid) : 0;
    }
    return viv_quorum_has(&quorum, set);
}

bool viv_zab_has_room(const struct viv_zab *zab, const struct viv_zab_member *members, size_t count)
{
    return viv_membership_has_room(&zab->membership, members, count);
}

bool viv_zab_may_decide(const struct viv_zab *zab, const viv_sid *sids, size_t count)
{
    uint64_t set = 0;
    for (size_t i = 0; i < count; i++) {
        set |= viv_membership_voter(&zab->membership, sids[i]);
    }
    return viv_membership_has(&zab->membership, set);
}
