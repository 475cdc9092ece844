#ifndef VIV_ADMIN_ADMIN_H
#define VIV_ADMIN_ADMIN_H

#include <uv.h>

#include "base/status.h"

/* The HTTP ports of a server: the admin port with ZooKeeper's commands, health and metrics, and the port that
 * Prometheus scrapes. Which are open, and where, is the configuration's to say. */

struct viv_server;
struct viv_admin;

struct viv_admin *viv_admin_new(struct viv_server *server, uv_loop_t *loop);
/* Opens what the configuration wants. VIV_ERR_BUSY: a port that it names is taken. It was logged with what to do. The
 * admin port that nobody asked for is only missed. */
viv_status viv_admin_listen(struct viv_admin *admin) VIV_MUST_USE;
/* After each turn of the loop. */
void viv_admin_turn(struct viv_admin *admin);
/* The ports that are open, -1 for one that is not. */
int viv_admin_port(const struct viv_admin *admin);
int viv_admin_metrics_port(const struct viv_admin *admin);
void viv_admin_stop(struct viv_admin *admin);
void viv_admin_free(struct viv_admin *admin); /* after the loop has closed every handle */

#endif /* VIV_ADMIN_ADMIN_H */
