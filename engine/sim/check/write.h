#ifndef VIV_SIM_CHECK_WRITE_H
#define VIV_SIM_CHECK_WRITE_H

#include "sim/check/acl.h"
#include "sim/check/tree.h"

/* One write after the other on the reference tree: what it is answered, and what it changes. The order of the checks is
 * client-protocol.md §5.1. */

struct viv_ref_request {
    int64_t session_id;
    int32_t op;
    struct viv_bytes record;
    const struct viv_ref_identities *who;
    uint64_t zxid;
    int64_t time_ms; /* VIV_REF_TIME_UNKNOWN when nobody knows */
};

struct viv_ref_result {
    int32_t op; /* as the reply says it: VIV_OP_CREATE2 for all creates but the plain one */
    int32_t err;
    struct viv_buffer path; /* of a create */
    struct viv_stat stat;   /* of create2, setData, setACL */
};

/* For watches: who may read the node, and its parent, before the change. */
enum viv_ref_change_kind { VIV_REF_CREATED, VIV_REF_DELETED, VIV_REF_DATA };
struct viv_ref_change {
    enum viv_ref_change_kind kind;
    struct viv_buffer path, acl, parent_acl;
};

struct viv_ref_outcome {
    int32_t err; /* of the reply's header */
    bool is_multi;
    struct viv_ref_result *results;
    size_t result_count, result_capacity;
    struct viv_ref_change *changes;
    size_t change_count, change_capacity;
};

/* All-zero is empty; fini leaves it so. */
void viv_ref_outcome_fini(struct viv_ref_outcome *outcome);

/* Fills an empty outcome. */
void viv_ref_write(struct viv_ref_tree *tree, const struct viv_ref_request *request, struct viv_ref_outcome *outcome);
bool viv_ref_is_write(int32_t op);
/* What no client asks for. */
void viv_ref_open_session(struct viv_ref_tree *tree, int64_t session_id);
void viv_ref_close_session(struct viv_ref_tree *tree, int64_t session_id, uint64_t zxid,
                           struct viv_ref_outcome *outcome);
/* Another configuration stands in /zookeeper/config; its text is not modelled. */
void viv_ref_reconfigure(struct viv_ref_tree *tree, uint64_t zxid, struct viv_ref_outcome *outcome);
/* A container or TTL node that is of no use, or one of many ephemerals of a session that ends. */
int32_t viv_ref_reap(struct viv_ref_tree *tree, struct viv_bytes path, uint64_t zxid, struct viv_ref_outcome *outcome);

#endif /* VIV_SIM_CHECK_WRITE_H */
