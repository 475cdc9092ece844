#include <stdlib.h>

#include "base/limits.h"
#include "tests/support/viv_test.h"
#include "tests/unit/fuzz/fuzz.h"
#include "wire/path.h"
#include "wire/peer.h"
#include "wire/records.h"

/* Damaged records of clients and peers: whatever a decoder says of them, it stays within them. */

enum { ROUNDS = 20000 };

/* ---- what clients send ---- */

static bool is_within(struct viv_bytes part, struct viv_bytes whole)
{
    return part.size == 0 || (part.data >= whole.data && part.data + part.size <= whole.data + whole.size);
}

static void walk_acl(struct viv_bytes raw)
{
    struct viv_jute_reader reader = viv_jute_reader_of(raw);
    for (int32_t left = viv_jute_read_int(&reader); left > 0 && !reader.bad; left--) {
        struct viv_acl_entry entry;
        viv_acl_entry_decode(&reader, &entry);
    }
    cr_assert_not(reader.bad, "a list that was taken as whole is not");
}

static void decode_client(struct viv_bytes bytes)
{
    struct viv_connect_request connect;
    struct viv_create_request create;
    struct viv_set_data_request set_data;
    struct viv_set_acl_request set_acl;
    struct viv_path_watch_request watch;
    struct viv_path_version_request version;
    struct viv_multi_header multi;
    struct viv_jute_reader reader = viv_jute_reader_of(bytes);
    viv_connect_request_decode(&reader, &connect);
    reader = viv_jute_reader_of(bytes);
    viv_create_request_decode(&reader, &create, VIV_OP_CREATE_TTL);
    if (!reader.bad) {
        cr_assert(is_within(create.path.bytes, bytes) && is_within(create.data.bytes, bytes));
        if (create.acl.size > 0) {
            walk_acl(create.acl);
        }
        (void)viv_path_is_valid(create.path.bytes);
    }
    reader = viv_jute_reader_of(bytes);
    viv_set_data_request_decode(&reader, &set_data);
    reader = viv_jute_reader_of(bytes);
    viv_set_acl_request_decode(&reader, &set_acl);
    reader = viv_jute_reader_of(bytes);
    viv_path_watch_request_decode(&reader, &watch);
    reader = viv_jute_reader_of(bytes);
    viv_path_version_request_decode(&reader, &version);
    reader = viv_jute_reader_of(bytes);
    viv_multi_header_decode(&reader, &multi);
    struct viv_children_page_request page_request;
    struct viv_children_page page;
    reader = viv_jute_reader_of(bytes);
    viv_children_page_request_decode(&reader, &page_request);
    cr_assert(is_within(page_request.path.bytes, bytes));
    reader = viv_jute_reader_of(bytes);
    viv_children_page_decode(&reader, &page);
    cr_assert(reader.bad || page.name_count < 0 || (size_t)page.name_count <= reader.rest.size / 4);
}

VIV_TEST(fuzz_wire, damaged_requests_are_decoded_within_their_bounds)
{
    struct viv_buffer sound[4] = {{0}};
    struct viv_jute_slice path = {VIV_BYTES_LITERAL("/some/path"), false};
    struct viv_create_request create = {
        .path = path, .data = path, .acl = viv_acl_open_unsafe(), .flags = 5, .ttl_ms = 1000};
    viv_create_request_encode(&sound[0], &create, VIV_OP_CREATE_TTL);
    struct viv_connect_request connect = {.timeout_ms = 1000, .password = path, .has_read_only = true};
    viv_connect_request_encode(&sound[1], &connect);
    viv_children_page_request_encode(&sound[2], &(struct viv_children_page_request){path, 7, 100});
    viv_children_page_encode(&sound[3], &(struct viv_children_page){7, 1});
    viv_jute_write_slice(&sound[3], path);
    struct viv_rng rng;
    viv_rng_init(&rng, 1);
    struct viv_buffer bytes = {0};
    for (unsigned round = 0; round < fuzz_rounds(ROUNDS); round++) {
        viv_buffer_clear(&bytes);
        viv_buffer_append_bytes(&bytes, viv_buffer_bytes(&sound[round % 4]));
        fuzz_mutate(&rng, &bytes);
        struct viv_bytes exact = fuzz_exact(viv_buffer_bytes(&bytes));
        decode_client(exact);
        free((void *)exact.data);
    }
    viv_buffer_fini(&bytes);
    for (size_t i = 0; i < 4; i++) {
        viv_buffer_fini(&sound[i]);
    }
}

/* ---- what peers send ---- */

static void decode_peer(struct viv_bytes bytes)
{
    struct viv_vote vote;
    if (viv_vote_decode(bytes, &vote) == VIV_OK) {
        cr_assert(is_within(vote.config, bytes));
    }
    viv_sid sid;
    struct viv_bytes address;
    size_t used = 0;
    if (viv_election_hello_decode(bytes, &sid, &address, &used) == VIV_OK) {
        cr_assert_leq(used, bytes.size);
        cr_assert(used == 0 || is_within(address, bytes));
    }
    struct viv_packet packet;
    if (viv_packet_decode(bytes, VIV_ENTRY_BYTES_MAX, &packet, &used) == VIV_OK && used > 0) {
        cr_assert_leq(used, bytes.size);
        cr_assert(is_within(packet.data, bytes) && is_within(packet.authinfo, bytes));
    }
    struct viv_learner_info info;
    (void)!viv_learner_info_decode(bytes, &info);
}

VIV_TEST(fuzz_wire, damaged_peer_messages_are_decoded_within_their_bounds)
{
    static const uint8_t ids[] = {0, 0, 0, 1, 0, 0, 0, 2, 'i', 'p', 0, 0, 0, 1, 'x'};
    struct viv_buffer sound[4] = {{0}};
    viv_vote_encode(&sound[0], &(struct viv_vote){.leader = 3,
                                                  .zxid = 9,
                                                  .config = VIV_BYTES_LITERAL("server.1"),
                                                  .rank = {.present = true, .policy = 1, .slack = 7, .rank = 8}});
    viv_election_hello_encode(&sound[1], 3, VIV_BYTES_LITERAL("127.0.0.1:3888"));
    viv_packet_encode(&sound[2], &(struct viv_packet){.type = VIV_PACKET_REQUEST,
                                                      .has_data = true,
                                                      .data = VIV_BYTES_LITERAL("data"),
                                                      .has_authinfo = true,
                                                      .authinfo = viv_bytes_of(ids, sizeof ids)});
    viv_learner_info_encode(&sound[3], &(struct viv_learner_info){.sid = 2, .native = true, .capabilities = 3});
    struct viv_rng rng;
    viv_rng_init(&rng, 2);
    struct viv_buffer bytes = {0};
    for (unsigned round = 0; round < fuzz_rounds(ROUNDS); round++) {
        viv_buffer_clear(&bytes);
        viv_buffer_append_bytes(&bytes, viv_buffer_bytes(&sound[round % 4]));
        fuzz_mutate(&rng, &bytes);
        struct viv_bytes exact = fuzz_exact(viv_buffer_bytes(&bytes));
        decode_peer(exact);
        free((void *)exact.data);
    }
    viv_buffer_fini(&bytes);
    for (size_t i = 0; i < 4; i++) {
        viv_buffer_fini(&sound[i]);
    }
}
