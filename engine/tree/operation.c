#include "tree/operation.h"

#include "base/assert.h"
#include "tree/acl.h"
#include "tree/znode.h"
#include "wire/path.h"
#include "wire/reply_code.h"

/* The order of the checks in each function is the law: it decides which error a client sees (client-protocol.md
 * §5.1). */

enum { FLAG_EPHEMERAL = 1, FLAG_SEQUENTIAL = 2, FLAGS_CONTAINER = 4, FLAGS_TTL = 5, FLAGS_TTL_SEQUENTIAL = 6 };

struct operation {
    struct viv_preparer *preparer;
    const struct viv_request *request;
    int32_t op;
    struct viv_jute_reader *reader;
    uint64_t zxid;
    struct viv_buffer *record;
};

#define REFUSE_UNLESS(condition, code)                                                                                 \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            return (code);                                                                                             \
        }                                                                                                              \
    } while (0)

static bool session_lives(const struct operation *operation)
{
    return operation->request->is_local ||
           viv_overlay_session_lives(&operation->preparer->overlay, operation->request->session_id);
}

static bool find(const struct operation *operation, struct viv_bytes path, struct viv_overlay_node *node)
{
    return viv_overlay_find(&operation->preparer->overlay, path, node);
}

static bool allows(const struct operation *operation, const struct viv_overlay_node *node, enum viv_perm perm)
{
    return viv_acl_allows(node->acl, perm, operation->request->authinfo);
}

static void put(const struct operation *operation, struct viv_bytes path, const struct viv_overlay_node *node)
{
    viv_overlay_put(&operation->preparer->overlay, path, operation->zxid, node, NULL);
}

static int32_t fix_acl(const struct operation *operation, struct viv_bytes acl)
{
    viv_buffer_clear(&operation->preparer->acl);
    return viv_acl_fix(acl, operation->request->authinfo, &operation->preparer->acl);
}

static bool version_matches(int32_t expected, int32_t current)
{
    return expected == -1 || expected == current;
}

/* Wraps, and never becomes -1, which would match anything when a client sends it back. */
static int32_t next_version(int32_t version)
{
    return version == -2 ? 0 : (int32_t)((uint32_t)version + 1);
}

/* ---- create ---- */

/* Extended types are off: TTL is unimplemented. The opcode decides what is stored, so opcode and flags must agree; the
 * reference server lets some disagreements through and is damaged by them. */
static int32_t check_flags(int32_t op, int32_t flags)
{
    REFUSE_UNLESS(flags >= 0 && flags <= FLAGS_TTL_SEQUENTIAL, VIV_REPLY_BAD_ARGUMENTS);
    REFUSE_UNLESS(flags != FLAGS_TTL && flags != FLAGS_TTL_SEQUENTIAL, VIV_REPLY_UNIMPLEMENTED);
    bool is_agreed = op != VIV_OP_CREATE_TTL && (op == VIV_OP_CREATE_CONTAINER) == (flags == FLAGS_CONTAINER);
    return is_agreed ? VIV_REPLY_OK : VIV_REPLY_BAD_ARGUMENTS;
}

static struct viv_bytes final_path(struct viv_preparer *preparer, struct viv_bytes path, bool is_sequential,
                                   int32_t child_counter)
{
    viv_buffer_clear(&preparer->path);
    viv_buffer_append_bytes(&preparer->path, path);
    if (is_sequential) {
        viv_buffer_printf(&preparer->path, "%010d", child_counter);
    }
    return viv_buffer_bytes(&preparer->path);
}

/* Records the new node, and the parent with one child more. Past its maximum the counter becomes negative in the
 * transaction and stays where it was in the tree. */
static int32_t count_child(const struct operation *operation, struct viv_bytes parent_path,
                           struct viv_overlay_node *parent)
{
    int32_t counter = (int32_t)((uint32_t)parent->child_counter + 1);
    if (counter > parent->child_counter) {
        parent->child_counter = counter;
    }
    parent->child_count++;
    put(operation, parent_path, parent);
    return counter;
}

static bool is_ephemeral(int32_t flags)
{
    return flags < FLAGS_CONTAINER && (flags & FLAG_EPHEMERAL) != 0;
}

static void accept_create(const struct operation *operation, const struct viv_create_request *request,
                          struct viv_bytes path, struct viv_bytes parent_path, struct viv_overlay_node *parent)
{
    struct viv_bytes acl = viv_buffer_bytes(&operation->preparer->acl);
    int64_t owner = is_ephemeral(request->flags) ? operation->request->session_id : 0;
    struct viv_overlay_node node = {
        .exists = true,
        .owner = operation->op == VIV_OP_CREATE_CONTAINER ? VIV_OWNER_CONTAINER : owner,
    };

    int32_t counter = count_child(operation, parent_path, parent);
    viv_overlay_put(&operation->preparer->overlay, path, operation->zxid, &node, &acl);
    struct viv_create_txn txn = {.path = path,
                                 .data = request->data,
                                 .acl = acl,
                                 .ephemeral = is_ephemeral(request->flags),
                                 .parent_cversion = counter};
    viv_create_txn_encode(operation->record, &txn, (enum viv_op)operation->op);
}

static int32_t prepare_create(const struct operation *operation)
{
    struct viv_create_request request;
    struct viv_overlay_node parent, node;

    viv_create_request_decode(operation->reader, &request, (enum viv_op)operation->op);
    REFUSE_UNLESS(!operation->reader->bad && !request.path.null, VIV_REPLY_MARSHALLING_ERROR);
    struct viv_bytes path = request.path.bytes;
    int32_t code = check_flags(operation->op, request.flags);
    REFUSE_UNLESS(code == VIV_REPLY_OK, code);
    REFUSE_UNLESS(session_lives(operation), VIV_REPLY_SESSION_EXPIRED);
    REFUSE_UNLESS(!operation->request->is_local || !is_ephemeral(request.flags), VIV_REPLY_EPHEMERAL_ON_LOCAL_SESSION);
    REFUSE_UNLESS(viv_path_has_parent(path), VIV_REPLY_BAD_ARGUMENTS);
    code = fix_acl(operation, request.acl);
    REFUSE_UNLESS(code == VIV_REPLY_OK, code);
    struct viv_bytes parent_path = viv_path_parent(path);
    REFUSE_UNLESS(find(operation, parent_path, &parent), VIV_REPLY_NO_NODE);
    REFUSE_UNLESS(allows(operation, &parent, VIV_PERM_CREATE), VIV_REPLY_NO_AUTH);
    bool is_sequential = request.flags < FLAGS_CONTAINER && (request.flags & FLAG_SEQUENTIAL) != 0;
    path = final_path(operation->preparer, path, is_sequential, parent.child_counter);
    REFUSE_UNLESS(viv_path_is_valid(path), VIV_REPLY_BAD_ARGUMENTS);
    REFUSE_UNLESS(!find(operation, path, &node), VIV_REPLY_NODE_EXISTS);
    REFUSE_UNLESS(!viv_owner_is_session(parent.owner), VIV_REPLY_NO_CHILDREN_FOR_EPHEMERALS);
    accept_create(operation, &request, path, parent_path, &parent);
    return VIV_REPLY_OK;
}

/* ---- delete ---- */

static void accept_delete(const struct operation *operation, struct viv_bytes path, struct viv_overlay_node *parent)
{
    VIV_ASSERT(parent->child_count > 0);
    parent->child_count--;
    put(operation, viv_path_parent(path), parent);
    put(operation, path, &(struct viv_overlay_node){.exists = false});
    viv_jute_write_bytes(operation->record, path);
}

static int32_t prepare_delete(const struct operation *operation)
{
    struct viv_path_version_request request;
    struct viv_overlay_node parent, node;

    viv_path_version_request_decode(operation->reader, &request);
    REFUSE_UNLESS(!operation->reader->bad && !request.path.null, VIV_REPLY_MARSHALLING_ERROR);
    struct viv_bytes path = request.path.bytes;
    REFUSE_UNLESS(session_lives(operation), VIV_REPLY_SESSION_EXPIRED);
    REFUSE_UNLESS(viv_path_has_parent(path) && !viv_path_is_reserved(path), VIV_REPLY_BAD_ARGUMENTS);
    REFUSE_UNLESS(find(operation, viv_path_parent(path), &parent), VIV_REPLY_NO_NODE);
    REFUSE_UNLESS(allows(operation, &parent, VIV_PERM_DELETE), VIV_REPLY_NO_AUTH);
    REFUSE_UNLESS(find(operation, path, &node), VIV_REPLY_NO_NODE);
    REFUSE_UNLESS(version_matches(request.version, node.version), VIV_REPLY_BAD_VERSION);
    REFUSE_UNLESS(node.child_count == 0, VIV_REPLY_NOT_EMPTY);
    accept_delete(operation, path, &parent);
    return VIV_REPLY_OK;
}

/* Asked for by the leader itself when a container has become useless: no session, no permission. */
static int32_t prepare_delete_container(const struct operation *operation)
{
    struct viv_overlay_node parent, node;

    struct viv_jute_slice text = viv_jute_read_buffer(operation->reader);
    REFUSE_UNLESS(!operation->reader->bad && !text.null, VIV_REPLY_MARSHALLING_ERROR);
    struct viv_bytes path = text.bytes;
    REFUSE_UNLESS(viv_path_has_parent(path) && !viv_path_is_reserved(path), VIV_REPLY_BAD_ARGUMENTS);
    REFUSE_UNLESS(find(operation, path, &node), VIV_REPLY_NO_NODE);
    REFUSE_UNLESS(node.child_count == 0, VIV_REPLY_NOT_EMPTY);
    REFUSE_UNLESS(!viv_owner_is_session(node.owner), VIV_REPLY_BAD_VERSION);
    REFUSE_UNLESS(find(operation, viv_path_parent(path), &parent), VIV_REPLY_NO_NODE);
    accept_delete(operation, path, &parent);
    return VIV_REPLY_OK;
}

/* ---- setData, setACL, check ---- */

static int32_t prepare_set_data(const struct operation *operation)
{
    struct viv_set_data_request request;
    struct viv_overlay_node node;

    viv_set_data_request_decode(operation->reader, &request);
    REFUSE_UNLESS(!operation->reader->bad && !request.path.null, VIV_REPLY_MARSHALLING_ERROR);
    struct viv_bytes path = request.path.bytes;
    REFUSE_UNLESS(session_lives(operation), VIV_REPLY_SESSION_EXPIRED);
    REFUSE_UNLESS(viv_path_is_valid(path), VIV_REPLY_BAD_ARGUMENTS);
    REFUSE_UNLESS(find(operation, path, &node), VIV_REPLY_NO_NODE);
    REFUSE_UNLESS(allows(operation, &node, VIV_PERM_WRITE), VIV_REPLY_NO_AUTH);
    REFUSE_UNLESS(version_matches(request.version, node.version), VIV_REPLY_BAD_VERSION);
    node.version = next_version(node.version);
    put(operation, path, &node);
    struct viv_set_data_txn txn = {path, request.data, node.version};
    viv_set_data_txn_encode(operation->record, &txn);
    return VIV_REPLY_OK;
}

static int32_t prepare_set_acl(const struct operation *operation)
{
    struct viv_set_acl_request request;
    struct viv_overlay_node node;

    viv_set_acl_request_decode(operation->reader, &request);
    REFUSE_UNLESS(!operation->reader->bad && !request.path.null, VIV_REPLY_MARSHALLING_ERROR);
    struct viv_bytes path = request.path.bytes;
    REFUSE_UNLESS(session_lives(operation), VIV_REPLY_SESSION_EXPIRED);
    REFUSE_UNLESS(viv_path_is_valid(path), VIV_REPLY_BAD_ARGUMENTS);
    int32_t code = fix_acl(operation, request.acl);
    REFUSE_UNLESS(code == VIV_REPLY_OK, code);
    REFUSE_UNLESS(find(operation, path, &node), VIV_REPLY_NO_NODE);
    REFUSE_UNLESS(allows(operation, &node, VIV_PERM_ADMIN), VIV_REPLY_NO_AUTH);
    REFUSE_UNLESS(version_matches(request.version, node.aversion), VIV_REPLY_BAD_VERSION);
    node.aversion = next_version(node.aversion);
    struct viv_set_acl_txn txn = {path, viv_buffer_bytes(&operation->preparer->acl), node.aversion};
    viv_overlay_put(&operation->preparer->overlay, path, operation->zxid, &node, &txn.acl);
    viv_set_acl_txn_encode(operation->record, &txn);
    return VIV_REPLY_OK;
}

static int32_t prepare_check(const struct operation *operation)
{
    struct viv_path_version_request request;
    struct viv_overlay_node node;

    viv_path_version_request_decode(operation->reader, &request);
    REFUSE_UNLESS(!operation->reader->bad && !request.path.null, VIV_REPLY_MARSHALLING_ERROR);
    struct viv_bytes path = request.path.bytes;
    REFUSE_UNLESS(session_lives(operation), VIV_REPLY_SESSION_EXPIRED);
    REFUSE_UNLESS(viv_path_is_valid(path), VIV_REPLY_BAD_ARGUMENTS);
    REFUSE_UNLESS(find(operation, path, &node), VIV_REPLY_NO_NODE);
    REFUSE_UNLESS(allows(operation, &node, VIV_PERM_READ), VIV_REPLY_NO_AUTH);
    REFUSE_UNLESS(version_matches(request.version, node.version), VIV_REPLY_BAD_VERSION);
    struct viv_path_version_txn txn = {path, next_version(node.version)};
    viv_path_version_txn_encode(operation->record, &txn);
    return VIV_REPLY_OK;
}

/* ---- dispatch ---- */

static const struct rule {
    int32_t op;
    int32_t (*prepare)(const struct operation *operation);
} rules[] = {
    {VIV_OP_CREATE, prepare_create},
    {VIV_OP_CREATE2, prepare_create},
    {VIV_OP_CREATE_CONTAINER, prepare_create},
    {VIV_OP_CREATE_TTL, prepare_create},
    {VIV_OP_DELETE, prepare_delete},
    {VIV_OP_DELETE_CONTAINER, prepare_delete_container},
    {VIV_OP_SET_DATA, prepare_set_data},
    {VIV_OP_SET_ACL, prepare_set_acl},
    {VIV_OP_CHECK, prepare_check},
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

bool viv_operation_is_known(int32_t op)
{
    return find_rule(op) != NULL;
}

int32_t viv_operation_prepare(struct viv_preparer *preparer, const struct viv_request *request, int32_t op,
                              struct viv_jute_reader *reader, uint64_t zxid, struct viv_buffer *record)
{
    const struct rule *rule = find_rule(op);
    struct operation operation = {preparer, request, op, reader, zxid, record};
    size_t start = record->size;

    VIV_ASSERT(rule != NULL);
    int32_t code = rule->prepare(&operation);
    VIV_ASSERT((code == VIV_REPLY_OK) == (record->size > start));
    return code;
}
