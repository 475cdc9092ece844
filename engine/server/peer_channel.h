#ifndef VIV_SERVER_PEER_CHANNEL_H
#define VIV_SERVER_PEER_CHANNEL_H

#include "server/outbox.h"
#include "server/server_internal.h"

/* How a connection between servers begins, on the quorum and the election port alike: plain, with TLS, or as its first
 * byte tells (portUnification). After that it carries bytes, and its certificate says who it may speak for. */

struct viv_peer_channel {
    struct viv_tls_channel *tls;
    bool is_either; /* the first byte has not come */
    bool is_open;
    uint64_t since_ms;
    const char *why; /* of a failure */
};

/* `tls` and `outbox` live as long as the connection. */
void viv_peer_channel_accept(struct viv_peer_channel *channel, struct viv_server *server);
/* The host is as configured: the other side's certificate must be made for it. */
void viv_peer_channel_dial(struct viv_peer_channel *channel, struct viv_server *server, const char *host);
void viv_peer_channel_fini(struct viv_peer_channel *channel);

/* Bytes of the network (none, to begin) become bytes in *plain, which is first emptied; what a handshake says goes into
 * the outbox and is to be flushed. A plain connection's bytes are not copied: *said is what to read. Not VIV_OK: to be
 * closed, after what was said; channel->why says why, NULL when the other side just ended. */
viv_status viv_peer_channel_take(struct viv_peer_channel *channel, struct viv_server *server, struct viv_bytes bytes,
                                 struct viv_outbox *outbox, struct viv_buffer *plain, struct viv_bytes *said);
/* A handshake, or a first byte, that did not come in time. */
bool viv_peer_channel_is_overdue(const struct viv_peer_channel *channel, const struct viv_server *server);

/* Members that the other side cannot be: its certificate is not made for
 * their hosts. Without TLS, or without hostname verification, it may be any. */
struct viv_sid_set viv_peer_channel_barred(const struct viv_peer_channel *channel, const struct viv_server *server);
/* Members that it is as far as one can see: by its certificate, or by its address when that is how they are
 * configured. */
struct viv_sid_set viv_peer_channel_proved(const struct viv_peer_channel *channel, const struct viv_server *server,
                                           const uv_tcp_t *handle);

#endif /* VIV_SERVER_PEER_CHANNEL_H */
