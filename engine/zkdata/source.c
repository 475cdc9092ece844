#include "zkdata/source.h"

#include <errno.h>
#include <snappy-c.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/assert.h"
#include "base/endian.h"
#include "base/log.h"

/* The writer's blocks are 32 KiB; its format allows more, but nobody who means well asks for 16 MiB at once. */
enum { WINDOW_BYTES = 1 << 20, BLOCK_BYTES_MAX = 16 << 20 };

const uint8_t viv_zk_snappy_header[VIV_ZK_SNAPPY_HEADER_BYTES] = {0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0,
                                                                  0,    0,   0,   1,   0,   0,   0,   1};

typedef viv_status next_fn(struct viv_zk_source *source, struct viv_bytes *window);

struct viv_zk_source {
    char *path;
    next_fn *next;
    FILE *file;     /* snappy */
    gzFile gz;      /* plain and gzip: gzread passes plain files through */
    bool is_packed; /* the name says gzip */
    uint64_t offset;
    struct viv_buffer packed, window;
};

static viv_status damaged(const struct viv_zk_source *source, const char *what)
{
    viv_log(VIV_LOG_ERROR, "zkdata", what, "file=%s offset=%llu", source->path, (unsigned long long)source->offset);
    return VIV_ERR_CORRUPT;
}

static viv_status next_gz(struct viv_zk_source *source, struct viv_bytes *window)
{
    viv_buffer_clear(&source->window);
    uint8_t *to = viv_buffer_reserve(&source->window, WINDOW_BYTES);
    int got = gzread(source->gz, to, WINDOW_BYTES);
    int error = Z_OK;
    gzerror(source->gz, &error);
    if (error == Z_ERRNO) {
        viv_log(VIV_LOG_ERROR, "zkdata", "a file cannot be read", "file=%s offset=%llu error=\"%s\"", source->path,
                (unsigned long long)source->offset, strerror(errno));
        return VIV_ERR_IO;
    }
    if (got < 0 || (got == 0 && error == Z_BUF_ERROR)) {
        return damaged(source, "the compressed file cannot be unpacked");
    }
    *window = viv_bytes_of(to, (size_t)got);
    return VIV_OK;
}

static viv_status read_packed(struct viv_zk_source *source, size_t size, size_t *got)
{
    viv_buffer_clear(&source->packed);
    *got = fread(viv_buffer_extend(&source->packed, size), 1, size, source->file);
    if (ferror(source->file)) {
        viv_log(VIV_LOG_ERROR, "zkdata", "a file cannot be read", "file=%s offset=%llu error=\"%s\"", source->path,
                (unsigned long long)source->offset, strerror(errno));
        return VIV_ERR_IO;
    }
    return VIV_OK;
}

static viv_status unpack_block(struct viv_zk_source *source, struct viv_bytes *window)
{
    const char *packed = (const char *)source->packed.data;
    size_t size = 0;
    if (snappy_uncompressed_length(packed, source->packed.size, &size) != SNAPPY_OK) {
        return damaged(source, "a compressed block cannot be unpacked");
    }
    if (size > BLOCK_BYTES_MAX) {
        viv_log(VIV_LOG_ERROR, "zkdata", "a compressed block is larger than any writer makes",
                "file=%s offset=%llu bytes=%zu", source->path, (unsigned long long)source->offset, size);
        return VIV_ERR_LIMIT;
    }
    viv_buffer_clear(&source->window);
    char *to = (char *)viv_buffer_reserve(&source->window, size + 1);
    if (snappy_uncompress(packed, source->packed.size, to, &size) != SNAPPY_OK || size == 0) {
        return damaged(source, "a compressed block cannot be unpacked");
    }
    *window = viv_bytes_of(to, size);
    return VIV_OK;
}

static viv_status next_snappy(struct viv_zk_source *source, struct viv_bytes *window)
{
    size_t got;
    VIV_TRY(read_packed(source, 4, &got));
    if (got == 0) {
        *window = (struct viv_bytes){0};
        return VIV_OK;
    }
    uint32_t size = got == 4 ? viv_load_be32(source->packed.data) : 0;
    if (size == 0 || size > BLOCK_BYTES_MAX) {
        return damaged(source, "the length of a compressed block is impossible");
    }
    VIV_TRY(read_packed(source, size, &got));
    return got == size ? unpack_block(source, window) : damaged(source, "a compressed block is cut off");
}

static viv_status cannot_open(const char *path)
{
    int why = errno;
    viv_log(VIV_LOG_ERROR, "zkdata", "a file cannot be opened", "file=%s error=\"%s\"", path, strerror(why));
    return why == ENOENT ? VIV_ERR_NOT_FOUND : VIV_ERR_SYSTEM;
}

static viv_status open_snappy(struct viv_zk_source *source)
{
    source->file = fopen(source->path, "rbe");
    if (source->file == NULL) {
        return cannot_open(source->path);
    }
    size_t got;
    VIV_TRY(read_packed(source, VIV_ZK_SNAPPY_HEADER_BYTES, &got));
    if (got != VIV_ZK_SNAPPY_HEADER_BYTES || memcmp(source->packed.data, viv_zk_snappy_header, got) != 0) {
        return damaged(source, "this is not a snappy file of the known version");
    }
    return VIV_OK;
}

static bool ends_in(const char *path, const char *end)
{
    size_t size = strlen(path), end_size = strlen(end);
    return size >= end_size && strcmp(path + size - end_size, end) == 0;
}

viv_status viv_zk_source_open(const char *path, struct viv_zk_source **out)
{
    struct viv_zk_source *source = viv_alloc_zeroed(1, sizeof *source);
    source->path = strdup(path);
    VIV_ASSERT(source->path != NULL);
    viv_status status = VIV_OK;
    source->is_packed = ends_in(path, ".gz");
    if (ends_in(path, ".snappy")) {
        source->next = next_snappy;
        status = open_snappy(source);
    } else {
        source->next = next_gz;
        source->gz = gzopen(path, "rbe");
        status = source->gz == NULL ? cannot_open(path) : VIV_OK;
    }
    if (status != VIV_OK) {
        viv_zk_source_close(source);
        return status;
    }
    *out = source;
    return VIV_OK;
}

void viv_zk_source_close(struct viv_zk_source *source)
{
    if (source->file != NULL) {
        fclose(source->file);
    }
    if (source->gz != NULL) {
        gzclose(source->gz);
    }
    viv_buffer_fini(&source->packed);
    viv_buffer_fini(&source->window);
    free(source->path);
    free(source);
}

viv_status viv_zk_source_next(struct viv_zk_source *source, struct viv_bytes *window)
{
    VIV_TRY(source->next(source, window));
    if (source->is_packed && source->offset == 0 && gzdirect(source->gz)) {
        return damaged(source, "this is not a gzip file");
    }
    source->offset += window->size;
    return VIV_OK;
}

uint64_t viv_zk_source_offset(const struct viv_zk_source *source)
{
    return source->offset;
}
