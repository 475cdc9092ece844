#include "server/caller.h"

#include <inttypes.h>
#include <string.h>

#include "base/assert.h"
#include "base/endian.h"
#include "base/limits.h"
#include "base/log.h"
#include "server/four_letter.h"
#include "wire/op.h"

/* ---- ends ---- */

void viv_caller_close(struct viv_caller *caller)
{
    if (!caller->is_closing) {
        caller->is_closing = true;
        caller->port->unsent_bytes -= caller->counted;
        caller->counted = 0;
        viv_large_frames_end(caller);
        viv_caller_end_handshake(caller);
        uv_close((uv_handle_t *)&caller->handle, viv_caller_closed);
    }
}

void viv_caller_begin_ending(struct viv_caller *caller)
{
    if (!caller->is_ending) {
        caller->is_ending = true;
        caller->ending_since_ms = viv_server_now_ms(caller->port->server);
    }
}

static void want_more_of_answer(struct viv_caller *caller)
{
    if (caller->report != NULL && viv_outbox_unsent_bytes(&caller->outbox) < VIV_OUTPUT_PAUSE_BYTES) {
        viv_buffer_append(&caller->port->to_resume, &caller->id, sizeof caller->id);
        viv_server_want_turn(caller->port->server);
    }
}

/* Closes the connection that holds most of what nobody takes. */
static void close_slowest(struct viv_client_port *port)
{
    struct viv_caller *slowest = NULL;
    for (size_t slot = 0; slot < port->slot_count; slot++) {
        struct viv_caller *caller = port->slots[slot];
        if (caller != NULL && !caller->is_closing && (slowest == NULL || caller->counted > slowest->counted)) {
            slowest = caller;
        }
    }
    VIV_ASSERT(slowest != NULL);
    uint64_t swallowed;
    if (viv_log_gate_open(&port->slow, viv_server_now_ms(port->server), &swallowed)) {
        viv_log(VIV_LOG_WARN, "client", "closed: replies that are not read fill the memory, and it holds most of them",
                "address=%s:%d unsent_bytes=%zu unsent_bytes_total=%zu swallowed=%" PRIu64, slowest->address.text,
                slowest->address.port, slowest->counted, port->unsent_bytes, swallowed);
    }
    viv_caller_close(slowest);
}

void viv_caller_heed_unsent(struct viv_caller *caller, size_t unsent)
{
    struct viv_client_port *port = caller->port;
    caller->is_output_full = unsent >= VIV_OUTPUT_PAUSE_BYTES;
    if (unsent != caller->counted) {
        if (unsent < caller->counted || caller->counted == 0) {
            caller->took_ms = viv_server_now_ms(port->server);
        }
        port->unsent_bytes += unsent - caller->counted;
        caller->counted = unsent;
        while (port->unsent_bytes > VIV_OUTPUT_BYTES_TOTAL_MAX) {
            close_slowest(port);
        }
    }
    if (caller->tell_drained && unsent < VIV_OUTPUT_DRAINED_BYTES && !caller->is_closing) {
        caller->tell_drained = false;
        viv_buffer_append(&port->drained, &caller->id, sizeof caller->id);
        viv_server_want_turn(port->server);
    }
    viv_caller_update_reading(caller);
    want_more_of_answer(caller);
}

void viv_caller_written(void *ctx, int status)
{
    struct viv_caller *caller = ctx;
    if (caller->is_closing) {
        return;
    }
    size_t unsent = viv_outbox_unsent_bytes(&caller->outbox);
    if (status != 0 || (caller->is_ending && unsent == 0 && caller->report == NULL)) {
        viv_caller_close(caller);
        return;
    }
    viv_caller_heed_unsent(caller, unsent);
}

void viv_caller_flush(struct viv_caller *caller)
{
    if (caller->is_closing) {
        return;
    }
    if (caller->is_ending && caller->report == NULL) {
        viv_outbox_end(&caller->outbox);
    }
    int status = viv_outbox_flush(&caller->outbox);
    size_t unsent = viv_outbox_unsent_bytes(&caller->outbox);
    if (status != 0 || (caller->is_ending && unsent == 0 && caller->report == NULL)) {
        viv_caller_close(caller);
        return;
    }
    if ((unsent | caller->counted) != 0 || caller->tell_drained || caller->report != NULL) { /* else nothing changes */
        viv_caller_heed_unsent(caller, unsent);
    }
}

/* ---- frames ---- */

/* One piece a turn, and only while its taker keeps up. Time to accept it is given for each. */
void viv_caller_go_on(struct viv_caller *caller)
{
    struct viv_buffer text = {0};
    if (!viv_report_next(caller->report, &text)) {
        viv_report_free(caller->report);
        caller->report = NULL;
    }
    caller->ending_since_ms = viv_server_now_ms(caller->port->server);
    viv_outbox_add(&caller->outbox, viv_buffer_bytes(&text));
    viv_caller_flush(caller);
    viv_buffer_fini(&text);
}

static void answer_word(struct viv_caller *caller, enum viv_four_letter word, struct viv_bytes argument)
{
    caller->received++;
    caller->port->words++;
    viv_caller_begin_ending(caller);
    caller->report = viv_four_letter_answer(caller->port->server, word, caller->id, argument);
    viv_caller_go_on(caller);
}

/* A pause or a close counts at once, not only when the turn is performed: frames behind it must wait. */
static void heed_new_actions(struct viv_caller *caller, size_t from)
{
    const struct viv_actions *actions = &caller->port->server->actions;
    for (size_t i = from; i < actions->count; i++) {
        const struct viv_action *action = &actions->items[i];
        if (action->kind == VIV_ACTION_CLIENT_PAUSE && action->conn == caller->id) {
            caller->is_paused = action->flag;
        } else if (action->kind == VIV_ACTION_CLIENT_PAUSE && action->conn == 0) {
            caller->port->is_paused = action->flag;
        } else if (action->kind == VIV_ACTION_CLIENT_CLOSE && action->conn == caller->id) {
            viv_caller_begin_ending(caller);
        }
    }
}

static bool are_all_paused(const struct viv_client_port *port)
{
    return port->is_paused || port->is_draining;
}

static bool may_go_on(const struct viv_caller *caller)
{
    return !caller->is_closing && !caller->is_ending && !caller->is_paused && !are_all_paused(caller->port);
}

static void give_frame(struct viv_caller *caller, struct viv_bytes frame)
{
    struct viv_server *server = caller->port->server;
    size_t from = server->actions.count;
    caller->received++;
    viv_server_step(server, &(struct viv_event){.kind = VIV_EVENT_CLIENT_FRAME, .conn = caller->id, .bytes = frame});
    heed_new_actions(caller, from);
}

static void refuse_frame(struct viv_caller *caller, int length)
{
    uint64_t swallowed;
    caller->port->oversized++;
    if (viv_log_gate_open(&caller->port->malformed, viv_server_now_ms(caller->port->server), &swallowed)) {
        viv_log(VIV_LOG_WARN, "client", "closed: a frame of impossible length",
                "address=%s:%d length=%d swallowed=%" PRIu64, caller->address.text, caller->address.port, length,
                swallowed);
    }
    viv_caller_close(caller);
}

enum frame_length { FRAME_FITS, FRAME_TOO_LONG, FRAME_UNKNOWN };

/* What is too long for other requests is not for the one that sets a client's watches anew: ZooKeeper's C client sends
 * them all in one, however many they are. Only its header tells. */
static enum frame_length judge_length(const struct viv_caller *caller, uint32_t size, struct viv_bytes head)
{
    enum { OP_AT = VIV_CALLER_HEAD_BYTES + 4, OP_BYTES = 4 };
    if (size > 0 && size <= (uint64_t)caller->port->server->config->frame_bytes_max) {
        return FRAME_FITS;
    }
    if (size == 0 || size > VIV_SET_WATCHES_FRAME_BYTES_MAX || caller->received == 0) {
        return FRAME_TOO_LONG; /* the first frame is no request */
    }
    if (head.size < OP_AT + OP_BYTES) {
        return FRAME_UNKNOWN;
    }
    uint32_t op = viv_load_be32(head.data + OP_AT);
    return op == VIV_OP_SET_WATCHES || op == VIV_OP_SET_WATCHES2 ? FRAME_FITS : FRAME_TOO_LONG;
}

/* Takes whole frames off the front; returns the bytes used. */
static size_t take_frames(struct viv_caller *caller, struct viv_bytes in)
{
    size_t used = 0;
    while (in.size - used >= VIV_CALLER_HEAD_BYTES &&
           (may_go_on(caller) || (!caller->is_greeted && !caller->is_closing))) {
        if (!caller->is_greeted) {
            caller->is_greeted = true;
            enum viv_four_letter word = viv_four_letter_find(in.data);
            size_t argument_bytes = viv_four_letter_argument_bytes(caller->port->server->config, word);
            if (in.size - VIV_CALLER_HEAD_BYTES < argument_bytes) {
                caller->is_greeted = false;
                break;
            }
            if (word != VIV_FOUR_LETTER_NONE) {
                answer_word(caller, word, viv_bytes_of(in.data + VIV_CALLER_HEAD_BYTES, argument_bytes));
                return in.size;
            }
        }
        uint32_t size = viv_load_be32(in.data + used);
        enum frame_length length = judge_length(caller, size, viv_bytes_of(in.data + used, in.size - used));
        if (length == FRAME_TOO_LONG) {
            refuse_frame(caller, (int)size);
            return in.size;
        }
        if (length == FRAME_UNKNOWN || in.size - used - VIV_CALLER_HEAD_BYTES < size) {
            viv_large_frames_begin(caller, size);
            break;
        }
        viv_large_frames_end(caller);
        give_frame(caller, viv_bytes_of(in.data + used + VIV_CALLER_HEAD_BYTES, size));
        used += VIV_CALLER_HEAD_BYTES + size;
    }
    return used;
}

/* ---- reading ---- */

/* A handshake is short; what a session's first requests come to nobody knows. */
static bool is_light(const struct viv_caller *caller)
{
    return caller->received != 1 && caller->reply_bytes < VIV_CALLER_LIGHT_BYTES;
}

/* In a turn that has made many replies nobody else is read; who would have been waits in a queue, those with short
 * replies in one of their own: among many who take much, somebody who takes little waits for a turn and not for all. */
static bool is_its_turn(struct viv_caller *caller)
{
    struct viv_client_port *port = caller->port;
    bool is_first = is_light(caller), is_full = viv_client_port_turn_is_full(port);
    bool is_free = port->waiting_light.size == 0 && (is_first || port->waiting.size == 0);
    if (caller->is_admitted ? is_first || !is_full : is_free && !is_full) {
        caller->is_admitted = false;
        caller->reply_bytes = 0;
        return true;
    }
    if (!caller->is_waiting && !caller->is_admitted) {
        caller->is_waiting = true;
        viv_buffer_append(is_first ? &port->waiting_light : &port->waiting, &caller->id, sizeof caller->id);
    }
    return false;
}

/* A held part of a frame is put in front of the read, so that frames are whole in one place; only a frame that is
 * larger than a read is collected in memory of its own. */
static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    (void)suggested;
    struct viv_caller *caller = handle->data;
    struct viv_client_port *port = caller->port;
    if (caller->read_turn == port->server->turn || !is_its_turn(caller)) {
        *buf = uv_buf_init(NULL, 0); /* one read a turn at most: the rest is still there in the next */
        return;
    }
    if (!caller->is_plain) {
        *buf = uv_buf_init((char *)port->shared, VIV_CALLER_READ_BYTES);
    } else if (caller->input.size < VIV_CALLER_READ_BYTES) {
        if (caller->input.size > 0) {
            memcpy(port->shared, caller->input.data, caller->input.size);
        }
        *buf = uv_buf_init((char *)port->shared + caller->input.size, VIV_CALLER_READ_BYTES);
    } else {
        *buf = uv_buf_init((char *)viv_buffer_reserve(&caller->input, VIV_CALLER_READ_BYTES), VIV_CALLER_READ_BYTES);
    }
}

static void keep_rest(struct viv_caller *caller, struct viv_bytes rest)
{
    struct viv_buffer *input = &caller->input;
    if (rest.size == 0 && input->capacity > VIV_CALLER_READ_BYTES) {
        viv_buffer_fini(input);
        return;
    }
    viv_buffer_clear(input);
    viv_buffer_append_bytes(input, rest);
}

/* The time of a frame begins with its first byte. What a pause holds back is no part of a frame. */
static void note_partial(struct viv_caller *caller, size_t used)
{
    if (caller->input.size == 0) {
        caller->partial_ms = 0;
    } else if (used > 0 || caller->partial_ms == 0) {
        caller->partial_ms = viv_server_now_ms(caller->port->server);
    }
}

void viv_caller_take_bytes(struct viv_caller *caller, struct viv_bytes in)
{
    size_t used = take_frames(caller, in);
    keep_rest(caller, viv_bytes_of(in.data + used, in.size - used));
    note_partial(caller, used);
}

void viv_caller_take_input(struct viv_caller *caller)
{
    size_t used = take_frames(caller, viv_buffer_bytes(&caller->input));
    viv_buffer_consume(&caller->input, used);
    note_partial(caller, used);
}

static void on_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *buf)
{
    struct viv_caller *caller = stream->data;
    struct viv_client_port *port = caller->port;
    if (got == 0 || got == UV_ENOBUFS || caller->is_closing) {
        viv_caller_update_reading(caller); /* who waits is not asked again and again whether it has something */
        return;
    }
    if (got < 0) {
        port->dropped += !caller->is_ending;
        viv_caller_close(caller);
        return;
    }
    port->bytes_received += (size_t)got;
    caller->read_turn = port->server->turn;
    if (!caller->is_plain) {
        viv_caller_take_network(caller, viv_bytes_of(buf->base, (size_t)got));
    } else if (caller->input.size < VIV_CALLER_READ_BYTES) {
        viv_caller_take_bytes(caller,
                              viv_bytes_of(port->shared, (size_t)(buf->base - (char *)port->shared) + (size_t)got));
    } else {
        caller->input.size += (size_t)got;
        viv_caller_take_input(caller);
    }
    viv_caller_update_reading(caller);
}

void viv_caller_update_reading(struct viv_caller *caller)
{
    struct viv_client_port *port = caller->port;
    bool may_read = !caller->is_closing && !caller->is_ending && !caller->is_paused && !caller->is_output_full &&
                    !caller->is_waiting && caller->wanted == 0 && !(are_all_paused(port) && caller->is_greeted);
    if (may_read == caller->is_reading || caller->is_closing) {
        return;
    }
    caller->is_reading = may_read;
    caller->partial_ms = 0;
    if (!may_read) {
        uv_read_stop((uv_stream_t *)&caller->handle);
        return;
    }
    if (caller->input.size > 0) {
        viv_buffer_append(&port->to_resume, &caller->id, sizeof caller->id);
        viv_server_want_turn(port->server);
    }
    if (uv_read_start((uv_stream_t *)&caller->handle, on_alloc, on_read) != 0) {
        viv_caller_close(caller);
    }
}

void viv_caller_take_held(struct viv_caller *caller)
{
    viv_caller_take_input(caller);
    viv_caller_update_reading(caller);
}
