#include "tests/support/hex.h"

#include <ctype.h>
#include <string.h>

#include "tests/support/viv_test.h"

static int digit(char c)
{
    static const char digits[] = "0123456789abcdef";
    const char *found = c == 0 ? NULL : strchr(digits, tolower((unsigned char)c));
    cr_assert_not_null(found, "'%c' is not a hexadecimal digit", c);
    return (int)(found - digits);
}

void viv_hex_append(struct viv_buffer *out, const char *text)
{
    while (*text != 0) {
        if (isspace((unsigned char)*text)) {
            text++;
            continue;
        }
        *viv_buffer_extend(out, 1) = (uint8_t)(digit(text[0]) << 4 | digit(text[1]));
        text += 2;
    }
}

void viv_hex_expect(struct viv_bytes actual, const char *text)
{
    struct viv_buffer expected = {0};
    struct viv_buffer shown = {0};
    viv_hex_append(&expected, text);
    for (size_t i = 0; i < actual.size; i++) {
        viv_buffer_printf(&shown, "%02x", actual.data[i]);
    }
    cr_assert(viv_bytes_equal(actual, viv_buffer_bytes(&expected)), "expected %s\ngot %.*s", text, (int)shown.size,
              (const char *)shown.data);
    viv_buffer_fini(&expected);
    viv_buffer_fini(&shown);
}
