#include "tree/id_set.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

enum { WORD_BITS = 64 };

void viv_id_set_fini(struct viv_id_set *set)
{
    free(set->words);
    *set = (struct viv_id_set){0};
}

static void need_words(struct viv_id_set *set, size_t word_count)
{
    if (word_count <= set->word_count) {
        return;
    }
    size_t grown = set->word_count * 2 > word_count ? set->word_count * 2 : word_count;
    set->words = viv_realloc(set->words, grown * sizeof *set->words);
    memset(set->words + set->word_count, 0, (grown - set->word_count) * sizeof *set->words);
    set->word_count = grown;
}

static uint64_t bit_of(uint32_t id)
{
    return UINT64_C(1) << (id % WORD_BITS);
}

bool viv_id_set_has(const struct viv_id_set *set, uint32_t id)
{
    return id / WORD_BITS < set->word_count && (set->words[id / WORD_BITS] & bit_of(id)) != 0;
}

bool viv_id_set_add(struct viv_id_set *set, uint32_t id)
{
    bool is_new = !viv_id_set_has(set, id);
    need_words(set, id / WORD_BITS + 1);
    set->words[id / WORD_BITS] |= bit_of(id);
    return is_new;
}

bool viv_id_set_remove(struct viv_id_set *set, uint32_t id)
{
    bool was_in = viv_id_set_has(set, id);
    if (was_in) {
        set->words[id / WORD_BITS] &= ~bit_of(id);
    }
    return was_in;
}

uint32_t viv_id_set_next(const struct viv_id_set *set, uint32_t from)
{
    for (size_t i = from / WORD_BITS; i < set->word_count; i++) {
        uint64_t word = set->words[i];
        if (i == from / WORD_BITS) {
            word &= ~UINT64_C(0) << (from % WORD_BITS);
        }
        if (word != 0) {
            return (uint32_t)(i * WORD_BITS + (size_t)__builtin_ctzll(word));
        }
    }
    return UINT32_MAX;
}

void viv_id_set_clear(struct viv_id_set *set)
{
    if (set->word_count > 0) {
        memset(set->words, 0, set->word_count * sizeof *set->words);
    }
}

uint64_t viv_id_set_join(struct viv_id_set *set, const struct viv_id_set *other)
{
    uint64_t new_count = 0;
    need_words(set, other->word_count);
    for (size_t i = 0; i < other->word_count; i++) {
        new_count += (uint64_t)__builtin_popcountll(other->words[i] & ~set->words[i]);
        set->words[i] |= other->words[i];
    }
    return new_count;
}

uint64_t viv_id_set_memory_bytes(const struct viv_id_set *set)
{
    return set->word_count * sizeof *set->words;
}
