#include <stdlib.h>

#include "tests/unit/tree/support.h"

VIV_TEST(tree_apply, a_fresh_tree_has_the_published_digest)
{
    struct world world;
    struct viv_tree_counts counts;
    world_init(&world);
    viv_tree_counts(world.tree, &counts);
    cr_assert_eq(viv_tree_digest(world.tree), 1371985504);
    cr_assert_eq(counts.nodes, 4);
    cr_assert_eq(counts.data_bytes, 44);
    cr_assert_eq(world_stat(&world, "/").cversion, -1);
    cr_assert_eq(world_stat(&world, "/zookeeper").cversion, -2);
    cr_assert_eq(world_stat(&world, "/zookeeper/config").aversion, -1);
    world_fini(&world);
}

VIV_TEST(tree_apply, the_digest_after_the_published_create_is_the_published_value)
{
    struct world world;
    world_init(&world);
    world.zxid = 3;
    world.time_ms = 0x1a1f8483d76 - 7;
    world_create(&world, "/plain", "hello", 1);
    cr_assert_eq(viv_tree_digest(world.tree), 0x13a84f664);
    cr_assert_eq(viv_tree_zxid(world.tree), 4);
    world_fini(&world);
}

VIV_TEST(tree_apply, random_transactions_leave_the_tree_that_a_plain_model_predicts)
{
    for (uint64_t seed = 1; seed <= 12; seed++) {
        struct model *model = viv_alloc(sizeof *model);
        struct viv_tree *tree = viv_tree_new();
        struct viv_arena arena = {0};
        model_init(model, seed, NULL);
        model->old_closes = seed % 2 == 0;
        for (int i = 0; i < 2000; i++) {
            model_step(model, tree, &arena);
            if (i % 100 == 0) {
                assert_tree_is_model(tree, model);
            }
        }
        assert_tree_is_model(tree, model);
        viv_arena_fini(&arena);
        viv_tree_free(tree);
        free(model);
    }
}

/* ---- stat rules ---- */

VIV_TEST(tree_apply, a_new_node_has_its_transaction_in_every_field)
{
    struct world world;
    world_init(&world);
    world_create(&world, "/a", "12345", 1);
    struct viv_stat stat = world_stat(&world, "/a");
    cr_assert_eq(stat.czxid, 1);
    cr_assert_eq(stat.mzxid, 1);
    cr_assert_eq(stat.pzxid, 1);
    cr_assert_eq(stat.ctime, world.time_ms);
    cr_assert_eq(stat.data_bytes, 5);
    cr_assert_eq(stat.version + stat.cversion + stat.aversion + stat.child_count, 0);
    struct viv_buffer now = {0}, reported = {0};
    viv_stat_encode(&now, &stat);
    viv_stat_encode(&reported, &world.applied.results[0].stat);
    cr_assert(viv_bytes_equal(viv_buffer_bytes(&now), viv_buffer_bytes(&reported)));
    viv_buffer_fini(&now);
    viv_buffer_fini(&reported);
    cr_assert(viv_bytes_equal(world.applied.results[0].path, viv_bytes_text("/a")));
    world_fini(&world);
}

VIV_TEST(tree_apply, children_move_counter_and_pzxid_of_their_parent_and_nothing_else)
{
    struct world world;
    world_init(&world);
    world_create(&world, "/p", "", 1);
    world_create(&world, "/p/a", "", 1);
    world_create(&world, "/p/b", "", 2);
    world_delete(&world, "/p/a");
    struct viv_stat stat = world_stat(&world, "/p");
    cr_assert_eq(world_node(&world, "/p").child_counter, 2);
    cr_assert_eq(stat.cversion, 3);
    cr_assert_eq(stat.child_count, 1);
    cr_assert_eq(stat.pzxid, 4);
    cr_assert_eq(stat.mzxid, 1);
    cr_assert_eq(stat.version, 0);
    world_set(&world, "/p/b", "x", 1);
    cr_assert_eq(world_stat(&world, "/p").pzxid, 4);
    world_fini(&world);
}

VIV_TEST(tree_apply, a_counter_at_its_end_stays_and_pzxid_with_it)
{
    struct world world;
    world_init(&world);
    world_create(&world, "/p", "", 1);
    world_create(&world, "/p/a", "", INT32_MAX);
    world_create(&world, "/p/b", "", INT32_MIN);
    cr_assert_eq(world_node(&world, "/p").child_counter, INT32_MAX);
    cr_assert_eq(world_stat(&world, "/p").pzxid, 2);
    cr_assert_eq(world_stat(&world, "/p").child_count, 2);
    world_fini(&world);
}

VIV_TEST(tree_apply, a_record_of_old_writers_advances_the_counter_by_one)
{
    struct world world;
    world_init(&world);
    world_create(&world, "/p", "", 1);
    world_create(&world, "/p/a", "", -1);
    world_create(&world, "/p/b", "", -1);
    cr_assert_eq(world_node(&world, "/p").child_counter, 2);
    world_fini(&world);
}

VIV_TEST(tree_apply, null_data_is_not_empty_data)
{
    struct world world;
    world_init(&world);
    world_create(&world, "/null", NULL, 1);
    world_create(&world, "/empty", "", 2);
    cr_assert(world_node(&world, "/null").data.null);
    cr_assert_not(world_node(&world, "/empty").data.null);
    world_set(&world, "/null", "now", 1);
    cr_assert_not(world_node(&world, "/null").data.null);
    world_fini(&world);
}

VIV_TEST(tree_apply, owners_of_containers_and_ttl_nodes_stay_inside)
{
    struct world world;
    world_init(&world);
    world_create_as(&world, VIV_OP_CREATE_CONTAINER, "/c", false, 1);
    world_create_as(&world, VIV_OP_CREATE_TTL, "/t", false, 2);
    world_create_as(&world, VIV_OP_CREATE2, "/e", true, 3);
    cr_assert_eq(world_node(&world, "/c").owner, VIV_OWNER_CONTAINER);
    cr_assert_eq((uint64_t)world_node(&world, "/t").owner, VIV_OWNER_TTL_MARK | 90000);
    cr_assert_eq(world_stat(&world, "/c").ephemeral_owner, 0);
    cr_assert_eq(world_stat(&world, "/t").ephemeral_owner, 0);
    cr_assert_eq(world_stat(&world, "/e").ephemeral_owner, world.session_id);
    world_fini(&world);
}

VIV_TEST(tree_apply, acl_lists_are_shared_and_go_with_their_last_node)
{
    struct world world;
    struct viv_buffer acl = {0};
    struct viv_tree_counts counts;
    world_init(&world);
    uint64_t extra = viv_tree_digest_extra(world.tree);
    world_create(&world, "/a", "", 1);
    world_create(&world, "/b", "", 2);
    world_set_acl(&world, "/a", make_acl(&acl, 31, "digest", "alice"), 1);
    world_set_acl(&world, "/b", make_acl(&acl, 31, "digest", "alice"), 1);
    cr_assert_eq(world_node(&world, "/a").acl_id, world_node(&world, "/b").acl_id);
    cr_assert_eq(world_stat(&world, "/a").aversion, 1);
    cr_assert_eq(world_stat(&world, "/a").mzxid, 1);
    viv_tree_counts(world.tree, &counts);
    cr_assert_eq(counts.acls, 2);
    cr_assert_neq(viv_tree_digest_extra(world.tree), extra);
    world_delete(&world, "/a");
    world_set_acl(&world, "/b", viv_acl_open_unsafe(), 2);
    cr_assert_eq(world_node(&world, "/b").acl_id, 0);
    viv_tree_counts(world.tree, &counts);
    cr_assert_eq(counts.acls, 1);
    cr_assert_eq(viv_tree_digest_extra(world.tree), extra);
    viv_buffer_fini(&acl);
    world_fini(&world);
}

/* ---- what a transaction reports ---- */

static void assert_change(const struct world *world, size_t index, enum viv_change_kind kind, const char *path)
{
    cr_assert_lt(index, world->applied.change_count);
    cr_assert_eq(world->applied.changes[index].kind, kind);
    cr_assert(viv_bytes_equal(world->applied.changes[index].path, viv_bytes_text(path)), "change %zu is not of %s",
              index, path);
}

VIV_TEST(tree_apply, closing_a_session_deletes_its_ephemerals_with_one_change_each)
{
    struct world world;
    world_init(&world);
    world_begin(&world, VIV_OP_CREATE_SESSION);
    viv_jute_write_int(&world.body, 30000);
    world_apply(&world);
    world_create_as(&world, VIV_OP_CREATE, "/e1", true, 1);
    world_create_as(&world, VIV_OP_CREATE, "/e2", true, 2);
    world_create_as(&world, VIV_OP_CREATE, "/unlisted", true, 3);
    world_create(&world, "/stays", "", 4);
    world_begin(&world, VIV_OP_CLOSE_SESSION);
    viv_jute_write_int(&world.body, 3);
    viv_jute_write_text(&world.body, "/e2");
    viv_jute_write_text(&world.body, "/gone-before");
    viv_jute_write_text(&world.body, "/e1");
    world_apply(&world);
    cr_assert_eq(world.applied.change_count, 3);
    assert_change(&world, 0, VIV_CHANGE_DELETED, "/e2");
    assert_change(&world, 1, VIV_CHANGE_DELETED, "/e1");
    assert_change(&world, 2, VIV_CHANGE_DELETED, "/unlisted");
    int32_t timeout_ms;
    cr_assert_not(viv_tree_session(world.tree, world.session_id, &timeout_ms));
    cr_assert(world_has(&world, "/stays"));
    cr_assert_eq(world_stat(&world, "/").pzxid, 6);
    world_fini(&world);
}

VIV_TEST(tree_apply, a_close_without_list_is_told_from_the_digest_behind_it)
{
    struct world world;
    world_init(&world);
    world_create_as(&world, VIV_OP_CREATE, "/e", true, 1);
    world_begin(&world, VIV_OP_CLOSE_SESSION);
    viv_jute_write_int(&world.body, 2);
    viv_jute_write_long(&world.body, 0x12345);
    world_apply(&world);
    cr_assert_not(world_has(&world, "/e"));
    assert_change(&world, 0, VIV_CHANGE_DELETED, "/e");
    world_fini(&world);
}

static void add_part(struct world *world, int32_t type, struct viv_buffer *part)
{
    viv_jute_write_int(&world->body, type);
    viv_jute_write_bytes(&world->body, viv_buffer_bytes(part));
    viv_buffer_clear(part);
}

static void add_create(struct world *world, struct viv_buffer *part, const char *path, int32_t parent_cversion)
{
    viv_create_txn_encode(part,
                          &(struct viv_create_txn){.path = viv_bytes_text(path),
                                                   .acl = viv_acl_open_unsafe(),
                                                   .parent_cversion = parent_cversion},
                          VIV_OP_CREATE);
    add_part(world, VIV_OP_CREATE, part);
}

VIV_TEST(tree_apply, a_multi_reports_each_step_as_it_was_then)
{
    struct world world;
    struct viv_buffer part = {0};
    world_init(&world);
    world_begin(&world, VIV_OP_MULTI);
    viv_jute_write_int(&world.body, 4);
    add_create(&world, &part, "/m", 1);
    viv_set_data_txn_encode(&part, &(struct viv_set_data_txn){viv_bytes_text("/m"), {.null = true}, 1});
    add_part(&world, VIV_OP_SET_DATA, &part);
    add_create(&world, &part, "/m/c", 1);
    viv_jute_write_text(&part, "/m/c");
    add_part(&world, VIV_OP_DELETE, &part);
    world_apply(&world);
    cr_assert(world.applied.is_multi);
    cr_assert_eq(world.applied.result_count, 4);
    cr_assert_eq(world.applied.results[0].stat.version, 0);
    cr_assert_eq(world.applied.results[1].stat.version, 1);
    cr_assert_eq(world.applied.results[1].stat.child_count, 0);
    cr_assert_eq(world.applied.results[3].type, VIV_OP_DELETE);
    cr_assert_eq(world.applied.change_count, 4);
    assert_change(&world, 1, VIV_CHANGE_DATA, "/m");
    assert_change(&world, 3, VIV_CHANGE_DELETED, "/m/c");
    cr_assert_eq(world_stat(&world, "/m").cversion, 2);
    viv_buffer_fini(&part);
    world_fini(&world);
}

VIV_TEST(tree_apply, a_failed_multi_changes_nothing_but_the_zxid)
{
    struct world world;
    struct viv_buffer part = {0};
    world_init(&world);
    uint64_t digest = viv_tree_digest(world.tree);
    world_begin(&world, VIV_OP_MULTI);
    viv_jute_write_int(&world.body, 3);
    add_create(&world, &part, "/m", 1);
    viv_jute_write_int(&part, -101);
    add_part(&world, VIV_OP_ERROR, &part);
    viv_jute_write_int(&part, -2);
    add_part(&world, VIV_OP_ERROR, &part);
    world_apply(&world);
    cr_assert_eq(world.applied.result_count, 3);
    cr_assert_eq(world.applied.results[0].type, VIV_OP_ERROR);
    cr_assert_eq(world.applied.results[0].err, 0);
    cr_assert_eq(world.applied.results[1].err, -101);
    cr_assert_eq(world.applied.results[2].err, -2);
    cr_assert_eq(world.applied.change_count, 0);
    cr_assert_eq(viv_tree_digest(world.tree), digest);
    cr_assert_eq(viv_tree_zxid(world.tree), 1);
    viv_buffer_fini(&part);
    world_fini(&world);
}

VIV_TEST(tree_apply, deleting_and_creating_again_starts_afresh_in_the_same_slot)
{
    struct world world;
    world_init(&world);
    world_create(&world, "/a", "old", 1);
    world_set(&world, "/a", "older", 1);
    viv_node_id id = world_node(&world, "/a").id;
    world_delete(&world, "/a");
    cr_assert_not(world_has(&world, "/a"));
    world_create(&world, "/a", NULL, 2);
    cr_assert_eq(world_node(&world, "/a").id, id);
    cr_assert_eq(world_stat(&world, "/a").version, 0);
    cr_assert_eq(world_stat(&world, "/a").czxid, 4);
    world_fini(&world);
}

/* ---- bytes from outside ---- */

VIV_TEST(tree_apply, a_record_cut_anywhere_is_malformed_and_changes_nothing)
{
    struct world world;
    world_init(&world);
    world_create(&world, "/a", "data", 1);
    uint64_t digest = viv_tree_digest(world.tree);
    world_begin(&world, VIV_OP_CREATE_TTL);
    viv_create_txn_encode(
        &world.body,
        &(struct viv_create_txn){
            .path = viv_bytes_text("/a/b"), .acl = viv_acl_open_unsafe(), .parent_cversion = 1, .ttl_ms = 1},
        VIV_OP_CREATE_TTL);
    for (size_t size = 0; size < world.body.size; size++) {
        viv_tree_apply(world.tree, viv_bytes_of(world.body.data, size), VIV_APPLY_LIVE, &world.arena, &world.applied);
        cr_assert(world.applied.malformed, "%zu bytes", size);
        cr_assert_eq(world.applied.result_count + world.applied.change_count, 0);
    }
    cr_assert_eq(viv_tree_digest(world.tree), digest);
    cr_assert_eq(viv_tree_zxid(world.tree), 1);
    world_apply(&world);
    cr_assert(world_has(&world, "/a/b"));
    world_fini(&world);
}

VIV_TEST(tree_apply, impossible_paths_types_and_ttls_are_malformed)
{
    static const char *const paths[] = {"", "/", "a", "/a/", "//a"};
    struct world world;
    world_init(&world);
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        world_begin(&world, VIV_OP_DELETE);
        viv_jute_write_text(&world.body, paths[i]);
        viv_tree_apply(world.tree, viv_buffer_bytes(&world.body), VIV_APPLY_REPLAY, &world.arena, &world.applied);
        cr_assert(world.applied.malformed, "%s", paths[i]);
    }
    world_begin(&world, VIV_OP_GET_DATA);
    viv_tree_apply(world.tree, viv_buffer_bytes(&world.body), VIV_APPLY_REPLAY, &world.arena, &world.applied);
    cr_assert(world.applied.malformed);
    world_begin(&world, VIV_OP_CREATE_TTL);
    viv_create_txn_encode(
        &world.body, &(struct viv_create_txn){.path = viv_bytes_text("/a"), .acl = viv_acl_open_unsafe(), .ttl_ms = -5},
        VIV_OP_CREATE_TTL);
    viv_tree_apply(world.tree, viv_buffer_bytes(&world.body), VIV_APPLY_REPLAY, &world.arena, &world.applied);
    cr_assert(world.applied.malformed);
    world_fini(&world);
}

/* ---- replay over what is newer ---- */

VIV_TEST(tree_apply, a_replayed_delete_takes_a_later_life_of_the_path_with_all_below_it)
{
    struct world world;
    world_init(&world);
    world_create(&world, "/a", "", 1);
    world_create(&world, "/a/b", "", 1);
    world_create(&world, "/a/b/c", "", 1);
    world_begin(&world, VIV_OP_DELETE);
    viv_jute_write_text(&world.body, "/a");
    viv_tree_apply(world.tree, viv_buffer_bytes(&world.body), VIV_APPLY_REPLAY, &world.arena, &world.applied);
    cr_assert_not(world_has(&world, "/a"));
    cr_assert_not(world_has(&world, "/a/b/c"));
    struct viv_tree_counts counts;
    viv_tree_counts(world.tree, &counts);
    cr_assert_eq(counts.nodes, 4);
    world_fini(&world);
}

VIV_TEST(tree_apply, a_replayed_create_leaves_a_node_that_is_there_but_sets_its_list)
{
    struct world world;
    struct viv_buffer acl = {0};
    world_init(&world);
    world_create(&world, "/a", "first", 1);
    world_set(&world, "/a", "second", 1);
    world_set_acl(&world, "/a", make_acl(&acl, 1, "ip", "10.0.0.1"), 1);
    uint64_t mzxid = world_node(&world, "/a").mzxid;
    world_begin(&world, VIV_OP_CREATE);
    viv_create_txn_encode(&world.body,
                          &(struct viv_create_txn){.path = viv_bytes_text("/a"),
                                                   .data = {.bytes = viv_bytes_text("first")},
                                                   .acl = viv_acl_open_unsafe(),
                                                   .parent_cversion = 1},
                          VIV_OP_CREATE);
    viv_tree_apply(world.tree, viv_buffer_bytes(&world.body), VIV_APPLY_REPLAY, &world.arena, &world.applied);
    cr_assert_eq(world_node(&world, "/a").mzxid, mzxid);
    cr_assert_eq(world_node(&world, "/a").acl_id, 0);
    cr_assert_eq(world_stat(&world, "/").pzxid, 1);
    cr_assert_eq(world.applied.change_count, 0);
    viv_buffer_fini(&acl);
    world_fini(&world);
}
