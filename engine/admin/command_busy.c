#include <inttypes.h>
#include <stdio.h>

#include "admin/command_internal.h"
#include "server/measure.h"

/* Our own commands: what keeps this server busy, and what was slow. */

/* ---- top ---- */

static void put_path(void *ctx, const struct viv_top_item *item)
{
    struct viv_command_context *context = ctx;
    struct viv_znode node;
    viv_json_open(context->json, context->out, NULL);
    viv_json_bytes(context->json, context->out, "path", item->path);
    viv_json_integer(context->json, context->out, "writes", (int64_t)item->count);
    viv_json_integer(context->json, context->out, "error", (int64_t)item->error);
    if (viv_tree_find(viv_node_tree(context->view->node), item->path, &node)) {
        viv_json_integer(context->json, context->out, "children", node.child_count);
        viv_json_integer(context->json, context->out, "data_bytes", (int64_t)node.data.bytes.size);
    }
    viv_json_close(context->json, context->out);
}

static void put_session(void *ctx, const struct viv_top_item *item)
{
    struct viv_command_context *context = ctx;
    viv_json_open(context->json, context->out, NULL);
    viv_json_integer(context->json, context->out, "session_id", item->session_id);
    viv_json_integer(context->json, context->out, "requests", (int64_t)item->count);
    viv_json_integer(context->json, context->out, "error", (int64_t)item->error);
    viv_json_close(context->json, context->out);
}

const char *viv_command_top(struct viv_command_context *context)
{
    struct viv_metrics *metrics = viv_node_metrics(context->view->node);
    const struct viv_top *top = viv_metrics_top(metrics);
    viv_json_integer(context->json, context->out, "window_ms", (int64_t)(viv_top_window_ns(top) / 1000000));
    viv_json_open_list(context->json, context->out, "paths");
    viv_top_visit_paths(top, put_path, context);
    viv_json_close(context->json, context->out);
    viv_json_open_list(context->json, context->out, "sessions");
    viv_top_visit_sessions(top, put_session, context);
    viv_json_close(context->json, context->out);
    return NULL;
}

/* ---- slow ---- */

static void put_ms(struct viv_command_context *context, const char *key, uint64_t ns)
{
    char text[32];
    snprintf(text, sizeof text, "%" PRIu64 ".%03" PRIu64, ns / 1000000, ns / 1000 % 1000);
    viv_json_literal(context->json, context->out, key, text);
}

static void put_request(void *ctx, const struct viv_slow_request *request)
{
    struct viv_command_context *context = ctx;
    viv_json_open(context->json, context->out, NULL);
    viv_json_text(context->json, context->out, "operation", viv_metrics_op_name(viv_metrics_op_index(request->op)));
    viv_json_bytes(context->json, context->out, "path", request->path);
    viv_json_integer(context->json, context->out, "session_id", request->session_id);
    viv_json_integer(context->json, context->out, "answered", request->wall_ms);
    put_ms(context, "whole_ms", request->whole_ns);
    viv_json_open(context->json, context->out, "stages_ms");
    uint64_t before_ns = request->times.at_ns[VIV_STAGE_RECEIVED];
    for (int stage = VIV_STAGE_RECEIVED + 1; stage < VIV_STAGE_COUNT; stage++) {
        uint64_t at_ns = request->times.at_ns[stage];
        if (at_ns != 0) {
            put_ms(context, viv_stage_name((enum viv_stage)stage), at_ns > before_ns ? at_ns - before_ns : 0);
            before_ns = at_ns > before_ns ? at_ns : before_ns;
        }
    }
    viv_json_close(context->json, context->out);
    viv_json_close(context->json, context->out);
}

const char *viv_command_slow(struct viv_command_context *context)
{
    viv_json_open_list(context->json, context->out, "requests");
    viv_slow_visit(viv_metrics_slow(viv_node_metrics(context->view->node)), put_request, context);
    viv_json_close(context->json, context->out);
    return NULL;
}
