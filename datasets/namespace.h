#ifndef VIV_DATASETS_NAMESPACE_H
#define VIV_DATASETS_NAMESPACE_H

#include "base/bytes.h"

/* Generators of namespaces of any size, parents before children, the same for the same arguments:
 *
 *   cluster    the shape of datasets/zookeeper-3.8/bulk-20k: Kafka topics with partitions and their state, Solr
 *              collections, HBase tables and replication queues, in the sample's proportions
 *   mergetree  the published ClickHouse Keeper tree: paths of 115 bytes on average, 43 % of the znodes empty, one
 *              directory that holds a tenth of everything
 *   flat       children of one parent with 100-byte values: the usual benchmark tree
 *
 * Knows nothing of servers or of how the znodes are created. */

struct viv_namespace;

struct viv_namespace_node {
    struct viv_bytes path;
    struct viv_bytes data;
};

/* NULL when there is no such shape. `count` znodes in all (the shape's trunk included, as far as it goes). */
struct viv_namespace *viv_namespace_open(const char *shape, uint64_t count, uint64_t seed);
void viv_namespace_close(struct viv_namespace *space);
/* False after the last. *node borrows until the next call. */
bool viv_namespace_next(struct viv_namespace *space, struct viv_namespace_node *node);
/* Names of the shapes, NULL-terminated. */
extern const char *const viv_namespace_shapes[];

#endif /* VIV_DATASETS_NAMESPACE_H */
