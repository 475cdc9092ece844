#ifndef VIV_CLI_WALK_H
#define VIV_CLI_WALK_H

#include "cli/cli.h"
#include "cli/names.h"

/* Visits a subtree in the order of its paths: a node before its children, and these by name; or all that backwards.
 * All paths are listed before the first is visited, with many requests on their way at once: they take as much memory
 * as their text. A node that goes meanwhile is left out; one with too many children for one answer is read in pages. */

enum viv_cli_walk_order { VIV_CLI_PARENTS_FIRST, VIV_CLI_CHILDREN_FIRST };

/* `path` is as the user writes it. An exit code other than VIV_CLI_OK ends the walk. */
typedef int viv_cli_visit_fn(void *ctx, struct viv_cli *cli, struct viv_bytes path);

/* Refusals are told; returns the exit code. */
int viv_cli_walk(struct viv_cli *cli, const char *path, enum viv_cli_walk_order order, viv_cli_visit_fn *visit,
                 void *ctx);
/* Only the paths, parents first. */
int viv_cli_list_subtree(struct viv_cli *cli, const char *path, struct viv_cli_names *paths);
/* The names of a node's children page by page, in no order: of a node with more of them than one answer holds.
 * Needs a server of ours. Nothing else may be on its way. */
typedef void viv_cli_child_fn(void *ctx, struct viv_bytes name);
int viv_cli_for_children(struct viv_cli *cli, const char *path, viv_cli_child_fn *each, void *ctx);
/* Deletes the node and everything below it, `window` requests at once; counts what is gone by this. */
int viv_cli_delete_subtree(struct viv_cli *cli, const char *path, size_t window, uint64_t *deleted);

/* Makes the nodes above `path` (as the user writes it) that are missing, without data. Refusals are told; returns the
 * exit code. */
int viv_cli_create_parents(struct viv_cli *cli, struct viv_bytes path, struct viv_bytes acl);

#endif /* VIV_CLI_WALK_H */
