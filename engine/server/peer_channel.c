#include "server/peer_channel.h"

#include <string.h>

#include "server/address.h"

/* No plain message of a server begins with the first byte of a TLS record. */
enum { TLS_FIRST_BYTE = 0x16 };

static struct viv_tls_context *context_of(const struct viv_server *server)
{
    return viv_tls_ports_context(&server->tls, VIV_TLS_PORT_PEERS);
}

void viv_peer_channel_accept(struct viv_peer_channel *channel, struct viv_server *server)
{
    const struct viv_config *config = server->config;
    bool is_plain = !config->ssl_quorum && !config->peer_port_unification;
    *channel = (struct viv_peer_channel){
        .is_open = is_plain,
        .is_either = config->peer_port_unification,
        .since_ms = viv_server_now_ms(server),
    };
    if (!is_plain && !channel->is_either) {
        channel->tls = viv_tls_channel_accept(context_of(server));
    }
}

void viv_peer_channel_dial(struct viv_peer_channel *channel, struct viv_server *server, const char *host)
{
    *channel = (struct viv_peer_channel){
        .is_open = !server->config->ssl_quorum,
        .since_ms = viv_server_now_ms(server),
    };
    if (server->config->ssl_quorum) {
        channel->tls = viv_tls_channel_connect(context_of(server), host);
    }
}

void viv_peer_channel_fini(struct viv_peer_channel *channel)
{
    viv_tls_channel_free(channel->tls);
    channel->tls = NULL;
}

static void decide(struct viv_peer_channel *channel, struct viv_server *server, struct viv_bytes bytes)
{
    channel->is_either = false;
    if (bytes.data[0] == TLS_FIRST_BYTE) {
        channel->tls = viv_tls_channel_accept(context_of(server));
    } else {
        channel->is_open = true;
    }
}

viv_status viv_peer_channel_take(struct viv_peer_channel *channel, struct viv_server *server, struct viv_bytes bytes,
                                 struct viv_outbox *outbox, struct viv_buffer *plain, struct viv_bytes *said)
{
    if (channel->is_either && bytes.size > 0) {
        decide(channel, server, bytes);
    }
    if (channel->tls == NULL) {
        *said = bytes;
        return VIV_OK;
    }
    viv_buffer_clear(plain);
    viv_status status = viv_tls_channel_take(channel->tls, bytes, plain, &outbox->queued);
    *said = viv_buffer_bytes(plain);
    if (!channel->is_open && viv_tls_channel_is_open(channel->tls)) {
        channel->is_open = true;
        outbox->tls = channel->tls;
    }
    if (status == VIV_ERR_MALFORMED) {
        channel->why = viv_tls_channel_why(channel->tls);
    }
    return status;
}

bool viv_peer_channel_is_overdue(const struct viv_peer_channel *channel, const struct viv_server *server)
{
    uint64_t most_ms = (uint64_t)server->config->peer_tls.handshake_ms;
    return !channel->is_open && viv_server_now_ms(server) >= channel->since_ms + most_ms;
}

/* ---- who it is ---- */

static struct viv_sid_set certified(const struct viv_peer_channel *channel, const struct viv_members *members)
{
    struct viv_sid_set sids = {0};
    for (size_t i = 0; i < members->count; i++) {
        if (viv_tls_channel_is_host(channel->tls, members->items[i].host)) {
            viv_sid_set_add(&sids, members->items[i].sid);
        }
    }
    return sids;
}

static bool is_certificate_checked(const struct viv_peer_channel *channel, const struct viv_server *server)
{
    return channel->tls != NULL && server->config->peer_tls.verify_host;
}

struct viv_sid_set viv_peer_channel_barred(const struct viv_peer_channel *channel, const struct viv_server *server)
{
    struct viv_sid_set barred = {0};
    if (is_certificate_checked(channel, server)) {
        struct viv_sid_set sids = certified(channel, &server->ensemble.members);
        for (size_t i = 0; i < server->ensemble.members.count; i++) {
            viv_sid sid = server->ensemble.members.items[i].sid;
            if (!viv_sid_set_has(&sids, sid)) {
                viv_sid_set_add(&barred, sid);
            }
        }
    }
    return barred;
}

struct viv_sid_set viv_peer_channel_proved(const struct viv_peer_channel *channel, const struct viv_server *server,
                                           const uv_tcp_t *handle)
{
    const struct viv_members *members = &server->ensemble.members;
    struct viv_sid_set sids = {0};
    struct viv_address address, member;
    if (is_certificate_checked(channel, server)) {
        return certified(channel, members);
    }
    if (viv_address_peer(handle, &address) != 0) {
        return sids;
    }
    for (size_t i = 0; i < members->count; i++) {
        if (viv_address_parse(members->items[i].host, &member) &&
            memcmp(member.bytes, address.bytes, sizeof address.bytes) == 0) {
            viv_sid_set_add(&sids, members->items[i].sid);
        }
    }
    return sids;
}
