#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "tests/support/node_client.h"
#include "tests/support/viv_test.h"
#include "wire/reply_code.h"

/* Children lists in pages, while the children change. */

enum { SECOND = 1000, TIMEOUT_MS = 100 * SECOND, CHILDREN = 300 };

struct listing_test {
    struct viv_node_net *net;
    struct viv_node_client client;
    int64_t cursor;
    struct viv_buffer names; /* "name\n" of every name so far */
    int32_t page_names;      /* of the last page */
};

static void let_sessions_live(struct viv_node_config *config)
{
    config->session_timeout_max_ms = TIMEOUT_MS;
}

static void start(struct listing_test *test)
{
    *test = (struct listing_test){0};
    test->net = viv_node_net_new(&(struct viv_node_net_config){.server_count = 1, .adjust = let_sessions_live});
    viv_node_net_start_all(test->net);
    cr_assert(viv_node_net_settle(test->net, 10 * SECOND));
    viv_node_client_init(&test->client, test->net);
    cr_assert(viv_node_client_open(&test->client, 0, TIMEOUT_MS));
    cr_assert_eq(viv_node_client_create(&test->client, "/list", "", 0), 0);
}

static void end(struct listing_test *test)
{
    viv_buffer_fini(&test->names);
    viv_node_client_fini(&test->client);
    viv_node_net_free(test->net);
}

static void path_of(char path[32], int number)
{
    snprintf(path, 32, "/list/c%05d", number);
}

static void create_children(struct listing_test *test, int from, int to)
{
    char path[32];
    for (int i = from; i < to; i++) {
        path_of(path, i);
        cr_assert_eq(viv_node_client_create(&test->client, path, "", 0), 0);
    }
}

static void delete_child(struct listing_test *test, int number)
{
    char path[32];
    path_of(path, number);
    cr_assert_eq(viv_node_client_delete(&test->client, path, -1), 0);
}

static int32_t ask(struct viv_node_client *client, const char *path, int64_t cursor, int32_t names_max)
{
    struct viv_buffer record = {0};
    struct viv_children_page_request request = {
        .path = {.bytes = viv_bytes_text(path)}, .cursor = cursor, .names_max = names_max};
    viv_children_page_request_encode(&record, &request);
    int32_t err = viv_node_client_call(client, VIV_OP_GET_CHILDREN_PAGE, viv_buffer_bytes(&record));
    viv_buffer_fini(&record);
    return err;
}

/* Asks for the next page of /list and keeps its names. */
static void take_page(struct listing_test *test, int32_t names_max)
{
    cr_assert_eq(ask(&test->client, "/list", test->cursor, names_max), 0);
    struct viv_jute_reader reader = viv_jute_reader_of(viv_buffer_bytes(&test->client.record));
    struct viv_children_page page;
    viv_children_page_decode(&reader, &page);
    for (int32_t i = 0; i < page.name_count; i++) {
        viv_buffer_append_bytes(&test->names, viv_jute_read_buffer(&reader).bytes);
        viv_buffer_append(&test->names, "\n", 1);
    }
    cr_assert_not(reader.bad);
    cr_assert_eq(reader.rest.size, 0);
    test->cursor = page.cursor;
    test->page_names = page.name_count;
}

static int times_named(const struct listing_test *test, int number)
{
    char name[32];
    int times = 0;
    snprintf(name, sizeof name, "c%05d\n", number);
    for (size_t at = 0; at + strlen(name) <= test->names.size; at += strlen(name)) {
        times += memcmp(test->names.data + at, name, strlen(name)) == 0;
    }
    return times;
}

VIV_TEST(node_listing, pages_name_every_child_once_and_end_with_cursor_zero)
{
    struct listing_test test;
    start(&test);
    take_page(&test, 10);
    cr_assert_eq(test.page_names, 0);
    cr_assert_eq(test.cursor, 0);
    create_children(&test, 0, CHILDREN);
    int pages = 0;
    do {
        take_page(&test, 7);
        cr_assert_leq(test.page_names, 7);
        pages++;
    } while (test.cursor != 0);
    cr_assert_eq(pages, (CHILDREN + 6) / 7);
    for (int i = 0; i < CHILDREN; i++) {
        cr_assert_eq(times_named(&test, i), 1);
    }
    end(&test);
}

/* Children come and go between the pages, always also the one at which the list stands: it stands at the youngest that
 * was not named yet. */
VIV_TEST(node_listing, children_that_stay_are_named_once_whatever_comes_and_goes)
{
    struct listing_test test;
    start(&test);
    create_children(&test, 0, CHILDREN);
    int next = CHILDREN - 1, born = CHILDREN;
    do {
        take_page(&test, 9);
        next -= test.page_names;
        for (int i = 0; i < 3 && next >= 0; i++, next--) {
            delete_child(&test, next); /* the very next ones */
        }
        if (next >= 5) {
            delete_child(&test, next - 5);
            create_children(&test, next - 5, next - 4); /* as a younger one */
            delete_child(&test, next - 5);
        }
        create_children(&test, born, born + 2);
        born += 2;
    } while (test.cursor != 0 && next > 8);
    while (test.cursor != 0) {
        take_page(&test, 9);
    }
    cr_assert_eq(viv_node_client_ask(&test.client, VIV_OP_GET_CHILDREN, "/list", false), 0);
    struct viv_jute_reader reader = viv_jute_reader_of(viv_buffer_bytes(&test.client.record));
    int stayed = 0;
    for (int32_t left = viv_jute_read_int(&reader); left > 0; left--) {
        int number;
        struct viv_bytes name = viv_jute_read_buffer(&reader).bytes;
        cr_assert_eq(sscanf((const char *)name.data, "c%05d", &number), 1);
        if (number < CHILDREN) {
            cr_assert_eq(times_named(&test, number), 1, "c%05d is named %d times", number, times_named(&test, number));
            stayed++;
        }
    }
    cr_assert_gt(stayed, CHILDREN / 2);
    end(&test);
}

VIV_TEST(node_listing, a_cursor_is_good_on_its_connection_and_for_its_node_only)
{
    struct listing_test test;
    struct viv_node_client other;
    start(&test);
    create_children(&test, 0, 3);
    viv_node_client_init(&other, test.net);
    cr_assert(viv_node_client_open(&other, 0, TIMEOUT_MS));
    take_page(&test, 1);
    cr_assert_neq(test.cursor, 0);
    cr_assert_eq(ask(&other, "/list", test.cursor, 1), VIV_REPLY_BAD_ARGUMENTS);
    cr_assert_eq(ask(&test.client, "/", test.cursor, 1), VIV_REPLY_BAD_ARGUMENTS);
    cr_assert_eq(ask(&test.client, "/list", test.cursor + 1, 1), VIV_REPLY_BAD_ARGUMENTS);
    cr_assert_eq(ask(&test.client, "/list", -1, 1), VIV_REPLY_BAD_ARGUMENTS);
    cr_assert_eq(ask(&test.client, "/missing", 0, 1), VIV_REPLY_NO_NODE);
    take_page(&test, 1);
    /* Deleted and made anew, the same path is another node. */
    for (int i = 0; i < 3; i++) {
        delete_child(&test, i);
    }
    cr_assert_eq(viv_node_client_delete(&test.client, "/list", -1), 0);
    cr_assert_eq(viv_node_client_create(&test.client, "/list", "", 0), 0);
    cr_assert_eq(ask(&test.client, "/list", test.cursor, 1), VIV_REPLY_BAD_ARGUMENTS);
    viv_node_client_fini(&other);
    end(&test);
}

static int64_t cursor_of(struct viv_node_client *client)
{
    struct viv_jute_reader reader = viv_jute_reader_of(viv_buffer_bytes(&client->record));
    return viv_jute_read_long(&reader);
}

VIV_TEST(node_listing, a_connection_with_too_many_lists_loses_its_oldest)
{
    struct listing_test test;
    int64_t cursors[VIV_LISTINGS_PER_CONNECTION_MAX + 1];
    start(&test);
    create_children(&test, 0, 3);
    for (size_t i = 0; i < VIV_LISTINGS_PER_CONNECTION_MAX + 1; i++) {
        if (i == VIV_LISTINGS_PER_CONNECTION_MAX) {
            cr_assert_eq(ask(&test.client, "/list", cursors[0], 1), 0); /* at the limit all are good */
        }
        cr_assert_eq(ask(&test.client, "/list", 0, 1), 0);
        cursors[i] = cursor_of(&test.client);
    }
    cr_assert_eq(ask(&test.client, "/list", cursors[1], 1), VIV_REPLY_BAD_ARGUMENTS);
    cr_assert_eq(ask(&test.client, "/list", cursors[0], 1), 0);
    for (int i = 0; i < 100 * VIV_LISTINGS_PER_CONNECTION_MAX; i++) {
        cr_assert_eq(ask(&test.client, "/list", 0, 1), 0);
    }
    cr_assert_eq(viv_node_client_set(&test.client, "/list", "still served", -1), 0);
    end(&test);
}

VIV_TEST(node_listing, a_server_with_too_many_lists_refuses_new_ones_until_some_are_idle)
{
    enum { CLIENTS = VIV_LISTINGS_MAX / VIV_LISTINGS_PER_CONNECTION_MAX };
    struct listing_test test;
    static struct viv_node_client clients[CLIENTS];
    start(&test);
    create_children(&test, 0, 3);
    take_page(&test, 1); /* a bystander's; one of another connection is missing to the limit */
    for (size_t i = 0; i < CLIENTS; i++) {
        viv_node_client_init(&clients[i], test.net);
        cr_assert(viv_node_client_open(&clients[i], 0, TIMEOUT_MS));
        for (int k = 0; k < VIV_LISTINGS_PER_CONNECTION_MAX; k++) {
            bool is_over = i == CLIENTS - 1 && k == VIV_LISTINGS_PER_CONNECTION_MAX - 1;
            cr_assert_eq(ask(&clients[i], "/list", 0, 1), is_over ? VIV_REPLY_THROTTLED : 0, "%zu %d", i, k);
        }
    }
    take_page(&test, 1); /* who has begun goes on */
    cr_assert_neq(test.cursor, 0);
    viv_node_net_run(test.net, 11 * SECOND);
    cr_assert_eq(ask(&clients[CLIENTS - 1], "/list", 0, 1), 0);
    /* Lists go with their connections. */
    viv_node_net_hang_up(test.net, clients[0].conn);
    viv_node_net_run(test.net, SECOND);
    for (int k = 0; k < VIV_LISTINGS_PER_CONNECTION_MAX; k++) {
        cr_assert_eq(ask(&test.client, "/list", 0, 1), 0);
    }
    for (size_t i = 0; i < CLIENTS; i++) {
        viv_node_client_fini(&clients[i]);
    }
    end(&test);
}
