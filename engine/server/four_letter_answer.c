#include <inttypes.h>

#include "admin/report.h"
#include "base/assert.h"
#include "base/endian.h"
#include "server/environment.h"
#include "server/four_letter_internal.h"
#include "server/measure.h"
#include "server/server_internal.h"

struct answer {
    struct viv_server *server;
    const struct viv_server_view *view;
    const struct viv_node_stats *stats; /* the view's */
    struct viv_buffer *out;
};

/* ---- answers ---- */

static void answer_ruok(const struct answer *answer)
{
    viv_buffer_printf(answer->out, "imok");
}

static void answer_isro(const struct answer *answer)
{
    viv_buffer_printf(answer->out, answer->stats->serving ? "rw" : answer->stats->read_only ? "ro" : "null");
}

static void answer_srvr(const struct answer *answer)
{
    viv_four_letter_put_version(answer->view, answer->out);
    viv_four_letter_put_summary(answer->server, answer->out);
}

static void answer_mntr(const struct answer *answer)
{
    const struct viv_server *server = answer->server;
    struct viv_buffer *out = answer->out;
    viv_buffer_printf(out, "zk_version\t%s\nzk_server_state\t%s\n", viv_view_version(), viv_view_mode(answer->view));
    if (!server->config->standalone) {
        viv_buffer_printf(out, "zk_peer_state\t%s - %s\n", viv_view_role(answer->view), viv_view_phase(answer->view));
    }
    struct viv_metrics_view what;
    const struct viv_metrics *metrics = viv_server_metrics(answer->server, &what);
    viv_metrics_mntr(metrics, &what, out);
}

static void answer_conf(const struct answer *answer)
{
    const struct viv_server_view *view = answer->view;
    const struct viv_config *config = view->config;
    struct viv_buffer *out = answer->out;
    viv_buffer_printf(
        out,
        "clientPort=%d\nsecureClientPort=%d\ndataDir=%s\ndataDirSize=%" PRIu64 "\ndataLogDir=%s\ndataLogSize=%" PRIu64
        "\ntickTime=%" PRId64 "\nmaxClientCnxns=%" PRId64 "\nminSessionTimeout=%" PRId64 "\nmaxSessionTimeout=%" PRId64
        "\nclientPortListenBacklog=%" PRId64 "\nserverId=%" PRId64 "\n",
        viv_client_port_number(view->clients), viv_client_port_secure_number(view->clients), view->data->state_path,
        viv_view_directory_bytes(view->data->state_path), view->data->log_path,
        viv_view_directory_bytes(view->data->log_path), config->tick_ms, config->connections_per_address_max,
        config->session_timeout_min_ms, config->session_timeout_max_ms, config->listen_backlog, config->sid);
    viv_buffer_printf(out, "backend=%s\ndurability=%s\nsnapshot=fuzzy\n", config->backend,
                      config->durable ? "sync" : "none");
    const struct viv_member *self = view->self;
    if (!config->standalone && self != NULL) {
        viv_buffer_printf(out,
                          "initLimit=%" PRId64 "\nsyncLimit=%" PRId64
                          "\nelectionAlg=3\nelectionPort=%d\nquorumPort=%d\npeerType=%d\nmembership: \n",
                          config->init_limit_ticks, config->sync_limit_ticks, self->election_port, self->peer_port,
                          self->voter ? 0 : 1);
        viv_members_print(view->members, out);
    }
}

static void put_line(void *ctx, const char *name, const char *value)
{
    viv_buffer_printf(ctx, "%s=%s\n", name, value);
}

static void answer_envi(const struct answer *answer)
{
    viv_buffer_printf(answer->out, "Environment:\n");
    viv_environment_visit(put_line, answer->out);
}

static void answer_dirs(const struct answer *answer)
{
    viv_buffer_printf(answer->out, "datadir_size: %" PRIu64 "\nlogdir_size: %" PRIu64 "\n",
                      viv_view_directory_bytes(answer->view->data->state_path),
                      viv_view_directory_bytes(answer->view->data->log_path));
}

static void answer_crst(const struct answer *answer)
{
    viv_server_reset_connection_stats(answer->server);
    viv_buffer_printf(answer->out, "Connection stats reset.\n");
}

static void answer_srst(const struct answer *answer)
{
    viv_server_reset_stats(answer->server);
    viv_buffer_printf(answer->out, "Server stats reset.\n");
}

static void answer_gtmk(const struct answer *answer)
{
    viv_buffer_printf(answer->out, "%" PRId64, viv_server_trace_mask(answer->server));
}

static void answer_hash(const struct answer *answer)
{
    const struct viv_digests *digests = viv_node_digests(answer->view->node);
    for (size_t i = 0; i < viv_digests_count(digests); i++) {
        struct viv_zxid_digest item = viv_digests_at(digests, i);
        viv_buffer_printf(answer->out, "%" PRIx64 ": %" PRIu64 "\n", item.zxid, item.digest);
    }
}

static void answer_wchs(const struct answer *answer)
{
    struct viv_watch_counts counts;
    viv_watches_counts(viv_node_watches(answer->view->node), &counts);
    viv_buffer_printf(answer->out, "%" PRIu64 " connections watching %" PRIu64 " paths\nTotal watches:%" PRIu64 "\n",
                      counts.data_connections, counts.data_paths, counts.data_watches);
}

typedef void answer_fn(const struct answer *answer);

static answer_fn *const answers[VIV_FOUR_LETTER_NONE] = {
    [VIV_FOUR_LETTER_ruok] = answer_ruok, [VIV_FOUR_LETTER_srvr] = answer_srvr, [VIV_FOUR_LETTER_isro] = answer_isro,
    [VIV_FOUR_LETTER_mntr] = answer_mntr, [VIV_FOUR_LETTER_conf] = answer_conf, [VIV_FOUR_LETTER_envi] = answer_envi,
    [VIV_FOUR_LETTER_wchs] = answer_wchs, [VIV_FOUR_LETTER_crst] = answer_crst, [VIV_FOUR_LETTER_srst] = answer_srst,
    [VIV_FOUR_LETTER_dirs] = answer_dirs, [VIV_FOUR_LETTER_gtmk] = answer_gtmk, [VIV_FOUR_LETTER_stmk] = answer_gtmk,
    [VIV_FOUR_LETTER_hash] = answer_hash,
};

void viv_four_letter_put_mntr(struct viv_server *server, struct viv_buffer *out)
{
    struct viv_server_view view;
    viv_server_view(server, &view);
    answer_mntr(&(struct answer){.server = server, .view = &view, .stats = &view.stats, .out = out});
}

/* The whole of a short answer is one step. */
static bool answer_at_once(struct viv_report *report, struct viv_buffer *out)
{
    struct viv_server_view view;
    viv_server_view(report->server, &view);
    struct answer answer = {.server = report->server, .view = &view, .stats = &view.stats, .out = out};
    answers[report->word](&answer);
    return true;
}

static bool refuse(struct viv_report *report, struct viv_buffer *out)
{
    viv_buffer_printf(out, "%s is not executed because it is not in the whitelist.\n",
                      viv_four_letter_name(report->word));
    return true;
}

static bool tell_not_serving(struct viv_report *report, struct viv_buffer *out)
{
    (void)report;
    viv_buffer_printf(out, "This ZooKeeper instance is not currently serving requests\n");
    return true;
}

struct viv_report *viv_four_letter_answer(struct viv_server *server, enum viv_four_letter word, uint64_t asking,
                                          struct viv_bytes argument)
{
    VIV_ASSERT(word < VIV_FOUR_LETTER_NONE);
    struct viv_server_view view;
    viv_server_view(server, &view);
    viv_report_step_fn *steps[] = {answer_at_once, NULL};
    viv_report_step_fn *const *list = steps;
    if (!viv_four_letter_is_allowed(view.config, word)) {
        steps[0] = refuse;
    } else if (viv_four_letter_needs_serving(word) && !view.stats.serving && !view.stats.read_only) {
        steps[0] = tell_not_serving;
    } else if (answers[word] == NULL) {
        list = viv_four_letter_list(word);
    } else if (word == VIV_FOUR_LETTER_stmk) {
        VIV_ASSERT(argument.size == sizeof(uint64_t));
        viv_server_set_trace_mask(server, (int64_t)viv_load_be64(argument.data));
    }
    struct viv_report *report = viv_report_new(server, list);
    report->asking = asking;
    report->word = word;
    return report;
}
