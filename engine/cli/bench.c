#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/assert.h"
#include "base/histogram.h"
#include "base/rng.h"
#include "cli/interrupt.h"
#include "cli/link.h"
#include "cli/walk.h"

/* A load test in one line: sessions that each keep a number of requests on their way, for some seconds, in a node of
 * their own that goes when they are done. For experiments whose figures are kept there is vivarium-lab. */

enum { US_PER_S = 1000000, NS_PER_US = 1000, MIXED_WRITES_PERCENT = 10, CLIENTS_MAX = 10000, PIPELINE_MAX = 1000 };

enum bench_op { BENCH_GET, BENCH_SET, BENCH_CREATE, BENCH_MIXED, BENCH_OPS };
static const char *const op_names[BENCH_OPS] = {"get", "set", "create", "mixed"};

struct bench {
    struct viv_cli *cli;
    enum bench_op op;
    uint64_t clients, pipeline, size, nodes, seconds;
    char *base; /* as the user writes it */
    char *full;
    struct viv_buffer value;
    struct viv_rng rng;
    struct viv_histogram latencies;
    uint64_t ready, created, errors, lost;
    int32_t first_error;
    bool measuring;
};

static uint64_t number(const struct viv_cli_args *args, const char *name, uint64_t usual, uint64_t max, bool *well)
{
    uint64_t value = usual;
    const char *text = viv_cli_value(args, name);
    if (text != NULL && (!viv_cli_parse_uint64(text, &value) || value == 0 || value > max)) {
        viv_cli_error("bench: %s %s: a number from 1 to %llu is wanted", name, text, (unsigned long long)max);
        *well = false;
    }
    return value;
}

static bool read_options(struct bench *bench, const struct viv_cli_args *args)
{
    bool well = true;
    const char *op = viv_cli_value(args, "--op") != NULL ? viv_cli_value(args, "--op") : op_names[BENCH_GET];
    bench->op = BENCH_GET;
    while (bench->op < BENCH_OPS && strcmp(op_names[bench->op], op) != 0) {
        bench->op++;
    }
    if (bench->op == BENCH_OPS) {
        viv_cli_error("bench: --op %s: get, set, create or mixed is wanted", op);
        well = false;
    }
    bench->clients = number(args, "--clients", 10, CLIENTS_MAX, &well);
    bench->pipeline = number(args, "--pipeline", 1, PIPELINE_MAX, &well);
    bench->size = number(args, "--size", 100, 1 << 20, &well);
    bench->nodes = number(args, "--nodes", 1000, 1000000, &well);
    bench->seconds = number(args, "--seconds", 5, 86400, &well);
    return well;
}

/* ---- the load ---- */

static void ask(struct bench *bench, struct viv_client *client)
{
    struct viv_buffer path = {0};
    struct viv_bytes value = viv_buffer_bytes(&bench->value);
    if (bench->op == BENCH_CREATE) {
        viv_buffer_printf(&path, "%s/c%llu", bench->full, (unsigned long long)bench->created++);
        viv_client_create(client, 0, viv_buffer_bytes(&path), value, 0);
    } else {
        bool write = bench->op == BENCH_SET ||
                     (bench->op == BENCH_MIXED && viv_rng_below(&bench->rng, 100) < MIXED_WRITES_PERCENT);
        viv_buffer_printf(&path, "%s/n%llu", bench->full,
                          (unsigned long long)viv_rng_below(&bench->rng, (uint32_t)bench->nodes));
        if (write) {
            viv_client_set_data(client, 0, viv_buffer_bytes(&path), value, -1);
        } else {
            viv_client_get_data(client, 0, viv_buffer_bytes(&path));
        }
    }
    viv_buffer_fini(&path);
}

static void on_reply(void *ctx, struct viv_client *client, const struct viv_client_reply *reply)
{
    struct bench *bench = ctx;
    if (!bench->measuring) {
        return;
    }
    if (reply->err == VIV_REPLY_OK) {
        viv_histogram_record(&bench->latencies, (reply->now_ns - reply->sent_ns) / NS_PER_US);
    } else {
        bench->lost += reply->err == VIV_CLIENT_LOST;
        bench->errors += reply->err != VIV_CLIENT_LOST;
        bench->first_error = bench->first_error == 0 ? reply->err : bench->first_error;
    }
    if (viv_client_state(client) == VIV_CLIENT_READY) {
        ask(bench, client);
    }
}

static void on_state(void *ctx, struct viv_client *client, enum viv_client_state state)
{
    struct bench *bench = ctx;
    bench->ready += state == VIV_CLIENT_READY;
    for (uint64_t i = 0; state == VIV_CLIENT_READY && bench->measuring && i < bench->pipeline; i++) {
        ask(bench, client);
    }
}

static void turn_until(struct viv_client_loop *loop, uint64_t until_ns)
{
    while (viv_client_now_ns() < until_ns && !viv_cli_interrupted()) {
        viv_client_loop_turn(loop, until_ns);
    }
}

/* Everybody is attached before the clock starts. */
static int attach_all(struct bench *bench, struct viv_client_loop *loop, const struct viv_cli_target *target,
                      struct viv_client **clients)
{
    uint64_t until_ns = viv_client_now_ns() + bench->cli->settings.wait_ms * (uint64_t)US_PER_S;
    for (uint64_t i = 0; i < bench->clients; i++) {
        struct viv_client_options options = {.servers = target->addresses,
                                             .server_count = target->address_count,
                                             .first_server = i % target->address_count,
                                             .session_timeout_ms = bench->cli->settings.timeout_ms,
                                             .connect_timeout_ms = 4000,
                                             .retry_ms = 100,
                                             .tls = bench->cli->tls};
        clients[i] = viv_client_new(loop, &options, on_reply, on_state, bench);
    }
    while (bench->ready < bench->clients && viv_client_now_ns() < until_ns && !viv_cli_interrupted()) {
        viv_client_loop_turn(loop, until_ns);
    }
    if (bench->ready < bench->clients) {
        viv_cli_error("bench: only %llu of %llu sessions could be opened (does maxClientCnxns allow them?)",
                      (unsigned long long)bench->ready, (unsigned long long)bench->clients);
        return viv_cli_interrupted() ? VIV_CLI_INTERRUPTED : VIV_CLI_UNREACHABLE;
    }
    return VIV_CLI_OK;
}

static bool is_done(struct viv_client *client)
{
    return client == NULL || viv_client_state(client) == VIV_CLIENT_CLOSED || viv_client_in_flight(client) == 0;
}

/* What is still on its way would come after the cleaning up: waits for it, then for the sessions' end. */
static void drain(struct viv_client_loop *loop, struct viv_client **clients, uint64_t count)
{
    enum { PATIENCE_S = 10, ROUNDS = 2 };
    uint64_t until_ns = viv_client_now_ns() + (uint64_t)PATIENCE_S * US_PER_S * NS_PER_US;
    for (int round = 0; round < ROUNDS; round++) {
        for (uint64_t i = 0; i < count; i++) {
            while (!is_done(clients[i]) && viv_client_now_ns() < until_ns) {
                viv_client_loop_turn(loop, until_ns);
            }
        }
        for (uint64_t i = 0; round == 0 && i < count && clients[i] != NULL; i++) {
            viv_client_close(clients[i]);
        }
    }
}

/* Returns how long it was measured, in `*elapsed_ns`. */
static int run_load(struct bench *bench, uint64_t *elapsed_ns)
{
    struct viv_client_loop *loop;
    struct viv_cli_target target;
    int code = viv_cli_target_read(&target, bench->cli->settings.servers);
    if (code != VIV_CLI_OK) {
        return code;
    }
    if (viv_client_loop_open(&loop) != VIV_OK) {
        viv_cli_target_fini(&target);
        return VIV_CLI_FAILED;
    }
    struct viv_client **clients = viv_alloc_zeroed(bench->clients, sizeof(struct viv_client *));
    code = attach_all(bench, loop, &target, clients);
    if (code == VIV_CLI_OK) {
        uint64_t start_ns = viv_client_now_ns();
        bench->measuring = true;
        for (uint64_t i = 0; i < bench->clients; i++) {
            for (uint64_t j = 0; viv_client_state(clients[i]) == VIV_CLIENT_READY && j < bench->pipeline; j++) {
                ask(bench, clients[i]);
            }
        }
        turn_until(loop, start_ns + bench->seconds * US_PER_S * NS_PER_US);
        *elapsed_ns = viv_client_now_ns() - start_ns;
        bench->measuring = false;
    }
    drain(loop, clients, bench->clients);
    viv_client_loop_close(loop);
    viv_cli_target_fini(&target);
    free(clients);
    return code;
}

/* ---- before and after ---- */

static int create_node(struct bench *bench, const char *path)
{
    struct viv_buffer record = {0};
    struct viv_create_request request = {.path = {.bytes = viv_bytes_text(path)},
                                         .data = {.bytes = viv_buffer_bytes(&bench->value)},
                                         .acl = viv_acl_open_unsafe()};
    viv_create_request_encode(&record, &request, VIV_OP_CREATE);
    viv_cli_send(bench->cli, VIV_OP_CREATE, viv_buffer_bytes(&record));
    viv_buffer_fini(&record);
    return VIV_CLI_OK;
}

static int take_created(struct bench *bench)
{
    struct viv_cli_reply reply;
    viv_cli_fetch(bench->cli, &reply);
    int code = reply.err == VIV_REPLY_OK ? VIV_CLI_OK : viv_cli_refused(bench->cli, reply.err, bench->base);
    viv_cli_reply_fini(&reply);
    return code;
}

static int prepare(struct bench *bench)
{
    enum { WINDOW = 256 };
    uint64_t nodes = bench->op == BENCH_CREATE ? 0 : bench->nodes;
    uint64_t sent = 0;
    create_node(bench, bench->full);
    int code = take_created(bench);
    for (uint64_t taken = 0; code == VIV_CLI_OK && taken < nodes; taken++) {
        for (; sent < nodes && sent - taken < WINDOW; sent++) {
            struct viv_buffer path = {0};
            viv_buffer_printf(&path, "%s/n%llu%c", bench->full, (unsigned long long)sent, '\0');
            create_node(bench, (const char *)path.data);
            viv_buffer_fini(&path);
        }
        code = take_created(bench);
    }
    viv_cli_forget_answers(bench->cli);
    return code;
}

static void print_result(const struct bench *bench, uint64_t elapsed_ns)
{
    const struct viv_histogram *latencies = &bench->latencies;
    double seconds = (double)elapsed_ns / 1e9;
    double rate = (double)latencies->total / seconds;
    uint64_t p50 = viv_histogram_quantile(latencies, 0.5);
    uint64_t p99 = viv_histogram_quantile(latencies, 0.99);
    uint64_t p999 = viv_histogram_quantile(latencies, 0.999);
    if (bench->cli->settings.json) {
        viv_cli_print_json(json_pack(
            "{s:s, s:I, s:I, s:I, s:f, s:I, s:f, s:f, s:I, s:I, s:I, s:I, s:I, s:I}", "op", op_names[bench->op],
            "clients", (json_int_t)bench->clients, "pipeline", (json_int_t)bench->pipeline, "size_bytes",
            (json_int_t)bench->size, "seconds", seconds, "ops", (json_int_t)latencies->total, "ops_per_s", rate,
            "mean_us", viv_histogram_mean_us(latencies), "p50_us", (json_int_t)p50, "p99_us", (json_int_t)p99,
            "p999_us", (json_int_t)p999, "max_us", (json_int_t)latencies->max_us, "errors", (json_int_t)bench->errors,
            "lost", (json_int_t)bench->lost));
    } else {
        printf("%-8s %8s %8s %8s %10s %10s %10s %10s %10s %8s\n", "op", "clients", "pipeline", "bytes", "ops/s",
               "p50 us", "p99 us", "p99.9 us", "max us", "failed");
        printf("%-8s %8llu %8llu %8llu %10.0f %10llu %10llu %10llu %10llu %8llu\n", op_names[bench->op],
               (unsigned long long)bench->clients, (unsigned long long)bench->pipeline, (unsigned long long)bench->size,
               rate, (unsigned long long)p50, (unsigned long long)p99, (unsigned long long)p999,
               (unsigned long long)latencies->max_us, (unsigned long long)(bench->errors + bench->lost));
    }
    if (bench->first_error != 0) {
        viv_cli_error("bench: the first request that failed: %s", viv_cli_err_name(bench->first_error));
    }
}

/* A name of its own: two of us may run at once, and nothing of the user's is ever deleted. */
static bool name_base(struct bench *bench, const char *parent)
{
    uint64_t random;
    struct viv_buffer text = {0};
    if (getrandom(&random, sizeof random, 0) != (ssize_t)sizeof random) {
        viv_cli_error("bench: no random numbers: %s", strerror(errno));
        return false;
    }
    viv_buffer_printf(&text, "%s/vivarium-bench-%016llx%c", strcmp(parent, "/") == 0 ? "" : parent,
                      (unsigned long long)random, '\0');
    bench->base = (char *)text.data;
    bench->full = viv_cli_path(bench->cli, bench->base);
    viv_rng_init(&bench->rng, random);
    return bench->full != NULL;
}

static void clean_up(struct bench *bench)
{
    uint64_t deleted;
    bool interrupted = viv_cli_interrupted();
    viv_cli_interrupt_clear();
    if (viv_cli_delete_subtree(bench->cli, bench->base, 256, &deleted) != VIV_CLI_OK) {
        viv_cli_error("bench: %s could not be deleted whole; `deleteall` it", bench->base);
    }
    if (interrupted) {
        viv_cli_error("bench: interrupted; what was measured until then counts");
    }
}

int viv_cli_run_bench(struct viv_cli *cli, const struct viv_cli_args *args)
{
    struct bench bench = {.cli = cli};
    const char *parent = viv_cli_arg(args, 0) != NULL ? viv_cli_arg(args, 0) : "/";
    uint64_t elapsed_ns = 0;
    if (!read_options(&bench, args) || !name_base(&bench, parent)) {
        free(bench.base);
        return VIV_CLI_USAGE;
    }
    viv_histogram_init(&bench.latencies);
    memset(viv_buffer_extend(&bench.value, bench.size), 'v', bench.size);
    int code = prepare(&bench);
    if (code == VIV_CLI_OK) {
        code = run_load(&bench, &elapsed_ns);
    }
    clean_up(&bench);
    if (code == VIV_CLI_OK) {
        print_result(&bench, elapsed_ns);
        code = bench.first_error == 0 ? VIV_CLI_OK : bench.lost > 0 ? VIV_CLI_UNREACHABLE : VIV_CLI_REFUSED;
    }
    viv_histogram_fini(&bench.latencies);
    viv_buffer_fini(&bench.value);
    free(bench.base);
    free(bench.full);
    return code;
}
