#include <stdlib.h>

#include "base/assert.h"
#include "experiments/lab/load_internal.h"

/* Of a system without order. */
static void end_write(struct viv_load *load, const struct load_request *request, bool is_lost)
{
    load->is_written[request->key] = false;
    if (is_lost) {
        viv_keyset_stray(load->keyset, request->key, request->number);
    }
}

static void on_reply(void *ctx, struct viv_lab_client *client, const struct viv_client_reply *reply)
{
    struct load_session *session = ctx;
    struct viv_load *load = session->load;
    VIV_ASSERT(reply->token < load->spec.pipeline);
    (void)client;
    struct load_request *request = &session->slots[reply->token];
    if (reply->err == VIV_REPLY_OK && request->number > 0) {
        if (load->spec.op == VIV_LOAD_CREATE) {
            load->keyset->created[request->key] = VIV_CREATED_ACKED;
        } else {
            viv_keyset_acked(load->keyset, request->key, request->number);
        }
    }
    if (load->is_written != NULL && request->number > 0 && load->spec.op != VIV_LOAD_CREATE) {
        end_write(load, request, reply->err == VIV_CLIENT_LOST);
    }
    load_count(load, request, reply);
    session->free_slots[session->free_count++] = (uint32_t)reply->token;
    session->in_flight--;
    load->in_flight--;
    load_session_fill(session);
}

static void on_state(void *ctx, struct viv_lab_client *client, enum viv_client_state state)
{
    struct load_session *session = ctx;
    struct viv_load *load = session->load;
    (void)client;
    session->up = state == VIV_CLIENT_READY;
    load->result.expired += state == VIV_CLIENT_EXPIRED;
    if (session->up && load->phase != LOAD_CONNECTING) {
        load->result.reconnects++;
        load_session_fill(session);
    }
}

void load_session_open(struct viv_load *load, uint32_t index)
{
    struct load_session *session = &load->sessions[index];
    session->load = load;
    session->index = index;
    session->slots = viv_alloc_zeroed(load->spec.pipeline, sizeof *session->slots);
    session->free_slots = viv_alloc(load->spec.pipeline * sizeof *session->free_slots);
    for (uint32_t i = 0; i < load->spec.pipeline; i++) {
        session->free_slots[session->free_count++] = i;
    }
    bool fixed = load->spec.attach >= 0;
    struct viv_client_options options = {
        .servers = fixed ? load->servers + load->spec.attach : load->servers,
        .server_count = fixed ? 1 : load->server_count,
        .first_server = fixed ? 0 : index % load->server_count,
        .session_timeout_ms = load->spec.session_timeout_ms,
        .connect_timeout_ms = VIV_LOAD_CONNECT_TIMEOUT_MS,
        .reattach_timeout_ms = VIV_LOAD_REATTACH_TIMEOUT_MS,
        .retry_ms = VIV_LOAD_RETRY_MS,
    };
    session->client = viv_lab_client_new(load->loop, &options, on_reply, on_state, session);
}

void load_session_fini(struct load_session *session)
{
    free(session->slots);
    free(session->free_slots);
    free(session->due);
}

void load_session_plan(struct load_session *session, uint64_t due_ns)
{
    if (session->due_count == session->due_capacity) {
        size_t capacity = session->due_capacity == 0 ? 64 : session->due_capacity * 2;
        uint64_t *due = viv_alloc(capacity * sizeof *due);
        for (size_t i = 0; i < session->due_count; i++) {
            due[i] = session->due[(session->due_head + i) & (session->due_capacity - 1)];
        }
        free(session->due);
        session->due = due;
        session->due_head = 0;
        session->due_capacity = capacity;
    }
    session->due[(session->due_head + session->due_count) & (session->due_capacity - 1)] = due_ns;
    session->due_count++;
}

/* Sessions own the keys whose number is theirs modulo the number of sessions. */
static uint32_t owned_keys(const struct load_session *session)
{
    const struct viv_load *load = session->load;
    return (load->keyset->key_count - session->index + load->spec.clients - 1) / load->spec.clients;
}

static uint32_t pick_key(struct load_session *session, bool read)
{
    struct viv_load *load = session->load;
    uint32_t owned = owned_keys(session);
    uint32_t chosen = (uint32_t)viv_rng_below(&load->rng, owned);
    while (!read && load->is_written != NULL && load->is_written[session->index + load->spec.clients * chosen]) {
        chosen = (chosen + 1) % owned; /* may_send saw to it that there is one */
    }
    return session->index + load->spec.clients * chosen;
}

static bool may_send(const struct load_session *session)
{
    return session->free_count > 0 && (session->load->is_written == NULL || session->in_flight < owned_keys(session));
}

static void send_create(struct load_session *session, struct load_request *request, uint32_t slot)
{
    char path[VIV_KEYSET_PATH_BYTES_MAX];
    struct viv_keyset *keyset = session->load->keyset;
    request->key = viv_keyset_create(keyset);
    request->number = 1;
    viv_lab_client_request(session->client, slot, VIV_OP_CREATE, viv_keyset_created_path(request->key, path),
                           viv_keyset_value(keyset, 1));
}

static void send_one(struct load_session *session, uint64_t due_ns)
{
    struct viv_load *load = session->load;
    uint32_t slot = session->free_slots[--session->free_count];
    struct load_request *request = &session->slots[slot];
    *request = (struct load_request){.due_ns = due_ns};
    bool read = load->spec.op == VIV_LOAD_GET ||
                (load->spec.op == VIV_LOAD_MIXED && viv_rng_below(&load->rng, 100) < load->spec.read_percent);
    if (load->spec.op == VIV_LOAD_CREATE) {
        send_create(session, request, slot);
    } else {
        char path[VIV_KEYSET_PATH_BYTES_MAX];
        request->key = pick_key(session, read);
        if (read) {
            viv_lab_client_request(session->client, slot, VIV_OP_GET_DATA, viv_keyset_path(request->key, path),
                                   (struct viv_bytes){0});
        } else {
            request->number = viv_keyset_next(load->keyset, request->key);
            if (load->is_written != NULL) {
                load->is_written[request->key] = true;
            }
            viv_lab_client_request(session->client, slot, VIV_OP_SET_DATA, viv_keyset_path(request->key, path),
                                   viv_keyset_value(load->keyset, request->number));
        }
    }
    session->in_flight++;
    load->in_flight++;
}

static void fill_open(struct load_session *session)
{
    while (session->due_count > 0 && may_send(session)) {
        uint64_t due_ns = session->due[session->due_head];
        session->due_head = (session->due_head + 1) & (session->due_capacity - 1);
        session->due_count--;
        send_one(session, due_ns);
    }
}

void load_session_fill(struct load_session *session)
{
    struct viv_load *load = session->load;
    if (!session->up || viv_lab_client_state(session->client) != VIV_CLIENT_READY) {
        return;
    }
    if (load->spec.rate_per_s > 0) {
        fill_open(session); /* what was due is sent even when the measurement is over: its delay counts */
        return;
    }
    if (load->phase != LOAD_WARMUP && load->phase != LOAD_MEASURE) {
        return;
    }
    while (may_send(session)) {
        load->result.offered += load->phase == LOAD_MEASURE;
        send_one(session, 0);
    }
}
