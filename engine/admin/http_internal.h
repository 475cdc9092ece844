#ifndef VIV_ADMIN_HTTP_INTERNAL_H
#define VIV_ADMIN_HTTP_INTERNAL_H

#include <microhttpd.h>

#include "admin/http.h"

/* Shared by http.c (the port: who comes, for how long), http_tunnel.c (TLS) and http_daemon.c (the library: what is
 * said). */

struct viv_http_visitor;

/* The library's daemon. */
struct viv_http_daemon {
    struct viv_http *http;
    struct MHD_Daemon *mhd; /* NULL: not open */
    uv_poll_t poll;
    uv_timer_t timer;
    struct viv_http_visitor *visitors; /* a list */
};

/* One connection of a daemon's. */
struct viv_http_visitor {
    struct viv_http_daemon *daemon;
    struct viv_http_visitor *next, **previous;
    int fd;
    struct viv_http_work *work; /* of the request, when it is one that takes time */
    uint64_t since_ms;          /* of the request that is awaited or answered */
    bool is_asking;             /* its request is whole */
    bool is_turned_out;         /* was shut down */
};

struct viv_http_arrival;

struct viv_http_tunnel;

struct viv_http {
    struct viv_http_config config; /* name and address are borrowed */
    uv_tcp_t listener;
    uv_timer_t patrol;
    bool is_listening, is_stopping;
    struct viv_http_daemon daemon;
    struct viv_http_arrival *arrivals; /* whose first byte is awaited */
    size_t arrival_count;
    struct viv_http_tunnel *tunnels; /* over TLS, also while hands are shaken */
    size_t tunnel_count;
};

void viv_http_daemon_open(struct viv_http_daemon *daemon, struct viv_http *http);
/* Takes the descriptor, which speaks plain HTTP for whoever is at the address. */
void viv_http_daemon_take(struct viv_http_daemon *daemon, int fd, const struct sockaddr *address, socklen_t size);
/* Turns out who takes too long. */
void viv_http_daemon_patrol(struct viv_http_daemon *daemon);
void viv_http_daemon_close(struct viv_http_daemon *daemon);

#endif /* VIV_ADMIN_HTTP_INTERNAL_H */
