#ifndef VIV_SERVER_OUTBOX_H
#define VIV_SERVER_OUTBOX_H

#include <stdbool.h>
#include <uv.h>

#include "base/bytes.h"
#include "security/tls_channel.h"

/* What waits to be written to one socket. Bytes added during a turn go out with one system call when the turn is
 * flushed; what the socket does not take is kept and written when it can. The first bytes of a turn are only borrowed,
 * so that the usual case, one piece that the socket takes whole, copies nothing. With a TLS channel, bytes are
 * encrypted as they are added. */

struct viv_outbox;
/* After a write has ended: status is 0 or a libuv error. Not called by flush itself. */
typedef void viv_outbox_written_fn(void *ctx, int status);

struct viv_outbox {
    uv_stream_t *stream;
    struct viv_tls_channel *tls; /* borrowed; NULL: as they are */
    struct viv_bytes borrowed;   /* of this turn, in front of `queued`, which is then empty */
    struct viv_buffer queued;    /* not yet given to libuv */
    struct viv_buffer sending;   /* being given to libuv by `request`, part by part */
    size_t handed;               /* of it so far */
    size_t part_bytes_max;       /* 0: all at once */
    uv_write_t request;
    bool is_sending;
    viv_outbox_written_fn *written;
    void *ctx;
};

void viv_outbox_init(struct viv_outbox *outbox, uv_stream_t *stream, viv_outbox_written_fn *written, void *ctx);
/* When the handle is closed, no sooner. */
void viv_outbox_fini(struct viv_outbox *outbox);

/* Says that nothing follows, where the connection has a way to say it. */
void viv_outbox_end(struct viv_outbox *outbox);
/* The bytes stay valid until the next flush. */
void viv_outbox_add(struct viv_outbox *outbox, struct viv_bytes bytes);
/* 0, or the libuv error that ends the connection. Nothing is borrowed afterwards. */
int viv_outbox_flush(struct viv_outbox *outbox);
/* Bytes that no system call has taken yet. */
size_t viv_outbox_unsent_bytes(const struct viv_outbox *outbox);

#endif /* VIV_SERVER_OUTBOX_H */
