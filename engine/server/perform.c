#include <poll.h>
#include <unistd.h>

#include "base/log.h"
#include "server/exit_code.h"
#include "server/server_internal.h"

_Noreturn static void stop_at_once(const char *text, enum viv_exit exit_code)
{
    viv_log(VIV_LOG_ERROR, "node", text, "exit=%d", exit_code);
    _exit((int)exit_code);
}

/* Each action goes to the queue of its port or thread. */
static void route(struct viv_server *server, struct viv_action *action)
{
    switch (action->kind) {
    case VIV_ACTION_CLIENT_SEND:
        viv_client_port_send(server->clients, action->conn, action->bytes, action->flag);
        break;
    case VIV_ACTION_CLIENT_CLOSE:
        viv_client_port_close(server->clients, action->conn);
        break;
    case VIV_ACTION_CLIENT_PAUSE:
        viv_client_port_pause(server->clients, action->conn, action->flag);
        break;
    case VIV_ACTION_CLIENT_SASL:
        viv_sasl_port_take(server->sasl, action->conn, action->bytes);
        break;
    case VIV_ACTION_VOTE_SEND:
        viv_election_port_send(server->election, action->sid, action->bytes);
        break;
    case VIV_ACTION_LISTEN:
        viv_quorum_port_listen(server->quorum, action->flag);
        break;
    case VIV_ACTION_LINK_DIAL:
        viv_quorum_port_dial(server->quorum, action->sid);
        break;
    case VIV_ACTION_LINK_SEND:
        viv_quorum_port_send(server->quorum, action->link, action->bytes, action->flag);
        break;
    case VIV_ACTION_LINK_CLOSE:
        viv_quorum_port_close(server->quorum, action->link);
        break;
    case VIV_ACTION_LOG_APPEND:
    case VIV_ACTION_LOG_TRUNCATE:
    case VIV_ACTION_LOG_RESET:
    case VIV_ACTION_LOG_HARD:
    case VIV_ACTION_LOG_REPAIR:
    case VIV_ACTION_LOG_TRIM:
        viv_log_thread_add(server->log_thread, action, server->turn_ns);
        break;
    case VIV_ACTION_LOG_READ:
    case VIV_ACTION_CHECKPOINT_BEGIN:
    case VIV_ACTION_CHECKPOINT_ROWS:
    case VIV_ACTION_CHECKPOINT_COMMIT:
    case VIV_ACTION_CHECKPOINT_ABORT:
        viv_background_add(server->background, action);
        break;
    case VIV_ACTION_TRACE:
        if (action->trace == VIV_TRACE_SERVING) {
            viv_server_count_serving(server);
        }
        viv_trace_record(&server->trace, action->gid, (enum viv_trace_code)action->trace, action->a, action->b);
        break;
    case VIV_ACTION_AUDIT:
        viv_audit_log_add(server->audit, action->bytes, action->flag);
        break;
    case VIV_ACTION_MEMBERS:
        viv_ensemble_take(server, action->bytes, action->members_next);
        break;
    case VIV_ACTION_FATAL:
        stop_at_once(action->text, action->flag ? VIV_EXIT_CONFIG : VIV_EXIT_DATA);
    }
}

/* Never while leading others: their acknowledgements may complete the quorum before the own disk does. Never while
 * something else waits to be read: the poll's own descriptor tells. */
static bool may_write_inline(const struct viv_server *server)
{
    if (!viv_log_thread_has_lone_append(server->log_thread) ||
        (server->quorum != NULL && viv_quorum_port_is_listening(server->quorum))) {
        return false;
    }
    struct pollfd polled = {.fd = uv_backend_fd(&server->loop), .events = POLLIN};
    return poll(&polled, 1, 0) == 0;
}

/* Peers first, then the disk, then clients: the followers' disks and ours work at the same time, and a reply never
 * waits in front of what another server waits for. */
void viv_server_perform(struct viv_server *server, bool may_inline)
{
    for (size_t i = 0; i < server->actions.count; i++) {
        route(server, &server->actions.items[i]);
    }
    if (server->quorum != NULL) {
        viv_quorum_port_flush(server->quorum);
    }
    uint64_t written = 0;
    if (may_inline && may_write_inline(server)) {
        struct viv_log_batch batch;
        written = viv_log_thread_write_inline(server->log_thread, &batch);
        if (written != 0) {
            viv_server_count_batch(server, &batch);
        }
    }
    if (written == 0) {
        viv_log_thread_kick(server->log_thread);
    }
    viv_client_port_flush(server->clients);
    viv_actions_reset(&server->actions);
    if (written != 0) {
        viv_server_step(server, &(struct viv_event){.kind = VIV_EVENT_LOG_DONE, .ticket = written});
    }
    viv_sasl_port_serve(server->sasl);
}
