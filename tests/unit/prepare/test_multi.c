#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "tests/support/hex.h"
#include "tests/support/viv_test.h"
#include "tests/support/world.h"
#include "wire/reply_code.h"

static void add_create(struct viv_world *world, const char *path, int32_t flags)
{
    viv_world_encode_step(&world->record, VIV_OP_CREATE);
    viv_world_encode_create(&world->record, VIV_OP_CREATE, path, NULL, NULL, flags);
}

static void add_delete(struct viv_world *world, const char *path, int32_t version)
{
    viv_world_encode_step(&world->record, VIV_OP_DELETE);
    viv_world_encode_path_version(&world->record, path, version);
}

static void add_check(struct viv_world *world, const char *path, int32_t version)
{
    viv_world_encode_step(&world->record, VIV_OP_CHECK);
    viv_world_encode_path_version(&world->record, path, version);
}

static void add_set_data(struct viv_world *world, const char *path, const char *data, int32_t version)
{
    viv_world_encode_step(&world->record, VIV_OP_SET_DATA);
    viv_world_encode_set_data(&world->record, path, data, version);
}

static int32_t finish(struct viv_world *world)
{
    viv_world_encode_end(&world->record);
    return viv_world_prepare(world, VIV_OP_MULTI);
}

static void expect_record(const struct viv_world *world, const char *type, const char *record)
{
    struct viv_bytes body = viv_world_body(world);
    viv_hex_expect(viv_bytes_of(body.data + VIV_TXN_HEADER_BYTES - 4, 4), type);
    viv_hex_expect(viv_bytes_of(body.data + VIV_TXN_HEADER_BYTES, body.size - VIV_TXN_HEADER_BYTES), record);
}

VIV_TEST(prepare_multi, operations_see_the_ones_before_them)
{
    struct viv_world world;
    viv_world_init(&world);
    add_create(&world, "/m", 0);
    add_set_data(&world, "/m", "2", 0);
    add_check(&world, "/m", 1);
    add_create(&world, "/m/s-", 2);
    add_create(&world, "/m/s-", 2);
    add_delete(&world, "/m/s-0000000000", 0);
    add_delete(&world, "/m/s-0000000001", 0);
    add_delete(&world, "/m", 1);
    cr_assert_eq(finish(&world), 0);
    viv_world_settle(&world);
    cr_assert_eq(world.applied.result_count, 8);
    cr_assert(viv_bytes_equal(world.applied.results[4].path, VIV_BYTES_LITERAL("/m/s-0000000001")));
    viv_world_fini(&world);
}

/* The worked example of client-protocol.md §7 is what clients see of this transaction. */
VIV_TEST(prepare_multi, a_failure_is_logged_in_its_place_and_changes_nothing)
{
    struct viv_world world;
    viv_world_init(&world);
    cr_assert_eq(viv_world_create(&world, "/p", 0), 0);
    add_create(&world, "/p/s-", 2);
    add_set_data(&world, "/missing", "v", -1);
    add_delete(&world, "/p", -1);
    cr_assert_eq(finish(&world), VIV_REPLY_NO_NODE);
    expect_record(&world, "0000000e",
                  "00000003"
                  "00000001 00000037 0000000f 2f702f732d30303030303030303030 ffffffff"
                  "00000001 0000001f 00000005 776f726c64 00000006 616e796f6e65 00 00000001"
                  "ffffffff 00000004 ffffff9b"
                  "ffffffff 00000004 fffffffe");
    cr_assert_eq(viv_world_create(&world, "/p/s-", 2), 0);
    viv_world_settle(&world);
    cr_assert(viv_bytes_equal(world.applied.results[0].path, VIV_BYTES_LITERAL("/p/s-0000000000")));
    viv_world_fini(&world);
}

VIV_TEST(prepare_multi, a_failure_gives_back_what_was_pending_before)
{
    struct viv_world world;
    viv_world_init(&world);
    cr_assert_eq(viv_world_create(&world, "/p", 0), 0);
    cr_assert_eq(viv_world_set_data(&world, "/p", "1", 0), 0);
    cr_assert_eq(viv_world_set_acl(&world, "/p", "31 ip:127.0.0.1", 0), 0);
    viv_world_identify(&world, "ip", "127.0.0.1");
    add_set_data(&world, "/p", "2", 1);
    add_create(&world, "/p/kid", 0);
    add_create(&world, "/p/eph", 1);
    add_delete(&world, "/p/missing", 0);
    cr_assert_eq(finish(&world), VIV_REPLY_NO_NODE);
    cr_assert_eq(viv_world_set_data(&world, "/p", "2", 1), 0);
    viv_world_forget_identities(&world);
    cr_assert_eq(viv_world_set_data(&world, "/p", "2", 2), VIV_REPLY_NO_AUTH);
    cr_assert_eq(viv_world_delete(&world, "/p", 2), 0);
    cr_assert_eq(viv_world_close_session(&world, VIV_WORLD_SESSION), 0);
    expect_record(&world, "fffffff5", "00000000");
    viv_world_settle(&world);
    viv_world_fini(&world);
}

VIV_TEST(prepare_multi, an_empty_multi_succeeds)
{
    struct viv_world world;
    viv_world_init(&world);
    cr_assert_eq(finish(&world), 0);
    expect_record(&world, "0000000e", "00000000");
    viv_world_settle(&world);
    viv_world_fini(&world);
}

VIV_TEST(prepare_multi, what_is_no_multi_of_changes_is_refused_as_a_whole)
{
    static const int32_t strangers[] = {VIV_OP_GET_DATA, VIV_OP_SET_ACL,          VIV_OP_MULTI,
                                        VIV_OP_SYNC,     VIV_OP_DELETE_CONTAINER, VIV_OP_CLOSE_SESSION};
    struct viv_world world;
    viv_world_init(&world);
    for (size_t i = 0; i < sizeof strangers / sizeof strangers[0]; i++) {
        add_create(&world, "/m", 0);
        viv_world_encode_step(&world.record, strangers[i]);
        viv_world_encode_path_version(&world.record, "/m", -1);
        cr_assert_eq(finish(&world), VIV_REPLY_MARSHALLING_ERROR);
        expect_record(&world, "ffffffff", "fffffffb");
    }
    add_create(&world, "/m", 9);
    cr_assert_eq(finish(&world), VIV_REPLY_MARSHALLING_ERROR);
    add_create(&world, NULL, 0);
    cr_assert_eq(finish(&world), VIV_REPLY_MARSHALLING_ERROR);
    add_create(&world, "/m", 0);
    cr_assert_eq(viv_world_prepare(&world, VIV_OP_MULTI), VIV_REPLY_MARSHALLING_ERROR, "no end");
    viv_world_settle(&world);
    cr_assert_eq(viv_world_create(&world, "/m", 0), 0);
    viv_world_fini(&world);
}

VIV_TEST(prepare_multi, every_kind_of_change_keeps_its_type)
{
    struct viv_world world;
    viv_world_init(&world);
    viv_world_encode_step(&world.record, VIV_OP_CREATE_CONTAINER);
    viv_world_encode_create(&world.record, VIV_OP_CREATE_CONTAINER, "/c", "", NULL, 4);
    viv_world_encode_step(&world.record, VIV_OP_CREATE2);
    viv_world_encode_create(&world.record, VIV_OP_CREATE2, "/c/x", NULL, NULL, 1);
    add_check(&world, "/c", 0);
    cr_assert_eq(finish(&world), 0);
    expect_record(&world, "0000000e",
                  "00000003"
                  "00000013 00000029 00000002 2f63 00000000"
                  "00000001 0000001f 00000005 776f726c64 00000006 616e796f6e65 00000001"
                  "0000000f 0000002c 00000004 2f632f78 ffffffff"
                  "00000001 0000001f 00000005 776f726c64 00000006 616e796f6e65 01 00000001"
                  "0000000d 0000000a 00000002 2f63 00000001");
    viv_world_settle(&world);
    viv_world_fini(&world);
}

/* Each list fits; together they do not. */
VIV_TEST(prepare_multi, a_record_that_no_entry_can_hold_is_refused_as_a_whole)
{
    enum { IDENTITIES = 250, ID_BYTES = 4095, OPERATIONS = VIV_ENTRY_BYTES_MAX / (IDENTITIES * ID_BYTES) + 1 };
    struct viv_world world;
    char path[32], id[ID_BYTES + 1];

    viv_world_init(&world);
    memset(id, 'x', ID_BYTES);
    id[ID_BYTES] = 0;
    for (int i = 0; i < IDENTITIES; i++) {
        snprintf(id, 10, "user:%04u", (unsigned)i % 10000U);
        id[9] = 'x';
        viv_world_identify(&world, "digest", id);
    }
    for (int i = 0; i < OPERATIONS; i++) {
        snprintf(path, sizeof path, "/n%d", i);
        viv_world_encode_step(&world.record, VIV_OP_CREATE);
        viv_world_encode_create(&world.record, VIV_OP_CREATE, path, NULL, "31 auth:", 0);
    }
    cr_assert_eq(finish(&world), VIV_REPLY_MARSHALLING_ERROR);
    expect_record(&world, "ffffffff", "fffffffb");
    cr_assert_eq(viv_world_create_as(&world, VIV_OP_CREATE, "/n0", NULL, "31 auth:", 0), 0);
    viv_world_settle(&world);
    viv_world_fini(&world);
}
