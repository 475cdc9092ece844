#include <inttypes.h>

#include "cli/dump_file.h"
#include "cli/text.h"
#include "wire/records.h"

static json_t *zxid_json(uint64_t zxid)
{
    return json_integer((json_int_t)zxid);
}

static void write_line(FILE *file, json_t *object)
{
    json_dumpf(object, file, JSON_COMPACT);
    putc('\n', file);
    json_decref(object);
}

static json_t *hex(uint64_t number)
{
    char text[24];
    snprintf(text, sizeof text, "0x%" PRIx64, number);
    return json_string(text);
}

/* Under `plain` when it is UTF-8, else under `packed`. */
static void set_bytes(json_t *object, const char *plain, const char *packed, struct viv_bytes bytes)
{
    json_t *text = json_stringn(bytes.size == 0 ? "" : (const char *)bytes.data, bytes.size);
    if (text != NULL) {
        json_object_set_new(object, plain, text);
        return;
    }
    struct viv_buffer base64 = {0};
    viv_cli_append_base64(&base64, bytes);
    json_object_set_new(object, packed, json_stringn((const char *)base64.data, base64.size));
    viv_buffer_fini(&base64);
}

void viv_cli_dump_write_header(FILE *file, const struct viv_cli_dump_header *header)
{
    json_t *object = json_pack("{s:i}", "vivarium_dump", 1);
    set_bytes(object, "root", "root_base64", header->root);
    json_object_set_new(object, "zxid", hex(header->zxid));
    json_object_set_new(object, "exact", json_boolean(header->exact));
    write_line(file, object);
}

void viv_cli_dump_write_session(FILE *file, int64_t session_id, int32_t timeout_ms)
{
    write_line(file, json_pack("{s:o, s:i}", "session", hex((uint64_t)session_id), "timeout_ms", timeout_ms));
}

static json_t *acl_json(struct viv_bytes list)
{
    struct viv_jute_reader reader = viv_jute_reader_of(list);
    json_t *array = json_array();
    int32_t count = viv_jute_read_count(&reader, 12);
    for (int32_t i = 0; i < count; i++) {
        struct viv_acl_entry entry;
        viv_acl_entry_decode(&reader, &entry);
        json_t *one = json_array();
        json_array_append_new(one, json_integer(entry.perms));
        struct viv_jute_slice parts[] = {entry.scheme, entry.id};
        for (size_t part = 0; part < 2; part++) {
            json_t *text = json_stringn((const char *)parts[part].bytes.data, parts[part].bytes.size);
            json_array_append_new(one, text != NULL ? text : json_null());
        }
        json_array_append_new(array, one);
    }
    return array;
}

static void set_kind(json_t *object, int64_t owner)
{
    const char *kind = "ephemeral";
    if (owner == 0) {
        kind = "persistent";
    } else if (owner == VIV_OWNER_CONTAINER) {
        kind = "container";
    } else if (((uint64_t)owner & VIV_OWNER_TTL_MARK) == VIV_OWNER_TTL_MARK) {
        kind = "ttl";
        json_object_set_new(object, "ttl_ms", json_integer(owner & VIV_TTL_MS_MAX));
    } else {
        json_object_set_new(object, "owner", hex((uint64_t)owner));
    }
    json_object_set_new(object, "kind", json_string(kind));
}

void viv_cli_dump_write_node(FILE *file, const struct viv_cli_dump_node *node)
{
    json_t *object = json_object();
    set_bytes(object, "path", "path_base64", node->path);
    set_kind(object, node->owner);
    if (!node->data.null) {
        set_bytes(object, "text", "base64", node->data.bytes);
    }
    json_object_set_new(object, "acl", acl_json(node->acl));
    json_object_set_new(object, "stat",
                        json_pack("{s:o, s:o, s:o, s:I, s:I, s:i, s:i, s:i}", "czxid", zxid_json(node->czxid), "mzxid",
                                  zxid_json(node->mzxid), "pzxid", zxid_json(node->pzxid), "ctime",
                                  (json_int_t)node->ctime_ms, "mtime", (json_int_t)node->mtime_ms, "version",
                                  node->version, "children_created", node->children_created, "aversion",
                                  node->aversion));
    write_line(file, object);
}

void viv_cli_dump_write_end(FILE *file, uint64_t nodes)
{
    write_line(file, json_pack("{s:b, s:I}", "end", 1, "nodes", (json_int_t)nodes));
}
