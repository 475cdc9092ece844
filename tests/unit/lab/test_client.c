#include "experiments/lab/load.h"
#include "experiments/lab/null_server.h"
#include "experiments/lab/verify.h"
#include "tests/support/viv_test.h"

#define S UINT64_C(1000000000)

struct seen {
    uint64_t ready, ok, lost;
};

static void on_reply(void *ctx, struct viv_client *client, const struct viv_client_reply *reply)
{
    struct seen *seen = ctx;
    (void)client;
    seen->ok += reply->err == VIV_REPLY_OK;
    seen->lost += reply->err == VIV_CLIENT_LOST;
}

static void on_state(void *ctx, struct viv_client *client, enum viv_client_state state)
{
    struct seen *seen = ctx;
    seen->ready += state == VIV_CLIENT_READY;
    if (state == VIV_CLIENT_READY) {
        for (uint64_t i = 0; i < 100; i++) {
            viv_client_set_data(client, i, VIV_BYTES_LITERAL("/x"), VIV_BYTES_LITERAL("value"), -1);
        }
    }
}

static const struct viv_client_options usual = {
    .server_count = 1, .session_timeout_ms = 10000, .connect_timeout_ms = 1000, .retry_ms = 1};

VIV_TEST(client_client, a_hundred_pipelined_requests_are_answered_in_order)
{
    struct viv_null_server *server;
    struct viv_client_loop *loop;
    struct seen seen = {0};
    cr_assert_eq(viv_null_server_start(0, 0, &server), VIV_OK);
    cr_assert_eq(viv_client_loop_open(&loop), VIV_OK);
    struct viv_client_address address = viv_null_server_address(server);
    struct viv_client_options options = usual;
    options.servers = &address;
    struct viv_client *client = viv_client_new(loop, &options, on_reply, on_state, &seen);
    uint64_t limit_ns = viv_client_now_ns() + 10 * S;
    while (seen.ok < 100 && viv_client_now_ns() < limit_ns) {
        viv_client_loop_turn(loop, limit_ns);
    }
    cr_assert_eq(seen.ok, 100);
    cr_assert_eq(viv_client_in_flight(client), 0);
    viv_client_loop_close(loop);
    viv_null_server_stop(server);
}

VIV_TEST(client_client, a_session_moves_to_the_next_server_and_keeps_its_id)
{
    struct viv_null_server *servers[2];
    struct viv_client_address addresses[2];
    struct viv_client_loop *loop;
    struct seen seen = {0};
    for (int i = 0; i < 2; i++) {
        cr_assert_eq(viv_null_server_start(0, 0, &servers[i]), VIV_OK);
        addresses[i] = viv_null_server_address(servers[i]);
    }
    cr_assert_eq(viv_client_loop_open(&loop), VIV_OK);
    struct viv_client_options options = usual;
    options.servers = addresses;
    options.server_count = 2;
    struct viv_client *client = viv_client_new(loop, &options, on_reply, on_state, &seen);
    uint64_t limit_ns = viv_client_now_ns() + 10 * S;
    while (seen.ok < 100 && viv_client_now_ns() < limit_ns) {
        viv_client_loop_turn(loop, limit_ns);
    }
    int64_t session_id = viv_client_session_id(client);
    cr_assert_eq(viv_client_server(client), 0);
    viv_null_server_stop(servers[0]);
    while (seen.ok < 200 && viv_client_now_ns() < limit_ns) {
        viv_client_loop_turn(loop, limit_ns);
    }
    cr_assert_eq(seen.ready, 2);
    cr_assert_eq(viv_client_server(client), 1);
    cr_assert_eq(viv_client_session_id(client), session_id);
    viv_client_loop_close(loop);
    viv_null_server_stop(servers[1]);
}

VIV_TEST(lab_load, a_closed_loop_of_a_number_of_operations_acknowledges_them_all)
{
    struct viv_null_server *server;
    struct viv_load *load;
    struct viv_load_result result;
    struct viv_keyset keyset;
    struct viv_histogram all;
    cr_assert_eq(viv_null_server_start(0, 0, &server), VIV_OK);
    struct viv_client_address address = viv_null_server_address(server);
    struct viv_load_spec spec = {.dialect = &viv_dialect_zookeeper,
                                 .op = VIV_LOAD_SET,
                                 .clients = 4,
                                 .pipeline = 50,
                                 .measure_ns = 10 * S,
                                 .ops_max = 5000,
                                 .attach = -1,
                                 .session_timeout_ms = 10000};
    viv_keyset_init(&keyset, 20, 100, 1);
    cr_assert_eq(viv_load_start(&spec, &address, 1, &keyset, &load), VIV_OK);
    viv_load_finish(load, &result);
    viv_histogram_init(&all);
    viv_load_merge_latencies(&result, &all);
    cr_assert_geq(result.ok, 5000);
    cr_assert_eq(result.errors + result.lost, 0);
    cr_assert_eq(all.total, result.ok);
    for (uint32_t key = 0; key < 20; key++) {
        cr_assert_eq(keyset.keys[key].sent, keyset.keys[key].acked);
    }
    viv_histogram_fini(&all);
    viv_load_result_fini(&result);
    viv_keyset_fini(&keyset);
    viv_null_server_stop(server);
}

/* The negative control of the check for acknowledged writes: a server that keeps nothing. */
VIV_TEST(lab_verify, writes_that_were_acknowledged_and_not_kept_are_found)
{
    struct viv_null_server *server;
    struct viv_load *load;
    struct viv_load_result result;
    struct viv_keyset keyset;
    struct viv_interrupt interrupt;
    struct viv_verify_result verified = {0};
    cr_assert_eq(viv_interrupt_open(&interrupt), VIV_OK);
    cr_assert_eq(viv_null_server_start(0, 0, &server), VIV_OK);
    struct viv_client_address address = viv_null_server_address(server);
    viv_keyset_init(&keyset, 20, 100, 1);
    uint64_t limit_ns = viv_client_now_ns() + 10 * S;
    cr_assert_eq(viv_verify_keys(&viv_dialect_zookeeper, &address, 1, &interrupt, &keyset, limit_ns, &verified),
                 VIV_OK);
    cr_assert_eq(verified.checked, 20);
    cr_assert_eq(verified.lost_acked + verified.violations, 0, "nothing was written yet");
    struct viv_load_spec spec = {.dialect = &viv_dialect_zookeeper,
                                 .op = VIV_LOAD_SET,
                                 .clients = 4,
                                 .pipeline = 50,
                                 .measure_ns = 10 * S,
                                 .ops_max = 5000,
                                 .attach = -1,
                                 .session_timeout_ms = 10000};
    cr_assert_eq(viv_load_start(&spec, &address, 1, &keyset, &load), VIV_OK);
    viv_load_finish(load, &result);
    cr_assert_eq(viv_verify_keys(&viv_dialect_zookeeper, &address, 1, &interrupt, &keyset, limit_ns, &verified),
                 VIV_OK);
    cr_assert_eq(verified.lost_acked, 20);
    viv_load_result_fini(&result);
    viv_keyset_fini(&keyset);
    viv_null_server_stop(server);
    viv_interrupt_close(&interrupt);
}
