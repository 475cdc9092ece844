#include <string.h>

#include "base/assert.h"
#include "base/endian.h"
#include "base/log.h"
#include "zab/learner_internal.h"

/* From the leader's door to an adopted epoch (zab.md §5, §6.4). */

/* ---- discovery ---- */

/* epoch -1: this promise was given before, or the claim hides something; it must not be counted. */
static void offer(struct viv_zab *zab, int32_t epoch)
{
    struct viv_learner *learner = &zab->learner;
    VIV_ASSERT(zab->durable.accepted_epoch == learner->epoch); /* D3 */
    VIV_ASSERT(viv_durable_is_idle(&zab->durable));            /* D8 */
    uint8_t data[sizeof(uint32_t) + 1];
    viv_store_be32(data, (uint32_t)epoch);
    data[sizeof(uint32_t)] = learner->wants_snapshot;
    size_t size = learner->repairs ? sizeof data : sizeof(uint32_t);
    learner->stage = VIV_LEARNER_OFFERED;
    viv_zab_send_data(zab, learner->link, VIV_PACKET_ACKEPOCH, learner->claims_nothing ? 0 : zab->durable.last_zxid,
                      viv_zab_keep(zab, viv_bytes_of(data, size)));
}

void viv_learner_promised(struct viv_zab *zab)
{
    VIV_ASSERT(zab->learner.stage == VIV_LEARNER_PROMISING);
    offer(zab, zab->learner.claims_nothing ? -1 : (int32_t)zab->durable.current_epoch);
}

void viv_learner_promise(struct viv_zab *zab, const struct viv_packet *packet)
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
    learner->native = viv_peer_trailer_find(tail, &capabilities) && (capabilities & VIV_ZAB_NATIVE) == VIV_ZAB_NATIVE;
    learner->repairs = learner->native && (capabilities & VIV_PEER_REPAIR) != 0;
    learner->beats = learner->native && (capabilities & VIV_PEER_BEATS) != 0;
    learner->wants_snapshot = learner->repairs && viv_repair_must_yield(zab);
    if (!learner->repairs && (viv_repair_is_due(zab) || viv_repair_must_yield(zab))) {
        learner->claims_nothing = true; /* from this leader only a snapshot helps, and it asks for one so */
    }
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

struct viv_history *viv_learner_target(struct viv_zab *zab)
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
    bool is_certain = zxid < zab->history.committed_zxid || zxid < zab->membership.active.zxid;
    if (is_certain || !viv_history_contains(&zab->history, zxid)) {
        viv_zab_close(zab, learner->link);
        learner->claims_nothing = true;
        viv_zab_move(zab, zab->state, VIV_ZAB_DISCOVERY, learner->leader);
        viv_learner_connect_anew(zab);
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
    output->flag = zxid < zab->durable.last_zxid;
}

void viv_learner_synchronise(struct viv_zab *zab, const struct viv_packet *packet)
{
    struct viv_learner *learner = &zab->learner;
    if (packet->type == VIV_PACKET_ACKEPOCH && learner->native && !learner->claims_nothing) {
        viv_pull_serve(zab, packet);
        return;
    }
    bool is_kind =
        packet->type == VIV_PACKET_DIFF || packet->type == VIV_PACKET_TRUNC || packet->type == VIV_PACKET_SNAP;
    bool deaf = ((learner->claims_nothing && zab->history.last_zxid != 0) || learner->wants_snapshot) &&
                packet->type != VIV_PACKET_SNAP;
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
    viv_repair_go_on(zab);
}

void viv_learner_adopt(struct viv_zab *zab)
{
    struct viv_learner *learner = &zab->learner;
    struct viv_durable *durable = &zab->durable;
    if (learner->stage != VIV_LEARNER_RECEIVING || !learner->newleader_seen || durable->installing ||
        durable->truncating || durable->last_zxid < learner->newleader_zxid || viv_repair_is_due(zab)) {
        return;
    }
    learner->stage = VIV_LEARNER_ADOPTING;
    if (durable->current_epoch == learner->epoch) {
        viv_learner_adopted(zab);
    } else {
        viv_durable_epochs(zab, durable->accepted_epoch, learner->epoch, VIV_DURABLE_LEARNER_ADOPTED);
    }
}

void viv_learner_adopted(struct viv_zab *zab)
{
    struct viv_learner *learner = &zab->learner;
    VIV_ASSERT(learner->stage == VIV_LEARNER_ADOPTING && zab->durable.current_epoch == learner->epoch);
    VIV_ASSERT(zab->durable.last_zxid >= learner->newleader_zxid);
    learner->stage = VIV_LEARNER_ACKED;
    viv_zab_send(zab, learner->link, VIV_PACKET_ACK, VIV_ZXID(learner->epoch, 0));
    learner->acked_zxid = learner->told_zxid; /* NEWLEADER's acknowledgement covers these */
    viv_learner_acknowledge(zab);
}

void viv_learner_truncated(struct viv_zab *zab)
{
    viv_repair_go_on(zab);
    viv_learner_adopt(zab);
}

/* The configurations of the old history went with it; those behind the snapshot are in the entries. */
static void install_members(struct viv_zab *zab, struct viv_bytes members)
{
    viv_membership_rebase(&zab->membership);
    (void)viv_zab_adopt_members(zab, members);
    for (size_t i = 0; i < zab->history.count; i++) {
        if (!viv_zab_note_entry(zab, viv_history_at(&zab->history, i))) {
            viv_zab_fatal(zab, "a configuration of the ensemble cannot be read");
        }
    }
    viv_zab_tell_members(zab);
    memset(zab->election.early, 0, sizeof zab->election.early); /* slots have changed hands */
}

void viv_learner_installed(struct viv_zab *zab, uint64_t zxid, struct viv_bytes members)
{
    struct viv_learner *learner = &zab->learner;
    VIV_ASSERT(zxid == learner->incoming.floor_zxid);
    viv_durable_installed(zab, zxid);
    viv_repair_installed(zab);
    viv_history_fini(&zab->history);
    zab->history = learner->incoming;
    zab->trim_zxid = zxid;
    learner->incoming = (struct viv_history){0};
    install_members(zab, members);
    if (learner->stage >= VIV_LEARNER_RECEIVING) {
        learner->heard_at_ms = zab->now_ms;
        viv_durable_append(zab);
        viv_learner_adopt(zab);
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
