#include "zab/learner.h"

#include "base/assert.h"
#include "zab/learner_internal.h"

enum {
    /* A Java leader listens before it is elected, one of ours when it is: whoever refuses longer is gone. */
    DIAL_MS_MAX = 1000,
};

static void dial(struct viv_zab *zab)
{
    zab->learner.stage = VIV_LEARNER_DIALLING;
    viv_zab_emit(zab, VIV_ZAB_LINK_DIAL)->sid = zab->learner.leader;
}

void viv_learner_connect_anew(struct viv_zab *zab)
{
    struct viv_learner *learner = &zab->learner;
    learner->link = 0;
    learner->native = learner->beats = false;
    learner->newleader_seen = false;
    viv_buffer_clear(&learner->announced);
    learner->designated = 0;
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
    viv_learner_connect_anew(zab);
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
    viv_buffer_fini(&learner->announced);
}

/* ---- the leader's door ---- */

static void introduce(struct viv_zab *zab)
{
    struct viv_buffer data = {0};
    viv_learner_info_encode(&data, &(struct viv_learner_info){
                                       .sid = zab->sid,
                                       .protocol_version = VIV_ZAB_PROTOCOL_VERSION,
                                       .config_version = zab->membership.active.version,
                                       .native = true,
                                       .capabilities = VIV_ZAB_CAPABILITIES,
                                   });
    struct viv_bytes kept = viv_zab_keep(zab, viv_buffer_bytes(&data));
    viv_buffer_fini(&data);
    enum viv_packet_type type = zab->state == VIV_OBSERVING ? VIV_PACKET_OBSERVERINFO : VIV_PACKET_FOLLOWERINFO;
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
    viv_watch_leader_begin(zab);
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

/* ---- what it hears ---- */

/* Before there is anything to follow, a leader of our kind shows that it is there. */
static bool is_beat(struct viv_zab *zab, const struct viv_packet *packet)
{
    struct viv_learner *learner = &zab->learner;
    if (learner->stage >= VIV_LEARNER_RECEIVING || packet->type != VIV_PACKET_PING || !packet->has_data) {
        return false;
    }
    learner->beats = true;
    if (learner->stage > VIV_LEARNER_INTRODUCED) {
        viv_zab_send_data(zab, learner->link, VIV_PACKET_PING, packet->zxid, (struct viv_bytes){0});
    }
    return true;
}

void viv_learner_packet(struct viv_zab *zab, uint32_t link, const struct viv_packet *packet)
{
    struct viv_learner *learner = &zab->learner;
    if (link != learner->link || link == 0) {
        return;
    }
    learner->heard_at_ms = zab->now_ms;
    viv_watch_leader_heard(zab);
    if (is_beat(zab, packet)) {
        return;
    }
    if (learner->repairs && learner->stage >= VIV_LEARNER_OFFERED && viv_repair_heard(zab, link, packet)) {
        return;
    }
    if (learner->stage == VIV_LEARNER_INTRODUCED) {
        viv_learner_promise(zab, packet);
    } else if (learner->stage == VIV_LEARNER_OFFERED) {
        viv_learner_synchronise(zab, packet);
    } else if (learner->stage >= VIV_LEARNER_RECEIVING) {
        viv_learner_follow(zab, packet);
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
        viv_watch_leader_heard(zab);
    }
}

void viv_learner_pass(struct viv_zab *zab, uint32_t link, const struct viv_packet *packet)
{
    if (link == zab->learner.link && zab->learner.stage == VIV_LEARNER_SERVES) {
        viv_zab_pass(zab, link, packet);
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

/* ---- time passes ---- */

void viv_learner_tick(struct viv_zab *zab)
{
    struct viv_learner *learner = &zab->learner;
    bool serves = learner->stage == VIV_LEARNER_SERVES;
    if (learner->stage == VIV_LEARNER_IDLE) {
        return;
    }
    bool is_silent = learner->stage >= VIV_LEARNER_INTRODUCED && viv_watch_leader_is_silent(zab);
    if (zab->now_ms - learner->heard_at_ms > (serves ? zab->sync_limit_ms : zab->init_limit_ms)) {
        viv_zab_leave(zab, "nothing was heard of the leader");
    } else if (is_silent) {
        viv_zab_leave(zab, "the leader has been silent for longer than it ever was lately");
    } else if (learner->stage == VIV_LEARNER_PAUSING) {
        if (zab->now_ms >= learner->dial_until_ms) {
            viv_zab_leave(zab, "the leader does not listen");
        } else {
            dial(zab);
        }
    } else {
        viv_repair_tick(zab);
    }
}
