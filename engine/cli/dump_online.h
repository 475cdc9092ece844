#ifndef VIV_CLI_DUMP_ONLINE_H
#define VIV_CLI_DUMP_ONLINE_H

#include "cli/dump_file.h"

/* dump and restore through a server, with many requests on their way at once. */

/* Nodes are read one after the other while the server goes on: each is whole, together they are no moment's state. A
 * node that goes meanwhile is left out. An exit code; told. */
int viv_cli_dump_online(struct viv_cli *cli, const char *path, FILE *file);

struct viv_cli_online_restore {
    const char *at; /* NULL: where it was */
    enum viv_cli_ephemerals ephemerals;
    bool overwrite; /* values and ACLs of nodes that are there already; else the first one ends it */
};

/* Stats begin anew; what lies above the dump's place is made where it is missing; the server's own nodes below
 * /zookeeper are left out. */
int viv_cli_restore_online(struct viv_cli *cli, const char *file, const struct viv_cli_online_restore *options);

#endif /* VIV_CLI_DUMP_ONLINE_H */
