#include "cli/command.h"

#include <string.h>

const struct viv_cli_command viv_cli_commands[] = {
#define VIV_CLI_COMMAND(name, function, need, arguments, summary)                                                      \
    {#name, arguments, summary, VIV_CLI_NEED_##need, viv_cli_run_##function},
#include "cli/commands.def"
#undef VIV_CLI_COMMAND
};

const size_t viv_cli_command_count = sizeof viv_cli_commands / sizeof *viv_cli_commands;

const struct viv_cli_command *viv_cli_command_find(const char *name)
{
    for (size_t i = 0; i < viv_cli_command_count; i++) {
        if (strcmp(viv_cli_commands[i].name, name) == 0) {
            return &viv_cli_commands[i];
        }
    }
    return NULL;
}
