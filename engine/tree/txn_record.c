#include "tree/txn_record.h"

#include "base/assert.h"
#include "tree/tree_internal.h"

static bool decode_create(struct viv_jute_reader *reader, struct viv_arena *arena, struct viv_txn_record *record)
{
    (void)arena;
    struct viv_create_txn *create = &record->create;
    viv_create_txn_decode(reader, create, (enum viv_op)record->type);
    bool ttl_is_sound = record->type != VIV_OP_CREATE_TTL || (create->ttl_ms > 0 && create->ttl_ms <= VIV_TTL_MS_MAX);
    return !reader->bad && viv_tree_path_is_sound(create->path) && ttl_is_sound &&
           create->data.bytes.size <= VIV_ZNODE_DATA_BYTES_MAX;
}

static bool decode_delete(struct viv_jute_reader *reader, struct viv_arena *arena, struct viv_txn_record *record)
{
    (void)arena;
    record->path = viv_jute_read_buffer(reader).bytes;
    return !reader->bad && viv_tree_path_is_sound(record->path);
}

static bool decode_set_data(struct viv_jute_reader *reader, struct viv_arena *arena, struct viv_txn_record *record)
{
    (void)arena;
    viv_set_data_txn_decode(reader, &record->set_data);
    return !reader->bad && record->set_data.data.bytes.size <= VIV_ZNODE_DATA_BYTES_MAX;
}

static bool decode_set_acl(struct viv_jute_reader *reader, struct viv_arena *arena, struct viv_txn_record *record)
{
    (void)arena;
    viv_set_acl_txn_decode(reader, &record->set_acl);
    return !reader->bad;
}

static bool decode_check(struct viv_jute_reader *reader, struct viv_arena *arena, struct viv_txn_record *record)
{
    (void)arena;
    viv_path_version_txn_decode(reader, &record->check);
    return !reader->bad;
}

static bool decode_int(struct viv_jute_reader *reader, struct viv_arena *arena, struct viv_txn_record *record)
{
    (void)arena;
    record->err = viv_jute_read_int(reader);
    return !reader->bad;
}

/* Older writers log no list. What follows the header is then nothing, or the 12 bytes of a digest of version 2, which
 * cannot be a list: two paths take more. */
static bool has_no_list(struct viv_bytes rest)
{
    enum { DIGEST_BYTES = 12, DIGEST_VERSION = 2 };
    struct viv_jute_reader ahead = viv_jute_reader_of(rest);
    return rest.size == 0 || (rest.size == DIGEST_BYTES && viv_jute_read_int(&ahead) == DIGEST_VERSION);
}

static bool decode_close_session(struct viv_jute_reader *reader, struct viv_arena *arena, struct viv_txn_record *record)
{
    enum { PATH_BYTES_MIN = 4 };
    record->close.paths = NULL;
    record->close.path_count = 0;
    if (has_no_list(reader->rest)) {
        return true;
    }
    int32_t count = viv_jute_read_count(reader, PATH_BYTES_MIN);
    if (reader->bad || count <= 0) {
        return !reader->bad;
    }
    record->close.paths = viv_arena_alloc(arena, (size_t)count * sizeof *record->close.paths);
    for (int32_t i = 0; i < count; i++) {
        struct viv_bytes path = viv_jute_read_buffer(reader).bytes;
        if (reader->bad || !viv_tree_path_is_sound(path)) {
            return false;
        }
        record->close.paths[record->close.path_count++] = path;
    }
    return true;
}

typedef bool decode_fn(struct viv_jute_reader *reader, struct viv_arena *arena, struct viv_txn_record *record);

static const struct {
    int32_t type;
    enum viv_txn_kind kind;
    bool in_multi;
    decode_fn *decode;
} types[] = {
    {VIV_OP_SET_DATA, VIV_TXN_SET_DATA, true, decode_set_data},
    {VIV_OP_CREATE, VIV_TXN_CREATE, true, decode_create},
    {VIV_OP_CREATE2, VIV_TXN_CREATE, true, decode_create},
    {VIV_OP_DELETE, VIV_TXN_DELETE, true, decode_delete},
    {VIV_OP_ERROR, VIV_TXN_ERROR, true, decode_int},
    {VIV_OP_CHECK, VIV_TXN_CHECK, true, decode_check},
    {VIV_OP_CREATE_SESSION, VIV_TXN_CREATE_SESSION, false, decode_int},
    {VIV_OP_CLOSE_SESSION, VIV_TXN_CLOSE_SESSION, false, decode_close_session},
    {VIV_OP_SET_ACL, VIV_TXN_SET_ACL, false, decode_set_acl},
    {VIV_OP_CREATE_CONTAINER, VIV_TXN_CREATE, true, decode_create},
    {VIV_OP_CREATE_TTL, VIV_TXN_CREATE, true, decode_create},
    {VIV_OP_DELETE_CONTAINER, VIV_TXN_DELETE, true, decode_delete},
    {VIV_OP_RECONFIG, VIV_TXN_SET_DATA, false, decode_set_data},
};

bool viv_txn_record_decode(struct viv_jute_reader *reader, int32_t type, struct viv_arena *arena,
                           struct viv_txn_record *record)
{
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        if (types[i].type == type) {
            record->type = type;
            record->kind = types[i].kind;
            record->in_multi = types[i].in_multi;
            return types[i].decode(reader, arena, record);
        }
    }
    return false;
}
