#ifndef VIV_SERVER_TLS_PORTS_H
#define VIV_SERVER_TLS_PORTS_H

#include <uv.h>

#include "security/tls_channel.h"
#include "server/config.h"

/* Keys and certificates of the server's ports: read before anything listens, read again when told to or when their
 * files change. New connections use the new ones; files that do not work change nothing and are told of once. */

enum { VIV_TLS_PORT_CLIENTS, VIV_TLS_PORT_PEERS, VIV_TLS_PORT_ADMIN, VIV_TLS_PORT_KINDS };
/* Key store, trust store, and a password file for each. */
enum { VIV_TLS_PORT_FILES = 4 };

struct viv_tls_port {
    const struct viv_config_tls *config; /* NULL: this kind of port has no TLS */
    const char *prefix;
    enum viv_tls_use use;
    struct viv_tls_context *context;
    uv_loop_t *loop;
    uv_work_t work; /* reads the files beside the loop */
    bool is_working, is_asked_again, is_stopping;
    struct viv_tls_context *made; /* by `work` */
    struct viv_tls_fault fault;
    uv_fs_poll_t watches[VIV_TLS_PORT_FILES];
    size_t watch_count;
};

struct viv_tls_ports {
    struct viv_tls_port ports[VIV_TLS_PORT_KINDS];
    struct viv_config_tls admin; /* the admin port shows another port's certificate, and asks for its own reasons */
};

/* Reads the files of the ports that the configuration opens. A failure was logged, with what to do. */
viv_status viv_tls_ports_load(struct viv_tls_ports *tls, const struct viv_config *config) VIV_MUST_USE;
/* From now on files are looked at, when the configuration says so, and viv_tls_ports_reload may be called. */
void viv_tls_ports_start(struct viv_tls_ports *tls, uv_loop_t *loop);
/* Reads all files again, beside the loop. */
void viv_tls_ports_reload(struct viv_tls_ports *tls);
/* Closes the handles; the loop runs once more after it, then comes fini. */
void viv_tls_ports_stop(struct viv_tls_ports *tls);
void viv_tls_ports_fini(struct viv_tls_ports *tls);

/* What new connections use; NULL: no TLS. */
struct viv_tls_context *viv_tls_ports_context(const struct viv_tls_ports *tls, int kind);

#endif /* VIV_SERVER_TLS_PORTS_H */
