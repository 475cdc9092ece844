#include "server/view.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include <config.h>

#include "base/assert.h"
#include "server/server_internal.h"

static int64_t wall_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void viv_server_view(struct viv_server *server, struct viv_server_view *view)
{
    *view = (struct viv_server_view){
        .config = server->config,
        .members = &server->ensemble.members,
        .self = viv_members_find(&server->ensemble.members, server->config->sid),
        .data = &server->data,
        .node = server->node,
        .clients = server->clients,
        .election = server->election,
        .now_ms = viv_server_now_ms(server),
        .wall_ms = wall_ms(),
    };
    view->uptime_ms = view->now_ms - server->start_ms;
    viv_node_stats(server->node, &view->stats);
    view->stats.packets_received += viv_client_port_words(server->clients);
    view->stats.packets_sent += viv_client_port_words(server->clients);
}

struct viv_node *viv_server_node(const struct viv_server *server)
{
    return server->node;
}

struct viv_tls_context *viv_server_admin_tls(const struct viv_server *server)
{
    return viv_tls_ports_context(&server->tls, VIV_TLS_PORT_ADMIN);
}

bool viv_server_is_serving(const struct viv_server *server)
{
    struct viv_node_stats stats;
    viv_node_stats(server->node, &stats);
    return stats.serving || stats.read_only;
}

int64_t viv_view_number(struct viv_bytes mntr, const char *name, int64_t fallback)
{
    size_t name_bytes = strlen(name);
    while (mntr.size > 0) {
        const uint8_t *end = memchr(mntr.data, '\n', mntr.size);
        size_t size = end != NULL ? (size_t)(end - mntr.data) : mntr.size;
        char value[32] = "";
        if (size > name_bytes && size - name_bytes <= sizeof value && memcmp(mntr.data, name, name_bytes) == 0 &&
            mntr.data[name_bytes] == '\t') {
            memcpy(value, mntr.data + name_bytes + 1, size - name_bytes - 1);
            return strtoll(value, NULL, 10);
        }
        size += end != NULL;
        mntr = viv_bytes_of(mntr.data + size, mntr.size - size);
    }
    return fallback;
}

/* The protocol level that clients may count on, then what really answers. */
const char *viv_view_version(void)
{
    return "3.8.0-vivarium-" PACKAGE_VERSION ", built on (not recorded)";
}

const char *viv_view_mode(const struct viv_server_view *view)
{
    static const char *const texts[] = {
        [VIV_LOOKING] = "looking",
        [VIV_FOLLOWING] = "follower",
        [VIV_LEADING] = "leader",
        [VIV_OBSERVING] = "observer",
    };
    if (view->stats.read_only) {
        return "read-only";
    }
    return view->config->standalone ? "standalone" : texts[view->stats.zab.state];
}

const char *viv_view_phase(const struct viv_server_view *view)
{
    static const char *const texts[] = {
        [VIV_ZAB_ELECTION] = "election",
        [VIV_ZAB_DISCOVERY] = "discovery",
        [VIV_ZAB_SYNCHRONIZATION] = "synchronization",
        [VIV_ZAB_BROADCAST] = "broadcast",
    };
    return texts[view->stats.zab.phase];
}

const char *viv_view_role(const struct viv_server_view *view)
{
    static const char *const texts[] = {
        [VIV_LOOKING] = "looking",
        [VIV_FOLLOWING] = "following",
        [VIV_LEADING] = "leading",
        [VIV_OBSERVING] = "observing",
    };
    return texts[view->stats.zab.state];
}

void viv_view_print_average(struct viv_buffer *out, uint64_t sum, uint64_t count)
{
    uint64_t ten_thousandths = count > 0 ? sum * 10000 / count : 0;
    viv_buffer_printf(out, "%" PRIu64 ".%04" PRIu64, ten_thousandths / 10000, ten_thousandths % 10000);
    while (out->data[out->size - 1] == '0' && out->data[out->size - 2] != '.') {
        out->size--;
    }
}

uint64_t viv_view_directory_bytes(const char *path)
{
    uint64_t bytes = 0;
    DIR *dir = opendir(path);
    if (dir == NULL) {
        return 0;
    }
    for (const struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        struct stat status;
        if (fstatat(dirfd(dir), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) != 0) {
            continue;
        }
        if (S_ISREG(status.st_mode)) {
            bytes += (uint64_t)status.st_size;
        } else if (S_ISDIR(status.st_mode) && entry->d_name[0] != '.') {
            char below[2 * VIV_CONFIG_PATH_BYTES];
            int size = snprintf(below, sizeof below, "%s/%s", path, entry->d_name);
            bytes += size > 0 && (size_t)size < sizeof below ? viv_view_directory_bytes(below) : 0;
        }
    }
    closedir(dir);
    return bytes;
}

const char *viv_view_op_name(int32_t op)
{
    static const struct {
        int32_t op;
        const char *name;
    } names[] = {
        {VIV_OP_CREATE, "CREA"},
        {VIV_OP_DELETE, "DELE"},
        {VIV_OP_EXISTS, "EXIS"},
        {VIV_OP_GET_DATA, "GETD"},
        {VIV_OP_SET_DATA, "SETD"},
        {VIV_OP_GET_ACL, "GETA"},
        {VIV_OP_SET_ACL, "SETA"},
        {VIV_OP_GET_CHILDREN, "GETC"},
        {VIV_OP_SYNC, "SYNC"},
        {VIV_OP_PING, "PING"},
        {VIV_OP_GET_CHILDREN2, "GETC"},
        {VIV_OP_CHECK, "CHEC"},
        {VIV_OP_MULTI, "MULT"},
        {VIV_OP_CREATE2, "CREA"},
        {VIV_OP_RECONFIG, "RECO"},
        {VIV_OP_CHECK_WATCHES, "CHKW"},
        {VIV_OP_REMOVE_WATCHES, "REMW"},
        {VIV_OP_CREATE_CONTAINER, "CREA"},
        {VIV_OP_DELETE_CONTAINER, "DELE"},
        {VIV_OP_CREATE_TTL, "CREA"},
        {VIV_OP_MULTI_READ, "MLTR"},
        {VIV_OP_SET_WATCHES, "SETW"},
        {VIV_OP_GET_EPHEMERALS, "GETE"},
        {VIV_OP_GET_ALL_CHILDREN_NUMBER, "GETACN"},
        {VIV_OP_SET_WATCHES2, "STW2"},
        {VIV_OP_ADD_WATCH, "ADDW"},
        {VIV_OP_WHO_AM_I, "HOMI"},
        {VIV_OP_CREATE_SESSION, "SESS"},
        {VIV_OP_CLOSE_SESSION, "CLOS"},
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (names[i].op == op) {
            return names[i].name;
        }
    }
    return "NA";
}

int64_t viv_server_trace_mask(const struct viv_server *server)
{
    return server->trace_mask;
}

void viv_server_set_trace_mask(struct viv_server *server, int64_t mask)
{
    server->trace_mask = mask;
}

void viv_server_reset_stats(struct viv_server *server)
{
    viv_node_reset_stats(server->node);
    viv_client_port_reset_words(server->clients);
}

void viv_server_reset_connection_stats(struct viv_server *server)
{
    viv_node_reset_connection_stats(server->node);
    viv_client_port_reset_stats(server->clients);
}
