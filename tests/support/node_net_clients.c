#include "base/endian.h"
#include "tests/support/node_net_internal.h"
#include "tests/support/viv_test.h"

viv_conn viv_node_net_connect(struct viv_node_net *net, size_t server)
{
    if (net->client_count == net->client_capacity) {
        net->client_capacity = net->client_capacity == 0 ? 16 : net->client_capacity * 2;
        net->clients = viv_realloc(net->clients, net->client_capacity * sizeof *net->clients);
    }
    viv_conn conn = ++net->client_count;
    net->clients[conn - 1] =
        (struct net_client){.conn = conn, .server = server, .is_closed = net->servers[server].node == NULL};
    struct viv_event event = {.kind = VIV_EVENT_CLIENT_OPEN, .conn = conn};
    viv_node_net_expect(net, server, NETWORK_MS, &event, VIV_BYTES_LITERAL("127.0.0.1"));
    return conn;
}

void viv_node_net_send(struct viv_node_net *net, viv_conn conn, struct viv_bytes frames)
{
    struct net_client *client = viv_node_net_find_client(net, conn);
    while (frames.size > 0 && !client->is_closed) {
        cr_assert(frames.size >= 4);
        size_t size = viv_load_be32(frames.data);
        cr_assert(frames.size - 4 >= size);
        struct viv_event event = {.kind = VIV_EVENT_CLIENT_FRAME, .conn = conn};
        viv_node_net_expect(net, client->server, NETWORK_MS, &event, viv_bytes_of(frames.data + 4, size));
        frames = viv_bytes_of(frames.data + 4 + size, frames.size - 4 - size);
    }
}

bool viv_node_net_receive(struct viv_node_net *net, viv_conn conn, struct viv_buffer *frame)
{
    struct net_client *client = viv_node_net_find_client(net, conn);
    viv_buffer_clear(frame);
    if (client->received.size == 0) {
        return false;
    }
    size_t size = viv_load_be32(client->received.data);
    cr_assert(client->received.size - 4 >= size, "a server sends whole frames only");
    viv_buffer_append(frame, client->received.data + 4, size);
    viv_buffer_consume(&client->received, 4 + size);
    return true;
}

bool viv_node_net_is_closed(const struct viv_node_net *net, viv_conn conn)
{
    return viv_node_net_find_client(net, conn)->is_closed;
}

bool viv_node_net_is_paused(const struct viv_node_net *net, viv_conn conn)
{
    return viv_node_net_find_client(net, conn)->is_paused;
}

void viv_node_net_hang_up(struct viv_node_net *net, viv_conn conn)
{
    viv_node_net_close_client(net, viv_node_net_find_client(net, conn));
}
