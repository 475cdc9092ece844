#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "sim/check/check_internal.h"
#include "wire/op.h"
#include "wire/reply_code.h"

/* Replies beside what the reference tree says. The first difference is told, in words. */

struct comparison {
    struct viv_ref_tree *tree;
    const struct viv_ref_identities *who;
    int64_t session_id;
    struct viv_jute_reader wanted, seen; /* the request's record, the reply's */
    struct viv_buffer *difference;
};

enum { TEXT_BYTES_SHOWN = 60 };

static bool differs(struct comparison *comparison, const char *what, int64_t expected, int64_t seen)
{
    if (expected != seen && comparison->difference->size == 0) {
        viv_buffer_printf(comparison->difference, "%s: expected %" PRId64 ", saw %" PRId64, what, expected, seen);
    }
    return expected != seen;
}

static void put_text(struct viv_buffer *out, struct viv_bytes text)
{
    viv_buffer_append(out, "\"", 1);
    for (size_t i = 0; i < text.size && i < TEXT_BYTES_SHOWN; i++) {
        if (text.data[i] >= ' ' && text.data[i] < 0x7f) {
            viv_buffer_append(out, &text.data[i], 1);
        } else {
            viv_buffer_printf(out, "\\x%02x", text.data[i]);
        }
    }
    viv_buffer_printf(out, text.size > TEXT_BYTES_SHOWN ? "\"... (%zu bytes)" : "\"", text.size);
}

static bool text_differs(struct comparison *comparison, const char *what, struct viv_bytes expected,
                         struct viv_bytes seen)
{
    if (viv_bytes_equal(expected, seen)) {
        return false;
    }
    if (comparison->difference->size == 0) {
        viv_buffer_printf(comparison->difference, "%s: expected ", what);
        put_text(comparison->difference, expected);
        viv_buffer_printf(comparison->difference, ", saw ");
        put_text(comparison->difference, seen);
    }
    return true;
}

/* ---- stat ---- */

static int64_t known_or(int64_t expected, int64_t seen)
{
    return expected == VIV_REF_TIME_UNKNOWN ? seen : expected;
}

/* A time that nobody knew is known from now on. */
static void learn(struct comparison *comparison, struct viv_bytes path, const struct viv_stat *seen)
{
    struct viv_ref_node *node = viv_ref_find(comparison->tree, path);
    if (node == NULL || (int64_t)node->czxid != seen->czxid) {
        return;
    }
    node->ctime_ms = known_or(node->ctime_ms, seen->ctime);
    node->mtime_ms = (int64_t)node->mzxid == seen->mzxid ? known_or(node->mtime_ms, seen->mtime) : node->mtime_ms;
}

static bool same_stat(struct comparison *comparison, struct viv_bytes path, const struct viv_stat *expected)
{
    struct viv_stat seen;
    viv_stat_decode(&comparison->seen, &seen);
    bool differs_somewhere = differs(comparison, "czxid", expected->czxid, seen.czxid) ||
                             differs(comparison, "mzxid", expected->mzxid, seen.mzxid) ||
                             differs(comparison, "pzxid", expected->pzxid, seen.pzxid) ||
                             differs(comparison, "version", expected->version, seen.version) ||
                             differs(comparison, "cversion", expected->cversion, seen.cversion) ||
                             differs(comparison, "aversion", expected->aversion, seen.aversion) ||
                             differs(comparison, "ephemeralOwner", expected->ephemeral_owner, seen.ephemeral_owner) ||
                             differs(comparison, "dataLength", expected->data_bytes, seen.data_bytes) ||
                             differs(comparison, "numChildren", expected->child_count, seen.child_count) ||
                             differs(comparison, "ctime", known_or(expected->ctime, seen.ctime), seen.ctime) ||
                             differs(comparison, "mtime", known_or(expected->mtime, seen.mtime), seen.mtime);
    learn(comparison, path, &seen);
    return !differs_somewhere;
}

/* ---- lists, whose order nobody promises ---- */

static int bytes_compare(const void *left, const void *right)
{
    return viv_bytes_compare(*(const struct viv_bytes *)left, *(const struct viv_bytes *)right);
}

static bool same_set(struct comparison *comparison, const char *what, struct viv_bytes *expected, size_t expected_count,
                     struct viv_bytes *seen, size_t seen_count)
{
    qsort(expected, expected_count, sizeof(*expected), bytes_compare);
    qsort(seen, seen_count, sizeof(*seen), bytes_compare);
    for (size_t i = 0; i < expected_count || i < seen_count; i++) {
        struct viv_bytes a = i < expected_count ? expected[i] : (struct viv_bytes){0};
        struct viv_bytes b = i < seen_count ? seen[i] : (struct viv_bytes){0};
        if (text_differs(comparison, what, a, b)) {
            return false;
        }
    }
    return !differs(comparison, what, (int64_t)expected_count, (int64_t)seen_count);
}

static struct viv_bytes *read_names(struct viv_jute_reader *reader, size_t *count)
{
    int32_t announced = viv_jute_read_count(reader, 4);
    *count = announced < 0 || reader->bad ? 0 : (size_t)announced;
    struct viv_bytes *names = viv_alloc((*count + 1) * sizeof(*names));
    for (size_t i = 0; i < *count; i++) {
        names[i] = viv_jute_read_buffer(reader).bytes;
    }
    return names;
}

static bool same_names(struct comparison *comparison, const char *what, struct viv_bytes *expected, size_t count)
{
    size_t seen_count;
    struct viv_bytes *seen = read_names(&comparison->seen, &seen_count);
    bool same = same_set(comparison, what, expected, count, seen, seen_count);
    free(seen);
    return same;
}

static bool same_children(struct comparison *comparison, const struct viv_ref_node *node)
{
    struct viv_bytes path = viv_buffer_bytes(&node->path);
    size_t first, below = viv_ref_below(comparison->tree, path, &first), count = 0;
    struct viv_bytes *expected = viv_alloc((below + 1) * sizeof(*expected));
    for (size_t i = first; i < first + below; i++) {
        struct viv_bytes child = viv_buffer_bytes(&comparison->tree->nodes[i]->path);
        if (viv_ref_is_child(child, path)) {
            expected[count++] = viv_ref_name(child);
        }
    }
    bool same = same_names(comparison, "children", expected, count);
    free(expected);
    return same;
}

/* The raw entries of a list, each by itself. */
static size_t split_acl(struct viv_bytes acl, struct viv_bytes *entries, size_t capacity)
{
    struct viv_jute_reader reader = viv_jute_reader_of(acl);
    size_t count = (size_t)viv_jute_read_int(&reader), i;
    for (i = 0; i < count && i < capacity && !reader.bad; i++) {
        struct viv_acl_entry entry;
        const uint8_t *start = reader.rest.data;
        viv_acl_entry_decode(&reader, &entry);
        entries[i] = viv_bytes_of(start, (size_t)(reader.rest.data - start));
    }
    return i;
}

static bool same_acl(struct comparison *comparison, const struct viv_ref_node *node)
{
    enum { ENTRIES_MAX = 64 };
    struct viv_bytes expected[ENTRIES_MAX], seen[ENTRIES_MAX], acl = viv_buffer_bytes(&node->acl);
    struct viv_buffer masked = {0};
    if (!viv_ref_may(acl, VIV_PERM_ADMIN, comparison->who)) {
        viv_ref_acl_mask(acl, &masked);
        acl = viv_buffer_bytes(&masked);
    }
    struct viv_bytes list = viv_acl_list_read(&comparison->seen);
    bool same = same_set(comparison, "acl", expected, split_acl(acl, expected, ENTRIES_MAX), seen,
                         split_acl(list, seen, ENTRIES_MAX));
    viv_buffer_fini(&masked);
    return same;
}

/* ---- reads ---- */

static bool same_data(struct comparison *comparison, const struct viv_ref_node *node)
{
    struct viv_jute_slice seen = viv_jute_read_buffer(&comparison->seen);
    return !differs(comparison, "data is null", node->data_is_null, seen.null) &&
           !text_differs(comparison, "data", viv_buffer_bytes(&node->data), seen.bytes);
}

/* What is read of one node; the permissions are of those one is enough. */
static const struct node_read {
    int32_t op;
    int32_t perms;
    bool data, children, acl, stat;
} node_reads[] = {
    {VIV_OP_EXISTS, VIV_PERM_READ, .stat = true},
    {VIV_OP_GET_DATA, VIV_PERM_READ, .data = true, .stat = true},
    {VIV_OP_GET_CHILDREN, VIV_PERM_READ, .children = true},
    {VIV_OP_GET_CHILDREN2, VIV_PERM_READ, .children = true, .stat = true},
    {VIV_OP_GET_ACL, VIV_PERM_READ | VIV_PERM_ADMIN, .acl = true, .stat = true},
};

static const struct node_read *node_read_of(int32_t op)
{
    for (size_t i = 0; i < sizeof(node_reads) / sizeof(*node_reads); i++) {
        if (node_reads[i].op == op) {
            return &node_reads[i];
        }
    }
    return NULL;
}

/* Whose times and texts no transaction explains. */
static bool is_unknown(struct viv_bytes path)
{
    return viv_bytes_equal(path, VIV_BYTES_LITERAL("/zookeeper/config"));
}

static int32_t node_code(const struct comparison *comparison, const struct node_read *read, struct viv_bytes path,
                         const struct viv_ref_node *node)
{
    if (read->op == VIV_OP_EXISTS && path.size > 0 && memchr(path.data, 0, path.size) != NULL) {
        return VIV_REPLY_BAD_ARGUMENTS;
    }
    if (node == NULL) {
        return VIV_REPLY_NO_NODE;
    }
    bool is_free = read->op == VIV_OP_EXISTS && comparison->tree->is_zookeeper;
    return is_free || viv_ref_may(viv_buffer_bytes(&node->acl), read->perms, comparison->who) ? VIV_REPLY_OK
                                                                                              : VIV_REPLY_NO_AUTH;
}

static bool same_node(struct comparison *comparison, const struct node_read *read, struct viv_bytes path)
{
    const struct viv_ref_node *node = viv_ref_find(comparison->tree, path);
    struct viv_stat stat = viv_ref_stat(node);
    return (!read->data || same_data(comparison, node)) && (!read->children || same_children(comparison, node)) &&
           (!read->acl || same_acl(comparison, node)) &&
           (!read->stat || same_stat(comparison, viv_buffer_bytes(&node->path), &stat));
}

static bool same_node_read(struct comparison *comparison, const struct node_read *read, int32_t code)
{
    struct viv_jute_slice path = viv_jute_read_buffer(&comparison->wanted);
    if (comparison->wanted.bad || path.null) {
        return !differs(comparison, "error", VIV_REPLY_MARSHALLING_ERROR, code);
    }
    const struct viv_ref_node *node = viv_ref_find(comparison->tree, path.bytes);
    if (differs(comparison, "error", node_code(comparison, read, path.bytes, node), code)) {
        return false;
    }
    if (code != VIV_REPLY_OK || is_unknown(path.bytes)) {
        comparison->seen.rest.size = 0;
        return true;
    }
    return same_node(comparison, read, path.bytes);
}

static bool same_multi_read(struct comparison *comparison, int32_t code)
{
    struct viv_multi_header wanted, seen;
    bool same = !differs(comparison, "error", VIV_REPLY_OK, code);
    while (same) {
        viv_multi_header_decode(&comparison->wanted, &wanted);
        viv_multi_header_decode(&comparison->seen, &seen);
        if (wanted.done || seen.done) {
            return !differs(comparison, "end of the results", wanted.done, seen.done);
        }
        const struct node_read *read = node_read_of(wanted.type);
        if (read == NULL || comparison->wanted.bad || comparison->seen.bad) {
            break;
        }
        struct viv_jute_slice path = viv_jute_read_buffer(&comparison->wanted);
        viv_jute_read_bool(&comparison->wanted);
        const struct viv_ref_node *node = viv_ref_find(comparison->tree, path.bytes);
        int32_t expected = node_code(comparison, read, path.bytes, node);
        same = !differs(comparison, "type of a result", expected == VIV_REPLY_OK ? wanted.type : VIV_OP_ERROR,
                        seen.type) &&
               !differs(comparison, "error of a result", expected, seen.err) &&
               (expected == VIV_REPLY_OK
                    ? same_node(comparison, read, path.bytes)
                    : !differs(comparison, "error of a result", expected, viv_jute_read_int(&comparison->seen)));
    }
    return same && !differs(comparison, "results that can be read", true, false);
}

static bool same_ephemerals(struct comparison *comparison, int32_t code)
{
    const struct viv_ref_tree *tree = comparison->tree;
    struct viv_bytes prefix = viv_jute_read_buffer(&comparison->wanted).bytes;
    struct viv_bytes *expected = viv_alloc((tree->count + 1) * sizeof(*expected));
    size_t count = 0;
    for (size_t i = 0; i < tree->count; i++) {
        struct viv_bytes path = viv_buffer_bytes(&tree->nodes[i]->path);
        if (tree->nodes[i]->kind == VIV_REF_EPHEMERAL && tree->nodes[i]->owner == comparison->session_id &&
            viv_bytes_starts_with(path, prefix)) {
            expected[count++] = path;
        }
    }
    bool same =
        !differs(comparison, "error", VIV_REPLY_OK, code) && same_names(comparison, "ephemerals", expected, count);
    free(expected);
    return same;
}

static bool same_number(struct comparison *comparison, int32_t code)
{
    struct viv_bytes path = viv_jute_read_buffer(&comparison->wanted).bytes;
    const struct viv_ref_node *node = viv_ref_find(comparison->tree, path);
    static const struct node_read read = {.op = VIV_OP_GET_ALL_CHILDREN_NUMBER, .perms = VIV_PERM_READ};
    size_t first;
    if (differs(comparison, "error", node_code(comparison, &read, path, node), code)) {
        return false;
    }
    return code != VIV_REPLY_OK ||
           !differs(comparison, "number of all children", (int64_t)viv_ref_below(comparison->tree, path, &first),
                    viv_jute_read_int(&comparison->seen));
}

static bool same_sync(struct comparison *comparison, int32_t code)
{
    return !differs(comparison, "error", VIV_REPLY_OK, code) &&
           !text_differs(comparison, "path", viv_jute_read_buffer(&comparison->wanted).bytes,
                         viv_jute_read_buffer(&comparison->seen).bytes);
}

static const struct other_read {
    int32_t op;
    bool (*same)(struct comparison *comparison, int32_t code);
} other_reads[] = {
    {VIV_OP_MULTI_READ, same_multi_read},
    {VIV_OP_GET_EPHEMERALS, same_ephemerals},
    {VIV_OP_GET_ALL_CHILDREN_NUMBER, same_number},
    {VIV_OP_SYNC, same_sync},
};

static const struct other_read *other_read_of(int32_t op)
{
    for (size_t i = 0; i < sizeof(other_reads) / sizeof(*other_reads); i++) {
        if (other_reads[i].op == op) {
            return &other_reads[i];
        }
    }
    return NULL;
}

bool viv_check_is_read(int32_t op)
{
    return node_read_of(op) != NULL || other_read_of(op) != NULL;
}

/* Nothing may be missing from the reply, nor stand behind it. */
static bool is_whole(struct comparison *comparison)
{
    return !differs(comparison, "a reply that is cut short", false, comparison->seen.bad) &&
           !differs(comparison, "bytes behind the reply", 0, (int64_t)comparison->seen.rest.size);
}

bool viv_check_same_read(struct viv_ref_tree *tree, const struct viv_sim_record *request, int64_t session_id,
                         const struct viv_ref_identities *who, const struct viv_sim_record *reply,
                         struct viv_buffer *difference)
{
    struct comparison comparison = {
        tree, who, session_id, viv_jute_reader_of(request->bytes), viv_jute_reader_of(reply->bytes), difference};
    const struct node_read *read = node_read_of(request->type);
    bool same = read != NULL ? same_node_read(&comparison, read, reply->code)
                             : other_read_of(request->type)->same(&comparison, reply->code);
    return same && is_whole(&comparison);
}

/* ---- writes ---- */

static bool same_result(struct comparison *comparison, const struct viv_ref_result *result)
{
    struct viv_bytes path = viv_buffer_bytes(&result->path);
    bool is_create = result->op == VIV_OP_CREATE || result->op == VIV_OP_CREATE2;
    bool has_stat = result->op == VIV_OP_CREATE2 || result->op == VIV_OP_SET_DATA || result->op == VIV_OP_SET_ACL;
    if (is_create && text_differs(comparison, "path", path, viv_jute_read_buffer(&comparison->seen).bytes)) {
        return false;
    }
    if (result->op == VIV_OP_SET_DATA || result->op == VIV_OP_SET_ACL) {
        path = viv_jute_read_buffer(&comparison->wanted).bytes;
    }
    return !has_stat || same_stat(comparison, path, &result->stat);
}

static bool same_results(struct comparison *comparison, const struct viv_ref_outcome *outcome)
{
    struct viv_multi_header header;
    for (size_t i = 0; i < outcome->result_count; i++) {
        const struct viv_ref_result *result = &outcome->results[i];
        viv_multi_header_decode(&comparison->seen, &header);
        if (differs(comparison, "end of the results", false, header.done) ||
            differs(comparison, "type of a result", result->op, header.type) ||
            differs(comparison, "error of a result", result->err, header.err)) {
            return false;
        }
        bool same = result->op == VIV_OP_ERROR
                        ? !differs(comparison, "error of a result", result->err, viv_jute_read_int(&comparison->seen))
                        : same_result(comparison, result);
        if (!same) {
            return false;
        }
    }
    viv_multi_header_decode(&comparison->seen, &header);
    return !differs(comparison, "end of the results", true, header.done);
}

bool viv_check_same_write(struct viv_ref_tree *tree, const struct viv_sim_record *request,
                          const struct viv_ref_outcome *outcome, const struct viv_sim_record *reply,
                          struct viv_buffer *difference)
{
    struct comparison comparison = {
        tree, NULL, 0, viv_jute_reader_of(request->bytes), viv_jute_reader_of(reply->bytes), difference};
    if (differs(&comparison, "error", outcome->err, reply->code)) {
        return false;
    }
    bool same =
        reply->code != VIV_REPLY_OK || (outcome->is_multi            ? same_results(&comparison, outcome)
                                        : outcome->result_count == 0 ? true
                                                                     : same_result(&comparison, &outcome->results[0]));
    return same && is_whole(&comparison);
}
