#include "wire/session.h"

#include "base/endian.h"

#define GENERATOR_MULTIPLIER UINT64_C(0x5DEECE66D)
#define GENERATOR_INCREMENT  11
#define GENERATOR_MASK       ((UINT64_C(1) << 48) - 1)
#define PASSWORD_SALT        UINT64_C(0xB3415C00)

void viv_session_password(int64_t session_id, uint8_t password[VIV_PASSWORD_BYTES])
{
    uint64_t state = ((uint64_t)session_id ^ PASSWORD_SALT ^ GENERATOR_MULTIPLIER) & GENERATOR_MASK;
    for (int word = 0; word < VIV_PASSWORD_BYTES / 4; word++) {
        state = (state * GENERATOR_MULTIPLIER + GENERATOR_INCREMENT) & GENERATOR_MASK;
        viv_store_le32(password + 4 * word, (uint32_t)(state >> 16));
    }
}
