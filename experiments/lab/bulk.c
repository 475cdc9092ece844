#include "experiments/lab/bulk.h"

#include <stdlib.h>

#include "base/assert.h"

enum { IN_FLIGHT_MAX = 500, SESSION_TIMEOUT_MS = 30000, CONNECT_TIMEOUT_MS = 2000, RETRY_MS = 5, CLOSE_MS = 500 };
#define TURN_NS UINT64_C(10000000)

struct viv_bulk {
    struct viv_client_address server;
    struct viv_lab_loop *loop;
    struct viv_lab_client *client;
    struct viv_interrupt *interrupt;
    uint64_t until_ns;
    bool lost; /* the connection went after it had been there: what was in flight has no known fate */
};

static viv_status turn(struct viv_bulk *bulk)
{
    VIV_TRY(viv_interrupt_wait(bulk->interrupt, 0));
    uint64_t now_ns = viv_client_now_ns();
    if (now_ns >= bulk->until_ns) {
        return VIV_ERR_BUSY;
    }
    viv_lab_loop_turn(bulk->loop, now_ns + TURN_NS);
    return VIV_OK;
}

viv_status viv_bulk_open(const struct viv_dialect *dialect, const struct viv_client_address *server,
                         struct viv_interrupt *interrupt, uint64_t until_ns, viv_lab_reply_fn *on_reply, void *ctx,
                         struct viv_bulk **out)
{
    struct viv_bulk *bulk = viv_alloc_zeroed(1, sizeof *bulk);
    bulk->server = *server;
    bulk->interrupt = interrupt;
    bulk->until_ns = until_ns;
    viv_status status = viv_lab_loop_open(dialect, &bulk->loop);
    if (status != VIV_OK) {
        free(bulk);
        return status;
    }
    struct viv_client_options options = {.servers = &bulk->server,
                                         .server_count = 1,
                                         .session_timeout_ms = SESSION_TIMEOUT_MS,
                                         .connect_timeout_ms = CONNECT_TIMEOUT_MS,
                                         .retry_ms = RETRY_MS};
    bulk->client = viv_lab_client_new(bulk->loop, &options, on_reply, NULL, ctx);
    while (status == VIV_OK && viv_lab_client_state(bulk->client) != VIV_CLIENT_READY) {
        status = turn(bulk);
    }
    if (status != VIV_OK) {
        viv_lab_loop_close(bulk->loop);
        free(bulk);
        return status;
    }
    *out = bulk;
    return VIV_OK;
}

void viv_bulk_close(struct viv_bulk *bulk)
{
    uint64_t limit_ns = viv_client_now_ns() + (uint64_t)CLOSE_MS * 1000000;
    if (viv_lab_client_state(bulk->client) == VIV_CLIENT_READY) {
        viv_lab_client_close(bulk->client);
        while (viv_lab_client_state(bulk->client) != VIV_CLIENT_CLOSED && viv_client_now_ns() < limit_ns) {
            viv_lab_loop_turn(bulk->loop, limit_ns);
        }
    }
    viv_lab_loop_close(bulk->loop);
    free(bulk);
}

static viv_status await_in_flight(struct viv_bulk *bulk, size_t in_flight_max)
{
    while (viv_lab_client_state(bulk->client) == VIV_CLIENT_READY &&
           viv_lab_client_in_flight(bulk->client) > in_flight_max) {
        VIV_TRY(turn(bulk));
    }
    bulk->lost = bulk->lost || viv_lab_client_state(bulk->client) != VIV_CLIENT_READY;
    return bulk->lost ? VIV_ERR_BUSY : VIV_OK;
}

viv_status viv_bulk_room(struct viv_bulk *bulk)
{
    return await_in_flight(bulk, IN_FLIGHT_MAX - 1);
}

viv_status viv_bulk_drain(struct viv_bulk *bulk)
{
    return await_in_flight(bulk, 0);
}

struct viv_lab_client *viv_bulk_client(struct viv_bulk *bulk)
{
    return bulk->client;
}
