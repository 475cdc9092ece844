#include <stdio.h>

#include "base/limits.h"
#include "tests/support/viv_test.h"
#include "tests/support/world.h"
#include "tree/acl.h"
#include "wire/reply_code.h"

static bool allows(const struct viv_world *world, const char *acl, int32_t perms)
{
    struct viv_buffer list = {0};
    viv_world_encode_acl(&list, acl);
    bool answer = viv_acl_allows(viv_buffer_bytes(&list), perms, viv_buffer_bytes(&world->authinfo));
    viv_buffer_fini(&list);
    return answer;
}

VIV_TEST(acl, a_permission_is_granted_by_any_entry_that_names_the_connection)
{
    struct viv_world world = {0};
    cr_assert(allows(&world, NULL, VIV_PERM_ADMIN));
    cr_assert(allows(&world, "", VIV_PERM_ADMIN));
    cr_assert(allows(&world, "1 world:anyone", VIV_PERM_READ));
    cr_assert_not(allows(&world, "1 world:anyone", VIV_PERM_WRITE));
    cr_assert(allows(&world, "1 world:anyone", VIV_PERM_READ | VIV_PERM_ADMIN));
    cr_assert_not(allows(&world, "31 digest:alice:x", VIV_PERM_READ));
    viv_world_identify(&world, "ip", "127.0.0.1");
    viv_world_identify(&world, "digest", "alice:x");
    cr_assert(allows(&world, "31 digest:alice:x", VIV_PERM_READ));
    cr_assert(allows(&world, "1 world:anyone, 2 digest:alice:x", VIV_PERM_WRITE));
    cr_assert_not(allows(&world, "1 world:anyone, 2 digest:bob:x", VIV_PERM_WRITE));
    cr_assert_not(allows(&world, "31 sasl:alice:x", VIV_PERM_READ));
    cr_assert_not(allows(&world, "0 world:anyone", VIV_PERM_READ));
    viv_buffer_fini(&world.authinfo);
}

VIV_TEST(acl, the_super_user_may_everything)
{
    struct viv_world world = {0};
    viv_world_identify(&world, "ip", "127.0.0.1");
    cr_assert_not(allows(&world, "0 world:anyone", VIV_PERM_ADMIN));
    viv_world_identify(&world, "super", "");
    cr_assert(allows(&world, "0 world:anyone", VIV_PERM_ADMIN));
    viv_buffer_fini(&world.authinfo);
}

VIV_TEST(acl, addresses_match_by_their_leading_bits)
{
    static const struct {
        const char *address, *expression;
        bool matches;
    } cases[] = {
        {"127.0.0.1", "127.0.0.1", true},
        {"127.0.0.1", "127.0.0.2", false},
        {"127.9.9.9", "127.0.0.0/8", true},
        {"128.9.9.9", "127.0.0.0/8", false},
        {"10.1.2.3", "10.1.2.2/31", true},
        {"10.1.2.4", "10.1.2.2/31", false},
        {"10.1.2.3", "99.0.0.0/0", true},
        {"10.1.2.3", "10.1.2.3/32", true},
        {"::1", "::1", true},
        {"::1", "::2", false},
        {"2001:db8::17", "2001:DB8::/32", true},
        {"2001:db9::17", "2001:db8::/32", false},
        {"2001:db9::17", "2001:db8::/31", true},
        {"1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8/128", true},
        {"fe80::1", "::ffff:1.2.3.4", false},
        {"::ffff:1.2.3.4", "::ffff:1.2.0.0/112", true},
        {"::1", "0.0.0.0/0", false},
        {"127.0.0.1", "::/0", false},
        {"127.0.0.1", "localhost", false},
        {"127.0.0.1", "127.0.0.0/33", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct viv_world world = {0};
        struct viv_buffer text = {0};
        struct viv_acl_entry entry = {
            31, {VIV_BYTES_LITERAL("ip"), false}, {viv_bytes_text(cases[i].expression), false}};
        viv_world_identify(&world, "ip", cases[i].address);
        viv_jute_write_int(&text, 1);
        viv_acl_entry_encode(&text, &entry);
        cr_assert_eq(viv_acl_allows(viv_buffer_bytes(&text), 1, viv_buffer_bytes(&world.authinfo)), cases[i].matches,
                     "%s against %s", cases[i].address, cases[i].expression);
        viv_buffer_fini(&text);
        viv_buffer_fini(&world.authinfo);
    }
}

/* Fixes a list; expects the list `stored`, or a refusal when it is NULL. */
static void expect_stored(const struct viv_world *world, const char *acl, const char *stored)
{
    struct viv_buffer list = {0}, expected = {0}, out = {0};
    viv_world_encode_acl(&list, acl);
    viv_buffer_append(&out, "before", 6);
    unsigned schemes = world->rules.acl_schemes != 0 ? world->rules.acl_schemes : VIV_ACL_SCHEMES_DEFAULT;
    int32_t code = viv_acl_fix(viv_buffer_bytes(&list), viv_buffer_bytes(&world->authinfo), schemes, &out);
    viv_buffer_consume(&out, 6);
    if (stored == NULL) {
        cr_assert_eq(code, VIV_REPLY_INVALID_ACL, "%s", acl);
        cr_assert_eq(out.size, 0);
    } else {
        viv_world_encode_acl(&expected, stored);
        cr_assert_eq(code, 0, "%s", acl);
        cr_assert(viv_bytes_equal(viv_buffer_bytes(&out), viv_buffer_bytes(&expected)), "%s", acl);
    }
    viv_buffer_fini(&list);
    viv_buffer_fini(&expected);
    viv_buffer_fini(&out);
}

VIV_TEST(acl, lists_are_stored_without_repetitions_and_otherwise_as_they_are)
{
    struct viv_world world = {0};
    expect_stored(&world, "63 world:anyone", "63 world:anyone");
    expect_stored(&world, "0 world:anyone", "0 world:anyone");
    expect_stored(&world, "4 world:anyone, 1 ip:::1/64, 4 world:anyone, 2 world:anyone",
                  "4 world:anyone, 1 ip:::1/64, 2 world:anyone");
    expect_stored(&world, "31 digest::p", "31 digest::p");
    expect_stored(&world, "31 ip:10.0.0.0/8", "31 ip:10.0.0.0/8");
}

VIV_TEST(acl, lists_that_name_nobody_are_refused)
{
    static const char *const refused[] = {
        "",
        "31 world:me",
        "31 world:",
        "31 nobody:x",
        "31 digest:x",
        "31 digest:u:",
        "31 digest:",
        "31 digest:x:y:z",
        "31 super:x",
        "31 ip:1.2.3",
        "31 ip:1.2.3.4.5",
        "31 ip:300.1.1.1",
        "31 ip:",
        "31 ip:1.2.3.4/",
        "31 ip:1.2.3.4/33",
        "31 ip:::/129",
        "31 ip:1:2:3:4:5:6:7",
        "31 ip:1::2::3",
        "31 ip:g::1",
        "31 ip:1:2:3:4:5:6:7:8:9",
        "31 auth:",
        "31 ip:12345::",
        "31 ip::1",
        "1 world:anyone, 31 nobody:x",
    };
    struct viv_world world = {0};
    viv_world_identify(&world, "ip", "127.0.0.1");
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        expect_stored(&world, refused[i], NULL);
    }
    viv_buffer_fini(&world.authinfo);
}

VIV_TEST(acl, auth_stands_for_every_identity_that_authenticates)
{
    struct viv_world world = {0};
    viv_world_identify(&world, "ip", "127.0.0.1");
    expect_stored(&world, "31 auth:", NULL);
    viv_world_identify(&world, "digest", "alice:x");
    viv_world_identify(&world, "digest", "bob:y");
    expect_stored(&world, "31 auth:ignored", "31 digest:alice:x, 31 digest:bob:y");
    expect_stored(&world, "1 world:anyone, 2 auth:", "1 world:anyone, 2 digest:alice:x, 2 digest:bob:y");
    viv_buffer_fini(&world.authinfo);
}

/* tests/interop/agreement.py asks a real server for more of them. */
VIV_TEST(acl, certificates_and_sasl_names_are_stored_where_they_are_configured)
{
    struct viv_world world = {0};
    expect_stored(&world, "31 sasl:user@REALM", NULL);
    expect_stored(&world, "31 x509:CN=me", NULL);
    world.rules.acl_schemes = VIV_ACL_SCHEMES_DEFAULT | VIV_ACL_SASL;
    expect_stored(&world, "31 sasl:user", "31 sasl:user");
    expect_stored(&world, "31 sasl:user/host@REALM", "31 sasl:user/host@REALM");
    expect_stored(&world, "31 sasl:a@b@c", NULL);
    expect_stored(&world, "31 sasl:a/b/c@d", NULL);
    expect_stored(&world, "31 x509:CN=me", NULL);
    world.rules.acl_schemes = VIV_ACL_X509;
    expect_stored(&world, "31 x509:CN=me;O=mine", "31 x509:CN=me;O=mine");
    expect_stored(&world, "31 x509:me", NULL);
    expect_stored(&world, "31 x509:CN=me;", NULL);
    expect_stored(&world, "31 digest:a:b", NULL);
    viv_world_identify(&world, "x509", "CN=me");
    viv_world_identify(&world, "sasl", "user");
    viv_world_identify(&world, "super", "");
    expect_stored(&world, "31 auth:", "31 x509:CN=me, 31 sasl:user");
    viv_buffer_fini(&world.authinfo);
}

VIV_TEST(acl, a_list_that_grows_beyond_all_bounds_is_refused)
{
    enum { IDENTITIES = 1000 };
    struct viv_world world = {0};
    struct viv_buffer list = {0}, out = {0};
    char id[32];

    for (int i = 0; i < IDENTITIES; i++) {
        snprintf(id, sizeof id, "user%04d:digest", i);
        viv_world_identify(&world, "digest", id);
    }
    for (int perms = 0; perms < 100; perms++) {
        viv_buffer_clear(&list);
        viv_buffer_clear(&out);
        viv_jute_write_int(&list, perms + 1);
        for (int i = 0; i <= perms; i++) {
            viv_acl_entry_encode(&list, &(struct viv_acl_entry){i, {VIV_BYTES_LITERAL("auth"), false}, {{0}, false}});
        }
        int32_t code =
            viv_acl_fix(viv_buffer_bytes(&list), viv_buffer_bytes(&world.authinfo), VIV_ACL_SCHEMES_DEFAULT, &out);
        size_t stored_bytes = 4 + (size_t)(perms + 1) * IDENTITIES * (4 + 10 + 4 + 15);
        cr_assert_eq(code, stored_bytes <= VIV_ACL_BYTES_MAX ? 0 : VIV_REPLY_INVALID_ACL, "%d entries", perms + 1);
        cr_assert_eq(out.size, code == 0 ? stored_bytes : 0);
    }
    viv_buffer_fini(&list);
    viv_buffer_fini(&out);
    viv_buffer_fini(&world.authinfo);
}

VIV_TEST(acl, null_parts_of_an_entry_have_answers_of_their_own)
{
    static const struct {
        const char *scheme;
        int32_t code;
    } cases[] = {
        {"world", VIV_REPLY_MARSHALLING_ERROR}, {"digest", VIV_REPLY_MARSHALLING_ERROR},
        {"ip", VIV_REPLY_MARSHALLING_ERROR},    {"nobody", VIV_REPLY_INVALID_ACL},
        {NULL, VIV_REPLY_INVALID_ACL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct viv_buffer list = {0}, out = {0};
        viv_jute_write_int(&list, 1);
        viv_jute_write_int(&list, 31);
        if (cases[i].scheme == NULL) {
            viv_jute_write_int(&list, -1);
        } else {
            viv_jute_write_text(&list, cases[i].scheme);
        }
        viv_jute_write_int(&list, -1);
        cr_assert_eq(viv_acl_fix(viv_buffer_bytes(&list), (struct viv_bytes){0}, VIV_ACL_SCHEMES_DEFAULT, &out),
                     cases[i].code);
        cr_assert_eq(out.size, 0);
        viv_buffer_fini(&list);
        viv_buffer_fini(&out);
    }
    struct viv_buffer null_list = {0}, out = {0};
    viv_jute_write_int(&null_list, -1);
    cr_assert_eq(viv_acl_fix(viv_buffer_bytes(&null_list), (struct viv_bytes){0}, VIV_ACL_SCHEMES_DEFAULT, &out),
                 VIV_REPLY_INVALID_ACL);
    viv_buffer_fini(&null_list);
    viv_buffer_fini(&out);
}
