#ifndef VIV_SERVER_ELECTION_PORT_H
#define VIV_SERVER_ELECTION_PORT_H

#include "base/bytes.h"
#include "base/entry.h"
#include "base/status.h"

/* Election messages between servers, over at most one connection a pair (zab.md §3.3): the larger sid owns it, a
 * smaller one that dials is dialled back. The outgoing queue of a peer holds one message, and a new connection begins
 * with the last one ever sent, because messages state where a server stands and only the latest matters.
 *
 * Knows the initial message and the frame; what is in a message is the node's business. */

struct viv_server;
struct viv_election_port;

struct viv_election_port *viv_election_port_new(struct viv_server *server);
void viv_election_port_free(struct viv_election_port *port); /* after the loop has closed every handle */
viv_status viv_election_port_listen(struct viv_election_port *port) VIV_MUST_USE;
void viv_election_port_stop(struct viv_election_port *port);
/* Body of an election message; dials when there is no connection. */
void viv_election_port_send(struct viv_election_port *port, viv_sid sid, struct viv_bytes body);
/* Dials again for messages that could not be sent. Called on every tick. */
void viv_election_port_tick(struct viv_election_port *port);

/* The members of the ensemble are others now, or elsewhere. */
void viv_election_port_heed_members(struct viv_election_port *port);
/* This server's own address is another one: listens there. Connections stay. */
void viv_election_port_move(struct viv_election_port *port);
/* Whether a connection to that server stands now. */
bool viv_election_port_reaches(const struct viv_election_port *port, viv_sid sid);

#endif /* VIV_SERVER_ELECTION_PORT_H */
