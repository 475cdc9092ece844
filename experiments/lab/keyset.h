#ifndef VIV_EXPERIMENTS_LAB_KEYSET_H
#define VIV_EXPERIMENTS_LAB_KEYSET_H

#include "base/bytes.h"

/* The znodes a trial reads and writes, and what the servers owe: every value carries its key's sequence number, so that
 * after a fault each acknowledged write can be asked for. A key is written by one session at a time and a session's
 * requests are executed in order, therefore the value of a key may never carry a smaller number than the last one
 * acknowledged. Where a system keeps no such order a key has one write under way at a time, and one that was never
 * answered may take effect at any later time. Knows paths and numbers; asks nobody. */

struct viv_key {
    uint32_t sent;                    /* number of the last write that left; 0: the value of the initial state */
    uint32_t acked;                   /* number of the last write acknowledged */
    uint32_t stray_first, stray_last; /* of a system without order: the writes that were never answered lie between */
};

struct viv_keyset {
    struct viv_key *keys;
    uint32_t key_count;
    size_t value_bytes;
    struct viv_buffer filler; /* value_bytes of text that zstd can halve, as real values are */

    uint8_t *created; /* per znode of create steps: enum viv_created */
    uint32_t created_count;
    uint32_t created_capacity;
};

enum viv_created { VIV_CREATED_NEVER, VIV_CREATED_ASKED, VIV_CREATED_ACKED };

enum { VIV_KEYSET_PATH_BYTES_MAX = 64, VIV_KEYSET_VALUE_BYTES_MIN = 8 };

/* Root of everything a trial itself makes, and the parent of what create steps make. */
#define VIV_KEYSET_ROOT    "/vivlab"
#define VIV_KEYSET_CREATED "/vivlab/created"

void viv_keyset_init(struct viv_keyset *keyset, uint32_t key_count, size_t value_bytes, uint64_t seed);
void viv_keyset_fini(struct viv_keyset *keyset);

/* Writes the path into `to`, VIV_KEYSET_PATH_BYTES_MAX long; borrows from it. */
struct viv_bytes viv_keyset_path(uint32_t key, char *to);
struct viv_bytes viv_keyset_created_path(uint32_t index, char *to);
/* The value of write `number`; borrows from the keyset until the next call. */
struct viv_bytes viv_keyset_value(struct viv_keyset *keyset, uint32_t number);
/* Number in a value; false when it is not one of ours. */
bool viv_keyset_number(struct viv_bytes value, uint32_t *number);

/* Number of the next write to `key`. */
uint32_t viv_keyset_next(struct viv_keyset *keyset, uint32_t key);
void viv_keyset_acked(struct viv_keyset *keyset, uint32_t key, uint32_t number);
/* The write was never answered, and the system keeps no order. */
void viv_keyset_stray(struct viv_keyset *keyset, uint32_t key, uint32_t number);
/* Whether a value of that number means that an acknowledged write is gone. */
bool viv_keyset_is_loss(const struct viv_keyset *keyset, uint32_t key, uint32_t number);
/* Index for one more created znode. */
uint32_t viv_keyset_create(struct viv_keyset *keyset);
/* All created znodes were deleted again. */
void viv_keyset_forget_created(struct viv_keyset *keyset);

#endif /* VIV_EXPERIMENTS_LAB_KEYSET_H */
