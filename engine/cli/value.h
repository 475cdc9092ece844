#ifndef VIV_CLI_VALUE_H
#define VIV_CLI_VALUE_H

#include "cli/args.h"
#include "wire/jute.h"

/* Values of nodes on their way in and out of the program. */

/* --raw: the bytes and nothing else; --base64: that; -x: as hexadecimal lines; else as text, with escapes when it is
 * none, and a new line. */
void viv_cli_value_print(const struct viv_cli_args *args, struct viv_jute_slice data);

/* The value of a command that writes: --file FILE (- is standard input), or `text`, in base64 with --base64. `text`
 * may be NULL. False: told. */
bool viv_cli_value_read(const struct viv_cli_args *args, const char *text, struct viv_buffer *value, int *code);

#endif /* VIV_CLI_VALUE_H */
