#include "base/row.h"

#include "base/assert.h"
#include "base/endian.h"

enum { HEADER_BYTES = 9, ROW_PART_BYTES_MAX = 16 << 20 };

void viv_row_append(struct viv_buffer *block, const struct viv_row *row)
{
    VIV_ASSERT(row->key.size > 0 && row->key.size <= ROW_PART_BYTES_MAX);
    VIV_ASSERT(row->value.size <= ROW_PART_BYTES_MAX);
    uint8_t *header = viv_buffer_extend(block, HEADER_BYTES);
    header[0] = (uint8_t)row->op;
    viv_store_le32(header + 1, (uint32_t)row->key.size);
    viv_store_le32(header + 5, (uint32_t)row->value.size);
    viv_buffer_append_bytes(block, row->key);
    viv_buffer_append_bytes(block, row->value);
}

bool viv_row_next(struct viv_bytes *block, struct viv_row *row)
{
    if (block->size < HEADER_BYTES) {
        return false;
    }
    uint8_t op = block->data[0];
    size_t key_size = viv_load_le32(block->data + 1);
    size_t value_size = viv_load_le32(block->data + 5);
    if ((op != VIV_ROW_PUT && op != VIV_ROW_DELETE) || key_size == 0 || key_size > ROW_PART_BYTES_MAX ||
        value_size > ROW_PART_BYTES_MAX || block->size - HEADER_BYTES < key_size + value_size) {
        return false;
    }
    const uint8_t *key = block->data + HEADER_BYTES;
    *row = (struct viv_row){(enum viv_row_op)op, {key, key_size}, {key + key_size, value_size}};
    block->data = key + key_size + value_size;
    block->size -= HEADER_BYTES + key_size + value_size;
    return true;
}
