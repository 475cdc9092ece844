#include "server/config.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/assert.h"
#include "server/config_internal.h"

static const struct viv_config_key keys[] = {
#define VIV_CONFIG_INT(key, member, least, greatest, fallback, unit)                                                   \
    {key, VIV_CONFIG_KIND_INT, offsetof(struct viv_config, member), least, greatest, fallback, unit, NULL},
#define VIV_CONFIG_BOOL(key, member, fallback)                                                                         \
    {key, VIV_CONFIG_KIND_BOOL, offsetof(struct viv_config, member), 0, 1, fallback, "true or false", NULL},
#define VIV_CONFIG_TEXT(key, member, kind, legal)                                                                      \
    {key, VIV_CONFIG_KIND_##kind, offsetof(struct viv_config, member), 0, 0, 0, legal, NULL},
#define VIV_CONFIG_ONLY(key, value, instead) {key, VIV_CONFIG_KIND_ONLY, 0, 0, 0, 0, instead, value},
#define VIV_CONFIG_IGNORED(key, reason)      {key, VIV_CONFIG_KIND_IGNORED, 0, 0, 0, 0, reason, NULL},
#define VIV_CONFIG_REFUSED(key, instead)     {key, VIV_CONFIG_KIND_REFUSED, 0, 0, 0, 0, instead, NULL},
#include "server/config_keys.def"
#undef VIV_CONFIG_INT
#undef VIV_CONFIG_BOOL
#undef VIV_CONFIG_TEXT
#undef VIV_CONFIG_ONLY
#undef VIV_CONFIG_IGNORED
#undef VIV_CONFIG_REFUSED
};

enum { KEY_COUNT = sizeof keys / sizeof keys[0] };
_Static_assert((size_t)KEY_COUNT <= VIV_CONFIG_KEYS_MAX, "line_of_key has a place for every key");

enum { KEY_BYTES_MAX = 128, LINE_BYTES_MAX = 4096, MYID_BYTES_MAX = 64 };

void viv_config_complain(struct viv_config_parse *parse, unsigned line, bool is_error, const char *format, ...)
{
    char text[LINE_BYTES_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    struct viv_buffer *out = &parse->report->text;
    bool is_dynamic = (line & VIV_CONFIG_LINE_DYNAMIC) != 0;
    viv_buffer_printf(out, "%s:", is_dynamic ? parse->config->dynamic_file : parse->file);
    if ((line & ~VIV_CONFIG_LINE_DYNAMIC) > 0) {
        viv_buffer_printf(out, "%u:", line & ~VIV_CONFIG_LINE_DYNAMIC);
    }
    viv_buffer_printf(out, " %s: %s\n", is_error ? "error" : "warning", text);
    if (is_error) {
        parse->report->error_count++;
    } else {
        parse->report->warning_count++;
    }
}

/* ---- keys ---- */

static bool is_prefix_key(const struct viv_config_key *key)
{
    return key->name[strlen(key->name) - 1] == '.';
}

static const struct viv_config_key *find_key(const char *name)
{
    for (size_t i = 0; i < KEY_COUNT; i++) {
        if (is_prefix_key(&keys[i]) ? strncmp(name, keys[i].name, strlen(keys[i].name)) == 0
                                    : strcmp(name, keys[i].name) == 0) {
            return &keys[i];
        }
    }
    return NULL;
}

/* Levenshtein distance, letter case ignored. */
static size_t edit_distance(const char *a, const char *b)
{
    size_t row[KEY_BYTES_MAX + 1];
    size_t width = strlen(b);
    VIV_ASSERT(width <= KEY_BYTES_MAX);
    for (size_t j = 0; j <= width; j++) {
        row[j] = j;
    }
    for (size_t i = 0; a[i] != '\0'; i++) {
        size_t diagonal = row[0];
        row[0] = i + 1;
        for (size_t j = 0; j < width; j++) {
            size_t change = diagonal + (tolower((unsigned char)a[i]) != tolower((unsigned char)b[j]));
            diagonal = row[j + 1];
            size_t least = row[j] < diagonal ? row[j] : diagonal;
            row[j + 1] = change < least + 1 ? change : least + 1;
        }
    }
    return row[width];
}

/* The nearest known key, or NULL when none is near. */
static const char *suggest_key(const char *name)
{
    const char *nearest = NULL;
    size_t nearest_distance = strlen(name) / 3 + 1;
    for (size_t i = 0; i < KEY_COUNT; i++) {
        size_t distance = edit_distance(name, keys[i].name);
        if (distance <= nearest_distance && (nearest == NULL || distance < nearest_distance)) {
            nearest = keys[i].name;
            nearest_distance = distance;
        }
    }
    return nearest;
}

static void legal_values(const struct viv_config_parse *parse, const struct viv_config_key *key, struct viv_buffer *out)
{
    if (key->kind == VIV_CONFIG_KIND_INT) {
        viv_buffer_printf(out, "%lld to %lld (%s)", (long long)key->least, (long long)key->greatest, key->legal);
    } else if (key->kind == VIV_CONFIG_KIND_BACKEND) {
        for (size_t i = 0; i < parse->backends->count; i++) {
            viv_buffer_printf(out, "%s%s", i == 0 ? "" : ", ", parse->backends->items[i].name);
        }
    } else {
        viv_buffer_printf(out, "%s", key->legal);
    }
}

static void refuse_value(struct viv_config_parse *parse, const struct viv_config_value *value, const char *why)
{
    struct viv_buffer legal = {0};
    legal_values(parse, value->key, &legal);
    const char *text = value->key->kind == VIV_CONFIG_KIND_SECRET ? "(not shown)" : value->text;
    viv_config_complain(parse, parse->line, true, "%s=%s: %s; legal: %.*s", value->key_text, text, why, (int)legal.size,
                        (const char *)legal.data);
    viv_buffer_fini(&legal);
}

/* ---- lines ---- */

static void parse_pair(struct viv_config_parse *parse, const char *name, const char *text)
{
    /* ZooKeeper's documents name most keys as Java properties. */
    name += strncmp(name, "zookeeper.", strlen("zookeeper.")) == 0 ? strlen("zookeeper.") : 0;
    const struct viv_config_key *key = find_key(name);
    if (key == NULL) {
        const char *nearest = suggest_key(name);
        viv_config_complain(parse, parse->line, false, "unknown key %s is skipped%s%s%s", name,
                            nearest != NULL ? "; did you mean " : "", nearest != NULL ? nearest : "",
                            nearest != NULL ? "?" : "");
        return;
    }
    bool is_of_members = key->kind == VIV_CONFIG_KIND_VERSION || key->kind == VIV_CONFIG_KIND_SERVER ||
                         key->kind == VIV_CONFIG_KIND_GROUP || key->kind == VIV_CONFIG_KIND_WEIGHT;
    if (key->kind == VIV_CONFIG_KIND_VERSION && !parse->is_dynamic) {
        viv_config_complain(parse, parse->line, true, "version does not belong here; legal: %s", key->legal);
        return;
    }
    if (parse->is_dynamic && !is_of_members) {
        viv_config_complain(parse, parse->line, true,
                            "%s does not belong here; legal: server.N lines and version; the "
                            "rest is in the file that names this one",
                            name);
        return;
    }
    unsigned *given = &parse->line_of_key[key - keys];
    if (*given != 0 && !is_prefix_key(key)) {
        viv_config_complain(parse, parse->line, false, "%s was given in line %u already; this line wins", name, *given);
    }
    *given = parse->line;
    if (key->kind == VIV_CONFIG_KIND_IGNORED) {
        viv_config_complain(parse, parse->line, false, "%s has no effect: %s", name, key->legal);
        return;
    }
    if (key->kind == VIV_CONFIG_KIND_ONLY) {
        if (strcasecmp(text, key->only) != 0) {
            viv_config_complain(parse, parse->line, true, "%s=%s: not supported; legal: %s; %s", name, text, key->only,
                                key->legal);
        }
        return;
    }
    if (key->kind == VIV_CONFIG_KIND_REFUSED) {
        viv_config_complain(parse, parse->line, true, "%s=%s: not supported; write instead: %s", name, text,
                            key->legal);
        return;
    }
    struct viv_config_value value = {key, name, text, parse->backends};
    const char *why = NULL;
    if (!viv_config_value_parse(parse->config, &value, &why)) {
        VIV_ASSERT(why != NULL);
        refuse_value(parse, &value, why);
    }
}

/* One line without its end, NUL-terminated: a comment, nothing, or a key and a value set apart by '=', ':' or blanks.
 */
static void parse_line(struct viv_config_parse *parse, char *line)
{
    char *name = line + strspn(line, " \t\r\f");
    size_t size = strlen(name);
    while (size > 0 && isspace((unsigned char)name[size - 1])) {
        name[--size] = '\0';
    }
    if (size == 0 || name[0] == '#' || name[0] == '!') {
        return;
    }
    if (name[size - 1] == '\\') {
        viv_config_complain(parse, parse->line, true,
                            "a line that goes on in the next one (\\ at its end) is not supported");
        return;
    }
    size_t name_bytes = strcspn(name, "=: \t");
    if (name_bytes == 0 || name_bytes >= KEY_BYTES_MAX || name[name_bytes] == '\0') {
        viv_config_complain(parse, parse->line, true, "'%s' is not key=value", name);
        return;
    }
    char *value = name + name_bytes;
    value += strspn(value, " \t");
    if (*value == '=' || *value == ':') {
        value++;
    }
    value += strspn(value, " \t");
    name[name_bytes] = '\0';
    parse_pair(parse, name, value);
}

static void parse_lines(struct viv_config_parse *parse, struct viv_bytes text)
{
    while (text.size > 0) {
        const uint8_t *end = memchr(text.data, '\n', text.size);
        size_t size = end != NULL ? (size_t)(end - text.data) : text.size;
        parse->line++;
        char line[LINE_BYTES_MAX];
        if (size >= sizeof line || memchr(text.data, '\0', size) != NULL) {
            viv_config_complain(parse, parse->line, true, "the line is longer than 4095 bytes or holds a zero byte");
        } else {
            memcpy(line, text.data, size);
            line[size] = '\0';
            parse_line(parse, line);
        }
        size += end != NULL;
        text = viv_bytes_of(text.data + size, text.size - size);
    }
}

/* ---- what the keys mean together ---- */

unsigned viv_config_line_of(const struct viv_config_parse *parse, const char *name)
{
    const struct viv_config_key *key = find_key(name);
    VIV_ASSERT(key != NULL);
    return parse->line_of_key[key - keys];
}

static void set_defaults(struct viv_config *config, const struct viv_config_backends *backends)
{
    memset(config, 0, sizeof *config);
    for (size_t i = 0; i < KEY_COUNT; i++) {
        if (keys[i].kind == VIV_CONFIG_KIND_INT) {
            *(int64_t *)((char *)config + keys[i].offset) = keys[i].fallback;
        } else if (keys[i].kind == VIV_CONFIG_KIND_BOOL) {
            *(bool *)((char *)config + keys[i].offset) = keys[i].fallback != 0;
        }
    }
    config->four_letter_words = viv_four_letter_default();
    config->durable = true;
    config->snapshot = true;
    config->adaptive = true;
    snprintf(config->election_policy, sizeof config->election_policy, "fle");
    snprintf(config->backend, sizeof config->backend, "%s", backends->default_name);
}

/* "zoo.cfg.dynamic.100000004": a file that a server wrote has the version in its name alone. */
static uint64_t version_in_name(const char *path)
{
    static const char mark[] = ".dynamic.";
    const char *digits = strrchr(path, '.');
    size_t before = digits != NULL ? (size_t)(digits + 1 - path) : 0;
    bool is_marked = before >= sizeof mark - 1 && memcmp(path + before - (sizeof mark - 1), mark, sizeof mark - 1) == 0;
    return is_marked && digits[1 + strspn(digits + 1, "0123456789abcdef")] == '\0' ? strtoull(digits + 1, NULL, 16) : 0;
}

/* The members and their version in a file of their own, which ZooKeeper rewrites when it is reconfigured. */
static void parse_dynamic(struct viv_config_parse *parse, const struct viv_config_sources *sources)
{
    struct viv_buffer text = {0};
    const char *path = parse->config->dynamic_file;
    unsigned line = viv_config_line_of(parse, "server.");
    if (line > 0) {
        viv_config_complain(parse, line, true,
                            "server lines stand here and dynamicConfigFile=%s is given; legal: one of "
                            "the two",
                            path);
    } else if (!sources->read(sources->ctx, path, &text)) {
        viv_config_complain(parse, viv_config_line_of(parse, "dynamicConfigFile"), true,
                            "dynamicConfigFile=%s cannot be read: %s", path, strerror(errno));
    } else {
        parse->is_dynamic = true;
        parse->line = VIV_CONFIG_LINE_DYNAMIC;
        parse->config->members.version = version_in_name(path);
        parse_lines(parse, viv_buffer_bytes(&text));
        if (parse->config->members.count == 0) {
            viv_config_complain(parse, VIV_CONFIG_LINE_DYNAMIC, true, "there is no server line; legal: server.N lines");
        }
    }
    viv_buffer_fini(&text);
}

void viv_config_parse(struct viv_config *config, const char *file, struct viv_bytes text,
                      const struct viv_config_backends *backends, const struct viv_config_sources *sources,
                      struct viv_config_report *report)
{
    VIV_ASSERT(backends->count > 0);
    struct viv_config_parse parse = {.config = config, .backends = backends, .report = report, .file = file};
    set_defaults(config, backends);
    parse_lines(&parse, text);
    if (config->dynamic_file[0] != '\0') {
        parse_dynamic(&parse, sources);
    }
    viv_config_check(&parse, config->data_dir[0] != '\0' ? sources->myid(sources->ctx, config->data_dir) : NULL);
}

/* ---- files ---- */

static bool read_some(const char *path, size_t bytes_max, struct viv_buffer *text)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    ssize_t got = 0;
    while (text->size <= bytes_max) {
        uint8_t *room = viv_buffer_reserve(text, 4096);
        got = read(fd, room, 4096);
        if (got <= 0) {
            break;
        }
        text->size += (size_t)got;
    }
    int why = got < 0 ? errno : EFBIG;
    close(fd);
    errno = why;
    return got == 0;
}

static bool read_file(void *ctx, const char *path, struct viv_buffer *text)
{
    (void)ctx;
    return read_some(path, VIV_CONFIG_FILE_BYTES_MAX, text);
}

/* An unreadable myid reads as an empty one, which is refused by name. */
static const char *read_myid(void *ctx, const char *data_dir)
{
    struct viv_buffer *text = ctx;
    char path[VIV_CONFIG_PATH_BYTES + 8];
    snprintf(path, sizeof path, "%s/myid", data_dir);
    if (!read_some(path, MYID_BYTES_MAX, text)) {
        if (errno == ENOENT || errno == ENOTDIR) {
            return NULL;
        }
        viv_buffer_clear(text);
    }
    while (text->size > 0 && isspace(text->data[text->size - 1])) {
        text->size--;
    }
    viv_buffer_append(text, "", 1);
    return (const char *)text->data;
}

void viv_config_load(struct viv_config *config, const char *path, const struct viv_config_backends *backends,
                     struct viv_config_report *report)
{
    struct viv_buffer text = {0}, myid = {0};
    if (!read_file(NULL, path, &text)) {
        struct viv_config_parse parse = {.config = config, .report = report, .file = path};
        viv_config_complain(&parse, 0, true, "cannot be read: %s", strerror(errno));
    } else {
        struct viv_config_sources sources = {read_myid, read_file, &myid};
        viv_config_parse(config, path, viv_buffer_bytes(&text), backends, &sources, report);
        snprintf(config->file, sizeof config->file, "%s", path);
    }
    viv_buffer_fini(&text);
    viv_buffer_fini(&myid);
}

void viv_config_report_fini(struct viv_config_report *report)
{
    viv_buffer_fini(&report->text);
    *report = (struct viv_config_report){0};
}

/* ---- what others ask ---- */

const struct viv_member *viv_config_self(const struct viv_config *config)
{
    return viv_members_find(&config->members, config->sid);
}

bool viv_config_clients_use_tls(const struct viv_config *config)
{
    return config->secure_client_port >= 0 || config->client_port_unification;
}

bool viv_config_peers_use_tls(const struct viv_config *config)
{
    return !config->standalone && (config->ssl_quorum || config->peer_port_unification);
}

void viv_config_describe_keys(struct viv_buffer *out)
{
    for (size_t i = 0; i < KEY_COUNT; i++) {
        const struct viv_config_key *key = &keys[i];
        if (key->kind >= VIV_CONFIG_KIND_ONLY) {
            continue;
        }
        viv_buffer_printf(out, "  %-24s ", key->name);
        if (key->kind == VIV_CONFIG_KIND_BOOL) {
            viv_buffer_printf(out, "true or false, default %s\n", key->fallback != 0 ? "true" : "false");
        } else if (key->kind != VIV_CONFIG_KIND_INT) {
            viv_buffer_printf(out, "%s\n", key->legal);
        } else if (key->fallback >= key->least) {
            viv_buffer_printf(out, "%lld to %lld, default %lld; %s\n", (long long)key->least, (long long)key->greatest,
                              (long long)key->fallback, key->legal);
        } else {
            viv_buffer_printf(out, "%lld to %lld; %s\n", (long long)key->least, (long long)key->greatest, key->legal);
        }
    }
}
