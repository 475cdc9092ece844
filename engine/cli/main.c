#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "cli/cli.h"
#include "config.h"

/* vivarium-cli: reads the command line, then one command or the shell. */

static const char usage_text[] = "[--server HOSTS] [--timeout MS] [--json] [--yes] [--help] [--version]";

static void usage(FILE *to)
{
    fprintf(
        to,
        "vivarium-cli [OPTION...] [COMMAND ARGUMENT...]   a shell for ZooKeeper's service, and an operator's tools\n\n"
        "  --server HOSTS   host:port,host:port/chroot (default 127.0.0.1:2181)\n"
        "  --timeout MS     session timeout, and how long an answer is waited for (default 30000)\n"
        "  --json           results as JSON, one document a line\n"
        "  --yes            answer questions with yes\n\n");
    for (size_t i = 0; i < viv_cli_command_count; i++) {
        fprintf(to, "  %-22s %s\n", viv_cli_commands[i].name, viv_cli_commands[i].summary);
    }
    fprintf(to, "\n`vivarium-cli help COMMAND` tells how one is used.\n");
}

static void write_log(void *ctx, enum viv_log_level level, const char *room, const char *text, const char *fields)
{
    static const char *const levels[] = {"debug", "info", "warning", "error"};
    (void)ctx;
    fprintf(stderr, "%s: %s: %s %s\n", levels[level], room, text, fields);
}

static bool settle(const struct viv_cli_args *args, struct viv_cli_settings *settings)
{
    uint64_t timeout_ms = 30000;
    const char *timeout = viv_cli_value(args, "--timeout");
    if (timeout != NULL && (!viv_cli_parse_uint64(timeout, &timeout_ms) || timeout_ms == 0 || timeout_ms > INT32_MAX)) {
        viv_cli_error("--timeout %s: a number of milliseconds is wanted", timeout);
        return false;
    }
    const char *servers = viv_cli_value(args, "--server");
    *settings = (struct viv_cli_settings){.servers = servers != NULL ? servers : "127.0.0.1:2181",
                                          .timeout_ms = (uint32_t)timeout_ms,
                                          .json = viv_cli_has(args, "--json"),
                                          .yes = viv_cli_has(args, "--yes")};
    return true;
}

int main(int argc, char **argv)
{
    viv_log_set_sink(VIV_LOG_WARN, write_log, NULL);
    struct viv_cli cli = {0};
    struct viv_cli_args args;
    struct viv_buffer error = {0};
    int used;
    if (!viv_cli_args_parse_front(&args, usage_text, argc - 1, argv + 1, &used, &error)) {
        viv_cli_error("%.*s; `vivarium-cli --help` tells more", (int)error.size, (const char *)error.data);
        viv_buffer_fini(&error);
        return VIV_CLI_USAGE;
    }
    if (viv_cli_has(&args, "--help")) {
        usage(stdout);
        return VIV_CLI_OK;
    }
    if (!settle(&args, &cli.settings)) {
        return VIV_CLI_USAGE;
    }
    if (viv_cli_has(&args, "--version")) {
        return viv_cli_run_version(&cli, &args);
    }
    int first = 1 + used; /* what follows the program's own options belongs to the command */
    if (first == argc) {
        usage(stderr);
        return VIV_CLI_USAGE;
    }
    return viv_cli_dispatch(&cli, argc - first, argv + first);
}
