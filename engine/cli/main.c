#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "cli/cli.h"
#include "cli/interrupt.h"
#include "cli/link.h"
#include "cli/shell.h"
#include "cli/tls.h"
#include "config.h"

/* vivarium-cli: reads the command line, then one command or the shell. */

struct option {
    const char *usage; /* "[--server HOSTS]" */
    const char *text;
};

static const struct option options[] = {
#define VIV_CLI_OPTION(usage, text) {usage, text},
#include "cli/options.def"
#undef VIV_CLI_OPTION
};

static const char usage_text[] = ""
#define VIV_CLI_OPTION(usage, text) usage " "
#include "cli/options.def"
#undef VIV_CLI_OPTION
    ;

static void usage(FILE *to)
{
    fprintf(to, "vivarium-cli [OPTION...] [COMMAND ARGUMENT...]   a shell for ZooKeeper's service, and an operator's "
                "tools\n\n");
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        fprintf(to, "  %-29.*s %s\n", (int)strlen(options[i].usage) - 2, options[i].usage + 1, options[i].text);
    }
    fputc('\n', to);
    for (size_t i = 0; i < viv_cli_command_count; i++) {
        fprintf(to, "  %-22s %s\n", viv_cli_commands[i].name, viv_cli_commands[i].summary);
    }
    fprintf(to, "\n`vivarium-cli help COMMAND` tells how one is used; without a command the shell begins.\n");
}

static void write_log(void *ctx, enum viv_log_level level, const char *room, const char *text, const char *fields)
{
    static const char *const levels[] = {"debug", "info", "warning", "error"};
    (void)ctx;
    fprintf(stderr, "%s: %s: %s %s\n", levels[level], room, text, fields);
}

static bool read_ms(const struct viv_cli_args *args, const char *name, uint32_t *out)
{
    uint64_t count;
    const char *text = viv_cli_value(args, name);
    if (text == NULL) {
        return true;
    }
    if (!viv_cli_parse_uint64(text, &count) || count == 0 || count > INT32_MAX) {
        viv_cli_error("%s %s: a number of milliseconds is wanted", name, text);
        return false;
    }
    *out = (uint32_t)count;
    return true;
}

static bool settle(const struct viv_cli_args *args, struct viv_cli_settings *settings)
{
    const char *servers = viv_cli_value(args, "--server");
    *settings = (struct viv_cli_settings){.servers = servers != NULL ? servers : "127.0.0.1:2181",
                                          .timeout_ms = 30000,
                                          .wait_ms = 10000,
                                          .read_only = viv_cli_has(args, "-r"),
                                          .json = viv_cli_has(args, "--json"),
                                          .yes = viv_cli_has(args, "--yes")};
    return read_ms(args, "--timeout", &settings->timeout_ms) && read_ms(args, "--wait", &settings->wait_ms);
}

/* A result that could not be written is none. */
static int finish(int code)
{
    if (fflush(stdout) != 0 || ferror(stdout)) {
        viv_cli_error("standard output cannot be written: %s", strerror(errno));
        return code == VIV_CLI_OK ? VIV_CLI_FAILED : code;
    }
    return code;
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
    int unusable = viv_cli_tls_read(&args, &cli.tls);
    if (unusable != VIV_CLI_OK) {
        return unusable;
    }
    int first = 1 + used; /* what follows the program's own options belongs to the command */
    viv_cli_interrupt_catch();
    cli.settings.wait_first = viv_cli_has(&args, "--waitforconnection");
    int code = first == argc ? viv_cli_shell(&cli) : viv_cli_dispatch(&cli, argc - first, argv + first);
    viv_cli_detach(&cli);
    viv_tls_context_drop(cli.tls);
    free(cli.servers_text);
    return finish(code);
}
