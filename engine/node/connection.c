#include "node/connection.h"

#include <stdlib.h>

#include "base/assert.h"
#include "base/endian.h"
#include "base/limits.h"
#include "metrics/tally.h"

enum {
    REPLY_HEADER_BYTES = 16,
    OUTBOX_KEPT_BYTES = 4096, /* an idle connection keeps no more than this */
};

void viv_connections_fini(struct viv_connections *connections)
{
    while (connections->first != NULL) {
        viv_connections_remove(connections, connections->first);
    }
    viv_table_fini(&connections->by_id);
    free(connections->dirty);
    *connections = (struct viv_connections){0};
}

void viv_connection_stats_reset(struct viv_connection_stats *stats)
{
    *stats = (struct viv_connection_stats){.last_cxid = -1, .last_zxid = UINT64_MAX};
}

struct viv_connection *viv_connections_add(struct viv_connections *connections, viv_conn id,
                                           const struct viv_turn *turn)
{
    struct viv_connection *connection = viv_alloc_zeroed(1, sizeof *connection);
    connection->id = id;
    connection->opened_ms = turn->now_ms;
    connection->opened_wall_ms = turn->wall_ms;
    viv_connection_stats_reset(&connection->stats);
    viv_fifo_init(&connection->early, sizeof(struct viv_early_frame));
    viv_fifo_init(&connection->pending, sizeof(struct viv_pending));
    connection->previous = connections->last;
    if (connections->last != NULL) {
        connections->last->next = connection;
    } else {
        connections->first = connection;
    }
    connections->last = connection;
    viv_table_add(&connections->by_id, id, connection);
    return connection;
}

struct viv_connection *viv_connections_find(const struct viv_connections *connections, viv_conn id)
{
    return viv_table_get(&connections->by_id, id);
}

void viv_connections_remove(struct viv_connections *connections, struct viv_connection *connection)
{
    VIV_ASSERT(viv_connections_find(connections, connection->id) == connection);
    viv_connection_forget(connections, connection);
    viv_table_remove(&connections->by_id, connection->id);
    *(connection->previous != NULL ? &connection->previous->next : &connections->first) = connection->next;
    *(connection->next != NULL ? &connection->next->previous : &connections->last) = connection->previous;
    viv_fifo_fini(&connection->early);
    viv_fifo_fini(&connection->pending);
    viv_buffer_fini(&connection->authinfo);
    viv_connection_unsay(connections, connection);
    free(connection);
}

/* ---- order ---- */

struct viv_pending *viv_connection_push(struct viv_connections *connections, struct viv_connection *connection,
                                        const struct viv_pending *request, size_t bytes)
{
    connections->pending_count++;
    connections->pending_bytes += bytes;
    connection->pending_bytes += bytes;
    viv_connection_mark_dirty(connections, connection);
    struct viv_pending *pending = viv_fifo_push(&connection->pending);
    *pending = *request;
    pending->bytes = bytes;
    return pending;
}

void viv_connection_pop(struct viv_connections *connections, struct viv_connection *connection)
{
    struct viv_pending *pending = viv_fifo_front(&connection->pending);
    VIV_ASSERT(pending != NULL && connections->pending_count > 0);
    VIV_ASSERT(connection->pending_bytes >= pending->bytes && connections->pending_bytes >= pending->bytes);
    connections->pending_bytes -= pending->bytes;
    connection->pending_bytes -= pending->bytes;
    viv_buffer_fini(&pending->record);
    viv_fifo_pop(&connection->pending);
    connections->pending_count--;
    viv_connection_mark_dirty(connections, connection);
}

void viv_connection_forget(struct viv_connections *connections, struct viv_connection *connection)
{
    while (connection->pending.count > 0) {
        viv_connection_pop(connections, connection);
    }
    while (connection->early.count > 0) {
        viv_buffer_fini(&((struct viv_early_frame *)viv_fifo_front(&connection->early))->frame);
        viv_fifo_pop(&connection->early);
    }
}

/* ---- what is said ---- */

void viv_connection_mark_dirty(struct viv_connections *connections, struct viv_connection *connection)
{
    if (connection->is_dirty) {
        return;
    }
    connection->is_dirty = true;
    if (connections->dirty_count == connections->dirty_capacity) {
        connections->dirty_capacity = connections->dirty_capacity == 0 ? 64 : connections->dirty_capacity * 2;
        connections->dirty = viv_realloc(connections->dirty, connections->dirty_capacity * sizeof *connections->dirty);
    }
    connections->dirty[connections->dirty_count++] = connection->id;
}

static void count_reply(struct viv_connections *connections, uint64_t bytes)
{
    connections->reply_bytes += bytes;
    connections->reply_bytes_last = bytes;
    viv_note_extremes(bytes, &connections->reply_bytes_min, &connections->reply_bytes_max);
}

void viv_connection_reply(struct viv_connections *connections, struct viv_connection *connection,
                          const struct viv_reply_header *header, struct viv_bytes record)
{
    VIV_ASSERT(header->err == 0 || record.size == 0);
    viv_store_be32(viv_buffer_extend(&connection->outbox, 4), (uint32_t)(REPLY_HEADER_BYTES + record.size));
    viv_reply_header_encode(&connection->outbox, header);
    viv_buffer_append_bytes(&connection->outbox, record);
    viv_connection_mark_dirty(connections, connection);
    connections->outbox_bytes += 4 + REPLY_HEADER_BYTES + record.size;
    connections->frames_sent++;
    count_reply(connections, REPLY_HEADER_BYTES + record.size);
}

void viv_connection_say(struct viv_connections *connections, struct viv_connection *connection, struct viv_bytes frames)
{
    if (frames.size > 0) {
        viv_buffer_append_bytes(&connection->outbox, frames);
        viv_connection_mark_dirty(connections, connection);
        connections->outbox_bytes += frames.size;
        connections->frames_sent++;
    }
}

void viv_connection_unsay(struct viv_connections *connections, struct viv_connection *connection)
{
    connections->outbox_bytes -= connection->outbox.size;
    viv_buffer_fini(&connection->outbox);
}

static void pause(viv_conn conn, bool flag, struct viv_actions *out)
{
    struct viv_action *action = viv_actions_add(out, VIV_ACTION_CLIENT_PAUSE);
    action->conn = conn;
    action->flag = flag;
}

/* Who sends faster than it is answered is not read from until half of it is answered. */
static bool is_over(bool is_paused, uint64_t waiting, uint64_t limit)
{
    return waiting > (is_paused ? limit / 2 : limit);
}

/* Nothing is read while a session is being made, but what had come already. */
static bool wants_pause(const struct viv_connections *connections, const struct viv_connection *connection)
{
    return connection->early.count > 0 || connection->is_held ||
           is_over(connection->is_paused, connection->pending.count, connections->pending_per_connection_max) ||
           is_over(connection->is_paused, connection->pending_bytes, VIV_OUTSTANDING_BYTES_PER_CONNECTION_MAX);
}

static void flush_connection(const struct viv_connections *connections, struct viv_connection *connection,
                             struct viv_actions *out)
{
    if (connection->outbox.size > 0) {
        struct viv_action *action = viv_actions_add(out, VIV_ACTION_CLIENT_SEND);
        action->conn = connection->id;
        action->bytes = viv_buffer_bytes(&connection->outbox);
        action->flag = connection->outbox.size >= VIV_OUTPUT_PAUSE_BYTES;
        connection->is_held |= action->flag;
    }
    if (connection->state == VIV_CONNECTION_CLOSING) {
        viv_actions_add(out, VIV_ACTION_CLIENT_CLOSE)->conn = connection->id;
        return;
    }
    bool wanted = wants_pause(connections, connection);
    if (wanted != connection->is_paused) {
        connection->is_paused = wanted;
        pause(connection->id, wanted, out);
    }
}

bool viv_connection_is_full(const struct viv_connection *connection)
{
    return connection->is_held || connection->outbox.size >= VIV_OUTPUT_PAUSE_BYTES;
}

void viv_connection_hold(struct viv_connection *connection, struct viv_actions *out)
{
    if (viv_connection_is_full(connection) && !connection->is_paused) {
        connection->is_paused = true;
        pause(connection->id, true, out);
    }
}

void viv_connections_flush(struct viv_connections *connections, struct viv_actions *out)
{
    for (size_t i = 0; i < connections->dirty_count; i++) {
        struct viv_connection *connection = viv_connections_find(connections, connections->dirty[i]);
        if (connection != NULL) {
            flush_connection(connections, connection, out);
        }
    }
    bool wanted = is_over(connections->is_paused, connections->pending_count, connections->pending_count_max) ||
                  is_over(connections->is_paused, connections->pending_bytes, connections->pending_bytes_max);
    if (wanted != connections->is_paused) {
        connections->is_paused = wanted;
        pause(0, wanted, out);
    }
}

void viv_connections_turn_begin(struct viv_connections *connections)
{
    for (size_t i = 0; i < connections->dirty_count; i++) {
        struct viv_connection *connection = viv_connections_find(connections, connections->dirty[i]);
        if (connection == NULL) {
            continue;
        }
        connection->is_dirty = false;
        connections->outbox_bytes -= connection->outbox.size;
        viv_buffer_clear(&connection->outbox);
        if (connection->outbox.capacity > OUTBOX_KEPT_BYTES) {
            viv_buffer_fini(&connection->outbox);
        }
    }
    connections->dirty_count = 0;
}
