#include "tree/crc32.h"

#include <string.h>
#include <zlib.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "base/assert.h"

static uint32_t crc32_portable(uint32_t crc, struct viv_bytes bytes)
{
    /* zlib takes a NULL pointer for "start anew". */
    return bytes.size == 0 ? crc : (uint32_t)crc32_z(crc, bytes.data, bytes.size);
}

#if defined(__x86_64__)

enum { BLOCK = 16, STATE_BYTES = 4 };

/* Folds 128 bits of remainder to the final 32: to 96 and 64 by multiplication, then Barrett reduction. The constants
 * are powers of x modulo the polynomial in reflected order (V. Gopal et al., Fast CRC Computation for Generic
 * Polynomials Using PCLMULQDQ, 2009). */
__attribute__((target("pclmul,sse4.1"))) static uint32_t reduce(__m128i rest)
{
    const __m128i fold_128 = _mm_set_epi64x(0x0ccaa009e, 0x1751997d0);
    const __m128i fold_64 = _mm_set_epi64x(0, 0x163cd6124);
    const __m128i barrett = _mm_set_epi64x(0x1f7011641, 0x1db710641);
    const __m128i low_words = _mm_setr_epi32(-1, 0, -1, 0);

    rest = _mm_xor_si128(_mm_srli_si128(rest, 8), _mm_clmulepi64_si128(rest, fold_128, 0x10));
    rest = _mm_xor_si128(_mm_srli_si128(rest, 4), _mm_clmulepi64_si128(_mm_and_si128(rest, low_words), fold_64, 0x00));
    __m128i quotient = _mm_clmulepi64_si128(_mm_and_si128(rest, low_words), barrett, 0x10);
    __m128i product = _mm_clmulepi64_si128(_mm_and_si128(quotient, low_words), barrett, 0x00);
    return (uint32_t)_mm_extract_epi32(_mm_xor_si128(rest, product), 1);
}

/* Zeros in front change nothing once the state has been mixed into the first four bytes, so the short block comes first
 * and there is no tail. The state may reach into the second block. */
__attribute__((target("pclmul,sse4.1"))) static uint32_t crc32_hardware(uint32_t crc, struct viv_bytes bytes)
{
    const __m128i fold = _mm_set_epi64x(0x0ccaa009e, 0x1751997d0);
    size_t front_bytes = (bytes.size - 1) % BLOCK + 1;
    uint8_t front[BLOCK] = {0}, state[2 * BLOCK] = {0};
    uint32_t mixed = ~crc;

    VIV_ASSERT(bytes.size >= STATE_BYTES);
    memcpy(front + BLOCK - front_bytes, bytes.data, front_bytes);
    memcpy(state + BLOCK - front_bytes, &mixed, STATE_BYTES);
    const uint8_t *at = bytes.data + front_bytes;
    const uint8_t *end = bytes.data + bytes.size;
    __m128i rest = _mm_xor_si128(_mm_loadu_si128((const __m128i *)(const void *)front),
                                 _mm_loadu_si128((const __m128i *)(const void *)state));
    __m128i carried = _mm_loadu_si128((const __m128i *)(const void *)(state + BLOCK));
    for (; at < end; at += BLOCK) {
        __m128i block = _mm_xor_si128(_mm_loadu_si128((const __m128i *)(const void *)at), carried);
        __m128i low = _mm_clmulepi64_si128(rest, fold, 0x00);
        __m128i high = _mm_clmulepi64_si128(rest, fold, 0x11);
        rest = _mm_xor_si128(_mm_xor_si128(low, high), block);
        carried = _mm_setzero_si128();
    }
    return ~reduce(rest);
}

#endif

uint32_t viv_crc32(uint32_t crc, struct viv_bytes bytes)
{
#if defined(__x86_64__)
    if (bytes.size >= STATE_BYTES && __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("sse4.1")) {
        return crc32_hardware(crc, bytes);
    }
#endif
    return crc32_portable(crc, bytes);
}
