#ifndef VIV_SERVER_SASL_PORT_H
#define VIV_SERVER_SASL_PORT_H

#include "node/event.h"
#include "server/config.h"

/* Answers the node's CLIENT_SASL actions: one exchange a connection, kept between its tokens. The tokens of a turn are
 * answered when the turn's other actions are performed. */

struct viv_server;
struct viv_sasl_port;

/* True when the configuration asks for SASL. */
bool viv_sasl_port_is_wanted(const struct viv_config *config);
/* The failure was logged with what to do. */
viv_status viv_sasl_port_open(struct viv_server *server, struct viv_sasl_port **out) VIV_MUST_USE;
void viv_sasl_port_close(struct viv_sasl_port *port); /* NULL is nothing */
void viv_sasl_port_take(struct viv_sasl_port *port, viv_conn conn, struct viv_bytes token);
/* The connection is gone. NULL is nothing. */
void viv_sasl_port_forget(struct viv_sasl_port *port, viv_conn conn);
/* Steps a CLIENT_SASL_DONE for every token taken. NULL is nothing. */
void viv_sasl_port_serve(struct viv_sasl_port *port);

#endif /* VIV_SERVER_SASL_PORT_H */
