#include <stdlib.h>

#include "base/assert.h"
#include "experiments/lab/dialect.h"

struct zookeeper_client {
    struct viv_lab_client base;
    struct viv_client *inner;
    struct zookeeper_client *next; /* of the loop's */
};

struct zookeeper_loop {
    struct viv_lab_loop base;
    struct viv_client_loop *inner;
    struct zookeeper_client *clients;
};

static struct viv_client *inner_of(const struct viv_lab_client *client)
{
    return ((const struct zookeeper_client *)client)->inner;
}

static void on_reply(void *ctx, struct viv_client *inner, const struct viv_client_reply *reply)
{
    struct viv_lab_client *client = ctx;
    (void)inner;
    if (client->on_reply != NULL) {
        client->on_reply(client->ctx, client, reply);
    }
}

static void on_state(void *ctx, struct viv_client *inner, enum viv_client_state state)
{
    struct viv_lab_client *client = ctx;
    (void)inner;
    if (client->on_state != NULL) {
        client->on_state(client->ctx, client, state);
    }
}

static viv_status loop_open(struct viv_lab_loop **out)
{
    struct zookeeper_loop *loop = viv_alloc_zeroed(1, sizeof *loop);
    viv_status status = viv_client_loop_open(&loop->inner);
    if (status != VIV_OK) {
        free(loop);
        return status;
    }
    *out = &loop->base;
    return VIV_OK;
}

static void loop_close(struct viv_lab_loop *base)
{
    struct zookeeper_loop *loop = (struct zookeeper_loop *)base;
    viv_client_loop_close(loop->inner);
    while (loop->clients != NULL) {
        struct zookeeper_client *client = loop->clients;
        loop->clients = client->next;
        free(client);
    }
    free(loop);
}

static void loop_turn(struct viv_lab_loop *base, uint64_t until_ns)
{
    viv_client_loop_turn(((struct zookeeper_loop *)base)->inner, until_ns);
}

static struct viv_lab_client *open_client(struct viv_lab_loop *base, const struct viv_client_options *options)
{
    struct zookeeper_loop *loop = (struct zookeeper_loop *)base;
    struct zookeeper_client *client = viv_alloc_zeroed(1, sizeof *client);
    client->inner = viv_client_new(loop->inner, options, on_reply, on_state, client);
    client->next = loop->clients;
    loop->clients = client;
    return &client->base;
}

static void close_client(struct viv_lab_client *client)
{
    viv_client_close(inner_of(client));
}

static enum viv_client_state state(const struct viv_lab_client *client)
{
    return viv_client_state(inner_of(client));
}

static size_t in_flight(const struct viv_lab_client *client)
{
    return viv_client_in_flight(inner_of(client));
}

static void request(struct viv_lab_client *client, uint64_t token, enum viv_op op, struct viv_bytes path,
                    struct viv_bytes data)
{
    struct viv_client *inner = inner_of(client);
    switch (op) {
    case VIV_OP_CREATE:
        viv_client_create(inner, token, path, data, 0);
        return;
    case VIV_OP_SET_DATA:
        viv_client_set_data(inner, token, path, data, -1);
        return;
    case VIV_OP_GET_DATA:
        viv_client_get_data(inner, token, path);
        return;
    case VIV_OP_DELETE:
        viv_client_delete(inner, token, path, -1);
        return;
    case VIV_OP_EXISTS:
        viv_client_exists(inner, token, path);
        return;
    case VIV_OP_SYNC:
        viv_client_sync(inner, token, path);
        return;
    default:
        VIV_ASSERT(false);
    }
}

static struct viv_bytes value(struct viv_bytes body)
{
    struct viv_jute_reader reader = viv_jute_reader_of(body);
    return viv_jute_read_buffer(&reader).bytes;
}

const struct viv_dialect viv_dialect_zookeeper = {true,         loop_open, loop_close, loop_turn, open_client,
                                                  close_client, state,     in_flight,  request,   value};
