#ifndef VIV_TESTS_SUPPORT_WORLD_H
#define VIV_TESTS_SUPPORT_WORLD_H

#include "tree/acl.h"
#include "tree/apply.h"
#include "tree/prepare.h"

/* A tree with a preparer in front of it, as a leader has them: requests are prepared at once and applied when the test
 * says so. One session is the speaker; its identities are those of `authinfo`. */

enum { VIV_WORLD_PENDING_MAX = 64 };
#define VIV_WORLD_SESSION INT64_C(0x010000124f4c0000)

struct viv_world {
    struct viv_tree *tree;
    struct viv_preparer *preparer;
    struct viv_prepare_rules rules; /* as given to it */
    uint64_t zxid;                  /* of the newest transaction */
    int64_t time_ms;
    int64_t session_id;
    int32_t cxid;
    struct viv_buffer authinfo;
    struct viv_buffer record; /* of the request that is being built */
    struct viv_buffer bodies[VIV_WORLD_PENDING_MAX];
    size_t pending_count;
    struct viv_arena arena;
    struct viv_applied applied; /* of the last transaction applied */
};

/* A fresh tree in which VIV_WORLD_SESSION lives (zxid 1). */
void viv_world_init(struct viv_world *world);
void viv_world_fini(struct viv_world *world);
/* Who speaks from now on. */
void viv_world_identify(struct viv_world *world, const char *scheme, const char *id);
void viv_world_forget_identities(struct viv_world *world);

/* Prepares world->record as the request of `op`; the body stays pending. */
int32_t viv_world_prepare(struct viv_world *world, int32_t op);
/* The body made last. */
struct viv_bytes viv_world_body(const struct viv_world *world);
/* Applies the oldest pending transaction, or all. */
void viv_world_apply(struct viv_world *world);
void viv_world_settle(struct viv_world *world);

/* Requests. data and acl NULL: null, and world:anyone. An acl is "perms scheme:id, ...". */
int32_t viv_world_create(struct viv_world *world, const char *path, int32_t flags);
int32_t viv_world_create_as(struct viv_world *world, int32_t op, const char *path, const char *data, const char *acl,
                            int32_t flags);
int32_t viv_world_delete(struct viv_world *world, const char *path, int32_t version);
int32_t viv_world_set_data(struct viv_world *world, const char *path, const char *data, int32_t version);
int32_t viv_world_set_acl(struct viv_world *world, const char *path, const char *acl, int32_t version);
int32_t viv_world_close_session(struct viv_world *world, int64_t session_id);
int32_t viv_world_create_session(struct viv_world *world, int64_t session_id);

/* The records of requests, for a multi and for tests of bytes. */
void viv_world_encode_acl(struct viv_buffer *out, const char *acl);
void viv_world_encode_create(struct viv_buffer *out, int32_t op, const char *path, const char *data, const char *acl,
                             int32_t flags);
void viv_world_encode_path_version(struct viv_buffer *out, const char *path, int32_t version);
void viv_world_encode_set_data(struct viv_buffer *out, const char *path, const char *data, int32_t version);
/* The header before an operation of a multi, and the one that ends it. */
void viv_world_encode_step(struct viv_buffer *out, int32_t op);
void viv_world_encode_end(struct viv_buffer *out);

#endif /* VIV_TESTS_SUPPORT_WORLD_H */
