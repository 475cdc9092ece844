#include <rocksdb/c.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/endian.h"
#include "base/log.h"
#include "store/file_io.h"
#include "store/kv_state.h"

/* RocksDB as the library under store/kv_state.h: one database per image, one write batch per delta, no WAL (our own log
 * is the log of record). What was not flushed is gone after a close, on purpose. Layout and failures: README.md. */

extern const struct viv_state_ops viv_rocksdb_state;

enum { CRC_BYTES = 4, READAHEAD_BYTES = 4 << 20 };

/* Every key of ours begins with one of these, so no row can be taken for the mark. */
static const char ROW_TAG = 'r';
static const char MARK_KEY[] = "m";

/* Tiny records, one writer, two cores; reasons beside the groups. */
static const char OPTIONS[] =
    /* A checkpoint is about one memtable; one writer gains nothing from the concurrent ones. */
    "write_buffer_size=67108864;max_write_buffer_number=3;allow_concurrent_memtable_write=false;"
    /* All state is in memory: the cache serves the lookups of deltas only. Ribbon: creates look for absent keys. */
    "block_based_table_factory={block_size=8192;format_version=5;data_block_index_type=kDataBlockBinaryAndHash;"
    "filter_policy=ribbonfilter:10:-1;checksum=kXXH3;block_cache=33554432};"
    /* CPU is scarce: what is soon rewritten is not compressed. */
    "compression_per_level=kNoCompression:kNoCompression:kLZ4Compression:kLZ4Compression:kLZ4Compression:"
    "kLZ4Compression:kZSTD;bottommost_compression=kZSTD;"
    "level_compaction_dynamic_level_bytes=true;level0_file_num_compaction_trigger=4;max_background_jobs=2;"
    /* Large znode data is not compacted again and again. */
    "enable_blob_files=true;min_blob_size=4096;enable_blob_garbage_collection=true;"
    "max_open_files=256;skip_stats_update_on_db_open=true;paranoid_checks=true;"
    /* A unit that was not committed must never reach the disk, and a failed flush is never retried. */
    "avoid_flush_during_shutdown=true;avoid_flush_during_recovery=true;max_bgerror_resume_count=0;"
    "info_log_level=FATAL_LEVEL;keep_log_file_num=1;stats_dump_period_sec=0;stats_persist_period_sec=0";

struct viv_kv_image {
    rocksdb_t *db;
    bool build;
    rocksdb_writeoptions_t *write_options;
    rocksdb_readoptions_t *get_options;
    rocksdb_readoptions_t *scan_options;
    rocksdb_flushoptions_t *flush_options;
    rocksdb_writebatch_t *unit;
};

/* RocksDB's C interface has no codes, only texts that begin with the kind. */
static viv_status status_of(const char *text)
{
    static const struct {
        const char *part;
        viv_status status;
    } known[] = {
        {"No space left on device", VIV_ERR_NOSPACE},
        {"File too large", VIV_ERR_NOSPACE},
        {"Disk quota exceeded", VIV_ERR_NOSPACE},
        {"Corruption", VIV_ERR_CORRUPT},
        {"No such file or directory", VIV_ERR_CORRUPT}, /* the image names a file that is gone */
        {"does not exist", VIV_ERR_CORRUPT},            /* no CURRENT in a directory of ours */
        {"IO error: While lock file", VIV_ERR_BUSY},
        {"IO error: While pread", VIV_ERR_CORRUPT}, /* what the device refuses to read is lost as if it had rotted */
        {"IO error: While read", VIV_ERR_CORRUPT},
        {"IO error", VIV_ERR_IO},
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (strstr(text, known[i].part) != NULL) {
            return known[i].status;
        }
    }
    /* Not supported, Invalid argument and the like: our calls are fixed, so the files ask for something strange. */
    return VIV_ERR_CORRUPT;
}

/* Takes the error text. */
static viv_status checked(char *error, const char *call)
{
    if (error == NULL) {
        return VIV_OK;
    }
    viv_status status = status_of(error);
    viv_log(status == VIV_ERR_NOSPACE ? VIV_LOG_WARN : VIV_LOG_ERROR, "rocksdb", "RocksDB refused a call",
            "call=%s error=\"%s\" status=%s", call, error, viv_status_text(status));
    rocksdb_free(error);
    return status;
}

enum open_for { BUILDING, USING, LOOKING };

static rocksdb_t *open_db(const char *path, enum open_for what, char **error)
{
    rocksdb_options_t *base = rocksdb_options_create();
    rocksdb_options_t *options = rocksdb_options_create();
    rocksdb_get_options_from_string(base, OPTIONS, options, error);
    VIV_ASSERT(*error == NULL);
    rocksdb_options_set_create_if_missing(options, what == BUILDING);
    rocksdb_options_set_error_if_exists(options, what == BUILDING);
    rocksdb_t *db =
        what == LOOKING ? rocksdb_open_for_read_only(options, path, false, error) : rocksdb_open(options, path, error);
    rocksdb_options_destroy(options);
    rocksdb_options_destroy(base);
    return db;
}

/* The name that CURRENT holds, "" when it cannot be read. */
static viv_status read_current(const char *path, char *name, size_t size)
{
    char *current = viv_file_path(path, "CURRENT");
    struct viv_file file;
    viv_status status = viv_file_open(&viv_disk_real, current, 0, &file);
    size_t got = 0;
    if (status == VIV_OK) {
        status = viv_file_read(&viv_disk_real, &file, name, size - 1, 0, &got);
        viv_file_close(&viv_disk_real, &file);
    }
    free(current);
    name[got] = '\0';
    name[strcspn(name, "\n")] = '\0';
    return status == VIV_ERR_NOT_FOUND ? VIV_OK : status;
}

static viv_status write_current(const char *path, const char *name)
{
    char *draft = viv_file_path(path, "CURRENT.dbtmp"), *current = viv_file_path(path, "CURRENT");
    char line[64];
    int size = snprintf(line, sizeof line, "%s\n", name);
    struct viv_file file;
    viv_status status = viv_file_open(&viv_disk_real, draft, VIV_FILE_WRITE | VIV_FILE_CREATE, &file);
    if (status == VIV_OK) {
        status = viv_file_write(&viv_disk_real, &file, line, (size_t)size, 0);
        status = status == VIV_OK ? viv_file_sync(&viv_disk_real, &file) : status;
        viv_file_close(&viv_disk_real, &file);
    }
    status = status == VIV_OK ? viv_file_rename(&viv_disk_real, draft, current) : status;
    status = status == VIV_OK ? viv_file_sync_dir(&viv_disk_real, path) : status;
    free(draft);
    free(current);
    return status;
}

/* RocksDB begins a MANIFEST at every open and turns CURRENT to it before it syncs the directory that both lie in. After
 * a power cut CURRENT may therefore name a MANIFEST that never was; then nothing was written under it yet, and the one
 * before is still there and whole. */
static viv_status turn_current_back(const char *path)
{
    static const char PREFIX[] = "MANIFEST-";
    char wanted[64];
    VIV_TRY(read_current(path, wanted, sizeof wanted));
    struct viv_file_names names;
    VIV_TRY(viv_file_list(&viv_disk_real, path, &names));
    const char *newest = NULL;
    bool is_there = wanted[0] == '\0';
    for (size_t i = 0; i < names.count; i++) {
        is_there = is_there || strcmp(names.names[i], wanted) == 0;
        if (strncmp(names.names[i], PREFIX, sizeof PREFIX - 1) == 0 && strlen(names.names[i]) < sizeof wanted - 1) {
            newest = names.names[i]; /* numbers have leading zeros, names come sorted */
        }
    }
    viv_status status = VIV_OK;
    if (!is_there && newest != NULL) {
        viv_log(VIV_LOG_WARN, "rocksdb", "CURRENT names a file that a power cut took; the one before it is used",
                "path=%s missing=%s used=%s", path, wanted, newest);
        status = write_current(path, newest);
    }
    viv_file_names_fini(&names);
    return status;
}

static viv_status image_open(const char *path, bool build, bool durable, struct viv_kv_image **out)
{
    (void)durable; /* RocksDB syncs the files of a flush whatever we ask */
    char *error = NULL;
    if (!build) {
        VIV_TRY(turn_current_back(path));
    }
    rocksdb_t *db = open_db(path, build ? BUILDING : USING, &error);
    VIV_TRY(checked(error, "open"));
    struct viv_kv_image *image = viv_alloc_zeroed(1, sizeof *image);
    image->db = db;
    image->build = build;
    image->write_options = rocksdb_writeoptions_create();
    rocksdb_writeoptions_disable_WAL(image->write_options, 1);
    image->get_options = rocksdb_readoptions_create();
    image->scan_options = rocksdb_readoptions_create();
    rocksdb_readoptions_set_fill_cache(image->scan_options, 0);
    rocksdb_readoptions_set_readahead_size(image->scan_options, READAHEAD_BYTES);
    image->flush_options = rocksdb_flushoptions_create();
    rocksdb_flushoptions_set_wait(image->flush_options, 1);
    *out = image;
    return VIV_OK;
}

static void image_abort(struct viv_kv_image *image)
{
    if (image->unit != NULL) {
        rocksdb_writebatch_destroy(image->unit);
        image->unit = NULL;
    }
}

static void image_close(struct viv_kv_image *image)
{
    image_abort(image);
    rocksdb_flushoptions_destroy(image->flush_options);
    rocksdb_readoptions_destroy(image->scan_options);
    rocksdb_readoptions_destroy(image->get_options);
    rocksdb_writeoptions_destroy(image->write_options);
    rocksdb_close(image->db);
    free(image);
}

static viv_status read_mark(rocksdb_t *db, const rocksdb_readoptions_t *options, struct viv_buffer *out)
{
    char *error = NULL;
    size_t size = 0;
    char *mark = rocksdb_get(db, options, MARK_KEY, sizeof MARK_KEY - 1, &size, &error);
    VIV_TRY(checked(error, "get"));
    if (mark == NULL) {
        viv_log(VIV_LOG_ERROR, "rocksdb", "the image has no mark", "wanted_bytes=%d", VIV_KV_MARK_BYTES);
        return VIV_ERR_CORRUPT;
    }
    viv_buffer_append(out, mark, size);
    rocksdb_free(mark);
    return VIV_OK;
}

static viv_status image_read_mark(struct viv_kv_image *image, struct viv_buffer *out)
{
    return read_mark(image->db, image->get_options, out);
}

static bool decode_row(const uint8_t *data, size_t size, uint32_t *crc, struct viv_bytes *value)
{
    if (size < CRC_BYTES) {
        return false;
    }
    *crc = viv_load_le32(data);
    *value = viv_bytes_of(data + CRC_BYTES, size - CRC_BYTES);
    return true;
}

static viv_status scan_rows(rocksdb_iterator_t *iterator, struct viv_kv_feed *feed)
{
    for (rocksdb_iter_seek(iterator, &ROW_TAG, 1); rocksdb_iter_valid(iterator); rocksdb_iter_next(iterator)) {
        size_t key_size, size;
        const char *key = rocksdb_iter_key(iterator, &key_size);
        const char *data = rocksdb_iter_value(iterator, &size);
        uint32_t crc;
        struct viv_bytes value;
        if (key_size < 2 || key[0] != ROW_TAG || !decode_row((const uint8_t *)data, size, &crc, &value)) {
            return viv_kv_row_damaged("rocksdb", viv_bytes_of(key, key_size));
        }
        VIV_TRY(viv_kv_feed_row(feed, crc, viv_bytes_of(key + 1, key_size - 1), value));
    }
    char *error = NULL;
    rocksdb_iter_get_error(iterator, &error);
    return checked(error, "iter_next");
}

static viv_status image_scan(struct viv_kv_image *image, struct viv_kv_feed *feed)
{
    rocksdb_iterator_t *iterator = rocksdb_create_iterator(image->db, image->scan_options);
    viv_status status = scan_rows(iterator, feed);
    rocksdb_iter_destroy(iterator);
    return status;
}

/* The iterator goes to the first row behind the place. */
static void seek_behind(rocksdb_iterator_t *iterator, struct viv_bytes place)
{
    struct viv_buffer tagged = {0};
    viv_buffer_append(&tagged, &ROW_TAG, 1);
    viv_buffer_append_bytes(&tagged, place);
    if (place.size > 0) {
        viv_buffer_append(&tagged, "", 1); /* the least of all keys above it */
    }
    rocksdb_iter_seek(iterator, (const char *)tagged.data, tagged.size);
    viv_buffer_fini(&tagged);
}

static viv_status look_at_rows(rocksdb_iterator_t *iterator, struct viv_kv_look *look)
{
    seek_behind(iterator, look->mark->looked_upto);
    for (; rocksdb_iter_valid(iterator) && look->bytes < look->bytes_max; rocksdb_iter_next(iterator)) {
        size_t key_size, size;
        const char *key = rocksdb_iter_key(iterator, &key_size);
        const char *data = rocksdb_iter_value(iterator, &size);
        uint32_t crc;
        struct viv_bytes value;
        if (key_size < 2 || key[0] != ROW_TAG || !decode_row((const uint8_t *)data, size, &crc, &value)) {
            return viv_kv_row_damaged("rocksdb", viv_bytes_of(key, key_size));
        }
        struct viv_bytes row_key = viv_bytes_of(key + 1, key_size - 1);
        VIV_TRY(viv_kv_look_row(look, crc, row_key, row_key, value));
        look->bytes += key_size + size;
    }
    if (!rocksdb_iter_valid(iterator)) {
        viv_buffer_clear(&look->upto);
    }
    char *error = NULL;
    rocksdb_iter_get_error(iterator, &error);
    return checked(error, "iter_next");
}

static viv_status look_at_db(rocksdb_t *db, const rocksdb_readoptions_t *options, struct viv_kv_look *look)
{
    rocksdb_iterator_t *iterator = rocksdb_create_iterator(db, options);
    viv_status status = look_at_rows(iterator, look);
    rocksdb_iter_destroy(iterator);
    return status == VIV_OK && look->upto.size == 0 ? read_mark(db, options, &look->stored_mark) : status;
}

/* Through a handle that has nothing in memory: neither blocks nor the MANIFEST. The files that it finds there must not
 * be compacted away meanwhile. */
static viv_status image_look(struct viv_kv_image *image, const char *path, struct viv_kv_look *look)
{
    char *error = NULL;
    rocksdb_disable_file_deletions(image->db, &error);
    VIV_TRY(checked(error, "disable_file_deletions"));
    rocksdb_t *db = open_db(path, LOOKING, &error);
    viv_status status = checked(error, "open_for_read_only");
    if (status == VIV_OK) {
        status = look_at_db(db, image->scan_options, look);
        rocksdb_close(db);
    }
    error = NULL;
    rocksdb_enable_file_deletions(image->db, false, &error);
    viv_status ended = checked(error, "enable_file_deletions");
    return status == VIV_OK ? ended : status;
}

/* Takes the row that is about to go out of the totals. */
static viv_status forget(struct viv_kv_image *image, struct viv_kv_mark *mark, struct viv_bytes tagged_key)
{
    char *error = NULL;
    rocksdb_pinnableslice_t *slice =
        rocksdb_get_pinned(image->db, image->get_options, (const char *)tagged_key.data, tagged_key.size, &error);
    VIV_TRY(checked(error, "get_pinned"));
    if (slice == NULL) {
        return VIV_OK;
    }
    size_t size;
    const uint8_t *data = (const uint8_t *)rocksdb_pinnableslice_value(slice, &size);
    struct viv_bytes key = {tagged_key.data + 1, tagged_key.size - 1};
    struct viv_bytes value;
    uint32_t crc;
    viv_status status = VIV_OK;
    if (decode_row(data, size, &crc, &value) && crc == viv_kv_row_crc(key, value)) {
        viv_kv_mark_remove(mark, key, key, value);
    } else {
        status = viv_kv_row_damaged("rocksdb", key);
    }
    rocksdb_pinnableslice_destroy(slice);
    return status;
}

static viv_status account(struct viv_kv_image *image, struct viv_kv_mark *mark, struct viv_bytes tagged_key,
                          const struct viv_row *row)
{
    VIV_TRY(forget(image, mark, tagged_key));
    if (row->op == VIV_ROW_PUT) {
        viv_kv_mark_add(mark, row->key, row->key, row->value);
    }
    return VIV_OK;
}

static void put_row(rocksdb_writebatch_t *unit, struct viv_bytes tagged_key, const struct viv_row *row)
{
    uint8_t crc[CRC_BYTES];
    viv_store_le32(crc, viv_kv_row_crc(row->key, row->value));
    const char *keys[] = {(const char *)tagged_key.data};
    const size_t key_sizes[] = {tagged_key.size};
    const char *values[] = {(const char *)crc, row->value.size > 0 ? (const char *)row->value.data : ""};
    const size_t value_sizes[] = {sizeof crc, row->value.size};
    rocksdb_writebatch_putv(unit, 1, keys, key_sizes, 2, values, value_sizes);
}

static viv_status write_unit(struct viv_kv_image *image)
{
    char *error = NULL;
    rocksdb_write(image->db, image->write_options, image->unit, &error);
    image_abort(image);
    return checked(error, "write");
}

static viv_status flush(struct viv_kv_image *image)
{
    char *error = NULL;
    rocksdb_flush(image->db, image->flush_options, &error);
    return checked(error, "flush");
}

static viv_status image_write(struct viv_kv_image *image, const struct viv_kv_run *run, struct viv_kv_mark *mark)
{
    if (image->unit == NULL) {
        image->unit = rocksdb_writebatch_create();
    }
    struct viv_buffer tagged = {0};
    viv_status status = VIV_OK;
    for (size_t i = 0; i < run->row_count && status == VIV_OK; i++) {
        const struct viv_row *row = &run->rows[i];
        viv_buffer_clear(&tagged);
        viv_buffer_append(&tagged, &ROW_TAG, 1);
        viv_buffer_append_bytes(&tagged, row->key);
        if (row->op == VIV_ROW_PUT) {
            put_row(image->unit, viv_buffer_bytes(&tagged), row);
        } else {
            rocksdb_writebatch_delete(image->unit, (const char *)tagged.data, tagged.size);
        }
        if (!image->build) {
            status = account(image, mark, viv_buffer_bytes(&tagged), row);
        }
    }
    viv_buffer_fini(&tagged);
    /* Nobody sees an image that is being built: it need not be one batch. */
    return status == VIV_OK && image->build ? write_unit(image) : status;
}

static viv_status discard(void *ctx, struct viv_bytes rows)
{
    (void)ctx, (void)rows;
    return VIV_OK;
}

/* A new image is read back once: cheaper than a lookup before every row, and what was written is known to be there. */
static viv_status count_rows(struct viv_kv_image *image, struct viv_kv_mark *mark)
{
    VIV_TRY(flush(image));
    struct viv_kv_feed feed = {.store = "rocksdb", .rows = discard};
    viv_status status = image_scan(image, &feed);
    viv_kv_feed_fini(&feed);
    mark->rows = feed.seen.rows;
    mark->sum = feed.seen.sum;
    return status;
}

static viv_status image_commit(struct viv_kv_image *image, struct viv_kv_mark *mark)
{
    if (image->build) {
        VIV_TRY(count_rows(image, mark));
    }
    if (image->unit == NULL) {
        image->unit = rocksdb_writebatch_create();
    }
    uint8_t bytes[VIV_KV_MARK_BYTES];
    viv_kv_mark_encode(mark, bytes);
    rocksdb_writebatch_put(image->unit, MARK_KEY, sizeof MARK_KEY - 1, (const char *)bytes, sizeof bytes);
    VIV_TRY(write_unit(image));
    return flush(image);
}

static const struct viv_kv_library library = {
    .name = "rocksdb",
    .takes_delta_in_runs = false, /* a lookup does not see the batch, so a key must come once */
    .open = image_open,
    .close = image_close,
    .read_mark = image_read_mark,
    .scan = image_scan,
    .look = image_look,
    .write = image_write,
    .commit = image_commit,
    .abort = image_abort,
};

static viv_status state_open(const struct viv_store_config *config, viv_gid gid, struct viv_state **state,
                             struct viv_store_report *report)
{
    return viv_kv_state_open(&viv_rocksdb_state, &library, config, gid, state, report);
}

const struct viv_state_ops viv_rocksdb_state = {
    .name = "rocksdb",
    .traits = VIV_STORE_DELTAS,
    .open = state_open,
    VIV_KV_STATE_OPS,
};
