#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "base/rng.h"
#include "tests/support/viv_test.h"
#include "tests/support/world.h"
#include "wire/reply_code.h"

/* Whatever is asked, what is proposed can be read, fits, and gives the same tree wherever it is replayed. */

enum { IDENTITIES = 6, SESSIONS = 3, NAME_BYTES_MAX = 300, REPLY_HEADER_BYTES = 9 };

struct draw {
    struct viv_rng rng;
    struct viv_world world;
    struct viv_tree *replica;
    struct viv_arena arena;
    uint64_t refused, split;
};

static uint64_t below(struct draw *draw, uint64_t bound)
{
    return viv_rng_below(&draw->rng, bound);
}

static void draw_init(struct draw *draw, uint64_t seed, size_t entry_bytes_max, size_t reply_bytes_max)
{
    *draw = (struct draw){.replica = viv_tree_new()};
    viv_rng_init(&draw->rng, seed);
    viv_world_init(&draw->world);
    for (int i = 0; i < IDENTITIES; i++) {
        char id[32];
        snprintf(id, sizeof id, "user%d:hash", i);
        viv_world_identify(&draw->world, i == 0 ? "ip" : "digest", i == 0 ? "127.0.0.1" : id);
    }
    draw->world.rules.extended_types = true;
    draw->world.rules.entry_bytes_max = entry_bytes_max;
    draw->world.rules.reply_bytes_max = reply_bytes_max;
    viv_preparer_free(draw->world.preparer);
    draw->world.preparer = viv_preparer_new(draw->world.tree, &draw->world.rules);
}

static void draw_fini(struct draw *draw)
{
    viv_arena_fini(&draw->arena);
    viv_tree_free(draw->replica);
    viv_world_fini(&draw->world);
}

/* ---- requests ---- */

static const char *draw_path(struct draw *draw, char *path, size_t size)
{
    static const char *const tops[] = {"/a", "/b", "/a/c", "/zookeeper/quota/a", "/a/c/d", ""};
    const char *top = tops[below(draw, 6)];
    size_t name_bytes = below(draw, 8) == 0 ? below(draw, NAME_BYTES_MAX) : below(draw, 3);
    int used = snprintf(path, size, "%s%s", top, name_bytes == 0 && *top != '\0' ? "" : "/");
    for (size_t i = 0; i < name_bytes; i++) {
        path[used++] = (char)('x' + below(draw, 3));
    }
    path[used] = '\0';
    return path;
}

static const char *draw_acl(struct draw *draw)
{
    static const char *const lists[] = {NULL, NULL, NULL, "31 auth:", "1 auth:,2 auth:,4 auth:,8 auth:", "31 world:me"};
    return lists[below(draw, 6)];
}

static void encode(struct draw *draw, int32_t op)
{
    struct viv_buffer *record = &draw->world.record;
    char path[NAME_BYTES_MAX + 64], data[64];
    draw_path(draw, path, sizeof path);
    snprintf(data, sizeof data, "%0*d", (int)below(draw, 60), 1);
    switch (op) {
    case VIV_OP_DELETE:
    case VIV_OP_CHECK:
        viv_world_encode_path_version(record, path, (int32_t)below(draw, 4) - 1);
        break;
    case VIV_OP_SET_DATA:
        viv_world_encode_set_data(record, path, data, (int32_t)below(draw, 4) - 1);
        break;
    case VIV_OP_SET_ACL:
        viv_jute_write_text(record, path);
        viv_world_encode_acl(record, draw_acl(draw));
        viv_jute_write_int(record, -1);
        break;
    case VIV_OP_CREATE_TTL:
        viv_world_encode_create(record, VIV_OP_CREATE, path, data, draw_acl(draw), (int32_t)below(draw, 3) + 4);
        viv_jute_write_long(record, (int64_t)below(draw, 5) - 1);
        break;
    default:
        viv_world_encode_create(record, op, path, data, draw_acl(draw),
                                op == VIV_OP_CREATE_CONTAINER ? 4 : (int32_t)below(draw, 4));
        break;
    }
}

static const int32_t single_ops[] = {VIV_OP_CREATE,   VIV_OP_CREATE,           VIV_OP_CREATE2,
                                     VIV_OP_SET_DATA, VIV_OP_CREATE_CONTAINER, VIV_OP_CREATE_TTL,
                                     VIV_OP_DELETE,   VIV_OP_SET_ACL,          VIV_OP_CHECK};
enum { SINGLE_OPS = sizeof single_ops / sizeof single_ops[0] };

static int32_t draw_request(struct draw *draw)
{
    uint64_t kind = below(draw, 20);
    if (kind == 0 && below(draw, 4) == 0) {
        return VIV_OP_CLOSE_SESSION;
    }
    if (kind <= 1) {
        viv_jute_write_int(&draw->world.record, 4000);
        return VIV_OP_CREATE_SESSION;
    }
    if (kind < 5) {
        /* Nothing can be wrong with it but its length. */
        for (uint64_t left = below(draw, 25); left > 0; left--) {
            viv_world_encode_step(&draw->world.record, VIV_OP_CREATE2);
            viv_world_encode_create(&draw->world.record, VIV_OP_CREATE2, "/ephemeral-", NULL, NULL, 3);
        }
        viv_world_encode_end(&draw->world.record);
        return VIV_OP_MULTI;
    }
    if (kind < 8) {
        for (uint64_t left = below(draw, 25); left > 0; left--) {
            int32_t op = single_ops[below(draw, SINGLE_OPS)];
            op = op == VIV_OP_SET_ACL ? VIV_OP_CREATE : op;
            viv_world_encode_step(&draw->world.record, op);
            encode(draw, op);
        }
        viv_world_encode_end(&draw->world.record);
        return VIV_OP_MULTI;
    }
    int32_t op = single_ops[below(draw, SINGLE_OPS - 1)];
    encode(draw, op);
    return op;
}

/* What comes from a client need not be a request at all. */
static void spoil(struct draw *draw)
{
    struct viv_buffer *record = &draw->world.record;
    if (below(draw, 5) != 0 || record->size == 0) {
        return;
    }
    if (below(draw, 2) == 0) {
        record->size = below(draw, record->size);
    } else {
        record->data[below(draw, record->size)] ^= (uint8_t)(1U << below(draw, 8));
    }
}

/* ---- what must hold ---- */

static size_t reply_bytes(const struct viv_applied *applied)
{
    size_t bytes = REPLY_HEADER_BYTES;
    for (size_t i = 0; i < applied->result_count; i++) {
        const struct viv_apply_result *result = &applied->results[i];
        bool is_create = result->path.size > 0;
        bytes += REPLY_HEADER_BYTES + (is_create ? 4 + result->path.size : 0);
        bytes += result->type == VIV_OP_SET_DATA || (is_create && result->type != VIV_OP_CREATE) ? VIV_STAT_BYTES : 0;
        bytes += result->type == VIV_OP_ERROR ? 4 : 0;
    }
    return bytes;
}

static void check_newest(struct draw *draw)
{
    struct viv_world *world = &draw->world;
    struct viv_buffer body = {0};
    struct viv_applied applied;
    viv_buffer_append_bytes(&body, viv_world_body(world));
    cr_assert_leq(body.size, world->rules.entry_bytes_max);
    viv_world_settle(world);
    if (world->applied.is_multi && world->applied.results[0].type != VIV_OP_ERROR) {
        cr_assert_leq(reply_bytes(&world->applied), world->rules.reply_bytes_max);
    }
    for (int times = 0; times < 2; times++) {
        viv_arena_reset(&draw->arena);
        viv_tree_apply(draw->replica, viv_buffer_bytes(&body), VIV_APPLY_REPLAY, &draw->arena, &applied);
        cr_assert_not(applied.malformed);
    }
    cr_assert_eq(viv_tree_digest(draw->replica), viv_tree_digest(world->tree));
    viv_buffer_fini(&body);
}

static void replay_prefix(struct draw *draw)
{
    struct viv_buffer body = {0};
    struct viv_applied applied;
    struct viv_txn_header header = {.session_id = VIV_WORLD_SESSION, .zxid = 1, .type = VIV_OP_CREATE_SESSION};
    viv_txn_header_encode(&body, &header);
    viv_jute_write_int(&body, 30000);
    viv_tree_apply(draw->replica, viv_buffer_bytes(&body), VIV_APPLY_REPLAY, &draw->arena, &applied);
    cr_assert_not(applied.malformed);
    viv_buffer_fini(&body);
}

static void play(struct draw *draw, int steps)
{
    static const char *const tops[] = {"/a", "/b", "/a/c"};
    replay_prefix(draw);
    for (size_t i = 0; i < sizeof tops / sizeof tops[0]; i++) {
        cr_assert_eq(viv_world_create(&draw->world, tops[i], 0), 0);
        check_newest(draw);
    }
    for (int i = 0; i < steps; i++) {
        draw->world.session_id = VIV_WORLD_SESSION + (int64_t)(below(draw, 4) == 0 ? below(draw, SESSIONS) : 0);
        int32_t op = draw_request(draw);
        spoil(draw);
        int32_t code;
        while ((code = viv_world_prepare(&draw->world, op)) == VIV_PREPARE_AGAIN) {
            draw->split++;
            check_newest(draw);
        }
        draw->refused += code == VIV_REPLY_MARSHALLING_ERROR;
        check_newest(draw);
    }
}

VIV_TEST(prepare_bounds, whatever_is_asked_what_is_proposed_fits_and_replays)
{
    uint64_t refused = 0, split = 0;
    for (uint64_t seed = 1; seed <= 120; seed++) {
        struct draw draw;
        draw_init(&draw, seed, 500 + seed * 8, 500 + seed * 12);
        play(&draw, 300);
        refused += draw.refused;
        split += draw.split;
        draw_fini(&draw);
    }
    cr_assert_gt(refused, 1000, "much was refused: %llu", (unsigned long long)refused);
    cr_assert_gt(split, 20, "some sessions were closed in parts: %llu", (unsigned long long)split);
}

/* The checker itself: without the bound on replies, some are longer. */
VIV_TEST(prepare_bounds, without_the_bound_replies_are_longer)
{
    struct draw draw;
    size_t longest = 0;
    draw_init(&draw, 1, 4000, 0);
    for (int i = 0; i < 2000; i++) {
        int32_t op = draw_request(&draw);
        (void)viv_world_prepare(&draw.world, op);
        viv_world_settle(&draw.world);
        size_t bytes = draw.world.applied.is_multi ? reply_bytes(&draw.world.applied) : 0;
        longest = bytes > longest ? bytes : longest;
    }
    cr_assert_gt(longest, 300);
    draw_fini(&draw);
}
