#include "node/node_internal.h"
#include "tree/quota.h"

/* What the node keeps in its own fields, because it counts on the way of every request, is put beside the rest when
 * somebody asks. */

static void sample_quota(void *ctx, struct viv_bytes path, const struct viv_quota *quota)
{
    struct viv_metrics *metrics = ctx;
    const struct viv_quota_limits *limit = &quota->limit;
    viv_metrics_namespace_set(metrics, VIV_METRIC_quota_count_limit_per_namespace, path,
                              limit->hard_count >= 0 ? limit->hard_count : limit->count);
    viv_metrics_namespace_set(metrics, VIV_METRIC_quota_bytes_limit_per_namespace, path,
                              limit->hard_bytes >= 0 ? limit->hard_bytes : limit->bytes);
    viv_metrics_namespace_set(metrics, VIV_METRIC_quota_count_usage_per_namespace, path, quota->count);
    viv_metrics_namespace_set(metrics, VIV_METRIC_quota_bytes_usage_per_namespace, path, quota->bytes);
}

static void sample_quotas(const struct viv_node *node)
{
    static const enum viv_metric_id sets[] = {
        VIV_METRIC_quota_count_limit_per_namespace,
        VIV_METRIC_quota_bytes_limit_per_namespace,
        VIV_METRIC_quota_count_usage_per_namespace,
        VIV_METRIC_quota_bytes_usage_per_namespace,
    };
    for (size_t i = 0; i < sizeof sets / sizeof sets[0]; i++) {
        viv_metrics_keys_clear(node->metrics, sets[i]);
    }
    viv_tree_quotas(node->group.tree, sample_quota, node->metrics);
}

/* -1 before there was one, as ZooKeeper says it. */
static int64_t size_or_none(uint64_t bytes)
{
    return bytes > 0 ? (int64_t)bytes : -1;
}

static void sample_sizes(const struct viv_node *node)
{
    struct viv_metrics *metrics = node->metrics;
    const struct viv_connections *connections = &node->connections;
    const struct viv_group_measure *measure = &node->group.measure;
    viv_metrics_set(metrics, VIV_METRIC_last_client_response_size, size_or_none(connections->reply_bytes_last));
    viv_metrics_set(metrics, VIV_METRIC_min_client_response_size, size_or_none(connections->reply_bytes_min));
    viv_metrics_set(metrics, VIV_METRIC_max_client_response_size, size_or_none(connections->reply_bytes_max));
    viv_metrics_set(metrics, VIV_METRIC_last_proposal_size, size_or_none(measure->proposal_bytes_last));
    viv_metrics_set(metrics, VIV_METRIC_min_proposal_size, size_or_none(measure->proposal_bytes_min));
    viv_metrics_set(metrics, VIV_METRIC_max_proposal_size, size_or_none(measure->proposal_bytes_max));
}

static void sample_gauges(const struct viv_node *node, const struct viv_node_stats *stats)
{
    const struct viv_group *group = &node->group;
    const struct {
        enum viv_metric_id id;
        uint64_t value;
    } gauges[] = {
        {VIV_METRIC_ephemerals_count, stats->tree.ephemerals},
        {VIV_METRIC_num_alive_connections, stats->connections},
        {VIV_METRIC_outstanding_requests, stats->outstanding},
        {VIV_METRIC_znode_count, stats->tree.nodes + 1}, /* the root counts twice, as in srvr */
        {VIV_METRIC_global_sessions, stats->tree.sessions},
        {VIV_METRIC_local_sessions, stats->sessions_local},
        {VIV_METRIC_watch_count, stats->watches},
        {VIV_METRIC_approximate_data_size, stats->tree.data_bytes},
        {VIV_METRIC_auth_failed_count, node->measure.auth_failures},
        {VIV_METRIC_min_latency, stats->latency_ms_min},
        {VIV_METRIC_max_latency, stats->latency_ms_max},
        {VIV_METRIC_avg_latency, stats->latency_count > 0 ? stats->latency_ms_sum * 10000 / stats->latency_count : 0},
        {VIV_METRIC_learners, stats->zab.learners},
        {VIV_METRIC_synced_followers, stats->zab.synced_followers},
        {VIV_METRIC_synced_observers, stats->zab.synced_observers},
        {VIV_METRIC_pending_syncs, group->syncs.count + group->learner_syncs.count},
        {VIV_METRIC_leader_uptime, viv_group_measure_leader_ms(&group->measure, &node->turn)},
        {VIV_METRIC_viv_disk_full, stats->disk_full},
    };
    for (size_t i = 0; i < sizeof gauges / sizeof gauges[0]; i++) {
        viv_metrics_set(node->metrics, gauges[i].id, (int64_t)gauges[i].value);
    }
}

static void sample_counters(const struct viv_node *node, const struct viv_node_stats *stats)
{
    const struct viv_group_measure *measure = &node->group.measure;
    const struct {
        enum viv_metric_id id;
        uint64_t value;
    } counters[] = {
        {VIV_METRIC_looking_count, stats->zab.elections},
        {VIV_METRIC_viv_log_repairs, stats->zab.repairs},
        {VIV_METRIC_proposal_count, stats->zab.proposals},
        {VIV_METRIC_commit_count, stats->zab.commits},
        {VIV_METRIC_prep_processor_request_queued, stats->zab.proposals},
        {VIV_METRIC_outstanding_changes_queued, stats->zab.proposals},
        {VIV_METRIC_outstanding_changes_removed, stats->zab.commits},
        {VIV_METRIC_sync_processor_request_queued, measure->appended},
        {VIV_METRIC_request_commit_queued, measure->applied},
        {VIV_METRIC_learner_proposal_received_count, measure->learnt},
        {VIV_METRIC_learner_commit_received_count, measure->applied_as_learner},
        {VIV_METRIC_watch_bytes, node->measure.watch_bytes},
        {VIV_METRIC_response_bytes, node->connections.reply_bytes},
        {VIV_METRIC_viv_requests, stats->requests},
    };
    for (size_t i = 0; i < sizeof counters / sizeof counters[0]; i++) {
        viv_metrics_set_count(node->metrics, counters[i].id, counters[i].value);
    }
}

static void sample_group(const struct viv_node *node, const struct viv_node_stats *stats)
{
    viv_gid gid = node->group.gid;
    const struct {
        enum viv_metric_id id;
        uint64_t value;
    } gauges[] = {
        {VIV_METRIC_last_zxid, stats->last_zxid},
        {VIV_METRIC_digest, stats->digest},
        {VIV_METRIC_digest_extra, stats->digest_extra},
        {VIV_METRIC_accepted_epoch, stats->zab.accepted_epoch},
        {VIV_METRIC_current_epoch, stats->zab.current_epoch},
        {VIV_METRIC_serving, stats->serving},
        {VIV_METRIC_tree_nodes, stats->tree.nodes},
        {VIV_METRIC_tree_memory_bytes, stats->tree.memory_bytes},
        {VIV_METRIC_outstanding_proposals, stats->zab.outstanding},
    };
    for (size_t i = 0; i < sizeof gauges / sizeof gauges[0]; i++) {
        viv_metrics_group_set(node->metrics, gid, gauges[i].id, (int64_t)gauges[i].value);
    }
    viv_metrics_group_set_count(node->metrics, gid, VIV_METRIC_proposals, stats->zab.proposals);
    viv_metrics_group_set_count(node->metrics, gid, VIV_METRIC_commits, stats->zab.commits);
    viv_metrics_group_set_count(node->metrics, gid, VIV_METRIC_elections, stats->zab.elections);
}

/* Some limits are met on the session side, some by the leader. */
static void sample_limits(const struct viv_node *node)
{
    for (unsigned limit = 0; limit < VIV_LIMIT_KINDS; limit++) {
        uint64_t hits = node->limits.hits[limit] + node->group.ration.limits.hits[limit];
        if (hits > 0) {
            viv_metrics_key_set_count(node->metrics, VIV_METRIC_viv_refusals,
                                      viv_bytes_text(viv_limit_key((enum viv_limit)limit)), hits);
        }
    }
}

void viv_node_sample(const struct viv_node *node)
{
    struct viv_node_stats stats;
    viv_node_stats(node, &stats);
    sample_gauges(node, &stats);
    sample_counters(node, &stats);
    sample_sizes(node);
    sample_quotas(node);
    sample_limits(node);
    sample_group(node, &stats);
}
