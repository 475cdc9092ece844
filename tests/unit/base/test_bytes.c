#include <string.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "base/checksum.h"
#include "base/row.h"
#include "tests/support/viv_test.h"

VIV_TEST(base_checksum, crc32c_of_the_check_string_is_the_published_value)
{
    cr_assert_eq(viv_crc32c(0, "123456789", 9), 0xe3069283U);
}

VIV_TEST(base_checksum, crc32c_can_be_computed_in_pieces)
{
    uint32_t first = viv_crc32c(0, "12345", 5);
    cr_assert_eq(viv_crc32c(first, "6789", 4), 0xe3069283U);
}

VIV_TEST(base_bytes, a_buffer_keeps_what_was_appended_while_it_grows)
{
    struct viv_buffer buffer = {0};
    for (int i = 0; i < 1000; i++) {
        viv_buffer_printf(&buffer, "%04d", i);
    }
    cr_assert_eq(buffer.size, 4000);
    cr_assert_eq(memcmp(buffer.data + 3996, "0999", 4), 0);
    viv_buffer_consume(&buffer, 3996);
    cr_assert(viv_bytes_equal(viv_buffer_bytes(&buffer), VIV_BYTES_LITERAL("0999")));
    viv_buffer_fini(&buffer);
}

VIV_TEST(base_arena, a_reset_arena_hands_out_the_same_memory_again)
{
    struct viv_arena arena = {0};
    void *first = viv_arena_alloc(&arena, 100);
    void *large = viv_arena_alloc(&arena, 1 << 20);
    viv_arena_reset(&arena);
    cr_assert_eq(viv_arena_alloc(&arena, 100), first);
    cr_assert_eq(viv_arena_alloc(&arena, 1 << 20), large);
    viv_arena_fini(&arena);
}

VIV_TEST(base_row, rows_come_back_in_order_and_a_cut_row_is_refused)
{
    struct viv_buffer block = {0};
    viv_row_append(&block, &(struct viv_row){VIV_ROW_PUT, VIV_BYTES_LITERAL("k"), VIV_BYTES_LITERAL("value")});
    viv_row_append(&block, &(struct viv_row){VIV_ROW_DELETE, VIV_BYTES_LITERAL("gone"), {0}});
    struct viv_bytes rest = {block.data, block.size - 1};
    struct viv_row row;
    cr_assert(viv_row_next(&rest, &row));
    cr_assert(viv_bytes_equal(row.value, VIV_BYTES_LITERAL("value")));
    cr_assert_not(viv_row_next(&rest, &row));
    cr_assert_gt(rest.size, 0);
    viv_buffer_fini(&block);
}
