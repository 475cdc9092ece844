#ifndef VIV_ADMIN_COMMAND_H
#define VIV_ADMIN_COMMAND_H

#include "admin/report.h"

/* The commands of ZooKeeper's AdminServer and ours (command.def): JSON with the fields, the order and the types of the
 * original, `command` and `error` last. What ZooKeeper tells of Java is left out. */

enum viv_command {
#define VIV_COMMAND(name, aliases, needs_serving) VIV_COMMAND_##name,
#include "admin/command.def"
#undef VIV_COMMAND
    VIV_COMMAND_COUNT,
};

/* By name or alias; VIV_COMMAND_COUNT when there is none. */
enum viv_command viv_command_find(const char *name);

struct viv_command_question {
    const char *name;                       /* as it was asked */
    const char *trace_mask;                 /* the argument traceMask, or NULL */
    struct viv_bytes initial_configuration; /* borrowed until the report is freed */
};
/* The answer, also to a command that does not exist; the caller frees it. */
struct viv_report *viv_command_answer(struct viv_server *server, const struct viv_command_question *question);
/* The list of links at `url`, in HTML. */
void viv_command_index(const char *url, struct viv_buffer *out);

#endif /* VIV_ADMIN_COMMAND_H */
