#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "cli/dump_file.h"
#include "cli/text.h"
#include "wire/path.h"
#include "wire/records.h"

/* A line holds one znode of at most 15 MiB, escaped. */
enum { LINE_BYTES_MAX = 128 << 20 };

struct viv_cli_dump_reader {
    const char *name;
    FILE *file;
    char *line;
    size_t line_capacity;
    uint64_t line_number, nodes;
    bool has_header, has_end;
    struct viv_buffer root, path, data, acl;
};

static bool damaged(const struct viv_cli_dump_reader *reader, const char *what)
{
    viv_cli_error("%s:%llu: %s", reader->name, (unsigned long long)reader->line_number, what);
    return false;
}

struct viv_cli_dump_reader *viv_cli_dump_open(const char *path)
{
    bool is_input = strcmp(path, "-") == 0;
    FILE *file = is_input ? stdin : fopen(path, "re");
    if (file == NULL) {
        viv_cli_error("%s: %s", path, strerror(errno));
        return NULL;
    }
    struct viv_cli_dump_reader *reader = viv_alloc_zeroed(1, sizeof *reader);
    reader->name = is_input ? "standard input" : path;
    reader->file = file;
    return reader;
}

void viv_cli_dump_close(struct viv_cli_dump_reader *reader)
{
    if (reader->file != stdin) {
        fclose(reader->file);
    }
    free(reader->line);
    viv_buffer_fini(&reader->root);
    viv_buffer_fini(&reader->path);
    viv_buffer_fini(&reader->data);
    viv_buffer_fini(&reader->acl);
    free(reader);
}

/* ---- fields ---- */

static struct viv_bytes text_of(const json_t *value)
{
    return viv_bytes_of(json_string_value(value), json_string_length(value));
}

/* True when one of the two is there and sound; false when neither is: `found` tells them apart. */
static bool read_bytes(const json_t *object, const char *plain, const char *packed, struct viv_buffer *out, bool *found)
{
    const json_t *text = json_object_get(object, plain), *base64 = json_object_get(object, packed);
    viv_buffer_clear(out);
    *found = json_is_string(text) || json_is_string(base64);
    if (json_is_string(text)) {
        viv_buffer_append_bytes(out, text_of(text));
        return base64 == NULL;
    }
    if (!json_is_string(base64)) {
        return text == NULL && base64 == NULL;
    }
    return text == NULL && viv_cli_read_base64(text_of(base64), out);
}

static bool read_hex(const json_t *value, uint64_t *number)
{
    char *end;
    if (!json_is_string(value)) {
        return false;
    }
    errno = 0;
    *number = strtoull(json_string_value(value), &end, 16);
    return errno == 0 && json_string_length(value) > 0 && *end == '\0';
}

static bool read_number(const json_t *object, const char *name, int64_t least, int64_t greatest, int64_t *number)
{
    const json_t *value = json_object_get(object, name);
    *number = json_integer_value(value);
    return json_is_integer(value) && *number >= least && *number <= greatest;
}

static bool read_acl(const json_t *array, struct viv_buffer *out)
{
    viv_buffer_clear(out);
    if (!json_is_array(array)) {
        return false;
    }
    viv_jute_write_int(out, (int32_t)json_array_size(array));
    for (size_t i = 0; i < json_array_size(array); i++) {
        const json_t *one = json_array_get(array, i);
        const json_t *perms = json_array_get(one, 0), *scheme = json_array_get(one, 1), *id = json_array_get(one, 2);
        if (!json_is_integer(perms) || json_integer_value(perms) < 0 || json_integer_value(perms) > INT32_MAX ||
            !json_is_string(scheme) || !json_is_string(id)) {
            return false;
        }
        const struct viv_acl_entry entry = {
            .perms = (int32_t)json_integer_value(perms), .scheme.bytes = text_of(scheme), .id.bytes = text_of(id)};
        viv_acl_entry_encode(out, &entry);
    }
    return out->size <= VIV_ACL_BYTES_MAX;
}

static bool read_owner(const json_t *object, int64_t *owner)
{
    const char *kind = json_string_value(json_object_get(object, "kind"));
    uint64_t number;
    *owner = 0;
    if (kind == NULL) {
        return false;
    }
    if (strcmp(kind, "persistent") == 0) {
        return true;
    }
    if (strcmp(kind, "container") == 0) {
        *owner = VIV_OWNER_CONTAINER;
        return true;
    }
    if (strcmp(kind, "ttl") == 0) {
        int64_t ttl_ms;
        bool is_sound = read_number(object, "ttl_ms", 1, VIV_TTL_MS_MAX, &ttl_ms);
        *owner = (int64_t)(VIV_OWNER_TTL_MARK | (uint64_t)ttl_ms);
        return is_sound;
    }
    bool is_sound = strcmp(kind, "ephemeral") == 0 && read_hex(json_object_get(object, "owner"), &number) &&
                    number != 0 && (number & VIV_OWNER_TTL_MARK) != VIV_OWNER_TTL_MARK &&
                    (int64_t)number != VIV_OWNER_CONTAINER;
    *owner = is_sound ? (int64_t)number : 0;
    return is_sound;
}

static bool read_stat(const json_t *stat, struct viv_cli_dump_node *node)
{
    int64_t czxid, mzxid, pzxid, version, created, aversion;
    bool is_sound = read_number(stat, "czxid", INT64_MIN, INT64_MAX, &czxid) &&
                    read_number(stat, "mzxid", INT64_MIN, INT64_MAX, &mzxid) &&
                    read_number(stat, "pzxid", INT64_MIN, INT64_MAX, &pzxid) &&
                    read_number(stat, "ctime", INT64_MIN, INT64_MAX, &node->ctime_ms) &&
                    read_number(stat, "mtime", INT64_MIN, INT64_MAX, &node->mtime_ms) &&
                    read_number(stat, "version", INT32_MIN, INT32_MAX, &version) &&
                    read_number(stat, "children_created", INT32_MIN, INT32_MAX, &created) &&
                    read_number(stat, "aversion", INT32_MIN, INT32_MAX, &aversion);
    if (is_sound) {
        node->czxid = (uint64_t)czxid;
        node->mzxid = (uint64_t)mzxid;
        node->pzxid = (uint64_t)pzxid;
        node->version = (int32_t)version;
        node->children_created = (int32_t)created;
        node->aversion = (int32_t)aversion;
    }
    return is_sound;
}

static bool is_below(struct viv_bytes path, struct viv_bytes root)
{
    bool is_top = root.size == 1;
    return is_top || viv_bytes_equal(path, root) || (viv_bytes_starts_with(path, root) && path.data[root.size] == '/');
}

/* ---- lines ---- */

static bool take_header(struct viv_cli_dump_reader *reader, const json_t *object, struct viv_cli_dump_item *item)
{
    bool found;
    int64_t version;
    if (!read_number(object, "vivarium_dump", 1, INT64_MAX, &version)) {
        return damaged(reader, "this is not a dump of vivarium-cli");
    }
    if (version != 1) {
        return damaged(reader, "this dump was made by a newer version");
    }
    item->line = VIV_CLI_DUMP_HEADER;
    item->header.exact = json_is_true(json_object_get(object, "exact"));
    if (!read_bytes(object, "root", "root_base64", &reader->root, &found) || !found || reader->root.size == 0 ||
        reader->root.data[0] != '/' || !read_hex(json_object_get(object, "zxid"), &item->header.zxid)) {
        return damaged(reader, "the header of the dump is damaged");
    }
    item->header.root = viv_buffer_bytes(&reader->root);
    reader->has_header = true;
    return true;
}

static bool take_session(struct viv_cli_dump_reader *reader, const json_t *object, struct viv_cli_dump_item *item)
{
    uint64_t session_id;
    int64_t timeout_ms;
    if (!read_hex(json_object_get(object, "session"), &session_id) ||
        !read_number(object, "timeout_ms", INT32_MIN, INT32_MAX, &timeout_ms) || reader->nodes > 0) {
        return damaged(reader, "this session is damaged, or stands behind a znode");
    }
    item->line = VIV_CLI_DUMP_SESSION;
    item->session_id = (int64_t)session_id;
    item->timeout_ms = (int32_t)timeout_ms;
    return true;
}

static bool take_node(struct viv_cli_dump_reader *reader, const json_t *object, struct viv_cli_dump_item *item)
{
    bool has_path, has_data;
    struct viv_cli_dump_node *node = &item->node;
    if (!read_bytes(object, "path", "path_base64", &reader->path, &has_path) || !has_path || reader->path.size == 0 ||
        reader->path.data[0] != '/' || !is_below(viv_buffer_bytes(&reader->path), viv_buffer_bytes(&reader->root))) {
        return damaged(reader, "the path of this znode is damaged, or not below the dump's root");
    }
    if (!read_bytes(object, "text", "base64", &reader->data, &has_data) ||
        reader->data.size > VIV_ZNODE_DATA_BYTES_MAX) {
        return damaged(reader, "the value of this znode is damaged or too large");
    }
    if (!read_acl(json_object_get(object, "acl"), &reader->acl)) {
        return damaged(reader, "the ACL of this znode is damaged");
    }
    if (!read_owner(object, &node->owner) || !read_stat(json_object_get(object, "stat"), node)) {
        return damaged(reader, "kind or stat of this znode is damaged");
    }
    node->path = viv_buffer_bytes(&reader->path);
    node->data = (struct viv_jute_slice){viv_buffer_bytes(&reader->data), !has_data};
    node->acl = viv_buffer_bytes(&reader->acl);
    item->line = VIV_CLI_DUMP_NODE;
    reader->nodes++;
    return true;
}

static bool take_end(struct viv_cli_dump_reader *reader, const json_t *object, struct viv_cli_dump_item *item)
{
    int64_t nodes;
    if (!read_number(object, "nodes", 0, INT64_MAX, &nodes) || (uint64_t)nodes != reader->nodes) {
        return damaged(reader, "znodes are missing from the dump");
    }
    item->line = VIV_CLI_DUMP_END;
    reader->has_end = true;
    return true;
}

static bool take(struct viv_cli_dump_reader *reader, const json_t *object, struct viv_cli_dump_item *item)
{
    if (!reader->has_header) {
        return take_header(reader, object, item);
    }
    if (json_object_get(object, "session") != NULL) {
        return take_session(reader, object, item);
    }
    if (json_is_true(json_object_get(object, "end"))) {
        return take_end(reader, object, item);
    }
    return take_node(reader, object, item);
}

bool viv_cli_dump_next(struct viv_cli_dump_reader *reader, struct viv_cli_dump_item *item)
{
    *item = (struct viv_cli_dump_item){0};
    reader->line_number++;
    ssize_t size = getline(&reader->line, &reader->line_capacity, reader->file);
    if (size < 0) {
        return damaged(reader, ferror(reader->file) ? "the file cannot be read" : "the dump is cut off");
    }
    if (size > LINE_BYTES_MAX) {
        return damaged(reader, "this line is too long");
    }
    json_error_t error;
    json_t *object = json_loadb(reader->line, (size_t)size, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
    if (!json_is_object(object)) {
        json_decref(object);
        return damaged(reader, "this line is not a JSON object");
    }
    bool is_sound = take(reader, object, item);
    json_decref(object);
    return is_sound;
}
