#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/rng.h"
#include "tests/unit/backends/kv_fixture.h"

#ifdef VIV_HAVE_LMDB
#include <lmdb.h>
#endif
#ifdef VIV_HAVE_ROCKSDB
#include <rocksdb/c.h>
#endif

/* What the libraries do not tell: rot. Every test damages the files behind a closed store and opens it again. */

enum { ROWS = 400, FLIPS = 60, FILES_MAX = 64 };

/* The two images that the tests begin with: what a lost commit may legally bring back is the first. */
struct images {
    struct viv_buffer rows[2];
};

static void write_images(struct kv_fixture *kv, struct images *images)
{
    struct viv_buffer rows = {0};
    struct viv_state_mark mark;
    *images = (struct images){0};
    for (unsigned i = 0; i < ROWS; i++) {
        kv_put(&rows, i, 0);
    }
    cr_assert_eq(kv_checkpoint(kv, VIV_CHECKPOINT_FULL, 1, &rows), VIV_OK);
    cr_assert_eq(kv_load(kv, &images->rows[0], &mark), VIV_OK);
    for (unsigned i = 0; i < ROWS; i += 7) {
        kv_delete(&rows, i);
    }
    for (unsigned i = 1; i < ROWS; i += 7) {
        kv_put(&rows, i, 1);
    }
    cr_assert_eq(kv_checkpoint(kv, VIV_CHECKPOINT_DELTA, 2, &rows), VIV_OK);
    cr_assert_eq(kv_load(kv, &images->rows[1], &mark), VIV_OK);
    kv_close(kv);
}

static void free_images(struct images *images)
{
    viv_buffer_fini(&images->rows[0]);
    viv_buffer_fini(&images->rows[1]);
}

/* Opens one file of the image, chosen by number; -1 when it is empty. */
static int open_file(const struct kv_fixture *kv, uint64_t number, off_t *bytes)
{
    char *names[FILES_MAX], path[256];
    const char *dir = kv_image_path(kv);
    size_t count = kv_list(dir, names, FILES_MAX);
    cr_assert_gt(count, 0);
    snprintf(path, sizeof path, "%s/%s", dir, names[number % count]);
    for (size_t i = 0; i < count; i++) {
        free(names[i]);
    }
    struct stat status;
    int fd = open(path, O_RDWR | O_CLOEXEC);
    cr_assert_eq(fstat(fd, &status), 0);
    *bytes = status.st_size;
    return fd;
}

static void flip(int fd, off_t at, uint8_t mask)
{
    uint8_t byte;
    cr_assert_eq(pread(fd, &byte, 1, at), 1);
    byte ^= mask;
    cr_assert_eq(pwrite(fd, &byte, 1, at), 1);
}

enum outcome { CORRECT, REFUSED, WRONG, KILLED, OUTCOMES };

/* In a process of its own: what rot does to a library must not end the test. */
static enum outcome look(struct kv_fixture *kv, const struct images *images)
{
    fflush(NULL);
    pid_t child = fork();
    cr_assert_geq(child, 0);
    if (child == 0) {
        alarm(30);
        struct viv_buffer found = {0};
        struct viv_state_mark mark;
        if (kv_open(kv) != VIV_OK || kv_load(kv, &found, &mark) != VIV_OK) {
            _exit(REFUSED);
        }
        bool is_image = (mark.zxid_start == 1 || mark.zxid_start == 2) && mark.digest == mark.zxid_start * 31;
        _exit(is_image &&
                      viv_bytes_equal(viv_buffer_bytes(&found), viv_buffer_bytes(&images->rows[mark.zxid_start - 1]))
                  ? CORRECT
                  : WRONG);
    }
    int status;
    cr_assert_eq(waitpid(child, &status, 0), child);
    return WIFEXITED(status) && WEXITSTATUS(status) < KILLED ? (enum outcome)WEXITSTATUS(status) : KILLED;
}

static void run(const char *format, const char *a, const char *b)
{
    char command[300];
    snprintf(command, sizeof command, format, a, b, a);
    cr_assert_eq(system(command), 0);
}

KV_TEST(random_rot_is_refused_or_harmless_never_served)
{
    struct kv_fixture kv;
    struct images images;
    struct viv_rng rng;
    unsigned outcomes[OUTCOMES] = {0};
    char keep[64];
    kv_start(&kv, ops);
    write_images(&kv, &images);
    viv_rng_init(&rng, 20);
    snprintf(keep, sizeof keep, "%s.keep", kv.dir);
    run("cp -r %s %s", kv.dir, keep);
    for (unsigned i = 0; i < FLIPS; i++) {
        off_t bytes;
        int fd = open_file(&kv, viv_rng_next(&rng), &bytes);
        if (bytes > 0) {
            off_t at = (off_t)viv_rng_below(&rng, (uint64_t)bytes);
            uint8_t mask = (uint8_t)(1u << viv_rng_below(&rng, 8));
            flip(fd, at, mask);
            enum outcome outcome = look(&kv, &images);
            outcomes[outcome]++;
            cr_assert(outcome == CORRECT || outcome == REFUSED, "outcome %d of mask 0x%x at %lld of %lld bytes",
                      outcome, mask, (long long)at, (long long)bytes);
        }
        close(fd);
        /* Opening may have rewritten files; every flip starts from the same ones. */
        run("rm -r %s && cp -r %s %s", kv.dir, keep);
    }
    /* Negative control: the sweep did hit what matters, and an untouched image is found correct. */
    cr_assert_gt(outcomes[REFUSED], FLIPS / 20);
    cr_assert_eq(look(&kv, &images), CORRECT);
    run("rm -r %s%s", keep, "");
    free_images(&images);
    kv_finish(&kv);
}

/* One row changed or taken away behind the store's back, in a way that the library itself finds in order. */
typedef void tamper_fn(const char *path, bool remove);

#ifdef VIV_HAVE_LMDB
static void tamper_lmdb(const char *path, bool remove)
{
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi rows;
    MDB_cursor *cursor;
    MDB_val key, data;
    cr_assert_eq(mdb_env_create(&env), 0);
    mdb_env_set_maxdbs(env, 2);
    cr_assert_eq(mdb_env_open(env, path, MDB_NOLOCK, 0600), 0);
    cr_assert_eq(mdb_txn_begin(env, NULL, 0, &txn), 0);
    cr_assert_eq(mdb_dbi_open(txn, "rows", 0, &rows), 0);
    cr_assert_eq(mdb_cursor_open(txn, rows, &cursor), 0);
    cr_assert_eq(mdb_cursor_get(cursor, &key, &data, MDB_FIRST), 0);
    char copy[256];
    memcpy(copy, data.mv_data, data.mv_size);
    copy[data.mv_size - 1] ^= 1;
    MDB_val changed = {data.mv_size, copy};
    cr_assert_eq(remove ? mdb_cursor_del(cursor, 0) : mdb_cursor_put(cursor, &key, &changed, MDB_CURRENT), 0);
    mdb_cursor_close(cursor);
    cr_assert_eq(mdb_txn_commit(txn), 0);
    mdb_env_close(env);
}
#endif

#ifdef VIV_HAVE_ROCKSDB
static void tamper_rocksdb(const char *path, bool remove)
{
    char *error = NULL;
    rocksdb_options_t *options = rocksdb_options_create();
    rocksdb_t *db = rocksdb_open(options, path, &error);
    cr_assert_null(error);
    rocksdb_readoptions_t *read = rocksdb_readoptions_create();
    rocksdb_writeoptions_t *write = rocksdb_writeoptions_create();
    rocksdb_iterator_t *iterator = rocksdb_create_iterator(db, read);
    rocksdb_iter_seek(iterator, "r", 1);
    size_t key_size, size;
    const char *key = rocksdb_iter_key(iterator, &key_size);
    const char *value = rocksdb_iter_value(iterator, &size);
    char copy[256];
    memcpy(copy, value, size);
    copy[size - 1] ^= 1;
    if (remove) {
        rocksdb_delete(db, write, key, key_size, &error);
    } else {
        rocksdb_put(db, write, key, key_size, copy, size, &error);
    }
    cr_assert_null(error);
    rocksdb_iter_destroy(iterator);
    rocksdb_writeoptions_destroy(write);
    rocksdb_readoptions_destroy(read);
    rocksdb_close(db);
    rocksdb_options_destroy(options);
}
#endif

static tamper_fn *tamper_of(const struct viv_state_ops *ops)
{
#ifdef VIV_HAVE_LMDB
    if (ops == &viv_lmdb_state) {
        return tamper_lmdb;
    }
#endif
#ifdef VIV_HAVE_ROCKSDB
    if (ops == &viv_rocksdb_state) {
        return tamper_rocksdb;
    }
#endif
    return NULL;
}

static void expect_refused_and_replaceable(struct kv_fixture *kv)
{
    struct viv_buffer found = {0}, rows = {0};
    struct viv_state_mark mark = {9, 9, 9};
    cr_assert_eq(kv_open(kv), VIV_OK);
    cr_assert_eq(kv_load(kv, &found, &mark), VIV_ERR_CORRUPT);
    cr_assert_eq(mark.zxid_start, 9, "the mark is left alone");
    cr_assert_eq(kv->ops->begin(kv->state, VIV_CHECKPOINT_DELTA, 3), VIV_ERR_CORRUPT);
    /* A snapshot from the leader takes its place. */
    kv_put(&rows, 1, 5);
    viv_buffer_clear(&found);
    viv_buffer_append_bytes(&found, viv_buffer_bytes(&rows));
    cr_assert_eq(kv_checkpoint(kv, VIV_CHECKPOINT_INSTALL, 4, &rows), VIV_OK);
    kv_reopen(kv);
    kv_expect(kv, 4, viv_buffer_bytes(&found));
    viv_buffer_fini(&found);
}

KV_TEST(a_row_that_vanished_is_missed_and_a_changed_one_noticed)
{
    for (unsigned remove = 0; remove < 2; remove++) {
        struct kv_fixture kv;
        struct images images;
        kv_start(&kv, ops);
        write_images(&kv, &images);
        tamper_of(ops)(kv_image_path(&kv), remove == 1);
        expect_refused_and_replaceable(&kv);
        free_images(&images);
        kv_finish(&kv);
    }
}

KV_TEST(a_delta_does_not_build_on_a_damaged_row)
{
    struct kv_fixture kv;
    struct images images;
    kv_start(&kv, ops);
    write_images(&kv, &images);
    tamper_of(ops)(kv_image_path(&kv), false);
    cr_assert_eq(kv_open(&kv), VIV_OK);
    struct viv_buffer rows = {0};
    kv_put(&rows, 1, 7); /* the first row, the changed one */
    cr_assert_eq(kv_checkpoint(&kv, VIV_CHECKPOINT_DELTA, 3, &rows), VIV_ERR_CORRUPT);
    kv_close(&kv);
    expect_refused_and_replaceable(&kv);
    free_images(&images);
    kv_finish(&kv);
}

KV_TEST(a_lost_or_emptied_file_is_refused)
{
    for (unsigned half = 0; half < 2; half++) {
        struct kv_fixture kv;
        struct images images;
        kv_start(&kv, ops);
        write_images(&kv, &images);
        run(half ? "for f in %s/*.sst %s/data.mdb; do if [ -f $f ]; then truncate -s 5000 $f; fi; done"
                 : "rm -f %s/*.sst %s/data.mdb",
            kv_image_path(&kv), kv_image_path(&kv));
        expect_refused_and_replaceable(&kv);
        free_images(&images);
        kv_finish(&kv);
    }
}
