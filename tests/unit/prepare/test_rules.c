#include <stdlib.h>

#include "base/limits.h"
#include "tests/support/hex.h"
#include "tests/support/viv_test.h"
#include "tests/support/world.h"
#include "wire/reply_code.h"

/* Which error wins when several rules are broken at once (client-protocol.md §5.1): each test goes down the list,
 * mending the first broken rule each time. */

enum { PERSISTENT = 0, EPHEMERAL = 1, SEQUENTIAL = 2, EPHEMERAL_SEQUENTIAL = 3, CONTAINER = 4, TTL = 5 };
#define UNKNOWN_SESSION INT64_C(0x7777)

static struct viv_world world;

static void start(void)
{
    viv_world_init(&world);
}

static void end(void)
{
    viv_world_fini(&world);
}

#define RULE_TEST(name)                                                                                                \
    static void body_##name(void);                                                                                     \
    VIV_TEST(prepare_rules, name)                                                                                      \
    {                                                                                                                  \
        start();                                                                                                       \
        body_##name();                                                                                                 \
        end();                                                                                                         \
    }                                                                                                                  \
    static void body_##name(void)

/* The path of the last create, from its transaction. */
static void expect_created(const char *path)
{
    struct viv_jute_reader reader = viv_jute_reader_of(viv_world_body(&world));
    viv_jute_read_raw(&reader, VIV_TXN_HEADER_BYTES);
    struct viv_bytes actual = viv_jute_read_buffer(&reader).bytes;
    cr_assert(viv_bytes_equal(actual, viv_bytes_text(path)), "%.*s", (int)actual.size, (const char *)actual.data);
}

static int32_t create_broken(const char *path, const char *acl, int32_t flags)
{
    return viv_world_create_as(&world, VIV_OP_CREATE, path, NULL, acl, flags);
}

RULE_TEST(create_refuses_in_zookeepers_order)
{
    cr_assert_eq(viv_world_create_as(&world, VIV_OP_CREATE, "/shut", NULL, "1 world:anyone", PERSISTENT), 0);
    cr_assert_eq(viv_world_create(&world, "/open", PERSISTENT), 0);
    cr_assert_eq(viv_world_create(&world, "/open/there", PERSISTENT), 0);
    cr_assert_eq(viv_world_create(&world, "/eph", EPHEMERAL), 0);
    world.session_id = UNKNOWN_SESSION;
    cr_assert_eq(create_broken(NULL, "", 7), VIV_REPLY_MARSHALLING_ERROR);
    cr_assert_eq(create_broken("nope", "", 7), VIV_REPLY_BAD_ARGUMENTS);
    cr_assert_eq(create_broken("nope", "", -1), VIV_REPLY_BAD_ARGUMENTS);
    cr_assert_eq(create_broken("nope", "", TTL), VIV_REPLY_UNIMPLEMENTED);
    cr_assert_eq(create_broken("nope", "", PERSISTENT), VIV_REPLY_SESSION_EXPIRED);
    world.session_id = VIV_WORLD_SESSION;
    cr_assert_eq(create_broken("nope", "", PERSISTENT), VIV_REPLY_BAD_ARGUMENTS);
    cr_assert_eq(create_broken("/missing/\x01", "", PERSISTENT), VIV_REPLY_INVALID_ACL);
    cr_assert_eq(create_broken("/missing/\x01", NULL, PERSISTENT), VIV_REPLY_NO_NODE);
    cr_assert_eq(create_broken("/shut/\x01", NULL, PERSISTENT), VIV_REPLY_NO_AUTH);
    cr_assert_eq(create_broken("/open/\x01", NULL, PERSISTENT), VIV_REPLY_BAD_ARGUMENTS);
    cr_assert_eq(create_broken("/open/there", NULL, PERSISTENT), VIV_REPLY_NODE_EXISTS);
    cr_assert_eq(create_broken("/eph/kid", NULL, PERSISTENT), VIV_REPLY_NO_CHILDREN_FOR_EPHEMERALS);
    cr_assert_eq(create_broken("/open/new", NULL, PERSISTENT), VIV_REPLY_OK);
}

RULE_TEST(odd_paths_meet_the_rule_that_their_text_leads_to)
{
    cr_assert_eq(viv_world_create(&world, "/a", PERSISTENT), 0);
    for (int round = 0; round < 2; round++) { /* pending, then applied */
        cr_assert_eq(viv_world_create(&world, "/a//b", PERSISTENT), VIV_REPLY_NO_NODE);
        cr_assert_eq(viv_world_create(&world, "/a/./b", PERSISTENT), VIV_REPLY_NO_NODE);
        cr_assert_eq(viv_world_create(&world, "/a/", PERSISTENT), VIV_REPLY_BAD_ARGUMENTS);
        cr_assert_eq(viv_world_create(&world, "/", PERSISTENT), VIV_REPLY_NODE_EXISTS);
        cr_assert_eq(viv_world_create(&world, "", PERSISTENT), VIV_REPLY_BAD_ARGUMENTS);
        cr_assert_eq(viv_world_create(&world, "a/b", PERSISTENT), VIV_REPLY_NO_NODE);
        viv_world_settle(&world);
    }
    cr_assert_eq(viv_world_create(&world, "/zookeeper/mine", PERSISTENT), 0);
}

RULE_TEST(opcode_and_flags_of_a_create_must_agree)
{
    cr_assert_eq(viv_world_create(&world, "/c", CONTAINER), VIV_REPLY_BAD_ARGUMENTS);
    cr_assert_eq(viv_world_create_as(&world, VIV_OP_CREATE_CONTAINER, "/c", NULL, NULL, PERSISTENT),
                 VIV_REPLY_BAD_ARGUMENTS);
    cr_assert_eq(viv_world_create_as(&world, VIV_OP_CREATE_TTL, "/c", NULL, NULL, PERSISTENT), VIV_REPLY_BAD_ARGUMENTS);
    cr_assert_eq(viv_world_create_as(&world, VIV_OP_CREATE_TTL, "/c", NULL, NULL, CONTAINER), VIV_REPLY_BAD_ARGUMENTS);
    cr_assert_eq(viv_world_create_as(&world, VIV_OP_CREATE_TTL, "/c", NULL, NULL, TTL), VIV_REPLY_UNIMPLEMENTED);
    cr_assert_eq(viv_world_create_as(&world, VIV_OP_CREATE_CONTAINER, "/c", NULL, NULL, CONTAINER), 0);
    cr_assert_eq(viv_world_create(&world, "/c/kid", PERSISTENT), 0);
}

static int32_t create_ttl(const char *path, int32_t flags, int64_t ttl_ms)
{
    viv_world_encode_create(&world.record, VIV_OP_CREATE, path, NULL, NULL, flags);
    viv_jute_write_long(&world.record, ttl_ms);
    return viv_world_prepare(&world, VIV_OP_CREATE_TTL);
}

RULE_TEST(a_ttl_is_between_one_millisecond_and_forty_bits)
{
    world.rules.extended_types = true;
    viv_preparer_free(world.preparer);
    world.preparer = viv_preparer_new(world.tree, &world.rules);
    cr_assert_eq(create_ttl("nope", TTL, 0), VIV_REPLY_BAD_ARGUMENTS);
    cr_assert_eq(create_ttl("/t", TTL, -1), VIV_REPLY_BAD_ARGUMENTS);
    cr_assert_eq(create_ttl("/t", TTL, VIV_TTL_MS_MAX + 1), VIV_REPLY_BAD_ARGUMENTS);
    cr_assert_eq(create_ttl("/t", PERSISTENT, 1), VIV_REPLY_BAD_ARGUMENTS);
    cr_assert_eq(create_ttl("/t", CONTAINER, -1), VIV_REPLY_BAD_ARGUMENTS);
    cr_assert_eq(viv_world_create(&world, "/t", TTL), VIV_REPLY_BAD_ARGUMENTS);
    cr_assert_eq(viv_world_create_as(&world, VIV_OP_CREATE_CONTAINER, "/t", NULL, NULL, TTL), VIV_REPLY_BAD_ARGUMENTS);
    cr_assert_eq(create_ttl("/t", TTL, 1), 0);
    cr_assert_eq(create_ttl("/t", TTL, 1), VIV_REPLY_NODE_EXISTS);
    cr_assert_eq(create_ttl("/t/s-", TTL + 1, VIV_TTL_MS_MAX), 0);
    expect_created("/t/s-0000000000");
    viv_world_settle(&world);
    struct viv_znode node;
    cr_assert(viv_tree_find(world.tree, VIV_BYTES_LITERAL("/t/s-0000000000"), &node));
    cr_assert_eq((uint64_t)node.owner, VIV_OWNER_TTL_MARK | (uint64_t)VIV_TTL_MS_MAX);
    cr_assert(viv_tree_find(world.tree, VIV_BYTES_LITERAL("/t"), &node));
    struct viv_stat stat;
    viv_znode_stat(&node, &stat);
    cr_assert_eq(stat.ephemeral_owner, 0, "clients do not see it");
}

RULE_TEST(sequence_numbers_count_every_creation_below_the_parent)
{
    cr_assert_eq(viv_world_create(&world, "/p", PERSISTENT), 0);
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(viv_world_create(&world, "/p/n-", SEQUENTIAL), 0);
    }
    expect_created("/p/n-0000000002");
    viv_world_settle(&world);
    cr_assert_eq(viv_world_create(&world, "/p/x", PERSISTENT), 0);
    cr_assert_eq(viv_world_create(&world, "/p/x", SEQUENTIAL), 0);
    expect_created("/p/x0000000004");
    cr_assert_eq(viv_world_delete(&world, "/p/x", -1), 0);
    cr_assert_eq(viv_world_create(&world, "/p/x/y", PERSISTENT), VIV_REPLY_NO_NODE);
    cr_assert_eq(viv_world_create(&world, "/p/", EPHEMERAL_SEQUENTIAL), 0);
    expect_created("/p/0000000005");
}

RULE_TEST(delete_refuses_in_zookeepers_order)
{
    cr_assert_eq(viv_world_create_as(&world, VIV_OP_CREATE, "/p", NULL, "31 world:anyone", PERSISTENT), 0);
    cr_assert_eq(viv_world_create(&world, "/p/n", PERSISTENT), 0);
    cr_assert_eq(viv_world_create(&world, "/p/n/kid", PERSISTENT), 0);
    cr_assert_eq(viv_world_set_acl(&world, "/p", "23 world:anyone", -1), 0);
    world.session_id = UNKNOWN_SESSION;
    cr_assert_eq(viv_world_delete(&world, NULL, 7), VIV_REPLY_MARSHALLING_ERROR);
    cr_assert_eq(viv_world_delete(&world, "nope", 7), VIV_REPLY_SESSION_EXPIRED);
    world.session_id = VIV_WORLD_SESSION;
    static const char *const undeletable[] = {"nope", "", "/", "/zookeeper", "/zookeeper/quota", "/zookeeper/config"};
    for (size_t i = 0; i < sizeof undeletable / sizeof undeletable[0]; i++) {
        cr_assert_eq(viv_world_delete(&world, undeletable[i], 7), VIV_REPLY_BAD_ARGUMENTS);
    }
    cr_assert_eq(viv_world_delete(&world, "/missing/n", 7), VIV_REPLY_NO_NODE);
    cr_assert_eq(viv_world_delete(&world, "/p/missing", 7), VIV_REPLY_NO_AUTH);
    cr_assert_eq(viv_world_set_acl(&world, "/p", NULL, -1), 0);
    cr_assert_eq(viv_world_delete(&world, "/p/missing", 7), VIV_REPLY_NO_NODE);
    cr_assert_eq(viv_world_delete(&world, "/p/n", 7), VIV_REPLY_BAD_VERSION);
    cr_assert_eq(viv_world_delete(&world, "/p/n", -2), VIV_REPLY_BAD_VERSION);
    cr_assert_eq(viv_world_delete(&world, "/p/n", 0), VIV_REPLY_NOT_EMPTY);
    cr_assert_eq(viv_world_delete(&world, "/p/n/kid", 0), 0);
    cr_assert_eq(viv_world_delete(&world, "/p/n", 0), 0);
    cr_assert_eq(viv_world_delete(&world, "/p/n", 0), VIV_REPLY_NO_NODE);
}

RULE_TEST(a_nodes_own_list_does_not_protect_it_from_deletion)
{
    cr_assert_eq(viv_world_create_as(&world, VIV_OP_CREATE, "/n", NULL, "0 world:anyone", PERSISTENT), 0);
    cr_assert_eq(viv_world_set_data(&world, "/n", "v", -1), VIV_REPLY_NO_AUTH);
    cr_assert_eq(viv_world_delete(&world, "/n", -1), 0);
}

/* Whoever asks: what other servers forward comes with the identities that they found. */
RULE_TEST(a_leader_that_skips_lists_asks_none_of_them)
{
    cr_assert_eq(viv_world_create_as(&world, VIV_OP_CREATE, "/n", NULL, "0 world:anyone", PERSISTENT), 0);
    cr_assert_eq(viv_world_set_data(&world, "/n", "v", -1), VIV_REPLY_NO_AUTH);
    viv_world_settle(&world);
    world.rules.skips_acl = true;
    viv_preparer_free(world.preparer);
    world.preparer = viv_preparer_new(world.tree, &world.rules);
    cr_assert_eq(viv_world_set_data(&world, "/n", "v", -1), 0);
    cr_assert_eq(viv_world_create(&world, "/n/kid", PERSISTENT), 0);
    cr_assert_eq(viv_world_set_acl(&world, "/n", "31 nobody:x", -1), VIV_REPLY_INVALID_ACL);
}

RULE_TEST(set_data_refuses_in_zookeepers_order)
{
    cr_assert_eq(viv_world_create_as(&world, VIV_OP_CREATE, "/n", NULL, "17 world:anyone", PERSISTENT), 0);
    world.session_id = UNKNOWN_SESSION;
    cr_assert_eq(viv_world_set_data(&world, NULL, "v", 7), VIV_REPLY_MARSHALLING_ERROR);
    cr_assert_eq(viv_world_set_data(&world, "/n/", "v", 7), VIV_REPLY_SESSION_EXPIRED);
    world.session_id = VIV_WORLD_SESSION;
    cr_assert_eq(viv_world_set_data(&world, "/n/", "v", 7), VIV_REPLY_BAD_ARGUMENTS);
    cr_assert_eq(viv_world_set_data(&world, "/missing", "v", 7), VIV_REPLY_NO_NODE);
    cr_assert_eq(viv_world_set_data(&world, "/n", "v", 7), VIV_REPLY_NO_AUTH);
    cr_assert_eq(viv_world_set_acl(&world, "/n", NULL, 0), 0);
    cr_assert_eq(viv_world_set_data(&world, "/n", "v", 7), VIV_REPLY_BAD_VERSION);
    cr_assert_eq(viv_world_set_data(&world, "/n", "v", 0), 0);
    cr_assert_eq(viv_world_set_data(&world, "/n", "v", 0), VIV_REPLY_BAD_VERSION);
    cr_assert_eq(viv_world_set_data(&world, "/n", "v", 1), 0);
    cr_assert_eq(viv_world_set_data(&world, "/", "v", -1), 0);
    cr_assert_eq(viv_world_set_data(&world, "/zookeeper", "v", -1), 0);
}

RULE_TEST(set_acl_refuses_in_zookeepers_order)
{
    cr_assert_eq(viv_world_create_as(&world, VIV_OP_CREATE, "/n", NULL, "15 world:anyone", PERSISTENT), 0);
    world.session_id = UNKNOWN_SESSION;
    cr_assert_eq(viv_world_set_acl(&world, NULL, "", 7), VIV_REPLY_MARSHALLING_ERROR);
    cr_assert_eq(viv_world_set_acl(&world, "/n/", "", 7), VIV_REPLY_SESSION_EXPIRED);
    world.session_id = VIV_WORLD_SESSION;
    cr_assert_eq(viv_world_set_acl(&world, "/n/", "", 7), VIV_REPLY_BAD_ARGUMENTS);
    cr_assert_eq(viv_world_set_acl(&world, "/missing", "", 7), VIV_REPLY_INVALID_ACL);
    cr_assert_eq(viv_world_set_acl(&world, "/missing", NULL, 7), VIV_REPLY_NO_NODE);
    cr_assert_eq(viv_world_set_acl(&world, "/n", NULL, 7), VIV_REPLY_NO_AUTH);
    cr_assert_eq(viv_world_create(&world, "/m", PERSISTENT), 0);
    cr_assert_eq(viv_world_set_data(&world, "/m", "v", -1), 0);
    cr_assert_eq(viv_world_set_acl(&world, "/m", NULL, 1), VIV_REPLY_BAD_VERSION);
    cr_assert_eq(viv_world_set_acl(&world, "/m", NULL, 0), 0);
    cr_assert_eq(viv_world_set_acl(&world, "/m", NULL, 0), VIV_REPLY_BAD_VERSION);
    cr_assert_eq(viv_world_set_acl(&world, "/m", NULL, 1), 0);
}

RULE_TEST(requests_that_break_off_are_refused_and_logged)
{
    static const int32_t ops[] = {VIV_OP_CREATE,     VIV_OP_CREATE2, VIV_OP_CREATE_CONTAINER,
                                  VIV_OP_CREATE_TTL, VIV_OP_DELETE,  VIV_OP_SET_DATA,
                                  VIV_OP_SET_ACL,    VIV_OP_MULTI,   VIV_OP_RECONFIG};
    for (size_t i = 0; i < sizeof ops / sizeof ops[0]; i++) {
        viv_jute_write_int(&world.record, 100);
        cr_assert_eq(viv_world_prepare(&world, ops[i]), VIV_REPLY_MARSHALLING_ERROR);
        struct viv_bytes body = viv_world_body(&world);
        viv_hex_expect(viv_bytes_of(body.data + VIV_TXN_HEADER_BYTES - 4, body.size - VIV_TXN_HEADER_BYTES + 4),
                       "ffffffff fffffffb");
        viv_world_settle(&world);
    }
}

RULE_TEST(operations_that_are_not_served_become_refusals)
{
    cr_assert_eq(viv_world_prepare(&world, 77), VIV_REPLY_UNIMPLEMENTED);
    viv_world_encode_path_version(&world.record, "/", -1);
    cr_assert_eq(viv_world_prepare(&world, VIV_OP_CHECK), VIV_REPLY_UNIMPLEMENTED);
    viv_jute_write_text(&world.record, "/n");
    cr_assert_eq(viv_world_prepare(&world, VIV_OP_DELETE_CONTAINER), VIV_REPLY_UNIMPLEMENTED);
    for (int i = 0; i < 3; i++) {
        viv_jute_write_int(&world.record, -1);
    }
    viv_jute_write_long(&world.record, -1);
    cr_assert_eq(viv_world_prepare(&world, VIV_OP_RECONFIG), VIV_REPLY_RECONFIG_DISABLED);
}

static int32_t delete_container(const char *path)
{
    world.session_id = 0;
    viv_jute_write_text(&world.record, path);
    int32_t code = viv_world_prepare(&world, VIV_OP_DELETE_CONTAINER);
    world.session_id = VIV_WORLD_SESSION;
    return code;
}

RULE_TEST(the_leader_removes_containers_that_are_empty)
{
    cr_assert_eq(viv_world_create_as(&world, VIV_OP_CREATE_CONTAINER, "/c", NULL, NULL, CONTAINER), 0);
    cr_assert_eq(viv_world_create(&world, "/c/kid", PERSISTENT), 0);
    cr_assert_eq(viv_world_create(&world, "/eph", EPHEMERAL), 0);
    cr_assert_eq(delete_container("/zookeeper"), VIV_REPLY_BAD_ARGUMENTS);
    cr_assert_eq(delete_container("/missing"), VIV_REPLY_NO_NODE);
    cr_assert_eq(delete_container("/c"), VIV_REPLY_NOT_EMPTY);
    cr_assert_eq(delete_container("/eph"), VIV_REPLY_BAD_VERSION);
    cr_assert_eq(viv_world_delete(&world, "/c/kid", -1), 0);
    viv_world_settle(&world);
    cr_assert_eq(delete_container("/c"), 0);
    cr_assert_eq(delete_container("/c"), VIV_REPLY_NO_NODE);
    viv_world_settle(&world);
}

RULE_TEST(what_is_on_its_way_to_a_container_keeps_it)
{
    cr_assert_eq(viv_world_create_as(&world, VIV_OP_CREATE_CONTAINER, "/used", NULL, NULL, CONTAINER), 0);
    cr_assert_eq(viv_world_create_as(&world, VIV_OP_CREATE_CONTAINER, "/other", NULL, NULL, CONTAINER), 0);
    cr_assert_eq(viv_world_create(&world, "/plain", PERSISTENT), 0);
    viv_world_settle(&world);
    cr_assert_eq(viv_world_set_data(&world, "/used", "fresh", -1), 0);
    cr_assert_eq(viv_world_delete(&world, "/other", -1), 0);
    cr_assert_eq(viv_world_create(&world, "/other", PERSISTENT), 0);
    cr_assert_eq(delete_container("/used"), VIV_REPLY_BAD_VERSION);
    cr_assert_eq(delete_container("/other"), VIV_REPLY_BAD_VERSION);
    viv_world_settle(&world);
    cr_assert_eq(delete_container("/used"), 0, "as soon as it is in the tree");
    cr_assert_eq(delete_container("/other"), VIV_REPLY_BAD_VERSION, "it is another node now");
    cr_assert_eq(delete_container("/plain"), VIV_REPLY_BAD_VERSION);
    viv_world_settle(&world);
}

/* Sets the version of a pending node by asking for it: only the overlay and the rules are between. */
RULE_TEST(a_version_that_wraps_never_becomes_the_one_that_matches_anything)
{
    struct viv_create_txn create = {VIV_BYTES_LITERAL("/n"), {.null = true}, viv_acl_open_unsafe(), false, 1, 0};
    struct viv_set_data_txn set_data = {VIV_BYTES_LITERAL("/n"), {.null = true}, -2};
    struct viv_buffer body = {0};
    struct viv_applied applied;

    viv_txn_header_encode(&body, &(struct viv_txn_header){VIV_WORLD_SESSION, 1, 2, 3, VIV_OP_CREATE});
    viv_create_txn_encode(&body, &create, VIV_OP_CREATE);
    viv_tree_apply(world.tree, viv_buffer_bytes(&body), VIV_APPLY_LIVE, &world.arena, &applied);
    viv_buffer_clear(&body);
    viv_txn_header_encode(&body, &(struct viv_txn_header){VIV_WORLD_SESSION, 1, 3, 3, VIV_OP_SET_DATA});
    viv_set_data_txn_encode(&body, &set_data);
    viv_tree_apply(world.tree, viv_buffer_bytes(&body), VIV_APPLY_REPLAY, &world.arena, &applied);
    viv_buffer_fini(&body);
    world.zxid = 3;
    cr_assert_eq(viv_world_set_data(&world, "/n", "v", -2), 0);
    struct viv_bytes made = viv_world_body(&world);
    viv_hex_expect(viv_bytes_of(made.data + made.size - 4, 4), "00000000");
}

/* A parent whose counter has reached the end hands that number out once. */
RULE_TEST(an_exhausted_sequence_ends_in_node_exists)
{
    struct viv_create_txn create = {
        VIV_BYTES_LITERAL("/n"), {.null = true}, viv_acl_open_unsafe(), false, INT32_MAX, 0};
    struct viv_buffer body = {0};
    struct viv_applied applied;

    viv_txn_header_encode(&body, &(struct viv_txn_header){VIV_WORLD_SESSION, 1, 2, 3, VIV_OP_CREATE});
    viv_create_txn_encode(&body, &create, VIV_OP_CREATE);
    viv_tree_apply(world.tree, viv_buffer_bytes(&body), VIV_APPLY_REPLAY, &world.arena, &applied);
    viv_buffer_fini(&body);
    world.zxid = 2;
    cr_assert_eq(viv_world_create(&world, "/s", SEQUENTIAL), 0);
    expect_created("/s2147483647");
    cr_assert_eq(viv_world_create(&world, "/s", SEQUENTIAL), VIV_REPLY_NODE_EXISTS);
    viv_world_settle(&world);
    cr_assert_eq(viv_world_create(&world, "/s", SEQUENTIAL), VIV_REPLY_NODE_EXISTS);
    cr_assert_eq(viv_world_create(&world, "/t", SEQUENTIAL), 0);
    expect_created("/t2147483647");
    cr_assert_eq(viv_world_create(&world, "/plain", PERSISTENT), 0);
}

/* Frames may be configured to be larger than what a log entry holds. */
RULE_TEST(a_request_that_no_entry_can_hold_is_refused)
{
    cr_assert_eq(viv_world_create(&world, "/n", PERSISTENT), 0);
    struct viv_set_data_request request = {{VIV_BYTES_LITERAL("/n"), false}, {{0}, false}, -1};
    request.data.bytes.data = viv_alloc_zeroed(1, VIV_ENTRY_BYTES_MAX);
    request.data.bytes.size = VIV_ENTRY_BYTES_MAX;
    viv_set_data_request_encode(&world.record, &request);
    free((void *)request.data.bytes.data);
    cr_assert_eq(viv_world_prepare(&world, VIV_OP_SET_DATA), VIV_REPLY_MARSHALLING_ERROR);
    cr_assert_eq(viv_world_set_data(&world, "/n", "v", 0), 0);
    viv_world_settle(&world);
}

RULE_TEST(only_what_clients_may_write_is_a_write)
{
    cr_assert(viv_prepare_is_write(VIV_OP_SET_ACL));
    cr_assert(viv_prepare_is_write(VIV_OP_CLOSE_SESSION));
    cr_assert_not(viv_prepare_is_write(VIV_OP_CREATE_SESSION));
    cr_assert_not(viv_prepare_is_write(VIV_OP_DELETE_CONTAINER));
    cr_assert_not(viv_prepare_is_write(VIV_OP_CHECK));
    cr_assert_not(viv_prepare_is_write(VIV_OP_SYNC));
    cr_assert_not(viv_prepare_is_write(VIV_OP_GET_DATA));
}
