#include "server/recovery.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/log.h"
#include "server/environment.h"
#include "server/sasl_port.h"

enum { REPLAY_ENTRIES_MAX = 4096, REPLAY_BYTES_MAX = 4 << 20 };

struct phases {
    struct viv_store_report state, log;
    uint64_t state_open_ns, image_ns, log_open_ns, replay_ns;
    uint64_t entries_replayed, bytes_replayed;
    struct viv_state_mark mark;
    bool image_is_lost;
};

struct loader {
    struct viv_node *node;
    struct viv_trace *trace;
    bool is_selected;
};

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

/* ---- what to tell people ---- */

static const char *advice(viv_status status)
{
    switch (status) {
    case VIV_ERR_BUSY:
        return "another process holds these files; stop it, or use another directory";
    case VIV_ERR_FOREIGN:
        return "these files belong to another server or ensemble; check myid, clusterId and the directories";
    case VIV_ERR_VERSION:
        return "these files were written by a newer version; start that version";
    case VIV_ERR_CORRUPT:
        return "these files are damaged, see the line before; in an ensemble move this server's vivarium directories "
               "away and start it empty, alone restore a backup";
    case VIV_ERR_NOSPACE:
        return "the disk is full; make room and start again";
    case VIV_ERR_UNSUPPORTED:
        return "this backend or build cannot do what the configuration asks for";
    default:
        return "the storage failed, see the line before";
    }
}

static viv_status explain(viv_status status, const char *phase, const char *path)
{
    if (status != VIV_OK) {
        viv_log(VIV_LOG_ERROR, "recovery", "the server cannot start from its data",
                "phase=%s path=%s status=\"%s\" do=\"%s\"", phase, path, viv_status_text(status), advice(status));
    }
    return status;
}

/* ---- the steps ---- */

static viv_status on_rows(void *ctx, struct viv_bytes rows)
{
    struct loader *loader = ctx;
    if (!loader->is_selected) {
        loader->is_selected = true;
        viv_trace_record(loader->trace, 0, VIV_TRACE_SNAP_SELECT, 0, 0);
    }
    return viv_node_recover_rows(loader->node, rows);
}

static void on_restart(void *ctx)
{
    struct loader *loader = ctx;
    viv_node_recover_restart(loader->node);
}

static viv_status load_image(const struct viv_recovery *recovery, struct viv_state *state, struct viv_node *node,
                             struct phases *phases)
{
    struct loader loader = {node, recovery->trace, false};
    uint64_t begin_ns = now_ns();
    viv_status status = viv_state_load(state, on_rows, on_restart, &loader, &phases->mark, &phases->state);
    if (status == VIV_ERR_NOT_FOUND) {
        phases->mark = (struct viv_state_mark){0};
        status = VIV_OK;
    }
    phases->image_is_lost = status == VIV_ERR_CORRUPT && !recovery->config->standalone;
    status = phases->image_is_lost ? VIV_OK : status;
    phases->image_ns = now_ns() - begin_ns;
    viv_trace_record(recovery->trace, 0, VIV_TRACE_SNAP_OK, phases->state.rows, phases->state.bytes);
    return status;
}

static viv_status replay_batch(const struct viv_recovery *recovery, struct viv_node *node,
                               const struct viv_log_bounds *bounds, const struct viv_entry *entries, size_t count,
                               struct phases *phases)
{
    for (size_t i = 0; i < count; i++) {
        if (recovery->config->standalone && viv_entry_is_damaged(&entries[i])) {
            viv_log(
                VIV_LOG_ERROR, "recovery",
                "a transaction in the log is damaged and there is no other server to have it from; restore a backup, "
                "or export what is before it",
                "zxid=0x%" PRIx64 " bytes=%zu", entries[i].zxid, entries[i].body.size);
            return VIV_ERR_CORRUPT;
        }
        /* Alone, the own disk is the quorum: what is durable is committed. */
        bool is_committed = recovery->config->standalone || entries[i].zxid <= bounds->commit_zxid;
        VIV_TRY(viv_node_recover_entry(node, &entries[i], is_committed));
        phases->bytes_replayed += entries[i].body.size;
    }
    phases->entries_replayed += count;
    return VIV_OK;
}

static viv_status replay_log(const struct viv_recovery *recovery, struct viv_log *log, struct viv_node *node,
                             struct phases *phases)
{
    struct viv_log_bounds bounds;
    viv_log_bounds(log, 0, &bounds);
    /* An image newer than what the log begins with needs only what follows; an older log start is told by the node. */
    uint64_t after = phases->mark.zxid_start > bounds.base_zxid ? phases->mark.zxid_start : bounds.base_zxid;
    if (after >= bounds.last_zxid) {
        return viv_node_recover_end(node, &bounds);
    }
    struct viv_log_iter *iter;
    VIV_TRY(viv_log_iter_open(log, 0, after, bounds.last_zxid, &iter));
    struct viv_entry *entries = viv_alloc(REPLAY_ENTRIES_MAX * sizeof *entries);
    size_t count = 0;
    viv_status status;
    do {
        status = viv_log_iter_next(log, iter, entries, REPLAY_ENTRIES_MAX, REPLAY_BYTES_MAX, &count);
        if (status == VIV_OK) {
            status = replay_batch(recovery, node, &bounds, entries, count, phases);
        }
    } while (status == VIV_OK && count > 0);
    free(entries);
    viv_log_iter_close(log, iter);
    return status == VIV_OK ? viv_node_recover_end(node, &bounds) : status;
}

/* ---- the node ---- */

/* Three quarters of the machine: the rest is for what the tree's memory is not, and for the system. */
static uint64_t tree_bytes_max(const struct viv_config *config)
{
    if (config->clients.tree_mib_max >= 0) {
        return (uint64_t)config->clients.tree_mib_max << 20;
    }
    long pages = sysconf(_SC_PHYS_PAGES), page_bytes = sysconf(_SC_PAGESIZE);
    return pages > 0 && page_bytes > 0 ? (uint64_t)pages * (uint64_t)page_bytes / 4 * 3 : 0;
}

static void set_policy(const struct viv_config *config, struct viv_node_policy *policy)
{
    const struct viv_config_clients *clients = &config->clients;
    *policy = (struct viv_node_policy){
        .outstanding_count = (uint64_t)clients->outstanding_max,
        .outstanding_per_connection_count = (uint64_t)clients->outstanding_per_connection_max,
        .watches_count = (uint64_t)clients->watches_max,
        .watches_per_connection_count = (uint64_t)clients->watches_per_connection_max,
        .sessions_count = (uint64_t)clients->sessions_max,
        .new_sessions_burst_count = (uint64_t)clients->new_sessions_burst_max,
        .new_sessions_per_second =
            (uint64_t)((clients->new_sessions_fill_count * 1000 - 1) / clients->new_sessions_fill_ms + 1),
        .handshake_ms = (uint64_t)clients->handshake_ms,
        .reply_bytes = (uint64_t)clients->reply_bytes_max,
        .tree_bytes = tree_bytes_max(config),
        .local_sessions = clients->local_sessions,
        .local_session_upgrade = clients->local_session_upgrade,
        .read_only_mode = clients->read_only_mode,
        .sync_is_quick = !clients->strict_sync,
        .reads_are_current = clients->reads_are_current,
        .schemes_required = viv_bytes_text(clients->schemes_required),
        .keep_failed_sasl = clients->keep_failed_sasl,
        .super_digest = viv_bytes_text(config->super_digest),
        .ensemble_names = viv_bytes_text(clients->ensemble_names),
        .serves_sasl = viv_sasl_port_is_wanted(config),
    };
}

/* What requests are allowed, and what happens to nodes by itself. */
static void set_rules(const struct viv_config *config, struct viv_node_config *node)
{
    set_policy(config, &node->policy);
    node->identity = (struct viv_identity_rules){
        .no_digest = !config->digest_auth,
        .hash = (enum viv_identity_hash)config->digest_algorithm,
    };
    node->rules = (struct viv_prepare_rules){
        .extended_types = config->extended_types,
        .quotas = (enum viv_quota_enforcement)config->enforce_quota,
        .acl_schemes = config->auth_schemes,
        .skips_acl = config->skip_acl,
        .several_addresses = config->multi_address,
    };
    node->reaping = (struct viv_reap_config){
        .check_ms = (uint64_t)config->container_check_ms,
        .per_minute = (uint64_t)config->containers_per_minute,
        .never_used_ms = config->container_never_used_ms,
    };
    node->emulate_353_ttl = config->extended_types && config->emulate_353_ttl;
}

static struct viv_node *make_node(const struct viv_recovery *recovery, const struct viv_state *state)
{
    const struct viv_config *config = recovery->config;
    struct viv_zab_member members[VIV_MEMBERS_MAX];
    for (size_t i = 0; i < config->members.count; i++) {
        members[i] = (struct viv_zab_member){config->members.items[i].sid, config->members.items[i].voter,
                                             (uint32_t)config->members.items[i].group,
                                             (uint64_t)config->members.items[i].weight};
    }
    if (config->members.count == 0) {
        members[0] = (struct viv_zab_member){.sid = config->sid, .voter = true};
    }
    struct timespec wall;
    clock_gettime(CLOCK_REALTIME, &wall);
    uint64_t seed = 0;
    VIV_ASSERT(getrandom(&seed, sizeof seed, 0) == sizeof seed);
    struct viv_buffer text = {0};
    if (!config->standalone) {
        viv_members_print(&config->members, &text);
    }
    struct viv_node_config node_config = {
        .zab =
            {
                .sid = config->sid,
                .standalone = config->standalone,
                .members = members,
                .member_count = config->members.count > 0 ? config->members.count : 1,
                .config_text = viv_buffer_bytes(&text),
                .config_version = config->members.version,
                .reconfigurable = config->reconfig_enabled,
                .snap_syncs_max = (uint32_t)config->snap_syncs_max,
                .diff_syncs_max = (uint32_t)config->diff_syncs_max,
                .tick_ms = (uint32_t)config->tick_ms,
                .init_limit_ticks = (uint32_t)config->init_limit_ticks,
                .sync_limit_ticks = (uint32_t)config->sync_limit_ticks,
                .adaptive = config->adaptive,
                .epoch_entries_max = (uint32_t)config->epoch_transactions_max,
                .seed = seed,
                .election_policy = config->election_policy,
                .election_slack = config->election_slack < 0 ? UINT64_MAX : (uint64_t)config->election_slack,
                .election_priority = (uint32_t)config->election_priority,
            },
        .tick_ms = (uint32_t)config->tick_ms,
        .session_timeout_min_ms = (uint32_t)config->session_timeout_min_ms,
        .session_timeout_max_ms = (uint32_t)config->session_timeout_max_ms,
        .frame_bytes_max = (size_t)config->frame_bytes_max,
        .state_takes_deltas = (viv_state_traits(state) & VIV_STORE_DELTAS) != 0,
        .snapshot_entries = (uint64_t)config->snapshot_entries,
        .snapshot_bytes = config->snapshot_kib > 0 ? (uint64_t)config->snapshot_kib << 10 : UINT64_MAX,
        .start_wall_ms = (int64_t)wall.tv_sec * 1000 + wall.tv_nsec / 1000000,
        .config_text = viv_buffer_bytes(&text),
    };
    set_rules(config, &node_config);
    char user[VIV_CONFIG_HOST_BYTES];
    if (config->audit_enabled) {
        viv_environment_user(user, sizeof user);
        node_config.audit_user = viv_bytes_text(user);
    }
    struct viv_node *node = viv_node_new(&node_config);
    viv_buffer_fini(&text);
    return node;
}

/* ---- the whole ---- */

static void print_report(const struct viv_recovery *recovery, const struct phases *phases)
{
    const struct viv_store_report *state = &phases->state, *log = &phases->log;
    printf("{\"event\":\"recovery\",\"sid\":%" PRId64 ",\"backend\":\"%s\",\"state_open_ns\":%" PRIu64
           ",\"state_load_ns\":%" PRIu64 ",\"state_read_ns\":%" PRIu64 ",\"state_decompress_ns\":%" PRIu64
           ",\"state_verify_ns\":%" PRIu64 ",\"log_open_ns\":%" PRIu64 ",\"log_read_ns\":%" PRIu64
           ",\"log_verify_ns\":%" PRIu64 ",\"replay_ns\":%" PRIu64,
           recovery->config->sid, recovery->config->backend, phases->state_open_ns, phases->image_ns, state->read_ns,
           state->decompress_ns, state->verify_ns, phases->log_open_ns, log->read_ns, log->verify_ns,
           phases->replay_ns);
    printf(",\"image_rows\":%" PRIu64 ",\"image_bytes\":%" PRIu64 ",\"image_zxid_start\":%" PRIu64
           ",\"image_zxid_end\":%" PRIu64 ",\"images_rejected\":%" PRIu64 ",\"log_files\":%" PRIu64
           ",\"log_bytes\":%" PRIu64 ",\"entries_scanned\":%" PRIu64 ",\"entries_replayed\":%" PRIu64
           ",\"bytes_replayed\":%" PRIu64 ",\"torn_bytes\":%" PRIu64 ",\"threads\":%" PRId64 "}\n",
           state->rows, state->bytes, phases->mark.zxid_start, phases->mark.zxid_end, state->rejected_files, log->files,
           log->bytes, log->entries, phases->entries_replayed, phases->bytes_replayed, log->torn_bytes,
           recovery->config->load_threads);
    fflush(stdout);
}

static void count_phases(struct viv_metrics *metrics, const struct phases *phases, uint64_t restore_ns)
{
    const struct {
        enum viv_metric_id id;
        uint64_t value;
    } gauges[] = {
        {VIV_METRIC_viv_start_image_load_ms, phases->state_open_ns + phases->image_ns},
        {VIV_METRIC_viv_start_log_open_ms, phases->log_open_ns},
        {VIV_METRIC_viv_start_replay_ms, phases->replay_ns},
        {VIV_METRIC_viv_start_image_rows, phases->state.rows},
        {VIV_METRIC_viv_start_image_bytes, phases->state.bytes},
        {VIV_METRIC_viv_start_entries_replayed, phases->entries_replayed},
        {VIV_METRIC_viv_start_bytes_replayed, phases->bytes_replayed},
    };
    for (size_t i = 0; i < sizeof gauges / sizeof gauges[0]; i++) {
        viv_metrics_set(metrics, gauges[i].id, (int64_t)gauges[i].value);
    }
    if (restore_ns > 0) {
        viv_metrics_observe(metrics, VIV_METRIC_restore_time, restore_ns);
    }
    viv_metrics_observe(metrics, VIV_METRIC_startup_snap_load_time, phases->state_open_ns + phases->image_ns);
    viv_metrics_observe(metrics, VIV_METRIC_startup_txns_load_time, phases->log_open_ns + phases->replay_ns);
    viv_metrics_observe(metrics, VIV_METRIC_startup_txns_loaded, phases->entries_replayed);
    viv_metrics_observe(metrics, VIV_METRIC_dbinittime,
                        phases->state_open_ns + phases->image_ns + phases->log_open_ns + phases->replay_ns);
}

static struct viv_store_config store_config(const struct viv_recovery *recovery)
{
    const struct viv_config *config = recovery->config;
    return (struct viv_store_config){
        .log_dir = recovery->data->log_path,
        .state_dir = recovery->data->state_path,
        .cluster = {config->cluster[0], config->cluster[1]},
        .server_id = config->sid,
        .durable = config->durable,
        .may_forget = !config->standalone,
        .segment_bytes = (uint64_t)config->segment_bytes,
        .load_threads = (unsigned)config->load_threads,
    };
}

/* Alone nobody can tell whether an entry was ever acknowledged that nothing shows to have been durable: it was torn. */
static viv_status cut_torn(const struct viv_recovery *recovery, struct viv_log *log)
{
    bool is_cut = false;
    VIV_TRY(recovery->config->standalone ? viv_log_cut_torn(log, 0, &is_cut) : VIV_OK);
    if (is_cut) {
        struct viv_log_bounds bounds;
        viv_log_bounds(log, 0, &bounds);
        viv_log(VIV_LOG_WARN, "recovery", "the end of the log was torn and is cut", "last_zxid=0x%" PRIx64,
                bounds.last_zxid);
    }
    return VIV_OK;
}

/* Opens and loads the image, then opens the log: the order in which the milestones are defined. */
static viv_status open_and_load(const struct viv_recovery *recovery, struct viv_stores *stores, struct viv_node **node,
                                struct phases *phases)
{
    struct viv_store_config config = store_config(recovery);
    const char *state_path = recovery->data->state_path, *log_path = recovery->data->log_path;
    uint64_t begin_ns = now_ns();
    VIV_TRY(explain(viv_state_open(recovery->state_ops, &config, 0, &stores->state, &phases->state), "state-open",
                    state_path));
    phases->state_open_ns = now_ns() - begin_ns;
    viv_trace_record(recovery->trace, 0, VIV_TRACE_INIT_OK, 0, 0);
    *node = make_node(recovery, stores->state);
    VIV_TRY(explain(load_image(recovery, stores->state, *node, phases), "image", state_path));
    begin_ns = now_ns();
    VIV_TRY(explain(viv_log_open(recovery->log_ops, &config, &stores->log, &phases->log), "log-open", log_path));
    VIV_TRY(explain(cut_torn(recovery, stores->log), "log-open", log_path));
    phases->log_open_ns = now_ns() - begin_ns;
    viv_trace_record(recovery->trace, 0, VIV_TRACE_LOG_OK, phases->log.entries, phases->log.bytes);
    return VIV_OK;
}

static viv_status replay(const struct viv_recovery *recovery, struct viv_stores *stores, struct viv_node *node,
                         const struct viv_hard_state *hard, struct phases *phases)
{
    VIV_TRY(explain(viv_node_recover_image_end(node, &phases->mark, hard), "image", recovery->data->state_path));
    return explain(replay_log(recovery, stores->log, node, phases), "replay", recovery->data->log_path);
}

/* Nothing here can be served. In an ensemble the others have the state, and what the log holds counts all the same. */
static void begin_baseless(const struct viv_recovery *recovery, struct viv_stores *stores, struct viv_node **node,
                           const struct viv_hard_state *hard)
{
    struct viv_log_bounds bounds;
    viv_log_bounds(stores->log, 0, &bounds);
    viv_node_free(*node);
    *node = make_node(recovery, stores->state);
    viv_node_recover_baseless(*node, &bounds, hard);
    viv_log(VIV_LOG_WARN, "recovery", "the state here is damaged: this server votes, and takes the state from a leader",
            "path=%s last_zxid=0x%" PRIx64, recovery->data->state_path, bounds.last_zxid);
}

static viv_status recover(const struct viv_recovery *recovery, struct viv_stores *stores, struct viv_node **node,
                          struct phases *phases)
{
    VIV_TRY(open_and_load(recovery, stores, node, phases));
    uint64_t begin_ns = now_ns();
    struct viv_hard_state hard;
    viv_log_hard_get(stores->log, 0, &hard);
    viv_status status = phases->image_is_lost ? VIV_ERR_CORRUPT : replay(recovery, stores, *node, &hard, phases);
    if (status == VIV_ERR_CORRUPT && !recovery->config->standalone) {
        begin_baseless(recovery, stores, node, &hard);
        status = VIV_OK;
    }
    VIV_TRY(status);
    phases->replay_ns = now_ns() - begin_ns;
    viv_trace_record(recovery->trace, 0, VIV_TRACE_REPLAY_OK, phases->entries_replayed, phases->bytes_replayed);
    return VIV_OK;
}

viv_status viv_recovery_run(const struct viv_recovery *recovery, struct viv_stores *stores, struct viv_node **node)
{
    struct phases phases = {0};
    *stores = (struct viv_stores){0};
    *node = NULL;
    viv_status status = recover(recovery, stores, node, &phases);
    if (status == VIV_OK) {
        print_report(recovery, &phases);
        count_phases(viv_node_metrics(*node), &phases, recovery->data->restore_ns);
        return VIV_OK;
    }
    if (*node != NULL) {
        viv_node_free(*node);
        *node = NULL;
    }
    viv_stores_close(stores);
    return status;
}

void viv_stores_close(struct viv_stores *stores)
{
    if (stores->log != NULL) {
        viv_log_close(stores->log);
    }
    if (stores->state != NULL) {
        viv_state_close(stores->state);
    }
    *stores = (struct viv_stores){0};
}
