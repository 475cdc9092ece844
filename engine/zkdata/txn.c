#include "zkdata/txn.h"

#include "tree/txn_record.h"
#include "wire/op.h"
#include "zkdata/zkdata_internal.h"

static bool pass_multi(struct viv_jute_reader *reader)
{
    enum { PART_BYTES_MIN = 8 };
    int32_t count = viv_jute_read_count(reader, PART_BYTES_MIN);
    for (int32_t i = 0; i < count && !reader->bad; i++) {
        viv_jute_read_int(reader);
        viv_jute_read_buffer(reader);
    }
    return !reader->bad;
}

bool viv_zk_txn_read(struct viv_bytes entry, struct viv_arena *arena, struct viv_zk_txn *txn)
{
    struct viv_jute_reader reader = viv_jute_reader_of(entry);
    *txn = (struct viv_zk_txn){0};
    viv_txn_header_decode(&reader, &txn->header);
    struct viv_txn_record record;
    bool is_sound = !reader.bad && (txn->header.type == VIV_OP_MULTI
                                        ? pass_multi(&reader)
                                        : viv_txn_record_decode(&reader, txn->header.type, arena, &record));
    if (!is_sound) {
        return false;
    }
    txn->has_digest = reader.rest.size == VIV_ZK_DIGEST_BYTES;
    txn->bytes = viv_bytes_of(entry.data, entry.size - reader.rest.size);
    if (txn->has_digest) {
        txn->has_digest = viv_jute_read_int(&reader) == VIV_ZK_DIGEST_VERSION;
        txn->digest = (uint64_t)viv_jute_read_long(&reader);
        return true;
    }
    return reader.rest.size == 0;
}
