#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "security/key_store.h"
#include "tests/support/viv_test.h"
#include "tests/unit/fuzz/fuzz.h"

/* Damaged key stores: refused, or read as far as they are whole. The corpus are the stores of tests/unit/security. */

enum { ROUNDS = 1500, SHA1_BYTES = SHA_DIGEST_LENGTH };

static void read_store(const char *name, struct viv_buffer *out)
{
    char path[4096];
    const char *sources = getenv("VIV_SOURCE_DIR");
    snprintf(path, sizeof path, "%s/tests/unit/security/stores/%s", sources != NULL ? sources : "..", name);
    int fd = open(path, O_RDONLY);
    cr_assert_geq(fd, 0, "%s", path);
    ssize_t got = read(fd, viv_buffer_reserve(out, 8192), 8192);
    cr_assert_gt(got, 0);
    out->size = (size_t)got;
    close(fd);
}

/* A JKS store is believed only with its digest, so a damaged one is signed again: else nothing behind it is tried. */
static void sign(struct viv_buffer *bytes)
{
    static const uint8_t password[] = {0, 's', 0, 'e', 0, 'c', 0, 'r', 0, 'e', 0, 't'};
    if (bytes->size < SHA1_BYTES) {
        return;
    }
    struct viv_buffer text = {0};
    viv_buffer_append(&text, password, sizeof password);
    viv_buffer_append(&text, "Mighty Aphrodite", 16);
    viv_buffer_append(&text, bytes->data, bytes->size - SHA1_BYTES);
    SHA1(text.data, text.size, bytes->data + bytes->size - SHA1_BYTES);
    viv_buffer_fini(&text);
}

typedef viv_status read_fn(struct viv_key_store *store, struct viv_bytes bytes, const char *password);

static void fuzz_store(const char *name, read_fn *read_bytes, unsigned rounds, uint64_t seed)
{
    struct viv_buffer valid = {0}, bytes = {0};
    struct viv_rng rng;
    viv_rng_init(&rng, seed);
    read_store(name, &valid);
    for (unsigned round = 0; round < rounds; round++) {
        viv_buffer_clear(&bytes);
        viv_buffer_append_bytes(&bytes, viv_buffer_bytes(&valid));
        if (round > 0) {
            fuzz_mutate(&rng, &bytes);
        }
        if (read_bytes == viv_key_store_read_jks) {
            sign(&bytes);
        }
        struct viv_bytes exact = fuzz_exact(viv_buffer_bytes(&bytes));
        struct viv_key_store store = {0};
        viv_status status = read_bytes(&store, exact, "secret");
        cr_assert(round > 0 || status == VIV_OK, "%s as it is", name);
        viv_key_store_fini(&store);
        ERR_clear_error();
        free((void *)exact.data);
    }
    viv_buffer_fini(&valid);
    viv_buffer_fini(&bytes);
}

VIV_TEST(fuzz_keys, a_damaged_jks_store_is_refused_or_read)
{
    fuzz_store("key.jks", viv_key_store_read_jks, fuzz_rounds(ROUNDS), 1);
    fuzz_store("trust.jks", viv_key_store_read_jks, fuzz_rounds(ROUNDS), 2);
}

VIV_TEST(fuzz_keys, a_damaged_pem_store_is_refused_or_read)
{
    fuzz_store("plain.pem", viv_key_store_read_pem, fuzz_rounds(ROUNDS), 3);
    fuzz_store("trust.pem", viv_key_store_read_pem, fuzz_rounds(ROUNDS), 4);
}

/* Each try derives keys by ten thousand rounds of a digest. */
VIV_TEST(fuzz_keys, a_damaged_pkcs12_store_is_refused_or_read)
{
    fuzz_store("key.p12", viv_key_store_read_pkcs12, fuzz_rounds(40), 5);
    fuzz_store("trust.p12", viv_key_store_read_pkcs12, fuzz_rounds(40), 6);
}
