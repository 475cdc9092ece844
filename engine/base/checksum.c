#include "base/checksum.h"

#include <string.h>

#define CASTAGNOLI 0x82f63b78U

static uint32_t crc32c_bitwise_byte(uint32_t crc)
{
    for (int bit = 0; bit < 8; bit++) {
        crc = (crc >> 1) ^ ((crc & 1U) ? CASTAGNOLI : 0);
    }
    return crc;
}

static uint32_t crc32c_portable(uint32_t crc, const uint8_t *data, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        crc = crc32c_bitwise_byte((crc ^ data[i]) & 0xffU) ^ (crc >> 8);
    }
    return crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t crc32c_hardware(uint32_t crc, const uint8_t *data, size_t size)
{
    uint64_t wide = crc;
    while (size >= sizeof(uint64_t)) {
        uint64_t word;
        memcpy(&word, data, sizeof word);
        wide = __builtin_ia32_crc32di(wide, word);
        data += sizeof word;
        size -= sizeof word;
    }
    crc = (uint32_t)wide;
    while (size > 0) {
        crc = __builtin_ia32_crc32qi(crc, *data);
        data++;
        size--;
    }
    return crc;
}
#endif

uint32_t viv_crc32c(uint32_t seed, const void *data, size_t size)
{
    uint32_t crc = ~seed;
#if defined(__x86_64__)
    if (__builtin_cpu_supports("sse4.2")) {
        return ~crc32c_hardware(crc, data, size);
    }
#endif
    return ~crc32c_portable(crc, data, size);
}
