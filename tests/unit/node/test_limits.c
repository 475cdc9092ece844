#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/log.h"
#include "tests/support/node_client.h"
#include "tests/support/viv_test.h"
#include "wire/reply_code.h"

/* Each limit of node/policy.h: at it, one beyond, a hundred times beyond, while a bystander is served. */

enum { TIMEOUT_MS = 2000, LIMIT = 10, MUCH = 100 * LIMIT };

struct limit_test {
    struct viv_node_net *net;
    struct viv_node_client client, bystander;
};

static void limit_test_init(struct limit_test *test, viv_node_recipe_adjust_fn *adjust)
{
    test->net = viv_node_net_new(&(struct viv_node_net_config){.server_count = 1, .adjust = adjust});
    viv_node_net_start(test->net, 0);
    cr_assert(viv_node_net_settle(test->net, 1000));
    viv_node_client_init(&test->bystander, test->net);
    cr_assert(viv_node_client_open(&test->bystander, 0, TIMEOUT_MS));
    cr_assert_eq(viv_node_client_create(&test->bystander, "/bystander", "x", 0), 0);
    viv_node_client_init(&test->client, test->net);
    cr_assert(viv_node_client_open(&test->client, 0, TIMEOUT_MS));
}

/* What has happened so far, the bystander's session has not noticed. */
static void limit_test_fini(struct limit_test *test)
{
    cr_assert_eq(viv_node_client_ask(&test->bystander, VIV_OP_GET_DATA, "/bystander", false), 0);
    cr_assert(viv_node_client_data_is(&test->bystander, "x"));
    viv_node_client_fini(&test->bystander);
    viv_node_client_fini(&test->client);
    viv_node_net_free(test->net);
}

/* The bystander is answered within three turns, whatever the others do. */
static void expect_bystander_served(struct limit_test *test)
{
    viv_node_client_send(&test->bystander, VIV_OP_EXISTS,
                         viv_node_client_path_record(&test->bystander, "/bystander", false));
    viv_node_net_run(test->net, 10);
    cr_assert(viv_node_client_receive(&test->bystander), "the bystander waits");
    cr_assert_eq(test->bystander.header.err, 0);
}

static struct viv_node_stats stats_of(const struct limit_test *test)
{
    struct viv_node_stats stats;
    viv_node_net_stats(test->net, 0, &stats);
    return stats;
}

/* ---- watches ---- */

static void limit_watches_of_connection(struct viv_node_config *config)
{
    config->policy.watches_per_connection_count = LIMIT;
}

static void limit_watches(struct viv_node_config *config)
{
    config->policy.watches_count = LIMIT;
}

static int32_t watch(struct viv_node_client *client, int number)
{
    char path[32];
    snprintf(path, sizeof path, "/w%d", number);
    return viv_node_client_ask(client, VIV_OP_EXISTS, path, true);
}

static int32_t add_watch(struct viv_node_client *client, const char *path, int32_t mode)
{
    struct viv_buffer record = {0};
    viv_jute_write_text(&record, path);
    viv_jute_write_int(&record, mode);
    int32_t err = viv_node_client_call(client, VIV_OP_ADD_WATCH, viv_buffer_bytes(&record));
    viv_buffer_fini(&record);
    return err;
}

VIV_TEST(node_limits, a_connection_holds_so_many_watches_and_no_more)
{
    struct limit_test test;
    limit_test_init(&test, limit_watches_of_connection);
    for (int i = 0; i < MUCH; i++) {
        cr_assert_eq(watch(&test.client, i), i < LIMIT ? VIV_REPLY_NO_NODE : VIV_REPLY_SYSTEM_ERROR, "%d", i);
    }
    cr_assert_eq(stats_of(&test).watches, LIMIT);
    expect_bystander_served(&test);
    /* Another mode on a watched path is not one more; every other way of setting a watch is refused too. */
    cr_assert_eq(add_watch(&test.client, "/w0", 1), 0);
    cr_assert_eq(add_watch(&test.client, "/other", 1), VIV_REPLY_SYSTEM_ERROR);
    cr_assert_eq(viv_node_client_ask(&test.client, VIV_OP_GET_DATA, "/bystander", true), VIV_REPLY_SYSTEM_ERROR);
    cr_assert_eq(test.client.record.size, 0);
    cr_assert_eq(viv_node_client_ask(&test.client, VIV_OP_GET_CHILDREN, "/", true), VIV_REPLY_SYSTEM_ERROR);
    cr_assert_eq(viv_node_client_ask(&test.client, VIV_OP_GET_DATA, "/bystander", false), 0);
    /* What fires makes room. */
    cr_assert_eq(viv_node_client_create(&test.bystander, "/w5", "", 0), 0);
    cr_assert_eq(watch(&test.client, MUCH), VIV_REPLY_NO_NODE);
    cr_assert_eq(watch(&test.client, MUCH + 1), VIV_REPLY_SYSTEM_ERROR);
    /* A connection's limit is its own. */
    cr_assert_eq(watch(&test.bystander, 7), VIV_REPLY_NO_NODE);
    limit_test_fini(&test);
}

VIV_TEST(node_limits, a_server_holds_so_many_watches_and_no_more)
{
    struct limit_test test;
    limit_test_init(&test, limit_watches);
    cr_assert_eq(watch(&test.bystander, 0), VIV_REPLY_NO_NODE);
    for (int i = 0; i < MUCH; i++) {
        cr_assert_eq(watch(&test.client, i), i < LIMIT - 1 ? VIV_REPLY_NO_NODE : VIV_REPLY_SYSTEM_ERROR);
    }
    cr_assert_eq(stats_of(&test).watches, LIMIT);
    cr_assert_eq(watch(&test.bystander, 0), VIV_REPLY_NO_NODE, "what it has it may set again");
    viv_node_net_hang_up(test.net, test.client.conn);
    viv_node_net_run(test.net, 10);
    for (int i = 1; i < LIMIT; i++) {
        cr_assert_eq(watch(&test.bystander, i), VIV_REPLY_NO_NODE, "those of a connection go with it");
    }
    cr_assert_eq(watch(&test.bystander, LIMIT), VIV_REPLY_SYSTEM_ERROR);
    limit_test_fini(&test);
}

static void send_set_watches(struct viv_node_client *client, int count)
{
    struct viv_buffer record = {0};
    viv_jute_write_long(&record, 1000000);
    viv_jute_write_int(&record, 0);
    viv_jute_write_int(&record, count);
    for (int i = 0; i < count; i++) {
        char path[32];
        snprintf(path, sizeof path, "/w%d", i);
        viv_jute_write_text(&record, path);
    }
    viv_jute_write_int(&record, 0);
    viv_node_client_send(client, VIV_OP_SET_WATCHES, viv_buffer_bytes(&record));
    viv_buffer_fini(&record);
}

VIV_TEST(node_limits, too_many_watches_set_again_close_the_connection_that_would_not_notice_a_refusal)
{
    static const int counts[] = {LIMIT, LIMIT + 1, MUCH};
    struct limit_test test;
    limit_test_init(&test, limit_watches_of_connection);
    for (size_t i = 0; i < 3; i++) {
        cr_assert(viv_node_client_open(&test.client, 0, TIMEOUT_MS));
        send_set_watches(&test.client, counts[i]);
        cr_assert_eq(viv_node_client_wait(&test.client, 100), counts[i] == LIMIT);
        viv_node_net_run(test.net, 10);
        cr_assert_eq(viv_node_net_is_closed(test.net, test.client.conn), counts[i] != LIMIT);
        cr_assert_eq(stats_of(&test).watches, counts[i] == LIMIT ? LIMIT : 0);
    }
    limit_test_fini(&test);
}

/* ---- sessions ---- */

static void limit_sessions(struct viv_node_config *config)
{
    config->policy.sessions_count = LIMIT;
}

VIV_TEST(node_limits, there_are_so_many_sessions_and_no_more)
{
    static struct viv_node_client clients[LIMIT];
    struct limit_test test;
    limit_test_init(&test, limit_sessions);
    for (int i = 2; i < LIMIT; i++) {
        viv_node_client_init(&clients[i], test.net);
        cr_assert(viv_node_client_open(&clients[i], 0, TIMEOUT_MS), "%d", i);
    }
    struct viv_node_client late;
    viv_node_client_init(&late, test.net);
    uint64_t zxid = stats_of(&test).last_zxid;
    for (int i = 0; i < 100; i++) {
        cr_assert_not(viv_node_client_open(&late, 0, TIMEOUT_MS));
        cr_assert(viv_node_net_is_closed(test.net, late.conn));
    }
    cr_assert_eq(stats_of(&test).last_zxid, zxid, "a refused session is no transaction");
    cr_assert_eq(stats_of(&test).tree.sessions, LIMIT);
    expect_bystander_served(&test);
    cr_assert(viv_node_client_open(&test.client, 0, TIMEOUT_MS), "a session that is there is attached again");
    cr_assert_eq(viv_node_client_close_session(&test.client), 0);
    cr_assert(viv_node_client_open(&late, 0, TIMEOUT_MS), "where one ends another may begin");
    for (int i = 2; i < LIMIT; i++) {
        viv_node_client_fini(&clients[i]);
    }
    viv_node_client_fini(&late);
    limit_test_fini(&test);
}

static void limit_new_sessions(struct viv_node_config *config)
{
    config->policy.new_sessions_burst_count = 2; /* the test's own two */
    config->policy.new_sessions_per_second = 1;
}

VIV_TEST(node_limits, who_comes_back_is_preferred_to_who_comes_first)
{
    struct limit_test test;
    struct viv_node_client late;
    limit_test_init(&test, limit_new_sessions);
    viv_node_client_init(&late, test.net);
    cr_assert_not(viv_node_client_open(&late, 0, TIMEOUT_MS));
    cr_assert(viv_node_net_is_closed(test.net, late.conn), "closed without a word, as by a server that is away");
    for (int i = 0; i < 100; i++) {
        cr_assert(viv_node_client_open(&test.client, 0, TIMEOUT_MS));
        cr_assert_not(viv_node_client_open(&late, 0, TIMEOUT_MS));
    }
    viv_node_net_run(test.net, 1100);
    cr_assert(viv_node_client_open(&late, 0, TIMEOUT_MS));
    viv_node_client_fini(&late);
    limit_test_fini(&test);
}

/* ---- answers ---- */

static void limit_replies(struct viv_node_config *config)
{
    config->frame_bytes_max = 1000;
    config->policy.reply_bytes = 8000;
}

VIV_TEST(node_limits, a_list_of_children_longer_than_an_answer_is_refused_and_leaves_no_watch)
{
    enum {
        NAME_BYTES = 96,
        FITS = (8000 - 4) / (4 + NAME_BYTES)
    }; /* names of 96 letters, their length and the count */
    struct limit_test test;
    char path[8 + NAME_BYTES];
    limit_test_init(&test, limit_replies);
    cr_assert_eq(viv_node_client_create(&test.bystander, "/list", "", 0), 0);
    for (int i = 0; i < 100 * FITS; i++) {
        snprintf(path, sizeof path, "/list/%0*d", NAME_BYTES, i);
        viv_node_client_send(&test.bystander, VIV_OP_CREATE,
                             viv_node_client_create_record(&test.bystander, path, "", 0));
        if (i == FITS - 1 || i == FITS || i == 100 * FITS - 1) {
            while (viv_node_client_wait(&test.bystander, 50)) {
            }
            int32_t expected = i < FITS ? 0 : VIV_REPLY_MARSHALLING_ERROR;
            cr_assert_eq(viv_node_client_ask(&test.client, VIV_OP_GET_CHILDREN, "/list", true), expected, "%d", i);
            cr_assert_eq(test.client.record.size == 0, i >= FITS);
            cr_assert_eq(stats_of(&test).watches, i < FITS ? 1 : 0); /* the one that was set has fired */
        }
    }
    cr_assert_eq(viv_node_client_ask(&test.client, VIV_OP_EXISTS, "/list", false), 0, "only that answer is refused");
    limit_test_fini(&test);
}

VIV_TEST(node_limits, many_reads_in_one_request_have_one_answer)
{
    static const int counts[] = {11, 12, 1200};
    struct limit_test test;
    static char data[501];
    limit_test_init(&test, limit_replies);
    memset(data, 'x', sizeof data - 1);
    cr_assert_eq(viv_node_client_create(&test.bystander, "/d", data, 0), 0);
    for (size_t k = 0; k < 3; k++) {
        /* 9 of the header, 4 + 500 of the data and 68 of the stat each: 13 fit into 8000 */
        struct viv_buffer record = {0};
        int count = counts[k] + 2;
        for (int i = 0; i < count; i++) {
            viv_multi_header_encode(&record, &(struct viv_multi_header){.type = VIV_OP_GET_DATA, .err = -1});
            viv_jute_write_text(&record, "/d");
            viv_jute_write_bool(&record, false);
        }
        viv_multi_header_encode(&record, &(struct viv_multi_header){.type = -1, .done = true, .err = -1});
        cr_assert_eq(viv_node_client_call(&test.client, VIV_OP_MULTI_READ, viv_buffer_bytes(&record)),
                     count <= 13 ? 0 : VIV_REPLY_MARSHALLING_ERROR);
        viv_buffer_fini(&record);
    }
    limit_test_fini(&test);
}

/* ---- outstanding requests ---- */

static void limit_outstanding_of_connection(struct viv_node_config *config)
{
    config->policy.outstanding_per_connection_count = LIMIT;
}

static void limit_outstanding(struct viv_node_config *config)
{
    config->policy.outstanding_count = LIMIT;
}

VIV_TEST(node_limits, outstanding_requests_of_a_connection_pause_its_reading_and_are_all_answered)
{
    static const int counts[] = {LIMIT, LIMIT + 1, MUCH};
    struct limit_test test;
    limit_test_init(&test, limit_outstanding_of_connection);
    for (size_t k = 0; k < 3; k++) {
        for (int i = 0; i < counts[k]; i++) {
            viv_node_client_send(&test.client, VIV_OP_CREATE,
                                 viv_node_client_create_record(&test.client, "/s-", "", 2));
        }
        viv_node_net_run(test.net, 2);
        cr_assert_eq(viv_node_net_is_paused(test.net, test.client.conn), counts[k] > LIMIT);
        cr_assert_not(viv_node_net_is_paused(test.net, test.bystander.conn));
        expect_bystander_served(&test);
        for (int i = 0; i < counts[k]; i++) {
            cr_assert(viv_node_client_receive(&test.client) || viv_node_client_wait(&test.client, 100));
            cr_assert_eq(test.client.header.err, 0);
        }
        cr_assert_not(viv_node_net_is_paused(test.net, test.client.conn));
    }
    limit_test_fini(&test);
}

VIV_TEST(node_limits, outstanding_requests_of_a_server_pause_everybody_and_keep_new_sessions_out)
{
    static const int counts[] = {LIMIT, LIMIT + 1, MUCH};
    struct limit_test test;
    struct viv_node_client late;
    limit_test_init(&test, limit_outstanding);
    viv_node_client_init(&late, test.net);
    for (size_t k = 0; k < 3; k++) {
        for (int i = 0; i < counts[k]; i++) {
            viv_node_client_send(&test.client, VIV_OP_CREATE,
                                 viv_node_client_create_record(&test.client, "/s-", "", 2));
        }
        viv_node_net_run(test.net, 2);
        cr_assert_eq(viv_node_net_is_paused(test.net, test.client.conn), counts[k] > LIMIT);
        cr_assert_eq(viv_node_net_is_paused(test.net, test.bystander.conn), counts[k] > LIMIT);
        for (int i = 0; i < counts[k]; i++) {
            cr_assert(viv_node_client_receive(&test.client) || viv_node_client_wait(&test.client, 100));
        }
        cr_assert_not(viv_node_net_is_paused(test.net, test.bystander.conn));
        expect_bystander_served(&test);
    }
    cr_assert(viv_node_client_open(&late, 0, TIMEOUT_MS));
    viv_node_client_fini(&late);
    limit_test_fini(&test);
}

/* ---- memory ---- */

enum { TREE_BYTES = 4 << 20, DATA_BYTES = 100000 };

static void limit_tree(struct viv_node_config *config)
{
    config->policy.tree_bytes = TREE_BYTES;
}

VIV_TEST(node_limits, a_full_tree_takes_deletes_and_reads_but_nothing_that_grows)
{
    struct limit_test test;
    static char data[DATA_BYTES + 1];
    char path[32];
    int made = 0;
    limit_test_init(&test, limit_tree);
    memset(data, 'x', DATA_BYTES);
    cr_assert_eq(viv_node_client_create(&test.client, "/e", "", 1), 0);
    for (;; made++) {
        cr_assert_lt(made, 2 * TREE_BYTES / DATA_BYTES, "the limit is not heeded");
        snprintf(path, sizeof path, "/d%d", made);
        int32_t err = viv_node_client_create(&test.client, path, data, 0);
        if (err != 0) {
            cr_assert_eq(err, VIV_REPLY_SYSTEM_ERROR);
            break;
        }
        cr_assert_lt(stats_of(&test).tree_used_bytes, TREE_BYTES + DATA_BYTES + 1000);
    }
    cr_assert_geq(stats_of(&test).tree_used_bytes, TREE_BYTES);
    cr_assert_gt(made, TREE_BYTES / DATA_BYTES / 2);
    uint64_t zxid = stats_of(&test).last_zxid;
    for (int i = 0; i < 100; i++) {
        cr_assert_eq(viv_node_client_create(&test.client, "/more", "", 0), VIV_REPLY_SYSTEM_ERROR);
    }
    cr_assert_eq(viv_node_client_set(&test.client, "/d0", "", -1), VIV_REPLY_SYSTEM_ERROR);
    cr_assert_eq(stats_of(&test).last_zxid, zxid, "a refusal is no transaction");
    expect_bystander_served(&test);
    cr_assert_eq(viv_node_client_ask(&test.client, VIV_OP_GET_DATA, "/d0", true), 0);
    cr_assert_eq(viv_node_client_close_session(&test.client), 0);
    for (int i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "/d%d", i);
        cr_assert_eq(viv_node_client_delete(&test.bystander, path, -1), 0);
    }
    cr_assert_eq(viv_node_client_create(&test.bystander, "/d0", data, 0), 0, "what was deleted is room");
    limit_test_fini(&test);
}

static void count_warnings(void *ctx, enum viv_log_level level, const char *room, const char *text, const char *facts)
{
    (void)room, (void)facts;
    *(int *)ctx += level == VIV_LOG_WARN && strstr(text, "most of the memory") != NULL;
}

VIV_TEST(node_limits, a_tree_that_takes_four_fifths_of_its_memory_is_told_once)
{
    enum { STEPS = 2 * TREE_BYTES / DATA_BYTES };
    struct limit_test test;
    static char data[DATA_BYTES + 1];
    int warnings = 0;
    limit_test_init(&test, limit_tree);
    memset(data, 'x', DATA_BYTES);
    viv_log_set_sink(VIV_LOG_WARN, count_warnings, &warnings);
    for (int i = 0; i < STEPS && stats_of(&test).tree_used_bytes < TREE_BYTES; i++) {
        bool was_below = stats_of(&test).tree_used_bytes < TREE_BYTES / 5 * 4;
        cr_assert_eq(viv_node_client_create(&test.client, "/s-", data, 2), 0);
        cr_assert_leq(warnings, was_below ? 0 : 1, "too early, at %d", i);
    }
    cr_assert_eq(warnings, 1);
    viv_log_set_sink(VIV_LOG_WARN, NULL, NULL);
    limit_test_fini(&test);
}

VIV_TEST(node_limits, what_is_on_its_way_counts_for_the_memory_too)
{
    struct limit_test test;
    static char data[DATA_BYTES + 1];
    int accepted = 0;
    limit_test_init(&test, limit_tree);
    memset(data, 'x', DATA_BYTES);
    for (int i = 0; i < 100; i++) { /* all before the first is applied */
        viv_node_client_send(&test.client, VIV_OP_CREATE, viv_node_client_create_record(&test.client, "/s-", data, 2));
    }
    for (int i = 0; i < 100; i++) {
        cr_assert(viv_node_client_wait(&test.client, 200));
        accepted += test.client.header.err == 0;
    }
    cr_assert_gt(accepted, TREE_BYTES / DATA_BYTES / 2);
    cr_assert_leq(accepted, TREE_BYTES / DATA_BYTES + 1);
    limit_test_fini(&test);
}

/* ---- answers ---- */

enum { CROWD = 9, GETS = 19, LONG_BYTES = 1000000 };

static void send_behind_write(struct viv_node_client *client, const char *path, int gets)
{
    viv_node_client_send(client, VIV_OP_SET_DATA, viv_node_client_set_record(client, "/written", "", -1));
    for (int i = 0; i < gets; i++) {
        viv_node_client_send(client, VIV_OP_GET_DATA, viv_node_client_path_record(client, path, false));
    }
}

/* The first write lets the reads go, and they must not see the second. */
static void send_between_writes(struct viv_node_client *client, const char *path, int gets)
{
    send_behind_write(client, path, gets);
    viv_node_client_send(client, VIV_OP_SET_DATA, viv_node_client_set_record(client, "/written", "", -1));
}

static void expect_answers(struct viv_node_client *client, int count)
{
    for (int i = 0; i < count; i++) {
        cr_assert(viv_node_client_wait(client, 200), "%d of %d", i, count);
        cr_assert_eq(client->header.err, 0);
    }
}

VIV_TEST(node_limits, what_one_commit_lets_go_for_a_crowd_is_bounded_and_who_can_wait_or_asks_for_little_gets_it)
{
    struct limit_test test;
    struct viv_node_client crowd[CROWD], patient;
    char *data = viv_alloc_zeroed(1, LONG_BYTES + 1);
    int served = 0;
    limit_test_init(&test, NULL);
    memset(data, 'x', LONG_BYTES);
    cr_assert_eq(viv_node_client_create(&test.client, "/long", data, 0), 0);
    cr_assert_eq(viv_node_client_create(&test.client, "/written", "", 0), 0);
    viv_node_client_init(&patient, test.net);
    cr_assert(viv_node_client_open(&patient, 0, TIMEOUT_MS));
    for (int i = 0; i < CROWD; i++) {
        viv_node_client_init(&crowd[i], test.net);
        cr_assert(viv_node_client_open(&crowd[i], 0, TIMEOUT_MS));
    }
    for (int i = 0; i < CROWD; i++) {
        send_between_writes(&crowd[i], "/long", GETS);
    }
    send_between_writes(&test.client, "/bystander", GETS);
    send_behind_write(&patient, "/long", GETS);
    expect_answers(&test.client, GETS + 2);
    expect_answers(&patient, GETS + 1);
    viv_node_client_fini(&patient);
    for (int i = 0; i < CROWD; i++) {
        int answers = 0;
        while (viv_node_client_receive(&crowd[i])) {
            answers++;
        }
        cr_assert(answers == GETS + 2 || (answers == 0 && viv_node_net_is_closed(test.net, crowd[i].conn)), "%d of %d",
                  answers, i);
        served += answers > 0;
        viv_node_client_fini(&crowd[i]);
    }
    cr_assert_geq(served, VIV_OUTPUT_BYTES_TURN_MAX / LONG_BYTES / GETS);
    cr_assert_leq(served, VIV_OUTPUT_BYTES_TURN_MAX / LONG_BYTES / GETS + 1);
    free(data);
    limit_test_fini(&test);
}
