#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "security/key_store.h"
#include "security/x509_identity.h"
#include "tests/support/viv_test.h"
#include "tests/unit/security/support.h"

static struct viv_tls_fault fault;

static void write_file(const char *path, const void *bytes, size_t size)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    cr_assert_geq(fd, 0);
    cr_assert_eq(write(fd, bytes, size), (ssize_t)size);
    close(fd);
}

static void temporary(char path[VIV_TLS_PATH_BYTES])
{
    strcpy(path, "/tmp/viv-key-store-XXXXXX");
    int fd = mkstemp(path);
    cr_assert_geq(fd, 0);
    close(fd);
}

VIV_TEST(key_store, every_format_gives_the_same_key_and_certificate)
{
    static const char *const keys[] = {"key.jks", "key.p12", "old.p12", "key.pem", "plain.pem"};
    static const char *const trusts[] = {"trust.jks", "trust.p12", "trust.pem"};
    EVP_PKEY *first = NULL;
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        struct viv_tls_settings settings = stores_of(keys[i], trusts[i % 3]);
        struct viv_key_store key, trust;
        cr_assert_eq(viv_key_stores_load(&settings, "ssl.", &key, &trust, &fault), VIV_OK, "%s %s", keys[i],
                     fault.text);
        cr_assert_eq(X509_cmp(sk_X509_value(key.chain, 0), sk_X509_value(trust.trusted, 0)), 0);
        if (i == 0) {
            first = EVP_PKEY_dup(key.key);
        }
        cr_assert_eq(EVP_PKEY_eq(first, key.key), 1, "%s", keys[i]);
        viv_key_store_fini(&key);
        viv_key_store_fini(&trust);
    }
    EVP_PKEY_free(first);
}

VIV_TEST(key_store, the_subject_is_written_as_java_writes_it)
{
    struct viv_tls_settings settings = stores_of(NULL, "trust.pem");
    struct viv_key_store trust;
    cr_assert_eq(viv_key_stores_load(&settings, "ssl.", NULL, &trust, &fault), VIV_OK);
    struct viv_buffer text = {0};
    viv_x509_subject_text(sk_X509_value(trust.trusted, 0), &text);
    viv_buffer_append(&text, "", 1);
    cr_assert_str_eq((const char *)text.data, "CN=vivarium test,OU=a\\+b,O=Example\\, Inc.,C=DE");
    viv_buffer_fini(&text);
    viv_key_store_fini(&trust);
}

VIV_TEST(key_store, a_wrong_password_is_told_from_a_damaged_or_missing_file)
{
    static const char *const files[] = {"key.jks", "key.p12", "old.p12", "key.pem"};
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        struct viv_tls_settings settings = stores_of(files[i], NULL);
        strcpy(settings.key.password, "wrong");
        struct viv_key_store key;
        cr_assert_eq(viv_key_stores_load(&settings, "ssl.", &key, NULL, &fault), VIV_ERR_INVALID, "%s", files[i]);
        cr_assert(strstr(fault.text, "password") != NULL, "%s: %s", files[i], fault.text);
        cr_assert(strstr(fault.facts, "ssl.keyStore.location") != NULL);
        cr_assert(strstr(fault.facts, "wrong") == NULL, "no secret is told: %s", fault.facts);
    }
    struct viv_tls_settings settings = stores_of("none.jks", NULL);
    struct viv_key_store key;
    cr_assert_eq(viv_key_stores_load(&settings, "ssl.", &key, NULL, &fault), VIV_ERR_IO);
    cr_assert(strstr(fault.text, "missing") != NULL);
}

VIV_TEST(key_store, a_store_of_another_type_without_a_type_or_without_a_key_is_refused)
{
    struct viv_key_store key;
    struct viv_tls_settings settings = stores_of("key.pem", NULL);
    settings.key.type = VIV_TLS_STORE_PKCS12;
    cr_assert_eq(viv_key_stores_load(&settings, "ssl.", &key, NULL, &fault), VIV_ERR_MALFORMED);
    settings = stores_of("make.sh", NULL);
    cr_assert_eq(viv_key_stores_load(&settings, "ssl.", &key, NULL, &fault), VIV_ERR_UNSUPPORTED);
    cr_assert(strstr(fault.text, "type key") != NULL);
    settings = stores_of("trust.jks", NULL);
    cr_assert_eq(viv_key_stores_load(&settings, "ssl.quorum.", &key, NULL, &fault), VIV_ERR_INVALID);
    cr_assert(strstr(fault.text, "no private key") != NULL);
    cr_assert(strstr(fault.facts, "ssl.quorum.keyStore.location") != NULL);
    settings = stores_of(NULL, "plain.pem");
    cr_assert_eq(viv_key_stores_load(&settings, "ssl.", NULL, &key, &fault), VIV_ERR_INVALID);
    settings = stores_of(NULL, NULL);
    cr_assert_eq(viv_key_stores_load(&settings, "ssl.", &key, NULL, &fault), VIV_ERR_INVALID);
    cr_assert(strstr(fault.text, "not configured") != NULL);
}

VIV_TEST(key_store, a_password_may_stand_in_a_file_of_its_own)
{
    struct viv_tls_settings settings = stores_of("key.p12", NULL);
    strcpy(settings.key.password, "wrong");
    temporary(settings.key.password_path);
    write_file(settings.key.password_path, "secret\n", 7);
    struct viv_key_store key;
    cr_assert_eq(viv_key_stores_load(&settings, "ssl.", &key, NULL, &fault), VIV_OK, "%s", fault.text);
    viv_key_store_fini(&key);
    unlink(settings.key.password_path);
    cr_assert_eq(viv_key_stores_load(&settings, "ssl.", &key, NULL, &fault), VIV_ERR_IO);
    cr_assert(strstr(fault.facts, "passwordPath") != NULL);
}

VIV_TEST(key_store, a_file_that_is_too_large_or_cut_is_refused)
{
    struct viv_tls_settings settings = stores_of(NULL, NULL);
    struct viv_key_store key;
    temporary(settings.key.path);
    settings.key.type = VIV_TLS_STORE_JKS;
    cr_assert_eq(truncate(settings.key.path, VIV_KEY_STORE_BYTES_MAX + 1), 0);
    cr_assert_eq(viv_key_stores_load(&settings, "ssl.", &key, NULL, &fault), VIV_ERR_IO);
    cr_assert_eq(truncate(settings.key.path, 0), 0);
    cr_assert_eq(viv_key_stores_load(&settings, "ssl.", &key, NULL, &fault), VIV_ERR_MALFORMED);
    unlink(settings.key.path);
}
