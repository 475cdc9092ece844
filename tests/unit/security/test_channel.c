#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "security/tls_channel.h"
#include "tests/support/viv_test.h"
#include "tests/unit/security/support.h"
#include "wire/jute.h"

/* Two channels and the bytes between them. */
struct pair {
    struct viv_tls_channel *client, *server;
    struct viv_buffer to_client, to_server;
    struct viv_buffer at_client, at_server; /* plain */
    viv_status client_status, server_status;
};

static struct viv_tls_context *context_of(const struct viv_tls_settings *settings, enum viv_tls_use use)
{
    struct viv_tls_context *context = NULL;
    struct viv_tls_fault fault = {0};
    cr_assert_eq(viv_tls_context_new(settings, "ssl.", use, &context, &fault), VIV_OK, "%s %s", fault.text,
                 fault.facts);
    return context;
}

static void pair_open(struct pair *pair, const struct viv_tls_settings *client, const struct viv_tls_settings *server,
                      const char *host)
{
    struct viv_tls_context *ours = context_of(server, VIV_TLS_SERVES_CLIENTS);
    struct viv_tls_context *theirs = context_of(client, VIV_TLS_IS_CLIENT);
    *pair = (struct pair){.client = viv_tls_channel_connect(theirs, host), .server = viv_tls_channel_accept(ours)};
    viv_tls_context_drop(ours); /* connections keep what they began with */
    viv_tls_context_drop(theirs);
}

/* Carries `step` bytes at a time, until neither says anything more. */
static void pair_run(struct pair *pair, size_t step)
{
    pair->client_status = viv_tls_channel_take(pair->client, (struct viv_bytes){0}, &pair->at_client, &pair->to_server);
    while (pair->to_client.size + pair->to_server.size > 0) {
        struct viv_buffer *queue = pair->to_server.size > 0 ? &pair->to_server : &pair->to_client;
        struct viv_bytes part = viv_bytes_of(queue->data, queue->size < step ? queue->size : step);
        if (queue == &pair->to_server) {
            pair->server_status = viv_tls_channel_take(pair->server, part, &pair->at_server, &pair->to_client);
        } else {
            pair->client_status = viv_tls_channel_take(pair->client, part, &pair->at_client, &pair->to_server);
        }
        viv_buffer_consume(queue, part.size);
    }
}

static void pair_close(struct pair *pair)
{
    viv_tls_channel_free(pair->client);
    viv_tls_channel_free(pair->server);
    viv_buffer_fini(&pair->to_client);
    viv_buffer_fini(&pair->to_server);
    viv_buffer_fini(&pair->at_client);
    viv_buffer_fini(&pair->at_server);
}

static bool are_open(const struct pair *pair)
{
    return viv_tls_channel_is_open(pair->client) && viv_tls_channel_is_open(pair->server);
}

VIV_TEST(tls_channel, bytes_arrive_whole_however_the_network_cuts_them)
{
    static const size_t steps[] = {1, 7, 1000, SIZE_MAX};
    enum { BYTES = 100000 };
    struct viv_tls_settings both = stores_of("key.p12", "trust.jks");
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        struct pair pair;
        pair_open(&pair, &both, &both, "localhost");
        pair_run(&pair, steps[i]);
        cr_assert(are_open(&pair));
        struct viv_buffer text = {0};
        for (size_t k = 0; k < BYTES; k++) {
            uint8_t byte = (uint8_t)(k * 31);
            viv_buffer_append(&text, &byte, 1);
        }
        viv_tls_channel_put(pair.client, viv_buffer_bytes(&text), &pair.to_server);
        viv_tls_channel_put(pair.server, VIV_BYTES_LITERAL("back"), &pair.to_client);
        pair_run(&pair, steps[i]);
        cr_assert(viv_bytes_equal(viv_buffer_bytes(&pair.at_server), viv_buffer_bytes(&text)));
        cr_assert(viv_bytes_equal(viv_buffer_bytes(&pair.at_client), VIV_BYTES_LITERAL("back")));
        viv_tls_channel_end(pair.server, &pair.to_client);
        pair_run(&pair, steps[i]);
        cr_assert_eq(pair.client_status, VIV_ERR_INTERRUPTED);
        viv_buffer_fini(&text);
        pair_close(&pair);
    }
}

VIV_TEST(tls_channel, a_certificate_proves_its_subject_and_the_super_user)
{
    static const char name[] = "CN=vivarium test,OU=a\\+b,O=Example\\, Inc.,C=DE";
    struct viv_tls_settings both = stores_of("key.pem", "trust.pem");
    struct pair pair;
    pair_open(&pair, &both, &both, "127.0.0.1");
    pair_run(&pair, SIZE_MAX);
    cr_assert(are_open(&pair));
    struct viv_buffer ids = {0};
    viv_tls_channel_identities(pair.server, "CN=vivarium test", &ids);
    struct viv_jute_reader reader = viv_jute_reader_of(viv_buffer_bytes(&ids));
    cr_assert_eq(viv_jute_read_int(&reader), 1, "a part of the name is not the super user");
    viv_buffer_clear(&ids);
    viv_tls_channel_identities(pair.server, name, &ids);
    reader = viv_jute_reader_of(viv_buffer_bytes(&ids));
    cr_assert_eq(viv_jute_read_int(&reader), 2);
    cr_assert(viv_bytes_equal(viv_jute_read_buffer(&reader).bytes, VIV_BYTES_LITERAL("x509")));
    cr_assert(viv_bytes_equal(viv_jute_read_buffer(&reader).bytes, viv_bytes_text(name)));
    cr_assert(viv_bytes_equal(viv_jute_read_buffer(&reader).bytes, VIV_BYTES_LITERAL("super")));
    cr_assert(viv_bytes_equal(viv_jute_read_buffer(&reader).bytes, viv_bytes_text(name)));
    cr_assert(reader.rest.size == 0 && !reader.bad);
    cr_assert(viv_tls_channel_is_host(pair.server, "localhost") && viv_tls_channel_is_host(pair.server, "127.0.0.1"));
    cr_assert_not(viv_tls_channel_is_host(pair.server, "127.0.0.2") || viv_tls_channel_is_host(pair.server, "local"));
    viv_buffer_fini(&ids);
    pair_close(&pair);
}

VIV_TEST(tls_channel, another_host_is_refused_unless_any_is_trusted)
{
    static const char *const others[] = {"127.0.0.2", "example.org", "localhost.example.org"};
    struct viv_tls_settings both = stores_of("key.pem", "trust.pem"), any = both;
    any.trust_any_host = true;
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        struct pair pair;
        pair_open(&pair, &both, &both, others[i]);
        pair_run(&pair, SIZE_MAX);
        cr_assert_not(viv_tls_channel_is_open(pair.client));
        cr_assert_eq(pair.client_status, VIV_ERR_MALFORMED);
        cr_assert(strstr(viv_tls_channel_why(pair.client), "mismatch") != NULL, "%s", viv_tls_channel_why(pair.client));
        pair_close(&pair);
        pair_open(&pair, &any, &both, others[i]);
        pair_run(&pair, SIZE_MAX);
        cr_assert(are_open(&pair));
        pair_close(&pair);
    }
}

VIV_TEST(tls_channel, a_certificate_is_needed_wanted_or_not_asked_for)
{
    static const bool opens[] = {
        [VIV_TLS_CLIENT_NEED] = false, [VIV_TLS_CLIENT_WANT] = true, [VIV_TLS_CLIENT_NONE] = true};
    struct viv_tls_settings nobody = stores_of(NULL, "trust.pem"), server = stores_of("key.pem", "trust.pem");
    for (int auth = 0; auth < 3; auth++) {
        server.client_auth = (enum viv_tls_client_auth)auth;
        struct pair pair;
        pair_open(&pair, &nobody, &server, "localhost");
        pair_run(&pair, SIZE_MAX);
        cr_assert_eq(viv_tls_channel_is_open(pair.server), opens[auth], "%d", auth);
        struct viv_buffer ids = {0};
        viv_tls_channel_identities(pair.server, "", &ids);
        cr_assert_eq(ids.size, 0U);
        pair_close(&pair);
    }
}

VIV_TEST(tls_channel, versions_and_ciphers_are_as_set)
{
    struct viv_tls_settings old = stores_of("key.pem", "trust.pem"), new = old;
    old.protocols = VIV_TLS_1_2;
    new.protocols = VIV_TLS_1_3;
    struct pair pair;
    pair_open(&pair, &old, &new, "localhost");
    pair_run(&pair, SIZE_MAX);
    cr_assert_not(viv_tls_channel_is_open(pair.server));
    pair_close(&pair);
    strcpy(old.ciphers, "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,TLS_AES_128_GCM_SHA256");
    pair_open(&pair, &old, &old, "localhost");
    pair_run(&pair, SIZE_MAX);
    cr_assert(are_open(&pair));
    pair_close(&pair);
    struct viv_tls_context *context;
    struct viv_tls_fault fault = {0};
    strcpy(old.ciphers, "TLS_AES_128_GCM_SHA256,TLS_NO_SUCH_SUITE");
    cr_assert_eq(viv_tls_context_new(&old, "ssl.", VIV_TLS_IS_CLIENT, &context, &fault), VIV_ERR_UNSUPPORTED);
    cr_assert(strstr(fault.facts, "suite=TLS_NO_SUCH_SUITE") != NULL, "%s", fault.facts);
    strcpy(old.ciphers, "TLS_AES_128_GCM_SHA256");
    cr_assert_eq(viv_tls_context_new(&old, "ssl.", VIV_TLS_IS_CLIENT, &context, &fault), VIV_ERR_UNSUPPORTED,
                 "a suite of 1.3 when only 1.2 may be used");
    cr_assert(strstr(fault.facts, "ssl.ciphersuites") != NULL, "%s", fault.facts);
}

/* A PEM file with a usable key and certificate, and behind them one that is self-signed by a short RSA key. */
static void write_weak_chain(char path[VIV_TLS_PATH_BYTES])
{
    char plain[VIV_TLS_PATH_BYTES];
    store_path(plain, "plain.pem");
    strcpy(path, "/tmp/viv-weak-chain-XXXXXX");
    int fd = mkstemp(path);
    cr_assert_geq(fd, 0);
    FILE *in = fopen(plain, "re"), *out = fdopen(fd, "w");
    cr_assert(in != NULL && out != NULL);
    for (int c = getc(in); c != EOF; c = getc(in)) {
        putc(c, out);
    }
    fclose(in);
    EVP_PKEY *key = EVP_RSA_gen(1024);
    X509 *weak = X509_new();
    cr_assert(key != NULL && weak != NULL);
    X509_gmtime_adj(X509_getm_notBefore(weak), 0);
    X509_gmtime_adj(X509_getm_notAfter(weak), 3600);
    X509_set_pubkey(weak, key);
    cr_assert_gt(X509_sign(weak, key, EVP_sha256()), 0);
    cr_assert_eq(PEM_write_X509(out, weak), 1);
    fclose(out);
    X509_free(weak);
    EVP_PKEY_free(key);
}

VIV_TEST(tls_channel, a_chain_with_a_weak_certificate_is_refused_by_name)
{
    struct viv_tls_settings settings = stores_of("plain.pem", "trust.pem");
    struct viv_tls_context *context = NULL;
    struct viv_tls_fault fault = {0};
    write_weak_chain(settings.key.path);
    settings.key.type = VIV_TLS_STORE_PEM;
    cr_assert_eq(viv_tls_context_new(&settings, "ssl.", VIV_TLS_SERVES_CLIENTS, &context, &fault), VIV_ERR_UNSUPPORTED);
    cr_assert(strstr(fault.facts, settings.key.path) != NULL && strstr(fault.facts, "too") != NULL, "%s", fault.facts);
    unlink(settings.key.path);
}

VIV_TEST(tls_channel, what_is_not_tls_is_refused_with_a_reason)
{
    struct viv_tls_settings both = stores_of("key.pem", "trust.pem");
    struct viv_tls_context *context = context_of(&both, VIV_TLS_SERVES_CLIENTS);
    struct viv_tls_channel *channel = viv_tls_channel_accept(context);
    struct viv_buffer plain = {0}, out = {0};
    cr_assert_eq(viv_tls_channel_take(channel, VIV_BYTES_LITERAL("GET / HTTP/1.0\r\n\r\n"), &plain, &out),
                 VIV_ERR_MALFORMED);
    cr_assert_str_neq(viv_tls_channel_why(channel), "");
    cr_assert_eq(viv_tls_channel_take(channel, VIV_BYTES_LITERAL("more"), &plain, &out), VIV_ERR_MALFORMED);
    cr_assert_eq(plain.size, 0U);
    viv_tls_channel_free(channel);
    viv_tls_context_drop(context);
    viv_buffer_fini(&out);
    viv_buffer_fini(&plain);
}

VIV_TEST(tls_settings, words_of_the_configuration_are_read)
{
    uint32_t protocols;
    enum viv_tls_client_auth auth;
    enum viv_tls_store_type type;
    cr_assert(viv_tls_protocols_parse("TLSv1.2, TLSv1.3", &protocols) && protocols == VIV_TLS_ANY);
    cr_assert(viv_tls_protocols_parse("TLSv1.3", &protocols) && protocols == VIV_TLS_1_3);
    cr_assert_not(viv_tls_protocols_parse("TLSv1.1,TLSv1.2", &protocols) || viv_tls_protocols_parse("", &protocols));
    cr_assert(viv_tls_client_auth_parse("WANT", &auth) && auth == VIV_TLS_CLIENT_WANT);
    cr_assert_not(viv_tls_client_auth_parse("maybe", &auth));
    cr_assert(viv_tls_store_type_parse("pkcs12", &type) && type == VIV_TLS_STORE_PKCS12);
    cr_assert_not(viv_tls_store_type_parse("BCFKS", &type));
}
