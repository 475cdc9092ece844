#ifndef VIV_TESTS_SUPPORT_NODE_RECIPE_H
#define VIV_TESTS_SUPPORT_NODE_RECIPE_H

#include "node/node.h"

enum { VIV_NODE_RECIPE_SERVERS_MAX = 8, VIV_NODE_RECIPE_TICK_MS = 100 };

/* What a test wants otherwise than the recipe; NULL: nothing. */
typedef void viv_node_recipe_adjust_fn(struct viv_node_config *config);

/* Server `server` (from 0; its sid is that + 1) of an ensemble of voters; standalone when it is the only one. */
struct viv_node *viv_node_recipe(size_t server_count, size_t server, uint64_t snapshot_entries, int64_t start_wall_ms,
                                 viv_node_recipe_adjust_fn *adjust);

#endif /* VIV_TESTS_SUPPORT_NODE_RECIPE_H */
