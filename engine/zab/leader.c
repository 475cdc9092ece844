#include "zab/leader.h"

#include "base/assert.h"
#include "base/checksum.h"
#include "base/endian.h"
#include "base/log.h"
#include "zab/sync.h"
#include "zab/zab_internal.h"

/* How often learners of our own kind hear of us. Its cost is two small packets a learner. */
enum { BEAT_MS = 50 };

/* How long a connection may be without a word of who it is. */
enum { STRANGER_TICKS = 2 };

/* Has a quorum, this server among it, got as far as `stage`? */
static bool has_quorum(const struct viv_zab *zab, enum viv_peer_stage stage)
{
    uint64_t self = viv_quorum_voter(&zab->quorum, zab->sid);
    return viv_quorum_has(&zab->quorum, viv_peers_at(&zab->leader.peers, stage) | self);
}

uint64_t viv_leader_target(const struct viv_zab *zab)
{
    bool established = zab->leader.stage == VIV_LEADER_BROADCASTING;
    return established ? zab->history.committed_zxid : zab->leader.initial_zxid;
}

uint64_t viv_leader_last_proposed(const struct viv_zab *zab)
{
    uint64_t start = VIV_ZXID(zab->leader.epoch, 0);
    return zab->history.last_zxid > start ? zab->history.last_zxid : start;
}

/* Which learners' loss ends a reign: those that made the quorum of the stage. */
static void check_quorum(struct viv_zab *zab)
{
    enum viv_leader_stage stage = zab->leader.stage;
    enum viv_peer_stage needed = stage == VIV_LEADER_BROADCASTING ? VIV_PEER_SYNCED : VIV_PEER_INTRODUCED;
    if (stage > VIV_LEADER_GATHERING && !has_quorum(zab, needed)) {
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
    check_quorum(zab);
}

/* ---- the reign's stages ---- */

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

static void gather(struct viv_zab *zab);
static void adopt(struct viv_zab *zab);
static void establish(struct viv_zab *zab);

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
    leader->looking = 0;
    leader->is_hurried = false;
    set_deadline(zab);
    leader->ping_at_ms = leader->beat_at_ms = zab->now_ms + zab->tick_ms / 2;
    gather(zab);
}

void viv_leader_begin_alone(struct viv_zab *zab)
{
    struct viv_leader *leader = &zab->leader;
    leader->stage = VIV_LEADER_BROADCASTING;
    leader->initial_zxid = zab->history.last_zxid;
    viv_history_commit(&zab->history, leader->initial_zxid);
    viv_zab_deliver(zab);
    viv_zab_trace(zab, VIV_TRACE_LEADING, 0, 0);
    viv_zab_move(zab, VIV_LEADING, VIV_ZAB_BROADCAST, zab->sid);
    viv_zab_trace(zab, VIV_TRACE_SERVING, 0, 0);
}

void viv_leader_end(struct viv_zab *zab)
{
    zab->leader.peers.count = 0;
    zab->leader.stage = VIV_LEADER_IDLE;
}

void viv_leader_fini(struct viv_leader *leader)
{
    viv_peers_fini(&leader->peers);
}

static void gather(struct viv_zab *zab)
{
    struct viv_leader *leader = &zab->leader;
    if (leader->stage != VIV_LEADER_GATHERING || !has_quorum(zab, VIV_PEER_INTRODUCED)) {
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

void viv_leader_promised(struct viv_zab *zab)
{
    struct viv_leader *leader = &zab->leader;
    VIV_ASSERT(leader->stage == VIV_LEADER_PROMISING && zab->durable.accepted_epoch == leader->epoch);
    leader->stage = VIV_LEADER_ASKING;
    set_deadline(zab);
    for (size_t i = 0; i < leader->peers.count; i++) {
        if (leader->peers.items[i].stage == VIV_PEER_INTRODUCED) {
            ask(zab, &leader->peers.items[i]);
        }
    }
    adopt(zab);
}

static void adopt(struct viv_zab *zab)
{
    struct viv_leader *leader = &zab->leader;
    uint64_t counted = viv_peers_counted(&leader->peers) | viv_quorum_voter(&zab->quorum, zab->sid);
    if (leader->stage != VIV_LEADER_ASKING || !viv_quorum_has(&zab->quorum, counted)) {
        return;
    }
    leader->stage = VIV_LEADER_ADOPTING;
    set_deadline(zab);
    viv_zab_trace(zab, VIV_TRACE_EPOCH_OK, leader->epoch, 0);
    viv_durable_epochs(zab, leader->epoch, leader->epoch, VIV_DURABLE_LEADER_ADOPTED);
}

void viv_leader_adopted(struct viv_zab *zab)
{
    struct viv_leader *leader = &zab->leader;
    VIV_ASSERT(leader->stage == VIV_LEADER_ADOPTING && zab->durable.current_epoch == leader->epoch);
    VIV_ASSERT(zab->durable.last_zxid == leader->initial_zxid); /* D4 */
    leader->stage = VIV_LEADER_SYNCING;
    set_deadline(zab);
    viv_zab_move(zab, VIV_LEADING, VIV_ZAB_SYNCHRONIZATION, zab->sid);
    for (size_t i = 0; i < leader->peers.count; i++) {
        if (leader->peers.items[i].stage == VIV_PEER_PROMISED) {
            viv_sync_begin(zab, &leader->peers.items[i]);
        }
    }
    establish(zab);
}

static void welcome(struct viv_zab *zab, struct viv_leader_peer *peer)
{
    viv_zab_send(zab, peer->link, VIV_PACKET_UPTODATE, UINT64_MAX);
    viv_peers_advance(peer, VIV_PEER_SERVES);
    peer->heard_at_ms = zab->now_ms;
    if (!viv_sync_commits(zab, peer)) {
        viv_leader_drop(zab, peer, "it fell too far behind");
    }
}

static void establish(struct viv_zab *zab)
{
    struct viv_leader *leader = &zab->leader;
    if (leader->stage != VIV_LEADER_SYNCING || !has_quorum(zab, VIV_PEER_SYNCED)) {
        return;
    }
    viv_zab_trace(zab, VIV_TRACE_SYNC_OK, leader->epoch, 0);
    leader->stage = VIV_LEADER_BROADCASTING;
    viv_history_commit(&zab->history, leader->initial_zxid);
    viv_election_established(zab, leader->epoch);
    viv_zab_deliver(zab);
    viv_zab_move(zab, VIV_LEADING, VIV_ZAB_BROADCAST, zab->sid);
    viv_zab_trace(zab, VIV_TRACE_SERVING, 0, 0);
    for (size_t i = leader->peers.count; i-- > 0 && leader->stage == VIV_LEADER_BROADCASTING;) {
        if (leader->peers.items[i].stage == VIV_PEER_SYNCED) {
            welcome(zab, &leader->peers.items[i]);
        }
    }
}

/* ---- learners arrive ---- */

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
        check_quorum(zab);
    }
}

/* A voter whose promise is at or above our epoch cannot help to establish it, and one above it can never follow: only
 * a new epoch brings it back. Before the epoch is established the others are given a tick to do without it. */
static bool heed_promise(struct viv_zab *zab, bool voter, uint32_t accepted)
{
    struct viv_leader *leader = &zab->leader;
    if (leader->stage == VIV_LEADER_GATHERING) {
        leader->accepted_max = accepted > leader->accepted_max ? accepted : leader->accepted_max;
        return true;
    }
    if (!voter || accepted < leader->epoch) {
        return true;
    }
    if (leader->stage < VIV_LEADER_ADOPTING) {
        hurry(zab);
    } else if (accepted > leader->epoch) {
        viv_zab_leave(zab, "a voter promised a later epoch");
        return false;
    }
    return true;
}

static void introduce(struct viv_zab *zab, struct viv_leader_peer *peer, const struct viv_packet *packet)
{
    struct viv_leader *leader = &zab->leader;
    struct viv_learner_info info = {0};
    bool follower = packet->type == VIV_PACKET_FOLLOWERINFO;
    uint32_t link = peer->link;
    uint32_t accepted = VIV_ZXID_EPOCH(packet->zxid);
    bool well_formed = (follower || packet->type == VIV_PACKET_OBSERVERINFO) &&
                       viv_learner_info_decode(packet->data, &info) == VIV_OK &&
                       info.protocol_version >= VIV_ZAB_PROTOCOL_VERSION && accepted <= VIV_ZAB_EPOCH_MAX;
    int index = well_formed ? viv_quorum_index(&zab->quorum, info.sid) : -1;
    if (index < 0 || info.sid == zab->sid || zab->members[index].voter != follower ||
        info.config_version > zab->config_version) {
        viv_leader_drop(zab, peer, "not a learner of this ensemble");
        return;
    }
    struct viv_leader_peer *older;
    const char *objection = viv_peers_object(&leader->peers, peer, info.sid, index, zab->now_ms, zab->tick_ms, &older);
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
    peer->index = index;
    peer->voter = follower;
    peer->native = info.native && (info.capabilities & VIV_ZAB_CAPABILITIES) == VIV_ZAB_CAPABILITIES;
    viv_peers_advance(peer, VIV_PEER_INTRODUCED);
    leader->looking &= ~(UINT64_C(1) << index);
    if (!heed_promise(zab, follower, accepted)) {
        return;
    }
    if (leader->stage == VIV_LEADER_GATHERING) {
        gather(zab);
        return;
    }
    if (leader->stage != VIV_LEADER_PROMISING) {
        ask(zab, peer);
    }
    check_quorum(zab);
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

static void promise(struct viv_zab *zab, struct viv_leader_peer *peer, const struct viv_packet *packet)
{
    struct viv_leader *leader = &zab->leader;
    if (packet->type != VIV_PACKET_ACKEPOCH || packet->data.size < sizeof(int32_t)) {
        viv_leader_drop(zab, peer, "ACKEPOCH was due");
        return;
    }
    int32_t epoch = (int32_t)viv_load_be32(packet->data.data);
    bool counts = epoch != -1 && peer->voter && packet->zxid != UINT64_MAX;
    if (leader->stage == VIV_LEADER_ASKING && epoch != -1 && is_ahead(zab, epoch, packet->zxid)) {
        hurry(zab);
        viv_leader_drop(zab, peer, "its history is ahead of the leader's");
        return;
    }
    if (counts && leader->stage == VIV_LEADER_ASKING && is_newborn(zab, epoch, packet->zxid)) {
        viv_log(VIV_LOG_WARN, VIV_ZAB_ROOM, "a voter without a past does not help to establish a leader",
                "gid=%u sid=%lld", zab->gid, (long long)peer->sid);
        counts = false;
    }
    viv_peers_advance(peer, VIV_PEER_PROMISED);
    peer->claimed_zxid = packet->zxid;
    peer->counted = counts;
    if (leader->stage >= VIV_LEADER_SYNCING) {
        viv_sync_begin(zab, peer);
    } else {
        adopt(zab);
    }
}

/* ---- learners speak ---- */

static void commit(struct viv_zab *zab)
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
static void acknowledged(struct viv_zab *zab, struct viv_leader_peer *peer, uint64_t zxid)
{
    struct viv_leader *leader = &zab->leader;
    if (VIV_ZXID_COUNTER(zxid) == 0) {
        if (peer->stage == VIV_PEER_FOLLOWS && zxid == VIV_ZXID(leader->epoch, 0)) {
            viv_peers_advance(peer, VIV_PEER_SYNCED);
            if (leader->stage == VIV_LEADER_BROADCASTING) {
                welcome(zab, peer);
            } else {
                establish(zab);
            }
            commit(zab);
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
        commit(zab);
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
        introduce(zab, peer, packet);
    } else if (peer->stage == VIV_PEER_ASKED) {
        promise(zab, peer, packet);
    } else if (peer->stage < VIV_PEER_FOLLOWS) {
        viv_leader_drop(zab, peer, "it spoke out of turn");
    } else if (packet->type == VIV_PACKET_ACK) {
        acknowledged(zab, peer, packet->zxid);
    } else if (peer->stage == VIV_PEER_SERVES) {
        viv_zab_passed(zab, link, peer->sid, packet);
    }
}

void viv_leader_log_data(struct viv_zab *zab, const struct viv_zab_input *input)
{
    struct viv_leader_peer *peer = viv_peers_find(&zab->leader.peers, input->link);
    if (peer != NULL && peer->stage == VIV_PEER_READING) {
        viv_sync_log_data(zab, peer, input->entries, input->entry_count, input->last);
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
}

void viv_leader_pass(struct viv_zab *zab, uint32_t link, const struct viv_packet *packet)
{
    const struct viv_leader_peer *peer = viv_peers_find(&zab->leader.peers, link);
    if (peer != NULL && peer->stage == VIV_PEER_SERVES) {
        viv_zab_pass(zab, link, packet);
    }
}

/* ---- it proposes ---- */

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
    commit(zab);
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

/* Java's learners every half tick, as their own leader does; ours as often as their detector wants to hear of us. */
static void ping(struct viv_zab *zab)
{
    struct viv_leader *leader = &zab->leader;
    bool all = zab->now_ms >= leader->ping_at_ms;
    uint64_t half_tick_ms = zab->tick_ms / 2;
    leader->ping_at_ms = all ? zab->now_ms + half_tick_ms : leader->ping_at_ms;
    leader->beat_at_ms = zab->now_ms + (zab->adaptive && BEAT_MS < half_tick_ms ? BEAT_MS : half_tick_ms);
    for (size_t i = 0; i < leader->peers.count; i++) {
        const struct viv_leader_peer *peer = &leader->peers.items[i];
        if (peer->stage >= VIV_PEER_FOLLOWS && (all || peer->native)) {
            viv_zab_send(zab, peer->link, VIV_PACKET_PING, viv_leader_last_proposed(zab));
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
    const struct viv_durable *durable = &zab->durable;
    if (leader->stage != VIV_LEADER_BROADCASTING) {
        if (zab->now_ms >= leader->deadline_ms) {
            viv_zab_leave(zab, "no quorum came");
            return;
        }
    } else if (durable->issued_zxid > durable->last_zxid &&
               zab->now_ms - durable->waiting_since_ms > zab->sync_limit_ms) {
        viv_zab_leave(zab, "its own disk does not answer");
        return;
    }
    if (zab->now_ms >= leader->ping_at_ms || zab->now_ms >= leader->beat_at_ms) {
        ping(zab);
    }
}

void viv_leader_lost_supporter(struct viv_zab *zab, int index, uint64_t round)
{
    struct viv_leader *leader = &zab->leader;
    uint64_t self = viv_quorum_voter(&zab->quorum, zab->sid);
    if (leader->stage == VIV_LEADER_IDLE || leader->stage == VIV_LEADER_BROADCASTING || round <= zab->election.round) {
        return;
    }
    leader->looking |= UINT64_C(1) << index;
    if (!viv_quorum_has(&zab->quorum, (zab->election.supporters & ~leader->looking) | self)) {
        viv_zab_leave(zab, "its voters look for a leader again");
    }
}
