#ifndef VIV_SERVER_CLIENT_PORT_H
#define VIV_SERVER_CLIENT_PORT_H

#include "node/event.h"

/* The client ports, plain and TLS: accepts connections, cuts the byte stream into frames, answers four-letter words,
 * writes replies. Knows that a frame is a length and bytes; what is in it is the node's business, sessions and time
 * limits included.
 *
 * One read of at most 64 KiB a connection and turn, one write a connection and turn. */

struct viv_server;
struct viv_client_port;

struct viv_client_port *viv_client_port_new(struct viv_server *server);
void viv_client_port_free(struct viv_client_port *port); /* after the loop has closed every handle */
/* Binds and listens; the failure was logged with what to do. */
viv_status viv_client_port_listen(struct viv_client_port *port) VIV_MUST_USE;
/* The ports that clients connect to, plain and TLS, also when 0 was configured; -1: there is none. */
int viv_client_port_number(const struct viv_client_port *port);
int viv_client_port_secure_number(const struct viv_client_port *port);
/* This server's own address for clients is another one (server/ensemble.h): listens there. Connections stay. */
void viv_client_port_move(struct viv_client_port *port);
/* Takes no more connections and closes those there are. */
void viv_client_port_stop(struct viv_client_port *port);

/* The node's actions; conn may be gone already. Bytes stay valid until viv_client_port_flush. */
void viv_client_port_send(struct viv_client_port *port, viv_conn conn, struct viv_bytes bytes, bool tell_drained);
void viv_client_port_close(struct viv_client_port *port, viv_conn conn);
void viv_client_port_pause(struct viv_client_port *port, viv_conn conn, bool is_paused); /* conn 0: all */
/* No request is taken any more, whatever the node says about pauses; replies still go out. */
void viv_client_port_drain(struct viv_client_port *port);
/* One write to each connection that was sent to. */
void viv_client_port_flush(struct viv_client_port *port);
/* A new turn of the loop begins. */
void viv_client_port_begin_turn(struct viv_client_port *port);
/* Gives the node frames that were read before a pause and may go in now, and says what has drained. Called when a turn
 * begins. */
void viv_client_port_resume(struct viv_client_port *port);
/* Gives up connections that take too long over a handshake, a frame or their last replies; lets in who waits. Called on
 * every tick. */
void viv_client_port_tick(struct viv_client_port *port);

/* For `stat` and `cons`: one call a connection, for those in `count` places from `from` on. Returns where to go on, 0
 * when there are no more. */
struct viv_client_info {
    viv_conn conn;
    const char *address;
    int port;
    uint64_t received, sent; /* frames */
    size_t queued_bytes;
    bool is_secure; /* over TLS */
};
typedef void viv_client_info_fn(void *ctx, const struct viv_client_info *info);
size_t viv_client_port_visit(const struct viv_client_port *port, size_t from, size_t count, viv_client_info_fn *visit,
                             void *ctx);
/* False when there is no such connection. */
bool viv_client_port_find(const struct viv_client_port *port, viv_conn conn, struct viv_client_info *info);
/* Counts of frames begin anew. */
void viv_client_port_reset_stats(struct viv_client_port *port);
/* Four-letter words answered: they count as packets that came and went. */
uint64_t viv_client_port_words(const struct viv_client_port *port);
void viv_client_port_reset_words(struct viv_client_port *port);
/* Since the start. */
struct viv_client_port_counts {
    uint64_t rejected;                              /* connections beyond a limit */
    uint64_t dropped;                               /* connections that went away unasked */
    uint64_t oversized;                             /* frames of impossible length */
    uint64_t bytes_received;                        /* with lengths */
    uint64_t pauses;                                /* times that a connection was told to wait */
    uint64_t handshakes;                            /* of TLS, under way just now */
    uint64_t handshakes_failed, handshakes_refused; /* refused: there were too many; they failed, too */
};
void viv_client_port_counts(const struct viv_client_port *port, struct viv_client_port_counts *counts);

#endif /* VIV_SERVER_CLIENT_PORT_H */
