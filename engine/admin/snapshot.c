#include "admin/snapshot.h"

#include <inttypes.h>
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/authorization.h"
#include "admin/keeper.h"
#include "base/assert.h"
#include "base/log.h"
#include "server/view.h"
#include "store/file_io.h"
#include "zkdata/snapshot_writer.h"

enum { SLICE_BYTES = 256 << 10 };

/* What one answer is made from. */
struct stream {
    struct viv_snapshots *snapshots;
    struct viv_zk_snapshot_writer *writer; /* NULL: at its end, or broken off */
};

struct viv_snapshots {
    struct viv_server *server;
    const struct viv_config *config;
    struct stream *stream; /* the one with a writer; NULL: there is none */
    struct viv_pace pace;
    uv_loop_t *loop;
};

struct viv_snapshots *viv_snapshots_new(struct viv_server *server, uv_loop_t *loop)
{
    struct viv_snapshots *snapshots = viv_alloc_zeroed(1, sizeof *snapshots);
    struct viv_server_view view;
    viv_server_view(server, &view);
    snapshots->server = server;
    snapshots->loop = loop;
    snapshots->config = view.config;
    return snapshots;
}

/* Another one may begin. An answer that was broken off lives on until its taker is gone. */
static void end_writer(struct stream *stream)
{
    if (stream->writer != NULL) {
        viv_zk_snapshot_writer_end(stream->writer);
        stream->writer = NULL;
        stream->snapshots->stream = NULL;
    }
}

static void end_stream(void *ctx)
{
    end_writer(ctx);
    free(ctx);
}

void viv_snapshots_free(struct viv_snapshots *snapshots)
{
    VIV_ASSERT(snapshots->stream == NULL);
    free(snapshots);
}

/* A tree is replaced only while nobody is served, and turns later. */
void viv_snapshots_turn(struct viv_snapshots *snapshots)
{
    if (snapshots->stream != NULL && !viv_server_is_serving(snapshots->server)) {
        viv_log(VIV_LOG_WARN, "admin", "a snapshot was broken off: this server does not serve any more", "stream=cut");
        end_writer(snapshots->stream);
    }
}

static bool write_slice(struct viv_report *report, struct viv_buffer *out)
{
    struct stream *stream = report->detail;
    if (stream->writer == NULL) {
        report->is_broken = true;
        return true;
    }
    if (viv_zk_snapshot_writer_step(stream->writer, SLICE_BYTES, out)) {
        return false;
    }
    end_writer(stream);
    return true;
}

/* ---- who may, and when ---- */

static bool is_in_time(struct viv_snapshots *snapshots, uint64_t now_ms, struct viv_http_answer *answer)
{
    /* While one is under way the next waits, whatever the interval. */
    uint64_t interval_ms =
        snapshots->stream != NULL ? UINT64_MAX / 2 : (uint64_t)snapshots->config->admin.rate_limit_ms;
    bool is_taken = viv_pace_take(&snapshots->pace, now_ms, interval_ms, "snapshot", answer);
    if (!is_taken) {
        viv_metrics_add(viv_node_metrics(viv_server_node(snapshots->server)), VIV_METRIC_snapshot_rate_limited_count,
                        1);
    }
    return is_taken;
}

/* The bytes of a snapshot, as they are made. */
static struct viv_report *begin(struct viv_snapshots *snapshots, struct viv_node *node, uint64_t *zxid)
{
    static viv_report_step_fn *const steps[] = {write_slice, NULL};
    const struct viv_zk_snapshot_form form = {.has_digest = true, .has_last_zxid = true};
    struct stream *stream = viv_alloc_zeroed(1, sizeof *stream);
    stream->snapshots = snapshots;
    stream->writer = viv_zk_snapshot_writer_begin(viv_node_tree_to_walk(node), &form);
    snapshots->stream = stream;
    *zxid = viv_zk_snapshot_writer_zxid(stream->writer);
    struct viv_report *report = viv_report_new(snapshots->server, steps);
    report->detail = stream;
    report->end_detail = end_stream;
    return report;
}

/* With streaming=false the bytes stay here, in a file that ZooKeeper and `vivarium-cli` read. */
static void answer_with_one(struct viv_snapshots *snapshots, const struct viv_server_view *view, bool is_to_be_kept,
                            struct viv_http_answer *answer)
{
    uint64_t zxid;
    struct viv_report *report = begin(snapshots, view->node, &zxid);
    answer->headers[0].name = "last_zxid";
    snprintf(answer->headers[0].value, sizeof answer->headers[0].value, "0x%" PRIx64, zxid);
    if (is_to_be_kept) {
        char *folder = viv_file_path(snapshots->config->data_dir, "snapshots");
        answer->work = viv_keeper_new(snapshots->loop, folder, "snapshot", zxid, report, "snapshot_size",
                                      VIV_METRIC_snapshot_error_count);
        free(folder);
    } else {
        answer->type = "application/octet-stream";
        answer->size_header = "snapshot_size";
        answer->report = report;
    }
}

void viv_snapshots_answer(struct viv_snapshots *snapshots, const struct viv_http_request *request,
                          struct viv_http_answer *answer)
{
    const char *streaming = viv_http_argument(request, "streaming");
    bool is_to_be_kept = streaming != NULL && strcmp(streaming, "true") != 0;
    struct viv_server_view view;
    viv_server_view(snapshots->server, &view);
    if (!viv_authorization_check(snapshots->server, request, "snapshot", answer)) {
        return;
    }
    if (!snapshots->config->admin.snapshot_enabled) {
        viv_authorization_refuse(answer, MHD_HTTP_SERVICE_UNAVAILABLE, "snapshot", "Snapshot command is disabled");
    } else if (!view.stats.serving) {
        viv_authorization_refuse(answer, MHD_HTTP_SERVICE_UNAVAILABLE, "snapshot",
                                 "This ZooKeeper instance is not currently serving requests");
    } else if (is_in_time(snapshots, view.now_ms, answer)) {
        answer_with_one(snapshots, &view, is_to_be_kept, answer);
    }
}
