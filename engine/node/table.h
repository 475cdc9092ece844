#ifndef VIV_NODE_TABLE_H
#define VIV_NODE_TABLE_H

#include <stddef.h>
#include <stdint.h>

/* Numbers (connections, sessions) to records that others own. Open addressing, one fixed hash: the same calls give the
 * same table, and nothing iterates over it. All-zero is a valid empty table. */

struct viv_table {
    struct viv_table_slot *slots;
    size_t count, capacity; /* capacity is 0 or a power of two */
};

void viv_table_fini(struct viv_table *table);
void *viv_table_get(const struct viv_table *table, uint64_t key); /* NULL when absent */
/* The key must be absent; the value must not be NULL. */
void viv_table_add(struct viv_table *table, uint64_t key, void *value);
/* Returns the value that was there, or NULL. */
void *viv_table_remove(struct viv_table *table, uint64_t key);

#endif /* VIV_NODE_TABLE_H */
