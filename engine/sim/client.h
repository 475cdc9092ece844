#ifndef VIV_SIM_CLIENT_H
#define VIV_SIM_CLIENT_H

#include "node/event.h"
#include "sim/plan.h"
#include "wire/records.h"

/* A client as the stock ones are: one connection at a time, a session that survives it, pings, timeouts, watches that
 * are set again. It does the operations of its plan one after the other and notes what it does and hears in the history
 * (sim/history.h). Checks nothing but its own order and time. */

struct viv_sim_world;

enum viv_sim_client_state {
    VIV_SIM_CLIENT_AWAY, /* no connection */
    VIV_SIM_CLIENT_DIALLING,
    VIV_SIM_CLIENT_HANDSHAKE,
    VIV_SIM_CLIENT_READY,
};

enum viv_sim_watch_kind { /* in the order of the lists of setWatches2 */
                          VIV_SIM_WATCH_DATA,
                          VIV_SIM_WATCH_EXIST,
                          VIV_SIM_WATCH_CHILD,
                          VIV_SIM_WATCH_PERSISTENT,
                          VIV_SIM_WATCH_RECURSIVE,
                          VIV_SIM_WATCH_KINDS,
};

struct viv_sim_watch {
    enum viv_sim_watch_kind kind;
    char path[VIV_SIM_PATH_BYTES_MAX];
};

/* A request that was sent and not answered. */
struct viv_sim_asked {
    int32_t xid, type;
    int64_t at_ns;
    bool wants_watch;
    struct viv_sim_watch watch;
    char path[VIV_SIM_PATH_BYTES_MAX];
};

enum { VIV_SIM_KNOWN_MAX = 32, VIV_SIM_MADE_MAX = 8 };

struct viv_sim_client {
    enum viv_sim_client_state state;
    uint32_t connection;
    size_t server;
    int64_t session_id;
    uint8_t password[16];
    int32_t timeout_ms;
    int64_t last_zxid;
    int32_t xid;
    uint64_t generation; /* of its next waking */
    int64_t wakes_ns;    /* INT64_MAX: not at all */
    int64_t heard_ns, sent_ns, next_ns, since_ns;
    int64_t silent_until_ns;
    const struct viv_sim_op **ops; /* of the plan, in order */
    size_t op_count, next_op;
    struct viv_sim_asked *asked;
    size_t asked_count, asked_capacity;
    struct viv_sim_watch *watches;
    size_t watch_count, watch_capacity;
    struct {
        char path[VIV_SIM_PATH_BYTES_MAX];
        int32_t version;
    } known[VIV_SIM_KNOWN_MAX]; /* a ring */
    size_t known_count;
    char made[VIV_SIM_MADE_MAX][VIV_SIM_PATH_BYTES_MAX]; /* sequential nodes of its own; a ring */
    size_t made_count;
    struct viv_buffer input;
    uint64_t allowed; /* bits: the servers that it tries */
    bool is_closing;
    struct viv_rng rng;
    uint64_t answered;
};

void viv_sim_client_init(struct viv_sim_world *world, size_t client);
void viv_sim_client_fini(struct viv_sim_world *world, size_t client);
void viv_sim_client_wake(struct viv_sim_world *world, size_t client);
/* Not before that time, but not later either. */
void viv_sim_client_wake_at(struct viv_sim_world *world, size_t client, int64_t at_ns);

/* From the network. */
void viv_sim_client_connected(struct viv_sim_world *world, size_t client, uint32_t connection);
void viv_sim_client_disconnected(struct viv_sim_world *world, size_t client, uint32_t connection);
void viv_sim_client_heard(struct viv_sim_world *world, size_t client, uint32_t connection, struct viv_bytes bytes);
/* A server's node is about to hear of this: a sign of life of a session. */
void viv_sim_client_sign(struct viv_sim_world *world, size_t server, const struct viv_event *event);

void viv_sim_client_leave(struct viv_sim_world *world, size_t client);        /* the connection, not the session */
bool viv_sim_client_exists(const struct viv_sim_world *world, size_t client); /* it has a part in this plan */
/* Everything was said and answered, or the session is gone. */
bool viv_sim_client_is_done(const struct viv_sim_world *world, size_t client);
/* Sends a write of its own, when it can: for whoever asks whether there is life. */
bool viv_sim_client_probe(struct viv_sim_world *world, size_t client);

/* On its connection, without being noted or waited for. */
void viv_sim_client_send(struct viv_sim_world *world, size_t client, const struct viv_request_header *header,
                         struct viv_bytes record);
/* The operator says who it is. */
void viv_sim_client_authenticate(struct viv_sim_world *world, size_t client);
/* client_ops.c: sends the operation. */
void viv_sim_client_do(struct viv_sim_world *world, size_t client, const struct viv_sim_op *op);
void viv_sim_client_ask(struct viv_sim_world *world, size_t client, int32_t type, struct viv_bytes record,
                        const struct viv_sim_asked *about);
void viv_sim_client_set_watches(struct viv_sim_world *world, size_t client);
/* client_hear.c */
void viv_sim_client_take_frame(struct viv_sim_world *world, size_t client, struct viv_bytes frame);

#endif /* VIV_SIM_CLIENT_H */
