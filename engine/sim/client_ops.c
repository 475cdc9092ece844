#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/endian.h"
#include "sim/recipe.h"
#include "sim/world.h"

/* What clients ask for, from the lines of the plan. */

enum { FLAG_EPHEMERAL = 1, FLAG_SEQUENTIAL = 2, FLAGS_CONTAINER = 4, FLAGS_TTL = 5 };
enum { ADD_PERSISTENT, ADD_RECURSIVE, REMOVE_ANY = 3, MULTI_STEPS_MAX = 4, TTL_MS_MAX = 5000 };
/* Most silences are short; one in four may outlast the session. */
enum { SILENCE_MS_MAX = 500, SILENCE_TENTHS_MIN = 8, SILENCE_TENTHS_MAX = 20 };

static struct viv_jute_slice slice_of(const char *text)
{
    return (struct viv_jute_slice){.bytes = viv_bytes_text(text)};
}

static void note_request(struct viv_sim_world *world, size_t client, const struct viv_request_header *header,
                         struct viv_bytes record)
{
    viv_sim_history_add(&world->history, &(struct viv_sim_record){.kind = VIV_SIM_REQUEST,
                                                                  .time_ns = world->now_ns,
                                                                  .client = (int32_t)client,
                                                                  .xid = header->xid,
                                                                  .type = header->type,
                                                                  .bytes = record});
}

void viv_sim_client_ask(struct viv_sim_world *world, size_t client, int32_t type, struct viv_bytes record,
                        const struct viv_sim_asked *about)
{
    struct viv_sim_client *me = &world->clients[client];
    if (me->asked_count == me->asked_capacity) {
        me->asked_capacity = me->asked_capacity == 0 ? 16 : me->asked_capacity * 2;
        me->asked = viv_realloc(me->asked, me->asked_capacity * sizeof *me->asked);
    }
    bool is_own = type == VIV_OP_SET_WATCHES2;
    struct viv_sim_asked *asked = &me->asked[me->asked_count++];
    *asked = *about;
    asked->xid = is_own ? VIV_XID_SET_WATCHES : ++me->xid;
    asked->type = type;
    asked->at_ns = world->now_ns;
    const struct viv_request_header header = {.xid = asked->xid, .type = type};
    world->result->asked++;
    note_request(world, client, &header, record);
    viv_sim_client_send(world, client, &header, record);
}

void viv_sim_client_authenticate(struct viv_sim_world *world, size_t client)
{
    const struct viv_request_header header = {.xid = VIV_XID_AUTH, .type = VIV_OP_AUTH};
    struct viv_buffer record = {0};
    viv_jute_write_int(&record, 0);
    viv_jute_write_text(&record, "digest");
    viv_jute_write_text(&record, VIV_SIM_SUPER_USER);
    note_request(world, client, &header, viv_buffer_bytes(&record));
    viv_sim_client_send(world, client, &header, viv_buffer_bytes(&record));
    viv_buffer_fini(&record);
}

/* ---- what follows from the salt ---- */

/* A value that says who wrote it, of some length. */
static void make_data(const struct viv_sim_world *world, size_t client, struct viv_rng *salt, struct viv_buffer *data)
{
    int64_t max = VIV_SIM_GET(world, data_bytes_max);
    size_t size = (size_t)(viv_rng_below(salt, 8) == 0 ? 0 : viv_sim_draw_log(salt, 1, max < 1 ? 1 : max));
    viv_buffer_printf(data, "%zu-%d-", client, (int)world->clients[client].xid + 1);
    while (data->size < size) {
        viv_buffer_append(data, "abcdefghijklmnopqrstuvwxyz", 1 + (size_t)viv_rng_below(salt, 26));
    }
    data->size = size < data->size && size > 0 ? size : data->size;
}

/* The version last seen of the path; -1 when it was never seen. */
static int32_t known_version(const struct viv_sim_client *me, const char *path)
{
    size_t count = me->known_count < VIV_SIM_KNOWN_MAX ? me->known_count : VIV_SIM_KNOWN_MAX;
    for (size_t i = 0; i < count; i++) {
        if (strcmp(me->known[i].path, path) == 0) {
            return me->known[i].version;
        }
    }
    return -1;
}

static int32_t draw_version(const struct viv_sim_client *me, struct viv_rng *salt, const char *path, bool wants_one)
{
    int32_t known = known_version(me, path);
    if (!wants_one) {
        return -1;
    }
    return viv_rng_below(salt, 4) == 0 ? (int32_t)viv_rng_below(salt, 4) : known;
}

static int32_t flags_of(enum viv_sim_op_kind kind)
{
    switch (kind) {
    case VIV_SIM_OP_CREATE_EPHEMERAL:
        return FLAG_EPHEMERAL;
    case VIV_SIM_OP_CREATE_SEQUENTIAL:
        return FLAG_SEQUENTIAL;
    case VIV_SIM_OP_CREATE_EPHEMERAL_SEQUENTIAL:
        return FLAG_EPHEMERAL | FLAG_SEQUENTIAL;
    case VIV_SIM_OP_CREATE_CONTAINER:
        return FLAGS_CONTAINER;
    case VIV_SIM_OP_CREATE_TTL:
        return FLAGS_TTL;
    default:
        return 0;
    }
}

static int32_t encode_create(struct viv_sim_world *world, size_t client, enum viv_sim_op_kind kind, const char *path,
                             struct viv_rng *salt, struct viv_buffer *record)
{
    int32_t flags = flags_of(kind);
    int32_t type = viv_rng_below(salt, 2) == 0 ? VIV_OP_CREATE : VIV_OP_CREATE2;
    type = flags == FLAGS_CONTAINER ? VIV_OP_CREATE_CONTAINER : flags == FLAGS_TTL ? VIV_OP_CREATE_TTL : type;
    struct viv_buffer data = {0};
    make_data(world, client, salt, &data);
    struct viv_create_request request = {
        .path = slice_of(path),
        .data = {.bytes = viv_buffer_bytes(&data)},
        .acl = viv_acl_open_unsafe(),
        .flags = flags,
        .ttl_ms = type == VIV_OP_CREATE_TTL ? viv_sim_draw(salt, 1, TTL_MS_MAX) : -1,
    };
    viv_create_request_encode(record, &request, (enum viv_op)type);
    viv_buffer_fini(&data);
    return type;
}

static int32_t encode_set(struct viv_sim_world *world, size_t client, const struct viv_sim_op *op, struct viv_rng *salt,
                          struct viv_buffer *record)
{
    struct viv_buffer data = {0};
    make_data(world, client, salt, &data);
    struct viv_set_data_request request = {
        .path = slice_of(op->path),
        .data = {.bytes = viv_buffer_bytes(&data)},
        .version = draw_version(&world->clients[client], salt, op->path, op->kind == VIV_SIM_OP_SET_VERSION),
    };
    viv_set_data_request_encode(record, &request);
    viv_buffer_fini(&data);
    return VIV_OP_SET_DATA;
}

static int32_t encode_path_version(const struct viv_sim_client *me, int32_t type, const struct viv_sim_op *op,
                                   struct viv_rng *salt, struct viv_buffer *record)
{
    bool wants_version = op->kind != VIV_SIM_OP_DELETE;
    struct viv_path_version_request request = {.path = slice_of(op->path),
                                               .version = draw_version(me, salt, op->path, wants_version)};
    viv_path_version_request_encode(record, &request);
    return type;
}

static int32_t encode_set_acl(const struct viv_sim_op *op, struct viv_rng *salt, struct viv_buffer *record)
{
    struct viv_buffer acl = {0};
    viv_jute_write_int(&acl, 1);
    struct viv_acl_entry entry = {viv_rng_below(salt, 2) == 0 ? 31 : 31 & ~VIV_PERM_CREATE, slice_of("world"),
                                  slice_of("anyone")};
    viv_acl_entry_encode(&acl, &entry);
    struct viv_set_acl_request request = {.path = slice_of(op->path), .acl = viv_buffer_bytes(&acl), .version = -1};
    viv_set_acl_request_encode(record, &request);
    viv_buffer_fini(&acl);
    return VIV_OP_SET_ACL;
}

static int32_t encode_watch(int32_t type, const struct viv_sim_op *op, bool watch, struct viv_buffer *record)
{
    struct viv_path_watch_request request = {.path = slice_of(op->path), .watch = watch};
    viv_path_watch_request_encode(record, &request);
    return type;
}

static int32_t encode_path_int(int32_t type, const struct viv_sim_op *op, int32_t value, struct viv_buffer *record)
{
    viv_jute_write_text(record, op->path);
    viv_jute_write_int(record, value);
    return type;
}

/* A server leaves, comes as a voter or as an observer, or is to lead; or one leaves as another comes. */
static int32_t encode_reconfig(const struct viv_sim_world *world, struct viv_rng *salt, struct viv_buffer *record)
{
    struct viv_buffer joining = {0}, leaving = {0};
    size_t server = (size_t)viv_rng_below(salt, world->server_count);
    uint64_t manner = viv_rng_below(salt, 8);
    if (manner == 0) {
        viv_buffer_printf(&joining, VIV_RECONFIG_LEADER "%zu", server + 1);
    } else if (manner < 6) {
        viv_sim_recipe_member(&joining, server, manner < 4, true);
    }
    if (manner >= 5) {
        viv_buffer_printf(&leaving, "%zu",
                          1 + (server + viv_rng_below(salt, world->server_count)) % world->server_count);
    }
    struct viv_reconfig_request request = {.joining = {.bytes = viv_buffer_bytes(&joining), .null = joining.size == 0},
                                           .leaving = {.bytes = viv_buffer_bytes(&leaving), .null = leaving.size == 0},
                                           .members = {.null = true},
                                           .version = -1};
    viv_reconfig_request_encode(record, &request);
    viv_buffer_fini(&joining);
    viv_buffer_fini(&leaving);
    return VIV_OP_RECONFIG;
}

static int32_t encode_one(struct viv_sim_world *world, size_t client, const struct viv_sim_op *op, struct viv_rng *salt,
                          struct viv_buffer *record);

/* Steps about the path itself, or below it. */
static int32_t encode_multi(struct viv_sim_world *world, size_t client, const struct viv_sim_op *op,
                            struct viv_rng *salt, struct viv_buffer *record)
{
    static const enum viv_sim_op_kind writes[] = {
        VIV_SIM_OP_CREATE, VIV_SIM_OP_CREATE_SEQUENTIAL, VIV_SIM_OP_CREATE_EPHEMERAL,
        VIV_SIM_OP_SET,    VIV_SIM_OP_SET_VERSION,       VIV_SIM_OP_DELETE,
        VIV_SIM_OP_CHECK};
    static const enum viv_sim_op_kind reads[] = {VIV_SIM_OP_GET, VIV_SIM_OP_CHILDREN};
    bool reads_only = op->kind == VIV_SIM_OP_MULTI_READ;
    for (int64_t step = viv_sim_draw(salt, 1, MULTI_STEPS_MAX); step > 0; step--) {
        struct viv_sim_op one = *op;
        one.kind = reads_only ? reads[viv_rng_below(salt, sizeof reads / sizeof reads[0])]
                              : writes[viv_rng_below(salt, sizeof writes / sizeof writes[0])];
        if (viv_rng_below(salt, 2) == 0 && strlen(op->path) + 3 < VIV_SIM_PATH_BYTES_MAX) {
            size_t size = strlen(one.path);
            one.path[size] = '/';
            one.path[size + 1] = (char)('a' + viv_rng_below(salt, 3));
            one.path[size + 2] = '\0';
        }
        struct viv_buffer inner = {0};
        struct viv_multi_header header = {.type = encode_one(world, client, &one, salt, &inner), .err = -1};
        viv_multi_header_encode(record, &header);
        viv_buffer_append_bytes(record, viv_buffer_bytes(&inner));
        viv_buffer_fini(&inner);
    }
    struct viv_multi_header end = {.type = -1, .done = true, .err = -1};
    viv_multi_header_encode(record, &end);
    return reads_only ? VIV_OP_MULTI_READ : VIV_OP_MULTI;
}

/* Appends the record; the type of the request. */
static int32_t encode_one(struct viv_sim_world *world, size_t client, const struct viv_sim_op *op, struct viv_rng *salt,
                          struct viv_buffer *record)
{
    const struct viv_sim_client *me = &world->clients[client];
    switch (op->kind) {
    case VIV_SIM_OP_SET:
    case VIV_SIM_OP_SET_VERSION:
        return encode_set(world, client, op, salt, record);
    case VIV_SIM_OP_DELETE:
    case VIV_SIM_OP_DELETE_VERSION:
        return encode_path_version(me, VIV_OP_DELETE, op, salt, record);
    case VIV_SIM_OP_CHECK:
        return encode_path_version(me, VIV_OP_CHECK, op, salt, record);
    case VIV_SIM_OP_SET_ACL:
        return encode_set_acl(op, salt, record);
    case VIV_SIM_OP_MULTI:
    case VIV_SIM_OP_MULTI_READ:
        return encode_multi(world, client, op, salt, record);
    case VIV_SIM_OP_GET:
    case VIV_SIM_OP_GET_WATCH:
        return encode_watch(VIV_OP_GET_DATA, op, op->kind == VIV_SIM_OP_GET_WATCH, record);
    case VIV_SIM_OP_EXISTS:
    case VIV_SIM_OP_EXISTS_WATCH:
        return encode_watch(VIV_OP_EXISTS, op, op->kind == VIV_SIM_OP_EXISTS_WATCH, record);
    case VIV_SIM_OP_CHILDREN:
    case VIV_SIM_OP_CHILDREN_WATCH:
        return encode_watch(VIV_OP_GET_CHILDREN, op, op->kind == VIV_SIM_OP_CHILDREN_WATCH, record);
    case VIV_SIM_OP_CHILDREN2:
        return encode_watch(VIV_OP_GET_CHILDREN2, op, false, record);
    case VIV_SIM_OP_GET_ACL:
        viv_jute_write_text(record, op->path);
        return VIV_OP_GET_ACL;
    case VIV_SIM_OP_SYNC:
        viv_jute_write_text(record, op->path);
        return VIV_OP_SYNC;
    case VIV_SIM_OP_ADD_WATCH:
        return encode_path_int(VIV_OP_ADD_WATCH, op, ADD_PERSISTENT, record);
    case VIV_SIM_OP_ADD_WATCH_RECURSIVE:
        return encode_path_int(VIV_OP_ADD_WATCH, op, ADD_RECURSIVE, record);
    case VIV_SIM_OP_REMOVE_WATCHES:
        return encode_path_int(VIV_OP_REMOVE_WATCHES, op, REMOVE_ANY, record);
    case VIV_SIM_OP_CLOSE_SESSION:
        return VIV_OP_CLOSE_SESSION;
    case VIV_SIM_OP_RECONFIG:
        return encode_reconfig(world, salt, record);
    default:
        return encode_create(world, client, op->kind, op->path, salt, record);
    }
}

/* ---- one operation ---- */

/* Which watch a good answer brings; false: none. */
static bool watch_of(enum viv_sim_op_kind kind, enum viv_sim_watch_kind *watch)
{
    switch (kind) {
    case VIV_SIM_OP_GET_WATCH:
    case VIV_SIM_OP_EXISTS_WATCH:
        *watch = VIV_SIM_WATCH_DATA;
        return true;
    case VIV_SIM_OP_CHILDREN_WATCH:
        *watch = VIV_SIM_WATCH_CHILD;
        return true;
    case VIV_SIM_OP_ADD_WATCH:
        *watch = VIV_SIM_WATCH_PERSISTENT;
        return true;
    case VIV_SIM_OP_ADD_WATCH_RECURSIVE:
        *watch = VIV_SIM_WATCH_RECURSIVE;
        return true;
    default:
        return false;
    }
}

static bool is_creation(enum viv_sim_op_kind kind)
{
    return kind <= VIV_SIM_OP_CREATE_TTL;
}

/* Deletes and sets also meet the client's own sequential nodes. */
static void choose_path(const struct viv_sim_client *me, struct viv_rng *salt, struct viv_sim_op *op)
{
    if (!is_creation(op->kind) && me->made_count > 0 && viv_rng_below(salt, 4) == 0) {
        size_t count = me->made_count < VIV_SIM_MADE_MAX ? me->made_count : VIV_SIM_MADE_MAX;
        memcpy(op->path, me->made[viv_rng_below(salt, count)], sizeof op->path);
    }
}

static void fall_silent(struct viv_sim_world *world, struct viv_sim_client *me, struct viv_rng *salt)
{
    bool is_long = viv_rng_below(salt, 4) == 0;
    int64_t tenths = viv_sim_draw(salt, SILENCE_TENTHS_MIN, SILENCE_TENTHS_MAX);
    int64_t ms = is_long ? me->timeout_ms * tenths / 10 : viv_sim_draw(salt, 1, SILENCE_MS_MAX);
    me->silent_until_ns = world->now_ns + ms * 1000000;
}

void viv_sim_client_do(struct viv_sim_world *world, size_t client, const struct viv_sim_op *planned)
{
    struct viv_sim_client *me = &world->clients[client];
    struct viv_sim_op op = *planned;
    struct viv_rng salt;
    viv_rng_init(&salt, viv_mix64(op.salt + UINT64_C(1)));
    if (op.kind == VIV_SIM_OP_DISCONNECT) {
        viv_sim_client_leave(world, client);
        return;
    }
    if (op.kind == VIV_SIM_OP_SILENCE) {
        fall_silent(world, me, &salt);
        return;
    }
    choose_path(me, &salt, &op);
    struct viv_sim_asked about = {0};
    struct viv_buffer record = {0};
    int32_t type = encode_one(world, client, &op, &salt, &record);
    memcpy(about.path, op.path, sizeof about.path);
    about.wants_watch = watch_of(op.kind, &about.watch.kind);
    memcpy(about.watch.path, op.path, sizeof about.watch.path);
    me->is_closing = type == VIV_OP_CLOSE_SESSION;
    viv_sim_client_ask(world, client, type, viv_buffer_bytes(&record), &about);
    viv_buffer_fini(&record);
}

/* The watches that the client still waits for, on a new connection. */
void viv_sim_client_set_watches(struct viv_sim_world *world, size_t client)
{
    struct viv_sim_client *me = &world->clients[client];
    struct viv_buffer record = {0};
    if (me->watch_count == 0) {
        return;
    }
    viv_jute_write_long(&record, me->last_zxid);
    for (unsigned kind = 0; kind < VIV_SIM_WATCH_KINDS; kind++) {
        size_t count_at = record.size;
        uint32_t count = 0;
        viv_jute_write_int(&record, 0);
        for (size_t i = 0; i < me->watch_count; i++) {
            if (me->watches[i].kind == kind) {
                viv_jute_write_text(&record, me->watches[i].path);
                count++;
            }
        }
        viv_store_be32(record.data + count_at, count);
    }
    viv_sim_client_ask(world, client, VIV_OP_SET_WATCHES2, viv_buffer_bytes(&record), &(struct viv_sim_asked){0});
    viv_buffer_fini(&record);
}
