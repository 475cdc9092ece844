#include <stdio.h>
#include <string.h>

#include "cli/args.h"
#include "cli/command.h"
#include "tests/support/viv_test.h"

static const char usage[] = "[-s] [-v VERSION] [--json] [-m ONE|TWO] PATH [DATA...]";

struct parsed {
    struct viv_cli_args args;
    bool well;
    char error[256];
};

/* The words end with NULL. */
static void parse(struct parsed *out, const char *text, char **words)
{
    struct viv_buffer error = {0};
    int count = 0;
    while (words[count] != NULL) {
        count++;
    }
    out->well = viv_cli_args_parse(&out->args, text, count, words, &error);
    snprintf(out->error, sizeof out->error, "%.*s", (int)error.size, error.size > 0 ? (const char *)error.data : "");
    viv_buffer_fini(&error);
}

VIV_TEST(cli_args, options_stand_anywhere_and_with_one_dash_or_two)
{
    struct parsed p;
    parse(&p, usage, (char *[]){"/a", "-s", "x", "-v", "-1", "-json", "y", NULL});
    cr_assert(p.well, "%s", p.error);
    cr_assert(viv_cli_has(&p.args, "-s") && viv_cli_has(&p.args, "--json") && !viv_cli_has(&p.args, "-m"));
    cr_assert_str_eq(viv_cli_value(&p.args, "-v"), "-1");
    cr_assert_eq(p.args.count, 3);
    cr_assert_str_eq(viv_cli_arg(&p.args, 2), "y");
    cr_assert_null(viv_cli_arg(&p.args, 3));
}

VIV_TEST(cli_args, the_last_of_two_values_counts)
{
    struct parsed p;
    parse(&p, usage, (char *[]){"-v", "1", "/a", "-v", "2", NULL});
    cr_assert(p.well);
    cr_assert_str_eq(viv_cli_value(&p.args, "-v"), "2");
}

VIV_TEST(cli_args, nothing_is_an_option_behind_two_dashes_and_negative_numbers_are_none)
{
    struct parsed p;
    parse(&p, usage, (char *[]){"/a", "-5", "--", "-s", "--", NULL});
    cr_assert(p.well, "%s", p.error);
    cr_assert_not(viv_cli_has(&p.args, "-s"));
    cr_assert_eq(p.args.count, 4);
    cr_assert_str_eq(viv_cli_arg(&p.args, 1), "-5");
    cr_assert_str_eq(viv_cli_arg(&p.args, 3), "--");
}

VIV_TEST(cli_args, what_is_wrong_is_named)
{
    struct parsed p;
    parse(&p, usage, (char *[]){NULL});
    cr_assert(strstr(p.error, "PATH is missing") != NULL && !p.well, "%s", p.error);
    parse(&p, usage, (char *[]){"/a", "-x", NULL});
    cr_assert(strstr(p.error, "no option -x") != NULL && !p.well, "%s", p.error);
    parse(&p, usage, (char *[]){"/a", "-v", NULL});
    cr_assert(strstr(p.error, "-v wants a value: VERSION") != NULL && !p.well, "%s", p.error);
    parse(&p, "PATH", (char *[]){"/a", "/b", NULL});
    cr_assert(strstr(p.error, "/b is one argument too many") != NULL && !p.well, "%s", p.error);
}

VIV_TEST(cli_args, more_arguments_than_there_is_room_for_are_refused)
{
    struct parsed p;
    static char *words[VIV_CLI_ARGS_MAX + 2];
    for (size_t i = 0; i < VIV_CLI_ARGS_MAX; i++) {
        words[i] = "/a";
    }
    parse(&p, usage, words);
    cr_assert(p.well, "at the limit: %s", p.error);
    words[VIV_CLI_ARGS_MAX] = "/a";
    parse(&p, usage, words);
    cr_assert(strstr(p.error, "more than") != NULL && !p.well);
}

VIV_TEST(cli_args, reading_the_front_stops_at_the_command)
{
    struct viv_cli_args args;
    struct viv_buffer error = {0};
    int used;
    char *words[] = {"-v", "3", "get", "-s"};
    cr_assert(viv_cli_args_parse_front(&args, usage, 4, words, &used, &error));
    cr_assert_eq(used, 2);
    cr_assert_not(viv_cli_has(&args, "-s"));
    viv_buffer_fini(&error);
}

/* The grammar is what parsing, help, pages and completion rely on. */
VIV_TEST(cli_args, the_usage_of_every_command_is_well_formed)
{
    for (size_t i = 0; i < viv_cli_command_count; i++) {
        const char *text = viv_cli_commands[i].arguments;
        struct viv_cli_token token;
        bool was_optional = false, was_repeated = false;
        struct viv_buffer again = {0};
        while (viv_cli_usage_next(&text, &token)) {
            bool is_positional = token.kind == VIV_CLI_TOKEN_POSITIONAL;
            cr_assert(is_positional || token.optional, "%s: an option must be optional", viv_cli_commands[i].name);
            cr_assert_not(is_positional && was_repeated, "%s: something behind ...", viv_cli_commands[i].name);
            cr_assert_not(is_positional && !token.optional && was_optional, "%s: order", viv_cli_commands[i].name);
            was_optional |= is_positional && token.optional;
            was_repeated |= is_positional && token.repeated;
            viv_buffer_printf(&again, "%s%s%.*s%s%.*s%s%s", again.size > 0 ? " " : "", token.optional ? "[" : "",
                              (int)token.name.size, (const char *)token.name.data,
                              token.kind == VIV_CLI_TOKEN_VALUE ? " " : "", (int)token.word.size,
                              (const char *)token.word.data, token.repeated ? "..." : "", token.optional ? "]" : "");
        }
        cr_assert(viv_bytes_equal(viv_buffer_bytes(&again), viv_bytes_text(viv_cli_commands[i].arguments)), "%s: %.*s",
                  viv_cli_commands[i].name, (int)again.size, (const char *)again.data);
        cr_assert_eq(viv_cli_command_find(viv_cli_commands[i].name), &viv_cli_commands[i]);
        viv_buffer_fini(&again);
    }
}

VIV_TEST(cli_args, numbers_are_whole_and_nothing_else)
{
    int32_t small;
    uint64_t large;
    cr_assert(viv_cli_parse_int32("-1", &small) && small == -1);
    cr_assert(viv_cli_parse_int32("2147483647", &small) && small == INT32_MAX);
    cr_assert_not(viv_cli_parse_int32("2147483648", &small));
    cr_assert_not(viv_cli_parse_int32(" 1", &small));
    cr_assert_not(viv_cli_parse_int32("", &small));
    cr_assert_not(viv_cli_parse_int32("1x", &small));
    cr_assert(viv_cli_parse_uint64("18446744073709551615", &large) && large == UINT64_MAX);
    cr_assert_not(viv_cli_parse_uint64("18446744073709551616", &large));
    cr_assert_not(viv_cli_parse_uint64("-1", &large));
}
