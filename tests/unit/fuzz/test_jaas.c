#include <stdlib.h>

#include "security/jaas.h"
#include "tests/support/viv_test.h"
#include "tests/unit/fuzz/fuzz.h"

/* Damaged JAAS files: read or refused with a line within the file, and never anything kept of a refused one. */

enum { ROUNDS = 20000 };

VIV_TEST(fuzz_jaas, a_damaged_file_is_read_or_refused)
{
    static const char sound[] = "// users\nServer {\n  org.apache.DigestLoginModule required\n"
                                "  user_super=\"a\\\"dm\\101in\" /* x */\n  user_bob=\"b\";\n};\n"
                                "Client { m optional username=\"c\"; };\n";
    struct viv_rng rng;
    struct viv_buffer bytes = {0};
    unsigned read_count = 0;
    viv_rng_init(&rng, 7);
    for (unsigned round = 0; round < fuzz_rounds(ROUNDS); round++) {
        viv_buffer_clear(&bytes);
        viv_buffer_append(&bytes, sound, sizeof sound - 1);
        if (round > 0) {
            fuzz_mutate(&rng, &bytes);
        }
        struct viv_bytes exact = fuzz_exact(viv_buffer_bytes(&bytes));
        struct viv_jaas jaas;
        unsigned line;
        const char *why;
        bool is_read = viv_jaas_parse(&jaas, exact, "Server", &line, &why);
        cr_assert_eq(is_read, why == NULL);
        cr_assert_eq(is_read, jaas.count > 0);
        cr_assert_leq(line, exact.size + 1);
        read_count += is_read;
        viv_jaas_fini(&jaas);
        free((void *)exact.data);
    }
    cr_assert_gt(read_count, 0U);
    viv_buffer_fini(&bytes);
}
