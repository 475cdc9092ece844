#include "zab/learner.h"

#include "base/assert.h"
#include "base/checksum.h"
#include "base/endian.h"
#include "base/limits.h"
#include "base/log.h"
#include "zab/zab_internal.h"

enum {
    /* A Java leader listens before it is elected, one of ours when it is: whoever refuses longer is gone. */
    DIAL_MS_MAX = 1000,
};

static void dial(struct viv_zab *zab)
{
    zab->learner.stage = VIV_LEARNER_DIALLING;
    viv_zab_emit(zab, VIV_ZAB_LINK_DIAL)->sid = zab->learner.leader;
}

static void connect_anew(struct viv_zab *zab)
{
    struct viv_learner *learner = &zab->learner;
    learner->link = 0;
    learner->native = false;
    learner->newleader_seen = false;
    learner->told_zxid = learner->acked_zxid = 0;
    learner->heard_at_ms = zab->now_ms;
    learner->dial_until_ms = zab->now_ms + (DIAL_MS_MAX < zab->init_limit_ms ? DIAL_MS_MAX : zab->init_limit_ms);
    dial(zab);
}

void viv_learner_begin(struct viv_zab *zab, viv_sid leader)
{
    struct viv_learner *learner = &zab->learner;
    VIV_ASSERT(learner->stage == VIV_LEARNER_IDLE && viv_durable_is_idle(&zab->durable));
    learner->leader = leader;
    learner->claims_nothing = false;
    learner->epoch = 0;
    connect_anew(zab);
}

void viv_learner_end(struct viv_zab *zab)
{
    struct viv_learner *learner = &zab->learner;
    if (learner->link != 0) {
        viv_zab_close(zab, learner->link);
    }
    if (zab->durable.installing) {
        viv_history_reset(&learner->incoming, learner->incoming.floor_zxid);
    }
    learner->link = 0;
    learner->stage = VIV_LEARNER_IDLE;
}

void viv_learner_fini(struct viv_learner *learner)
{
    viv_history_fini(&learner->incoming);
}

/* ---- the leader's door ---- */

static void introduce(struct viv_zab *zab)
{
    struct viv_buffer data = {0};
    viv_learner_info_encode(&data, &(struct viv_learner_info){
                                       .sid = zab->sid,
                                       .protocol_version = VIV_ZAB_PROTOCOL_VERSION,
                                       .config_version = zab->config_version,
                                       .native = true,
                                       .capabilities = VIV_ZAB_CAPABILITIES,
                                   });
    struct viv_bytes kept = viv_zab_keep(zab, viv_buffer_bytes(&data));
    viv_buffer_fini(&data);
    enum viv_packet_type type = zab->is_voter ? VIV_PACKET_FOLLOWERINFO : VIV_PACKET_OBSERVERINFO;
    viv_zab_send_data(zab, zab->learner.link, type, VIV_ZXID(zab->durable.accepted_epoch, 0), kept);
}

void viv_learner_link_up(struct viv_zab *zab, uint32_t link, viv_sid sid)
{
    struct viv_learner *learner = &zab->learner;
    bool wanted = learner->stage == VIV_LEARNER_DIALLING || learner->stage == VIV_LEARNER_PAUSING;
    if (!wanted || sid != learner->leader) {
        viv_zab_close(zab, link);
        return;
    }
    learner->link = link;
    learner->heard_at_ms = zab->now_ms;
    learner->stage = VIV_LEARNER_INTRODUCED;
    introduce(zab);
}

void viv_learner_link_down(struct viv_zab *zab, uint32_t link, viv_sid sid)
{
    struct viv_learner *learner = &zab->learner;
    if (link == 0) {
        if (learner->stage == VIV_LEARNER_DIALLING && sid == learner->leader) {
            learner->stage = VIV_LEARNER_PAUSING;
        }
    } else if (link == learner->link) {
        learner->link = 0;
        viv_zab_leave(zab, "the link to the leader is gone");
    }
}

/* ---- discovery ---- */

/* epoch -1: this promise was given before, or the claim hides something; it must not be counted. */
static void offer(struct viv_zab *zab, int32_t epoch)
{
    struct viv_learner *learner = &zab->learner;
    VIV_ASSERT(zab->durable.accepted_epoch == learner->epoch); /* D3 */
    VIV_ASSERT(viv_durable_is_idle(&zab->durable));            /* D8 */
    uint8_t data[sizeof(uint32_t)];
    viv_store_be32(data, (uint32_t)epoch);
    learner->stage = VIV_LEARNER_OFFERED;
    viv_zab_send_data(zab, learner->link, VIV_PACKET_ACKEPOCH, learner->claims_nothing ? 0 : zab->durable.last_zxid,
                      viv_zab_keep(zab, viv_bytes_of(data, sizeof data)));
}

void viv_learner_promised(struct viv_zab *zab)
{
    VIV_ASSERT(zab->learner.stage == VIV_LEARNER_PROMISING);
    offer(zab, zab->learner.claims_nothing ? -1 : (int32_t)zab->durable.current_epoch);
}

static void promise(struct viv_zab *zab, const struct viv_packet *packet)
{
    struct viv_learner *learner = &zab->learner;
    uint32_t epoch = VIV_ZXID_EPOCH(packet->zxid);
    if (packet->type != VIV_PACKET_LEADERINFO || packet->data.size < sizeof(uint32_t) || epoch > VIV_ZAB_EPOCH_MAX) {
        viv_zab_leave(zab, "LEADERINFO was due");
        return;
    }
    if (epoch < zab->durable.accepted_epoch) {
        viv_zab_leave(zab, "a later epoch was promised");
        return;
    }
    struct viv_bytes tail = {packet->data.data + sizeof(uint32_t), packet->data.size - sizeof(uint32_t)};
    uint32_t capabilities = 0;
    learner->epoch = epoch;
    learner->native =
        viv_peer_trailer_find(tail, &capabilities) && (capabilities & VIV_ZAB_CAPABILITIES) == VIV_ZAB_CAPABILITIES;
    if (learner->native) {
        viv_zab_emit(zab, VIV_ZAB_ENVELOPE)->link = learner->link;
    }
    if (epoch == zab->durable.accepted_epoch) {
        offer(zab, -1);
        return;
    }
    learner->stage = VIV_LEARNER_PROMISING;
    viv_durable_epochs(zab, epoch, zab->durable.current_epoch, VIV_DURABLE_LEARNER_PROMISED);
}

/* ---- synchronisation ---- */

/* Where entries go: behind the snapshot that is on its way, or to the history. */
static struct viv_history *target(struct viv_zab *zab)
{
    return zab->durable.installing ? &zab->learner.incoming : &zab->history;
}

static void truncate(struct viv_zab *zab, uint64_t zxid)
{
    struct viv_learner *learner = &zab->learner;
    if (zxid < zab->history.committed_zxid) {
        viv_log(VIV_LOG_ERROR, VIV_ZAB_ROOM,
                "the quorum does not know what was committed here; its state replaces ours",
                "gid=%u leader=%lld committed=0x%llx kept=0x%llx", zab->gid, (long long)learner->leader,
                (unsigned long long)zab->history.committed_zxid, (unsigned long long)zxid);
    }
    if (zxid < zab->history.committed_zxid || !viv_history_contains(&zab->history, zxid)) {
        viv_zab_close(zab, learner->link);
        learner->claims_nothing = true;
        viv_zab_move(zab, zab->state, VIV_ZAB_DISCOVERY, learner->leader);
        connect_anew(zab);
        return;
    }
    learner->told_zxid = zxid;
    if (zxid < zab->history.last_zxid) {
        viv_durable_truncate(zab, zxid);
    }
}

static void install(struct viv_zab *zab, uint64_t zxid)
{
    viv_history_reset(&zab->learner.incoming, zxid);
    zab->learner.told_zxid = zxid;
    zab->durable.installing = true;
    struct viv_zab_output *output = viv_zab_emit(zab, VIV_ZAB_SNAP_RECEIVE);
    output->link = zab->learner.link;
    output->zxid = zxid;
}

static void synchronise(struct viv_zab *zab, const struct viv_packet *packet)
{
    struct viv_learner *learner = &zab->learner;
    bool is_kind =
        packet->type == VIV_PACKET_DIFF || packet->type == VIV_PACKET_TRUNC || packet->type == VIV_PACKET_SNAP;
    bool deaf = learner->claims_nothing && zab->history.last_zxid != 0 && packet->type != VIV_PACKET_SNAP;
    if (!is_kind || deaf) {
        viv_zab_leave(zab, deaf ? "a snapshot was due" : "DIFF, TRUNC or SNAP was due");
        return;
    }
    learner->stage = VIV_LEARNER_RECEIVING;
    viv_zab_move(zab, zab->state, VIV_ZAB_SYNCHRONIZATION, learner->leader);
    if (packet->type == VIV_PACKET_DIFF) {
        learner->told_zxid = packet->zxid;
    } else if (packet->type == VIV_PACKET_TRUNC) {
        truncate(zab, packet->zxid);
    } else {
        install(zab, packet->zxid);
    }
}

/* D5: history, then epoch, then acknowledgement. */
static void adopt(struct viv_zab *zab)
{
    struct viv_learner *learner = &zab->learner;
    struct viv_durable *durable = &zab->durable;
    if (learner->stage != VIV_LEARNER_RECEIVING || !learner->newleader_seen || durable->installing ||
        durable->truncating || durable->last_zxid < learner->newleader_zxid) {
        return;
    }
    learner->stage = VIV_LEARNER_ADOPTING;
    if (durable->current_epoch == learner->epoch) {
        viv_learner_adopted(zab);
    } else {
        viv_durable_epochs(zab, durable->accepted_epoch, learner->epoch, VIV_DURABLE_LEARNER_ADOPTED);
    }
}

/* D6: what is durable and was not told yet. */
static void acknowledge(struct viv_zab *zab)
{
    struct viv_learner *learner = &zab->learner;
    uint64_t durable = zab->durable.last_zxid;
    if (learner->stage < VIV_LEARNER_ACKED || !zab->is_voter || durable <= learner->acked_zxid) {
        return;
    }
    if (learner->native) {
        viv_zab_send(zab, learner->link, VIV_PACKET_ACK, durable);
    } else {
        for (size_t i = viv_history_above(&zab->history, learner->acked_zxid); i < zab->history.count; i++) {
            uint64_t zxid = viv_history_at(&zab->history, i)->zxid;
            if (zxid > durable) {
                break;
            }
            viv_zab_send(zab, learner->link, VIV_PACKET_ACK, zxid);
        }
    }
    learner->acked_zxid = durable;
}

void viv_learner_adopted(struct viv_zab *zab)
{
    struct viv_learner *learner = &zab->learner;
    VIV_ASSERT(learner->stage == VIV_LEARNER_ADOPTING && zab->durable.current_epoch == learner->epoch);
    VIV_ASSERT(zab->durable.last_zxid >= learner->newleader_zxid);
    learner->stage = VIV_LEARNER_ACKED;
    viv_zab_send(zab, learner->link, VIV_PACKET_ACK, VIV_ZXID(learner->epoch, 0));
    learner->acked_zxid = learner->told_zxid; /* NEWLEADER's acknowledgement covers these */
    acknowledge(zab);
}

static void serve(struct viv_zab *zab)
{
    struct viv_learner *learner = &zab->learner;
    learner->stage = VIV_LEARNER_SERVES;
    viv_detector_begin(&learner->detector, zab->sync_limit_ms, zab->now_ms);
    if (!learner->native) {
        viv_zab_send(zab, learner->link, VIV_PACKET_ACK, VIV_ZXID(learner->epoch, 0)); /* as Java learners do */
    }
    viv_history_commit(&zab->history, learner->told_zxid);
    viv_election_established(zab, learner->epoch);
    viv_zab_trace(zab, VIV_TRACE_UPTODATE, 0, 0);
    viv_zab_deliver(zab);
    viv_zab_move(zab, zab->state, VIV_ZAB_BROADCAST, learner->leader);
    viv_zab_trace(zab, VIV_TRACE_SERVING, 0, 0);
}

void viv_learner_stored(struct viv_zab *zab)
{
    adopt(zab);
    acknowledge(zab);
}

void viv_learner_truncated(struct viv_zab *zab)
{
    adopt(zab);
}

void viv_learner_installed(struct viv_zab *zab, uint64_t zxid)
{
    struct viv_learner *learner = &zab->learner;
    VIV_ASSERT(zxid == learner->incoming.floor_zxid);
    viv_durable_installed(zab, zxid);
    viv_history_fini(&zab->history);
    zab->history = learner->incoming;
    zab->trim_zxid = zxid;
    learner->incoming = (struct viv_history){0};
    if (learner->stage >= VIV_LEARNER_RECEIVING) {
        learner->heard_at_ms = zab->now_ms;
        viv_durable_append(zab);
        adopt(zab);
    }
}

void viv_learner_install_aborted(struct viv_zab *zab)
{
    zab->durable.installing = false;
    viv_history_fini(&zab->learner.incoming);
    if (zab->learner.stage != VIV_LEARNER_IDLE) {
        viv_zab_leave(zab, "the leader's snapshot was not whole");
    }
}

/* ---- what the leader proposes ---- */

/* False: the leader breaks the protocol and was left. */
static bool accept(struct viv_zab *zab, uint64_t zxid, struct viv_bytes body)
{
    struct viv_learner *learner = &zab->learner;
    struct viv_history *history = target(zab);
    if (zxid <= history->last_zxid && learner->stage < VIV_LEARNER_SERVES) {
        return true; /* also in the snapshot, or sent twice while we synchronise */
    }
    if (body.size == 0 || body.size > VIV_ENTRY_BYTES_MAX || VIV_ZXID_EPOCH(zxid) > learner->epoch ||
        !viv_history_follows(history->last_zxid, zxid)) {
        viv_zab_leave(zab, "a proposal does not continue the history");
        return false;
    }
    struct viv_entry entry = {.zxid = zxid, .body = body, .body_crc = viv_crc32c(0, body.data, body.size)};
    viv_history_append(history, &entry);
    if (!zab->durable.installing) {
        viv_durable_append(zab);
    }
    return true;
}

static void commit(struct viv_zab *zab, uint64_t zxid)
{
    struct viv_learner *learner = &zab->learner;
    const struct viv_history *history = target(zab);
    if (zxid <= learner->told_zxid || zxid <= history->committed_zxid) {
        return;
    }
    bool known = viv_history_contains(history, zxid);
    bool in_turn =
        learner->native || !known || !zab->is_voter || viv_history_before(history, zxid) <= learner->told_zxid;
    if (!known || !in_turn) {
        viv_zab_leave(zab, "a commit is not of the oldest pending proposal");
        return;
    }
    learner->told_zxid = zxid;
    if (learner->stage == VIV_LEARNER_SERVES) {
        viv_history_commit(&zab->history, zxid);
        viv_zab_deliver(zab);
    }
}

static void new_leader(struct viv_zab *zab, const struct viv_packet *packet)
{
    struct viv_learner *learner = &zab->learner;
    const struct viv_history *history = target(zab);
    if (learner->stage != VIV_LEARNER_RECEIVING || learner->newleader_seen ||
        packet->zxid != VIV_ZXID(learner->epoch, 0)) {
        viv_zab_leave(zab, "NEWLEADER out of turn");
        return;
    }
    /* DIFF may name the start of an epoch, which is no entry. */
    learner->told_zxid = learner->told_zxid < history->last_zxid ? learner->told_zxid : history->last_zxid;
    learner->newleader_seen = true;
    learner->newleader_zxid = history->last_zxid;
    adopt(zab);
}

static void up_to_date(struct viv_zab *zab)
{
    if (zab->learner.stage == VIV_LEARNER_ACKED) {
        serve(zab);
    } else if (zab->learner.stage != VIV_LEARNER_SERVES) {
        viv_zab_leave(zab, "UPTODATE out of turn");
    }
}

/* A Java leader counts only ACK right after NEWLEADER; one of ours also hears that a long installation goes on. */
static void pinged(struct viv_zab *zab, uint64_t zxid)
{
    struct viv_learner *learner = &zab->learner;
    if (learner->stage == VIV_LEARNER_SERVES || learner->native) {
        learner->ping_zxid = zxid;
        viv_zab_emit(zab, VIV_ZAB_PING_ASK)->link = learner->link;
    }
}

static void follow(struct viv_zab *zab, const struct viv_packet *packet)
{
    struct viv_learner *learner = &zab->learner;
    switch (packet->type) {
    case VIV_PACKET_PROPOSAL:
        accept(zab, packet->zxid, packet->data);
        break;
    case VIV_PACKET_INFORM:
        if (accept(zab, packet->zxid, packet->data)) {
            commit(zab, packet->zxid);
        }
        break;
    case VIV_PACKET_COMMIT:
        commit(zab, packet->zxid);
        break;
    case VIV_PACKET_NEWLEADER:
        new_leader(zab, packet);
        break;
    case VIV_PACKET_UPTODATE:
        up_to_date(zab);
        break;
    case VIV_PACKET_PING:
        pinged(zab, packet->zxid);
        break;
    case VIV_PACKET_SYNC:
    case VIV_PACKET_REVALIDATE:
        if (learner->stage == VIV_LEARNER_SERVES) {
            viv_zab_passed(zab, learner->link, learner->leader, packet);
        }
        break;
    case VIV_PACKET_REQUEST: /* one of ours says what became of a request that is no transaction */
        if (!learner->native) {
            viv_zab_leave(zab, "a packet that no leader sends");
        } else if (learner->stage == VIV_LEARNER_SERVES) {
            viv_zab_passed(zab, learner->link, learner->leader, packet);
        }
        break;
    case VIV_PACKET_COMMITANDACTIVATE:
    case VIV_PACKET_INFORMANDACTIVATE:
        viv_zab_fatal(zab, "the ensemble was reconfigured; this server's membership comes from its configuration file");
        break;
    default:
        viv_zab_leave(zab, "a packet that no leader sends");
        break;
    }
}

/* Only one of ours speaks often enough to be missed before syncLimit. */
static bool is_watched(const struct viv_zab *zab)
{
    return zab->adaptive && zab->learner.native && zab->learner.stage == VIV_LEARNER_SERVES;
}

void viv_learner_packet(struct viv_zab *zab, uint32_t link, const struct viv_packet *packet)
{
    struct viv_learner *learner = &zab->learner;
    if (link != learner->link || link == 0) {
        return;
    }
    learner->heard_at_ms = zab->now_ms;
    if (is_watched(zab)) {
        viv_detector_heard(&learner->detector, zab->now_ms);
    }
    if (learner->stage == VIV_LEARNER_INTRODUCED) {
        promise(zab, packet);
    } else if (learner->stage == VIV_LEARNER_OFFERED) {
        synchronise(zab, packet);
    } else if (learner->stage >= VIV_LEARNER_RECEIVING) {
        follow(zab, packet);
    } else {
        viv_zab_leave(zab, "the leader spoke out of turn");
    }
}

void viv_learner_ping_reply(struct viv_zab *zab, uint32_t link, struct viv_bytes data)
{
    const struct viv_learner *learner = &zab->learner;
    if (link == learner->link && link != 0 && learner->stage >= VIV_LEARNER_RECEIVING) {
        viv_zab_send_data(zab, link, VIV_PACKET_PING, learner->ping_zxid, viv_zab_keep(zab, data));
    }
}

void viv_learner_progress(struct viv_zab *zab, uint32_t link)
{
    if (link == zab->learner.link) {
        zab->learner.heard_at_ms = zab->now_ms;
    }
}

void viv_learner_pass(struct viv_zab *zab, uint32_t link, const struct viv_packet *packet)
{
    if (link == zab->learner.link && zab->learner.stage == VIV_LEARNER_SERVES) {
        viv_zab_pass(zab, link, packet);
    }
}

void viv_learner_tick(struct viv_zab *zab)
{
    struct viv_learner *learner = &zab->learner;
    bool serves = learner->stage == VIV_LEARNER_SERVES;
    if (learner->stage == VIV_LEARNER_IDLE) {
        return;
    }
    if (zab->now_ms - learner->heard_at_ms > (serves ? zab->sync_limit_ms : zab->init_limit_ms)) {
        viv_zab_leave(zab, "nothing was heard of the leader");
    } else if (is_watched(zab) && viv_detector_suspects(&learner->detector, zab->now_ms)) {
        viv_zab_leave(zab, "the leader has been silent for longer than it ever was lately");
    } else if (learner->stage == VIV_LEARNER_PAUSING) {
        if (zab->now_ms >= learner->dial_until_ms) {
            viv_zab_leave(zab, "the leader does not listen");
        } else {
            dial(zab);
        }
    }
}

void viv_learner_heard_vote(struct viv_zab *zab, viv_sid sid, uint64_t round)
{
    const struct viv_learner *learner = &zab->learner;
    bool dials = learner->stage == VIV_LEARNER_DIALLING || learner->stage == VIV_LEARNER_PAUSING;
    if (dials && sid == learner->leader && round > zab->election.round) {
        viv_zab_leave(zab, "the leader looks for a leader itself");
    }
}
