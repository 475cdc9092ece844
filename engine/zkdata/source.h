#ifndef VIV_ZKDATA_SOURCE_H
#define VIV_ZKDATA_SOURCE_H

#include "base/bytes.h"
#include "base/status.h"

/* The bytes of a file as they were before it was packed: plain, gzip (`.gz`) or snappy (`.snappy`, the framing of
 * on-disk-format.md §3.1), told by the name as ZooKeeper does. Hands on windows of a bounded size; knows nothing of
 * what is in them. */

struct viv_zk_source;

/* VIV_ERR_NOT_FOUND, VIV_ERR_SYSTEM; logged. */
viv_status viv_zk_source_open(const char *path, struct viv_zk_source **out) VIV_MUST_USE;
void viv_zk_source_close(struct viv_zk_source *source);
/* The next window, valid until the next call; empty at the end. VIV_ERR_CORRUPT: the packing is damaged or cut off;
 * VIV_ERR_LIMIT: a block larger than any writer makes; VIV_ERR_IO. Logged with file and offset. */
viv_status viv_zk_source_next(struct viv_zk_source *source, struct viv_bytes *window) VIV_MUST_USE;
/* Unpacked bytes handed out so far. */
uint64_t viv_zk_source_offset(const struct viv_zk_source *source);

/* The first bytes of snappy's framing. */
enum { VIV_ZK_SNAPPY_MAGIC_BYTES = 8, VIV_ZK_SNAPPY_HEADER_BYTES = 16, VIV_ZK_SNAPPY_BLOCK_BYTES = 32 << 10 };
extern const uint8_t viv_zk_snappy_header[VIV_ZK_SNAPPY_HEADER_BYTES];

#endif /* VIV_ZKDATA_SOURCE_H */
