#ifndef VIV_SERVER_MEASURE_H
#define VIV_SERVER_MEASURE_H

#include "metrics/metrics.h"

/* The numbers of a running server, for those who show them. On the loop thread, between steps. */

struct viv_server;

/* Brings every number up to date. *view says what this server is just now. Borrowed from the server. */
const struct viv_metrics *viv_server_metrics(struct viv_server *server, struct viv_metrics_view *view);

#endif /* VIV_SERVER_MEASURE_H */
