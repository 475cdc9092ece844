#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/command_internal.h"
#include "base/assert.h"
#include "server/environment.h"
#include "server/four_letter.h"

static void put_integer(struct viv_command_context *context, const char *key, int64_t value)
{
    viv_json_integer(context->json, context->out, key, value);
}

static void put_text(struct viv_command_context *context, const char *key, const char *value)
{
    viv_json_text(context->json, context->out, key, value);
}

/* ---- what it is ---- */

const char *viv_command_configuration(struct viv_command_context *context)
{
    const struct viv_config *config = context->view->config;
    put_integer(context, "client_port", viv_client_port_number(context->view->clients));
    put_text(context, "data_dir", context->view->data->state_path);
    put_text(context, "data_log_dir", context->view->data->log_path);
    put_integer(context, "tick_time", config->tick_ms);
    put_integer(context, "max_client_cnxns", config->connections_per_address_max);
    put_integer(context, "min_session_timeout", config->session_timeout_min_ms);
    put_integer(context, "max_session_timeout", config->session_timeout_max_ms);
    put_integer(context, "server_id", config->sid);
    put_integer(context, "client_port_listen_backlog", config->listen_backlog);
    return NULL;
}

const char *viv_command_initial_configuration(struct viv_command_context *context)
{
    viv_json_bytes(context->json, context->out, "initial_configuration", context->report->source);
    return NULL;
}

static void put_named(void *ctx, const char *name, const char *value)
{
    put_text(ctx, name, value);
}

const char *viv_command_environment(struct viv_command_context *context)
{
    viv_environment_visit(put_named, context);
    return NULL;
}

/* ---- system properties: the environment, and what the configuration says ---- */

struct property {
    struct viv_buffer name, value; /* NUL-terminated */
};

static void add_property(struct viv_buffer *properties, const char *prefix, struct viv_bytes name,
                         struct viv_bytes value)
{
    struct property property = {0};
    viv_buffer_printf(&property.name, "%s%.*s", prefix, (int)name.size, (const char *)name.data);
    viv_buffer_append(&property.name, "", 1);
    viv_buffer_append_bytes(&property.value, value);
    viv_buffer_append(&property.value, "", 1);
    viv_buffer_append(properties, &property, sizeof property);
}

static void add_environment(void *ctx, const char *name, const char *value)
{
    if (strncmp(name, "os.memory.", strlen("os.memory.")) != 0 &&
        strncmp(name, "zookeeper.", strlen("zookeeper.")) != 0) {
        add_property(ctx, "", viv_bytes_text(name), viv_bytes_text(value));
    }
}

static void add_line(struct viv_buffer *properties, struct viv_bytes line)
{
    const uint8_t *equals = line.size > 0 ? memchr(line.data, '=', line.size) : NULL;
    if (equals != NULL && line.data[0] != '#') {
        size_t name_bytes = (size_t)(equals - line.data);
        add_property(properties, "zookeeper.", viv_bytes_of(line.data, name_bytes),
                     viv_bytes_of(equals + 1, line.size - name_bytes - 1));
    }
}

static int compare_properties(const void *a, const void *b)
{
    const struct property *left = a, *right = b;
    return strcmp((const char *)left->name.data, (const char *)right->name.data);
}

const char *viv_command_system_properties(struct viv_command_context *context)
{
    struct viv_buffer list = {0};
    viv_environment_visit(add_environment, &list);
    for (struct viv_bytes rest = context->report->source; rest.size > 0;) {
        const uint8_t *end = memchr(rest.data, '\n', rest.size);
        size_t size = end != NULL ? (size_t)(end - rest.data) : rest.size;
        add_line(&list, viv_bytes_of(rest.data, size));
        size += end != NULL;
        rest = viv_bytes_of(rest.data + size, rest.size - size);
    }
    struct property *properties = (struct property *)list.data;
    size_t count = list.size / sizeof *properties;
    qsort(properties, count, sizeof *properties, compare_properties);
    for (size_t i = 0; i < count; i++) {
        /* The last of those with one name counts, as in a properties file. */
        if (i + 1 == count || compare_properties(&properties[i], &properties[i + 1]) != 0) {
            put_text(context, (const char *)properties[i].name.data, (const char *)properties[i].value.data);
        }
        viv_buffer_fini(&properties[i].name);
        viv_buffer_fini(&properties[i].value);
    }
    viv_buffer_fini(&list);
    return NULL;
}

/* ---- how it is ---- */

const char *viv_command_ruok(struct viv_command_context *context)
{
    (void)context;
    return NULL;
}

const char *viv_command_dirs(struct viv_command_context *context)
{
    put_integer(context, "datadir_size", (int64_t)viv_view_directory_bytes(context->view->data->state_path));
    put_integer(context, "logdir_size", (int64_t)viv_view_directory_bytes(context->view->data->log_path));
    return NULL;
}

const char *viv_command_is_read_only(struct viv_command_context *context)
{
    viv_json_bool(context->json, context->out, "read_only", context->view->stats.read_only);
    return NULL;
}

const char *viv_command_hash(struct viv_command_context *context)
{
    const struct viv_digests *digests = viv_node_digests(context->view->node);
    viv_json_open_list(context->json, context->out, "digests");
    for (size_t i = 0; i < viv_digests_count(digests); i++) {
        struct viv_zxid_digest item = viv_digests_at(digests, i);
        viv_json_open(context->json, context->out, NULL);
        put_integer(context, "zxid", (int64_t)item.zxid);
        put_integer(context, "digest", (int64_t)item.digest);
        put_integer(context, "digest_version", 2);
        viv_json_close(context->json, context->out);
    }
    viv_json_close(context->json, context->out);
    return NULL;
}

const char *viv_command_last_snapshot(struct viv_command_context *context)
{
    struct viv_image_view image;
    viv_node_image(context->view->node, &image);
    char zxid[24];
    snprintf(zxid, sizeof zxid, "%" PRIx64, image.exists ? image.zxid : UINT64_MAX);
    put_text(context, "zxid", zxid);
    put_integer(context, "timestamp", image.wall_ms > 0 ? image.wall_ms / 1000 : -1);
    return NULL;
}

const char *viv_command_watch_summary(struct viv_command_context *context)
{
    struct viv_watch_counts counts;
    viv_watches_counts(viv_node_watches(context->view->node), &counts);
    put_integer(context, "num_connections", (int64_t)counts.data_connections);
    put_integer(context, "num_paths", (int64_t)counts.data_paths);
    put_integer(context, "num_total_watches", (int64_t)counts.data_watches);
    return NULL;
}

/* ---- numbers ---- */

/* A digest has 64 bits and no sign: more than most readers of JSON take for a number. */
static bool is_digest(const char *name)
{
    return strncmp(name, "viv_", 4) == 0 && strstr(name, "digest") != NULL;
}

/* One line of mntr as a field; what is no number is a text. */
static void put_metric(struct viv_command_context *context, char *line)
{
    char *tab = strchr(line, '\t');
    if (tab == NULL) {
        return;
    }
    *tab = '\0';
    const char *name = strncmp(line, "zk_", 3) == 0 ? line + 3 : line;
    const char *value = tab + 1;
    char *end;
    (void)strtod(value, &end);
    if (!is_digest(name) && *value != '\0' && *end == '\0' && strspn(value, "-0123456789.") == strlen(value)) {
        viv_json_literal(context->json, context->out, name, value);
    } else {
        put_text(context, name, value);
    }
}

const char *viv_command_monitor(struct viv_command_context *context)
{
    struct viv_buffer text = {0};
    viv_four_letter_put_mntr(context->report->server, &text);
    viv_buffer_append(&text, "", 1);
    char *saved;
    for (char *line = strtok_r((char *)text.data, "\n", &saved); line != NULL; line = strtok_r(NULL, "\n", &saved)) {
        put_metric(context, line);
    }
    viv_buffer_fini(&text);
    return NULL;
}

/* last, min and max of the sizes that mntr calls zk_<which>_<what>_size. */
static void put_sizes(struct viv_command_context *context, const char *key, struct viv_bytes mntr, const char *what)
{
    static const char *const which[] = {"last", "min", "max"};
    viv_json_open(context->json, context->out, key);
    for (size_t i = 0; i < sizeof which / sizeof which[0]; i++) {
        char name[64], field[32];
        snprintf(name, sizeof name, "zk_%s_%s_size", which[i], what);
        snprintf(field, sizeof field, "%s_buffer_size", which[i]);
        put_integer(context, field, viv_view_number(mntr, name, -1));
    }
    viv_json_close(context->json, context->out);
}

void viv_command_put_server_stats(struct viv_command_context *context)
{
    const struct viv_server_view *view = context->view;
    const struct viv_node_stats *stats = &view->stats;
    struct viv_buffer average = {0}, mntr_text = {0};
    viv_four_letter_put_mntr(context->report->server, &mntr_text);
    struct viv_bytes mntr = viv_buffer_bytes(&mntr_text);
    viv_view_print_average(&average, stats->latency_ms_sum, stats->latency_count);
    viv_buffer_append(&average, "", 1);
    put_text(context, "version", viv_view_version());
    viv_json_bool(context->json, context->out, "read_only", stats->read_only);
    viv_json_open(context->json, context->out, "server_stats");
    put_integer(context, "packets_sent", (int64_t)stats->packets_sent);
    put_integer(context, "packets_received", (int64_t)stats->packets_received);
    put_integer(context, "fsync_threshold_exceed_count", viv_view_number(mntr, "zk_fsync_threshold_exceed_count", 0));
    put_sizes(context, "client_response_stats", mntr, "client_response");
    put_integer(context, "data_dir_size", (int64_t)viv_view_directory_bytes(view->data->state_path));
    put_integer(context, "log_dir_size", (int64_t)viv_view_directory_bytes(view->data->log_path));
    viv_json_bool(context->json, context->out, "provider_null", false);
    put_text(context, "server_state", viv_view_mode(view));
    put_integer(context, "last_processed_zxid", (int64_t)stats->last_zxid);
    put_integer(context, "outstanding_requests", (int64_t)stats->outstanding);
    viv_json_literal(context->json, context->out, "avg_latency", (const char *)average.data);
    put_integer(context, "max_latency", (int64_t)stats->latency_ms_max);
    put_integer(context, "min_latency", (int64_t)stats->latency_ms_min);
    put_integer(context, "num_alive_client_connections", (int64_t)stats->connections);
    put_integer(context, "uptime", (int64_t)view->uptime_ms);
    put_integer(context, "auth_failed_count", viv_view_number(mntr, "zk_auth_failed_count", 0));
    put_integer(context, "non_mtlsremote_conn_count", viv_view_number(mntr, "zk_non_mtls_remote_conn_count", 0));
    put_integer(context, "non_mtlslocal_conn_count", viv_view_number(mntr, "zk_non_mtls_local_conn_count", 0));
    viv_json_close(context->json, context->out);
    put_sizes(context, "client_response", mntr, "client_response");
    if (!view->config->standalone && stats->zab.state == VIV_LEADING) {
        put_sizes(context, "proposal_stats", mntr, "proposal");
    }
    put_integer(context, "node_count", (int64_t)stats->tree.nodes + 1);
    viv_buffer_fini(&average);
    viv_buffer_fini(&mntr_text);
}

const char *viv_command_server_stats(struct viv_command_context *context)
{
    viv_command_put_server_stats(context);
    return NULL;
}

/* ---- what may be set ---- */

const char *viv_command_connection_stat_reset(struct viv_command_context *context)
{
    viv_server_reset_connection_stats(context->report->server);
    return NULL;
}

const char *viv_command_stat_reset(struct viv_command_context *context)
{
    viv_server_reset_stats(context->report->server);
    return NULL;
}

const char *viv_command_get_trace_mask(struct viv_command_context *context)
{
    put_integer(context, "tracemask", viv_server_trace_mask(context->report->server));
    return NULL;
}

const char *viv_command_set_trace_mask(struct viv_command_context *context)
{
    struct viv_buffer *given = &context->report->question;
    if (given->size == 0) {
        return "setTraceMask requires long traceMask argument";
    }
    char *end;
    errno = 0;
    long long mask = strtoll((const char *)given->data, &end, 10);
    if (end == (char *)given->data || *end != '\0' || errno != 0) {
        struct viv_buffer error = {0};
        viv_buffer_printf(&error, "setTraceMask requires long traceMask argument, got %s", (const char *)given->data);
        viv_buffer_append(&error, "", 1);
        viv_buffer_fini(given);
        *given = error;
        return (const char *)given->data;
    }
    viv_server_set_trace_mask(context->report->server, mask);
    return viv_command_get_trace_mask(context);
}
