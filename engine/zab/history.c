#include "zab/history.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"

enum { BLOCK_BYTES = 256 << 10, SPARES_MAX = 4, RING_CAPACITY_MIN = 64 };

/* Bodies lie one behind the other; a block is reused when none of its bodies is left. */
struct viv_history_block {
    struct viv_history_block *next; /* among the spares */
    size_t live, used, size;
    uint8_t bytes[];
};

static size_t spare_count(const struct viv_history *history)
{
    size_t count = 0;
    for (const struct viv_history_block *block = history->spare; block != NULL; block = block->next) {
        count++;
    }
    return count;
}

static void release(struct viv_history *history, struct viv_history_block *block)
{
    VIV_ASSERT(block->live > 0);
    block->live--;
    if (block->live > 0) {
        return;
    }
    block->used = 0;
    if (block == history->filling) {
        return;
    }
    if (block->size != BLOCK_BYTES || spare_count(history) == SPARES_MAX) {
        free(block);
        return;
    }
    block->next = history->spare;
    history->spare = block;
}

static struct viv_history_block *block_for(struct viv_history *history, size_t size)
{
    struct viv_history_block *filling = history->filling;
    if (filling != NULL && filling->size - filling->used >= size) {
        return filling;
    }
    struct viv_history_block *fresh = history->spare;
    if (size <= BLOCK_BYTES && fresh != NULL) {
        history->spare = fresh->next;
    } else {
        size_t block_bytes = size > BLOCK_BYTES ? size : BLOCK_BYTES;
        fresh = viv_alloc(sizeof *fresh + block_bytes);
        *fresh = (struct viv_history_block){.size = block_bytes};
    }
    history->filling = fresh;
    if (filling != NULL && filling->live == 0) {
        filling->live = 1; /* nothing is in it: let it go the usual way */
        release(history, filling);
    }
    return fresh;
}

static struct viv_history_item *item_at(const struct viv_history *history, size_t index)
{
    VIV_ASSERT(index < history->count);
    return &history->ring[(history->first + index) & (history->capacity - 1)];
}

static void drop_all(struct viv_history *history)
{
    for (size_t i = 0; i < history->count; i++) {
        release(history, item_at(history, i)->block);
    }
    history->first = history->count = history->body_bytes = history->damaged_count = 0;
}

void viv_history_fini(struct viv_history *history)
{
    drop_all(history);
    while (history->spare != NULL) {
        struct viv_history_block *next = history->spare->next;
        free(history->spare);
        history->spare = next;
    }
    free(history->filling);
    free(history->ring);
    *history = (struct viv_history){0};
}

void viv_history_reset(struct viv_history *history, uint64_t zxid)
{
    drop_all(history);
    history->floor_zxid = history->last_zxid = zxid;
    history->committed_zxid = history->delivered_zxid = zxid;
}

bool viv_history_follows(uint64_t zxid, uint64_t next)
{
    if (VIV_ZXID_EPOCH(next) == VIV_ZXID_EPOCH(zxid)) {
        return next == zxid + 1;
    }
    return next > zxid && VIV_ZXID_COUNTER(next) == 1;
}

static void grow(struct viv_history *history)
{
    size_t capacity = history->capacity == 0 ? RING_CAPACITY_MIN : history->capacity * 2;
    struct viv_history_item *ring = viv_alloc(capacity * sizeof *ring);
    for (size_t i = 0; i < history->count; i++) {
        ring[i] = *item_at(history, i);
    }
    free(history->ring);
    history->ring = ring;
    history->capacity = capacity;
    history->first = 0;
}

void viv_history_append(struct viv_history *history, const struct viv_entry *entry)
{
    VIV_ASSERT(entry->zxid > history->last_zxid || (history->count == 0 && entry->zxid > history->floor_zxid));
    if (history->count == history->capacity) {
        grow(history);
    }
    struct viv_history_block *block = block_for(history, entry->body.size);
    uint8_t *body = block->bytes + block->used;
    if (viv_entry_is_damaged(entry)) {
        body = NULL;
        history->damaged_count++;
    } else if (entry->body.size > 0) {
        memcpy(body, entry->body.data, entry->body.size);
    }
    block->used += entry->body.size;
    block->live++;
    history->count++;
    *item_at(history, history->count - 1) = (struct viv_history_item){
        .entry = {.zxid = entry->zxid, .body = {body, entry->body.size}, .body_crc = entry->body_crc},
        .block = block,
        .offset = block->used - entry->body.size,
    };
    history->body_bytes += entry->body.size;
    history->last_zxid = entry->zxid;
}

const struct viv_entry *viv_history_at(const struct viv_history *history, size_t index)
{
    return &item_at(history, index)->entry;
}

size_t viv_history_above(const struct viv_history *history, uint64_t zxid)
{
    /* Most questions are about the newest few: from there the steps double, then the last one is halved. */
    size_t high = history->count;
    size_t step = 1;
    while (step <= high && item_at(history, high - step)->entry.zxid > zxid) {
        high -= step;
        step *= 2;
    }
    size_t low = step <= high ? high - step + 1 : 0;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (item_at(history, middle)->entry.zxid > zxid) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return low;
}

bool viv_history_contains(const struct viv_history *history, uint64_t zxid)
{
    size_t above = viv_history_above(history, zxid);
    return zxid == history->floor_zxid || (above > 0 && item_at(history, above - 1)->entry.zxid == zxid);
}

uint64_t viv_history_before(const struct viv_history *history, uint64_t zxid)
{
    VIV_ASSERT(zxid > history->floor_zxid);
    size_t above = viv_history_above(history, zxid - 1);
    return above == 0 ? history->floor_zxid : item_at(history, above - 1)->entry.zxid;
}

const struct viv_entry *viv_history_damaged(const struct viv_history *history)
{
    for (size_t i = 0; history->damaged_count > 0 && i < history->count; i++) {
        if (viv_entry_is_damaged(&item_at(history, i)->entry)) {
            return &item_at(history, i)->entry;
        }
    }
    VIV_ASSERT(history->damaged_count == 0);
    return NULL;
}

const struct viv_entry *viv_history_mend(struct viv_history *history, uint64_t zxid, struct viv_bytes body)
{
    size_t above = viv_history_above(history, zxid);
    VIV_ASSERT(above > 0);
    struct viv_history_item *item = item_at(history, above - 1);
    VIV_ASSERT(item->entry.zxid == zxid && viv_entry_is_damaged(&item->entry) && body.size == item->entry.body.size);
    uint8_t *to = item->block->bytes + item->offset;
    memcpy(to, body.data, body.size);
    item->entry.body.data = to;
    history->damaged_count--;
    return &item->entry;
}

void viv_history_commit(struct viv_history *history, uint64_t zxid)
{
    VIV_ASSERT(zxid <= history->last_zxid);
    if (zxid > history->committed_zxid) {
        history->committed_zxid = zxid;
    }
}

const struct viv_entry *viv_history_deliver(struct viv_history *history, uint64_t limit_zxid)
{
    size_t index = viv_history_above(history, history->delivered_zxid);
    if (index == history->count) {
        return NULL;
    }
    const struct viv_entry *entry = viv_history_at(history, index);
    if (entry->zxid > limit_zxid || entry->zxid > history->committed_zxid || viv_entry_is_damaged(entry)) {
        return NULL;
    }
    history->delivered_zxid = entry->zxid;
    return entry;
}

void viv_history_truncate(struct viv_history *history, uint64_t zxid)
{
    VIV_ASSERT(zxid >= history->committed_zxid && zxid >= history->floor_zxid);
    while (history->count > 0) {
        struct viv_history_item *newest = item_at(history, history->count - 1);
        if (newest->entry.zxid <= zxid) {
            break;
        }
        history->body_bytes -= newest->entry.body.size;
        history->damaged_count -= viv_entry_is_damaged(&newest->entry);
        release(history, newest->block);
        history->count--;
    }
    history->last_zxid = history->count > 0 ? item_at(history, history->count - 1)->entry.zxid : history->floor_zxid;
    VIV_ASSERT(history->last_zxid <= zxid);
}

void viv_history_trim(struct viv_history *history, uint64_t limit_zxid, size_t bytes_max)
{
    VIV_ASSERT(limit_zxid <= history->delivered_zxid);
    while (history->count > 0 && history->body_bytes > bytes_max) {
        struct viv_history_item *oldest = item_at(history, 0);
        if (oldest->entry.zxid > limit_zxid) {
            return;
        }
        history->floor_zxid = oldest->entry.zxid;
        history->body_bytes -= oldest->entry.body.size;
        release(history, oldest->block);
        history->first = (history->first + 1) & (history->capacity - 1);
        history->count--;
    }
}
