#ifndef VIV_CLI_LINE_H
#define VIV_CLI_LINE_H

#include <stdbool.h>
#include <stddef.h>

/* Splits a line of the shell into words. Blanks part words; '...' and "..." hold them together, also in the middle of
 * a word; a backslash takes the meaning of a quote, a blank or a backslash behind it, and is itself before anything
 * else and within '...'. A line that begins with # has no words. */

enum { VIV_CLI_WORDS_MAX = 256 };

struct viv_cli_line {
    char *text; /* the words, each ended by NUL: owned */
    char *words[VIV_CLI_WORDS_MAX];
    size_t count;
    size_t starts[VIV_CLI_WORDS_MAX]; /* where each begins in the line */
    bool open;                        /* the last word has no end: a blank would belong to it, or the next one begins */
};

/* NULL: well; else what is wrong (a quote without an end, too many words). With `unfinished`, for completion, a quote
 * needs no end. To be released in any case. */
const char *viv_cli_line_split(struct viv_cli_line *line, const char *text, size_t size, bool unfinished);
void viv_cli_line_fini(struct viv_cli_line *line);

#endif /* VIV_CLI_LINE_H */
