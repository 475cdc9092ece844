#include "zab/leader.h"

#include "base/assert.h"
#include "base/log.h"
#include "zab/leader_internal.h"
#include "zab/sync.h"

/* How long a connection may be without a word of who it is. */
enum { STRANGER_TICKS = 2 };

/* What operating systems hold of a link, at most: when a snapshot of several slices is sent, so much is on its way. */
enum { BUFFERED_BYTES = 8 << 20 };

bool viv_leader_has_quorum(const struct viv_zab *zab, enum viv_peer_stage stage)
{
    uint64_t self = viv_membership_voter(&zab->membership, zab->sid);
    bool as_observers = zab->leader.stage != VIV_LEADER_BROADCASTING;
    return viv_membership_has(&zab->membership, viv_peers_at(&zab->leader.peers, stage, as_observers) | self);
}

uint64_t viv_leader_target(const struct viv_zab *zab)
{
    bool established = zab->leader.stage == VIV_LEADER_BROADCASTING;
    return established ? zab->history.committed_zxid : zab->leader.initial_zxid;
}

/* Until the epoch is established it is part of what NEWLEADER decides; then only what is committed is told. */
struct viv_bytes viv_leader_members(const struct viv_zab *zab)
{
    const struct viv_membership *membership = &zab->membership;
    const struct viv_leader *leader = &zab->leader;
    if (leader->stage == VIV_LEADER_BROADCASTING) {
        return viv_buffer_bytes(&membership->active.text);
    }
    const struct viv_buffer *text = membership->has_proposed ? &membership->proposed.text : &membership->active.text;
    return viv_buffer_bytes(leader->stamped.size > 0 ? &leader->stamped : text);
}

uint64_t viv_leader_last_proposed(const struct viv_zab *zab)
{
    uint64_t start = VIV_ZXID(zab->leader.epoch, 0);
    return zab->history.last_zxid > start ? zab->history.last_zxid : start;
}

/* Which learners' loss ends a reign: those that made the quorum of the stage. */
void viv_leader_check_quorum(struct viv_zab *zab)
{
    enum viv_leader_stage stage = zab->leader.stage;
    if (stage == VIV_LEADER_PULLING && viv_peers_find(&zab->leader.peers, zab->leader.pull.link) == NULL) {
        viv_zab_leave(zab, "the source of its history is gone");
        return;
    }
    enum viv_peer_stage needed = stage == VIV_LEADER_BROADCASTING ? VIV_PEER_SYNCED : VIV_PEER_INTRODUCED;
    if (stage > VIV_LEADER_GATHERING && !viv_leader_has_quorum(zab, needed)) {
        viv_zab_leave(zab, "the quorum is gone");
    }
}

void viv_leader_drop(struct viv_zab *zab, struct viv_leader_peer *peer, const char *reason)
{
    uint64_t swallowed = 0;
    if (peer->sid != 0 || viv_log_gate_open(&zab->leader.strangers, zab->now_ms, &swallowed)) {
        viv_log(VIV_LOG_WARN, VIV_ZAB_ROOM, "a learner is cut off",
                "gid=%u sid=%lld stage=%d reason=\"%s\" swallowed=%llu", zab->gid, (long long)peer->sid,
                (int)peer->stage, reason, (unsigned long long)swallowed);
    }
    viv_zab_close(zab, peer->link);
    viv_peers_forget(&zab->leader.peers, peer);
    viv_leader_check_quorum(zab);
}

/* ---- a reign ---- */

void viv_leader_begin(struct viv_zab *zab)
{
    struct viv_leader *leader = &zab->leader;
    VIV_ASSERT(leader->stage == VIV_LEADER_IDLE && leader->peers.count == 0);
    leader->stage = VIV_LEADER_GATHERING;
    leader->epoch = 0;
    leader->accepted_max = zab->durable.accepted_epoch;
    leader->adopted_epoch = zab->durable.current_epoch;
    leader->initial_zxid = zab->history.last_zxid;
    leader->has_committed = false;
    leader->last_zxid_before = 0;
    leader->looking = 0;
    leader->successor = leader->designated = 0;
    leader->activated_zxid = 0;
    viv_buffer_clear(&leader->stamped);
    leader->is_hurried = false;
    leader->ping_at_ms = zab->now_ms + zab->tick_ms / 2;
    leader->beat_at_ms = zab->now_ms;
    viv_watch_quorum_begin(zab);
    viv_leader_discover(zab);
}

void viv_leader_begin_alone(struct viv_zab *zab)
{
    struct viv_leader *leader = &zab->leader;
    leader->stage = VIV_LEADER_BROADCASTING;
    leader->initial_zxid = zab->history.last_zxid;
    (void)viv_zab_commit(zab, leader->initial_zxid);
    viv_zab_deliver(zab);
    viv_zab_trace(zab, VIV_TRACE_LEADING, 0, 0);
    viv_zab_move(zab, VIV_LEADING, VIV_ZAB_BROADCAST, zab->sid);
    viv_zab_trace(zab, VIV_TRACE_SERVING, 0, 0);
}

void viv_leader_end(struct viv_zab *zab)
{
    viv_confirm_end(zab);
    zab->leader.rollover = (struct viv_rollover){0};
    zab->leader.peers.count = 0;
    zab->leader.stage = VIV_LEADER_IDLE;
}

void viv_leader_fini(struct viv_leader *leader)
{
    viv_peers_fini(&leader->peers);
    viv_buffer_fini(&leader->stamped);
}

/* ---- what it hears ---- */

void viv_leader_link_up(struct viv_zab *zab, const struct viv_zab_input *input)
{
    bool leads = zab->leader.stage != VIV_LEADER_IDLE;
    struct viv_leader_peer *peer = leads ? viv_peers_add(&zab->leader.peers, input->link, zab->now_ms) : NULL;
    if (peer == NULL) {
        viv_zab_close(zab, input->link);
        return;
    }
    peer->barred = input->barred;
    peer->proved = input->proved;
}

void viv_leader_link_down(struct viv_zab *zab, uint32_t link)
{
    struct viv_leader_peer *peer = viv_peers_find(&zab->leader.peers, link);
    if (peer != NULL) {
        viv_peers_forget(&zab->leader.peers, peer);
        viv_leader_check_quorum(zab);
    }
}

void viv_leader_packet(struct viv_zab *zab, uint32_t link, const struct viv_packet *packet)
{
    struct viv_leader_peer *peer = viv_peers_find(&zab->leader.peers, link);
    if (peer == NULL) {
        return;
    }
    peer->heard_at_ms = zab->now_ms;
    if (peer->stage == VIV_PEER_STRANGER) {
        viv_leader_introduce(zab, peer, packet);
    } else if (peer->beats && peer->stage < VIV_PEER_FOLLOWS && packet->type == VIV_PACKET_PING) {
        return;
    } else if (peer->stage == VIV_PEER_ASKED) {
        viv_leader_promise(zab, peer, packet);
    } else if (peer->repairs && viv_repair_heard(zab, link, packet)) {
        return;
    } else if (zab->leader.stage == VIV_LEADER_PULLING && link == zab->leader.pull.link) {
        viv_pull_heard(zab, packet);
    } else if (peer->stage < VIV_PEER_FOLLOWS) {
        viv_leader_drop(zab, peer, "it spoke out of turn");
    } else if (packet->type == VIV_PACKET_ACK) {
        viv_leader_acknowledged(zab, peer, packet->zxid);
    } else if (peer->stage == VIV_PEER_SERVES) {
        if (packet->type == VIV_PACKET_PING) {
            viv_confirm_heard(zab, peer, packet->zxid);
        } else if (packet->type == VIV_PACKET_ACKEPOCH) {
            viv_rollover_heard(zab, peer, packet);
            return;
        }
        viv_zab_passed(zab, link, peer->sid, packet);
    }
}

void viv_leader_log_data(struct viv_zab *zab, const struct viv_zab_input *input)
{
    struct viv_leader_peer *peer = viv_peers_find(&zab->leader.peers, input->link);
    if (peer != NULL && peer->stage == VIV_PEER_READING) {
        viv_sync_log_data(zab, peer, input);
    }
}

void viv_leader_snapshot_sent(struct viv_zab *zab, uint32_t link)
{
    struct viv_leader_peer *peer = viv_peers_find(&zab->leader.peers, link);
    if (peer != NULL && peer->stage == VIV_PEER_SNAPPING) {
        viv_sync_snapshot_sent(zab, peer);
    }
}

void viv_leader_progress(struct viv_zab *zab, uint32_t link)
{
    struct viv_leader_peer *peer = viv_peers_find(&zab->leader.peers, link);
    if (peer != NULL) {
        peer->heard_at_ms = zab->now_ms;
    }
    if (peer != NULL && peer->stage == VIV_PEER_SNAPPING) {
        peer->bulk_bytes = BUFFERED_BYTES;
    }
}

void viv_leader_pass(struct viv_zab *zab, uint32_t link, const struct viv_packet *packet)
{
    const struct viv_leader_peer *peer = viv_peers_find(&zab->leader.peers, link);
    if (peer != NULL && peer->stage == VIV_PEER_SERVES) {
        viv_zab_pass(zab, link, packet);
    }
}

void viv_leader_lost_supporter(struct viv_zab *zab, int index, uint64_t round)
{
    struct viv_leader *leader = &zab->leader;
    uint64_t self = viv_membership_voter(&zab->membership, zab->sid);
    if (leader->stage == VIV_LEADER_IDLE || leader->stage == VIV_LEADER_BROADCASTING || round <= zab->election.round) {
        return;
    }
    leader->looking |= UINT64_C(1) << index;
    if (!viv_membership_has(&zab->membership, (zab->election.supporters & ~leader->looking) | self)) {
        viv_zab_leave(zab, "its voters look for a leader again");
    }
}

/* ---- time passes ---- */

static const char *overdue(const struct viv_zab *zab, const struct viv_leader_peer *peer)
{
    bool serves = peer->stage == VIV_PEER_SERVES;
    if (peer->stage == VIV_PEER_STRANGER && zab->now_ms - peer->heard_at_ms > STRANGER_TICKS * zab->tick_ms) {
        return "it does not say who it is";
    }
    if (zab->now_ms - peer->heard_at_ms > (serves ? zab->sync_limit_ms : zab->init_limit_ms)) {
        return "nothing was heard of it";
    }
    if (serves && peer->stuck_since_ms != 0 && zab->now_ms - peer->stuck_since_ms > zab->sync_limit_ms) {
        return "it does not acknowledge";
    }
    return NULL;
}

/* Java's learners every half tick, as their own leader does; ours as often as they want to hear of us, also by a leader
 * that watches nobody. */
static void ping(struct viv_zab *zab)
{
    struct viv_leader *leader = &zab->leader;
    bool all = zab->now_ms >= leader->ping_at_ms;
    uint64_t half_tick_ms = zab->tick_ms / 2;
    leader->ping_at_ms = all ? zab->now_ms + half_tick_ms : leader->ping_at_ms;
    leader->beat_at_ms = zab->now_ms + (VIV_ZAB_BEAT_MS < half_tick_ms ? VIV_ZAB_BEAT_MS : half_tick_ms);
    for (size_t i = 0; i < leader->peers.count; i++) {
        const struct viv_leader_peer *peer = &leader->peers.items[i];
        if (peer->stage >= VIV_PEER_FOLLOWS && (all || peer->native)) {
            viv_zab_send(zab, peer->link, VIV_PACKET_PING, leader->confirm.round);
        } else if (peer->beats && peer->stage != VIV_PEER_SNAPPING && peer->stage < VIV_PEER_FOLLOWS) {
            viv_zab_send_data(zab, peer->link, VIV_PACKET_PING, leader->confirm.round, (struct viv_bytes){0});
        }
    }
}

void viv_leader_tick(struct viv_zab *zab)
{
    struct viv_leader *leader = &zab->leader;
    for (size_t i = leader->peers.count; i-- > 0;) {
        /* Before there is an epoch a learner waits for us, not we for it. */
        bool ours =
            leader->peers.items[i].stage == VIV_PEER_INTRODUCED || leader->peers.items[i].stage == VIV_PEER_PROMISED;
        const char *reason = ours ? NULL : overdue(zab, &leader->peers.items[i]);
        if (reason != NULL) {
            viv_leader_drop(zab, &leader->peers.items[i], reason);
            if (leader->stage == VIV_LEADER_IDLE) {
                return;
            }
        }
    }
    if (viv_watch_quorum_is_silent(zab)) {
        viv_zab_leave(zab, "its quorum has been silent for longer than it ever was lately");
        return;
    }
    viv_repair_tick(zab);
    if (leader->stage != VIV_LEADER_BROADCASTING && leader->stage != VIV_LEADER_REPAIRING &&
        leader->stage != VIV_LEADER_IDLE && zab->now_ms >= leader->deadline_ms) {
        viv_zab_leave(zab, "no quorum came");
        return;
    }
    for (size_t i = 0; leader->stage >= VIV_LEADER_SYNCING && i < leader->peers.count; i++) {
        if (leader->peers.items[i].stage == VIV_PEER_PROMISED) {
            viv_sync_begin(zab, &leader->peers.items[i]); /* who had to wait */
        }
    }
    if (leader->successor != 0) {
        viv_leader_commit(zab); /* it may be waited for no longer */
        if (leader->stage == VIV_LEADER_IDLE) {
            return;
        }
    }
    viv_rollover_look(zab);
    if (zab->now_ms >= leader->ping_at_ms || zab->now_ms >= leader->beat_at_ms) {
        ping(zab);
    }
}
