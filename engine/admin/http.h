#ifndef VIV_ADMIN_HTTP_H
#define VIV_ADMIN_HTTP_H

#include <uv.h>

#include "admin/report.h"
#include "base/status.h"
#include "security/tls_channel.h"

/* An HTTP port for operators: takes connections, speaks HTTP by libmicrohttpd, asks a handler what to answer, and sends
 * it whole or piece by piece. Everything happens on the loop thread: the library has no thread of its own, its epoll
 * descriptor is one of the loop's. Does not know what is asked.
 *
 * GET and HEAD are let through, and POST where the port's owner wants it. Limits, so that a stranger on this port
 * cannot take what clients need: connections, bytes of a request, silence, and time for a request and for its answer.
 */

enum {
    VIV_HTTP_CONNECTIONS_MAX = 64,
    VIV_HTTP_REQUEST_BYTES_MAX = 32 << 10, /* request line and headers */
    VIV_HTTP_REQUEST_MS_MAX = 60000,       /* from the first byte, or the last answer, to a whole request */
    VIV_HTTP_ARRIVAL_MS_MAX = 10000,       /* to a first byte, and from there to the end of a TLS handshake */
    VIV_HTTP_ANSWER_MS_MAX = 300000,       /* to take an answer */
};

struct viv_http;
struct viv_http_request; /* lives for the call of the handler */

bool viv_http_is_post(const struct viv_http_request *request);

/* "/a/b": decoded, without the query. */
const char *viv_http_path(const struct viv_http_request *request);
/* The value of a query's argument, decoded, or NULL. */
const char *viv_http_argument(const struct viv_http_request *request, const char *name);
typedef void viv_http_argument_fn(void *ctx, const char *value);
/* The same for an argument that may be given more than once. */
void viv_http_arguments(const struct viv_http_request *request, const char *name, viv_http_argument_fn *visit,
                        void *ctx);
/* The address of whoever asks, without port. */
void viv_http_client(const struct viv_http_request *request, char *text, size_t text_bytes);
/* The value of a header, or NULL. */
const char *viv_http_header(const struct viv_http_request *request, const char *name);

enum { VIV_HTTP_HEADERS = 2 };

/* What is answered: `report` in pieces when it is there, `body` otherwise. Both are taken. */
struct viv_http_answer {
    unsigned status;
    const char *type; /* "application/json"; NULL: none */
    struct viv_http_header {
        const char *name; /* NULL: none */
        char value[32];
    } headers[VIV_HTTP_HEADERS];
    const char *size_header; /* a header that tells the size of the body; behind a long one that was not known before */
    struct viv_buffer body;
    struct viv_report *report;
    struct viv_http_work *work; /* NULL: the rest is the answer */
};

/* A request that has a body, or whose answer takes time. The handler makes it, `end` frees it. */
struct viv_http_work {
    /* A part of the body; NULL: it is read and forgotten. */
    void (*take)(struct viv_http_work *work, struct viv_bytes bytes);
    /* The body is whole: fills in the answer, status 200 unless it says another. False: not yet, viv_http_wake will
     * tell when to ask again. */
    bool (*answer)(struct viv_http_work *work, struct viv_http_answer *answer);
    /* The answer was sent, or whoever asked has gone. */
    void (*end)(struct viv_http_work *work);
    void *waiting; /* the port's: the connection, while it was told "not yet" */
};
void viv_http_wake(struct viv_http_work *work);

typedef void viv_http_handler_fn(void *ctx, const struct viv_http_request *request, struct viv_http_answer *answer);

struct viv_http_config {
    uv_loop_t *loop;
    const char *name;    /* in log lines: "admin" */
    const char *address; /* "" = every interface */
    int port;            /* 0: a free one */
    uint64_t idle_ms;
    /* What a connection that begins now uses, also whether clients must show a certificate. NULL: plain only. */
    struct viv_tls_context *(*tls)(void *ctx);
    bool plain_too; /* with tls: both on one port, told apart by the first byte */
    bool takes_posts;
    viv_http_handler_fn *handle; /* as soon as the headers are there */
    void *ctx;
};

/* Binds and listens. 0, or a libuv error. *http must be stopped and freed in either case. */
int viv_http_open(const struct viv_http_config *config, struct viv_http **http);
int viv_http_port(const struct viv_http *http);
bool viv_http_is_loopback(const struct viv_http *http);
/* Closes everything. */
void viv_http_stop(struct viv_http *http);
void viv_http_free(struct viv_http *http); /* after the loop has closed every handle; NULL is nothing */

#endif /* VIV_ADMIN_HTTP_H */
