#ifndef VIV_SERVER_ADDRESS_H
#define VIV_SERVER_ADDRESS_H

#include <stdbool.h>
#include <uv.h>

#include "base/bytes.h"

/* Internet addresses as text and as sockets know them: resolving, dialling, and what to call an address in a log
 * line. */

enum { VIV_ADDRESS_TEXT_BYTES = 64 };

/* Initialises the handle, resolves and binds; listening is the caller's, and closing, also after a failure. `host` ""
 * is every interface. 0 or a libuv error. */
int viv_address_bind(uv_loop_t *loop, uv_tcp_t *handle, const char *host, int port);
/* The port that a bound handle really has, or a libuv error. */
int viv_address_local_port(const uv_tcp_t *handle);
bool viv_address_is_loopback(const uv_tcp_t *handle);

/* Address of the other side without port: as text, and as 16 bytes that compare (IPv4 is mapped). */
struct viv_address {
    uint8_t bytes[16];
    char text[VIV_ADDRESS_TEXT_BYTES];
    int port;
};
/* A numeric address; false: it is a name. */
bool viv_address_parse(const char *text, struct viv_address *address);
int viv_address_peer(const uv_tcp_t *handle, struct viv_address *address);
/* The connection fails when what was sent over it is not acknowledged within so long. Without this the kernel sends
 * again after 0.2, 0.4, 0.8 s and so on: a network that was cut for eight seconds stays silent for six more. */
void viv_address_limit_silence(const uv_tcp_t *handle, unsigned limit_ms);

/* A dial under way: resolve, at each dial anew, then connect to one address after the other, within a time limit. Owned
 * by the caller and not moved until `done` was called, exactly once and never from within start. On failure the handle
 * is closed (or was never opened) and its memory is the caller's again; on success it is connected, without delay for
 * small packets. */
struct viv_dial;
typedef void viv_dial_done_fn(void *ctx, int status);
struct viv_dial {
    uv_getaddrinfo_t resolve;
    uv_connect_t connect;
    uv_timer_t timer;
    uv_tcp_t *handle;
    struct addrinfo *found; /* the addresses of a name; NULL: it is one itself */
    const struct addrinfo *at;
    uint64_t share_ms; /* of the time limit, for each of them */
    int status;
    bool is_socket_open; /* the handle needs closing */
    bool is_over;        /* the outcome is known; what is open is being closed */
    bool is_resolving;
    bool is_switching; /* the socket is closing, the next address is to be tried */
    viv_dial_done_fn *done;
    void *ctx;
};
void viv_dial_start(struct viv_dial *dial, uv_loop_t *loop, uv_tcp_t *handle, const char *host, int port,
                    uint64_t timeout_ms, viv_dial_done_fn *done, void *ctx);
/* `done` follows with UV_ECANCELED. */
void viv_dial_cancel(struct viv_dial *dial);

#endif /* VIV_SERVER_ADDRESS_H */
