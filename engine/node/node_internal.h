#ifndef VIV_NODE_NODE_INTERNAL_H
#define VIV_NODE_NODE_INTERNAL_H

#include "base/rate.h"
#include "node/connection.h"
#include "node/group.h"
#include "node/limit.h"
#include "node/identity.h"
#include "node/listing.h"
#include "node/node.h"
#include "node/request_measure.h"
#include "node/strange.h"
#include "node/attachment.h"
#include "node/watch.h"

/* Reads that show all that was acknowledged before they were asked: each waits for the point at which it may read,
 * for which all of a turn ask the leader together. */
struct viv_freshness {
    bool is_wanted;          /* otherwise reads wait for nothing */
    uint64_t next, reached;  /* points: the one that reads of this turn get; the last that was reached */
    viv_conn asker;          /* somebody asked in this turn, this one first; 0: nobody */
    struct viv_fifo waiting; /* struct viv_fresh_wait, by point */
};

/* The leader is asked whether a session lives that a client wants to go on with. */
struct viv_revalidation {
    viv_conn conn; /* 0: answered */
    int64_t session_id;
    bool is_over; /* the leader says so; the connection waits until the tree shows it */
};

/* The session side's view of the node: everything a client's request can meet. The group side (node/group.h) does not
 * see it. */

struct viv_node {
    struct viv_turn turn;
    bool in_turn;
    unsigned turn_events; /* steps of this turn so far */
    struct viv_links links;
    struct viv_group group;
    struct viv_connections connections;
    struct viv_attachments sessions;
    struct viv_watches *watches;
    struct viv_identity_rules identity;
    struct viv_listings listings;
    struct viv_buffer record, events; /* the reply being made */
    struct viv_fifo handshaking;      /* viv_conn: opened, in order; some have finished or gone */
    struct viv_fifo revalidating;     /* struct viv_revalidation, in the order of the questions */
    struct viv_freshness freshness;
    struct viv_buffer config_text; /* until recovery has used it */
    bool audits;                   /* writes are told to the audit log */
    struct viv_buffer audit_user;
    uint32_t session_timeout_min_ms, session_timeout_max_ms, tick_ms;
    struct viv_node_policy policy; /* its texts are in policy_texts */
    struct viv_buffer policy_texts;
    struct viv_read_bounds read_bounds;
    struct viv_rate new_sessions; /* burst 0: all are admitted */
    struct viv_limits limits;
    struct viv_log_gate too_much; /* connections closed for what they asked for at once */
    struct viv_expiry local;      /* sessions that only this server knows */
    bool is_looking, is_read_only;
    uint64_t looking_since_ms;

    /* for operators */
    struct viv_metrics *metrics;
    struct viv_request_measure measure;
    uint64_t frames_received, requests;
    struct viv_strangeness strangeness;
    bool traced_connection, traced_read;
};

/* handshake.c */
/* A connection was opened. */
void viv_handshake_expect(struct viv_node *node, struct viv_connection *connection);
/* A connection's first frame. */
void viv_handshake_take(struct viv_node *node, struct viv_connection *connection, struct viv_bytes frame);
/* Asks for the createSession of the connection's session. 0, or the code of a refusal. */
int32_t viv_handshake_propose(struct viv_node *node, const struct viv_connection *connection);
/* Its createSession is in the tree. */
void viv_handshake_created(struct viv_node *node, struct viv_connection *connection, const struct viv_applied *applied,
                           const struct viv_mark *mark);
/* The leader's answer to the oldest question about this session. */
void viv_handshake_attached(struct viv_node *node, int64_t session_id, bool known);
/* A session is over, and the tree shows it. */
void viv_handshake_ended(struct viv_node *node, int64_t session_id);
/* Closes those that have not finished their handshake in time. */
void viv_handshake_tick(struct viv_node *node);

/* request.c */
void viv_request_take(struct viv_node *node, struct viv_connection *connection, struct viv_bytes frame);
/* The session is there: what came before it is served now. */
void viv_request_take_early(struct viv_node *node, struct viv_connection *connection);
/* The oldest of what came while the connection waited is refused. */
void viv_request_refuse_early(struct viv_node *node, struct viv_connection *connection, int32_t err);
/* Answers everything at the head of the order that waits for nothing. */
void viv_request_advance(struct viv_node *node, struct viv_connection *connection);
/* The long answer that others waited behind was taken. */
void viv_request_drained(struct viv_node *node, struct viv_connection *connection);
void viv_request_answer(struct viv_node *node, struct viv_connection *connection, const struct viv_pending *request,
                        const struct viv_subject *subject, int32_t err, struct viv_bytes record);
/* The request was answered: for operators. */
void viv_request_count(struct viv_node *node, struct viv_connection *connection, const struct viv_pending *request,
                       const struct viv_subject *subject, uint64_t zxid);
void viv_request_synced(struct viv_node *node, viv_conn conn);
void viv_request_refused(struct viv_node *node, int64_t session_id, int32_t cxid, int32_t err);
/* Detached from session and watches at once; closed at the end of the turn, after what is said already. */
void viv_request_close(struct viv_node *node, struct viv_connection *connection);

void viv_request_close_all(struct viv_node *node);

/* authenticate.c */
void viv_authenticate_auth(struct viv_node *node, struct viv_connection *connection, int32_t xid,
                           struct viv_bytes record);
/* Makes the connection wait for the outcome. */
void viv_authenticate_sasl(struct viv_node *node, struct viv_connection *connection, int32_t xid,
                           struct viv_bytes record);
void viv_authenticate_sasl_done(struct viv_node *node, struct viv_connection *connection,
                                const struct viv_event *event);
/* False: refused and closed, for it has not proved what is required. */
bool viv_authenticate_enough(struct viv_node *node, struct viv_connection *connection, int32_t xid);

/* local_session.c */
bool viv_local_knows(const struct viv_node *node, int64_t session_id);
/* From now on, or again, with the connection's timeout. */
void viv_local_track(struct viv_node *node, const struct viv_connection *connection);
void viv_local_touch(struct viv_node *node, const struct viv_attachment *session);
/* Ends the connection's session, and the connection. */
void viv_local_end(struct viv_node *node, struct viv_connection *connection);
void viv_local_tick(struct viv_node *node);
/* True for a write that makes an ephemeral. */
bool viv_local_needs_global(int32_t op, struct viv_bytes record);
/* Makes the connection wait for its session to become a global one. 0, or the code of a refusal. */
int32_t viv_local_upgrade(struct viv_node *node, struct viv_connection *connection);
void viv_local_upgrade_refused(struct viv_node *node, struct viv_connection *connection, int32_t err);
/* The createSession of a session that may be a local one is in the tree. */
void viv_local_made_global(struct viv_node *node, int64_t session_id);

/* read_only.c */
void viv_read_only_tick(struct viv_node *node);
void viv_read_only_looking(struct viv_node *node, bool is_looking);
/* True for what is answered VIV_REPLY_NOT_READ_ONLY. */
bool viv_read_only_refuses(int32_t op);

/* fresh.c: reads that show all that was acknowledged before they were asked. Each waits for the point at which it may
 * read; all of a turn ask the leader for one together. */
void viv_fresh_init(struct viv_node *node, bool is_wanted);
/* The point that the read of this connection is to wait for; 0: it may read now. */
uint64_t viv_fresh_point(struct viv_node *node, const struct viv_connection *connection, int32_t op);
/* Does the oldest request wait for its point? */
bool viv_fresh_is_early(const struct viv_node *node, const struct viv_pending *front);
/* True when the connection's newest request is a read that waits for its point: what comes behind it and is no read
 * waits as well, since its answer would not wait. */
bool viv_fresh_holds(const struct viv_node *node, const struct viv_connection *connection);
/* The oldest point that was asked for is in the tree. */
void viv_fresh_reached(struct viv_node *node);
void viv_fresh_forget(struct viv_node *node);
void viv_fresh_turn_end(struct viv_node *node);

/* write_path.c */
/* A transaction is in the tree: watches fire, then whoever waits for it is answered. */
void viv_write_applied(struct viv_node *node, const struct viv_applied *applied, const struct viv_mark *mark);

#endif /* VIV_NODE_NODE_INTERNAL_H */
