#ifndef VIV_EXPERIMENTS_LAB_ETCD_INTERNAL_H
#define VIV_EXPERIMENTS_LAB_ETCD_INTERNAL_H

#include <nghttp2/nghttp2.h>

#include "experiments/lab/dialect.h"

/* gRPC over HTTP/2 without TLS: one connection a client (dialect_etcd.c), one stream a request (etcd_calls.c). */

struct etcd_client;

struct etcd_call {
    struct etcd_client *client;
    struct etcd_call *previous, *next; /* in flight; `next` of the unused too */
    uint64_t token, sent_ns;
    enum viv_op op;
    int grpc_status;
    struct viv_buffer request;
    size_t request_sent;
    struct viv_buffer response;
};

struct etcd_loop {
    struct viv_lab_loop base;
    int epoll_fd;
    struct etcd_client *clients;
    uint8_t *scratch;
};

struct etcd_client {
    struct viv_lab_client base;
    struct etcd_loop *loop;
    struct etcd_client *next; /* of the loop's */
    struct viv_client_options options;
    size_t server;
    enum viv_client_state state;
    bool is_closing;
    bool is_refused; /* the server takes no more requests on this connection, or cannot serve them */
    bool was_ready;
    uint32_t silences; /* attempts that nothing answered since it was ready */
    int fd;            /* -1: none */
    bool is_connected; /* TCP */
    bool wants_write;  /* epoll tells when */
    nghttp2_session *http;
    char authority[96];
    struct viv_buffer out; /* not yet taken by the socket */
    uint64_t deadline_ns;  /* CONNECTING: until then; DISCONNECTED: then the next attempt */
    uint64_t heard_ns;     /* the last byte, or the first request after a pause */
    uint64_t read_ns;      /* when the bytes that are being served were read */
    struct etcd_call *in_flight, *unused;
    size_t in_flight_count;
};

/* etcd_calls.c */
/* A fresh HTTP/2 session with nothing in flight; its callbacks answer the calls. */
void etcd_http_open(struct etcd_client *client);
void etcd_calls_request(struct viv_lab_client *base, uint64_t token, enum viv_op op, struct viv_bytes path,
                        struct viv_bytes data);
/* All that is in flight is answered LOST; its session is gone. */
void etcd_calls_lose(struct etcd_client *client);
void etcd_calls_fini(struct etcd_client *client);
struct viv_bytes etcd_calls_value(struct viv_bytes body);

/* dialect_etcd.c */
void etcd_tell_state(struct etcd_client *client, enum viv_client_state state);

#endif /* VIV_EXPERIMENTS_LAB_ETCD_INTERNAL_H */
