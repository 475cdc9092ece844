#include <jansson.h>
#include <string.h>

#include "admin/json.h"
#include "base/rng.h"
#include "tests/support/viv_test.h"

static void expect_text(const struct viv_buffer *out, const char *expected)
{
    cr_assert(viv_bytes_equal(viv_buffer_bytes(out), viv_bytes_text(expected)), "expected:\n%s\ngot:\n%.*s", expected,
              (int)out->size, (const char *)out->data);
}

VIV_TEST(admin_json, the_layout_is_that_of_the_original)
{
    struct viv_json json = {0};
    struct viv_buffer out = {0};
    viv_json_open(&json, &out, NULL);
    viv_json_open_list(&json, &out, "connections");
    viv_json_open(&json, &out, NULL);
    viv_json_integer(&json, &out, "session_id", -1);
    viv_json_literal(&json, &out, "avg_latency", "0.0");
    viv_json_close(&json, &out);
    viv_json_open(&json, &out, NULL);
    viv_json_bool(&json, &out, "read_only", false);
    viv_json_close(&json, &out);
    viv_json_close(&json, &out);
    viv_json_open_list(&json, &out, "secure_connections");
    viv_json_close(&json, &out);
    viv_json_open(&json, &out, "current_config");
    viv_json_close(&json, &out);
    viv_json_open_list_of(&json, &out, VIV_BYTES_LITERAL("/a\"b"));
    viv_json_text(&json, &out, NULL, "x");
    viv_json_integer(&json, &out, NULL, 7);
    viv_json_close(&json, &out);
    viv_json_null(&json, &out, "error");
    viv_json_close(&json, &out);
    expect_text(&out, "{\n"
                      "  \"connections\" : [ {\n"
                      "    \"session_id\" : -1,\n"
                      "    \"avg_latency\" : 0.0\n"
                      "  }, {\n"
                      "    \"read_only\" : false\n"
                      "  } ],\n"
                      "  \"secure_connections\" : [ ],\n"
                      "  \"current_config\" : { },\n"
                      "  \"/a\\\"b\" : [ \"x\", 7 ],\n"
                      "  \"error\" : null\n"
                      "}");
    viv_buffer_fini(&out);
}

VIV_TEST(admin_json, pieces_may_go_to_different_buffers)
{
    struct viv_json json = {0};
    struct viv_buffer first = {0}, second = {0};
    viv_json_open(&json, &first, NULL);
    viv_json_integer(&json, &first, "a", 1);
    viv_json_integer(&json, &second, "b", 2);
    viv_json_close(&json, &second);
    viv_buffer_append_bytes(&first, viv_buffer_bytes(&second));
    expect_text(&first, "{\n  \"a\" : 1,\n  \"b\" : 2\n}");
    viv_buffer_fini(&first);
    viv_buffer_fini(&second);
}

VIV_TEST(admin_json, any_bytes_make_a_text_that_others_read)
{
    static const struct {
        const char *bytes, *json;
    } cases[] = {
        {"plain", "\"plain\""},
        {"tab\tnewline\nquote\"back\\slash", "\"tab\\tnewline\\nquote\\\"back\\\\slash\""},
        {"\x01", "\"\\u0001\""},
        {"\xc3\xa9", "\"\xc3\xa9\""},
        {"\xc3", "\"\xef\xbf\xbd\""},
        {"\xff\x61", "\"\xef\xbf\xbd\x61\""},
        {"\xed\xa0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct viv_json json = {0};
        struct viv_buffer out = {0};
        viv_json_text(&json, &out, NULL, cases[i].bytes);
        expect_text(&out, cases[i].json);
        viv_buffer_fini(&out);
    }
}

VIV_TEST(admin_json, random_bytes_are_valid_json_as_key_and_as_value)
{
    struct viv_rng rng;
    viv_rng_init(&rng, 17);
    for (unsigned round = 0; round < 500; round++) {
        uint8_t bytes[24];
        size_t size = viv_rng_next(&rng) % sizeof bytes;
        for (size_t i = 0; i < size; i++) {
            bytes[i] = (uint8_t)viv_rng_next(&rng);
        }
        struct viv_json json = {0};
        struct viv_buffer out = {0};
        viv_json_open(&json, &out, NULL);
        viv_json_open_list_of(&json, &out, viv_bytes_of(bytes, size));
        viv_json_bytes(&json, &out, NULL, viv_bytes_of(bytes, size));
        viv_json_close(&json, &out);
        viv_json_close(&json, &out);
        json_error_t error;
        json_t *read = json_loadb((const char *)out.data, out.size, 0, &error);
        cr_assert(read != NULL || strstr(error.text, "NUL") != NULL, "%s: %.*s", error.text, (int)out.size,
                  (const char *)out.data);
        json_decref(read);
        viv_buffer_fini(&out);
    }
}
