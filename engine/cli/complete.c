#include "cli/complete.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "cli/line.h"
#include "cli/link.h"

/* A node with more children is not listed for a key stroke. */
enum { CHILDREN_MAX = 10000, ANSWER_MS = 1000 };

static void add_if(struct viv_cli_names *words, struct viv_bytes word, const char *begun)
{
    if (viv_bytes_starts_with(word, viv_bytes_text(begun))) {
        viv_cli_names_add(words, word);
    }
}

static bool is_small(struct viv_cli *cli, struct viv_bytes record)
{
    struct viv_cli_reply reply;
    struct viv_stat stat = {.child_count = CHILDREN_MAX + 1};
    viv_cli_ask(cli, VIV_OP_EXISTS, record, &reply);
    if (reply.err == VIV_REPLY_OK) {
        struct viv_jute_reader reader = viv_jute_reader_of(viv_buffer_bytes(&reply.body));
        viv_stat_decode(&reader, &stat);
    }
    viv_cli_reply_fini(&reply);
    return stat.child_count <= CHILDREN_MAX;
}

static void add_children(struct viv_cli_names *words, const char *parent, struct viv_bytes body, const char *begun)
{
    struct viv_jute_reader reader = viv_jute_reader_of(body);
    struct viv_buffer word = {0};
    int32_t count = viv_jute_read_count(&reader, 4);
    for (int32_t i = 0; i < count && !reader.bad; i++) {
        viv_buffer_clear(&word);
        viv_buffer_printf(&word, "%s/", parent[1] == '\0' ? "" : parent);
        viv_buffer_append_bytes(&word, viv_jute_read_buffer(&reader).bytes);
        add_if(words, viv_buffer_bytes(&word), begun);
    }
    viv_buffer_fini(&word);
}

static void add_znodes(struct viv_cli *cli, struct viv_cli_names *words, const char *begun)
{
    const char *slash = strrchr(begun, '/');
    if (slash == NULL || *begun != '/' || cli->link == NULL ||
        viv_client_state(viv_cli_client(cli)) != VIV_CLIENT_READY) {
        if (*begun == '\0') {
            viv_cli_names_add(words, VIV_BYTES_LITERAL("/"));
        }
        return;
    }
    char *parent = slash == begun ? strdup("/") : strndup(begun, (size_t)(slash - begun));
    char *full = viv_cli_path(cli, parent);
    uint32_t timeout_ms = cli->settings.timeout_ms;
    cli->settings.timeout_ms = ANSWER_MS;
    struct viv_buffer record = {0};
    struct viv_path_watch_request request = {.path = {.bytes = viv_bytes_text(full)}};
    viv_path_watch_request_encode(&record, &request);
    if (is_small(cli, viv_buffer_bytes(&record))) {
        struct viv_cli_reply reply;
        viv_cli_ask(cli, VIV_OP_GET_CHILDREN, viv_buffer_bytes(&record), &reply);
        if (reply.err == VIV_REPLY_OK) {
            add_children(words, parent, viv_buffer_bytes(&reply.body), begun);
        }
        viv_cli_reply_fini(&reply);
    }
    viv_buffer_fini(&record);
    cli->settings.timeout_ms = timeout_ms;
    free(full);
    free(parent);
}

static void add_files(struct viv_cli_names *words, const char *begun, bool only_folders)
{
    const char *slash = strrchr(begun, '/');
    size_t prefix = slash != NULL ? (size_t)(slash + 1 - begun) : 0;
    char *folder = prefix > 0 ? strndup(begun, prefix) : strdup(".");
    DIR *dir = opendir(folder);
    struct viv_buffer word = {0};
    for (struct dirent *entry = dir != NULL ? readdir(dir) : NULL; entry != NULL; entry = readdir(dir)) {
        bool is_folder = entry->d_type == DT_DIR;
        if (entry->d_name[0] == '.' || (only_folders && !is_folder)) {
            continue;
        }
        viv_buffer_clear(&word);
        viv_buffer_printf(&word, "%.*s%s%s", (int)prefix, begun, entry->d_name, is_folder ? "/" : "");
        add_if(words, viv_buffer_bytes(&word), begun);
    }
    viv_buffer_fini(&word);
    if (dir != NULL) {
        closedir(dir);
    }
    free(folder);
}

static bool word_is(struct viv_bytes word, const char *text)
{
    return viv_bytes_equal(word, viv_bytes_text(text));
}

static void add_kind(struct viv_cli *cli, struct viv_cli_names *words, struct viv_bytes kind, const char *begun)
{
    if (word_is(kind, "PATH")) {
        add_znodes(cli, words, begun);
    } else if (word_is(kind, "FILE") || word_is(kind, "DIR")) {
        add_files(words, begun, word_is(kind, "DIR"));
    } else if (word_is(kind, "COMMAND")) {
        for (size_t i = 0; i < viv_cli_command_count; i++) {
            add_if(words, viv_bytes_text(viv_cli_commands[i].name), begun);
        }
    } else if (memchr(kind.data, '|', kind.size) != NULL) {
        for (size_t at = 0; at < kind.size;) {
            const uint8_t *bar = memchr(kind.data + at, '|', kind.size - at);
            size_t size = bar != NULL ? (size_t)(bar - (kind.data + at)) : kind.size - at;
            add_if(words, viv_bytes_of(kind.data + at, size), begun);
            at += size + 1;
        }
    }
}

/* What the usage text asks for behind the words `before`: the value of the last one, or the next positional. */
static struct viv_bytes kind_expected(const char *usage, char **before, size_t count)
{
    struct viv_cli_token token;
    size_t positional = 0;
    for (size_t i = 0; i < count; i++) {
        const char *text = usage;
        bool is_option = false;
        while (!is_option && viv_cli_usage_next(&text, &token)) {
            is_option = token.kind != VIV_CLI_TOKEN_POSITIONAL && word_is(token.name, before[i]);
        }
        if (is_option && token.kind == VIV_CLI_TOKEN_VALUE && ++i == count) {
            return token.word;
        }
        positional += is_option ? 0 : 1;
    }
    struct viv_bytes kind = {0};
    while (viv_cli_usage_next(&usage, &token)) {
        if (token.kind == VIV_CLI_TOKEN_POSITIONAL && (positional == 0 || token.repeated)) {
            return token.word;
        }
        positional -= token.kind == VIV_CLI_TOKEN_POSITIONAL && positional > 0;
    }
    return kind;
}

static void add_options(struct viv_cli_names *words, const char *usage, const char *begun)
{
    struct viv_cli_token token;
    while (viv_cli_usage_next(&usage, &token)) {
        if (token.kind != VIV_CLI_TOKEN_POSITIONAL) {
            add_if(words, token.name, begun);
        }
    }
}

void viv_cli_complete(struct viv_cli *cli, const char *text, size_t size, size_t *word_start,
                      struct viv_cli_names *words)
{
    struct viv_cli_line line;
    *word_start = size;
    if (viv_cli_line_split(&line, text, size, true) == NULL) {
        size_t before = line.open ? line.count - 1 : line.count;
        const char *begun = line.open ? line.words[before] : "";
        *word_start = line.open ? line.starts[before] : size;
        const struct viv_cli_command *command = before > 0 ? viv_cli_command_find(line.words[0]) : NULL;
        if (before == 0) {
            add_kind(cli, words, VIV_BYTES_LITERAL("COMMAND"), begun);
        } else if (command != NULL && *begun == '-') {
            add_options(words, command->arguments, begun);
        } else if (command != NULL) {
            add_kind(cli, words, kind_expected(command->arguments, line.words + 1, before - 1), begun);
        }
        viv_cli_names_sort(words);
    }
    viv_cli_line_fini(&line);
}

size_t viv_cli_common_size(const struct viv_cli_names *words)
{
    size_t common = words->count > 0 ? viv_cli_name(words, 0).size : 0;
    for (size_t i = 1; i < words->count; i++) {
        struct viv_bytes first = viv_cli_name(words, 0);
        struct viv_bytes word = viv_cli_name(words, i);
        size_t same = 0;
        while (same < common && same < word.size && word.data[same] == first.data[same]) {
            same++;
        }
        common = same;
    }
    return common;
}
