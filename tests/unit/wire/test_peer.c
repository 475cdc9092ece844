#include <string.h>

#include "tests/support/hex.h"
#include "tests/support/viv_test.h"
#include "wire/peer.h"

/* The hexadecimal texts were captured from Apache ZooKeeper 3.8.0 servers. */

#define CONFIG_TEXT                                                                                                    \
    "server.1=127.0.0.1:28881:38881:participant\nserver.2=127.0.0.1:28882:38882:participant\n"                         \
    "server.3=127.0.0.1:28883:38883:participant\nserver.4=127.0.0.1:28884:38884:observer\nversion=0"

static struct viv_packet decode_whole(struct viv_bytes bytes)
{
    struct viv_packet packet;
    size_t size;
    cr_assert_eq(viv_packet_decode(bytes, 1 << 20, &packet, &size), VIV_OK);
    cr_assert_eq(size, bytes.size);
    return packet;
}

static void expect_round_trip(const char *text)
{
    struct viv_buffer bytes = {0};
    struct viv_buffer again = {0};
    viv_hex_append(&bytes, text);
    struct viv_packet packet = decode_whole(viv_buffer_bytes(&bytes));
    viv_packet_encode(&again, &packet);
    viv_hex_expect(viv_buffer_bytes(&again), text);
    for (size_t cut = 0; cut < bytes.size; cut++) {
        size_t size;
        cr_assert_eq(viv_packet_decode((struct viv_bytes){bytes.data, cut}, 1 << 20, &packet, &size), VIV_OK);
        cr_assert_eq(size, 0, "%zu bytes are not a packet", cut);
    }
    viv_buffer_fini(&bytes);
    viv_buffer_fini(&again);
}

VIV_TEST(wire_peer, captured_packets_are_reproduced_byte_for_byte)
{
    static const char *const captured[] = {
        "000000100000000000000000000000140000000000000004000100000000000000000000ffffffff",
        "0000001100000001000000000000000400010000ffffffff",
        "0000001200000000000000000000000400000000ffffffff",
        "0000000f0000000100000000ffffffffffffffff",
        "000000030000000100000000ffffffffffffffff",
        "0000000cffffffffffffffffffffffffffffffff",
        "00000001ffffffffffffffff00000014040000000012345600000000fffffff600001770ffffffff",
        "00000001ffffffffffffffff0000001504000000001234560000000200000009000000012fffffffff",
        "0000000500000001000000020000000c040000000012345600001770ffffffff",
        "00000001ffffffffffffffff000000420400000000123456000000030000000100"
        "00000b2f6e6f70652f6368696c6400000000000000010000001f00000005776f726c6400000006616e796f6e65000000000000000100"
        "00000269700000"
        "00093132372e302e302e31",
    };
    for (size_t i = 0; i < sizeof captured / sizeof captured[0]; i++) {
        expect_round_trip(captured[i]);
    }
}

VIV_TEST(wire_peer, a_packet_with_an_impossible_length_is_malformed)
{
    struct viv_buffer bytes = {0};
    struct viv_packet packet;
    size_t size;
    viv_hex_append(&bytes, "000000020000000100000000fffffffeffffffff");
    cr_assert_eq(viv_packet_decode(viv_buffer_bytes(&bytes), 1 << 20, &packet, &size), VIV_ERR_MALFORMED);
    viv_buffer_clear(&bytes);
    viv_hex_append(&bytes, "00000002000000010000000000200000ffffffff");
    cr_assert_eq(viv_packet_decode(viv_buffer_bytes(&bytes), 1 << 20, &packet, &size), VIV_ERR_MALFORMED);
    viv_buffer_fini(&bytes);
}

VIV_TEST(wire_peer, an_observers_first_notification_is_reproduced)
{
    struct viv_buffer out = {0};
    struct viv_vote vote = {.state = VIV_LOOKING,
                            .leader = INT64_MIN,
                            .zxid = (uint64_t)INT64_MIN,
                            .round = 1,
                            .peer_epoch = INT64_MIN,
                            .config = VIV_BYTES_LITERAL(CONFIG_TEXT)};
    viv_vote_encode(&out, &vote);
    viv_hex_expect((struct viv_bytes){out.data, 44},
                   "00000000 8000000000000000 8000000000000000 0000000000000001 8000000000000000 00000002 000000b2");
    cr_assert_eq(out.size, 222);
    struct viv_vote got;
    cr_assert_eq(viv_vote_decode(viv_buffer_bytes(&out), &got), VIV_OK);
    cr_assert(viv_bytes_equal(got.config, vote.config));
    cr_assert_eq(got.peer_epoch, INT64_MIN);
    viv_buffer_fini(&out);
}

VIV_TEST(wire_peer, a_proposed_configuration_stands_behind_what_zookeeper_reads_of_a_vote)
{
    struct viv_buffer plain = {0}, out = {0};
    struct viv_vote got, vote = {.leader = 3, .config = VIV_BYTES_LITERAL("version=0")};
    viv_vote_encode(&plain, &vote);
    vote.proposed = VIV_BYTES_LITERAL("version=1");
    viv_vote_encode(&out, &vote);
    cr_assert(viv_bytes_starts_with(viv_buffer_bytes(&out), viv_buffer_bytes(&plain)));
    cr_assert_eq(viv_vote_decode(viv_buffer_bytes(&out), &got), VIV_OK);
    cr_assert(viv_bytes_equal(got.proposed, vote.proposed));
    cr_assert(viv_bytes_equal(got.config, vote.config));
    out.size--; /* what cannot be read is passed over, as by ZooKeeper */
    cr_assert_eq(viv_vote_decode(viv_buffer_bytes(&out), &got), VIV_OK);
    cr_assert_eq(got.proposed.size, 0);
    viv_buffer_fini(&plain);
    viv_buffer_fini(&out);
}

VIV_TEST(wire_peer, a_vote_of_ours_says_so_behind_what_zookeeper_reads)
{
    struct viv_buffer plain = {0}, out = {0};
    struct viv_vote got, vote = {.leader = 3, .config = VIV_BYTES_LITERAL("version=0")};
    viv_vote_encode(&plain, &vote);
    cr_assert_eq(viv_vote_decode(viv_buffer_bytes(&plain), &got), VIV_OK);
    cr_assert_not(got.native);
    vote.native = true;
    viv_vote_encode(&out, &vote);
    cr_assert(viv_bytes_starts_with(viv_buffer_bytes(&out), viv_buffer_bytes(&plain)));
    cr_assert_eq(viv_vote_decode(viv_buffer_bytes(&out), &got), VIV_OK);
    cr_assert(got.native);
    cr_assert_eq(got.proposed.size, 0);
    viv_buffer_fini(&plain);
    viv_buffer_fini(&out);
}

VIV_TEST(wire_peer, a_rank_goes_behind_the_configuration_where_others_do_not_look)
{
    struct viv_buffer plain = {0}, out = {0};
    struct viv_vote vote = {.leader = 3, .round = 1, .peer_epoch = 2, .config = VIV_BYTES_LITERAL("version=0")};
    struct viv_vote got;
    viv_vote_encode(&plain, &vote);
    vote.rank = (struct viv_vote_rank){true, 1, 5, UINT64_MAX, 77, 78};
    viv_vote_encode(&out, &vote);
    cr_assert_eq(out.size, plain.size + 32);
    cr_assert_eq(memcmp(out.data, plain.data, plain.size), 0);
    cr_assert_eq(viv_vote_decode(viv_buffer_bytes(&out), &got), VIV_OK);
    cr_assert(got.rank.present && got.rank.policy == 1 && got.rank.slack == 5 && got.rank.rank == UINT64_MAX);
    cr_assert(got.rank.stamp == 77 && got.rank.echo == 78);
    out.size--; /* what is behind a vote and is not whole is nothing of ours */
    cr_assert_eq(viv_vote_decode(viv_buffer_bytes(&out), &got), VIV_OK);
    cr_assert_not(got.rank.present);
    viv_buffer_fini(&plain);
    viv_buffer_fini(&out);
}

VIV_TEST(wire_peer, short_and_broken_notifications_are_refused)
{
    struct viv_buffer bytes = {0};
    struct viv_vote vote;
    viv_hex_append(&bytes, "0000000000000000000000010000000000000000");
    cr_assert_eq(viv_vote_decode(viv_buffer_bytes(&bytes), &vote), VIV_ERR_MALFORMED);
    viv_hex_append(&bytes, "0000000000000007");
    cr_assert_eq(viv_vote_decode(viv_buffer_bytes(&bytes), &vote), VIV_OK, "28 bytes are the oldest form");
    bytes.data[3] = 9;
    cr_assert_eq(viv_vote_decode(viv_buffer_bytes(&bytes), &vote), VIV_ERR_MALFORMED);
    viv_buffer_fini(&bytes);
}

VIV_TEST(wire_peer, the_captured_hello_is_reproduced_and_read_in_pieces)
{
    static const char captured[] = "ffffffffffff000000000000000000040000000f3132372e302e302e313a3338383834";
    struct viv_buffer out = {0};
    viv_election_hello_encode(&out, 4, VIV_BYTES_LITERAL("127.0.0.1:38884"));
    viv_hex_expect(viv_buffer_bytes(&out), captured);
    viv_sid sid = 0;
    struct viv_bytes address;
    size_t size;
    for (size_t cut = 0; cut < out.size; cut++) {
        cr_assert_eq(viv_election_hello_decode((struct viv_bytes){out.data, cut}, &sid, &address, &size), VIV_OK);
        cr_assert_eq(size, 0);
    }
    cr_assert_eq(viv_election_hello_decode(viv_buffer_bytes(&out), &sid, &address, &size), VIV_OK);
    cr_assert_eq(size, 35);
    cr_assert_eq(sid, 4);
    out.data[7] = 6;
    cr_assert_eq(viv_election_hello_decode(viv_buffer_bytes(&out), &sid, &address, &size), VIV_ERR_MALFORMED);
    viv_buffer_fini(&out);
}

VIV_TEST(wire_peer, our_own_servers_recognise_each_other_and_others_are_not_confused)
{
    struct viv_buffer out = {0};
    struct viv_learner_info info = {
        .sid = 4, .protocol_version = 0x10000, .native = true, .capabilities = VIV_PEER_ENVELOPE | VIV_PEER_CUMULATIVE};
    struct viv_learner_info got;
    viv_learner_info_encode(&out, &info);
    cr_assert_eq(viv_learner_info_decode(viv_buffer_bytes(&out), &got), VIV_OK);
    cr_assert(got.native);
    cr_assert_eq(got.capabilities, 3);
    cr_assert_eq(viv_learner_info_decode((struct viv_bytes){out.data, 20}, &got), VIV_OK);
    cr_assert_not(got.native);
    cr_assert_eq(viv_learner_info_decode((struct viv_bytes){out.data, 7}, &got), VIV_ERR_MALFORMED);
    viv_buffer_fini(&out);
}
