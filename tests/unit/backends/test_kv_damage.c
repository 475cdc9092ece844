#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/rng.h"
#include "tests/unit/backends/kv_fixture.h"

/* What the libraries do not tell: rot. Every test damages the files behind a closed store and opens it again. */

enum { ROWS = 400, FLIPS = 150, FILES_MAX = 64 };

static void write_images(struct kv_fixture *kv)
{
    struct viv_buffer rows = {0};
    for (unsigned i = 0; i < ROWS; i++) {
        kv_put(&rows, i, 0);
    }
    cr_assert_eq(kv_checkpoint(kv, VIV_CHECKPOINT_FULL, 1, &rows), VIV_OK);
    for (unsigned i = 0; i < ROWS; i += 7) {
        kv_delete(&rows, i);
    }
    for (unsigned i = 1; i < ROWS; i += 7) {
        kv_put(&rows, i, 1);
    }
    cr_assert_eq(kv_checkpoint(kv, VIV_CHECKPOINT_DELTA, 2, &rows), VIV_OK);
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
static enum outcome look(struct kv_fixture *kv, struct viv_bytes expected)
{
    fflush(NULL);
    pid_t child = fork();
    cr_assert_geq(child, 0);
    if (child == 0) {
        struct viv_buffer found = {0};
        struct viv_state_mark mark;
        if (kv_open(kv) != VIV_OK || kv_load(kv, &found, &mark) != VIV_OK) {
            _exit(REFUSED);
        }
        _exit(mark.zxid_start == 2 && viv_bytes_equal(viv_buffer_bytes(&found), expected) ? CORRECT : WRONG);
    }
    int status;
    cr_assert_eq(waitpid(child, &status, 0), child);
    return WIFEXITED(status) && WEXITSTATUS(status) < KILLED ? (enum outcome)WEXITSTATUS(status) : KILLED;
}

KV_TEST(random_rot_is_refused_or_harmless_never_served)
{
    struct kv_fixture kv;
    kv_start(&kv, ops);
    write_images(&kv);
    struct viv_buffer expected = {0};
    struct viv_state_mark mark;
    cr_assert_eq(kv_load(&kv, &expected, &mark), VIV_OK);
    kv_close(&kv);
    struct viv_rng rng;
    viv_rng_init(&rng, 20);
    unsigned outcomes[OUTCOMES] = {0};
    char keep[64], command[300];
    snprintf(keep, sizeof keep, "%s.keep", kv.dir);
    snprintf(command, sizeof command, "cp -r %s %s", kv.dir, keep);
    cr_assert_eq(system(command), 0);
    for (unsigned i = 0; i < FLIPS; i++) {
        off_t bytes;
        int fd = open_file(&kv, viv_rng_next(&rng), &bytes);
        if (bytes > 0) {
            off_t at = (off_t)viv_rng_below(&rng, (uint64_t)bytes);
            uint8_t mask = (uint8_t)(1u << viv_rng_below(&rng, 8));
            flip(fd, at, mask);
            enum outcome outcome = look(&kv, viv_buffer_bytes(&expected));
            outcomes[outcome]++;
            cr_assert_neq(outcome, WRONG, "flip %u: mask 0x%x at %lld of %lld bytes", i, mask, (long long)at,
                          (long long)bytes);
            cr_assert_neq(outcome, KILLED, "flip %u: mask 0x%x at %lld of %lld bytes", i, mask, (long long)at,
                          (long long)bytes);
        }
        close(fd);
        /* Opening may have rewritten files; every flip starts from the same ones. */
        snprintf(command, sizeof command, "rm -r %s && cp -r %s %s", kv.dir, keep, kv.dir);
        cr_assert_eq(system(command), 0);
    }
    /* Negative control: the sweep did hit what matters, and an untouched image is found correct. */
    cr_assert_gt(outcomes[REFUSED], FLIPS / 20);
    cr_assert_eq(look(&kv, viv_buffer_bytes(&expected)), CORRECT);
    snprintf(command, sizeof command, "rm -r %s", keep);
    cr_assert_eq(system(command), 0);
    viv_buffer_fini(&expected);
    kv_finish(&kv);
}
