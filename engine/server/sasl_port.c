#include "server/sasl_port.h"

#include <stdlib.h>

#include "base/assert.h"
#include "base/log.h"
#include "node/fifo.h"
#include "node/table.h"
#include "security/sasl.h"
#include "server/server_internal.h"

struct exchange {
    struct viv_sasl_exchange *state;
    viv_conn conn;
    struct exchange *next, **link;
};

struct token {
    viv_conn conn;
    struct viv_buffer bytes;
};

struct viv_sasl_port {
    struct viv_server *server;
    struct viv_sasl *sasl;
    struct viv_table by_conn;
    struct exchange *exchanges;
    struct viv_fifo tokens;
    struct viv_buffer answer, identities;
};

bool viv_sasl_port_is_wanted(const struct viv_config *config)
{
    return config->clients.jaas_file[0] != '\0';
}

viv_status viv_sasl_port_open(struct viv_server *server, struct viv_sasl_port **out)
{
    const struct viv_config_clients *clients = &server->config->clients;
    struct viv_sasl_settings settings = {
        .jaas_file = clients->jaas_file,
        .section = clients->jaas_section[0] != '\0' ? clients->jaas_section : NULL,
        .super_password = clients->sasl_super_password[0] != '\0' ? clients->sasl_super_password : NULL,
        .super_users = clients->super_users[0] != '\0' ? clients->super_users : NULL,
    };
    struct viv_buffer why = {0};
    struct viv_sasl *sasl;
    viv_status status = viv_sasl_open(&settings, &sasl, &why);
    if (status != VIV_OK) {
        viv_log(VIV_LOG_ERROR, "security", "clients cannot be authenticated by SASL", "why=\"%.*s\"", (int)why.size,
                (const char *)why.data);
    } else {
        struct viv_sasl_port *port = viv_alloc_zeroed(1, sizeof *port);
        port->server = server;
        port->sasl = sasl;
        viv_fifo_init(&port->tokens, sizeof(struct token));
        *out = port;
    }
    viv_buffer_fini(&why);
    return status;
}

static void end_exchange(struct viv_sasl_port *port, struct exchange *exchange)
{
    *exchange->link = exchange->next;
    if (exchange->next != NULL) {
        exchange->next->link = exchange->link;
    }
    viv_table_remove(&port->by_conn, exchange->conn);
    viv_sasl_end(exchange->state);
    free(exchange);
}

void viv_sasl_port_close(struct viv_sasl_port *port)
{
    if (port == NULL) {
        return;
    }
    while (port->exchanges != NULL) {
        end_exchange(port, port->exchanges);
    }
    for (; port->tokens.count > 0; viv_fifo_pop(&port->tokens)) {
        viv_buffer_fini(&((struct token *)viv_fifo_front(&port->tokens))->bytes);
    }
    viv_fifo_fini(&port->tokens);
    viv_table_fini(&port->by_conn);
    viv_buffer_fini(&port->answer);
    viv_buffer_fini(&port->identities);
    viv_sasl_close(port->sasl);
    free(port);
}

void viv_sasl_port_take(struct viv_sasl_port *port, viv_conn conn, struct viv_bytes bytes)
{
    struct token *token = viv_fifo_push(&port->tokens);
    token->conn = conn;
    viv_buffer_append_bytes(&token->bytes, bytes);
}

void viv_sasl_port_forget(struct viv_sasl_port *port, viv_conn conn)
{
    struct exchange *exchange = port != NULL ? viv_table_get(&port->by_conn, conn) : NULL;
    if (exchange != NULL) {
        end_exchange(port, exchange);
    }
}

static struct exchange *need_exchange(struct viv_sasl_port *port, viv_conn conn)
{
    struct exchange *exchange = viv_table_get(&port->by_conn, conn);
    if (exchange == NULL) {
        exchange = viv_alloc_zeroed(1, sizeof *exchange);
        exchange->state = viv_sasl_begin(port->sasl);
        exchange->conn = conn;
        exchange->next = port->exchanges;
        exchange->link = &port->exchanges;
        if (exchange->next != NULL) {
            exchange->next->link = &exchange->next;
        }
        port->exchanges = exchange;
        viv_table_add(&port->by_conn, conn, exchange);
    }
    return exchange;
}

static void serve_token(struct viv_sasl_port *port, const struct token *token)
{
    struct exchange *exchange = need_exchange(port, token->conn);
    viv_buffer_clear(&port->answer);
    viv_buffer_clear(&port->identities);
    struct viv_event event = {.kind = VIV_EVENT_CLIENT_SASL_DONE, .conn = token->conn};
    event.sasl = viv_sasl_step(exchange->state, viv_buffer_bytes(&token->bytes), &port->answer, &port->identities);
    event.bytes = viv_buffer_bytes(&port->answer);
    event.identities = viv_buffer_bytes(&port->identities);
    if (event.sasl != VIV_SASL_CONTINUE) {
        end_exchange(port, exchange);
    }
    viv_server_step(port->server, &event);
}

void viv_sasl_port_serve(struct viv_sasl_port *port)
{
    while (port != NULL && port->tokens.count > 0) {
        struct token token = *(struct token *)viv_fifo_front(&port->tokens);
        viv_fifo_pop(&port->tokens);
        serve_token(port, &token);
        viv_buffer_fini(&token.bytes);
    }
}
