#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "tests/support/world.h"
#include "tests/unit/tree/support.h"
#include "tree/quota.h"
#include "wire/path.h"
#include "wire/reply_code.h"

/* Quotas: what limits mean, who is refused, and that usage is the same function of the tree wherever it is counted. */

#define LIMITS "/zookeeper_limits"
#define STATS  "/zookeeper_stats"

static struct viv_world world;

static int32_t put(const char *path, const char *data)
{
    int32_t code = viv_world_create_as(&world, VIV_OP_CREATE, path, data, NULL, 0);
    viv_world_settle(&world);
    return code;
}

static int32_t set(const char *path, const char *data)
{
    int32_t code = viv_world_set_data(&world, path, data, -1);
    viv_world_settle(&world);
    return code;
}

static int32_t drop(const char *path)
{
    int32_t code = viv_world_delete(&world, path, -1);
    viv_world_settle(&world);
    return code;
}

static void start(enum viv_quota_enforcement enforcement)
{
    viv_world_init(&world);
    world.rules.quotas = enforcement;
    viv_preparer_free(world.preparer);
    world.preparer = viv_preparer_new(world.tree, &world.rules);
    cr_assert_eq(put("/q", "12345"), 0);
    cr_assert_eq(put("/q/a", "abc"), 0);
    cr_assert_eq(put("/zookeeper/quota/q", NULL), 0);
}

static void limit(const char *text)
{
    if (put("/zookeeper/quota/q" LIMITS, text) == 0) {
        cr_assert_eq(put("/zookeeper/quota/q" STATS, "count=77,bytes=88"), 0);
    } else {
        cr_assert_eq(set("/zookeeper/quota/q" LIMITS, text), 0);
    }
}

static void expect_data(const char *path, const char *text)
{
    struct viv_znode node;
    cr_assert(viv_tree_find(world.tree, viv_bytes_text(path), &node), "%s", path);
    cr_assert(viv_bytes_equal(node.data.bytes, viv_bytes_text(text)), "%s is '%.*s', expected '%s'", path,
              (int)node.data.bytes.size, (const char *)node.data.bytes.data, text);
}

static void expect_usage(const char *text)
{
    expect_data("/zookeeper/quota/q" STATS, text);
}

/* Which texts ZooKeeper 3.8 reads, and as what. */
VIV_TEST(tree_quota, limits_are_read_as_zookeeper_reads_them)
{
    static const struct {
        const char *text;
        bool reads;
        struct viv_quota_limits limits;
    } cases[] = {
        {"", true, {-1, -1, -1, -1}},
        {"count=5", true, {5, -1, -1, -1}},
        {"count=3,bytes=20=;byteHardLimit=25;countHardLimit=4", true, {3, 20, 4, 25}},
        {"count=1,,bytes=2", true, {1, 2, -1, -1}},
        {"count=3,bytes=4=", true, {3, 4, -1, -1}},
        {"=3", true, {-1, -1, -1, -1}},
        {"count=-5,bytes=9", true, {-5, 9, -1, -1}},
        {" count=5,bytes=5", true, {-1, 5, -1, -1}},
        {"count=5,count=6", true, {6, -1, -1, -1}},
        {"count=5;bytes=9,;,", true, {5, 9, -1, -1}},
        {"count=7=8", true, {7, -1, -1, -1}},
        {"count==8", true, {-1, -1, -1, -1}},
        {"count=+8", true, {8, -1, -1, -1}},
        {"count=9223372036854775807,bytes=-9223372036854775808", true, {INT64_MAX, INT64_MIN, -1, -1}},
        {",", true, {-1, -1, -1, -1}},
        {",count=1", false, {0}},
        {"count", false, {0}},
        {"count=", false, {0}},
        {"=", false, {0}},
        {"count=0x1", false, {0}},
        {"count= 5", false, {0}},
        {"count=oops", false, {0}},
        {"a=b=c,count=3", false, {0}},
        {"count=9223372036854775808", false, {0}},
        {"count=-", false, {0}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct viv_quota_limits limits;
        cr_assert_eq(viv_quota_limits_parse(viv_bytes_text(cases[i].text), &limits), cases[i].reads, "'%s'",
                     cases[i].text);
        const struct viv_quota_limits none = {-1, -1, -1, -1};
        const struct viv_quota_limits *expected = cases[i].reads ? &cases[i].limits : &none;
        cr_assert_eq(memcmp(&limits, expected, sizeof limits), 0, "'%s'", cases[i].text);
    }
}

VIV_TEST(tree_quota, stats_show_the_usage_and_nothing_else_of_their_node_moves)
{
    struct viv_znode before, after;
    start(VIV_QUOTA_AUTO);
    limit("count=9,bytes=99");
    expect_usage("count=2,bytes=8");
    uint64_t digest = viv_tree_digest(world.tree);
    cr_assert(viv_tree_find(world.tree, VIV_BYTES_LITERAL("/zookeeper/quota/q" STATS), &before));
    cr_assert_eq(put("/q/b", "xy"), 0);
    cr_assert_eq(set("/q/a", NULL), 0);
    expect_usage("count=3,bytes=7");
    cr_assert_eq(drop("/q/b"), 0);
    cr_assert_eq(put("/other", "xyz"), 0);
    cr_assert_eq(put("/qq", "xyz"), 0);
    expect_usage("count=2,bytes=5");
    cr_assert(viv_tree_find(world.tree, VIV_BYTES_LITERAL("/zookeeper/quota/q" STATS), &after));
    cr_assert_eq(after.mzxid, before.mzxid);
    cr_assert_eq(after.mtime_ms, before.mtime_ms);
    cr_assert_eq(after.version, before.version);
    cr_assert_eq(set("/zookeeper/quota/q" STATS, "count=1,bytes=1"), 0);
    expect_usage("count=2,bytes=5");
    cr_assert_eq(drop("/zookeeper/quota/q" STATS), 0);
    cr_assert_eq(put("/q/c", "123"), 0);
    cr_assert_eq(put("/zookeeper/quota/q" STATS, NULL), 0);
    expect_usage("count=3,bytes=8");
    cr_assert_neq(viv_tree_digest(world.tree), digest);
    digest = viv_tree_digest(world.tree);
    cr_assert_eq(set("/zookeeper/quota/q" LIMITS, "count=1"), 0);
    cr_assert_eq(viv_tree_digest(world.tree), digest, "the digest does not see quotas");
    viv_world_fini(&world);
}

VIV_TEST(tree_quota, a_hard_limit_holds_exactly)
{
    start(VIV_QUOTA_AUTO);
    limit("count=1,bytes=1=;byteHardLimit=25;countHardLimit=4");
    cr_assert_eq(put("/q/b", NULL), 0);
    cr_assert_eq(put("/q/c", NULL), 0);
    expect_usage("count=4,bytes=8");
    cr_assert_eq(put("/q/d", NULL), VIV_REPLY_QUOTA_EXCEEDED);
    cr_assert_eq(set("/q/b", "0123456789abcdefg"), 0);
    expect_usage("count=4,bytes=25");
    cr_assert_eq(set("/q/c", "!"), VIV_REPLY_QUOTA_EXCEEDED);
    cr_assert_eq(set("/q/b", "0123456789abcdef"), 0);
    cr_assert_eq(set("/q/c", "!"), 0);
    limit("bytes=1=;byteHardLimit=3");
    cr_assert_eq(set("/q/b", "0123456789"), VIV_REPLY_QUOTA_EXCEEDED, "smaller, yet too large");
    cr_assert_eq(viv_world_set_data(&world, "/q/b", "0123456789", 77), VIV_REPLY_QUOTA_EXCEEDED, "before the version");
    cr_assert_eq(set("/q/a", "xyz"), 0, "no change of bytes is no matter");
    cr_assert_eq(put("/q/d", NULL), 0, "no bytes, and the count has no limit");
    cr_assert_eq(drop("/q/b"), 0);
    cr_assert_eq(put("/elsewhere", "0123456789"), 0);
    viv_world_fini(&world);
}

VIV_TEST(tree_quota, what_is_on_its_way_counts_as_if_it_were_there)
{
    start(VIV_QUOTA_AUTO);
    limit("byteHardLimit=10;countHardLimit=4");
    cr_assert_eq(viv_world_set_data(&world, "/q", "", -1), 0);
    cr_assert_eq(viv_world_set_data(&world, "/q/a", "1234567890", -1), 0, "the room that the one before has left");
    cr_assert_eq(viv_world_set_data(&world, "/q", "!", -1), VIV_REPLY_QUOTA_EXCEEDED);
    cr_assert_eq(viv_world_create_as(&world, VIV_OP_CREATE, "/q/b", NULL, NULL, 0), 0);
    cr_assert_eq(viv_world_create_as(&world, VIV_OP_CREATE, "/q/c", NULL, NULL, 0), 0);
    cr_assert_eq(viv_world_create_as(&world, VIV_OP_CREATE, "/q/d", NULL, NULL, 0), VIV_REPLY_QUOTA_EXCEEDED);
    cr_assert_eq(viv_world_delete(&world, "/q/b", -1), 0);
    cr_assert_eq(viv_world_create_as(&world, VIV_OP_CREATE, "/q/b", NULL, NULL, 0), 0);
    viv_world_settle(&world);
    expect_usage("count=4,bytes=10");
    cr_assert_eq(viv_world_create_as(&world, VIV_OP_CREATE, "/q/e", NULL, NULL, 0), VIV_REPLY_QUOTA_EXCEEDED,
                 "what is there counts once");
    cr_assert_eq(viv_world_set_data(&world, "/q/a", "", -1), 0);
    cr_assert_eq(viv_world_set_data(&world, "/q/b", "1234567890", -1), 0);
    viv_world_settle(&world);
    expect_usage("count=4,bytes=10");
    viv_world_fini(&world);
}

static int32_t multi_of_sets(const char *first, const char *second)
{
    viv_world_encode_step(&world.record, VIV_OP_SET_DATA);
    viv_world_encode_set_data(&world.record, "/q/a", first, -1);
    viv_world_encode_step(&world.record, VIV_OP_SET_DATA);
    viv_world_encode_set_data(&world.record, "/q", second, -1);
    viv_world_encode_end(&world.record);
    return viv_world_prepare(&world, VIV_OP_MULTI);
}

VIV_TEST(tree_quota, a_multi_counts_as_one_and_not_at_all_when_it_fails)
{
    start(VIV_QUOTA_AUTO);
    limit("byteHardLimit=10");
    cr_assert_eq(multi_of_sets("", "1234567"), 0, "8 + 2: they do not see one another");
    cr_assert_eq(viv_world_set_data(&world, "/q/a", "1234", -1), VIV_REPLY_QUOTA_EXCEEDED, "7 + 4");
    cr_assert_eq(multi_of_sets("123", "12345678901"), VIV_REPLY_QUOTA_EXCEEDED);
    cr_assert_eq(viv_world_set_data(&world, "/q/a", "123", -1), 0, "7 + 3");
    viv_world_settle(&world);
    expect_usage("count=2,bytes=10");
    viv_world_fini(&world);
}

VIV_TEST(tree_quota, a_hundred_times_over_is_refused_a_hundred_times_and_costs_one_warning_a_second)
{
    start(VIV_QUOTA_AUTO);
    limit("countHardLimit=2");
    for (int i = 0; i < 100; i++) {
        char path[32];
        snprintf(path, sizeof path, "/q/n%d", i);
        cr_assert_eq(put(path, NULL), VIV_REPLY_QUOTA_EXCEEDED);
    }
    expect_usage("count=2,bytes=8");
    cr_assert_eq(put("/bystander", "x"), 0);
    viv_world_fini(&world);
}

VIV_TEST(tree_quota, a_soft_limit_and_an_unenforced_hard_one_refuse_nothing)
{
    start(VIV_QUOTA_ON);
    limit("count=1,bytes=1");
    cr_assert_eq(put("/q/b", "x"), 0);
    viv_world_fini(&world);
    start(VIV_QUOTA_OFF);
    limit("countHardLimit=1;byteHardLimit=1");
    cr_assert_eq(put("/q/b", "x"), 0);
    expect_usage("count=3,bytes=9");
    viv_world_fini(&world);
}

VIV_TEST(tree_quota, unreadable_limits_fail_writes_where_limits_were_meant_to_hold)
{
    static const struct {
        enum viv_quota_enforcement enforcement;
        const char *text;
        int32_t code;
    } cases[] = {
        {VIV_QUOTA_AUTO, "count=oops", 0},
        {VIV_QUOTA_AUTO, "countHardLimit=oops", VIV_REPLY_MARSHALLING_ERROR},
        {VIV_QUOTA_ON, "count=oops", VIV_REPLY_MARSHALLING_ERROR},
        {VIV_QUOTA_OFF, "countHardLimit=oops", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        start(cases[i].enforcement);
        limit(cases[i].text);
        cr_assert_eq(put("/q/b", NULL), cases[i].code, "'%s'", cases[i].text);
        cr_assert_eq(set("/q/a", "x"), cases[i].code);
        cr_assert_eq(drop("/q/a"), 0);
        limit("count=100");
        cr_assert_eq(put("/q/c", NULL), 0);
        viv_world_fini(&world);
    }
}

VIV_TEST(tree_quota, without_stats_nothing_is_refused)
{
    start(VIV_QUOTA_ON);
    cr_assert_eq(put("/zookeeper/quota/q" LIMITS, "countHardLimit=1"), 0);
    cr_assert_eq(put("/q/b", NULL), 0);
    cr_assert_eq(put("/zookeeper/quota/q" STATS, NULL), 0);
    expect_usage("count=3,bytes=8");
    cr_assert_eq(put("/q/c", NULL), VIV_REPLY_QUOTA_EXCEEDED);
    cr_assert_eq(drop("/zookeeper/quota/q" LIMITS), 0);
    cr_assert_eq(put("/q/c", NULL), 0);
    viv_world_fini(&world);
}

VIV_TEST(tree_quota, in_a_multi_the_usage_is_that_before_it)
{
    start(VIV_QUOTA_AUTO);
    limit("countHardLimit=3");
    for (int i = 0; i < 3; i++) {
        char path[16];
        snprintf(path, sizeof path, "/q/m%d", i);
        viv_world_encode_step(&world.record, VIV_OP_CREATE);
        viv_world_encode_create(&world.record, VIV_OP_CREATE, path, NULL, NULL, 0);
    }
    viv_world_encode_end(&world.record);
    cr_assert_eq(viv_world_prepare(&world, VIV_OP_MULTI), 0);
    viv_world_settle(&world);
    expect_usage("count=5,bytes=8");
    viv_world_encode_step(&world.record, VIV_OP_DELETE);
    viv_world_encode_path_version(&world.record, "/q/m0", -1);
    viv_world_encode_step(&world.record, VIV_OP_CREATE);
    viv_world_encode_create(&world.record, VIV_OP_CREATE, "/q/m9", NULL, NULL, 0);
    viv_world_encode_end(&world.record);
    cr_assert_eq(viv_world_prepare(&world, VIV_OP_MULTI), VIV_REPLY_QUOTA_EXCEEDED);
    viv_world_settle(&world);
    expect_usage("count=5,bytes=8");
    viv_world_fini(&world);
}

VIV_TEST(tree_quota, only_the_deepest_quota_counts_and_holds)
{
    start(VIV_QUOTA_AUTO);
    limit("countHardLimit=3");
    cr_assert_eq(put("/zookeeper/quota/q/a", NULL), 0);
    cr_assert_eq(put("/zookeeper/quota/q/a" LIMITS, "countHardLimit=5"), 0);
    cr_assert_eq(put("/zookeeper/quota/q/a" STATS, NULL), 0);
    expect_usage("count=1,bytes=5");
    expect_data("/zookeeper/quota/q/a" STATS, "count=1,bytes=3");
    for (int i = 0; i < 4; i++) {
        char path[16];
        snprintf(path, sizeof path, "/q/a/%d", i);
        cr_assert_eq(put(path, NULL), 0);
    }
    cr_assert_eq(put("/q/a/4", NULL), VIV_REPLY_QUOTA_EXCEEDED);
    expect_usage("count=1,bytes=5");
    cr_assert_eq(drop("/zookeeper/quota/q/a" LIMITS), 0);
    cr_assert_eq(drop("/zookeeper/quota/q/a" STATS), 0);
    expect_usage("count=6,bytes=8");
    viv_world_fini(&world);
}

VIV_TEST(tree_quota, neither_the_root_nor_zookeepers_own_part_has_one)
{
    start(VIV_QUOTA_ON);
    cr_assert_eq(put("/zookeeper/quota" LIMITS, "countHardLimit=0"), 0);
    cr_assert_eq(put("/zookeeper/quota" STATS, "as it was"), 0);
    cr_assert_eq(put("/zookeeper/quota/zookeeper", NULL), 0);
    cr_assert_eq(put("/zookeeper/quota/zookeeper" LIMITS, "countHardLimit=0"), 0);
    cr_assert_eq(put("/zookeeper/quota/zookeeper" STATS, NULL), 0);
    cr_assert_eq(put("/free", "x"), 0);
    cr_assert_eq(put("/zookeeper/free", "x"), 0);
    expect_data("/zookeeper/quota" STATS, "as it was");
    expect_data("/zookeeper/quota/zookeeper" STATS, "count=0,bytes=0");
    viv_world_fini(&world);
}

/* ---- everywhere the same ---- */

struct recount {
    const struct viv_tree *tree;
    size_t quotas;
};

/* By the plainest means there are: each node's path against each quota's. */
static void recount(void *ctx, struct viv_bytes path, const struct viv_quota *quota)
{
    struct recount *recount = ctx;
    struct viv_buffer at_path = {0};
    int64_t count = 0, bytes = 0;
    recount->quotas++;
    for (viv_node_id at = VIV_NODE_ROOT; at != VIV_NODE_NONE;
         at = viv_tree_next_below(recount->tree, VIV_NODE_ROOT, at)) {
        struct viv_quota of;
        struct viv_znode node;
        cr_assert(viv_tree_get(recount->tree, at, &node));
        viv_buffer_clear(&at_path);
        viv_tree_path(recount->tree, at, &at_path);
        struct viv_bytes whole = viv_buffer_bytes(&at_path);
        bool below = viv_bytes_starts_with(whole, path) && (whole.size == path.size || whole.data[path.size] == '/');
        if (below && viv_tree_quota_of(recount->tree, whole, &of) && of.mirror == quota->mirror) {
            count++;
            bytes += (int64_t)node.data.bytes.size;
        }
    }
    cr_assert_eq(quota->count, count, "%.*s", (int)path.size, (const char *)path.data);
    cr_assert_eq(quota->bytes, bytes);
    viv_buffer_fini(&at_path);
}

static const char *const places[] = {"/a", "/a/b", "/a/b/c", "/a/x", "/d", "/d/e", "/d/e-"};
enum { PLACES = sizeof places / sizeof places[0] };

static const char *draw_path(struct viv_rng *rng, char *path, size_t size)
{
    const char *place = places[viv_rng_below(rng, PLACES)];
    static const char *const parts[] = {"", "", LIMITS, STATS};
    if (viv_rng_below(rng, 2) == 0) {
        snprintf(path, size, "/zookeeper/quota%s%s", place, parts[viv_rng_below(rng, 4)]);
    } else {
        snprintf(path, size, "%s", place);
    }
    return path;
}

static void encode_step(struct viv_rng *rng, int32_t op, bool in_multi)
{
    char path[128], data[64];
    draw_path(rng, path, sizeof path);
    snprintf(data, sizeof data, "count=%d,bytes=%d", (int)viv_rng_below(rng, 20), (int)viv_rng_below(rng, 100000));
    if (in_multi) {
        viv_world_encode_step(&world.record, op);
    }
    switch (op) {
    case VIV_OP_CREATE:
        viv_world_encode_create(&world.record, op, path, data, NULL, (int32_t)viv_rng_below(rng, 2) * 3);
        break;
    case VIV_OP_DELETE:
        viv_world_encode_path_version(&world.record, path, -1);
        break;
    default:
        viv_world_encode_set_data(&world.record, path, viv_rng_below(rng, 4) == 0 ? NULL : data, -1);
        break;
    }
}

/* Prepares one or two transactions; ephemerals come and go with the session. */
static void draw_request(struct viv_rng *rng)
{
    static const int32_t ops[] = {VIV_OP_CREATE, VIV_OP_CREATE, VIV_OP_CREATE,
                                  VIV_OP_CREATE, VIV_OP_DELETE, VIV_OP_SET_DATA};
    enum { OPS = sizeof ops / sizeof ops[0] };
    int32_t op = ops[viv_rng_below(rng, OPS)];
    uint64_t kind = viv_rng_below(rng, 12);
    if (kind == 0) {
        (void)viv_world_close_session(&world, world.session_id);
        (void)viv_world_create_session(&world, world.session_id);
    } else if (kind < 4) {
        for (int i = 0; i < 3; i++) {
            encode_step(rng, ops[viv_rng_below(rng, OPS)], true);
        }
        viv_world_encode_end(&world.record);
        (void)viv_world_prepare(&world, VIV_OP_MULTI);
    } else {
        encode_step(rng, op, false);
        (void)viv_world_prepare(&world, op);
    }
}

/* Applies what was drawn, and keeps it in the form that replay_log reads. */
static void live(struct viv_rng *rng, int steps, struct viv_buffer *log)
{
    for (int i = 0; i < steps; i++) {
        draw_request(rng);
        for (size_t k = 0; k < world.pending_count; k++) {
            struct viv_bytes body = viv_buffer_bytes(&world.bodies[k]);
            viv_jute_write_int(log, (int32_t)body.size);
            viv_jute_write_long(log, (int64_t)(world.zxid - world.pending_count + 1 + k));
            viv_buffer_append_bytes(log, body);
        }
        viv_world_settle(&world);
    }
}

static void check_all(const struct viv_tree *tree, size_t *quotas)
{
    struct recount counting = {tree, 0};
    viv_tree_quotas(tree, recount, &counting);
    *quotas += counting.quotas;
}

static struct viv_tree *through_the_stream(struct viv_tree *tree)
{
    struct viv_buffer bytes = {0};
    struct viv_tree_stream *stream = viv_tree_stream_begin(tree);
    while (viv_tree_stream_step(stream, 500, &bytes)) {
    }
    viv_tree_stream_end(stream);
    struct viv_tree *loaded = viv_tree_new_empty();
    struct viv_tree_loader *loader = viv_tree_loader_begin(loaded);
    size_t used;
    bool done;
    cr_assert_eq(viv_tree_loader_feed(loader, viv_buffer_bytes(&bytes), &used, &done), VIV_OK);
    cr_assert(done);
    viv_tree_loader_end(loader, viv_tree_zxid(tree));
    viv_buffer_fini(&bytes);
    return loaded;
}

VIV_TEST(tree_quota, usage_is_the_same_after_every_image_and_every_log)
{
    size_t quotas = 0;
    for (uint64_t seed = 1; seed <= 200; seed++) {
        struct viv_rng rng;
        struct viv_buffer log = {0}, rows = {0};
        viv_rng_init(&rng, seed);
        viv_world_init(&world);
        live(&rng, 150, &log);
        uint64_t zxid_start = viv_tree_zxid(world.tree);
        viv_tree_walk_begin(world.tree, VIV_WALK_FULL);
        while (viv_tree_walk_step(world.tree, 1 + viv_rng_below(&rng, 300), &rows)) {
            live(&rng, 6, &log);
        }
        viv_tree_walk_end(world.tree, true);
        live(&rng, 40, &log);
        check_all(world.tree, &quotas);
        struct viv_tree *loaded = viv_tree_new_empty();
        cr_assert_eq(viv_tree_load_rows(loaded, viv_buffer_bytes(&rows)), VIV_OK);
        cr_assert_eq(viv_tree_load_finish(loaded, zxid_start), VIV_OK);
        check_all(loaded, &quotas);
        replay_log(viv_buffer_bytes(&log), zxid_start, 1 + (int)(seed % 2), loaded);
        check_all(loaded, &quotas);
        assert_same_tree(world.tree, loaded);
        viv_tree_free(loaded);
        loaded = through_the_stream(world.tree);
        check_all(loaded, &quotas);
        assert_same_tree(world.tree, loaded);
        viv_tree_free(loaded);
        viv_buffer_fini(&log);
        viv_buffer_fini(&rows);
        viv_world_fini(&world);
    }
    cr_assert_gt(quotas, 1000, "the draw makes quotas: %zu", quotas);
}

/* ---- sums ---- */

VIV_TEST(tree_sum, what_is_scanned_is_what_a_walk_finds)
{
    enum { NODES = 60000, TOPS = 40 };
    struct viv_rng rng;
    struct world tree;
    viv_node_id made[NODES];
    struct viv_buffer path = {0};
    viv_rng_init(&rng, 5);
    world_init(&tree);
    for (int i = 0; i < NODES; i++) {
        char name[24], data[16] = "0123456789";
        data[viv_rng_below(&rng, 10)] = '\0';
        snprintf(name, sizeof name, "/%d", i);
        viv_buffer_clear(&path);
        if (i > 3) {
            viv_tree_path(tree.tree, made[viv_rng_below(&rng, 4 + (uint64_t)i / 50)], &path);
        }
        viv_buffer_append(&path, name, strlen(name) + 1);
        world_create(&tree, (const char *)path.data, data, -1);
        made[i] = world_node(&tree, (const char *)path.data).id;
    }
    size_t large = 0;
    for (int i = 0; i < TOPS; i++) {
        struct viv_tree_sum walked = {0, 0};
        for (viv_node_id at = made[i]; (at = viv_tree_next_below(tree.tree, made[i], at)) != VIV_NODE_NONE;) {
            struct viv_znode node;
            cr_assert(viv_tree_get(tree.tree, at, &node));
            walked.nodes++;
            walked.data_bytes += node.data.bytes.size;
        }
        struct viv_tree_sum sum = viv_tree_sum_below(tree.tree, made[i]);
        cr_assert_eq(sum.nodes, walked.nodes);
        cr_assert_eq(sum.data_bytes, walked.data_bytes);
        large += walked.nodes > 16384;
    }
    cr_assert_gt(large, 0, "one is large enough to be scanned");
    viv_buffer_fini(&path);
    world_fini(&tree);
}
