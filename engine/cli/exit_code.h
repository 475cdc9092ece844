#ifndef VIV_CLI_EXIT_CODE_H
#define VIV_CLI_EXIT_CODE_H

/* What vivarium-cli returns to a shell. Scripts rely on these: the numbers do not change. */
enum viv_cli_exit {
    VIV_CLI_OK = 0,
    VIV_CLI_REFUSED = 1,       /* the server refused (no such node, wrong version...), or what was examined is not so */
    VIV_CLI_USAGE = 2,         /* the command line is wrong; nothing was done */
    VIV_CLI_UNREACHABLE = 3,   /* no server, or the connection went before the answer: the request may have been done */
    VIV_CLI_FAILED = 4,        /* this machine failed: a file, a descriptor, a permission */
    VIV_CLI_INTERRUPTED = 130, /* Control-C */
};

#endif /* VIV_CLI_EXIT_CODE_H */
