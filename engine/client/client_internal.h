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

/* Watches the server must know of: in each list the paths, sorted, each once. */
struct watch_list {
    struct viv_bytes *paths; /* owned */
    size_t count;
    size_t capacity;
};

/* A request that sets a watch when it is answered well. */
struct watch_wish {
    int32_t xid;
    enum viv_client_watch kind;
    struct viv_bytes path; /* owned */
};

struct watches {
    struct watch_list lists[VIV_CLIENT_WATCH_KINDS];
    struct watch_wish *wishes; /* in the order of their requests */
    size_t wish_count;
    size_t wish_capacity;
};

/* Identities to tell to every connection: the records as they travel. */
struct auths {
    struct viv_bytes *records; /* owned */
    size_t count;
    size_t told; /* on this connection; the others follow */
    size_t answered;
    uint64_t *tokens; /* of each, 0 once it was answered */
};

struct viv_client {
    struct viv_client_loop *loop;
    struct viv_client_options options;
    viv_client_reply_fn *on_reply;
    viv_client_state_fn *on_state;
    viv_client_event_fn *on_event;
    void *ctx;

    enum viv_client_state state;
    int fd;          /* -1 without a connection */
    bool connected;  /* TCP is up */
    bool closing;    /* closeSession was sent */
    bool dirty;      /* in the loop's list of clients with something to send */
    bool want_write; /* the socket was full: EPOLLOUT is asked for */
    bool read_only;  /* what the server said of itself */
    bool pinging;    /* a ping is unanswered; it stands outside the order of the requests */
    size_t server;   /* current or last */

    int last_error;    /* errno of the last attempt */
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
    struct viv_tls_channel *tls;
    struct viv_buffer sealed; /* with TLS: what is not yet sent, as it travels */
    const char *tls_why;      /* of the last failure since it was ready; the library's constant, or NULL */
    struct pending_ring pending;
    struct watches watches;
    struct auths auths;
};

struct viv_client_loop {
    int epoll_fd;
    struct viv_client **clients;
    size_t client_count;
    size_t client_capacity;
    struct viv_client **dirty;
    size_t dirty_count;
    uint64_t next_timer_ns;  /* no timer of any client fires before this */
    struct viv_buffer plain; /* what one recv of a TLS connection said */
    uint8_t *scratch;        /* where recv puts bytes, shared by all clients */
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
/* A request of the library's own, with an xid outside the count; its answer is told to nobody. */
void request_own(struct viv_client *client, enum viv_op op, int32_t xid, struct viv_bytes record);
/* The same without a place in the order of replies. */
void request_unordered(struct viv_client *client, enum viv_op op, int32_t xid, struct viv_bytes record);

/* ---- watches.c ---- */
void watches_fini(struct watches *watches);
void watches_wish(struct watches *watches, int32_t xid, enum viv_client_watch kind, struct viv_bytes path);
/* The request with this xid was answered, or lost. */
void watches_answered(struct watches *watches, int32_t xid, enum viv_op op, int32_t err);
void watches_fired(struct watches *watches, const struct viv_watcher_event *event);
/* Tells all to a server the session has just moved to. */
void watches_tell(struct viv_client *client);
/* The session is gone, and its watches with it. */
void watches_forget_all(struct watches *watches);

/* ---- auths.c ---- */
void auths_fini(struct auths *auths);
/* On a fresh connection: all of them. */
void auths_tell(struct viv_client *client);
/* Replies come in the order the identities were told. */
void auths_answered(struct viv_client *client, int32_t err, uint64_t now_ns);
/* The connection went: what was not answered never will be. */
void auths_lost(struct viv_client *client, uint64_t now_ns);

#endif /* VIV_CLIENT_CLIENT_INTERNAL_H */
