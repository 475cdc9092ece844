#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include "server/outbox.h"
#include "tests/support/viv_test.h"

/* What waits for a socket goes in parts, whole and in order. */

enum { PART_BYTES = 1000, TOTAL_BYTES = 300000 };

struct world {
    uv_loop_t loop;
    uv_pipe_t pipe;
    struct viv_outbox outbox;
    int other;
    unsigned written;
    size_t most, unsent; /* bytes between two calls; what was unsent at the last one */
};

static void on_written(void *ctx, int status)
{
    struct world *world = ctx;
    cr_assert_eq(status, 0);
    world->written++;
    size_t unsent = viv_outbox_unsent_bytes(&world->outbox);
    world->most = world->unsent - unsent > world->most ? world->unsent - unsent : world->most;
    world->unsent = unsent;
}

static void world_init(struct world *world, size_t part_bytes_max)
{
    uv_os_sock_t ends[2];
    *world = (struct world){0};
    cr_assert_eq(uv_loop_init(&world->loop), 0);
    cr_assert_eq(uv_socketpair(SOCK_STREAM, 0, ends, UV_NONBLOCK_PIPE, UV_NONBLOCK_PIPE), 0);
    cr_assert_eq(uv_pipe_init(&world->loop, &world->pipe, 0), 0);
    cr_assert_eq(uv_pipe_open(&world->pipe, ends[0]), 0);
    world->other = ends[1];
    viv_outbox_init(&world->outbox, (uv_stream_t *)&world->pipe, on_written, world);
    world->outbox.part_bytes_max = part_bytes_max;
}

static void world_fini(struct world *world)
{
    uv_close((uv_handle_t *)&world->pipe, NULL);
    uv_run(&world->loop, UV_RUN_DEFAULT);
    viv_outbox_fini(&world->outbox);
    cr_assert_eq(uv_loop_close(&world->loop), 0);
    close(world->other);
}

static uint8_t byte_at(size_t at)
{
    return (uint8_t)(at * 7 + at / 256);
}

static void add(struct world *world, size_t from, size_t size)
{
    static uint8_t bytes[TOTAL_BYTES];
    for (size_t i = 0; i < size; i++) {
        bytes[i] = byte_at(from + i);
    }
    viv_outbox_add(&world->outbox, viv_bytes_of(bytes, size));
    cr_assert_eq(viv_outbox_flush(&world->outbox), 0);
}

/* Takes all that is there; the bytes so far. */
static size_t take(struct world *world, size_t taken)
{
    uint8_t bytes[4096];
    ssize_t got;
    while ((got = read(world->other, bytes, sizeof bytes)) > 0) {
        for (ssize_t i = 0; i < got; i++) {
            cr_assert_eq(bytes[i], byte_at(taken + (size_t)i));
        }
        taken += (size_t)got;
    }
    return taken;
}

static void send_all(struct world *world)
{
    size_t taken = 0;
    add(world, 0, 2 * (TOTAL_BYTES / 3)); /* more than a socket holds */
    add(world, 2 * (TOTAL_BYTES / 3), TOTAL_BYTES / 3);
    world->unsent = viv_outbox_unsent_bytes(&world->outbox);
    cr_assert_gt(world->unsent, 0);
    while (taken < TOTAL_BYTES) {
        taken = take(world, taken);
        uv_run(&world->loop, UV_RUN_NOWAIT);
        cr_assert_leq(taken + viv_outbox_unsent_bytes(&world->outbox), TOTAL_BYTES);
    }
    cr_assert_eq(viv_outbox_unsent_bytes(&world->outbox), 0);
}

VIV_TEST(server_outbox, what_waits_goes_in_parts_and_in_order)
{
    struct world world;
    world_init(&world, PART_BYTES);
    send_all(&world);
    cr_assert_leq(world.most, 2 * PART_BYTES, "the one that was under way, and the next");
    cr_assert_geq(world.written, 20, "%u", world.written);
    world_fini(&world);
}

VIV_TEST(server_outbox, without_a_bound_it_goes_at_once)
{
    struct world world;
    world_init(&world, 0);
    send_all(&world);
    cr_assert_leq(world.written, 4);
    world_fini(&world);
}
