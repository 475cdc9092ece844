#ifndef VIV_EXPERIMENTS_LAB_NULL_SERVER_H
#define VIV_EXPERIMENTS_LAB_NULL_SERVER_H

#include "client/client.h"

/* A server that keeps nothing and answers everything at once, except while it is frozen: it reads nothing for
 * freeze_ns at the end of every period_ns. What a load generator should measure against it is known beforehand. */

struct viv_null_server;

/* Listens on a free port of 127.0.0.1 and serves in a thread. period_ns 0: never freezes. VIV_ERR_SYSTEM. */
viv_status viv_null_server_start(uint64_t period_ns, uint64_t freeze_ns, struct viv_null_server **out) VIV_MUST_USE;
void viv_null_server_stop(struct viv_null_server *server);
/* The freezes that really were, in ns: a busy machine wakes the server later than planned. At most `max` of them are
 * copied; returns how many there were. Call after the load and before the stop. */
size_t viv_null_server_freezes(const struct viv_null_server *server, uint64_t *lengths_ns, size_t max);
struct viv_client_address viv_null_server_address(const struct viv_null_server *server);

#endif /* VIV_EXPERIMENTS_LAB_NULL_SERVER_H */
