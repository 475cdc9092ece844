#include "tests/unit/zab/actor.h"

#include <stdlib.h>

#include "base/assert.h"
#include "base/checksum.h"
#include "base/endian.h"

enum { OURS = VIV_PEER_ENVELOPE | VIV_PEER_CUMULATIVE | VIV_PEER_BEATS };

void actor_init(struct actor *actor, const struct actor_config *config)
{
    static const struct viv_zab_member members[] = {
        {.sid = 1, .voter = true}, {.sid = 2, .voter = true}, {.sid = 3, .voter = true}, {.sid = 4}};
    *actor = (struct actor){.now_ms = 1000};
    actor->out.arena = &actor->arena;
    actor->zab = viv_zab_new(&(struct viv_zab_config){
        .sid = config->sid,
        .standalone = config->standalone,
        .members = members,
        .member_count = sizeof members / sizeof members[0],
        .config_text = VIV_BYTES_LITERAL("version=0"),
        .tick_ms = config->tick_ms > 0 ? config->tick_ms : 100,
        .adaptive = config->adaptive,
        .reconfigurable = config->reconfigurable,
        .diff_syncs_max = config->diff_syncs_max,
        .init_limit_ticks = 10,
        .sync_limit_ticks = 5,
        .seed = 1,
        .election_policy = config->policy,
        .election_slack = config->slack,
    });
    uint64_t last = 0;
    for (const uint64_t *zxid = config->zxids; zxid != NULL && *zxid != 0; zxid++) {
        struct viv_bytes body = config->body.size > 0 ? config->body : VIV_BYTES_LITERAL("body");
        struct viv_entry entry = {*zxid, body, viv_crc32c(0, body.data, body.size)};
        entry.body.data = *zxid == config->damaged_zxid ? NULL : entry.body.data;
        if (!config->baseless) {
            viv_zab_recover(actor->zab, &entry, *zxid <= config->committed_zxid);
        }
        last = *zxid;
    }
    struct viv_zab_start start = {.now_ms = actor->now_ms,
                                  .accepted_epoch = config->accepted_epoch,
                                  .current_epoch = config->current_epoch,
                                  .base_zxid = config->baseless ? last : 0,
                                  .applied_zxid = config->baseless ? last : config->committed_zxid,
                                  .last_zxid = last,
                                  .baseless = config->baseless};
    viv_zab_start(actor->zab, &start, &actor->out);
}

void actor_fini(struct actor *actor)
{
    viv_zab_free(actor->zab);
    free(actor->out.items);
    viv_arena_fini(&actor->arena);
}

void actor_give(struct actor *actor, struct viv_zab_input input)
{
    actor->out.count = 0;
    viv_arena_reset(&actor->arena);
    input.now_ms = actor->now_ms;
    viv_zab_step(actor->zab, &input, &actor->out);
}

void actor_tick(struct actor *actor, uint64_t ms)
{
    actor->now_ms += ms;
    actor_give(actor, (struct viv_zab_input){.kind = VIV_ZAB_TICK});
}

void actor_packet(struct actor *actor, uint32_t link, enum viv_packet_type type, uint64_t zxid, struct viv_bytes data)
{
    struct viv_packet packet = {.type = type, .zxid = zxid, .has_data = data.size > 0, .data = data};
    actor_give(actor, (struct viv_zab_input){.kind = VIV_ZAB_PACKET, .link = link, .packet = packet});
}

void actor_vote(struct actor *actor, viv_sid from, enum viv_server_state state, viv_sid leader, uint64_t zxid,
                uint64_t round, int64_t epoch)
{
    struct viv_vote vote = {.state = state, .leader = leader, .zxid = zxid, .round = round, .peer_epoch = epoch};
    actor_give(actor, (struct viv_zab_input){.kind = VIV_ZAB_VOTE, .sid = from, .vote = vote});
}

void actor_introduce(struct actor *actor, uint32_t link, viv_sid sid, uint32_t accepted, bool native)
{
    actor_introduce_as(actor, (struct viv_zab_input){.link = link, .proved.words[0] = UINT64_MAX}, sid, accepted,
                       native);
}

static void introduce(struct actor *actor, struct viv_zab_input up, uint32_t accepted,
                      const struct viv_learner_info *who)
{
    struct viv_buffer info = {0};
    up.kind = VIV_ZAB_LINK_UP;
    viv_learner_info_encode(&info, who);
    actor_give(actor, up);
    actor_packet(actor, up.link, who->sid >= 4 ? VIV_PACKET_OBSERVERINFO : VIV_PACKET_FOLLOWERINFO,
                 VIV_ZXID(accepted, 0), viv_buffer_bytes(&info));
    viv_buffer_fini(&info);
}

void actor_introduce_able(struct actor *actor, uint32_t link, viv_sid sid, uint32_t accepted, uint32_t capabilities)
{
    struct viv_learner_info who = {
        .sid = sid, .protocol_version = 0x10000, .native = true, .capabilities = capabilities};
    introduce(actor, (struct viv_zab_input){.link = link, .proved.words[0] = UINT64_MAX}, accepted, &who);
}

void actor_introduce_as(struct actor *actor, struct viv_zab_input up, viv_sid sid, uint32_t accepted, bool native)
{
    introduce(
        actor, up, accepted,
        &(struct viv_learner_info){.sid = sid, .protocol_version = 0x10000, .native = native, .capabilities = OURS});
}

void actor_ackepoch(struct actor *actor, uint32_t link, uint64_t zxid, int32_t epoch)
{
    uint8_t data[4];
    viv_store_be32(data, (uint32_t)epoch);
    actor_packet(actor, link, VIV_PACKET_ACKEPOCH, zxid, viv_bytes_of(data, sizeof data));
}

const struct viv_zab_output *actor_said(const struct actor *actor, enum viv_zab_output_kind kind)
{
    for (size_t i = 0; i < actor->out.count; i++) {
        if (actor->out.items[i].kind == kind) {
            return &actor->out.items[i];
        }
    }
    return NULL;
}

size_t actor_count(const struct actor *actor, enum viv_zab_output_kind kind)
{
    size_t count = 0;
    for (size_t i = 0; i < actor->out.count; i++) {
        count += actor->out.items[i].kind == kind;
    }
    return count;
}

const struct viv_packet *actor_sent(const struct actor *actor, uint32_t link, enum viv_packet_type type)
{
    for (size_t i = 0; i < actor->out.count; i++) {
        const struct viv_zab_output *output = &actor->out.items[i];
        if (output->kind == VIV_ZAB_SEND && output->link == link && output->packet.type == (int32_t)type) {
            return &output->packet;
        }
    }
    return NULL;
}

size_t actor_sent_count(const struct actor *actor, uint32_t link, enum viv_packet_type type)
{
    size_t count = 0;
    for (size_t i = 0; i < actor->out.count; i++) {
        const struct viv_zab_output *output = &actor->out.items[i];
        count += output->kind == VIV_ZAB_SEND && output->link == link && output->packet.type == (int32_t)type;
    }
    return count;
}

enum viv_server_state actor_state(const struct actor *actor)
{
    struct viv_zab_stats stats;
    viv_zab_stats(actor->zab, &stats);
    return stats.state;
}

void actor_elect(struct actor *actor)
{
    struct viv_zab_stats stats;
    viv_zab_stats(actor->zab, &stats);
    uint64_t last = viv_zab_last_proposed(actor->zab);
    for (viv_sid from = 1; from <= 2; from++) {
        actor_vote(actor, from, VIV_LOOKING, 3, last, 1, (int64_t)stats.current_epoch);
    }
    VIV_ASSERT(actor_state(actor) == VIV_LEADING);
}

void actor_lead(struct actor *actor, bool native_follower, uint64_t follower_zxid)
{
    struct viv_zab_stats stats;
    actor_elect(actor);
    viv_zab_stats(actor->zab, &stats);
    uint32_t current = stats.current_epoch;
    actor_introduce(actor, 1, 1, stats.accepted_epoch, native_follower);
    actor_give(actor, (struct viv_zab_input){.kind = VIV_ZAB_EPOCHS_STORED});
    actor_ackepoch(actor, 1, follower_zxid, (int32_t)current);
    actor_give(actor, (struct viv_zab_input){.kind = VIV_ZAB_EPOCHS_STORED});
    viv_zab_stats(actor->zab, &stats);
    actor_packet(actor, 1, VIV_PACKET_ACK, VIV_ZXID(stats.current_epoch, 0), (struct viv_bytes){0});
    VIV_ASSERT(viv_zab_is_broadcasting_leader(actor->zab));
}

void actor_follow(struct actor *actor, uint32_t epoch, bool native_leader)
{
    struct viv_buffer info = {0};
    struct viv_zab_stats stats;
    viv_store_be32(viv_buffer_extend(&info, 4), 0x10000);
    if (native_leader) {
        viv_peer_trailer_append(&info, OURS);
    }
    for (viv_sid from = 2; from <= 3; from++) {
        actor_vote(actor, from, from == 3 ? VIV_LEADING : VIV_FOLLOWING, 3, 1, 7, (int64_t)epoch);
    }
    viv_zab_stats(actor->zab, &stats);
    VIV_ASSERT(stats.leader == 3);
    actor_give(actor, (struct viv_zab_input){.kind = VIV_ZAB_LINK_UP, .link = 1, .sid = 3});
    actor_packet(actor, 1, VIV_PACKET_LEADERINFO, VIV_ZXID(epoch, 0), viv_buffer_bytes(&info));
    if (epoch > stats.accepted_epoch) {
        actor_give(actor, (struct viv_zab_input){.kind = VIV_ZAB_EPOCHS_STORED});
    }
    viv_buffer_fini(&info);
}
