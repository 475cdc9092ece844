#include <stdlib.h>
#include <string.h>

#include "admin/command_internal.h"
#include "base/assert.h"

static const struct command {
    const char *name, *aliases;
    bool needs_serving;
} commands[] = {
#define VIV_COMMAND(name, aliases, needs_serving) {#name, aliases, needs_serving},
#include "admin/command.def"
#undef VIV_COMMAND
};

static viv_command_fn *const answers[VIV_COMMAND_COUNT] = {
    [VIV_COMMAND_configuration] = viv_command_configuration,
    [VIV_COMMAND_connection_stat_reset] = viv_command_connection_stat_reset,
    [VIV_COMMAND_dirs] = viv_command_dirs,
    [VIV_COMMAND_environment] = viv_command_environment,
    [VIV_COMMAND_get_trace_mask] = viv_command_get_trace_mask,
    [VIV_COMMAND_hash] = viv_command_hash,
    [VIV_COMMAND_initial_configuration] = viv_command_initial_configuration,
    [VIV_COMMAND_is_read_only] = viv_command_is_read_only,
    [VIV_COMMAND_last_snapshot] = viv_command_last_snapshot,
    [VIV_COMMAND_leader] = viv_command_leader,
    [VIV_COMMAND_monitor] = viv_command_monitor,
    [VIV_COMMAND_observer_connection_stat_reset] = viv_command_observer_connection_stat_reset,
    [VIV_COMMAND_observers] = viv_command_observers,
    [VIV_COMMAND_ruok] = viv_command_ruok,
    [VIV_COMMAND_server_stats] = viv_command_server_stats,
    [VIV_COMMAND_set_trace_mask] = viv_command_set_trace_mask,
    [VIV_COMMAND_stat_reset] = viv_command_stat_reset,
    [VIV_COMMAND_system_properties] = viv_command_system_properties,
    [VIV_COMMAND_voting_view] = viv_command_voting_view,
    [VIV_COMMAND_watch_summary] = viv_command_watch_summary,
    [VIV_COMMAND_zabstate] = viv_command_zabstate,
    [VIV_COMMAND_slow] = viv_command_slow,
    [VIV_COMMAND_top] = viv_command_top,
};

/* ---- names ---- */

static bool is_among(const char *name, const char *aliases)
{
    size_t size = strlen(name);
    for (const char *at = aliases; *at != '\0';) {
        size_t alias_bytes = strcspn(at, " ");
        if (alias_bytes == size && memcmp(at, name, size) == 0) {
            return true;
        }
        at += alias_bytes + (at[alias_bytes] != '\0');
    }
    return false;
}

enum viv_command viv_command_find(const char *name)
{
    for (size_t i = 0; i < VIV_COMMAND_COUNT; i++) {
        if (strcmp(name, commands[i].name) == 0 || is_among(name, commands[i].aliases)) {
            return (enum viv_command)i;
        }
    }
    return VIV_COMMAND_COUNT;
}

void viv_command_index(const char *url, struct viv_buffer *out)
{
    for (size_t i = 0; i < VIV_COMMAND_COUNT; i++) {
        viv_buffer_printf(out, "<a href=\"%s/%s\">%s</a>\n<br/>\n", url, commands[i].name, commands[i].name);
    }
}

/* ---- the frame of an answer ---- */

bool viv_command_begin(struct viv_report *report, struct viv_buffer *out)
{
    viv_json_open(&report->json, out, NULL);
    return true;
}

static bool end(struct viv_report *report, struct viv_buffer *out, const char *command, const char *error)
{
    viv_json_text(&report->json, out, "command", command);
    if (error != NULL) {
        viv_json_text(&report->json, out, "error", error);
    } else {
        viv_json_null(&report->json, out, "error");
    }
    viv_json_close(&report->json, out);
    return true;
}

bool viv_command_end(struct viv_report *report, struct viv_buffer *out)
{
    return end(report, out, commands[report->word].name, NULL);
}

/* What a command finds wrong stands in front of its name, what keeps it from being asked behind it: as ZooKeeper. */
static bool answer_at_once(struct viv_report *report, struct viv_buffer *out)
{
    struct viv_server_view view;
    viv_server_view(report->server, &view);
    struct viv_command_context context = {report, &view, &report->json, out};
    viv_command_begin(report, out);
    const char *error = answers[report->word](&context);
    if (error == NULL) {
        return viv_command_end(report, out);
    }
    viv_json_text(&report->json, out, "error", error);
    viv_json_text(&report->json, out, "command", commands[report->word].name);
    viv_json_close(&report->json, out);
    return true;
}

static bool tell_not_serving(struct viv_report *report, struct viv_buffer *out)
{
    viv_command_begin(report, out);
    return end(report, out, commands[report->word].name, "This ZooKeeper instance is not currently serving requests");
}

static bool tell_unknown(struct viv_report *report, struct viv_buffer *out)
{
    struct viv_buffer error = {0};
    viv_buffer_printf(&error, "Unknown command: %s", (const char *)report->question.data);
    viv_buffer_append(&error, "", 1);
    viv_command_begin(report, out);
    end(report, out, (const char *)report->question.data, (const char *)error.data);
    viv_buffer_fini(&error);
    return true;
}

struct viv_report *viv_command_answer(struct viv_server *server, const struct viv_command_question *question)
{
    enum viv_command command = viv_command_find(question->name);
    viv_report_step_fn *steps[] = {answer_at_once, NULL};
    viv_report_step_fn *const *list = steps;
    const char *kept = NULL;
    if (command == VIV_COMMAND_COUNT) {
        steps[0] = tell_unknown;
        kept = question->name;
    } else if (commands[command].needs_serving && !viv_server_is_serving(server)) {
        steps[0] = tell_not_serving;
    } else if (answers[command] == NULL) {
        list = viv_command_list(command);
    } else if (command == VIV_COMMAND_set_trace_mask) {
        kept = question->trace_mask;
    }
    struct viv_report *report = viv_report_new(server, list);
    report->word = (int)command;
    report->source = question->initial_configuration;
    if (kept != NULL) {
        viv_buffer_append(&report->question, kept, strlen(kept) + 1);
    }
    return report;
}
