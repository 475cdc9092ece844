#include <netdb.h>
#include <stdlib.h>
#include <string.h>

#include "server/address.h"
#include "tests/support/viv_test.h"

/* Dials by name. The names are the test's own: libuv finds these functions before the system's. */

static unsigned resolved;
static uint32_t told[3]; /* addresses, host order; 0 ends */

int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **found)
{
    (void)node;
    (void)hints;
    struct addrinfo **end = found;
    resolved++;
    *found = NULL;
    for (size_t i = 0; i < 3 && told[i] != 0; i++) {
        struct sockaddr_in *address = calloc(1, sizeof *address);
        address->sin_family = AF_INET;
        address->sin_port = htons((uint16_t)atoi(service));
        address->sin_addr.s_addr = htonl(told[i]);
        *end = calloc(1, sizeof **end);
        (*end)->ai_family = AF_INET;
        (*end)->ai_socktype = SOCK_STREAM;
        (*end)->ai_addr = (struct sockaddr *)address;
        (*end)->ai_addrlen = sizeof *address;
        end = &(*end)->ai_next;
    }
    return *found == NULL ? EAI_NONAME : 0;
}

void freeaddrinfo(struct addrinfo *found)
{
    while (found != NULL) {
        struct addrinfo *next = found->ai_next;
        free(found->ai_addr);
        free(found);
        found = next;
    }
}

static void on_connection(uv_stream_t *listener, int status)
{
    (void)listener;
    (void)status;
}

static void on_done(void *ctx, int status)
{
    *(int *)ctx = status;
}

/* The status of one dial to a listener on 127.0.0.1. */
static int dial(uint64_t timeout_ms)
{
    uv_loop_t loop;
    uv_tcp_t listener, handle;
    struct viv_dial dial;
    int status = 1;
    cr_assert_eq(uv_loop_init(&loop), 0);
    cr_assert_eq(viv_address_bind(&loop, &listener, "127.0.0.1", 0), 0);
    cr_assert_eq(uv_listen((uv_stream_t *)&listener, 1, on_connection), 0);
    viv_dial_start(&dial, &loop, &handle, "a-name", viv_address_local_port(&listener), timeout_ms, on_done, &status);
    while (status == 1) {
        uv_run(&loop, UV_RUN_ONCE);
    }
    if (status == 0) {
        uv_close((uv_handle_t *)&handle, NULL);
    }
    uv_close((uv_handle_t *)&listener, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    cr_assert_eq(uv_loop_close(&loop), 0);
    return status;
}

enum { SELF = INADDR_LOOPBACK, NOBODY = INADDR_LOOPBACK + 1 };

VIV_TEST(server_dial, every_address_of_a_name_is_tried)
{
    memcpy(told, (uint32_t[]){NOBODY, NOBODY, SELF}, sizeof told);
    cr_assert_eq(dial(5000), 0);
    memcpy(told, (uint32_t[]){NOBODY, NOBODY, 0}, sizeof told);
    cr_assert_eq(dial(5000), UV_ECONNREFUSED);
    memset(told, 0, sizeof told);
    cr_assert_lt(dial(5000), 0);
}

VIV_TEST(server_dial, a_name_is_resolved_at_every_dial)
{
    resolved = 0;
    memcpy(told, (uint32_t[]){NOBODY, 0, 0}, sizeof told);
    cr_assert_eq(dial(5000), UV_ECONNREFUSED);
    told[0] = SELF; /* it has moved */
    cr_assert_eq(dial(5000), 0);
    cr_assert_eq(resolved, 2);
}
