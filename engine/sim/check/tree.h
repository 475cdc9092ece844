#ifndef VIV_SIM_CHECK_TREE_H
#define VIV_SIM_CHECK_TREE_H

#include "wire/records.h"

/* The reference: what a ZooKeeper's tree is, told a second time, plainly and slowly, from client-protocol.md. One
 * request after the other, no log, no replicas. Nothing of engine/tree is used, so that a mistake there is not repeated
 * here.
 *
 * Not modelled: quotas, reconfig, local sessions, the schemes x509 and sasl. What stands in /zookeeper/config is
 * unknown to it. Where Apache 3.8.0 differs from ours (tests/interop/DIFFERENCES.md), is_zookeeper decides. */

enum viv_ref_kind { VIV_REF_PLAIN, VIV_REF_EPHEMERAL, VIV_REF_CONTAINER, VIV_REF_TTL };

#define VIV_REF_TIME_UNKNOWN INT64_MIN

struct viv_ref_node {
    struct viv_buffer path, data, acl; /* acl: raw vector<ACL> */
    bool data_is_null;
    enum viv_ref_kind kind;
    int64_t owner; /* session of an ephemeral */
    uint64_t czxid, mzxid, pzxid;
    int64_t ctime_ms, mtime_ms; /* VIV_REF_TIME_UNKNOWN until a reply tells, in histories without a log */
    int32_t version, aversion;
    int32_t created_children; /* how many there ever were: the sequence number of the next one */
    int32_t child_count;
};

struct viv_ref_session {
    int64_t id;
    bool is_open;
};

struct viv_ref_undo;

struct viv_ref_tree {
    struct viv_ref_node **nodes; /* in the order of their paths */
    size_t count, capacity;
    struct viv_ref_session *sessions;
    size_t session_count, session_capacity;
    struct viv_ref_undo *undo; /* newest first, while is_trying */
    bool is_trying;
    bool is_zookeeper, extended_types;
    bool sessions_are_unknown; /* a session lives unless it was seen to end */
};

void viv_ref_tree_init(struct viv_ref_tree *tree);
void viv_ref_tree_fini(struct viv_ref_tree *tree);

/* "" and "/" are the root. NULL: there is none. */
struct viv_ref_node *viv_ref_find(const struct viv_ref_tree *tree, struct viv_bytes path);
/* The same, to be changed: a transaction that is only tried can be taken back. */
struct viv_ref_node *viv_ref_edit(struct viv_ref_tree *tree, struct viv_bytes path);
/* The new node has its path and nothing else; its parent is not told. */
struct viv_ref_node *viv_ref_insert(struct viv_ref_tree *tree, struct viv_bytes path);
void viv_ref_remove(struct viv_ref_tree *tree, struct viv_bytes path);
struct viv_stat viv_ref_stat(const struct viv_ref_node *node);

/* The nodes below a path are neighbours: *first is the first of them. Returns how many, at any depth. */
size_t viv_ref_below(const struct viv_ref_tree *tree, struct viv_bytes path, size_t *first);
bool viv_ref_is_child(struct viv_bytes path, struct viv_bytes of);

bool viv_ref_session_lives(const struct viv_ref_tree *tree, int64_t id);
/* An entry for it, new if need be (then not open). */
struct viv_ref_session *viv_ref_session(struct viv_ref_tree *tree, int64_t id);

/* From begin on everything can be taken back at once. */
void viv_ref_try_begin(struct viv_ref_tree *tree);
void viv_ref_try_end(struct viv_ref_tree *tree, bool keep);

/* Text before the last '/', and after it. */
struct viv_bytes viv_ref_parent(struct viv_bytes path);
struct viv_bytes viv_ref_name(struct viv_bytes path);
bool viv_ref_path_is_valid(struct viv_bytes path);
void viv_ref_buffer_set(struct viv_buffer *buffer, struct viv_bytes bytes);

#endif /* VIV_SIM_CHECK_TREE_H */
