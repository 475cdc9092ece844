#ifndef VIV_BASE_ARENA_H
#define VIV_BASE_ARENA_H

#include <stddef.h>

#include "base/bytes.h"

/* Memory that is reset, never freed piece by piece. All-zero is a valid empty arena. Pointers stay valid until
 * the next reset; a reset keeps the blocks, so a warm arena calls no malloc. */

struct viv_arena_block;

struct viv_arena {
    struct viv_arena_block *first;
    struct viv_arena_block *current;
};

void viv_arena_fini(struct viv_arena *arena);
void viv_arena_reset(struct viv_arena *arena);
void *viv_arena_alloc(struct viv_arena *arena, size_t size); /* 16-byte aligned, not zeroed */
struct viv_bytes viv_arena_copy(struct viv_arena *arena, struct viv_bytes bytes);

#endif /* VIV_BASE_ARENA_H */
