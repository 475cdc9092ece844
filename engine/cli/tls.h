#ifndef VIV_CLI_TLS_H
#define VIV_CLI_TLS_H

#include "cli/args.h"
#include "security/tls_context.h"

/* The program's own TLS options. *out is NULL when none is given: connections are plain. An exit code; what is wrong
 * was told. */
int viv_cli_tls_read(const struct viv_cli_args *args, struct viv_tls_context **out);

#endif /* VIV_CLI_TLS_H */
