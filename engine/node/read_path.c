#include "node/read_path.h"

#include <string.h>

#include "base/assert.h"
#include "base/endian.h"
#include "tree/acl.h"
#include "wire/reply_code.h"

enum { STRING_BYTES_MIN = 4, IDENTITY_BYTES_MIN = 8, ACL_ENTRY_BYTES_MIN = 12 };

/* Of addWatch, and the `type` of checkWatches and removeWatches. */
enum { ADD_PERSISTENT = 0, ADD_RECURSIVE = 1 };

struct context {
    const struct viv_tree *tree;
    struct viv_watches *watches;
    const struct viv_read *read;
    struct viv_jute_reader reader;
    struct viv_buffer *events;
    struct viv_buffer *out;
    size_t start; /* of the answer in `out` */
};

bool viv_read_may(const struct viv_tree *tree, const struct viv_znode *node, int32_t perms, const struct viv_read *read)
{
    return read->skips_acl || viv_acl_allows(viv_tree_acl(tree, node->acl_id), perms, read->authinfo);
}

static bool may(const struct context *context, const struct viv_znode *node, int32_t perms)
{
    return viv_read_may(context->tree, node, perms, context->read);
}

static void append_stat(struct context *context, const struct viv_znode *node)
{
    struct viv_stat stat;
    viv_znode_stat(node, &stat);
    viv_stat_encode(context->out, &stat);
}

static int32_t refuse_for(struct context *context, enum viv_limit limit, int32_t code)
{
    context->read->bounds->is_hit = true;
    context->read->bounds->limit = limit;
    return code;
}

/* Adds a watch, or says why it may not be. */
static int32_t add_watch(struct context *context, struct viv_bytes path, enum viv_watch_mode mode)
{
    const struct viv_read_bounds *bounds = context->read->bounds;
    switch (viv_watches_room(context->watches, context->read->conn, path, bounds->watches_max,
                             bounds->watches_per_connection_max)) {
    case VIV_WATCH_NO_ROOM:
        return refuse_for(context, VIV_LIMIT_WATCHES, VIV_REPLY_SYSTEM_ERROR);
    case VIV_WATCH_NO_ROOM_OF_CONNECTION:
        return refuse_for(context, VIV_LIMIT_WATCHES_OF_CONNECTION, VIV_REPLY_SYSTEM_ERROR);
    case VIV_WATCH_ROOM:
        break;
    }
    viv_watches_add(context->watches, context->read->conn, path, mode);
    return VIV_REPLY_OK;
}

/* Whoever makes a long answer looks now and then, and stops. */
static bool is_too_long(const struct context *context)
{
    return context->out->size - context->start > context->read->bounds->reply_bytes_max;
}

/* Nothing may stand behind a refusal. */
static bool decode_path(struct context *context, struct viv_bytes *path)
{
    struct viv_jute_slice slice = viv_jute_read_buffer(&context->reader);
    *path = slice.bytes;
    return !context->reader.bad && !slice.null;
}

static bool decode_path_watch(struct context *context, struct viv_path_watch_request *request)
{
    viv_path_watch_request_decode(&context->reader, request);
    return !context->reader.bad && !request->path.null;
}

/* ---- single nodes ---- */

/* The only read whose watch is wanted most when the node is missing. */
static int32_t serve_exists(struct context *context)
{
    struct viv_path_watch_request request;
    struct viv_znode node;

    if (!decode_path_watch(context, &request)) {
        return VIV_REPLY_MARSHALLING_ERROR;
    }
    struct viv_bytes path = request.path.bytes;
    if (path.size > 0 && memchr(path.data, 0, path.size) != NULL) {
        return VIV_REPLY_BAD_ARGUMENTS;
    }
    bool found = viv_tree_find(context->tree, path, &node);
    if (found && !may(context, &node, VIV_PERM_READ)) {
        return VIV_REPLY_NO_AUTH;
    }
    int32_t code = request.watch ? add_watch(context, path, VIV_WATCH_DATA) : VIV_REPLY_OK;
    if (code != VIV_REPLY_OK) {
        return code;
    }
    if (!found) {
        return VIV_REPLY_NO_NODE;
    }
    append_stat(context, &node);
    return VIV_REPLY_OK;
}

static void append_data(struct context *context, const struct viv_znode *node)
{
    viv_jute_write_slice(context->out, node->data);
    append_stat(context, node);
}

static void append_children(struct context *context, const struct viv_znode *node)
{
    viv_node_id child = VIV_NODE_NONE;
    uint32_t count = 0;

    viv_jute_write_int(context->out, (int32_t)node->child_count);
    while ((child = viv_tree_next_child(context->tree, node->id, child)) != VIV_NODE_NONE && !is_too_long(context)) {
        viv_jute_write_bytes(context->out, viv_tree_name(context->tree, child));
        count++;
    }
    VIV_ASSERT(count == node->child_count || is_too_long(context));
}

static void append_children_and_stat(struct context *context, const struct viv_znode *node)
{
    append_children(context, node);
    append_stat(context, node);
}

/* getData, getChildren, getChildren2: a watch is set only by success. `mode` 0: no watch whatever the client says. */
static int32_t serve_node(struct context *context, int mode,
                          void (*append)(struct context *context, const struct viv_znode *node))
{
    struct viv_path_watch_request request;
    struct viv_znode node;

    if (!decode_path_watch(context, &request)) {
        return VIV_REPLY_MARSHALLING_ERROR;
    }
    if (!viv_tree_find(context->tree, request.path.bytes, &node)) {
        return VIV_REPLY_NO_NODE;
    }
    if (!may(context, &node, VIV_PERM_READ)) {
        return VIV_REPLY_NO_AUTH;
    }
    append(context, &node);
    if (is_too_long(context)) {
        return refuse_for(context, VIV_LIMIT_REPLY_BYTES, VIV_REPLY_MARSHALLING_ERROR);
    }
    return request.watch && mode != 0 ? add_watch(context, request.path.bytes, (enum viv_watch_mode)mode)
                                      : VIV_REPLY_OK;
}

static int32_t serve_get_data(struct context *context)
{
    return serve_node(context, VIV_WATCH_DATA, append_data);
}

static int32_t serve_get_children(struct context *context)
{
    return serve_node(context, VIV_WATCH_CHILD, append_children);
}

static int32_t serve_get_children2(struct context *context)
{
    return serve_node(context, VIV_WATCH_CHILD, append_children_and_stat);
}

/* Without ADMIN a digest shows whose it is, not what it is: ":" and what follows become ":x". */
static void append_masked_acl(struct viv_buffer *out, struct viv_bytes acl)
{
    struct viv_jute_reader reader = viv_jute_reader_of(acl);
    int32_t count = viv_jute_read_count(&reader, ACL_ENTRY_BYTES_MIN);

    viv_jute_write_int(out, count);
    for (int32_t i = 0; i < count; i++) {
        struct viv_acl_entry entry;
        viv_acl_entry_decode(&reader, &entry);
        const uint8_t *colon = entry.id.bytes.size == 0 ? NULL : memchr(entry.id.bytes.data, ':', entry.id.bytes.size);
        if (colon == NULL || !viv_bytes_equal(entry.scheme.bytes, VIV_BYTES_LITERAL("digest"))) {
            viv_acl_entry_encode(out, &entry);
            continue;
        }
        size_t user_bytes = (size_t)(colon - entry.id.bytes.data);
        viv_jute_write_int(out, entry.perms);
        viv_jute_write_slice(out, entry.scheme);
        viv_jute_write_int(out, (int32_t)user_bytes + 2);
        viv_buffer_append(out, entry.id.bytes.data, user_bytes);
        viv_buffer_append(out, ":x", 2);
    }
}

static int32_t serve_get_acl(struct context *context)
{
    struct viv_bytes path;
    struct viv_znode node;

    if (!decode_path(context, &path)) {
        return VIV_REPLY_MARSHALLING_ERROR;
    }
    if (!viv_tree_find(context->tree, path, &node)) {
        return VIV_REPLY_NO_NODE;
    }
    if (!may(context, &node, VIV_PERM_READ | VIV_PERM_ADMIN)) {
        return VIV_REPLY_NO_AUTH;
    }
    struct viv_bytes acl = viv_tree_acl(context->tree, node.acl_id);
    if (may(context, &node, VIV_PERM_ADMIN)) {
        viv_buffer_append_bytes(context->out, acl);
    } else {
        append_masked_acl(context->out, acl);
    }
    append_stat(context, &node);
    return VIV_REPLY_OK;
}

/* ---- more than one node ---- */

static int32_t serve_get_all_children_number(struct context *context)
{
    struct viv_bytes path;
    struct viv_znode node;

    if (!decode_path(context, &path)) {
        return VIV_REPLY_MARSHALLING_ERROR;
    }
    if (!viv_tree_find(context->tree, path, &node)) {
        return VIV_REPLY_NO_NODE;
    }
    if (!may(context, &node, VIV_PERM_READ)) {
        return VIV_REPLY_NO_AUTH;
    }
    if (node.id == VIV_NODE_ROOT) {
        struct viv_tree_counts counts;
        viv_tree_counts(context->tree, &counts);
        viv_jute_write_int(context->out, (int32_t)(counts.nodes - 1));
    } else {
        viv_jute_write_int(context->out, (int32_t)viv_tree_sum_below(context->tree, node.id).nodes);
    }
    return VIV_REPLY_OK;
}

/* "/" and blank mean all; else a prefix of the text, not of the components. */
static bool means_all(struct viv_bytes prefix)
{
    for (size_t i = 0; i < prefix.size; i++) {
        if (prefix.data[i] > ' ') {
            return prefix.size == 1 && prefix.data[0] == '/';
        }
    }
    return true;
}

static int32_t serve_get_ephemerals(struct context *context)
{
    viv_node_id id = VIV_NODE_NONE;
    int32_t count = 0;

    struct viv_bytes prefix = viv_jute_read_buffer(&context->reader).bytes;
    if (context->reader.bad) {
        return VIV_REPLY_MARSHALLING_ERROR;
    }
    size_t count_at = context->out->size;
    viv_jute_write_int(context->out, 0);
    while ((id = viv_tree_next_ephemeral(context->tree, context->read->session_id, id)) != VIV_NODE_NONE &&
           !is_too_long(context)) {
        size_t start = context->out->size;
        viv_jute_write_int(context->out, 0);
        viv_tree_path(context->tree, id, context->out);
        struct viv_bytes path = {context->out->data + start + 4, context->out->size - start - 4};
        if (!means_all(prefix) && !viv_bytes_starts_with(path, prefix)) {
            context->out->size = start;
            continue;
        }
        viv_store_be32(context->out->data + start, (uint32_t)path.size);
        count++;
    }
    viv_store_be32(context->out->data + count_at, (uint32_t)count);
    return VIV_REPLY_OK;
}

static void append_read_error(struct viv_buffer *out, int32_t code)
{
    viv_multi_header_encode(out, &(struct viv_multi_header){VIV_OP_ERROR, false, code});
    viv_jute_write_int(out, code);
}

/* One getData or getChildren of a multiRead. VIV_REPLY_MARSHALLING_ERROR fails the whole. */
static int32_t serve_item(struct context *context, int32_t op)
{
    size_t start = context->out->size;
    int32_t code = VIV_REPLY_MARSHALLING_ERROR;

    viv_multi_header_encode(context->out, &(struct viv_multi_header){op, false, VIV_REPLY_OK});
    if (op == VIV_OP_GET_DATA) {
        code = serve_node(context, 0, append_data);
    } else if (op == VIV_OP_GET_CHILDREN) {
        code = serve_node(context, 0, append_children);
    }
    if (code != VIV_REPLY_OK) {
        context->out->size = start;
        append_read_error(context->out, code);
    }
    return code;
}

static int32_t serve_multi_read(struct context *context)
{
    struct viv_multi_header header;

    while (true) {
        viv_multi_header_decode(&context->reader, &header);
        if (context->reader.bad) {
            return VIV_REPLY_MARSHALLING_ERROR;
        }
        if (header.done) {
            viv_multi_header_encode(context->out, &(struct viv_multi_header){-1, true, -1});
            return VIV_REPLY_OK;
        }
        if (serve_item(context, header.type) == VIV_REPLY_MARSHALLING_ERROR || is_too_long(context)) {
            return VIV_REPLY_MARSHALLING_ERROR;
        }
    }
}

/* ---- the connection itself ---- */

/* A digest identity is shown without its digest; a scheme that is only a mark on the connection names nobody. */
static int32_t serve_who_am_i(struct context *context)
{
    struct viv_jute_reader authinfo = viv_jute_reader_of(context->read->authinfo);
    int32_t count = context->read->authinfo.size == 0 ? 0 : viv_jute_read_count(&authinfo, IDENTITY_BYTES_MIN);

    viv_jute_write_int(context->out, count);
    for (int32_t i = 0; i < count; i++) {
        struct viv_bytes scheme = viv_jute_read_buffer(&authinfo).bytes;
        struct viv_bytes user = viv_jute_read_buffer(&authinfo).bytes;
        VIV_ASSERT(!authinfo.bad); /* made by this server */
        const uint8_t *colon = user.size == 0 ? NULL : memchr(user.data, ':', user.size);
        if (viv_bytes_equal(scheme, VIV_BYTES_LITERAL("digest")) && colon != NULL) {
            user.size = (size_t)(colon - user.data);
        } else if (viv_bytes_equal(scheme, VIV_BYTES_LITERAL("super"))) {
            user.size = 0;
        }
        viv_jute_write_bytes(context->out, scheme);
        viv_jute_write_bytes(context->out, user);
    }
    return VIV_REPLY_OK;
}

/* ---- watches ---- */

static int32_t serve_add_watch(struct context *context)
{
    struct viv_bytes path;

    bool is_path = decode_path(context, &path);
    int32_t mode = viv_jute_read_int(&context->reader);
    if (!is_path || context->reader.bad || (mode != ADD_PERSISTENT && mode != ADD_RECURSIVE)) {
        return VIV_REPLY_MARSHALLING_ERROR;
    }
    int32_t code = add_watch(context, path, mode == ADD_RECURSIVE ? VIV_WATCH_RECURSIVE : VIV_WATCH_PERSISTENT);
    if (code == VIV_REPLY_OK) {
        viv_jute_write_int(context->out, VIV_REPLY_OK);
    }
    return code;
}

/* checkWatches and removeWatches: path and the modes that the type stands for. */
static bool decode_path_type(struct context *context, struct viv_bytes *path, int *modes)
{
    static const int modes_of[] = {
        [1] = VIV_WATCH_CHILD,      [2] = VIV_WATCH_DATA,      [3] = VIV_WATCH_ANY,
        [4] = VIV_WATCH_PERSISTENT, [5] = VIV_WATCH_RECURSIVE,
    };

    bool is_path = decode_path(context, path);
    int32_t type = viv_jute_read_int(&context->reader);
    if (!is_path || context->reader.bad || type < 1 || type > 5) {
        return false;
    }
    *modes = modes_of[type];
    return true;
}

static int32_t serve_check_watches(struct context *context)
{
    struct viv_bytes path;
    int modes;

    if (!decode_path_type(context, &path, &modes)) {
        return VIV_REPLY_MARSHALLING_ERROR;
    }
    bool is_held = viv_watches_held(context->watches, context->read->conn, path, modes) != 0;
    return is_held ? VIV_REPLY_OK : VIV_REPLY_NO_WATCHER;
}

static int32_t serve_remove_watches(struct context *context)
{
    struct viv_bytes path;
    int modes;

    if (!decode_path_type(context, &path, &modes)) {
        return VIV_REPLY_MARSHALLING_ERROR;
    }
    bool was_held = viv_watches_remove(context->watches, context->read->conn, path, modes);
    return was_held ? VIV_REPLY_OK : VIV_REPLY_NO_WATCHER;
}

/* What a client has missed on a path since `relative_zxid`; 0: nothing, so it goes on waiting. */
typedef int missed_fn(const struct viv_znode *node, bool found, int64_t relative_zxid);

static int missed_data(const struct viv_znode *node, bool found, int64_t relative_zxid)
{
    if (!found) {
        return VIV_EVENT_NODE_DELETED;
    }
    return (int64_t)node->mzxid > relative_zxid ? VIV_EVENT_NODE_DATA_CHANGED : 0;
}

static int missed_creation(const struct viv_znode *node, bool found, int64_t relative_zxid)
{
    (void)node;
    (void)relative_zxid;
    return found ? VIV_EVENT_NODE_CREATED : 0;
}

static int missed_children(const struct viv_znode *node, bool found, int64_t relative_zxid)
{
    if (!found) {
        return VIV_EVENT_NODE_DELETED;
    }
    return (int64_t)node->pzxid > relative_zxid ? VIV_EVENT_NODE_CHILDREN_CHANGED : 0;
}

/* Persistent watches do not catch up. */
static int missed_nothing(const struct viv_znode *node, bool found, int64_t relative_zxid)
{
    (void)node;
    (void)found;
    (void)relative_zxid;
    return 0;
}

/* The lists of setWatches in their order; setWatches2 has them all. */
static const struct {
    missed_fn *missed;
    enum viv_watch_mode mode;
} watch_lists[] = {
    {missed_data, VIV_WATCH_DATA},          {missed_creation, VIV_WATCH_DATA},     {missed_children, VIV_WATCH_CHILD},
    {missed_nothing, VIV_WATCH_PERSISTENT}, {missed_nothing, VIV_WATCH_RECURSIVE},
};
enum { SET_WATCHES_LISTS = 3, SET_WATCHES2_LISTS = 5 };

static bool lists_are_sound(struct viv_jute_reader reader, int list_count)
{
    viv_jute_read_long(&reader);
    for (int i = 0; i < list_count; i++) {
        int32_t count = viv_jute_read_count(&reader, STRING_BYTES_MIN);
        for (int32_t k = 0; k < count; k++) {
            if (viv_jute_read_buffer(&reader).null) {
                return false;
            }
        }
        if (reader.bad || count < 0) {
            return false;
        }
    }
    return true;
}

static int32_t catch_up(struct context *context, int list, struct viv_bytes path, int64_t relative_zxid)
{
    struct viv_znode node;
    bool found = viv_tree_find(context->tree, path, &node);
    int type = watch_lists[list].missed(&node, found, relative_zxid);

    if (type == 0) {
        return add_watch(context, path, watch_lists[list].mode);
    }
    viv_watch_event_encode(context->events, (enum viv_event_type)type, -1, path);
    return VIV_REPLY_OK;
}

static int32_t set_watches(struct context *context, int list_count)
{
    /* Read before it is done: a request that breaks off in the middle must leave nothing behind. */
    if (!lists_are_sound(context->reader, list_count)) {
        return VIV_REPLY_MARSHALLING_ERROR;
    }
    int64_t relative_zxid = viv_jute_read_long(&context->reader);
    for (int list = 0; list < list_count; list++) {
        int32_t count = viv_jute_read_count(&context->reader, STRING_BYTES_MIN);
        for (int32_t i = 0; i < count; i++) {
            int32_t code = catch_up(context, list, viv_jute_read_buffer(&context->reader).bytes, relative_zxid);
            if (code != VIV_REPLY_OK) {
                return code;
            }
        }
    }
    return VIV_REPLY_OK;
}

static int32_t serve_set_watches(struct context *context)
{
    return set_watches(context, SET_WATCHES_LISTS);
}

static int32_t serve_set_watches2(struct context *context)
{
    return set_watches(context, SET_WATCHES2_LISTS);
}

/* ---- dispatch ---- */

static const struct rule {
    int32_t op;
    int32_t (*serve)(struct context *context);
} rules[] = {
    {VIV_OP_GET_DATA, serve_get_data},
    {VIV_OP_EXISTS, serve_exists},
    {VIV_OP_GET_CHILDREN2, serve_get_children2},
    {VIV_OP_GET_CHILDREN, serve_get_children},
    {VIV_OP_GET_ACL, serve_get_acl},
    {VIV_OP_MULTI_READ, serve_multi_read},
    {VIV_OP_SET_WATCHES, serve_set_watches},
    {VIV_OP_SET_WATCHES2, serve_set_watches2},
    {VIV_OP_ADD_WATCH, serve_add_watch},
    {VIV_OP_CHECK_WATCHES, serve_check_watches},
    {VIV_OP_REMOVE_WATCHES, serve_remove_watches},
    {VIV_OP_GET_EPHEMERALS, serve_get_ephemerals},
    {VIV_OP_GET_ALL_CHILDREN_NUMBER, serve_get_all_children_number},
    {VIV_OP_WHO_AM_I, serve_who_am_i},
};

static const struct rule *find_rule(int32_t op)
{
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        if (rules[i].op == op) {
            return &rules[i];
        }
    }
    return NULL;
}

bool viv_read_is_served(int32_t op)
{
    return find_rule(op) != NULL;
}

int32_t viv_read_serve(const struct viv_tree *tree, struct viv_watches *watches, const struct viv_read *read,
                       struct viv_buffer *events, struct viv_buffer *record)
{
    const struct rule *rule = find_rule(read->op);
    struct context context = {tree, watches, read, viv_jute_reader_of(read->record), events, record, record->size};

    VIV_ASSERT(rule != NULL);
    int32_t code = rule->serve(&context);
    if (code == VIV_REPLY_OK && is_too_long(&context)) {
        code = refuse_for(&context, VIV_LIMIT_REPLY_BYTES, VIV_REPLY_MARSHALLING_ERROR);
    }
    if (code != VIV_REPLY_OK) {
        record->size = context.start;
    }
    return code;
}
