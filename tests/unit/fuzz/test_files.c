#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/store_world.h"
#include "tests/unit/fuzz/fuzz.h"
#include "zkdata/snapshot.h"

/* Damaged files of our log, our images, and ZooKeeper's snapshots: opened, refused or cut, never believed blindly. */

enum { ROUNDS = 1000, SNAPSHOT_ROUNDS = 2000, FILES_MAX = 8, ENTRIES = 60, ROWS = 200 };

/* ---- a folder that can be put back ---- */

struct kept_file {
    char name[256];
    struct viv_buffer bytes; /* without the zeros in its middle, or at its end */
    struct viv_buffer tail;  /* what stands in the second half, from its first byte that is not zero */
    off_t size;
};

struct kept_folder {
    int fd;
    struct kept_file files[FILES_MAX];
    size_t count;
};

static void read_whole(int folder, const char *name, struct viv_buffer *bytes)
{
    int fd = openat(folder, name, O_RDONLY);
    cr_assert_geq(fd, 0, "%s", name);
    struct stat status;
    cr_assert_eq(fstat(fd, &status), 0);
    size_t size = (size_t)status.st_size;
    cr_assert_eq(read(fd, viv_buffer_extend(bytes, size), size), (ssize_t)size);
    close(fd);
}

static void read_file(int folder, struct kept_file *file)
{
    read_whole(folder, file->name, &file->bytes);
    file->size = (off_t)file->bytes.size;
    size_t tail = file->bytes.size / 2;
    while (tail < file->bytes.size && file->bytes.data[tail] == 0) {
        tail++;
    }
    viv_buffer_append(&file->tail, file->bytes.data + tail, file->bytes.size - tail);
    file->bytes.size = tail;
    while (file->bytes.size > 0 && file->bytes.data[file->bytes.size - 1] == 0) {
        file->bytes.size--;
    }
}

static void keep_folder(struct kept_folder *kept, const char *path)
{
    *kept = (struct kept_folder){.fd = open(path, O_RDONLY | O_DIRECTORY)};
    cr_assert_geq(kept->fd, 0);
    DIR *folder = opendir(path);
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        if (entry->d_name[0] != '.') {
            cr_assert_lt(kept->count, (size_t)FILES_MAX);
            struct kept_file *file = &kept->files[kept->count++];
            snprintf(file->name, sizeof file->name, "%s", entry->d_name);
            read_file(kept->fd, file);
        }
    }
    closedir(folder);
}

static void empty_folder(const char *path, int fd)
{
    DIR *folder = opendir(path);
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        if (entry->d_name[0] != '.') {
            cr_assert_eq(unlinkat(fd, entry->d_name, 0), 0);
        }
    }
    closedir(folder);
}

/* Puts the files back, the one whose name starts with `prefix` damaged. */
static void damage_folder(const struct kept_folder *kept, const char *path, const char *prefix, struct viv_rng *rng)
{
    struct viv_buffer damaged = {0};
    empty_folder(path, kept->fd);
    for (size_t i = 0; i < kept->count; i++) {
        const struct kept_file *file = &kept->files[i];
        bool is_chosen = strncmp(file->name, prefix, strlen(prefix)) == 0;
        bool is_tail = is_chosen && file->tail.size > 0 && viv_rng_below(rng, 3) == 0;
        viv_buffer_clear(&damaged);
        viv_buffer_append_bytes(&damaged, viv_buffer_bytes(is_tail ? &file->tail : &file->bytes));
        if (is_chosen) {
            fuzz_mutate(rng, &damaged);
        }
        struct viv_buffer tail = is_tail ? damaged : file->tail;
        struct viv_buffer front = is_tail ? file->bytes : damaged;
        int fd = openat(kept->fd, file->name, O_WRONLY | O_CREAT | O_TRUNC, 0600);
        cr_assert_geq(fd, 0);
        cr_assert_eq(write(fd, front.data, front.size), (ssize_t)front.size);
        if (!is_chosen || is_tail || viv_rng_below(rng, 2) == 0) {
            off_t at = file->size - (off_t)file->tail.size;
            cr_assert_eq(ftruncate(fd, file->size), 0);
            cr_assert_eq(pwrite(fd, tail.data, tail.size, at), (ssize_t)tail.size);
        }
        close(fd);
    }
    viv_buffer_fini(&damaged);
}

static void forget_folder(struct kept_folder *kept)
{
    for (size_t i = 0; i < kept->count; i++) {
        viv_buffer_fini(&kept->files[i].bytes);
        viv_buffer_fini(&kept->files[i].tail);
    }
    close(kept->fd);
}

/* ---- ours ---- */

static void flat_world(struct world *world)
{
    world_init(world, viv_configuration_find("flat"));
    world->config.durable = false;          /* what reaches the disk when is not the question here */
    world->config.segment_bytes = 64 << 10; /* most of a larger one is zeros, and opening looks at all of them */
}

static void read_log(struct viv_log *log)
{
    struct viv_log_bounds bounds;
    struct viv_log_iter *iter;
    viv_log_bounds(log, 0, &bounds);
    cr_assert(bounds.base_zxid <= bounds.last_zxid && bounds.commit_zxid <= bounds.last_zxid);
    cr_assert_leq(bounds.last_zxid, ENTRIES);
    cr_assert_eq(viv_log_iter_open(log, 0, bounds.base_zxid, bounds.last_zxid, &iter), VIV_OK);
    struct viv_entry entries[16];
    size_t count = 0;
    while (viv_log_iter_next(log, iter, entries, 16, 1 << 20, &count) == VIV_OK && count > 0) {
        for (size_t i = 0; i < count; i++) {
            struct viv_entry expected = world_entry(0, entries[i].zxid, 1);
            cr_assert_eq(entries[i].body_crc, expected.body_crc);
            cr_assert(viv_entry_is_damaged(&entries[i]) || viv_bytes_equal(entries[i].body, expected.body),
                      "an entry that nobody wrote");
        }
    }
    viv_log_iter_close(log, iter);
}

static void fuzz_log_file(const char *prefix, uint64_t seed)
{
    struct world world;
    struct kept_folder kept;
    struct viv_rng rng;
    viv_rng_init(&rng, seed);
    flat_world(&world);
    world_open_log(&world);
    for (uint64_t zxid = 1; zxid <= ENTRIES; zxid += 6) {
        world_append_synced(&world, 0, zxid, zxid + 5, 1);
    }
    cr_assert_eq(viv_log_settle(world.log), VIV_OK);
    world_close_log(&world);
    keep_folder(&kept, world.dir);
    for (unsigned round = 0; round < fuzz_rounds(ROUNDS); round++) {
        damage_folder(&kept, world.dir, prefix, &rng);
        if (world_try_open_log(&world) == VIV_OK) {
            struct viv_scrub scrub = {0};
            read_log(world.log);
            while (scrub.rounds == 0) {
                cr_assert_eq(viv_log_scrub(world.log, &scrub, 1 << 20), VIV_OK);
            }
            world_close_log(&world);
        }
        viv_buffer_clear(&world.lines);
    }
    forget_folder(&kept);
    world_fini(&world);
}

VIV_TEST(fuzz_files, a_damaged_log_is_mended_cut_or_refused_and_never_invents_an_entry)
{
    fuzz_log_file("log-", 6);
}

VIV_TEST(fuzz_files, a_damaged_hard_state_is_refused_or_repaired)
{
    fuzz_log_file("hard", 7);
}

static viv_status take_rows(void *ctx, struct viv_bytes rows)
{
    unsigned *count = ctx;
    struct viv_row row;
    while (viv_row_next(&rows, &row)) {
        ++*count;
    }
    cr_assert_eq(rows.size, 0, "rows that nobody wrote");
    return VIV_OK;
}

static void start_over(void *ctx)
{
    *(unsigned *)ctx = 0;
}

VIV_TEST(fuzz_files, a_damaged_image_falls_back_or_is_refused)
{
    struct world world;
    struct kept_folder kept;
    struct viv_rng rng;
    viv_rng_init(&rng, 8);
    flat_world(&world);
    world_open_state(&world);
    world_checkpoint(&world, VIV_CHECKPOINT_FULL, 10, 0, ROWS, 1);
    viv_state_close(world.state);
    world.state = NULL;
    keep_folder(&kept, world.dir);
    for (unsigned round = 0; round < fuzz_rounds(ROUNDS); round++) {
        damage_folder(&kept, world.dir, "snap-", &rng);
        struct viv_state_mark mark;
        struct viv_store_report report = {0};
        unsigned count = 0;
        if (viv_state_open(world.configuration->state, &world.config, 0, &world.state, &report) == VIV_OK) {
            if (viv_state_load(world.state, take_rows, start_over, &count, &mark, &report) == VIV_OK) {
                cr_assert_eq(count, ROWS, "an image that was believed lacks rows");
            }
            viv_state_close(world.state);
            world.state = NULL;
        }
        viv_buffer_clear(&world.lines);
    }
    forget_folder(&kept);
    world_fini(&world);
}

/* ---- ZooKeeper's ---- */

static viv_status take_node(void *ctx, const struct viv_zk_node *node)
{
    (void)ctx;
    cr_assert(node->path.size > 0);
    return VIV_OK;
}

VIV_TEST(fuzz_files, a_damaged_snapshot_of_zookeepers_is_refused)
{
    static const char *const names[] = {"basic/version-2/snapshot.0", "fuzzy-snapshot/version-2/snapshot.19e5"};
    char path[512], copy[64];
    const char *top = getenv("VIV_SOURCE_DIR"), *place = getenv("TMPDIR");
    snprintf(copy, sizeof copy, "%.40s/viv-fuzz-XXXXXX", place != NULL ? place : "/tmp");
    int fd = mkstemp(copy);
    cr_assert_geq(fd, 0);
    struct viv_buffer bytes = {0};
    struct viv_rng rng;
    viv_rng_init(&rng, 9);
    for (size_t i = 0; i < 2; i++) {
        struct viv_buffer whole = {0};
        snprintf(path, sizeof path, "%s/datasets/zookeeper-3.8/%s", top == NULL ? "." : top, names[i]);
        read_whole(AT_FDCWD, path, &whole);
        for (unsigned round = 0; round < fuzz_rounds(SNAPSHOT_ROUNDS) / 2; round++) {
            viv_buffer_clear(&bytes);
            viv_buffer_append_bytes(&bytes, viv_buffer_bytes(&whole));
            fuzz_mutate(&rng, &bytes);
            cr_assert_eq(pwrite(fd, bytes.data, bytes.size, 0), (ssize_t)bytes.size);
            cr_assert_eq(ftruncate(fd, (off_t)bytes.size), 0);
            struct viv_zk_snapshot_info info;
            (void)!viv_zk_snapshot_read(copy, take_node, &info, NULL);
        }
        viv_buffer_fini(&whole);
    }
    close(fd);
    unlink(copy);
    viv_buffer_fini(&bytes);
}
