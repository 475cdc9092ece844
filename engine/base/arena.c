#include "base/arena.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

enum { BLOCK_BYTES = 64 * 1024, ALIGNMENT = 16 };

struct viv_arena_block {
    struct viv_arena_block *next;
    size_t capacity;
    size_t used;
    _Alignas(ALIGNMENT) uint8_t memory[];
};

void viv_arena_fini(struct viv_arena *arena)
{
    struct viv_arena_block *block = arena->first;
    while (block != NULL) {
        struct viv_arena_block *next = block->next;
        free(block);
        block = next;
    }
    *arena = (struct viv_arena){0};
}

void viv_arena_reset(struct viv_arena *arena)
{
    for (struct viv_arena_block *block = arena->first; block != NULL; block = block->next) {
        block->used = 0;
        if (block == arena->current) {
            break;
        }
    }
    arena->current = arena->first;
}

static struct viv_arena_block *add_block(struct viv_arena *arena, size_t size)
{
    size_t capacity = size > BLOCK_BYTES ? size : BLOCK_BYTES;
    struct viv_arena_block *block = viv_alloc(sizeof *block + capacity);
    block->capacity = capacity;
    block->used = 0;
    if (arena->current == NULL) {
        block->next = arena->first;
        arena->first = block;
    } else {
        block->next = arena->current->next;
        arena->current->next = block;
    }
    arena->current = block;
    return block;
}

void *viv_arena_alloc(struct viv_arena *arena, size_t size)
{
    VIV_ASSERT(size < SIZE_MAX / 2);
    size = (size + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
    struct viv_arena_block *block = arena->current;
    while (block != NULL && block->capacity - block->used < size) {
        block = block->next;
        if (block != NULL) {
            VIV_ASSERT(block->used == 0);
            arena->current = block;
        }
    }
    if (block == NULL) {
        block = add_block(arena, size);
    }
    void *memory = block->memory + block->used;
    block->used += size;
    return memory;
}

struct viv_bytes viv_arena_copy(struct viv_arena *arena, struct viv_bytes bytes)
{
    if (bytes.size == 0) {
        return (struct viv_bytes){0};
    }
    void *copy = viv_arena_alloc(arena, bytes.size);
    memcpy(copy, bytes.data, bytes.size);
    return viv_bytes_of(copy, bytes.size);
}
