#ifndef VIV_CLI_SHELL_H
#define VIV_CLI_SHELL_H

#include "cli/cli.h"

/* The interactive shell: reads lines with libedit from a terminal, or as they are from anything else, and runs one
 * command a line. While it waits for a key the session lives on: pings go out, watches are told as they come. */

/* Until `quit` or the end of the input. Returns the exit code of the first command that failed when the input is no
 * terminal, VIV_CLI_OK for a person. */
int viv_cli_shell(struct viv_cli *cli);

/* Something is about to be printed although nobody asked: moves to a fresh line, and draws the prompt again
 * afterwards. Does nothing when no line is being read. */
void viv_cli_shell_interrupt_line(struct viv_cli *cli);

#endif /* VIV_CLI_SHELL_H */
