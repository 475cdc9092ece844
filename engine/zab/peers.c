#include "zab/peers.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

/* Every member may have an old and a new connection. */
enum { PEERS_MAX = 2 * VIV_MEMBERS_MAX };

static const uint16_t moves[VIV_PEER_STAGE_COUNT] = {
    [VIV_PEER_STRANGER] = 1 << VIV_PEER_INTRODUCED,
    [VIV_PEER_INTRODUCED] = 1 << VIV_PEER_ASKED,
    [VIV_PEER_ASKED] = 1 << VIV_PEER_PROMISED,
    [VIV_PEER_PROMISED] = 1 << VIV_PEER_READING | 1 << VIV_PEER_SNAPPING | 1 << VIV_PEER_FOLLOWS,
    [VIV_PEER_READING] = 1 << VIV_PEER_READING | 1 << VIV_PEER_SNAPPING | 1 << VIV_PEER_FOLLOWS,
    [VIV_PEER_SNAPPING] = 1 << VIV_PEER_READING | 1 << VIV_PEER_FOLLOWS,
    [VIV_PEER_FOLLOWS] = 1 << VIV_PEER_SYNCED,
    [VIV_PEER_SYNCED] = 1 << VIV_PEER_SERVES,
};

void viv_peers_fini(struct viv_peers *peers)
{
    free(peers->items);
    *peers = (struct viv_peers){0};
}

struct viv_leader_peer *viv_peers_add(struct viv_peers *peers, uint32_t link, uint64_t now_ms)
{
    VIV_ASSERT(viv_peers_find(peers, link) == NULL);
    if (peers->count == PEERS_MAX) {
        return NULL;
    }
    if (peers->count == peers->capacity) {
        peers->capacity = peers->capacity == 0 ? 8 : peers->capacity * 2;
        peers->items = viv_realloc(peers->items, peers->capacity * sizeof *peers->items);
    }
    struct viv_leader_peer *peer = &peers->items[peers->count++];
    *peer = (struct viv_leader_peer){.stage = VIV_PEER_STRANGER, .link = link, .index = -1, .heard_at_ms = now_ms};
    return peer;
}

struct viv_leader_peer *viv_peers_find(struct viv_peers *peers, uint32_t link)
{
    for (size_t i = 0; i < peers->count; i++) {
        if (peers->items[i].link == link) {
            return &peers->items[i];
        }
    }
    return NULL;
}

const char *viv_peers_object(struct viv_peers *peers, const struct viv_leader_peer *newcomer, viv_sid sid,
                             uint64_t now_ms, uint64_t alive_ms, struct viv_leader_peer **older)
{
    *older = NULL;
    if (viv_sid_set_has(&newcomer->barred, sid)) {
        return "its certificate is not made for the server that it says it is";
    }
    for (size_t i = 0; i < peers->count; i++) {
        *older = peers->items[i].sid == sid ? &peers->items[i] : *older;
    }
    bool is_proved = viv_sid_set_has(&newcomer->proved, sid);
    bool is_alive = *older != NULL && now_ms - (*older)->heard_at_ms < alive_ms;
    return is_alive && !is_proved ? "the server that it says it is has a live connection" : NULL;
}

void viv_peers_forget(struct viv_peers *peers, struct viv_leader_peer *peer)
{
    size_t index = (size_t)(peer - peers->items);
    VIV_ASSERT(index < peers->count);
    memmove(peer, peer + 1, (peers->count - index - 1) * sizeof *peer);
    peers->count--;
}

void viv_peers_advance(struct viv_leader_peer *peer, enum viv_peer_stage stage)
{
    VIV_ASSERT(moves[peer->stage] & (1 << stage));
    peer->stage = stage;
}

uint64_t viv_peers_at(const struct viv_peers *peers, enum viv_peer_stage stage, bool as_observers)
{
    uint64_t set = 0;
    for (size_t i = 0; i < peers->count; i++) {
        const struct viv_leader_peer *peer = &peers->items[i];
        bool counts = peer->is_follower || (as_observers && peer->native);
        set |= counts && peer->index >= 0 && peer->stage >= stage ? UINT64_C(1) << peer->index : 0;
    }
    return set;
}

uint64_t viv_peers_counted(const struct viv_peers *peers)
{
    uint64_t set = 0;
    for (size_t i = 0; i < peers->count; i++) {
        set |= peers->items[i].counted && peers->items[i].index >= 0 ? UINT64_C(1) << peers->items[i].index : 0;
    }
    return set;
}
