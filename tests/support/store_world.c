#include "tests/support/store_world.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/checksum.h"
#include "base/log.h"
#include "store/file_io.h"

enum { KEYS_MAX = 100000, LOG_BITE = 3 };

static unsigned loaded_versions[KEYS_MAX];
static unsigned loaded_count;
static unsigned restart_count;

static void capture(void *ctx, enum viv_log_level level, const char *room, const char *text, const char *fields)
{
    struct world *world = ctx;
    (void)level;
    viv_buffer_printf(&world->lines, "%s: %s %s\n", room, text, fields);
}

void world_init(struct world *world, const struct viv_configuration *configuration)
{
    *world = (struct world){.configuration = configuration};
    const char *top = getenv("TMPDIR");
    snprintf(world->dir, sizeof world->dir, "%.40s/viv-store-XXXXXX", top != NULL ? top : "/tmp");
    cr_assert_not_null(mkdtemp(world->dir));
    world->config = (struct viv_store_config){
        .log_dir = world->dir,
        .state_dir = world->dir,
        .cluster = {11, 22},
        .server_id = 3,
        .durable = !(configuration->log->traits & VIV_STORE_VOLATILE),
        .segment_bytes = 1 << 20,
        .load_threads = 2,
    };
    viv_log_set_sink(VIV_LOG_INFO, capture, world);
}

/* Folders of backends are one level deep. */
static void remove_folder(const char *path)
{
    DIR *directory = opendir(path);
    if (directory == NULL) {
        return;
    }
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        char inner[512];
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            snprintf(inner, sizeof inner, "%s/%s", path, entry->d_name);
            if (unlink(inner) != 0) {
                remove_folder(inner);
            }
        }
    }
    closedir(directory);
    rmdir(path);
}

static void close_state(struct world *world)
{
    if (world->state != NULL) {
        viv_state_close(world->state);
        world->state = NULL;
    }
}

void world_fini(struct world *world)
{
    close_state(world);
    world_close_log(world);
    viv_log_set_sink(VIV_LOG_INFO, NULL, NULL);
    viv_buffer_fini(&world->lines);
    remove_folder(world->dir);
}

bool world_is_volatile(const struct world *world)
{
    return (world->configuration->log->traits & VIV_STORE_VOLATILE) != 0;
}

void world_needs_durability(struct world *world)
{
    if (world_is_volatile(world)) {
        world_fini(world);
        cr_skip_test("nothing survives in this configuration");
    }
}

bool world_takes_deltas(const struct world *world)
{
    return (world->configuration->state->traits & VIV_STORE_DELTAS) != 0;
}

viv_status world_try_open_log(struct world *world)
{
    world->report = (struct viv_store_report){0};
    return viv_log_open(world->configuration->log, &world->config, &world->log, &world->report);
}

void world_open_log(struct world *world)
{
    viv_status status = world_try_open_log(world);
    cr_assert_eq(status, VIV_OK, "open: %s\n%.*s", viv_status_text(status), (int)world->lines.size,
                 (const char *)world->lines.data);
}

void world_close_log(struct world *world)
{
    if (world->log != NULL) {
        viv_log_close(world->log);
        world->log = NULL;
    }
}

void world_reopen_log(struct world *world)
{
    world_close_log(world);
    world_open_log(world);
}

void world_open_state(struct world *world)
{
    viv_status status = viv_state_open(world->configuration->state, &world->config, 0, &world->state, &world->report);
    cr_assert_eq(status, VIV_OK, "open: %s\n%.*s", viv_status_text(status), (int)world->lines.size,
                 (const char *)world->lines.data);
}

void world_reopen_state(struct world *world)
{
    close_state(world);
    world_open_state(world);
}

bool world_logged(const struct world *world, const char *words)
{
    return world->lines.size > 0 && memmem(world->lines.data, world->lines.size, words, strlen(words)) != NULL;
}

bool world_file(const struct world *world, const char *prefix, size_t n, char *path, size_t path_size)
{
    struct viv_file_names names;
    cr_assert_eq(viv_file_list(&viv_disk_real, world->dir, &names), VIV_OK);
    bool is_found = false;
    for (size_t i = 0; i < names.count && !is_found; i++) {
        if (strncmp(names.names[i], prefix, strlen(prefix)) == 0 && n-- == 0) {
            snprintf(path, path_size, "%s/%s", world->dir, names.names[i]);
            is_found = true;
        }
    }
    viv_file_names_fini(&names);
    return is_found;
}

size_t world_file_count(const struct world *world, const char *prefix)
{
    char path[512];
    size_t count = 0;
    while (world_file(world, prefix, count, path, sizeof path)) {
        count++;
    }
    return count;
}

/* Sizes from nothing to a few hundred bytes, so that batches end anywhere in a sector. */
static struct viv_bytes body_of(viv_gid gid, uint64_t zxid, unsigned lineage, struct viv_buffer *to)
{
    size_t start = to->size;
    if (zxid % 7 != 0) {
        viv_buffer_printf(to, "%u/%llx/%u ", gid, (unsigned long long)zxid, lineage);
        memset(viv_buffer_extend(to, (size_t)(zxid * 37 % 300)), (int)('a' + zxid % 26), (size_t)(zxid * 37 % 300));
    }
    return viv_bytes_of(to->size > start ? to->data + start : NULL, to->size - start);
}

struct viv_entry world_entry(viv_gid gid, uint64_t zxid, unsigned lineage)
{
    static uint8_t bytes[512];
    struct viv_buffer buffer = {0};
    struct viv_bytes body = body_of(gid, zxid, lineage, &buffer);
    cr_assert_leq(body.size, sizeof bytes);
    if (body.size > 0) {
        memcpy(bytes, body.data, body.size);
    }
    viv_buffer_fini(&buffer);
    return (struct viv_entry){zxid, {bytes, body.size}, viv_crc32c(0, bytes, body.size)};
}

void world_append(struct world *world, viv_gid gid, uint64_t first, uint64_t last, unsigned lineage)
{
    size_t count = (size_t)(last - first + 1);
    struct viv_entry *entries = viv_alloc_zeroed(count, sizeof *entries);
    for (size_t i = 0; i < count; i++) {
        entries[i] = world_entry(gid, first + i, lineage);
        uint8_t *copy = viv_alloc(entries[i].body.size + 1);
        memcpy(copy, entries[i].body.data, entries[i].body.size);
        entries[i].body.data = copy;
    }
    struct viv_log_run run = {gid, first - 1, entries, count};
    viv_status status = viv_log_append(world->log, &run, 1);
    cr_assert_eq(status, VIV_OK, "append: %s", viv_status_text(status));
    for (size_t i = 0; i < count; i++) {
        free((void *)entries[i].body.data);
    }
    free(entries);
}

void world_append_synced(struct world *world, viv_gid gid, uint64_t first, uint64_t last, unsigned lineage)
{
    world_append(world, gid, first, last, lineage);
    cr_assert_eq(viv_log_sync(world->log), VIV_OK);
}

void world_expect_log(struct world *world, viv_gid gid, uint64_t after, uint64_t last, unsigned lineage)
{
    cr_assert_eq(world_bounds(world, gid).last_zxid, last, "last is %llx",
                 (unsigned long long)world_bounds(world, gid).last_zxid);
    struct viv_log_iter *iter;
    cr_assert_eq(viv_log_iter_open(world->log, gid, after, last, &iter), VIV_OK);
    uint64_t expected = after + 1;
    size_t count;
    do {
        struct viv_entry entries[LOG_BITE];
        cr_assert_eq(viv_log_iter_next(world->log, iter, entries, LOG_BITE, 1000, &count), VIV_OK);
        for (size_t i = 0; i < count; i++, expected++) {
            struct viv_entry wanted = world_entry(gid, expected, lineage);
            cr_assert_eq(entries[i].zxid, expected);
            cr_assert_eq(entries[i].body_crc, wanted.body_crc);
            cr_assert(viv_bytes_equal(entries[i].body, wanted.body));
        }
    } while (count > 0);
    cr_assert_eq(expected, last + 1, "the log ended at %llx", (unsigned long long)expected - 1);
    viv_log_iter_close(world->log, iter);
}

struct viv_log_bounds world_bounds(struct world *world, viv_gid gid)
{
    struct viv_log_bounds bounds;
    viv_log_bounds(world->log, gid, &bounds);
    return bounds;
}

void world_write_rows(struct world *world, enum viv_row_op op, unsigned first, unsigned count, unsigned version)
{
    struct viv_buffer block = {0};
    for (unsigned key = first; key < first + count; key++) {
        char name[32];
        char value[96];
        int name_size = snprintf(name, sizeof name, "key-%08u", key);
        int value_size = snprintf(value, sizeof value, "%u of %u, %.*s", version, key, (int)(key % 40),
                                  "a value of no fixed length, to be packed");
        struct viv_row row = {op, viv_bytes_of(name, (size_t)name_size), {NULL, 0}};
        if (op == VIV_ROW_PUT) {
            row.value = viv_bytes_of(value, (size_t)value_size);
        }
        viv_row_append(&block, &row);
        if (block.size > 64 << 10 || key + 1 == first + count) {
            cr_assert_eq(viv_state_write(world->state, viv_buffer_bytes(&block)), VIV_OK);
            viv_buffer_clear(&block);
        }
    }
    viv_buffer_fini(&block);
}

void world_checkpoint(struct world *world, enum viv_checkpoint_kind kind, uint64_t zxid, unsigned first, unsigned count,
                      unsigned version)
{
    cr_assert_eq(viv_state_begin(world->state, kind, zxid), VIV_OK);
    world_write_rows(world, VIV_ROW_PUT, first, count, version);
    struct viv_state_mark mark = {zxid, zxid + 5, zxid * 1000};
    uint64_t needed;
    cr_assert_eq(viv_state_commit(world->state, &mark, &needed), VIV_OK);
    cr_assert_leq(needed, zxid);
}

static viv_status receive(void *ctx, struct viv_bytes rows)
{
    (void)ctx;
    struct viv_row row;
    while (viv_row_next(&rows, &row)) {
        unsigned key;
        unsigned version;
        unsigned key_in_value;
        char text[64] = {0};
        cr_assert_eq(row.op, VIV_ROW_PUT);
        cr_assert_lt(row.key.size, sizeof text);
        memcpy(text, row.key.data, row.key.size);
        cr_assert_eq(sscanf(text, "key-%u", &key), 1);
        memset(text, 0, sizeof text);
        memcpy(text, row.value.data, row.value.size < sizeof text ? row.value.size : sizeof text - 1);
        cr_assert_eq(sscanf(text, "%u of %u", &version, &key_in_value), 2);
        cr_assert_eq(key, key_in_value);
        cr_assert_lt(key, KEYS_MAX);
        cr_assert_eq(loaded_versions[key], 0, "key %u came twice", key);
        loaded_versions[key] = version;
        loaded_count++;
    }
    cr_assert_eq(rows.size, 0);
    return VIV_OK;
}

static void forget(void *ctx)
{
    (void)ctx;
    memset(loaded_versions, 0, sizeof loaded_versions);
    loaded_count = 0;
    restart_count++;
}

viv_status world_try_load(struct world *world, struct viv_state_mark *mark)
{
    forget(NULL);
    restart_count = 0;
    return viv_state_load(world->state, receive, forget, NULL, mark, &world->report);
}

void world_load(struct world *world, uint64_t zxid)
{
    struct viv_state_mark mark;
    viv_status status = world_try_load(world, &mark);
    cr_assert_eq(status, VIV_OK, "load: %s", viv_status_text(status));
    cr_assert_eq(mark.zxid_start, zxid);
    cr_assert_eq(mark.zxid_end, zxid + 5);
    cr_assert_eq(mark.digest, zxid * 1000);
}

unsigned world_version_of(unsigned key)
{
    cr_assert_lt(key, KEYS_MAX);
    return loaded_versions[key];
}

unsigned world_loaded_count(void)
{
    return loaded_count;
}

unsigned world_restart_count(void)
{
    return restart_count;
}
