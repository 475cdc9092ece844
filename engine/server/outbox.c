#include "server/outbox.h"

#include "base/assert.h"

/* A buffer that grew beyond this for one large reply gives its memory back. */
enum { KEEP_BYTES = 64 << 10 };

void viv_outbox_init(struct viv_outbox *outbox, uv_stream_t *stream, viv_outbox_written_fn *written, void *ctx)
{
    *outbox = (struct viv_outbox){.stream = stream, .written = written, .ctx = ctx};
    outbox->request.data = outbox;
}

void viv_outbox_fini(struct viv_outbox *outbox)
{
    viv_buffer_fini(&outbox->queued);
    viv_buffer_fini(&outbox->sending);
}

void viv_outbox_add(struct viv_outbox *outbox, struct viv_bytes bytes)
{
    if (bytes.size == 0) {
        return;
    }
    if (outbox->tls != NULL) {
        viv_tls_channel_put(outbox->tls, bytes, &outbox->queued);
        return;
    }
    if (outbox->borrowed.size == 0 && outbox->queued.size == 0 && !outbox->is_sending) {
        outbox->borrowed = bytes;
        return;
    }
    if (outbox->borrowed.size > 0) {
        viv_buffer_append_bytes(&outbox->queued, outbox->borrowed);
        outbox->borrowed = (struct viv_bytes){0};
    }
    viv_buffer_append_bytes(&outbox->queued, bytes);
}

void viv_outbox_end(struct viv_outbox *outbox)
{
    if (outbox->tls != NULL) {
        viv_tls_channel_end(outbox->tls, &outbox->queued);
    }
}

static void clear(struct viv_buffer *buffer)
{
    if (buffer->capacity > KEEP_BYTES) {
        viv_buffer_fini(buffer);
    } else {
        viv_buffer_clear(buffer);
    }
}

static int send_part(struct viv_outbox *outbox);
static int send_queued(struct viv_outbox *outbox);

static void on_written(uv_write_t *request, int status)
{
    struct viv_outbox *outbox = request->data;
    outbox->is_sending = false;
    if (status == 0 && outbox->handed < outbox->sending.size) {
        status = send_part(outbox);
    } else {
        clear(&outbox->sending);
        if (status == 0 && outbox->queued.size > 0) {
            status = send_queued(outbox);
        }
    }
    outbox->written(outbox->ctx, status);
}

static int send_part(struct viv_outbox *outbox)
{
    size_t size = outbox->sending.size - outbox->handed, most = outbox->part_bytes_max;
    size = most != 0 && size > most ? most : size;
    uv_buf_t part = uv_buf_init((char *)outbox->sending.data + outbox->handed, (unsigned)size);
    outbox->handed += size;
    int status = uv_write(&outbox->request, outbox->stream, &part, 1, on_written);
    outbox->is_sending = status == 0;
    return status;
}

static int send_queued(struct viv_outbox *outbox)
{
    VIV_ASSERT(!outbox->is_sending);
    VIV_ASSERT(outbox->sending.size == 0);
    struct viv_buffer empty = outbox->sending;
    outbox->sending = outbox->queued;
    outbox->queued = empty;
    outbox->handed = 0;
    return send_part(outbox);
}

/* One system call; *taken counts the bytes that went. */
static int try_write(struct viv_outbox *outbox, struct viv_bytes bytes, size_t *taken)
{
    uv_buf_t part = uv_buf_init((char *)bytes.data, (unsigned)bytes.size);
    int written = uv_try_write(outbox->stream, &part, 1);
    *taken = written > 0 ? (size_t)written : 0;
    return written == UV_EAGAIN || written >= 0 ? 0 : written;
}

int viv_outbox_flush(struct viv_outbox *outbox)
{
    if (outbox->is_sending) {
        return 0;
    }
    bool is_borrowed = outbox->borrowed.size > 0;
    struct viv_bytes bytes = is_borrowed ? outbox->borrowed : viv_buffer_bytes(&outbox->queued);
    outbox->borrowed = (struct viv_bytes){0};
    if (bytes.size == 0) {
        return 0;
    }
    size_t taken;
    int status = try_write(outbox, bytes, &taken);
    if (status != 0) {
        return status;
    }
    if (is_borrowed) {
        viv_buffer_append(&outbox->queued, bytes.data + taken, bytes.size - taken);
    } else if (taken == bytes.size) {
        clear(&outbox->queued);
    } else {
        viv_buffer_consume(&outbox->queued, taken);
    }
    return outbox->queued.size > 0 ? send_queued(outbox) : 0;
}

size_t viv_outbox_unsent_bytes(const struct viv_outbox *outbox)
{
    size_t left = outbox->sending.size - outbox->handed;
    size_t handed_over = outbox->is_sending ? uv_stream_get_write_queue_size(outbox->stream) + left : 0;
    return outbox->borrowed.size + outbox->queued.size + handed_over;
}
