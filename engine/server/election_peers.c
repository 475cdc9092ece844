#include "server/election_peers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void viv_election_peers_fini(struct viv_election_peers *peers)
{
    for (size_t i = 0; i < VIV_ELECTION_PEERS_MAX; i++) {
        viv_buffer_fini(&peers->items[i].last);
    }
}

struct viv_election_peer *viv_election_peers_find(struct viv_election_peers *peers, viv_sid sid)
{
    for (size_t i = 0; i < VIV_ELECTION_PEERS_MAX && sid != 0; i++) {
        if (peers->items[i].sid == sid) {
            return &peers->items[i];
        }
    }
    return NULL;
}

/* A free place, or that of a guest who is not connected. NULL: there is none. */
static struct viv_election_peer *find_room(struct viv_election_peers *peers)
{
    struct viv_election_peer *found = NULL;
    for (size_t i = 0; i < VIV_ELECTION_PEERS_MAX; i++) {
        struct viv_election_peer *peer = &peers->items[i];
        if (peer->sid == 0) {
            return peer;
        }
        bool is_idle = !peer->is_member && peer->connection == NULL && peer->dialling == NULL;
        found = is_idle && found == NULL ? peer : found;
    }
    return found;
}

static struct viv_election_peer *add(struct viv_election_peers *peers, viv_sid sid)
{
    struct viv_election_peer *peer = find_room(peers);
    if (peer != NULL) {
        viv_buffer_fini(&peer->last);
        *peer = (struct viv_election_peer){.sid = sid};
    }
    return peer;
}

void viv_election_peers_set(struct viv_election_peers *peers, const struct viv_members *members, viv_sid self)
{
    for (size_t i = 0; i < VIV_ELECTION_PEERS_MAX; i++) {
        peers->items[i].is_member = viv_members_find(members, peers->items[i].sid) != NULL;
    }
    for (size_t i = 0; i < members->count; i++) {
        const struct viv_member *member = &members->items[i];
        if (member->sid == self) {
            continue;
        }
        struct viv_election_peer *peer = viv_election_peers_find(peers, member->sid);
        peer = peer != NULL ? peer : add(peers, member->sid);
        if (peer != NULL) { /* else guests hold all the room for a moment: the next change, or their end, makes some */
            peer->is_member = true;
            memcpy(peer->host, member->host, sizeof peer->host);
            peer->port = member->election_port;
        }
    }
}

static size_t count_guests(const struct viv_election_peers *peers)
{
    size_t count = 0;
    for (size_t i = 0; i < VIV_ELECTION_PEERS_MAX; i++) {
        const struct viv_election_peer *peer = &peers->items[i];
        count += peer->sid != 0 && !peer->is_member && (peer->connection != NULL || peer->dialling != NULL);
    }
    return count;
}

struct viv_election_peer *viv_election_peers_admit(struct viv_election_peers *peers, viv_sid sid,
                                                   struct viv_bytes address)
{
    /* The form of a server line takes it apart; its second port is not used. */
    char line[VIV_MEMBER_HOST_BYTES + 32];
    const uint8_t *end = memchr(address.data, '|', address.size);
    size_t size = end != NULL ? (size_t)(end - address.data) : address.size;
    if (size >= VIV_MEMBER_HOST_BYTES || memchr(address.data, ';', size) != NULL ||
        count_guests(peers) >= VIV_ELECTION_GUESTS_MAX) {
        return NULL;
    }
    snprintf(line, sizeof line, "%.*s:1", (int)size, (const char *)address.data);
    const char *why;
    struct viv_member member = {.sid = sid};
    struct viv_election_peer *peer = viv_member_parse(line, &member, &why) ? add(peers, sid) : NULL;
    if (peer != NULL) {
        memcpy(peer->host, member.host, sizeof peer->host);
        peer->port = member.peer_port;
    }
    return peer;
}

void viv_election_peers_next_address(struct viv_election_peer *peer, const struct viv_members *members)
{
    const struct viv_member *member = viv_members_find(members, peer->sid);
    if (member != NULL) {
        struct viv_member_address address;
        viv_member_address(member, peer->dials++, &address);
        memcpy(peer->host, address.host, sizeof peer->host);
        peer->port = address.election_port;
    }
}

void viv_election_peers_own_address(const struct viv_member *self, struct viv_buffer *out)
{
    for (size_t i = 0; i < viv_member_address_count(self); i++) {
        struct viv_member_address address;
        viv_member_address(self, i, &address);
        viv_buffer_printf(out, strchr(address.host, ':') != NULL ? "%s[%s]:%d" : "%s%s:%d", i > 0 ? "|" : "",
                          address.host, address.election_port);
    }
}
