#include "zkdata/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/assert.h"
#include "base/endian.h"
#include "base/limits.h"
#include "base/log.h"
#include "wire/jute.h"
#include "zkdata/zkdata_internal.h"

enum { STREAM_BYTES = 1 << 18 };

struct viv_zk_log {
    char *path;
    FILE *file;
    uint64_t offset, next_offset;
    struct viv_buffer entry;
};

static viv_status damaged(const struct viv_zk_log *log, const char *what)
{
    viv_log(VIV_LOG_ERROR, "zkdata", what, "file=%s offset=%llu", log->path, (unsigned long long)log->offset);
    return VIV_ERR_CORRUPT;
}

/* *got is less than `size` at the end of the file only. */
static viv_status take(struct viv_zk_log *log, void *to, size_t size, size_t *got)
{
    *got = fread(to, 1, size, log->file);
    log->next_offset += *got;
    if (ferror(log->file)) {
        viv_log(VIV_LOG_ERROR, "zkdata", "a file cannot be read", "file=%s offset=%llu error=\"%s\"", log->path,
                (unsigned long long)log->offset, strerror(errno));
        return VIV_ERR_IO;
    }
    return VIV_OK;
}

static viv_status take_header(struct viv_zk_log *log)
{
    uint8_t header[VIV_ZK_FILE_HEADER_BYTES];
    size_t got;
    VIV_TRY(take(log, header, sizeof header, &got));
    if (got < sizeof header) {
        return damaged(log, "the transaction log is shorter than its header");
    }
    if (viv_load_be32(header) != VIV_ZK_LOG_MAGIC || viv_load_be32(header + 4) != VIV_ZK_FILE_VERSION) {
        return damaged(log, "this is not a transaction log of ZooKeeper");
    }
    return VIV_OK;
}

viv_status viv_zk_log_open(const char *path, struct viv_zk_log **out)
{
    FILE *file = fopen(path, "rbe");
    if (file == NULL) {
        int why = errno;
        viv_log(VIV_LOG_ERROR, "zkdata", "a file cannot be opened", "file=%s error=\"%s\"", path, strerror(why));
        return why == ENOENT ? VIV_ERR_NOT_FOUND : VIV_ERR_SYSTEM;
    }
    setvbuf(file, NULL, _IOFBF, STREAM_BYTES);
    struct viv_zk_log *log = viv_alloc_zeroed(1, sizeof *log);
    log->path = strdup(path);
    VIV_ASSERT(log->path != NULL);
    log->file = file;
    viv_status status = take_header(log);
    if (status != VIV_OK) {
        viv_zk_log_close(log);
        return status;
    }
    *out = log;
    return VIV_OK;
}

void viv_zk_log_close(struct viv_zk_log *log)
{
    fclose(log->file);
    viv_buffer_fini(&log->entry);
    free(log->path);
    free(log);
}

/* Grows as bytes come, so that a wrong length alone cannot take the memory. */
static viv_status take_entry(struct viv_zk_log *log, size_t size, size_t *got)
{
    viv_buffer_clear(&log->entry);
    *got = 0;
    while (*got < size) {
        size_t piece = size - *got < STREAM_BYTES ? size - *got : STREAM_BYTES;
        size_t taken;
        VIV_TRY(take(log, viv_buffer_reserve(&log->entry, piece), piece, &taken));
        log->entry.size += taken;
        *got += taken;
        if (taken < piece) {
            break;
        }
    }
    return VIV_OK;
}

/* The order of the checks is ZooKeeper's: the length, then the last byte, then the checksum. */
static viv_status check_entry(struct viv_zk_log *log, const uint8_t *head, size_t size, enum viv_zk_log_found *found)
{
    size_t got;
    VIV_TRY(take_entry(log, size + 1, &got));
    if (got < size + 1 || log->entry.data[size] != VIV_ZK_RECORD_END) {
        *found = VIV_ZK_LOG_TORN;
        return VIV_OK;
    }
    log->entry.size = size;
    if (viv_load_be64(head) != adler32_z(1, log->entry.data, size)) {
        return damaged(log, "the checksum of a transaction does not hold");
    }
    *found = VIV_ZK_LOG_ENTRY;
    return VIV_OK;
}

viv_status viv_zk_log_next(struct viv_zk_log *log, struct viv_bytes *entry, enum viv_zk_log_found *found)
{
    uint8_t head[VIV_ZK_RECORD_HEAD_BYTES];
    size_t got;
    log->offset = log->next_offset;
    VIV_TRY(take(log, head, sizeof head, &got));
    if (got < sizeof head) {
        *found = got == 0 ? VIV_ZK_LOG_END : VIV_ZK_LOG_TORN;
        return VIV_OK;
    }
    uint32_t size = viv_load_be32(head + 8);
    if (size == 0) {
        *found = VIV_ZK_LOG_END;
        return VIV_OK;
    }
    if (size > VIV_ENTRY_BYTES_MAX) {
        return damaged(log, "the length of a transaction is impossible");
    }
    VIV_TRY(check_entry(log, head, size, found));
    *entry = viv_buffer_bytes(&log->entry);
    return VIV_OK;
}

uint64_t viv_zk_log_offset(const struct viv_zk_log *log)
{
    return log->offset;
}

void viv_zk_log_write_header(struct viv_buffer *out)
{
    viv_jute_write_int(out, (int32_t)VIV_ZK_LOG_MAGIC);
    viv_jute_write_int(out, VIV_ZK_FILE_VERSION);
    viv_jute_write_long(out, 0);
}

void viv_zk_log_write_entry(struct viv_buffer *out, struct viv_bytes entry)
{
    VIV_ASSERT(entry.size > 0 && entry.size <= VIV_ENTRY_BYTES_MAX);
    static const uint8_t end = VIV_ZK_RECORD_END;
    viv_jute_write_long(out, (int64_t)adler32_z(1, entry.data, entry.size));
    viv_jute_write_bytes(out, entry);
    viv_buffer_append(out, &end, sizeof end);
}
