#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "node/watch.h"
#include "tests/support/hex.h"
#include "tests/support/viv_test.h"

/* Events as text, "conn:type:path" each, in the order of their delivery. */
struct recorder {
    struct viv_buffer text;
    const uint8_t *frame; /* of the last event */
};

static void record_event(void *ctx, const struct viv_watch_event *event)
{
    struct recorder *recorder = ctx;
    viv_buffer_printf(&recorder->text, "%s%d:%d:%.*s", recorder->text.size == 0 ? "" : " ", (int)event->conn,
                      (int)event->type, (int)event->path.size, (const char *)event->path.data);
    recorder->frame = event->frame.data;
}

static void add(struct viv_watches *watches, viv_conn conn, const char *path, enum viv_watch_mode mode)
{
    viv_watches_add(watches, conn, viv_bytes_text(path), mode);
}

static void expect_events(struct viv_watches *watches, enum viv_change_kind kind, const char *path, const char *events)
{
    struct recorder recorder = {0};
    struct viv_change change = {.kind = kind, .path = viv_bytes_text(path)};
    viv_watches_fire(watches, &change, 9, record_event, &recorder);
    cr_assert(viv_bytes_equal(viv_buffer_bytes(&recorder.text), viv_bytes_text(events)), "expected '%s', got '%.*s'",
              events, (int)recorder.text.size, (const char *)recorder.text.data);
    viv_buffer_fini(&recorder.text);
}

static void expect_counts(const struct viv_watches *watches, uint64_t count, uint64_t paths, uint64_t connections)
{
    struct viv_watch_counts counts;
    viv_watches_counts(watches, &counts);
    cr_assert_eq(counts.watches, count);
    cr_assert_eq(counts.paths, paths);
    cr_assert_eq(counts.connections, connections);
}

VIV_TEST(node_watch, a_one_shot_watch_is_told_once)
{
    struct viv_watches *watches = viv_watches_new();
    add(watches, 1, "/p/n", VIV_WATCH_DATA);
    add(watches, 1, "/p/n", VIV_WATCH_DATA);
    add(watches, 1, "/p", VIV_WATCH_CHILD);
    add(watches, 2, "/p", VIV_WATCH_DATA);
    expect_counts(watches, 3, 2, 2);
    expect_events(watches, VIV_CHANGE_CREATED, "/p/n", "1:1:/p/n 1:4:/p");
    expect_events(watches, VIV_CHANGE_CREATED, "/p/m", "");
    expect_events(watches, VIV_CHANGE_DATA, "/p/n", "");
    expect_counts(watches, 1, 1, 1);
    expect_events(watches, VIV_CHANGE_DATA, "/p", "2:3:/p");
    expect_counts(watches, 0, 0, 0);
    viv_watches_free(watches);
}

VIV_TEST(node_watch, a_deletion_is_told_to_both_tables_but_once_to_each_connection)
{
    struct viv_watches *watches = viv_watches_new();
    add(watches, 1, "/p/n", VIV_WATCH_DATA);
    add(watches, 1, "/p/n", VIV_WATCH_CHILD);
    add(watches, 2, "/p/n", VIV_WATCH_CHILD);
    add(watches, 1, "/p", VIV_WATCH_CHILD);
    expect_events(watches, VIV_CHANGE_DELETED, "/p/n", "1:2:/p/n 2:2:/p/n 1:4:/p");
    expect_counts(watches, 0, 0, 0);
    viv_watches_free(watches);
}

VIV_TEST(node_watch, data_changes_do_not_touch_child_watches)
{
    struct viv_watches *watches = viv_watches_new();
    add(watches, 1, "/p", VIV_WATCH_CHILD);
    add(watches, 1, "/", VIV_WATCH_CHILD);
    expect_events(watches, VIV_CHANGE_DATA, "/p", "");
    expect_events(watches, VIV_CHANGE_CREATED, "/q", "1:4:/");
    expect_counts(watches, 1, 1, 1);
    viv_watches_free(watches);
}

VIV_TEST(node_watch, a_persistent_watch_stays_and_hears_of_node_and_children)
{
    struct viv_watches *watches = viv_watches_new();
    add(watches, 1, "/p", VIV_WATCH_PERSISTENT);
    expect_counts(watches, 2, 1, 1);
    for (int i = 0; i < 2; i++) {
        expect_events(watches, VIV_CHANGE_CREATED, "/p/n", "1:4:/p");
        expect_events(watches, VIV_CHANGE_DATA, "/p", "1:3:/p");
        expect_events(watches, VIV_CHANGE_DATA, "/p/n", "");
        expect_events(watches, VIV_CHANGE_DELETED, "/p/n", "1:4:/p");
        expect_events(watches, VIV_CHANGE_DELETED, "/p", "1:2:/p");
    }
    viv_watches_free(watches);
}

VIV_TEST(node_watch, a_recursive_watch_hears_of_everything_below_but_not_of_children)
{
    struct viv_watches *watches = viv_watches_new();
    add(watches, 1, "/p", VIV_WATCH_RECURSIVE);
    add(watches, 2, "/", VIV_WATCH_RECURSIVE);
    expect_counts(watches, 2, 2, 2);
    for (int i = 0; i < 2; i++) {
        expect_events(watches, VIV_CHANGE_CREATED, "/p/n/m", "1:1:/p/n/m 2:1:/p/n/m");
        expect_events(watches, VIV_CHANGE_DELETED, "/p", "1:2:/p 2:2:/p");
        expect_events(watches, VIV_CHANGE_DATA, "/pp", "2:3:/pp");
        expect_events(watches, VIV_CHANGE_DATA, "/", "2:3:/");
    }
    viv_watches_free(watches);
}

VIV_TEST(node_watch, modes_coexist_and_one_trigger_tells_a_connection_once)
{
    struct viv_watches *watches = viv_watches_new();
    add(watches, 1, "/p", VIV_WATCH_PERSISTENT);
    add(watches, 1, "/p", VIV_WATCH_DATA);
    add(watches, 1, "/p", VIV_WATCH_RECURSIVE);
    add(watches, 1, "/", VIV_WATCH_RECURSIVE);
    expect_events(watches, VIV_CHANGE_DATA, "/p", "1:3:/p");
    cr_assert_eq(viv_watches_held(watches, 1, VIV_BYTES_LITERAL("/p"), VIV_WATCH_ANY),
                 VIV_WATCH_PERSISTENT | VIV_WATCH_RECURSIVE);
    expect_events(watches, VIV_CHANGE_CREATED, "/p/n", "1:1:/p/n 1:4:/p");
    cr_assert(viv_watches_remove(watches, 1, VIV_BYTES_LITERAL("/p"), VIV_WATCH_RECURSIVE));
    cr_assert_not(viv_watches_remove(watches, 1, VIV_BYTES_LITERAL("/p"), VIV_WATCH_RECURSIVE));
    cr_assert_not(viv_watches_remove(watches, 2, VIV_BYTES_LITERAL("/p"), VIV_WATCH_ANY));
    cr_assert(viv_watches_remove(watches, 1, VIV_BYTES_LITERAL("/"), VIV_WATCH_ANY));
    expect_events(watches, VIV_CHANGE_CREATED, "/p/n", "1:4:/p");
    viv_watches_free(watches);
}

VIV_TEST(node_watch, a_connection_that_goes_takes_its_watches_along)
{
    struct viv_watches *watches = viv_watches_new();
    for (viv_conn conn = 1; conn <= 3; conn++) {
        add(watches, conn, "/shared", VIV_WATCH_DATA);
        add(watches, conn, conn == 2 ? "/two" : "/other", VIV_WATCH_RECURSIVE);
    }
    viv_watches_drop(watches, 2);
    viv_watches_drop(watches, 77);
    expect_counts(watches, 4, 2, 2);
    expect_events(watches, VIV_CHANGE_DATA, "/two/n", "");
    expect_events(watches, VIV_CHANGE_DATA, "/shared", "1:3:/shared 3:3:/shared");
    viv_watches_free(watches);
}

/* Captured from a server of 3.8 but for the zxid, which stands there since 3.9. */
VIV_TEST(node_watch, a_notification_has_its_golden_bytes_and_is_encoded_once)
{
    struct viv_watches *watches = viv_watches_new();
    struct viv_buffer frame = {0};
    struct recorder first = {0};
    viv_watch_event_encode(&frame, VIV_EVENT_NODE_CREATED, -1, VIV_BYTES_LITERAL("/cap/later"));
    viv_hex_expect(viv_buffer_bytes(&frame),
                   "00000026ffffffffffffffffffffffff0000000000000001000000030000000a2f6361702f6c61746572");
    add(watches, 1, "/cap", VIV_WATCH_DATA);
    add(watches, 2, "/cap", VIV_WATCH_DATA);
    struct viv_change change = {.kind = VIV_CHANGE_DATA, .path = VIV_BYTES_LITERAL("/cap")};
    viv_watches_fire(watches, &change, 0x100000002, record_event, &first);
    viv_hex_expect(viv_bytes_of(first.frame, 36),
                   "00000020ffffffff0000000100000002000000000000000300000003000000042f636170");
    viv_buffer_fini(&frame);
    viv_buffer_fini(&first.text);
    viv_watches_free(watches);
}

/* ---- a second, naive implementation to compare with ---- */

enum { CONNS = 5, PATHS = 6, STEPS = 20000 };
static const char *const paths[PATHS] = {"/", "/a", "/a/b", "/a/b/c", "/a/bb", "/d"};

struct model {
    int modes[CONNS][PATHS];
};

static bool is_below(const char *path, const char *ancestor)
{
    size_t size = strcmp(ancestor, "/") == 0 ? 0 : strlen(ancestor);
    return strncmp(path, ancestor, size) == 0 && path[size] == '/';
}

static void model_trigger(struct model *model, int conn, int path, int type, int table, int one_shot, bool *told,
                          bool *events)
{
    bool hears = (model->modes[conn][path] & table) != 0;
    for (int i = 0; i < PATHS; i++) {
        bool recursive = (table & VIV_WATCH_RECURSIVE) != 0 && (model->modes[conn][i] & VIV_WATCH_RECURSIVE) != 0;
        hears = hears || (recursive && is_below(paths[path], paths[i]));
    }
    model->modes[conn][path] &= ~one_shot;
    if (hears && !*told) {
        events[(conn * PATHS + path) * 5 + type] = true;
        *told = true;
    }
}

static void model_fire(struct model *model, enum viv_change_kind kind, int path, int parent, bool *events)
{
    static const int types[] = {1, 2, 3};
    int child_table = VIV_WATCH_CHILD | VIV_WATCH_PERSISTENT;
    int data_table = VIV_WATCH_DATA | VIV_WATCH_PERSISTENT | VIV_WATCH_RECURSIVE;

    for (int conn = 0; conn < CONNS; conn++) {
        bool told = false, told_parent = false;
        model_trigger(model, conn, path, types[kind], data_table, VIV_WATCH_DATA, &told, events);
        if (kind == VIV_CHANGE_DELETED) {
            model_trigger(model, conn, path, types[kind], child_table, VIV_WATCH_CHILD, &told, events);
        }
        if (kind != VIV_CHANGE_DATA) {
            model_trigger(model, conn, parent, 4, child_table, VIV_WATCH_CHILD, &told_parent, events);
        }
    }
}

static int index_of(struct viv_bytes path)
{
    int i = 0;
    while (i < PATHS && !viv_bytes_equal(path, viv_bytes_text(paths[i]))) {
        i++;
    }
    cr_assert_lt(i, PATHS, "an event for a path that does not exist");
    return i;
}

static void mark_event(void *ctx, const struct viv_watch_event *event)
{
    bool *events = ctx;
    bool *mark = &events[((int)(event->conn - 1) * PATHS + index_of(event->path)) * 5 + (int)event->type];
    cr_assert_not(*mark, "told twice");
    *mark = true;
}

static uint64_t model_count(const struct model *model)
{
    uint64_t count = 0;
    for (int conn = 0; conn < CONNS; conn++) {
        for (int path = 0; path < PATHS; path++) {
            int modes = model->modes[conn][path];
            count += (modes & (VIV_WATCH_DATA | VIV_WATCH_PERSISTENT | VIV_WATCH_RECURSIVE)) != 0;
            count += (modes & (VIV_WATCH_CHILD | VIV_WATCH_PERSISTENT)) != 0;
        }
    }
    return count;
}

static void fire_both(struct viv_watches *watches, struct model *model, enum viv_change_kind kind, int path)
{
    static const int parent_of[PATHS] = {0, 0, 1, 2, 1, 0};
    bool expected[CONNS * PATHS * 5] = {0}, actual[CONNS * PATHS * 5] = {0};
    struct viv_change change = {.kind = kind, .path = viv_bytes_text(paths[path])};

    model_fire(model, kind, path, parent_of[path], expected);
    viv_watches_fire(watches, &change, 1, mark_event, actual);
    cr_assert_arr_eq(actual, expected, sizeof expected);
}

VIV_TEST(node_watch, a_long_random_life_agrees_with_a_naive_model)
{
    struct viv_watches *watches = viv_watches_new();
    struct model model = {0};
    struct viv_rng rng;
    struct viv_watch_counts counts;

    viv_rng_init(&rng, 4);
    for (int step = 0; step < STEPS; step++) {
        int conn = (int)viv_rng_below(&rng, CONNS);
        int path = (int)viv_rng_below(&rng, PATHS);
        int mode = 1 << viv_rng_below(&rng, 4);
        struct viv_bytes text = viv_bytes_text(paths[path]);
        switch (viv_rng_below(&rng, 10)) {
        case 0:
            cr_assert_eq(viv_watches_remove(watches, (viv_conn)conn + 1, text, mode),
                         (model.modes[conn][path] & mode) != 0);
            model.modes[conn][path] &= ~mode;
            break;
        case 1:
            viv_watches_drop(watches, (viv_conn)conn + 1);
            memset(model.modes[conn], 0, sizeof model.modes[conn]);
            break;
        case 2:
        case 3:
        case 4:
            fire_both(watches, &model, path == 0 ? VIV_CHANGE_DATA : (enum viv_change_kind)viv_rng_below(&rng, 3),
                      path);
            break;
        default:
            viv_watches_add(watches, (viv_conn)conn + 1, text, (enum viv_watch_mode)mode);
            model.modes[conn][path] |= mode;
        }
        viv_watches_counts(watches, &counts);
        cr_assert_eq(counts.watches, model_count(&model));
        cr_assert_eq(viv_watches_held(watches, (viv_conn)conn + 1, text, VIV_WATCH_ANY), model.modes[conn][path]);
    }
    viv_watches_free(watches);
}

/* "path:conn" for each item, with "*" where a path or connection begins. One look at a time. */
static void expect_listing(const struct viv_watches *watches, enum viv_watch_order order, const char *expected)
{
    struct viv_buffer text = {0};
    struct viv_watch_cursor cursor = {0};
    struct viv_watch_item item;
    for (unsigned looks_all = 0; looks_all < 100; looks_all++) {
        size_t looks = 1;
        if (viv_watches_next(watches, order, &cursor, &item, &looks)) {
            viv_buffer_printf(&text, "%s%s%.*s:%d", text.size > 0 ? " " : "", item.is_first ? "*" : "",
                              (int)item.path.size, (const char *)item.path.data, (int)item.conn);
        } else if (looks > 0) {
            break;
        }
    }
    cr_assert(viv_bytes_equal(viv_buffer_bytes(&text), viv_bytes_text(expected)), "expected '%s', got '%.*s'", expected,
              (int)text.size, (const char *)text.data);
    viv_buffer_fini(&text);
}

VIV_TEST(node_watch, operators_are_told_of_the_data_table_by_path_or_by_connection_and_only_of_it)
{
    struct viv_watches *watches = viv_watches_new();
    struct viv_watch_counts counts;
    expect_listing(watches, VIV_WATCHES_BY_PATH, "");
    add(watches, 1, "/a", VIV_WATCH_DATA);
    add(watches, 1, "/c", VIV_WATCH_CHILD);
    add(watches, 2, "/a", VIV_WATCH_PERSISTENT);
    add(watches, 2, "/b", VIV_WATCH_RECURSIVE);
    add(watches, 3, "/c", VIV_WATCH_CHILD);
    expect_listing(watches, VIV_WATCHES_BY_PATH, "*/a:1 /a:2 */b:2");
    expect_listing(watches, VIV_WATCHES_BY_CONNECTION, "*/a:1 */b:2 /a:2");
    viv_watches_counts(watches, &counts);
    cr_assert_eq(counts.data_watches, 3);
    cr_assert_eq(counts.data_paths, 2);
    cr_assert_eq(counts.data_connections, 2);
    viv_watches_drop(watches, 2);
    expect_listing(watches, VIV_WATCHES_BY_PATH, "*/a:1");
    expect_listing(watches, VIV_WATCHES_BY_CONNECTION, "*/a:1");
    viv_watches_counts(watches, &counts);
    cr_assert_eq(counts.data_watches + counts.data_paths + counts.data_connections, 3);
    viv_watches_free(watches);
}

VIV_TEST(node_watch, a_listing_goes_on_when_what_it_stood_on_is_gone)
{
    struct viv_watches *watches = viv_watches_new();
    add(watches, 1, "/a", VIV_WATCH_DATA);
    add(watches, 2, "/a", VIV_WATCH_DATA);
    add(watches, 3, "/a", VIV_WATCH_DATA);
    add(watches, 1, "/b", VIV_WATCH_DATA);
    struct viv_watch_cursor cursor = {0};
    struct viv_watch_item item;
    size_t looks = 10;
    cr_assert(viv_watches_next(watches, VIV_WATCHES_BY_PATH, &cursor, &item, &looks) && item.conn == 1);
    viv_watches_drop(watches, 2); /* the cursor's next */
    add(watches, 9, "/new", VIV_WATCH_DATA);
    cr_assert(viv_watches_next(watches, VIV_WATCHES_BY_PATH, &cursor, &item, &looks));
    cr_assert(viv_bytes_equal(item.path, VIV_BYTES_LITERAL("/b")) && item.is_first);
    cr_assert(viv_watches_next(watches, VIV_WATCHES_BY_PATH, &cursor, &item, &looks) && item.conn == 9);
    cr_assert_not(viv_watches_next(watches, VIV_WATCHES_BY_PATH, &cursor, &item, &looks));
    cr_assert_gt(looks, 0);
    viv_watches_free(watches);
}
