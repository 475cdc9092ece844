#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "security/sasl.h"
#include "tests/support/viv_test.h"
#include "wire/jute.h"

/* DIGEST-MD5 with a client written down here (RFC 2831), so that every part of its answer can be wrong. */

static void write_users(char path[32])
{
    static const char text[] = "Server { m required user_bob=\"secret\" user_super=\"strong\"; };\n";
    strcpy(path, "/tmp/viv-sasl-XXXXXX");
    int fd = mkstemp(path);
    cr_assert_geq(fd, 0);
    cr_assert_eq(write(fd, text, sizeof text - 1), (ssize_t)sizeof text - 1);
    close(fd);
}

static struct viv_sasl *open_sasl(const char *super_users)
{
    char path[32];
    struct viv_sasl *sasl = NULL;
    struct viv_buffer why = {0};
    write_users(path);
    struct viv_sasl_settings settings = {.jaas_file = path, .super_users = super_users};
    viv_status status = viv_sasl_open(&settings, &sasl, &why);
    unlink(path);
    cr_assert_eq(status, VIV_OK, "%.*s", (int)why.size, (const char *)why.data);
    viv_buffer_fini(&why);
    return sasl;
}

static void md5(const void *data, size_t size, uint8_t sum[16])
{
    cr_assert_eq(EVP_Digest(data, size, sum, NULL, EVP_md5(), NULL), 1);
}

static void hex_of(const uint8_t sum[16], char hex[33])
{
    for (int i = 0; i < 16; i++) {
        snprintf(hex + 2 * i, 3, "%02x", sum[i]);
    }
}

struct answer {
    const char *user, *password, *realm, *uri, *authzid;
};

static void response_of(const struct answer *answer, const char *nonce, char hex[33])
{
    char text[512], ha1[33], ha2[33];
    uint8_t sum[16];
    struct viv_buffer a1 = {0};
    int size = snprintf(text, sizeof text, "%s:%s:%s", answer->user, answer->realm, answer->password);
    md5(text, (size_t)size, sum);
    viv_buffer_append(&a1, sum, sizeof sum);
    viv_buffer_printf(&a1, ":%s:cn", nonce);
    if (answer->authzid != NULL) {
        viv_buffer_printf(&a1, ":%s", answer->authzid);
    }
    md5(a1.data, a1.size, sum);
    hex_of(sum, ha1);
    viv_buffer_fini(&a1);
    size = snprintf(text, sizeof text, "AUTHENTICATE:%s", answer->uri);
    md5(text, (size_t)size, sum);
    hex_of(sum, ha2);
    size = snprintf(text, sizeof text, "%s:%s:00000001:cn:auth:%s", ha1, nonce, ha2);
    md5(text, (size_t)size, sum);
    hex_of(sum, hex);
}

static void write_answer(const struct answer *answer, const char *nonce, struct viv_buffer *out)
{
    char response[33];
    response_of(answer, nonce, response);
    viv_buffer_printf(out,
                      "username=\"%s\",realm=\"%s\",nonce=\"%s\",cnonce=\"cn\",nc=00000001,qop=auth,"
                      "digest-uri=\"%s\",response=%s,charset=utf-8",
                      answer->user, answer->realm, nonce, answer->uri, response);
    if (answer->authzid != NULL) {
        viv_buffer_printf(out, ",authzid=\"%s\"", answer->authzid);
    }
}

static void nonce_of(struct viv_bytes challenge, char nonce[128])
{
    char text[1024];
    cr_assert_lt(challenge.size, sizeof text);
    memcpy(text, challenge.data, challenge.size);
    text[challenge.size] = '\0';
    cr_assert(strstr(text, "realm=\"zk-sasl-md5\"") != NULL, "%s", text);
    cr_assert(strstr(text, "qop=\"auth\"") != NULL, "%s", text);
    const char *at = strstr(text, "nonce=\"");
    cr_assert_not_null(at);
    cr_assert_eq(sscanf(at, "nonce=\"%127[^\"]\"", nonce), 1);
}

/* Runs a whole exchange; *who gets "scheme:id " of each identity. */
static enum viv_sasl_outcome run(struct viv_sasl *sasl, const struct answer *answer, struct viv_buffer *who)
{
    struct viv_buffer out = {0}, identities = {0}, token = {0};
    char nonce[128];
    struct viv_sasl_exchange *exchange = viv_sasl_begin(sasl);
    cr_assert_eq(viv_sasl_step(exchange, (struct viv_bytes){0}, &out, &identities), VIV_SASL_CONTINUE);
    nonce_of(viv_buffer_bytes(&out), nonce);
    viv_buffer_clear(&out);
    write_answer(answer, nonce, &token);
    enum viv_sasl_outcome outcome = viv_sasl_step(exchange, viv_buffer_bytes(&token), &out, &identities);
    cr_assert_eq(out.size > 0, outcome == VIV_SASL_COMPLETE, "the proof of the server comes with success only");
    cr_assert_eq(identities.size > 0, outcome == VIV_SASL_COMPLETE);
    struct viv_jute_reader reader = viv_jute_reader_of(viv_buffer_bytes(&identities));
    for (int32_t left = identities.size > 0 ? viv_jute_read_int(&reader) : 0; left > 0; left--) {
        for (int i = 0; i < 2; i++) {
            viv_buffer_append_bytes(who, viv_jute_read_buffer(&reader).bytes);
            viv_buffer_append(who, i == 0 ? ":" : " ", 1);
        }
    }
    viv_sasl_end(exchange);
    viv_buffer_fini(&token);
    viv_buffer_fini(&out);
    viv_buffer_fini(&identities);
    return outcome;
}

static void expect(struct viv_sasl *sasl, const struct answer *answer, const char *who)
{
    struct viv_buffer found = {0};
    enum viv_sasl_outcome outcome = run(sasl, answer, &found);
    cr_assert_eq(outcome, who == NULL ? VIV_SASL_FAILED : VIV_SASL_COMPLETE, "%s %s %s", answer->user, answer->password,
                 answer->uri);
    cr_assert(viv_bytes_equal(viv_buffer_bytes(&found), viv_bytes_text(who == NULL ? "" : who)), "%.*s",
              (int)found.size, (const char *)found.data);
    viv_buffer_fini(&found);
}

#define REALM "zk-sasl-md5"
#define URI   "zookeeper/zk-sasl-md5"

VIV_TEST(security_sasl, who_knows_the_password_is_known_and_nobody_else)
{
    struct viv_sasl *sasl = open_sasl("admin,super");
    expect(sasl, &(struct answer){"bob", "secret", REALM, URI, NULL}, "sasl:bob ");
    expect(sasl, &(struct answer){"super", "strong", REALM, URI, NULL}, "sasl:super super: ");
    expect(sasl, &(struct answer){"bob", "Secret", REALM, URI, NULL}, NULL);
    expect(sasl, &(struct answer){"bob", "", REALM, URI, NULL}, NULL);
    expect(sasl, &(struct answer){"bobby", "secret", REALM, URI, NULL}, NULL);
    expect(sasl, &(struct answer){"super", "secret", REALM, URI, NULL}, NULL);
    expect(sasl, &(struct answer){"bob", "secret", "elsewhere", URI, NULL}, NULL);
    expect(sasl, &(struct answer){"bob", "secret", REALM, "imap/zk-sasl-md5", NULL}, NULL);
    viv_sasl_close(sasl);
}

VIV_TEST(security_sasl, who_wants_to_act_for_another_is_who_it_proved_to_be)
{
    struct viv_sasl *sasl = open_sasl("super");
    expect(sasl, &(struct answer){"bob", "secret", REALM, URI, "super"}, "sasl:bob ");
    viv_sasl_close(sasl);
}

VIV_TEST(security_sasl, an_answer_is_good_for_its_own_challenge_only)
{
    struct viv_sasl *sasl = open_sasl(NULL);
    struct viv_buffer out = {0}, identities = {0}, token = {0};
    char nonce[128];
    const struct answer bob = {"bob", "secret", REALM, URI, NULL};
    struct viv_sasl_exchange *first = viv_sasl_begin(sasl), *second = viv_sasl_begin(sasl);
    cr_assert_eq(viv_sasl_step(first, (struct viv_bytes){0}, &out, &identities), VIV_SASL_CONTINUE);
    nonce_of(viv_buffer_bytes(&out), nonce);
    viv_buffer_clear(&out);
    cr_assert_eq(viv_sasl_step(second, (struct viv_bytes){0}, &out, &identities), VIV_SASL_CONTINUE);
    write_answer(&bob, nonce, &token);
    cr_assert_eq(viv_sasl_step(first, viv_buffer_bytes(&token), &out, &identities), VIV_SASL_COMPLETE);
    cr_assert_eq(viv_sasl_step(second, viv_buffer_bytes(&token), &out, &identities), VIV_SASL_FAILED);
    struct viv_sasl_exchange *third = viv_sasl_begin(sasl);
    cr_assert_eq(viv_sasl_step(third, viv_buffer_bytes(&token), &out, &identities), VIV_SASL_FAILED,
                 "an answer before the challenge");
    viv_sasl_end(first);
    viv_sasl_end(second);
    viv_sasl_end(third);
    viv_buffer_fini(&out);
    viv_buffer_fini(&identities);
    viv_buffer_fini(&token);
    viv_sasl_close(sasl);
}

VIV_TEST(security_sasl, a_file_that_is_missing_or_wrong_is_named_with_its_line)
{
    struct viv_buffer why = {0};
    struct viv_sasl *sasl;
    char path[32];
    struct viv_sasl_settings settings = {.jaas_file = "/nonexistent/jaas.conf"};
    cr_assert_eq(viv_sasl_open(&settings, &sasl, &why), VIV_ERR_INVALID);
    viv_buffer_append(&why, "", 1);
    cr_assert(strstr((const char *)why.data, "/nonexistent/jaas.conf: cannot be read: No such file") != NULL);
    viv_buffer_clear(&why);
    write_users(path);
    settings = (struct viv_sasl_settings){.jaas_file = path, .section = "Other"};
    cr_assert_eq(viv_sasl_open(&settings, &sasl, &why), VIV_ERR_INVALID);
    unlink(path);
    viv_buffer_append(&why, "", 1);
    cr_assert(strstr((const char *)why.data, ":2: the section of that name is missing (section Other)") != NULL, "%s",
              (const char *)why.data);
    viv_buffer_fini(&why);
}
