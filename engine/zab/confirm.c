#include "zab/confirm.h"

#include "base/assert.h"
#include "zab/zab_internal.h"

/* Between our own servers a PING with empty data asks for nothing but itself: no table of sessions is wanted each time.
 */
static void send_round(struct viv_zab *zab)
{
    struct viv_leader *leader = &zab->leader;
    for (size_t i = 0; i < leader->peers.count; i++) {
        const struct viv_leader_peer *peer = &leader->peers.items[i];
        if (!peer->is_follower || peer->stage != VIV_PEER_SERVES) {
            continue;
        }
        if (peer->native) {
            viv_zab_send_data(zab, peer->link, VIV_PACKET_PING, leader->confirm.round, (struct viv_bytes){0});
        } else {
            viv_zab_send(zab, peer->link, VIV_PACKET_PING, leader->confirm.round);
        }
    }
}

static bool is_answered(const struct viv_zab *zab)
{
    const struct viv_leader *leader = &zab->leader;
    uint64_t set = viv_membership_voter(&zab->membership, zab->sid);
    for (size_t i = 0; i < leader->peers.count; i++) {
        const struct viv_leader_peer *peer = &leader->peers.items[i];
        if (peer->is_follower && peer->index >= 0 && peer->stage >= VIV_PEER_SYNCED &&
            peer->confirmed_round >= leader->confirm.round) {
            set |= UINT64_C(1) << peer->index;
        }
    }
    return viv_membership_has(&zab->membership, set);
}

/* Rounds follow one another while somebody waits. */
static void go_on(struct viv_zab *zab)
{
    struct viv_confirm *confirm = &zab->leader.confirm;
    while (confirm->sent > confirm->done && is_answered(zab)) {
        confirm->done = confirm->sent;
        viv_zab_emit(zab, VIV_ZAB_CONFIRMED)->zxid = confirm->done;
        if (confirm->asked > confirm->sent) {
            confirm->sent = confirm->asked;
            confirm->round++;
            send_round(zab);
        }
    }
}

void viv_confirm_ask(struct viv_zab *zab, uint64_t mark)
{
    struct viv_confirm *confirm = &zab->leader.confirm;
    VIV_ASSERT(mark > confirm->asked);
    confirm->asked = mark;
    if (confirm->sent == confirm->done) {
        confirm->sent = mark;
        confirm->round++;
        send_round(zab);
        go_on(zab);
    }
}

void viv_confirm_heard(struct viv_zab *zab, struct viv_leader_peer *peer, uint64_t round)
{
    if (round <= zab->leader.confirm.round && round > peer->confirmed_round) {
        peer->confirmed_round = round;
        go_on(zab);
    }
}

void viv_confirm_end(struct viv_zab *zab)
{
    struct viv_confirm *confirm = &zab->leader.confirm;
    confirm->asked = confirm->sent = confirm->done = 0;
}
