#include "base/rng.h"
#include "node/fifo.h"
#include "node/table.h"
#include "tests/support/viv_test.h"

VIV_TEST(node_table, holds_what_was_added_until_it_is_removed)
{
    enum { KEYS = 500, ROUNDS = 20000 };
    static int values[KEYS];
    bool there[KEYS] = {false};
    struct viv_table table = {0};
    struct viv_rng rng;
    viv_rng_init(&rng, 7);
    size_t count = 0;
    for (int round = 0; round < ROUNDS; round++) {
        size_t key = (size_t)viv_rng_below(&rng, KEYS);
        cr_assert_eq(viv_table_get(&table, key << 16), there[key] ? &values[key] : NULL);
        if (there[key]) {
            cr_assert_eq(viv_table_remove(&table, key << 16), &values[key]);
        } else {
            viv_table_add(&table, key << 16, &values[key]);
        }
        there[key] = !there[key];
        count += there[key] ? 1 : (size_t)-1;
        cr_assert_eq(table.count, count);
    }
    for (size_t key = 0; key < KEYS; key++) {
        cr_assert_eq(viv_table_get(&table, key << 16), there[key] ? &values[key] : NULL);
    }
    viv_table_fini(&table);
}

VIV_TEST(node_table, an_empty_one_knows_nothing)
{
    struct viv_table table = {0};
    cr_assert_null(viv_table_get(&table, 1));
    cr_assert_null(viv_table_remove(&table, 1));
}

VIV_TEST(node_fifo, gives_back_in_order_while_it_grows_and_wraps)
{
    struct viv_fifo fifo;
    viv_fifo_init(&fifo, sizeof(int));
    int pushed = 0, popped = 0;
    for (int round = 1; round < 40; round++) {
        for (int i = 0; i < round; i++) {
            *(int *)viv_fifo_push(&fifo) = pushed++;
        }
        cr_assert_eq(*(int *)viv_fifo_at(&fifo, fifo.count - 1), pushed - 1);
        for (int i = 0; i < round - 1; i++) {
            cr_assert_eq(*(int *)viv_fifo_front(&fifo), popped++);
            viv_fifo_pop(&fifo);
        }
    }
    cr_assert_eq(fifo.count, (size_t)(pushed - popped));
    viv_fifo_clear(&fifo);
    cr_assert_null(viv_fifo_front(&fifo));
    viv_fifo_fini(&fifo);
}
