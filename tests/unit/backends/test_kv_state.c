#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/backends/kv_fixture.h"

enum { ROWS = 500 };

static struct viv_buffer rows_of(unsigned from, unsigned to, unsigned generation)
{
    struct viv_buffer rows = {0};
    for (unsigned i = from; i < to; i++) {
        kv_put(&rows, i, generation);
    }
    return rows;
}

static void write_full(struct kv_fixture *kv, uint64_t zxid, unsigned generation)
{
    struct viv_buffer rows = rows_of(0, ROWS, generation);
    cr_assert_eq(kv_checkpoint(kv, VIV_CHECKPOINT_FULL, zxid, &rows), VIV_OK);
}

static void expect_full(struct kv_fixture *kv, uint64_t zxid, unsigned generation)
{
    struct viv_buffer rows = rows_of(0, ROWS, generation);
    kv_expect(kv, zxid, viv_buffer_bytes(&rows));
    viv_buffer_fini(&rows);
}

KV_TEST(keys_longer_than_the_library_allows_come_back_whole)
{
    struct kv_fixture kv;
    kv_start(&kv, ops);
    static const size_t sizes[] = {439, 440, 441, 458, 459, 511, 512, 5000, 16 << 20};
    struct viv_buffer rows = {0}, expected = {0};
    uint8_t *key = viv_alloc(16 << 20);
    memset(key, 0xff, 16 << 20);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        /* Alike in their first 440 bytes, different at the end. */
        key[sizes[i] - 1] = (uint8_t)i;
        viv_row_append(&rows, &(struct viv_row){VIV_ROW_PUT, {key, sizes[i]}, viv_bytes_text("long")});
        key[sizes[i] - 1] = 0xff;
    }
    struct viv_bytes all = viv_buffer_bytes(&rows);
    viv_buffer_append_bytes(&expected, all);
    cr_assert_eq(kv_checkpoint(&kv, VIV_CHECKPOINT_FULL, 1, &rows), VIV_OK);
    kv_reopen(&kv);
    struct viv_buffer found = {0};
    struct viv_state_mark mark;
    cr_assert_eq(kv_load(&kv, &found, &mark), VIV_OK);
    cr_assert_eq(found.size, expected.size);
    struct viv_bytes want = viv_buffer_bytes(&expected);
    struct viv_row row;
    while (viv_row_next(&want, &row)) {
        struct viv_bytes have = viv_buffer_bytes(&found);
        struct viv_row other;
        bool present = false;
        while (!present && viv_row_next(&have, &other)) {
            present = viv_bytes_equal(row.key, other.key) && viv_bytes_equal(row.value, other.value);
        }
        cr_assert(present, "a key of %zu bytes is missing", row.key.size);
    }
    viv_buffer_clear(&rows);
    key[4999] = 7;
    viv_row_append(&rows, &(struct viv_row){VIV_ROW_DELETE, {key, 5000}, {NULL, 0}});
    cr_assert_eq(kv_checkpoint(&kv, VIV_CHECKPOINT_DELTA, 2, &rows), VIV_OK);
    viv_buffer_clear(&found);
    cr_assert_eq(kv_load(&kv, &found, &mark), VIV_OK);
    cr_assert_eq(found.size, expected.size - 9 - 5000 - 4);
    viv_buffer_fini(&found);
    viv_buffer_fini(&expected);
    free(key);
    kv_finish(&kv);
}

KV_TEST(values_from_nothing_to_the_maximum_come_back_whole)
{
    struct kv_fixture kv;
    kv_start(&kv, ops);
    static const size_t sizes[] = {0, 1, 4095, 4096, 70000, 16 << 20};
    struct viv_buffer rows = {0}, expected = {0};
    uint8_t *value = viv_alloc(16 << 20);
    memset(value, 'v', 16 << 20);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        uint8_t key = (uint8_t)('a' + i);
        viv_row_append(&rows, &(struct viv_row){VIV_ROW_PUT, {&key, 1}, {value, sizes[i]}});
    }
    viv_buffer_append_bytes(&expected, viv_buffer_bytes(&rows));
    cr_assert_eq(kv_checkpoint(&kv, VIV_CHECKPOINT_FULL, 1, &rows), VIV_OK);
    kv_reopen(&kv);
    kv_expect(&kv, 1, viv_buffer_bytes(&expected));
    viv_buffer_fini(&expected);
    free(value);
    kv_finish(&kv);
}

KV_TEST(of_rows_with_one_key_the_last_counts)
{
    struct kv_fixture kv;
    kv_start(&kv, ops);
    static const enum viv_checkpoint_kind kinds[] = {VIV_CHECKPOINT_FULL, VIV_CHECKPOINT_DELTA};
    for (unsigned k = 0; k < 2; k++) {
        struct viv_buffer rows = {0};
        for (unsigned generation = 0; generation < 5; generation++) {
            kv_put(&rows, 1, generation + k);
        }
        kv_put(&rows, 2, k);
        cr_assert_eq(kv_checkpoint(&kv, kinds[k], 1 + k, &rows), VIV_OK);
        kv_reopen(&kv);
        struct viv_buffer expected = {0};
        kv_put(&expected, 1, 4 + k);
        kv_put(&expected, 2, k);
        kv_expect(&kv, 1 + k, viv_buffer_bytes(&expected));
        viv_buffer_fini(&expected);
    }
    kv_finish(&kv);
}

KV_TEST(a_delta_deletes_overwrites_and_adds)
{
    struct kv_fixture kv;
    kv_start(&kv, ops);
    write_full(&kv, 1, 0);
    struct viv_buffer rows = {0}, expected = {0};
    kv_delete(&rows, ROWS + 5); /* absent */
    for (unsigned i = 0; i < ROWS; i += 3) {
        kv_delete(&rows, i);
    }
    for (unsigned i = 1; i < ROWS; i += 3) {
        kv_put(&rows, i, 9);
    }
    kv_put(&rows, ROWS, 9);
    for (unsigned i = 0; i <= ROWS; i++) {
        if (i % 3 != 0 || i == ROWS) {
            kv_put(&expected, i, i % 3 == 1 || i == ROWS ? 9 : 0);
        }
    }
    cr_assert_eq(kv_checkpoint(&kv, VIV_CHECKPOINT_DELTA, 5, &rows), VIV_OK);
    kv_expect(&kv, 5, viv_buffer_bytes(&expected));
    kv_reopen(&kv);
    kv_expect(&kv, 5, viv_buffer_bytes(&expected));
    viv_buffer_fini(&expected);
    kv_finish(&kv);
}

KV_TEST(an_aborted_checkpoint_leaves_no_trace)
{
    struct kv_fixture kv;
    kv_start(&kv, ops);
    write_full(&kv, 1, 0);
    static const enum viv_checkpoint_kind kinds[] = {VIV_CHECKPOINT_DELTA, VIV_CHECKPOINT_FULL, VIV_CHECKPOINT_INSTALL};
    for (unsigned k = 0; k < 3; k++) {
        struct viv_buffer rows = rows_of(0, ROWS / 2, 1);
        cr_assert_eq(ops->begin(kv.state, kinds[k], 9), VIV_OK);
        cr_assert_eq(ops->write(kv.state, viv_buffer_bytes(&rows)), VIV_OK);
        ops->abort(kv.state);
        expect_full(&kv, 1, 0);
        /* The same, ended by a close instead. */
        cr_assert_eq(ops->begin(kv.state, kinds[k], 9), VIV_OK);
        cr_assert_eq(ops->write(kv.state, viv_buffer_bytes(&rows)), VIV_OK);
        viv_buffer_fini(&rows);
        kv_reopen(&kv);
        expect_full(&kv, 1, 0);
    }
    kv_finish(&kv);
}

KV_TEST(a_delta_needs_an_image_below_it)
{
    struct kv_fixture kv;
    kv_start(&kv, ops);
    struct viv_buffer found = {0};
    struct viv_state_mark mark;
    cr_assert_eq(kv_load(&kv, &found, &mark), VIV_ERR_NOT_FOUND);
    cr_assert_eq(ops->begin(kv.state, VIV_CHECKPOINT_DELTA, 1), VIV_ERR_INVALID);
    kv_finish(&kv);
}

KV_TEST(the_log_is_needed_from_one_mark_back_except_after_an_install)
{
    struct kv_fixture kv;
    kv_start(&kv, ops);
    static const struct {
        enum viv_checkpoint_kind kind;
        uint64_t zxid, needed_after;
    } steps[] = {{VIV_CHECKPOINT_FULL, 10, 10},
                 {VIV_CHECKPOINT_DELTA, 20, 10},
                 {VIV_CHECKPOINT_FULL, 30, 20},
                 {VIV_CHECKPOINT_INSTALL, 40, 40},
                 {VIV_CHECKPOINT_DELTA, 50, 40}};
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        struct viv_state_mark mark = {steps[i].zxid, steps[i].zxid, 0};
        uint64_t needed_after = 0;
        cr_assert_eq(ops->begin(kv.state, steps[i].kind, steps[i].zxid), VIV_OK);
        cr_assert_eq(ops->commit(kv.state, &mark, &needed_after), VIV_OK);
        cr_assert_eq(needed_after, steps[i].needed_after);
        kv_reopen(&kv);
    }
    kv_finish(&kv);
}

KV_TEST(a_directory_left_by_a_crash_while_building_is_removed)
{
    struct kv_fixture kv;
    kv_start(&kv, ops);
    write_full(&kv, 1, 0);
    char leftover[160], older[160];
    snprintf(leftover, sizeof leftover, "%s/%s-0-%016x.new", kv.dir, ops->name, 2);
    snprintf(older, sizeof older, "%s/%s-0-%016x", kv.dir, ops->name, 0x10);
    kv_close(&kv);
    cr_assert_eq(mkdir(leftover, 0700), 0);
    /* The newest name wins: what is there before it is what a crash left behind the rename. */
    cr_assert_eq(rename(kv_image_path(&kv), older), 0);
    cr_assert_eq(mkdir(leftover, 0700), -1);
    cr_assert_eq(kv_open(&kv), VIV_OK);
    cr_assert_eq(access(leftover, F_OK), -1);
    expect_full(&kv, 1, 0);
    kv_finish(&kv);
}

KV_TEST(a_second_process_is_kept_out)
{
    struct kv_fixture kv;
    kv_start(&kv, ops);
    struct viv_state *second;
    cr_assert_eq(ops->open(&kv.config, 0, &second, NULL), VIV_ERR_BUSY);
    cr_assert_eq(ops->open(&kv.config, 1, &second, NULL), VIV_OK, "another group is another image");
    ops->close(second);
    kv_finish(&kv);
}

KV_TEST(the_image_of_another_server_or_ensemble_is_refused)
{
    struct kv_fixture kv;
    kv_start(&kv, ops);
    write_full(&kv, 1, 0);
    kv_close(&kv);
    kv.config.server_id = 4;
    cr_assert_eq(kv_open(&kv), VIV_ERR_FOREIGN);
    kv.config.server_id = 3;
    kv.config.cluster[0] = 99;
    cr_assert_eq(kv_open(&kv), VIV_ERR_FOREIGN);
    kv.config.cluster[0] = kv.config.cluster[1] = 0; /* adopts what is found, also into the next image */
    cr_assert_eq(kv_open(&kv), VIV_OK);
    write_full(&kv, 2, 1);
    kv_close(&kv);
    kv.config.cluster[0] = 99;
    cr_assert_eq(kv_open(&kv), VIV_ERR_FOREIGN);
    kv_finish(&kv);
}

KV_TEST(a_killed_process_leaves_the_last_committed_image)
{
    static const enum viv_checkpoint_kind kinds[] = {VIV_CHECKPOINT_DELTA, VIV_CHECKPOINT_FULL, VIV_CHECKPOINT_INSTALL};
    struct kv_fixture kv[3];
    for (unsigned k = 0; k < 3; k++) {
        kv_start(&kv[k], ops);
        kv_close(&kv[k]);
        fflush(NULL);
        /* The children do all the work first: RocksDB's threads do not survive a fork. */
        pid_t child = fork();
        if (child == 0) {
            alarm(60);
            struct viv_buffer rows = rows_of(0, ROWS, 0);
            bool ready = kv_open(&kv[k]) == VIV_OK && kv_checkpoint(&kv[k], VIV_CHECKPOINT_FULL, 1, &rows) == VIV_OK;
            rows = rows_of(0, ROWS, 1);
            ready = ready && kv_checkpoint(&kv[k], VIV_CHECKPOINT_DELTA, 2, &rows) == VIV_OK;
            rows = rows_of(0, ROWS, 2);
            ready = ready && ops->begin(kv[k].state, kinds[k], 3) == VIV_OK;
            ready = ready && ops->write(kv[k].state, viv_buffer_bytes(&rows)) == VIV_OK;
            kill(getpid(), ready ? SIGKILL : SIGTERM);
        }
        int status;
        cr_assert_eq(waitpid(child, &status, 0), child);
        bool was_killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
        cr_assert(was_killed);
    }
    for (unsigned k = 0; k < 3; k++) {
        cr_assert_eq(kv_open(&kv[k]), VIV_OK);
        expect_full(&kv[k], 2, 1);
        kv_finish(&kv[k]);
    }
}

/* A limit on the size of files is a full disk that needs no root. */
static void limit_files(rlim_t bytes)
{
    struct rlimit limit;
    cr_assert_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes;
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

KV_TEST(a_full_disk_aborts_the_checkpoint_and_keeps_the_old_image)
{
    struct kv_fixture kv;
    kv_start(&kv, ops);
    signal(SIGXFSZ, SIG_IGN);
    write_full(&kv, 1, 0);
    static const enum viv_checkpoint_kind kinds[] = {VIV_CHECKPOINT_DELTA, VIV_CHECKPOINT_FULL};
    for (unsigned k = 0; k < 2; k++) {
        struct viv_buffer rows = {0};
        char *value = viv_alloc(65536);
        memset(value, 'x', 65536);
        for (unsigned i = 0; i < 64; i++) {
            for (size_t j = 0; j < 65536; j += 8) {
                uint64_t noise = (i * 65536u + j + 1) * 0x9e3779b97f4a7c15u; /* what compression cannot shrink */
                memcpy(value + j, &noise, 8);
            }
            uint8_t key[2] = {'z', (uint8_t)i};
            viv_row_append(&rows, &(struct viv_row){VIV_ROW_PUT, {key, 2}, {(uint8_t *)value, 65536}});
        }
        free(value);
        limit_files(1 << 20);
        cr_assert_eq(kv_checkpoint(&kv, kinds[k], 2, &rows), VIV_ERR_NOSPACE);
        limit_files(RLIM_INFINITY);
        expect_full(&kv, 1, 0);
    }
    /* Not terminal: with room again the next checkpoint succeeds. */
    struct viv_buffer rows = rows_of(0, ROWS, 3);
    cr_assert_eq(kv_checkpoint(&kv, VIV_CHECKPOINT_DELTA, 3, &rows), VIV_OK);
    kv_reopen(&kv);
    expect_full(&kv, 3, 3);
    kv_finish(&kv);
}

KV_TEST(malformed_rows_are_refused_and_change_nothing)
{
    struct kv_fixture kv;
    kv_start(&kv, ops);
    write_full(&kv, 1, 0);
    cr_assert_eq(ops->begin(kv.state, VIV_CHECKPOINT_DELTA, 2), VIV_OK);
    cr_assert_eq(ops->write(kv.state, VIV_BYTES_LITERAL("\x07 no row")), VIV_ERR_MALFORMED);
    expect_full(&kv, 1, 0);
    kv_finish(&kv);
}

KV_TEST(without_durability_an_image_still_outlives_the_process)
{
    struct kv_fixture kv;
    kv_start(&kv, ops);
    kv_close(&kv);
    kv.config.durable = false;
    cr_assert_eq(kv_open(&kv), VIV_OK);
    write_full(&kv, 1, 0);
    struct viv_buffer rows = rows_of(0, ROWS, 1);
    cr_assert_eq(kv_checkpoint(&kv, VIV_CHECKPOINT_DELTA, 2, &rows), VIV_OK);
    kv_reopen(&kv);
    expect_full(&kv, 2, 1);
    kv_finish(&kv);
}
