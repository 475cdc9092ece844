#include "cli/line.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool loses_meaning(char c)
{
    return c == '"' || c == '\'' || c == '\\' || is_blank(c);
}

/* Copies one word and its NUL to `to`; returns where the text goes on. */
static size_t copy_word(const char *text, size_t size, size_t at, char **to, char *quote)
{
    *quote = '\0';
    for (; at < size && (*quote != '\0' || !is_blank(text[at])); at++) {
        char c = text[at];
        if (*quote != '\'' && c == '\\' && at + 1 < size && loses_meaning(text[at + 1])) {
            *(*to)++ = text[++at];
        } else if (*quote == '\0' && (c == '"' || c == '\'')) {
            *quote = c;
        } else if (*quote != '\0' && c == *quote) {
            *quote = '\0';
        } else {
            *(*to)++ = c;
        }
    }
    *(*to)++ = '\0';
    return at;
}

const char *viv_cli_line_split(struct viv_cli_line *line, const char *text, size_t size, bool unfinished)
{
    line->text = viv_alloc(2 * size + 1);
    line->count = 0;
    line->open = false;
    char *to = line->text;
    for (size_t at = 0; at < size;) {
        char quote;
        if (is_blank(text[at])) {
            line->open = false;
            at++;
            continue;
        }
        if (line->count == 0 && text[at] == '#') {
            break;
        }
        if (line->count == VIV_CLI_WORDS_MAX) {
            return "too many words";
        }
        line->starts[line->count] = at;
        line->words[line->count++] = to;
        at = copy_word(text, size, at, &to, &quote);
        line->open = true;
        if (quote != '\0' && !unfinished) {
            return "a quote has no end";
        }
    }
    return NULL;
}

void viv_cli_line_fini(struct viv_cli_line *line)
{
    free(line->text);
    line->text = NULL;
    line->count = 0;
}
