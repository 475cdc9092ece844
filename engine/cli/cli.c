#include "cli/cli.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "cli/link.h"
#include "config.h"

void viv_cli_print_json(json_t *value)
{
    VIV_ASSERT(value != NULL);
    json_dumpf(value, stdout, JSON_COMPACT);
    putchar('\n');
    json_decref(value);
}

static void say(const char *format, va_list arguments)
{
    fputs("vivarium-cli: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
}

void viv_cli_error(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    say(format, arguments);
    va_end(arguments);
}

int viv_cli_usage_error(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    say(format, arguments);
    va_end(arguments);
    return VIV_CLI_USAGE;
}

bool viv_cli_confirm(const struct viv_cli *cli, const char *question)
{
    char line[16];
    if (cli->settings.yes) {
        return true;
    }
    if (!isatty(STDIN_FILENO)) {
        return false;
    }
    fprintf(stderr, "%s (yes or no) ", question);
    return fgets(line, sizeof line, stdin) != NULL && strcmp(line, "yes\n") == 0;
}

static int run(struct viv_cli *cli, const struct viv_cli_command *command, int argc, char **argv)
{
    struct viv_cli_args args;
    struct viv_buffer error = {0};
    int code = VIV_CLI_USAGE;
    if (viv_cli_args_parse(&args, command->arguments, argc - 1, argv + 1, &error)) {
        code = command->need == VIV_CLI_NEED_SESSION ? viv_cli_attach(cli) : VIV_CLI_OK;
        code = code == VIV_CLI_OK ? command->run(cli, &args) : code;
    } else {
        viv_cli_error("%s: %.*s\nusage: %s %s", command->name, (int)error.size, (const char *)error.data, command->name,
                      command->arguments);
    }
    viv_buffer_fini(&error);
    return code;
}

int viv_cli_dispatch(struct viv_cli *cli, int argc, char **argv)
{
    const struct viv_cli_command *command = viv_cli_command_find(argv[0]);
    if (command == NULL) {
        return viv_cli_usage_error("there is no command %s; `help` lists them", argv[0]);
    }
    return run(cli, command, argc, argv);
}

int viv_cli_run_help(struct viv_cli *cli, const struct viv_cli_args *args)
{
    (void)cli;
    const char *name = viv_cli_arg(args, 0);
    const struct viv_cli_command *one = name != NULL ? viv_cli_command_find(name) : NULL;
    if (name != NULL && one == NULL) {
        return viv_cli_usage_error("there is no command %s; `help` lists them", name);
    }
    for (size_t i = 0; i < viv_cli_command_count; i++) {
        const struct viv_cli_command *command = &viv_cli_commands[i];
        if (one == NULL || one == command) {
            printf("%s%s%s\n    %s\n", command->name, *command->arguments != '\0' ? " " : "", command->arguments,
                   command->summary);
        }
    }
    return VIV_CLI_OK;
}

int viv_cli_run_version(struct viv_cli *cli, const struct viv_cli_args *args)
{
    (void)args;
    if (cli->settings.json) {
        viv_cli_print_json(json_pack("{s:s}", "version", PACKAGE_VERSION));
    } else {
        printf("vivarium-cli %s\n", PACKAGE_VERSION);
    }
    return VIV_CLI_OK;
}

int viv_cli_run_quit(struct viv_cli *cli, const struct viv_cli_args *args)
{
    (void)args;
    cli->leaving = true;
    return VIV_CLI_OK;
}
