#include "wire/path.h"

#include <string.h>

#include "base/assert.h"

/* Code points that no path may contain (client-protocol.md §9). Four-byte sequences are surrogate pairs in the
 * reference server and so always fall in the forbidden range. */
static bool is_forbidden(uint32_t c)
{
    return c <= 0x1f || (c >= 0x7f && c <= 0x9f) || (c >= 0xd800 && c <= 0xf8ff) || (c >= 0xfff0 && c <= 0xffff) ||
           c > 0xffff;
}

/* Bytes of the UTF-8 sequence that begins with `first`; 0 when it cannot begin one. */
static size_t sequence_bytes(uint8_t first)
{
    if (first < 0x80) {
        return 1;
    }
    if (first >= 0xc2 && first <= 0xdf) {
        return 2;
    }
    if (first >= 0xe0 && first <= 0xef) {
        return 3;
    }
    return first >= 0xf0 && first <= 0xf4 ? 4 : 0;
}

/* Decodes one code point and moves past it. False on malformed UTF-8, which the reference server replaces by U+FFFD:
 * a forbidden character as well. */
static bool next_code_point(struct viv_bytes *rest, uint32_t *code_point)
{
    static const uint8_t first_masks[] = {0, 0x7f, 0x1f, 0x0f, 0x07};

    VIV_ASSERT(rest->size > 0);
    size_t size = sequence_bytes(rest->data[0]);
    if (size == 0 || size > rest->size) {
        return false;
    }
    uint32_t value = rest->data[0] & first_masks[size];
    for (size_t i = 1; i < size; i++) {
        if ((rest->data[i] & 0xc0) != 0x80) {
            return false;
        }
        value = (value << 6) | (rest->data[i] & 0x3f);
    }
    if (size == 3 && value < 0x800) {
        return false;
    }
    *code_point = value;
    rest->data += size;
    rest->size -= size;
    return true;
}

static bool component_is_legal(const uint8_t *start, size_t size)
{
    return size > 0 && !(size == 1 && start[0] == '.') && !(size == 2 && start[0] == '.' && start[1] == '.');
}

static bool characters_are_legal(struct viv_bytes path)
{
    while (path.size > 0) {
        uint32_t code_point;
        if (path.data[0] >= 0x20 && path.data[0] < 0x7f) {
            path.data++;
            path.size--;
        } else if (!next_code_point(&path, &code_point) || is_forbidden(code_point)) {
            return false;
        }
    }
    return true;
}

bool viv_path_is_valid(struct viv_bytes path)
{
    if (path.size == 0 || path.data[0] != '/') {
        return false;
    }
    if (path.size == 1) {
        return true;
    }
    const uint8_t *component = path.data + 1;
    const uint8_t *end = path.data + path.size;
    while (component <= end) {
        const uint8_t *slash = memchr(component, '/', (size_t)(end - component));
        const uint8_t *stop = slash == NULL ? end : slash;
        if (!component_is_legal(component, (size_t)(stop - component))) {
            return false;
        }
        component = stop + 1;
    }
    return characters_are_legal(path);
}

bool viv_path_has_parent(struct viv_bytes path)
{
    return path.size > 0 && memchr(path.data, '/', path.size) != NULL && memchr(path.data, 0, path.size) == NULL;
}

static size_t last_slash(struct viv_bytes path)
{
    VIV_ASSERT(viv_path_has_parent(path));
    return (size_t)((const uint8_t *)memrchr(path.data, '/', path.size) - path.data);
}

struct viv_bytes viv_path_parent(struct viv_bytes path)
{
    return (struct viv_bytes){path.data, last_slash(path)};
}

struct viv_bytes viv_path_name(struct viv_bytes path)
{
    size_t start = last_slash(path) + 1;
    return (struct viv_bytes){path.data + start, path.size - start};
}

bool viv_path_is_reserved(struct viv_bytes path)
{
    static const char *const reserved[] = {"/", "/zookeeper", "/zookeeper/quota", "/zookeeper/config"};

    for (size_t i = 0; i < sizeof reserved / sizeof reserved[0]; i++) {
        if (viv_bytes_equal(path, viv_bytes_text(reserved[i]))) {
            return true;
        }
    }
    return false;
}
