#ifndef VIV_EXPERIMENTS_LAB_COMMAND_H
#define VIV_EXPERIMENTS_LAB_COMMAND_H

#include <stdbool.h>

#include "base/bytes.h"

/* Runs a short program to the end and keeps what it says. No shell, so no quoting. */

/* Appends standard output and, when with_errors, standard error. False when the program is not there or fails. */
bool viv_command(const char *const argv[], bool with_errors, struct viv_buffer *out);
/* First line of the output; NULL when it failed or said nothing. To be freed. */
char *viv_command_line(const char *const argv[], bool with_errors);

#endif /* VIV_EXPERIMENTS_LAB_COMMAND_H */
