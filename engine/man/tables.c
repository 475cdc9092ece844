/* Prints the parts of the manual pages and of the completion that are tables of the programs, so that neither can name
 * what is not there or leave out what is: `man_tables commands|options|exits|documents|keys|otherkeys|completion`. */

#include <stdio.h>
#include <string.h>

#include "cli/args.h"

static const struct row {
    const char *name, *arguments, *text;
} commands[] =
    {
#define VIV_CLI_COMMAND(name, function, need, arguments, summary) {#name, arguments, summary},
#include "cli/commands.def"
#undef VIV_CLI_COMMAND
},
  options[] = {
#define VIV_CLI_OPTION(usage, text) {"", usage, text},
#include "cli/options.def"
#undef VIV_CLI_OPTION
};

enum { COMMANDS = sizeof commands / sizeof *commands, OPTIONS = sizeof options / sizeof *options };

/* Text of a manual page: neither a request at the start of a line nor an escape. */
static void print_text(const char *text)
{
    if (*text == '.' || *text == '\'') {
        fputs("\\&", stdout);
    }
    for (; *text != '\0'; text++) {
        fputs(*text == '\\' ? "\\e" : *text == '-' ? "\\-" : "", stdout);
        if (*text != '\\' && *text != '-') {
            putchar(*text);
        }
    }
}

/* Operands of mdoc: a word that is a macro's name, or begins with a punctuation mark, must not be taken for one. */
static void print_operand(struct viv_bytes text)
{
    fputs(" \\&", stdout);
    for (size_t i = 0; i < text.size; i++) {
        fputs(text.data[i] == '-' ? "\\-" : "", stdout);
        if (text.data[i] != '-') {
            putchar(text.data[i]);
        }
    }
}

/* Flags go without the dash that the macro puts before them. */
static void print_usage(const char *usage)
{
    struct viv_cli_token token;
    while (viv_cli_usage_next(&usage, &token)) {
        fputs(token.optional ? " Oo" : "", stdout);
        if (token.kind != VIV_CLI_TOKEN_POSITIONAL) {
            fputs(" Fl", stdout);
            print_operand(viv_bytes_of(token.name.data + 1, token.name.size - 1));
        }
        if (token.kind != VIV_CLI_TOKEN_FLAG) {
            fputs(" Ar", stdout);
            print_operand(token.word);
            fputs(token.repeated ? " ..." : "", stdout);
        }
        fputs(token.optional ? " Oc" : "", stdout);
    }
}

static void print_commands(void)
{
    for (size_t i = 0; i < COMMANDS; i++) {
        printf(".It Xo Cm %s", commands[i].name);
        print_usage(commands[i].arguments);
        printf(" Xc\n");
        print_text(commands[i].text);
        printf(".\n");
    }
}

static void print_options(void)
{
    for (size_t i = 0; i < OPTIONS; i++) {
        const char *usage = options[i].arguments;
        struct viv_cli_token token;
        (void)viv_cli_usage_next(&usage, &token);
        printf(".It Fl");
        print_operand(viv_bytes_of(token.name.data + 1, token.name.size - 1));
        if (token.kind == VIV_CLI_TOKEN_VALUE) {
            printf(" Ar");
            print_operand(token.word);
        }
        putchar('\n');
        print_text(options[i].text);
        printf(".\n");
    }
}

static void print_exits(void)
{
#define VIV_CLI_EXIT(name, number, text)                                                                               \
    printf(".It " #number "\n");                                                                                       \
    print_text(text);                                                                                                  \
    printf(".\n");
#include "cli/exit_codes.def"
#undef VIV_CLI_EXIT
}

static void print_documents(void)
{
#define VIV_CLI_DOCUMENT(command, members)                                                                             \
    printf(".It Cm " #command "\n");                                                                                   \
    print_text(members);                                                                                               \
    putchar('\n');
#include "cli/documents.def"
#undef VIV_CLI_DOCUMENT
}

/* ---- the configuration's keys ---- */

static void print_key(const char *name, const char *legal)
{
    printf(".It Ic ");
    print_text(name);
    putchar('\n');
    print_text(legal);
    printf(".\n");
}

static void print_number(const char *name, long long least, long long greatest, long long fallback, const char *unit)
{
    char text[512];
    if (fallback >= least) {
        snprintf(text, sizeof text, "%lld to %lld, default %lld; %s", least, greatest, fallback, unit);
    } else {
        snprintf(text, sizeof text, "%lld to %lld; %s", least, greatest, unit);
    }
    print_key(name, text);
}

static void print_keys(void)
{
#define VIV_CONFIG_INT(key, member, least, greatest, fallback, unit)                                                   \
    print_number(key, least, greatest, (long long)(fallback), unit);
#define VIV_CONFIG_BOOL(key, member, fallback)                                                                         \
    print_key(key, (fallback) ? "true or false, default true" : "true or false, default false");
#define VIV_CONFIG_TEXT(key, member, kind, legal) print_key(key, legal);
#define VIV_CONFIG_ONLY(key, value, instead)
#define VIV_CONFIG_IGNORED(key, why)
#define VIV_CONFIG_REFUSED(key, instead)
#include "server/config_keys.def"
#undef VIV_CONFIG_INT
#undef VIV_CONFIG_BOOL
#undef VIV_CONFIG_TEXT
#undef VIV_CONFIG_ONLY
#undef VIV_CONFIG_IGNORED
#undef VIV_CONFIG_REFUSED
}

/* Keys of ZooKeeper's that are not like its own: served with one value, without effect, or refused. */
static void print_other_keys(void)
{
#define VIV_CONFIG_INT(key, member, least, greatest, fallback, unit)
#define VIV_CONFIG_BOOL(key, member, fallback)
#define VIV_CONFIG_TEXT(key, member, kind, legal)
#define VIV_CONFIG_ONLY(key, value, instead) print_key(key, "only " value "; otherwise " instead);
#define VIV_CONFIG_IGNORED(key, why)         print_key(key, "has no effect: " why);
#define VIV_CONFIG_REFUSED(key, instead)     print_key(key, "refused: " instead);
#include "server/config_keys.def"
}

/* ---- completion ---- */

static void print_options_of(const char *usage)
{
    struct viv_cli_token token;
    while (viv_cli_usage_next(&usage, &token)) {
        if (token.kind != VIV_CLI_TOKEN_POSITIONAL) {
            printf(" %.*s", (int)token.name.size, (const char *)token.name.data);
        }
    }
}

static void print_kinds_of(const char *usage)
{
    struct viv_cli_token token;
    while (viv_cli_usage_next(&usage, &token)) {
        if (token.kind == VIV_CLI_TOKEN_POSITIONAL) {
            printf(" %.*s", (int)token.word.size, (const char *)token.word.data);
        }
    }
}

static void print_completion(void)
{
    printf("_vivarium_cli_options='");
    for (size_t i = 0; i < OPTIONS; i++) {
        print_options_of(options[i].arguments);
    }
    printf("'\n_vivarium_cli_valued='");
    for (size_t i = 0; i < OPTIONS; i++) {
        if (strchr(options[i].arguments, ' ') != NULL) {
            print_options_of(options[i].arguments);
        }
    }
    printf("'\n_vivarium_cli_commands='");
    for (size_t i = 0; i < COMMANDS; i++) {
        printf(" %s", commands[i].name);
    }
    printf("'\n_vivarium_cli_of() {\n    case $1 in\n");
    for (size_t i = 0; i < COMMANDS; i++) {
        printf("    %s) words='", commands[i].name);
        print_options_of(commands[i].arguments);
        printf("' kinds='");
        print_kinds_of(commands[i].arguments);
        printf("' ;;\n");
    }
    printf("    esac\n}\n");
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*print)(void);
    } parts[] = {{"commands", print_commands},    {"options", print_options},
                 {"exits", print_exits},          {"keys", print_keys},
                 {"otherkeys", print_other_keys}, {"documents", print_documents},
                 {"completion", print_completion}};
    for (size_t i = 0; argc == 2 && i < sizeof parts / sizeof *parts; i++) {
        if (strcmp(argv[1], parts[i].name) == 0) {
            parts[i].print();
            return fflush(stdout) == 0 ? 0 : 1;
        }
    }
    return 2;
}
