#include "experiments/lab/dialect.h"

viv_status viv_lab_loop_open(const struct viv_dialect *dialect, struct viv_lab_loop **out)
{
    VIV_TRY(dialect->loop_open(out));
    (*out)->dialect = dialect;
    return VIV_OK;
}

void viv_lab_loop_close(struct viv_lab_loop *loop)
{
    loop->dialect->loop_close(loop);
}

void viv_lab_loop_turn(struct viv_lab_loop *loop, uint64_t until_ns)
{
    loop->dialect->loop_turn(loop, until_ns);
}

struct viv_lab_client *viv_lab_client_new(struct viv_lab_loop *loop, const struct viv_client_options *options,
                                          viv_lab_reply_fn *on_reply, viv_lab_state_fn *on_state, void *ctx)
{
    struct viv_lab_client *client = loop->dialect->open(loop, options);
    *client = (struct viv_lab_client){loop->dialect, on_reply, on_state, ctx};
    return client;
}

void viv_lab_client_close(struct viv_lab_client *client)
{
    client->dialect->close(client);
}

enum viv_client_state viv_lab_client_state(const struct viv_lab_client *client)
{
    return client->dialect->state(client);
}

size_t viv_lab_client_in_flight(const struct viv_lab_client *client)
{
    return client->dialect->in_flight(client);
}

void viv_lab_client_request(struct viv_lab_client *client, uint64_t token, enum viv_op op, struct viv_bytes path,
                            struct viv_bytes data)
{
    client->dialect->request(client, token, op, path, data);
}

struct viv_bytes viv_lab_client_value(const struct viv_lab_client *client, struct viv_bytes body)
{
    return client->dialect->value(body);
}
