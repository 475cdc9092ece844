#ifndef VIV_NODE_ATTACHMENT_H
#define VIV_NODE_ATTACHMENT_H

#include "node/connection.h"

/* Sessions attached to this server: which connection each has, and which were active since they were last asked for.
 * Knows neither deadlines (the leader's, node/expiry.h) nor the replicated table. */

struct viv_attachment {
    int64_t id;
    int32_t timeout_ms;
    struct viv_connection *connection;
    uint64_t touched_round;
    bool is_local; /* only this server knows the session (node/local_session.c): it is not reported as touched */
};

struct viv_attachments {
    struct viv_table by_id;
    int64_t next_id;
    uint64_t round;            /* counts how often the touched ones were taken */
    struct viv_buffer touched; /* {i64 session, i32 timeout} */
};

/* Ids: server id in the top byte, then 40 bits of the wall clock at start, then a counter. */
void viv_attachments_init(struct viv_attachments *sessions, viv_sid sid, int64_t start_wall_ms);
void viv_attachments_fini(struct viv_attachments *sessions);
int64_t viv_attachments_make_id(struct viv_attachments *sessions);
struct viv_attachment *viv_attachments_find(const struct viv_attachments *sessions, int64_t session_id);
/* From now on the session is this connection's (connection->session_id, timeout_ms). Returns the connection that had
 * it before, detached now, or NULL. */
struct viv_connection *viv_attachments_take(struct viv_attachments *sessions, struct viv_connection *connection,
                                            bool is_local);
void viv_attachments_detach(struct viv_attachments *sessions, struct viv_connection *connection);
void viv_attachments_touch(struct viv_attachments *sessions, struct viv_attachment *session);
/* Appends the touched ones to `out` and begins anew. */
void viv_attachments_take_touched(struct viv_attachments *sessions, struct viv_buffer *out);

#endif /* VIV_NODE_ATTACHMENT_H */
