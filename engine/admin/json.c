#include "admin/json.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/assert.h"

/* The bytes of one character of UTF-8 (RFC 3629), 0 when they are not one. */
static size_t character_bytes(struct viv_bytes text)
{
    uint8_t first = text.data[0];
    size_t size = first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0;
    if (size > text.size) {
        return 0;
    }
    for (size_t i = 1; i < size; i++) {
        if ((text.data[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    if ((first == 0xe0 && text.data[1] < 0xa0) || (first == 0xed && text.data[1] > 0x9f) ||
        (first == 0xf0 && text.data[1] < 0x90) || (first == 0xf4 && text.data[1] > 0x8f)) {
        return 0;
    }
    return size;
}

static void put_character(struct viv_buffer *out, const uint8_t *character, size_t size)
{
    static const char *const shorts[] = {['\b'] = "\\b", ['\t'] = "\\t", ['\n'] = "\\n", ['\f'] = "\\f",
                                         ['\r'] = "\\r", ['"'] = "\\\"", ['\\'] = "\\\\"};
    if (size == 0) {
        viv_buffer_printf(out, "\xef\xbf\xbd"); /* U+FFFD, as Java reads what is not UTF-8 */
    } else if (*character < sizeof shorts / sizeof shorts[0] && shorts[*character] != NULL) {
        viv_buffer_append(out, shorts[*character], 2);
    } else if (*character < ' ') {
        viv_buffer_printf(out, "\\u%04X", *character);
    } else {
        viv_buffer_append(out, character, size);
    }
}

static void put_text(struct viv_buffer *out, struct viv_bytes text)
{
    viv_buffer_append(out, "\"", 1);
    while (text.size > 0) {
        size_t size = character_bytes(text);
        put_character(out, text.data, size);
        size += size == 0;
        text = viv_bytes_of(text.data + size, text.size - size);
    }
    viv_buffer_append(out, "\"", 1);
}

static void end_line(const struct viv_json *json, struct viv_buffer *out)
{
    unsigned objects = 0;
    for (unsigned i = 0; i < json->depth; i++) {
        objects += !json->is_list[i];
    }
    viv_buffer_printf(out, "\n%*s", (int)(2 * objects), "");
}

/* What stands between the value before and this one, then the key. */
static void begin_named(struct viv_json *json, struct viv_buffer *out, const struct viv_bytes *key)
{
    if (json->depth == 0) {
        VIV_ASSERT(key == NULL);
        return;
    }
    bool is_list = json->is_list[json->depth - 1];
    bool *has_items = &json->has_items[json->depth - 1];
    VIV_ASSERT(is_list == (key == NULL));
    viv_buffer_append(out, ",", *has_items);
    *has_items = true;
    if (is_list) {
        viv_buffer_append(out, " ", 1);
        return;
    }
    end_line(json, out);
    put_text(out, *key);
    viv_buffer_append(out, " : ", 3);
}

static void begin_value(struct viv_json *json, struct viv_buffer *out, const char *key)
{
    struct viv_bytes name = key != NULL ? viv_bytes_text(key) : (struct viv_bytes){0};
    begin_named(json, out, key != NULL ? &name : NULL);
}

static void open_level(struct viv_json *json, struct viv_buffer *out, bool is_list)
{
    VIV_ASSERT(json->depth < VIV_JSON_DEPTH_MAX);
    json->is_list[json->depth] = is_list;
    json->has_items[json->depth] = false;
    json->depth++;
    viv_buffer_append(out, is_list ? "[" : "{", 1);
}

void viv_json_open(struct viv_json *json, struct viv_buffer *out, const char *key)
{
    begin_value(json, out, key);
    open_level(json, out, false);
}

void viv_json_open_list(struct viv_json *json, struct viv_buffer *out, const char *key)
{
    begin_value(json, out, key);
    open_level(json, out, true);
}

void viv_json_open_list_of(struct viv_json *json, struct viv_buffer *out, struct viv_bytes key)
{
    begin_named(json, out, &key);
    open_level(json, out, true);
}

void viv_json_close(struct viv_json *json, struct viv_buffer *out)
{
    VIV_ASSERT(json->depth > 0);
    json->depth--;
    bool is_list = json->is_list[json->depth];
    if (!is_list && json->has_items[json->depth]) {
        end_line(json, out);
    } else {
        viv_buffer_append(out, " ", 1);
    }
    viv_buffer_append(out, is_list ? "]" : "}", 1);
}

void viv_json_bytes(struct viv_json *json, struct viv_buffer *out, const char *key, struct viv_bytes text)
{
    begin_value(json, out, key);
    put_text(out, text);
}

void viv_json_text(struct viv_json *json, struct viv_buffer *out, const char *key, const char *text)
{
    viv_json_bytes(json, out, key, viv_bytes_text(text));
}

void viv_json_integer(struct viv_json *json, struct viv_buffer *out, const char *key, int64_t value)
{
    begin_value(json, out, key);
    viv_buffer_printf(out, "%" PRId64, value);
}

void viv_json_bool(struct viv_json *json, struct viv_buffer *out, const char *key, bool value)
{
    viv_json_literal(json, out, key, value ? "true" : "false");
}

void viv_json_null(struct viv_json *json, struct viv_buffer *out, const char *key)
{
    viv_json_literal(json, out, key, "null");
}

void viv_json_literal(struct viv_json *json, struct viv_buffer *out, const char *key, const char *text)
{
    begin_value(json, out, key);
    viv_buffer_printf(out, "%s", text);
}
