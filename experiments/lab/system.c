#include "experiments/lab/system.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "experiments/lab/command.h"
#include "experiments/lab/files.h"
#include "experiments/lab/probe.h"

#define ZOOKEEPER_JAR    "/usr/share/java/zookeeper.jar"
#define ZOOKEEPER_LOGGER "/usr/share/java/slf4j-nop.jar"
#define ZOOKEEPER_MAIN   "org.apache.zookeeper.server.quorum.QuorumPeerMain"

enum { ARGV_MAX = 16 };

static const struct {
    const char *name;
    const struct viv_dialect *dialect;
} systems[] = {
    [VIV_SYSTEM_VIVARIUM] = {"vivarium", &viv_dialect_zookeeper},
    [VIV_SYSTEM_ZOOKEEPER] = {"zookeeper", &viv_dialect_zookeeper},
    [VIV_SYSTEM_ETCD] = {"etcd", &viv_dialect_etcd},
    [VIV_SYSTEM_PARTITION] = {"partition", NULL},
};

const char *viv_system_name(enum viv_system system)
{
    return systems[system].name;
}

bool viv_system_find(const char *name, enum viv_system *system)
{
    for (size_t i = 0; i < sizeof systems / sizeof *systems; i++) {
        if (strcmp(name, systems[i].name) == 0) {
            *system = (enum viv_system)i;
            return true;
        }
    }
    return false;
}

const struct viv_dialect *viv_system_dialect(enum viv_system system)
{
    VIV_ASSERT(systems[system].dialect != NULL);
    return systems[system].dialect;
}

bool viv_system_leads(enum viv_system system, const struct viv_client_address *server, uint32_t limit_ms)
{
    struct viv_buffer answer = {0};
    bool is_etcd = system == VIV_SYSTEM_ETCD;
    const char *question = is_etcd ? "GET /metrics HTTP/1.0\r\n\r\n" : "srvr";
    bool leads = false;
    if (viv_probe_ask(server, question, limit_ms, &answer)) {
        viv_buffer_append(&answer, "", 1);
        const char *text = (const char *)answer.data;
        leads = is_etcd ? strstr(text, "\netcd_server_is_leader 1\n") != NULL
                        : strstr(text, "Mode: leader") != NULL || strstr(text, "Mode: standalone") != NULL;
    }
    viv_buffer_fini(&answer);
    return leads;
}

static char *zookeeper_unavailable(void)
{
    if (!viv_path_exists(ZOOKEEPER_JAR)) {
        return viv_text("Apache ZooKeeper is not installed (package zookeeper)");
    }
    char *java = viv_command_line((const char *const[]){"java", "-version", NULL}, true);
    if (java == NULL) {
        return viv_text("there is no java (package default-jre-headless)");
    }
    free(java);
    return NULL;
}

/* Written in Go, it makes its system calls without the C library that a preloaded one stands before. */
static char *etcd_unavailable(bool freezes_syncs)
{
    char *version = viv_command_line((const char *const[]){"etcd", "--version", NULL}, true);
    if (version == NULL) {
        return viv_text("etcd is not installed (package etcd-server)");
    }
    free(version);
    return freezes_syncs ? viv_text("etcd's syncs cannot be frozen") : NULL;
}

/* The program's --version has a line "backends: flat lmdb-wal ...". */
static bool names_backend(const char *text, const char *name)
{
    static const char head[] = "\nbackends:";
    size_t size = strlen(name);
    const char *list = strstr(text, head);
    const char *end = list != NULL ? list + strlen(head) + strcspn(list + strlen(head), "\n") : NULL;
    for (const char *found = list; found != NULL && found < end; found++) {
        if (strncmp(found, name, size) == 0 && found[-1] == ' ' && strchr(" \n", found[size]) != NULL) {
            return true;
        }
    }
    return false;
}

static char *vivarium_unavailable(const struct viv_cell *cell, const struct viv_system_places *places)
{
    if (access(places->vivarium_program, X_OK) != 0) {
        return viv_text("the server program is not built");
    }
    if (cell->backend == NULL) {
        return NULL;
    }
    struct viv_buffer list = {0};
    bool asked = viv_command((const char *const[]){places->vivarium_program, "--version", NULL}, false, &list);
    viv_buffer_append(&list, "", 1);
    bool found = names_backend((const char *)list.data, cell->backend);
    viv_buffer_fini(&list);
    return asked && !found ? viv_text("backend %s is not in this build", cell->backend) : NULL;
}

char *viv_system_unavailable(const struct viv_cell *cell, const struct viv_system_places *places, bool freezes_syncs)
{
    if (freezes_syncs && !viv_path_exists(places->sync_shim)) {
        return viv_text("%s is not built, which freezes syncs (make)", places->sync_shim);
    }
    switch (cell->system) {
    case VIV_SYSTEM_VIVARIUM:
        return vivarium_unavailable(cell, places);
    case VIV_SYSTEM_ZOOKEEPER:
        return zookeeper_unavailable();
    case VIV_SYSTEM_ETCD:
        return etcd_unavailable(freezes_syncs);
    case VIV_SYSTEM_PARTITION:
        break;
    }
    return NULL;
}

static char *etcd_version(void)
{
    char *line = viv_command_line((const char *const[]){"etcd", "--version", NULL}, false);
    const char *number = line != NULL ? strpbrk(line, "0123456789") : NULL;
    char *text = viv_text("etcd %s", number != NULL ? number : "of unknown version");
    free(line);
    return text;
}

static char *zookeeper_version(void)
{
    static const char *const package[] = {"dpkg-query", "-W", "-f", "${Version}", "libzookeeper-java", NULL};
    static const char *const java[] = {"java", "-version", NULL};
    char *version = viv_command_line(package, false);
    char *runtime = viv_command_line(java, true);
    char *text = viv_text("Apache ZooKeeper %s, %s", version == NULL ? "of unknown version" : version,
                          runtime == NULL ? "unknown Java" : runtime);
    free(version);
    free(runtime);
    return text;
}

char *viv_system_version(enum viv_system system, const struct viv_system_places *places)
{
    if (system == VIV_SYSTEM_ZOOKEEPER) {
        return zookeeper_version();
    }
    if (system == VIV_SYSTEM_ETCD) {
        return etcd_version();
    }
    char *version = viv_command_line((const char *const[]){places->vivarium_program, "--version", NULL}, false);
    return version != NULL ? version : viv_text("vivarium of unknown version");
}

bool viv_system_traces(enum viv_system system)
{
    return system == VIV_SYSTEM_VIVARIUM;
}

/* YAML; a line `key=value` of the plan becomes `key: value`. */
static void etcd_config(const struct viv_cell *cell, const struct viv_system_ports *ports, uint32_t sid,
                        const char *home, struct viv_buffer *out)
{
    const struct viv_system_ports *own = &ports[sid - 1];
    viv_buffer_printf(
        out, "name: s%u\ndata-dir: %s/data/etcd\ninitial-cluster-token: lab\ninitial-cluster-state: new\n", sid, home);
    viv_buffer_printf(out, "listen-client-urls: http://127.0.0.1:%u\nadvertise-client-urls: http://127.0.0.1:%u\n",
                      own->client, own->client);
    viv_buffer_printf(out, "listen-peer-urls: http://127.0.0.1:%u\ninitial-advertise-peer-urls: http://127.0.0.1:%u\n",
                      own->peer, own->peer);
    viv_buffer_printf(out, "heartbeat-interval: %u\nelection-timeout: %u\nsnapshot-count: %u\ninitial-cluster: ",
                      cell->tick_ms, cell->tick_ms * cell->sync_limit_ticks, cell->snapshot_entries);
    for (uint32_t i = 0; i < cell->servers; i++) {
        viv_buffer_printf(out, "%ss%u=http://127.0.0.1:%u", i > 0 ? "," : "", i + 1, ports[i].peer);
    }
    viv_buffer_printf(out, "\nlogger: zap\nlog-level: warn\n");
    for (uint32_t i = 0; i < cell->config_count; i++) {
        const char *equals = strchr(cell->config[i], '=');
        viv_buffer_printf(out, "%.*s: %s\n", (int)(equals - cell->config[i]), cell->config[i], equals + 1);
    }
}

void viv_system_config(const struct viv_cell *cell, const struct viv_system_ports *ports, uint32_t sid,
                       const char *home, struct viv_buffer *out)
{
    VIV_ASSERT(sid >= 1 && sid <= cell->servers);
    if (cell->system == VIV_SYSTEM_ETCD) {
        etcd_config(cell, ports, sid, home, out);
        return;
    }
    viv_buffer_printf(out, "dataDir=%s/data\nclientPort=%u\nclientPortAddress=127.0.0.1\n", home,
                      ports[sid - 1].client);
    viv_buffer_printf(out, "tickTime=%u\ninitLimit=%u\nsyncLimit=%u\nsnapCount=%u\nmaxClientCnxns=0\n", cell->tick_ms,
                      cell->init_limit_ticks, cell->sync_limit_ticks, cell->snapshot_entries);
    viv_buffer_printf(out, "4lw.commands.whitelist=ruok,srvr,mntr\nadmin.enableServer=false\n");
    for (uint32_t i = 0; cell->servers > 1 && i < cell->servers; i++) {
        viv_buffer_printf(out, "server.%u=127.0.0.1:%u:%u\n", i + 1, ports[i].peer, ports[i].election);
    }
    if (cell->system != VIV_SYSTEM_ZOOKEEPER) {
        if (cell->backend != NULL) {
            viv_buffer_printf(out, "backend=%s\n", cell->backend);
        }
        viv_buffer_printf(out, "durability=%s\ntrace.file=%s/trace.jsonl\n", cell->durable ? "sync" : "none", home);
    }
    for (uint32_t i = 0; i < cell->config_count; i++) {
        viv_buffer_printf(out, "%s\n", cell->config[i]);
    }
}

char **viv_system_argv(const struct viv_cell *cell, const struct viv_system_places *places, const char *config_path,
                       const char *sync_control)
{
    char **argv = viv_alloc_zeroed(ARGV_MAX, sizeof *argv);
    size_t count = 0;
    if (sync_control != NULL) {
        argv[count++] = viv_text("env");
        argv[count++] = viv_text("LD_PRELOAD=%s", places->sync_shim);
        argv[count++] = viv_text("VIV_SYNC_CONTROL=%s", sync_control);
    }
    if (cell->system == VIV_SYSTEM_ZOOKEEPER) {
        argv[count++] = viv_text("java");
        argv[count++] = viv_text("-Xmx%" PRIu64 "m", cell->heap_bytes >> 20);
        /* ZooKeeper's own start script sets these two. */
        argv[count++] = viv_text("-XX:+HeapDumpOnOutOfMemoryError");
        argv[count++] = viv_text("-Dzookeeper.jmx.log4j.disable=true");
        if (!cell->durable) {
            argv[count++] = viv_text("-Dzookeeper.forceSync=no");
        }
        argv[count++] = viv_text("-cp");
        argv[count++] = viv_text("%s:%s", ZOOKEEPER_LOGGER, ZOOKEEPER_JAR);
        argv[count++] = viv_text("%s", ZOOKEEPER_MAIN);
    } else if (cell->system == VIV_SYSTEM_ETCD) {
        argv[count++] = viv_text("etcd");
        argv[count++] = viv_text("--config-file");
    } else {
        argv[count++] = viv_text("%s", places->vivarium_program);
    }
    argv[count++] = viv_text("%s", config_path);
    VIV_ASSERT(count < ARGV_MAX);
    return argv;
}

void viv_system_argv_free(char **argv)
{
    for (size_t i = 0; argv[i] != NULL; i++) {
        free(argv[i]);
    }
    free(argv);
}
