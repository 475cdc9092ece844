#ifndef VIV_ZKDATA_LOG_H
#define VIV_ZKDATA_LOG_H

#include "base/bytes.h"
#include "base/status.h"

/* Reads and writes a transaction log file as Apache ZooKeeper does (on-disk-format.md §2): Adler-32 over each entry,
 * the same rules for where a file ends and for what is damage. Entries are opaque here (zkdata/txn.h). A window of the
 * file is in memory, never more than its longest entry. */

struct viv_zk_log;

enum viv_zk_log_found {
    VIV_ZK_LOG_ENTRY,
    VIV_ZK_LOG_END,  /* padding, or the file ends behind a record */
    VIV_ZK_LOG_TORN, /* it ends inside a record, or with one whose last byte is missing: what a crash leaves */
};

/* VIV_ERR_CORRUPT: not a log, or shorter than its header; VIV_ERR_NOT_FOUND, VIV_ERR_SYSTEM. Logged. */
viv_status viv_zk_log_open(const char *path, struct viv_zk_log **out) VIV_MUST_USE;
void viv_zk_log_close(struct viv_zk_log *log);
/* The entry is valid until the next call. VIV_ERR_CORRUPT: a checksum that does not hold, or an impossible length;
 * the log line names file and offset. VIV_ERR_IO. */
viv_status viv_zk_log_next(struct viv_zk_log *log, struct viv_bytes *entry, enum viv_zk_log_found *found) VIV_MUST_USE;
/* Of the record that `next` looked at last. */
uint64_t viv_zk_log_offset(const struct viv_zk_log *log);

/* The other way: bytes of a file's header and of one record, appended to *out. */
void viv_zk_log_write_header(struct viv_buffer *out);
void viv_zk_log_write_entry(struct viv_buffer *out, struct viv_bytes entry);

#endif /* VIV_ZKDATA_LOG_H */
