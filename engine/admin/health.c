#include "admin/health.h"

#include <stdio.h>
#include <string.h>

#include "admin/json.h"
#include "base/assert.h"

enum { REASON_BYTES = 160 };

static bool is_live(const struct viv_server_view *view, char *reason)
{
    (void)view;
    snprintf(reason, REASON_BYTES, "the process answers");
    return true;
}

static bool is_ready(const struct viv_server_view *view, char *reason)
{
    if (view->stats.serving) {
        snprintf(reason, REASON_BYTES, "clients are served");
    } else if (view->stats.read_only) {
        snprintf(reason, REASON_BYTES, "not part of a quorum: only read-only clients are served");
    } else {
        snprintf(reason, REASON_BYTES, "not part of a quorum that serves: %s, phase %s", viv_view_role(view),
                 viv_view_phase(view));
    }
    return view->stats.serving;
}

/* Voters that serve besides this one, as far as is known here. */
static size_t find_others(const struct viv_server_view *view, viv_sid *sids)
{
    if (view->stats.zab.state == VIV_LEADING) {
        return viv_node_synced_voters(view->node, sids);
    }
    size_t count = 0;
    for (size_t i = 0; i < view->members->count; i++) {
        const struct viv_member *member = &view->members->items[i];
        if (member->voter && member->sid != view->config->sid &&
            viv_election_port_reaches(view->election, member->sid)) {
            sids[count++] = member->sid;
        }
    }
    return count;
}

static bool is_safe_to_stop(const struct viv_server_view *view, char *reason)
{
    const struct viv_member *self = view->self;
    if (view->config->standalone || self == NULL) {
        snprintf(reason, REASON_BYTES, "there is no other server");
        return false;
    }
    if (!self->voter) {
        snprintf(reason, REASON_BYTES, "an observer is not part of the quorum");
        return true;
    }
    if (!view->stats.serving) {
        snprintf(reason, REASON_BYTES, "not part of a quorum that serves: the others cannot be judged from here");
        return false;
    }
    viv_sid others[VIV_MEMBERS_MAX];
    size_t count = find_others(view, others);
    bool remains = viv_node_may_decide(view->node, others, count);
    snprintf(reason, REASON_BYTES, "%zu other voters serve, which is %s", count,
             remains ? "a quorum" : "not a quorum without this one");
    return remains;
}

typedef bool question_fn(const struct viv_server_view *view, char *reason);
static const struct {
    const char *path, *key;
    question_fn *ask;
} questions[VIV_HEALTH_COUNT] = {
    [VIV_HEALTH_LIVE] = {"/live", "live", is_live},
    [VIV_HEALTH_READY] = {"/ready", "ready", is_ready},
    [VIV_HEALTH_SAFE_TO_STOP] = {"/safe-to-stop", "safe_to_stop", is_safe_to_stop},
};

enum viv_health viv_health_find(const char *path)
{
    enum viv_health question = 0;
    while (question < VIV_HEALTH_COUNT && strcmp(path, questions[question].path) != 0) {
        question++;
    }
    return question;
}

bool viv_health_answer(enum viv_health question, const struct viv_server_view *view, struct viv_buffer *out)
{
    VIV_ASSERT(question < VIV_HEALTH_COUNT);
    char reason[REASON_BYTES];
    bool yes = questions[question].ask(view, reason);
    struct viv_json json = {0};
    viv_json_open(&json, out, NULL);
    viv_json_bool(&json, out, questions[question].key, yes);
    viv_json_text(&json, out, "state", viv_view_mode(view));
    viv_json_text(&json, out, "reason", reason);
    viv_json_close(&json, out);
    return yes;
}
