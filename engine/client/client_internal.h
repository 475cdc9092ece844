#ifndef VIV_CLIENT_CLIENT_INTERNAL_H
#define VIV_CLIENT_CLIENT_INTERNAL_H

#include "client/client.h"

/* What loop.c, session.c and request.c of this room share. */

struct pending {
    uint64_t token;
    uint64_t sent_ns;
    int32_t xid;
    int32_t op;
};

/* First in, first out: the server answers in order. capacity is a power of two. */
struct pending_ring {
    struct pending *items;
    size_t capacity;
    size_t head;
    size_t count;
};

struct viv_client {
    struct viv_client_loop *loop;
    struct viv_client_options options;
    viv_client_reply_fn *on_reply;
    viv_client_state_fn *on_state;
    void *ctx;

    enum viv_client_state state;
    int fd;          /* -1 without a connection */
    bool connected;  /* TCP is up */
    bool closing;    /* closeSession was sent */
    bool dirty;      /* in the loop's list of clients with something to send */
    bool want_write; /* the socket was full: EPOLLOUT is asked for */
    bool pinging;    /* a ping is unanswered; it stands outside the order of the requests */
    size_t server;   /* current or last */

    uint32_t failures; /* attempts to connect since it was last ready */
    int64_t session_id;
    uint8_t password[16];
    uint32_t granted_ms;
    int64_t last_zxid;
    int32_t next_xid;

    uint64_t deadline_ns;  /* of the connect, or of the next attempt, by state */
    uint64_t heard_ns;     /* last byte received */
    uint64_t spoke_ns;     /* last byte sent */
    uint64_t waiting_ns;   /* since when something is unanswered, 0: nothing */
    struct viv_buffer in;  /* the front of a frame not yet whole */
    struct viv_buffer out; /* not yet sent */
    struct pending_ring pending;
};

struct viv_client_loop {
    int epoll_fd;
    struct viv_client **clients;
    size_t client_count;
    size_t client_capacity;
    struct viv_client **dirty;
    size_t dirty_count;
    uint64_t next_timer_ns; /* no timer of any client fires before this */
    uint8_t *scratch;       /* where recv puts bytes, shared by all clients */
};

enum { SCRATCH_BYTES = 1 << 18 };

/* ---- session.c: one connection's life ---- */
void session_start(struct viv_client *client, uint64_t now_ns);
void session_readable(struct viv_client *client, uint64_t now_ns);
void session_writable(struct viv_client *client, uint64_t now_ns);
void session_drop(struct viv_client *client, uint64_t now_ns);
/* Serves what is due; returns when the next of its timers fires. */
uint64_t session_timers(struct viv_client *client, uint64_t now_ns);
void session_fini(struct viv_client *client);

/* ---- loop.c ---- */
void loop_mark_dirty(struct viv_client *client);
/* A timer of some client may now be due earlier than the loop believes. */
void loop_hurry(struct viv_client_loop *loop, uint64_t at_ns);
bool loop_watch(struct viv_client *client, bool add, bool write);

/* ---- request.c ---- */
void pending_push(struct pending_ring *ring, const struct pending *item);
struct pending pending_pop(struct pending_ring *ring);
void request_ping(struct viv_client *client, uint64_t now_ns);

#endif /* VIV_CLIENT_CLIENT_INTERNAL_H */
