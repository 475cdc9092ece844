#include "sim/check/write.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "wire/op.h"
#include "wire/reply_code.h"

enum { EPHEMERAL = 1, SEQUENTIAL = 2, CONTAINER_FLAGS = 4, TTL_FLAGS = 5, TTL_SEQUENTIAL_FLAGS = 6 };
#define TTL_MAX ((1LL << 40) - 1)

#define REFUSE(condition, code)                                                                                        \
    do {                                                                                                               \
        if (condition) {                                                                                               \
            return (code);                                                                                             \
        }                                                                                                              \
    } while (0)

struct step {
    struct viv_ref_tree *tree;
    const struct viv_ref_request *request;
    struct viv_ref_outcome *outcome;
    struct viv_ref_result *result;
    struct viv_jute_reader *reader;
    int32_t op;
};

void viv_ref_outcome_fini(struct viv_ref_outcome *outcome)
{
    for (size_t i = 0; i < outcome->result_count; i++) {
        viv_buffer_fini(&outcome->results[i].path);
    }
    for (size_t i = 0; i < outcome->change_count; i++) {
        viv_buffer_fini(&outcome->changes[i].path);
        viv_buffer_fini(&outcome->changes[i].acl);
        viv_buffer_fini(&outcome->changes[i].parent_acl);
    }
    free(outcome->results);
    free(outcome->changes);
    *outcome = (struct viv_ref_outcome){0};
}

static struct viv_ref_result *add_result(struct viv_ref_outcome *outcome, int32_t op, int32_t err)
{
    if (outcome->result_count == outcome->result_capacity) {
        outcome->result_capacity = outcome->result_capacity == 0 ? 1 : 2 * outcome->result_capacity;
        outcome->results = viv_realloc(outcome->results, outcome->result_capacity * sizeof(*outcome->results));
    }
    struct viv_ref_result *result = &outcome->results[outcome->result_count++];
    *result = (struct viv_ref_result){.op = op, .err = err};
    return result;
}

static void add_change(struct viv_ref_outcome *outcome, enum viv_ref_change_kind kind, const struct viv_ref_node *node,
                       const struct viv_ref_node *parent)
{
    if (outcome->change_count == outcome->change_capacity) {
        outcome->change_capacity = outcome->change_capacity == 0 ? 4 : 2 * outcome->change_capacity;
        outcome->changes = viv_realloc(outcome->changes, outcome->change_capacity * sizeof(*outcome->changes));
    }
    struct viv_ref_change *change = &outcome->changes[outcome->change_count++];
    *change = (struct viv_ref_change){.kind = kind};
    viv_ref_buffer_set(&change->path, viv_buffer_bytes(&node->path));
    viv_ref_buffer_set(&change->acl, viv_buffer_bytes(&node->acl));
    if (parent != NULL) {
        viv_ref_buffer_set(&change->parent_acl, viv_buffer_bytes(&parent->acl));
    }
}

static bool session_lives(const struct step *step)
{
    return viv_ref_session_lives(step->tree, step->request->session_id);
}

static bool may(const struct step *step, const struct viv_ref_node *node, int32_t perm)
{
    return viv_ref_may(viv_buffer_bytes(&node->acl), perm, step->request->who);
}

static bool has_parent(struct viv_bytes path)
{
    return path.size > 0 && memchr(path.data, '/', path.size) != NULL && memchr(path.data, 0, path.size) == NULL;
}

static int32_t next_version(int32_t version)
{
    return version == -2 ? 0 : (int32_t)((uint32_t)version + 1);
}

/* ---- create ---- */

static bool is_ttl(int32_t flags)
{
    return flags == TTL_FLAGS || flags == TTL_SEQUENTIAL_FLAGS;
}

static int32_t check_flags(const struct step *step, const struct viv_create_request *request)
{
    int32_t flags = request->flags, op = step->op;
    REFUSE(flags < 0 || flags > TTL_SEQUENTIAL_FLAGS, VIV_REPLY_BAD_ARGUMENTS);
    REFUSE(is_ttl(flags) && !step->tree->extended_types, VIV_REPLY_UNIMPLEMENTED);
    REFUSE(is_ttl(flags) != (op == VIV_OP_CREATE_TTL), VIV_REPLY_BAD_ARGUMENTS);
    REFUSE((flags == CONTAINER_FLAGS) != (op == VIV_OP_CREATE_CONTAINER), VIV_REPLY_BAD_ARGUMENTS);
    REFUSE(is_ttl(flags) && (request->ttl_ms <= 0 || request->ttl_ms > TTL_MAX), VIV_REPLY_BAD_ARGUMENTS);
    return VIV_REPLY_OK;
}

static void make_node(struct step *step, const struct viv_create_request *request, struct viv_bytes path,
                      struct viv_bytes acl)
{
    struct viv_ref_node *parent = viv_ref_edit(step->tree, viv_ref_parent(path));
    bool counts = parent->created_children < INT32_MAX;
    parent->created_children += counts;
    parent->pzxid = counts ? step->request->zxid : parent->pzxid;
    parent->child_count++;

    struct viv_ref_node *node = viv_ref_insert(step->tree, path);
    viv_buffer_append_bytes(&node->data, request->data.bytes);
    viv_buffer_append_bytes(&node->acl, acl);
    node->data_is_null = request->data.null;
    node->kind = step->op == VIV_OP_CREATE_CONTAINER ? VIV_REF_CONTAINER
                 : step->op == VIV_OP_CREATE_TTL     ? VIV_REF_TTL
                 : (request->flags & EPHEMERAL) != 0 ? VIV_REF_EPHEMERAL
                                                     : VIV_REF_PLAIN;
    node->owner = node->kind == VIV_REF_EPHEMERAL ? step->request->session_id : 0;
    node->czxid = node->mzxid = node->pzxid = step->request->zxid;
    node->ctime_ms = node->mtime_ms = step->request->time_ms;
    add_change(step->outcome, VIV_REF_CREATED, node, parent);
    viv_ref_buffer_set(&step->result->path, path);
    step->result->stat = viv_ref_stat(node);
}

static int32_t create_at(struct step *step, const struct viv_create_request *request, struct viv_bytes acl)
{
    const struct viv_ref_node *parent = viv_ref_find(step->tree, viv_ref_parent(request->path.bytes));
    bool is_sequential = request->flags == TTL_SEQUENTIAL_FLAGS ||
                         (request->flags < CONTAINER_FLAGS && (request->flags & SEQUENTIAL) != 0);
    int32_t code = VIV_REPLY_OK;
    REFUSE(parent == NULL, VIV_REPLY_NO_NODE);
    REFUSE(!may(step, parent, VIV_PERM_CREATE), VIV_REPLY_NO_AUTH);
    struct viv_buffer path = {0};
    viv_buffer_append_bytes(&path, request->path.bytes);
    if (is_sequential) {
        viv_buffer_printf(&path, "%010d", parent->created_children);
    }
    if (!viv_ref_path_is_valid(viv_buffer_bytes(&path))) {
        code = VIV_REPLY_BAD_ARGUMENTS;
    } else if (viv_ref_find(step->tree, viv_buffer_bytes(&path)) != NULL) {
        code = VIV_REPLY_NODE_EXISTS;
    } else if (parent->kind == VIV_REF_EPHEMERAL) {
        code = VIV_REPLY_NO_CHILDREN_FOR_EPHEMERALS;
    } else {
        make_node(step, request, viv_buffer_bytes(&path), acl);
    }
    viv_buffer_fini(&path);
    return code;
}

static int32_t write_create(struct step *step)
{
    struct viv_create_request request;
    viv_create_request_decode(step->reader, &request, (enum viv_op)step->op);
    REFUSE(step->reader->bad || request.path.null, VIV_REPLY_MARSHALLING_ERROR);
    int32_t code = check_flags(step, &request);
    REFUSE(code != VIV_REPLY_OK, code);
    REFUSE(!session_lives(step), VIV_REPLY_SESSION_EXPIRED);
    REFUSE(!has_parent(request.path.bytes), VIV_REPLY_BAD_ARGUMENTS);
    struct viv_buffer acl = {0};
    code = viv_ref_acl_fix(request.acl, step->request->who, &acl);
    if (code == VIV_REPLY_OK) {
        code = create_at(step, &request, viv_buffer_bytes(&acl));
    }
    viv_buffer_fini(&acl);
    return code;
}

/* ---- delete ---- */

static void take_node(struct viv_ref_tree *tree, struct viv_bytes path, uint64_t zxid, struct viv_ref_outcome *outcome)
{
    struct viv_ref_node *parent = viv_ref_edit(tree, viv_ref_parent(path));
    add_change(outcome, VIV_REF_DELETED, viv_ref_find(tree, path), parent);
    parent->child_count--;
    parent->pzxid = zxid;
    viv_ref_remove(tree, path);
}

static bool is_reserved(struct viv_bytes path)
{
    static const char *const reserved[] = {"/", "/zookeeper", "/zookeeper/quota", "/zookeeper/config"};
    for (size_t i = 0; i < sizeof(reserved) / sizeof(*reserved); i++) {
        if (viv_bytes_equal(path, viv_bytes_text(reserved[i]))) {
            return true;
        }
    }
    return false;
}

static int32_t write_delete(struct step *step)
{
    struct viv_path_version_request request;
    viv_path_version_request_decode(step->reader, &request);
    REFUSE(step->reader->bad || request.path.null, VIV_REPLY_MARSHALLING_ERROR);
    struct viv_bytes path = request.path.bytes;
    REFUSE(!session_lives(step), VIV_REPLY_SESSION_EXPIRED);
    REFUSE(!has_parent(path) || is_reserved(path), VIV_REPLY_BAD_ARGUMENTS);
    const struct viv_ref_node *parent = viv_ref_find(step->tree, viv_ref_parent(path));
    REFUSE(parent == NULL, VIV_REPLY_NO_NODE);
    REFUSE(!may(step, parent, VIV_PERM_DELETE), VIV_REPLY_NO_AUTH);
    const struct viv_ref_node *node = viv_ref_find(step->tree, path);
    REFUSE(node == NULL, VIV_REPLY_NO_NODE);
    REFUSE(request.version != -1 && request.version != node->version, VIV_REPLY_BAD_VERSION);
    REFUSE(node->child_count > 0, VIV_REPLY_NOT_EMPTY);
    take_node(step->tree, path, step->request->zxid, step->outcome);
    return VIV_REPLY_OK;
}

int32_t viv_ref_reap(struct viv_ref_tree *tree, struct viv_bytes path, uint64_t zxid, struct viv_ref_outcome *outcome)
{
    const struct viv_ref_node *node = viv_ref_find(tree, path);
    REFUSE(node == NULL || is_reserved(path), VIV_REPLY_NO_NODE);
    REFUSE(node->child_count > 0, VIV_REPLY_NOT_EMPTY);
    REFUSE(node->kind == VIV_REF_PLAIN, VIV_REPLY_BAD_VERSION);
    take_node(tree, path, zxid, outcome);
    return VIV_REPLY_OK;
}

/* ---- setData, setACL, check ---- */

static int32_t write_data(struct step *step)
{
    struct viv_set_data_request request;
    viv_set_data_request_decode(step->reader, &request);
    REFUSE(step->reader->bad || request.path.null, VIV_REPLY_MARSHALLING_ERROR);
    REFUSE(!session_lives(step), VIV_REPLY_SESSION_EXPIRED);
    REFUSE(!viv_ref_path_is_valid(request.path.bytes), VIV_REPLY_BAD_ARGUMENTS);
    struct viv_ref_node *node = viv_ref_edit(step->tree, request.path.bytes);
    REFUSE(node == NULL, VIV_REPLY_NO_NODE);
    REFUSE(!may(step, node, VIV_PERM_WRITE), VIV_REPLY_NO_AUTH);
    REFUSE(request.version != -1 && request.version != node->version, VIV_REPLY_BAD_VERSION);
    viv_ref_buffer_set(&node->data, request.data.bytes);
    node->data_is_null = request.data.null;
    node->version = next_version(node->version);
    node->mzxid = step->request->zxid;
    node->mtime_ms = step->request->time_ms;
    add_change(step->outcome, VIV_REF_DATA, node, NULL);
    step->result->stat = viv_ref_stat(node);
    return VIV_REPLY_OK;
}

static int32_t set_acl(struct step *step, const struct viv_set_acl_request *request, struct viv_bytes acl)
{
    struct viv_ref_node *node = viv_ref_edit(step->tree, request->path.bytes);
    REFUSE(node == NULL, VIV_REPLY_NO_NODE);
    REFUSE(!may(step, node, VIV_PERM_ADMIN), VIV_REPLY_NO_AUTH);
    REFUSE(request->version != -1 && request->version != node->aversion, VIV_REPLY_BAD_VERSION);
    viv_ref_buffer_set(&node->acl, acl);
    node->aversion = next_version(node->aversion);
    step->result->stat = viv_ref_stat(node);
    return VIV_REPLY_OK;
}

static int32_t write_acl(struct step *step)
{
    struct viv_set_acl_request request;
    viv_set_acl_request_decode(step->reader, &request);
    REFUSE(step->reader->bad || request.path.null, VIV_REPLY_MARSHALLING_ERROR);
    REFUSE(!session_lives(step), VIV_REPLY_SESSION_EXPIRED);
    REFUSE(!viv_ref_path_is_valid(request.path.bytes), VIV_REPLY_BAD_ARGUMENTS);
    struct viv_buffer acl = {0};
    int32_t code = viv_ref_acl_fix(request.acl, step->request->who, &acl);
    code = code == VIV_REPLY_OK ? set_acl(step, &request, viv_buffer_bytes(&acl)) : code;
    viv_buffer_fini(&acl);
    return code;
}

static int32_t write_check(struct step *step)
{
    struct viv_path_version_request request;
    viv_path_version_request_decode(step->reader, &request);
    REFUSE(step->reader->bad || request.path.null, VIV_REPLY_MARSHALLING_ERROR);
    REFUSE(!session_lives(step), VIV_REPLY_SESSION_EXPIRED);
    REFUSE(!viv_ref_path_is_valid(request.path.bytes), VIV_REPLY_BAD_ARGUMENTS);
    const struct viv_ref_node *node = viv_ref_find(step->tree, request.path.bytes);
    REFUSE(node == NULL, VIV_REPLY_NO_NODE);
    REFUSE(!may(step, node, VIV_PERM_READ), VIV_REPLY_NO_AUTH);
    REFUSE(request.version != -1 && request.version != node->version, VIV_REPLY_BAD_VERSION);
    return VIV_REPLY_OK;
}

void viv_ref_reconfigure(struct viv_ref_tree *tree, uint64_t zxid, struct viv_ref_outcome *outcome)
{
    struct viv_ref_node *node = viv_ref_edit(tree, VIV_BYTES_LITERAL("/zookeeper/config"));
    node->mzxid = zxid;
    add_change(outcome, VIV_REF_DATA, node, NULL);
}

/* ---- sessions ---- */

void viv_ref_open_session(struct viv_ref_tree *tree, int64_t session_id)
{
    viv_ref_session(tree, session_id)->is_open = true;
}

void viv_ref_close_session(struct viv_ref_tree *tree, int64_t session_id, uint64_t zxid,
                           struct viv_ref_outcome *outcome)
{
    viv_ref_session(tree, session_id)->is_open = false;
    for (size_t i = 0; i < tree->count;) {
        const struct viv_ref_node *node = tree->nodes[i];
        if (node->kind != VIV_REF_EPHEMERAL || node->owner != session_id) {
            i++;
            continue;
        }
        struct viv_buffer path = {0};
        viv_buffer_append_bytes(&path, viv_buffer_bytes(&node->path));
        take_node(tree, viv_buffer_bytes(&path), zxid, outcome);
        viv_buffer_fini(&path);
    }
}

/* ---- all ---- */

static const struct rule {
    int32_t op;
    int32_t reply_op;
    bool in_multi;
    int32_t (*write)(struct step *step);
} rules[] = {
    {VIV_OP_CREATE, VIV_OP_CREATE, true, write_create},
    {VIV_OP_CREATE2, VIV_OP_CREATE2, true, write_create},
    {VIV_OP_CREATE_CONTAINER, VIV_OP_CREATE2, true, write_create},
    {VIV_OP_CREATE_TTL, VIV_OP_CREATE2, true, write_create},
    {VIV_OP_DELETE, VIV_OP_DELETE, true, write_delete},
    {VIV_OP_SET_DATA, VIV_OP_SET_DATA, true, write_data},
    {VIV_OP_SET_ACL, VIV_OP_SET_ACL, false, write_acl},
    {VIV_OP_CHECK, VIV_OP_CHECK, true, write_check},
};

static const struct rule *rule_of(int32_t op)
{
    for (size_t i = 0; i < sizeof(rules) / sizeof(*rules); i++) {
        if (rules[i].op == op) {
            return &rules[i];
        }
    }
    return NULL;
}

bool viv_ref_is_write(int32_t op)
{
    return op == VIV_OP_MULTI || op == VIV_OP_CLOSE_SESSION || (op != VIV_OP_CHECK && rule_of(op) != NULL);
}

static int32_t write_one(struct viv_ref_tree *tree, const struct viv_ref_request *request, int32_t op,
                         struct viv_jute_reader *reader, struct viv_ref_outcome *outcome)
{
    const struct rule *rule = rule_of(op);
    bool is_plain = outcome->is_multi && tree->is_zookeeper && op == VIV_OP_CREATE2;
    int32_t reply_op = is_plain ? VIV_OP_CREATE : rule->reply_op;
    struct step step = {tree, request, outcome, add_result(outcome, reply_op, 0), reader, op};
    step.result->err = rule->write(&step);
    return step.result->err;
}

/* Every operation must be one of those that a multi may have, and readable, before the first is looked at. */
static bool multi_is_sound(const struct viv_ref_tree *tree, struct viv_bytes record, size_t *count)
{
    struct viv_jute_reader reader = viv_jute_reader_of(record);
    struct viv_multi_header header;
    for (*count = 0;; ++*count) {
        struct viv_create_request create = {0};
        struct viv_path_version_request versioned = {0};
        struct viv_set_data_request data = {0};
        viv_multi_header_decode(&reader, &header);
        if (reader.bad || header.done) {
            return !reader.bad;
        }
        const struct rule *rule = rule_of(header.type);
        if (rule == NULL || !rule->in_multi) {
            return false;
        }
        if (rule->write == write_create) {
            viv_create_request_decode(&reader, &create, (enum viv_op)header.type);
        } else if (rule->write == write_data) {
            viv_set_data_request_decode(&reader, &data);
        } else {
            viv_path_version_request_decode(&reader, &versioned);
        }
        bool has_flags = create.flags >= 0 && create.flags <= TTL_SEQUENTIAL_FLAGS;
        if (reader.bad || create.path.null || versioned.path.null || data.path.null ||
            (!has_flags && !tree->is_zookeeper)) {
            return false;
        }
    }
}

/* All or nothing. What fails is told in the results, not in the header. */
static int32_t write_multi(struct viv_ref_tree *tree, const struct viv_ref_request *request,
                           struct viv_ref_outcome *outcome)
{
    struct viv_jute_reader reader = viv_jute_reader_of(request->record);
    struct viv_multi_header header;
    size_t count;
    int32_t failure = VIV_REPLY_OK;
    REFUSE(!multi_is_sound(tree, request->record, &count), VIV_REPLY_MARSHALLING_ERROR);
    outcome->is_multi = true;
    viv_ref_try_begin(tree);
    for (size_t i = 0; i < count && failure == VIV_REPLY_OK; i++) {
        viv_multi_header_decode(&reader, &header);
        failure = write_one(tree, request, header.type, &reader, outcome);
    }
    viv_ref_try_end(tree, failure == VIV_REPLY_OK);
    if (failure == VIV_REPLY_OK) {
        return VIV_REPLY_OK;
    }
    size_t failed = outcome->result_count - 1;
    while (outcome->result_count < count) {
        add_result(outcome, VIV_OP_ERROR, VIV_REPLY_RUNTIME_INCONSISTENCY);
    }
    for (size_t i = 0; i <= failed; i++) {
        outcome->results[i].op = VIV_OP_ERROR;
    }
    while (outcome->change_count > 0) {
        struct viv_ref_change *change = &outcome->changes[--outcome->change_count];
        viv_buffer_fini(&change->path);
        viv_buffer_fini(&change->acl);
        viv_buffer_fini(&change->parent_acl);
    }
    return failure == VIV_REPLY_MARSHALLING_ERROR ? failure : VIV_REPLY_OK;
}

void viv_ref_write(struct viv_ref_tree *tree, const struct viv_ref_request *request, struct viv_ref_outcome *outcome)
{
    struct viv_jute_reader reader = viv_jute_reader_of(request->record);
    VIV_ASSERT(viv_ref_is_write(request->op));
    if (request->op == VIV_OP_MULTI) {
        outcome->err = write_multi(tree, request, outcome);
    } else if (request->op != VIV_OP_CLOSE_SESSION) {
        outcome->err = write_one(tree, request, request->op, &reader, outcome);
    } else if (viv_ref_session_lives(tree, request->session_id)) {
        viv_ref_close_session(tree, request->session_id, request->zxid, outcome);
    } else {
        outcome->err = VIV_REPLY_SESSION_EXPIRED;
    }
}
