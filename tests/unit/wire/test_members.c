#include <string.h>

#include "tests/support/viv_test.h"
#include "wire/members.h"
#include "wire/records.h"

static struct viv_members members;

static bool parses(const char *text)
{
    return viv_members_parse(viv_bytes_text(text), &members) == VIV_OK;
}

static void expect_printed(const char *text)
{
    struct viv_buffer printed = {0};
    viv_members_print(&members, &printed);
    viv_buffer_append(&printed, "", 1);
    cr_assert_str_eq((const char *)printed.data, text);
    viv_buffer_fini(&printed);
}

static void expect_same(const char *text)
{
    cr_assert(parses(text), "%s", text);
    expect_printed(text);
}

VIV_TEST(wire_members, what_zookeeper_writes_is_read_and_written_again)
{
    expect_same("server.1=127.0.0.1:2888:3888:participant;0.0.0.0:2181\nserver.4=[::1]:2889:3889:observer\nversion=0");
    expect_same("server.1=a:1:2:participant\nserver.2=b:1:2:participant\nserver.3=c:1:2:participant\n"
                "group.1=1:2\ngroup.7=3\nweight.1=1\nweight.2=0\nweight.3=5\nversion=10000000a");
    cr_assert_eq(members.version, 0x10000000a);
    cr_assert_eq(viv_members_find(&members, 3)->weight, 5);
    cr_assert_eq(viv_members_voters(&members), 3);
}

VIV_TEST(wire_members, lines_come_in_any_order_and_their_ends_do_not_matter)
{
    cr_assert(parses("version=B\n\nweight.2=3\ngroup.1=2\nserver.2=b:1:2;7\n"));
    cr_assert_eq(members.version, 11);
    cr_assert_eq(members.items[0].client_port, 7);
    cr_assert_str_eq(members.items[0].client_host, "");
}

VIV_TEST(wire_members, what_nobody_could_live_in_is_refused)
{
    static const char *const wrong[] = {
        "",
        "version=1",
        "server.1=a:1:2:observer",
        "server.1=a:1:2\nserver.1=b:1:2",
        "server.1=a:1",
        "server.1=a:1:2:voter",
        "server.0=a:1:2",
        "server.255=a:1:2",
        "server.1=a:1:65536",
        "server.1=a b:1:2",
        "server.1=:1:2",
        "server.1=[::1:1:2",
        "server.1=a:1:2;x",
        "server.1=a:1:2\nversion=",
        "server.1=a:1:2\nversion=1\nversion=1",
        "server.1=a:1:2\nversion=12345678901234567",
        "server.1=a:1:2\nsomething=1",
        "server.1=a:1:2\nsomething",
        "server.1=a:1:2\nserver.2=b:1:2\ngroup.1=1",
        "server.1=a:1:2\ngroup.1=1:2",
        "server.1=a:1:2\ngroup.1=1\ngroup.1=1",
        "server.1=a:1:2\ngroup.1=1\ngroup.2=1",
        "server.1=a:1:2\ngroup.1=1\nweight.1=0",
        "server.1=a:1:2\nweight.1=1",
        "server.1=a:1:2\ngroup.1=1\nweight.2=1",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        cr_assert_not(parses(wrong[i]), "%s", wrong[i]);
    }
}

VIV_TEST(wire_members, a_server_may_have_several_addresses_which_take_turns)
{
    struct viv_member_address address;
    cr_assert(parses("server.1=a:1:2|[::1]:3:4:participant|c:5:6;7\nserver.2=b:1:2:observer|d:8:9\nversion=a"));
    expect_printed("server.1=a:1:2|[::1]:3:4|c:5:6:participant;0.0.0.0:7\nserver.2=b:1:2|d:8:9:observer\nversion=a");
    cr_assert_eq(viv_member_address_count(&members.items[0]), 3);
    static const char *const hosts[] = {"a", "::1", "c", "a"};
    for (size_t i = 0; i < 4; i++) {
        viv_member_address(&members.items[0], i, &address);
        cr_assert_str_eq(address.host, hosts[i]);
        cr_assert_eq(address.peer_port, 1 + 2 * (int)(i % 3));
        cr_assert_eq(address.election_port, 2 + 2 * (int)(i % 3));
    }
    cr_assert_not(parses("server.1=a:1:2|b:3"));
    cr_assert_not(parses("server.1=a:1:2|"));
    cr_assert_not(parses("server.1=a:1:2:participant|b:3:4:observer"));
}

VIV_TEST(wire_members, a_text_that_no_vote_could_carry_is_refused)
{
    struct viv_buffer text = {0};
    viv_buffer_printf(&text, "server.1=a:1:2\n");
    while (text.size < VIV_MEMBERS_TEXT_BYTES_MAX) {
        viv_buffer_append(&text, "\n", 1);
    }
    cr_assert_eq(viv_members_parse(viv_buffer_bytes(&text), &members), VIV_OK);
    viv_buffer_append(&text, "\n", 1);
    cr_assert_eq(viv_members_parse(viv_buffer_bytes(&text), &members), VIV_ERR_MALFORMED);
    viv_buffer_fini(&text);
}

VIV_TEST(wire_members, there_is_room_for_sixty_four)
{
    struct viv_member member = {.voter = true};
    members = (struct viv_members){0};
    for (member.sid = VIV_MEMBERS_MAX; member.sid > 0; member.sid--) {
        cr_assert(viv_members_insert(&members, &member));
    }
    member.sid = VIV_MEMBERS_MAX + 1;
    cr_assert_not(viv_members_insert(&members, &member));
    cr_assert(viv_members_remove(&members, 7));
    cr_assert_not(viv_members_remove(&members, 7));
    cr_assert(viv_members_insert(&members, &member));
    cr_assert_eq(members.items[VIV_MEMBERS_MAX - 1].sid, VIV_MEMBERS_MAX + 1);
}

VIV_TEST(wire_members, only_a_transaction_that_changes_the_ensemble_tells_members)
{
    struct viv_buffer body = {0};
    struct viv_bytes text;
    struct viv_txn_header header = {.zxid = 7, .type = VIV_OP_RECONFIG};
    struct viv_set_data_txn txn = {.path = VIV_BYTES_LITERAL("/p"), .data.bytes = VIV_BYTES_LITERAL("text")};
    viv_txn_header_encode(&body, &header);
    viv_set_data_txn_encode(&body, &txn);
    cr_assert(viv_reconfig_txn_text(viv_buffer_bytes(&body), &text));
    cr_assert(viv_bytes_equal(text, VIV_BYTES_LITERAL("text")));
    cr_assert_not(viv_reconfig_txn_text(viv_bytes_of(body.data, body.size - 1), &text));
    cr_assert_not(viv_reconfig_txn_text(viv_bytes_of(body.data, VIV_TXN_HEADER_BYTES), &text));
    body.data[VIV_TXN_HEADER_BYTES - 1] = VIV_OP_SET_DATA;
    cr_assert_not(viv_reconfig_txn_text(viv_buffer_bytes(&body), &text));
    viv_buffer_fini(&body);
}
