#ifndef VIV_CLI_ARGS_H
#define VIV_CLI_ARGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

/* The arguments of one command, read according to the text that also is its usage line, so that the two cannot
 * differ; completion and manual pages are made from the same text. The text is blank-separated:
 *
 *   [-s] [--json]        an option that is there or not
 *   [-v VERSION]         an option with a value
 *   PATH                 a positional argument that must be given
 *   [DATA]               one that may
 *   [FILE...] FILE...    one that may come several times; the last of the text
 *
 * The words PATH (a znode), FILE and DIR tell completion what to offer; a|b|c offers a choice. An option of several
 * letters may be given with one dash or two, as zkCli's users write both. Options stand anywhere before `--`. What
 * begins with a dash and a digit is positional, unless an option is called so. */

enum { VIV_CLI_ARGS_MAX = 256 };

struct viv_cli_option {
    const char *name; /* "-s", "--json": borrowed from the usage text, with its length */
    size_t name_size;
    const char *value; /* NULL: it is a flag */
};

struct viv_cli_args {
    const char *usage; /* borrowed, as are all texts */
    struct viv_cli_option options[VIV_CLI_ARGS_MAX];
    size_t option_count;
    const char *positional[VIV_CLI_ARGS_MAX];
    size_t count;
};

/* Reads argv[0..argc-1], without the command's name. False: `error` says what is wrong with it. */
bool viv_cli_args_parse(struct viv_cli_args *args, const char *usage, int argc, char **argv, struct viv_buffer *error);
/* Reads options only, up to the first argument that is none; `used` says how many were read. */
bool viv_cli_args_parse_front(struct viv_cli_args *args, const char *usage, int argc, char **argv, int *used,
                              struct viv_buffer *error);

/* The option was given. `name` as it stands in the usage text. */
bool viv_cli_has(const struct viv_cli_args *args, const char *name);
/* Its value, the last one when it was given twice; NULL when it was not given. */
const char *viv_cli_value(const struct viv_cli_args *args, const char *name);
/* Positional argument `index`; NULL when there are fewer. */
const char *viv_cli_arg(const struct viv_cli_args *args, size_t index);

/* One token of a usage text. */
enum viv_cli_token_kind { VIV_CLI_TOKEN_FLAG, VIV_CLI_TOKEN_VALUE, VIV_CLI_TOKEN_POSITIONAL };
struct viv_cli_token {
    enum viv_cli_token_kind kind;
    bool optional, repeated;
    struct viv_bytes name; /* of the option */
    struct viv_bytes word; /* of the value or the positional argument */
};
/* The next token at *text, which it moves on; false at the end. */
bool viv_cli_usage_next(const char **text, struct viv_cli_token *token);

/* Whole decimal numbers. False: nothing else may stand there. */
bool viv_cli_parse_int32(const char *text, int32_t *out);
bool viv_cli_parse_uint64(const char *text, uint64_t *out);

#endif /* VIV_CLI_ARGS_H */
