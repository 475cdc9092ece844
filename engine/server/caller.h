#ifndef VIV_SERVER_CALLER_H
#define VIV_SERVER_CALLER_H

#include <uv.h>

#include "admin/report.h"
#include "server/address.h"
#include "server/address_counts.h"
#include "server/client_port.h"
#include "server/outbox.h"
#include "server/server_internal.h"

/* One connection of the client port: its bytes in and out. Shared by client_port.c, which holds the connections, and
 * caller.c; nobody else includes it. */

enum {
    VIV_CALLER_READ_BYTES = 64 << 10,
    VIV_CALLER_HEAD_BYTES = 4,
    VIV_CALLER_SLOT_BITS = 20,
    VIV_CALLER_SLOTS_MAX = 1 << VIV_CALLER_SLOT_BITS,
    /* How long a connection that is to be closed may take to accept its last replies. */
    VIV_CALLER_ENDING_MS_MAX = 5000,
};

struct viv_caller {
    uv_tcp_t handle;
    struct viv_client_port *port;
    viv_conn id;
    struct viv_outbox outbox;
    struct viv_buffer input; /* read, but not given to the node: part of a frame, or frames held by a pause */
    struct viv_address address;
    uint64_t received, sent;
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

struct viv_client_port {
    struct viv_server *server;
    uv_tcp_t listener;
    bool is_listening;
    bool is_paused; /* all connections */
    uint64_t rejected, refusal_told_ms, looked_ms;
    uint64_t dropped, oversized, bytes_received, pauses; /* of struct viv_client_port_counts */
    uint64_t words;                                      /* four-letter words answered */
    struct viv_caller **slots;
    size_t slot_count;
    struct viv_buffer free_slots; /* of uint32_t */
    uint64_t serial;
    size_t client_count;
    struct viv_address_counts counts;
    struct viv_buffer to_flush;  /* of struct viv_caller * */
    struct viv_buffer to_resume; /* of viv_conn */
    struct viv_buffer resuming;
    uint8_t *shared; /* room for a held part of a frame and one read behind it */
};

/* client_port.c: a uv_close_cb; tells the node and frees the connection. */
void viv_caller_closed(uv_handle_t *handle);

/* caller.c */
void viv_caller_close(struct viv_caller *caller);        /* at once; also a second time */
void viv_caller_begin_ending(struct viv_caller *caller); /* closes when everything is sent */
void viv_caller_written(void *caller, int status);       /* a viv_outbox_written_fn */
void viv_caller_flush(struct viv_caller *caller);
/* Starts or stops reading, as the flags say now. */
void viv_caller_update_reading(struct viv_caller *caller);
/* The next piece of an answer to a four-letter word. */
void viv_caller_go_on(struct viv_caller *caller);
/* Gives the node what was held back by a pause. */
void viv_caller_take_held(struct viv_caller *caller);

#endif /* VIV_SERVER_CALLER_H */
