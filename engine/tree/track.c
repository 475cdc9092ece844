#include "tree/track.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

enum { WORD_BITS = 64 };

static void fini_set(struct viv_track_set *set)
{
    for (int table = 0; table < VIV_TRACK_TABLES; table++) {
        free(set->bits[table].words);
    }
    viv_buffer_fini(&set->deletes);
    *set = (struct viv_track_set){0};
}

void viv_track_fini(struct viv_track *track)
{
    fini_set(&track->current);
    fini_set(&track->walking);
}

static void need_words(struct viv_track_bits *bits, size_t word_count)
{
    if (word_count <= bits->word_count) {
        return;
    }
    size_t grown = bits->word_count * 2 > word_count ? bits->word_count * 2 : word_count;
    bits->words = viv_realloc(bits->words, grown * sizeof *bits->words);
    memset(bits->words + bits->word_count, 0, (grown - bits->word_count) * sizeof *bits->words);
    bits->word_count = grown;
}

void viv_track_put(struct viv_track *track, enum viv_track_table table, uint32_t id)
{
    if (!track->on) {
        return;
    }
    struct viv_track_bits *bits = &track->current.bits[table];
    need_words(bits, id / WORD_BITS + 1);
    uint64_t mask = UINT64_C(1) << (id % WORD_BITS);
    track->current.row_count += (bits->words[id / WORD_BITS] & mask) == 0 ? 1 : 0;
    bits->words[id / WORD_BITS] |= mask;
}

void viv_track_delete_stray(struct viv_track *track, struct viv_bytes key)
{
    viv_row_append(&track->current.deletes, &(struct viv_row){VIV_ROW_DELETE, key, {0}});
    track->current.row_count++;
}

void viv_track_delete(struct viv_track *track, enum viv_track_table table, uint32_t id, struct viv_bytes key)
{
    if (!track->on) {
        return;
    }
    if (viv_track_has(&track->current, table, id)) {
        track->current.bits[table].words[id / WORD_BITS] &= ~(UINT64_C(1) << (id % WORD_BITS));
        track->current.row_count--;
    }
    viv_track_delete_stray(track, key);
}

bool viv_track_has(const struct viv_track_set *set, enum viv_track_table table, uint32_t id)
{
    const struct viv_track_bits *bits = &set->bits[table];
    return id / WORD_BITS < bits->word_count && (bits->words[id / WORD_BITS] >> (id % WORD_BITS) & 1) != 0;
}

uint32_t viv_track_next(const struct viv_track_set *set, enum viv_track_table table, uint32_t from)
{
    const struct viv_track_bits *bits = &set->bits[table];
    for (size_t i = from / WORD_BITS; i < bits->word_count; i++) {
        uint64_t word = bits->words[i];
        if (i == from / WORD_BITS) {
            word &= ~UINT64_C(0) << (from % WORD_BITS);
        }
        if (word != 0) {
            return (uint32_t)(i * WORD_BITS + (size_t)__builtin_ctzll(word));
        }
    }
    return UINT32_MAX;
}

static void clear_set(struct viv_track_set *set)
{
    for (int table = 0; table < VIV_TRACK_TABLES; table++) {
        struct viv_track_bits *bits = &set->bits[table];
        if (bits->word_count > 0) {
            memset(bits->words, 0, bits->word_count * sizeof *bits->words);
        }
    }
    viv_buffer_clear(&set->deletes);
    set->row_count = 0;
}

void viv_track_walk_begin(struct viv_track *track)
{
    VIV_ASSERT(track->walking.row_count == 0);
    struct viv_track_set taken = track->current;
    track->current = track->walking;
    track->walking = taken;
}

static void join_bits(struct viv_track_bits *into, const struct viv_track_bits *from, uint64_t *row_count)
{
    need_words(into, from->word_count);
    for (size_t i = 0; i < from->word_count; i++) {
        for (uint64_t added = from->words[i] & ~into->words[i]; added != 0; added &= added - 1) {
            ++*row_count;
        }
        into->words[i] |= from->words[i];
    }
}

void viv_track_walk_end(struct viv_track *track, bool committed)
{
    if (!committed) {
        struct viv_bytes rows = viv_buffer_bytes(&track->walking.deletes);
        struct viv_row row;
        while (viv_row_next(&rows, &row)) {
            viv_track_delete_stray(track, row.key);
        }
        VIV_ASSERT(rows.size == 0);
        for (int table = 0; table < VIV_TRACK_TABLES; table++) {
            join_bits(&track->current.bits[table], &track->walking.bits[table], &track->current.row_count);
        }
    }
    clear_set(&track->walking);
}

static uint64_t set_memory_bytes(const struct viv_track_set *set)
{
    uint64_t bytes = set->deletes.capacity;
    for (int table = 0; table < VIV_TRACK_TABLES; table++) {
        bytes += set->bits[table].word_count * sizeof(uint64_t);
    }
    return bytes;
}

uint64_t viv_track_memory_bytes(const struct viv_track *track)
{
    return set_memory_bytes(&track->current) + set_memory_bytes(&track->walking);
}
