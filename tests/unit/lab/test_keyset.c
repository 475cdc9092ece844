#include "experiments/lab/keyset.h"
#include "tests/support/viv_test.h"

VIV_TEST(lab_keyset, a_value_tells_the_number_of_its_write)
{
    struct viv_keyset keyset;
    uint32_t number = 0;
    viv_keyset_init(&keyset, 10, 100, 7);
    struct viv_bytes value = viv_keyset_value(&keyset, 0xdeadbeef);
    cr_assert_eq(value.size, 100);
    cr_assert(viv_keyset_number(value, &number));
    cr_assert_eq(number, 0xdeadbeef);
    cr_assert_not(viv_keyset_number(VIV_BYTES_LITERAL("not ours"), &number));
    cr_assert_not(viv_keyset_number(VIV_BYTES_LITERAL("0000"), &number));
    viv_keyset_fini(&keyset);
}

VIV_TEST(lab_keyset, only_a_write_that_was_never_answered_may_come_late)
{
    struct viv_keyset keyset;
    viv_keyset_init(&keyset, 2, 100, 7);
    for (int i = 0; i < 5; i++) {
        viv_keyset_next(&keyset, 1);
    }
    viv_keyset_stray(&keyset, 1, 3);
    viv_keyset_stray(&keyset, 1, 2);
    viv_keyset_acked(&keyset, 1, 5);
    cr_assert(viv_keyset_is_loss(&keyset, 1, 0));
    cr_assert(viv_keyset_is_loss(&keyset, 1, 1));
    cr_assert_not(viv_keyset_is_loss(&keyset, 1, 2));
    cr_assert_not(viv_keyset_is_loss(&keyset, 1, 3));
    cr_assert(viv_keyset_is_loss(&keyset, 1, 4));
    cr_assert_not(viv_keyset_is_loss(&keyset, 1, 5));
    cr_assert_not(viv_keyset_is_loss(&keyset, 0, 0));
    viv_keyset_fini(&keyset);
}

VIV_TEST(lab_keyset, an_acknowledgement_never_goes_back)
{
    struct viv_keyset keyset;
    viv_keyset_init(&keyset, 2, 100, 7);
    cr_assert_eq(viv_keyset_next(&keyset, 1), 1);
    cr_assert_eq(viv_keyset_next(&keyset, 1), 2);
    viv_keyset_acked(&keyset, 1, 2);
    viv_keyset_acked(&keyset, 1, 1);
    cr_assert_eq(keyset.keys[1].acked, 2);
    cr_assert_eq(keyset.keys[0].sent, 0);
    viv_keyset_fini(&keyset);
}
