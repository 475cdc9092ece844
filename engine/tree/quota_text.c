#include <string.h>

#include "tree/quota.h"

/* key=number pairs set apart by runs of "," and ";", in the reading of Java's split, which drops empty parts at the end
 * and nowhere else: a pair needs a "=" with something behind it, an empty number before another "=" means none. */

static bool is_separator(uint8_t c)
{
    return c == ',' || c == ';';
}

/* Java's Long.parseLong. */
static bool parse_long(struct viv_bytes text, int64_t *number)
{
    bool is_negative = text.size > 0 && text.data[0] == '-';
    size_t at = is_negative || (text.size > 0 && text.data[0] == '+') ? 1 : 0;
    uint64_t max = (uint64_t)INT64_MAX + (is_negative ? 1 : 0), value = 0;

    if (at == text.size) {
        return false;
    }
    for (; at < text.size; at++) {
        if (text.data[at] < '0' || text.data[at] > '9') {
            return false;
        }
        uint64_t digit = (uint64_t)(text.data[at] - '0');
        if (value > (max - digit) / 10) {
            return false;
        }
        value = value * 10 + digit;
    }
    *number = (int64_t)(is_negative ? -value : value);
    return true;
}

static int64_t *limit_of(struct viv_quota_limits *limits, struct viv_bytes key)
{
    const struct {
        const char *key;
        int64_t *limit;
    } keys[] = {
        {"count", &limits->count},
        {"bytes", &limits->bytes},
        {"countHardLimit", &limits->hard_count},
        {"byteHardLimit", &limits->hard_bytes},
    };
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        if (viv_bytes_equal(key, viv_bytes_text(keys[i].key))) {
            return keys[i].limit;
        }
    }
    return NULL;
}

static bool parse_pair(struct viv_bytes pair, struct viv_quota_limits *limits)
{
    while (pair.size > 0 && pair.data[pair.size - 1] == '=') {
        pair.size--;
    }
    const uint8_t *equals = pair.size == 0 ? NULL : memchr(pair.data, '=', pair.size);
    if (equals == NULL) {
        return false;
    }
    struct viv_bytes key = viv_bytes_of(pair.data, (size_t)(equals - pair.data));
    struct viv_bytes value = viv_bytes_of(equals + 1, pair.size - key.size - 1);
    const uint8_t *end = memchr(value.data, '=', value.size);
    int64_t number = -1;
    value.size = end == NULL ? value.size : (size_t)(end - value.data);
    if (value.size > 0 && !parse_long(value, &number)) {
        return false;
    }
    int64_t *limit = limit_of(limits, key);
    if (limit != NULL) {
        *limit = number;
    }
    return true;
}

bool viv_quota_limits_parse(struct viv_bytes text, struct viv_quota_limits *limits)
{
    *limits = (struct viv_quota_limits){-1, -1, -1, -1};
    while (text.size > 0 && is_separator(text.data[text.size - 1])) {
        text.size--;
    }
    for (size_t at = 0; at < text.size;) {
        size_t start = at;
        while (at < text.size && !is_separator(text.data[at])) {
            at++;
        }
        if (!parse_pair(viv_bytes_of(text.data + start, at - start), limits)) {
            *limits = (struct viv_quota_limits){-1, -1, -1, -1};
            return false;
        }
        while (at < text.size && is_separator(text.data[at])) {
            at++;
        }
    }
    return true;
}
