#include "cli/http.h"

#include <ctype.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "cli/cli.h"

/* A server's longest answers list all its watches; more is not an admin port. */
enum { ANSWER_BYTES_MAX = 256 << 20, PIECE_BYTES = 1 << 16, MS_PER_S = 1000, STATUS_OK = 200 };

bool viv_cli_http_parse(struct viv_bytes answer, int *status, struct viv_bytes *body)
{
    static const char version[] = "HTTP/1.";
    enum { STATUS_AT = sizeof version + 1, STATUS_END = STATUS_AT + 3 }; /* "HTTP/1.1 200" */
    const uint8_t *end = answer.size > 0 ? memmem(answer.data, answer.size, "\r\n\r\n", 4) : NULL;
    if (end == NULL || answer.size < STATUS_END || memcmp(answer.data, version, sizeof version - 1) != 0) {
        return false;
    }
    *status = 0;
    for (size_t i = STATUS_AT; i < STATUS_END; i++) {
        if (!isdigit(answer.data[i])) {
            return false;
        }
        *status = *status * 10 + (answer.data[i] - '0');
    }
    size_t at = (size_t)(end + 4 - answer.data);
    *body = viv_bytes_of(answer.data + at, answer.size - at);
    return true;
}

static int open_connection(const char *host, uint16_t port, uint32_t timeout_ms)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *found;
    struct timeval timeout = {.tv_sec = timeout_ms / MS_PER_S,
                              .tv_usec = (suseconds_t)(timeout_ms % MS_PER_S) * MS_PER_S};
    char service[8];
    int fd = -1;
    snprintf(service, sizeof service, "%u", port);
    if (getaddrinfo(host, service, &hints, &found) != 0) {
        errno = EADDRNOTAVAIL;
        return -1;
    }
    for (struct addrinfo *one = found; fd < 0 && one != NULL; one = one->ai_next) {
        fd = socket(one->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0) {
            continue;
        }
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout);
        if (connect(fd, one->ai_addr, one->ai_addrlen) != 0) {
            int error = errno;
            close(fd);
            errno = error;
            fd = -1;
        }
    }
    freeaddrinfo(found);
    return fd;
}

/* ---- bytes ---- */

/* A connection to talk over, plain or not. */
struct talk {
    int fd;
    struct viv_tls_channel *tls; /* NULL: plain */
    struct viv_buffer out;       /* for the network */
    const char *why;             /* what TLS has against it */
};

static bool send_out(struct talk *talk)
{
    bool sent = send(talk->fd, talk->out.data, talk->out.size, MSG_NOSIGNAL) == (ssize_t)talk->out.size;
    viv_buffer_clear(&talk->out);
    return sent;
}

/* Appends what comes next. 1, 0 at the end, -1. */
static int receive(struct talk *talk, struct viv_buffer *in)
{
    uint8_t piece[PIECE_BYTES];
    ssize_t got = recv(talk->fd, piece, sizeof piece, 0);
    if (talk->tls == NULL || got <= 0) {
        viv_buffer_append(in, piece, got > 0 ? (size_t)got : 0);
        return got > 0 ? 1 : (int)got;
    }
    viv_status status = viv_tls_channel_take(talk->tls, viv_bytes_of(piece, (size_t)got), in, &talk->out);
    bool is_sent = talk->out.size == 0 || send_out(talk);
    if (status == VIV_ERR_MALFORMED) {
        talk->why = viv_tls_channel_why(talk->tls);
    }
    return status == VIV_ERR_INTERRUPTED ? 0 : status == VIV_OK && is_sent ? 1 : -1;
}

static bool shake_hands(struct talk *talk, struct viv_buffer *in)
{
    viv_status status = viv_tls_channel_take(talk->tls, (struct viv_bytes){0}, in, &talk->out);
    bool goes_on = status == VIV_OK && send_out(talk);
    while (goes_on && !viv_tls_channel_is_open(talk->tls)) {
        goes_on = receive(talk, in) == 1;
    }
    return goes_on;
}

static bool exchange(struct talk *talk, const char *host, const char *path, struct viv_buffer *answer)
{
    struct viv_buffer request = {0};
    viv_buffer_printf(&request, "GET %s HTTP/1.0\r\nHost: %s\r\nAccept: application/json\r\n\r\n", path, host);
    bool goes_on = talk->tls == NULL || shake_hands(talk, answer);
    if (goes_on && talk->tls != NULL) {
        viv_tls_channel_put(talk->tls, viv_buffer_bytes(&request), &talk->out);
    } else if (goes_on) {
        viv_buffer_append_bytes(&talk->out, viv_buffer_bytes(&request));
    }
    int got = goes_on && send_out(talk) ? 1 : -1;
    while (got > 0 && answer->size < ANSWER_BYTES_MAX) {
        got = receive(talk, answer);
    }
    viv_buffer_fini(&request);
    return got == 0;
}

int viv_cli_http_get(const struct viv_cli_http_place *place, const char *path, uint32_t timeout_ms,
                     struct viv_buffer *body)
{
    struct viv_buffer answer = {0};
    struct viv_bytes content;
    struct talk talk = {.fd = open_connection(place->host, place->port, timeout_ms)};
    int status = 0, code = VIV_CLI_UNREACHABLE;
    if (talk.fd >= 0 && place->tls != NULL) {
        talk.tls = viv_tls_channel_connect(place->tls, place->host);
    }
    if (talk.fd < 0 || !exchange(&talk, place->host, path, &answer)) {
        viv_cli_error("the admin port %s:%u does not answer (%s); does the server enable it, and is this the address? "
                      "(--admin HOST:PORT, or https://HOST:PORT when it speaks TLS)",
                      place->host, place->port, talk.why != NULL ? talk.why : strerror(errno));
    } else if (!viv_cli_http_parse(viv_buffer_bytes(&answer), &status, &content)) {
        viv_cli_error(
            "%s:%u does not speak HTTP; --admin HOST:PORT wants the admin port, https:// in front of it when it "
            "speaks TLS",
            place->host, place->port);
    } else if (status != STATUS_OK) {
        viv_cli_error("the admin port %s:%u answered %d to %s", place->host, place->port, status, path);
        code = VIV_CLI_REFUSED;
    } else {
        viv_buffer_append_bytes(body, content);
        code = VIV_CLI_OK;
    }
    if (talk.fd >= 0) {
        close(talk.fd);
    }
    viv_tls_channel_free(talk.tls);
    viv_buffer_fini(&talk.out);
    viv_buffer_fini(&answer);
    return code;
}
