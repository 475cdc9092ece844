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

/* A piece of itself, put in somewhere else. */
static void repeat(struct viv_rng *rng, struct viv_buffer *bytes)
{
    uint8_t piece[32];
    size_t from = viv_rng_below(rng, bytes->size), at = viv_rng_below(rng, bytes->size);
    size_t size = bytes->size - from < sizeof piece ? bytes->size - from : sizeof piece;
    size = 1 + viv_rng_below(rng, size);
    memcpy(piece, bytes->data + from, size);
    viv_buffer_extend(bytes, size);
    memmove(bytes->data + at + size, bytes->data + at, bytes->size - size - at);
    memcpy(bytes->data + at, piece, size);
}

void fuzz_mutate(struct viv_rng *rng, struct viv_buffer *bytes)
{
    static void (*const damages[])(struct viv_rng *, struct viv_buffer *) = {flip, flip, put_number, put_number,
                                                                             cut,  drop, repeat};
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
