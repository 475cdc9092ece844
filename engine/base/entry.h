#ifndef VIV_BASE_ENTRY_H
#define VIV_BASE_ENTRY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

/* One record of the replicated log. The body is exactly the jute bytes of the proposal (TxnHeader, transaction
 * record, optional digest): made once by the leader, carried unchanged by wire, log and history. */
struct viv_entry {
    uint64_t zxid;         /* epoch << 32 | counter; standalone: a plain counter from 1 */
    struct viv_bytes body; /* borrowed; the one who hands the entry out says for how long */
    uint32_t body_crc;     /* viv_crc32c(0, body), computed once when the entry is made or received */
};

/* An entry of a log that is known by its identifier only: body.size and body_crc are right, its bytes are not there. */
static inline bool viv_entry_is_damaged(const struct viv_entry *entry)
{
    return entry->body.data == NULL && entry->body.size > 0;
}

/* Identifies a ZAB ensemble and its part of the namespace. Every frame between our servers, log call, log record,
 * hard state and trace event carries one. There is one group, 0. */
typedef uint16_t viv_gid;

/* Server id, 1..254 (it is the top byte of the session ids that the server makes). */
typedef int64_t viv_sid;

#define VIV_ZXID_EPOCH(zxid)     ((uint32_t)((zxid) >> 32))
#define VIV_ZXID_COUNTER(zxid)   ((uint32_t)(zxid))
#define VIV_ZXID(epoch, counter) (((uint64_t)(epoch) << 32) | (uint32_t)(counter))

#endif /* VIV_BASE_ENTRY_H */
