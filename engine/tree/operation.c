#include "tree/operation.h"

#include "base/assert.h"
#include "base/log.h"
#include "tree/acl.h"
#include "tree/quota.h"
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
    return operation->preparer->rules.skips_acl || viv_acl_allows(node->acl, perm, operation->request->authinfo);
}

static void put(const struct operation *operation, struct viv_bytes path, const struct viv_overlay_node *node)
{
    viv_overlay_put(&operation->preparer->overlay, path, operation->zxid, node, NULL);
}

static int32_t fix_acl(const struct operation *operation, struct viv_bytes acl)
{
    viv_buffer_clear(&operation->preparer->acl);
    return viv_acl_fix(acl, operation->request->authinfo, operation->preparer->rules.acl_schemes,
                       &operation->preparer->acl);
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

/* ---- quotas: limits as they are in the tree, and usage as the transactions before this one will leave it; as in
 * ZooKeeper, a multi's operations do not see one another's ---- */

/* One line a second says it for all. */
static void warn_of_quota(const struct operation *operation, const struct viv_quota *quota, const char *what,
                          int64_t usage, int64_t limit, bool is_refused)
{
    enum { WARNING_MS = 1000 };
    struct viv_preparer *preparer = operation->preparer;
    if (preparer->time_ms >= preparer->warned_ms && preparer->time_ms - preparer->warned_ms < WARNING_MS) {
        preparer->warnings_kept_back++;
        return;
    }
    struct viv_buffer path = {0};
    viv_tree_path(preparer->overlay.tree, quota->mirror, &path);
    viv_log(VIV_LOG_WARN, "tree", "a write goes beyond a quota; raise the limits there or remove nodes",
            "quota=\"%.*s\" what=%s usage=%lld limit=%lld refused=%d not_logged=%llu", (int)path.size,
            (const char *)path.data, what, (long long)usage, (long long)limit, is_refused,
            (unsigned long long)preparer->warnings_kept_back);
    viv_buffer_fini(&path);
    preparer->warned_ms = preparer->time_ms;
    preparer->warnings_kept_back = 0;
}

/* A hard limit, where there is one, is the only one that counts. */
static int32_t check_limit(const struct operation *operation, const struct viv_quota *quota, const char *what,
                           int64_t usage, int64_t soft, int64_t hard)
{
    bool is_hard = hard > -1;
    int64_t limit = is_hard ? hard : soft;
    if (limit < 0 || usage <= limit) {
        return VIV_REPLY_OK;
    }
    bool is_refused = is_hard && operation->preparer->rules.quotas != VIV_QUOTA_OFF;
    warn_of_quota(operation, quota, what, usage, limit, is_refused);
    return is_refused ? VIV_REPLY_QUOTA_EXCEEDED : VIV_REPLY_OK;
}

static int32_t check_quota_of(const struct operation *operation, struct viv_bytes path, int64_t count_change,
                              int64_t bytes_change)
{
    const struct viv_prepare_rules *rules = &operation->preparer->rules;
    struct viv_quota quota;

    if (!viv_tree_quota_of(operation->preparer->overlay.tree, path, &quota)) {
        return VIV_REPLY_OK;
    }
    if (quota.is_malformed) {
        bool fails = rules->quotas == VIV_QUOTA_ON || (rules->quotas == VIV_QUOTA_AUTO && quota.names_hard);
        warn_of_quota(operation, &quota, "unreadable", 0, 0, fails);
        return fails ? VIV_REPLY_MARSHALLING_ERROR : VIV_REPLY_OK;
    }
    struct viv_usage coming = viv_overlay_usage_before(&operation->preparer->overlay, quota.mirror, operation->zxid);
    quota.count += coming.count;
    quota.bytes += coming.bytes;
    int32_t code = VIV_REPLY_OK;
    if (quota.stats != VIV_NODE_NONE && count_change != 0) {
        code = check_limit(operation, &quota, "count", quota.count + count_change, quota.limit.count,
                           quota.limit.hard_count);
    }
    if (code == VIV_REPLY_OK && quota.stats != VIV_NODE_NONE && bytes_change != 0) {
        code = check_limit(operation, &quota, "bytes", quota.bytes + bytes_change, quota.limit.bytes,
                           quota.limit.hard_bytes);
    }
    return code;
}

static inline int32_t check_quota(const struct operation *operation, struct viv_bytes path, int64_t count_change,
                                  int64_t bytes_change)
{
    return viv_tree_has_quotas(operation->preparer->overlay.tree)
               ? check_quota_of(operation, path, count_change, bytes_change)
               : VIV_REPLY_OK;
}

/* ---- create ---- */

static bool is_ephemeral(int32_t flags)
{
    return flags < FLAGS_CONTAINER && (flags & FLAG_EPHEMERAL) != 0;
}

static bool is_ttl(int32_t flags)
{
    return flags == FLAGS_TTL || flags == FLAGS_TTL_SEQUENTIAL;
}

/* In a create the opcode decides what is stored, so opcode and flags must agree; the reference server lets some
 * disagreements through and is damaged by them. */
static int32_t check_flags(const struct operation *operation, int32_t flags, int64_t ttl_ms)
{
    int32_t op = operation->op;
    REFUSE_UNLESS(flags >= 0 && flags <= FLAGS_TTL_SEQUENTIAL, VIV_REPLY_BAD_ARGUMENTS);
    REFUSE_UNLESS(!is_ttl(flags) || operation->preparer->rules.extended_types, VIV_REPLY_UNIMPLEMENTED);
    REFUSE_UNLESS((op == VIV_OP_CREATE_TTL) == is_ttl(flags), VIV_REPLY_BAD_ARGUMENTS);
    REFUSE_UNLESS((op == VIV_OP_CREATE_CONTAINER) == (flags == FLAGS_CONTAINER), VIV_REPLY_BAD_ARGUMENTS);
    bool ttl_fits = !is_ttl(flags) || (ttl_ms > 0 && ttl_ms <= VIV_TTL_MS_MAX);
    return ttl_fits ? VIV_REPLY_OK : VIV_REPLY_BAD_ARGUMENTS;
}

/* The raw owner of the node to be made. */
static int64_t owner_of(const struct operation *operation, const struct viv_create_request *request)
{
    switch (operation->op) {
    case VIV_OP_CREATE_CONTAINER:
        return VIV_OWNER_CONTAINER;
    case VIV_OP_CREATE_TTL:
        return (int64_t)(VIV_OWNER_TTL_MARK | (uint64_t)request->ttl_ms);
    default:
        return is_ephemeral(request->flags) ? operation->request->session_id : 0;
    }
}

static bool is_sequential(int32_t flags)
{
    return flags == FLAGS_TTL_SEQUENTIAL || (flags < FLAGS_CONTAINER && (flags & FLAG_SEQUENTIAL) != 0);
}

static struct viv_bytes final_path(struct viv_preparer *preparer, struct viv_bytes path, bool has_suffix,
                                   int32_t child_counter)
{
    viv_buffer_clear(&preparer->path);
    viv_buffer_append_bytes(&preparer->path, path);
    if (has_suffix) {
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

static void accept_create(const struct operation *operation, const struct viv_create_request *request,
                          struct viv_bytes path, struct viv_bytes parent_path, struct viv_overlay_node *parent)
{
    struct viv_bytes acl = viv_buffer_bytes(&operation->preparer->acl);
    struct viv_overlay_node node = {
        .exists = true, .owner = owner_of(operation, request), .data_bytes = (uint32_t)request->data.bytes.size};

    int32_t counter = count_child(operation, parent_path, parent);
    viv_overlay_put(&operation->preparer->overlay, path, operation->zxid, &node, &acl);
    struct viv_create_txn txn = {
        .path = path,
        .data = request->data,
        .acl = acl,
        .ephemeral = is_ephemeral(request->flags),
        .parent_cversion = counter,
        .ttl_ms = request->ttl_ms,
    };
    viv_create_txn_encode(operation->record, &txn, (enum viv_op)operation->op);
}

static int32_t prepare_create(const struct operation *operation)
{
    struct viv_create_request request;
    struct viv_overlay_node parent, node;

    viv_create_request_decode(operation->reader, &request, (enum viv_op)operation->op);
    REFUSE_UNLESS(!operation->reader->bad && !request.path.null, VIV_REPLY_MARSHALLING_ERROR);
    struct viv_bytes path = request.path.bytes;
    int32_t code = check_flags(operation, request.flags, request.ttl_ms);
    REFUSE_UNLESS(code == VIV_REPLY_OK, code);
    REFUSE_UNLESS(session_lives(operation), VIV_REPLY_SESSION_EXPIRED);
    REFUSE_UNLESS(!operation->request->is_local || !is_ephemeral(request.flags), VIV_REPLY_EPHEMERAL_ON_LOCAL_SESSION);
    REFUSE_UNLESS(viv_path_has_parent(path), VIV_REPLY_BAD_ARGUMENTS);
    code = fix_acl(operation, request.acl);
    REFUSE_UNLESS(code == VIV_REPLY_OK, code);
    struct viv_bytes parent_path = viv_path_parent(path);
    REFUSE_UNLESS(find(operation, parent_path, &parent), VIV_REPLY_NO_NODE);
    REFUSE_UNLESS(allows(operation, &parent, VIV_PERM_CREATE), VIV_REPLY_NO_AUTH);
    path = final_path(operation->preparer, path, is_sequential(request.flags), parent.child_counter);
    REFUSE_UNLESS(viv_path_is_valid(path), VIV_REPLY_BAD_ARGUMENTS);
    REFUSE_UNLESS(!find(operation, path, &node), VIV_REPLY_NODE_EXISTS);
    REFUSE_UNLESS(!viv_owner_is_session(parent.owner), VIV_REPLY_NO_CHILDREN_FOR_EPHEMERALS);
    code = check_quota(operation, path, 1, (int64_t)request.data.bytes.size);
    REFUSE_UNLESS(code == VIV_REPLY_OK, code);
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

/* Asked for by the leader itself when a container has become useless: no session, no permission. It judged by the tree:
 * while anything is on its way to the node, which may use it or put another in its place, the node stays. */
static int32_t prepare_delete_container(const struct operation *operation)
{
    struct viv_overlay_node parent, node;

    struct viv_jute_slice text = viv_jute_read_buffer(operation->reader);
    REFUSE_UNLESS(!operation->reader->bad && !text.null, VIV_REPLY_MARSHALLING_ERROR);
    struct viv_bytes path = text.bytes;
    REFUSE_UNLESS(viv_path_has_parent(path) && !viv_path_is_reserved(path), VIV_REPLY_BAD_ARGUMENTS);
    REFUSE_UNLESS(find(operation, path, &node), VIV_REPLY_NO_NODE);
    REFUSE_UNLESS(node.child_count == 0, VIV_REPLY_NOT_EMPTY);
    REFUSE_UNLESS(node.owner != 0 && !viv_owner_is_session(node.owner), VIV_REPLY_BAD_VERSION);
    REFUSE_UNLESS(!viv_overlay_is_pending(&operation->preparer->overlay, path), VIV_REPLY_BAD_VERSION);
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
    int32_t code = check_quota(operation, path, 0, (int64_t)request.data.bytes.size - node.data_bytes);
    REFUSE_UNLESS(code == VIV_REPLY_OK, code);
    REFUSE_UNLESS(version_matches(request.version, node.version), VIV_REPLY_BAD_VERSION);
    node.version = next_version(node.version);
    node.data_bytes = (uint32_t)request.data.bytes.size;
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

/* ---- reconfig ---- */

/* The version of the node stays -1: what clients compare is in the text. */
static int32_t prepare_reconfig(const struct operation *operation)
{
    static const struct viv_bytes path = {(const uint8_t *)VIV_PATH_CONFIG, sizeof VIV_PATH_CONFIG - 1};
    const struct viv_prepare_rules *rules = &operation->preparer->rules;
    struct viv_reconfig_request request;
    struct viv_overlay_node node;

    viv_reconfig_request_decode(operation->reader, &request);
    REFUSE_UNLESS(!operation->reader->bad, VIV_REPLY_MARSHALLING_ERROR);
    REFUSE_UNLESS(rules->reconfigure != NULL, VIV_REPLY_RECONFIG_DISABLED);
    REFUSE_UNLESS(session_lives(operation), VIV_REPLY_SESSION_EXPIRED);
    struct viv_buffer text = {0};
    int32_t code = rules->reconfigure(rules->reconfigure_ctx, &request, operation->zxid, &text);
    if (code == VIV_REPLY_OK && (!find(operation, path, &node) || !allows(operation, &node, VIV_PERM_WRITE))) {
        code = VIV_REPLY_NO_AUTH;
    }
    if (code == VIV_REPLY_OK) {
        struct viv_set_data_txn txn = {.path = path, .data.bytes = viv_buffer_bytes(&text), .version = -1};
        node.version = -1;
        node.data_bytes = (uint32_t)text.size;
        put(operation, path, &node);
        viv_set_data_txn_encode(operation->record, &txn);
    }
    viv_buffer_fini(&text);
    return code;
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
    {VIV_OP_RECONFIG, prepare_reconfig},
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
