#ifndef VIV_SERVER_QUORUM_PORT_H
#define VIV_SERVER_QUORUM_PORT_H

#include "base/bytes.h"
#include "base/entry.h"
#include "base/status.h"

/* Links between leader and learners: plain byte streams, accepted while this server leads, dialled while it learns.
 * The node reads and writes the packets in them. */

struct viv_server;
struct viv_quorum_port;

/* From this many unsent bytes down a sender is told that it may go on. */
enum { VIV_LINK_DRAINED_BYTES = 256 << 10 };

struct viv_quorum_port *viv_quorum_port_new(struct viv_server *server);
void viv_quorum_port_free(struct viv_quorum_port *port); /* after the loop has closed every handle */
void viv_quorum_port_stop(struct viv_quorum_port *port);

/* The node's actions; a link may be gone already. Bytes stay valid until viv_quorum_port_flush. */
void viv_quorum_port_listen(struct viv_quorum_port *port, bool is_listening);
bool viv_quorum_port_is_listening(const struct viv_quorum_port *port);
void viv_quorum_port_dial(struct viv_quorum_port *port, viv_sid sid);
void viv_quorum_port_send(struct viv_quorum_port *port, uint32_t link, struct viv_bytes bytes, bool tell_drained);
void viv_quorum_port_close(struct viv_quorum_port *port, uint32_t link);
void viv_quorum_port_flush(struct viv_quorum_port *port);
/* Of all links. */
size_t viv_quorum_port_unsent_bytes(const struct viv_quorum_port *port);
/* Reports what a flush has drained. Called when a turn begins. */
void viv_quorum_port_resume(struct viv_quorum_port *port);
/* Tries again to listen when the port was taken. Called on every tick. */
void viv_quorum_port_tick(struct viv_quorum_port *port);

#endif /* VIV_SERVER_QUORUM_PORT_H */
