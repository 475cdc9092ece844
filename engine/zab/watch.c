#include "zab/watch.h"

#include "zab/leader_internal.h"

enum {
    /* Of a leader or a quorum that has just come together. A second longer than a dial may take to be answered late. */
    UNKNOWN_MS = 2000,
    /* With an election and a discovery after it, there is a leader again within five seconds. */
    MOST_MS = 3000,
    /* A leader that gives up needlessly costs more than a learner that does. */
    QUORUM_LEAST_MS = 1000,
    /* What beats and their answers wait behind while a learner is brought up to date goes at least so fast. */
    BULK_BYTES_PER_MS = 1000,
};

static void begin(const struct viv_zab *zab, struct viv_detector *detector, uint64_t least_ms)
{
    const struct viv_detector_limits limits = {
        .least_ms = least_ms,
        .most_ms = MOST_MS < zab->sync_limit_ms ? MOST_MS : zab->sync_limit_ms,
        .unknown_ms = UNKNOWN_MS,
    };
    viv_detector_begin(detector, &limits, zab->now_ms);
}

/* ---- of the leader ---- */

void viv_watch_leader_begin(struct viv_zab *zab)
{
    begin(zab, &zab->learner.detector, VIV_DETECTOR_LEAST_MS);
}

void viv_watch_leader_heard(struct viv_zab *zab)
{
    viv_detector_heard(&zab->learner.detector, zab->now_ms);
}

/* That it is one of ours its votes say before it has said anything on the link. While a snapshot is installed its bytes
 * may wait for our own disk. */
static bool leader_speaks(const struct viv_zab *zab)
{
    const struct viv_learner *learner = &zab->learner;
    bool is_ours =
        learner->beats || (learner->stage == VIV_LEARNER_INTRODUCED && viv_sid_set_has(&zab->natives, learner->leader));
    return zab->adaptive && learner->stage >= VIV_LEARNER_INTRODUCED && is_ours && !zab->durable.installing;
}

bool viv_watch_leader_is_silent(struct viv_zab *zab)
{
    if (!leader_speaks(zab)) {
        viv_detector_rest(&zab->learner.detector, zab->now_ms);
        return false;
    }
    return viv_detector_suspects(&zab->learner.detector, zab->now_ms);
}

/* ---- of a quorum ---- */

void viv_watch_quorum_begin(struct viv_zab *zab)
{
    zab->leader.heard_quorum_ms = zab->now_ms;
    begin(zab, &zab->leader.detector, QUORUM_LEAST_MS);
}

static bool is_busy(const struct viv_zab *zab, const struct viv_leader_peer *peer)
{
    bool is_synchronising = peer->stage >= VIV_PEER_READING && peer->stage < VIV_PEER_SYNCED;
    bool is_on_its_way = zab->now_ms - peer->bulk_since_ms <= peer->bulk_bytes / BULK_BYTES_PER_MS;
    return peer->stage == VIV_PEER_SNAPPING || (is_synchronising && is_on_its_way);
}

/* Those of whom nothing need be heard are taken as there. */
static bool hears_quorum(const struct viv_zab *zab)
{
    const struct viv_leader *leader = &zab->leader;
    bool is_established = leader->stage == VIV_LEADER_BROADCASTING;
    enum viv_peer_stage needed = is_established ? VIV_PEER_SYNCED : VIV_PEER_INTRODUCED;
    uint64_t set = viv_membership_voter(&zab->membership, zab->sid);
    for (size_t i = 0; i < leader->peers.count; i++) {
        const struct viv_leader_peer *peer = &leader->peers.items[i];
        bool counts = peer->index >= 0 && peer->stage >= needed && (peer->is_follower || !is_established);
        bool speaks = peer->beats && peer->stage > VIV_PEER_INTRODUCED && !is_busy(zab, peer);
        bool is_there = !speaks || peer->heard_at_ms >= leader->heard_quorum_ms;
        set |= counts && is_there ? UINT64_C(1) << peer->index : 0;
    }
    return viv_membership_has(&zab->membership, set);
}

bool viv_watch_quorum_is_silent(struct viv_zab *zab)
{
    struct viv_leader *leader = &zab->leader;
    if (!zab->adaptive || leader->stage < VIV_LEADER_ASKING) {
        viv_detector_rest(&leader->detector, zab->now_ms);
        return false;
    }
    if (hears_quorum(zab)) {
        leader->heard_quorum_ms = zab->now_ms;
        viv_detector_heard(&leader->detector, zab->now_ms);
        return false;
    }
    return viv_detector_suspects(&leader->detector, zab->now_ms);
}
