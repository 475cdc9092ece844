#ifndef VIV_SERVER_ENSEMBLE_H
#define VIV_SERVER_ENSEMBLE_H

#include <uv.h>

#include "server/config.h"

/* Who belongs to the ensemble as far as the ports are concerned: addresses of all members, those of a configuration
 * that is still proposed among them. At the start from the configuration file or, when the ensemble has changed since,
 * from what the server's own log says; then from the node.
 *
 * A configuration that became the active one is written beside the configuration file, FILE.dynamic.VERSION, as
 * ZooKeeper does; nothing here reads it again. Does not know who leads or votes. */

struct viv_server;

struct viv_ensemble {
    struct viv_members members;
    struct viv_member self; /* this server's own line; the last one there was when it is no member any more */
    uint64_t version;       /* of the active configuration */
    bool cannot_write;      /* the file; said once */
};

/* Before the ports open: `active` is what the node has recovered. */
void viv_ensemble_begin(struct viv_server *server, struct viv_bytes active);
/* Where the ports for other servers open: "" is every interface, for a server of several addresses, which listens on
 * the ports of the first. */
const char *viv_ensemble_own_host(const struct viv_member *self);
/* VIV_ACTION_MEMBERS. Ports whose address has changed for this server are opened anew. */
void viv_ensemble_take(struct viv_server *server, struct viv_bytes active, struct viv_bytes proposed);

#endif /* VIV_SERVER_ENSEMBLE_H */
