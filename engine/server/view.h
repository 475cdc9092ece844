#ifndef VIV_SERVER_VIEW_H
#define VIV_SERVER_VIEW_H

#include "node/inspect.h"
#include "server/client_port.h"
#include "server/config.h"
#include "server/data_dir.h"
#include "server/election_port.h"

/* A look at a running server, for those who tell operators about it: the four-letter words and the admin port. On the
 * loop thread, between steps. What a view points to lives as long as the server; the numbers are those of the moment.
 */

struct viv_server;
struct viv_tls_context;

struct viv_server_view {
    const struct viv_config *config;
    const struct viv_members *members; /* of the ensemble as it is now */
    const struct viv_member *self;     /* this server's line, NULL when it is no member */
    const struct viv_data_dir *data;
    struct viv_node *node;
    struct viv_client_port *clients;
    const struct viv_election_port *election; /* NULL when standalone */
    struct viv_node_stats stats;
    uint64_t now_ms, uptime_ms; /* now_ms: the clock of events */
    int64_t wall_ms;
};
void viv_server_view(struct viv_server *server, struct viv_server_view *view);
struct viv_node *viv_server_node(const struct viv_server *server);
/* Clients are served, be it only reads. */
bool viv_server_is_serving(const struct viv_server *server);
/* A number of mntr by its name there; `fallback` when there is no such line. `mntr` is the text of that word. */
int64_t viv_view_number(struct viv_bytes mntr, const char *name, int64_t fallback);

/* What is said in many places. */
const char *viv_view_version(void);
const char *
viv_view_mode(const struct viv_server_view *view); /* standalone leader follower observer read-only looking */
const char *viv_view_phase(const struct viv_server_view *view); /* election discovery synchronization broadcast */
const char *viv_view_role(const struct viv_server_view *view);  /* looking following leading observing */
/* As ZooKeeper prints doubles: up to four decimals, at least one. */
void viv_view_print_average(struct viv_buffer *out, uint64_t sum, uint64_t count);
/* The files of a directory together, 0 when it cannot be read. */
uint64_t viv_view_directory_bytes(const char *path);
/* What `lop` shows of an opcode; NA for none. */
const char *viv_view_op_name(int32_t op);

/* What a connection to the admin port that begins now uses; NULL: that port has no TLS. */
struct viv_tls_context *viv_server_admin_tls(const struct viv_server *server);

/* What operators may set: the trace mask, which is kept and told but has no other effect, as there is no trace log. */
int64_t viv_server_trace_mask(const struct viv_server *server);
void viv_server_set_trace_mask(struct viv_server *server, int64_t mask);
/* What clients say from now on is not read any more, for good. */
void viv_server_take_no_more(struct viv_server *server);
/* The server ends as if it were told to stop, and starts again in the same process: to keep a promise of
 * datadir/restore.h. */
void viv_server_begin_again(struct viv_server *server);
void viv_server_reset_stats(struct viv_server *server);
void viv_server_reset_connection_stats(struct viv_server *server);

#endif /* VIV_SERVER_VIEW_H */
