#include "experiments/lab/etcd_messages.h"

#include <string.h>

/* Wire types of Protocol Buffers. */
enum { VARINT = 0, FIXED64 = 1, BYTES = 2, FIXED32 = 5 };

/* Field numbers of etcdserverpb/rpc.proto and mvccpb/kv.proto. */
enum {
    RANGE_KEY = 1,
    RANGE_SERIALIZABLE = 7,
    RANGE_REPLY_KVS = 2,
    KV_VALUE = 5,
    PUT_KEY = 1,
    PUT_VALUE = 2,
    DELETE_KEY = 1,
    DELETE_REPLY_DELETED = 2,
    TXN_COMPARE = 1,
    TXN_SUCCESS = 2,
    TXN_REPLY_SUCCEEDED = 2,
    COMPARE_KEY = 3,     /* result EQUAL and target VERSION are the zeros that are left out */
    COMPARE_VERSION = 4, /* one of several: told even where it is zero */
    OP_PUT = 2,
};

static void put_varint(struct viv_buffer *out, uint64_t number)
{
    do {
        uint8_t byte = (uint8_t)((number & 0x7f) | (number > 0x7f ? 0x80 : 0));
        viv_buffer_append(out, &byte, 1);
        number >>= 7;
    } while (number > 0);
}

static size_t varint_bytes(uint64_t number)
{
    size_t bytes = 1;
    for (; number > 0x7f; number >>= 7) {
        bytes++;
    }
    return bytes;
}

/* All field numbers here are below 16: a tag is one byte. */
static void put_number(struct viv_buffer *out, unsigned field, uint64_t number)
{
    put_varint(out, field << 3 | VARINT);
    put_varint(out, number);
}

static void put_head(struct viv_buffer *out, unsigned field, size_t size)
{
    put_varint(out, field << 3 | BYTES);
    put_varint(out, size);
}

static void put_bytes(struct viv_buffer *out, unsigned field, struct viv_bytes bytes)
{
    put_head(out, field, bytes.size);
    viv_buffer_append_bytes(out, bytes);
}

static size_t bytes_field(size_t size)
{
    return 1 + varint_bytes(size) + size;
}

static void put_prefix(struct viv_buffer *out, size_t size)
{
    const uint8_t prefix[VIV_ETCD_PREFIX_BYTES] = {0, (uint8_t)(size >> 24), (uint8_t)(size >> 16),
                                                   (uint8_t)(size >> 8), (uint8_t)size};
    viv_buffer_append(out, prefix, sizeof prefix);
}

void viv_etcd_put(struct viv_buffer *out, struct viv_bytes key, struct viv_bytes value)
{
    put_prefix(out, bytes_field(key.size) + bytes_field(value.size));
    put_bytes(out, PUT_KEY, key);
    put_bytes(out, PUT_VALUE, value);
}

void viv_etcd_range(struct viv_buffer *out, struct viv_bytes key, bool serializable)
{
    put_prefix(out, bytes_field(key.size) + (serializable ? 2 : 0));
    put_bytes(out, RANGE_KEY, key);
    if (serializable) {
        put_number(out, RANGE_SERIALIZABLE, 1);
    }
}

void viv_etcd_delete(struct viv_buffer *out, struct viv_bytes key)
{
    put_prefix(out, bytes_field(key.size));
    put_bytes(out, DELETE_KEY, key);
}

void viv_etcd_create(struct viv_buffer *out, struct viv_bytes key, struct viv_bytes value)
{
    size_t compare = bytes_field(key.size) + 2;
    size_t put = bytes_field(key.size) + bytes_field(value.size);
    put_prefix(out, bytes_field(compare) + bytes_field(bytes_field(put)));
    put_head(out, TXN_COMPARE, compare);
    put_bytes(out, COMPARE_KEY, key);
    put_number(out, COMPARE_VERSION, 0);
    put_head(out, TXN_SUCCESS, bytes_field(put));
    put_head(out, OP_PUT, put);
    put_bytes(out, PUT_KEY, key);
    put_bytes(out, PUT_VALUE, value);
}

struct field {
    uint64_t number; /* of the field */
    uint64_t value;  /* of a VARINT */
    struct viv_bytes bytes;
    unsigned type;
};

static bool take_varint(struct viv_bytes *from, uint64_t *number)
{
    *number = 0;
    for (unsigned shift = 0; shift < 64 && from->size > 0; shift += 7) {
        uint8_t byte = *from->data++;
        from->size--;
        *number |= (uint64_t)(byte & 0x7f) << shift;
        if ((byte & 0x80) == 0) {
            return true;
        }
    }
    return false;
}

static bool take_bytes(struct viv_bytes *from, uint64_t size, struct viv_bytes *bytes)
{
    if (size > from->size) {
        return false;
    }
    *bytes = (struct viv_bytes){from->data, (size_t)size};
    from->data += size;
    from->size -= (size_t)size;
    return true;
}

static bool take_field(struct viv_bytes *from, struct field *field)
{
    uint64_t tag;
    uint64_t size = 0;
    if (!take_varint(from, &tag)) {
        return false;
    }
    *field = (struct field){.number = tag >> 3, .type = tag & 7};
    switch (field->type) {
    case VARINT:
        return take_varint(from, &field->value);
    case BYTES:
        return take_varint(from, &size) && take_bytes(from, size, &field->bytes);
    case FIXED64:
        return take_bytes(from, 8, &field->bytes);
    case FIXED32:
        return take_bytes(from, 4, &field->bytes);
    default:
        return false;
    }
}

/* The first field of that number and type; *is_found false where there is none. False: malformed. */
static bool find_field(struct viv_bytes message, unsigned number, unsigned type, bool *is_found, struct field *field)
{
    *is_found = false;
    while (message.size > 0) {
        struct field each;
        if (!take_field(&message, &each)) {
            return false;
        }
        if (!*is_found && each.number == number && each.type == type) {
            *is_found = true;
            *field = each;
        }
    }
    return true;
}

bool viv_etcd_message(struct viv_bytes body, struct viv_bytes *message)
{
    if (body.size < VIV_ETCD_PREFIX_BYTES || body.data[0] != 0) {
        return false;
    }
    uint64_t size =
        (uint64_t)body.data[1] << 24 | (uint64_t)body.data[2] << 16 | (uint64_t)body.data[3] << 8 | body.data[4];
    *message = (struct viv_bytes){body.data + VIV_ETCD_PREFIX_BYTES, body.size - VIV_ETCD_PREFIX_BYTES};
    return size == message->size;
}

bool viv_etcd_read_range(struct viv_bytes message, bool *is_found, struct viv_bytes *value)
{
    struct field kv;
    struct field field;
    bool has_value;
    *value = (struct viv_bytes){0};
    if (!find_field(message, RANGE_REPLY_KVS, BYTES, is_found, &kv)) {
        return false;
    }
    if (!*is_found) {
        return true;
    }
    if (!find_field(kv.bytes, KV_VALUE, BYTES, &has_value, &field)) {
        return false;
    }
    if (has_value) {
        *value = field.bytes;
    }
    return true;
}

static bool read_number(struct viv_bytes message, unsigned field_number, uint64_t *number)
{
    struct field field;
    bool is_found;
    if (!find_field(message, field_number, VARINT, &is_found, &field)) {
        return false;
    }
    *number = is_found ? field.value : 0;
    return true;
}

bool viv_etcd_read_delete(struct viv_bytes message, uint64_t *deleted)
{
    return read_number(message, DELETE_REPLY_DELETED, deleted);
}

bool viv_etcd_read_txn(struct viv_bytes message, bool *succeeded)
{
    uint64_t number;
    bool ok = read_number(message, TXN_REPLY_SUCCEEDED, &number);
    *succeeded = ok && number != 0;
    return ok;
}
