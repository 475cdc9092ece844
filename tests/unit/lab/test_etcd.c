#include "base/rng.h"
#include "experiments/lab/etcd_messages.h"
#include "tests/support/viv_test.h"

/* Bytes as etcd 3.4 makes and takes them, read off the proto files by hand. */

static void is_message(struct viv_buffer *built, struct viv_bytes expected)
{
    struct viv_bytes message;
    cr_assert(viv_etcd_message(viv_buffer_bytes(built), &message));
    cr_assert(viv_bytes_equal(message, expected));
    viv_buffer_fini(built);
}

VIV_TEST(lab_etcd, requests_are_what_the_protocol_says)
{
    struct viv_buffer out = {0};
    viv_etcd_put(&out, VIV_BYTES_LITERAL("k"), VIV_BYTES_LITERAL("val"));
    is_message(&out, VIV_BYTES_LITERAL("\x0a\x01k\x12\x03val"));
    viv_etcd_range(&out, VIV_BYTES_LITERAL("k"), true);
    is_message(&out, VIV_BYTES_LITERAL("\x0a\x01k\x38\x01"));
    viv_etcd_range(&out, VIV_BYTES_LITERAL("k"), false);
    is_message(&out, VIV_BYTES_LITERAL("\x0a\x01k"));
    viv_etcd_delete(&out, VIV_BYTES_LITERAL("k"));
    is_message(&out, VIV_BYTES_LITERAL("\x0a\x01k"));
    viv_etcd_create(&out, VIV_BYTES_LITERAL("k"), VIV_BYTES_LITERAL("val"));
    is_message(&out, VIV_BYTES_LITERAL("\x0a\x05\x1a\x01k\x20\x00\x12\x0a\x12\x08\x0a\x01k\x12\x03val"));
}

VIV_TEST(lab_etcd, a_long_value_has_a_long_size)
{
    struct viv_buffer out = {0};
    struct viv_bytes message;
    uint8_t value[300] = {0};
    viv_etcd_put(&out, VIV_BYTES_LITERAL("k"), viv_bytes_of(value, sizeof value));
    cr_assert(viv_etcd_message(viv_buffer_bytes(&out), &message));
    cr_assert_eq(message.size, 3 + 3 + sizeof value);
    cr_assert(viv_bytes_starts_with(message, VIV_BYTES_LITERAL("\x0a\x01k\x12\xac\x02")));
    viv_buffer_fini(&out);
}

VIV_TEST(lab_etcd, replies_are_read)
{
    struct viv_bytes value;
    uint64_t deleted;
    bool flag;
    /* header {revision: 7}, kvs {key: k, version: 1, value: val}, count 1 */
    cr_assert(viv_etcd_read_range(VIV_BYTES_LITERAL("\x0a\x02\x18\x07\x12\x0a\x0a\x01k\x20\x01\x2a\x03val\x20\x01"),
                                  &flag, &value));
    cr_assert(flag);
    cr_assert(viv_bytes_equal(value, VIV_BYTES_LITERAL("val")));
    cr_assert(viv_etcd_read_range(VIV_BYTES_LITERAL("\x0a\x02\x18\x07"), &flag, &value));
    cr_assert_not(flag);
    cr_assert(viv_etcd_read_delete(VIV_BYTES_LITERAL("\x0a\x02\x18\x07\x10\x01"), &deleted));
    cr_assert_eq(deleted, 1);
    cr_assert(viv_etcd_read_txn(VIV_BYTES_LITERAL("\x0a\x02\x18\x07\x10\x01"), &flag));
    cr_assert(flag);
    cr_assert(viv_etcd_read_txn(VIV_BYTES_LITERAL("\x0a\x02\x18\x07"), &flag));
    cr_assert_not(flag);
}

VIV_TEST(lab_etcd, what_is_no_message_is_refused)
{
    struct viv_bytes message;
    struct viv_bytes value;
    uint64_t deleted;
    bool flag;
    cr_assert_not(viv_etcd_message(VIV_BYTES_LITERAL("\0\0\0\0"), &message));
    cr_assert_not(viv_etcd_message(VIV_BYTES_LITERAL("\0\0\0\0\2a"), &message));
    cr_assert_not(viv_etcd_message(VIV_BYTES_LITERAL("\1\0\0\0\1a"), &message)); /* compressed: never asked for */
    cr_assert_not(viv_etcd_read_range(VIV_BYTES_LITERAL("\x12\x0a\x0a"), &flag, &value));
    cr_assert_not(viv_etcd_read_range(VIV_BYTES_LITERAL("\x12\x02\x2a\x05"), &flag, &value));
    cr_assert_not(viv_etcd_read_delete(VIV_BYTES_LITERAL("\x10"), &deleted));
    cr_assert_not(viv_etcd_read_txn(VIV_BYTES_LITERAL("\x13"), &flag)); /* a wire type that does not exist */
    cr_assert_not(viv_etcd_read_txn(VIV_BYTES_LITERAL("\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), &flag));
}

VIV_TEST(lab_etcd, any_bytes_are_read_to_an_end)
{
    struct viv_rng rng;
    viv_rng_init(&rng, 1);
    for (int round = 0; round < 20000; round++) {
        uint8_t bytes[40];
        struct viv_bytes message = {bytes, viv_rng_below(&rng, sizeof bytes)};
        struct viv_bytes value;
        uint64_t deleted;
        bool flag;
        for (size_t i = 0; i < message.size; i++) {
            bytes[i] = (uint8_t)(viv_rng_below(&rng, 3) > 0 ? viv_rng_below(&rng, 48) : viv_rng_next(&rng));
        }
        if (viv_etcd_read_range(message, &flag, &value) && flag && value.size > 0) {
            cr_assert(value.data >= bytes && value.data + value.size <= bytes + message.size);
        }
        viv_etcd_read_delete(message, &deleted);
        viv_etcd_read_txn(message, &flag);
    }
}
