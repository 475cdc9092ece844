#ifndef VIV_SERVER_CALLER_H
#define VIV_SERVER_CALLER_H

#include <uv.h>

#include "admin/report.h"
#include "server/address.h"
#include "server/address_counts.h"
#include "server/client_port.h"
#include "server/large_frames.h"
#include "server/outbox.h"
#include "base/rate.h"
#include "server/server_internal.h"

/* One connection of the client port: its bytes in and out. Shared by client_port.c, which holds the connections,
 * client_listener.c, which lets them in, caller.c and caller_tls.c; nobody else includes it. */

enum {
    VIV_CALLER_READ_BYTES = 64 << 10,
    /* Of what waits, in one go: sockets that take much must not make a turn long, when they are many. */
    VIV_CALLER_WRITE_BYTES = 64 << 10,
    VIV_CALLER_HEAD_BYTES = 4,
    VIV_CALLER_SLOT_BITS = 20,
    VIV_CALLER_SLOTS_MAX = 1 << VIV_CALLER_SLOT_BITS,
    /* Whoever was sent less since it was last read is not kept waiting by those who ask for more. */
    VIV_CALLER_LIGHT_BYTES = 64 << 10,
    /* How long a connection that is to be closed may take to accept its last replies. */
    VIV_CALLER_ENDING_MS_MAX = 5000,
};

/* What a port expects. EITHER: the first byte tells, as no plain frame begins like a TLS record. */
enum viv_listener_kind { VIV_LISTENER_PLAIN, VIV_LISTENER_TLS, VIV_LISTENER_EITHER };

struct viv_caller {
    uv_tcp_t handle;
    struct viv_client_port *port;
    struct viv_tls_channel *tls;  /* NULL: none, or not yet */
    bool is_plain;                /* its bytes are frames; until then, and with TLS, caller_tls.c takes them */
    bool is_open;                 /* the node knows it */
    bool is_shaking;              /* among the handshakes under way */
    bool is_waiting, is_admitted; /* to be read in a later turn; in the first one from now on that has room */
    bool tell_drained;            /* the node waits to hear that it may answer more */
    enum viv_listener_kind kind;
    uint64_t since_ms;   /* when it was accepted */
    uint64_t partial_ms; /* since when a frame is not whole; 0: none is */
    uint64_t took_ms;    /* when it last took some of many unsent bytes */
    size_t counted;      /* of its unsent bytes, in the sum of the port */
    viv_conn id;
    struct viv_outbox outbox;
    struct viv_buffer input; /* read, but not given to the node: part of a frame, or frames held by a pause */
    struct viv_address address;
    uint32_t collecting; /* bytes of the budget for large frames that it holds */
    uint32_t wanted;     /* bytes of it that it waits for, and is not read from */
    uint64_t received, sent;
    size_t reply_bytes;  /* that it was sent since it was last read */
    uint64_t read_turn;  /* the turn in which it was read last */
    bool is_greeted;     /* its first four bytes were seen */
    bool is_paused;      /* by the node */
    bool is_output_full; /* by its own unread replies */
    bool is_reading;
    bool is_ending; /* closes when everything is sent */
    uint64_t ending_since_ms;
    bool is_closing;
    bool is_to_flush;
    struct viv_report *report; /* the answer to a four-letter word that is still being made */
};

struct viv_client_listener {
    uv_tcp_t handle;
    struct viv_client_port *port;
    enum viv_listener_kind kind;
    bool is_open, is_moving;
    bool is_waiting; /* somebody is at the door, for whom there is no room right now */
};

enum { VIV_CLIENT_LISTENERS = 2 };

struct viv_client_port {
    struct viv_server *server;
    struct viv_client_listener listeners[VIV_CLIENT_LISTENERS]; /* clientPort, secureClientPort */
    bool is_paused;                                             /* all connections, by the node */
    bool is_draining;                                           /* all connections, for good: the server ends */
    uint64_t rejected, looked_ms;
    struct viv_rate rate;
    struct viv_log_gate refusals, malformed, failures, slow,
        overdue;            /* one for each kind of line that strangers provoke */
    size_t descriptors_max; /* connections that the process has descriptors for */
    size_t handshake_count;
    uint64_t handshakes_failed, handshakes_refused;      /* of struct viv_client_port_counts */
    size_t unsent_bytes;                                 /* of all connections */
    uint64_t dropped, oversized, bytes_received, pauses; /* of struct viv_client_port_counts */
    uint64_t words;                                      /* four-letter words answered */
    struct viv_caller **slots;
    size_t slot_count;
    struct viv_buffer free_slots; /* of uint32_t */
    uint64_t serial;
    size_t client_count;
    struct viv_address_counts counts;
    struct viv_large_frames large;
    struct viv_buffer to_flush;  /* of struct viv_caller * */
    struct viv_buffer to_resume; /* of viv_conn */
    struct viv_buffer resuming;
    struct viv_buffer drained; /* of viv_conn */
    struct viv_buffer waiting_light,
        waiting;             /* of viv_conn: to be read in a later turn, in their order; first the light */
    uint64_t reply_bytes;    /* of the node's replies, when the turn began */
    size_t admitted_count;   /* of those who wait, in one turn */
    struct viv_buffer plain; /* what one read of a TLS connection said */
    uint8_t *shared;         /* room for a held part of a frame and one read behind it */
};

/* client_port.c */
void viv_caller_closed(uv_handle_t *handle); /* a uv_close_cb; tells the node and frees the connection */
void viv_client_port_add(struct viv_client_port *port, struct viv_caller *caller);
bool viv_client_port_turn_is_full(const struct viv_client_port *port);                 /* of replies made */
struct viv_caller *viv_caller_find(const struct viv_client_port *port, viv_conn conn); /* NULL: gone */

/* client_listener.c */
viv_status viv_client_listeners_open(struct viv_client_port *port) VIV_MUST_USE;
void viv_client_listeners_close(struct viv_client_port *port);
void viv_client_listeners_tick(struct viv_client_port *port); /* lets in who waits */

/* caller_tls.c */
/* Bytes of a connection that is not known to be plain, as they came from the network. */
void viv_caller_take_network(struct viv_caller *caller, struct viv_bytes bytes);
/* Tells the node, with what the certificate proves. */
void viv_caller_open(struct viv_caller *caller);
/* It took too long to say who it is. */
bool viv_caller_is_overdue(const struct viv_caller *caller, uint64_t now_ms);
/* Among the handshakes under way, and no longer. */
void viv_caller_begin_handshake(struct viv_caller *caller);
void viv_caller_end_handshake(struct viv_caller *caller);

/* caller.c */
void viv_caller_close(struct viv_caller *caller);        /* at once; also a second time */
void viv_caller_begin_ending(struct viv_caller *caller); /* closes when everything is sent */
void viv_caller_written(void *caller, int status);       /* a viv_outbox_written_fn */
void viv_caller_flush(struct viv_caller *caller);
/* Everything that depends on how many bytes are unsent. */
void viv_caller_heed_unsent(struct viv_caller *caller, size_t unsent);
/* Starts or stops reading, as the flags say now. */
void viv_caller_update_reading(struct viv_caller *caller);
/* The next piece of an answer to a four-letter word. */
void viv_caller_go_on(struct viv_caller *caller);
/* Gives the node what was held back by a pause. */
void viv_caller_take_held(struct viv_caller *caller);
/* Gives the node the whole frames in front; the rest is kept in caller->input, from where no byte may be taken. */
void viv_caller_take_bytes(struct viv_caller *caller, struct viv_bytes in);
/* The same when all of it is in caller->input. */
void viv_caller_take_input(struct viv_caller *caller);

#endif /* VIV_SERVER_CALLER_H */
