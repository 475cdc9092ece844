#include "node/table.h"

#include <stdlib.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/rng.h"

enum { CAPACITY_MIN = 16 };

struct viv_table_slot {
    uint64_t key;
    void *value; /* NULL: free */
};

void viv_table_fini(struct viv_table *table)
{
    free(table->slots);
    *table = (struct viv_table){0};
}

static size_t home_of(const struct viv_table *table, uint64_t key)
{
    return (size_t)viv_mix64(key) & (table->capacity - 1);
}

/* The slot that holds the key, or the free one where it belongs. */
static size_t find(const struct viv_table *table, uint64_t key)
{
    VIV_ASSERT(table->count < table->capacity);
    size_t index = home_of(table, key);
    while (table->slots[index].value != NULL && table->slots[index].key != key) {
        index = (index + 1) & (table->capacity - 1);
    }
    return index;
}

void *viv_table_get(const struct viv_table *table, uint64_t key)
{
    return table->count == 0 ? NULL : table->slots[find(table, key)].value;
}

static void grow(struct viv_table *table)
{
    struct viv_table old = *table;
    table->capacity = old.capacity == 0 ? CAPACITY_MIN : old.capacity * 2;
    table->slots = viv_alloc_zeroed(table->capacity, sizeof *table->slots);
    for (size_t i = 0; i < old.capacity; i++) {
        if (old.slots[i].value != NULL) {
            table->slots[find(table, old.slots[i].key)] = old.slots[i];
        }
    }
    free(old.slots);
}

void viv_table_add(struct viv_table *table, uint64_t key, void *value)
{
    VIV_ASSERT(value != NULL);
    if (table->count * 4 >= table->capacity * 3) {
        grow(table);
    }
    size_t index = find(table, key);
    VIV_ASSERT(table->slots[index].value == NULL);
    table->slots[index] = (struct viv_table_slot){key, value};
    table->count++;
}

/* Closes the hole at `hole`: whoever was pushed past it by a collision moves back. */
static void close_hole(struct viv_table *table, size_t hole)
{
    size_t mask = table->capacity - 1;
    size_t index = hole;
    for (;;) {
        index = (index + 1) & mask;
        struct viv_table_slot *slot = &table->slots[index];
        if (slot->value == NULL) {
            return;
        }
        size_t pushed = (index - home_of(table, slot->key)) & mask;
        if (pushed >= ((index - hole) & mask)) {
            table->slots[hole] = *slot;
            slot->value = NULL;
            hole = index;
        }
    }
}

void *viv_table_remove(struct viv_table *table, uint64_t key)
{
    if (table->count == 0) {
        return NULL;
    }
    size_t index = find(table, key);
    void *value = table->slots[index].value;
    if (value != NULL) {
        table->slots[index].value = NULL;
        table->count--;
        close_hole(table, index);
    }
    return value;
}
