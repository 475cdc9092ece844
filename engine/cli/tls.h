#ifndef VIV_CLI_TLS_H
#define VIV_CLI_TLS_H

#include "cli/args.h"
#include "security/tls_context.h"

/* TLS towards the servers: the program's own options, and a client configuration of ZooKeeper's with
 * zookeeper.client.secure and zookeeper.ssl.*. *out is NULL when neither asks for it: connections are plain. An exit
 * code; what is wrong was told. */
int viv_cli_tls_read(const struct viv_cli_args *args, struct viv_tls_context **out);

#endif /* VIV_CLI_TLS_H */
