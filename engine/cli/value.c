#include "cli/value.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "cli/cli.h"
#include "cli/text.h"

enum { HEX_COLUMNS = 16 };

static void print_hex(struct viv_bytes bytes)
{
    for (size_t at = 0; at < bytes.size; at += HEX_COLUMNS) {
        printf("%08zx ", at);
        for (size_t i = at; i < at + HEX_COLUMNS; i++) {
            printf(i < bytes.size ? " %02x" : "   ", i < bytes.size ? bytes.data[i] : 0);
        }
        fputs("  ", stdout);
        for (size_t i = at; i < at + HEX_COLUMNS && i < bytes.size; i++) {
            putchar(bytes.data[i] >= 0x20 && bytes.data[i] < 0x7f ? bytes.data[i] : '.');
        }
        putchar('\n');
    }
}

void viv_cli_value_print(const struct viv_cli_args *args, struct viv_jute_slice data)
{
    struct viv_bytes bytes = data.null ? (struct viv_bytes){0} : data.bytes;
    if (viv_cli_has(args, "--raw")) {
        fwrite(bytes.size > 0 ? bytes.data : (const uint8_t *)"", 1, bytes.size, stdout);
    } else if (viv_cli_has(args, "--base64")) {
        struct viv_buffer text = {0};
        viv_cli_append_base64(&text, bytes);
        printf("%.*s\n", (int)text.size, (const char *)text.data);
        viv_buffer_fini(&text);
    } else if (viv_cli_has(args, "-x")) {
        print_hex(bytes);
    } else if (data.null) {
        puts("null");
    } else {
        viv_cli_print_text(bytes);
        putchar('\n');
    }
}

/* No server takes more in one request; a larger file is a mistake of the caller's. */
static bool read_file(const char *name, struct viv_buffer *value, int *code)
{
    FILE *file = strcmp(name, "-") == 0 ? stdin : fopen(name, "rb");
    size_t got = 1;
    while (file != NULL && got > 0 && value->size <= VIV_ENTRY_BYTES_MAX) {
        got = fread(viv_buffer_reserve(value, 1 << 16), 1, 1 << 16, file);
        value->size += got;
    }
    bool well = file != NULL && !ferror(file) && value->size <= VIV_ENTRY_BYTES_MAX;
    if (!well) {
        viv_cli_error("%s cannot be read: %s", name,
                      value->size > VIV_ENTRY_BYTES_MAX ? "no server takes so many bytes" : strerror(errno));
        *code = VIV_CLI_FAILED;
    }
    if (file != NULL && file != stdin) {
        fclose(file);
    }
    return well;
}

bool viv_cli_value_read(const struct viv_cli_args *args, const char *text, struct viv_buffer *value, int *code)
{
    const char *file = viv_cli_value(args, "--file");
    struct viv_buffer raw = {0};
    if (file != NULL && text != NULL) {
        *code = viv_cli_usage_error("the value is told twice: as an argument and with --file");
        return false;
    }
    if (file != NULL && !read_file(file, &raw, code)) {
        viv_buffer_fini(&raw);
        return false;
    }
    if (text != NULL) {
        viv_buffer_append(&raw, text, strlen(text));
    }
    if (!viv_cli_has(args, "--base64")) {
        *value = raw;
        return true;
    }
    bool well = viv_cli_read_base64(viv_buffer_bytes(&raw), value);
    viv_buffer_fini(&raw);
    if (!well) {
        *code = viv_cli_usage_error("the value is not base64");
    }
    return well;
}
