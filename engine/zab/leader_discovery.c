#include "base/assert.h"
#include "base/endian.h"
#include "base/log.h"
#include "zab/leader_internal.h"
#include "zab/sync.h"

/* From an election won to an epoch that a quorum has adopted (zab.md §5, §6.5). */

/* ---- its own steps ---- */

/* For the quorum of the next stage. */
static void set_deadline(struct viv_zab *zab)
{
    zab->leader.deadline_ms = zab->now_ms + (zab->leader.is_hurried ? zab->tick_ms : zab->init_limit_ms);
}

/* Somebody could do better, or cannot help: the others are given one tick to make a quorum. */
static void hurry(struct viv_zab *zab)
{
    uint64_t soon = zab->now_ms + zab->tick_ms;
    zab->leader.is_hurried = true;
    zab->leader.deadline_ms = soon < zab->leader.deadline_ms ? soon : zab->leader.deadline_ms;
}

static void gather(struct viv_zab *zab)
{
    struct viv_leader *leader = &zab->leader;
    if (leader->stage != VIV_LEADER_GATHERING || !viv_leader_has_quorum(zab, VIV_PEER_INTRODUCED)) {
        return;
    }
    if (leader->accepted_max >= VIV_ZAB_EPOCH_MAX) {
        viv_zab_fatal(zab, "no epoch is left");
        return;
    }
    leader->stage = VIV_LEADER_PROMISING;
    leader->epoch = leader->accepted_max + 1;
    viv_durable_epochs(zab, leader->epoch, zab->durable.current_epoch, VIV_DURABLE_LEADER_PROMISED);
}

static bool are_all_ours(const struct viv_zab *zab, uint64_t slots)
{
    for (uint64_t left = slots; left != 0; left &= left - 1) {
        viv_sid sid = zab->membership.slots[__builtin_ctzll(left)];
        if (sid != zab->sid && !viv_sid_set_has(&zab->natives, sid)) {
            return false;
        }
    }
    return true;
}

/* Who voted for it comes at once, and has nothing to read or write for that: should too few come, they follow another
 * by now, and nobody would call it back. All who did come would wait with it for as long. ZooKeeper's count in ticks.
 */
static void set_gathering_deadline(struct viv_zab *zab)
{
    enum { TICKS = 2, MS_MIN = 2000 };
    uint64_t ticks = are_all_ours(zab, zab->election.supporters) ? 0 : TICKS;
    uint64_t wait_ms = ticks * zab->tick_ms > MS_MIN ? ticks * zab->tick_ms : MS_MIN;
    zab->leader.deadline_ms = zab->now_ms + (wait_ms < zab->init_limit_ms ? wait_ms : zab->init_limit_ms);
}

void viv_leader_discover(struct viv_zab *zab)
{
    set_gathering_deadline(zab);
    gather(zab);
}

static void ask(struct viv_zab *zab, struct viv_leader_peer *peer)
{
    struct viv_buffer data = {0};
    viv_store_be32(viv_buffer_extend(&data, sizeof(uint32_t)), VIV_ZAB_PROTOCOL_VERSION);
    if (peer->native) {
        viv_peer_trailer_append(&data, VIV_ZAB_CAPABILITIES);
    }
    struct viv_bytes kept = viv_zab_keep(zab, viv_buffer_bytes(&data));
    viv_buffer_fini(&data);
    viv_zab_send_data(zab, peer->link, VIV_PACKET_LEADERINFO, VIV_ZXID(zab->leader.epoch, 0), kept);
    if (peer->native) {
        viv_zab_emit(zab, VIV_ZAB_ENVELOPE)->link = peer->link;
    }
    viv_peers_advance(peer, VIV_PEER_ASKED);
    peer->heard_at_ms = zab->now_ms;
}

void viv_leader_ask_waiting(struct viv_zab *zab)
{
    for (size_t i = 0; i < zab->leader.peers.count; i++) {
        if (zab->leader.peers.items[i].stage == VIV_PEER_INTRODUCED) {
            ask(zab, &zab->leader.peers.items[i]);
        }
    }
}

void viv_leader_promised(struct viv_zab *zab)
{
    struct viv_leader *leader = &zab->leader;
    VIV_ASSERT(leader->stage == VIV_LEADER_PROMISING && zab->durable.accepted_epoch == leader->epoch);
    leader->stage = VIV_LEADER_ASKING;
    set_deadline(zab);
    viv_leader_ask_waiting(zab);
    viv_leader_adopt(zab);
}

/* A leader that was elected although it has no past is like any other voter without one: see is_newborn. */
static uint64_t own_promise(const struct viv_zab *zab)
{
    const struct viv_peers *peers = &zab->leader.peers;
    for (size_t i = 0; i < peers->count && zab->durable.current_epoch == 0; i++) {
        if (peers->items[i].counted && peers->items[i].claimed_epoch > 0) {
            return 0;
        }
    }
    return viv_membership_voter(&zab->membership, zab->sid);
}

void viv_leader_adopt(struct viv_zab *zab)
{
    struct viv_leader *leader = &zab->leader;
    uint64_t counted = viv_peers_counted(&leader->peers) | own_promise(zab);
    if (leader->stage != VIV_LEADER_ASKING || !viv_membership_has(&zab->membership, counted)) {
        return;
    }
    if (viv_repair_is_due(zab)) { /* never before a quorum has promised that no older epoch can commit any more */
        leader->stage = VIV_LEADER_REPAIRING;
        zab->repair.zxid = 0; /* what was answered before these promises proves nothing */
        viv_repair_go_on(zab);
        return;
    }
    const struct viv_leader_peer *source = viv_ranking_pulls(zab) ? viv_pull_source(zab) : NULL;
    if (source != NULL) {
        viv_pull_begin(zab, source);
        return;
    }
    leader->stage = VIV_LEADER_ADOPTING;
    set_deadline(zab);
    viv_zab_trace(zab, VIV_TRACE_EPOCH_OK, leader->epoch, 0);
    viv_durable_epochs(zab, leader->epoch, leader->epoch, VIV_DURABLE_LEADER_ADOPTED);
}

void viv_leader_repaired(struct viv_zab *zab)
{
    struct viv_leader *leader = &zab->leader;
    VIV_ASSERT(leader->stage == VIV_LEADER_REPAIRING);
    leader->stage = VIV_LEADER_ASKING;
    leader->initial_zxid = zab->history.last_zxid;
    set_deadline(zab);
    viv_leader_adopt(zab);
}

void viv_leader_adopted(struct viv_zab *zab)
{
    struct viv_leader *leader = &zab->leader;
    VIV_ASSERT(leader->stage == VIV_LEADER_ADOPTING && zab->durable.current_epoch == leader->epoch);
    VIV_ASSERT(zab->durable.last_zxid == leader->initial_zxid); /* D4 */
    leader->stage = VIV_LEADER_SYNCING;
    set_deadline(zab);
    if (zab->reconfigurable && zab->membership.active.version == 0 && !zab->membership.has_proposed) {
        viv_membership_stamped(&zab->membership, VIV_ZXID(leader->epoch, 0), &leader->stamped);
    }
    viv_zab_move(zab, VIV_LEADING, VIV_ZAB_SYNCHRONIZATION, zab->sid);
    for (size_t i = 0; i < leader->peers.count; i++) {
        if (leader->peers.items[i].stage == VIV_PEER_PROMISED) {
            viv_sync_begin(zab, &leader->peers.items[i]);
        }
    }
    viv_leader_establish(zab);
}

void viv_leader_establish(struct viv_zab *zab)
{
    struct viv_leader *leader = &zab->leader;
    if (leader->stage != VIV_LEADER_SYNCING || !viv_leader_has_quorum(zab, VIV_PEER_SYNCED)) {
        return;
    }
    viv_zab_trace(zab, VIV_TRACE_SYNC_OK, leader->epoch, 0);
    leader->stage = VIV_LEADER_BROADCASTING;
    (void)viv_zab_commit(zab, leader->initial_zxid);
    (void)viv_zab_adopt_members(zab, viv_buffer_bytes(&leader->stamped));
    viv_election_established(zab, leader->epoch);
    viv_zab_deliver(zab);
    viv_zab_move(zab, VIV_LEADING, VIV_ZAB_BROADCAST, zab->sid);
    viv_zab_trace(zab, VIV_TRACE_SERVING, 0, 0);
    for (size_t i = leader->peers.count; i-- > 0 && leader->stage == VIV_LEADER_BROADCASTING;) {
        if (leader->peers.items[i].stage == VIV_PEER_SYNCED) {
            viv_leader_welcome(zab, &leader->peers.items[i]);
        }
    }
    if (leader->stage == VIV_LEADER_BROADCASTING && !viv_membership_may_lead(&zab->membership, zab->sid)) {
        viv_zab_leave(zab, "the reconfiguration that it has completed leaves it out");
    }
}

/* ---- what learners say ---- */

/* A voter whose promise is at or above our epoch cannot help to establish it, and one above it can never follow: only
 * a new epoch brings it back. Before the epoch is established the others are given a tick to do without it. */
static bool heed_promise(struct viv_zab *zab, bool voter, uint32_t accepted)
{
    struct viv_leader *leader = &zab->leader;
    if (leader->stage == VIV_LEADER_GATHERING) {
        leader->accepted_max = accepted > leader->accepted_max ? accepted : leader->accepted_max;
        return true;
    }
    if (!voter || accepted < leader->epoch || accepted == leader->rollover.epoch) {
        return true;
    }
    if (leader->stage < VIV_LEADER_ADOPTING && leader->stage != VIV_LEADER_REPAIRING) {
        hurry(zab);
    } else if (accepted > leader->epoch) {
        viv_zab_leave(zab, "a voter promised a later epoch");
        return false;
    }
    return true;
}

/* In an ensemble that may change, servers that are not in it yet, or in another part, may learn all the same: their
 * word counts when the configuration says so. */
static bool is_welcome(const struct viv_zab *zab, const struct viv_learner_info *info, bool follower)
{
    if (!viv_sid_is_valid(info->sid) || info->sid == zab->sid ||
        info->config_version > zab->membership.active.version) {
        return false;
    }
    return zab->reconfigurable || (viv_membership_index(&zab->membership, info->sid) >= 0 &&
                                   follower == (viv_membership_voter(&zab->membership, info->sid) != 0));
}

void viv_leader_introduce(struct viv_zab *zab, struct viv_leader_peer *peer, const struct viv_packet *packet)
{
    struct viv_leader *leader = &zab->leader;
    struct viv_learner_info info = {0};
    bool follower = packet->type == VIV_PACKET_FOLLOWERINFO;
    uint32_t link = peer->link;
    uint32_t accepted = VIV_ZXID_EPOCH(packet->zxid);
    bool well_formed = (follower || packet->type == VIV_PACKET_OBSERVERINFO) &&
                       viv_learner_info_decode(packet->data, &info) == VIV_OK &&
                       info.protocol_version >= VIV_ZAB_PROTOCOL_VERSION && accepted <= VIV_ZAB_EPOCH_MAX;
    if (!well_formed || !is_welcome(zab, &info, follower)) {
        viv_leader_drop(zab, peer, "not a learner of this ensemble");
        return;
    }
    struct viv_leader_peer *older;
    const char *objection = viv_peers_object(&leader->peers, peer, info.sid, zab->now_ms, zab->tick_ms, &older);
    if (objection != NULL) {
        viv_leader_drop(zab, peer, objection);
        return;
    }
    if (older != NULL) { /* the quorum is looked at when the new one has introduced itself */
        viv_zab_close(zab, older->link);
        viv_peers_forget(&leader->peers, older);
    }
    peer = viv_peers_find(&zab->leader.peers, link);
    peer->sid = info.sid;
    peer->index = viv_membership_index(&zab->membership, info.sid);
    peer->is_follower = follower;
    peer->native = info.native && (info.capabilities & VIV_ZAB_NATIVE) == VIV_ZAB_NATIVE;
    peer->repairs = peer->native && (info.capabilities & VIV_PEER_REPAIR) != 0;
    peer->rolls = peer->native && (info.capabilities & VIV_PEER_ROLLOVER) != 0;
    peer->beats = peer->native && (info.capabilities & VIV_PEER_BEATS) != 0;
    if (follower && !peer->native && viv_ranking_pulls(zab)) {
        viv_leader_drop(zab, peer, "with this election.policy only servers of our own kind may vote");
        return;
    }
    viv_peers_advance(peer, VIV_PEER_INTRODUCED);
    leader->looking &= ~viv_membership_voter(&zab->membership, info.sid);
    if (peer->index >= 0 && !heed_promise(zab, peer->is_follower, accepted)) {
        return;
    }
    if (leader->stage == VIV_LEADER_GATHERING) {
        gather(zab);
        return;
    }
    if (leader->stage != VIV_LEADER_PROMISING && !viv_rollover_is_under_way(zab)) {
        ask(zab, peer);
    }
    viv_leader_check_quorum(zab);
}

/* Is a history (epoch, zxid) newer than ours before this reign? A bare epoch start is the same as no entry of it. */
static bool is_ahead(const struct viv_zab *zab, int32_t epoch, uint64_t zxid)
{
    uint32_t own_epoch = zab->leader.adopted_epoch;
    if (epoch != (int32_t)own_epoch) {
        return epoch > (int32_t)own_epoch;
    }
    uint64_t start = VIV_ZXID(own_epoch, 0);
    uint64_t own = zab->leader.initial_zxid > start ? zab->leader.initial_zxid : start;
    return zxid > own;
}

/* A voter that never adopted an epoch, although there are transactions of some: it is new, or it lost its disk and with
 * it what it once acknowledged. A quorum that needs its word could forget that together with us, so its promise does
 * not count; it votes like any other once it was synchronised. A leader that adopted nothing yet, or knows of no
 * ensemble's transactions, is the beginning of an ensemble. */
static bool is_newborn(const struct viv_zab *zab, int32_t epoch, uint64_t zxid)
{
    uint64_t newest = zxid > zab->leader.initial_zxid ? zxid : zab->leader.initial_zxid;
    return epoch == 0 && zab->leader.adopted_epoch > 0 && VIV_ZXID_EPOCH(newest) > 0;
}

void viv_leader_promise(struct viv_zab *zab, struct viv_leader_peer *peer, const struct viv_packet *packet)
{
    struct viv_leader *leader = &zab->leader;
    if (packet->type != VIV_PACKET_ACKEPOCH || packet->data.size < sizeof(int32_t)) {
        viv_leader_drop(zab, peer, "ACKEPOCH was due");
        return;
    }
    int32_t epoch = (int32_t)viv_load_be32(packet->data.data);
    bool counts = epoch != -1 && (peer->is_follower || peer->native) && packet->zxid != UINT64_MAX;
    bool is_early = leader->stage == VIV_LEADER_ASKING || leader->stage == VIV_LEADER_REPAIRING;
    if (is_early && epoch != -1 && !viv_ranking_pulls(zab) && is_ahead(zab, epoch, packet->zxid)) {
        hurry(zab);
        viv_leader_drop(zab, peer, "its history is ahead of the leader's");
        return;
    }
    if (counts && leader->stage < VIV_LEADER_ADOPTING && is_newborn(zab, epoch, packet->zxid)) {
        viv_log(VIV_LOG_WARN, VIV_ZAB_ROOM, "a voter without a past does not help to establish a leader",
                "gid=%u sid=%lld", zab->gid, (long long)peer->sid);
        counts = false;
    }
    viv_peers_advance(peer, VIV_PEER_PROMISED);
    peer->claimed_zxid = packet->zxid;
    peer->claimed_epoch = epoch;
    peer->wants_snapshot = peer->repairs && packet->data.size > sizeof(int32_t) && packet->data.data[4] != 0;
    peer->counted = counts;
    if (leader->stage >= VIV_LEADER_SYNCING) {
        viv_sync_begin(zab, peer);
    } else if (leader->stage == VIV_LEADER_REPAIRING) {
        viv_repair_ask(zab, peer);
    } else {
        viv_leader_adopt(zab);
    }
}
