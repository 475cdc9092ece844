#include <string.h>

#include "base/endian.h"
#include "base/limits.h"
#include "tests/support/hex.h"
#include "tests/support/node_client.h"
#include "tests/support/viv_test.h"
#include "wire/reply_code.h"

/* One standalone server, seen by its clients. */

struct stand {
    struct viv_node_net *net;
    struct viv_node_client client;
};

static void stand_init(struct stand *stand)
{
    struct viv_node_net_config config = {.server_count = 1};
    stand->net = viv_node_net_new(&config);
    viv_node_net_start(stand->net, 0);
    cr_assert(viv_node_net_settle(stand->net, 1000), "a standalone server serves at once");
    viv_node_client_init(&stand->client, stand->net);
    cr_assert(viv_node_client_open(&stand->client, 0, 1000));
}

static void stand_fini(struct stand *stand)
{
    viv_node_client_fini(&stand->client);
    viv_node_net_free(stand->net);
}

static void second_client(struct stand *stand, struct viv_node_client *client)
{
    viv_node_client_init(client, stand->net);
    cr_assert(viv_node_client_open(client, 0, 1000));
}

/* ---- raw frames ---- */

static void send_hex(struct viv_node_net *net, viv_conn conn, const char *hex)
{
    struct viv_buffer frame = {0};
    viv_hex_append(&frame, hex);
    viv_node_net_send(net, conn, viv_buffer_bytes(&frame));
    viv_buffer_fini(&frame);
}

static void receive(struct viv_node_net *net, viv_conn conn, struct viv_buffer *frame)
{
    viv_node_net_run(net, 50);
    cr_assert(viv_node_net_receive(net, conn, frame), "a reply was expected");
}

static void expect_hex(struct viv_node_net *net, viv_conn conn, const char *hex)
{
    struct viv_buffer frame = {0};
    receive(net, conn, &frame);
    viv_hex_expect(viv_buffer_bytes(&frame), hex);
    viv_buffer_fini(&frame);
}

static void expect_closed(struct viv_node_net *net, viv_conn conn)
{
    struct viv_buffer frame = {0};
    viv_node_net_run(net, 50);
    cr_assert_not(viv_node_net_receive(net, conn, &frame), "nothing more is said");
    cr_assert(viv_node_net_is_closed(net, conn), "the connection should be closed");
    viv_buffer_fini(&frame);
}

#define ZEROS_16 "00000000000000000000000000000000"
#define HELLO    "0000002d 00000000 0000000000000000 000003e8 0000000000000000 00000010" ZEROS_16 "00"

VIV_TEST(node_service, a_conversation_is_the_captured_one_byte_for_byte)
{
    struct viv_node_net_config config = {.server_count = 1};
    struct viv_node_net *net = viv_node_net_new(&config);
    struct viv_buffer frame = {0};
    viv_node_net_start(net, 0);
    viv_node_net_run(net, 20);
    viv_conn conn = viv_node_net_connect(net, 0);
    send_hex(net, conn, HELLO);
    receive(net, conn, &frame);
    cr_assert_eq(frame.size, 37);
    memset(frame.data + 8, 0, 8);   /* session id */
    memset(frame.data + 20, 0, 16); /* password */
    viv_hex_expect(viv_buffer_bytes(&frame), "00000000 000003e8 0000000000000000 00000010" ZEROS_16 "00");
    send_hex(net, conn, "0000000e 00000001 00000003 00000001 2f 00");
    expect_hex(net, conn,
               "00000001 0000000000000001 00000000"
               "0000000000000000 0000000000000000 0000000000000000 0000000000000000"
               "00000000 ffffffff 00000000 0000000000000000 00000000 00000001 0000000000000000");
    send_hex(net, conn, "00000008 fffffffe 0000000b");
    expect_hex(net, conn, "fffffffe 0000000000000001 00000000");
    send_hex(net, conn, "00000008 00000002 fffffff5");
    expect_hex(net, conn, "00000002 0000000000000002 00000000");
    expect_closed(net, conn);
    viv_buffer_fini(&frame);
    viv_node_net_free(net);
}

VIV_TEST(node_service, an_old_client_without_the_read_only_byte_is_answered_without_it)
{
    struct stand stand;
    struct viv_buffer frame = {0};
    stand_init(&stand);
    viv_conn conn = viv_node_net_connect(stand.net, 0);
    send_hex(stand.net, conn, "0000002c 00000000 0000000000000000 000003e8 0000000000000000 00000010" ZEROS_16);
    receive(stand.net, conn, &frame);
    cr_assert_eq(frame.size, 36);
    viv_buffer_fini(&frame);
    stand_fini(&stand);
}

VIV_TEST(node_service, malformed_frames_close_their_connection_only)
{
    struct stand stand;
    stand_init(&stand);
    viv_conn conn = viv_node_net_connect(stand.net, 0);
    send_hex(stand.net, conn, "00000003 010203");
    expect_closed(stand.net, conn);
    conn = viv_node_net_connect(stand.net, 0);
    send_hex(stand.net, conn, "00000000");
    expect_closed(stand.net, conn);
    send_hex(stand.net, stand.client.conn, "00000004 00000001");
    expect_closed(stand.net, stand.client.conn);
    cr_assert(viv_node_client_open(&stand.client, 0, 1000), "the session is still there");
    stand_fini(&stand);
}

VIV_TEST(node_service, unknown_operations_are_refused_and_end_the_connection)
{
    static const int32_t unknown[] = {0, -1, 10, 13, 20, -10, 999};
    struct stand stand;
    stand_init(&stand);
    for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++) {
        cr_assert_eq(viv_node_client_call(&stand.client, unknown[i], (struct viv_bytes){0}), VIV_REPLY_UNIMPLEMENTED);
        cr_assert_eq(stand.client.header.zxid, -1);
        expect_closed(stand.net, stand.client.conn);
        cr_assert(viv_node_client_open(&stand.client, 0, 1000));
    }
    stand_fini(&stand);
}

VIV_TEST(node_service, what_came_before_an_unknown_operation_is_answered_first)
{
    struct stand stand;
    stand_init(&stand);
    struct viv_node_client *client = &stand.client;
    int32_t first =
        viv_node_client_send(client, VIV_OP_CREATE, viv_node_client_create_record(client, "/before", "", 0));
    viv_node_client_send(client, 999, (struct viv_bytes){0});
    viv_node_client_send(client, VIV_OP_CREATE, viv_node_client_create_record(client, "/behind", "", 0));
    cr_assert(viv_node_client_wait(client, 1000));
    cr_assert(client->header.xid == first && client->header.err == 0);
    cr_assert(viv_node_client_wait(client, 1000));
    cr_assert_eq(client->header.err, VIV_REPLY_UNIMPLEMENTED);
    expect_closed(stand.net, client->conn);
    cr_assert(viv_node_client_open(client, 0, 1000));
    cr_assert_eq(viv_node_client_ask(client, VIV_OP_EXISTS, "/behind", false), VIV_REPLY_NO_NODE);
    stand_fini(&stand);
}

VIV_TEST(node_service, what_is_pipelined_behind_the_handshake_is_answered_after_it)
{
    struct stand stand;
    struct viv_buffer frame = {0};
    stand_init(&stand);
    viv_conn conn = viv_node_net_connect(stand.net, 0);
    send_hex(stand.net, conn,
             HELLO "0000000e 00000001 00000003 00000001 2f 00"
                   "00000008 fffffffe 0000000b");
    receive(stand.net, conn, &frame);
    cr_assert_eq(frame.size, 37);
    receive(stand.net, conn, &frame);
    cr_assert_eq(viv_load_be32(frame.data), 1);
    receive(stand.net, conn, &frame);
    cr_assert_eq(viv_load_be32(frame.data), 0xfffffffe);
    viv_buffer_fini(&frame);
    stand_fini(&stand);
}

/* ---- handshake ---- */

VIV_TEST(node_service, timeouts_are_clamped)
{
    static const int32_t asked[] = {0, -5, 1, 200, 1000, 2000, INT32_MAX};
    static const int32_t given[] = {200, 200, 200, 200, 1000, 2000, 2000};
    struct stand stand;
    stand_init(&stand);
    for (size_t i = 0; i < sizeof asked / sizeof asked[0]; i++) {
        struct viv_node_client client;
        viv_node_client_init(&client, stand.net);
        cr_assert(viv_node_client_open(&client, 0, asked[i]));
        cr_assert_eq(client.timeout_ms, given[i]);
        viv_node_client_fini(&client);
    }
    stand_fini(&stand);
}

VIV_TEST(node_service, a_client_that_has_seen_more_is_sent_away)
{
    struct stand stand;
    struct viv_node_client ahead;
    stand_init(&stand);
    viv_node_client_init(&ahead, stand.net);
    ahead.last_zxid = 1000;
    cr_assert_not(viv_node_client_open(&ahead, 0, 1000));
    expect_closed(stand.net, ahead.conn);
    viv_node_client_fini(&ahead);
    stand_fini(&stand);
}

VIV_TEST(node_service, a_session_can_be_attached_again_with_its_password_only)
{
    struct stand stand;
    stand_init(&stand);
    viv_conn first = stand.client.conn;
    int64_t session_id = stand.client.session_id;
    cr_assert_eq(viv_node_client_create(&stand.client, "/mine", "", 1), 0);
    stand.client.password[3] ^= 1;
    cr_assert_not(viv_node_client_open(&stand.client, 0, 1500));
    cr_assert_eq(stand.client.timeout_ms, 0, "the negative response");
    expect_closed(stand.net, stand.client.conn);
    cr_assert_not(viv_node_net_is_closed(stand.net, first), "a stranger cannot drop the session's connection");
    stand.client.password[3] ^= 1;
    cr_assert(viv_node_client_open(&stand.client, 0, 1500));
    cr_assert_eq(stand.client.session_id, session_id);
    cr_assert_eq(stand.client.timeout_ms, 1500);
    expect_closed(stand.net, first);
    cr_assert_eq(viv_node_client_ask(&stand.client, VIV_OP_EXISTS, "/mine", false), 0);
    stand_fini(&stand);
}

VIV_TEST(node_service, a_closed_session_is_refused)
{
    struct stand stand;
    stand_init(&stand);
    cr_assert_eq(viv_node_client_close_session(&stand.client), 0);
    cr_assert_not(viv_node_client_open(&stand.client, 0, 1000));
    cr_assert_eq(stand.client.timeout_ms, 0);
    stand_fini(&stand);
}

VIV_TEST(node_service, connections_that_never_shake_hands_are_closed)
{
    struct stand stand;
    stand_init(&stand);
    viv_conn conn = viv_node_net_connect(stand.net, 0);
    viv_node_net_run(stand.net, 9000);
    cr_assert_not(viv_node_net_is_closed(stand.net, conn));
    viv_node_net_run(stand.net, 1100);
    cr_assert(viv_node_net_is_closed(stand.net, conn));
    stand_fini(&stand);
}

/* ---- operations ---- */

VIV_TEST(node_service, a_node_lives_from_create_to_delete)
{
    struct stand stand;
    struct viv_node_client *client = &stand.client;
    stand_init(&stand);
    cr_assert_eq(viv_node_client_create(client, "/a", "one", 0), 0);
    cr_assert_eq(viv_node_client_create(client, "/a", "one", 0), VIV_REPLY_NODE_EXISTS);
    cr_assert_eq(viv_node_client_ask(client, VIV_OP_GET_DATA, "/a", false), 0);
    cr_assert(viv_node_client_data_is(client, "one"));
    cr_assert_eq(viv_node_client_set(client, "/a", "two", 0), 0);
    struct viv_stat stat;
    struct viv_jute_reader reader = viv_jute_reader_of(viv_buffer_bytes(&client->record));
    viv_stat_decode(&reader, &stat);
    cr_assert_eq(stat.version, 1);
    cr_assert_eq(stat.mzxid, client->header.zxid, "a write is answered at its own zxid");
    cr_assert_eq(viv_node_client_set(client, "/a", "three", 0), VIV_REPLY_BAD_VERSION);
    cr_assert_eq(client->record.size, 0, "an error reply is its header");
    cr_assert_eq(viv_node_client_delete(client, "/a", 1), 0);
    cr_assert_eq(viv_node_client_ask(client, VIV_OP_GET_DATA, "/a", false), VIV_REPLY_NO_NODE);
    cr_assert_eq(viv_node_client_ask(client, VIV_OP_SYNC, "/gone", false), 0);
    stand_fini(&stand);
}

VIV_TEST(node_service, a_multi_answers_part_by_part)
{
    struct stand stand;
    stand_init(&stand);
    viv_conn conn = stand.client.conn;
    cr_assert_eq(viv_node_client_create(&stand.client, "/m", "", 0), 0);
    /* check /m version 0, delete /missing, check /m version 0 */
    send_hex(stand.net, conn,
             "00000050 00000009 0000000e"
             "0000000d 00 ffffffff 00000002 2f6d 00000000"
             "00000002 00 ffffffff 00000008 2f6d697373696e67 ffffffff"
             "0000000d 00 ffffffff 00000002 2f6d 00000000"
             "ffffffff 01 ffffffff");
    expect_hex(stand.net, conn,
               "00000009 0000000000000003 00000000"
               "ffffffff 00 00000000 00000000"
               "ffffffff 00 ffffff9b ffffff9b"
               "ffffffff 00 fffffffe fffffffe"
               "ffffffff 01 ffffffff");
    /* check, delete */
    send_hex(stand.net, conn,
             "00000037 0000000a 0000000e"
             "0000000d 00 ffffffff 00000002 2f6d 00000000"
             "00000002 00 ffffffff 00000002 2f6d 00000000"
             "ffffffff 01 ffffffff");
    expect_hex(stand.net, conn,
               "0000000a 0000000000000004 00000000"
               "0000000d 00 00000000"
               "00000002 00 00000000"
               "ffffffff 01 ffffffff");
    stand_fini(&stand);
}

VIV_TEST(node_service, reconfiguration_is_refused)
{
    struct stand stand;
    stand_init(&stand);
    cr_assert_lt(viv_node_client_call(&stand.client, VIV_OP_RECONFIG, (struct viv_bytes){0}), 0);
    cr_assert_not(viv_node_net_is_closed(stand.net, stand.client.conn));
    stand_fini(&stand);
}

/* ---- order ---- */

VIV_TEST(node_service, a_read_waits_for_the_writes_before_it_on_its_connection)
{
    struct stand stand;
    struct viv_node_client *client = &stand.client;
    stand_init(&stand);
    cr_assert_eq(viv_node_client_create(client, "/a", "old", 0), 0);
    int32_t first = client->xid + 1;
    viv_node_client_send(client, VIV_OP_SET_DATA, viv_node_client_set_record(client, "/a", "new", -1));
    viv_node_client_send(client, VIV_OP_GET_DATA, viv_node_client_path_record(client, "/a", false));
    viv_node_client_send(client, VIV_OP_SYNC, viv_node_client_path_record(client, "/a", false));
    viv_node_client_send(client, VIV_OP_SET_DATA, viv_node_client_set_record(client, "/a", "newer", -1));
    viv_node_client_send(client, VIV_OP_GET_DATA, viv_node_client_path_record(client, "/a", false));
    for (int32_t i = 0; i < 5; i++) {
        cr_assert(viv_node_client_wait(client, 100));
        cr_assert_eq(client->header.xid, first + i, "replies come in request order");
        cr_assert(i != 1 || viv_node_client_data_is(client, "new"), "the read sees the write before it, no more");
        cr_assert(i != 4 || viv_node_client_data_is(client, "newer"));
    }
    stand_fini(&stand);
}

VIV_TEST(node_service, a_read_does_not_wait_for_the_writes_of_others)
{
    struct stand stand;
    struct viv_node_client other;
    stand_init(&stand);
    second_client(&stand, &other);
    cr_assert_eq(viv_node_client_create(&stand.client, "/a", "old", 0), 0);
    viv_node_client_send(&stand.client, VIV_OP_SET_DATA, viv_node_client_set_record(&stand.client, "/a", "new", -1));
    cr_assert_eq(viv_node_client_ask(&other, VIV_OP_GET_DATA, "/a", false), 0);
    cr_assert(viv_node_client_data_is(&other, "old"), "the write is not durable yet");
    cr_assert_not(viv_node_client_receive(&stand.client));
    cr_assert(viv_node_client_wait(&stand.client, 100));
    viv_node_client_fini(&other);
    stand_fini(&stand);
}

VIV_TEST(node_service, a_turn_makes_one_append_and_one_send)
{
    enum { WRITES = 200 };
    struct stand stand;
    struct viv_node_net_counts before, after;
    stand_init(&stand);
    viv_node_net_counts(stand.net, 0, &before);
    for (int i = 0; i < WRITES; i++) {
        viv_node_client_send(&stand.client, VIV_OP_CREATE, viv_node_client_create_record(&stand.client, "/s-", "x", 2));
    }
    for (int i = 0; i < WRITES; i++) {
        cr_assert(viv_node_client_wait(&stand.client, 100));
        cr_assert_eq(stand.client.header.err, 0);
    }
    viv_node_net_counts(stand.net, 0, &after);
    cr_assert_eq(after.log_appends - before.log_appends, 1);
    cr_assert_eq(after.log_entries - before.log_entries, WRITES);
    cr_assert_eq(after.client_sends - before.client_sends, 1);
    stand_fini(&stand);
}

VIV_TEST(node_service, a_client_far_ahead_of_its_replies_is_not_read_from_for_a_while)
{
    enum { WRITES = VIV_OUTSTANDING_PER_CONNECTION_MAX + 100 };
    struct stand stand;
    stand_init(&stand);
    for (int i = 0; i < WRITES; i++) {
        viv_node_client_send(&stand.client, VIV_OP_CREATE, viv_node_client_create_record(&stand.client, "/s-", "x", 2));
    }
    viv_node_net_run(stand.net, 2);
    cr_assert(viv_node_net_is_paused(stand.net, stand.client.conn));
    for (int i = 0; i < WRITES; i++) {
        cr_assert(viv_node_client_wait(&stand.client, 100), "everything that was read is answered");
    }
    cr_assert_not(viv_node_net_is_paused(stand.net, stand.client.conn));
    stand_fini(&stand);
}

VIV_TEST(node_service, long_requests_count_by_their_bytes)
{
    enum { WRITES = 12, DATA_BYTES = 500000 };
    struct stand stand;
    static char data[DATA_BYTES + 1];
    stand_init(&stand);
    memset(data, 'x', DATA_BYTES);
    for (int i = 0; i < WRITES; i++) {
        viv_node_client_send(&stand.client, VIV_OP_CREATE,
                             viv_node_client_create_record(&stand.client, "/s-", data, 2));
    }
    viv_node_net_run(stand.net, 2);
    cr_assert(viv_node_net_is_paused(stand.net, stand.client.conn));
    for (int i = 0; i < WRITES; i++) {
        cr_assert(viv_node_client_wait(&stand.client, 100));
    }
    cr_assert_not(viv_node_net_is_paused(stand.net, stand.client.conn));
    stand_fini(&stand);
}

/* ---- watches ---- */

VIV_TEST(node_service, an_event_comes_before_the_reply_that_reveals_the_change)
{
    struct stand stand;
    struct viv_node_client other;
    stand_init(&stand);
    second_client(&stand, &other);
    cr_assert_eq(viv_node_client_ask(&stand.client, VIV_OP_EXISTS, "/a", true), VIV_REPLY_NO_NODE);
    cr_assert_eq(viv_node_client_ask(&other, VIV_OP_GET_CHILDREN, "/", true), 0);
    viv_buffer_clear(&stand.client.order);
    cr_assert_eq(viv_node_client_create(&stand.client, "/a", "", 0), 0);
    cr_assert(viv_bytes_equal(viv_buffer_bytes(&stand.client.order), VIV_BYTES_LITERAL("er")));
    cr_assert(viv_node_client_events_are(&stand.client, "1 /a\n"));
    viv_buffer_clear(&other.order);
    cr_assert_eq(viv_node_client_ask(&other, VIV_OP_EXISTS, "/a", false), 0);
    cr_assert(viv_bytes_equal(viv_buffer_bytes(&other.order), VIV_BYTES_LITERAL("er")));
    cr_assert(viv_node_client_events_are(&other, "4 /\n"));
    viv_node_client_fini(&other);
    stand_fini(&stand);
}

VIV_TEST(node_service, watches_go_with_their_connection_and_come_back_with_set_watches)
{
    struct stand stand;
    struct viv_node_client other;
    stand_init(&stand);
    second_client(&stand, &other);
    cr_assert_eq(viv_node_client_create(&stand.client, "/a", "", 0), 0);
    cr_assert_eq(viv_node_client_ask(&stand.client, VIV_OP_GET_DATA, "/a", true), 0);
    viv_node_net_hang_up(stand.net, stand.client.conn);
    viv_node_net_run(stand.net, 10);
    int64_t seen = stand.client.last_zxid;
    cr_assert_eq(viv_node_client_set(&other, "/a", "new", -1), 0);
    cr_assert(viv_node_client_open(&stand.client, 0, 1000));
    struct viv_buffer record = {0};
    viv_jute_write_long(&record, seen);
    viv_jute_write_int(&record, 1);
    viv_jute_write_text(&record, "/a");
    viv_jute_write_int(&record, 0);
    viv_jute_write_int(&record, 0);
    viv_buffer_clear(&stand.client.order);
    cr_assert_eq(viv_node_client_call(&stand.client, VIV_OP_SET_WATCHES, viv_buffer_bytes(&record)), 0);
    cr_assert(viv_bytes_equal(viv_buffer_bytes(&stand.client.order), VIV_BYTES_LITERAL("er")));
    cr_assert(viv_node_client_events_are(&stand.client, "3 /a\n"));
    viv_buffer_fini(&record);
    viv_node_client_fini(&other);
    stand_fini(&stand);
}

/* ---- sessions ---- */

VIV_TEST(node_service, a_silent_session_expires_and_takes_its_ephemerals_along)
{
    struct stand stand;
    struct viv_node_client other;
    stand_init(&stand);
    second_client(&stand, &other);
    cr_assert_eq(viv_node_client_create(&stand.client, "/mine", "", 1), 0);
    cr_assert_eq(viv_node_client_ask(&other, VIV_OP_EXISTS, "/mine", true), 0);
    for (int i = 0; i < 12; i++) {
        viv_node_net_run(stand.net, 100);
        cr_assert_eq(viv_node_client_call(&other, VIV_OP_PING, (struct viv_bytes){0}), 0);
    }
    expect_closed(stand.net, stand.client.conn);
    cr_assert_eq(viv_node_client_ask(&other, VIV_OP_EXISTS, "/mine", false), VIV_REPLY_NO_NODE);
    cr_assert(viv_node_client_events_are(&other, "2 /mine\n"));
    cr_assert_not(viv_node_client_open(&stand.client, 0, 1000), "it cannot be attached again");
    viv_node_client_fini(&other);
    stand_fini(&stand);
}

VIV_TEST(node_service, a_session_outlives_its_connection_for_its_timeout)
{
    struct stand stand;
    stand_init(&stand);
    cr_assert_eq(viv_node_client_create(&stand.client, "/mine", "", 1), 0);
    viv_node_net_hang_up(stand.net, stand.client.conn);
    viv_node_net_run(stand.net, 900);
    cr_assert(viv_node_client_open(&stand.client, 0, 1000));
    cr_assert_eq(viv_node_client_ask(&stand.client, VIV_OP_EXISTS, "/mine", false), 0);
    stand_fini(&stand);
}

/* ---- identities ---- */

VIV_TEST(node_service, a_digest_identity_is_added_and_may_own_nodes)
{
    struct stand stand;
    stand_init(&stand);
    viv_conn conn = stand.client.conn;
    /* auth: type 0, "digest", "alice:secret" */
    send_hex(stand.net, conn,
             "00000026 fffffffc 00000064 00000000 00000006 646967657374 0000000c 616c6963653a736563726574");
    expect_hex(stand.net, conn, "fffffffc 0000000000000000 00000000");
    /* create /own with {31 auth:""} */
    send_hex(stand.net, conn,
             "0000002c 00000001 00000001 00000004 2f6f776e 00000000"
             "00000001 0000001f 00000004 61757468 00000000 00000000");
    expect_hex(stand.net, conn, "00000001 0000000000000002 00000000 00000004 2f6f776e");
    stand.client.xid = 1;
    cr_assert_eq(viv_node_client_ask(&stand.client, VIV_OP_GET_ACL, "/own", false), 0);
    struct viv_jute_reader reader = viv_jute_reader_of(viv_buffer_bytes(&stand.client.record));
    struct viv_acl_entry entry;
    cr_assert_eq(viv_jute_read_int(&reader), 1);
    viv_acl_entry_decode(&reader, &entry);
    cr_assert(viv_bytes_equal(entry.id.bytes, VIV_BYTES_LITERAL("alice:aYXlLOpEooaV1cRAvUL1fp9Qt7E=")));
    struct viv_node_client other;
    second_client(&stand, &other);
    cr_assert_eq(viv_node_client_ask(&other, VIV_OP_GET_DATA, "/own", false), VIV_REPLY_NO_AUTH);
    viv_node_client_fini(&other);
    stand_fini(&stand);
}

VIV_TEST(node_service, identities_without_end_end_the_connection)
{
    enum { AUTH_BYTES = 20000 };
    struct stand stand;
    static char user[AUTH_BYTES];
    stand_init(&stand);
    memset(user, 'u', AUTH_BYTES);
    for (int i = 0; i < 4; i++) {
        struct viv_buffer record = {0};
        user[0] = (char)('a' + i);
        viv_jute_write_int(&record, 0);
        viv_jute_write_text(&record, "digest");
        viv_jute_write_bytes(&record, viv_bytes_of(user, AUTH_BYTES));
        int32_t err = viv_node_client_call(&stand.client, VIV_OP_AUTH, viv_buffer_bytes(&record));
        cr_assert_eq(err, i < 3 ? VIV_REPLY_OK : VIV_REPLY_AUTH_FAILED);
        viv_buffer_fini(&record);
    }
    expect_closed(stand.net, stand.client.conn);
    stand_fini(&stand);
}

VIV_TEST(node_service, an_unknown_scheme_ends_the_connection)
{
    struct stand stand;
    stand_init(&stand);
    send_hex(stand.net, stand.client.conn, "0000001b fffffffc 00000064 00000000 00000005 7375706572 00000002 6869");
    expect_hex(stand.net, stand.client.conn, "fffffffc 0000000000000000 ffffff8d");
    expect_closed(stand.net, stand.client.conn);
    stand_fini(&stand);
}

/* ---- a full disk ---- */

VIV_TEST(node_service, a_full_disk_refuses_writes_and_serves_reads)
{
    struct stand stand;
    struct viv_node_client *client = &stand.client;
    stand_init(&stand);
    cr_assert_eq(viv_node_client_create(client, "/a", "old", 0), 0);
    viv_node_client_send(client, VIV_OP_SET_DATA, viv_node_client_set_record(client, "/a", "new", -1));
    viv_node_net_run(stand.net, 1);
    viv_node_net_disk_full(stand.net, 0, true);
    viv_node_client_send(client, VIV_OP_SET_DATA, viv_node_client_set_record(client, "/a", "lost", -1));
    viv_node_client_send(client, VIV_OP_GET_DATA, viv_node_client_path_record(client, "/a", false));
    cr_assert(viv_node_client_wait(client, 100));
    cr_assert_eq(client->header.err, 0, "it was on its way already");
    cr_assert(viv_node_client_wait(client, 100));
    cr_assert_eq(client->header.err, VIV_REPLY_SYSTEM_ERROR);
    cr_assert(viv_node_client_wait(client, 100));
    cr_assert(viv_node_client_data_is(client, "new"));
    viv_node_net_disk_full(stand.net, 0, false);
    cr_assert_eq(viv_node_client_set(client, "/a", "newer", -1), 0);
    stand_fini(&stand);
}
