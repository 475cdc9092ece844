#include "node/attachment.h"

#include <stdlib.h>

#include "base/assert.h"
#include "base/limits.h"
#include "wire/jute.h"

void viv_attachments_init(struct viv_attachments *sessions, viv_sid sid, int64_t start_wall_ms)
{
    VIV_ASSERT(sid >= 0 && sid <= VIV_SID_MAX);
    uint64_t clock = ((uint64_t)start_wall_ms & 0xffffffffffULL) << 16;
    *sessions = (struct viv_attachments){.next_id = (int64_t)((uint64_t)sid << 56 | clock), .round = 1};
}

void viv_attachments_fini(struct viv_attachments *sessions)
{
    VIV_ASSERT(sessions->by_id.count == 0);
    viv_table_fini(&sessions->by_id);
    viv_buffer_fini(&sessions->touched);
}

int64_t viv_attachments_make_id(struct viv_attachments *sessions)
{
    return sessions->next_id++;
}

struct viv_attachment *viv_attachments_find(const struct viv_attachments *sessions, int64_t session_id)
{
    return viv_table_get(&sessions->by_id, (uint64_t)session_id);
}

struct viv_connection *viv_attachments_take(struct viv_attachments *sessions, struct viv_connection *connection,
                                            bool is_local)
{
    VIV_ASSERT(connection->session == NULL && connection->session_id != 0);
    struct viv_connection *previous = NULL;
    struct viv_attachment *session = viv_attachments_find(sessions, connection->session_id);
    if (session == NULL) {
        session = viv_alloc_zeroed(1, sizeof *session);
        session->id = connection->session_id;
        viv_table_add(&sessions->by_id, (uint64_t)session->id, session);
    } else {
        previous = session->connection;
        previous->session = NULL;
    }
    session->timeout_ms = connection->timeout_ms;
    session->connection = connection;
    connection->session = session;
    session->is_local = is_local;
    if (!is_local) {
        viv_attachments_touch(sessions, session);
    }
    return previous;
}

void viv_attachments_detach(struct viv_attachments *sessions, struct viv_connection *connection)
{
    struct viv_attachment *session = connection->session;
    if (session != NULL) {
        VIV_ASSERT(session->connection == connection);
        viv_table_remove(&sessions->by_id, (uint64_t)session->id);
        connection->session = NULL;
        free(session);
    }
}

void viv_attachments_touch(struct viv_attachments *sessions, struct viv_attachment *session)
{
    if (session->touched_round != sessions->round) {
        session->touched_round = sessions->round;
        viv_jute_write_long(&sessions->touched, session->id);
        viv_jute_write_int(&sessions->touched, session->timeout_ms);
    }
}

void viv_attachments_take_touched(struct viv_attachments *sessions, struct viv_buffer *out)
{
    viv_buffer_append_bytes(out, viv_buffer_bytes(&sessions->touched));
    viv_buffer_clear(&sessions->touched);
    sessions->round++;
}
