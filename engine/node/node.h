#ifndef VIV_NODE_NODE_H
#define VIV_NODE_NODE_H

#include "metrics/metrics.h"
#include "node/action.h"
#include "node/event.h"
#include "node/identity.h"
#include "node/policy.h"
#include "node/reap.h"
#include "tree/prepare.h"
#include "tree/tree.h"
#include "zab/zab.h"

/* The hall: one server's share of everything, still pure. An event goes in, a list of actions comes out; it never
 * blocks, fails, or looks at a clock. It joins tree, zab and partition, which do not know of one another. The server
 * and the simulator are two skins around it.
 *
 * Inside, the session side (connections, order, watches) and the group side (ZAB, tree) exchange events only. */

struct viv_node;

struct viv_node_config {
    struct viv_zab_config zab; /* group 0 */
    uint32_t tick_ms;
    uint32_t session_timeout_min_ms, session_timeout_max_ms;
    size_t frame_bytes_max;
    struct viv_node_policy policy;
    bool state_takes_deltas;            /* VIV_STORE_DELTAS of the state store */
    uint64_t snapshot_entries;          /* checkpoint after about this many entries (jittered by sid) */
    uint64_t snapshot_bytes;            /* or this many bytes of log */
    int64_t start_wall_ms;              /* seeds session ids */
    struct viv_identity_rules identity; /* super_digest is the policy's */
    struct viv_prepare_rules rules;     /* of requests, when this server leads */
    struct viv_reap_config reaping;     /* of containers and TTL nodes, likewise */
    bool emulate_353_ttl;               /* a snapshot from a peer may hold TTL nodes as ZooKeeper 3.5.3 wrote them */
    struct viv_bytes audit_user;        /* who ends ephemerals, for the audit log; "": nothing is told */
    struct viv_bytes config_text;       /* shown at /zookeeper/config in an ensemble; borrowed for the call */
};

struct viv_node *viv_node_new(const struct viv_node_config *config);
void viv_node_free(struct viv_node *node);

/* Recovery, before START: rows of the image (a viv_state_rows_fn and a viv_state_restart_fn with the node as ctx),
 * then viv_node_recover_image_end with the mark (all-zero when there was none) and the log's hard state, then every
 * entry of the log above mark.zxid_start in order, damaged ones too, then viv_node_recover_end. Entries up to
 * commit_zxid are applied, later ones wait. When an installation was interrupted after its image became durable, the
 * log is stale: its entries are passed over here and START finishes the installation. */
viv_status viv_node_recover_rows(void *node, struct viv_bytes rows) VIV_MUST_USE;
void viv_node_recover_restart(void *node);
viv_status viv_node_recover_image_end(struct viv_node *node, const struct viv_state_mark *mark,
                                      const struct viv_hard_state *hard) VIV_MUST_USE;
viv_status viv_node_recover_entry(struct viv_node *node, const struct viv_entry *entry, bool committed) VIV_MUST_USE;
/* VIV_ERR_CORRUPT: image and log do not join, or the digest recorded with the image (0: none was) disagrees after
 * replay. */
viv_status viv_node_recover_end(struct viv_node *node, const struct viv_log_bounds *bounds) VIV_MUST_USE;
/* Instead of all of these, on a fresh node: there is a log, but no state that it could be applied to (a damaged image,
 * or one that the log does not join). The node votes with what its log holds, never leads, and takes a leader's
 * snapshot. In an ensemble only. */
void viv_node_recover_baseless(struct viv_node *node, const struct viv_log_bounds *bounds,
                               const struct viv_hard_state *hard);

/* The one entry point once running. Appends to *out. */
void viv_node_step(struct viv_node *node, const struct viv_event *event, struct viv_actions *out);
/* Ends a turn of several steps: what can be said once for all of them is said here (one COMMIT, one ACK, one frame
 * of replies a connection). Call before the actions are performed. */
void viv_node_turn_end(struct viv_node *node, uint64_t now_ms, struct viv_actions *out);

/* For operators: plain reads between steps. */
struct viv_node_stats {
    struct viv_zab_stats zab;
    struct viv_tree_counts tree;
    uint64_t last_zxid, digest, digest_extra;
    uint64_t connections, sessions_attached, watches, watch_paths, watch_connections;
    uint64_t packets_received, packets_sent, requests, outstanding;
    uint64_t latency_ms_min, latency_ms_max, latency_ms_sum, latency_count;
    uint64_t sessions_local, tree_used_bytes, tree_used_bytes_max /* 0: no limit */;
    bool serving, disk_full;
    bool read_only; /* without a quorum: reads are served to those who ask for it */
};
void viv_node_stats(const struct viv_node *node, struct viv_node_stats *stats);
/* The text of the ensemble's active configuration. */
struct viv_bytes viv_node_members(const struct viv_node *node);
const struct viv_tree *viv_node_tree(const struct viv_node *node);
/* Of replies to clients, since the start. */
uint64_t viv_node_reply_bytes(const struct viv_node *node);
/* The node records what it sees; its owner records what the node does not see. */
struct viv_metrics *viv_node_metrics(const struct viv_node *node);
/* Brings up to date what the node counts elsewhere. */
void viv_node_sample(const struct viv_node *node);

#endif /* VIV_NODE_NODE_H */
