#include <stdio.h>
#include <string.h>

#include "cli/acl_text.h"
#include "cli/http.h"
#include "cli/names.h"
#include "cli/quota_text.h"
#include "cli/text.h"
#include "tests/support/viv_test.h"

static const char *shown(struct viv_bytes bytes)
{
    static char text[512];
    struct viv_buffer out = {0};
    viv_cli_append_text(&out, bytes);
    snprintf(text, sizeof text, "%.*s", (int)out.size, out.size > 0 ? (const char *)out.data : "");
    viv_buffer_fini(&out);
    return text;
}

VIV_TEST(cli_text, text_is_shown_as_it_is)
{
    cr_assert_str_eq(shown(VIV_BYTES_LITERAL("plain \\x00 text\n\twith two lines")),
                     "plain \\x00 text\n\twith two lines");
    cr_assert_str_eq(shown(VIV_BYTES_LITERAL("gr\xc3\xbc\xc3\x9f \xf0\x9f\x90\xa2")),
                     "gr\xc3\xbc\xc3\x9f \xf0\x9f\x90\xa2");
    cr_assert_str_eq(shown((struct viv_bytes){0}), "");
}

VIV_TEST(cli_text, a_terminal_is_never_given_what_it_would_obey)
{
    cr_assert_str_eq(shown(VIV_BYTES_LITERAL("\x1b[2J\\")), "\\x1b[2J\\\\");
    cr_assert_str_eq(shown(VIV_BYTES_LITERAL("a\rb")), "a\\x0db");
    cr_assert_str_eq(shown(VIV_BYTES_LITERAL("\xc2\x9b"
                                             "31m")),
                     "\\xc2\\x9b31m");
    cr_assert_str_eq(shown(VIV_BYTES_LITERAL("\x7f")), "\\x7f");
}

VIV_TEST(cli_text, only_well_formed_utf_8_is_text)
{
    static const char *const broken[] = {"\xc0\x80", "\xc3", "\xe2\x82",     "\xed\xa0\x80",     "\xf4\x90\x80\x80",
                                         "\xff",     "\x80", "\xe0\x80\x80", "\xf0\x80\x80\x80", "\xf5\x80\x80\x80"};
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        cr_assert_not(viv_cli_is_text(viv_bytes_text(broken[i])), "%zu", i);
    }
    cr_assert(viv_cli_is_text(viv_bytes_text("\xf4\x8f\xbf\xbf")));
}

VIV_TEST(cli_text, base64_comes_back_as_it_went)
{
    static const char *const pairs[][2] = {
        {"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"}, {"foob", "Zm9vYg=="}};
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        struct viv_buffer out = {0};
        struct viv_buffer back = {0};
        viv_cli_append_base64(&out, viv_bytes_text(pairs[i][0]));
        cr_assert(viv_bytes_equal(viv_buffer_bytes(&out), viv_bytes_text(pairs[i][1])));
        cr_assert(viv_cli_read_base64(viv_buffer_bytes(&out), &back));
        cr_assert(viv_bytes_equal(viv_buffer_bytes(&back), viv_bytes_text(pairs[i][0])));
        viv_buffer_fini(&out);
        viv_buffer_fini(&back);
    }
    static const char *const broken[] = {"Z", "Zg=", "Zg===", "=Zg=", "Zg==Zg", "Z*==", "===="};
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        struct viv_buffer back = {0};
        cr_assert_not(viv_cli_read_base64(viv_bytes_text(broken[i]), &back), "%s", broken[i]);
        viv_buffer_fini(&back);
    }
}

VIV_TEST(cli_text, json_tells_text_null_and_bytes_apart)
{
    json_t *told = json_object();
    struct viv_jute_slice null = {.null = true};
    viv_cli_json_set_data(told, null);
    cr_assert_eq(json_typeof(json_object_get(told, "data")), JSON_NULL);
    viv_cli_json_set_data(told, (struct viv_jute_slice){.bytes = VIV_BYTES_LITERAL("a\0b")});
    cr_assert_eq(json_string_length(json_object_get(told, "data")), 3);
    struct viv_jute_slice empty = {.bytes = {NULL, 0}};
    viv_cli_json_set_data(told, empty);
    cr_assert_eq(json_string_length(json_object_get(told, "data")), 0);
    cr_assert_eq(json_typeof(json_object_get(told, "data")), JSON_STRING, "empty is not null");
    json_object_clear(told);
    viv_cli_json_set_data(told, (struct viv_jute_slice){.bytes = VIV_BYTES_LITERAL("\xff")});
    cr_assert_null(json_object_get(told, "data"));
    cr_assert_str_eq(json_string_value(json_object_get(told, "data_base64")), "/w==");
    json_decref(told);
}

static bool acl(const char *text, struct viv_buffer *raw)
{
    struct viv_buffer error = {0};
    viv_buffer_clear(raw);
    bool well = viv_cli_acl_read(text, raw, &error);
    cr_assert(well == (error.size == 0));
    viv_buffer_fini(&error);
    return well;
}

VIV_TEST(cli_acl_text, the_open_list_is_the_one_on_the_wire)
{
    struct viv_buffer raw = {0};
    cr_assert(acl("world:anyone:cdrwa", &raw));
    cr_assert(viv_bytes_equal(viv_buffer_bytes(&raw), viv_acl_open_unsafe()));
    viv_buffer_fini(&raw);
}

VIV_TEST(cli_acl_text, the_id_may_hold_colons_and_the_permissions_are_letters)
{
    struct viv_buffer raw = {0};
    cr_assert(acl("digest:user:aGFzaA==:rw,ip:fe80::1/64:r", &raw));
    struct viv_jute_reader reader = viv_jute_reader_of(viv_buffer_bytes(&raw));
    json_t *list = viv_cli_acl_json(&reader);
    cr_assert(json_array_size(list) == 2 && !reader.bad);
    cr_assert_str_eq(json_string_value(json_object_get(json_array_get(list, 0), "id")), "user:aGFzaA==");
    cr_assert_str_eq(json_string_value(json_object_get(json_array_get(list, 1), "id")), "fe80::1/64");
    json_decref(list);
    cr_assert_not(acl("world:anyone", &raw));
    cr_assert_not(acl("world:anyone:x", &raw));
    cr_assert_not(acl("", &raw));
    cr_assert_not(acl("world:anyone:r,", &raw));
    viv_buffer_fini(&raw);
}

VIV_TEST(cli_quota_text, old_and_new_forms_are_read)
{
    struct viv_cli_quota quota;
    viv_cli_quota_read(VIV_BYTES_LITERAL("count=5,bytes=-1"), &quota);
    cr_assert(quota.limits[VIV_CLI_QUOTA_COUNT] == 5 && quota.limits[VIV_CLI_QUOTA_BYTES_HARD] == -1);
    viv_cli_quota_read(VIV_BYTES_LITERAL("count=5,bytes=7=;byteHardLimit=9;countHardLimit=8"), &quota);
    cr_assert(quota.limits[VIV_CLI_QUOTA_BYTES] == 7 && quota.limits[VIV_CLI_QUOTA_BYTES_HARD] == 9);
    cr_assert_eq(quota.limits[VIV_CLI_QUOTA_COUNT_HARD], 8);
    struct viv_buffer text = {0};
    viv_cli_quota_write(&quota, &text);
    cr_assert(viv_bytes_equal(viv_buffer_bytes(&text),
                              VIV_BYTES_LITERAL("count=5,bytes=7=;byteHardLimit=9;countHardLimit=8")));
    viv_buffer_fini(&text);
}

VIV_TEST(cli_http, an_answer_is_a_status_and_a_body)
{
    int status;
    struct viv_bytes body;
    cr_assert(viv_cli_http_parse(VIV_BYTES_LITERAL("HTTP/1.1 200 OK\r\nA: b\r\n\r\n{}"), &status, &body));
    cr_assert(status == 200 && viv_bytes_equal(body, VIV_BYTES_LITERAL("{}")));
    cr_assert_not(viv_cli_http_parse(VIV_BYTES_LITERAL("HTTP/1.1 20x OK\r\n\r\n"), &status, &body));
    cr_assert_not(viv_cli_http_parse(VIV_BYTES_LITERAL("SSH-2.0-OpenSSH_9\r\n\r\n"), &status, &body));
    cr_assert_not(viv_cli_http_parse(VIV_BYTES_LITERAL("HTTP/1.1 200 OK\r\n"), &status, &body));
    cr_assert_not(viv_cli_http_parse((struct viv_bytes){0}, &status, &body));
}
