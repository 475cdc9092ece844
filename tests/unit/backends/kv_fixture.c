#include "tests/unit/backends/kv_fixture.h"

#include <dirent.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/endian.h"

viv_status kv_open(struct kv_fixture *fixture)
{
    return fixture->ops->open(&fixture->config, 0, &fixture->state, NULL);
}

void kv_start(struct kv_fixture *fixture, const struct viv_state_ops *ops)
{
    *fixture = (struct kv_fixture){.ops = ops, .dir = "/tmp/viv-kv-XXXXXX"};
    cr_assert_not_null(mkdtemp(fixture->dir));
    fixture->config = (struct viv_store_config){.log_dir = fixture->dir,
                                                .state_dir = fixture->dir,
                                                .cluster = {7, 8},
                                                .server_id = 3,
                                                .durable = true,
                                                .load_threads = 1};
    cr_assert_eq(kv_open(fixture), VIV_OK);
}

void kv_close(struct kv_fixture *fixture)
{
    if (fixture->state != NULL) {
        fixture->ops->close(fixture->state);
        fixture->state = NULL;
    }
}

void kv_reopen(struct kv_fixture *fixture)
{
    kv_close(fixture);
    cr_assert_eq(kv_open(fixture), VIV_OK);
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *where)
{
    (void)status, (void)type, (void)where;
    return remove(path);
}

void kv_finish(struct kv_fixture *fixture)
{
    kv_close(fixture);
    nftw(fixture->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static struct viv_bytes key_of(unsigned i, uint8_t room[13])
{
    room[0] = 'n';
    viv_store_be64(room + 1, i / 16);
    viv_store_be32(room + 9, i);
    return viv_bytes_of(room, 13);
}

void kv_put(struct viv_buffer *rows, unsigned i, unsigned generation)
{
    uint8_t key[13];
    char value[80];
    int size = snprintf(value, sizeof value, "value of %u in generation %u, long enough to fill a page", i, generation);
    viv_row_append(rows, &(struct viv_row){VIV_ROW_PUT, key_of(i, key), viv_bytes_of(value, (size_t)size)});
}

void kv_delete(struct viv_buffer *rows, unsigned i)
{
    uint8_t key[13];
    viv_row_append(rows, &(struct viv_row){VIV_ROW_DELETE, key_of(i, key), {NULL, 0}});
}

void kv_put_text(struct viv_buffer *rows, const char *key, const char *value)
{
    viv_row_append(rows, &(struct viv_row){VIV_ROW_PUT, viv_bytes_text(key), viv_bytes_text(value)});
}

viv_status kv_checkpoint(struct kv_fixture *fixture, enum viv_checkpoint_kind kind, uint64_t zxid,
                         struct viv_buffer *rows)
{
    struct viv_state_mark mark = {zxid, zxid + 1, zxid * 31};
    uint64_t log_needed_after;
    VIV_TRY(fixture->ops->begin(fixture->state, kind, zxid));
    viv_status status = fixture->ops->write(fixture->state, viv_buffer_bytes(rows));
    viv_buffer_fini(rows);
    VIV_TRY(status);
    return fixture->ops->commit(fixture->state, &mark, &log_needed_after);
}

static viv_status collect(void *ctx, struct viv_bytes rows)
{
    viv_buffer_append_bytes(ctx, rows);
    return VIV_OK;
}

static void restart(void *ctx)
{
    viv_buffer_clear(ctx);
}

viv_status kv_load(struct kv_fixture *fixture, struct viv_buffer *rows, struct viv_state_mark *mark)
{
    return fixture->ops->load(fixture->state, collect, restart, rows, mark, NULL);
}

void kv_expect(struct kv_fixture *fixture, uint64_t zxid, struct viv_bytes rows)
{
    struct viv_buffer found = {0};
    struct viv_state_mark mark;
    cr_assert_eq(kv_load(fixture, &found, &mark), VIV_OK);
    cr_assert_eq(mark.zxid_start, zxid);
    cr_assert_eq(mark.zxid_end, zxid + 1);
    cr_assert_eq(mark.digest, zxid * 31);
    cr_assert(viv_bytes_equal(viv_buffer_bytes(&found), rows), "the rows are not those that were written");
    viv_buffer_fini(&found);
}

size_t kv_list(const char *dir, char **names, size_t names_max)
{
    size_t count = 0;
    DIR *stream = opendir(dir);
    for (struct dirent *entry; stream != NULL && (entry = readdir(stream)) != NULL && count < names_max;) {
        if (entry->d_name[0] != '.') {
            names[count++] = strdup(entry->d_name);
        }
    }
    closedir(stream);
    return count;
}

const char *kv_image_path(const struct kv_fixture *fixture)
{
    static char path[128];
    char *names[16];
    size_t count = kv_list(fixture->dir, names, 16);
    path[0] = '\0';
    for (size_t i = 0; i < count; i++) {
        if (strstr(names[i], ".lock") == NULL) {
            snprintf(path, sizeof path, "%s/%s", fixture->dir, names[i]);
        }
        free(names[i]);
    }
    return path;
}
