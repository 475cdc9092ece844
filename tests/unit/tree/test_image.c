#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/tree/support.h"
#include "tree/acl.h"
#include "tree/row.h"

/* ---- the least that could be called a state store: rows by key ---- */

struct stored {
    struct viv_buffer key, value;
};

struct row_store {
    struct stored *rows;
    size_t count, capacity;
};

static struct stored *find_row(const struct row_store *store, struct viv_bytes key)
{
    for (size_t i = 0; i < store->count; i++) {
        if (viv_bytes_equal(viv_buffer_bytes(&store->rows[i].key), key)) {
            return &store->rows[i];
        }
    }
    return NULL;
}

static void drop_row(struct row_store *store, struct stored *row)
{
    viv_buffer_fini(&row->key);
    viv_buffer_fini(&row->value);
    *row = store->rows[--store->count];
}

static void put_row(struct row_store *store, const struct viv_row *row)
{
    struct stored *stored = find_row(store, row->key);
    if (stored == NULL) {
        if (store->count == store->capacity) {
            store->capacity = store->capacity == 0 ? 64 : store->capacity * 2;
            store->rows = viv_realloc(store->rows, store->capacity * sizeof *store->rows);
        }
        stored = &store->rows[store->count++];
        *stored = (struct stored){{0}, {0}};
        viv_buffer_append_bytes(&stored->key, row->key);
    }
    viv_buffer_clear(&stored->value);
    viv_buffer_append_bytes(&stored->value, row->value);
}

/* Deletes must come before puts. */
static void store_rows(struct row_store *store, struct viv_bytes rows)
{
    struct viv_row row;
    bool put_seen = false;
    while (viv_row_next(&rows, &row)) {
        cr_assert(row.op == VIV_ROW_PUT || !put_seen);
        put_seen = row.op == VIV_ROW_PUT;
        struct stored *old = find_row(store, row.key);
        if (row.op == VIV_ROW_PUT) {
            put_row(store, &row);
        } else if (old != NULL) {
            drop_row(store, old);
        }
    }
    cr_assert_eq(rows.size, 0);
}

static void clear_store(struct row_store *store)
{
    while (store->count > 0) {
        drop_row(store, &store->rows[0]);
    }
    free(store->rows);
    *store = (struct row_store){0};
}

/* Rows one by one, in an order that chance gives. */
static struct viv_tree *load_store(const struct row_store *store, struct viv_rng *rng, uint64_t zxid)
{
    struct viv_tree *tree = viv_tree_new_empty();
    size_t *order = viv_alloc((store->count + 1) * sizeof *order);
    struct viv_buffer block = {0};
    viv_tree_track_changes(tree);
    for (size_t i = 0; i < store->count; i++) {
        size_t j = viv_rng_below(rng, i + 1);
        order[i] = i;
        order[i] = order[j];
        order[j] = i;
    }
    for (size_t i = 0; i < store->count; i++) {
        const struct stored *row = &store->rows[order[i]];
        viv_buffer_clear(&block);
        viv_row_append(&block,
                       &(struct viv_row){VIV_ROW_PUT, viv_buffer_bytes(&row->key), viv_buffer_bytes(&row->value)});
        cr_assert_eq(viv_tree_load_rows(tree, viv_buffer_bytes(&block)), VIV_OK);
    }
    cr_assert_eq(viv_tree_load_finish(tree, zxid), VIV_OK);
    viv_buffer_fini(&block);
    free(order);
    return tree;
}

/* ---- a life of random transactions ---- */

struct life {
    struct model *model;
    struct viv_tree *tree;
    struct viv_arena arena;
    struct viv_buffer log;
    struct viv_rng rng; /* of everything but the transactions */
};

static void life_init(struct life *life, uint64_t seed, int steps)
{
    *life = (struct life){.model = viv_alloc(sizeof *life->model), .tree = viv_tree_new()};
    viv_rng_init(&life->rng, seed + 1000);
    model_init(life->model, seed, &life->log);
    for (int i = 0; i < steps; i++) {
        model_step(life->model, life->tree, &life->arena);
    }
}

static void life_fini(struct life *life)
{
    viv_tree_free(life->tree);
    viv_arena_fini(&life->arena);
    viv_buffer_fini(&life->log);
    free(life->model);
}

static void some_steps(struct life *life, uint64_t max)
{
    for (uint64_t i = viv_rng_below(&life->rng, max + 1); i > 0; i--) {
        model_step(life->model, life->tree, &life->arena);
    }
}

/* Walks in small slices while transactions go on; returns the zxid at the start. */
static uint64_t fuzzy_walk(struct life *life, enum viv_walk_kind kind, struct viv_buffer *rows)
{
    uint64_t zxid_start = viv_tree_zxid(life->tree);
    viv_tree_walk_begin(life->tree, kind);
    while (viv_tree_walk_step(life->tree, 1 + viv_rng_below(&life->rng, 900), rows)) {
        some_steps(life, 8);
    }
    return zxid_start;
}

static void assert_recovers(struct life *life, const struct row_store *store, uint64_t zxid_start)
{
    struct viv_tree *loaded = load_store(store, &life->rng, zxid_start);
    replay_log(viv_buffer_bytes(&life->log), zxid_start, 1, loaded);
    assert_same_tree(life->tree, loaded);
    assert_tree_is_model(loaded, life->model);
    viv_tree_free(loaded);
}

VIV_TEST(tree_image, a_quiet_full_walk_loads_as_the_same_tree)
{
    struct life life;
    struct row_store store = {0};
    struct viv_buffer rows = {0};
    life_init(&life, 7, 3000);
    viv_tree_walk_begin(life.tree, VIV_WALK_FULL);
    while (viv_tree_walk_step(life.tree, 4096, &rows)) {
    }
    viv_tree_walk_end(life.tree, true);
    store_rows(&store, viv_buffer_bytes(&rows));
    struct viv_tree *loaded = load_store(&store, &life.rng, viv_tree_zxid(life.tree));
    assert_same_tree(life.tree, loaded);
    cr_assert_eq(viv_tree_changed_rows(loaded), 0);
    viv_tree_free(loaded);
    viv_buffer_fini(&rows);
    clear_store(&store);
    life_fini(&life);
}

VIV_TEST(tree_image, a_fuzzy_full_walk_and_replay_give_the_exact_tree)
{
    for (uint64_t seed = 1; seed <= 40; seed++) {
        struct life life;
        struct row_store store = {0};
        struct viv_buffer rows = {0};
        life_init(&life, seed, 200 + (int)seed * 20);
        uint64_t zxid_start = fuzzy_walk(&life, VIV_WALK_FULL, &rows);
        viv_tree_walk_end(life.tree, true);
        some_steps(&life, 200);
        store_rows(&store, viv_buffer_bytes(&rows));
        assert_recovers(&life, &store, zxid_start);
        viv_buffer_fini(&rows);
        clear_store(&store);
        life_fini(&life);
    }
}

VIV_TEST(tree_image, without_replay_a_fuzzy_image_is_not_the_tree)
{
    struct life life;
    struct row_store store = {0};
    struct viv_buffer rows = {0};
    life_init(&life, 3, 800);
    uint64_t zxid_start = fuzzy_walk(&life, VIV_WALK_FULL, &rows);
    viv_tree_walk_end(life.tree, true);
    store_rows(&store, viv_buffer_bytes(&rows));
    struct viv_tree *loaded = load_store(&store, &life.rng, zxid_start);
    cr_assert_neq(viv_tree_digest(loaded), viv_tree_digest(life.tree));
    viv_tree_free(loaded);
    viv_buffer_fini(&rows);
    clear_store(&store);
    life_fini(&life);
}

/* The server is restarted from store and log: ids and what counts as changed must go on fitting the stored image. */
static void restart(struct life *life, const struct row_store *store, uint64_t zxid_start)
{
    struct viv_tree *loaded = load_store(store, &life->rng, zxid_start);
    replay_log(viv_buffer_bytes(&life->log), zxid_start, 1, loaded);
    assert_same_tree(life->tree, loaded);
    viv_tree_free(life->tree);
    life->tree = loaded;
}

/* One delta on top of the store; it may come to nothing, and the server may die after it. */
static void delta_round(struct life *life, struct row_store *store, uint64_t *zxid_start)
{
    struct viv_buffer rows = {0};
    some_steps(life, 120);
    uint64_t start = fuzzy_walk(life, VIV_WALK_DELTA, &rows);
    some_steps(life, 5);
    bool committed = viv_rng_below(&life->rng, 3) != 0;
    viv_tree_walk_end(life->tree, committed);
    if (committed) {
        store_rows(store, viv_buffer_bytes(&rows));
        *zxid_start = start;
    }
    some_steps(life, 5);
    assert_recovers(life, store, *zxid_start);
    if (viv_rng_below(&life->rng, 4) == 0) {
        restart(life, store, *zxid_start);
    }
    viv_buffer_fini(&rows);
}

static void assert_store_holds_no_strays(struct life *life, struct row_store *store)
{
    struct viv_buffer rows = {0};
    struct viv_tree_counts counts;
    viv_tree_walk_begin(life->tree, VIV_WALK_DELTA);
    while (viv_tree_walk_step(life->tree, 1 << 20, &rows)) {
    }
    viv_tree_walk_end(life->tree, true);
    store_rows(store, viv_buffer_bytes(&rows));
    viv_tree_counts(life->tree, &counts);
    cr_assert_eq(store->count, counts.nodes + counts.acls + counts.sessions);
    cr_assert_eq(viv_tree_changed_rows(life->tree), 0);
    viv_buffer_fini(&rows);
}

VIV_TEST(tree_image, fuzzy_deltas_keep_an_earlier_image_recoverable_across_aborts_and_restarts)
{
    for (uint64_t seed = 1; seed <= 25; seed++) {
        struct life life;
        struct row_store store = {0};
        struct viv_buffer rows = {0};
        life_init(&life, seed, 300);
        viv_tree_track_changes(life.tree);
        uint64_t zxid_start = fuzzy_walk(&life, VIV_WALK_FULL, &rows);
        viv_tree_walk_end(life.tree, true);
        store_rows(&store, viv_buffer_bytes(&rows));
        for (int round = 0; round < 8; round++) {
            delta_round(&life, &store, &zxid_start);
        }
        assert_store_holds_no_strays(&life, &store);
        assert_recovers(&life, &store, viv_tree_zxid(life.tree));
        viv_buffer_fini(&rows);
        clear_store(&store);
        life_fini(&life);
    }
}

VIV_TEST(tree_image, a_delta_holds_only_what_changed)
{
    struct world world;
    struct viv_buffer rows = {0};
    world_init(&world);
    for (int i = 0; i < 1000; i++) {
        char path[32];
        snprintf(path, sizeof path, "/n%d", i);
        world_create(&world, path, "data", i + 1);
    }
    viv_tree_track_changes(world.tree);
    world_set(&world, "/n5", "new", 1);
    world_delete(&world, "/n6");
    cr_assert_eq(viv_tree_changed_rows(world.tree), 3);
    viv_tree_walk_begin(world.tree, VIV_WALK_DELTA);
    cr_assert_not(viv_tree_walk_step(world.tree, 1 << 20, &rows));
    viv_tree_walk_end(world.tree, true);
    struct viv_bytes rest = viv_buffer_bytes(&rows);
    struct viv_row row;
    cr_assert(viv_row_next(&rest, &row) && row.op == VIV_ROW_DELETE);
    cr_assert(viv_row_next(&rest, &row) && row.op == VIV_ROW_PUT && row.key.size == 9);
    cr_assert(viv_row_next(&rest, &row) && row.op == VIV_ROW_PUT);
    cr_assert_eq(memcmp(row.key.data + 9, "n5", 2), 0);
    cr_assert_eq(rest.size, 0);
    viv_buffer_fini(&rows);
    world_fini(&world);
}

static struct viv_bytes node_row(struct viv_buffer *rows, viv_node_id id, viv_node_id parent, const char *name)
{
    struct viv_znode node = {.id = id, .parent = parent, .name = viv_bytes_text(name)};
    viv_buffer_clear(rows);
    viv_row_append_node(rows, &node, 0, false);
    return viv_buffer_bytes(rows);
}

VIV_TEST(tree_image, rows_without_a_way_to_the_root_are_dropped_and_deleted_by_the_next_delta)
{
    struct viv_tree *tree = viv_tree_new_empty();
    struct viv_buffer rows = {0};
    struct viv_znode node;
    viv_tree_track_changes(tree);
    cr_assert_eq(viv_tree_load_rows(tree, node_row(&rows, 1, 0, "")), VIV_OK);
    cr_assert_eq(viv_tree_load_rows(tree, node_row(&rows, 9, 5, "kept")), VIV_OK);
    cr_assert_eq(viv_tree_load_rows(tree, node_row(&rows, 5, 1, "parent")), VIV_OK);
    cr_assert_eq(viv_tree_load_rows(tree, node_row(&rows, 2000, 3000, "orphan")), VIV_OK);
    cr_assert_eq(viv_tree_load_rows(tree, node_row(&rows, 7, 2000, "below-orphan")), VIV_OK);
    cr_assert_eq(viv_tree_load_rows(tree, node_row(&rows, 11, 12, "circle-a")), VIV_OK);
    cr_assert_eq(viv_tree_load_rows(tree, node_row(&rows, 12, 11, "circle-b")), VIV_OK);
    cr_assert_eq(viv_tree_load_finish(tree, 77), VIV_OK);
    cr_assert(viv_tree_find(tree, viv_bytes_text("/parent/kept"), &node));
    cr_assert_eq(node.id, 9);
    struct viv_tree_counts counts;
    viv_tree_counts(tree, &counts);
    cr_assert_eq(counts.nodes, 3);
    cr_assert_eq(counts.data_bytes, 1 + 7 + 12);
    cr_assert_eq(viv_tree_changed_rows(tree), 4);
    cr_assert_eq(viv_tree_zxid(tree), 77);
    viv_tree_free(tree);
    viv_buffer_fini(&rows);
}

VIV_TEST(tree_image, slots_that_loading_left_free_are_used_again)
{
    struct viv_tree *tree = viv_tree_new_empty();
    struct viv_buffer rows = {0};
    struct world world = {.tree = tree, .zxid = 100, .time_ms = 1700000000000};
    cr_assert_eq(viv_tree_load_rows(tree, node_row(&rows, 1, 0, "")), VIV_OK);
    cr_assert_eq(viv_tree_load_rows(tree, node_row(&rows, 5000, 1, "far")), VIV_OK);
    cr_assert_eq(viv_tree_load_finish(tree, 100), VIV_OK);
    for (int i = 0; i < 6000; i++) {
        char path[32];
        snprintf(path, sizeof path, "/n%d", i);
        world_create(&world, path, "x", i + 1);
        struct viv_znode node = world_node(&world, path);
        cr_assert(i >= 4998 || node.id < 5000);
    }
    world_fini(&world);
    viv_buffer_fini(&rows);
}

VIV_TEST(tree_image, impossible_rows_are_refused)
{
    static const struct {
        viv_node_id id, parent;
        const char *name;
    } cases[] = {{0, 1, "x"}, {1, 2, "x"}, {5, 0, "x"}, {5, 5, "x"}, {UINT32_MAX, 1, "x"}, {2, 1, "x"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct viv_tree *tree = viv_tree_new_empty();
        struct viv_buffer rows = {0};
        cr_assert_eq(viv_tree_load_rows(tree, node_row(&rows, 1, 0, "")), VIV_OK);
        cr_assert_eq(viv_tree_load_rows(tree, node_row(&rows, 2, 1, "here")), VIV_OK);
        cr_assert_eq(viv_tree_load_rows(tree, node_row(&rows, cases[i].id, cases[i].parent, cases[i].name)),
                     VIV_ERR_CORRUPT);
        viv_tree_free(tree);
        viv_buffer_fini(&rows);
    }
}

VIV_TEST(tree_image, damaged_rows_never_crash_the_loader)
{
    struct life life;
    struct viv_buffer rows = {0}, copy = {0};
    size_t refused = 0;
    life_init(&life, 5, 400);
    viv_tree_walk_begin(life.tree, VIV_WALK_FULL);
    while (viv_tree_walk_step(life.tree, 1 << 20, &rows)) {
    }
    viv_tree_walk_end(life.tree, true);
    for (int i = 0; i < 400; i++) {
        struct viv_tree *tree = viv_tree_new_empty();
        viv_buffer_clear(&copy);
        viv_buffer_append_bytes(&copy, viv_buffer_bytes(&rows));
        for (int flips = 0; flips < 3; flips++) {
            copy.data[viv_rng_below(&life.rng, copy.size)] ^= (uint8_t)(1U << viv_rng_below(&life.rng, 8));
        }
        viv_status status = viv_tree_load_rows(tree, viv_buffer_bytes(&copy));
        status = status == VIV_OK ? viv_tree_load_finish(tree, viv_tree_zxid(life.tree)) : status;
        refused += status == VIV_OK ? 0 : 1;
        viv_tree_free(tree);
    }
    cr_assert_gt(refused, 50);
    viv_buffer_fini(&rows);
    viv_buffer_fini(&copy);
    life_fini(&life);
}

VIV_TEST(tree_image, a_node_younger_than_its_image_is_refused)
{
    for (uint64_t czxid = 7; czxid <= 8; czxid++) {
        struct viv_tree *tree = viv_tree_new_empty();
        struct viv_buffer rows = {0};
        struct viv_znode node = {.id = 2, .parent = 1, .name = viv_bytes_text("n"), .czxid = czxid};
        cr_assert_eq(viv_tree_load_rows(tree, node_row(&rows, 1, 0, "")), VIV_OK);
        viv_buffer_clear(&rows);
        viv_row_append_node(&rows, &node, 0, false);
        cr_assert_eq(viv_tree_load_rows(tree, viv_buffer_bytes(&rows)), VIV_OK);
        cr_assert_eq(viv_tree_load_finish(tree, 7), czxid > 7 ? VIV_ERR_CORRUPT : VIV_OK);
        viv_tree_free(tree);
        viv_buffer_fini(&rows);
    }
}

VIV_TEST(tree_image, a_node_whose_list_is_missing_grants_nothing_and_is_rewritten_by_the_next_delta)
{
    struct viv_tree *tree = viv_tree_new_empty();
    struct viv_buffer rows = {0};
    struct viv_znode node = {.id = 2, .parent = 1, .name = viv_bytes_text("n"), .acl_id = 9};
    cr_assert_eq(viv_tree_load_rows(tree, node_row(&rows, 1, 0, "")), VIV_OK);
    viv_buffer_clear(&rows);
    viv_row_append_node(&rows, &node, 0, false);
    cr_assert_eq(viv_tree_load_rows(tree, viv_buffer_bytes(&rows)), VIV_OK);
    cr_assert_eq(viv_tree_load_finish(tree, 1), VIV_OK);
    viv_tree_track_changes(tree);
    cr_assert(viv_tree_find(tree, viv_bytes_text("/n"), &node));
    cr_assert_not(viv_acl_allows(viv_tree_acl(tree, node.acl_id), VIV_PERM_READ, (struct viv_bytes){0}));
    cr_assert_eq(viv_tree_changed_rows(tree), 2);
    viv_tree_free(tree);
    viv_buffer_fini(&rows);
}

/* ---- replay over what is newer than its first record ---- */

VIV_TEST(tree_image, replaying_any_end_of_the_log_over_the_exact_tree_changes_nothing)
{
    for (uint64_t seed = 1; seed <= 40; seed++) {
        struct life life;
        life_init(&life, seed, 600);
        struct viv_buffer before = {0}, after = {0};
        dump_tree(life.tree, &before);
        replay_log(viv_buffer_bytes(&life.log), viv_rng_below(&life.rng, 600), 1 + (int)(seed % 2), life.tree);
        dump_tree(life.tree, &after);
        cr_assert(viv_bytes_equal(viv_buffer_bytes(&before), viv_buffer_bytes(&after)), "seed %d", (int)seed);
        viv_buffer_fini(&before);
        viv_buffer_fini(&after);
        life_fini(&life);
    }
}

/* ---- ZooKeeper's stream ---- */

static struct viv_tree *load_stream(struct viv_bytes stream, struct viv_rng *rng, size_t piece_max, uint64_t zxid)
{
    struct viv_tree *tree = viv_tree_new_empty();
    struct viv_tree_loader *loader = viv_tree_loader_begin(tree);
    bool done = false;
    while (!done) {
        size_t piece = 1 + viv_rng_below(rng, piece_max);
        size_t used = 0;
        cr_assert_gt(stream.size, 0, "the stream ended early");
        piece = piece < stream.size ? piece : stream.size;
        cr_assert_eq(viv_tree_loader_feed(loader, viv_bytes_of(stream.data, piece), &used, &done), VIV_OK);
        cr_assert(done ? used <= piece : used == piece);
        stream.data += used;
        stream.size -= used;
    }
    viv_tree_loader_end(loader, zxid);
    cr_assert(viv_bytes_equal(stream, VIV_BYTES_LITERAL("what follows")));
    return tree;
}

VIV_TEST(tree_stream, an_empty_tree_is_the_captured_stream)
{
    struct viv_tree *tree = viv_tree_new();
    struct viv_buffer out = {0};
    struct viv_tree_stream *stream = viv_tree_stream_begin(tree);
    while (viv_tree_stream_step(stream, 1, &out)) {
    }
    viv_tree_stream_end(stream);
    /* Sessions, the one list, the root. */
    static const char front[] = "\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\1\0\0\0\1\0\0\0\1\0\0\0\5world\0\0\0\6anyone"
                                "\0\0\0\0\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff";
    static const char back[] = "\0\0\0\1/\0\0\0\nBenWasHere";
    cr_assert_eq(memcmp(out.data, front, sizeof front - 1), 0);
    cr_assert_eq(memcmp(out.data + out.size - (sizeof back - 1), back, sizeof back - 1), 0);
    /* 587 bytes when captured, of which 178 were the text of the configuration and 175 that differ in nothing else. */
    cr_assert_eq(out.size, 587 - 178);
    viv_buffer_fini(&out);
    viv_tree_free(tree);
}

VIV_TEST(tree_stream, fuzzy_streams_beside_a_walk_and_replay_give_the_exact_tree)
{
    for (uint64_t seed = 1; seed <= 30; seed++) {
        struct life life;
        struct viv_buffer out[2] = {{0}, {0}}, rows = {0};
        uint64_t starts[2];
        struct viv_tree_stream *streams[2];
        life_init(&life, seed, 400);
        viv_tree_walk_begin(life.tree, VIV_WALK_FULL);
        for (int i = 0; i < 2; i++) {
            starts[i] = viv_tree_zxid(life.tree);
            streams[i] = viv_tree_stream_begin(life.tree);
            some_steps(&life, 20);
        }
        while (viv_tree_stream_step(streams[0], 1 + viv_rng_below(&life.rng, 1500), &out[0])) {
            some_steps(&life, 12);
            (void)viv_tree_walk_step(life.tree, 600, &rows);
        }
        while (viv_tree_stream_step(streams[1], 1 + viv_rng_below(&life.rng, 3000), &out[1])) {
            some_steps(&life, 12);
        }
        viv_tree_walk_end(life.tree, false);
        for (int i = 0; i < 2; i++) {
            viv_tree_stream_end(streams[i]);
            viv_buffer_append(&out[i], "what follows", 12);
            struct viv_tree *loaded = load_stream(viv_buffer_bytes(&out[i]), &life.rng, 300, starts[i]);
            replay_log(viv_buffer_bytes(&life.log), starts[i], 2, loaded);
            assert_same_tree(life.tree, loaded);
            viv_tree_free(loaded);
            viv_buffer_fini(&out[i]);
        }
        viv_buffer_fini(&rows);
        life_fini(&life);
    }
}

VIV_TEST(tree_stream, damaged_streams_are_refused_or_loaded_but_never_crash)
{
    struct life life;
    struct viv_buffer out = {0}, copy = {0};
    size_t refused = 0;
    life_init(&life, 11, 300);
    struct viv_tree_stream *stream = viv_tree_stream_begin(life.tree);
    while (viv_tree_stream_step(stream, 1 << 20, &out)) {
    }
    viv_tree_stream_end(stream);
    for (int i = 0; i < 500; i++) {
        viv_buffer_clear(&copy);
        viv_buffer_append_bytes(&copy, viv_buffer_bytes(&out));
        copy.data[viv_rng_below(&life.rng, copy.size)] ^= (uint8_t)(1U << viv_rng_below(&life.rng, 8));
        copy.size -= viv_rng_below(&life.rng, 2) == 0 ? viv_rng_below(&life.rng, copy.size) : 0;
        struct viv_tree *tree = viv_tree_new_empty();
        struct viv_tree_loader *loader = viv_tree_loader_begin(tree);
        size_t used;
        bool done = false;
        viv_status status = viv_tree_loader_feed(loader, viv_buffer_bytes(&copy), &used, &done);
        cr_assert(status == VIV_OK || status == VIV_ERR_MALFORMED);
        refused += status == VIV_OK ? 0 : 1;
        viv_tree_loader_end(loader, 1);
        viv_tree_free(tree);
    }
    cr_assert_gt(refused, 20);
    viv_buffer_fini(&out);
    viv_buffer_fini(&copy);
    life_fini(&life);
}
