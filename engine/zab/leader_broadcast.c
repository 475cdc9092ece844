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

void viv_leader_commit(struct viv_zab *zab)
{
    struct viv_leader *leader = &zab->leader;
    if (leader->stage != VIV_LEADER_BROADCASTING) {
        return;
    }
    uint64_t reached[VIV_MEMBERS_MAX] = {0};
    reached[viv_quorum_index(&zab->quorum, zab->sid)] = zab->durable.last_zxid;
    for (size_t i = 0; i < leader->peers.count; i++) {
        const struct viv_leader_peer *peer = &leader->peers.items[i];
        if (peer->voter && peer->stage >= VIV_PEER_SYNCED) {
            reached[peer->index] = peer->acked_zxid;
        }
    }
    uint64_t zxid = viv_quorum_zxid(&zab->quorum, reached);
    uint64_t before = zab->history.committed_zxid;
    VIV_ASSERT(before >= leader->initial_zxid);
    if (zxid <= before) {
        return;
    }
    uint64_t first = before > VIV_ZXID(leader->epoch, 0) ? before : VIV_ZXID(leader->epoch, 0);
    zab->commits += zxid - first;
    viv_history_commit(&zab->history, zxid);
    if (!leader->has_committed) {
        leader->has_committed = true;
        viv_zab_trace(zab, VIV_TRACE_FIRST_COMMIT, first + 1, 0);
    }
    for (size_t i = leader->peers.count; i-- > 0 && leader->stage == VIV_LEADER_BROADCASTING;) {
        if (leader->peers.items[i].stage == VIV_PEER_SERVES && !viv_sync_commits(zab, &leader->peers.items[i])) {
            viv_leader_drop(zab, &leader->peers.items[i], "it fell too far behind");
        }
    }
    viv_zab_deliver(zab);
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
    if (!peer->voter) {
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

void viv_leader_propose(struct viv_zab *zab, uint64_t zxid, struct viv_bytes body)
{
    struct viv_leader *leader = &zab->leader;
    VIV_ASSERT(leader->stage == VIV_LEADER_BROADCASTING);
    VIV_ASSERT(zxid == viv_leader_last_proposed(zab) + 1);
    if (VIV_ZXID_COUNTER(zxid) == UINT32_MAX && !zab->standalone) {
        viv_zab_leave(zab, "the zxids of this epoch are used up");
        return;
    }
    struct viv_entry entry = {.zxid = zxid, .body = body, .body_crc = viv_crc32c(0, body.data, body.size)};
    viv_history_append(&zab->history, &entry);
    entry = *viv_history_at(&zab->history, zab->history.count - 1);
    zab->proposals++;
    for (size_t i = 0; i < leader->peers.count; i++) {
        struct viv_leader_peer *peer = &leader->peers.items[i];
        if (!peer->voter || peer->stage < VIV_PEER_FOLLOWS) {
            continue; /* those on their way get it from the history */
        }
        viv_zab_send_data(zab, peer->link, VIV_PACKET_PROPOSAL, zxid, entry.body);
        if (peer->stuck_since_ms == 0) {
            peer->stuck_since_ms = zab->now_ms;
        }
        peer->sent_zxid = zxid;
    }
    viv_durable_append(zab);
}

void viv_leader_stored(struct viv_zab *zab)
{
    viv_leader_commit(zab);
}
