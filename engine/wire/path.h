#ifndef VIV_WIRE_PATH_H
#define VIV_WIRE_PATH_H

#include "base/bytes.h"

/* Paths as ZooKeeper means them (client-protocol.md §9). The root is "/" on the wire; its children's parent text is
 * "". Knows nothing of which nodes exist. */

/* Full validation: create (after the sequence suffix), setData, setACL, check. */
bool viv_path_is_valid(struct viv_bytes path);
/* What create and delete ask of the raw text before anything else: has a '/', no NUL. */
bool viv_path_has_parent(struct viv_bytes path);
/* Text before the last '/': "" for a child of the root. */
struct viv_bytes viv_path_parent(struct viv_bytes path);
/* Text after the last '/'. */
struct viv_bytes viv_path_name(struct viv_bytes path);
/* "/", "/zookeeper", "/zookeeper/quota", "/zookeeper/config": cannot be deleted. */
bool viv_path_is_reserved(struct viv_bytes path);

/* Where the members of the ensemble are shown. */
#define VIV_PATH_CONFIG "/zookeeper/config"

#endif /* VIV_WIRE_PATH_H */
