#include "tests/support/node_client.h"
#include "tests/support/viv_test.h"
#include "tests/support/world.h"
#include "wire/reply_code.h"

/* Who hears of what: events and the ACL of the node, the super user, and checks that are switched off. One standalone
 * server; alice makes the nodes, bob watches. */

#define ALICE_ONLY   "31 digest:alice:aYXlLOpEooaV1cRAvUL1fp9Qt7E="
#define SUPER_DIGEST "super:D/InIHSb7yEEbrWz8b9l71RjZJU=" /* super:test */

struct stand {
    struct viv_node_net *net;
    struct viv_node_client alice, bob;
};

static int32_t identify(struct viv_node_client *client, const char *scheme, const char *secret)
{
    struct viv_buffer record = {0};
    viv_jute_write_int(&record, 0);
    viv_jute_write_text(&record, scheme);
    viv_jute_write_text(&record, secret);
    int32_t err = viv_node_client_call(client, VIV_OP_AUTH, viv_buffer_bytes(&record));
    viv_buffer_fini(&record);
    return err;
}

static void stand_init(struct stand *stand, viv_node_recipe_adjust_fn *adjust)
{
    struct viv_node_net_config config = {.server_count = 1, .adjust = adjust};
    stand->net = viv_node_net_new(&config);
    viv_node_net_start(stand->net, 0);
    cr_assert(viv_node_net_settle(stand->net, 1000));
    viv_node_client_init(&stand->alice, stand->net);
    viv_node_client_init(&stand->bob, stand->net);
    cr_assert(viv_node_client_open(&stand->alice, 0, 2000));
    cr_assert(viv_node_client_open(&stand->bob, 0, 2000));
}

static void stand_fini(struct stand *stand)
{
    viv_node_client_fini(&stand->alice);
    viv_node_client_fini(&stand->bob);
    viv_node_net_free(stand->net);
}

static int32_t create(struct viv_node_client *client, const char *path, const char *acl)
{
    struct viv_buffer record = {0};
    viv_world_encode_create(&record, VIV_OP_CREATE, path, NULL, acl, 0);
    int32_t err = viv_node_client_call(client, VIV_OP_CREATE, viv_buffer_bytes(&record));
    viv_buffer_fini(&record);
    return err;
}

static int32_t set_acl(struct viv_node_client *client, const char *path, const char *acl)
{
    struct viv_buffer list = {0}, record = {0};
    viv_world_encode_acl(&list, acl);
    viv_set_acl_request_encode(
        &record, &(struct viv_set_acl_request){{.bytes = viv_bytes_text(path)}, viv_buffer_bytes(&list), -1});
    int32_t err = viv_node_client_call(client, VIV_OP_SET_ACL, viv_buffer_bytes(&record));
    viv_buffer_fini(&list);
    viv_buffer_fini(&record);
    return err;
}

static void watch(struct viv_node_client *client, const char *path, int32_t mode)
{
    struct viv_buffer record = {0};
    viv_jute_write_text(&record, path);
    viv_jute_write_int(&record, mode);
    cr_assert_eq(viv_node_client_call(client, VIV_OP_ADD_WATCH, viv_buffer_bytes(&record)), 0);
    viv_buffer_fini(&record);
}

/* What bob has heard of since the last time. */
static void expect_heard(struct stand *stand, const char *events)
{
    cr_assert_eq(viv_node_client_ask(&stand->bob, VIV_OP_EXISTS, "/", false), 0);
    cr_assert(viv_node_client_events_are(&stand->bob, events), "expected '%s', bob heard '%.*s'", events,
              (int)stand->bob.events.size, (const char *)stand->bob.events.data);
    viv_buffer_clear(&stand->bob.events);
}

VIV_TEST(node_access, who_watches_all_hears_only_of_what_it_may_read)
{
    struct stand stand;
    stand_init(&stand, NULL);
    cr_assert_eq(identify(&stand.alice, "digest", "alice:secret"), 0);
    watch(&stand.bob, "/", 1);
    cr_assert_eq(create(&stand.alice, "/open", NULL), 0);
    cr_assert_eq(create(&stand.alice, "/shut", ALICE_ONLY), 0);
    cr_assert_eq(create(&stand.alice, "/shut/open", NULL), 0);
    cr_assert_eq(create(&stand.alice, "/shut/shut", ALICE_ONLY), 0);
    expect_heard(&stand, "1 /open\n1 /shut/open\n");
    cr_assert_eq(viv_node_client_set(&stand.alice, "/shut", "x", -1), 0);
    cr_assert_eq(viv_node_client_set(&stand.alice, "/open", "x", -1), 0);
    expect_heard(&stand, "3 /open\n");
    cr_assert_eq(viv_node_client_delete(&stand.alice, "/shut/shut", -1), 0);
    cr_assert_eq(viv_node_client_delete(&stand.alice, "/shut/open", -1), 0);
    cr_assert_eq(viv_node_client_delete(&stand.alice, "/shut", -1), 0);
    expect_heard(&stand, "2 /shut/open\n");
    stand_fini(&stand);
}

VIV_TEST(node_access, an_event_that_is_withheld_uses_up_the_watch)
{
    struct stand stand;
    stand_init(&stand, NULL);
    cr_assert_eq(identify(&stand.alice, "digest", "alice:secret"), 0);
    cr_assert_eq(viv_node_client_ask(&stand.bob, VIV_OP_EXISTS, "/n", true), VIV_REPLY_NO_NODE);
    cr_assert_eq(create(&stand.alice, "/n", ALICE_ONLY), 0);
    expect_heard(&stand, "");
    cr_assert_eq(set_acl(&stand.alice, "/n", NULL), 0);
    cr_assert_eq(viv_node_client_set(&stand.alice, "/n", "x", -1), 0);
    expect_heard(&stand, "");
    stand_fini(&stand);
}

VIV_TEST(node_access, the_list_counts_that_the_node_has_when_it_changes)
{
    struct stand stand;
    stand_init(&stand, NULL);
    cr_assert_eq(identify(&stand.alice, "digest", "alice:secret"), 0);
    cr_assert_eq(create(&stand.alice, "/n", NULL), 0);
    watch(&stand.bob, "/n", 0);
    cr_assert_eq(set_acl(&stand.alice, "/n", ALICE_ONLY), 0);
    cr_assert_eq(viv_node_client_set(&stand.alice, "/n", "x", -1), 0);
    expect_heard(&stand, "");
    cr_assert_eq(identify(&stand.bob, "digest", "alice:secret"), 0);
    cr_assert_eq(viv_node_client_set(&stand.alice, "/n", "y", -1), 0);
    expect_heard(&stand, "3 /n\n");
    stand_fini(&stand);
}

VIV_TEST(node_access, news_of_children_are_for_those_who_may_read_the_parent)
{
    struct stand stand;
    stand_init(&stand, NULL);
    cr_assert_eq(identify(&stand.alice, "digest", "alice:secret"), 0);
    cr_assert_eq(create(&stand.alice, "/shut", NULL), 0);
    cr_assert_eq(create(&stand.alice, "/open", NULL), 0);
    watch(&stand.bob, "/shut", 0);
    watch(&stand.bob, "/open", 0);
    cr_assert_eq(set_acl(&stand.alice, "/shut", ALICE_ONLY), 0);
    cr_assert_eq(create(&stand.alice, "/shut/open", NULL), 0);
    cr_assert_eq(create(&stand.alice, "/open/shut", ALICE_ONLY), 0);
    cr_assert_eq(viv_node_client_delete(&stand.alice, "/shut/open", -1), 0);
    cr_assert_eq(viv_node_client_delete(&stand.alice, "/open/shut", -1), 0);
    expect_heard(&stand, "4 /open\n4 /open\n");
    stand_fini(&stand);
}

VIV_TEST(node_access, ephemerals_of_a_session_go_silently_for_those_who_could_not_read_them)
{
    struct stand stand;
    stand_init(&stand, NULL);
    struct viv_node_client carol;
    struct viv_buffer record = {0};
    viv_node_client_init(&carol, stand.net);
    cr_assert(viv_node_client_open(&carol, 0, 2000));
    watch(&stand.bob, "/", 1);
    static const char *const lists[] = {ALICE_ONLY, NULL, "1 world:anyone", "30 world:anyone"};
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        viv_buffer_clear(&record);
        viv_world_encode_create(&record, VIV_OP_CREATE, "/e-", NULL, lists[i], 3);
        cr_assert_eq(viv_node_client_call(&carol, VIV_OP_CREATE, viv_buffer_bytes(&record)), 0);
    }
    expect_heard(&stand, "1 /e-0000000001\n1 /e-0000000002\n");
    cr_assert_eq(viv_node_client_close_session(&carol), 0);
    expect_heard(&stand, "2 /e-0000000001\n2 /e-0000000002\n");
    viv_buffer_fini(&record);
    viv_node_client_fini(&carol);
    stand_fini(&stand);
}

/* ---- who is above the lists ---- */

static void have_a_super_user(struct viv_node_config *config)
{
    config->policy.super_digest = VIV_BYTES_LITERAL(SUPER_DIGEST);
}

VIV_TEST(node_access, who_proves_the_super_digest_may_everything)
{
    struct stand stand;
    stand_init(&stand, have_a_super_user);
    cr_assert_eq(identify(&stand.alice, "digest", "alice:secret"), 0);
    cr_assert_eq(create(&stand.alice, "/shut", ALICE_ONLY), 0);
    cr_assert_eq(identify(&stand.bob, "digest", "super:guess"), 0);
    cr_assert_eq(viv_node_client_ask(&stand.bob, VIV_OP_GET_DATA, "/shut", false), VIV_REPLY_NO_AUTH);
    cr_assert_eq(identify(&stand.bob, "digest", "super:test"), 0);
    cr_assert_eq(viv_node_client_ask(&stand.bob, VIV_OP_GET_DATA, "/shut", true), 0);
    cr_assert_eq(viv_node_client_set(&stand.bob, "/shut", "x", -1), 0);
    expect_heard(&stand, "3 /shut\n");
    stand_fini(&stand);
}

static void switch_checks_off(struct viv_node_config *config)
{
    config->rules.skips_acl = true;
}

VIV_TEST(node_access, without_checks_everybody_may_everything_but_lists_must_be_sound)
{
    struct stand stand;
    stand_init(&stand, switch_checks_off);
    cr_assert_eq(create(&stand.alice, "/shut", ALICE_ONLY), 0);
    cr_assert_eq(viv_node_client_ask(&stand.bob, VIV_OP_GET_DATA, "/shut", false), 0);
    cr_assert_eq(create(&stand.bob, "/shut/x", "31 nobody:x"), VIV_REPLY_INVALID_ACL);
    cr_assert_eq(viv_node_client_delete(&stand.bob, "/shut", -1), 0);
    stand_fini(&stand);
}

static void have_no_digest(struct viv_node_config *config)
{
    config->identity.no_digest = true;
    config->rules.acl_schemes = VIV_ACL_IP;
}

VIV_TEST(node_access, a_scheme_that_is_switched_off_is_unknown)
{
    struct stand stand;
    stand_init(&stand, have_no_digest);
    cr_assert_eq(create(&stand.alice, "/shut", ALICE_ONLY), VIV_REPLY_INVALID_ACL);
    cr_assert_eq(identify(&stand.alice, "digest", "alice:secret"), VIV_REPLY_AUTH_FAILED);
    stand_fini(&stand);
}

static void hash_otherwise(struct viv_node_config *config)
{
    config->identity.hash = VIV_IDENTITY_SHA256;
}

VIV_TEST(node_access, another_hash_makes_other_identities)
{
    struct stand stand;
    stand_init(&stand, hash_otherwise);
    cr_assert_eq(identify(&stand.alice, "digest", "alice:secret"), 0);
    cr_assert_eq(create(&stand.alice, "/a", ALICE_ONLY), 0);
    cr_assert_eq(viv_node_client_ask(&stand.alice, VIV_OP_GET_DATA, "/a", false), VIV_REPLY_NO_AUTH);
    cr_assert_eq(create(&stand.alice, "/b", "31 auth:"), 0);
    cr_assert_eq(viv_node_client_ask(&stand.alice, VIV_OP_GET_DATA, "/b", false), 0);
    stand_fini(&stand);
}
