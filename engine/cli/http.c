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

static bool exchange(int fd, const char *host, const char *path, struct viv_buffer *answer)
{
    struct viv_buffer request = {0};
    viv_buffer_printf(&request, "GET %s HTTP/1.0\r\nHost: %s\r\nAccept: application/json\r\n\r\n", path, host);
    bool sent = send(fd, request.data, request.size, MSG_NOSIGNAL) == (ssize_t)request.size;
    ssize_t got = sent ? 1 : -1;
    while (got > 0 && answer->size < ANSWER_BYTES_MAX) {
        got = recv(fd, viv_buffer_reserve(answer, PIECE_BYTES), PIECE_BYTES, 0);
        answer->size += got > 0 ? (size_t)got : 0;
    }
    viv_buffer_fini(&request);
    return got == 0;
}

int viv_cli_http_get(const char *host, uint16_t port, const char *path, uint32_t timeout_ms, struct viv_buffer *body)
{
    struct viv_buffer answer = {0};
    struct viv_bytes content;
    int status = 0;
    int code = VIV_CLI_UNREACHABLE;
    int fd = open_connection(host, port, timeout_ms);
    if (fd < 0 || !exchange(fd, host, path, &answer)) {
        viv_cli_error("the admin port %s:%u does not answer (%s); does the server enable it, and is this the address? "
                      "(--admin HOST:PORT)",
                      host, port, strerror(errno));
    } else if (!viv_cli_http_parse(viv_buffer_bytes(&answer), &status, &content)) {
        viv_cli_error("%s:%u does not speak HTTP; --admin HOST:PORT wants the admin port", host, port);
    } else if (status != STATUS_OK) {
        viv_cli_error("the admin port %s:%u answered %d to %s", host, port, status, path);
        code = VIV_CLI_REFUSED;
    } else {
        viv_buffer_append_bytes(body, content);
        code = VIV_CLI_OK;
    }
    if (fd >= 0) {
        close(fd);
    }
    viv_buffer_fini(&answer);
    return code;
}
