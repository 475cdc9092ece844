#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "tests/support/hex.h"
#include "tests/support/viv_test.h"
#include "tests/support/world.h"
#include "wire/reply_code.h"

enum { PERSISTENT = 0, EPHEMERAL = 1, SEQUENTIAL = 2 };
#define SECOND_SESSION INT64_C(0x010000124f4c0001)

static void expect_record(const struct viv_world *world, const char *type, const char *record)
{
    struct viv_bytes body = viv_world_body(world);
    viv_hex_expect(viv_bytes_of(body.data + VIV_TXN_HEADER_BYTES - 4, 4), type);
    viv_hex_expect(viv_bytes_of(body.data + VIV_TXN_HEADER_BYTES, body.size - VIV_TXN_HEADER_BYTES), record);
}

VIV_TEST(prepare_sessions, a_session_that_is_only_proposed_may_already_write)
{
    struct viv_world world;
    viv_world_init(&world);
    cr_assert_eq(viv_world_create_session(&world, SECOND_SESSION), 0);
    expect_record(&world, "fffffff6", "00007530");
    world.session_id = SECOND_SESSION;
    cr_assert_eq(viv_world_create(&world, "/e", EPHEMERAL), 0);
    viv_world_settle(&world);
    cr_assert_eq(viv_world_create(&world, "/f", EPHEMERAL), 0);
    viv_world_settle(&world);
    viv_world_fini(&world);
}

VIV_TEST(prepare_sessions, closing_lists_applied_and_pending_ephemerals_in_order)
{
    struct viv_world world;
    viv_world_init(&world);
    cr_assert_eq(viv_world_create_session(&world, SECOND_SESSION), 0);
    cr_assert_eq(viv_world_create(&world, "/p", PERSISTENT), 0);
    cr_assert_eq(viv_world_create(&world, "/p/z", EPHEMERAL), 0);
    cr_assert_eq(viv_world_create(&world, "/p/gone", EPHEMERAL), 0);
    cr_assert_eq(viv_world_create(&world, "/p/set", EPHEMERAL), 0);
    viv_world_settle(&world);
    cr_assert_eq(viv_world_delete(&world, "/p/gone", -1), 0);
    cr_assert_eq(viv_world_set_data(&world, "/p/set", "v", -1), 0);
    cr_assert_eq(viv_world_create(&world, "/a", EPHEMERAL), 0);
    cr_assert_eq(viv_world_create(&world, "/p/plain", PERSISTENT), 0);
    world.session_id = SECOND_SESSION;
    cr_assert_eq(viv_world_create(&world, "/p/gone", EPHEMERAL), 0);
    cr_assert_eq(viv_world_close_session(&world, VIV_WORLD_SESSION), 0);
    expect_record(&world, "fffffff5", "00000003 00000002 2f61 00000006 2f702f736574 00000004 2f702f7a");
    cr_assert_eq(viv_world_close_session(&world, SECOND_SESSION), 0);
    expect_record(&world, "fffffff5", "00000001 00000007 2f702f676f6e65");
    viv_world_settle(&world);
    viv_world_fini(&world);
}

VIV_TEST(prepare_sessions, nothing_is_accepted_from_a_session_that_is_closing_or_closed)
{
    struct viv_world world;
    viv_world_init(&world);
    cr_assert_eq(viv_world_close_session(&world, VIV_WORLD_SESSION), 0);
    for (int round = 0; round < 2; round++) { /* pending, then applied */
        cr_assert_eq(viv_world_create(&world, "/n", PERSISTENT), VIV_REPLY_SESSION_EXPIRED);
        cr_assert_eq(viv_world_delete(&world, "/n", -1), VIV_REPLY_SESSION_EXPIRED);
        cr_assert_eq(viv_world_close_session(&world, VIV_WORLD_SESSION), VIV_REPLY_SESSION_EXPIRED);
        viv_world_encode_step(&world.record, VIV_OP_CHECK);
        viv_world_encode_path_version(&world.record, "/", -1);
        viv_world_encode_end(&world.record);
        cr_assert_eq(viv_world_prepare(&world, VIV_OP_MULTI), VIV_REPLY_SESSION_EXPIRED);
        viv_world_settle(&world);
    }
    viv_world_fini(&world);
}

VIV_TEST(prepare_sessions, what_a_closing_session_owned_is_gone_for_the_next_request)
{
    struct viv_world world;
    viv_world_init(&world);
    cr_assert_eq(viv_world_create_session(&world, SECOND_SESSION), 0);
    cr_assert_eq(viv_world_create(&world, "/p", PERSISTENT), 0);
    cr_assert_eq(viv_world_create(&world, "/p/lock", EPHEMERAL), 0);
    cr_assert_eq(viv_world_close_session(&world, VIV_WORLD_SESSION), 0);
    world.session_id = SECOND_SESSION;
    cr_assert_eq(viv_world_set_data(&world, "/p/lock", "v", -1), VIV_REPLY_NO_NODE);
    cr_assert_eq(viv_world_create(&world, "/p/lock", EPHEMERAL), 0);
    cr_assert_eq(viv_world_delete(&world, "/p/lock", -1), 0);
    cr_assert_eq(viv_world_delete(&world, "/p", -1), 0);
    viv_world_settle(&world);
    viv_world_fini(&world);
}

VIV_TEST(prepare_sessions, what_is_applied_is_forgotten_and_what_is_younger_is_kept)
{
    struct viv_world world;
    viv_world_init(&world);
    cr_assert_eq(viv_world_create(&world, "/n", PERSISTENT), 0);
    cr_assert_eq(viv_world_set_data(&world, "/n", "1", 0), 0);
    cr_assert_eq(viv_world_set_data(&world, "/n", "2", 1), 0);
    viv_world_apply(&world);
    cr_assert_eq(viv_world_set_data(&world, "/n", "3", 0), VIV_REPLY_BAD_VERSION);
    viv_world_apply(&world);
    cr_assert_eq(viv_world_set_data(&world, "/n", "3", 2), 0);
    viv_world_settle(&world);
    cr_assert_eq(viv_world_delete(&world, "/n", 3), 0);
    viv_world_settle(&world);
    viv_world_fini(&world);
}

/* A new leader starts from its tree: what the old one had proposed here is not pending any more. */
VIV_TEST(prepare_sessions, a_reset_forgets_everything_pending)
{
    struct viv_world world;
    viv_world_init(&world);
    cr_assert_eq(viv_world_create(&world, "/n", PERSISTENT), 0);
    cr_assert_eq(viv_world_create(&world, "/n", PERSISTENT), VIV_REPLY_NODE_EXISTS);
    cr_assert_eq(viv_world_close_session(&world, VIV_WORLD_SESSION), 0);
    viv_preparer_reset(world.preparer, world.tree);
    cr_assert_eq(viv_world_create(&world, "/n", PERSISTENT), 0);
    viv_world_fini(&world);
}

static int32_t close_step(struct viv_world *world)
{
    int32_t code = viv_world_close_session(world, VIV_WORLD_SESSION);
    cr_assert_leq(viv_world_body(world).size, world->rules.entry_bytes_max);
    return code;
}

VIV_TEST(prepare_sessions, a_session_with_more_ephemerals_than_an_entry_can_name_is_closed_in_several)
{
    enum { NODES = 100, ENTRY_BYTES = 500 };
    struct viv_world world;
    struct viv_znode node;

    viv_world_init(&world);
    world.rules.entry_bytes_max = ENTRY_BYTES;
    viv_preparer_free(world.preparer);
    world.preparer = viv_preparer_new(world.tree, &world.rules);
    for (int i = 0; i < NODES; i++) {
        cr_assert_eq(viv_world_create(&world, "/ephemeral-", EPHEMERAL | SEQUENTIAL), 0);
        if (i < NODES / 2) {
            viv_world_settle(&world);
        }
    }
    int parts = 0;
    while (close_step(&world) == VIV_PREPARE_AGAIN) {
        parts++;
        viv_world_apply(&world);
    }
    cr_assert_gt(parts, 5);
    cr_assert_eq(viv_world_create(&world, "/late", EPHEMERAL), VIV_REPLY_SESSION_EXPIRED);
    viv_world_settle(&world);
    struct viv_tree_counts counts;
    viv_tree_counts(world.tree, &counts);
    cr_assert_eq(counts.ephemerals, 0);
    cr_assert(viv_tree_find(world.tree, VIV_BYTES_LITERAL("/"), &node));
    cr_assert_eq(node.child_count, 1);
    viv_world_fini(&world);
}
