#include "zkdata/snapshot_writer.h"

#include <snappy-c.h>
#include <stdlib.h>
#include <zlib.h>

#include "base/assert.h"
#include "tree/image.h"
#include "wire/jute.h"
#include "zkdata/source.h"
#include "zkdata/zkdata_internal.h"

enum { SIGNATURE_BYTES = 4 + 10, GZIP_WINDOW_BITS = 15 + 16, GZIP_MEMORY_LEVEL = 8 };

struct viv_zk_snapshot_writer {
    struct viv_tree *tree;
    struct viv_zk_snapshot_form form;
    struct viv_tree_stream *stream;
    uint64_t zxid;
    uint32_t adler;        /* of the unpacked bytes before `raw` */
    struct viv_buffer raw; /* unpacked, of this slice; snappy keeps what does not fill a block */
    z_stream gzip;
    bool is_begun, is_done;
};

/* ---- packing ---- */

static void pack_plain(struct viv_zk_snapshot_writer *writer, bool is_last, struct viv_buffer *out)
{
    (void)is_last;
    viv_buffer_append_bytes(out, viv_buffer_bytes(&writer->raw));
    viv_buffer_clear(&writer->raw);
}

static void pack_gzip(struct viv_zk_snapshot_writer *writer, bool is_last, struct viv_buffer *out)
{
    z_stream *gzip = &writer->gzip;
    gzip->next_in = writer->raw.data;
    gzip->avail_in = (uInt)writer->raw.size;
    int status;
    do {
        size_t room = writer->raw.size / 2 + 4096;
        gzip->next_out = viv_buffer_reserve(out, room);
        gzip->avail_out = (uInt)room;
        status = deflate(gzip, is_last ? Z_FINISH : Z_NO_FLUSH);
        VIV_ASSERT(status == Z_OK || status == Z_STREAM_END || status == Z_BUF_ERROR);
        out->size += room - gzip->avail_out;
    } while (gzip->avail_out == 0 || (is_last && status != Z_STREAM_END));
    VIV_ASSERT(gzip->avail_in == 0);
    viv_buffer_clear(&writer->raw);
}

static void pack_block(const uint8_t *raw, size_t size, struct viv_buffer *out)
{
    size_t packed_bytes = snappy_max_compressed_length(size);
    size_t length_at = out->size;
    viv_jute_write_int(out, 0);
    uint8_t *to = viv_buffer_reserve(out, packed_bytes);
    snappy_status status = snappy_compress((const char *)raw, size, (char *)to, &packed_bytes);
    VIV_ASSERT(status == SNAPPY_OK);
    out->size = length_at;
    viv_jute_write_int(out, (int32_t)packed_bytes);
    out->size += packed_bytes;
}

static void pack_snappy(struct viv_zk_snapshot_writer *writer, bool is_last, struct viv_buffer *out)
{
    size_t done = 0;
    while (writer->raw.size - done >= VIV_ZK_SNAPPY_BLOCK_BYTES || (is_last && done < writer->raw.size)) {
        size_t left = writer->raw.size - done;
        size_t size = left < VIV_ZK_SNAPPY_BLOCK_BYTES ? left : VIV_ZK_SNAPPY_BLOCK_BYTES;
        pack_block(writer->raw.data + done, size, out);
        done += size;
    }
    viv_buffer_consume(&writer->raw, done);
}

typedef void pack_fn(struct viv_zk_snapshot_writer *writer, bool is_last, struct viv_buffer *out);

static const struct {
    const char *ending;
    pack_fn *pack;
} packings[] = {
    [VIV_ZK_PLAIN] = {"", pack_plain},
    [VIV_ZK_GZIP] = {".gz", pack_gzip},
    [VIV_ZK_SNAPPY] = {".snappy", pack_snappy},
};

const char *viv_zk_packing_ending(enum viv_zk_packing packing)
{
    return packings[packing].ending;
}

/* ---- contents ---- */

static void write_head(struct viv_zk_snapshot_writer *writer, struct viv_buffer *out)
{
    if (writer->form.packing == VIV_ZK_SNAPPY) {
        viv_buffer_append(out, viv_zk_snappy_header, VIV_ZK_SNAPPY_HEADER_BYTES);
    }
    viv_jute_write_int(&writer->raw, (int32_t)VIV_ZK_SNAPSHOT_MAGIC);
    viv_jute_write_int(&writer->raw, VIV_ZK_FILE_VERSION);
    viv_jute_write_long(&writer->raw, -1);
    writer->is_begun = true;
}

/* Sums what was added since `from`. */
static void sum(struct viv_zk_snapshot_writer *writer, size_t from)
{
    writer->adler = (uint32_t)adler32_z(writer->adler, writer->raw.data + from, writer->raw.size - from);
}

static void write_seal(struct viv_zk_snapshot_writer *writer, size_t from)
{
    sum(writer, from);
    size_t seal_at = writer->raw.size;
    viv_jute_write_long(&writer->raw, (int64_t)writer->adler);
    viv_jute_write_text(&writer->raw, "/");
    sum(writer, seal_at);
}

static void write_trailer(struct viv_zk_snapshot_writer *writer, size_t from)
{
    struct viv_buffer *raw = &writer->raw;
    write_seal(writer, from);
    if (!writer->form.has_digest) {
        return;
    }
    size_t at = raw->size;
    viv_jute_write_long(raw, (int64_t)viv_tree_zxid(writer->tree));
    viv_jute_write_int(raw, VIV_ZK_DIGEST_VERSION);
    viv_jute_write_long(raw, (int64_t)viv_tree_digest(writer->tree));
    write_seal(writer, at);
    if (!writer->form.has_last_zxid) {
        return;
    }
    at = raw->size;
    viv_jute_write_long(raw, (int64_t)viv_tree_zxid(writer->tree));
    write_seal(writer, at);
}

struct viv_zk_snapshot_writer *viv_zk_snapshot_writer_begin(struct viv_tree *tree,
                                                            const struct viv_zk_snapshot_form *form)
{
    VIV_ASSERT(form->has_digest || !form->has_last_zxid);
    struct viv_zk_snapshot_writer *writer = viv_alloc_zeroed(1, sizeof *writer);
    writer->tree = tree;
    writer->form = *form;
    writer->stream = viv_tree_stream_begin(tree);
    writer->zxid = viv_tree_zxid(tree);
    writer->adler = 1;
    if (form->packing == VIV_ZK_GZIP) {
        int status = deflateInit2(&writer->gzip, Z_DEFAULT_COMPRESSION, Z_DEFLATED, GZIP_WINDOW_BITS, GZIP_MEMORY_LEVEL,
                                  Z_DEFAULT_STRATEGY);
        VIV_ASSERT(status == Z_OK);
    }
    return writer;
}

bool viv_zk_snapshot_writer_step(struct viv_zk_snapshot_writer *writer, size_t raw_bytes_max, struct viv_buffer *out)
{
    VIV_ASSERT(!writer->is_done);
    size_t from = writer->raw.size;
    if (!writer->is_begun) {
        write_head(writer, out);
    }
    writer->is_done = !viv_tree_stream_step(writer->stream, raw_bytes_max, &writer->raw);
    if (writer->is_done) {
        writer->raw.size -= SIGNATURE_BYTES; /* ends a stream to a learner; a file has its seal there */
        write_trailer(writer, from);
    } else {
        sum(writer, from);
    }
    packings[writer->form.packing].pack(writer, writer->is_done, out);
    return !writer->is_done;
}

uint64_t viv_zk_snapshot_writer_zxid(const struct viv_zk_snapshot_writer *writer)
{
    return writer->zxid;
}

void viv_zk_snapshot_writer_end(struct viv_zk_snapshot_writer *writer)
{
    viv_tree_stream_end(writer->stream);
    if (writer->form.packing == VIV_ZK_GZIP) {
        deflateEnd(&writer->gzip);
    }
    viv_buffer_fini(&writer->raw);
    free(writer);
}
