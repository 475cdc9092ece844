#ifndef VIV_WIRE_JUTE_H
#define VIV_WIRE_JUTE_H

#include "base/bytes.h"

/* ZooKeeper's primitive encoding (client-protocol.md §2), bounds-checked. A reader never reads past its end: after the
 * first violation `bad` is set, every later read yields zeros, and the caller checks `bad` once at the end. */

struct viv_jute_reader {
    struct viv_bytes rest;
    bool bad;
};

/* A buffer or string as it stands on the wire: null (-1) is not the same as empty. Borrows. */
struct viv_jute_slice {
    struct viv_bytes bytes;
    bool null;
};

struct viv_jute_reader viv_jute_reader_of(struct viv_bytes bytes);
int32_t viv_jute_read_int(struct viv_jute_reader *reader);
int64_t viv_jute_read_long(struct viv_jute_reader *reader);
bool viv_jute_read_bool(struct viv_jute_reader *reader);
struct viv_jute_slice viv_jute_read_buffer(struct viv_jute_reader *reader); /* also strings */
/* Element count of a vector: -1 is null; counts that cannot fit into what is left (element_bytes_min each) are bad. */
int32_t viv_jute_read_count(struct viv_jute_reader *reader, size_t element_bytes_min);
/* The next `size` raw bytes. */
struct viv_bytes viv_jute_read_raw(struct viv_jute_reader *reader, size_t size);

void viv_jute_write_int(struct viv_buffer *out, int32_t value);
void viv_jute_write_long(struct viv_buffer *out, int64_t value);
void viv_jute_write_bool(struct viv_buffer *out, bool value);
void viv_jute_write_bytes(struct viv_buffer *out, struct viv_bytes bytes); /* length + bytes, never null */
void viv_jute_write_slice(struct viv_buffer *out, struct viv_jute_slice slice);
void viv_jute_write_text(struct viv_buffer *out, const char *text);

#endif /* VIV_WIRE_JUTE_H */
