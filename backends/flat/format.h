#ifndef VIV_BACKENDS_FLAT_FORMAT_H
#define VIV_BACKENDS_FLAT_FORMAT_H

#include <stdbool.h>

#include "base/bytes.h"
#include "base/entry.h"
#include "base/status.h"

/* The bytes of a log segment: one header block, then batch records at multiples of 512 bytes. Pure encoding and
 * checking; it opens no file. Everything is little-endian; backends/flat/README.md draws it.
 *
 * A batch is a header, a table (runs, then entries) and the entries' bodies. The header's and the table's checksums
 * are seeded with the segment's salt, and the header repeats the segment's number and its own offset, so neither
 * bytes of a recycled segment nor a record written to the wrong place ever pass for a batch. Bodies are covered
 * through the checksums in the table, which the leader computed once. */

enum {
    VIV_FLAT_SECTOR_BYTES = 512, /* what a device writes whole; a batch shares no sector with its neighbour */
    VIV_FLAT_BLOCK_BYTES = 4096,
    VIV_FLAT_BATCH_HEADER_BYTES = 64,
    VIV_FLAT_RUN_BYTES = 24,
    VIV_FLAT_ENTRY_BYTES = 16,
    VIV_FLAT_BODY_BYTES_MAX = 1 << 30, /* of one batch: table and bodies */
    /* Larger batches stand only at the start of a segment, so that the next one is never far from a damaged one. */
    VIV_FLAT_BATCH_BYTES_USUAL = 4 << 20,
    /* Segments of version 1 have neither identifiers nor a copy of their header. */
    VIV_FLAT_VERSION_IDENTIFIERS = 2,
};

/* Whose files these are. */
struct viv_flat_owner {
    uint64_t cluster[2];
    int64_t server_id;
};

struct viv_flat_segment_header {
    struct viv_flat_owner owner;
    uint64_t seq;
    uint64_t salt;
    uint64_t file_bytes; /* what the file should have; 0 in the first version */
    uint32_t version;    /* set by decode; encode writes the newest */
};

/* Fills a whole VIV_FLAT_BLOCK_BYTES block. */
void viv_flat_segment_header_encode(const struct viv_flat_segment_header *header, uint8_t *block);
/* VIV_ERR_CORRUPT, VIV_ERR_VERSION. */
viv_status viv_flat_segment_header_decode(const uint8_t *block, struct viv_flat_segment_header *header) VIV_MUST_USE;
/* VIV_ERR_FOREIGN when `found` is not `own`; a cluster of {0,0} on either side fits any. */
viv_status viv_flat_owner_check(const struct viv_flat_owner *own, const struct viv_flat_owner *found) VIV_MUST_USE;

enum viv_flat_run_kind {
    VIV_FLAT_RUN_ENTRIES = 1,  /* entry_count entries; commit_zxid is the hint; zxid unused */
    VIV_FLAT_RUN_TRUNCATE = 2, /* the group's entries above zxid are forgotten */
    VIV_FLAT_RUN_RESET = 3,    /* the group's history restarts after zxid */
    VIV_FLAT_RUN_BOUNDS = 4,   /* first batch of a segment: the group stood at zxid, with this commit_zxid */
    VIV_FLAT_RUN_NEXT = 5,     /* last batch of a segment, alone: the log goes on in the next one */
};

struct viv_flat_run {
    viv_gid gid;
    uint16_t kind; /* enum viv_flat_run_kind */
    uint32_t entry_count;
    uint64_t zxid;
    uint64_t commit_zxid;
};

/* A run with the entries it brings. */
struct viv_flat_run_input {
    struct viv_flat_run run;
    const struct viv_entry *entries;
};

struct viv_flat_batch_header {
    uint64_t seq;             /* of the segment */
    uint64_t offset;          /* of this batch in it */
    uint64_t ordinal;         /* +1 per batch over the whole log */
    uint64_t durable_ordinal; /* every batch up to this one was durable when this one was written */
    uint32_t run_count;
    uint32_t entry_count;
    uint32_t body_bytes; /* table and bodies, without padding */
    uint32_t table_crc;
    uint32_t previous_crc; /* `crc` of the batch before: the log is a chain */
    uint32_t crc;
};

/* Bytes that the batch takes in the segment, padding included; 0: over VIV_FLAT_BODY_BYTES_MAX. */
uint64_t viv_flat_batch_bytes(const struct viv_flat_run_input *runs, size_t run_count);
uint64_t viv_flat_batch_bytes_of(const struct viv_flat_batch_header *header);
/* Appends the padded record to `out`; computes counts and checksums into *header, whose place and chain members the
 * caller has set. */
void viv_flat_batch_encode(struct viv_flat_batch_header *header, uint64_t salt, const struct viv_flat_run_input *runs,
                           size_t run_count, struct viv_buffer *out);
/* False unless these 64 bytes are the header of a batch at that place of that segment. */
bool viv_flat_batch_header_decode(const uint8_t *bytes, const struct viv_flat_segment_header *segment, uint64_t offset,
                                  struct viv_flat_batch_header *header);

/* Bytes of the table; of the batch's identifier, which is header and table once more, in another part of the file. */
uint64_t viv_flat_table_bytes_of(const struct viv_flat_batch_header *header);
uint64_t viv_flat_identifier_bytes_of(const struct viv_flat_batch_header *header);
/* The same before the batch is encoded. */
uint64_t viv_flat_identifier_bytes(const struct viv_flat_run_input *runs, size_t run_count);
/* Appends the header as it was written. */
void viv_flat_batch_header_bytes(const struct viv_flat_batch_header *header, uint64_t salt, struct viv_buffer *out);
/* Whether these bytes are the table that the header speaks of. */
bool viv_flat_table_is_sound(const struct viv_flat_batch_header *header, const uint8_t *table, uint64_t salt);
/* As viv_flat_batch_header_decode, of a header that stands elsewhere: header->offset says where it belongs. */
bool viv_flat_identifier_decode(const uint8_t *bytes, const struct viv_flat_segment_header *segment,
                                struct viv_flat_batch_header *header);

/* Walks a batch whose header was decoded. `body` is the header's body_bytes bytes; it is borrowed. */
struct viv_flat_batch_cursor {
    const struct viv_flat_batch_header *header;
    const uint8_t *body;
    uint32_t next_run, next_entry;
    uint32_t entries_left_in_run;
    uint64_t body_offset;
};

/* Verifies the table, and that runs, entries and sizes agree. */
bool viv_flat_batch_open(struct viv_flat_batch_cursor *cursor, const struct viv_flat_batch_header *header,
                         const uint8_t *body, uint64_t salt);
/* Skips what is left of the current run; false at the end. */
bool viv_flat_batch_next_run(struct viv_flat_batch_cursor *cursor, struct viv_flat_run *run);
/* The next entry of the current run; false at its end. The body's checksum is not verified yet. */
bool viv_flat_batch_next_entry(struct viv_flat_batch_cursor *cursor, struct viv_entry *entry);

#endif /* VIV_BACKENDS_FLAT_FORMAT_H */
