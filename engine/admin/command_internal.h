#ifndef VIV_ADMIN_COMMAND_INTERNAL_H
#define VIV_ADMIN_COMMAND_INTERNAL_H

#include "admin/command.h"
#include "server/view.h"

/* Shared by command.c (which there are, the frame of an answer), command_server.c (about the server),
 * command_ensemble.c (about the ensemble), command_list.c (long lists) and command_busy.c (top and slow). */

/* Makes the fields of one short answer. NULL, or what is wrong: then nothing was written. */
struct viv_command_context {
    struct viv_report *report;
    const struct viv_server_view *view;
    struct viv_json *json;
    struct viv_buffer *out;
};
typedef const char *viv_command_fn(struct viv_command_context *context);

viv_command_fn viv_command_configuration, viv_command_connection_stat_reset, viv_command_dirs, viv_command_environment,
    viv_command_get_trace_mask, viv_command_hash, viv_command_initial_configuration, viv_command_is_read_only,
    viv_command_last_snapshot, viv_command_leader, viv_command_monitor, viv_command_observer_connection_stat_reset,
    viv_command_observers, viv_command_ruok, viv_command_server_stats, viv_command_set_trace_mask,
    viv_command_stat_reset, viv_command_system_properties, viv_command_voting_view, viv_command_watch_summary,
    viv_command_zabstate, viv_command_slow, viv_command_top;

/* Steps before and after those of a list. */
viv_report_step_fn viv_command_begin, viv_command_end;
/* Fields that `stats` shares with `server_stats`. */
void viv_command_put_server_stats(struct viv_command_context *context);
/* The steps of a command whose answer is a list, NULL for others. */
viv_report_step_fn *const *viv_command_list(enum viv_command command);

#endif /* VIV_ADMIN_COMMAND_INTERNAL_H */
