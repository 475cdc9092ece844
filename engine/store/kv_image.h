#ifndef VIV_STORE_KV_IMAGE_H
#define VIV_STORE_KV_IMAGE_H

#include "store/state_store.h"

/* What every image kept in somebody else's key-value library has in common. Such libraries serve rotten pages without
 * a word, so each stored row carries a CRC of its own, and the image's mark, written in the same atomic unit as the
 * rows, carries their number and an order-independent sum: a row that a damaged branch page hides is missed.
 *
 * Knows rows, marks and checks; does not know which library keeps them. */

/* Everything one image says about itself. */
struct viv_kv_mark {
    struct viv_state_mark mark;
    uint64_t previous_start; /* zxid_start of the durable mark before this one */
    uint64_t cluster[2];
    int64_t server_id;
    uint64_t salt; /* random per image, for a store that hashes long keys: nobody can prepare two that collide */
    uint64_t rows; /* in the image */
    uint64_t sum;  /* of every row's hash, modulo 2^64 */
    viv_gid gid;
    /* Not stored: how much of `rows` and `sum` a look at the image has found so far, in the rows up to looked_upto. */
    uint64_t looked_rows, looked_sum;
    struct viv_bytes looked_upto; /* a place in the library's order of rows; borrowed, empty: no row was looked at */
};

enum { VIV_KV_MARK_BYTES = 96 + 4 };

void viv_kv_mark_encode(const struct viv_kv_mark *mark, uint8_t out[VIV_KV_MARK_BYTES]);
/* VIV_ERR_CORRUPT, VIV_ERR_VERSION, and VIV_ERR_FOREIGN when it is not of config's ensemble, server and `gid`.
 * Logs the failure under the name `store`. */
viv_status viv_kv_mark_decode(const char *store, struct viv_bytes bytes, const struct viv_store_config *config,
                              viv_gid gid, struct viv_kv_mark *mark) VIV_MUST_USE;
/* A mark without rows, of the ensemble and server in config. */
void viv_kv_mark_init(struct viv_kv_mark *mark, const struct viv_store_config *config, viv_gid gid, uint64_t salt);

/* The check stored beside a row: over key, value and where one ends. */
uint32_t viv_kv_row_crc(struct viv_bytes key, struct viv_bytes value);
/* A row comes or goes. `place`: the bytes by which the library orders it. */
void viv_kv_mark_add(struct viv_kv_mark *mark, struct viv_bytes place, struct viv_bytes key, struct viv_bytes value);
void viv_kv_mark_remove(struct viv_kv_mark *mark, struct viv_bytes place, struct viv_bytes key, struct viv_bytes value);
/* Logs the damaged row; returns VIV_ERR_CORRUPT. */
viv_status viv_kv_row_damaged(const char *store, struct viv_bytes key) VIV_MUST_USE;

/* A load on its way from a library to the receiver: checks each row, counts it, hands on blocks of about 1 MiB. */
struct viv_kv_feed {
    const char *store;
    viv_state_rows_fn *rows;
    void *ctx;
    struct viv_store_report *report;
    struct viv_buffer block;
    struct viv_kv_mark seen;
};

/* VIV_ERR_CORRUPT, or what the receiver answered. */
viv_status viv_kv_feed_row(struct viv_kv_feed *feed, uint32_t crc, struct viv_bytes key,
                           struct viv_bytes value) VIV_MUST_USE;
/* Hands on the rest and compares what was seen with the image's mark. VIV_ERR_CORRUPT when rows are missing. */
viv_status viv_kv_feed_end(struct viv_kv_feed *feed, const struct viv_kv_mark *expected) VIV_MUST_USE;
void viv_kv_feed_fini(struct viv_kv_feed *feed);

/* Some more of an image on its way from the disk: rows behind mark->looked_upto in the library's order, each checked
 * and counted in the mark. */
struct viv_kv_look {
    const char *store;
    struct viv_kv_mark *mark;
    size_t bytes_max, bytes;       /* about so many at most; looked at */
    struct viv_buffer upto;        /* place of the last row; empty when none was left */
    struct viv_buffer stored_mark; /* as it is on the disk, once no row is left */
};

/* VIV_ERR_CORRUPT: logged. */
viv_status viv_kv_look_row(struct viv_kv_look *look, uint32_t crc, struct viv_bytes place, struct viv_bytes key,
                           struct viv_bytes value) VIV_MUST_USE;

/* Monotonic nanoseconds, for the report. */
uint64_t viv_kv_now_ns(void);

#endif /* VIV_STORE_KV_IMAGE_H */
