#include "zab/rollover.h"

#include "base/assert.h"
#include "base/endian.h"
#include "base/log.h"
#include "zab/leader_internal.h"

/* At a hundred thousand writes a second so many last for ten seconds. */
enum { MARGIN = 1 << 20 };

bool viv_rollover_is_near(const struct viv_zab *zab, uint64_t zxid)
{
    uint32_t margin = zab->counter_max / 2 < MARGIN ? zab->counter_max / 2 : MARGIN;
    return VIV_ZXID_COUNTER(zxid) >= zab->counter_max - margin;
}

/* ---- the leader ---- */

/* Whoever has said who he is. */
static bool all_can(const struct viv_leader *leader)
{
    for (size_t i = 0; i < leader->peers.count; i++) {
        const struct viv_leader_peer *peer = &leader->peers.items[i];
        if (peer->stage > VIV_PEER_STRANGER && !peer->rolls) {
            return false;
        }
    }
    return true;
}

static bool has_promised(const struct viv_leader *leader, const struct viv_leader_peer *peer)
{
    return !peer->is_follower || peer->promised_epoch == leader->rollover.epoch;
}

static bool has_quorum(const struct viv_zab *zab)
{
    const struct viv_leader *leader = &zab->leader;
    uint64_t set = viv_membership_voter(&zab->membership, zab->sid);
    for (size_t i = 0; i < leader->peers.count; i++) {
        const struct viv_leader_peer *peer = &leader->peers.items[i];
        if (peer->is_follower && peer->index >= 0 && peer->stage == VIV_PEER_SERVES && has_promised(leader, peer)) {
            set |= UINT64_C(1) << peer->index;
        }
    }
    return viv_membership_has(&zab->membership, set);
}

/* Newcomers are kept waiting meanwhile: they can promise the new epoch as well. */
static bool is_everybody_there(const struct viv_leader *leader)
{
    for (size_t i = 0; i < leader->peers.count; i++) {
        const struct viv_leader_peer *peer = &leader->peers.items[i];
        if (peer->stage > VIV_PEER_INTRODUCED && (peer->stage != VIV_PEER_SERVES || !has_promised(leader, peer))) {
            return false;
        }
    }
    return true;
}

static void begin(struct viv_zab *zab)
{
    struct viv_leader *leader = &zab->leader;
    if (!all_can(leader) || leader->epoch >= VIV_ZAB_EPOCH_MAX || zab->durable.accepted_epoch != leader->epoch ||
        zab->durable.epochs_pending) {
        return;
    }
    leader->rollover = (struct viv_rollover){.epoch = leader->epoch + 1, .since_ms = zab->now_ms};
    viv_durable_epochs(zab, leader->rollover.epoch, leader->epoch, VIV_DURABLE_ROLLOVER_PROMISED);
}

static void ask_all(struct viv_zab *zab)
{
    struct viv_leader *leader = &zab->leader;
    uint8_t version[sizeof(uint32_t)];
    viv_store_be32(version, VIV_ZAB_PROTOCOL_VERSION);
    for (size_t i = 0; i < leader->peers.count; i++) {
        struct viv_leader_peer *peer = &leader->peers.items[i];
        if (peer->is_follower && peer->stage == VIV_PEER_SERVES && peer->asked_epoch != leader->rollover.epoch) {
            peer->asked_epoch = leader->rollover.epoch;
            viv_zab_send_data(zab, peer->link, VIV_PACKET_LEADERINFO, VIV_ZXID(leader->rollover.epoch, 0),
                              viv_zab_keep(zab, viv_bytes_of(version, sizeof version)));
        }
    }
}

void viv_rollover_promised(struct viv_zab *zab)
{
    VIV_ASSERT(zab->durable.accepted_epoch == zab->leader.rollover.epoch);
    zab->leader.rollover.is_promised = true;
    viv_rollover_look(zab);
}

static void switch_over(struct viv_zab *zab)
{
    struct viv_leader *leader = &zab->leader;
    uint32_t epoch = leader->rollover.epoch;
    for (size_t i = leader->peers.count; i-- > 0;) {
        struct viv_leader_peer *peer = &leader->peers.items[i];
        bool may_stay = peer->stage == VIV_PEER_SERVES && has_promised(leader, peer);
        if (peer->stage > VIV_PEER_INTRODUCED && !may_stay) {
            viv_leader_drop(zab, peer, "it did not promise the next epoch in time");
            VIV_ASSERT(leader->stage == VIV_LEADER_BROADCASTING); /* the others are a quorum */
        }
    }
    viv_log(VIV_LOG_INFO, VIV_ZAB_ROOM, "the zxids of the epoch run out: the next one begins",
            "gid=%u epoch=%u zxid=0x%llx", zab->gid, epoch, (unsigned long long)zab->history.last_zxid);
    leader->rollover = (struct viv_rollover){0};
    leader->last_zxid_before = zab->history.last_zxid;
    leader->epoch = epoch;
    viv_durable_epochs(zab, epoch, epoch, VIV_DURABLE_ROLLOVER_ADOPTED);
}

bool viv_rollover_is_under_way(const struct viv_zab *zab)
{
    return zab->leader.rollover.epoch != 0 ||
           (zab->leader.stage == VIV_LEADER_BROADCASTING && zab->durable.current_epoch != zab->leader.epoch);
}

void viv_rollover_look(struct viv_zab *zab)
{
    struct viv_leader *leader = &zab->leader;
    uint64_t last_zxid = viv_leader_last_proposed(zab);
    if (leader->stage != VIV_LEADER_BROADCASTING || zab->standalone || !viv_rollover_is_near(zab, last_zxid)) {
        return;
    }
    if (!viv_rollover_is_under_way(zab)) {
        begin(zab);
    } else if (leader->rollover.is_promised) {
        ask_all(zab);
        bool is_late = VIV_ZXID_COUNTER(last_zxid) >= zab->counter_max ||
                       zab->now_ms - leader->rollover.since_ms > zab->sync_limit_ms;
        if (has_quorum(zab) && (is_late || is_everybody_there(leader))) {
            switch_over(zab);
        }
    }
}

void viv_rollover_heard(struct viv_zab *zab, struct viv_leader_peer *peer, const struct viv_packet *packet)
{
    const struct viv_rollover *rollover = &zab->leader.rollover;
    bool counts = packet->data.size >= sizeof(int32_t) && (int32_t)viv_load_be32(packet->data.data) != -1;
    if (!peer->is_follower || peer->asked_epoch == 0 || peer->asked_epoch != rollover->epoch || !counts) {
        viv_leader_drop(zab, peer, "ACKEPOCH was not due");
        return;
    }
    peer->promised_epoch = rollover->epoch;
    viv_rollover_look(zab);
}

void viv_rollover_tell(struct viv_zab *zab, struct viv_leader_peer *peer, uint64_t zxid)
{
    VIV_ASSERT(peer->stage == VIV_PEER_SERVES);
    if (VIV_ZXID_EPOCH(zxid) > peer->epoch) {
        peer->epoch = VIV_ZXID_EPOCH(zxid);
        viv_zab_send(zab, peer->link, VIV_PACKET_NEWLEADER, VIV_ZXID(peer->epoch, 0));
    }
}

/* What was proposed in the meantime follows. Observers are told when the first entry of the epoch goes to them. */
void viv_rollover_adopted(struct viv_zab *zab)
{
    struct viv_leader *leader = &zab->leader;
    VIV_ASSERT(zab->durable.current_epoch == leader->epoch);
    viv_election_established(zab, leader->epoch);
    for (size_t i = 0; i < leader->peers.count; i++) {
        struct viv_leader_peer *peer = &leader->peers.items[i];
        if (!peer->is_follower || peer->stage != VIV_PEER_SERVES || peer->epoch == leader->epoch) {
            continue;
        }
        viv_rollover_tell(zab, peer, VIV_ZXID(leader->epoch, 0));
        size_t next = viv_history_above(&zab->history, peer->sent_zxid);
        for (; next < zab->history.count; next++) {
            viv_leader_send_proposal(zab, peer, viv_history_at(&zab->history, next));
        }
    }
    viv_leader_ask_waiting(zab);
}

/* ---- a learner ---- */

void viv_rollover_asked(struct viv_zab *zab, const struct viv_packet *packet)
{
    struct viv_learner *learner = &zab->learner;
    uint32_t epoch = VIV_ZXID_EPOCH(packet->zxid);
    if (!learner->native || zab->state != VIV_FOLLOWING || zab->durable.epochs_pending || epoch > VIV_ZAB_EPOCH_MAX ||
        epoch <= zab->durable.accepted_epoch) {
        viv_zab_leave(zab, "LEADERINFO out of turn");
        return;
    }
    viv_durable_epochs(zab, epoch, zab->durable.current_epoch, VIV_DURABLE_ROLLOVER_LEARNER_PROMISED);
}

void viv_rollover_learner_promised(struct viv_zab *zab)
{
    uint8_t data[sizeof(uint32_t)];
    viv_store_be32(data, zab->durable.current_epoch);
    viv_zab_send_data(zab, zab->learner.link, VIV_PACKET_ACKEPOCH, zab->durable.last_zxid,
                      viv_zab_keep(zab, viv_bytes_of(data, sizeof data)));
}

void viv_rollover_told(struct viv_zab *zab, const struct viv_packet *packet)
{
    struct viv_learner *learner = &zab->learner;
    uint32_t epoch = VIV_ZXID_EPOCH(packet->zxid);
    uint32_t accepted = zab->durable.accepted_epoch;
    bool is_promised = zab->state == VIV_FOLLOWING ? epoch == accepted : epoch >= accepted;
    if (!learner->native || zab->durable.epochs_pending || VIV_ZXID_COUNTER(packet->zxid) != 0 ||
        epoch > VIV_ZAB_EPOCH_MAX || epoch <= learner->epoch || !is_promised) {
        viv_zab_leave(zab, "NEWLEADER out of turn");
        return;
    }
    /* Every entry of the old epoch was handed to the log before this, and every one of the new comes behind it. */
    VIV_ASSERT(zab->durable.issued_zxid == zab->history.last_zxid);
    learner->epoch = epoch;
    viv_durable_epochs(zab, epoch, epoch, VIV_DURABLE_ROLLOVER_LEARNER_ADOPTED);
}

void viv_rollover_learner_adopted(struct viv_zab *zab)
{
    VIV_ASSERT(zab->durable.current_epoch == zab->learner.epoch);
    viv_election_established(zab, zab->learner.epoch);
    viv_zab_send(zab, zab->learner.link, VIV_PACKET_ACK, VIV_ZXID(zab->learner.epoch, 0));
}
