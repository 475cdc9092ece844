#ifndef VIV_EXPERIMENTS_LAB_YAML_INDEX_H
#define VIV_EXPERIMENTS_LAB_YAML_INDEX_H

#include <stdbool.h>
#include <stddef.h>

#include "base/bytes.h"

/* Where things stand in a YAML text: the line of every node, by a path such as "steps[2].op". libcyaml gives values and
 * checks types but keeps no lines, and messages without lines help nobody. Also refuses what would surprise: anchors,
 * aliases, tags and duplicate keys. Knows no schema. */

struct viv_yaml_node {
    char *path;
    size_t line; /* from 1 */
};

struct viv_yaml_index {
    struct viv_yaml_node *nodes;
    size_t node_count, node_capacity;
};

/* False with one line "FILE:LINE: what" appended to errors. The index is valid (perhaps short) in both cases. */
bool viv_yaml_index_init(struct viv_yaml_index *index, const char *file, struct viv_bytes text,
                         struct viv_buffer *errors);
void viv_yaml_index_fini(struct viv_yaml_index *index);
/* Line of the node, or of its nearest ancestor that is there; 1 at the worst. */
size_t viv_yaml_index_line(const struct viv_yaml_index *index, const char *path);

#endif /* VIV_EXPERIMENTS_LAB_YAML_INDEX_H */
