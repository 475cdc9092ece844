#include "base/assert.h"
#include "base/checksum.h"
#include "zab/leader_internal.h"
#include "zab/sync.h"

/* An established leader proposes, counts, commits (zab.md §7). */

void viv_leader_welcome(struct viv_zab *zab, struct viv_leader_peer *peer)
{
    viv_zab_send(zab, peer->link, VIV_PACKET_UPTODATE, UINT64_MAX);
    viv_peers_advance(peer, VIV_PEER_SERVES);
    peer->heard_at_ms = zab->now_ms;
    if (!viv_sync_commits(zab, peer)) {
        viv_leader_drop(zab, peer, "it fell too far behind");
    }
}

/* Who leads from the proposed reconfiguration on: who was wished for, if it has got so far; this server, if it still
 * can and answers where it did; else the follower that has stored most, which all the others can follow at once. */
static viv_sid designate(const struct viv_zab *zab)
{
    const struct viv_leader *leader = &zab->leader;
    const struct viv_configuration *proposed = &zab->membership.proposed;
    const struct viv_leader_peer *best = NULL;
    bool wishes = leader->successor != 0 && leader->successor != zab->sid;
    for (size_t i = 0; i < leader->peers.count; i++) {
        const struct viv_leader_peer *peer = &leader->peers.items[i];
        bool can = peer->stage == VIV_PEER_SERVES && peer->acked_zxid >= proposed->zxid &&
                   viv_quorum_may_lead(&proposed->quorum, peer->sid);
        if (can && wishes && peer->sid == leader->successor) {
            return peer->sid;
        }
        bool is_better = best == NULL || peer->acked_zxid > best->acked_zxid ||
                         (peer->acked_zxid == best->acked_zxid && peer->sid > best->sid);
        best = can && is_better ? peer : best;
    }
    bool stays = viv_quorum_may_lead(&proposed->quorum, zab->sid) && !viv_membership_moves(&zab->membership, zab->sid);
    return stays || best == NULL ? zab->sid : best->sid;
}

static void tell_commits(struct viv_zab *zab)
{
    struct viv_leader *leader = &zab->leader;
    for (size_t i = leader->peers.count; i-- > 0 && leader->stage == VIV_LEADER_BROADCASTING;) {
        if (leader->peers.items[i].stage == VIV_PEER_SERVES && !viv_sync_commits(zab, &leader->peers.items[i])) {
            viv_leader_drop(zab, &leader->peers.items[i], "it fell too far behind");
        }
    }
}

/* Of this reign's entries, how many lie above `before` and up to zxid. */
static uint64_t committed_count(const struct viv_zab *zab, uint64_t before, uint64_t zxid)
{
    const struct viv_leader *leader = &zab->leader;
    uint32_t epoch = VIV_ZXID_EPOCH(zxid);
    if (VIV_ZXID_EPOCH(before) == epoch) {
        return zxid - before;
    }
    bool is_before_ours = epoch == leader->epoch && VIV_ZXID_EPOCH(before) == VIV_ZXID_EPOCH(leader->last_zxid_before);
    return VIV_ZXID_COUNTER(zxid) + (is_before_ours ? leader->last_zxid_before - before : 0);
}

/* Up to zxid, which a quorum, or one of each configuration, has stored. */
static void commit_to(struct viv_zab *zab, uint64_t zxid)
{
    struct viv_leader *leader = &zab->leader;
    uint64_t before = zab->history.committed_zxid;
    zab->commits += committed_count(zab, before, zxid);
    if (!leader->has_committed) {
        size_t first = viv_history_above(&zab->history, before);
        leader->has_committed = true;
        viv_zab_trace(zab, VIV_TRACE_FIRST_COMMIT, viv_history_at(&zab->history, first)->zxid, 0);
    }
    (void)viv_zab_commit(zab, zxid);
    tell_commits(zab);
    viv_zab_deliver(zab);
}

/* What every server has stored, by its slot. */
static void reached_by(const struct viv_zab *zab, uint64_t reached[VIV_MEMBERS_MAX])
{
    int self = viv_membership_index(&zab->membership, zab->sid);
    VIV_ASSERT(self >= 0);
    VIV_ASSERT(zab->standalone || VIV_ZXID_EPOCH(zab->durable.last_zxid) <= zab->durable.current_epoch); /* D7 */
    reached[self] = zab->durable.last_zxid;
    for (size_t i = 0; i < zab->leader.peers.count; i++) {
        const struct viv_leader_peer *peer = &zab->leader.peers.items[i];
        if (peer->is_follower && peer->index >= 0 && peer->stage >= VIV_PEER_SYNCED) {
            reached[peer->index] = peer->acked_zxid;
        }
    }
}

/* A reconfiguration that is committed ends the old configuration: what was proposed after it is counted by the new one
 * alone, since nobody can lead without it any more. */
static void activate(struct viv_zab *zab, uint64_t zxid)
{
    struct viv_leader *leader = &zab->leader;
    leader->designated = designate(zab);
    leader->activated_zxid = zxid;
    leader->successor = 0;
    commit_to(zab, zxid);
    if (leader->stage != VIV_LEADER_BROADCASTING) {
        return;
    }
    if (leader->designated != zab->sid) {
        viv_zab_leave_to(zab, leader->designated, "another server leads the reconfigured ensemble");
    } else if (!viv_membership_may_lead(&zab->membership, zab->sid)) {
        viv_zab_leave(zab, "it has no part in the reconfigured ensemble");
    } else {
        viv_leader_check_quorum(zab);
    }
}

/* Who shall lead next has not stored the reconfiguration yet: without it, it cannot. It is given a tick. */
static bool is_successor_awaited(const struct viv_zab *zab)
{
    const struct viv_leader *leader = &zab->leader;
    if (leader->successor == 0 || leader->successor == zab->sid ||
        zab->now_ms - leader->handing_over_ms >= zab->tick_ms) {
        return false;
    }
    for (size_t i = 0; i < leader->peers.count; i++) {
        const struct viv_leader_peer *peer = &leader->peers.items[i];
        if (peer->sid == leader->successor) {
            return peer->stage == VIV_PEER_SERVES && peer->acked_zxid < zab->membership.proposed.zxid;
        }
    }
    return false;
}

void viv_leader_commit(struct viv_zab *zab)
{
    const struct viv_leader *leader = &zab->leader;
    const struct viv_membership *membership = &zab->membership;
    if (leader->stage != VIV_LEADER_BROADCASTING) {
        return;
    }
    uint64_t reached[VIV_MEMBERS_MAX] = {0};
    reached_by(zab, reached);
    VIV_ASSERT(zab->history.committed_zxid >= leader->initial_zxid);
    uint64_t zxid = viv_membership_zxid(membership, reached);
    /* Just before a reconfiguration that is the first entry of its epoch: the start of the epoch is no entry. */
    if (VIV_ZXID_COUNTER(zxid) == 0 && zxid > zab->history.committed_zxid) {
        zxid = viv_history_before(&zab->history, zxid);
    }
    if (zxid <= zab->history.committed_zxid) {
        return;
    }
    if (!membership->has_proposed || zxid < membership->proposed.zxid) {
        commit_to(zab, zxid);
    } else if (!is_successor_awaited(zab)) {
        activate(zab, membership->proposed.zxid);
        viv_leader_commit(zab);
    }
}

/* A learner acknowledges in the order of what it was sent, so the newest speaks for all before it. */
void viv_leader_acknowledged(struct viv_zab *zab, struct viv_leader_peer *peer, uint64_t zxid)
{
    struct viv_leader *leader = &zab->leader;
    if (VIV_ZXID_COUNTER(zxid) == 0) {
        if (peer->stage == VIV_PEER_FOLLOWS && zxid == VIV_ZXID(leader->epoch, 0)) {
            viv_peers_advance(peer, VIV_PEER_SYNCED);
            if (leader->stage == VIV_LEADER_BROADCASTING) {
                viv_leader_welcome(zab, peer);
            } else {
                viv_leader_establish(zab);
            }
            viv_leader_commit(zab);
        }
        return;
    }
    if (!peer->is_follower) {
        return;
    }
    if (zxid > peer->sent_zxid) {
        viv_leader_drop(zab, peer, "it acknowledged what it was never sent");
        return;
    }
    if (zxid > peer->acked_zxid) {
        peer->acked_zxid = zxid;
        peer->stuck_since_ms = zxid < peer->sent_zxid ? zab->now_ms : 0;
        viv_leader_commit(zab);
    }
}

void viv_leader_send_proposal(struct viv_zab *zab, struct viv_leader_peer *peer, const struct viv_entry *entry)
{
    viv_zab_send_data(zab, peer->link, VIV_PACKET_PROPOSAL, entry->zxid, entry->body);
    if (peer->stuck_since_ms == 0) {
        peer->stuck_since_ms = zab->now_ms;
    }
    peer->sent_zxid = entry->zxid;
}

void viv_leader_propose(struct viv_zab *zab, uint64_t zxid, struct viv_bytes body, viv_sid successor)
{
    struct viv_leader *leader = &zab->leader;
    VIV_ASSERT(leader->stage == VIV_LEADER_BROADCASTING);
    VIV_ASSERT(zxid == viv_leader_last_proposed(zab) + 1);
    if (VIV_ZXID_COUNTER(zxid) > zab->counter_max && !zab->standalone) {
        viv_zab_leave(zab, "the zxids of this epoch are used up");
        return;
    }
    struct viv_entry entry = {.zxid = zxid, .body = body, .body_crc = viv_crc32c(0, body.data, body.size)};
    viv_history_append(&zab->history, &entry);
    entry = *viv_history_at(&zab->history, zab->history.count - 1);
    if (!viv_zab_note_entry(zab, &entry)) {
        viv_zab_fatal(zab, "a configuration of the ensemble cannot be read");
    }
    if (zab->membership.has_proposed && zab->membership.proposed.zxid == zxid) {
        leader->successor = successor;
        leader->handing_over_ms = zab->now_ms;
    }
    zab->proposals++;
    for (size_t i = 0; i < leader->peers.count; i++) {
        struct viv_leader_peer *peer = &leader->peers.items[i];
        if (peer->is_follower && peer->stage >= VIV_PEER_FOLLOWS && peer->epoch == leader->epoch) {
            viv_leader_send_proposal(zab, peer, &entry); /* the others get it from the history */
        }
    }
    viv_durable_append(zab);
    if (viv_rollover_is_near(zab, zxid)) {
        viv_rollover_look(zab);
    }
}

void viv_leader_stored(struct viv_zab *zab)
{
    viv_leader_commit(zab);
    viv_pull_stored(zab);
}
