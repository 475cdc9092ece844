#include <stdlib.h>

#include "base/limits.h"
#include "tests/support/viv_test.h"
#include "tests/unit/fuzz/fuzz.h"
#include "tree/txn_record.h"
#include "wire/members.h"
#include "wire/path.h"
#include "wire/peer.h"
#include "wire/records.h"

/* Every decoder of wire/ and the one of transactions, each by itself and as often as asked: a record of chance is
 * encoded, damaged, and decoded from memory of exactly its size. Whatever the decoder takes must lie within it. */

enum { ROUNDS = 1000, DAMAGE_NONE = 8 /* one in so many stays whole and must be taken */ };

/* ---- values of chance ---- */

static struct viv_bytes some_bytes(struct viv_rng *rng)
{
    static const char *const texts[] = {"",       "/",      "/a",          "/some/path", "world",
                                        "anyone", "digest", "/x/\xc3\xa4", "\0\1\2"};
    static const uint8_t many[300] = {'/', 'm'};
    if (viv_rng_below(rng, 10) == 0) {
        return viv_bytes_of(many, viv_rng_below(rng, sizeof many + 1));
    }
    const char *text = texts[viv_rng_below(rng, sizeof texts / sizeof texts[0])];
    return viv_bytes_of(text, strlen(text));
}

static struct viv_jute_slice some_slice(struct viv_rng *rng)
{
    return (struct viv_jute_slice){some_bytes(rng), false};
}

static int32_t some_int(struct viv_rng *rng)
{
    static const int32_t numbers[] = {0, 1, -1, 2, 5, 6, 31, 255, INT32_MAX, INT32_MIN};
    return numbers[viv_rng_below(rng, sizeof numbers / sizeof numbers[0])];
}

static int64_t some_long(struct viv_rng *rng)
{
    return viv_rng_below(rng, 2) == 0 ? some_int(rng) : (int64_t)viv_rng_next(rng);
}

static struct viv_bytes some_acl(struct viv_rng *rng, struct viv_buffer *acl)
{
    viv_buffer_clear(acl);
    int32_t count = (int32_t)viv_rng_below(rng, 4);
    viv_jute_write_int(acl, count);
    for (int32_t i = 0; i < count; i++) {
        struct viv_acl_entry entry = {some_int(rng), some_slice(rng), some_slice(rng)};
        viv_acl_entry_encode(acl, &entry);
    }
    return viv_buffer_bytes(acl);
}

/* ---- what a decoder took is looked at, so that the sanitizer sees where it lies ---- */

static unsigned touched;

static void touch(struct viv_bytes bytes)
{
    for (size_t i = 0; i < bytes.size; i++) {
        touched += bytes.data[i];
    }
}

static void touch_acl(struct viv_bytes raw)
{
    touch(raw);
    if (raw.size == 0) {
        return;
    }
    struct viv_jute_reader reader = viv_jute_reader_of(raw);
    for (int32_t left = viv_jute_read_int(&reader); left > 0 && !reader.bad; left--) {
        struct viv_acl_entry entry;
        viv_acl_entry_decode(&reader, &entry);
        if (!reader.bad) {
            touch(entry.scheme.bytes);
            touch(entry.id.bytes);
        }
    }
    cr_assert_not(reader.bad, "a list that was taken as whole is not");
}

/* ---- the driver ---- */

struct scratch {
    struct viv_rng rng;
    struct viv_buffer acl;
};
typedef void make_fn(struct scratch *scratch, struct viv_buffer *out);
typedef bool decode_fn(struct viv_bytes bytes); /* was it taken? */

static void fuzz_decoder(make_fn *make, decode_fn *decode, uint64_t seed)
{
    struct scratch scratch = {0};
    struct viv_buffer bytes = {0};
    viv_rng_init(&scratch.rng, seed);
    for (unsigned round = 0; round < fuzz_rounds(ROUNDS); round++) {
        viv_buffer_clear(&bytes);
        make(&scratch, &bytes);
        bool is_whole = round % DAMAGE_NONE == 0;
        if (!is_whole) {
            fuzz_mutate(&scratch.rng, &bytes);
        }
        struct viv_bytes exact = fuzz_exact(viv_buffer_bytes(&bytes));
        bool is_taken = decode(exact);
        free((void *)exact.data);
        cr_assert(is_taken || !is_whole, "a sound record was refused in round %u", round);
    }
    viv_buffer_fini(&scratch.acl);
    viv_buffer_fini(&bytes);
}

/* RECORD(name, fields of a record of chance, what is looked at): struct viv_NAME, viv_NAME_encode, viv_NAME_decode. */
#define RECORD_WITH(name, fields, look, ...)                                                                           \
    static void make_##name(struct scratch *scratch, struct viv_buffer *out)                                           \
    {                                                                                                                  \
        struct viv_rng *rng = &scratch->rng;                                                                           \
        struct viv_##name value = {fields};                                                                            \
        (void)rng;                                                                                                     \
        viv_##name##_encode(out, &value, ##__VA_ARGS__);                                                               \
    }                                                                                                                  \
    static bool decode_##name(struct viv_bytes bytes)                                                                  \
    {                                                                                                                  \
        struct viv_##name value;                                                                                       \
        struct viv_jute_reader reader = viv_jute_reader_of(bytes);                                                     \
        viv_##name##_decode(&reader, &value, ##__VA_ARGS__);                                                           \
        if (!reader.bad) {                                                                                             \
            cr_assert(reader.rest.size <= bytes.size);                                                                 \
            look;                                                                                                      \
        }                                                                                                              \
        return !reader.bad;                                                                                            \
    }                                                                                                                  \
    VIV_TEST(fuzz_decoders, name)                                                                                      \
    {                                                                                                                  \
        fuzz_decoder(make_##name, decode_##name, __LINE__);                                                            \
    }
#define FIELDS(...) __VA_ARGS__

RECORD_WITH(stat, FIELDS(.czxid = some_long(rng), .version = some_int(rng)), (void)value)
RECORD_WITH(connect_request,
            FIELDS(.last_zxid_seen = some_long(rng), .timeout_ms = some_int(rng), .password = some_slice(rng),
                   .has_read_only = viv_rng_below(rng, 2) == 0),
            touch(value.password.bytes))
RECORD_WITH(connect_response, FIELDS(.timeout_ms = some_int(rng), .session_id = some_long(rng)), (void)value)
RECORD_WITH(request_header, FIELDS(.xid = some_int(rng), .type = some_int(rng)), (void)value)
RECORD_WITH(reply_header, FIELDS(.xid = some_int(rng), .zxid = some_long(rng)), (void)value)
RECORD_WITH(multi_header, FIELDS(.type = some_int(rng), .done = true), (void)value)
RECORD_WITH(watcher_event, FIELDS(.type = some_int(rng), .state = 3, .path = some_bytes(rng)), touch(value.path))
RECORD_WITH(create_request,
            FIELDS(.path = some_slice(rng), .data = some_slice(rng), .acl = some_acl(rng, &scratch->acl),
                   .flags = some_int(rng), .ttl_ms = some_long(rng)),
            (touch(value.path.bytes), touch(value.data.bytes), touch_acl(value.acl),
             (void)viv_path_is_valid(value.path.bytes)),
            VIV_OP_CREATE_TTL)
RECORD_WITH(path_version_request, FIELDS(.path = some_slice(rng), .version = some_int(rng)), touch(value.path.bytes))
RECORD_WITH(path_watch_request, FIELDS(.path = some_slice(rng), .watch = true), touch(value.path.bytes))
RECORD_WITH(set_data_request, FIELDS(.path = some_slice(rng), .data = some_slice(rng), .version = some_int(rng)),
            (touch(value.path.bytes), touch(value.data.bytes)))
RECORD_WITH(set_acl_request,
            FIELDS(.path = some_slice(rng), .acl = some_acl(rng, &scratch->acl), .version = some_int(rng)),
            (touch(value.path.bytes), touch_acl(value.acl)))
RECORD_WITH(reconfig_request,
            FIELDS(.joining = some_slice(rng), .leaving = some_slice(rng), .members = some_slice(rng),
                   .version = some_long(rng)),
            (touch(value.joining.bytes), touch(value.leaving.bytes), touch(value.members.bytes)))
RECORD_WITH(children_page_request,
            FIELDS(.path = some_slice(rng), .cursor = some_long(rng), .names_max = some_int(rng)),
            touch(value.path.bytes))
RECORD_WITH(children_page, FIELDS(.cursor = some_long(rng)), (void)value)
RECORD_WITH(acl_entry, FIELDS(some_int(rng), some_slice(rng), some_slice(rng)),
            (touch(value.scheme.bytes), touch(value.id.bytes)))
RECORD_WITH(txn_header, FIELDS(.session_id = some_long(rng), .type = some_int(rng)), (void)value)
RECORD_WITH(create_txn,
            FIELDS(.path = some_bytes(rng), .data = some_slice(rng), .acl = some_acl(rng, &scratch->acl),
                   .parent_cversion = some_int(rng), .ttl_ms = some_long(rng)),
            (touch(value.path), touch(value.data.bytes), touch_acl(value.acl)), VIV_OP_CREATE_TTL)
RECORD_WITH(set_data_txn, FIELDS(some_bytes(rng), some_slice(rng), some_int(rng)),
            (touch(value.path), touch(value.data.bytes)))
RECORD_WITH(set_acl_txn, FIELDS(some_bytes(rng), some_acl(rng, &scratch->acl), some_int(rng)),
            (touch(value.path), touch_acl(value.acl)))
RECORD_WITH(path_version_txn, FIELDS(some_bytes(rng), some_int(rng)), touch(value.path))

/* ---- those of another shape ---- */

static void make_txn_record(struct scratch *scratch, struct viv_buffer *out)
{
    static make_fn *const makers[] = {make_create_txn, make_set_data_txn, make_set_acl_txn, make_path_version_txn};
    makers[viv_rng_below(&scratch->rng, sizeof makers / sizeof makers[0])](scratch, out);
}

static bool decode_txn_record(struct viv_bytes bytes)
{
    static const int32_t types[] = {1, 2, 5, 7, 13, 15, 19, 20, 21, -1, -10, -11};
    struct viv_arena arena = {0};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        struct viv_txn_record record;
        struct viv_jute_reader reader = viv_jute_reader_of(bytes);
        if (viv_txn_record_decode(&reader, types[i], &arena, &record) && record.kind == VIV_TXN_CLOSE_SESSION) {
            for (size_t j = 0; j < record.close.path_count; j++) {
                touch(record.close.paths[j]);
            }
        }
        viv_arena_reset(&arena);
    }
    viv_arena_fini(&arena);
    return true;
}

VIV_TEST(fuzz_decoders, transaction)
{
    fuzz_decoder(make_txn_record, decode_txn_record, __LINE__);
}

static void make_vote(struct scratch *scratch, struct viv_buffer *out)
{
    struct viv_vote vote = {.leader = 3,
                            .zxid = (uint64_t)some_long(&scratch->rng),
                            .config = some_bytes(&scratch->rng),
                            .proposed = some_bytes(&scratch->rng)};
    vote.native = viv_rng_below(&scratch->rng, 2) == 0;
    vote.rank.present = viv_rng_below(&scratch->rng, 2) == 0;
    viv_vote_encode(out, &vote);
}

static bool decode_vote(struct viv_bytes bytes)
{
    struct viv_vote vote;
    bool is_taken = viv_vote_decode(bytes, &vote) == VIV_OK;
    if (is_taken) {
        touch(vote.config);
        touch(vote.proposed);
    }
    return is_taken;
}

VIV_TEST(fuzz_decoders, vote)
{
    fuzz_decoder(make_vote, decode_vote, __LINE__);
}

static void make_hello(struct scratch *scratch, struct viv_buffer *out)
{
    (void)scratch;
    viv_election_hello_encode(out, 3, VIV_BYTES_LITERAL("127.0.0.1:3888"));
}

static bool decode_hello(struct viv_bytes bytes)
{
    viv_sid sid;
    struct viv_bytes address;
    size_t used = 0;
    bool is_taken = viv_election_hello_decode(bytes, &sid, &address, &used) == VIV_OK && used > 0;
    if (is_taken) {
        cr_assert_leq(used, bytes.size);
        touch(address);
    }
    return is_taken;
}

VIV_TEST(fuzz_decoders, election_hello)
{
    fuzz_decoder(make_hello, decode_hello, __LINE__);
}

static void make_packet(struct scratch *scratch, struct viv_buffer *out)
{
    struct viv_rng *rng = &scratch->rng;
    static const uint8_t ids[] = {0, 0, 0, 1, 0, 0, 0, 2, 'i', 'p', 0, 0, 0, 1, 'x'};
    struct viv_packet packet = {.type = (int32_t)(1 + viv_rng_below(rng, 19)),
                                .zxid = (uint64_t)some_long(rng),
                                .has_data = true,
                                .data = some_bytes(rng),
                                .has_authinfo = viv_rng_below(rng, 2) == 0,
                                .authinfo = viv_bytes_of(ids, sizeof ids)};
    viv_packet_encode(out, &packet);
}

static bool decode_packet(struct viv_bytes bytes)
{
    struct viv_packet packet;
    size_t used = 0;
    bool is_taken = viv_packet_decode(bytes, VIV_ENTRY_BYTES_MAX, &packet, &used) == VIV_OK && used > 0;
    if (is_taken) {
        cr_assert_leq(used, bytes.size);
        touch(packet.data);
        touch(packet.authinfo);
    }
    return is_taken;
}

VIV_TEST(fuzz_decoders, packet)
{
    fuzz_decoder(make_packet, decode_packet, __LINE__);
}

static void make_learner_info(struct scratch *scratch, struct viv_buffer *out)
{
    viv_learner_info_encode(
        out, &(struct viv_learner_info){.sid = 2, .native = viv_rng_below(&scratch->rng, 2) == 0, .capabilities = 3});
}

static bool decode_learner_info(struct viv_bytes bytes)
{
    struct viv_learner_info info;
    return viv_learner_info_decode(bytes, &info) == VIV_OK;
}

VIV_TEST(fuzz_decoders, learner_info)
{
    fuzz_decoder(make_learner_info, decode_learner_info, __LINE__);
}

static void make_repair_ask(struct scratch *scratch, struct viv_buffer *out)
{
    viv_repair_ask_encode(out, &(struct viv_repair_ask){.bytes = (uint32_t)viv_rng_below(&scratch->rng, 1 << 20),
                                                        .body_crc = (uint32_t)viv_rng_next(&scratch->rng)});
}

static bool decode_repair_ask(struct viv_bytes bytes)
{
    struct viv_repair_ask ask;
    return viv_repair_ask_decode(bytes, &ask) == VIV_OK;
}

VIV_TEST(fuzz_decoders, repair_ask)
{
    fuzz_decoder(make_repair_ask, decode_repair_ask, __LINE__);
}

static void make_repair_answer(struct scratch *scratch, struct viv_buffer *out)
{
    bool has_it = viv_rng_below(&scratch->rng, 2) == 0;
    viv_repair_answer_encode(out, &(struct viv_repair_answer){.reply = has_it ? VIV_REPAIR_HAVE : VIV_REPAIR_ABSENT,
                                                              .body = viv_bytes_text(has_it ? "body" : "")});
}

static bool decode_repair_answer(struct viv_bytes bytes)
{
    struct viv_repair_answer answer;
    bool is_taken = viv_repair_answer_decode(bytes, &answer) == VIV_OK;
    if (is_taken) {
        touch(answer.body);
    }
    return is_taken;
}

VIV_TEST(fuzz_decoders, repair_answer)
{
    fuzz_decoder(make_repair_answer, decode_repair_answer, __LINE__);
}

static void make_members(struct scratch *scratch, struct viv_buffer *out)
{
    struct viv_rng *rng = &scratch->rng;
    struct viv_members members = {.has_groups = viv_rng_below(rng, 3) == 0, .version = viv_rng_next(rng)};
    for (viv_sid sid = 1; sid < 8; sid++) {
        struct viv_member member = {.sid = sid,
                                    .host = "::1",
                                    .peer_port = 1,
                                    .election_port = 2,
                                    .others = "|b.example:3:4|[::2]:5:6",
                                    .voter = true,
                                    .group = members.has_groups ? 1 + (int64_t)viv_rng_below(rng, 3) : 0,
                                    .weight = 1,
                                    .client_port = (int)viv_rng_below(rng, 3) - 1};
        member.client_port += member.client_port == 0;
        member.others[0] = viv_rng_below(rng, 2) == 0 ? '|' : '\0';
        cr_assert(viv_members_insert(&members, &member));
    }
    viv_members_print(&members, out);
}

/* Whatever is taken can be told again. */
static bool decode_members(struct viv_bytes bytes)
{
    struct viv_members members, again;
    bool is_taken = viv_members_parse(bytes, &members) == VIV_OK;
    if (is_taken) {
        struct viv_buffer text = {0};
        viv_members_print(&members, &text);
        cr_assert_eq(viv_members_parse(viv_buffer_bytes(&text), &again), VIV_OK);
        cr_assert_eq(again.count, members.count);
        for (size_t i = 0; i < members.count; i++) {
            struct viv_member_address address;
            viv_member_address(&members.items[i], viv_member_address_count(&members.items[i]) - 1, &address);
        }
        viv_buffer_fini(&text);
    }
    return is_taken;
}

VIV_TEST(fuzz_decoders, members)
{
    fuzz_decoder(make_members, decode_members, __LINE__);
}

static void make_reconfig(struct scratch *scratch, struct viv_buffer *out)
{
    viv_txn_header_encode(out, &(struct viv_txn_header){.type = VIV_OP_RECONFIG});
    viv_set_data_txn_encode(out, &(struct viv_set_data_txn){some_bytes(&scratch->rng), some_slice(&scratch->rng), -1});
}

static bool decode_reconfig(struct viv_bytes bytes)
{
    struct viv_bytes text;
    bool is_taken = viv_reconfig_txn_text(bytes, &text);
    if (is_taken) {
        touch(text);
    }
    return is_taken;
}

VIV_TEST(fuzz_decoders, reconfiguration)
{
    fuzz_decoder(make_reconfig, decode_reconfig, __LINE__);
}

/* ---- a control: a decoder that believes lengths ---- */

static unsigned overruns;

static bool decode_believing(struct viv_bytes bytes)
{
    struct viv_jute_reader reader = viv_jute_reader_of(bytes);
    uint32_t size = (uint32_t)viv_jute_read_int(&reader);
    overruns += !reader.bad && size != UINT32_MAX && size > reader.rest.size;
    return true;
}

VIV_TEST(fuzz_decoders, a_length_that_lies_is_tried_often)
{
    overruns = 0;
    fuzz_decoder(make_path_watch_request, decode_believing, __LINE__);
    cr_assert_gt(overruns, fuzz_rounds(ROUNDS) / 50);
}
