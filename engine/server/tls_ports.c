#include "server/tls_ports.h"

#include "base/assert.h"
#include "base/log.h"

enum { LOOK_MS = 1000 };

static viv_status make_context(struct viv_tls_port *port, struct viv_tls_context **out)
{
    return viv_tls_context_new(&port->config->settings, port->prefix, port->use, out, &port->fault);
}

/* ZooKeeper's admin port shows the certificate of the quorum port; without one, that of the client port will do. */
static void choose_admin(struct viv_tls_ports *tls, const struct viv_config *config)
{
    const struct viv_config_admin *wanted = &config->admin;
    bool is_of_quorum = config->peer_tls.settings.key.path[0] != '\0';
    tls->admin = is_of_quorum ? config->peer_tls : config->client_tls;
    tls->admin.settings.client_auth = wanted->need_client_auth ? VIV_TLS_CLIENT_NEED : VIV_TLS_CLIENT_NONE;
    tls->ports[VIV_TLS_PORT_ADMIN] = (struct viv_tls_port){
        .config = wanted->enabled && (wanted->port_unification || wanted->force_https) ? &tls->admin : NULL,
        .prefix = is_of_quorum ? "ssl.quorum." : "ssl.",
        .use = VIV_TLS_SERVES_CLIENTS,
    };
}

viv_status viv_tls_ports_load(struct viv_tls_ports *tls, const struct viv_config *config)
{
    tls->ports[VIV_TLS_PORT_CLIENTS] = (struct viv_tls_port){
        .config = viv_config_clients_use_tls(config) ? &config->client_tls : NULL,
        .prefix = "ssl.",
        .use = VIV_TLS_SERVES_CLIENTS,
    };
    tls->ports[VIV_TLS_PORT_PEERS] = (struct viv_tls_port){
        .config = viv_config_peers_use_tls(config) ? &config->peer_tls : NULL,
        .prefix = "ssl.quorum.",
        .use = VIV_TLS_JOINS_PEERS,
    };
    choose_admin(tls, config);
    for (size_t i = 0; i < VIV_TLS_PORT_KINDS; i++) {
        struct viv_tls_port *port = &tls->ports[i];
        if (port->config != NULL && make_context(port, &port->context) != VIV_OK) {
            viv_log(VIV_LOG_ERROR, "tls", port->fault.text, "%s", port->fault.facts);
            return VIV_ERR_INVALID;
        }
    }
    return VIV_OK;
}

/* ---- reading again ---- */

static void on_work(uv_work_t *work)
{
    struct viv_tls_port *port = work->data;
    if (make_context(port, &port->made) != VIV_OK) {
        port->made = NULL;
    }
}

static void reload(struct viv_tls_port *port);

static void on_worked(uv_work_t *work, int status)
{
    struct viv_tls_port *port = work->data;
    port->is_working = false;
    if (status == 0 && port->made != NULL) {
        viv_tls_context_drop(port->context);
        port->context = port->made;
        port->made = NULL;
        viv_log(VIV_LOG_INFO, "tls", "keys and certificates were read again; new connections use them", "keys=%s*",
                port->prefix);
    } else if (status == 0) {
        viv_log(VIV_LOG_ERROR, "tls", port->fault.text, "%s; the ones read before stay in use", port->fault.facts);
    }
    if (port->is_asked_again && !port->is_stopping) {
        port->is_asked_again = false;
        reload(port);
    }
}

static void reload(struct viv_tls_port *port)
{
    if (port->is_working) {
        port->is_asked_again = true;
        return;
    }
    port->work.data = port;
    port->is_working = uv_queue_work(port->loop, &port->work, on_work, on_worked) == 0;
}

void viv_tls_ports_reload(struct viv_tls_ports *tls)
{
    for (size_t i = 0; i < VIV_TLS_PORT_KINDS; i++) {
        if (tls->ports[i].config != NULL) {
            reload(&tls->ports[i]);
        }
    }
}

/* ---- watching ---- */

/* A file that is away for a moment is being replaced: only its coming back is worth a look. */
static void on_changed(uv_fs_poll_t *watch, int status, const uv_stat_t *before, const uv_stat_t *now)
{
    (void)before;
    (void)now;
    if (status == 0) {
        reload(watch->data);
    }
}

static void watch(struct viv_tls_port *port, const char *path)
{
    if (path[0] != '\0') {
        uv_fs_poll_t *handle = &port->watches[port->watch_count++];
        VIV_ASSERT(port->watch_count <= VIV_TLS_PORT_FILES);
        VIV_ASSERT(uv_fs_poll_init(port->loop, handle) == 0);
        handle->data = port;
        VIV_ASSERT(uv_fs_poll_start(handle, on_changed, path, LOOK_MS) == 0);
        uv_unref((uv_handle_t *)handle);
    }
}

void viv_tls_ports_start(struct viv_tls_ports *tls, uv_loop_t *loop)
{
    for (size_t i = 0; i < VIV_TLS_PORT_KINDS; i++) {
        struct viv_tls_port *port = &tls->ports[i];
        port->loop = loop;
        if (port->config != NULL && port->config->reload) {
            watch(port, port->config->settings.key.path);
            watch(port, port->config->settings.key.password_path);
            watch(port, port->config->settings.trust.path);
            watch(port, port->config->settings.trust.password_path);
        }
    }
}

void viv_tls_ports_stop(struct viv_tls_ports *tls)
{
    for (size_t i = 0; i < VIV_TLS_PORT_KINDS; i++) {
        struct viv_tls_port *port = &tls->ports[i];
        port->is_stopping = true;
        for (size_t k = 0; k < port->watch_count; k++) {
            uv_close((uv_handle_t *)&port->watches[k], NULL);
        }
        port->watch_count = 0;
    }
}

void viv_tls_ports_fini(struct viv_tls_ports *tls)
{
    for (size_t i = 0; i < VIV_TLS_PORT_KINDS; i++) {
        VIV_ASSERT(!tls->ports[i].is_working);
        viv_tls_context_drop(tls->ports[i].context);
        tls->ports[i].context = NULL;
    }
}

struct viv_tls_context *viv_tls_ports_context(const struct viv_tls_ports *tls, int kind)
{
    return tls->ports[kind].context;
}
