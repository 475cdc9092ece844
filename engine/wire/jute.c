#include "wire/jute.h"

#include "base/endian.h"

struct viv_jute_reader viv_jute_reader_of(struct viv_bytes bytes)
{
    return (struct viv_jute_reader){bytes, false};
}

struct viv_bytes viv_jute_read_raw(struct viv_jute_reader *reader, size_t size)
{
    if (reader->bad || reader->rest.size < size) {
        reader->bad = true;
        return (struct viv_bytes){0};
    }
    struct viv_bytes taken = {reader->rest.data, size};
    reader->rest.data += size;
    reader->rest.size -= size;
    return taken;
}

int32_t viv_jute_read_int(struct viv_jute_reader *reader)
{
    struct viv_bytes raw = viv_jute_read_raw(reader, 4);
    return reader->bad ? 0 : (int32_t)viv_load_be32(raw.data);
}

int64_t viv_jute_read_long(struct viv_jute_reader *reader)
{
    struct viv_bytes raw = viv_jute_read_raw(reader, 8);
    return reader->bad ? 0 : (int64_t)viv_load_be64(raw.data);
}

bool viv_jute_read_bool(struct viv_jute_reader *reader)
{
    struct viv_bytes raw = viv_jute_read_raw(reader, 1);
    return reader->bad ? false : raw.data[0] != 0;
}

struct viv_jute_slice viv_jute_read_buffer(struct viv_jute_reader *reader)
{
    int32_t size = viv_jute_read_int(reader);
    if (reader->bad || size == -1) {
        return (struct viv_jute_slice){.null = true};
    }
    if (size < 0) {
        reader->bad = true;
        return (struct viv_jute_slice){.null = true};
    }
    return (struct viv_jute_slice){.bytes = viv_jute_read_raw(reader, (size_t)size)};
}

int32_t viv_jute_read_count(struct viv_jute_reader *reader, size_t element_bytes_min)
{
    int32_t count = viv_jute_read_int(reader);
    if (reader->bad || count == -1) {
        return reader->bad ? 0 : -1;
    }
    if (count < 0 || (size_t)count * element_bytes_min > reader->rest.size) {
        reader->bad = true;
        return 0;
    }
    return count;
}

void viv_jute_write_int(struct viv_buffer *out, int32_t value)
{
    viv_store_be32(viv_buffer_extend(out, 4), (uint32_t)value);
}

void viv_jute_write_long(struct viv_buffer *out, int64_t value)
{
    viv_store_be64(viv_buffer_extend(out, 8), (uint64_t)value);
}

void viv_jute_write_bool(struct viv_buffer *out, bool value)
{
    *viv_buffer_extend(out, 1) = value ? 1 : 0;
}

void viv_jute_write_bytes(struct viv_buffer *out, struct viv_bytes bytes)
{
    viv_jute_write_int(out, (int32_t)bytes.size);
    viv_buffer_append_bytes(out, bytes);
}

void viv_jute_write_slice(struct viv_buffer *out, struct viv_jute_slice slice)
{
    if (slice.null) {
        viv_jute_write_int(out, -1);
    } else {
        viv_jute_write_bytes(out, slice.bytes);
    }
}

void viv_jute_write_text(struct viv_buffer *out, const char *text)
{
    viv_jute_write_bytes(out, viv_bytes_text(text));
}
