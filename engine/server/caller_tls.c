#include <inttypes.h>

#include "base/log.h"
#include "server/caller.h"

/* The first byte of every TLS connection (a handshake record). A plain frame that began with it would be 352 MiB. */
enum { TLS_FIRST_BYTE = 0x16 };

void viv_caller_begin_handshake(struct viv_caller *caller)
{
    caller->is_shaking = true;
    caller->port->handshake_count++;
}

void viv_caller_end_handshake(struct viv_caller *caller)
{
    caller->port->handshake_count -= caller->is_shaking;
    caller->is_shaking = false;
}

void viv_caller_open(struct viv_caller *caller)
{
    struct viv_server *server = caller->port->server;
    struct viv_buffer identities = {0};
    if (caller->tls != NULL) {
        viv_tls_channel_identities(caller->tls, server->config->x509_super_user, &identities);
    }
    caller->is_open = true;
    viv_server_step(server, &(struct viv_event){.kind = VIV_EVENT_CLIENT_OPEN,
                                                .conn = caller->id,
                                                .bytes = viv_bytes_text(caller->address.text),
                                                .identities = viv_buffer_bytes(&identities),
                                                .flag = caller->tls != NULL});
    viv_buffer_fini(&identities);
}

bool viv_caller_is_overdue(const struct viv_caller *caller, uint64_t now_ms)
{
    uint64_t most_ms = (uint64_t)caller->port->server->config->client_tls.handshake_ms;
    return !caller->is_open && now_ms >= caller->since_ms + most_ms;
}

/* One line for all that goes wrong before a connection is open; anybody can provoke it. */
static void tell_failure(struct viv_caller *caller, const char *why)
{
    uint64_t swallowed;
    caller->port->handshakes_failed++;
    if (viv_log_gate_open(&caller->port->failures, viv_server_now_ms(caller->port->server), &swallowed)) {
        viv_log(VIV_LOG_WARN, "client", "closed: no TLS connection came about",
                "address=%s:%d why=\"%s\" swallowed=%" PRIu64, caller->address.text, caller->address.port, why,
                swallowed);
    }
}

static bool begin_handshake(struct viv_caller *caller)
{
    struct viv_client_port *port = caller->port;
    struct viv_tls_context *context = viv_tls_ports_context(&port->server->tls, VIV_TLS_PORT_CLIENTS);
    if (!caller->is_shaking) { /* on a TLS port it has been since it was accepted */
        if (port->handshake_count >= (size_t)port->server->config->handshakes_max) {
            port->handshakes_refused++;
            tell_failure(caller, "too many handshakes are under way");
            viv_caller_close(caller);
            return false;
        }
        viv_caller_begin_handshake(caller);
    }
    caller->tls = viv_tls_channel_accept(context);
    return true;
}

/* Decrypts into `plain`. False: the connection is being closed, but what was said before counts. */
static bool decrypt(struct viv_caller *caller, struct viv_bytes bytes, struct viv_buffer *plain)
{
    size_t queued = caller->outbox.queued.size;
    viv_status status = viv_tls_channel_take(caller->tls, bytes, plain, &caller->outbox.queued);
    if (caller->outbox.queued.size > queued) {
        viv_caller_flush(caller);
    }
    if (status == VIV_ERR_MALFORMED) {
        tell_failure(caller, viv_tls_channel_why(caller->tls));
        return false;
    }
    if (!caller->is_open && !caller->is_closing && viv_tls_channel_is_open(caller->tls)) {
        viv_caller_end_handshake(caller);
        caller->outbox.tls = caller->tls;
        viv_caller_open(caller);
    }
    return status == VIV_OK;
}

/* As with plain connections, only a frame that is larger than a read is collected in memory of its own. */
void viv_caller_take_network(struct viv_caller *caller, struct viv_bytes bytes)
{
    struct viv_client_port *port = caller->port;
    if (caller->tls == NULL && caller->kind == VIV_LISTENER_EITHER && bytes.data[0] != TLS_FIRST_BYTE) {
        caller->is_plain = true;
        viv_caller_open(caller);
        viv_caller_take_bytes(caller, bytes);
        return;
    }
    if (caller->tls == NULL && !begin_handshake(caller)) {
        return;
    }
    bool is_long = caller->input.size >= VIV_CALLER_READ_BYTES;
    struct viv_buffer *plain = is_long ? &caller->input : &port->plain;
    if (!is_long) {
        viv_buffer_clear(plain);
        viv_buffer_append_bytes(plain, viv_buffer_bytes(&caller->input));
    }
    bool goes_on = decrypt(caller, bytes, plain);
    if (caller->is_open && !caller->is_closing && is_long) {
        viv_caller_take_input(caller);
    } else if (caller->is_open && !caller->is_closing) {
        viv_caller_take_bytes(caller, viv_buffer_bytes(plain));
    }
    if (!goes_on) {
        viv_caller_close(caller);
    }
}
