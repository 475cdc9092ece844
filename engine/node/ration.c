#include "node/ration.h"

#include "base/log.h"
#include "wire/reply_code.h"

enum {
    WARN_PERCENT = 80,
    CALM_PERCENT = 75,
    /* Measuring a tree costs as much as some writes: far from the limit one measurement serves so many of them, which
     * together cannot come near it. */
    WRITES_PER_MEASUREMENT = 64,
    FAR_BYTES = WRITES_PER_MEASUREMENT * (4 << 20),
};

void viv_ration_init(struct viv_ration *ration, const struct viv_node_policy *policy)
{
    *ration = (struct viv_ration){
        .sessions_max = policy->sessions_count,
        .tree_bytes_max = policy->tree_bytes,
        .local_sessions = policy->local_sessions,
    };
}

void viv_ration_reset(struct viv_ration *ration)
{
    ration->proposed_bytes = 0;
    ration->writes_until_measured = 0;
}

static bool multi_grows(struct viv_bytes record)
{
    struct viv_jute_reader reader = viv_jute_reader_of(record);
    struct viv_path_version_request item;
    struct viv_multi_header header;
    do {
        viv_multi_header_decode(&reader, &header);
        if (!header.done && header.type != VIV_OP_DELETE && header.type != VIV_OP_CHECK) {
            return true;
        }
        if (!header.done) {
            viv_path_version_request_decode(&reader, &item);
        }
    } while (!header.done && !reader.bad);
    return false;
}

static bool grows(const struct viv_request *request)
{
    switch (request->op) {
    case VIV_OP_DELETE:
    case VIV_OP_DELETE_CONTAINER:
    case VIV_OP_CLOSE_SESSION:
        return false;
    case VIV_OP_MULTI:
        return multi_grows(request->record);
    default:
        return true;
    }
}

static void heed(struct viv_ration *ration, uint64_t used_bytes)
{
    uint64_t percent = used_bytes / (ration->tree_bytes_max / 100 + 1);
    if (!ration->is_warned && percent >= WARN_PERCENT) {
        ration->is_warned = true;
        viv_log(VIV_LOG_WARN, "node",
                "the tree takes most of the memory that it may; beyond it only deletes are served",
                "limit=limit.treeMiB used_bytes=%llu most_bytes=%llu", (unsigned long long)used_bytes,
                (unsigned long long)ration->tree_bytes_max);
    } else if (percent < CALM_PERCENT) {
        ration->is_warned = false;
    }
}

static int32_t judge_growth(struct viv_ration *ration, const struct viv_tree *tree, const struct viv_request *request,
                            uint64_t now_ms)
{
    if (ration->writes_until_measured > 0) {
        ration->writes_until_measured--;
        return VIV_REPLY_OK;
    }
    uint64_t used_bytes = viv_tree_used_bytes(tree) + ration->proposed_bytes;
    bool is_far = used_bytes + FAR_BYTES < ration->tree_bytes_max;
    ration->writes_until_measured = is_far ? WRITES_PER_MEASUREMENT - 1 : 0;
    heed(ration, used_bytes);
    if (used_bytes < ration->tree_bytes_max) {
        return VIV_REPLY_OK;
    }
    viv_limit_hit(&ration->limits, VIV_LIMIT_TREE_BYTES, (uint64_t)request->session_id, now_ms);
    return VIV_REPLY_SYSTEM_ERROR;
}

int32_t viv_ration_judge(struct viv_ration *ration, const struct viv_tree *tree, const struct viv_expiry *expiry,
                         const struct viv_request *request, uint64_t now_ms)
{
    if (request->op == VIV_OP_CREATE_SESSION) {
        if (expiry->by_id.count < ration->sessions_max) {
            return VIV_REPLY_OK;
        }
        viv_limit_hit(&ration->limits, VIV_LIMIT_SESSIONS, (uint64_t)request->session_id, now_ms);
        return VIV_REPLY_THROTTLED;
    }
    if (ration->tree_bytes_max == 0 || !grows(request)) {
        return VIV_REPLY_OK;
    }
    return judge_growth(ration, tree, request, now_ms);
}

void viv_ration_proposed(struct viv_ration *ration, size_t body_bytes)
{
    ration->proposed_bytes += body_bytes;
}

void viv_ration_applied(struct viv_ration *ration, size_t body_bytes)
{
    ration->proposed_bytes -= body_bytes < ration->proposed_bytes ? body_bytes : ration->proposed_bytes;
}
