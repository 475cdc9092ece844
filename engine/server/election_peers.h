#ifndef VIV_SERVER_ELECTION_PEERS_H
#define VIV_SERVER_ELECTION_PEERS_H

#include "wire/members.h"

/* The servers that election messages are exchanged with: the members of the ensemble, and guests, who are answered so
 * that they learn of it but are no members: servers that join, or were removed. Entries never move. Does not know
 * sockets. */

struct viv_election_connection;

struct viv_election_peer {
    viv_sid sid; /* 0: free */
    bool is_member;
    char host[VIV_MEMBER_HOST_BYTES];
    int port;
    struct viv_election_connection *connection; /* the one that carries messages; NULL while there is none */
    struct viv_election_connection *dialling;   /* at most one dial at a time */
    struct viv_buffer last;                     /* the last message given to us, with its length in front */
    bool is_unsent;                             /* `last` was not handed to a connection yet */
    uint64_t dialled_ms;
    size_t dials; /* ever; each takes the next of a member's addresses */
};

enum { VIV_ELECTION_GUESTS_MAX = 16, VIV_ELECTION_PEERS_MAX = VIV_MEMBERS_MAX + VIV_ELECTION_GUESTS_MAX };

struct viv_election_peers {
    struct viv_election_peer items[VIV_ELECTION_PEERS_MAX];
};

void viv_election_peers_fini(struct viv_election_peers *peers);
struct viv_election_peer *viv_election_peers_find(struct viv_election_peers *peers, viv_sid sid); /* NULL: none */
/* These are the members from now on, but for this server itself; who was one stays as a guest. */
void viv_election_peers_set(struct viv_election_peers *peers, const struct viv_members *members, viv_sid self);
/* A guest who says that he answers at "host:port" (or several of them with '|' between). NULL: that cannot be read, or
 * there is no room. */
struct viv_election_peer *viv_election_peers_admit(struct viv_election_peers *peers, viv_sid sid,
                                                   struct viv_bytes address);

/* Turns to the next address of a member, where it has several. */
void viv_election_peers_next_address(struct viv_election_peer *peer, const struct viv_members *members);
/* How a server introduces itself: all its addresses, with '|' between. */
void viv_election_peers_own_address(const struct viv_member *self, struct viv_buffer *out);

#endif /* VIV_SERVER_ELECTION_PEERS_H */
