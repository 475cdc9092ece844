#ifndef VIV_TESTS_SUPPORT_NODE_NET_H
#define VIV_TESTS_SUPPORT_NODE_NET_H

#include "tests/support/node_disk.h"
#include "tests/support/node_recipe.h"

/* Several servers in one process and in virtual time: each a viv_node with stores in memory, joined by links that
 * deliver in order after a fixed delay. Performing an action means queueing a later event; the same calls give the
 * same run. What a disk was told but has not answered is lost when its server is killed.
 *
 * Checks on the way: the log only grows at its end, an image is committed only when the log is durable up to its end,
 * nobody asks for the end of the process. A violation fails the test. */

struct viv_node_net;

/* Stores other than those in memory, and the nodes over them. */
struct viv_node_net_stores {
    /* Opens the server's stores and makes a node that knows what they hold; NULL: it does not start, and stays down. */
    struct viv_node *(*start)(void *ctx, size_t server);
    /* Does it, and calls back with the answers; false: the server must end. */
    bool (*perform)(void *ctx, size_t server, const struct viv_action *action, viv_node_disk_event_fn *answer,
                    void *answer_ctx);
    /* Closes the stores; the node is gone. Also after FATAL, `text` is what it said (NULL: it was killed). */
    void (*stop)(void *ctx, size_t server, const char *text);
    void *ctx;
};

struct viv_node_net_config {
    size_t server_count;       /* 1: standalone */
    uint64_t snapshot_entries; /* 0: no checkpoints */
    size_t log_read_entries;   /* entries in one LOG_READ answer; 0: all */
    viv_node_recipe_adjust_fn *adjust;
    const struct viv_node_net_stores *stores; /* NULL: in memory, made by the recipe; FATAL then fails the test */
};

/* Servers are numbered from 0 (their sid is that + 1) and are down until started. */
struct viv_node_net *viv_node_net_new(const struct viv_node_net_config *config);
void viv_node_net_free(struct viv_node_net *net);

void viv_node_net_start(struct viv_node_net *net, size_t server);
void viv_node_net_start_all(struct viv_node_net *net);
/* The process is gone at once; its stores keep what they had answered. */
void viv_node_net_kill(struct viv_node_net *net, size_t server);
/* A new, empty machine under the same name. The server is down. */
void viv_node_net_wipe(struct viv_node_net *net, size_t server);
/* Nothing from or to its peers arrives any more, and nobody is told; clients still reach it. */
void viv_node_net_isolate(struct viv_node_net *net, size_t server, bool isolated);
/* The server's log takes so much longer for everything, from its next start on. It is down. */
void viv_node_net_slow_log(struct viv_node_net *net, size_t server, uint64_t ms);
void viv_node_net_disk_full(struct viv_node_net *net, size_t server, bool full);

uint64_t viv_node_net_now_ms(const struct viv_node_net *net);
void viv_node_net_run(struct viv_node_net *net, uint64_t duration_ms);
/* Runs until the predicate holds; false when it does not within limit_ms. */
typedef bool viv_node_net_predicate_fn(struct viv_node_net *net, void *ctx);
bool viv_node_net_run_until(struct viv_node_net *net, uint64_t limit_ms, viv_node_net_predicate_fn *predicate,
                            void *ctx);
/* Until every server that runs serves clients, all under one leader and with equal last zxids. */
bool viv_node_net_settle(struct viv_node_net *net, uint64_t limit_ms);

const struct viv_node *viv_node_net_node(const struct viv_node_net *net, size_t server); /* NULL while down */
void viv_node_net_stats(const struct viv_node_net *net, size_t server, struct viv_node_stats *stats);
size_t viv_node_net_leader(const struct viv_node_net *net); /* SIZE_MAX: none serves as leader */
size_t viv_node_net_server_count(const struct viv_node_net *net);

/* Clients' connections, as raw bytes. */
viv_conn viv_node_net_connect(struct viv_node_net *net, size_t server);
void viv_node_net_send(struct viv_node_net *net, viv_conn conn, struct viv_bytes frames); /* with their lengths */
/* Takes the next whole frame, without its length; false when there is none. */
bool viv_node_net_receive(struct viv_node_net *net, viv_conn conn, struct viv_buffer *frame);
bool viv_node_net_is_closed(const struct viv_node_net *net, viv_conn conn);
bool viv_node_net_is_paused(const struct viv_node_net *net, viv_conn conn);
void viv_node_net_hang_up(struct viv_node_net *net, viv_conn conn);

/* Work done by a server's stores and links since the net was made. */
struct viv_node_net_counts {
    uint64_t log_appends, log_entries, log_truncates, log_resets, log_reads, images, installs;
    uint64_t client_sends, link_sends;
};
void viv_node_net_counts(const struct viv_node_net *net, size_t server, struct viv_node_net_counts *counts);

#endif /* VIV_TESTS_SUPPORT_NODE_NET_H */
