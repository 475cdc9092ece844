#include "admin/dues.h"
#include "tests/support/viv_test.h"

VIV_TEST(admin_dues, are_told_by_time_whatever_the_order_they_came_in)
{
    static const struct {
        uint64_t at_ms, number;
    } added[] = {{3000, 1}, {1000, 2}, {3000, 3}, {2000, 4}, {1000, 5}, {9000, 6}};
    static const struct {
        uint64_t at_ms;
        uint32_t count;
        uint64_t sum;
    } expected[] = {{1000, 2, 7}, {2000, 1, 4}, {3000, 2, 4}, {9000, 1, 6}};
    struct viv_dues dues = {0};
    for (size_t i = 0; i < sizeof added / sizeof added[0]; i++) {
        viv_dues_add(&dues, added[i].at_ms, added[i].number);
    }
    cr_assert_eq(viv_dues_item_count(&dues), 6);
    cr_assert_eq(viv_dues_set_count(&dues), 4);
    for (size_t i = 0; i < 4; i++) {
        const struct viv_due_set *set = viv_dues_set(&dues, i);
        cr_assert_eq(set->at_ms, expected[i].at_ms);
        cr_assert_eq(set->count, expected[i].count);
        uint64_t sum = 0;
        for (uint32_t place = set->first; place != 0; place = viv_dues_item(&dues, place)->next) {
            sum += viv_dues_item(&dues, place)->number;
        }
        cr_assert_eq(sum, expected[i].sum);
    }
    viv_dues_fini(&dues);
    cr_assert_eq(viv_dues_set_count(&dues) + viv_dues_item_count(&dues), 0);
}
