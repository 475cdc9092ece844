#include "base/assert.h"
#include "base/checksum.h"
#include "base/endian.h"
#include "base/limits.h"
#include "zab/learner_internal.h"

/* What the leader proposes and commits, during synchronisation and after (zab.md §6.4, §7). */

void viv_learner_acknowledge(struct viv_zab *zab)
{
    struct viv_learner *learner = &zab->learner;
    uint64_t durable = zab->durable.last_zxid;
    if (learner->stage < VIV_LEARNER_ACKED || zab->state == VIV_OBSERVING || durable <= learner->acked_zxid) {
        return;
    }
    VIV_ASSERT(VIV_ZXID_EPOCH(durable) <= zab->durable.current_epoch); /* D6 */
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

/* A configuration is the active one now. Who has another part in it, or another leader, begins anew in that part; the
 * others go on as they are. */
static void change_part(struct viv_zab *zab)
{
    struct viv_learner *learner = &zab->learner;
    bool observes = viv_membership_is_observer(&zab->membership, zab->sid);
    viv_sid leader = learner->designated != 0 ? learner->designated : learner->leader;
    if (leader != learner->leader) {
        viv_zab_leave_to(zab, leader, "another server leads the reconfigured ensemble");
    } else if (!viv_membership_may_lead(&zab->membership, leader)) {
        viv_zab_leave(zab, "the leader has no part in the reconfigured ensemble");
    } else if (observes != (zab->state == VIV_OBSERVING)) {
        viv_zab_leave_to(zab, leader, "this server has another part in the reconfigured ensemble");
    }
}

static void serve(struct viv_zab *zab)
{
    struct viv_learner *learner = &zab->learner;
    learner->stage = VIV_LEARNER_SERVES;
    zab->ranking.is_unfit = false;
    if (!learner->native) {
        viv_zab_send(zab, learner->link, VIV_PACKET_ACK, VIV_ZXID(learner->epoch, 0)); /* as Java learners do */
    }
    bool is_changed = viv_zab_commit(zab, learner->told_zxid);
    /* One that is an entry of ours is committed with it. */
    const struct viv_membership *membership = &zab->membership;
    if (!membership->has_proposed) {
        is_changed = viv_zab_adopt_members(zab, viv_buffer_bytes(&learner->announced)) || is_changed;
    }
    viv_election_established(zab, learner->epoch);
    viv_zab_trace(zab, VIV_TRACE_UPTODATE, 0, 0);
    viv_zab_deliver(zab);
    viv_zab_move(zab, zab->state, VIV_ZAB_BROADCAST, learner->leader);
    viv_zab_trace(zab, VIV_TRACE_SERVING, 0, 0);
    if (is_changed) {
        change_part(zab);
    }
}

void viv_learner_stored(struct viv_zab *zab)
{
    viv_learner_adopt(zab);
    viv_learner_acknowledge(zab);
}

/* False: the leader breaks the protocol and was left. */
static bool accept(struct viv_zab *zab, uint64_t zxid, struct viv_bytes body)
{
    struct viv_learner *learner = &zab->learner;
    struct viv_history *history = viv_learner_target(zab);
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
        if (!viv_zab_note_entry(zab, viv_history_at(history, history->count - 1))) {
            viv_zab_fatal(zab, "a configuration of the ensemble cannot be read");
        }
        viv_durable_append(zab);
    }
    return true;
}

/* designated: of a reconfiguration, who leads from now on. */
static void commit(struct viv_zab *zab, uint64_t zxid, viv_sid designated)
{
    struct viv_learner *learner = &zab->learner;
    const struct viv_history *history = viv_learner_target(zab);
    if (zxid <= learner->told_zxid || zxid <= history->committed_zxid) {
        return;
    }
    bool known = viv_history_contains(history, zxid);
    bool in_turn = learner->native || !known || zab->state == VIV_OBSERVING ||
                   viv_history_before(history, zxid) <= learner->told_zxid;
    if (!known || !in_turn) {
        viv_zab_leave(zab, "a commit is not of the oldest pending proposal");
        return;
    }
    learner->told_zxid = zxid;
    learner->designated = designated;
    if (learner->stage == VIV_LEARNER_SERVES) {
        bool is_changed = viv_zab_commit(zab, zxid);
        viv_zab_deliver(zab);
        if (is_changed) {
            change_part(zab);
        }
    }
}

static void new_leader(struct viv_zab *zab, const struct viv_packet *packet)
{
    struct viv_learner *learner = &zab->learner;
    const struct viv_history *history = viv_learner_target(zab);
    if (learner->stage != VIV_LEARNER_RECEIVING || learner->newleader_seen ||
        packet->zxid != VIV_ZXID(learner->epoch, 0)) {
        viv_zab_leave(zab, "NEWLEADER out of turn");
        return;
    }
    /* DIFF may name the start of an epoch, which is no entry. */
    learner->told_zxid = learner->told_zxid < history->last_zxid ? learner->told_zxid : history->last_zxid;
    learner->newleader_seen = true;
    viv_buffer_clear(&learner->announced);
    viv_buffer_append_bytes(&learner->announced, packet->data);
    learner->newleader_zxid = history->last_zxid;
    viv_learner_adopt(zab);
}

static void next_epoch(struct viv_zab *zab, const struct viv_packet *packet)
{
    bool serves = zab->learner.stage == VIV_LEARNER_SERVES;
    if (serves && packet->type == VIV_PACKET_LEADERINFO) {
        viv_rollover_asked(zab, packet);
    } else if (serves) {
        viv_rollover_told(zab, packet);
    } else if (packet->type == VIV_PACKET_NEWLEADER) {
        new_leader(zab, packet);
    } else {
        viv_zab_leave(zab, "LEADERINFO out of turn");
    }
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
static void pinged(struct viv_zab *zab, const struct viv_packet *packet)
{
    struct viv_learner *learner = &zab->learner;
    if (learner->native && packet->has_data) {
        viv_zab_send_data(zab, learner->link, VIV_PACKET_PING, packet->zxid, (struct viv_bytes){0});
    } else if (learner->stage == VIV_LEARNER_SERVES || learner->native) {
        learner->ping_zxid = packet->zxid;
        viv_zab_emit(zab, VIV_ZAB_PING_ASK)->link = learner->link;
    }
}

/* A reconfiguration: data begins with who leads from now on; an observer's then brings the transaction. */
static void activate(struct viv_zab *zab, const struct viv_packet *packet)
{
    bool informs = packet->type == VIV_PACKET_INFORMANDACTIVATE;
    if (packet->data.size < sizeof(viv_sid)) {
        viv_zab_leave(zab, "a reconfiguration without a leader");
        return;
    }
    viv_sid designated = (viv_sid)viv_load_be64(packet->data.data);
    struct viv_bytes body = {packet->data.data + sizeof(viv_sid), packet->data.size - sizeof(viv_sid)};
    if (!informs || accept(zab, packet->zxid, body)) {
        commit(zab, packet->zxid, designated);
    }
}

void viv_learner_follow(struct viv_zab *zab, const struct viv_packet *packet)
{
    struct viv_learner *learner = &zab->learner;
    switch (packet->type) {
    case VIV_PACKET_PROPOSAL:
        accept(zab, packet->zxid, packet->data);
        break;
    case VIV_PACKET_INFORM:
        if (accept(zab, packet->zxid, packet->data)) {
            commit(zab, packet->zxid, 0);
        }
        break;
    case VIV_PACKET_COMMIT:
        commit(zab, packet->zxid, 0);
        break;
    case VIV_PACKET_COMMITANDACTIVATE:
    case VIV_PACKET_INFORMANDACTIVATE:
        activate(zab, packet);
        break;
    case VIV_PACKET_LEADERINFO:
    case VIV_PACKET_NEWLEADER:
        next_epoch(zab, packet);
        break;
    case VIV_PACKET_UPTODATE:
        up_to_date(zab);
        break;
    case VIV_PACKET_PING:
        pinged(zab, packet);
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
    default:
        viv_zab_leave(zab, "a packet that no leader sends");
        break;
    }
}
