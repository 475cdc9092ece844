#ifndef VIV_EXPERIMENTS_LAB_DIALECT_H
#define VIV_EXPERIMENTS_LAB_DIALECT_H

#include "client/client.h"

/* How the lab speaks to a system under test: the same few requests, in the system's own protocol. What a request is
 * called, what its reply says and what becomes of it when a connection goes are those of client/client.h, for all
 * dialects alike; the znodes of a system without a tree are its keys. Knows no processes and no steps. */

struct viv_dialect;
extern const struct viv_dialect viv_dialect_zookeeper;
/* etcd 3.4's gRPC: set is Put, create is Put if there is no such key, get is a serializable Range (answered by the
 * server that is asked, like a read of ZooKeeper's), sync and exists are linearizable ones. */
extern const struct viv_dialect viv_dialect_etcd;

struct viv_lab_loop {
    const struct viv_dialect *dialect;
};
struct viv_lab_client;

typedef void viv_lab_reply_fn(void *ctx, struct viv_lab_client *client, const struct viv_client_reply *reply);
typedef void viv_lab_state_fn(void *ctx, struct viv_lab_client *client, enum viv_client_state state);

struct viv_lab_client {
    const struct viv_dialect *dialect;
    viv_lab_reply_fn *on_reply;
    viv_lab_state_fn *on_state;
    void *ctx;
};

/* The functions below, by dialect; each does what its namesake in client/client.h does. */
struct viv_dialect {
    bool keeps_order; /* the requests of a client take effect in the order in which they were made, come what may */
    viv_status (*loop_open)(struct viv_lab_loop **out);
    void (*loop_close)(struct viv_lab_loop *loop);
    void (*loop_turn)(struct viv_lab_loop *loop, uint64_t until_ns);
    struct viv_lab_client *(*open)(struct viv_lab_loop *loop, const struct viv_client_options *options);
    void (*close)(struct viv_lab_client *client);
    enum viv_client_state (*state)(const struct viv_lab_client *client);
    size_t (*in_flight)(const struct viv_lab_client *client);
    void (*request)(struct viv_lab_client *client, uint64_t token, enum viv_op op, struct viv_bytes path,
                    struct viv_bytes data);
    struct viv_bytes (*value)(struct viv_bytes body);
};

/* VIV_ERR_SYSTEM: no descriptor. The loop owns its clients. */
viv_status viv_lab_loop_open(const struct viv_dialect *dialect, struct viv_lab_loop **out) VIV_MUST_USE;
void viv_lab_loop_close(struct viv_lab_loop *loop);
void viv_lab_loop_turn(struct viv_lab_loop *loop, uint64_t until_ns);
/* Callbacks may be NULL. */
struct viv_lab_client *viv_lab_client_new(struct viv_lab_loop *loop, const struct viv_client_options *options,
                                          viv_lab_reply_fn *on_reply, viv_lab_state_fn *on_state, void *ctx);
void viv_lab_client_close(struct viv_lab_client *client);
enum viv_client_state viv_lab_client_state(const struct viv_lab_client *client);
size_t viv_lab_client_in_flight(const struct viv_lab_client *client);
/* CREATE (of a plain znode), SET_DATA, GET_DATA, DELETE, EXISTS or SYNC; whatever the version is. `data` of the first
 * two. Both are copied. */
void viv_lab_client_request(struct viv_lab_client *client, uint64_t token, enum viv_op op, struct viv_bytes path,
                            struct viv_bytes data);
/* The data in the body of a GET_DATA's reply without an error; borrows from it. */
struct viv_bytes viv_lab_client_value(const struct viv_lab_client *client, struct viv_bytes body);

#endif /* VIV_EXPERIMENTS_LAB_DIALECT_H */
