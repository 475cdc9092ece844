#include <string.h>

#include "security/jaas.h"
#include "tests/support/viv_test.h"

#define MODULE "org.apache.zookeeper.server.auth.DigestLoginModule required\n"

static bool parse(struct viv_jaas *jaas, const char *text, unsigned *line, const char **why)
{
    return viv_jaas_parse(jaas, viv_bytes_text(text), "Server", line, why);
}

static void expect_users(const char *text, const char *users)
{
    struct viv_jaas jaas;
    struct viv_buffer found = {0};
    unsigned line;
    const char *why;
    cr_assert(parse(&jaas, text, &line, &why), "line %u: %s", line, why);
    for (size_t i = 0; i < jaas.count; i++) {
        viv_buffer_printf(&found, "%s=%s ", jaas.users[i].name, jaas.users[i].password);
    }
    cr_assert(viv_bytes_equal(viv_buffer_bytes(&found), viv_bytes_text(users)), "%.*s", (int)found.size,
              (const char *)found.data);
    viv_buffer_fini(&found);
    viv_jaas_fini(&jaas);
}

VIV_TEST(security_jaas, users_are_read_from_the_section_asked_for)
{
    expect_users("Server {\n" MODULE "user_super=\"a\" user_bob=\"b\";\n};\n", "super=a bob=b ");
    expect_users("Client { " MODULE " username=\"x\" password=\"y\" user_z=\"z\"; };\n"
                 "Server { com.sun.security.auth.module.Krb5LoginModule OPTIONAL useKeyTab=true; " MODULE
                 "user_a=\"1\"; };",
                 "a=1 ");
    expect_users("\"Server\" { \"m\" Required user_a = \"1\" user_a=\"2\" debug=true ; } ;", "a=2 ");
    expect_users("Server{m required user_a.b-c_d$*=word;};", "a.b-c_d$*=word ");
}

VIV_TEST(security_jaas, comments_and_escapes_are_javas)
{
    expect_users("// Server { }\n/* Server { m\n */ Server { // }\nm required /* ; */ user_a=\"/*1*/ //\"; };",
                 "a=/*1*/ // ");
    expect_users("Server { m required user_a=\"\\\"\\\\\\n\\t\\101\\x\\60\"; };", "a=\"\\\n\tAx0 ");
    expect_users("Server { m required user_a=\"h\xc3\xa9\"; };", "a=h\xc3\xa9 ");
}

VIV_TEST(security_jaas, what_is_wrong_is_told_with_its_line)
{
    static const struct {
        const char *text;
        unsigned line;
        const char *part;
    } cases[] = {
        {"", 1, "missing"},
        {"Client {\nm required user_a=\"1\"; };", 2, "section of that name"},
        {"Server {\n};", 2, "names no user"},
        {"Server {\ncom.sun.security.auth.module.Krb5LoginModule required a=\"1\"; };", 2, "Kerberos"},
        {"Server {\nm required\n password=\"1\"; };", 3, "names no user"},
        {"Server {\nm\nuser_a=\"1\"; };", 3, "required, requisite"},
        {"Server {\nm required\nuser_a=\"1\"\n};", 4, "; is missing"},
        {"Server {\nm required user_a\n\"1\"; };", 3, "NAME=\"value\""},
        {"Server {\nm required user_a=\"1;\n };", 2, "no end in its line"},
        {"Server {\nm required user_a=; };", 2, "no value"},
        {"Server {\nm required user_a=\"\"; };", 2, "empty"},
        {"Server {\nm required user_=\"1\"; };", 2, "empty"},
        {"Server {\nm required user_a=\"${secret}\"; };", 2, "only Java"},
        {"Server {\nm required user_a=\"1\"; }\n", 3, "; is missing behind the }"},
        {"Server {\nm required user_a=\"1\";\n", 3, "login module"},
        {"/* Server {\nm required user_a=\"1\"; };\n", 3, "comment has no end"},
        {"Server { m required user_a=\"1\"; };\nServer { m required user_a=\"1\"; };", 2, "twice"},
        {"{\n}", 1, "name of a section"},
        {"Server\n;", 2, "{ is expected"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct viv_jaas jaas;
        unsigned line = 0;
        const char *why = NULL;
        cr_assert_not(parse(&jaas, cases[i].text, &line, &why), "case %zu", i);
        cr_assert_eq(line, cases[i].line, "case %zu: line %u: %s", i, line, why);
        cr_assert(strstr(why, cases[i].part) != NULL, "case %zu: %s", i, why);
        cr_assert_eq(jaas.count, 0);
    }
}

VIV_TEST(security_jaas, names_and_passwords_have_a_limit_and_users_have_none)
{
    struct viv_jaas jaas = {0};
    struct viv_buffer text = {0};
    char name[VIV_JAAS_NAME_BYTES_MAX + 2];
    memset(name, 'x', sizeof name);
    cr_assert(viv_jaas_put(&jaas, viv_bytes_of(name, VIV_JAAS_NAME_BYTES_MAX),
                           viv_bytes_of(name, VIV_JAAS_PASSWORD_BYTES_MAX)));
    cr_assert_not(viv_jaas_put(&jaas, viv_bytes_of(name, VIV_JAAS_NAME_BYTES_MAX + 1), VIV_BYTES_LITERAL("p")));
    cr_assert_not(viv_jaas_put(&jaas, VIV_BYTES_LITERAL("n"), viv_bytes_of(name, VIV_JAAS_PASSWORD_BYTES_MAX + 1)));
    cr_assert_not(viv_jaas_put(&jaas, VIV_BYTES_LITERAL("n\0m"), VIV_BYTES_LITERAL("p")));
    viv_jaas_fini(&jaas);
    viv_buffer_printf(&text, "Server { m required\n");
    for (int i = 0; i < 1000; i++) {
        viv_buffer_printf(&text, "user_u%d=\"p%d\"\n", i, i);
    }
    viv_buffer_printf(&text, "; };");
    unsigned line;
    const char *why;
    cr_assert(viv_jaas_parse(&jaas, viv_buffer_bytes(&text), "Server", &line, &why));
    cr_assert_eq(jaas.count, 1000);
    cr_assert_str_eq(viv_jaas_find(&jaas, VIV_BYTES_LITERAL("u999"))->password, "p999");
    cr_assert_null(viv_jaas_find(&jaas, VIV_BYTES_LITERAL("u1000")));
    viv_jaas_fini(&jaas);
    viv_buffer_fini(&text);
}
