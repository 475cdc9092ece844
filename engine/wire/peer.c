#include "wire/peer.h"

#include <string.h>

#include "base/endian.h"
#include "wire/jute.h"

enum {
    VOTE_FORMAT_VERSION = 2,
    VOTE_BYTES_OLDEST = 28, /* state, leader, zxid, round */
    VOTE_BYTES_OLD = 40,    /* and peer epoch, format version */
    RANK_BYTES = 32,
    HELLO_HEAD_BYTES = 20,
    HELLO_ADDRESS_BYTES_MAX = 2048,
    PACKET_HEAD_BYTES = 16,
    AUTHINFO_IDS_MAX = 4096,
    INFO_BYTES_OLDEST = 8,
    INFO_BYTES_OLD = 12,
    INFO_BYTES = 20,
    INFO_TRAILER_BYTES = 8,
    VOTE_MARK_BYTES = 4,
};

#define VOTE_MARK            "VIVA"
#define RANK_MARK            "RANK"
#define HELLO_ONE_ADDRESS    (-65536)
#define HELLO_MANY_ADDRESSES (-65535)

static void rank_encode(struct viv_buffer *out, const struct viv_vote_rank *rank)
{
    viv_buffer_append(out, RANK_MARK, VOTE_MARK_BYTES);
    viv_jute_write_int(out, (int32_t)rank->policy);
    viv_jute_write_long(out, (int64_t)rank->slack);
    viv_jute_write_long(out, (int64_t)rank->rank);
    viv_jute_write_int(out, (int32_t)rank->stamp);
    viv_jute_write_int(out, (int32_t)rank->echo);
}

/* Anything else behind a vote is somebody else's, and passed over. */
static void rank_decode(struct viv_bytes tail, struct viv_vote_rank *rank)
{
    struct viv_vote_rank got = {.present = true};
    if (tail.size < RANK_BYTES || !viv_bytes_starts_with(tail, VIV_BYTES_LITERAL(RANK_MARK))) {
        return;
    }
    struct viv_jute_reader reader = viv_jute_reader_of(tail);
    (void)viv_jute_read_int(&reader);
    got.policy = (uint32_t)viv_jute_read_int(&reader);
    got.slack = (uint64_t)viv_jute_read_long(&reader);
    got.rank = (uint64_t)viv_jute_read_long(&reader);
    got.stamp = (uint32_t)viv_jute_read_int(&reader);
    got.echo = (uint32_t)viv_jute_read_int(&reader);
    *rank = got;
}

void viv_vote_encode(struct viv_buffer *out, const struct viv_vote *vote)
{
    viv_jute_write_int(out, (int32_t)vote->state);
    viv_jute_write_long(out, vote->leader);
    viv_jute_write_long(out, (int64_t)vote->zxid);
    viv_jute_write_long(out, (int64_t)vote->round);
    viv_jute_write_long(out, vote->peer_epoch);
    viv_jute_write_int(out, VOTE_FORMAT_VERSION);
    viv_jute_write_bytes(out, vote->config);
    if (vote->native || vote->proposed.size > 0) {
        viv_buffer_append(out, VOTE_MARK, VOTE_MARK_BYTES);
        viv_jute_write_bytes(out, vote->proposed);
    }
    if (vote->rank.present) {
        rank_encode(out, &vote->rank);
    }
}

/* Whatever is not of our making is passed over. */
static void proposed_decode(struct viv_bytes *tail, struct viv_vote *vote)
{
    if (!viv_bytes_starts_with(*tail, VIV_BYTES_LITERAL(VOTE_MARK))) {
        return;
    }
    struct viv_jute_reader reader =
        viv_jute_reader_of(viv_bytes_of(tail->data + VOTE_MARK_BYTES, tail->size - VOTE_MARK_BYTES));
    struct viv_bytes text = viv_jute_read_buffer(&reader).bytes;
    *tail = reader.rest;
    vote->native = !reader.bad;
    vote->proposed = reader.bad ? (struct viv_bytes){0} : text;
}

viv_status viv_vote_decode(struct viv_bytes body, struct viv_vote *vote)
{
    if (body.size < VOTE_BYTES_OLDEST) {
        return VIV_ERR_MALFORMED;
    }
    struct viv_jute_reader reader = viv_jute_reader_of(body);
    struct viv_vote got = {0};
    int32_t state = viv_jute_read_int(&reader);
    got.leader = viv_jute_read_long(&reader);
    got.zxid = (uint64_t)viv_jute_read_long(&reader);
    got.round = (uint64_t)viv_jute_read_long(&reader);
    got.peer_epoch = (int64_t)VIV_ZXID_EPOCH(got.zxid);
    int32_t format = 0;
    if (body.size >= VOTE_BYTES_OLD) {
        got.peer_epoch = viv_jute_read_long(&reader);
        format = viv_jute_read_int(&reader);
    }
    if (format >= VOTE_FORMAT_VERSION && reader.rest.size > 0) {
        got.config = viv_jute_read_buffer(&reader).bytes;
        struct viv_bytes tail = reader.rest;
        proposed_decode(&tail, &got);
        rank_decode(tail, &got.rank);
        got.native = got.native || got.rank.present;
    }
    if (reader.bad || state < VIV_LOOKING || state > VIV_OBSERVING) {
        return VIV_ERR_MALFORMED;
    }
    got.state = (enum viv_server_state)state;
    *vote = got;
    return VIV_OK;
}

void viv_election_hello_encode(struct viv_buffer *out, viv_sid sid, struct viv_bytes address)
{
    viv_jute_write_long(out, HELLO_ONE_ADDRESS);
    viv_jute_write_long(out, sid);
    viv_jute_write_bytes(out, address);
}

viv_status viv_election_hello_decode(struct viv_bytes in, viv_sid *sid, struct viv_bytes *address, size_t *size)
{
    *size = 0;
    if (in.size < sizeof(uint64_t)) {
        return VIV_OK;
    }
    int64_t version = (int64_t)viv_load_be64(in.data);
    if (version >= 0) {
        *sid = version;
        *address = (struct viv_bytes){0};
        *size = sizeof(uint64_t);
        return VIV_OK;
    }
    if (version != HELLO_ONE_ADDRESS && version != HELLO_MANY_ADDRESSES) {
        return VIV_ERR_MALFORMED;
    }
    if (in.size < HELLO_HEAD_BYTES) {
        return VIV_OK;
    }
    uint32_t address_bytes = viv_load_be32(in.data + 16);
    if (address_bytes == 0 || address_bytes > HELLO_ADDRESS_BYTES_MAX) {
        return VIV_ERR_MALFORMED;
    }
    if (in.size < HELLO_HEAD_BYTES + address_bytes) {
        return VIV_OK;
    }
    *sid = (viv_sid)viv_load_be64(in.data + 8);
    *address = viv_bytes_of(in.data + HELLO_HEAD_BYTES, address_bytes);
    *size = HELLO_HEAD_BYTES + address_bytes;
    return VIV_OK;
}

void viv_packet_encode(struct viv_buffer *out, const struct viv_packet *packet)
{
    viv_buffer_reserve(out, PACKET_HEAD_BYTES + packet->data.size + packet->authinfo.size + sizeof(uint32_t));
    viv_jute_write_int(out, packet->type);
    viv_jute_write_long(out, (int64_t)packet->zxid);
    viv_jute_write_slice(out, (struct viv_jute_slice){packet->data, !packet->has_data});
    if (packet->has_authinfo) {
        viv_buffer_append_bytes(out, packet->authinfo);
    } else {
        viv_jute_write_int(out, -1);
    }
}

/* Length of a vector<Id> at the front of `in`, count first. 0: more bytes are needed. */
static viv_status authinfo_bytes(struct viv_bytes in, size_t bytes_max, size_t *size)
{
    *size = 0;
    if (in.size < sizeof(uint32_t)) {
        return VIV_OK;
    }
    int32_t count = (int32_t)viv_load_be32(in.data);
    if (count < -1 || count > AUTHINFO_IDS_MAX) {
        return VIV_ERR_MALFORMED;
    }
    size_t used = sizeof(uint32_t);
    for (int32_t part = 0; part < 2 * count; part++) {
        if (in.size - used < sizeof(uint32_t)) {
            return VIV_OK;
        }
        int32_t part_bytes = (int32_t)viv_load_be32(in.data + used);
        used += sizeof(uint32_t);
        if (part_bytes < -1 || (part_bytes > 0 && (size_t)part_bytes > bytes_max)) {
            return VIV_ERR_MALFORMED;
        }
        if (part_bytes > 0) {
            if (in.size - used < (size_t)part_bytes) {
                return VIV_OK;
            }
            used += (size_t)part_bytes;
        }
    }
    *size = used;
    return VIV_OK;
}

viv_status viv_packet_decode(struct viv_bytes in, size_t data_bytes_max, struct viv_packet *packet, size_t *size)
{
    *size = 0;
    if (in.size < PACKET_HEAD_BYTES) {
        return VIV_OK;
    }
    int32_t data_bytes = (int32_t)viv_load_be32(in.data + 12);
    if (data_bytes < -1 || (data_bytes > 0 && (size_t)data_bytes > data_bytes_max)) {
        return VIV_ERR_MALFORMED;
    }
    size_t present = data_bytes > 0 ? (size_t)data_bytes : 0;
    if (in.size - PACKET_HEAD_BYTES < present) {
        return VIV_OK;
    }
    size_t head = PACKET_HEAD_BYTES + present;
    struct viv_bytes behind = {in.data + head, in.size - head};
    size_t authinfo = 0;
    VIV_TRY(authinfo_bytes(behind, data_bytes_max, &authinfo));
    if (authinfo == 0) {
        return VIV_OK;
    }
    *packet = (struct viv_packet){
        .type = (int32_t)viv_load_be32(in.data),
        .zxid = viv_load_be64(in.data + 4),
        .has_data = data_bytes >= 0,
        .data = {in.data + PACKET_HEAD_BYTES, present},
        .has_authinfo = viv_load_be32(behind.data) != UINT32_MAX,
    };
    if (packet->has_authinfo) {
        packet->authinfo = viv_bytes_of(behind.data, authinfo);
    }
    *size = head + authinfo;
    return VIV_OK;
}

static struct viv_bytes trailer_mark(void)
{
    return VIV_BYTES_LITERAL("VIVA");
}

void viv_peer_trailer_append(struct viv_buffer *out, uint32_t capabilities)
{
    viv_buffer_append_bytes(out, trailer_mark());
    viv_jute_write_int(out, (int32_t)capabilities);
}

bool viv_peer_trailer_find(struct viv_bytes tail, uint32_t *capabilities)
{
    if (tail.size < INFO_TRAILER_BYTES || !viv_bytes_starts_with(tail, trailer_mark())) {
        return false;
    }
    *capabilities = viv_load_be32(tail.data + 4);
    return true;
}

void viv_learner_info_encode(struct viv_buffer *out, const struct viv_learner_info *info)
{
    viv_jute_write_long(out, info->sid);
    viv_jute_write_int(out, (int32_t)info->protocol_version);
    viv_jute_write_long(out, (int64_t)info->config_version);
    if (info->native) {
        viv_peer_trailer_append(out, info->capabilities);
    }
}

viv_status viv_learner_info_decode(struct viv_bytes data, struct viv_learner_info *info)
{
    if (data.size < INFO_BYTES_OLDEST) {
        return VIV_ERR_MALFORMED;
    }
    struct viv_jute_reader reader = viv_jute_reader_of(data);
    struct viv_learner_info got = {.protocol_version = 1};
    got.sid = viv_jute_read_long(&reader);
    if (data.size >= INFO_BYTES_OLD) {
        got.protocol_version = (uint32_t)viv_jute_read_int(&reader);
    }
    if (data.size >= INFO_BYTES) {
        got.config_version = (uint64_t)viv_jute_read_long(&reader);
        got.native = viv_peer_trailer_find(reader.rest, &got.capabilities);
    }
    *info = got;
    return reader.bad ? VIV_ERR_MALFORMED : VIV_OK;
}

/* ---- damaged entries ---- */

void viv_repair_ask_encode(struct viv_buffer *out, const struct viv_repair_ask *ask)
{
    viv_jute_write_int(out, (int32_t)ask->bytes);
    viv_jute_write_int(out, (int32_t)ask->body_crc);
}

viv_status viv_repair_ask_decode(struct viv_bytes data, struct viv_repair_ask *ask)
{
    struct viv_jute_reader reader = viv_jute_reader_of(data);
    ask->bytes = (uint32_t)viv_jute_read_int(&reader);
    ask->body_crc = (uint32_t)viv_jute_read_int(&reader);
    return reader.bad || reader.rest.size > 0 ? VIV_ERR_MALFORMED : VIV_OK;
}

void viv_repair_answer_encode(struct viv_buffer *out, const struct viv_repair_answer *answer)
{
    *viv_buffer_extend(out, 1) = (uint8_t)answer->reply;
    viv_buffer_append_bytes(out, answer->body);
}

viv_status viv_repair_answer_decode(struct viv_bytes data, struct viv_repair_answer *answer)
{
    if (data.size < 1 || data.data[0] < VIV_REPAIR_HAVE || data.data[0] > VIV_REPAIR_GONE) {
        return VIV_ERR_MALFORMED;
    }
    answer->reply = (enum viv_repair_reply)data.data[0];
    answer->body = viv_bytes_of(data.data + 1, data.size - 1);
    bool has_body = answer->body.size > 0;
    return has_body == (answer->reply == VIV_REPAIR_HAVE) ? VIV_OK : VIV_ERR_MALFORMED;
}
