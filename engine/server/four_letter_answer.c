#include <dirent.h>
#include <inttypes.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <config.h>

#include "base/assert.h"
#include "server/four_letter.h"
#include "server/server_internal.h"

/* The protocol level that clients may count on, then what really answers. */
#define VERSION_TEXT "3.8.0-vivarium-" PACKAGE_VERSION ", built on (not recorded)"

struct answer {
    struct viv_server *server;
    const struct viv_node_stats *stats;
    uint64_t asking;
    struct viv_buffer *out;
};

/* ---- values ---- */

static uint64_t open_files(void)
{
    uint64_t count = 0;
    DIR *dir = opendir("/proc/self/fd");
    if (dir == NULL) {
        return 0;
    }
    for (const struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        count += entry->d_name[0] != '.';
    }
    closedir(dir);
    return count > 0 ? count - 1 : 0; /* without the one that looks */
}

static uint64_t open_files_max(void)
{
    struct rlimit limit;
    return getrlimit(RLIMIT_NOFILE, &limit) == 0 ? (uint64_t)limit.rlim_cur : 0;
}

static const char *mode_text(const struct answer *answer)
{
    if (answer->server->config->standalone) {
        return "standalone";
    }
    switch (answer->stats->zab.state) {
    case VIV_LEADING:
        return "leader";
    case VIV_FOLLOWING:
        return "follower";
    case VIV_OBSERVING:
        return "observer";
    case VIV_LOOKING:
        break;
    }
    return "looking";
}

static const char *phase_text(enum viv_zab_phase phase)
{
    static const char *const texts[] = {
        [VIV_ZAB_ELECTION] = "election",
        [VIV_ZAB_DISCOVERY] = "discovery",
        [VIV_ZAB_SYNCHRONIZATION] = "synchronization",
        [VIV_ZAB_BROADCAST] = "broadcast",
    };
    return texts[phase];
}

/* As ZooKeeper prints doubles: up to four decimals, at least one. */
static void print_average(struct viv_buffer *out, uint64_t sum, uint64_t count)
{
    uint64_t ten_thousandths = count > 0 ? sum * 10000 / count : 0;
    viv_buffer_printf(out, "%" PRIu64 ".%04" PRIu64, ten_thousandths / 10000, ten_thousandths % 10000);
    while (out->data[out->size - 1] == '0' && out->data[out->size - 2] != '.') {
        out->size--;
    }
}

/* ---- answers ---- */

static void answer_ruok(const struct answer *answer)
{
    viv_buffer_printf(answer->out, "imok");
}

static void answer_isro(const struct answer *answer)
{
    viv_buffer_printf(answer->out, answer->stats->serving ? "rw" : "null");
}

static void print_summary(const struct answer *answer)
{
    const struct viv_node_stats *stats = answer->stats;
    struct viv_buffer *out = answer->out;
    viv_buffer_printf(out, "Latency min/avg/max: %" PRIu64 "/", stats->latency_ms_min);
    print_average(out, stats->latency_ms_sum, stats->latency_count);
    viv_buffer_printf(out,
                      "/%" PRIu64 "\nReceived: %" PRIu64 "\nSent: %" PRIu64 "\nConnections: %" PRIu64
                      "\nOutstanding: %" PRIu64 "\nZxid: 0x%" PRIx64 "\nMode: %s\nNode count: %" PRIu64 "\n",
                      stats->latency_ms_max, stats->packets_received, stats->packets_sent, stats->connections,
                      stats->outstanding, stats->last_zxid, mode_text(answer), stats->tree.nodes + 1);
}

static void answer_srvr(const struct answer *answer)
{
    viv_buffer_printf(answer->out, "Zookeeper version: " VERSION_TEXT "\n");
    print_summary(answer);
}

static void print_client(void *ctx, const struct viv_client_info *info)
{
    const struct answer *answer = ctx;
    viv_buffer_printf(answer->out, " /%s:%d[%d](queued=%zu,recved=%" PRIu64 ",sent=%" PRIu64 ")\n", info->address,
                      info->port,
                      info->conn == answer->asking ? 0
                      : info->queued_bytes > 0     ? 5
                                                   : 1,
                      info->queued_bytes, info->received, info->sent);
}

static void answer_cons(const struct answer *answer)
{
    viv_client_port_visit(answer->server->clients, print_client, (void *)answer);
    viv_buffer_printf(answer->out, "\n");
}

static void answer_stat(const struct answer *answer)
{
    viv_buffer_printf(answer->out, "Zookeeper version: " VERSION_TEXT "\nClients:\n");
    answer_cons(answer);
    print_summary(answer);
}

static void answer_mntr(const struct answer *answer)
{
    const struct viv_server *server = answer->server;
    const struct viv_node_stats *stats = answer->stats;
    struct viv_buffer *out = answer->out;
    viv_buffer_printf(out, "zk_version\t" VERSION_TEXT "\nzk_server_state\t%s\n", mode_text(answer));
    if (!server->config->standalone) {
        static const char *const peers[] = {"looking", "following", "leading", "observing"};
        viv_buffer_printf(out, "zk_peer_state\t%s - %s\n", peers[stats->zab.state], phase_text(stats->zab.phase));
    }
    viv_buffer_printf(out, "zk_avg_latency\t");
    print_average(out, stats->latency_ms_sum, stats->latency_count);
    viv_buffer_printf(out, "\n");
    const struct {
        const char *name;
        uint64_t value;
    } lines[] = {
#define VIV_MNTR(name, value) {name, value},
#include "server/mntr.def"
#undef VIV_MNTR
    };
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        viv_buffer_printf(out, "%s\t%" PRIu64 "\n", lines[i].name, lines[i].value);
    }
    if (stats->zab.state == VIV_LEADING && !server->config->standalone) {
        viv_buffer_printf(out, "zk_learners\t%zu\nzk_synced_followers\t%zu\nzk_synced_observers\t%zu\n",
                          stats->zab.learners, stats->zab.synced_followers, stats->zab.synced_observers);
    }
}

static void answer_conf(const struct answer *answer)
{
    const struct viv_server *server = answer->server;
    const struct viv_config *config = server->config;
    struct viv_buffer *out = answer->out;
    viv_buffer_printf(out,
                      "clientPort=%d\nsecureClientPort=-1\ndataDir=%s\ndataLogDir=%s\ntickTime=%" PRId64
                      "\nmaxClientCnxns=%" PRId64 "\nminSessionTimeout=%" PRId64 "\nmaxSessionTimeout=%" PRId64
                      "\nclientPortListenBacklog=%" PRId64 "\nserverId=%" PRId64 "\n",
                      viv_client_port_number(server->clients), server->data.state_path, server->data.log_path,
                      config->tick_ms, config->connections_per_address_max, config->session_timeout_min_ms,
                      config->session_timeout_max_ms, config->listen_backlog, config->sid);
    viv_buffer_printf(out, "backend=%s\ndurability=%s\nsnapshot=fuzzy\n", config->backend,
                      config->durable ? "sync" : "none");
    const struct viv_config_member *self = viv_config_self(config);
    if (!config->standalone && self != NULL) {
        viv_buffer_printf(out,
                          "initLimit=%" PRId64 "\nsyncLimit=%" PRId64
                          "\nelectionAlg=3\nelectionPort=%d\nquorumPort=%d\npeerType=%d\nmembership: \n",
                          config->init_limit_ticks, config->sync_limit_ticks, self->election_port, self->peer_port,
                          self->voter ? 0 : 1);
        viv_config_members_text(config, out);
    }
}

/* What clients look for in it: the version, and which machine this is. */
static void answer_envi(const struct answer *answer)
{
    struct utsname system;
    char host[256] = "";
    if (uname(&system) != 0 || gethostname(host, sizeof host - 1) != 0) {
        return;
    }
    viv_buffer_printf(answer->out,
                      "Environment:\nzookeeper.version=" VERSION_TEXT
                      "\nhost.name=%s\nos.name=%s\nos.arch=%s\nos.version=%s\n",
                      host, system.sysname, system.machine, system.release);
}

static void answer_wchs(const struct answer *answer)
{
    const struct viv_node_stats *stats = answer->stats;
    viv_buffer_printf(answer->out, "%" PRIu64 " connections watching %" PRIu64 " paths\nTotal watches:%" PRIu64 "\n",
                      stats->watch_connections, stats->watch_paths, stats->watches);
}

typedef void answer_fn(const struct answer *answer);

static answer_fn *const answers[VIV_FOUR_LETTER_NONE] = {
    [VIV_FOUR_LETTER_ruok] = answer_ruok, [VIV_FOUR_LETTER_srvr] = answer_srvr, [VIV_FOUR_LETTER_isro] = answer_isro,
    [VIV_FOUR_LETTER_stat] = answer_stat, [VIV_FOUR_LETTER_mntr] = answer_mntr, [VIV_FOUR_LETTER_conf] = answer_conf,
    [VIV_FOUR_LETTER_cons] = answer_cons, [VIV_FOUR_LETTER_envi] = answer_envi, [VIV_FOUR_LETTER_wchs] = answer_wchs,
};

void viv_four_letter_answer(struct viv_server *server, enum viv_four_letter word, uint64_t asking,
                            struct viv_buffer *out)
{
    VIV_ASSERT(word < VIV_FOUR_LETTER_NONE);
    VIV_ASSERT(viv_four_letter_is_served(word) == (answers[word] != NULL));
    /* srvr is always allowed, as in ZooKeeper: scripts that wait for a server use it. */
    if (word != VIV_FOUR_LETTER_srvr && (server->config->four_letter_words & viv_four_letter_bit(word)) == 0) {
        viv_buffer_printf(out, "%s is not executed because it is not in the whitelist.\n", viv_four_letter_name(word));
        return;
    }
    if (!viv_four_letter_is_served(word)) {
        viv_buffer_printf(out, "%s is not executed because this server does not answer it.\n",
                          viv_four_letter_name(word));
        return;
    }
    struct viv_node_stats stats;
    viv_node_stats(server->node, &stats);
    if (viv_four_letter_needs_serving(word) && !stats.serving) {
        viv_buffer_printf(out, "This ZooKeeper instance is not currently serving requests\n");
        return;
    }
    struct answer answer = {.server = server, .stats = &stats, .asking = asking, .out = out};
    answers[word](&answer);
}
