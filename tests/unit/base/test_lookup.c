#include <string.h>

#include "base/lookup.h"
#include "base/pool.h"
#include "base/rng.h"
#include "tests/support/viv_test.h"

enum { ITEMS = 200, STEPS = 50000, HASHES = 7 };

/* Items that share few hashes crowd into long runs, which wrap round the end of the table. */
static uint32_t hash_of(uint32_t item)
{
    return UINT32_MAX - item % HASHES;
}

static bool is_found(const struct viv_lookup *lookup, uint32_t item)
{
    uint32_t cursor = 0, at;
    while ((at = viv_lookup_next(lookup, hash_of(item), &cursor)) != VIV_LOOKUP_NONE) {
        cr_assert_eq(hash_of(at), hash_of(item));
        if (at == item) {
            return true;
        }
    }
    return false;
}

VIV_TEST(base_lookup, what_was_added_and_not_removed_is_found)
{
    struct viv_lookup lookup = {0};
    struct viv_rng rng;
    bool present[ITEMS] = {false};
    uint32_t count = 0;

    viv_rng_init(&rng, 1);
    cr_assert_not(is_found(&lookup, 1));
    for (int step = 0; step < STEPS; step++) {
        uint32_t item = (uint32_t)viv_rng_below(&rng, ITEMS);
        cr_assert_eq(is_found(&lookup, item), present[item]);
        if (present[item]) {
            viv_lookup_remove(&lookup, hash_of(item), item);
            count--;
        } else {
            viv_lookup_add(&lookup, hash_of(item), item);
            count++;
        }
        present[item] = !present[item];
        cr_assert_eq(lookup.count, count);
    }
    viv_lookup_fini(&lookup);
}

VIV_TEST(base_pool, freed_items_come_back_zeroed_and_the_others_keep_their_index)
{
    struct viv_pool pool;
    viv_pool_init(&pool, 24);
    for (uint32_t i = 0; i < 100; i++) {
        cr_assert_eq(viv_pool_take(&pool), i);
        memset(viv_pool_at(&pool, i), (int)i, 24);
    }
    viv_pool_give(&pool, 7);
    viv_pool_give(&pool, 50);
    cr_assert_eq(pool.live, 98);
    cr_assert_eq(viv_pool_take(&pool), 50);
    cr_assert_eq(viv_pool_take(&pool), 7);
    cr_assert_eq(viv_pool_take(&pool), 100);
    static const uint8_t zeros[24];
    cr_assert_eq(memcmp(viv_pool_at(&pool, 7), zeros, 24), 0);
    cr_assert_eq(*(uint8_t *)viv_pool_at(&pool, 99), 99);
    viv_pool_fini(&pool);
}
