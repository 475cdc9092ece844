#include "zab/pull.h"

#include "base/assert.h"
#include "base/checksum.h"
#include "base/endian.h"
#include "base/limits.h"
#include "base/log.h"
#include "zab/leader_internal.h"
#include "zab/sync.h"

static void say_end(struct viv_zab *zab, uint32_t link, int32_t epoch)
{
    uint8_t data[sizeof(uint32_t)];
    viv_store_be32(data, (uint32_t)epoch);
    viv_zab_send_data(zab, link, VIV_PACKET_ACKEPOCH, zab->durable.last_zxid,
                      viv_zab_keep(zab, viv_bytes_of(data, sizeof data)));
}

static bool read_end(const struct viv_packet *packet, int32_t *epoch)
{
    if (packet->type != VIV_PACKET_ACKEPOCH || packet->data.size < sizeof(int32_t)) {
        return false;
    }
    *epoch = (int32_t)viv_load_be32(packet->data.data);
    return true;
}

/* ---- the leader ---- */

struct viv_leader_peer *viv_pull_source(struct viv_zab *zab)
{
    struct viv_leader *leader = &zab->leader;
    struct viv_leader_peer *best = NULL;
    int64_t epoch = leader->adopted_epoch;
    uint64_t zxid = leader->initial_zxid > VIV_ZXID(epoch, 0) ? leader->initial_zxid : VIV_ZXID(epoch, 0);
    for (size_t i = 0; i < leader->peers.count; i++) {
        struct viv_leader_peer *peer = &leader->peers.items[i];
        if (peer->counted &&
            (peer->claimed_epoch > epoch || (peer->claimed_epoch == epoch && peer->claimed_zxid > zxid))) {
            best = peer;
            epoch = peer->claimed_epoch;
            zxid = peer->claimed_zxid;
        }
    }
    return best;
}

void viv_pull_begin(struct viv_zab *zab, const struct viv_leader_peer *source)
{
    struct viv_leader *leader = &zab->leader;
    VIV_ASSERT(viv_durable_is_idle(&zab->durable));
    viv_log(VIV_LOG_INFO, VIV_ZAB_ROOM, "the elected leader pulls what it lacks",
            "gid=%u from=%lld zxid=0x%llx own=0x%llx", zab->gid, (long long)source->sid,
            (unsigned long long)source->claimed_zxid, (unsigned long long)zab->durable.last_zxid);
    leader->stage = VIV_LEADER_PULLING;
    leader->deadline_ms = zab->now_ms + zab->init_limit_ms;
    leader->pull.link = source->link;
    leader->pull.epoch = (uint32_t)source->claimed_epoch;
    leader->pull.is_whole = false;
    say_end(zab, source->link, (int32_t)zab->durable.current_epoch);
}

static void give_up(struct viv_zab *zab, const char *reason)
{
    zab->ranking.is_unfit = true;
    viv_zab_leave(zab, reason);
}

static void cut(struct viv_zab *zab, uint64_t keep)
{
    bool may_cut = viv_durable_is_idle(&zab->durable) && keep >= zab->history.committed_zxid &&
                   keep >= zab->membership.active.zxid && viv_history_contains(&zab->history, keep);
    if (!may_cut) {
        give_up(zab, "its own history cannot be cut back to the one it should lead with");
    } else if (keep < zab->history.last_zxid) {
        viv_durable_truncate(zab, keep);
    }
}

static void take(struct viv_zab *zab, uint64_t zxid, struct viv_bytes body)
{
    if (body.size == 0 || body.size > VIV_ENTRY_BYTES_MAX || VIV_ZXID_EPOCH(zxid) > zab->leader.pull.epoch ||
        !viv_history_follows(zab->history.last_zxid, zxid)) {
        give_up(zab, "what it pulls does not continue its history");
        return;
    }
    struct viv_entry entry = {.zxid = zxid, .body = body, .body_crc = viv_crc32c(0, body.data, body.size)};
    viv_history_append(&zab->history, &entry);
    zab->leader.pull.entries++;
    if (!viv_zab_note_entry(zab, viv_history_at(&zab->history, zab->history.count - 1))) {
        viv_zab_fatal(zab, "a configuration of the ensemble cannot be read");
        return;
    }
    viv_durable_append(zab);
}

void viv_pull_heard(struct viv_zab *zab, const struct viv_packet *packet)
{
    struct viv_leader *leader = &zab->leader;
    int32_t epoch = 0;
    VIV_ASSERT(leader->stage == VIV_LEADER_PULLING);
    leader->deadline_ms = zab->now_ms + zab->init_limit_ms;
    if (packet->type == VIV_PACKET_PROPOSAL) {
        take(zab, packet->zxid, packet->data);
    } else if (packet->type == VIV_PACKET_TRUNC) {
        cut(zab, packet->zxid);
    } else if (packet->type != VIV_PACKET_DIFF && !read_end(packet, &epoch)) {
        viv_zab_leave(zab, "the source of the history spoke out of turn");
    } else if (packet->type == VIV_PACKET_ACKEPOCH && (epoch == -1 || packet->zxid != zab->history.last_zxid)) {
        give_up(zab, "its history lies too far behind to be brought up to date");
    } else if (packet->type == VIV_PACKET_ACKEPOCH) {
        leader->pull.is_whole = true;
        viv_pull_stored(zab);
    }
}

void viv_pull_stored(struct viv_zab *zab)
{
    struct viv_leader *leader = &zab->leader;
    if (leader->stage == VIV_LEADER_PULLING && leader->pull.is_whole && viv_durable_is_idle(&zab->durable)) {
        leader->initial_zxid = zab->history.last_zxid;
        leader->adopted_epoch = leader->pull.epoch;
        leader->stage = VIV_LEADER_ASKING;
        viv_leader_adopt(zab);
    }
}

/* ---- the learner that is asked ---- */

void viv_pull_serve(struct viv_zab *zab, const struct viv_packet *packet)
{
    const struct viv_history *history = &zab->history;
    uint32_t link = zab->learner.link;
    struct viv_sync_choice chosen = viv_sync_choose(&(struct viv_sync_question){
        .history = history,
        .learner_zxid = packet->zxid,
        .target_zxid = history->last_zxid,
        .adopted_epoch = zab->durable.current_epoch,
        .native_voter = true,
        .native = true,
    });
    bool is_near = (chosen.kind == VIV_SYNC_DIFF || chosen.kind == VIV_SYNC_TRUNC) && !viv_repair_is_due(zab);
    if (is_near) {
        viv_zab_send(zab, link, chosen.kind == VIV_SYNC_DIFF ? VIV_PACKET_DIFF : VIV_PACKET_TRUNC, chosen.zxid);
        for (size_t i = viv_history_above(history, chosen.zxid); i < history->count; i++) {
            const struct viv_entry *entry = viv_history_at(history, i);
            viv_zab_send_data(zab, link, VIV_PACKET_PROPOSAL, entry->zxid, entry->body);
        }
    }
    say_end(zab, link, is_near ? (int32_t)zab->durable.current_epoch : -1);
}
