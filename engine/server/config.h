#ifndef VIV_SERVER_CONFIG_H
#define VIV_SERVER_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/entry.h"
#include "base/limits.h"
#include "security/tls_settings.h"
#include "server/four_letter.h"
#include "wire/members.h"

/* The configuration file: Java properties as ZooKeeper reads them, plus our own keys (config_keys.def).
 *
 * Everything wrong in a file is found in one pass and reported as FILE:LINE, what was given and what is legal. An
 * unknown key is a warning, because ZooKeeper has far more keys than we do; a known key with a bad value is an error.
 * This module does not know what the values are used for. */

enum {
    VIV_CONFIG_PATH_BYTES = 1024,
    VIV_CONFIG_HOST_BYTES = 256,
    VIV_CONFIG_FILE_BYTES_MAX = 1 << 20,
};

/* The HTTP port for operators. */
struct viv_config_admin {
    bool enabled, port_unification, force_https, need_client_auth, snapshot_enabled, restore_enabled;
    char address[VIV_CONFIG_HOST_BYTES];
    int64_t port; /* -1: not given */
    char command_url[VIV_CONFIG_PATH_BYTES];
    int64_t idle_ms, rate_limit_ms;
};

#define VIV_CONFIG_PROMETHEUS_PROVIDER "org.apache.zookeeper.metrics.prometheus.PrometheusMetricsProvider"
/* The HTTP port for Prometheus; open when the provider is the one that serves it. */
struct viv_config_metrics {
    char provider[VIV_CONFIG_HOST_BYTES]; /* "" = none */
    char address[VIV_CONFIG_HOST_BYTES];  /* "" = every interface */
    int64_t port;
};

/* "group.G=sid:sid" as written; "weight.S=w". */
struct viv_config_group {
    int64_t number;
    uint64_t sids[4]; /* bit a server */
};
struct viv_config_weight {
    viv_sid sid;
    int64_t weight;
};

/* ssl.* or ssl.quorum.* */
struct viv_config_tls {
    struct viv_tls_settings settings;
    uint32_t protocol; /* counts when there are no settings.protocols */
    bool verify_host;
    bool reload; /* as soon as the files change, not only when told to */
    int64_t handshake_ms;
};

/* What clients may do and must prove; see node/policy.h. */
struct viv_config_clients {
    bool local_sessions, local_session_upgrade, read_only_mode;
    bool strict_sync, reads_are_current;
    int64_t outstanding_max, outstanding_per_connection_max;
    int64_t new_sessions_burst_max, new_sessions_fill_ms, new_sessions_fill_count;
    int64_t watches_max, watches_per_connection_max, sessions_max, reply_bytes_max;
    int64_t handshake_ms;
    int64_t large_bytes_max; /* of requests that are being received */
    int64_t tree_mib_max;    /* -1: by the machine's memory */
    bool keep_failed_sasl, requires_sasl, enforces_auth;
    char jaas_file[VIV_CONFIG_PATH_BYTES]; /* "" = no SASL */
    char jaas_section[VIV_CONFIG_HOST_BYTES], sasl_super_password[VIV_CONFIG_HOST_BYTES];
    char super_users[VIV_CONFIG_PATH_BYTES]; /* comma lists without blanks, "" = none */
    char schemes_required[VIV_CONFIG_PATH_BYTES], ensemble_names[VIV_CONFIG_PATH_BYTES];
};

/* All numbers are int64_t, so that one parser fits all. */
struct viv_config {
    char file[VIV_CONFIG_PATH_BYTES]; /* where it was read from; "" when it was not a file */
    char data_dir[VIV_CONFIG_PATH_BYTES], data_log_dir[VIV_CONFIG_PATH_BYTES];
    int64_t client_port, listen_backlog;
    char client_address[VIV_CONFIG_HOST_BYTES]; /* "" = every interface */
    int64_t tick_ms, init_limit_ticks, sync_limit_ticks;
    int64_t session_timeout_min_ms, session_timeout_max_ms;
    int64_t connections_per_address_max, connections_max;
    int64_t snapshot_entries, snapshot_kib;
    int64_t frame_bytes_max;
    uint32_t four_letter_words;               /* bits by enum viv_four_letter */
    char dynamic_file[VIV_CONFIG_PATH_BYTES]; /* where the members were read; "" = the file itself */
    struct viv_members members;
    struct viv_config_group groups[VIV_MEMBERS_MAX];
    size_t group_count;
    struct viv_config_weight weights[VIV_MEMBERS_MAX];
    size_t weight_count;
    char backend[VIV_CONFIG_HOST_BYTES];
    bool durable, snapshot, adaptive;
    int64_t segment_bytes, load_threads;
    int64_t epoch_transactions_max;
    char election_policy[VIV_CONFIG_HOST_BYTES];
    int64_t election_slack, election_priority; /* slack -1: any */
    int64_t scrub_kib;                         /* a second */
    int64_t reserve_mib;                       /* of the disk, to be left free; -1: as it is large */
    char trace_file[VIV_CONFIG_PATH_BYTES];    /* "" = none */
    uint64_t cluster[2];
    struct viv_config_tls client_tls, peer_tls;
    int64_t secure_client_port;                        /* -1: none */
    char secure_client_address[VIV_CONFIG_HOST_BYTES]; /* "" = every interface */
    bool client_port_unification;                      /* clientPort takes TLS and plain connections */
    bool ssl_quorum, peer_port_unification;
    int64_t handshakes_max;
    char x509_super_user[VIV_CONFIG_PATH_BYTES]; /* "" = nobody */
    struct viv_config_admin admin;
    struct viv_config_metrics metrics;
    bool extended_types, emulate_353_ttl; /* the latter only with the former */
    int64_t container_check_ms, containers_per_minute, container_never_used_ms;
    int64_t enforce_quota; /* enum viv_quota_enforcement */
    bool reconfig_enabled, multi_address, skip_acl, digest_auth;
    int64_t snap_syncs_max, diff_syncs_max;
    char super_digest[VIV_CONFIG_HOST_BYTES]; /* "super:hash", "" = nobody */
    int64_t digest_algorithm;                 /* enum viv_identity_hash */
    uint32_t auth_schemes;                    /* enum viv_acl_scheme: what ACL lists may name */
    struct viv_config_clients clients;
    bool audit_enabled;
    char audit_file[VIV_CONFIG_PATH_BYTES];

    viv_sid sid; /* from myid; 1 when standalone without one */
    bool standalone;
};

/* What may be chosen with backend=. */
struct viv_config_backend {
    const char *name;
    bool is_volatile; /* needs durability=none */
};

struct viv_config_backends {
    const struct viv_config_backend *items;
    size_t count;
    const char *default_name;
};

/* Messages for people, a line each. */
struct viv_config_report {
    struct viv_buffer text;
    unsigned error_count, warning_count;
};

/* What a configuration file leads to. */
struct viv_config_sources {
    /* The content of dataDir's myid file, NULL when there is none; borrowed until the next call. */
    const char *(*myid)(void *ctx, const char *data_dir);
    /* Appends the file; false with errno when it cannot be read or is larger than VIV_CONFIG_FILE_BYTES_MAX. */
    bool (*read)(void *ctx, const char *path, struct viv_buffer *text);
    void *ctx;
};

/* Reads the text into *config, which is complete only when report->error_count stayed 0. `file` only names the source.
 */
void viv_config_parse(struct viv_config *config, const char *file, struct viv_bytes text,
                      const struct viv_config_backends *backends, const struct viv_config_sources *sources,
                      struct viv_config_report *report);

/* The same from a file, with the real myid. A file that cannot be read is an error in the report. */
void viv_config_load(struct viv_config *config, const char *path, const struct viv_config_backends *backends,
                     struct viv_config_report *report);

void viv_config_report_fini(struct viv_config_report *report);

/* This server's own line, or NULL when standalone without one. */
const struct viv_member *viv_config_self(const struct viv_config *config);
/* Whether the ports of clients, or those between servers, speak TLS. */
bool viv_config_clients_use_tls(const struct viv_config *config);
bool viv_config_peers_use_tls(const struct viv_config *config);
/* The list of keys with legal values and defaults, for --help. */
void viv_config_describe_keys(struct viv_buffer *out);

#endif /* VIV_SERVER_CONFIG_H */
