#ifndef VIV_SERVER_SERVER_INTERNAL_H
#define VIV_SERVER_SERVER_INTERNAL_H

#include <uv.h>

#include "metrics/sampler.h"
#include "admin/audit_log.h"
#include "node/node.h"
#include "server/background.h"
#include "server/client_port.h"
#include "server/config.h"
#include "server/data_dir.h"
#include "server/election_port.h"
#include "server/ensemble.h"
#include "server/log_thread.h"
#include "server/mailbox.h"
#include "server/quorum_port.h"
#include "server/recovery.h"
#include "server/sasl_port.h"
#include "server/tls_ports.h"
#include "server/trace.h"

/* What the parts of the skin share. Everything here belongs to the loop thread but `completions`. */

struct viv_server {
    const struct viv_config *config;
    uv_loop_t loop;
    struct viv_ensemble ensemble;
    struct viv_data_dir data;
    struct viv_trace trace;
    struct viv_stores stores;
    struct viv_node *node;
    struct viv_actions actions;
    uint64_t turn;              /* counts the rounds of the loop */
    uint64_t turn_ns;           /* when the turn opened, by the monotonic clock */
    int64_t turn_wall_ms;       /* the same by the wall clock */
    int64_t wall_ahead_ms;      /* of the monotonic clock, as of the last tick */
    uint64_t begin_ns;          /* of recovery; 0: clients were served since */
    struct viv_sampler batches; /* of the log */
    bool is_turn_open;          /* the node was stepped since the last turn ended */
    uint64_t drain_until_ms;    /* 0: not told to stop */
    bool is_stopping;
    bool begins_again;  /* after it has stopped */
    unsigned disk_full; /* of enum viv_disk_full */
    uint64_t start_ms, disk_watched_ms, disk_asked_ms, disk_retry_ms, scrubbed_ms;
    int64_t trace_mask; /* as operators set it */

    uv_signal_t on_term, on_int, on_hup;
    uv_timer_t tick;
    uv_prepare_t before_poll;
    uv_check_t after_poll;
    uv_idle_t more; /* active while some port holds events that need no socket */

    uv_async_t completed;
    struct viv_mailbox completions; /* of struct viv_completion */
    struct viv_buffer taken;
    unsigned chunks_held; /* of the log, consumed, but no more is wanted yet */

    struct viv_tls_ports tls;
    struct viv_log_thread *log_thread;
    struct viv_background *background;
    struct viv_client_port *clients;
    struct viv_admin *admin;
    struct viv_audit_log *audit;        /* NULL: not wanted */
    struct viv_sasl_port *sasl;         /* NULL when it is not configured */
    struct viv_election_port *election; /* NULL when standalone */
    struct viv_quorum_port *quorum;     /* NULL when standalone */
};

/* Gives the event, stamped with the time, to the node. Its actions are performed when the turn ends. */
void viv_server_step(struct viv_server *server, struct viv_event *event);
/* Asks for another turn without waiting for a socket. */
void viv_server_want_turn(struct viv_server *server);
/* Performs the actions of a turn in the order of the house. When `may_inline` and nothing else is to be done, a lone
 * append is written by the caller, and its LOG_DONE was stepped on return. */
void viv_server_perform(struct viv_server *server, bool may_inline);
/* measure.c: a batch of the log is durable; clients are served for the first time. */
void viv_server_count_batch(struct viv_server *server, const struct viv_log_batch *batch);
void viv_server_count_serving(struct viv_server *server);
/* Monotonic milliseconds of the loop. */
uint64_t viv_server_now_ms(const struct viv_server *server);

#endif /* VIV_SERVER_SERVER_INTERNAL_H */
