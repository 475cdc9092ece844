#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/endian.h"
#include "tests/unit/tree/support.h"
#include "tree/blob.h"
#include "tree/crc32.h"
#include "tree/index.h"
#include "tree/slab.h"

enum { DATA_BYTES = 56 };
static const char some_data[DATA_BYTES + 1] = "fifty-six bytes of data, as small znodes mostly have....";

VIV_TEST(tree_storage, a_small_leaf_takes_at_most_160_bytes_all_in)
{
    enum { LEAVES = 100000 };
    struct world world;
    struct viv_tree_counts before, after;
    world_init(&world);
    world_create(&world, "/dir", "", 1);
    viv_tree_counts(world.tree, &before);
    for (int i = 0; i < LEAVES; i++) {
        char path[32];
        snprintf(path, sizeof path, "/dir/child%08d", i);
        cr_assert_eq(strlen(strrchr(path, '/') + 1), 13);
        world_create(&world, path, some_data, i + 1);
    }
    viv_tree_counts(world.tree, &after);
    cr_assert_eq(after.nodes, before.nodes + LEAVES);
    double each = (double)after.memory_bytes / LEAVES;
    cr_assert_leq(each, 160.0, "%.1f bytes", each);
    cr_assert_geq(each, 64.0 + 13.0 + DATA_BYTES);
    for (int i = 0; i < LEAVES; i++) {
        char path[32];
        snprintf(path, sizeof path, "/dir/child%08d", i);
        world_delete(&world, path);
    }
    for (int i = 0; i < LEAVES; i++) {
        char path[32];
        snprintf(path, sizeof path, "/dir/again%08d", i);
        world_create(&world, path, some_data, LEAVES + i + 1);
    }
    struct viv_tree_counts again;
    viv_tree_counts(world.tree, &again);
    cr_assert_leq(again.memory_bytes, after.memory_bytes + after.memory_bytes / 10, "freed memory is not used again");
    world_fini(&world);
}

VIV_TEST(tree_storage, what_does_not_fit_the_narrow_fields_is_kept_all_the_same)
{
    enum { NAME_BYTES = 70000 };
    struct world world;
    char *path = viv_alloc_zeroed(NAME_BYTES + 2, 1);
    memset(path, 'n', NAME_BYTES + 1);
    path[0] = '/';
    world_init(&world);
    world_create(&world, path, "data", 1);
    cr_assert_eq(world_node(&world, path).name.size, NAME_BYTES);
    world.time_ms = -8;
    world_create(&world, "/early", "x", 2);
    cr_assert_eq(world_stat(&world, "/early").ctime, -1);
    world.time_ms = INT64_C(1) << 60;
    world_set(&world, "/early", "y", 1);
    cr_assert_eq(world_stat(&world, "/early").mtime, (INT64_C(1) << 60) + 7);
    cr_assert_eq(world_stat(&world, "/early").ctime, -1);
    world_set(&world, path, "longer data", 1);
    struct viv_znode node = world_node(&world, path);
    cr_assert_eq(node.mtime_ms, (INT64_C(1) << 60) + 14);
    cr_assert(viv_bytes_equal(node.data.bytes, viv_bytes_text("longer data")));

    struct viv_tree *loaded = viv_tree_new_empty();
    struct viv_buffer rows = {0};
    viv_tree_walk_begin(world.tree, VIV_WALK_FULL);
    while (viv_tree_walk_step(world.tree, 1000, &rows)) {
    }
    viv_tree_walk_end(world.tree, true);
    cr_assert_eq(viv_tree_load_rows(loaded, viv_buffer_bytes(&rows)), VIV_OK);
    cr_assert_eq(viv_tree_load_finish(loaded, world.zxid), VIV_OK);
    assert_same_tree(world.tree, loaded);
    world_delete(&world, path);
    world_delete(&world, "/early");
    viv_tree_free(loaded);
    viv_buffer_fini(&rows);
    world_fini(&world);
    free(path);
}

VIV_TEST(tree_storage, more_lists_than_the_narrow_field_counts_are_told_apart)
{
    enum { LISTS = 70000 };
    struct world world;
    struct viv_buffer acl = {0};
    world_init(&world);
    for (int i = 0; i < LISTS; i++) {
        char text[32];
        snprintf(text, sizeof text, "/n%d", i);
        world_begin(&world, VIV_OP_CREATE);
        viv_create_txn_encode(&world.body,
                              &(struct viv_create_txn){.path = viv_bytes_text(text),
                                                       .acl = make_acl(&acl, 31, "digest", text),
                                                       .parent_cversion = i + 1},
                              VIV_OP_CREATE);
        world_apply(&world);
    }
    for (int i = 0; i < LISTS; i += 7) {
        char text[32];
        snprintf(text, sizeof text, "/n%d", i);
        struct viv_znode node = world_node(&world, text);
        cr_assert(viv_bytes_equal(viv_tree_acl(world.tree, node.acl_id), make_acl(&acl, 31, "digest", text)));
    }
    viv_buffer_fini(&acl);
    world_fini(&world);
}

VIV_TEST(tree_storage, data_of_every_size_comes_back_and_blocks_are_used_again)
{
    struct world world;
    char *data = viv_alloc_zeroed(200001, 1);
    uint64_t memory_bytes = 0;
    world_init(&world);
    world_create(&world, "/a", "", 1);
    for (int round = 0; round < 6; round++) {
        for (size_t size = 0; size <= 200000; size = size * 5 / 4 + 1) {
            memset(data, 'a' + round, size);
            data[size] = '\0';
            world_set(&world, "/a", data, 1);
            struct viv_znode node = world_node(&world, "/a");
            cr_assert(viv_bytes_equal(node.data.bytes, viv_bytes_text(data)));
            cr_assert(viv_bytes_equal(node.name, viv_bytes_text("a")));
        }
        struct viv_tree_counts counts;
        viv_tree_counts(world.tree, &counts);
        cr_assert(round < 2 || counts.memory_bytes == memory_bytes, "memory grows in round %d", round);
        memory_bytes = counts.memory_bytes;
    }
    free(data);
    world_fini(&world);
}

VIV_TEST(tree_storage, blobs_of_one_size_are_cut_from_freed_blobs_of_a_larger_one)
{
    enum { BLOBS = 4096 };
    struct viv_blobs blobs;
    uint32_t *refs = viv_alloc(BLOBS * sizeof *refs);
    viv_blobs_init(&blobs);
    for (int i = 0; i < BLOBS; i++) {
        refs[i] = viv_blob_alloc(&blobs, 1000);
        memset(viv_blob_at(&blobs, refs[i]), i, 1000);
    }
    for (int i = 0; i < BLOBS; i++) {
        viv_blob_free(&blobs, refs[i], 1000);
    }
    uint64_t memory_bytes = blobs.memory_bytes;
    for (int i = 0; i < BLOBS; i++) {
        refs[i] = viv_blob_alloc(&blobs, 100);
        memset(viv_blob_at(&blobs, refs[i]), i, 100);
    }
    for (int i = 0; i < BLOBS; i++) {
        const uint8_t *blob = viv_blob_at(&blobs, refs[i]);
        cr_assert(blob[0] == (uint8_t)i && blob[99] == (uint8_t)i);
    }
    cr_assert_eq(blobs.memory_bytes, memory_bytes);
    viv_blobs_fini(&blobs);
    free(refs);
}

VIV_TEST(tree_storage, ids_freed_while_held_back_come_again_only_afterwards)
{
    struct viv_slab slab;
    viv_slab_init(&slab, 64);
    uint32_t first = viv_slab_alloc(&slab);
    uint32_t second = viv_slab_alloc(&slab);
    viv_slab_hold(&slab);
    viv_slab_hold(&slab);
    viv_slab_free(&slab, first);
    viv_slab_free(&slab, second);
    viv_slab_release(&slab);
    uint32_t third = viv_slab_alloc(&slab);
    cr_assert(third != first && third != second);
    viv_slab_release(&slab);
    uint32_t fourth = viv_slab_alloc(&slab);
    uint32_t fifth = viv_slab_alloc(&slab);
    cr_assert(fourth == second && fifth == first);
    viv_slab_fini(&slab);
}

/* The index over nodes that were given names only. */
static viv_node_id add_named(struct viv_znodes *znodes, viv_node_id parent, const char *name)
{
    viv_node_id id = viv_slab_alloc(&znodes->slots);
    struct viv_znode fields = {.parent = parent, .name = viv_bytes_text(name)};
    viv_slot_fill(znodes, viv_slot_at(znodes, id), &fields);
    return id;
}

VIV_TEST(tree_index, entries_are_found_until_they_are_removed_while_segments_split)
{
    enum { NAMES = 50000 };
    struct viv_znodes znodes;
    struct viv_index index;
    viv_node_id *ids = viv_alloc(NAMES * sizeof *ids);
    viv_znodes_init(&znodes);
    viv_index_init(&index);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < NAMES; i++) {
            char name[16];
            snprintf(name, sizeof name, "%d", i);
            ids[i] = add_named(&znodes, (viv_node_id)(i % 3 + 1), name);
            uint64_t hash = viv_index_hash((viv_node_id)(i % 3 + 1), viv_bytes_text(name));
            cr_assert_eq(viv_index_find(&index, &znodes, hash, (viv_node_id)(i % 3 + 1), viv_bytes_text(name)), 0);
            viv_index_insert(&index, &znodes, hash, ids[i]);
        }
        for (int i = 0; i < NAMES; i++) {
            char name[16];
            snprintf(name, sizeof name, "%d", i);
            uint64_t hash = viv_index_hash((viv_node_id)(i % 3 + 1), viv_bytes_text(name));
            cr_assert_eq(viv_index_find(&index, &znodes, hash, (viv_node_id)(i % 3 + 1), viv_bytes_text(name)), ids[i]);
            viv_index_remove(&index, hash, ids[i]);
            cr_assert_eq(viv_index_find(&index, &znodes, hash, (viv_node_id)(i % 3 + 1), viv_bytes_text(name)), 0);
            viv_slot_release(&znodes, viv_slot_at(&znodes, ids[i]));
            viv_slab_free(&znodes.slots, ids[i]);
        }
        cr_assert_eq(index.count, 0);
    }
    viv_index_fini(&index);
    viv_znodes_fini(&znodes);
    free(ids);
}

VIV_TEST(tree_index, names_that_were_chosen_to_collide_fill_one_segment_and_not_the_memory)
{
    enum { NAMES = 5000, SHARED_BITS = 8 };
    struct viv_znodes znodes;
    struct viv_index index;
    viv_znodes_init(&znodes);
    viv_index_init(&index);
    uint64_t candidate = 0;
    for (int i = 0; i < NAMES; i++) {
        char name[24];
        do {
            snprintf(name, sizeof name, "%llx", (unsigned long long)candidate++);
        } while (viv_index_hash(1, viv_bytes_text(name)) >> (64 - SHARED_BITS) != 0);
        viv_node_id id = add_named(&znodes, 1, name);
        uint64_t hash = viv_index_hash(1, viv_bytes_text(name));
        viv_index_insert(&index, &znodes, hash, id);
        cr_assert_eq(viv_index_find(&index, &znodes, hash, 1, viv_bytes_text(name)), id);
    }
    cr_assert_lt(index.depth, SHARED_BITS);
    cr_assert_lt(index.memory_bytes, NAMES * 24);
    viv_index_fini(&index);
    viv_znodes_fini(&znodes);
}

VIV_TEST(tree_crc32, equals_that_of_zlib_for_every_length_and_state)
{
    uint8_t bytes[2048];
    struct viv_rng rng;
    viv_rng_init(&rng, 1);
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (uint8_t)viv_rng_next(&rng);
    }
    cr_assert_eq(viv_crc32(0, viv_bytes_text("123456789")), 0xcbf43926U);
    for (size_t size = 0; size < sizeof bytes - 16; size++) {
        uint32_t state = size % 5 == 0 ? 0 : (uint32_t)viv_rng_next(&rng);
        cr_assert_eq(viv_crc32(state, viv_bytes_of(bytes + size % 16, size)),
                     crc32(state, bytes + size % 16, (uInt)size));
    }
}

/* ---- what older versions wrote ---- */

VIV_TEST(tree_loader, ttl_nodes_of_zookeeper_353_are_ttl_nodes_when_that_is_asked_for)
{
    static const struct {
        uint64_t written, loaded;
    } owners[] = {
        {0x8000000000000000, 0x8000000000000000}, /* a container */
        {0x80000000000003e8, 0xff000000000003e8}, /* 1000 ms */
        {0x8fffffffffffffff, 0xff0000ffffffffff}, /* longer than can be said now */
        {0xff000000000003e8, 0xff000000000003e8}, /* by a later version */
        {0x0100000000000001, 0x0100000000000001}, /* a session */
    };
    for (size_t i = 0; i < sizeof owners / sizeof owners[0]; i++) {
        struct viv_buffer bytes = {0};
        struct viv_znode node;
        viv_jute_write_int(&bytes, 0); /* sessions */
        viv_jute_write_int(&bytes, 0); /* lists */
        for (int n = 0; n < 2; n++) {
            viv_jute_write_text(&bytes, n == 0 ? "" : "/n");
            viv_jute_write_int(&bytes, -1);
            viv_jute_write_long(&bytes, -1);
            uint8_t *stat = viv_buffer_extend(&bytes, 60);
            memset(stat, 0, 60);
            viv_store_be64(stat + 44, n == 0 ? 0 : owners[i].written);
        }
        viv_jute_write_text(&bytes, "/");
        viv_jute_write_text(&bytes, "BenWasHere");
        for (int emulates = 0; emulates < 2; emulates++) {
            struct viv_tree *tree = viv_tree_new_empty();
            struct viv_tree_loader *loader = viv_tree_loader_begin(tree);
            size_t used;
            bool done;
            if (emulates) {
                viv_tree_loader_emulate_353_ttl(loader);
            }
            cr_assert_eq(viv_tree_loader_feed(loader, viv_buffer_bytes(&bytes), &used, &done), VIV_OK);
            cr_assert(done);
            viv_tree_loader_end(loader, 1);
            cr_assert(viv_tree_find(tree, VIV_BYTES_LITERAL("/n"), &node));
            cr_assert_eq((uint64_t)node.owner, emulates ? owners[i].loaded : owners[i].written);
            viv_tree_free(tree);
        }
        viv_buffer_fini(&bytes);
    }
}
