#ifndef VIV_CLI_CLI_H
#define VIV_CLI_CLI_H

#include <jansson.h>
#include <stdbool.h>

#include "cli/command.h"

/* What the commands share: how the program was called, and how they speak to whoever called it. */

struct viv_cli_link;
struct viv_cli_shell;

struct viv_cli_settings {
    const char *servers; /* "host:port,host:port/chroot" */
    uint32_t timeout_ms; /* session timeout asked for; also how long one answer is waited for */
    uint32_t wait_ms;    /* how long a server that serves is looked for */
    bool wait_first;     /* the shell waits for a server before its first prompt */
    bool read_only;      /* one without a quorum will do */
    bool json;
    bool yes; /* questions are answered with yes */
};

struct viv_cli {
    struct viv_cli_settings settings;
    struct viv_cli_link *link;   /* link.h; NULL without a session */
    struct viv_cli_shell *shell; /* shell.h; NULL: one command, then the end */
    struct viv_tls_context *tls; /* NULL: connections are plain */
    bool leaving;                /* `quit` was said */
    bool watches_silent;         /* `printwatches off` was said */
    uint64_t events_seen;        /* watches that fired */
    char *servers_text;          /* owned by `connect`, may be NULL */
};

/* One JSON document on one line of standard output; takes the value. */
void viv_cli_print_json(json_t *value);
/* "vivarium-cli: ..." and a new line on standard error. Say what to do about it. */
void viv_cli_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The same, and VIV_CLI_USAGE to return. */
int viv_cli_usage_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Asks on standard error and reads a line of the terminal; --yes answers yes, without a terminal it is no. */
bool viv_cli_confirm(const struct viv_cli *cli, const char *question);

/* Runs the command that argv[0] names, after what it needs. Returns its exit code; VIV_CLI_USAGE when there is none,
 * which it tells. */
int viv_cli_dispatch(struct viv_cli *cli, int argc, char **argv);

#endif /* VIV_CLI_CLI_H */
