#include "cli/args.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

static bool ends_in_dots(struct viv_bytes word)
{
    return word.size > 3 && memcmp(word.data + word.size - 3, "...", 3) == 0;
}

bool viv_cli_usage_next(const char **text, struct viv_cli_token *token)
{
    const char *start = *text + strspn(*text, " ");
    if (*start == '\0') {
        return false;
    }
    *token = (struct viv_cli_token){.kind = VIV_CLI_TOKEN_POSITIONAL, .optional = *start == '['};
    start += token->optional ? 1 : 0;
    const char *end = start + strcspn(start, token->optional ? "]" : " ");
    *text = token->optional && *end == ']' ? end + 1 : end;
    struct viv_bytes word = viv_bytes_of(start, (size_t)(end - start));
    if (*start == '-') {
        size_t name_size = strcspn(start, " ]");
        token->kind = name_size < word.size ? VIV_CLI_TOKEN_VALUE : VIV_CLI_TOKEN_FLAG;
        token->name = viv_bytes_of(start, name_size < word.size ? name_size : word.size);
        size_t skipped = token->name.size + (token->kind == VIV_CLI_TOKEN_VALUE ? 1 : 0);
        word = viv_bytes_of(start + skipped, word.size - skipped);
    }
    token->repeated = ends_in_dots(word);
    token->word = viv_bytes_of(word.data, word.size - (token->repeated ? 3 : 0));
    return true;
}

/* "-json" is as good as "--json"; "-s" is only itself. */
static bool names_option(struct viv_bytes name, const char *text)
{
    if (strlen(text) == name.size && memcmp(text, name.data, name.size) == 0) {
        return true;
    }
    return name.size > 3 && name.data[1] == '-' && strlen(text) == name.size - 1 &&
           memcmp(text, name.data + 1, name.size - 1) == 0;
}

static bool find_option(const char *usage, const char *text, struct viv_cli_token *token)
{
    while (viv_cli_usage_next(&usage, token)) {
        if (token->kind != VIV_CLI_TOKEN_POSITIONAL && names_option(token->name, text)) {
            return true;
        }
    }
    return false;
}

static bool looks_like_option(const char *text)
{
    return text[0] == '-' && text[1] != '\0' && !isdigit((unsigned char)text[1]);
}

static bool add_option(struct viv_cli_args *args, const struct viv_cli_token *token, int argc, char **argv, int *at,
                       struct viv_buffer *error)
{
    struct viv_cli_option *option = &args->options[args->option_count++];
    *option = (struct viv_cli_option){.name = (const char *)token->name.data, .name_size = token->name.size};
    if (token->kind == VIV_CLI_TOKEN_VALUE) {
        if (*at + 1 >= argc) {
            viv_buffer_printf(error, "%s wants a value: %.*s", argv[*at], (int)token->word.size,
                              (const char *)token->word.data);
            return false;
        }
        option->value = argv[++*at];
    }
    return true;
}

/* Stops at the first positional argument when `front`; `used` says where. */
static bool split(struct viv_cli_args *args, int argc, char **argv, bool front, int *used, struct viv_buffer *error)
{
    bool only_positional = false;
    for (int i = 0; i < argc; i++) {
        struct viv_cli_token token;
        if (args->count == VIV_CLI_ARGS_MAX || args->option_count == VIV_CLI_ARGS_MAX) {
            viv_buffer_printf(error, "more than %d arguments", VIV_CLI_ARGS_MAX);
            return false;
        }
        if (!only_positional && strcmp(argv[i], "--") == 0) {
            only_positional = true;
        } else if (!only_positional && argv[i][0] == '-' && find_option(args->usage, argv[i], &token)) {
            if (!add_option(args, &token, argc, argv, &i, error)) {
                return false;
            }
        } else if (!only_positional && looks_like_option(argv[i])) {
            viv_buffer_printf(error, "there is no option %s (what is not an option goes behind `--`)", argv[i]);
            return false;
        } else if (front) {
            *used = i;
            return true;
        } else {
            args->positional[args->count++] = argv[i];
        }
    }
    *used = argc;
    return true;
}

/* Everything that must be there is, and nothing else. */
static bool check(const struct viv_cli_args *args, struct viv_buffer *error)
{
    const char *text = args->usage;
    struct viv_cli_token token;
    size_t wanted = 0;
    size_t allowed = 0;
    while (viv_cli_usage_next(&text, &token)) {
        if (token.kind == VIV_CLI_TOKEN_POSITIONAL) {
            wanted += token.optional ? 0 : 1;
            allowed = token.repeated ? SIZE_MAX : allowed + 1;
            if (!token.optional && args->count < wanted) {
                viv_buffer_printf(error, "%.*s is missing", (int)token.word.size, (const char *)token.word.data);
                return false;
            }
        }
    }
    if (args->count > allowed) {
        viv_buffer_printf(error, "%s is one argument too many", args->positional[allowed]);
        return false;
    }
    return true;
}

static void reset(struct viv_cli_args *args, const char *usage)
{
    args->usage = usage;
    args->option_count = 0;
    args->count = 0;
}

bool viv_cli_args_parse(struct viv_cli_args *args, const char *usage, int argc, char **argv, struct viv_buffer *error)
{
    int used;
    reset(args, usage);
    return split(args, argc, argv, false, &used, error) && check(args, error);
}

bool viv_cli_args_parse_front(struct viv_cli_args *args, const char *usage, int argc, char **argv, int *used,
                              struct viv_buffer *error)
{
    reset(args, usage);
    return split(args, argc, argv, true, used, error);
}

static const struct viv_cli_option *option_of(const struct viv_cli_args *args, const char *name)
{
    for (size_t i = args->option_count; i > 0; i--) {
        const struct viv_cli_option *option = &args->options[i - 1];
        if (option->name_size == strlen(name) && memcmp(option->name, name, option->name_size) == 0) {
            return option;
        }
    }
    return NULL;
}

bool viv_cli_has(const struct viv_cli_args *args, const char *name)
{
    return option_of(args, name) != NULL;
}

const char *viv_cli_value(const struct viv_cli_args *args, const char *name)
{
    const struct viv_cli_option *option = option_of(args, name);
    return option != NULL ? option->value : NULL;
}

const char *viv_cli_arg(const struct viv_cli_args *args, size_t index)
{
    return index < args->count ? args->positional[index] : NULL;
}

bool viv_cli_parse_int32(const char *text, int32_t *out)
{
    char *end;
    errno = 0;
    long value = strtol(text, &end, 10);
    if (end == text || *end != '\0' || errno != 0 || value < INT32_MIN || value > INT32_MAX ||
        isspace((unsigned char)*text)) {
        return false;
    }
    *out = (int32_t)value;
    return true;
}

bool viv_cli_parse_uint64(const char *text, uint64_t *out)
{
    char *end;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (!isdigit((unsigned char)*text) || *end != '\0' || errno != 0) {
        return false;
    }
    *out = value;
    return true;
}
