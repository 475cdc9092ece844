#include "tests/unit/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "base/endian.h"

unsigned fuzz_rounds(unsigned usual)
{
    const char *wanted = getenv("VIV_FUZZ_ROUNDS");
    return wanted != NULL && atol(wanted) > 0 ? (unsigned)atol(wanted) : usual;
}

static void flip(struct viv_rng *rng, struct viv_buffer *bytes)
{
    bytes->data[viv_rng_below(rng, bytes->size)] ^= (uint8_t)(1U << viv_rng_below(rng, 8));
}

/* Lengths and counts are what decoders believe: both byte orders, at any place. */
static void put_number(struct viv_rng *rng, struct viv_buffer *bytes)
{
    static const uint32_t numbers[] = {
        0, 1, 2, 255, 65536, 16 << 20, 1U << 30, INT32_MAX, 1U << 31, UINT32_MAX - 1, UINT32_MAX};
    if (bytes->size < sizeof(uint32_t)) {
        return;
    }
    uint32_t number = numbers[viv_rng_below(rng, sizeof numbers / sizeof numbers[0])];
    uint8_t *at = bytes->data + viv_rng_below(rng, bytes->size - sizeof number + 1);
    if (viv_rng_below(rng, 2) == 0) {
        viv_store_be32(at, number);
    } else {
        memcpy(at, &number, sizeof number);
    }
}

static void cut(struct viv_rng *rng, struct viv_buffer *bytes)
{
    bytes->size = viv_rng_below(rng, bytes->size + 1);
}

static void drop(struct viv_rng *rng, struct viv_buffer *bytes)
{
    size_t at = viv_rng_below(rng, bytes->size);
    size_t size = 1 + viv_rng_below(rng, bytes->size - at < 16 ? bytes->size - at : 16);
    memmove(bytes->data + at, bytes->data + at + size, bytes->size - at - size);
    bytes->size -= size;
}

/* Room at a place. */
static void insert(struct viv_buffer *bytes, size_t at, size_t size)
{
    viv_buffer_extend(bytes, size);
    memmove(bytes->data + at + size, bytes->data + at, bytes->size - size - at);
}

/* A piece of itself, put in somewhere else. */
static void repeat(struct viv_rng *rng, struct viv_buffer *bytes)
{
    uint8_t piece[32];
    size_t from = viv_rng_below(rng, bytes->size), at = viv_rng_below(rng, bytes->size);
    size_t size = bytes->size - from < sizeof piece ? bytes->size - from : sizeof piece;
    size = 1 + viv_rng_below(rng, size);
    memcpy(piece, bytes->data + from, size);
    insert(bytes, at, size);
    memcpy(bytes->data + at, piece, size);
}

/* ---- what knows that most of these bytes are fields with a length in front ---- */

struct field {
    size_t at;     /* of the length, 4 bytes big-endian */
    uint32_t size; /* of the content behind it */
};

static bool find_field(struct viv_rng *rng, const struct viv_buffer *bytes, struct field *field)
{
    enum { LENGTH_BYTES = 4, TRIES = 64 };
    for (size_t i = 0; i < TRIES && bytes->size > LENGTH_BYTES; i++) {
        field->at = viv_rng_below(rng, bytes->size - LENGTH_BYTES);
        field->size = viv_load_be32(bytes->data + field->at);
        if (field->size > 0 && field->size <= bytes->size - LENGTH_BYTES - field->at) {
            return true;
        }
    }
    return false;
}

/* The length lies by a little, or by much, or says null. */
static void lie(struct viv_rng *rng, struct viv_buffer *bytes, const struct field *field)
{
    uint32_t left = (uint32_t)(bytes->size - field->at - 4);
    const uint32_t lies[] = {field->size + 1, field->size - 1, left, left + 1, UINT32_MAX, UINT32_MAX - 1, INT32_MAX};
    viv_store_be32(bytes->data + field->at, lies[viv_rng_below(rng, sizeof lies / sizeof lies[0])]);
}

/* Longer or shorter, and the length is true: what stands behind it is reached by the decoder. */
static void resize(struct viv_rng *rng, struct viv_buffer *bytes, const struct field *field)
{
    size_t content = field->at + 4;
    if (viv_rng_below(rng, 2) == 0) {
        uint32_t more = 1 + (uint32_t)viv_rng_below(rng, 40);
        insert(bytes, content, more);
        for (uint32_t i = 0; i < more; i++) {
            bytes->data[content + i] = (uint8_t)viv_rng_below(rng, 256);
        }
        viv_store_be32(bytes->data + field->at, field->size + more);
    } else {
        uint32_t less = 1 + (uint32_t)viv_rng_below(rng, field->size);
        memmove(bytes->data + content, bytes->data + content + less, bytes->size - content - less);
        bytes->size -= less;
        viv_store_be32(bytes->data + field->at, field->size - less);
    }
}

/* Twice, and a small number in front of it, which may be a count, knows. */
static void twice(struct viv_buffer *bytes, const struct field *field)
{
    enum { COUNT_MAX = 100 };
    size_t size = 4 + (size_t)field->size;
    insert(bytes, field->at, size);
    memmove(bytes->data + field->at, bytes->data + field->at + size, size);
    if (field->at >= 4 && viv_load_be32(bytes->data + field->at - 4) < COUNT_MAX) {
        viv_store_be32(bytes->data + field->at - 4, viv_load_be32(bytes->data + field->at - 4) + 1);
    }
}

static void change_field(struct viv_rng *rng, struct viv_buffer *bytes)
{
    struct field field;
    if (!find_field(rng, bytes, &field)) {
        return;
    }
    switch (viv_rng_below(rng, 4)) {
    case 0:
        lie(rng, bytes, &field);
        break;
    case 1:
        twice(bytes, &field);
        break;
    default:
        resize(rng, bytes, &field);
        break;
    }
}

void fuzz_mutate(struct viv_rng *rng, struct viv_buffer *bytes)
{
    static void (*const damages[])(struct viv_rng *, struct viv_buffer *) = {
        flip, flip, put_number, put_number, change_field, change_field, change_field, cut, drop, repeat};
    for (uint64_t count = 1 + viv_rng_below(rng, 4); count > 0 && bytes->size > 0; count--) {
        damages[viv_rng_below(rng, sizeof damages / sizeof damages[0])](rng, bytes);
    }
}

struct viv_bytes fuzz_exact(struct viv_bytes bytes)
{
    uint8_t *copy = viv_alloc(bytes.size > 0 ? bytes.size : 1);
    if (bytes.size > 0) {
        memcpy(copy, bytes.data, bytes.size);
    }
    return viv_bytes_of(copy, bytes.size);
}
