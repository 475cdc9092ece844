#ifndef VIV_CLI_COMMAND_H
#define VIV_CLI_COMMAND_H

#include <stddef.h>

#include "cli/args.h"
#include "cli/exit_code.h"

/* The table of commands: commands.def as data. */

struct viv_cli;

/* Runs one command; returns an enum viv_cli_exit. Results go to standard output, through viv_cli_print_json when
 * viv_cli_json(cli); what went wrong goes to standard error, through viv_cli_error. */
typedef int viv_cli_command_fn(struct viv_cli *cli, const struct viv_cli_args *args);

enum viv_cli_need { VIV_CLI_NEED_NOTHING, VIV_CLI_NEED_SERVERS, VIV_CLI_NEED_SESSION };

struct viv_cli_command {
    const char *name;
    const char *arguments;
    const char *summary;
    enum viv_cli_need need;
    viv_cli_command_fn *run;
};

extern const struct viv_cli_command viv_cli_commands[];
extern const size_t viv_cli_command_count;

/* NULL: there is no such command. */
const struct viv_cli_command *viv_cli_command_find(const char *name);

#define VIV_CLI_COMMAND(name, function, need, arguments, summary) viv_cli_command_fn viv_cli_run_##function;
#include "cli/commands.def"
#undef VIV_CLI_COMMAND

#endif /* VIV_CLI_COMMAND_H */
