#ifndef VIV_TESTS_SUPPORT_NODE_NET_INTERNAL_H
#define VIV_TESTS_SUPPORT_NODE_NET_INTERNAL_H

#include "tests/support/node_net.h"
#include "tests/support/node_queue.h"

/* Shared by node_net.c (time, peers, disks) and node_net_clients.c. */

enum { NETWORK_MS = 1 };

struct net_link {
    uint32_t id;
    size_t dialler, acceptor;
    bool is_silent; /* bytes vanish */
    bool is_closed;
};

struct net_client {
    viv_conn conn;
    size_t server;
    uint64_t life;
    struct viv_buffer received;
    bool is_closed, is_paused;
};

struct net_server {
    struct viv_node *node; /* NULL while down */
    uint64_t life;
    bool is_listening, is_isolated;
    const char *end; /* why it must end after this turn; NULL: it need not */
    struct viv_node_disk disk;
    uint64_t log_ms; /* beside what every disk takes */
    struct viv_actions actions;
    struct viv_node_net_counts counts;
};

struct viv_node_net {
    struct viv_node_net_config config;
    struct net_server servers[VIV_NODE_RECIPE_SERVERS_MAX];
    uint64_t now_ms;
    struct viv_node_queue queue;
    struct net_link *links;
    size_t link_count, link_capacity;
    struct net_client *clients;
    size_t client_count, client_capacity;
};

/* An event for a server after a delay. */
void viv_node_net_expect(struct viv_node_net *net, size_t server, uint64_t delay_ms, const struct viv_event *event,
                         struct viv_bytes bytes);
struct net_client *viv_node_net_find_client(const struct viv_node_net *net, viv_conn conn);
void viv_node_net_close_client(struct viv_node_net *net, struct net_client *client);

#endif /* VIV_TESTS_SUPPORT_NODE_NET_INTERNAL_H */
