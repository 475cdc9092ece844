#ifndef VIV_TESTS_SUPPORT_HEX_H
#define VIV_TESTS_SUPPORT_HEX_H

#include "base/bytes.h"

/* Appends the bytes that a hexadecimal text stands for; blanks are skipped. Anything else fails the test. */
void viv_hex_append(struct viv_buffer *out, const char *text);
/* Fails the test, showing both sides, when `actual` is not what `text` stands for. */
void viv_hex_expect(struct viv_bytes actual, const char *text);

#endif /* VIV_TESTS_SUPPORT_HEX_H */
