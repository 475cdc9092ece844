#include "backends/flat/format.h"

#include <string.h>

#include "base/assert.h"
#include "base/checksum.h"
#include "base/endian.h"

#define SEGMENT_MAGIC 0x3130474f4c564956ULL /* "VIVLOG01" */
#define BATCH_MAGIC   0x48435442U           /* "BTCH" */

enum { FORMAT_VERSION = VIV_FLAT_VERSION_IDENTIFIERS, FORMAT_VERSION_OLDEST = 1, BATCH_VERSION = 1 };

/* Offsets in a segment header block. */
enum {
    SH_MAGIC = 0,
    SH_CRC = 8,
    SH_VERSION = 12,
    SH_CLUSTER = 16,
    SH_SERVER = 32,
    SH_SEQ = 40,
    SH_SALT = 48,
    SH_BYTES = 56
};

/* Offsets in a batch header. */
enum {
    BH_MAGIC = 0,
    BH_CRC = 4,
    BH_TABLE_CRC = 8,
    BH_PREVIOUS_CRC = 12,
    BH_SEQ = 16,
    BH_OFFSET = 24,
    BH_ORDINAL = 32,
    BH_DURABLE = 40,
    BH_RUNS = 48,
    BH_ENTRIES = 52,
    BH_BODY = 56,
    BH_VERSION = 60,
};

static uint32_t seed_of(uint64_t salt)
{
    return (uint32_t)(salt ^ (salt >> 32));
}

static uint64_t padded(uint64_t bytes)
{
    return (bytes + VIV_FLAT_SECTOR_BYTES - 1) / VIV_FLAT_SECTOR_BYTES * VIV_FLAT_SECTOR_BYTES;
}

/* Covers the whole block but the checksum itself. */
static uint32_t segment_crc(const uint8_t *block)
{
    uint32_t crc = viv_crc32c(0, block, SH_CRC);
    return viv_crc32c(crc, block + SH_VERSION, VIV_FLAT_BLOCK_BYTES - SH_VERSION);
}

void viv_flat_segment_header_encode(const struct viv_flat_segment_header *header, uint8_t *block)
{
    VIV_ASSERT(header->seq > 0);
    memset(block, 0, VIV_FLAT_BLOCK_BYTES);
    viv_store_le64(block + SH_MAGIC, SEGMENT_MAGIC);
    viv_store_le32(block + SH_VERSION, FORMAT_VERSION);
    viv_store_le64(block + SH_CLUSTER, header->owner.cluster[0]);
    viv_store_le64(block + SH_CLUSTER + 8, header->owner.cluster[1]);
    viv_store_le64(block + SH_SERVER, (uint64_t)header->owner.server_id);
    viv_store_le64(block + SH_SEQ, header->seq);
    viv_store_le64(block + SH_SALT, header->salt);
    viv_store_le64(block + SH_BYTES, header->file_bytes);
    viv_store_le32(block + SH_CRC, segment_crc(block));
}

viv_status viv_flat_segment_header_decode(const uint8_t *block, struct viv_flat_segment_header *header)
{
    if (viv_load_le64(block + SH_MAGIC) != SEGMENT_MAGIC || viv_load_le32(block + SH_CRC) != segment_crc(block)) {
        return VIV_ERR_CORRUPT;
    }
    uint32_t version = viv_load_le32(block + SH_VERSION);
    if (version < FORMAT_VERSION_OLDEST || version > FORMAT_VERSION) {
        return VIV_ERR_VERSION;
    }
    *header = (struct viv_flat_segment_header){
        .owner = {{viv_load_le64(block + SH_CLUSTER), viv_load_le64(block + SH_CLUSTER + 8)},
                  (int64_t)viv_load_le64(block + SH_SERVER)},
        .seq = viv_load_le64(block + SH_SEQ),
        .salt = viv_load_le64(block + SH_SALT),
        .file_bytes = version >= VIV_FLAT_VERSION_IDENTIFIERS ? viv_load_le64(block + SH_BYTES) : 0,
        .version = version,
    };
    return VIV_OK;
}

static bool is_unknown(const uint64_t cluster[2])
{
    return cluster[0] == 0 && cluster[1] == 0;
}

viv_status viv_flat_owner_check(const struct viv_flat_owner *own, const struct viv_flat_owner *found)
{
    bool same_cluster = is_unknown(own->cluster) || is_unknown(found->cluster) ||
                        (own->cluster[0] == found->cluster[0] && own->cluster[1] == found->cluster[1]);
    return same_cluster && own->server_id == found->server_id ? VIV_OK : VIV_ERR_FOREIGN;
}

/* Table and bodies. */
static uint64_t body_bytes_of(const struct viv_flat_run_input *runs, size_t run_count)
{
    uint64_t bytes = (uint64_t)run_count * VIV_FLAT_RUN_BYTES;
    for (size_t i = 0; i < run_count; i++) {
        bytes += (uint64_t)runs[i].run.entry_count * VIV_FLAT_ENTRY_BYTES;
        for (uint32_t j = 0; j < runs[i].run.entry_count; j++) {
            bytes += runs[i].entries[j].body.size;
        }
    }
    return bytes;
}

uint64_t viv_flat_batch_bytes(const struct viv_flat_run_input *runs, size_t run_count)
{
    uint64_t bytes = body_bytes_of(runs, run_count);
    return bytes <= VIV_FLAT_BODY_BYTES_MAX ? padded(VIV_FLAT_BATCH_HEADER_BYTES + bytes) : 0;
}

uint64_t viv_flat_batch_bytes_of(const struct viv_flat_batch_header *header)
{
    return padded((uint64_t)VIV_FLAT_BATCH_HEADER_BYTES + header->body_bytes);
}

static void encode_run(const struct viv_flat_run *run, uint8_t *to)
{
    viv_store_le16(to, run->gid);
    viv_store_le16(to + 2, run->kind);
    viv_store_le32(to + 4, run->entry_count);
    viv_store_le64(to + 8, run->zxid);
    viv_store_le64(to + 16, run->commit_zxid);
}

static struct viv_flat_run decode_run(const uint8_t *from)
{
    return (struct viv_flat_run){
        .gid = viv_load_le16(from),
        .kind = viv_load_le16(from + 2),
        .entry_count = viv_load_le32(from + 4),
        .zxid = viv_load_le64(from + 8),
        .commit_zxid = viv_load_le64(from + 16),
    };
}

static void encode_batch_header(struct viv_flat_batch_header *header, uint64_t salt, uint8_t *to)
{
    viv_store_le32(to + BH_MAGIC, BATCH_MAGIC);
    viv_store_le32(to + BH_TABLE_CRC, header->table_crc);
    viv_store_le32(to + BH_PREVIOUS_CRC, header->previous_crc);
    viv_store_le64(to + BH_SEQ, header->seq);
    viv_store_le64(to + BH_OFFSET, header->offset);
    viv_store_le64(to + BH_ORDINAL, header->ordinal);
    viv_store_le64(to + BH_DURABLE, header->durable_ordinal);
    viv_store_le32(to + BH_RUNS, header->run_count);
    viv_store_le32(to + BH_ENTRIES, header->entry_count);
    viv_store_le32(to + BH_BODY, header->body_bytes);
    viv_store_le32(to + BH_VERSION, BATCH_VERSION);
    header->crc = viv_crc32c(seed_of(salt), to + BH_TABLE_CRC, VIV_FLAT_BATCH_HEADER_BYTES - BH_TABLE_CRC);
    viv_store_le32(to + BH_CRC, header->crc);
}

void viv_flat_batch_encode(struct viv_flat_batch_header *header, uint64_t salt, const struct viv_flat_run_input *runs,
                           size_t run_count, struct viv_buffer *out)
{
    VIV_ASSERT(header->durable_ordinal < header->ordinal);
    uint64_t body_bytes = body_bytes_of(runs, run_count);
    VIV_ASSERT(body_bytes <= VIV_FLAT_BODY_BYTES_MAX);
    header->run_count = (uint32_t)run_count;
    header->body_bytes = (uint32_t)body_bytes;
    header->entry_count = 0;
    uint64_t whole = viv_flat_batch_bytes_of(header);
    uint8_t *start = viv_buffer_extend(out, (size_t)whole);
    uint8_t *table = start + VIV_FLAT_BATCH_HEADER_BYTES;
    uint8_t *entry = table + run_count * VIV_FLAT_RUN_BYTES;
    for (size_t i = 0; i < run_count; i++) {
        encode_run(&runs[i].run, table + i * VIV_FLAT_RUN_BYTES);
        for (uint32_t j = 0; j < runs[i].run.entry_count; j++, entry += VIV_FLAT_ENTRY_BYTES) {
            viv_store_le64(entry, runs[i].entries[j].zxid);
            viv_store_le32(entry + 8, (uint32_t)runs[i].entries[j].body.size);
            viv_store_le32(entry + 12, runs[i].entries[j].body_crc);
        }
        header->entry_count += runs[i].run.entry_count;
    }
    uint8_t *body = entry;
    for (size_t i = 0; i < run_count; i++) {
        for (uint32_t j = 0; j < runs[i].run.entry_count; j++) {
            struct viv_bytes bytes = runs[i].entries[j].body;
            if (bytes.size > 0) {
                memcpy(body, bytes.data, bytes.size);
            }
            body += bytes.size;
        }
    }
    memset(body, 0, (size_t)(start + whole - body));
    header->table_crc = viv_crc32c(seed_of(salt), table, (size_t)(entry - table));
    encode_batch_header(header, salt, start);
}

bool viv_flat_batch_header_decode(const uint8_t *bytes, const struct viv_flat_segment_header *segment, uint64_t offset,
                                  struct viv_flat_batch_header *header)
{
    if (viv_load_le32(bytes + BH_MAGIC) != BATCH_MAGIC || viv_load_le64(bytes + BH_SEQ) != segment->seq ||
        viv_load_le64(bytes + BH_OFFSET) != offset) {
        return false;
    }
    uint32_t crc = viv_load_le32(bytes + BH_CRC);
    if (viv_crc32c(seed_of(segment->salt), bytes + BH_TABLE_CRC, VIV_FLAT_BATCH_HEADER_BYTES - BH_TABLE_CRC) != crc) {
        return false;
    }
    *header = (struct viv_flat_batch_header){
        .seq = segment->seq,
        .offset = offset,
        .ordinal = viv_load_le64(bytes + BH_ORDINAL),
        .durable_ordinal = viv_load_le64(bytes + BH_DURABLE),
        .run_count = viv_load_le32(bytes + BH_RUNS),
        .entry_count = viv_load_le32(bytes + BH_ENTRIES),
        .body_bytes = viv_load_le32(bytes + BH_BODY),
        .table_crc = viv_load_le32(bytes + BH_TABLE_CRC),
        .previous_crc = viv_load_le32(bytes + BH_PREVIOUS_CRC),
        .crc = crc,
    };
    return header->ordinal > header->durable_ordinal && header->body_bytes <= VIV_FLAT_BODY_BYTES_MAX;
}

uint64_t viv_flat_table_bytes_of(const struct viv_flat_batch_header *header)
{
    return (uint64_t)header->run_count * VIV_FLAT_RUN_BYTES + (uint64_t)header->entry_count * VIV_FLAT_ENTRY_BYTES;
}

uint64_t viv_flat_identifier_bytes_of(const struct viv_flat_batch_header *header)
{
    return VIV_FLAT_BATCH_HEADER_BYTES + viv_flat_table_bytes_of(header);
}

uint64_t viv_flat_identifier_bytes(const struct viv_flat_run_input *runs, size_t run_count)
{
    struct viv_flat_batch_header header = {.run_count = (uint32_t)run_count};
    for (size_t i = 0; i < run_count; i++) {
        header.entry_count += runs[i].run.entry_count;
    }
    return viv_flat_identifier_bytes_of(&header);
}

bool viv_flat_identifier_decode(const uint8_t *bytes, const struct viv_flat_segment_header *segment,
                                struct viv_flat_batch_header *header)
{
    return viv_flat_batch_header_decode(bytes, segment, viv_load_le64(bytes + BH_OFFSET), header) &&
           viv_flat_table_bytes_of(header) <= header->body_bytes;
}

void viv_flat_batch_header_bytes(const struct viv_flat_batch_header *header, uint64_t salt, struct viv_buffer *out)
{
    struct viv_flat_batch_header copy = *header;
    encode_batch_header(&copy, salt, viv_buffer_extend(out, VIV_FLAT_BATCH_HEADER_BYTES));
    VIV_ASSERT(copy.crc == header->crc);
}

bool viv_flat_table_is_sound(const struct viv_flat_batch_header *header, const uint8_t *table, uint64_t salt)
{
    return viv_crc32c(seed_of(salt), table, (size_t)viv_flat_table_bytes_of(header)) == header->table_crc;
}

bool viv_flat_batch_open(struct viv_flat_batch_cursor *cursor, const struct viv_flat_batch_header *header,
                         const uint8_t *body, uint64_t salt)
{
    uint64_t table_bytes = viv_flat_table_bytes_of(header);
    if (table_bytes > header->body_bytes || !viv_flat_table_is_sound(header, body, salt)) {
        return false;
    }
    uint64_t entries = 0;
    for (uint32_t i = 0; i < header->run_count; i++) {
        struct viv_flat_run run = decode_run(body + (size_t)i * VIV_FLAT_RUN_BYTES);
        if (run.kind < VIV_FLAT_RUN_ENTRIES || run.kind > VIV_FLAT_RUN_NEXT) {
            return false;
        }
        entries += run.entry_count;
    }
    uint64_t bytes = table_bytes;
    const uint8_t *entry = body + (size_t)header->run_count * VIV_FLAT_RUN_BYTES;
    for (uint32_t i = 0; i < header->entry_count; i++) {
        bytes += viv_load_le32(entry + (size_t)i * VIV_FLAT_ENTRY_BYTES + 8);
    }
    if (entries != header->entry_count || bytes != header->body_bytes) {
        return false;
    }
    *cursor = (struct viv_flat_batch_cursor){.header = header, .body = body, .body_offset = table_bytes};
    return true;
}

bool viv_flat_batch_next_run(struct viv_flat_batch_cursor *cursor, struct viv_flat_run *run)
{
    struct viv_entry skipped;
    while (viv_flat_batch_next_entry(cursor, &skipped)) {
    }
    if (cursor->next_run == cursor->header->run_count) {
        return false;
    }
    *run = decode_run(cursor->body + (size_t)cursor->next_run * VIV_FLAT_RUN_BYTES);
    cursor->next_run++;
    cursor->entries_left_in_run = run->entry_count;
    return true;
}

bool viv_flat_batch_next_entry(struct viv_flat_batch_cursor *cursor, struct viv_entry *entry)
{
    if (cursor->entries_left_in_run == 0) {
        return false;
    }
    const uint8_t *from = cursor->body + (size_t)cursor->header->run_count * VIV_FLAT_RUN_BYTES +
                          (size_t)cursor->next_entry * VIV_FLAT_ENTRY_BYTES;
    uint32_t body_bytes = viv_load_le32(from + 8);
    VIV_ASSERT(cursor->body_offset + body_bytes <= cursor->header->body_bytes); /* viv_flat_batch_open saw to it */
    *entry = (struct viv_entry){
        .zxid = viv_load_le64(from),
        .body = {cursor->body + cursor->body_offset, body_bytes},
        .body_crc = viv_load_le32(from + 12),
    };
    cursor->next_entry++;
    cursor->entries_left_in_run--;
    cursor->body_offset += body_bytes;
    return true;
}
