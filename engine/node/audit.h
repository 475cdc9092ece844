#ifndef VIV_NODE_AUDIT_H
#define VIV_NODE_AUDIT_H

#include "node/node_internal.h"

/* What the audit log is told (admin.md §6): each write of a client, by the server that the client is attached to, when
 * it is answered; and the end of ephemerals, by every server. Lines in ZooKeeper's format, made here because only here
 * request, identities and outcome meet; where they go is the skin's business. Nothing of this is called unless the
 * configuration wants it. */

/* A write was answered. `request` holds its record; `applied` is its transaction, NULL when it was refused before there
 * was one. */
void viv_audit_answered(struct viv_node *node, const struct viv_connection *connection,
                        const struct viv_pending *request, const struct viv_applied *applied);
/* A session ended, and its ephemerals with it. */
void viv_audit_session_closed(struct viv_node *node, const struct viv_applied *applied);

#endif /* VIV_NODE_AUDIT_H */
