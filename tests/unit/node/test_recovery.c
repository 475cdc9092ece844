#include <stdio.h>

#include "tests/support/node_client.h"
#include "tests/support/viv_test.h"
#include "tree/image.h"
#include "wire/reply_code.h"

/* What a standalone server finds again after it was killed. */

struct stand {
    struct viv_node_net *net;
    struct viv_node_client client;
};

static void stand_init(struct stand *stand, uint64_t snapshot_entries)
{
    struct viv_node_net_config config = {.server_count = 1, .snapshot_entries = snapshot_entries};
    stand->net = viv_node_net_new(&config);
    viv_node_net_start(stand->net, 0);
    viv_node_net_run(stand->net, 20);
    viv_node_client_init(&stand->client, stand->net);
    cr_assert(viv_node_client_open(&stand->client, 0, 2000));
}

static void stand_fini(struct stand *stand)
{
    viv_node_client_fini(&stand->client);
    viv_node_net_free(stand->net);
}

static void write_some(struct viv_node_client *client, int round, int count)
{
    for (int i = 0; i < count; i++) {
        char path[64];
        snprintf(path, sizeof path, "/n-%d-%d", round, i);
        cr_assert_eq(viv_node_client_create(client, path, "some data", 0), 0);
        if (i % 3 == 0) {
            cr_assert_eq(viv_node_client_set(client, path, "other data", -1), 0);
        }
        if (i % 4 == 0) {
            cr_assert_eq(viv_node_client_delete(client, path, -1), 0);
        }
    }
}

/* Kills and starts the server; its state must be the one it had. */
static void restart(struct stand *stand)
{
    struct viv_node_stats before, after;
    viv_node_net_run(stand->net, 50);
    viv_node_net_stats(stand->net, 0, &before);
    viv_node_net_kill(stand->net, 0);
    viv_node_net_start(stand->net, 0);
    cr_assert(viv_node_net_settle(stand->net, 1000));
    viv_node_net_stats(stand->net, 0, &after);
    cr_assert_eq(before.last_zxid, after.last_zxid);
    cr_assert_eq(before.digest, after.digest);
    cr_assert_eq(before.digest_extra, after.digest_extra);
    cr_assert_eq(before.tree.nodes, after.tree.nodes);
}

VIV_TEST(node_recovery, the_log_alone_gives_the_state_again)
{
    struct stand stand;
    stand_init(&stand, 0);
    write_some(&stand.client, 0, 30);
    cr_assert_eq(viv_node_client_create(&stand.client, "/mine", "", 1), 0);
    restart(&stand);
    cr_assert(viv_node_client_open(&stand.client, 0, 2000), "the session survives");
    cr_assert_eq(viv_node_client_ask(&stand.client, VIV_OP_EXISTS, "/mine", false), 0);
    stand_fini(&stand);
}

VIV_TEST(node_recovery, images_written_while_writes_go_on_give_the_state_again)
{
    struct stand stand;
    struct viv_node_net_counts counts;
    stand_init(&stand, 25);
    for (int round = 0; round < 6; round++) {
        write_some(&stand.client, round, 20);
        restart(&stand);
        cr_assert(viv_node_client_open(&stand.client, 0, 2000));
    }
    viv_node_net_counts(stand.net, 0, &counts);
    cr_assert_geq(counts.images, 6);
    stand_fini(&stand);
}

VIV_TEST(node_recovery, what_was_not_durable_was_not_acknowledged)
{
    struct stand stand;
    stand_init(&stand, 0);
    struct viv_node_client *client = &stand.client;
    cr_assert_eq(viv_node_client_create(client, "/a", "old", 0), 0);
    viv_node_client_send(client, VIV_OP_SET_DATA, viv_node_client_set_record(client, "/a", "new", -1));
    viv_node_net_run(stand.net, 2); /* proposed, on its way to the disk */
    cr_assert_not(viv_node_client_receive(client));
    viv_node_net_kill(stand.net, 0);
    viv_node_net_start(stand.net, 0);
    viv_node_net_run(stand.net, 20);
    cr_assert(viv_node_client_open(client, 0, 2000));
    cr_assert_eq(viv_node_client_ask(client, VIV_OP_GET_DATA, "/a", false), 0);
    cr_assert(viv_node_client_data_is(client, "old"));
    stand_fini(&stand);
}

VIV_TEST(node_recovery, sessions_get_a_full_timeout_and_expire_after_it)
{
    struct stand stand;
    stand_init(&stand, 0);
    cr_assert_eq(viv_node_client_create(&stand.client, "/mine", "", 1), 0);
    viv_node_net_run(stand.net, 1500);
    viv_node_net_kill(stand.net, 0);
    viv_node_net_run(stand.net, 60000);
    viv_node_net_start(stand.net, 0);
    viv_node_net_run(stand.net, 1800);
    cr_assert(viv_node_client_open(&stand.client, 0, 2000), "time while the server was down does not count");
    viv_node_net_hang_up(stand.net, stand.client.conn);
    viv_node_net_run(stand.net, 2300);
    cr_assert_not(viv_node_client_open(&stand.client, 0, 2000));
    stand_fini(&stand);
}

/* ---- recovery calls by hand ---- */

struct recovered {
    struct viv_node *node;
    struct viv_buffer body;
};

static void recovered_init(struct recovered *recovered)
{
    struct viv_node_config config = {
        .zab = {.sid = 1, .standalone = true, .tick_ms = 100, .election_policy = "fle"},
        .tick_ms = 100,
        .session_timeout_min_ms = 200,
        .session_timeout_max_ms = 2000,
    };
    *recovered = (struct recovered){.node = viv_node_new(&config)};
}

/* The image of a fresh tree under a mark of our making. */
static viv_status recover_image_beside(struct recovered *recovered, struct viv_state_mark mark,
                                       struct viv_hard_state hard)
{
    struct viv_buffer rows = {0};
    struct viv_tree *tree = viv_tree_new();
    viv_tree_walk_begin(tree, VIV_WALK_FULL);
    while (viv_tree_walk_step(tree, 4096, &rows)) {
    }
    viv_tree_walk_end(tree, true);
    cr_assert_eq(viv_node_recover_rows(recovered->node, viv_buffer_bytes(&rows)), VIV_OK);
    viv_tree_free(tree);
    viv_buffer_fini(&rows);
    return viv_node_recover_image_end(recovered->node, &mark, &hard);
}

static viv_status recover_image(struct recovered *recovered, struct viv_state_mark mark)
{
    return recover_image_beside(recovered, mark, (struct viv_hard_state){0});
}

static void recovered_fini(struct recovered *recovered)
{
    viv_node_free(recovered->node);
    viv_buffer_fini(&recovered->body);
}

/* createSession of session `zxid`. */
static struct viv_entry entry_of(struct recovered *recovered, uint64_t zxid)
{
    struct viv_txn_header header = {.session_id = (int64_t)zxid, .zxid = zxid, .type = VIV_OP_CREATE_SESSION};
    viv_buffer_clear(&recovered->body);
    viv_txn_header_encode(&recovered->body, &header);
    viv_jute_write_int(&recovered->body, 1000);
    return (struct viv_entry){.zxid = zxid, .body = viv_buffer_bytes(&recovered->body)};
}

VIV_TEST(node_recovery, a_log_that_goes_back_is_damaged)
{
    struct recovered recovered;
    struct viv_state_mark mark = {0};
    struct viv_hard_state hard = {0};
    recovered_init(&recovered);
    cr_assert_eq(viv_node_recover_image_end(recovered.node, &mark, &hard), VIV_OK);
    struct viv_entry entry = entry_of(&recovered, 2);
    cr_assert_eq(viv_node_recover_entry(recovered.node, &entry, true), VIV_OK);
    cr_assert_eq(viv_node_recover_entry(recovered.node, &entry, true), VIV_ERR_CORRUPT);
    recovered_fini(&recovered);
}

VIV_TEST(node_recovery, an_image_without_its_log_is_not_enough)
{
    struct recovered recovered;
    struct viv_state_mark mark = {.zxid_start = 3, .zxid_end = 5, .digest = 1};
    struct viv_log_bounds bounds = {.base_zxid = 0, .last_zxid = 4, .commit_zxid = 4};
    recovered_init(&recovered);
    cr_assert_eq(recover_image(&recovered, mark), VIV_OK);
    struct viv_entry entry = entry_of(&recovered, 4);
    cr_assert_eq(viv_node_recover_entry(recovered.node, &entry, true), VIV_OK);
    cr_assert_eq(viv_node_recover_end(recovered.node, &bounds), VIV_ERR_CORRUPT);
    recovered_fini(&recovered);
}

VIV_TEST(node_recovery, an_image_of_our_own_beside_a_new_log_means_that_the_log_was_lost)
{
    struct viv_tree *tree = viv_tree_new();
    const struct viv_state_mark marks[] = {
        {.zxid_start = 3, .zxid_end = 3, .digest = viv_tree_digest(tree)}, {.zxid_start = 3, .zxid_end = 3}, {0}};
    viv_tree_free(tree);
    for (size_t i = 0; i < sizeof marks / sizeof marks[0]; i++) {
        struct recovered recovered;
        struct viv_log_bounds bounds = {0};
        bool is_own = marks[i].digest != 0;
        recovered_init(&recovered);
        cr_assert_eq(recover_image(&recovered, marks[i]), VIV_OK);
        cr_assert_eq(viv_node_recover_end(recovered.node, &bounds), is_own ? VIV_ERR_CORRUPT : VIV_OK);
        recovered_fini(&recovered);
    }
}

VIV_TEST(node_recovery, an_image_of_our_own_is_not_taken_for_the_one_that_was_being_installed)
{
    struct recovered recovered;
    struct viv_state_mark mark = {.zxid_start = 3, .zxid_end = 4};
    struct viv_hard_state hard = {.install_zxid = 3};
    struct viv_log_bounds bounds = {.last_zxid = 4, .commit_zxid = 3};
    recovered_init(&recovered);
    cr_assert_eq(recover_image_beside(&recovered, mark, hard), VIV_OK);
    struct viv_entry entry = entry_of(&recovered, 4);
    cr_assert_eq(viv_node_recover_entry(recovered.node, &entry, false), VIV_OK);
    cr_assert_eq(viv_node_recover_end(recovered.node, &bounds), VIV_OK);
    cr_assert_eq(viv_tree_zxid(viv_node_tree(recovered.node)), 4);
    recovered_fini(&recovered);
}

VIV_TEST(node_recovery, an_image_that_was_being_installed_stands_without_the_old_log)
{
    struct recovered recovered;
    struct viv_state_mark mark = {.zxid_start = 3, .zxid_end = 3};
    struct viv_hard_state hard = {.install_zxid = 3};
    struct viv_log_bounds bounds = {.last_zxid = 4, .commit_zxid = 4};
    recovered_init(&recovered);
    cr_assert_eq(recover_image_beside(&recovered, mark, hard), VIV_OK);
    struct viv_entry entry = entry_of(&recovered, 4);
    cr_assert_eq(viv_node_recover_entry(recovered.node, &entry, true), VIV_OK);
    cr_assert_eq(viv_node_recover_end(recovered.node, &bounds), VIV_OK);
    cr_assert_eq(viv_tree_zxid(viv_node_tree(recovered.node)), 3);
    recovered_fini(&recovered);
}

VIV_TEST(node_recovery, a_log_that_begins_after_the_image_does_not_join_it)
{
    struct recovered recovered;
    struct viv_state_mark mark = {.zxid_start = 3, .zxid_end = 3, .digest = 0};
    struct viv_log_bounds bounds = {.base_zxid = 5, .last_zxid = 6, .commit_zxid = 6};
    recovered_init(&recovered);
    cr_assert_eq(recover_image(&recovered, mark), VIV_OK);
    cr_assert_eq(viv_node_recover_end(recovered.node, &bounds), VIV_ERR_CORRUPT);
    recovered_fini(&recovered);
}

VIV_TEST(node_recovery, a_wrong_digest_is_noticed_where_it_was_taken)
{
    struct recovered recovered;
    struct viv_state_mark mark = {.zxid_start = 3, .zxid_end = 4, .digest = 1};
    recovered_init(&recovered);
    cr_assert_eq(recover_image(&recovered, mark), VIV_OK);
    struct viv_entry entry = entry_of(&recovered, 4);
    cr_assert_eq(viv_node_recover_entry(recovered.node, &entry, true), VIV_ERR_CORRUPT);
    recovered_fini(&recovered);
}
