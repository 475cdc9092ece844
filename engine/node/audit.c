#include "node/audit.h"

#include <inttypes.h>
#include <string.h>

#include "base/assert.h"
#include "wire/jute.h"
#include "wire/reply_code.h"

/* A request may hold a megabyte where a path belongs: a line shows as much as helps. */
enum { VALUE_BYTES_MAX = 4096 };

/* ---- a line ---- */

/* What a client chose must not look like the end of a field or of a line. */
static void put_value(struct viv_buffer *out, struct viv_bytes value)
{
    bool is_cut = value.size > VALUE_BYTES_MAX;
    size_t start = out->size;
    viv_buffer_append(out, value.data, is_cut ? VALUE_BYTES_MAX : value.size);
    for (size_t i = start; i < out->size; i++) {
        out->data[i] = out->data[i] < ' ' || out->data[i] == 0x7f ? '?' : out->data[i];
    }
    if (is_cut) {
        viv_buffer_printf(out, "...");
    }
}

static void put_field(struct viv_buffer *out, const char *name, struct viv_bytes value)
{
    viv_buffer_printf(out, "\t%s=", name);
    put_value(out, value);
}

/* Users as a comma list, then the address: of digest only what stands before the password's hash. */
static void put_identities(struct viv_buffer *out, struct viv_bytes authinfo)
{
    struct viv_bytes address = {0};
    struct viv_jute_reader reader = viv_jute_reader_of(authinfo);
    const char *separator = "\tuser=";
    for (int32_t left = viv_jute_read_int(&reader); left > 0; left--) {
        struct viv_bytes scheme = viv_jute_read_buffer(&reader).bytes;
        struct viv_bytes id = viv_jute_read_buffer(&reader).bytes;
        if (viv_bytes_equal(scheme, VIV_BYTES_LITERAL("ip"))) {
            address = id;
        } else if (viv_bytes_equal(scheme, VIV_BYTES_LITERAL("digest"))) {
            const uint8_t *colon = id.size > 0 ? memchr(id.data, ':', id.size) : NULL;
            id.size = colon != NULL ? (size_t)(colon - id.data) : id.size;
        } else if (viv_bytes_equal(scheme, VIV_BYTES_LITERAL("super"))) {
            continue;
        }
        viv_buffer_printf(out, "%s", separator);
        put_value(out, id);
        separator = ",";
    }
    VIV_ASSERT(!reader.bad);
    if (address.size > 0) {
        put_field(out, "ip", address);
    }
}

/* "world:anyone:cdrwaip:127.0.0.1:r": entries stand together, as ZooKeeper writes them. */
static void put_acl(struct viv_buffer *out, struct viv_bytes acl)
{
    static const struct {
        int32_t bit;
        char letter;
    } perms[] = {{VIV_PERM_CREATE, 'c'},
                 {VIV_PERM_DELETE, 'd'},
                 {VIV_PERM_READ, 'r'},
                 {VIV_PERM_WRITE, 'w'},
                 {VIV_PERM_ADMIN, 'a'}};
    struct viv_buffer text = {0};
    struct viv_jute_reader reader = viv_jute_reader_of(acl);
    for (int32_t left = viv_jute_read_int(&reader); left > 0 && !reader.bad && text.size <= VALUE_BYTES_MAX; left--) {
        struct viv_acl_entry entry;
        viv_acl_entry_decode(&reader, &entry);
        viv_buffer_append_bytes(&text, entry.scheme.null ? VIV_BYTES_LITERAL("null") : entry.scheme.bytes);
        viv_buffer_append(&text, ":", 1);
        viv_buffer_append_bytes(&text, entry.id.null ? VIV_BYTES_LITERAL("null") : entry.id.bytes);
        viv_buffer_append(&text, ":", 1);
        for (size_t i = 0; i < sizeof perms / sizeof perms[0]; i++) {
            viv_buffer_append(&text, &perms[i].letter, (entry.perms & perms[i].bit) != 0);
        }
    }
    put_field(out, "acl", viv_buffer_bytes(&text));
    viv_buffer_fini(&text);
}

/* What one line tells beside who and how it ended. All-zero members are left out. */
struct deed {
    const char *operation;
    struct viv_bytes path;
    const char *znode_type;
    struct viv_bytes acl;
};

static void put_line(struct viv_buffer *out, const struct viv_connection *connection, const struct deed *deed,
                     bool is_done)
{
    viv_buffer_printf(out, "session=0x%" PRIx64, (uint64_t)connection->session_id);
    put_identities(out, viv_buffer_bytes(&connection->authinfo));
    viv_buffer_printf(out, "\toperation=%s", deed->operation);
    if (deed->path.size > 0) {
        put_field(out, "znode", deed->path);
    }
    if (deed->znode_type != NULL) {
        viv_buffer_printf(out, "\tznode_type=%s", deed->znode_type);
    }
    if (deed->acl.size > 0) {
        put_acl(out, deed->acl);
    }
    viv_buffer_printf(out, "\tresult=%s\n", is_done ? "success" : "failure");
}

/* ---- requests ---- */

static const char *type_name(int32_t flags)
{
    static const char *const names[] = {
        "persistent", "ephemeral",           "persistent_sequential",         "ephemeral_sequential",
        "container",  "persistent_with_ttl", "persistent_sequential_with_ttl"};
    return flags >= 0 && (size_t)flags < sizeof names / sizeof names[0] ? names[flags] : NULL;
}

/* Takes one request off the reader; false when it is of a kind that is not told, or is malformed. */
static bool read_deed(struct viv_jute_reader *reader, int32_t op, struct deed *deed)
{
    *deed = (struct deed){0};
    if (op == VIV_OP_CREATE || op == VIV_OP_CREATE2 || op == VIV_OP_CREATE_CONTAINER || op == VIV_OP_CREATE_TTL) {
        struct viv_create_request create;
        viv_create_request_decode(reader, &create, (enum viv_op)op);
        *deed = (struct deed){"create", create.path.bytes, type_name(create.flags), {0}};
    } else if (op == VIV_OP_DELETE || op == VIV_OP_CHECK) {
        struct viv_path_version_request request;
        viv_path_version_request_decode(reader, &request);
        *deed = (struct deed){.operation = op == VIV_OP_DELETE ? "delete" : NULL, .path = request.path.bytes};
    } else if (op == VIV_OP_SET_DATA) {
        struct viv_set_data_request request;
        viv_set_data_request_decode(reader, &request);
        *deed = (struct deed){.operation = "setData", .path = request.path.bytes};
    } else if (op == VIV_OP_SET_ACL) {
        struct viv_set_acl_request request;
        viv_set_acl_request_decode(reader, &request);
        *deed = (struct deed){.operation = "setAcl", .path = request.path.bytes, .acl = request.acl};
    } else if (op == VIV_OP_RECONFIG) {
        deed->operation = "reconfig";
    }
    return deed->operation != NULL && !reader->bad;
}

/* One line for each operation that changed something. A sequential node's type is left out, as in ZooKeeper, which
 * looks it up by the path that was asked for. */
static void put_multi(struct viv_buffer *out, const struct viv_connection *connection, struct viv_bytes record,
                      const struct viv_applied *applied)
{
    struct viv_jute_reader reader = viv_jute_reader_of(record);
    for (size_t i = 0; i < applied->result_count; i++) {
        struct viv_multi_header header;
        struct deed deed;
        viv_multi_header_decode(&reader, &header);
        bool is_told = !header.done && read_deed(&reader, header.type, &deed);
        if (reader.bad || header.done) {
            return;
        }
        if (is_told && applied->results[i].path.size > 0 && !viv_bytes_equal(applied->results[i].path, deed.path)) {
            deed.path = applied->results[i].path;
            deed.znode_type = NULL;
        }
        if (is_told) {
            put_line(out, connection, &deed, true);
        }
    }
}

static void tell(struct viv_node *node, struct viv_bytes lines, bool is_failure)
{
    if (lines.size > 0) {
        struct viv_action *action = viv_actions_add(node->turn.out, VIV_ACTION_AUDIT);
        action->bytes = viv_arena_copy(&node->turn.out->arena, lines);
        action->flag = is_failure;
    }
}

static bool is_done(const struct viv_applied *applied)
{
    if (applied == NULL || applied->header.type == VIV_OP_ERROR) {
        return false;
    }
    for (size_t i = 0; i < applied->result_count; i++) {
        if (applied->results[i].type == VIV_OP_ERROR) {
            return false;
        }
    }
    return true;
}

void viv_audit_answered(struct viv_node *node, const struct viv_connection *connection,
                        const struct viv_pending *request, const struct viv_applied *applied)
{
    struct viv_buffer lines = {0};
    struct viv_bytes record = viv_buffer_bytes(&request->record);
    struct viv_jute_reader reader = viv_jute_reader_of(record);
    struct deed deed;
    bool done = is_done(applied);
    if (request->op == VIV_OP_MULTI && done) {
        put_multi(&lines, connection, record, applied);
    } else if (request->op == VIV_OP_MULTI) {
        put_line(&lines, connection, &(struct deed){.operation = "multiOperation"}, false);
    } else if (read_deed(&reader, request->op, &deed)) {
        if (done && applied->result_count == 1 && applied->results[0].path.size > 0) {
            deed.path = applied->results[0].path;
        }
        put_line(&lines, connection, &deed, done);
    }
    tell(node, viv_buffer_bytes(&lines), !done);
    viv_buffer_fini(&lines);
}

void viv_audit_session_closed(struct viv_node *node, const struct viv_applied *applied)
{
    struct viv_buffer lines = {0};
    for (size_t i = 0; i < applied->change_count; i++) {
        if (applied->changes[i].kind == VIV_CHANGE_DELETED) {
            viv_buffer_printf(&lines, "session=0x%" PRIx64, (uint64_t)applied->header.session_id);
            put_field(&lines, "user", viv_buffer_bytes(&node->audit_user));
            viv_buffer_printf(&lines, "\toperation=ephemeralZNodeDeletionOnSessionCloseOrExpire");
            put_field(&lines, "znode", applied->changes[i].path);
            viv_buffer_printf(&lines, "\tresult=success\n");
        }
    }
    tell(node, viv_buffer_bytes(&lines), false);
    viv_buffer_fini(&lines);
}
