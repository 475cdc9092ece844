#include "experiments/lab/keyset.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/rng.h"

enum { NUMBER_DIGITS = VIV_KEYSET_VALUE_BYTES_MIN };

void viv_keyset_init(struct viv_keyset *keyset, uint32_t key_count, size_t value_bytes, uint64_t seed)
{
    VIV_ASSERT(key_count > 0);
    VIV_ASSERT(value_bytes >= VIV_KEYSET_VALUE_BYTES_MIN);
    *keyset = (struct viv_keyset){.key_count = key_count, .value_bytes = value_bytes};
    keyset->keys = viv_alloc_zeroed(key_count, sizeof *keyset->keys);
    struct viv_rng rng;
    viv_rng_init(&rng, seed);
    while (keyset->filler.size < value_bytes) {
        viv_buffer_printf(&keyset->filler, "{\"owner\":\"broker-%02u\",\"token\":\"%016llx\"}",
                          (unsigned)viv_rng_below(&rng, 64), (unsigned long long)viv_rng_next(&rng));
    }
    keyset->filler.size = value_bytes;
}

void viv_keyset_fini(struct viv_keyset *keyset)
{
    free(keyset->keys);
    free(keyset->created);
    viv_buffer_fini(&keyset->filler);
}

struct viv_bytes viv_keyset_path(uint32_t key, char *to)
{
    int size = snprintf(to, VIV_KEYSET_PATH_BYTES_MAX, VIV_KEYSET_ROOT "/key-%09u", key);
    return viv_bytes_of(to, (size_t)size);
}

struct viv_bytes viv_keyset_created_path(uint32_t index, char *to)
{
    int size = snprintf(to, VIV_KEYSET_PATH_BYTES_MAX, VIV_KEYSET_CREATED "/node-%08u", index);
    return viv_bytes_of(to, (size_t)size);
}

struct viv_bytes viv_keyset_value(struct viv_keyset *keyset, uint32_t number)
{
    static const char hex[] = "0123456789abcdef";
    for (int i = NUMBER_DIGITS - 1; i >= 0; i--) {
        keyset->filler.data[i] = (uint8_t)hex[number & 15];
        number >>= 4;
    }
    return viv_bytes_of(keyset->filler.data, keyset->value_bytes);
}

bool viv_keyset_number(struct viv_bytes value, uint32_t *number)
{
    if (value.size < NUMBER_DIGITS) {
        return false;
    }
    uint32_t found = 0;
    for (size_t i = 0; i < NUMBER_DIGITS; i++) {
        uint8_t digit = value.data[i];
        if (digit >= '0' && digit <= '9') {
            found = found << 4 | (uint32_t)(digit - '0');
        } else if (digit >= 'a' && digit <= 'f') {
            found = found << 4 | (uint32_t)(digit - 'a' + 10);
        } else {
            return false;
        }
    }
    *number = found;
    return true;
}

uint32_t viv_keyset_next(struct viv_keyset *keyset, uint32_t key)
{
    VIV_ASSERT(key < keyset->key_count);
    return ++keyset->keys[key].sent;
}

void viv_keyset_acked(struct viv_keyset *keyset, uint32_t key, uint32_t number)
{
    VIV_ASSERT(key < keyset->key_count);
    VIV_ASSERT(number <= keyset->keys[key].sent);
    if (number > keyset->keys[key].acked) {
        keyset->keys[key].acked = number;
    }
}

void viv_keyset_stray(struct viv_keyset *keyset, uint32_t key, uint32_t number)
{
    VIV_ASSERT(key < keyset->key_count && number > 0);
    struct viv_key *it = &keyset->keys[key];
    it->stray_first = it->stray_first == 0 || number < it->stray_first ? number : it->stray_first;
    it->stray_last = number > it->stray_last ? number : it->stray_last;
}

bool viv_keyset_is_loss(const struct viv_keyset *keyset, uint32_t key, uint32_t number)
{
    const struct viv_key *it = &keyset->keys[key];
    bool is_stray = number > 0 && number >= it->stray_first && number <= it->stray_last;
    return number < it->acked && !is_stray;
}

uint32_t viv_keyset_create(struct viv_keyset *keyset)
{
    if (keyset->created_count == keyset->created_capacity) {
        keyset->created_capacity = keyset->created_capacity == 0 ? 1 << 16 : keyset->created_capacity * 2;
        keyset->created = viv_realloc(keyset->created, keyset->created_capacity);
    }
    keyset->created[keyset->created_count] = VIV_CREATED_ASKED;
    return keyset->created_count++;
}

void viv_keyset_forget_created(struct viv_keyset *keyset)
{
    keyset->created_count = 0;
}
