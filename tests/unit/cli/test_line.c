#include <stdio.h>
#include <string.h>

#include "cli/line.h"
#include "tests/support/viv_test.h"

/* The words of the line with | between them, or what is wrong in brackets. */
static const char *split(const char *text)
{
    static char joined[512];
    struct viv_cli_line line;
    const char *wrong = viv_cli_line_split(&line, text, strlen(text), false);
    joined[0] = '\0';
    for (size_t i = 0; wrong == NULL && i < line.count; i++) {
        strcat(joined, i > 0 ? "|" : "");
        strcat(joined, line.words[i]);
    }
    viv_cli_line_fini(&line);
    if (wrong != NULL) {
        snprintf(joined, sizeof joined, "[%s]", wrong);
    }
    return joined;
}

VIV_TEST(cli_line, blanks_part_words_and_quotes_hold_them_together)
{
    cr_assert_str_eq(split("  set\t/a   value "), "set|/a|value");
    cr_assert_str_eq(split("set /a \"hello world\""), "set|/a|hello world");
    cr_assert_str_eq(split("set /a 'it is \"so\"'"), "set|/a|it is \"so\"");
    cr_assert_str_eq(split("set /a x\" y \"z"), "set|/a|x y z");
    cr_assert_str_eq(split("set /a \"\""), "set|/a|");
    cr_assert_str_eq(split(""), "");
}

VIV_TEST(cli_line, a_backslash_takes_the_meaning_of_quotes_and_blanks_only)
{
    cr_assert_str_eq(split("set /a \\\"b\\\""), "set|/a|\"b\"");
    cr_assert_str_eq(split("set /a b\\ c"), "set|/a|b c");
    cr_assert_str_eq(split("set /a C:\\new"), "set|/a|C:\\new");
    cr_assert_str_eq(split("set /a '\\'"), "set|/a|\\");
    cr_assert_str_eq(split("set /a \\\\"), "set|/a|\\");
}

VIV_TEST(cli_line, a_comment_has_no_words_and_a_quote_without_end_is_told)
{
    cr_assert_str_eq(split("# set /a b"), "");
    cr_assert_str_eq(split("set /a #b"), "set|/a|#b");
    cr_assert_str_eq(split("set /a 'b"), "[a quote has no end]");
}

VIV_TEST(cli_line, the_word_under_the_cursor_is_open)
{
    struct viv_cli_line line;
    cr_assert_null(viv_cli_line_split(&line, "get '/a b", 9, true));
    cr_assert(line.open && line.count == 2 && line.starts[1] == 4);
    cr_assert_str_eq(line.words[1], "/a b");
    viv_cli_line_fini(&line);
    cr_assert_null(viv_cli_line_split(&line, "get ", 4, true));
    cr_assert(line.count == 1 && !line.open);
    viv_cli_line_fini(&line);
}

VIV_TEST(cli_line, one_word_too_many_is_refused)
{
    char text[2 * VIV_CLI_WORDS_MAX + 3];
    struct viv_cli_line line;
    for (size_t i = 0; i < sizeof text; i++) {
        text[i] = i % 2 == 0 ? 'w' : ' ';
    }
    cr_assert_null(viv_cli_line_split(&line, text, (size_t)2 * VIV_CLI_WORDS_MAX, false));
    cr_assert_eq(line.count, VIV_CLI_WORDS_MAX);
    viv_cli_line_fini(&line);
    cr_assert_not_null(viv_cli_line_split(&line, text, (size_t)2 * VIV_CLI_WORDS_MAX + 2, false));
    viv_cli_line_fini(&line);
}
