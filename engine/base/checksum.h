#ifndef VIV_BASE_CHECKSUM_H
#define VIV_BASE_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

/* CRC-32C (Castagnoli), in hardware where the CPU has it. `seed` is the value so far, or a salt; 0 to begin.
 * crc32c(0, "123456789") is 0xe3069283. */
uint32_t viv_crc32c(uint32_t seed, const void *data, size_t size);

#endif /* VIV_BASE_CHECKSUM_H */
