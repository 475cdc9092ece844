#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/rng.h"
#include "store/file_io.h"
#include "tests/contract/store_suite.h"

static void reopen_if_durable(struct world *world)
{
    if (!world_is_volatile(world)) {
        world_reopen_state(world);
    }
}

static void expect_versions(unsigned first, unsigned count, unsigned version)
{
    for (unsigned key = first; key < first + count; key++) {
        cr_assert_eq(world_version_of(key), version, "key %u has version %u", key, world_version_of(key));
    }
}

static void a_new_store_has_no_image(struct world *world)
{
    struct viv_state_mark mark;
    world_open_state(world);
    cr_assert_eq(world_try_load(world, &mark), VIV_ERR_NOT_FOUND);
    cr_assert_eq(world_loaded_count(), 0);
}

static void a_committed_image_comes_back_whole(struct world *world)
{
    world_open_state(world);
    world_checkpoint(world, VIV_CHECKPOINT_FULL, 10, 0, 50000, 1);
    reopen_if_durable(world);
    world_load(world, 10);
    cr_assert_eq(world_loaded_count(), 50000);
    expect_versions(0, 50000, 1);
    cr_assert_eq(world_restart_count(), 0);
}

static void one_thread_loads_what_two_do(struct world *world)
{
    world->config.load_threads = 1;
    world_open_state(world);
    world_checkpoint(world, VIV_CHECKPOINT_FULL, 10, 0, 30000, 1);
    reopen_if_durable(world);
    world_load(world, 10);
    cr_assert_eq(world_loaded_count(), 30000);
    expect_versions(0, 30000, 1);
}

static void an_image_may_be_empty(struct world *world)
{
    world_open_state(world);
    world_checkpoint(world, VIV_CHECKPOINT_FULL, 0, 0, 0, 0);
    reopen_if_durable(world);
    world_load(world, 0);
    cr_assert_eq(world_loaded_count(), 0);
}

static void a_full_image_supersedes_the_one_before(struct world *world)
{
    world_open_state(world);
    for (unsigned version = 1; version <= 5; version++) {
        world_checkpoint(world, VIV_CHECKPOINT_FULL, version * 100, version * 10, 2000, version);
        reopen_if_durable(world);
        world_load(world, version * 100);
        cr_assert_eq(world_loaded_count(), 2000);
        expect_versions(version * 10, 2000, version);
    }
}

static void thinning_leaves_the_newest_image_and_frees_the_log_before_it(struct world *world)
{
    uint64_t needed = 7;
    world_open_state(world);
    cr_assert_eq(viv_state_thin(world->state, &needed), VIV_OK);
    cr_assert_eq(needed, 0, "there is no image yet");
    for (unsigned version = 1; version <= 3; version++) {
        world_checkpoint(world, VIV_CHECKPOINT_FULL, version * 100, 0, 2000, version);
    }
    cr_assert_eq(viv_state_thin(world->state, &needed), VIV_OK);
    cr_assert_eq(needed, 300);
    cr_assert_eq(viv_state_thin(world->state, &needed), VIV_OK, "it may be asked again");
    reopen_if_durable(world);
    world_load(world, 300);
    cr_assert_eq(world_loaded_count(), 2000);
    expect_versions(0, 2000, 3);
    cr_assert_eq(world_restart_count(), 0);
}

static void an_aborted_checkpoint_leaves_no_trace(struct world *world)
{
    world_open_state(world);
    world_checkpoint(world, VIV_CHECKPOINT_FULL, 10, 0, 1000, 1);
    cr_assert_eq(viv_state_begin(world->state, VIV_CHECKPOINT_FULL, 20), VIV_OK);
    world_write_rows(world, VIV_ROW_PUT, 500, 40000, 2);
    viv_state_abort(world->state);
    reopen_if_durable(world);
    world_load(world, 10);
    cr_assert_eq(world_loaded_count(), 1000);
    world_checkpoint(world, VIV_CHECKPOINT_FULL, 30, 0, 10, 3);
    world_load(world, 30);
    cr_assert_eq(world_loaded_count(), 10);
}

static void a_checkpoint_that_a_kill_cut_short_leaves_no_trace(struct world *world)
{
    world_needs_durability(world);
    world_open_state(world);
    world_checkpoint(world, VIV_CHECKPOINT_FULL, 10, 0, 1000, 1);
    cr_assert_eq(viv_state_begin(world->state, VIV_CHECKPOINT_FULL, 20), VIV_OK);
    world_write_rows(world, VIV_ROW_PUT, 0, 40000, 2);
    world_reopen_state(world);
    world_load(world, 10);
    cr_assert_eq(world_loaded_count(), 1000);
    expect_versions(0, 1000, 1);
}

static void deltas_put_and_delete_on_top_of_the_newest_image(struct world *world)
{
    if (!world_takes_deltas(world)) {
        world_fini(world);
        cr_skip_test("this state store takes whole images only");
    }
    world_open_state(world);
    world_checkpoint(world, VIV_CHECKPOINT_FULL, 10, 0, 5000, 1);
    for (unsigned round = 0; round < 3; round++) {
        uint64_t needed;
        struct viv_state_mark mark = {20 + round, 25 + round, (20 + round) * 1000};
        cr_assert_eq(viv_state_begin(world->state, VIV_CHECKPOINT_DELTA, 20 + round), VIV_OK);
        world_write_rows(world, VIV_ROW_DELETE, round * 100, 100, 0);
        world_write_rows(world, VIV_ROW_DELETE, 90000, 10, 0);
        world_write_rows(world, VIV_ROW_PUT, 4000, 2000, 2 + round);
        cr_assert_eq(viv_state_commit(world->state, &mark, &needed), VIV_OK);
        cr_assert_leq(needed, 20 + round);
        world_reopen_state(world);
        world_load(world, 20 + round);
        cr_assert_eq(world_loaded_count(), 6000 - 100 * (round + 1));
        expect_versions(0, 100 * (round + 1), 0);
        expect_versions(100 * (round + 1), 4000 - 100 * (round + 1), 1);
        expect_versions(4000, 2000, 2 + round);
    }
}

static void a_delta_that_a_kill_cut_short_changes_nothing(struct world *world)
{
    if (!world_takes_deltas(world)) {
        world_fini(world);
        cr_skip_test("this state store takes whole images only");
    }
    world_open_state(world);
    world_checkpoint(world, VIV_CHECKPOINT_FULL, 10, 0, 3000, 1);
    cr_assert_eq(viv_state_begin(world->state, VIV_CHECKPOINT_DELTA, 20), VIV_OK);
    world_write_rows(world, VIV_ROW_DELETE, 0, 500, 0);
    world_write_rows(world, VIV_ROW_PUT, 1000, 5000, 2);
    world_reopen_state(world);
    world_load(world, 10);
    cr_assert_eq(world_loaded_count(), 3000);
    expect_versions(0, 3000, 1);
}

static void an_installed_image_makes_all_others_useless(struct world *world)
{
    world_open_state(world);
    world_checkpoint(world, VIV_CHECKPOINT_FULL, 100, 0, 3000, 1);
    world_checkpoint(world, VIV_CHECKPOINT_FULL, 200, 0, 3000, 2);
    cr_assert_eq(viv_state_begin(world->state, VIV_CHECKPOINT_INSTALL, 150), VIV_OK);
    world_write_rows(world, VIV_ROW_PUT, 7000, 10, 3);
    struct viv_state_mark mark = {150, 155, 150000};
    uint64_t needed = 0;
    cr_assert_eq(viv_state_commit(world->state, &mark, &needed), VIV_OK);
    cr_assert_eq(needed, 150);
    reopen_if_durable(world);
    world_load(world, 150);
    cr_assert_eq(world_loaded_count(), 10);
    world_checkpoint(world, VIV_CHECKPOINT_FULL, 160, 0, 5, 4);
    reopen_if_durable(world);
    world_load(world, 160);
    cr_assert_eq(world_loaded_count(), 5);
}

static void the_log_is_kept_from_the_older_of_the_images_that_are_kept(struct world *world)
{
    world_open_state(world);
    uint64_t needed_before = 0;
    for (uint64_t zxid = 100; zxid <= 500; zxid += 100) {
        cr_assert_eq(viv_state_begin(world->state, VIV_CHECKPOINT_FULL, zxid), VIV_OK);
        world_write_rows(world, VIV_ROW_PUT, 0, 10, 1);
        struct viv_state_mark mark = {zxid, zxid + 5, zxid * 1000};
        uint64_t needed;
        cr_assert_eq(viv_state_commit(world->state, &mark, &needed), VIV_OK);
        cr_assert_leq(needed, zxid);
        cr_assert_geq(needed, needed_before);
        needed_before = needed;
    }
    cr_assert_geq(needed_before, 400);
}

static viv_status refuse_rows(void *ctx, struct viv_bytes rows)
{
    (void)ctx;
    (void)rows;
    return VIV_ERR_LIMIT;
}

static void ignore_restart(void *ctx)
{
    (void)ctx;
}

static void a_receiver_can_end_the_load(struct world *world)
{
    world_open_state(world);
    world_checkpoint(world, VIV_CHECKPOINT_FULL, 10, 0, 90000, 1);
    struct viv_state_mark mark;
    cr_assert_eq(viv_state_load(world->state, refuse_rows, ignore_restart, NULL, &mark, &world->report), VIV_ERR_LIMIT);
    world_load(world, 10);
    cr_assert_eq(world_loaded_count(), 90000);
}

static void groups_have_images_of_their_own(struct world *world)
{
    world_open_state(world);
    world_checkpoint(world, VIV_CHECKPOINT_FULL, 10, 0, 100, 1);
    struct viv_state *first = world->state;
    cr_assert_eq(viv_state_open(world->configuration->state, &world->config, 5, &world->state, &world->report), VIV_OK);
    world_checkpoint(world, VIV_CHECKPOINT_INSTALL, 77, 0, 30, 2);
    world_load(world, 77);
    cr_assert_eq(world_loaded_count(), 30);
    viv_state_close(world->state);
    world->state = first;
    reopen_if_durable(world);
    world_load(world, 10);
    cr_assert_eq(world_loaded_count(), 100);
}

static void images_of_another_server_or_ensemble_are_refused(struct world *world)
{
    world_needs_durability(world);
    world_open_state(world);
    world_checkpoint(world, VIV_CHECKPOINT_FULL, 10, 0, 100, 1);
    viv_state_close(world->state);
    world->state = NULL;
    struct viv_store_config foreign = world->config;
    foreign.server_id = 9;
    struct viv_state *state;
    cr_assert_eq(viv_state_open(world->configuration->state, &foreign, 0, &state, &world->report), VIV_ERR_FOREIGN);
    foreign = world->config;
    foreign.cluster[0] = 1;
    cr_assert_eq(viv_state_open(world->configuration->state, &foreign, 0, &state, &world->report), VIV_ERR_FOREIGN);
    world_open_state(world);
    world_load(world, 10);
}

/* The paths of every file of the folder and one level below, each ended by a NUL. */
static void collect(const char *path, int depth, struct viv_buffer *paths)
{
    struct viv_file_names names;
    cr_assert_eq(viv_file_list(&viv_disk_real, path, &names), VIV_OK);
    for (size_t i = 0; i < names.count; i++) {
        char inner[512];
        snprintf(inner, sizeof inner, "%s/%s", path, names.names[i]);
        FILE *file = fopen(inner, "r+b");
        if (file != NULL) {
            fclose(file);
            viv_buffer_append(paths, inner, strlen(inner) + 1);
        } else if (depth > 0) {
            collect(inner, depth - 1, paths);
        }
    }
    viv_file_names_fini(&names);
}

/* Flips one bit somewhere in the files of the folder and says where. False when it met an empty file. */
static bool flip_some_bit(const char *dir, struct viv_rng *rng, char *where, size_t where_size)
{
    struct viv_buffer paths = {0};
    collect(dir, 1, &paths);
    const char *path = (const char *)paths.data;
    for (uint64_t skip = viv_rng_below(rng, 100); skip > 0; skip--) {
        path += strlen(path) + 1;
        path = path == (const char *)paths.data + paths.size ? (const char *)paths.data : path;
    }
    FILE *file = fopen(path, "r+b");
    cr_assert_not_null(file);
    fseek(file, 0, SEEK_END);
    long size = ftell(file);
    if (size > 0) {
        long position = (long)viv_rng_below(rng, (uint64_t)size);
        int bit = (int)viv_rng_below(rng, 8);
        fseek(file, position, SEEK_SET);
        int byte = fgetc(file);
        fseek(file, position, SEEK_SET);
        fputc(byte ^ (1 << bit), file);
        snprintf(where, where_size, "bit %d of byte %ld of %s", bit, position, path);
    }
    fclose(file);
    viv_buffer_fini(&paths);
    return size > 0;
}

/* A shell command with the folder's name put into it. */
static void run(const char *format, const char *dir)
{
    struct viv_buffer command = {0};
    for (const char *at = format; *at != '\0'; at++) {
        viv_buffer_append(&command, *at == '@' ? dir : at, *at == '@' ? strlen(dir) : 1);
    }
    viv_buffer_append(&command, "", 1);
    cr_assert_eq(system((const char *)command.data), 0);
    viv_buffer_fini(&command);
}

enum { SOUND = 0, REFUSED = 1, WRONG = 2 };

/* In a process of its own: what a server that starts on these files would see. */
static int judge(struct world *world)
{
    pid_t child = fork();
    if (child == 0) {
        struct viv_state_mark mark;
        world->report = (struct viv_store_report){0};
        if (viv_state_open(world->configuration->state, &world->config, 0, &world->state, &world->report) != VIV_OK ||
            world_try_load(world, &mark) != VIV_OK) {
            _exit(REFUSED);
        }
        unsigned version = (unsigned)(mark.zxid_start / 100);
        bool is_right = mark.digest == mark.zxid_start * 1000 && version >= 1 && version <= 2 &&
                        world_loaded_count() == 1000 * version;
        for (unsigned key = 0; key < 1000 * version; key++) {
            is_right = is_right && world_version_of(key) == version;
        }
        _exit(is_right ? SOUND : WRONG);
    }
    int status;
    cr_assert_eq(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : REFUSED; /* dying is refusing, too */
}

static void a_flipped_bit_never_changes_what_is_loaded(struct world *world)
{
    world_needs_durability(world);
    world_open_state(world);
    world_checkpoint(world, VIV_CHECKPOINT_FULL, 100, 0, 1000, 1);
    world_checkpoint(world, VIV_CHECKPOINT_FULL, 200, 0, 2000, 2);
    viv_state_close(world->state);
    world->state = NULL;
    run("cp -a @ @.sound", world->dir);
    struct viv_rng rng;
    viv_rng_init(&rng, 7);
    for (int round = 0; round < 40; round++) {
        char where[600] = "";
        if (flip_some_bit(world->dir, &rng, where, sizeof where)) {
            cr_expect_neq(judge(world), WRONG, "%s", where);
            run("rm -rf @ && cp -a @.sound @", world->dir);
        }
    }
    cr_assert_eq(judge(world), SOUND);
    run("rm -rf @.sound", world->dir);
}

/* A whole round over the images, and more; what it came to. */
static viv_status look_at_everything(struct world *world, size_t step_bytes)
{
    viv_status status = VIV_OK;
    size_t bytes;
    for (unsigned i = 0; i < 10 && status == VIV_OK; i++) {
        status = viv_state_scrub(world->state, step_bytes, &bytes);
        cr_assert(status != VIV_OK || bytes > 0);
    }
    return status;
}

static void sound_images_are_found_sound_also_between_deltas(struct world *world)
{
    world_needs_durability(world);
    world_open_state(world);
    size_t bytes = 1;
    cr_assert_eq(viv_state_scrub(world->state, 1000, &bytes), VIV_OK);
    cr_assert_eq(bytes, 0, "there is no image yet");
    world_checkpoint(world, VIV_CHECKPOINT_FULL, 10, 0, 5000, 1);
    cr_assert_eq(look_at_everything(world, 30000), VIV_OK);
    for (unsigned round = 0; round < 20; round++) {
        unsigned zxid = 20 + round;
        bool is_delta = world_takes_deltas(world);
        struct viv_state_mark mark = {zxid, zxid + 5, zxid * 1000};
        uint64_t needed;
        cr_assert_eq(viv_state_begin(world->state, is_delta ? VIV_CHECKPOINT_DELTA : VIV_CHECKPOINT_FULL, zxid),
                     VIV_OK);
        if (is_delta) {
            world_write_rows(world, VIV_ROW_DELETE, round * 97 % 5000, 20, 0);
        }
        world_write_rows(world, VIV_ROW_PUT, round * 131 % 5000, 60, 2 + round);
        cr_assert_eq(viv_state_commit(world->state, &mark, &needed), VIV_OK);
        cr_assert_eq(viv_state_scrub(world->state, 30000, &bytes), VIV_OK, "round %u", round);
    }
    cr_assert_eq(look_at_everything(world, 30000), VIV_OK);
    world_load(world, 39);
}

/* A bit of what RocksDB writes for people is nobody's loss. */
static bool flip_until_found(struct world *world, struct viv_rng *rng, char *where, size_t where_size)
{
    for (int i = 0; i < 400; i++) {
        if (flip_some_bit(world->dir, rng, where, where_size) &&
            look_at_everything(world, 1 << 20) == VIV_ERR_CORRUPT) {
            return true;
        }
    }
    return false;
}

static void what_rots_in_an_open_image_is_found_and_a_whole_image_makes_it_good(struct world *world)
{
    world_needs_durability(world);
    world_open_state(world);
    struct viv_rng rng;
    viv_rng_init(&rng, 11);
    world_checkpoint(world, VIV_CHECKPOINT_FULL, 100, 0, 3000, 1);
    for (unsigned round = 0; round < 4; round++) {
        char where[600] = "";
        size_t bytes;
        uint64_t zxid = 200 + round;
        cr_assert(flip_until_found(world, &rng, where, sizeof where));
        cr_assert_eq(viv_state_scrub(world->state, 1000, &bytes), VIV_ERR_CORRUPT, "told until it is made good");
        if (world_takes_deltas(world)) {
            cr_assert_eq(viv_state_begin(world->state, VIV_CHECKPOINT_DELTA, zxid), VIV_ERR_CORRUPT, "%s", where);
        }
        world_checkpoint(world, VIV_CHECKPOINT_FULL, zxid, 0, 3000, 2 + round);
        cr_assert_eq(look_at_everything(world, 1 << 20), VIV_OK, "%s", where);
    }
    world_reopen_state(world);
    world_load(world, 203);
    expect_versions(0, 3000, 5);
}

static void an_image_whose_files_are_gone_is_told_of_and_replaced(struct world *world)
{
    world_needs_durability(world);
    world_open_state(world);
    world_checkpoint(world, VIV_CHECKPOINT_FULL, 100, 0, 3000, 1);
    run("find @ -type f ! -name '*.lock' -delete", world->dir);
    cr_assert_eq(look_at_everything(world, 1 << 20), VIV_ERR_CORRUPT);
    world_checkpoint(world, VIV_CHECKPOINT_FULL, 200, 0, 3000, 2);
    cr_assert_eq(look_at_everything(world, 1 << 20), VIV_OK);
    world_reopen_state(world);
    world_load(world, 200);
    expect_versions(0, 3000, 2);
}

#define VIV_SCENARIOS(S, ...)                                                                                          \
    S(a_new_store_has_no_image, __VA_ARGS__)                                                                           \
    S(a_committed_image_comes_back_whole, __VA_ARGS__)                                                                 \
    S(one_thread_loads_what_two_do, __VA_ARGS__)                                                                       \
    S(an_image_may_be_empty, __VA_ARGS__)                                                                              \
    S(a_full_image_supersedes_the_one_before, __VA_ARGS__)                                                             \
    S(thinning_leaves_the_newest_image_and_frees_the_log_before_it, __VA_ARGS__)                                       \
    S(an_aborted_checkpoint_leaves_no_trace, __VA_ARGS__)                                                              \
    S(a_checkpoint_that_a_kill_cut_short_leaves_no_trace, __VA_ARGS__)                                                 \
    S(deltas_put_and_delete_on_top_of_the_newest_image, __VA_ARGS__)                                                   \
    S(a_delta_that_a_kill_cut_short_changes_nothing, __VA_ARGS__)                                                      \
    S(an_installed_image_makes_all_others_useless, __VA_ARGS__)                                                        \
    S(the_log_is_kept_from_the_older_of_the_images_that_are_kept, __VA_ARGS__)                                         \
    S(a_receiver_can_end_the_load, __VA_ARGS__)                                                                        \
    S(groups_have_images_of_their_own, __VA_ARGS__)                                                                    \
    S(images_of_another_server_or_ensemble_are_refused, __VA_ARGS__)                                                   \
    S(a_flipped_bit_never_changes_what_is_loaded, __VA_ARGS__)                                                         \
    S(sound_images_are_found_sound_also_between_deltas, __VA_ARGS__)                                                   \
    S(what_rots_in_an_open_image_is_found_and_a_whole_image_makes_it_good, __VA_ARGS__)                                \
    S(an_image_whose_files_are_gone_is_told_of_and_replaced, __VA_ARGS__)

#define VIV_CONFIGURATION(name, log, state, purpose) VIV_SCENARIOS(VIV_STAMP, name, log, state)
#include "backends/configurations.def"
#undef VIV_CONFIGURATION
