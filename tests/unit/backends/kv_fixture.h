#ifndef VIV_TESTS_UNIT_BACKENDS_KV_FIXTURE_H
#define VIV_TESTS_UNIT_BACKENDS_KV_FIXTURE_H

#include "config.h"
#include "store/state_store.h"
#include "tests/support/viv_test.h"

/* One store in a directory of its own, and the few moves that its tests are made of. */

extern const struct viv_state_ops viv_lmdb_state, viv_rocksdb_state;

/* Stamps a test out for every key-value store of this build: its body gets `ops`. */
#define KV_TEST_BODY(name) static void kv_body_##name(const struct viv_state_ops *ops)
#define KV_TEST_ONE(backend, name)                                                                                     \
    VIV_TEST(backend##_state, name, .timeout = 120)                                                                    \
    {                                                                                                                  \
        kv_body_##name(&viv_##backend##_state);                                                                        \
    }
#ifdef VIV_HAVE_LMDB
#define KV_TEST_LMDB(name) KV_TEST_ONE(lmdb, name)
#else
#define KV_TEST_LMDB(name)
#endif
#ifdef VIV_HAVE_ROCKSDB
#define KV_TEST_ROCKSDB(name) KV_TEST_ONE(rocksdb, name)
#else
#define KV_TEST_ROCKSDB(name)
#endif
#define KV_TEST(name)                                                                                                  \
    KV_TEST_BODY(name);                                                                                                \
    KV_TEST_LMDB(name)                                                                                                 \
    KV_TEST_ROCKSDB(name)                                                                                              \
    KV_TEST_BODY(name)

struct kv_fixture {
    const struct viv_state_ops *ops;
    char dir[32];
    struct viv_store_config config;
    struct viv_state *state;
};

void kv_start(struct kv_fixture *fixture, const struct viv_state_ops *ops); /* makes the directory and opens */
void kv_finish(struct kv_fixture *fixture);                                 /* closes and removes everything */
viv_status kv_open(struct kv_fixture *fixture);
void kv_close(struct kv_fixture *fixture);
void kv_reopen(struct kv_fixture *fixture);

/* Appends `put key value` for number `i` under a generation: the same number has the same key in every generation. */
void kv_put(struct viv_buffer *rows, unsigned i, unsigned generation);
void kv_delete(struct viv_buffer *rows, unsigned i);
void kv_put_text(struct viv_buffer *rows, const char *key, const char *value);

/* One whole checkpoint; clears rows. */
viv_status kv_checkpoint(struct kv_fixture *fixture, enum viv_checkpoint_kind kind, uint64_t zxid,
                         struct viv_buffer *rows);
/* All rows in the order of the store. *rows is owned by the caller. */
viv_status kv_load(struct kv_fixture *fixture, struct viv_buffer *rows, struct viv_state_mark *mark);
/* Loads and compares with what the rows say, in key order. */
void kv_expect(struct kv_fixture *fixture, uint64_t zxid, struct viv_bytes rows);

/* The path of the newest image; valid until the next call. */
const char *kv_image_path(const struct kv_fixture *fixture);
/* The plain files in a directory: names[i] belong to the caller; returns how many. */
size_t kv_list(const char *dir, char **names, size_t names_max);

#endif /* VIV_TESTS_UNIT_BACKENDS_KV_FIXTURE_H */
