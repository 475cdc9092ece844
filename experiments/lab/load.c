#include "experiments/lab/load.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

#include "base/assert.h"
#include "base/log.h"
#include "experiments/lab/load_internal.h"

#define NS_PER_S         UINT64_C(1000000000)
#define CONNECT_LIMIT_NS (30 * NS_PER_S)
#define DRAIN_LIMIT_NS   (20 * NS_PER_S)
#define CLOSE_LIMIT_NS   (NS_PER_S)
#define TURN_NS          UINT64_C(5000000)

const char *viv_load_op_name(enum viv_load_op op)
{
    static const char *const names[] = {"create", "set", "get", "mixed"};
    VIV_ASSERT((size_t)op < sizeof names / sizeof *names);
    return names[op];
}

static uint64_t thread_cpu_ns(void)
{
    struct timespec used;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    return (uint64_t)used.tv_sec * NS_PER_S + (uint64_t)used.tv_nsec;
}

static struct viv_load_second *second_at(struct viv_load_result *result, uint64_t at_ns)
{
    VIV_ASSERT(at_ns >= result->start_ns);
    size_t index = (size_t)((at_ns - result->start_ns) / NS_PER_S);
    while (result->second_count <= index) {
        result->seconds = viv_realloc(result->seconds, (result->second_count + 1) * sizeof *result->seconds);
        struct viv_load_second *fresh = &result->seconds[result->second_count++];
        *fresh = (struct viv_load_second){0};
        viv_histogram_init(&fresh->reads);
        viv_histogram_init(&fresh->writes);
    }
    return &result->seconds[index];
}

static void count_tenth(struct viv_load_result *result, uint64_t now_ns)
{
    size_t index = (size_t)((now_ns - result->start_ns) / VIV_LOAD_TENTH_NS);
    if (index >= result->tenth_capacity) {
        size_t capacity = index < 64 ? 128 : index * 2;
        result->tenths = viv_realloc(result->tenths, capacity * sizeof *result->tenths);
        memset(result->tenths + result->tenth_capacity, 0,
               (capacity - result->tenth_capacity) * sizeof *result->tenths);
        result->tenth_capacity = capacity;
    }
    result->tenths[index]++;
    result->tenth_count = index >= result->tenth_count ? index + 1 : result->tenth_count;
}

static void look_for_mark(struct viv_load *load, const struct viv_client_reply *reply)
{
    uint64_t mark_ns = atomic_load_explicit(&load->mark_ns, memory_order_acquire);
    if (mark_ns != 0 && reply->sent_ns >= mark_ns && atomic_load(&load->first_ack_ns) == 0) {
        atomic_store(&load->first_ack_ns, reply->now_ns);
    }
}

static void measure_silence(struct viv_load *load, uint64_t now_ns)
{
    uint64_t from_ns = atomic_load_explicit(&load->silence_from_ns, memory_order_acquire);
    if (from_ns == 0 || now_ns < from_ns) {
        return;
    }
    uint64_t since_ns = load->last_ack_ns != 0 ? load->last_ack_ns : from_ns;
    uint64_t silence_ns = now_ns - since_ns;
    load->result.silence_ns = silence_ns > load->result.silence_ns ? silence_ns : load->result.silence_ns;
    load->last_ack_ns = now_ns;
}

/* Which moment puts a request into a second of the measurement: open loops go by the due time, because what was due
 * in a stall belongs to the stall. */
void load_count(struct viv_load *load, const struct load_request *request, const struct viv_client_reply *reply)
{
    struct viv_load_result *result = &load->result;
    bool ok = reply->err == VIV_REPLY_OK;
    bool open = load->spec.rate_per_s > 0;
    if (ok && request->number > 0) {
        look_for_mark(load, reply);
        measure_silence(load, reply->now_ns);
    }
    if (load->phase < LOAD_MEASURE) {
        return;
    }
    uint64_t now_ns = reply->now_ns;
    uint64_t from_ns = open && !load->spec.omit_coordinated ? request->due_ns : reply->sent_ns;
    uint64_t at_ns = open ? request->due_ns : now_ns;
    uint64_t end_ns = load->phase == LOAD_MEASURE ? load->phase_end_ns : result->end_ns;
    bool within = now_ns >= result->start_ns && now_ns < end_ns;
    if (at_ns >= result->start_ns && at_ns < end_ns) {
        struct viv_load_second *second = second_at(result, at_ns);
        if (ok) {
            struct viv_histogram *latencies = request->number > 0 ? &second->writes : &second->reads;
            viv_histogram_record(latencies, now_ns > from_ns ? (now_ns - from_ns + 500) / 1000 : 0);
        }
    }
    if (!within) {
        return;
    }
    struct viv_load_second *second = second_at(result, now_ns);
    second->ok += ok;
    second->gets += ok && request->number == 0;
    second->lost += reply->err == VIV_CLIENT_LOST;
    second->errors += !ok && reply->err != VIV_CLIENT_LOST;
    result->ok += ok;
    result->lost += reply->err == VIV_CLIENT_LOST;
    result->errors += !ok && reply->err != VIV_CLIENT_LOST;
    if (!ok && reply->err != VIV_CLIENT_LOST && result->first_error == 0) {
        result->first_error = reply->err;
    }
    if (ok) {
        count_tenth(result, now_ns);
    }
}

static bool all_up(const struct viv_load *load)
{
    for (uint32_t i = 0; i < load->spec.clients; i++) {
        if (!load->sessions[i].up) {
            return false;
        }
    }
    return true;
}

static void fill_all(struct viv_load *load)
{
    for (uint32_t i = 0; i < load->spec.clients; i++) {
        load_session_fill(&load->sessions[i]);
    }
}

static uint64_t interval_ns(struct viv_load *load)
{
    double mean_ns = (double)NS_PER_S / load->spec.rate_per_s;
    if (load->spec.arrivals == VIV_LOAD_CONSTANT) {
        return (uint64_t)mean_ns;
    }
    double uniform = (double)(viv_rng_next(&load->rng) >> 11) * 0x1p-53;
    return (uint64_t)(-log1p(-uniform) * mean_ns);
}

/* Open loop: hands the arrivals that are due by now to the sessions in turn. */
static void plan_arrivals(struct viv_load *load, uint64_t now_ns)
{
    bool busy = load->spec.omit_coordinated && load->in_flight > 0;
    while (load->next_due_ns <= now_ns && load->next_due_ns < load->phase_end_ns) {
        struct load_session *session = &load->sessions[load->next_session];
        load->next_session = (load->next_session + 1) % load->spec.clients;
        if (!busy) {
            load->result.offered += load->phase == LOAD_MEASURE;
            load_session_plan(session, load->next_due_ns);
            load_session_fill(session);
            busy = load->spec.omit_coordinated;
        }
        load->next_due_ns += interval_ns(load);
    }
}

static void enter_measure(struct viv_load *load, uint64_t now_ns)
{
    load->phase = LOAD_MEASURE;
    load->phase_end_ns = load->spec.measure_ns == 0 ? UINT64_MAX : now_ns + load->spec.measure_ns;
    load->result.start_ns = now_ns;
    load->cpu_start_ns = thread_cpu_ns();
    atomic_store(&load->started_ns, now_ns);
}

static void leave_measure(struct viv_load *load, uint64_t now_ns)
{
    load->result.end_ns = now_ns < load->phase_end_ns ? now_ns : load->phase_end_ns;
    load->result.client_cpu_ns = thread_cpu_ns() - load->cpu_start_ns;
    atomic_store(&load->ended_ns, load->result.end_ns);
    load->phase = LOAD_DRAIN;
    load->phase_end_ns = now_ns + DRAIN_LIMIT_NS;
}

static uint64_t waiting_to_be_sent(const struct viv_load *load)
{
    uint64_t count = 0;
    for (uint32_t i = 0; i < load->spec.clients; i++) {
        count += load->sessions[i].due_count;
    }
    return count;
}

static void step_phase(struct viv_load *load, uint64_t now_ns)
{
    bool stop = atomic_load_explicit(&load->stop, memory_order_relaxed);
    switch (load->phase) {
    case LOAD_CONNECTING:
        if (all_up(load)) {
            load->result.all_connected = true;
            load->phase = LOAD_WARMUP;
            load->phase_end_ns = now_ns + load->spec.warmup_ns;
            load->next_due_ns = now_ns;
            fill_all(load);
        } else if (now_ns >= load->phase_end_ns || stop) {
            load->phase = LOAD_DONE;
        }
        break;
    case LOAD_WARMUP:
        if (now_ns >= load->phase_end_ns) {
            enter_measure(load, load->phase_end_ns);
        }
        break;
    case LOAD_MEASURE:
        if (now_ns >= load->phase_end_ns || stop || (load->spec.ops_max > 0 && load->result.ok >= load->spec.ops_max)) {
            leave_measure(load, now_ns);
        }
        break;
    case LOAD_DRAIN:
        if ((load->in_flight == 0 && waiting_to_be_sent(load) == 0) || now_ns >= load->phase_end_ns) {
            load->phase = LOAD_DONE;
        }
        break;
    case LOAD_DONE:
        break;
    }
}

/* Sessions are closed in earnest: left to expire, they would disturb the next step. */
static void close_sessions(struct viv_load *load)
{
    for (uint32_t i = 0; i < load->spec.clients; i++) {
        viv_lab_client_close(load->sessions[i].client);
    }
    uint64_t limit_ns = viv_client_now_ns() + CLOSE_LIMIT_NS;
    bool open = true;
    while (open && viv_client_now_ns() < limit_ns) {
        viv_lab_loop_turn(load->loop, limit_ns);
        open = false;
        for (uint32_t i = 0; i < load->spec.clients; i++) {
            open = open || viv_lab_client_state(load->sessions[i].client) != VIV_CLIENT_CLOSED;
        }
    }
}

static void *run(void *ctx)
{
    struct viv_load *load = ctx;
    prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0); /* due times are kept to the microsecond, not to the default 50 us */
    for (uint32_t i = 0; i < load->spec.clients; i++) {
        load_session_open(load, i);
    }
    load->phase_end_ns = viv_client_now_ns() + CONNECT_LIMIT_NS;
    while (load->phase != LOAD_DONE) {
        uint64_t now_ns = viv_client_now_ns();
        uint64_t until_ns = now_ns + TURN_NS < load->phase_end_ns ? now_ns + TURN_NS : load->phase_end_ns;
        bool running = load->phase == LOAD_WARMUP || load->phase == LOAD_MEASURE;
        if (load->spec.rate_per_s > 0 && running) {
            plan_arrivals(load, now_ns);
            until_ns = load->next_due_ns < until_ns ? load->next_due_ns : until_ns;
        }
        viv_lab_loop_turn(load->loop, until_ns);
        now_ns = viv_client_now_ns();
        if (load->spec.rate_per_s > 0 && running) {
            plan_arrivals(load, now_ns); /* what came due in a turn that ended late still belongs to its phase */
        }
        step_phase(load, now_ns);
    }
    close_sessions(load);
    atomic_store(&load->done, true);
    return NULL;
}

viv_status viv_load_start(const struct viv_load_spec *spec, const struct viv_client_address *servers,
                          size_t server_count, struct viv_keyset *keyset, struct viv_load **out)
{
    VIV_ASSERT(spec->clients > 0 && spec->pipeline > 0);
    VIV_ASSERT(keyset->key_count >= spec->clients);
    struct viv_load *load = viv_alloc_zeroed(1, sizeof *load);
    load->spec = *spec;
    load->servers = servers;
    load->server_count = server_count;
    load->keyset = keyset;
    load->is_written = spec->dialect->keeps_order ? NULL : viv_alloc_zeroed(keyset->key_count, sizeof(bool));
    viv_rng_init(&load->rng, spec->seed);
    viv_status status = viv_lab_loop_open(spec->dialect, &load->loop);
    if (status == VIV_OK) {
        load->sessions = viv_alloc_zeroed(spec->clients, sizeof *load->sessions);
        if (pthread_create(&load->thread, NULL, run, load) == 0) {
            *out = load;
            return VIV_OK;
        }
        viv_log(VIV_LOG_ERROR, "lab", "no thread for the load generator", "error=%m");
        viv_lab_loop_close(load->loop);
        free(load->sessions);
        status = VIV_ERR_SYSTEM;
    }
    free(load->is_written);
    free(load);
    return status;
}

uint64_t viv_load_started_ns(const struct viv_load *load)
{
    return atomic_load(&load->started_ns);
}

uint64_t viv_load_ended_ns(const struct viv_load *load)
{
    return atomic_load(&load->ended_ns);
}

bool viv_load_is_done(const struct viv_load *load)
{
    return atomic_load(&load->done);
}

void viv_load_mark(struct viv_load *load, uint64_t at_ns)
{
    atomic_store(&load->first_ack_ns, 0);
    atomic_store_explicit(&load->mark_ns, at_ns, memory_order_release);
}

uint64_t viv_load_first_ack_ns(const struct viv_load *load)
{
    return atomic_load(&load->first_ack_ns);
}

void viv_load_watch_silence(struct viv_load *load, uint64_t at_ns)
{
    atomic_store_explicit(&load->silence_from_ns, at_ns, memory_order_release);
}

void viv_load_stop(struct viv_load *load)
{
    atomic_store(&load->stop, true);
}

/* What is still under way when the load ends is never answered. */
static void give_up_writes(struct viv_load *load)
{
    for (uint32_t key = 0; load->is_written != NULL && key < load->keyset->key_count; key++) {
        if (load->is_written[key]) {
            viv_keyset_stray(load->keyset, key, load->keyset->keys[key].sent);
        }
    }
    free(load->is_written);
}

void viv_load_finish(struct viv_load *load, struct viv_load_result *result)
{
    pthread_join(load->thread, NULL);
    viv_lab_loop_close(load->loop);
    for (uint32_t i = 0; i < load->spec.clients; i++) {
        load_session_fini(&load->sessions[i]);
    }
    free(load->sessions);
    give_up_writes(load);
    *result = load->result;
    free(load);
}

void viv_load_result_fini(struct viv_load_result *result)
{
    for (size_t i = 0; i < result->second_count; i++) {
        viv_histogram_fini(&result->seconds[i].reads);
        viv_histogram_fini(&result->seconds[i].writes);
    }
    free(result->seconds);
    free(result->tenths);
    *result = (struct viv_load_result){0};
}

void viv_load_merge_latencies(const struct viv_load_result *result, struct viv_histogram *into)
{
    for (size_t i = 0; i < result->second_count; i++) {
        viv_histogram_merge(into, &result->seconds[i].reads);
        viv_histogram_merge(into, &result->seconds[i].writes);
    }
}
