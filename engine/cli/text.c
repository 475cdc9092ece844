#include "cli/text.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

/* Length of the well-formed UTF-8 character at the front, 0 when there is none. */
static size_t utf8_size(const uint8_t *at, size_t left)
{
    uint32_t lead = at[0];
    size_t size = lead < 0x80 ? 1 : lead >= 0xc2 && lead < 0xe0 ? 2 : lead >= 0xe0 && lead < 0xf0 ? 3 : 4;
    if (lead >= 0xf5 || (lead >= 0x80 && lead < 0xc2) || left < size) {
        return 0;
    }
    for (size_t i = 1; i < size; i++) {
        if ((at[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    bool overlong = (lead == 0xe0 && at[1] < 0xa0) || (lead == 0xf0 && at[1] < 0x90);
    bool beyond = (lead == 0xed && at[1] >= 0xa0) || (lead == 0xf4 && at[1] >= 0x90);
    return overlong || beyond ? 0 : size;
}

static bool is_control(const uint8_t *at, size_t size)
{
    bool c0 = size == 1 && ((at[0] < 0x20 && at[0] != '\n' && at[0] != '\t') || at[0] == 0x7f);
    bool c1 = size == 2 && at[0] == 0xc2 && at[1] < 0xa0;
    return c0 || c1;
}

static bool is_utf8(struct viv_bytes bytes, bool with_controls)
{
    for (size_t i = 0; i < bytes.size;) {
        size_t size = utf8_size(bytes.data + i, bytes.size - i);
        if (size == 0 || (!with_controls && is_control(bytes.data + i, size))) {
            return false;
        }
        i += size;
    }
    return true;
}

bool viv_cli_is_text(struct viv_bytes bytes)
{
    return is_utf8(bytes, false);
}

void viv_cli_append_text(struct viv_buffer *out, struct viv_bytes bytes)
{
    if (viv_cli_is_text(bytes)) {
        viv_buffer_append_bytes(out, bytes);
        return;
    }
    for (size_t i = 0; i < bytes.size; i++) {
        uint8_t byte = bytes.data[i];
        if (byte == '\\') {
            viv_buffer_append(out, "\\\\", 2);
        } else if (byte >= 0x20 && byte < 0x7f) {
            viv_buffer_append(out, &byte, 1);
        } else {
            viv_buffer_printf(out, "\\x%02x", byte);
        }
    }
}

void viv_cli_print_text(struct viv_bytes bytes)
{
    struct viv_buffer text = {0};
    viv_cli_append_text(&text, bytes);
    if (text.size > 0) {
        fwrite(text.data, 1, text.size, stdout);
    }
    viv_buffer_fini(&text);
}

static const char base64_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void viv_cli_append_base64(struct viv_buffer *out, struct viv_bytes bytes)
{
    for (size_t i = 0; i < bytes.size; i += 3) {
        size_t left = bytes.size - i;
        uint32_t three = (uint32_t)bytes.data[i] << 16;
        three |= left > 1 ? (uint32_t)bytes.data[i + 1] << 8 : 0;
        three |= left > 2 ? bytes.data[i + 2] : 0;
        char four[] = {base64_digits[three >> 18], base64_digits[three >> 12 & 63],
                       left > 1 ? base64_digits[three >> 6 & 63] : '=', left > 2 ? base64_digits[three & 63] : '='};
        viv_buffer_append(out, four, sizeof four);
    }
}

bool viv_cli_read_base64(struct viv_bytes text, struct viv_buffer *out)
{
    uint32_t bits = 0;
    size_t count = 0; /* digits of the current four */
    size_t padding = 0;
    for (size_t i = 0; i < text.size; i++) {
        const char *digit = text.data[i] == '\0' ? NULL : strchr(base64_digits, text.data[i]);
        if (text.data[i] == '\n' || text.data[i] == '\r') {
            continue;
        }
        padding += text.data[i] == '=';
        if ((digit == NULL && text.data[i] != '=') || (digit != NULL && padding > 0)) {
            return false;
        }
        bits = bits << 6 | (digit != NULL ? (uint32_t)(digit - base64_digits) : 0);
        if (++count == 4) {
            uint8_t three[] = {(uint8_t)(bits >> 16), (uint8_t)(bits >> 8), (uint8_t)bits};
            if (padding > 2) {
                return false;
            }
            viv_buffer_append(out, three, 3 - padding);
            count = 0;
        }
    }
    return count == 0 && padding <= 2;
}

/* No bytes may be no pointer. */
static json_t *string_of(struct viv_bytes bytes)
{
    return json_stringn(bytes.size > 0 ? (const char *)bytes.data : "", bytes.size);
}

json_t *viv_cli_json_text(struct viv_bytes bytes)
{
    if (is_utf8(bytes, true)) {
        return string_of(bytes);
    }
    struct viv_buffer text = {0};
    viv_cli_append_text(&text, bytes);
    json_t *value = string_of(viv_buffer_bytes(&text));
    viv_buffer_fini(&text);
    return value;
}

void viv_cli_json_set_data(json_t *object, struct viv_jute_slice data)
{
    if (data.null) {
        json_object_set_new(object, "data", json_null());
    } else if (is_utf8(data.bytes, true)) {
        json_object_set_new(object, "data", string_of(data.bytes));
    } else {
        struct viv_buffer text = {0};
        viv_cli_append_base64(&text, data.bytes);
        json_object_set_new(object, "data_base64", string_of(viv_buffer_bytes(&text)));
        viv_buffer_fini(&text);
    }
}

json_t *viv_cli_json_hex(int64_t value)
{
    return json_sprintf("0x%llx", (unsigned long long)value);
}

json_t *viv_cli_json_stat(const struct viv_stat *stat)
{
    return json_pack("{s:o, s:I, s:o, s:I, s:o, s:i, s:i, s:i, s:o, s:i, s:i}", "czxid", viv_cli_json_hex(stat->czxid),
                     "ctime", (json_int_t)stat->ctime, "mzxid", viv_cli_json_hex(stat->mzxid), "mtime",
                     (json_int_t)stat->mtime, "pzxid", viv_cli_json_hex(stat->pzxid), "cversion", (int)stat->cversion,
                     "version", (int)stat->version, "aversion", (int)stat->aversion, "ephemeralOwner",
                     viv_cli_json_hex(stat->ephemeral_owner), "dataLength", (int)stat->data_bytes, "numChildren",
                     (int)stat->child_count);
}

static void print_time(const char *name, int64_t wall_ms)
{
    char text[64];
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm when;
    if (localtime_r(&seconds, &when) == NULL || strftime(text, sizeof text, "%a %b %d %H:%M:%S %Z %Y", &when) == 0) {
        snprintf(text, sizeof text, "%lld ms", (long long)wall_ms);
    }
    printf("%s = %s\n", name, text);
}

void viv_cli_print_stat(const struct viv_stat *stat)
{
    printf("cZxid = 0x%llx\n", (unsigned long long)stat->czxid);
    print_time("ctime", stat->ctime);
    printf("mZxid = 0x%llx\n", (unsigned long long)stat->mzxid);
    print_time("mtime", stat->mtime);
    printf("pZxid = 0x%llx\n", (unsigned long long)stat->pzxid);
    printf("cversion = %d\ndataVersion = %d\naclVersion = %d\n", stat->cversion, stat->version, stat->aversion);
    printf("ephemeralOwner = 0x%llx\n", (unsigned long long)stat->ephemeral_owner);
    printf("dataLength = %d\nnumChildren = %d\n", stat->data_bytes, stat->child_count);
}
