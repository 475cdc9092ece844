#include "admin/admin.h"

#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/command.h"
#include "admin/health.h"
#include "admin/http.h"
#include "admin/restore.h"
#include "admin/snapshot.h"
#include "base/log.h"
#include "server/measure.h"
#include "server/view.h"

enum { DEFAULT_PORT = 8080, FILE_BYTES_MAX = VIV_CONFIG_FILE_BYTES_MAX };

struct viv_admin {
    struct viv_server *server;
    const struct viv_config *config;
    uv_loop_t *loop;
    struct viv_http *http, *metrics; /* NULL: not wanted */
    bool is_open, are_metrics_open;
    struct viv_buffer initial_configuration;
    struct viv_snapshots *snapshots;
    struct viv_restores *restores;
};

/* ---- the configuration as it was at the start ---- */

static bool is_secret(const char *name, size_t size)
{
    static const char *const parts[] = {"assword", "asswd", "superDigest"};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        if (memmem(name, size, parts[i], strlen(parts[i])) != NULL) {
            return true;
        }
    }
    return false;
}

/* Whoever reaches this port must not thereby learn what opens others. Names end as they do for the parser. */
static void keep_line(struct viv_buffer *kept, const char *line)
{
    const char *name = line + strspn(line, " \t\r\f");
    size_t name_bytes = strcspn(name, "=: \t\n");
    if (is_secret(name, name_bytes)) {
        viv_buffer_printf(kept, "%.*s=***\n", (int)name_bytes, name);
    } else {
        viv_buffer_printf(kept, "%s", line);
    }
}

static void read_configuration(struct viv_admin *admin)
{
    FILE *file = admin->config->file[0] != '\0' ? fopen(admin->config->file, "re") : NULL;
    char line[4096];
    while (file != NULL && admin->initial_configuration.size < FILE_BYTES_MAX &&
           fgets(line, sizeof line, file) != NULL) {
        keep_line(&admin->initial_configuration, line);
    }
    if (file != NULL) {
        fclose(file);
    }
}

/* ---- metrics ---- */

enum { NAMES_MAX = 256 };

struct wanted_names {
    struct viv_bytes names[NAMES_MAX];
    size_t count;
};

static void want_name(void *ctx, const char *name)
{
    struct wanted_names *wanted = ctx;
    if (wanted->count < NAMES_MAX) {
        wanted->names[wanted->count++] = viv_bytes_text(name);
    }
}

static void answer_metrics(void *ctx, const struct viv_http_request *request, struct viv_http_answer *answer)
{
    struct viv_admin *admin = ctx;
    if (strcmp(viv_http_path(request), "/metrics") != 0) {
        answer->status = MHD_HTTP_NOT_FOUND;
        return;
    }
    struct wanted_names wanted = {.count = 0};
    struct viv_metrics_view view;
    viv_http_arguments(request, "name[]", want_name, &wanted);
    const struct viv_metrics *metrics = viv_server_metrics(admin->server, &view);
    answer->type = "text/plain; version=0.0.4; charset=utf-8";
    viv_metrics_prometheus(metrics, &view, wanted.names, wanted.count, &answer->body);
}

/* ---- what is answered ---- */

static void answer_command(struct viv_admin *admin, const struct viv_http_request *request, const char *name,
                           struct viv_http_answer *answer)
{
    struct viv_command_question question = {
        .name = name,
        .trace_mask = viv_http_argument(request, "traceMask"),
        .initial_configuration = viv_buffer_bytes(&admin->initial_configuration),
    };
    answer->type = "application/json";
    answer->report = viv_command_answer(admin->server, &question);
}

static bool is_named(const char *asked, const char *name, const char *alias)
{
    return strcmp(asked, name) == 0 || strcmp(asked, alias) == 0;
}

static void answer_admin(void *ctx, const struct viv_http_request *request, struct viv_http_answer *answer)
{
    struct viv_admin *admin = ctx;
    const char *path = viv_http_path(request), *url = admin->config->admin.command_url;
    size_t url_bytes = strlen(url);
    bool is_below = strncmp(path, url, url_bytes) == 0 && (path[url_bytes] == '/' || path[url_bytes] == '\0');
    const char *name = is_below ? path + url_bytes + (path[url_bytes] == '/') : "";
    enum viv_health health = viv_health_find(path);
    bool is_restore = is_below && is_named(name, "restore", "rest");
    if (viv_http_is_post(request) != is_restore) {
        answer->status = MHD_HTTP_METHOD_NOT_ALLOWED;
    } else if (is_restore) {
        viv_restores_answer(admin->restores, request, answer);
    } else if (is_below && *name == '\0') {
        answer->type = "text/html";
        viv_command_index(url, &answer->body);
    } else if (is_below && is_named(name, "snapshot", "snap")) {
        viv_snapshots_answer(admin->snapshots, request, answer);
    } else if (is_below) {
        answer_command(admin, request, name, answer);
    } else if (health < VIV_HEALTH_COUNT) {
        struct viv_server_view view;
        viv_server_view(admin->server, &view);
        answer->type = "application/json";
        answer->status = viv_health_answer(health, &view, &answer->body) ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE;
    } else {
        answer_metrics(ctx, request, answer);
    }
}

/* ---- ports ---- */

static viv_status complain(const struct viv_http_config *port, int status, const char *keys)
{
    viv_log(VIV_LOG_ERROR, port->name, "the port cannot be opened; stop what uses it, or change the configuration",
            "address=%s port=%d error=\"%s\" keys=\"%s\"", port->address[0] != '\0' ? port->address : "*", port->port,
            uv_strerror(status), keys);
    return VIV_ERR_BUSY;
}

static void tell_listening(const struct viv_http_config *port, const struct viv_http *http)
{
    viv_log(VIV_LOG_INFO, port->name, "listening", "address=%s port=%d tls=%s",
            port->address[0] != '\0' ? port->address : "*", viv_http_port(http),
            port->tls == NULL ? "no"
            : port->plain_too ? "too"
                              : "only");
    if (!viv_http_is_loopback(http) && port->tls == NULL) {
        viv_log(VIV_LOG_WARN, port->name,
                "operators of other machines are answered without TLS, and so is anybody else", "port=%d",
                viv_http_port(http));
    }
}

static struct viv_tls_context *tls_context(void *ctx)
{
    const struct viv_admin *admin = ctx;
    return viv_server_admin_tls(admin->server);
}

static viv_status listen_admin(struct viv_admin *admin)
{
    const struct viv_config_admin *wanted = &admin->config->admin;
    bool is_asked_for = wanted->port >= 0;
    struct viv_http_config port = {
        .loop = admin->loop,
        .name = "admin",
        .address = wanted->address,
        .port = is_asked_for ? (int)wanted->port : DEFAULT_PORT,
        .idle_ms = (uint64_t)wanted->idle_ms,
        .tls = tls_context(admin) != NULL ? tls_context : NULL,
        .plain_too = !wanted->force_https,
        .takes_posts = true,
        .handle = answer_admin,
        .ctx = admin,
    };
    int status = viv_http_open(&port, &admin->http);
    if (status == UV_EADDRINUSE && !is_asked_for) {
        viv_log(VIV_LOG_WARN, "admin", "another process has the usual admin port: this server has none",
                "port=%d do=\"set admin.serverPort, or admin.enableServer=false\"", port.port);
        viv_http_stop(admin->http);
        return VIV_OK;
    }
    if (status != 0) {
        return complain(&port, status, "admin.serverAddress admin.serverPort");
    }
    admin->is_open = true;
    tell_listening(&port, admin->http);
    return VIV_OK;
}

/* ZooKeeper's provider for Prometheus has a port of its own; its default is to tell nobody. */
static viv_status listen_metrics(struct viv_admin *admin)
{
    const struct viv_config_metrics *wanted = &admin->config->metrics;
    struct viv_http_config port = {
        .loop = admin->loop,
        .name = "metrics",
        .address = wanted->address,
        .port = (int)wanted->port,
        .idle_ms = (uint64_t)admin->config->admin.idle_ms,
        .handle = answer_metrics,
        .ctx = admin,
    };
    int status = viv_http_open(&port, &admin->metrics);
    if (status != 0) {
        return complain(&port, status, "metricsProvider.httpHost metricsProvider.httpPort");
    }
    admin->are_metrics_open = true;
    tell_listening(&port, admin->metrics);
    return VIV_OK;
}

struct viv_admin *viv_admin_new(struct viv_server *server, uv_loop_t *loop)
{
    struct viv_admin *admin = viv_alloc_zeroed(1, sizeof *admin);
    struct viv_server_view view;
    viv_server_view(server, &view);
    admin->server = server;
    admin->config = view.config;
    admin->loop = loop;
    admin->snapshots = viv_snapshots_new(server, loop);
    admin->restores = viv_restores_new(server, loop);
    read_configuration(admin);
    return admin;
}

viv_status viv_admin_listen(struct viv_admin *admin)
{
    if (admin->config->admin.enabled) {
        VIV_TRY(listen_admin(admin));
    }
    return strcmp(admin->config->metrics.provider, VIV_CONFIG_PROMETHEUS_PROVIDER) == 0 ? listen_metrics(admin)
                                                                                        : VIV_OK;
}

void viv_admin_turn(struct viv_admin *admin)
{
    viv_snapshots_turn(admin->snapshots);
    viv_restores_turn(admin->restores);
}

int viv_admin_port(const struct viv_admin *admin)
{
    return admin->is_open ? viv_http_port(admin->http) : -1;
}

int viv_admin_metrics_port(const struct viv_admin *admin)
{
    return admin->are_metrics_open ? viv_http_port(admin->metrics) : -1;
}

void viv_admin_stop(struct viv_admin *admin)
{
    if (admin->http != NULL) {
        viv_http_stop(admin->http);
    }
    if (admin->metrics != NULL) {
        viv_http_stop(admin->metrics);
    }
}

void viv_admin_free(struct viv_admin *admin)
{
    viv_http_free(admin->http);
    viv_http_free(admin->metrics);
    viv_snapshots_free(admin->snapshots);
    viv_restores_free(admin->restores);
    viv_buffer_fini(&admin->initial_configuration);
    free(admin);
}
