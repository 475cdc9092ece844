#ifndef VIV_ZKDATA_QUOTA_H
#define VIV_ZKDATA_QUOTA_H

#include "tree/tree.h"

/* The usage that ZooKeeper keeps beside each quota, /zookeeper/quota/PATH/zookeeper_stats, is in no transaction: it is
 * counted anew at start and kept up by the running server. This counts it anew. Stat and digest stay as they are. */
void viv_zk_quota_recount(struct viv_tree *tree);

#endif /* VIV_ZKDATA_QUOTA_H */
