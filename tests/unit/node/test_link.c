#include "base/endian.h"
#include "base/limits.h"
#include "node/link.h"
#include "tests/support/viv_test.h"

struct pair {
    struct viv_links links;
    struct viv_actions actions;
    struct viv_link *from, *to;
};

static void pair_init(struct pair *pair, bool enveloped)
{
    *pair = (struct pair){0};
    pair->from = viv_links_add(&pair->links, 1, false);
    pair->to = viv_links_add(&pair->links, 2, true);
    pair->from->enveloped = pair->to->enveloped = enveloped;
}

static void pair_fini(struct pair *pair)
{
    viv_actions_fini(&pair->actions);
    viv_links_fini(&pair->links);
}

/* What `from` said in this turn reaches `to` in pieces of `piece` bytes. */
static void carry(struct pair *pair, size_t piece)
{
    struct viv_bytes rest = viv_buffer_bytes(&pair->from->out);
    while (rest.size > 0) {
        size_t size = rest.size < piece ? rest.size : piece;
        viv_link_feed(pair->to, viv_bytes_of(rest.data, size));
        rest = viv_bytes_of(rest.data + size, rest.size - size);
    }
    viv_links_turn_begin(&pair->links);
}

static void put(struct pair *pair, int32_t type, uint64_t zxid)
{
    struct viv_packet packet = {.type = type, .zxid = zxid};
    viv_link_put_packet(pair->from, 0, &packet);
}

static void expect_packet(struct pair *pair, int32_t type, uint64_t zxid)
{
    struct viv_link_item item;
    viv_link_take(pair->to, &item);
    cr_assert_eq(item.kind, VIV_LINK_PACKET);
    cr_assert_eq(item.packet.type, type);
    cr_assert_eq(item.packet.zxid, zxid);
}

static void expect_nothing(struct pair *pair)
{
    struct viv_link_item item;
    viv_link_take(pair->to, &item);
    cr_assert_eq(item.kind, VIV_LINK_NOTHING);
}

/* The head of a packet whose data is announced to be so long. */
static enum viv_link_item_kind announce(struct viv_link *link, uint32_t size)
{
    uint8_t head[16] = {0};
    struct viv_link_item item;
    viv_store_be32(head, VIV_PACKET_FOLLOWERINFO);
    viv_store_be32(head + 12, size);
    viv_link_feed(link, viv_bytes_of(head, sizeof head));
    viv_link_take(link, &item);
    return item.kind;
}

VIV_TEST(node_link, who_has_not_said_who_it_is_may_not_announce_much)
{
    static const struct {
        uint32_t size;
        enum viv_link_item_kind kind;
    } cases[] = {{4096, VIV_LINK_NOTHING},
                 {4097, VIV_LINK_MALFORMED},
                 {409600, VIV_LINK_MALFORMED},
                 {1U << 26, VIV_LINK_MALFORMED}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct viv_links links = {0};
        struct viv_link *link = viv_links_add(&links, 1, true);
        cr_assert_eq(announce(link, cases[i].size), cases[i].kind, "%u", cases[i].size);
        viv_links_fini(&links);
    }
    struct viv_links links = {0};
    struct viv_link *link = viv_links_add(&links, 1, true);
    struct viv_packet packet = {.type = VIV_PACKET_LEADERINFO};
    viv_link_put_packet(link, 0, &packet); /* it was introduced */
    cr_assert_eq(announce(link, 1 << 20), VIV_LINK_NOTHING);
    viv_links_fini(&links);
}

VIV_TEST(node_link, packets_arrive_whole_however_they_are_cut)
{
    for (int enveloped = 0; enveloped < 2; enveloped++) {
        struct pair pair;
        pair_init(&pair, enveloped);
        put(&pair, VIV_PACKET_PING, 7);
        put(&pair, VIV_PACKET_SYNC, 0);
        struct viv_bytes said = viv_buffer_bytes(&pair.from->out);
        for (size_t i = 0; i < said.size; i++) {
            viv_link_feed(pair.to, viv_bytes_of(said.data + i, 1));
            if (i + 1 == said.size / 2) {
                expect_packet(&pair, VIV_PACKET_PING, 7);
            }
            if (i + 1 < said.size) {
                expect_nothing(&pair);
            }
            viv_link_taken(pair.to);
        }
        expect_packet(&pair, VIV_PACKET_SYNC, 0);
        expect_nothing(&pair);
        pair_fini(&pair);
    }
}

VIV_TEST(node_link, between_our_own_servers_the_last_ack_of_a_turn_speaks_for_all)
{
    struct pair pair;
    pair_init(&pair, true);
    put(&pair, VIV_PACKET_ACK, VIV_ZXID(3, 0)); /* of NEWLEADER: counted by itself */
    put(&pair, VIV_PACKET_ACK, VIV_ZXID(3, 1));
    put(&pair, VIV_PACKET_ACK, VIV_ZXID(3, 2));
    put(&pair, VIV_PACKET_PING, 0);
    put(&pair, VIV_PACKET_ACK, VIV_ZXID(3, 3));
    carry(&pair, SIZE_MAX);
    expect_packet(&pair, VIV_PACKET_ACK, VIV_ZXID(3, 0));
    expect_packet(&pair, VIV_PACKET_ACK, VIV_ZXID(3, 2));
    expect_packet(&pair, VIV_PACKET_PING, 0);
    expect_packet(&pair, VIV_PACKET_ACK, VIV_ZXID(3, 3));
    expect_nothing(&pair);
    pair_fini(&pair);
}

VIV_TEST(node_link, another_kind_of_server_gets_every_ack)
{
    struct pair pair;
    pair_init(&pair, false);
    put(&pair, VIV_PACKET_ACK, VIV_ZXID(3, 1));
    put(&pair, VIV_PACKET_ACK, VIV_ZXID(3, 2));
    carry(&pair, 1);
    expect_packet(&pair, VIV_PACKET_ACK, VIV_ZXID(3, 1));
    expect_packet(&pair, VIV_PACKET_ACK, VIV_ZXID(3, 2));
    pair_fini(&pair);
}

VIV_TEST(node_link, a_bare_snapshot_ends_where_its_reader_says)
{
    struct pair pair;
    pair_init(&pair, false);
    viv_link_put_snapshot(pair.from, 0, VIV_BYTES_LITERAL("snapshot"));
    put(&pair, VIV_PACKET_NEWLEADER, 9);
    pair.to->snapshot = true;
    carry(&pair, SIZE_MAX);
    struct viv_link_item item;
    viv_link_take(pair.to, &item);
    cr_assert_eq(item.kind, VIV_LINK_SNAPSHOT);
    cr_assert_gt(item.bytes.size, 8);
    cr_assert(viv_link_put_back(pair.to, item.bytes.size - 8));
    pair.to->snapshot = false;
    expect_packet(&pair, VIV_PACKET_NEWLEADER, 9);
    pair_fini(&pair);
}

VIV_TEST(node_link, an_enveloped_snapshot_cannot_run_into_what_follows)
{
    struct pair pair;
    pair_init(&pair, true);
    viv_link_put_snapshot(pair.from, 3, VIV_BYTES_LITERAL("snapshot"));
    put(&pair, VIV_PACKET_NEWLEADER, 9);
    pair.to->snapshot = true;
    carry(&pair, 5);
    struct viv_link_item item;
    viv_link_take(pair.to, &item);
    cr_assert_eq(item.kind, VIV_LINK_SNAPSHOT);
    cr_assert_eq(item.gid, 3);
    cr_assert_eq(item.bytes.size, 8);
    cr_assert_not(viv_link_put_back(pair.to, 1));
    pair.to->snapshot = false;
    expect_packet(&pair, VIV_PACKET_NEWLEADER, 9);
    pair_fini(&pair);
}

VIV_TEST(node_link, impossible_lengths_are_noticed_before_they_are_waited_for)
{
    struct pair pair;
    struct viv_link_item item;
    pair_init(&pair, true);
    viv_link_feed(pair.to, VIV_BYTES_LITERAL("\x00\x00\xff\xff\xff\xff"));
    viv_link_take(pair.to, &item);
    cr_assert_eq(item.kind, VIV_LINK_MALFORMED);
    pair_fini(&pair);
    pair_init(&pair, false);
    viv_link_feed(pair.to, VIV_BYTES_LITERAL("\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00\x00\x7f\xff\xff\xff"));
    viv_link_take(pair.to, &item);
    cr_assert_eq(item.kind, VIV_LINK_MALFORMED);
    pair_fini(&pair);
}

VIV_TEST(node_link, what_was_said_leaves_before_the_link_closes)
{
    struct pair pair;
    pair_init(&pair, true);
    put(&pair, VIV_PACKET_UPTODATE, 1);
    viv_links_close(&pair.links, 1, &pair.actions);
    viv_links_flush(&pair.links, &pair.actions);
    cr_assert_eq(pair.actions.count, 2);
    cr_assert_eq(pair.actions.items[0].kind, VIV_ACTION_LINK_SEND);
    cr_assert_eq(pair.actions.items[1].kind, VIV_ACTION_LINK_CLOSE);
    cr_assert_null(viv_links_find(&pair.links, 1));
    pair_fini(&pair);
}
