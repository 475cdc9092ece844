#ifndef VIV_TESTS_UNIT_TREE_SUPPORT_H
#define VIV_TESTS_UNIT_TREE_SUPPORT_H

#include <criterion/criterion.h>

#include "base/rng.h"
#include "tree/apply.h"
#include "tree/image.h"
#include "tests/support/viv_test.h"

/* What the tests of the tree share: transactions as bytes, a tree as text, and a plain model of the namespace that
 * draws random transactions, each legal at its time, and knows what must come of them. */

/* ---- one transaction at a time ---- */

struct world {
    struct viv_tree *tree;
    struct viv_arena arena;
    struct viv_applied applied; /* of the last transaction */
    struct viv_buffer body;     /* likewise */
    uint64_t zxid;
    int64_t time_ms;
    int64_t session_id;
};

void world_init(struct world *world);
void world_fini(struct world *world);
/* Starts the next body with its header. */
void world_begin(struct world *world, int32_t type);
void world_apply(struct world *world);
void world_create(struct world *world, const char *path, const char *data, int32_t parent_cversion);
void world_create_as(struct world *world, int32_t type, const char *path, bool ephemeral, int32_t parent_cversion);
void world_delete(struct world *world, const char *path);
void world_set(struct world *world, const char *path, const char *data, int32_t version);
void world_set_acl(struct world *world, const char *path, struct viv_bytes acl, int32_t version);
struct viv_znode world_node(const struct world *world, const char *path);
bool world_has(const struct world *world, const char *path);
struct viv_stat world_stat(const struct world *world, const char *path);

/* Raw vector<ACL> of one entry with these permissions; the buffer is replaced. */
struct viv_bytes make_acl(struct viv_buffer *acl, int32_t perms, const char *scheme, const char *id);

/* ---- trees as text ---- */

/* Everything that replicas must agree on, sorted: nodes with all fields and ACL bytes, sessions, both digests. */
void dump_tree(const struct viv_tree *tree, struct viv_buffer *text);
/* Fails with the first line that differs. */
void assert_same_tree(const struct viv_tree *a, const struct viv_tree *b);

/* ---- the model ---- */

struct model_node {
    char path[64]; /* "" for the root */
    char data[160];
    size_t data_bytes;
    bool data_null;
    int acl; /* index into the model's lists, -1 open */
    uint64_t czxid, mzxid, pzxid;
    int64_t ctime, mtime, owner;
    int32_t version, counter, aversion;
    int children;
};

enum { MODEL_NODES_MAX = 1024, MODEL_SESSIONS_MAX = 8 };

struct model {
    struct viv_rng rng;
    struct model_node nodes[MODEL_NODES_MAX]; /* in no order, closed up on removal */
    size_t count;
    struct {
        int64_t id;
        int32_t timeout_ms;
    } sessions[MODEL_SESSIONS_MAX];
    size_t session_count;
    int64_t next_session_id;
    uint64_t zxid;
    int64_t time_ms;
    /* Some sessions close without the list of what to delete, as before 3.6. That is not idempotent: over an image that
     * lacks the ephemeral already, its parent's pzxid cannot move. */
    bool old_closes;
    struct viv_buffer *log; /* all bodies so far, each behind a u32 length and a u64 zxid (big-endian) */
};

void model_init(struct model *model, uint64_t seed, struct viv_buffer *log);
/* Draws the next transaction, appends its body to `body`, takes its effects into the model. */
void model_draw(struct model *model, struct viv_buffer *body);
/* Draws and applies LIVE. */
void model_step(struct model *model, struct viv_tree *tree, struct viv_arena *arena);
void assert_tree_is_model(const struct viv_tree *tree, const struct model *model);
/* Applies every body of the log above `after` in REPLAY mode, each `times` times running. */
void replay_log(struct viv_bytes log, uint64_t after, int times, struct viv_tree *tree);

#endif /* VIV_TESTS_UNIT_TREE_SUPPORT_H */
