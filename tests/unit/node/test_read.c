#include <string.h>

#include "node/read_path.h"
#include "tests/support/hex.h"
#include "tests/support/viv_test.h"
#include "tests/support/world.h"
#include "wire/reply_code.h"

/* One connection, number 1, reads from a world. */

enum { CONN = 1 };

struct reading {
    struct viv_world world;
    struct viv_watches *watches;
    struct viv_buffer events, reply;
    struct viv_read_bounds bounds;
};

static void start(struct reading *reading)
{
    *reading = (struct reading){.watches = viv_watches_new(), .bounds = {UINT64_MAX, UINT64_MAX, UINT64_MAX, false, 0}};
    viv_world_init(&reading->world);
}

static void end(struct reading *reading)
{
    viv_watches_free(reading->watches);
    viv_world_fini(&reading->world);
    viv_buffer_fini(&reading->events);
    viv_buffer_fini(&reading->reply);
}

/* Serves world.record as the request of op. */
static int32_t serve(struct reading *reading, int32_t op)
{
    struct viv_read read = {CONN,
                            reading->world.session_id,
                            op,
                            viv_buffer_bytes(&reading->world.record),
                            viv_buffer_bytes(&reading->world.authinfo),
                            &reading->bounds, false};
    viv_buffer_clear(&reading->events);
    viv_buffer_clear(&reading->reply);
    viv_world_settle(&reading->world);
    cr_assert(viv_read_is_served(op));
    int32_t code = viv_read_serve(reading->world.tree, reading->watches, &read, &reading->events, &reading->reply);
    cr_assert(code == VIV_REPLY_OK || reading->reply.size == 0);
    viv_buffer_clear(&reading->world.record);
    return code;
}

static int32_t read_path(struct reading *reading, int32_t op, const char *path, bool watch)
{
    viv_jute_write_text(&reading->world.record, path);
    viv_jute_write_bool(&reading->world.record, watch);
    return serve(reading, op);
}

static int32_t watch_path(struct reading *reading, int32_t op, const char *path, int32_t type)
{
    viv_jute_write_text(&reading->world.record, path);
    viv_jute_write_int(&reading->world.record, type);
    return serve(reading, op);
}

static int held(const struct reading *reading, const char *path)
{
    return viv_watches_held(reading->watches, CONN, viv_bytes_text(path), VIV_WATCH_ANY);
}

static struct viv_stat stat_at(const struct reading *reading, size_t offset)
{
    struct viv_jute_reader reader =
        viv_jute_reader_of(viv_bytes_of(reading->reply.data + offset, reading->reply.size - offset));
    struct viv_stat stat;
    viv_stat_decode(&reader, &stat);
    cr_assert_not(reader.bad);
    cr_assert_eq(reader.rest.size, 0);
    return stat;
}

VIV_TEST(node_read, exists_checks_in_order_and_keeps_the_watch_on_a_missing_node)
{
    struct reading reading;
    start(&reading);
    cr_assert_eq(viv_world_create_as(&reading.world, VIV_OP_CREATE, "/shut", "abc", "30 world:anyone", 0), 0);
    cr_assert_eq(viv_world_create_as(&reading.world, VIV_OP_CREATE, "/open", "abc", NULL, 0), 0);
    viv_jute_write_bytes(&reading.world.record, VIV_BYTES_LITERAL("/a\0b"));
    viv_jute_write_bool(&reading.world.record, true);
    cr_assert_eq(serve(&reading, VIV_OP_EXISTS), VIV_REPLY_BAD_ARGUMENTS);
    cr_assert_eq(read_path(&reading, VIV_OP_EXISTS, "/shut", true), VIV_REPLY_NO_AUTH);
    cr_assert_eq(held(&reading, "/shut"), 0);
    cr_assert_eq(read_path(&reading, VIV_OP_EXISTS, "/missing", false), VIV_REPLY_NO_NODE);
    cr_assert_eq(held(&reading, "/missing"), 0);
    cr_assert_eq(read_path(&reading, VIV_OP_EXISTS, "/missing", true), VIV_REPLY_NO_NODE);
    cr_assert_eq(held(&reading, "/missing"), VIV_WATCH_DATA);
    cr_assert_eq(read_path(&reading, VIV_OP_EXISTS, "/open", true), VIV_REPLY_OK);
    cr_assert_eq(held(&reading, "/open"), VIV_WATCH_DATA);
    cr_assert_eq(stat_at(&reading, 0).data_bytes, 3);
    cr_assert_eq(stat_at(&reading, 0).czxid, 3);
    end(&reading);
}

VIV_TEST(node_read, get_data_and_children_set_a_watch_only_when_they_succeed)
{
    static const struct {
        int32_t op;
        int mode;
    } cases[] = {{VIV_OP_GET_DATA, VIV_WATCH_DATA},
                 {VIV_OP_GET_CHILDREN, VIV_WATCH_CHILD},
                 {VIV_OP_GET_CHILDREN2, VIV_WATCH_CHILD}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct reading reading;
        start(&reading);
        cr_assert_eq(viv_world_create_as(&reading.world, VIV_OP_CREATE, "/shut", "abc", "30 world:anyone", 0), 0);
        cr_assert_eq(viv_world_create(&reading.world, "/open", 0), 0);
        cr_assert_eq(read_path(&reading, cases[i].op, "/missing", true), VIV_REPLY_NO_NODE);
        cr_assert_eq(read_path(&reading, cases[i].op, "/open/", true), VIV_REPLY_NO_NODE);
        cr_assert_eq(read_path(&reading, cases[i].op, "open", true), VIV_REPLY_NO_NODE);
        cr_assert_eq(read_path(&reading, cases[i].op, "/shut", true), VIV_REPLY_NO_AUTH);
        cr_assert_eq(read_path(&reading, cases[i].op, "/open", false), VIV_REPLY_OK);
        struct viv_watch_counts counts;
        viv_watches_counts(reading.watches, &counts);
        cr_assert_eq(counts.watches, 0);
        cr_assert_eq(read_path(&reading, cases[i].op, "/open", true), VIV_REPLY_OK);
        cr_assert_eq(held(&reading, "/open"), cases[i].mode);
        end(&reading);
    }
}

VIV_TEST(node_read, data_that_is_null_stays_null)
{
    struct reading reading;
    start(&reading);
    cr_assert_eq(viv_world_create_as(&reading.world, VIV_OP_CREATE, "/null", NULL, NULL, 0), 0);
    cr_assert_eq(viv_world_create_as(&reading.world, VIV_OP_CREATE, "/empty", "", NULL, 0), 0);
    cr_assert_eq(read_path(&reading, VIV_OP_GET_DATA, "/null", false), 0);
    viv_hex_expect(viv_bytes_of(reading.reply.data, 4), "ffffffff");
    cr_assert_eq(stat_at(&reading, 4).data_bytes, 0);
    cr_assert_eq(read_path(&reading, VIV_OP_GET_DATA, "/empty", false), 0);
    viv_hex_expect(viv_bytes_of(reading.reply.data, 4), "00000000");
    end(&reading);
}

VIV_TEST(node_read, children_are_names_and_the_empty_path_is_the_root)
{
    struct reading reading;
    start(&reading);
    cr_assert_eq(viv_world_create(&reading.world, "/p", 0), 0);
    cr_assert_eq(viv_world_create(&reading.world, "/p/kid", 0), 0);
    cr_assert_eq(read_path(&reading, VIV_OP_GET_CHILDREN, "/p", false), 0);
    viv_hex_expect(viv_buffer_bytes(&reading.reply), "00000001 00000003 6b6964");
    cr_assert_eq(read_path(&reading, VIV_OP_GET_CHILDREN2, "/p", false), 0);
    cr_assert_eq(stat_at(&reading, 11).child_count, 1);
    cr_assert_eq(stat_at(&reading, 11).cversion, 1);
    cr_assert_eq(read_path(&reading, VIV_OP_GET_CHILDREN, "", false), 0);
    viv_hex_expect(viv_bytes_of(reading.reply.data, 4), "00000002");
    end(&reading);
}

static int32_t get_acl(struct reading *reading, const char *path)
{
    viv_jute_write_text(&reading->world.record, path);
    return serve(reading, VIV_OP_GET_ACL);
}

static void expect_acl(const struct reading *reading, const char *acl)
{
    struct viv_buffer expected = {0};
    viv_world_encode_acl(&expected, acl);
    cr_assert_eq(reading->reply.size, expected.size + VIV_STAT_BYTES);
    cr_assert_eq(memcmp(reading->reply.data, expected.data, expected.size), 0);
    viv_buffer_fini(&expected);
}

VIV_TEST(node_read, without_admin_digests_are_masked)
{
    struct reading reading;
    start(&reading);
    static const char acl[] = "1 world:anyone, 31 digest:alice:aYXlLOpEooaV1cRAvUL1fp9Qt7E=, 16 ip:10.0.0.0/8";
    cr_assert_eq(viv_world_create_as(&reading.world, VIV_OP_CREATE, "/n", NULL, acl, 0), 0);
    cr_assert_eq(viv_world_create_as(&reading.world, VIV_OP_CREATE, "/shut", NULL, "14 world:anyone", 0), 0);
    cr_assert_eq(get_acl(&reading, "/missing"), VIV_REPLY_NO_NODE);
    cr_assert_eq(get_acl(&reading, "/shut"), VIV_REPLY_NO_AUTH);
    cr_assert_eq(get_acl(&reading, "/n"), VIV_REPLY_OK);
    expect_acl(&reading, "1 world:anyone, 31 digest:alice:x, 16 ip:10.0.0.0/8");
    viv_world_identify(&reading.world, "ip", "10.1.2.3");
    cr_assert_eq(get_acl(&reading, "/n"), VIV_REPLY_OK);
    expect_acl(&reading, acl);
    end(&reading);
}

VIV_TEST(node_read, descendants_are_counted_at_any_depth)
{
    static const struct {
        const char *path;
        uint8_t count;
    } cases[] = {{"/", 11}, {"", 11}, {"/a", 6}, {"/a/b", 2}, {"/a/e/f/y", 0}, {"/d", 0}, {"/zookeeper", 2}};
    static const char *const nodes[] = {"/a", "/a/b", "/a/b/c", "/a/b/c/x", "/a/e", "/a/e/f", "/a/e/f/y", "/d"};
    struct reading reading;
    start(&reading);
    for (size_t i = 0; i < sizeof nodes / sizeof nodes[0]; i++) {
        cr_assert_eq(viv_world_create(&reading.world, nodes[i], 0), 0);
    }
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        viv_jute_write_text(&reading.world.record, cases[i].path);
        cr_assert_eq(serve(&reading, VIV_OP_GET_ALL_CHILDREN_NUMBER), 0);
        cr_assert_eq(reading.reply.size, 4);
        cr_assert_eq(reading.reply.data[3], cases[i].count, "%s", cases[i].path);
    }
    viv_jute_write_text(&reading.world.record, "/missing");
    cr_assert_eq(serve(&reading, VIV_OP_GET_ALL_CHILDREN_NUMBER), VIV_REPLY_NO_NODE);
    end(&reading);
}

static int32_t count_ephemerals(struct reading *reading, const char *prefix)
{
    if (prefix == NULL) {
        viv_jute_write_int(&reading->world.record, -1);
    } else {
        viv_jute_write_text(&reading->world.record, prefix);
    }
    cr_assert_eq(serve(reading, VIV_OP_GET_EPHEMERALS), 0);
    struct viv_jute_reader reader = viv_jute_reader_of(viv_buffer_bytes(&reading->reply));
    int32_t count = viv_jute_read_int(&reader);
    for (int32_t i = 0; i < count; i++) {
        cr_assert_gt(viv_jute_read_buffer(&reader).bytes.size, 1);
    }
    cr_assert_eq(reader.rest.size, 0);
    return count;
}

VIV_TEST(node_read, ephemerals_of_the_session_are_found_by_a_prefix_of_their_text)
{
    struct reading reading;
    start(&reading);
    cr_assert_eq(viv_world_create(&reading.world, "/e", 1), 0);
    cr_assert_eq(viv_world_create(&reading.world, "/e12", 1), 0);
    cr_assert_eq(viv_world_create(&reading.world, "/f", 1), 0);
    cr_assert_eq(viv_world_create(&reading.world, "/plain", 0), 0);
    cr_assert_eq(count_ephemerals(&reading, NULL), 3);
    cr_assert_eq(count_ephemerals(&reading, ""), 3);
    cr_assert_eq(count_ephemerals(&reading, " "), 3);
    cr_assert_eq(count_ephemerals(&reading, "/"), 3);
    cr_assert_eq(count_ephemerals(&reading, "/e"), 2);
    cr_assert_eq(count_ephemerals(&reading, "/e1"), 1);
    cr_assert_eq(count_ephemerals(&reading, "/plain"), 0);
    reading.world.session_id = 5;
    cr_assert_eq(count_ephemerals(&reading, "/"), 0);
    end(&reading);
}

VIV_TEST(node_read, who_am_i_names_the_users_and_not_their_digests)
{
    struct reading reading;
    start(&reading);
    cr_assert_eq(serve(&reading, VIV_OP_WHO_AM_I), 0);
    viv_hex_expect(viv_buffer_bytes(&reading.reply), "00000000");
    viv_world_identify(&reading.world, "ip", "127.0.0.1");
    cr_assert_eq(serve(&reading, VIV_OP_WHO_AM_I), 0);
    viv_hex_expect(viv_buffer_bytes(&reading.reply), "00000001000000026970000000093132372e302e302e31");
    viv_world_identify(&reading.world, "digest", "alice:aYXlLOpEooaV1cRAvUL1fp9Qt7E=");
    cr_assert_eq(serve(&reading, VIV_OP_WHO_AM_I), 0);
    viv_hex_expect(viv_buffer_bytes(&reading.reply),
                   "00000002000000026970000000093132372e302e302e31 00000006646967657374 00000005616c696365");
    end(&reading);
}

VIV_TEST(node_read, a_multi_read_reports_each_failure_in_its_place)
{
    struct reading reading;
    start(&reading);
    cr_assert_eq(viv_world_create(&reading.world, "/p", 0), 0);
    cr_assert_eq(viv_world_create_as(&reading.world, VIV_OP_CREATE, "/shut", "abc", "30 world:anyone", 0), 0);
    viv_world_encode_end(&reading.world.record);
    cr_assert_eq(serve(&reading, VIV_OP_MULTI_READ), 0);
    viv_hex_expect(viv_buffer_bytes(&reading.reply), "ffffffff 01 ffffffff");
    static const struct {
        int32_t op;
        const char *path;
    } items[] = {{VIV_OP_GET_DATA, "/missing"}, {VIV_OP_GET_CHILDREN, "/p"}, {VIV_OP_GET_DATA, "/shut"}};
    for (size_t i = 0; i < sizeof items / sizeof items[0]; i++) {
        viv_world_encode_step(&reading.world.record, items[i].op);
        viv_jute_write_text(&reading.world.record, items[i].path);
        viv_jute_write_bool(&reading.world.record, true);
    }
    viv_world_encode_end(&reading.world.record);
    cr_assert_eq(serve(&reading, VIV_OP_MULTI_READ), 0);
    viv_hex_expect(viv_buffer_bytes(&reading.reply), "ffffffff 00 ffffff9b ffffff9b"
                                                     "00000008 00 00000000 00000000"
                                                     "ffffffff 00 ffffff9a ffffff9a"
                                                     "ffffffff 01 ffffffff");
    cr_assert_eq(held(&reading, "/p"), 0, "the watch byte of a multiRead means nothing");
    viv_world_encode_step(&reading.world.record, VIV_OP_DELETE);
    viv_world_encode_path_version(&reading.world.record, "/p", -1);
    viv_world_encode_end(&reading.world.record);
    cr_assert_eq(serve(&reading, VIV_OP_MULTI_READ), VIV_REPLY_MARSHALLING_ERROR);
    end(&reading);
}

VIV_TEST(node_read, watches_can_be_added_checked_and_removed_by_type)
{
    struct reading reading;
    start(&reading);
    cr_assert_eq(watch_path(&reading, VIV_OP_ADD_WATCH, "/n", 2), VIV_REPLY_MARSHALLING_ERROR);
    cr_assert_eq(watch_path(&reading, VIV_OP_ADD_WATCH, "/n", -1), VIV_REPLY_MARSHALLING_ERROR);
    cr_assert_eq(watch_path(&reading, VIV_OP_ADD_WATCH, "/n", 0), 0);
    viv_hex_expect(viv_buffer_bytes(&reading.reply), "00000000");
    cr_assert_eq(watch_path(&reading, VIV_OP_ADD_WATCH, "/n", 1), 0);
    cr_assert_eq(read_path(&reading, VIV_OP_EXISTS, "/n", true), VIV_REPLY_NO_NODE);
    cr_assert_eq(held(&reading, "/n"), VIV_WATCH_PERSISTENT | VIV_WATCH_RECURSIVE | VIV_WATCH_DATA);
    cr_assert_eq(watch_path(&reading, VIV_OP_CHECK_WATCHES, "/n", 0), VIV_REPLY_MARSHALLING_ERROR);
    cr_assert_eq(watch_path(&reading, VIV_OP_CHECK_WATCHES, "/n", 6), VIV_REPLY_MARSHALLING_ERROR);
    cr_assert_eq(watch_path(&reading, VIV_OP_CHECK_WATCHES, "/n", 1), VIV_REPLY_NO_WATCHER);
    cr_assert_eq(watch_path(&reading, VIV_OP_CHECK_WATCHES, "/n", 2), 0);
    cr_assert_eq(watch_path(&reading, VIV_OP_CHECK_WATCHES, "/m", 3), VIV_REPLY_NO_WATCHER);
    cr_assert_eq(watch_path(&reading, VIV_OP_REMOVE_WATCHES, "/n", 2), 0);
    cr_assert_eq(watch_path(&reading, VIV_OP_REMOVE_WATCHES, "/n", 2), VIV_REPLY_NO_WATCHER);
    cr_assert_eq(watch_path(&reading, VIV_OP_REMOVE_WATCHES, "/n", 4), 0);
    cr_assert_eq(held(&reading, "/n"), VIV_WATCH_RECURSIVE);
    cr_assert_eq(watch_path(&reading, VIV_OP_REMOVE_WATCHES, "/n", 3), 0);
    cr_assert_eq(watch_path(&reading, VIV_OP_REMOVE_WATCHES, "/n", 3), VIV_REPLY_NO_WATCHER);
    end(&reading);
}

/* The frames of a conversation captured from a real server. */
VIV_TEST(node_read, set_watches_tells_what_was_missed_in_the_order_of_the_lists)
{
    struct reading reading;
    start(&reading);
    cr_assert_eq(viv_world_create(&reading.world, "/cap", 0), 0);
    cr_assert_eq(viv_world_create(&reading.world, "/cap/k1", 0), 0);
    viv_hex_append(&reading.world.record, "000000000000000000000002000000042f636170000000092f6361702f676f6e65"
                                          "00000002000000072f6361702f6b310000000a2f6361702f6e65766572"
                                          "00000001000000072f6361702f6b31");
    cr_assert_eq(serve(&reading, VIV_OP_SET_WATCHES), 0);
    viv_hex_expect(viv_buffer_bytes(&reading.events),
                   "00000020ffffffffffffffffffffffff000000000000000300000003000000042f636170"
                   "00000025ffffffffffffffffffffffff000000000000000200000003000000092f6361702f676f6e65"
                   "00000023ffffffffffffffffffffffff000000000000000100000003000000072f6361702f6b31"
                   "00000023ffffffffffffffffffffffff000000000000000400000003000000072f6361702f6b31");
    cr_assert_eq(reading.reply.size, 0);
    cr_assert_eq(held(&reading, "/cap"), 0);
    cr_assert_eq(held(&reading, "/cap/never"), VIV_WATCH_DATA);
    end(&reading);
}

VIV_TEST(node_read, set_watches_goes_on_waiting_where_nothing_was_missed)
{
    struct reading reading;
    start(&reading);
    cr_assert_eq(viv_world_create(&reading.world, "/cap", 0), 0);
    cr_assert_eq(viv_world_create(&reading.world, "/cap/null", 0), 0);
    viv_hex_append(&reading.world.record, "000001000000000000000002000000042f636170000000092f6361702f6e756c6c"
                                          "0000000000000001000000042f636170");
    cr_assert_eq(serve(&reading, VIV_OP_SET_WATCHES), 0);
    cr_assert_eq(reading.events.size, 0);
    cr_assert_eq(held(&reading, "/cap"), VIV_WATCH_DATA | VIV_WATCH_CHILD);
    cr_assert_eq(held(&reading, "/cap/null"), VIV_WATCH_DATA);
    viv_hex_append(&reading.world.record, "0000010000000000000000000000000000000000"
                                          "00000001000000092f6361702f6e756c6c00000001000000042f636170");
    cr_assert_eq(serve(&reading, VIV_OP_SET_WATCHES2), 0);
    cr_assert_eq(held(&reading, "/cap"), VIV_WATCH_DATA | VIV_WATCH_CHILD | VIV_WATCH_RECURSIVE);
    cr_assert_eq(held(&reading, "/cap/null"), VIV_WATCH_DATA | VIV_WATCH_PERSISTENT);
    end(&reading);
}

VIV_TEST(node_read, set_watches_compares_with_the_zxid_that_the_client_has_seen)
{
    struct reading reading;
    start(&reading);
    cr_assert_eq(viv_world_create(&reading.world, "/n", 0), 0);     /* zxid 2 */
    cr_assert_eq(viv_world_create(&reading.world, "/n/kid", 0), 0); /* zxid 3 */
    for (int64_t seen = 1; seen <= 3; seen++) {
        viv_watches_drop(reading.watches, CONN);
        viv_jute_write_long(&reading.world.record, seen);
        viv_hex_append(&reading.world.record, "00000001000000022f6e 00000000 00000001000000022f6e");
        cr_assert_eq(serve(&reading, VIV_OP_SET_WATCHES), 0);
        int expected = (seen >= 2 ? VIV_WATCH_DATA : 0) | (seen >= 3 ? VIV_WATCH_CHILD : 0);
        cr_assert_eq(held(&reading, "/n"), expected);
    }
    end(&reading);
}

VIV_TEST(node_read, a_request_that_breaks_off_is_refused_and_leaves_nothing_behind)
{
    static const int32_t ops[] = {VIV_OP_EXISTS,         VIV_OP_GET_DATA,       VIV_OP_GET_CHILDREN,
                                  VIV_OP_GET_CHILDREN2,  VIV_OP_GET_ACL,        VIV_OP_CHECK_WATCHES,
                                  VIV_OP_REMOVE_WATCHES, VIV_OP_MULTI_READ,     VIV_OP_SET_WATCHES,
                                  VIV_OP_SET_WATCHES2,   VIV_OP_GET_EPHEMERALS, VIV_OP_GET_ALL_CHILDREN_NUMBER,
                                  VIV_OP_ADD_WATCH};
    struct viv_watch_counts counts;
    struct reading reading;
    start(&reading);
    for (size_t i = 0; i < sizeof ops / sizeof ops[0]; i++) {
        viv_jute_write_int(&reading.world.record, 100);
        cr_assert_eq(serve(&reading, ops[i]), VIV_REPLY_MARSHALLING_ERROR, "%d", ops[i]);
    }
    viv_jute_write_int(&reading.world.record, -1);
    viv_jute_write_bool(&reading.world.record, true);
    cr_assert_eq(serve(&reading, VIV_OP_EXISTS), VIV_REPLY_MARSHALLING_ERROR, "a null path");
    viv_hex_append(&reading.world.record, "0000000000000000 00000001000000022f6e ffffffff 00000000");
    cr_assert_eq(serve(&reading, VIV_OP_SET_WATCHES), VIV_REPLY_MARSHALLING_ERROR, "a null list");
    viv_hex_append(&reading.world.record, "0000000000000000 00000001000000022f6e 00000000");
    cr_assert_eq(serve(&reading, VIV_OP_SET_WATCHES), VIV_REPLY_MARSHALLING_ERROR, "no third list");
    cr_assert_eq(reading.events.size, 0);
    viv_watches_counts(reading.watches, &counts);
    cr_assert_eq(counts.watches, 0);
    end(&reading);
}

VIV_TEST(node_read, writes_and_strangers_are_not_reads)
{
    static const int32_t others[] = {
        VIV_OP_CREATE, VIV_OP_MULTI, VIV_OP_CHECK, VIV_OP_SYNC, VIV_OP_PING, VIV_OP_AUTH, VIV_OP_SASL, -1, 0, 10, 77};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        cr_assert_not(viv_read_is_served(others[i]));
    }
}
