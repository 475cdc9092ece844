#include "experiments/lab/reader.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/prctl.h>

#include "base/assert.h"
#include "base/log.h"
#include "experiments/lab/load.h"

enum { SAMPLES_FIRST = 4096 };
#define NS_PER_S     UINT64_C(1000000000)
#define TURN_NS      UINT64_C(5000000)
#define END_LIMIT_NS NS_PER_S

struct viv_reader {
    struct viv_client_address server;
    uint32_t key_count;
    uint64_t interval_ns;
    struct viv_lab_loop *loop;
    struct viv_lab_client *client;
    pthread_t thread;
    struct viv_read_sample *samples; /* a request's token is the index of its sample */
    size_t count, capacity;
    _Atomic bool stop;
};

static void on_reply(void *ctx, struct viv_lab_client *client, const struct viv_client_reply *reply)
{
    struct viv_reader *reader = ctx;
    (void)client;
    if (reply->op == VIV_OP_GET_DATA && reply->err == VIV_REPLY_OK) {
        VIV_ASSERT(reply->token < reader->count);
        struct viv_read_sample *sample = &reader->samples[reply->token];
        sample->latency_ns = reply->now_ns - sample->due_ns;
    }
}

/* What is due while the server cannot be asked stays unanswered: nobody waits with a read until a server is back. */
static void read_one(struct viv_reader *reader, uint64_t due_ns)
{
    char path[VIV_KEYSET_PATH_BYTES_MAX];
    if (reader->count == reader->capacity) {
        reader->capacity = reader->capacity == 0 ? SAMPLES_FIRST : reader->capacity * 2;
        reader->samples = viv_realloc(reader->samples, reader->capacity * sizeof *reader->samples);
    }
    size_t token = reader->count++;
    reader->samples[token] = (struct viv_read_sample){due_ns, UINT64_MAX};
    if (viv_lab_client_state(reader->client) == VIV_CLIENT_READY) {
        uint32_t key = (uint32_t)(token % reader->key_count);
        viv_lab_client_request(reader->client, token, VIV_OP_GET_DATA, viv_keyset_path(key, path),
                               (struct viv_bytes){0});
    }
}

static void turn_until(struct viv_reader *reader, uint64_t limit_ns, bool (*is_over)(const struct viv_reader *reader))
{
    while (!is_over(reader) && viv_client_now_ns() < limit_ns) {
        uint64_t until_ns = viv_client_now_ns() + TURN_NS;
        viv_lab_loop_turn(reader->loop, until_ns < limit_ns ? until_ns : limit_ns);
    }
}

static bool is_answered(const struct viv_reader *reader)
{
    return viv_lab_client_in_flight(reader->client) == 0;
}

static bool is_closed(const struct viv_reader *reader)
{
    return viv_lab_client_state(reader->client) == VIV_CLIENT_CLOSED;
}

static bool is_first_ready(const struct viv_reader *reader)
{
    return viv_lab_client_state(reader->client) == VIV_CLIENT_READY ||
           atomic_load_explicit(&reader->stop, memory_order_relaxed);
}

static void *run(void *ctx)
{
    struct viv_reader *reader = ctx;
    prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0); /* as for the load: due times are kept to the microsecond */
    turn_until(reader, UINT64_MAX, is_first_ready);
    uint64_t due_ns = viv_client_now_ns();
    while (!atomic_load_explicit(&reader->stop, memory_order_relaxed)) {
        while (due_ns <= viv_client_now_ns()) {
            read_one(reader, due_ns);
            due_ns += reader->interval_ns;
        }
        viv_lab_loop_turn(reader->loop, due_ns);
    }
    turn_until(reader, viv_client_now_ns() + END_LIMIT_NS, is_answered);
    viv_lab_client_close(reader->client);
    turn_until(reader, viv_client_now_ns() + END_LIMIT_NS, is_closed);
    return NULL;
}

viv_status viv_reader_start(const struct viv_dialect *dialect, const struct viv_client_address *server,
                            double rate_per_s, uint32_t key_count, uint32_t session_timeout_ms, struct viv_reader **out)
{
    VIV_ASSERT(rate_per_s > 0 && key_count > 0);
    struct viv_reader *reader = viv_alloc_zeroed(1, sizeof *reader);
    reader->server = *server;
    reader->key_count = key_count;
    reader->interval_ns = (uint64_t)((double)NS_PER_S / rate_per_s);
    viv_status status = viv_lab_loop_open(dialect, &reader->loop);
    if (status != VIV_OK) {
        free(reader);
        return status;
    }
    struct viv_client_options options = {.servers = &reader->server,
                                         .server_count = 1,
                                         .session_timeout_ms = session_timeout_ms,
                                         .connect_timeout_ms = VIV_LOAD_CONNECT_TIMEOUT_MS,
                                         .reattach_timeout_ms = VIV_LOAD_REATTACH_TIMEOUT_MS,
                                         .retry_ms = VIV_LOAD_RETRY_MS};
    reader->client = viv_lab_client_new(reader->loop, &options, on_reply, NULL, reader);
    if (pthread_create(&reader->thread, NULL, run, reader) != 0) {
        viv_log(VIV_LOG_ERROR, "lab", "no thread for the reader", "error=%m");
        viv_lab_loop_close(reader->loop);
        free(reader);
        return VIV_ERR_SYSTEM;
    }
    *out = reader;
    return VIV_OK;
}

void viv_reader_finish(struct viv_reader *reader, struct viv_read_sample **samples, size_t *count)
{
    atomic_store(&reader->stop, true);
    pthread_join(reader->thread, NULL);
    viv_lab_loop_close(reader->loop);
    *samples = reader->samples;
    *count = reader->count;
    free(reader);
}
