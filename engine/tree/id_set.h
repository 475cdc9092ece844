#ifndef VIV_TREE_ID_SET_H
#define VIV_TREE_ID_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A set of slot ids: a bit for each, up to the highest that ever was in it. Walks in ascending order. All-zero is
 * empty. */

struct viv_id_set {
    uint64_t *words;
    size_t word_count;
};

void viv_id_set_fini(struct viv_id_set *set);
/* True when the id is new in the set. */
bool viv_id_set_add(struct viv_id_set *set, uint32_t id);
/* True when the id was in the set. */
bool viv_id_set_remove(struct viv_id_set *set, uint32_t id);
bool viv_id_set_has(const struct viv_id_set *set, uint32_t id);
/* The first id >= from; UINT32_MAX when there is none. */
uint32_t viv_id_set_next(const struct viv_id_set *set, uint32_t from);
void viv_id_set_clear(struct viv_id_set *set);
/* Adds every id of the other; returns how many were new. */
uint64_t viv_id_set_join(struct viv_id_set *set, const struct viv_id_set *other);
uint64_t viv_id_set_memory_bytes(const struct viv_id_set *set);

#endif /* VIV_TREE_ID_SET_H */
