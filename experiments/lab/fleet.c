#include "experiments/lab/fleet.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/log.h"
#include "base/rng.h"
#include "experiments/lab/files.h"
#include "experiments/lab/probe.h"

enum { ANSWER_LIMIT_MS = 500, END_LIMIT_MS = 10000, LOG_TAIL_BYTES = 4096, PORT_MIN = 10240 };
#define TURN_NS UINT64_C(1000000)

/* Below the range the kernel takes the ports of outgoing connections from: a client that tries a dead server again and
 * again could otherwise be given that very port for its own end, and the server could not come back. */
static uint16_t lowest_outgoing_port(void)
{
    enum { USUAL = 32768 };
    struct viv_buffer text = {0};
    unsigned long lowest = 0;
    if (viv_file_read("/proc/sys/net/ipv4/ip_local_port_range", 64, &text)) {
        viv_buffer_append(&text, "", 1);
        lowest = strtoul((const char *)text.data, NULL, 10);
    }
    viv_buffer_fini(&text);
    return lowest > PORT_MIN + 1000 && lowest <= UINT16_MAX ? (uint16_t)lowest : USUAL;
}

/* A listening socket on the port, or -1 when somebody has it. */
static int try_port(uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && (bind(fd, (struct sockaddr *)&address, sizeof address) != 0 || listen(fd, 1) != 0)) {
        close(fd);
        fd = -1;
    }
    return fd;
}

/* All sockets stay bound until every port is picked, so that another lab, picking at the same time, takes others. */
static viv_status pick_ports(uint16_t *ports, size_t count)
{
    int fds[3 * VIV_FLEET_SERVERS_MAX];
    size_t found = 0;
    VIV_ASSERT(count <= sizeof fds / sizeof *fds);
    uint32_t range = lowest_outgoing_port() - PORT_MIN;
    uint32_t first = (uint32_t)(viv_mix64((uint64_t)getpid() ^ viv_client_now_ns()) % range);
    for (uint32_t i = 0; i < range && found < count; i++) {
        uint16_t port = (uint16_t)(PORT_MIN + (first + i) % range);
        int fd = try_port(port);
        if (fd >= 0) {
            ports[found] = port;
            fds[found++] = fd;
        }
    }
    for (size_t i = 0; i < found; i++) {
        close(fds[i]);
    }
    if (found < count) {
        viv_log(VIV_LOG_ERROR, "lab", "there are not enough free ports", "wanted=%zu found=%zu", count, found);
    }
    return found < count ? VIV_ERR_LIMIT : VIV_OK;
}

enum sync_deed { SYNCS_PASS = 0, SYNCS_FROZEN = 2 }; /* of tests/support/sync_shim.c */

/* The file is mapped by the server: it is changed where it lies. */
static viv_status order_syncs(const struct viv_fleet *fleet, uint32_t index, uint32_t deed)
{
    const uint32_t order[2] = {deed, 0};
    char *path = viv_text("%s/sync", fleet->servers[index].home);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    bool done = fd >= 0 && pwrite(fd, order, sizeof order, 0) == sizeof order;
    if (!done) {
        viv_log(VIV_LOG_ERROR, "lab", "a server's syncs cannot be controlled", "path=%s error=%m", path);
    }
    if (fd >= 0) {
        close(fd);
    }
    free(path);
    return done ? VIV_OK : VIV_ERR_IO;
}

viv_status viv_fleet_freeze(struct viv_fleet *fleet, uint32_t index)
{
    VIV_ASSERT(fleet->controls_syncs);
    return order_syncs(fleet, index, SYNCS_FROZEN);
}

viv_status viv_fleet_thaw(struct viv_fleet *fleet, uint32_t index)
{
    return order_syncs(fleet, index, SYNCS_PASS);
}

static viv_status write_server(struct viv_fleet *fleet, uint32_t index)
{
    struct viv_fleet_server *server = &fleet->servers[index];
    struct viv_buffer text = {0};
    char *data = viv_text("%s/data", server->home);
    char *myid = viv_text("%s/myid", data);
    char *config = viv_text("%s/zoo.cfg", server->home);
    viv_status status = viv_dir_make(data);
    if (status == VIV_OK) {
        viv_buffer_printf(&text, "%u\n", index + 1);
        status = viv_file_write_whole(myid, viv_buffer_bytes(&text));
    }
    if (status == VIV_OK) {
        viv_buffer_clear(&text);
        viv_system_config(fleet->cell, fleet->ports, index + 1, server->home, &text);
        status = viv_file_write_whole(config, viv_buffer_bytes(&text));
    }
    viv_buffer_fini(&text);
    free(data);
    free(myid);
    free(config);
    return status;
}

viv_status viv_fleet_open(struct viv_fleet *fleet, const struct viv_cell *cell, const struct viv_system_places *places,
                          struct viv_interrupt *interrupt, const char *home, bool controls_syncs)
{
    VIV_ASSERT(cell->servers >= 1 && cell->servers <= VIV_FLEET_SERVERS_MAX);
    VIV_ASSERT(home[0] == '/');
    *fleet = (struct viv_fleet){.cell = cell, .places = places, .interrupt = interrupt, .home = viv_text("%s", home)};
    fleet->controls_syncs = controls_syncs;
    uint16_t ports[3 * VIV_FLEET_SERVERS_MAX];
    viv_status status = pick_ports(ports, (size_t)3 * cell->servers);
    for (uint32_t i = 0; i < cell->servers && status == VIV_OK; i++) {
        fleet->ports[i] = (struct viv_system_ports){ports[3 * i], ports[3 * i + 1], ports[3 * i + 2]};
        fleet->addresses[i] = (struct viv_client_address){.host = "127.0.0.1", .port = ports[3 * i]};
    }
    for (uint32_t i = 0; i < cell->servers && status == VIV_OK; i++) {
        fleet->servers[i].home = viv_text("%s/server-%u", home, i + 1);
        status = write_server(fleet, i);
        if (status == VIV_OK && controls_syncs) {
            status = viv_fleet_thaw(fleet, i);
        }
    }
    if (status != VIV_OK) {
        viv_fleet_close(fleet);
    }
    return status;
}

void viv_fleet_close(struct viv_fleet *fleet)
{
    for (uint32_t i = 0; i < fleet->cell->servers; i++) {
        viv_process_kill(&fleet->servers[i].process);
        viv_process_kill(&fleet->servers[i].ending);
        free(fleet->servers[i].home);
    }
    viv_dir_remove(fleet->home);
    free(fleet->home);
    *fleet = (struct viv_fleet){.cell = fleet->cell};
}

viv_status viv_fleet_start(struct viv_fleet *fleet, uint32_t index)
{
    VIV_ASSERT(index < fleet->cell->servers);
    struct viv_fleet_server *server = &fleet->servers[index];
    char *config = viv_text("%s/zoo.cfg", server->home);
    char *log = viv_text("%s/server.log", server->home);
    char *control = fleet->controls_syncs ? viv_text("%s/sync", server->home) : NULL;
    char **argv = viv_system_argv(fleet->cell, fleet->places, config, control);
    viv_process_end(&server->ending, END_LIMIT_MS);
    server->started_ns = viv_client_now_ns();
    viv_status status = viv_process_start(&server->process, argv, server->home, log);
    if (status != VIV_OK) {
        snprintf(fleet->why, sizeof fleet->why, "server %u could not be started", index + 1);
    }
    viv_system_argv_free(argv);
    free(control);
    free(config);
    free(log);
    return status;
}

viv_status viv_fleet_start_all(struct viv_fleet *fleet)
{
    for (uint32_t i = 0; i < fleet->cell->servers; i++) {
        VIV_TRY(viv_fleet_start(fleet, i));
    }
    return VIV_OK;
}

/* The CPU time of a process is gone with it: it is taken over just before. */
static void keep_usage(struct viv_fleet_server *server)
{
    struct viv_process_usage usage;
    viv_process_usage(&server->process, &usage);
    server->cpu_before_ns += usage.cpu_ns;
}

void viv_fleet_kill(struct viv_fleet *fleet, uint32_t index)
{
    keep_usage(&fleet->servers[index]);
    viv_process_kill(&fleet->servers[index].process);
}

void viv_fleet_term(struct viv_fleet *fleet, uint32_t index)
{
    struct viv_fleet_server *server = &fleet->servers[index];
    VIV_ASSERT(server->ending.pid == 0);
    keep_usage(server);
    viv_process_term(&server->process);
    server->ending = server->process;
    server->process = (struct viv_process){0};
}

bool viv_fleet_has_ended(struct viv_fleet *fleet, uint32_t index)
{
    return !viv_process_is_running(&fleet->servers[index].ending, NULL, 0);
}

void viv_fleet_stop(struct viv_fleet *fleet, uint32_t index)
{
    viv_process_stop(&fleet->servers[index].process);
}

void viv_fleet_cont(struct viv_fleet *fleet, uint32_t index)
{
    viv_process_cont(&fleet->servers[index].process);
}

void viv_fleet_end_all(struct viv_fleet *fleet, uint32_t limit_ms)
{
    for (uint32_t i = 0; i < fleet->cell->servers; i++) {
        viv_process_end(&fleet->servers[i].process, limit_ms);
        viv_process_end(&fleet->servers[i].ending, limit_ms);
    }
}

viv_status viv_fleet_check(struct viv_fleet *fleet)
{
    char how[64];
    for (uint32_t i = 0; i < fleet->cell->servers; i++) {
        struct viv_process *process = &fleet->servers[i].process;
        if (process->pid != 0 && !viv_process_is_running(process, how, sizeof how)) {
            snprintf(fleet->why, sizeof fleet->why, "server %u %s", i + 1, how);
            viv_log(VIV_LOG_ERROR, "lab", "a server ended by itself", "sid=%u how=\"%s\"", i + 1, how);
            return VIV_ERR_SYSTEM;
        }
    }
    return VIV_OK;
}

static viv_status await_answers(struct viv_fleet *fleet, const bool *wanted, struct viv_probes *probes,
                                uint64_t until_ns)
{
    while (viv_probes_turn(probes, viv_client_now_ns() + TURN_NS) > 0) {
        VIV_TRY(viv_interrupt_wait(fleet->interrupt, 0));
        VIV_TRY(viv_fleet_check(fleet));
        if (viv_client_now_ns() >= until_ns) {
            for (uint32_t i = 0; i < fleet->cell->servers; i++) {
                if (wanted[i] && viv_probes_answered_ns(probes, i) == 0) {
                    snprintf(fleet->why, sizeof fleet->why, "server %u did not serve in time", i + 1);
                }
            }
            return VIV_ERR_BUSY;
        }
    }
    return VIV_OK;
}

static viv_status await(struct viv_fleet *fleet, const bool *wanted, uint64_t until_ns, uint64_t *at_ns)
{
    struct viv_probes *probes;
    VIV_TRY(viv_probes_open(viv_system_dialect(fleet->cell->system), fleet->addresses, wanted, fleet->cell->servers,
                            &probes));
    viv_status status = await_answers(fleet, wanted, probes, until_ns);
    for (uint32_t i = 0; i < fleet->cell->servers; i++) {
        at_ns[i] = viv_probes_answered_ns(probes, i);
    }
    viv_probes_close(probes);
    return status;
}

viv_status viv_fleet_await_serving(struct viv_fleet *fleet, uint32_t index, uint64_t until_ns, uint64_t *at_ns)
{
    bool wanted[VIV_FLEET_SERVERS_MAX] = {0};
    uint64_t when_ns[VIV_FLEET_SERVERS_MAX] = {0};
    wanted[index] = true;
    VIV_TRY(await(fleet, wanted, until_ns, when_ns));
    *at_ns = when_ns[index];
    return VIV_OK;
}

viv_status viv_fleet_await_all(struct viv_fleet *fleet, uint64_t until_ns, uint64_t *at_ns)
{
    bool wanted[VIV_FLEET_SERVERS_MAX];
    memset(wanted, true, sizeof wanted);
    return await(fleet, wanted, until_ns, at_ns);
}

viv_status viv_fleet_leader(struct viv_fleet *fleet, uint32_t *index)
{
    viv_status status = VIV_ERR_NOT_FOUND;
    for (uint32_t i = 0; i < fleet->cell->servers && status != VIV_OK; i++) {
        const struct viv_process *process = &fleet->servers[i].process;
        if (process->pid != 0 && !process->stopped &&
            viv_system_leads(fleet->cell->system, &fleet->addresses[i], ANSWER_LIMIT_MS)) {
            *index = i;
            status = VIV_OK;
        }
    }
    if (status != VIV_OK) {
        snprintf(fleet->why, sizeof fleet->why, "no server says that it leads");
    }
    return status;
}

void viv_fleet_usage(struct viv_fleet *fleet, struct viv_fleet_usage *usage)
{
    *usage = (struct viv_fleet_usage){0};
    for (uint32_t i = 0; i < fleet->cell->servers; i++) {
        struct viv_process_usage one;
        viv_process_usage(&fleet->servers[i].process, &one);
        usage->cpu_ns += one.cpu_ns + fleet->servers[i].cpu_before_ns;
        usage->rss_bytes[i] = one.rss_bytes;
    }
}

uint64_t viv_fleet_disk_bytes(const struct viv_fleet *fleet, uint32_t index)
{
    char *data = viv_text("%s/data", fleet->servers[index].home);
    uint64_t bytes = viv_dir_bytes(data);
    free(data);
    return bytes;
}

/* Results hold no paths of the machine: the ensemble's own folder becomes a dot. */
static void append_without_home(const struct viv_fleet *fleet, struct viv_bytes text, struct viv_buffer *out)
{
    size_t home_size = strlen(fleet->home);
    const uint8_t *found;
    while ((found = memmem(text.data, text.size, fleet->home, home_size)) != NULL) {
        size_t before = (size_t)(found - text.data);
        viv_buffer_append(out, text.data, before);
        viv_buffer_append(out, ".", 1);
        text.data = found + home_size;
        text.size -= before + home_size;
    }
    viv_buffer_append_bytes(out, text);
}

void viv_fleet_log_tails(const struct viv_fleet *fleet, struct viv_buffer *out)
{
    for (uint32_t i = 0; i < fleet->cell->servers; i++) {
        char *path = viv_text("%s/server.log", fleet->servers[i].home);
        struct viv_buffer tail = {0};
        viv_buffer_printf(out, "==== server %u\n", i + 1);
        viv_file_read_tail(path, LOG_TAIL_BYTES, &tail);
        append_without_home(fleet, viv_buffer_bytes(&tail), out);
        viv_buffer_printf(out, "\n");
        viv_buffer_fini(&tail);
        free(path);
    }
}
