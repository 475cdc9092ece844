#include "server/measure.h"

#include <dirent.h>
#include <sys/resource.h>

#include "server/server_internal.h"
#include "server/view.h"

void viv_server_count_batch(struct viv_server *server, const struct viv_log_batch *batch)
{
    struct viv_metrics *metrics = viv_node_metrics(server->node);
    viv_metrics_observe(metrics, VIV_METRIC_fsynctime, batch->sync_ns);
    if (!viv_sampler_takes(&server->batches)) {
        return;
    }
    const struct {
        enum viv_metric_id id;
        uint64_t value, count;
    } values[] = {
        {VIV_METRIC_viv_log_append_ms, batch->append_ns, 1},
        {VIV_METRIC_viv_log_batch_bytes, batch->bytes, 1},
        {VIV_METRIC_sync_processor_batch_size, batch->entry_count, 1},
        {VIV_METRIC_sync_processor_queue_size, batch->task_count, 1},
        {VIV_METRIC_sync_processor_queue_time_ms, batch->queue_ns, batch->entry_count},
        {VIV_METRIC_sync_processor_queue_flush_time_ms, batch->append_ns + batch->sync_ns, batch->entry_count},
    };
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        viv_metrics_observe_many(metrics, values[i].id, values[i].value,
                                 values[i].count * viv_sampler_weight(&server->batches));
    }
}

void viv_server_count_serving(struct viv_server *server)
{
    if (server->begin_ns != 0) {
        viv_metrics_set(viv_node_metrics(server->node), VIV_METRIC_viv_start_serving_ms,
                        (int64_t)(uv_hrtime() - server->begin_ns));
        server->begin_ns = 0;
    }
}

/* ---- when somebody asks ---- */

static uint64_t open_files(void)
{
    uint64_t count = 0;
    DIR *dir = opendir("/proc/self/fd");
    if (dir == NULL) {
        return 0;
    }
    for (const struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        count += entry->d_name[0] != '.';
    }
    closedir(dir);
    return count > 0 ? count - 1 : 0; /* without the one that looks */
}

static uint64_t open_files_max(void)
{
    struct rlimit limit;
    return getrlimit(RLIMIT_NOFILE, &limit) == 0 ? (uint64_t)limit.rlim_cur : 0;
}

static void sample_server(struct viv_server *server, const struct viv_server_view *view)
{
    struct viv_metrics *metrics = viv_node_metrics(server->node);
    const struct {
        enum viv_metric_id id;
        uint64_t value;
    } gauges[] = {
        {VIV_METRIC_packets_received, view->stats.packets_received},
        {VIV_METRIC_packets_sent, view->stats.packets_sent},
        {VIV_METRIC_uptime, view->uptime_ms},
        {VIV_METRIC_open_file_descriptor_count, open_files()},
        {VIV_METRIC_max_file_descriptor_count, open_files_max()},
        {VIV_METRIC_quorum_size, viv_members_voters(&server->ensemble.members)},
        {VIV_METRIC_viv_log_disk_bytes, viv_view_directory_bytes(server->data.log_path)},
        {VIV_METRIC_viv_state_disk_bytes, viv_view_directory_bytes(server->data.state_path)},
    };
    for (size_t i = 0; i < sizeof gauges / sizeof gauges[0]; i++) {
        viv_metrics_set(metrics, gauges[i].id, (int64_t)gauges[i].value);
    }
    struct viv_client_port_counts counts;
    viv_client_port_counts(server->clients, &counts);
    viv_metrics_set_count(metrics, VIV_METRIC_connection_rejected, counts.rejected);
    viv_metrics_set_count(metrics, VIV_METRIC_connection_drop_count, counts.dropped);
    viv_metrics_set_count(metrics, VIV_METRIC_large_requests_rejected, counts.oversized);
    viv_metrics_set_count(metrics, VIV_METRIC_bytes_received_count, counts.bytes_received);
    viv_metrics_set_count(metrics, VIV_METRIC_request_throttle_wait_count, counts.pauses);
    viv_metrics_set(metrics, VIV_METRIC_outstanding_tls_handshake, (int64_t)counts.handshakes);
    viv_metrics_set_count(metrics, VIV_METRIC_unsuccessful_handshake, counts.handshakes_failed);
    viv_metrics_set_count(metrics, VIV_METRIC_tls_handshake_exceeded, counts.handshakes_refused);
    struct viv_background_counts background;
    viv_background_counts(server->background, &background);
    viv_metrics_set_count(metrics, VIV_METRIC_viv_log_prepares, background.prepares);
    viv_metrics_set_count(metrics, VIV_METRIC_viv_log_prepare_ms, background.prepare_ns);
    viv_metrics_set_count(metrics, VIV_METRIC_viv_scrub_bytes, background.scrub_bytes);
    viv_metrics_set_count(metrics, VIV_METRIC_viv_scrub_mended, background.scrub_mended);
    viv_metrics_set_count(metrics, VIV_METRIC_viv_scrub_image_bytes, background.scrub_image_bytes);
    viv_metrics_set_count(metrics, VIV_METRIC_viv_image_faults, background.image_faults);
    viv_metrics_set(metrics, VIV_METRIC_viv_log_faults, (int64_t)background.faults);
    viv_metrics_set_text(metrics, VIV_METRIC_viv_backend, server->config->backend);
}

const struct viv_metrics *viv_server_metrics(struct viv_server *server, struct viv_metrics_view *what)
{
    struct viv_server_view view;
    viv_server_view(server, &view);
    viv_node_sample(server->node);
    sample_server(server, &view);
    what->is_ensemble = !server->config->standalone;
    what->is_leader = view.stats.zab.state == VIV_LEADING;
    return viv_node_metrics(server->node);
}
