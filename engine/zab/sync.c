#include "zab/sync.h"

#include "base/assert.h"
#include "base/endian.h"
#include "wire/members.h"
#include "zab/zab_internal.h"

static struct viv_sync_choice choice(enum viv_sync_kind kind, uint64_t zxid)
{
    return (struct viv_sync_choice){kind, zxid};
}

/* The claim is the start of an epoch e, not an entry: all of the history that e began with. Ours contains that when it
 * has entries of e (nobody proposes before a quorum adopted it), and is that when e is what we adopted last. */
static struct viv_sync_choice choose_for_epoch_start(const struct viv_sync_question *question)
{
    const struct viv_history *history = question->history;
    uint64_t claim = question->learner_zxid;
    if (claim < history->floor_zxid) {
        return choice(VIV_SYNC_SNAP, 0);
    }
    size_t above = viv_history_above(history, claim);
    uint32_t epoch = VIV_ZXID_EPOCH(claim);
    bool has_entries = above < history->count && VIV_ZXID_EPOCH(viv_history_at(history, above)->zxid) == epoch;
    bool is_end = above == history->count && epoch == question->adopted_epoch;
    return choice(claim == history->floor_zxid || has_entries || is_end ? VIV_SYNC_DIFF : VIV_SYNC_SNAP, claim);
}

/* The learner's newest entry is not ours; `keep` is our newest entry below it. */
static struct viv_sync_choice choose_for_stranger(const struct viv_sync_question *question, uint64_t keep)
{
    bool is_entry = VIV_ZXID_COUNTER(keep) != 0;
    bool same_epoch = VIV_ZXID_EPOCH(keep) == VIV_ZXID_EPOCH(question->learner_zxid);
    if (keep <= question->target_zxid && is_entry && (same_epoch || question->native)) {
        return choice(VIV_SYNC_TRUNC, keep);
    }
    return choice(VIV_SYNC_SNAP, 0);
}

struct viv_sync_choice viv_sync_choose(const struct viv_sync_question *question)
{
    const struct viv_history *history = question->history;
    uint64_t claim = question->learner_zxid;
    bool may_keep = question->native_voter || claim <= question->target_zxid;
    VIV_ASSERT(question->target_zxid <= history->last_zxid);
    if (claim == history->last_zxid && may_keep) {
        return choice(VIV_SYNC_DIFF, claim);
    }
    if (claim == 0) { /* an empty base is no base, unless we have everything and committed nothing of it */
        return choice(history->floor_zxid == 0 && history->delivered_zxid == 0 ? VIV_SYNC_DIFF : VIV_SYNC_SNAP, 0);
    }
    if (VIV_ZXID_COUNTER(claim) == 0) {
        return choose_for_epoch_start(question);
    }
    if (claim < history->floor_zxid) {
        return choice(VIV_SYNC_READ, claim);
    }
    if (viv_history_contains(history, claim)) {
        return may_keep ? choice(VIV_SYNC_DIFF, claim) : choice(VIV_SYNC_TRUNC, question->target_zxid);
    }
    return choose_for_stranger(question, viv_history_before(history, claim));
}

static void send_entry(struct viv_zab *zab, const struct viv_leader_peer *peer, enum viv_packet_type type,
                       const struct viv_entry *entry)
{
    viv_zab_send_data(zab, peer->link, type, entry->zxid, entry->body);
}

/* One of the history that NEWLEADER commits, or was committed before. */
static void send_committed(struct viv_zab *zab, struct viv_leader_peer *peer, const struct viv_entry *entry)
{
    send_entry(zab, peer, VIV_PACKET_PROPOSAL, entry);
    peer->sent_zxid = entry->zxid;
    peer->bulk_bytes += entry->body.size;
    if (!peer->native) {
        viv_zab_send(zab, peer->link, VIV_PACKET_COMMIT, entry->zxid);
    }
}

static void read_more(struct viv_zab *zab, struct viv_leader_peer *peer, uint64_t from)
{
    viv_peers_advance(peer, VIV_PEER_READING);
    peer->read_to_zxid = zab->history.floor_zxid;
    struct viv_zab_output *output = viv_zab_emit(zab, VIV_ZAB_READ);
    output->link = peer->link;
    output->zxid_from = from;
    output->zxid = peer->read_to_zxid;
}

/* The rest comes from memory in one go, so nothing falls between it and the live stream; then NEWLEADER. */
static void finish(struct viv_zab *zab, struct viv_leader_peer *peer)
{
    const struct viv_history *history = &zab->history;
    uint64_t target = viv_leader_target(zab);
    if (peer->sent_zxid < history->floor_zxid) {
        peer->read_opened = true;
        read_more(zab, peer, peer->sent_zxid);
        return;
    }
    for (size_t i = viv_history_above(history, peer->sent_zxid); i < history->count; i++) {
        const struct viv_entry *entry = viv_history_at(history, i);
        if (entry->zxid <= target) {
            send_committed(zab, peer, entry);
        } else if (peer->is_follower) {
            send_entry(zab, peer, VIV_PACKET_PROPOSAL, entry);
            peer->sent_zxid = entry->zxid;
            peer->bulk_bytes += entry->body.size;
        }
    }
    if (peer->native && target > peer->told_zxid) {
        viv_zab_send(zab, peer->link, VIV_PACKET_COMMIT, target);
    }
    peer->told_zxid = target;
    viv_zab_send_data(zab, peer->link, VIV_PACKET_NEWLEADER, VIV_ZXID(zab->leader.epoch, 0), viv_leader_members(zab));
    peer->epoch = zab->leader.epoch;
    viv_peers_advance(peer, VIV_PEER_FOLLOWS);
    peer->heard_at_ms = zab->now_ms;
    peer->stuck_since_ms = peer->is_follower && peer->sent_zxid > target ? zab->now_ms : 0;
}

static void trace_kind(struct viv_zab *zab, const struct viv_leader_peer *peer, enum viv_packet_type type)
{
    viv_zab_trace(zab, VIV_TRACE_SYNC_KIND, (uint64_t)peer->sid, (uint64_t)type);
}

static void open_diff(struct viv_zab *zab, struct viv_leader_peer *peer, uint64_t from)
{
    uint64_t target = viv_leader_target(zab);
    bool is_epoch_start = VIV_ZXID_COUNTER(from) == 0 && from > target;
    trace_kind(zab, peer, VIV_PACKET_DIFF);
    viv_zab_send(zab, peer->link, VIV_PACKET_DIFF, is_epoch_start ? from : target);
    peer->sent_zxid = from;
    peer->told_zxid = target;
}

static void open_trunc(struct viv_zab *zab, struct viv_leader_peer *peer, uint64_t keep)
{
    trace_kind(zab, peer, VIV_PACKET_TRUNC);
    viv_zab_send(zab, peer->link, VIV_PACKET_TRUNC, keep);
    peer->sent_zxid = peer->told_zxid = keep;
}

/* The tree as it is: committed entries only (D10). */
static void open_snap(struct viv_zab *zab, struct viv_leader_peer *peer)
{
    uint64_t zxid = zab->history.delivered_zxid;
    trace_kind(zab, peer, VIV_PACKET_SNAP);
    viv_zab_send(zab, peer->link, VIV_PACKET_SNAP, zxid);
    peer->sent_zxid = peer->told_zxid = zxid;
    viv_peers_advance(peer, VIV_PEER_SNAPPING);
    viv_zab_emit(zab, VIV_ZAB_SNAP_SEND)->link = peer->link;
}

/* Many that come at once would take the leader's disk and links from those whose word is needed. */
static bool must_wait(const struct viv_zab *zab, const struct viv_leader_peer *peer, bool takes_snapshot)
{
    const struct viv_peers *peers = &zab->leader.peers;
    uint32_t most = takes_snapshot ? zab->snap_syncs_max : zab->diff_syncs_max;
    uint32_t under_way = 0;
    if (most == 0 || viv_membership_voter(&zab->membership, peer->sid) != 0) {
        return false;
    }
    for (size_t i = 0; i < peers->count; i++) {
        const struct viv_leader_peer *other = &peers->items[i];
        under_way += other->stage > VIV_PEER_PROMISED && other->stage < VIV_PEER_SYNCED &&
                     other->takes_snapshot == takes_snapshot;
    }
    return under_way >= most;
}

void viv_sync_begin(struct viv_zab *zab, struct viv_leader_peer *peer)
{
    VIV_ASSERT(peer->stage == VIV_PEER_PROMISED);
    struct viv_sync_choice chosen = viv_sync_choose(&(struct viv_sync_question){
        .history = &zab->history,
        .learner_zxid = peer->claimed_zxid,
        .target_zxid = viv_leader_target(zab),
        .adopted_epoch = zab->leader.adopted_epoch,
        .native_voter = peer->native && peer->is_follower,
        .native = peer->native,
    });
    bool is_unreadable = chosen.kind == VIV_SYNC_READ && viv_repair_stands_between(zab, chosen.zxid - 1);
    if (peer->wants_snapshot || is_unreadable) {
        chosen.kind = VIV_SYNC_SNAP;
    }
    if (must_wait(zab, peer, chosen.kind == VIV_SYNC_SNAP)) {
        return;
    }
    peer->takes_snapshot = chosen.kind == VIV_SYNC_SNAP;
    peer->bulk_since_ms = zab->now_ms;
    peer->bulk_bytes = 0;
    switch (chosen.kind) {
    case VIV_SYNC_DIFF:
        open_diff(zab, peer, chosen.zxid);
        finish(zab, peer);
        break;
    case VIV_SYNC_TRUNC:
        open_trunc(zab, peer, chosen.zxid);
        finish(zab, peer);
        break;
    case VIV_SYNC_READ:
        /* From just below: the answer must begin with the learner's own entry, or it is not in our history. */
        peer->read_opened = false;
        read_more(zab, peer, chosen.zxid - 1);
        break;
    case VIV_SYNC_SNAP:
        open_snap(zab, peer);
        break;
    }
}

/* Does what was read join what is in memory? When the floor is the start of an epoch, the entry before it is not
 * known by its zxid. */
static bool is_read_whole(const struct viv_leader_peer *peer)
{
    if (VIV_ZXID_COUNTER(peer->read_to_zxid) != 0) {
        return peer->sent_zxid == peer->read_to_zxid;
    }
    return viv_history_follows(peer->sent_zxid, peer->read_to_zxid + 1);
}

void viv_sync_log_data(struct viv_zab *zab, struct viv_leader_peer *peer, const struct viv_zab_input *input)
{
    const struct viv_entry *entries = input->entries;
    size_t count = input->entry_count;
    VIV_ASSERT(peer->stage == VIV_PEER_READING);
    size_t next = 0;
    if (!peer->read_opened && count > 0 && entries[0].zxid == peer->claimed_zxid) {
        open_diff(zab, peer, peer->claimed_zxid);
        peer->read_opened = true;
        next = 1;
    }
    if (!peer->read_opened) {
        if (count == 0 && !input->last) {
            return;
        }
        if (must_wait(zab, peer, true)) {
            viv_leader_drop(zab, peer, "too many take snapshots: it may come again");
            return;
        }
        peer->takes_snapshot = true;
        open_snap(zab, peer);
        return;
    }
    for (; next < count; next++) {
        struct viv_entry entry = entries[next];
        VIV_ASSERT(entry.zxid > peer->sent_zxid && entry.zxid <= peer->read_to_zxid);
        entry.body = viv_zab_keep(zab, entry.body);
        send_committed(zab, peer, &entry);
    }
    peer->heard_at_ms = zab->now_ms; /* it is our turn */
    if (!input->last) {
        return;
    }
    if (!input->is_cut && is_read_whole(peer)) {
        peer->sent_zxid = peer->read_to_zxid; /* may be the start of an epoch: nothing lies between */
        finish(zab, peer);
    } else {
        viv_leader_drop(zab, peer, "the log cannot serve it");
    }
}

void viv_sync_snapshot_sent(struct viv_zab *zab, struct viv_leader_peer *peer)
{
    VIV_ASSERT(peer->stage == VIV_PEER_SNAPPING);
    peer->bulk_since_ms = zab->now_ms;
    finish(zab, peer);
}

/* A reconfiguration is committed: who leads from now on, and for an observer the transaction. */
static void send_activation(struct viv_zab *zab, const struct viv_leader_peer *peer, uint64_t zxid,
                            struct viv_bytes body)
{
    const struct viv_leader *leader = &zab->leader;
    viv_sid designated = zxid == leader->activated_zxid ? leader->designated : zab->sid;
    struct viv_buffer data = {0};
    viv_store_be64(viv_buffer_extend(&data, sizeof designated), (uint64_t)designated);
    viv_buffer_append_bytes(&data, body);
    viv_zab_send_data(zab, peer->link, peer->is_follower ? VIV_PACKET_COMMITANDACTIVATE : VIV_PACKET_INFORMANDACTIVATE,
                      zxid, viv_zab_keep(zab, viv_buffer_bytes(&data)));
    viv_buffer_fini(&data);
}

bool viv_sync_commits(struct viv_zab *zab, struct viv_leader_peer *peer)
{
    const struct viv_history *history = &zab->history;
    VIV_ASSERT(peer->stage == VIV_PEER_SERVES);
    if (peer->told_zxid >= history->committed_zxid) {
        return true;
    }
    if (peer->native && peer->is_follower) {
        uint64_t activated = zab->leader.activated_zxid;
        if (activated > peer->told_zxid) {
            send_activation(zab, peer, activated, (struct viv_bytes){0});
        }
        if (activated < history->committed_zxid) {
            viv_zab_send(zab, peer->link, VIV_PACKET_COMMIT, history->committed_zxid);
        }
        peer->told_zxid = history->committed_zxid;
        return true;
    }
    if (peer->told_zxid < history->floor_zxid) {
        return false;
    }
    for (size_t i = viv_history_above(history, peer->told_zxid); i < history->count; i++) {
        const struct viv_entry *entry = viv_history_at(history, i);
        if (entry->zxid > history->committed_zxid) {
            break;
        }
        if (!peer->is_follower) {
            viv_rollover_tell(zab, peer, entry->zxid);
        }
        struct viv_bytes text;
        if (viv_reconfig_txn_text(entry->body, &text)) {
            send_activation(zab, peer, entry->zxid, peer->is_follower ? (struct viv_bytes){0} : entry->body);
        } else if (peer->is_follower) {
            viv_zab_send(zab, peer->link, VIV_PACKET_COMMIT, entry->zxid);
        } else {
            send_entry(zab, peer, VIV_PACKET_INFORM, entry);
        }
        peer->sent_zxid = peer->is_follower ? peer->sent_zxid : entry->zxid;
        peer->told_zxid = entry->zxid;
    }
    return true;
}
