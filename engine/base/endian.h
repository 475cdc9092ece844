#ifndef VIV_BASE_ENDIAN_H
#define VIV_BASE_ENDIAN_H

#include <stdint.h>
#include <string.h>

/* Loads and stores of integers at any alignment. Wire and ZooKeeper's files are big-endian; our own files are
 * little-endian. */

#define VIV_DEFINE_ENDIAN(bits, order, swap)                                                                           \
    static inline uint##bits##_t viv_load_##order##bits(const void *from)                                              \
    {                                                                                                                  \
        uint##bits##_t value;                                                                                          \
        memcpy(&value, from, sizeof value);                                                                            \
        return swap(value);                                                                                            \
    }                                                                                                                  \
    static inline void viv_store_##order##bits(void *to, uint##bits##_t value)                                         \
    {                                                                                                                  \
        value = swap(value);                                                                                           \
        memcpy(to, &value, sizeof value);                                                                              \
    }

#define VIV_ENDIAN_KEEP(value) (value)
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
VIV_DEFINE_ENDIAN(16, be, __builtin_bswap16)
VIV_DEFINE_ENDIAN(32, be, __builtin_bswap32)
VIV_DEFINE_ENDIAN(64, be, __builtin_bswap64)
VIV_DEFINE_ENDIAN(16, le, VIV_ENDIAN_KEEP)
VIV_DEFINE_ENDIAN(32, le, VIV_ENDIAN_KEEP)
VIV_DEFINE_ENDIAN(64, le, VIV_ENDIAN_KEEP)
#else
VIV_DEFINE_ENDIAN(16, be, VIV_ENDIAN_KEEP)
VIV_DEFINE_ENDIAN(32, be, VIV_ENDIAN_KEEP)
VIV_DEFINE_ENDIAN(64, be, VIV_ENDIAN_KEEP)
VIV_DEFINE_ENDIAN(16, le, __builtin_bswap16)
VIV_DEFINE_ENDIAN(32, le, __builtin_bswap32)
VIV_DEFINE_ENDIAN(64, le, __builtin_bswap64)
#endif

#endif /* VIV_BASE_ENDIAN_H */
