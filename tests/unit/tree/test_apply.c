#include <string.h>

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
