#include <stdlib.h>
#include <string.h>

#include "cli/acl_text.h"
#include "cli/http.h"
#include "cli/line.h"
#include "cli/quota_text.h"
#include "cli/text.h"
#include "tests/support/viv_test.h"
#include "tests/unit/fuzz/fuzz.h"

/* Whatever is typed, stored by a stranger or answered on an admin port: what reads it stays within it. */

enum { ROUNDS = 20000 };

#define SOUND(text)                                                                                                    \
    {                                                                                                                  \
        (const uint8_t *)(text), sizeof(text) - 1                                                                      \
    }

static void read_line(struct viv_bytes bytes)
{
    struct viv_cli_line line;
    for (int unfinished = 0; unfinished < 2; unfinished++) {
        const char *wrong = viv_cli_line_split(&line, (const char *)bytes.data, bytes.size, unfinished != 0);
        size_t total = 0;
        for (size_t i = 0; wrong == NULL && i < line.count; i++) {
            cr_assert_lt(line.starts[i], bytes.size);
            total += strlen(line.words[i]);
        }
        cr_assert_leq(total, bytes.size);
        viv_cli_line_fini(&line);
    }
}

static void read_value(struct viv_bytes bytes)
{
    struct viv_buffer out = {0};
    struct viv_buffer back = {0};
    viv_cli_append_text(&out, bytes);
    cr_assert(viv_cli_is_text(viv_buffer_bytes(&out)), "what is shown is text");
    viv_buffer_clear(&out);
    viv_cli_append_base64(&out, bytes);
    cr_assert(viv_cli_read_base64(viv_buffer_bytes(&out), &back));
    cr_assert(viv_bytes_equal(viv_buffer_bytes(&back), bytes));
    (void)viv_cli_read_base64(bytes, &back);
    json_t *text = viv_cli_json_text(bytes);
    cr_assert_not_null(text);
    json_decref(text);
    viv_buffer_fini(&out);
    viv_buffer_fini(&back);
}

static void read_others(struct viv_bytes bytes)
{
    int status;
    struct viv_bytes body;
    if (viv_cli_http_parse(bytes, &status, &body)) {
        cr_assert(body.data >= bytes.data && body.data + body.size == bytes.data + bytes.size);
    }
    struct viv_cli_quota quota;
    viv_cli_quota_read(bytes, &quota);
    struct viv_jute_reader reader = viv_jute_reader_of(bytes);
    json_decref(viv_cli_acl_json(&reader));
    struct viv_buffer raw = {0};
    struct viv_buffer error = {0};
    char *text = strndup((const char *)bytes.data, bytes.size);
    if (viv_cli_acl_read(text, &raw, &error)) {
        reader = viv_jute_reader_of(viv_buffer_bytes(&raw));
        cr_assert_eq(viv_acl_list_read(&reader).size, raw.size, "what is sent is whole");
    }
    free(text);
    viv_buffer_fini(&raw);
    viv_buffer_fini(&error);
}

VIV_TEST(cli_damaged, nothing_is_read_behind_its_end)
{
    static const struct viv_bytes sound[] = {
        SOUND("create -s /a \"b 'c\" '\\' d\\ e # f"),
        SOUND("\xe2\x82\xac gr\xc3\xbc\xc3\x9f \xf0\x9f\x90\xa2 \x1b[31m Zm9vYg=="),
        SOUND("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"),
        SOUND("count=5,bytes=7=;byteHardLimit=9;countHardLimit=8"),
        SOUND("digest:user:aGFzaA==:rw,ip:10.0.0.0/8:cdrwa"),
        SOUND("\0\0\0\1\0\0\0\37\0\0\0\5world\0\0\0\6anyone"),
    };
    struct viv_rng rng;
    viv_rng_init(&rng, 11);
    for (unsigned round = fuzz_rounds(ROUNDS); round > 0; round--) {
        struct viv_buffer bytes = {0};
        viv_buffer_append_bytes(&bytes, sound[viv_rng_below(&rng, sizeof sound / sizeof *sound)]);
        fuzz_mutate(&rng, &bytes);
        struct viv_bytes exact = fuzz_exact(viv_buffer_bytes(&bytes));
        read_line(exact);
        read_value(exact);
        read_others(exact);
        free((void *)exact.data);
        viv_buffer_fini(&bytes);
    }
}
