#include "server/ensemble.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "server/server_internal.h"

/* ---- the file ---- */

/* Written on a thread of libuv's pool: a slow disk must not hold up the ensemble. */
struct writing {
    uv_work_t work;
    struct viv_server *server;
    char path[VIV_CONFIG_PATH_BYTES + 32];
    struct viv_buffer text;
    int why; /* an errno; 0: written */
};

static int write_whole(int fd, struct viv_bytes text)
{
    while (text.size > 0) {
        ssize_t written = write(fd, text.data, text.size);
        if (written < 0) {
            return errno;
        }
        text = viv_bytes_of(text.data + written, text.size - (size_t)written);
    }
    return fsync(fd) == 0 ? 0 : errno;
}

static void write_file(uv_work_t *work)
{
    struct writing *writing = work->data;
    char draft[sizeof writing->path + 8];
    snprintf(draft, sizeof draft, "%s.new", writing->path);
    int fd = open(draft, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    writing->why = fd < 0 ? errno : write_whole(fd, viv_buffer_bytes(&writing->text));
    if (fd >= 0) {
        close(fd);
    }
    if (writing->why == 0 && rename(draft, writing->path) != 0) {
        writing->why = errno;
    }
}

static void on_written(uv_work_t *work, int status)
{
    struct writing *writing = work->data;
    struct viv_ensemble *ensemble = &writing->server->ensemble;
    if (status == 0 && writing->why != 0 && !ensemble->cannot_write) {
        ensemble->cannot_write = true;
        viv_log(VIV_LOG_WARN, "ensemble",
                "the file that shows the members cannot be written; the log holds them all the same",
                "path=%s error=\"%s\"", writing->path, strerror(writing->why));
    }
    viv_buffer_fini(&writing->text);
    free(writing);
}

static void write_members(struct viv_server *server, struct viv_bytes text)
{
    if (server->config->file[0] == '\0') {
        return;
    }
    struct writing *writing = viv_alloc_zeroed(1, sizeof *writing);
    writing->work.data = writing;
    writing->server = server;
    snprintf(writing->path, sizeof writing->path, "%s.dynamic.%llx", server->config->file,
             (unsigned long long)server->ensemble.version);
    const uint8_t *version = memrchr(text.data, '\n', text.size); /* the last line, which the file's name tells */
    viv_buffer_append(&writing->text, text.data, version != NULL ? (size_t)(version - text.data) : text.size);
    if (uv_queue_work(&server->loop, &writing->work, write_file, on_written) != 0) {
        on_written(&writing->work, UV_ECANCELED);
    }
}

/* ---- what changes ---- */

static bool is_same_host(const char *a, const char *b)
{
    return strcmp(a[0] != '\0' ? a : "0.0.0.0", b[0] != '\0' ? b : "0.0.0.0") == 0;
}

const char *viv_ensemble_own_host(const struct viv_member *self)
{
    return viv_member_address_count(self) > 1 ? "" : self->host;
}

static void move_ports(struct viv_server *server, const struct viv_member *was)
{
    const struct viv_member *is = &server->ensemble.self;
    bool is_same = is_same_host(viv_ensemble_own_host(is), viv_ensemble_own_host(was));
    if (server->election != NULL && (!is_same || is->election_port != was->election_port)) {
        viv_election_port_move(server->election);
    }
    if (server->clients != NULL && is->client_port >= 0 &&
        (!is_same_host(is->client_host, was->client_host) || is->client_port != was->client_port)) {
        viv_client_port_move(server->clients);
    }
}

static void know_self(struct viv_server *server)
{
    struct viv_ensemble *ensemble = &server->ensemble;
    const struct viv_config *config = server->config;
    const struct viv_member *self = viv_members_find(&ensemble->members, config->sid);
    ensemble->self = self != NULL ? *self : ensemble->self;
    if (ensemble->self.client_port < 0) { /* where clients are served now */
        ensemble->self.client_port = (int)config->client_port;
        memcpy(ensemble->self.client_host, config->client_address, sizeof ensemble->self.client_host);
    }
}

/* False: it cannot be read, as when the members came without a text. */
static bool take_texts(struct viv_ensemble *ensemble, struct viv_bytes active, struct viv_bytes proposed)
{
    struct viv_members members, next;
    if (viv_members_parse(active, &members) != VIV_OK) {
        return false;
    }
    if (proposed.size > 0 && viv_members_parse(proposed, &next) == VIV_OK) {
        for (size_t i = 0; i < next.count; i++) {
            (void)viv_members_insert(&members, &next.items[i]); /* who is in both answers where it did */
        }
    }
    ensemble->members = members;
    return true;
}

void viv_ensemble_begin(struct viv_server *server, struct viv_bytes active)
{
    struct viv_ensemble *ensemble = &server->ensemble;
    const struct viv_config *config = server->config;
    const struct viv_member *self = viv_config_self(config);
    ensemble->members = config->members;
    ensemble->self = self != NULL ? *self : (struct viv_member){.sid = config->sid, .client_port = -1};
    (void)take_texts(ensemble, active, (struct viv_bytes){0});
    ensemble->version = ensemble->members.version;
    know_self(server);
    if (ensemble->version > config->members.version) {
        viv_log(VIV_LOG_INFO, "ensemble",
                "the ensemble has changed since its configuration file was written; its log says who belongs to it",
                "version=%llx version_in_file=%llx members=%zu", (unsigned long long)ensemble->version,
                (unsigned long long)config->members.version, ensemble->members.count);
    }
}

void viv_ensemble_take(struct viv_server *server, struct viv_bytes active, struct viv_bytes proposed)
{
    struct viv_ensemble *ensemble = &server->ensemble;
    struct viv_member was = ensemble->self;
    if (server->config->standalone || !take_texts(ensemble, active, proposed)) {
        return;
    }
    know_self(server);
    if (server->election != NULL) {
        viv_election_port_heed_members(server->election);
    }
    move_ports(server, &was);
    if (ensemble->members.version > ensemble->version) {
        ensemble->version = ensemble->members.version;
        write_members(server, active);
    }
}
