#include <stdlib.h>

#include "base/endian.h"
#include "tests/unit/fuzz/fuzz.h"
#include "tests/unit/tree/support.h"
#include "tree/acl.h"
#include "tree/quota.h"
#include "tree/row.h"

/* Damaged transactions, snapshot streams and rows: the tree refuses them or takes them, and stays a tree. */

enum {
    ROUNDS = 20000,
    ROW_ROUNDS = 5000,
    WILD_ID = 1 << 16,
    WILD_ONE_IN = 500, /* a wild id makes a wide table, which takes its time */
    STEPS = 30,
    FRESH_AFTER = 500,
    LOG_HEAD_BYTES = 12
};

static struct viv_tree *grow(struct model *model, uint64_t seed, struct viv_buffer *log)
{
    struct viv_tree *tree = viv_tree_new();
    struct viv_arena arena = {0};
    model_init(model, seed, log);
    for (int i = 0; i < STEPS; i++) {
        model_step(model, tree, &arena);
    }
    viv_arena_fini(&arena);
    return tree;
}

/* Whatever it holds now, it can be walked and counted. */
static void expect_a_tree(struct viv_tree *tree)
{
    struct viv_buffer rows = {0};
    struct viv_tree_counts counts;
    viv_tree_counts(tree, &counts);
    viv_tree_walk_begin(tree, VIV_WALK_FULL);
    while (viv_tree_walk_step(tree, 1 << 20, &rows)) {
    }
    viv_tree_walk_end(tree, true);
    cr_assert_gt(rows.size, 0);
    viv_buffer_fini(&rows);
}

static struct viv_bytes next_body(struct viv_bytes *log)
{
    struct viv_bytes body = viv_bytes_of(log->data + LOG_HEAD_BYTES, viv_load_be32(log->data));
    log->data += LOG_HEAD_BYTES + body.size;
    log->size -= LOG_HEAD_BYTES + body.size;
    return body;
}

VIV_TEST(fuzz_tree, damaged_transactions_leave_a_tree)
{
    struct model *model = viv_alloc_zeroed(1, sizeof *model);
    struct viv_buffer log = {0}, bytes = {0};
    struct viv_tree *tree = grow(model, 3, &log);
    struct viv_arena arena = {0};
    struct viv_bytes rest = viv_buffer_bytes(&log);
    struct viv_rng rng;
    viv_rng_init(&rng, 3);
    for (unsigned round = 0; round < fuzz_rounds(ROUNDS); round++) {
        rest = rest.size == 0 ? viv_buffer_bytes(&log) : rest;
        viv_buffer_clear(&bytes);
        viv_buffer_append_bytes(&bytes, next_body(&rest));
        fuzz_mutate(&rng, &bytes);
        struct viv_bytes exact = fuzz_exact(viv_buffer_bytes(&bytes));
        struct viv_applied applied;
        viv_arena_reset(&arena);
        viv_tree_apply(tree, exact, VIV_APPLY_REPLAY, &arena, &applied);
        free((void *)exact.data);
        if (round % FRESH_AFTER == FRESH_AFTER - 1) {
            expect_a_tree(tree);
            viv_tree_free(tree);
            tree = viv_tree_new();
        }
    }
    viv_tree_free(tree);
    viv_arena_fini(&arena);
    viv_buffer_fini(&bytes);
    viv_buffer_fini(&log);
    free(model);
}

/* In pieces of chance, as a network brings them. */
static bool feed(struct viv_rng *rng, struct viv_tree_loader *loader, struct viv_bytes bytes)
{
    bool done = false;
    while (bytes.size > 0 && !done) {
        size_t size = 1 + viv_rng_below(rng, bytes.size), used = 0;
        struct viv_bytes piece = fuzz_exact(viv_bytes_of(bytes.data, size));
        viv_status status = viv_tree_loader_feed(loader, piece, &used, &done);
        free((void *)piece.data);
        if (status != VIV_OK) {
            return false;
        }
        cr_assert_leq(used, size);
        if (used == 0 && size == bytes.size) {
            return false;
        }
        bytes.data += used;
        bytes.size -= used;
    }
    return done;
}

VIV_TEST(fuzz_tree, damaged_snapshot_streams_are_refused_or_leave_a_tree)
{
    struct model *model = viv_alloc_zeroed(1, sizeof *model);
    struct viv_buffer log = {0}, sound = {0}, bytes = {0};
    struct viv_tree *source = grow(model, 4, &log);
    struct viv_tree_stream *stream = viv_tree_stream_begin(source);
    while (viv_tree_stream_step(stream, 1 << 20, &sound)) {
    }
    viv_tree_stream_end(stream);
    struct viv_rng rng;
    viv_rng_init(&rng, 4);
    for (unsigned round = 0; round < fuzz_rounds(ROUNDS); round++) {
        viv_buffer_clear(&bytes);
        viv_buffer_append_bytes(&bytes, viv_buffer_bytes(&sound));
        if (round > 0) {
            fuzz_mutate(&rng, &bytes);
        }
        struct viv_tree *tree = viv_tree_new_empty();
        struct viv_tree_loader *loader = viv_tree_loader_begin(tree);
        bool is_whole = feed(&rng, loader, viv_buffer_bytes(&bytes));
        viv_tree_loader_end(loader, 1);
        cr_assert(is_whole || round > 0);
        if (is_whole) {
            expect_a_tree(tree);
        }
        viv_tree_free(tree);
    }
    viv_tree_free(source);
    viv_buffer_fini(&bytes);
    viv_buffer_fini(&sound);
    viv_buffer_fini(&log);
    free(model);
}

static bool has_wild_id(struct viv_bytes rows)
{
    struct viv_row row;
    while (viv_row_next(&rows, &row)) {
        struct viv_znode node;
        uint32_t id = 0;
        uint8_t kind = row.key.size > 0 ? row.key.data[0] : 0;
        struct viv_bytes list;
        bool is_hidden;
        bool is_node = kind == VIV_ROW_NODE && viv_row_parse_node(&row, &node, &id, &is_hidden);
        bool is_acl = kind == VIV_ROW_ACL && viv_row_parse_acl(&row, &id, &list);
        if ((is_node && (node.id > WILD_ID || node.acl_id > WILD_ID)) || (is_acl && id > WILD_ID)) {
            return true;
        }
    }
    return false;
}

VIV_TEST(fuzz_tree, damaged_rows_are_refused_or_leave_a_tree)
{
    struct model *model = viv_alloc_zeroed(1, sizeof *model);
    struct viv_buffer log = {0}, sound = {0}, bytes = {0};
    struct viv_tree *source = grow(model, 5, &log);
    viv_tree_walk_begin(source, VIV_WALK_FULL);
    while (viv_tree_walk_step(source, 1 << 20, &sound)) {
    }
    viv_tree_walk_end(source, true);
    uint64_t zxid = viv_tree_zxid(source);
    struct viv_rng rng;
    viv_rng_init(&rng, 5);
    for (unsigned round = 0; round < fuzz_rounds(ROW_ROUNDS); round++) {
        do {
            viv_buffer_clear(&bytes);
            viv_buffer_append_bytes(&bytes, viv_buffer_bytes(&sound));
            fuzz_mutate(&rng, &bytes);
        } while (round % WILD_ONE_IN != 0 && has_wild_id(viv_buffer_bytes(&bytes)));
        struct viv_bytes exact = fuzz_exact(viv_buffer_bytes(&bytes));
        struct viv_tree *tree = viv_tree_new_empty();
        if (viv_tree_load_rows(tree, exact) == VIV_OK && viv_tree_load_finish(tree, zxid) == VIV_OK) {
            expect_a_tree(tree);
        }
        viv_tree_free(tree);
        free((void *)exact.data);
    }
    viv_tree_free(source);
    viv_buffer_fini(&bytes);
    viv_buffer_fini(&sound);
    viv_buffer_fini(&log);
    free(model);
}

/* ---- texts in requests ---- */

VIV_TEST(fuzz_tree, damaged_limits_of_a_quota_are_read_within_their_bounds)
{
    static const char *const sound[] = {"count=3,bytes=20=;byteHardLimit=25;countHardLimit=4", "count=1,,bytes=-7",
                                        "bytes=9223372036854775807;count=+5=6"};
    struct viv_rng rng;
    struct viv_buffer bytes = {0};
    viv_rng_init(&rng, 11);
    for (unsigned round = 0; round < fuzz_rounds(ROUNDS); round++) {
        struct viv_quota_limits limits;
        viv_buffer_clear(&bytes);
        viv_buffer_append_bytes(&bytes, viv_bytes_text(sound[round % 3]));
        fuzz_mutate(&rng, &bytes);
        struct viv_bytes exact = fuzz_exact(viv_buffer_bytes(&bytes));
        if (!viv_quota_limits_parse(exact, &limits)) {
            cr_assert(limits.count == -1 && limits.bytes == -1 && limits.hard_count == -1 && limits.hard_bytes == -1);
        }
        free((void *)exact.data);
    }
    viv_buffer_fini(&bytes);
}

VIV_TEST(fuzz_tree, damaged_ids_of_an_acl_are_judged_within_their_bounds)
{
    static const struct {
        const char *scheme, *id;
    } sound[] = {{"x509", "CN=\"a,b\"+O=c\\,d;1.2=e"}, {"sasl", "a/b@c"}, {"ip", "1::2/64"}, {"digest", "a:b"}};
    struct viv_rng rng;
    viv_rng_init(&rng, 12);
    for (unsigned round = 0; round < fuzz_rounds(ROUNDS); round++) {
        struct viv_buffer id = {0}, list = {0}, out = {0};
        viv_buffer_append_bytes(&id, viv_bytes_text(sound[round % 4].id));
        fuzz_mutate(&rng, &id);
        viv_jute_write_int(&list, 1);
        viv_jute_write_int(&list, 31);
        viv_jute_write_text(&list, sound[round % 4].scheme);
        viv_jute_write_bytes(&list, viv_buffer_bytes(&id));
        struct viv_bytes exact = fuzz_exact(viv_buffer_bytes(&list));
        int32_t code =
            viv_acl_fix(exact, (struct viv_bytes){0}, VIV_ACL_SCHEMES_DEFAULT | VIV_ACL_X509 | VIV_ACL_SASL, &out);
        cr_assert_eq(out.size, code == 0 ? exact.size : 0);
        free((void *)exact.data);
        viv_buffer_fini(&id);
        viv_buffer_fini(&list);
        viv_buffer_fini(&out);
    }
}
