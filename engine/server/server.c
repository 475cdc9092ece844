#include "server/server.h"

#include <signal.h>
#include <stdlib.h>
#include <time.h>

#include "admin/admin.h"
#include "base/assert.h"
#include "base/log.h"
#include "server/server_internal.h"
#include "server/view.h"

/* ZooKeeper's: requests, packets, sessions and warnings. */
enum { TRACE_MASK_DEFAULT = 306 };
enum { TICK_MS_MAX = 20, TICKS_PER_TICK = 10, INLINE_TURNS_MAX = 4, NS_PER_MS = 1000000 };
enum { SCRUB_MS = 1000, DISK_WATCH_MS = 1000, DISK_RETRY_MS = 500, DISK_RETRY_MS_MAX = 8000 };
/* What a stopping server still answers must not delay the election of its successor. */
enum { DRAIN_MS = 10 };

uint64_t viv_server_now_ms(const struct viv_server *server)
{
    return uv_now(&server->loop);
}

/* The wall clock is looked at with every tick; in between it goes on with the monotonic one. */
static void look_at_wall(struct viv_server *server)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    int64_t wall_ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
    server->wall_ahead_ms = wall_ms - (int64_t)(uv_hrtime() / NS_PER_MS);
}

void viv_server_step(struct viv_server *server, struct viv_event *event)
{
    if (server->is_stopping) {
        return;
    }
    if (!server->is_turn_open) {
        server->is_turn_open = true;
        server->turn_ns = uv_hrtime();
        server->turn_wall_ms = server->wall_ahead_ms + (int64_t)(server->turn_ns / NS_PER_MS);
    }
    event->now_ms = viv_server_now_ms(server);
    event->now_ns = server->turn_ns;
    event->wall_ms = server->turn_wall_ms;
    viv_node_step(server->node, event, &server->actions);
}

/* ---- stop ---- */

static void stop(struct viv_server *server)
{
    if (server->is_stopping) {
        return;
    }
    server->is_stopping = true;
    viv_admin_stop(server->admin);
    viv_client_port_stop(server->clients);
    if (server->election != NULL) {
        viv_election_port_stop(server->election);
        viv_quorum_port_stop(server->quorum);
    }
    uv_close((uv_handle_t *)&server->on_term, NULL);
    uv_close((uv_handle_t *)&server->on_int, NULL);
    uv_close((uv_handle_t *)&server->on_hup, NULL);
    viv_tls_ports_stop(&server->tls);
    uv_close((uv_handle_t *)&server->tick, NULL);
    uv_close((uv_handle_t *)&server->before_poll, NULL);
    uv_close((uv_handle_t *)&server->after_poll, NULL);
    uv_close((uv_handle_t *)&server->more, NULL);
    uv_unref((uv_handle_t *)&server->completed); /* the threads signal it until they have ended */
}

/* A server that is told to stop takes nothing more, but answers what it has taken: a write whose fate its client never
 * learns is the dearer end. Then its connections close, and the others choose a leader without waiting for a time. */
static void drain(struct viv_server *server)
{
    viv_audit_log_server(server->audit, "serverStop", "invoked");
    server->drain_until_ms = viv_server_now_ms(server) + DRAIN_MS;
    viv_client_port_drain(server->clients);
    uv_timer_set_repeat(&server->tick, 1);
    uv_timer_again(&server->tick);
}

static void on_signal(uv_signal_t *handle, int number)
{
    struct viv_server *server = handle->data;
    server->begins_again = false;
    if (server->drain_until_ms == 0) {
        viv_log(VIV_LOG_INFO, "server", "stopping", "signal=%d", number);
        drain(server);
    }
}

void viv_server_take_no_more(struct viv_server *server)
{
    viv_client_port_drain(server->clients);
}

void viv_server_begin_again(struct viv_server *server)
{
    if (server->drain_until_ms == 0) {
        viv_log(VIV_LOG_INFO, "server", "stopping, to begin again with what is to be restored", "data=%s",
                server->data.state_path);
        server->begins_again = true;
        drain(server);
    }
}

static void on_hangup(uv_signal_t *handle, int number)
{
    (void)number;
    struct viv_server *server = handle->data;
    viv_tls_ports_reload(&server->tls);
}

static void stop_when_drained(struct viv_server *server)
{
    struct viv_node_stats stats;
    if (server->drain_until_ms == 0 || server->is_stopping) {
        return;
    }
    viv_node_stats(server->node, &stats);
    if (stats.outstanding == 0 || viv_server_now_ms(server) >= server->drain_until_ms) {
        stop(server);
    }
}

/* ---- turns ---- */

static void on_more(uv_idle_t *idle)
{
    (void)idle; /* its being active keeps the poll from waiting */
}

void viv_server_want_turn(struct viv_server *server)
{
    if (!server->is_stopping) {
        uv_idle_start(&server->more, on_more);
    }
}

/* A log written inline opens the next turn at once; a few in a row, then the sockets are looked at again. */
static void end_turn(struct viv_server *server)
{
    for (unsigned i = 0; server->is_turn_open && !server->is_stopping; i++) {
        server->is_turn_open = false;
        viv_node_turn_end(server->node, viv_server_now_ms(server), &server->actions);
        viv_server_perform(server, i < INLINE_TURNS_MAX);
    }
    viv_admin_turn(server->admin);
}

/* Before sleeping: events that timers, closed handles and resumed connections have brought. */
static void on_before_poll(uv_prepare_t *handle)
{
    struct viv_server *server = handle->data;
    end_turn(server);
    server->turn++;
    viv_client_port_begin_turn(server->clients);
    stop_when_drained(server);
}

/* After the sockets were read: the turn proper. */
static void on_after_poll(uv_check_t *handle)
{
    struct viv_server *server = handle->data;
    if (uv_is_active((uv_handle_t *)&server->more)) {
        uv_idle_stop(&server->more);
        viv_client_port_resume(server->clients);
        if (server->quorum != NULL) {
            viv_quorum_port_resume(server->quorum);
        }
    }
    end_turn(server);
}

/* More of the log is read for learners only as fast as they take it. */
static void release_chunks(struct viv_server *server)
{
    if (server->chunks_held > 0 &&
        (server->quorum == NULL || viv_quorum_port_unsent_bytes(server->quorum) < VIV_LINK_READ_PAUSE_BYTES)) {
        for (; server->chunks_held > 0; server->chunks_held--) {
            viv_background_chunk_done(server->background);
        }
    }
}

static void watch_disk(struct viv_server *server)
{
    uint64_t now_ms = viv_server_now_ms(server);
    if (now_ms - server->disk_watched_ms >= DISK_WATCH_MS) {
        server->disk_watched_ms = now_ms;
        viv_background_watch_disk(server->background);
    }
}

/* Every part of the log and of the image is looked at again, slowly, for what has rotted. */
static void scrub(struct viv_server *server)
{
    uint64_t now_ms = viv_server_now_ms(server);
    if (now_ms - server->scrubbed_ms >= SCRUB_MS) {
        server->scrubbed_ms = now_ms;
        viv_background_scrub(server->background, (size_t)server->config->scrub_kib << 10);
    }
}

static void on_tick(uv_timer_t *timer)
{
    struct viv_server *server = timer->data;
    look_at_wall(server);
    viv_server_step(server, &(struct viv_event){.kind = VIV_EVENT_TICK});
    viv_sampler_tick(&server->batches, server->turn_ns);
    viv_client_port_tick(server->clients);
    if (server->election != NULL) {
        viv_election_port_tick(server->election);
        viv_quorum_port_tick(server->quorum);
    }
    release_chunks(server);
    watch_disk(server);
    scrub(server);
    viv_log_thread_settle(server->log_thread);
    uint64_t now_ms = viv_server_now_ms(server);
    if (server->disk_full != 0 && now_ms - server->disk_asked_ms >= server->disk_retry_ms) {
        server->disk_asked_ms = now_ms;
        server->disk_retry_ms += server->disk_retry_ms < DISK_RETRY_MS_MAX ? server->disk_retry_ms : 0;
        viv_background_prepare(server->background);
    }
}

/* ---- completions ---- */

static void step_completion(struct viv_server *server, const struct viv_completion *completion)
{
    if (completion->batch.entry_count > 0) {
        viv_server_count_batch(server, &completion->batch);
    }
    struct viv_event event = {
        .kind = completion->kind,
        .ticket = completion->ticket,
        .zxid = completion->zxid,
        .status = completion->status,
        .last = completion->last,
        .flag = completion->flag,
        .fault = completion->fault,
    };
    if (completion->chunk != NULL) {
        event.entries = completion->chunk->entries;
        event.entry_count = completion->chunk->entry_count;
    }
    viv_server_step(server, &event);
    if (completion->chunk != NULL) {
        viv_completion_chunk_free(completion->chunk);
        server->chunks_held++;
        release_chunks(server);
    }
}

static void heed_disk_full(struct viv_server *server, const struct viv_completion *completion)
{
    bool was_full = server->disk_full != 0;
    server->disk_full = (server->disk_full & ~(unsigned)completion->disk) | (completion->flag ? completion->disk : 0U);
    bool is_full = server->disk_full != 0;
    if (is_full == was_full) {
        return;
    }
    viv_log(VIV_LOG_WARN, "server",
            is_full ? "the disk is full: writes are refused" : "the disk has room again: writes are served", "path=%s",
            server->data.log_path);
    server->disk_asked_ms = viv_server_now_ms(server);
    server->disk_retry_ms = DISK_RETRY_MS;
    viv_server_step(server, &(struct viv_event){.kind = VIV_EVENT_DISK_FULL, .flag = is_full});
}

static void on_completed(uv_async_t *async)
{
    struct viv_server *server = async->data;
    size_t count = viv_mailbox_take(&server->completions, &server->taken);
    const struct viv_completion *items = (const struct viv_completion *)server->taken.data;
    for (size_t i = 0; i < count; i++) {
        if (items[i].kind == VIV_EVENT_DISK_FULL) {
            heed_disk_full(server, &items[i]);
        } else {
            step_completion(server, &items[i]);
        }
    }
    viv_buffer_clear(&server->taken);
}

static void wake_loop(void *ctx)
{
    struct viv_server *server = ctx;
    uv_async_send(&server->completed);
}

static void want_room(void *ctx)
{
    struct viv_server *server = ctx;
    viv_background_prepare(server->background);
}

/* ---- start ---- */

static void init_handles(struct viv_server *server)
{
    uv_loop_t *loop = &server->loop;
    VIV_ASSERT(uv_loop_init(loop) == 0);
    VIV_ASSERT(uv_signal_init(loop, &server->on_term) == 0);
    VIV_ASSERT(uv_signal_init(loop, &server->on_int) == 0);
    VIV_ASSERT(uv_signal_init(loop, &server->on_hup) == 0);
    VIV_ASSERT(uv_timer_init(loop, &server->tick) == 0);
    VIV_ASSERT(uv_prepare_init(loop, &server->before_poll) == 0);
    VIV_ASSERT(uv_check_init(loop, &server->after_poll) == 0);
    VIV_ASSERT(uv_idle_init(loop, &server->more) == 0);
    VIV_ASSERT(uv_async_init(loop, &server->completed, on_completed) == 0);
    server->on_term.data = server->on_int.data = server->on_hup.data = server->tick.data = server;
    server->before_poll.data = server->after_poll.data = server->completed.data = server;
}

static void start_handles(struct viv_server *server)
{
    uint64_t tick_ms = (uint64_t)server->config->tick_ms / TICKS_PER_TICK;
    tick_ms = tick_ms > TICK_MS_MAX ? TICK_MS_MAX : tick_ms < 1 ? 1 : tick_ms;
    VIV_ASSERT(uv_signal_start(&server->on_term, on_signal, SIGTERM) == 0);
    VIV_ASSERT(uv_signal_start(&server->on_int, on_signal, SIGINT) == 0);
    VIV_ASSERT(uv_signal_start(&server->on_hup, on_hangup, SIGHUP) == 0);
    viv_tls_ports_start(&server->tls, &server->loop);
    VIV_ASSERT(uv_timer_start(&server->tick, on_tick, tick_ms, tick_ms) == 0);
    VIV_ASSERT(uv_prepare_start(&server->before_poll, on_before_poll) == 0);
    VIV_ASSERT(uv_check_start(&server->after_poll, on_after_poll) == 0);
}

static void start_threads(struct viv_server *server)
{
    viv_mailbox_init(&server->completions, sizeof(struct viv_completion));
    struct viv_completion_sink done = {&server->completions, wake_loop, server};
    server->background = viv_background_start(&(struct viv_background_config){
        .log = server->stores.log,
        .state = server->stores.state,
        .log_path = server->data.log_path,
        .state_path = server->data.state_path,
        .reserve_bytes =
            server->config->reserve_mib < 0 ? VIV_BACKGROUND_RESERVE_AUTO : (uint64_t)server->config->reserve_mib << 20,
        .done = done,
    });
    server->log_thread = viv_log_thread_start(&(struct viv_log_thread_config){
        .log = server->stores.log,
        .path = server->data.log_path,
        .done = done,
        .batch_bytes_max = (uint64_t)server->config->segment_bytes / 4,
        .room_bytes = (uint64_t)server->config->segment_bytes / 4,
        .used = want_room,
        .ctx = server,
    });
    viv_background_prepare(server->background);
}

static void stop_threads(struct viv_server *server)
{
    viv_log_thread_stop(server->log_thread);
    viv_background_stop(server->background);
    (void)viv_mailbox_take(&server->completions, &server->taken);
    const struct viv_completion *items = (const struct viv_completion *)server->taken.data;
    for (size_t i = 0; i < server->taken.size / sizeof *items; i++) {
        viv_completion_chunk_free(items[i].chunk);
    }
    viv_buffer_fini(&server->taken);
    viv_mailbox_fini(&server->completions);
}

/* One line for each port that is open. */
static viv_status write_ports(const struct viv_server *server)
{
    const struct {
        const char *name;
        int port;
    } ports[] = {
        {"client", viv_client_port_number(server->clients)},
        {"secureClient", viv_client_port_secure_number(server->clients)},
        {"admin", viv_admin_port(server->admin)},
        {"metrics", viv_admin_metrics_port(server->admin)},
    };
    struct viv_buffer lines = {0};
    for (size_t i = 0; i < sizeof ports / sizeof ports[0]; i++) {
        if (ports[i].port >= 0) {
            viv_buffer_printf(&lines, "%s=%d\n", ports[i].name, ports[i].port);
        }
    }
    viv_status status = viv_data_dir_write_ports(&server->data, viv_buffer_bytes(&lines));
    viv_buffer_fini(&lines);
    return status;
}

static viv_status open_ports(struct viv_server *server)
{
    server->clients = viv_client_port_new(server);
    server->admin = viv_admin_new(server, &server->loop);
    if (viv_sasl_port_is_wanted(server->config)) {
        VIV_TRY(viv_sasl_port_open(server, &server->sasl));
    }
    if (!server->config->standalone) {
        server->election = viv_election_port_new(server);
        server->quorum = viv_quorum_port_new(server);
        VIV_TRY(viv_election_port_listen(server->election));
    }
    VIV_TRY(viv_client_port_listen(server->clients));
    VIV_TRY(viv_admin_listen(server->admin));
    if (server->config->audit_enabled) {
        VIV_TRY(viv_audit_log_open(&server->loop, server->config->audit_file, &server->audit));
    }
    return write_ports(server);
}

static void free_ports(struct viv_server *server)
{
    viv_admin_free(server->admin);
    viv_client_port_free(server->clients);
    viv_sasl_port_close(server->sasl);
    if (server->election != NULL) {
        viv_election_port_free(server->election);
        viv_quorum_port_free(server->quorum);
    }
}

static enum viv_exit serve(struct viv_server *server)
{
    init_handles(server);
    enum viv_exit exit_code = VIV_EXIT_OK;
    if (open_ports(server) == VIV_OK) {
        start_threads(server);
        start_handles(server);
        server->start_ms = viv_server_now_ms(server);
        look_at_wall(server);
        viv_audit_log_server(server->audit, "serverStart", "success");
        viv_server_step(server, &(struct viv_event){.kind = VIV_EVENT_START});
        uv_run(&server->loop, UV_RUN_DEFAULT);
        /* What was kicked becomes durable: a client that was answered was promised it. */
        stop_threads(server);
    } else {
        exit_code = VIV_EXIT_CONFIG;
        stop(server);
    }
    uv_close((uv_handle_t *)&server->completed, NULL);
    uv_run(&server->loop, UV_RUN_DEFAULT);
    free_ports(server);
    viv_audit_log_close(server->audit);
    VIV_ASSERT(uv_loop_close(&server->loop) == 0);
    return exit_code;
}

static enum viv_exit recover_and_serve(struct viv_server *server, const struct viv_log_ops *log,
                                       const struct viv_state_ops *state)
{
    struct viv_recovery recovery = {server->config, &server->data, log, state, &server->trace};
    server->begin_ns = uv_hrtime();
    if (viv_recovery_run(&recovery, &server->stores, &server->node) != VIV_OK) {
        return VIV_EXIT_DATA;
    }
    viv_ensemble_begin(server, viv_node_members(server->node));
    enum viv_exit exit_code = serve(server);
    viv_actions_fini(&server->actions);
    viv_node_free(server->node);
    viv_stores_close(&server->stores);
    return exit_code;
}

static enum viv_exit run(const struct viv_config *config, const struct viv_log_ops *log,
                         const struct viv_state_ops *state, bool *begins_again)
{
    struct viv_server *server = viv_alloc_zeroed(1, sizeof *server);
    server->config = config;
    server->trace_mask = TRACE_MASK_DEFAULT;
    enum viv_exit exit_code = VIV_EXIT_CONFIG;
    signal(SIGPIPE, SIG_IGN);
    if (viv_tls_ports_load(&server->tls, config) == VIV_OK &&
        viv_trace_open(&server->trace, config->trace_file, config->sid) == VIV_OK) {
        exit_code = VIV_EXIT_DATA;
        const struct viv_datadir_pairing pairing = {config->backend, log, state};
        if (viv_data_dir_open(&server->data, config, &pairing) == VIV_OK) {
            viv_log(VIV_LOG_INFO, "server", "starting", "sid=%lld mode=%s backend=%s durability=%s data=%s log=%s",
                    (long long)config->sid, config->standalone ? "standalone" : "ensemble", config->backend,
                    config->durable ? "sync" : "none", server->data.state_path, server->data.log_path);
            exit_code = recover_and_serve(server, log, state);
            viv_data_dir_close(&server->data);
        }
        viv_trace_close(&server->trace);
    }
    viv_tls_ports_fini(&server->tls);
    *begins_again = server->begins_again;
    free(server);
    return exit_code;
}

enum viv_exit viv_server_run(const struct viv_config *config, const struct viv_log_ops *log,
                             const struct viv_state_ops *state)
{
    enum viv_exit exit_code;
    bool begins_again;
    do {
        exit_code = run(config, log, state, &begins_again);
    } while (exit_code == VIV_EXIT_OK && begins_again);
    if (exit_code == VIV_EXIT_OK) {
        viv_log(VIV_LOG_INFO, "server", "stopped", "exit=%d", VIV_EXIT_OK);
    }
    return exit_code;
}
