#include <errno.h>
#include <inttypes.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "admin/http_internal.h"
#include "base/assert.h"
#include "base/log.h"

enum {
    BLOCK_BYTES = 32 << 10,
    WHOLE_BYTES_MAX = 64 << 10, /* a longer answer is sent in pieces */
    EMPTY_PIECES_MAX = 4,
    /* Between two runs of the library that has more to do at once, which it also has for as long as a TLS record is not
     * whole. A timer of 0 that starts itself again would run until it has not: nothing else of the loop, which serves
     * clients, runs between timers that are due. */
    BREATH_MS = 1,
};

/* ---- the loop ---- */

static void run(struct viv_http_daemon *daemon);

static void on_ready(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    run(poll->data);
}

static void on_timer(uv_timer_t *timer)
{
    run(timer->data);
}

static void run(struct viv_http_daemon *daemon)
{
    (void)MHD_run(daemon->mhd);
    MHD_UNSIGNED_LONG_LONG wait_ms;
    if (MHD_get_timeout(daemon->mhd, &wait_ms) == MHD_YES) {
        uv_timer_start(&daemon->timer, on_timer, wait_ms > BREATH_MS ? wait_ms : BREATH_MS, 0);
    } else {
        uv_timer_stop(&daemon->timer);
    }
}

/* ---- visitors ---- */

static void note_visitor(void *ctx, struct MHD_Connection *connection, void **socket_context,
                         enum MHD_ConnectionNotificationCode code)
{
    struct viv_http_daemon *daemon = ctx;
    struct viv_http_visitor *visitor = *socket_context;
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        visitor = viv_alloc_zeroed(1, sizeof *visitor);
        visitor->daemon = daemon;
        visitor->fd = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
        visitor->since_ms = uv_now(daemon->http->config.loop);
        visitor->next = daemon->visitors;
        visitor->previous = &daemon->visitors;
        if (visitor->next != NULL) {
            visitor->next->previous = &visitor->next;
        }
        daemon->visitors = visitor;
        *socket_context = visitor;
    } else if (visitor != NULL) {
        *visitor->previous = visitor->next;
        if (visitor->next != NULL) {
            visitor->next->previous = visitor->previous;
        }
        free(visitor);
        *socket_context = NULL;
    }
}

static struct viv_http_visitor *visitor_of(struct MHD_Connection *connection)
{
    return MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
}

static void set_asking(struct MHD_Connection *connection, bool is_asking, struct viv_http_work *work)
{
    struct viv_http_visitor *visitor = visitor_of(connection);
    if (visitor != NULL) {
        visitor->is_asking = is_asking;
        visitor->work = work;
        visitor->since_ms = uv_now(visitor->daemon->http->config.loop);
    }
}

static void on_completed(void *ctx, struct MHD_Connection *connection, void **state,
                         enum MHD_RequestTerminationCode code)
{
    (void)ctx;
    (void)code;
    struct viv_http_answer *answer = *state;
    set_asking(connection, false, NULL);
    if (answer != NULL) { /* what is in it was not sent */
        if (answer->work != NULL) {
            answer->work->end(answer->work);
        }
        viv_report_free(answer->report);
        viv_buffer_fini(&answer->body);
        free(answer);
    }
}

void viv_http_daemon_patrol(struct viv_http_daemon *daemon)
{
    uint64_t now_ms = daemon->visitors != NULL ? uv_now(daemon->http->config.loop) : 0;
    for (struct viv_http_visitor *visitor = daemon->visitors; visitor != NULL; visitor = visitor->next) {
        uint64_t limit_ms = visitor->is_asking ? VIV_HTTP_ANSWER_MS_MAX : VIV_HTTP_REQUEST_MS_MAX;
        if (now_ms >= visitor->since_ms + limit_ms && !visitor->is_turned_out) {
            visitor->is_turned_out = true;
            shutdown(visitor->fd, SHUT_RDWR); /* the library notices, and closes */
        }
    }
}

/* ---- requests ---- */

struct viv_http_request {
    struct MHD_Connection *connection;
    const char *path;
    bool is_post;
};

bool viv_http_is_post(const struct viv_http_request *request)
{
    return request->is_post;
}

const char *viv_http_path(const struct viv_http_request *request)
{
    return request->path;
}

const char *viv_http_argument(const struct viv_http_request *request, const char *name)
{
    return MHD_lookup_connection_value(request->connection, MHD_GET_ARGUMENT_KIND, name);
}

struct argument_visit {
    const char *name;
    viv_http_argument_fn *visit;
    void *ctx;
};

static enum MHD_Result visit_argument(void *ctx, enum MHD_ValueKind kind, const char *name, const char *value)
{
    const struct argument_visit *visit = ctx;
    (void)kind;
    if (value != NULL && strcmp(name, visit->name) == 0) {
        visit->visit(visit->ctx, value);
    }
    return MHD_YES;
}

void viv_http_arguments(const struct viv_http_request *request, const char *name, viv_http_argument_fn *visit,
                        void *ctx)
{
    struct argument_visit wanted = {name, visit, ctx};
    (void)MHD_get_connection_values(request->connection, MHD_GET_ARGUMENT_KIND, visit_argument, &wanted);
}

void viv_http_client(const struct viv_http_request *request, char *text, size_t text_bytes)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    const struct sockaddr *address = info != NULL ? info->client_addr : NULL;
    socklen_t size =
        address != NULL && address->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
    if (address == NULL || getnameinfo(address, size, text, (socklen_t)text_bytes, NULL, 0, NI_NUMERICHOST) != 0) {
        snprintf(text, text_bytes, "unknown");
    }
    if (strncmp(text, "::ffff:", strlen("::ffff:")) == 0) {
        memmove(text, text + strlen("::ffff:"), strlen(text) - strlen("::ffff:") + 1);
    }
}

const char *viv_http_header(const struct viv_http_request *request, const char *name)
{
    return MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, name);
}

/* ---- answers ---- */

/* An answer that is still being made: what was made last, then the rest. */
struct pieces {
    struct viv_report *report; /* NULL: nothing follows */
    struct viv_buffer made;
    size_t used;
    uint64_t sent;
    bool is_broken;
    const char *size_header;
    struct MHD_Response *response;
};

static void make_piece(struct pieces *pieces)
{
    if (!viv_report_next(pieces->report, &pieces->made)) {
        pieces->is_broken = pieces->report->is_broken;
        viv_report_free(pieces->report);
        pieces->report = NULL;
    }
}

static void tell_size(struct MHD_Response *response, const char *header, uint64_t size, bool is_behind)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRIu64, size);
    if (is_behind) {
        (void)MHD_add_response_footer(response, header, text);
    } else {
        (void)MHD_add_response_header(response, header, text);
    }
}

/* Whoever takes half of it must notice. */
static ssize_t end_pieces(struct pieces *pieces)
{
    if (pieces->is_broken) {
        return MHD_CONTENT_READER_END_WITH_ERROR;
    }
    if (pieces->size_header != NULL) {
        tell_size(pieces->response, pieces->size_header, pieces->sent, true);
    }
    return MHD_CONTENT_READER_END_OF_STREAM;
}

/* A blank stands for "not yet": the library would ask again and again without sleeping, and JSON allows it. */
static ssize_t read_pieces(void *ctx, uint64_t position, char *block, size_t most)
{
    struct pieces *pieces = ctx;
    (void)position;
    if (pieces->used == pieces->made.size) {
        viv_buffer_clear(&pieces->made);
        pieces->used = 0;
        for (unsigned i = 0; i < EMPTY_PIECES_MAX && pieces->report != NULL && pieces->made.size == 0; i++) {
            make_piece(pieces);
        }
        if (pieces->made.size == 0 && pieces->report == NULL) {
            return end_pieces(pieces);
        }
        if (pieces->made.size == 0) {
            viv_buffer_append(&pieces->made, " ", 1);
        }
    }
    size_t size = pieces->made.size - pieces->used;
    size = size < most ? size : most;
    memcpy(block, pieces->made.data + pieces->used, size);
    pieces->used += size;
    pieces->sent += size;
    return (ssize_t)size;
}

static void free_pieces(void *ctx)
{
    struct pieces *pieces = ctx;
    viv_report_free(pieces->report);
    viv_buffer_fini(&pieces->made);
    free(pieces);
}

static struct MHD_Response *respond_in_pieces(struct viv_report *report, const char *size_header)
{
    struct pieces *pieces = viv_alloc_zeroed(1, sizeof *pieces);
    pieces->report = report;
    pieces->size_header = size_header;
    for (unsigned i = 0; i < EMPTY_PIECES_MAX && pieces->report != NULL && pieces->made.size < WHOLE_BYTES_MAX; i++) {
        make_piece(pieces);
    }
    if (pieces->report != NULL) {
        pieces->response =
            MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK_BYTES, read_pieces, pieces, free_pieces);
        return pieces->response;
    }
    struct MHD_Response *response =
        MHD_create_response_from_buffer(pieces->made.size, pieces->made.data, MHD_RESPMEM_MUST_FREE);
    if (size_header != NULL) {
        tell_size(response, size_header, pieces->made.size, false);
    }
    pieces->made = (struct viv_buffer){0};
    free_pieces(pieces);
    return response;
}

static enum MHD_Result send_answer(struct MHD_Connection *connection, struct viv_http_answer *answer)
{
    struct MHD_Response *response =
        answer->report != NULL
            ? respond_in_pieces(answer->report, answer->size_header)
            : MHD_create_response_from_buffer(answer->body.size, answer->body.data, MHD_RESPMEM_MUST_FREE);
    VIV_ASSERT(response != NULL);
    if (answer->type != NULL) {
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, answer->type);
    }
    for (size_t i = 0; i < VIV_HTTP_HEADERS && answer->headers[i].name != NULL; i++) {
        MHD_add_response_header(response, answer->headers[i].name, answer->headers[i].value);
    }
    answer->report = NULL;
    answer->body = (struct viv_buffer){0};
    enum MHD_Result result = MHD_queue_response(connection, answer->status, response);
    MHD_destroy_response(response);
    return result;
}

/* The answer, as far as it is known when the headers are there. */
static struct viv_http_answer *hear(struct viv_http_daemon *daemon, struct MHD_Connection *connection, const char *path,
                                    const char *method)
{
    const struct viv_http_config *config = &daemon->http->config;
    struct viv_http_answer *answer = viv_alloc_zeroed(1, sizeof *answer);
    bool is_post = config->takes_posts && strcmp(method, MHD_HTTP_METHOD_POST) == 0;
    answer->status = MHD_HTTP_OK;
    if (is_post || strcmp(method, MHD_HTTP_METHOD_GET) == 0 || strcmp(method, MHD_HTTP_METHOD_HEAD) == 0) {
        struct viv_http_request request = {connection, path, is_post};
        config->handle(config->ctx, &request, answer);
    } else {
        answer->status = strcmp(method, MHD_HTTP_METHOD_TRACE) == 0 ? MHD_HTTP_FORBIDDEN : MHD_HTTP_METHOD_NOT_ALLOWED;
    }
    set_asking(connection, true, answer->work);
    return answer;
}

/* Called when the headers are there, then for each part of a body, then at the end, and again when work that was not
 * done then is; a body that nobody wants is read and forgotten. */
static enum MHD_Result on_request(void *ctx, struct MHD_Connection *connection, const char *path, const char *method,
                                  const char *version, const char *upload, size_t *upload_bytes, void **state)
{
    (void)version;
    if (*state == NULL) {
        *state = hear(ctx, connection, path, method);
        return MHD_YES;
    }
    struct viv_http_answer *answer = *state;
    struct viv_http_work *work = answer->work;
    if (*upload_bytes > 0) {
        if (work != NULL && work->take != NULL) {
            work->take(work, viv_bytes_of(upload, *upload_bytes));
        }
        *upload_bytes = 0;
        return MHD_YES;
    }
    if (work != NULL && !work->answer(work, answer)) {
        work->waiting = connection;
        MHD_suspend_connection(connection);
        return MHD_YES;
    }
    return send_answer(connection, answer);
}

void viv_http_wake(struct viv_http_work *work)
{
    struct MHD_Connection *connection = work->waiting;
    if (connection != NULL) {
        work->waiting = NULL;
        MHD_resume_connection(connection);
        run(visitor_of(connection)->daemon);
    }
}

/* ---- life ---- */

static void on_library_log(void *ctx, const char *format, va_list args)
{
    const struct viv_http_daemon *daemon = ctx;
    char text[256];
    vsnprintf(text, sizeof text, format, args);
    text[strcspn(text, "\n")] = '\0';
    viv_log(VIV_LOG_DEBUG, daemon->http->config.name, "the HTTP library says", "text=\"%s\"", text);
}

void viv_http_daemon_open(struct viv_http_daemon *daemon, struct viv_http *http)
{
    daemon->http = http;
    daemon->mhd = MHD_start_daemon(
        MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_USE_ERROR_LOG | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL,
        on_request, daemon, MHD_OPTION_EXTERNAL_LOGGER, on_library_log, daemon, MHD_OPTION_CONNECTION_LIMIT,
        (unsigned)VIV_HTTP_CONNECTIONS_MAX, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)VIV_HTTP_REQUEST_BYTES_MAX + 2 * BLOCK_BYTES, MHD_OPTION_CONNECTION_TIMEOUT,
        (unsigned)((http->config.idle_ms + 999) / 1000), MHD_OPTION_NOTIFY_CONNECTION, note_visitor, daemon,
        MHD_OPTION_NOTIFY_COMPLETED, on_completed, daemon, MHD_OPTION_END);
    VIV_ASSERT(daemon->mhd != NULL);
    int fd = MHD_get_daemon_info(daemon->mhd, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
    VIV_ASSERT(uv_poll_init(http->config.loop, &daemon->poll, fd) == 0);
    VIV_ASSERT(uv_timer_init(http->config.loop, &daemon->timer) == 0);
    daemon->poll.data = daemon->timer.data = daemon;
    VIV_ASSERT(uv_poll_start(&daemon->poll, UV_READABLE, on_ready) == 0);
}

void viv_http_daemon_take(struct viv_http_daemon *daemon, int fd, const struct sockaddr *address, socklen_t size)
{
    (void)MHD_add_connection(daemon->mhd, fd, address, size); /* closes it when there are too many */
    run(daemon);
}

void viv_http_daemon_close(struct viv_http_daemon *daemon)
{
    if (daemon->mhd != NULL) {
        uv_poll_stop(&daemon->poll);
        uv_close((uv_handle_t *)&daemon->poll, NULL);
        uv_close((uv_handle_t *)&daemon->timer, NULL);
        for (struct viv_http_visitor *visitor = daemon->visitors; visitor != NULL; visitor = visitor->next) {
            if (visitor->work != NULL && visitor->work->waiting != NULL) {
                MHD_resume_connection(visitor->work->waiting); /* the library closes none that waits */
                visitor->work->waiting = NULL;
            }
        }
        MHD_stop_daemon(daemon->mhd);
        VIV_ASSERT(daemon->visitors == NULL);
        daemon->mhd = NULL;
    }
}
