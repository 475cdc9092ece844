#include <errno.h>
#include <lmdb.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "backends/lmdb/pages.h"
#include "base/assert.h"
#include "base/endian.h"
#include "base/log.h"
#include "store/file_io.h"
#include "store/kv_state.h"

/* LMDB as the library under store/kv_state.h: one environment per image, one write transaction per delta.
 * Layout and failures: README.md. */

extern const struct viv_state_ops viv_lmdb_state;

/* LMDB's keys end at 511 bytes. Longer than PLAIN: that many bytes, 0x00 0xff, and a 128-bit hash of the whole key,
 * which is then kept in the value. Plain keys are shorter than such a stand-in, so the size tells them apart. */
enum {
    KEY_BYTES_PLAIN = 440,
    KEY_BYTES_STAND_IN = KEY_BYTES_PLAIN + 2 + 16,
    CRC_BYTES = 4,
    LONG_HEADER_BYTES = CRC_BYTES + 4,
};

/* Address space only; the file is as long as its data. Halved until the process is allowed to have it. */
static const size_t MAP_BYTES = (size_t)256 << 30, MAP_BYTES_MIN = (size_t)64 << 20;

struct viv_kv_image {
    MDB_env *env;
    MDB_dbi rows;
    MDB_dbi mark;
    bool build;
    bool durable;
    MDB_txn *txn; /* the open unit, or NULL */
    MDB_cursor *cursor;
    struct viv_buffer greatest; /* highest stored key; keys above it are appended, which fills pages */
};

static viv_status status_of(int code, int error)
{
    switch (code) {
    case 0:
        return VIV_OK;
    case MDB_MAP_FULL:
        return VIV_ERR_NOSPACE;
    case MDB_PANIC: /* LMDB could not write a meta page earlier */
        return VIV_ERR_IO;
    case EIO:
        /* LMDB answers EIO to a short write too, which is how a disk runs full; errno is then untouched. */
        return error == EIO ? VIV_ERR_IO : VIV_ERR_NOSPACE;
    case ENOMEM:
        viv_out_of_memory(0);
    default:
        /* The negative ones all say that what was read makes no sense. */
        return code > 0 ? viv_file_status(-code) : VIV_ERR_CORRUPT;
    }
}

static viv_status checked(int code, const char *call)
{
    viv_status status = status_of(code, errno);
    if (status != VIV_OK) {
        viv_log(status == VIV_ERR_NOSPACE ? VIV_LOG_WARN : VIV_LOG_ERROR, "lmdb", "LMDB refused a call",
                "call=%s error=%s status=%s", call, mdb_strerror(code), viv_status_text(status));
    }
    return status;
}

#define CHECKED(call, ...) (errno = 0, checked(call(__VA_ARGS__), #call))

static viv_status open_env(MDB_env **env, const char *path, unsigned flags)
{
    int code = ENOMEM;
    for (size_t map_bytes = MAP_BYTES; code == ENOMEM && map_bytes >= MAP_BYTES_MIN; map_bytes /= 2) {
        code = mdb_env_create(env);
        VIV_ASSERT(code == 0);
        mdb_env_set_maxdbs(*env, 2);
        mdb_env_set_mapsize(*env, map_bytes);
        errno = 0;
        code = mdb_env_open(*env, path, flags, 0600);
        if (code != 0) {
            mdb_env_close(*env);
        }
    }
    return checked(code, "mdb_env_open");
}

static viv_status check_pages(const char *path)
{
    char *file = viv_file_path(path, "data.mdb");
    viv_status status = viv_lmdb_pages_check(file);
    free(file);
    return status;
}

static viv_status open_tables(struct viv_kv_image *image)
{
    unsigned create = image->build ? MDB_CREATE : 0;
    MDB_txn *txn;
    VIV_TRY(CHECKED(mdb_txn_begin, image->env, NULL, image->build ? 0 : MDB_RDONLY, &txn));
    viv_status status = CHECKED(mdb_dbi_open, txn, "rows", create, &image->rows);
    if (status == VIV_OK) {
        status = CHECKED(mdb_dbi_open, txn, "mark", create, &image->mark);
    }
    if (status != VIV_OK) {
        mdb_txn_abort(txn);
        return status;
    }
    return CHECKED(mdb_txn_commit, txn);
}

static void image_abort(struct viv_kv_image *image)
{
    if (image->cursor != NULL) {
        mdb_cursor_close(image->cursor);
        image->cursor = NULL;
    }
    if (image->txn != NULL) {
        mdb_txn_abort(image->txn);
        image->txn = NULL;
    }
}

static void image_close(struct viv_kv_image *image)
{
    image_abort(image);
    mdb_env_close(image->env);
    viv_buffer_fini(&image->greatest);
    free(image);
}

static viv_status image_open(const char *path, bool build, bool durable, struct viv_kv_image **out)
{
    /* One thread at a time and a lock of our own: LMDB's reader table would only be one more file to go stale.
     * An image being built is nobody's yet and is synced once, at its end. */
    unsigned flags = MDB_NOTLS | MDB_NOLOCK | (build || !durable ? MDB_NOSYNC : 0);
    MDB_env *env;
    VIV_TRY(build ? VIV_OK : check_pages(path));
    VIV_TRY(open_env(&env, path, flags));
    struct viv_kv_image *image = viv_alloc_zeroed(1, sizeof *image);
    image->env = env;
    image->build = build;
    image->durable = durable;
    viv_status status = open_tables(image);
    if (status != VIV_OK) {
        image_close(image);
        return status;
    }
    *out = image;
    return VIV_OK;
}

static MDB_val mark_key(void)
{
    static char name[] = "mark";
    return (MDB_val){sizeof name - 1, name};
}

static viv_status image_read_mark(struct viv_kv_image *image, struct viv_buffer *out)
{
    MDB_txn *txn;
    VIV_TRY(CHECKED(mdb_txn_begin, image->env, NULL, MDB_RDONLY, &txn));
    MDB_val key = mark_key(), data;
    viv_status status = CHECKED(mdb_get, txn, image->mark, &key, &data);
    if (status == VIV_OK) {
        viv_buffer_append(out, data.mv_data, data.mv_size);
    }
    mdb_txn_abort(txn);
    return status;
}

struct stored_row {
    uint32_t crc;
    struct viv_bytes key, value;
};

/* False when the bytes cannot be a row. */
static bool decode_row(const MDB_val *stored_key, const MDB_val *data, struct stored_row *row)
{
    const uint8_t *at = data->mv_data;
    size_t size = data->mv_size;
    if (stored_key->mv_size == 0 || size < CRC_BYTES) {
        return false;
    }
    row->crc = viv_load_le32(at);
    if (stored_key->mv_size <= KEY_BYTES_PLAIN) {
        row->key = viv_bytes_of(stored_key->mv_data, stored_key->mv_size);
        row->value = viv_bytes_of(at + CRC_BYTES, size - CRC_BYTES);
        return true;
    }
    size_t key_bytes = size < LONG_HEADER_BYTES ? 0 : viv_load_le32(at + CRC_BYTES);
    if (key_bytes <= KEY_BYTES_PLAIN || key_bytes > size - LONG_HEADER_BYTES) {
        return false;
    }
    row->key = viv_bytes_of(at + LONG_HEADER_BYTES, key_bytes);
    row->value = viv_bytes_of(at + LONG_HEADER_BYTES + key_bytes, size - LONG_HEADER_BYTES - key_bytes);
    return true;
}

static viv_status scan_rows(MDB_cursor *cursor, struct viv_kv_feed *feed)
{
    MDB_val key, data;
    int code;
    while ((code = mdb_cursor_get(cursor, &key, &data, MDB_NEXT)) == 0) {
        struct stored_row row;
        if (!decode_row(&key, &data, &row)) {
            return viv_kv_row_damaged("lmdb", viv_bytes_of(key.mv_data, key.mv_size));
        }
        VIV_TRY(viv_kv_feed_row(feed, row.crc, row.key, row.value));
    }
    errno = 0;
    return code == MDB_NOTFOUND ? VIV_OK : checked(code, "mdb_cursor_get");
}

static viv_status image_scan(struct viv_kv_image *image, struct viv_kv_feed *feed)
{
    MDB_txn *txn;
    MDB_cursor *cursor;
    VIV_TRY(CHECKED(mdb_txn_begin, image->env, NULL, MDB_RDONLY, &txn));
    viv_status status = CHECKED(mdb_cursor_open, txn, image->rows, &cursor);
    if (status == VIV_OK) {
        status = scan_rows(cursor, feed);
        mdb_cursor_close(cursor);
    }
    mdb_txn_abort(txn);
    return status;
}

static viv_status look_at_row(void *ctx, struct viv_bytes place, struct viv_bytes value)
{
    struct viv_kv_look *look = ctx;
    struct stored_row row;
    MDB_val key = {place.size, (void *)(uintptr_t)place.data}, data = {value.size, (void *)(uintptr_t)value.data};
    if (!decode_row(&key, &data, &row)) {
        return viv_kv_row_damaged("lmdb", place);
    }
    return viv_kv_look_row(look, row.crc, place, row.key, row.value);
}

/* By pages, not through LMDB, which would follow whatever has rotted. */
static viv_status image_look(struct viv_kv_image *image, const char *path, struct viv_kv_look *look)
{
    VIV_ASSERT(image->txn == NULL);
    struct viv_lmdb_look pages = {.table = "rows",
                                  .after = look->mark->looked_upto,
                                  .bytes_max = look->bytes_max,
                                  .row = look_at_row,
                                  .ctx = look};
    char *file = viv_file_path(path, "data.mdb");
    viv_status status = viv_lmdb_pages_look(file, &pages);
    free(file);
    look->bytes = pages.bytes;
    if (status == VIV_OK && pages.is_end) {
        viv_buffer_clear(&look->upto);
        status = image_read_mark(image, &look->stored_mark);
    }
    return status;
}

static viv_status begin_unit(struct viv_kv_image *image)
{
    VIV_TRY(CHECKED(mdb_txn_begin, image->env, NULL, 0, &image->txn));
    VIV_TRY(CHECKED(mdb_cursor_open, image->txn, image->rows, &image->cursor));
    MDB_val key, data;
    viv_buffer_clear(&image->greatest);
    errno = 0;
    int code = mdb_cursor_get(image->cursor, &key, &data, MDB_LAST);
    if (code != MDB_NOTFOUND) {
        VIV_TRY(checked(code, "mdb_cursor_get"));
        viv_buffer_append(&image->greatest, key.mv_data, key.mv_size);
    }
    return VIV_OK;
}

static viv_status end_unit(struct viv_kv_image *image)
{
    MDB_txn *txn = image->txn;
    VIV_ASSERT(txn != NULL);
    mdb_cursor_close(image->cursor);
    image->cursor = NULL;
    image->txn = NULL; /* gone whatever the outcome */
    return CHECKED(mdb_txn_commit, txn);
}

static MDB_val stored_key(struct viv_bytes key, uint64_t salt, uint8_t room[KEY_BYTES_STAND_IN])
{
    if (key.size <= KEY_BYTES_PLAIN) {
        return (MDB_val){key.size, (void *)(uintptr_t)key.data};
    }
    memcpy(room, key.data, KEY_BYTES_PLAIN);
    room[KEY_BYTES_PLAIN] = 0x00;
    room[KEY_BYTES_PLAIN + 1] = 0xff;
    XXH128_hash_t hash = XXH3_128bits_withSeed(key.data, key.size, salt);
    viv_store_le64(room + KEY_BYTES_PLAIN + 2, hash.low64);
    viv_store_le64(room + KEY_BYTES_PLAIN + 10, hash.high64);
    return (MDB_val){KEY_BYTES_STAND_IN, room};
}

/* Finds the row that is about to go, takes it out of the totals and leaves the cursor on it. */
static viv_status forget(struct viv_kv_image *image, struct viv_kv_mark *mark, MDB_val stored, struct viv_bytes key,
                         bool *found)
{
    struct viv_bytes place = viv_bytes_of(stored.mv_data, stored.mv_size);
    MDB_val data;
    struct stored_row old;
    errno = 0;
    int code = mdb_cursor_get(image->cursor, &stored, &data, MDB_SET_KEY);
    *found = code == 0;
    if (code == MDB_NOTFOUND) {
        return VIV_OK;
    }
    VIV_TRY(checked(code, "mdb_cursor_get"));
    if (!decode_row(&stored, &data, &old) || old.crc != viv_kv_row_crc(old.key, old.value)) {
        return viv_kv_row_damaged("lmdb", key);
    }
    if (!viv_bytes_equal(old.key, key)) {
        viv_log(VIV_LOG_ERROR, "lmdb", "two long keys have one 128-bit hash", "key_bytes=%zu", key.size);
        return VIV_ERR_LIMIT;
    }
    viv_kv_mark_remove(mark, place, old.key, old.value);
    return VIV_OK;
}

static viv_status put_row(struct viv_kv_image *image, struct viv_kv_mark *mark, const struct viv_row *row)
{
    uint8_t room[KEY_BYTES_STAND_IN];
    MDB_val stored = stored_key(row->key, mark->salt, room);
    struct viv_bytes stored_bytes = viv_bytes_of(stored.mv_data, stored.mv_size);
    bool is_greatest = viv_bytes_compare(stored_bytes, viv_buffer_bytes(&image->greatest)) > 0;
    bool found;
    if (!is_greatest) {
        VIV_TRY(forget(image, mark, stored, row->key, &found));
    }
    bool is_long = row->key.size > KEY_BYTES_PLAIN;
    size_t header_bytes = is_long ? LONG_HEADER_BYTES + row->key.size : CRC_BYTES;
    MDB_val data = {header_bytes + row->value.size, NULL};
    VIV_TRY(CHECKED(mdb_cursor_put, image->cursor, &stored, &data, MDB_RESERVE | (is_greatest ? MDB_APPEND : 0)));
    uint8_t *at = data.mv_data;
    viv_store_le32(at, viv_kv_row_crc(row->key, row->value));
    if (is_long) {
        viv_store_le32(at + CRC_BYTES, (uint32_t)row->key.size);
        memcpy(at + LONG_HEADER_BYTES, row->key.data, row->key.size);
    }
    if (row->value.size > 0) {
        memcpy(at + header_bytes, row->value.data, row->value.size);
    }
    if (is_greatest) {
        viv_buffer_clear(&image->greatest);
        viv_buffer_append_bytes(&image->greatest, stored_bytes);
    }
    viv_kv_mark_add(mark, stored_bytes, row->key, row->value);
    return VIV_OK;
}

/* `greatest` may stay above every key, which only means that fewer keys are appended. */
static viv_status delete_row(struct viv_kv_image *image, struct viv_kv_mark *mark, struct viv_bytes key)
{
    uint8_t room[KEY_BYTES_STAND_IN];
    bool found;
    VIV_TRY(forget(image, mark, stored_key(key, mark->salt, room), key, &found));
    return found ? CHECKED(mdb_cursor_del, image->cursor, 0) : VIV_OK;
}

static viv_status image_write(struct viv_kv_image *image, const struct viv_kv_run *run, struct viv_kv_mark *mark)
{
    if (image->txn == NULL) {
        VIV_TRY(begin_unit(image));
    }
    for (size_t i = 0; i < run->row_count; i++) {
        const struct viv_row *row = &run->rows[i];
        VIV_TRY(row->op == VIV_ROW_PUT ? put_row(image, mark, row) : delete_row(image, mark, row->key));
    }
    /* Nobody sees an image that is being built: many transactions keep the dirty pages few. */
    return image->build ? end_unit(image) : VIV_OK;
}

static viv_status image_commit(struct viv_kv_image *image, struct viv_kv_mark *mark)
{
    if (image->txn == NULL) {
        VIV_TRY(begin_unit(image));
    }
    uint8_t bytes[VIV_KV_MARK_BYTES];
    viv_kv_mark_encode(mark, bytes);
    MDB_val key = mark_key(), data = {sizeof bytes, bytes};
    VIV_TRY(CHECKED(mdb_put, image->txn, image->mark, &key, &data, 0));
    VIV_TRY(end_unit(image));
    return image->build && image->durable ? CHECKED(mdb_env_sync, image->env, 1) : VIV_OK;
}

static const struct viv_kv_library library = {
    .name = "lmdb",
    .takes_delta_in_runs = true,
    .open = image_open,
    .close = image_close,
    .read_mark = image_read_mark,
    .scan = image_scan,
    .look = image_look,
    .write = image_write,
    .commit = image_commit,
    .abort = image_abort,
};

static viv_status lmdb_open(const struct viv_store_config *config, viv_gid gid, struct viv_state **state,
                            struct viv_store_report *report)
{
    return viv_kv_state_open(&viv_lmdb_state, &library, config, gid, state, report);
}

const struct viv_state_ops viv_lmdb_state = {
    .name = "lmdb",
    .traits = VIV_STORE_DELTAS,
    .open = lmdb_open,
    VIV_KV_STATE_OPS,
};
