#include "zab/repair.h"

#include <string.h>

#include "base/assert.h"
#include "base/checksum.h"
#include "base/log.h"
#include "zab/leader_internal.h"
#include "zab/learner_internal.h"

enum { ASK_MS = 100, SAY_MS = 10000 };

/* ---- what there is ---- */

bool viv_repair_is_due(const struct viv_zab *zab)
{
    return !zab->durable.installing && (zab->history.damaged_count > 0 || zab->durable.repairing);
}

bool viv_repair_must_yield(const struct viv_zab *zab)
{
    return zab->repair.is_baseless || zab->repair.yields;
}

bool viv_repair_stands_between(const struct viv_zab *zab, uint64_t after)
{
    const struct viv_repair *repair = &zab->repair;
    return repair->known_count > 0 && repair->known[repair->known_count - 1].zxid > after;
}

void viv_repair_fault(struct viv_zab *zab, const struct viv_zab_input *input)
{
    struct viv_repair *repair = &zab->repair;
    uint64_t zxid = input->zxid;
    size_t at = 0;
    while (at < repair->known_count && repair->known[at].zxid < zxid) {
        at++;
    }
    bool is_known = at < repair->known_count && repair->known[at].zxid == zxid;
    if (is_known || repair->known_count == VIV_REPAIR_KNOWN_MAX || zxid > zab->history.delivered_zxid) {
        return;
    }
    memmove(&repair->known[at + 1], &repair->known[at], (repair->known_count - at) * sizeof repair->known[0]);
    repair->known[at] =
        (struct viv_entry){.zxid = zxid, .body = {NULL, input->fault_bytes}, .body_crc = input->fault_crc};
    repair->known_count++;
}

static void forget(struct viv_repair *repair, uint64_t zxid)
{
    for (size_t i = 0; i < repair->known_count; i++) {
        if (repair->known[i].zxid == zxid) {
            repair->known_count--;
            memmove(&repair->known[i], &repair->known[i + 1], (repair->known_count - i) * sizeof repair->known[0]);
            return;
        }
    }
}

void viv_repair_installed(struct viv_zab *zab)
{
    struct viv_repair *repair = &zab->repair;
    repair->known_count = 0;
    repair->zxid = 0;
    repair->is_baseless = repair->yields = false;
}

/* ---- asking ---- */

static void send(struct viv_zab *zab, uint32_t link, enum viv_packet_type type, uint64_t zxid, struct viv_buffer *data)
{
    viv_zab_send_data(zab, link, type, zxid, viv_zab_keep(zab, viv_buffer_bytes(data)));
    viv_buffer_fini(data);
}

static void send_ask(struct viv_zab *zab, uint32_t link)
{
    struct viv_buffer data = {0};
    viv_repair_ask_encode(&data, &zab->repair.wanted);
    send(zab, link, VIV_PACKET_REPAIR_ASK, zab->repair.zxid, &data);
}

static bool leads_repairing(const struct viv_zab *zab)
{
    return zab->leader.stage == VIV_LEADER_REPAIRING;
}

void viv_repair_ask(struct viv_zab *zab, const struct viv_leader_peer *peer)
{
    struct viv_repair *repair = &zab->repair;
    uint64_t slot = peer->index >= 0 ? UINT64_C(1) << peer->index : 0;
    enum viv_peer_stage from = leads_repairing(zab) ? VIV_PEER_PROMISED : VIV_PEER_SERVES;
    if (repair->zxid == 0 || peer->stage < from) {
        return;
    }
    repair->asked |= slot;
    if (peer->repairs) {
        send_ask(zab, peer->link);
    } else {
        repair->answers.unknown |= slot;
    }
}

static void ask_all(struct viv_zab *zab)
{
    struct viv_repair *repair = &zab->repair;
    repair->ask_at_ms = zab->now_ms + (leads_repairing(zab) ? zab->tick_ms / 2 : ASK_MS);
    if (zab->state != VIV_LEADING) {
        if (zab->learner.repairs) {
            send_ask(zab, zab->learner.link);
        }
        return;
    }
    for (size_t i = 0; i < zab->leader.peers.count; i++) {
        viv_repair_ask(zab, &zab->leader.peers.items[i]);
    }
}

static void begin(struct viv_zab *zab, const struct viv_entry *entry)
{
    struct viv_repair *repair = &zab->repair;
    if (repair->zxid != entry->zxid) {
        repair->zxid = entry->zxid;
        repair->wanted = (struct viv_repair_ask){(uint32_t)entry->body.size, entry->body_crc};
        repair->answers = (struct viv_repair_answers){0};
        repair->asked = 0;
        repair->say_at_ms = zab->now_ms + zab->tick_ms;
    }
    ask_all(zab);
}

/* May the damaged entry that holds everything up be asked for now? */
static bool may_ask(const struct viv_zab *zab)
{
    bool learns = zab->learner.stage == VIV_LEARNER_RECEIVING && zab->learner.repairs;
    return !zab->durable.repairing && !zab->durable.truncating && !zab->durable.installing &&
           (leads_repairing(zab) || learns);
}

void viv_repair_go_on(struct viv_zab *zab)
{
    const struct viv_entry *damaged = viv_history_damaged(&zab->history);
    if (damaged != NULL) {
        if (may_ask(zab)) {
            begin(zab, damaged);
        }
        return;
    }
    zab->repair.zxid = 0;
    if (zab->durable.repairing || zab->durable.truncating) {
        return;
    }
    if (leads_repairing(zab)) {
        viv_leader_repaired(zab);
    } else if (zab->learner.stage == VIV_LEARNER_RECEIVING) {
        viv_learner_adopt(zab);
    }
}

/* While serving: one delivered entry at a time. From our own memory, if it is there. */
static void look_after_delivered(struct viv_zab *zab)
{
    struct viv_repair *repair = &zab->repair;
    if (repair->known_count == 0 || zab->durable.repairing || zab->durable.truncating || zab->durable.installing ||
        zab->now_ms < repair->ask_at_ms) {
        return;
    }
    const struct viv_entry *wanted = &repair->known[0];
    size_t above = viv_history_above(&zab->history, wanted->zxid);
    const struct viv_entry *own = above > 0 ? viv_history_at(&zab->history, above - 1) : NULL;
    if (own != NULL && own->zxid == wanted->zxid && own->body_crc == wanted->body_crc) {
        repair->zxid = wanted->zxid;
        viv_durable_repair(zab, own);
    } else if (repair->zxid == wanted->zxid) {
        /* Nobody had it the last time: another one first. The slow look brings it back. */
        forget(repair, wanted->zxid);
        repair->zxid = 0;
    } else {
        begin(zab, wanted);
    }
}

/* ---- hearing ---- */

static void drop(struct viv_zab *zab)
{
    uint64_t zxid = zab->repair.zxid;
    uint64_t keep = viv_history_before(&zab->history, zxid);
    viv_log(VIV_LOG_WARN, VIV_ZAB_ROOM, "a damaged entry that was never committed is given up, with what follows it",
            "gid=%u zxid=0x%llx kept=0x%llx", zab->gid, (unsigned long long)zxid, (unsigned long long)keep);
    zab->repair.zxid = 0;
    viv_durable_truncate(zab, keep);
}

static enum viv_repair_verdict judge(const struct viv_zab *zab)
{
    const struct viv_repair *repair = &zab->repair;
    bool is_uncertain = repair->uncertain_from_zxid != 0 && repair->zxid >= repair->uncertain_from_zxid;
    if (repair->zxid <= zab->history.committed_zxid) { /* nobody's word is needed: it was */
        struct viv_repair_answers answers = repair->answers;
        answers.unknown |= answers.absent | answers.uncertain;
        answers.absent = answers.uncertain = 0;
        return viv_repair_judge(&zab->membership, zab->sid, &answers, false);
    }
    return viv_repair_judge(&zab->membership, zab->sid, &repair->answers, is_uncertain);
}

static void list_servers(const struct viv_zab *zab, uint64_t slots, struct viv_buffer *text)
{
    for (uint64_t left = slots; left != 0; left &= left - 1) {
        viv_buffer_printf(text, "%s%lld", text->size > 0 ? "," : "",
                          (long long)zab->membership.slots[__builtin_ctzll(left)]);
    }
    viv_buffer_append(text, "", 1);
}

/* Why this server does not serve, now and then. */
static void say(struct viv_zab *zab)
{
    struct viv_repair *repair = &zab->repair;
    bool is_lost = judge(zab) == VIV_REPAIR_LOST;
    struct viv_buffer asked = {0}, absent = {0}, damaged = {0};
    if (zab->now_ms < repair->say_at_ms) {
        return;
    }
    repair->say_at_ms = zab->now_ms + SAY_MS;
    list_servers(zab, repair->asked, &asked);
    list_servers(zab, repair->answers.absent, &absent);
    list_servers(zab, repair->answers.unknown | repair->answers.uncertain, &damaged);
    viv_log(
        VIV_LOG_ERROR, VIV_ZAB_ROOM,
        is_lost ? "every server has answered, and none has a copy of a transaction: the ensemble stays down; restore a "
                  "server from a backup that has it"
                : "a transaction is damaged here, and those asked so far do not have it: waiting for the other servers",
        "gid=%u zxid=0x%llx bytes=%u asked=%s without_it=%s cannot_tell=%s", zab->gid, (unsigned long long)repair->zxid,
        repair->wanted.bytes, (const char *)asked.data, (const char *)absent.data, (const char *)damaged.data);
    viv_buffer_fini(&asked);
    viv_buffer_fini(&absent);
    viv_buffer_fini(&damaged);
}

/* Another one leads, from whom a snapshot can be had. */
static void yield(struct viv_zab *zab)
{
    viv_log(VIV_LOG_WARN, VIV_ZAB_ROOM,
            "a damaged transaction can only be had with a snapshot: another server must lead", "gid=%u zxid=0x%llx",
            zab->gid, (unsigned long long)zab->repair.zxid);
    zab->repair.yields = true;
    zab->repair.zxid = 0;
    viv_zab_leave(zab, "a damaged transaction can only be had with a snapshot");
}

/* The leader cannot help with the entry: its state does. */
static void take_snapshot(struct viv_zab *zab)
{
    struct viv_learner *learner = &zab->learner;
    viv_log(VIV_LOG_WARN, VIV_ZAB_ROOM, "the leader has no copy of a damaged transaction; its state replaces ours",
            "gid=%u leader=%lld zxid=0x%llx", zab->gid, (long long)learner->leader,
            (unsigned long long)zab->repair.zxid);
    zab->repair.zxid = 0;
    zab->repair.yields = true;
    viv_zab_leave(zab, "a snapshot is needed");
}

static void have(struct viv_zab *zab, struct viv_bytes body)
{
    struct viv_repair *repair = &zab->repair;
    struct viv_entry entry = {.zxid = repair->zxid, .body_crc = repair->wanted.body_crc};
    if (body.size != repair->wanted.bytes || viv_crc32c(0, body.data, body.size) != repair->wanted.body_crc) {
        viv_log(VIV_LOG_WARN, VIV_ZAB_ROOM, "a copy of a damaged transaction is not what its identifier says",
                "gid=%u zxid=0x%llx", zab->gid, (unsigned long long)repair->zxid);
        return;
    }
    entry.body = viv_zab_keep(zab, body);
    viv_durable_repair(zab, &entry);
    /* In memory it is whole at once; whoever waits for it waits for the disk. */
    const struct viv_entry *damaged = viv_history_damaged(&zab->history);
    if (damaged != NULL && damaged->zxid == repair->zxid) {
        if (!viv_zab_note_entry(zab, viv_history_mend(&zab->history, repair->zxid, body))) {
            viv_zab_fatal(zab, "a configuration of the ensemble cannot be read");
        }
    }
}

static void heard_reply(struct viv_zab *zab, uint64_t slot, enum viv_repair_reply reply)
{
    struct viv_repair_answers *answers = &zab->repair.answers;
    if (!leads_repairing(zab)) {
        if (zab->learner.stage == VIV_LEARNER_RECEIVING) {
            take_snapshot(zab);
        }
        return;
    }
    answers->absent |= reply == VIV_REPAIR_ABSENT ? slot : 0;
    answers->uncertain |= reply == VIV_REPAIR_UNCERTAIN ? slot : 0;
    answers->unknown |= reply == VIV_REPAIR_UNKNOWN ? slot : 0;
    if (reply == VIV_REPAIR_GONE) {
        yield(zab);
    } else if (judge(zab) == VIV_REPAIR_DROP) {
        drop(zab);
    }
}

static void heard_answer(struct viv_zab *zab, uint32_t link, const struct viv_packet *packet)
{
    struct viv_repair_answer answer;
    const struct viv_leader_peer *peer = zab->state == VIV_LEADING ? viv_peers_find(&zab->leader.peers, link) : NULL;
    uint64_t slot = peer != NULL && peer->index >= 0 ? UINT64_C(1) << peer->index : 0;
    bool is_due = zab->repair.zxid != 0 && packet->zxid == zab->repair.zxid && !zab->durable.repairing &&
                  !zab->durable.truncating && !zab->durable.installing &&
                  (peer == NULL || peer->stage >= VIV_PEER_PROMISED);
    if (!is_due || viv_repair_answer_decode(packet->data, &answer) != VIV_OK) {
        return; /* late, unasked or nonsense */
    }
    if (answer.reply == VIV_REPAIR_HAVE) {
        have(zab, answer.body);
    } else {
        heard_reply(zab, slot, answer.reply);
    }
}

void viv_repair_stored(struct viv_zab *zab, const struct viv_zab_input *input)
{
    struct viv_repair *repair = &zab->repair;
    (void)input;
    viv_durable_repaired(zab);
    forget(repair, repair->zxid);
    repair->zxid = 0;
    repair->repairs++;
    if (viv_repair_is_due(zab) || leads_repairing(zab) || zab->learner.stage == VIV_LEARNER_RECEIVING) {
        viv_repair_go_on(zab);
    }
    if (zab->state != VIV_LOOKING) {
        viv_zab_deliver(zab);
    }
}

/* ---- answering ---- */

static void send_answer(struct viv_zab *zab, uint32_t link, uint64_t zxid, const struct viv_repair_answer *answer)
{
    struct viv_buffer data = {0};
    viv_repair_answer_encode(&data, answer);
    send(zab, link, VIV_PACKET_REPAIR_ANSWER, zxid, &data);
}

static void answer_entry(struct viv_zab *zab, uint32_t link, const struct viv_entry *entry)
{
    const struct viv_repair *repair = &zab->repair;
    struct viv_repair_answer answer = {.reply = VIV_REPAIR_HAVE, .body = entry->body};
    if (viv_entry_is_damaged(entry)) {
        bool is_uncertain = repair->uncertain_from_zxid != 0 && entry->zxid >= repair->uncertain_from_zxid;
        answer = (struct viv_repair_answer){.reply = is_uncertain ? VIV_REPAIR_UNCERTAIN : VIV_REPAIR_UNKNOWN};
    }
    send_answer(zab, link, entry->zxid, &answer);
}

/* That it is not in our log says something only when we have a past: a server that lost its disk, or whose log a
 * snapshot has shortened, or does not join its image, may have acknowledged it. */
static enum viv_repair_reply absence(const struct viv_zab *zab)
{
    return zab->durable.current_epoch > 0 && !zab->repair.is_baseless ? VIV_REPAIR_ABSENT : VIV_REPAIR_UNKNOWN;
}

/* Whether the copy is the one that is wanted, the asker sees by its checksum. */
static void answer(struct viv_zab *zab, uint32_t link, const struct viv_packet *packet)
{
    const struct viv_history *history = &zab->history;
    struct viv_repair_ask ask;
    if (packet->zxid == 0 || viv_repair_ask_decode(packet->data, &ask) != VIV_OK) {
        return;
    }
    if (packet->zxid <= history->floor_zxid) {
        struct viv_zab_output *output = viv_zab_emit(zab, VIV_ZAB_READ);
        output->link = link;
        output->zxid_from = packet->zxid - 1;
        output->zxid = packet->zxid;
        output->flag = true;
        return;
    }
    size_t above = viv_history_above(history, packet->zxid);
    const struct viv_entry *entry = above > 0 ? viv_history_at(history, above - 1) : NULL;
    if (entry != NULL && entry->zxid == packet->zxid) {
        answer_entry(zab, link, entry);
    } else {
        send_answer(zab, link, packet->zxid, &(struct viv_repair_answer){.reply = absence(zab)});
    }
}

void viv_repair_log_data(struct viv_zab *zab, const struct viv_zab_input *input)
{
    bool is_there = zab->state == VIV_LEADING ? viv_peers_find(&zab->leader.peers, input->link) != NULL
                                              : input->link == zab->learner.link && input->link != 0;
    if (!is_there || (input->entry_count == 0 && !input->last)) {
        return;
    }
    if (input->entry_count > 0) {
        answer_entry(zab, input->link, &input->entries[0]);
    } else {
        bool is_in_image = input->is_gone && !zab->repair.is_baseless;
        enum viv_repair_reply reply = is_in_image ? VIV_REPAIR_GONE : absence(zab);
        send_answer(zab, input->link, input->zxid, &(struct viv_repair_answer){.reply = reply});
    }
}

bool viv_repair_heard(struct viv_zab *zab, uint32_t link, const struct viv_packet *packet)
{
    if (packet->type == VIV_PACKET_REPAIR_ASK) {
        answer(zab, link, packet);
    } else if (packet->type == VIV_PACKET_REPAIR_ANSWER) {
        heard_answer(zab, link, packet);
    } else {
        return false;
    }
    return true;
}

void viv_repair_tick(struct viv_zab *zab)
{
    struct viv_repair *repair = &zab->repair;
    bool serves = zab->learner.stage == VIV_LEARNER_SERVES || zab->leader.stage == VIV_LEADER_BROADCASTING;
    if (serves) {
        look_after_delivered(zab);
    } else if (viv_repair_is_due(zab) && may_ask(zab) && zab->now_ms >= repair->ask_at_ms) {
        viv_repair_go_on(zab); /* the question also shows that its asker is alive */
    }
    if (leads_repairing(zab) && repair->zxid != 0 && !zab->durable.repairing) {
        say(zab);
    }
}
