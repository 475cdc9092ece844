#include "admin/snapshot.h"

#include <inttypes.h>
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/authorization.h"
#include "base/assert.h"
#include "base/log.h"
#include "server/view.h"
#include "zkdata/snapshot_writer.h"

enum { SLICE_BYTES = 256 << 10, CLIENT_BYTES = 64 };

/* What one answer is made from. */
struct stream {
    struct viv_snapshots *snapshots;
    struct viv_zk_snapshot_writer *writer; /* NULL: at its end, or broken off */
};

struct viv_snapshots {
    struct viv_server *server;
    const struct viv_config *config;
    struct stream *stream; /* the one with a writer; NULL: there is none */
    uint64_t taken_ms;
    bool was_taken;
};

struct viv_snapshots *viv_snapshots_new(struct viv_server *server)
{
    struct viv_snapshots *snapshots = viv_alloc_zeroed(1, sizeof *snapshots);
    struct viv_server_view view;
    viv_server_view(server, &view);
    snapshots->server = server;
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

static void refuse(struct viv_http_answer *answer, unsigned status, const char *error)
{
    struct viv_json json = {0};
    answer->status = status;
    answer->type = "application/json";
    viv_json_open(&json, &answer->body, NULL);
    viv_json_text(&json, &answer->body, "command", "snapshot");
    viv_json_text(&json, &answer->body, "error", error);
    viv_json_close(&json, &answer->body);
}

static bool is_authorized(struct viv_snapshots *snapshots, const struct viv_http_request *request,
                          struct viv_http_answer *answer)
{
    const char *text = viv_http_header(request, MHD_HTTP_HEADER_AUTHORIZATION);
    struct viv_bytes scheme, auth;
    char client[CLIENT_BYTES];
    if (text == NULL) {
        refuse(answer, MHD_HTTP_UNAUTHORIZED, "Auth info is missing for the command");
        return false;
    }
    viv_http_client(request, client, sizeof client);
    enum viv_authority authority = VIV_AUTHORITY_UNKNOWN;
    if (viv_authorization_parse(text, &scheme, &auth)) {
        authority = viv_node_authority(viv_server_node(snapshots->server), viv_bytes_text(client), scheme, auth);
    }
    if (authority == VIV_AUTHORITY_UNKNOWN) {
        refuse(answer, MHD_HTTP_UNAUTHORIZED, "Not authenticated");
    } else if (authority == VIV_AUTHORITY_LESS) {
        refuse(answer, MHD_HTTP_FORBIDDEN, "Not authorized");
    }
    return authority == VIV_AUTHORITY_FULL;
}

static bool is_in_time(struct viv_snapshots *snapshots, uint64_t now_ms, struct viv_http_answer *answer)
{
    uint64_t interval_ms = (uint64_t)snapshots->config->admin.rate_limit_ms;
    if (snapshots->stream != NULL || (snapshots->was_taken && now_ms < snapshots->taken_ms + interval_ms)) {
        viv_metrics_add(viv_node_metrics(viv_server_node(snapshots->server)), VIV_METRIC_snapshot_rate_limited_count,
                        1);
        refuse(answer, MHD_HTTP_TOO_MANY_REQUESTS, "Rate limit is reached");
        return false;
    }
    return true;
}

void viv_snapshots_answer(struct viv_snapshots *snapshots, const struct viv_http_request *request,
                          struct viv_http_answer *answer)
{
    static viv_report_step_fn *const steps[] = {write_slice, NULL};
    const char *streaming = viv_http_argument(request, "streaming");
    struct viv_server_view view;
    viv_server_view(snapshots->server, &view);
    if (!is_authorized(snapshots, request, answer)) {
        return;
    }
    if (!snapshots->config->admin.snapshot_enabled) {
        refuse(answer, MHD_HTTP_SERVICE_UNAVAILABLE, "Snapshot command is disabled");
    } else if (!view.stats.serving) {
        refuse(answer, MHD_HTTP_SERVICE_UNAVAILABLE, "This ZooKeeper instance is not currently serving requests");
    } else if (streaming != NULL && strcmp(streaming, "true") != 0) {
        refuse(answer, MHD_HTTP_BAD_REQUEST, "only streaming=true is served: no file is kept here");
    } else if (is_in_time(snapshots, view.now_ms, answer)) {
        struct viv_zk_snapshot_form form = {.has_digest = true, .has_last_zxid = true};
        snapshots->was_taken = true;
        snapshots->taken_ms = view.now_ms;
        struct stream *stream = viv_alloc_zeroed(1, sizeof *stream);
        stream->snapshots = snapshots;
        stream->writer = viv_zk_snapshot_writer_begin(viv_node_tree_to_walk(view.node), &form);
        snapshots->stream = stream;
        answer->type = "application/octet-stream";
        answer->size_header = "snapshot_size";
        answer->header = "last_zxid";
        snprintf(answer->header_value, sizeof answer->header_value, "0x%" PRIx64,
                 viv_zk_snapshot_writer_zxid(stream->writer));
        answer->report = viv_report_new(snapshots->server, steps);
        answer->report->detail = stream;
        answer->report->end_detail = end_stream;
    }
}
