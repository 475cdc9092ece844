#include "tests/support/world.h"

#include <stdlib.h>
#include <string.h>

#include "base/endian.h"
#include "tests/support/viv_test.h"

enum { TIMEOUT_MS = 30000 };

void viv_world_init(struct viv_world *world)
{
    *world = (struct viv_world){.session_id = VIV_WORLD_SESSION, .time_ms = 1795169363194};
    world->rules.acl_schemes = VIV_ACL_SCHEMES_DEFAULT;
    world->tree = viv_tree_new();
    world->preparer = viv_preparer_new(world->tree, &world->rules);
    cr_assert_eq(viv_world_create_session(world, VIV_WORLD_SESSION), 0);
    viv_world_settle(world);
}

void viv_world_fini(struct viv_world *world)
{
    viv_preparer_free(world->preparer);
    viv_tree_free(world->tree);
    viv_buffer_fini(&world->authinfo);
    viv_buffer_fini(&world->record);
    for (size_t i = 0; i < VIV_WORLD_PENDING_MAX; i++) {
        viv_buffer_fini(&world->bodies[i]);
    }
    viv_arena_fini(&world->arena);
}

void viv_world_forget_identities(struct viv_world *world)
{
    viv_buffer_clear(&world->authinfo);
}

void viv_world_identify(struct viv_world *world, const char *scheme, const char *id)
{
    if (world->authinfo.size == 0) {
        viv_jute_write_int(&world->authinfo, 0);
    }
    viv_store_be32(world->authinfo.data, viv_load_be32(world->authinfo.data) + 1);
    viv_jute_write_text(&world->authinfo, scheme);
    viv_jute_write_text(&world->authinfo, id);
}

int32_t viv_world_prepare(struct viv_world *world, int32_t op)
{
    struct viv_request request = {world->session_id, ++world->cxid, op, viv_buffer_bytes(&world->record),
                                  viv_buffer_bytes(&world->authinfo), false};
    cr_assert_lt(world->pending_count, VIV_WORLD_PENDING_MAX);
    struct viv_buffer *body = &world->bodies[world->pending_count++];
    viv_buffer_clear(body);
    int32_t code = viv_prepare(world->preparer, &request, ++world->zxid, world->time_ms, body);
    viv_buffer_clear(&world->record);
    return code;
}

struct viv_bytes viv_world_body(const struct viv_world *world)
{
    cr_assert_gt(world->pending_count, 0);
    return viv_buffer_bytes(&world->bodies[world->pending_count - 1]);
}

void viv_world_apply(struct viv_world *world)
{
    cr_assert_gt(world->pending_count, 0);
    struct viv_buffer first = world->bodies[0];
    viv_arena_reset(&world->arena);
    viv_tree_apply(world->tree, viv_buffer_bytes(&first), VIV_APPLY_LIVE, &world->arena, &world->applied);
    cr_assert_not(world->applied.malformed);
    viv_preparer_applied(world->preparer, world->applied.header.zxid);
    world->pending_count--;
    memmove(world->bodies, world->bodies + 1, world->pending_count * sizeof world->bodies[0]);
    world->bodies[world->pending_count] = first;
}

void viv_world_settle(struct viv_world *world)
{
    while (world->pending_count > 0) {
        viv_world_apply(world);
    }
}

/* ---- records ---- */

static struct viv_jute_slice slice(const char *text)
{
    return text == NULL ? (struct viv_jute_slice){.null = true}
                        : (struct viv_jute_slice){.bytes = viv_bytes_text(text)};
}

void viv_world_encode_acl(struct viv_buffer *out, const char *acl)
{
    size_t start = out->size;
    uint32_t count = 0;

    if (acl == NULL) {
        viv_buffer_append_bytes(out, viv_acl_open_unsafe());
        return;
    }
    viv_jute_write_int(out, 0);
    while (*acl != 0) {
        char *scheme;
        viv_jute_write_int(out, (int32_t)strtoul(acl, &scheme, 10));
        scheme++;
        size_t scheme_bytes = strcspn(scheme, ":");
        const char *id = scheme + scheme_bytes + 1;
        size_t id_bytes = strcspn(id, ",");
        viv_jute_write_bytes(out, viv_bytes_of(scheme, scheme_bytes));
        viv_jute_write_bytes(out, viv_bytes_of(id, id_bytes));
        acl = id + id_bytes + strspn(id + id_bytes, ", ");
        count++;
    }
    viv_store_be32(out->data + start, count);
}

void viv_world_encode_create(struct viv_buffer *out, int32_t op, const char *path, const char *data, const char *acl,
                             int32_t flags)
{
    struct viv_buffer list = {0};
    viv_world_encode_acl(&list, acl);
    struct viv_create_request request = {slice(path), slice(data), viv_buffer_bytes(&list), flags, -1};
    viv_create_request_encode(out, &request, (enum viv_op)op);
    viv_buffer_fini(&list);
}

void viv_world_encode_path_version(struct viv_buffer *out, const char *path, int32_t version)
{
    viv_path_version_request_encode(out, &(struct viv_path_version_request){slice(path), version});
}

void viv_world_encode_set_data(struct viv_buffer *out, const char *path, const char *data, int32_t version)
{
    viv_set_data_request_encode(out, &(struct viv_set_data_request){slice(path), slice(data), version});
}

void viv_world_encode_step(struct viv_buffer *out, int32_t op)
{
    viv_multi_header_encode(out, &(struct viv_multi_header){op, false, -1});
}

void viv_world_encode_end(struct viv_buffer *out)
{
    viv_multi_header_encode(out, &(struct viv_multi_header){-1, true, -1});
}

/* ---- requests ---- */

int32_t viv_world_create_as(struct viv_world *world, int32_t op, const char *path, const char *data, const char *acl,
                            int32_t flags)
{
    viv_world_encode_create(&world->record, op, path, data, acl, flags);
    return viv_world_prepare(world, op);
}

int32_t viv_world_create(struct viv_world *world, const char *path, int32_t flags)
{
    return viv_world_create_as(world, VIV_OP_CREATE, path, NULL, NULL, flags);
}

int32_t viv_world_delete(struct viv_world *world, const char *path, int32_t version)
{
    viv_world_encode_path_version(&world->record, path, version);
    return viv_world_prepare(world, VIV_OP_DELETE);
}

int32_t viv_world_set_data(struct viv_world *world, const char *path, const char *data, int32_t version)
{
    viv_world_encode_set_data(&world->record, path, data, version);
    return viv_world_prepare(world, VIV_OP_SET_DATA);
}

int32_t viv_world_set_acl(struct viv_world *world, const char *path, const char *acl, int32_t version)
{
    struct viv_buffer list = {0};
    viv_world_encode_acl(&list, acl);
    viv_set_acl_request_encode(&world->record,
                               &(struct viv_set_acl_request){slice(path), viv_buffer_bytes(&list), version});
    viv_buffer_fini(&list);
    return viv_world_prepare(world, VIV_OP_SET_ACL);
}

static int32_t prepare_session(struct viv_world *world, int64_t session_id, int32_t op)
{
    int64_t speaker = world->session_id;
    world->session_id = session_id;
    int32_t code = viv_world_prepare(world, op);
    world->session_id = speaker;
    return code;
}

int32_t viv_world_create_session(struct viv_world *world, int64_t session_id)
{
    viv_jute_write_int(&world->record, TIMEOUT_MS);
    return prepare_session(world, session_id, VIV_OP_CREATE_SESSION);
}

int32_t viv_world_close_session(struct viv_world *world, int64_t session_id)
{
    return prepare_session(world, session_id, VIV_OP_CLOSE_SESSION);
}
