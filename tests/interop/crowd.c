/* Many clients of one kind in one process, for the limits at their full size: opens connections from many loopback
 * addresses, does with each what its kind does, counts what comes back, and prints one line of counts. Kinds that hold
 * what they have print a line when they have it, and go on when a line comes in.
 *
 *     crowd PORT KIND COUNT [SIZE] [ADDRESSES]
 *
 * hold      COUNT sessions, kept until a line comes in
 * knock     COUNT times ruok, each on a connection of its own
 * sessions  COUNT sessions that are left open without a connection
 * hello     COUNT connections that begin a TLS handshake and say no more, each until it is closed
 * large     COUNT requests of SIZE bytes, all but their last byte, which follows when a line comes in
 * writes    one connection for each address, COUNT setData on it in one breath
 * watches   one connection for each address, COUNT watches on it
 * fill      one connection, COUNT nodes of SIZE bytes
 * deaf      COUNT connections that each ask for SIZE times /long and read nothing, until a line comes in */

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/endian.h"
#include "wire/jute.h"

enum {
    AT_ONCE = 400,         /* connections that are being made */
    OPEN_ONCE_MAX = 15000, /* of those that are made and end: descriptors */
    RECEIVE_BYTES = 4096,  /* of the deaf, so that it is not the system that holds what they do not read */
    CHUNK = 256 << 10,
    UNANSWERED_MAX = 4000, /* requests sent ahead of their answers, by those who send many */
    TIMEOUT_MS = 3600000,
    OP_CREATE = 1,
    OP_EXISTS = 3,
    OP_GET = 4,
    OP_SET = 5,
    ERR_NO_NODE = -101,
    HEADER_BYTES = 20,
};

enum phase { SHAKING, ASKING, HELD, ENDED };

struct member {
    int fd;
    unsigned index;
    enum phase phase;
    struct viv_buffer out;
    size_t sent;
    uint8_t head[HEADER_BYTES + 4]; /* of the frame that comes in */
    size_t head_bytes;
    uint64_t skip; /* of its body */
    uint64_t asked, answered;
};

struct kind {
    const char *name;
    bool shakes; /* a session first */
    bool reads;  /* answers are read */
    bool holds;
    bool is_one_an_address;
    uint64_t at_once;                                   /* 0: AT_ONCE */
    void (*ask)(struct member *member);                 /* after the handshake; may be called again for more */
    void (*answer)(struct member *member, int32_t err); /* one reply */
    void (*resume)(struct member *member);              /* a line came in */
};

static const struct kind *kind;
static int epoll, port;
static uint64_t count_wanted, size_wanted;
static unsigned addresses = 200;
static struct member *members;
static uint64_t opened, connecting, alive, good, bad, refused, lost, held;

/* ---- members ---- */

static void end(struct member *member)
{
    if (member->phase != ENDED) {
        connecting -= member->phase == SHAKING;
        held -= member->phase == HELD;
        member->phase = ENDED;
        alive--;
        close(member->fd);
        viv_buffer_fini(&member->out);
    }
}

static void fail(struct member *member)
{
    if (member->phase == SHAKING) {
        refused++;
    } else {
        lost += member->phase != HELD || kind->reads;
        bad += member->phase == HELD && !kind->reads;
    }
    end(member);
}

static void listen_to(const struct member *member)
{
    bool writes = member->out.size > member->sent;
    bool reads = kind->reads || member->phase == SHAKING;
    struct epoll_event event = {.events = (writes ? EPOLLOUT : 0U) | (reads ? EPOLLIN : 0U) | EPOLLRDHUP,
                                .data.u32 = member->index};
    if (epoll_ctl(epoll, EPOLL_CTL_MOD, member->fd, &event) != 0) {
        abort();
    }
}

static void flush(struct member *member)
{
    while (member->phase != ENDED && member->sent < member->out.size) {
        ssize_t size = send(member->fd, member->out.data + member->sent, member->out.size - member->sent, MSG_NOSIGNAL);
        if (size < 0) {
            if (errno != EAGAIN && errno != ENOTCONN) {
                fail(member);
                return;
            }
            break;
        }
        member->sent += (size_t)size;
    }
    if (member->phase != ENDED) {
        if (member->sent == member->out.size) {
            viv_buffer_clear(&member->out);
            member->sent = 0;
        }
        listen_to(member);
    }
}

static void put_frame(struct member *member, const struct viv_buffer *body)
{
    viv_jute_write_bytes(&member->out, viv_buffer_bytes(body)); /* a length, then the bytes: a frame */
}

static void shake(struct member *member)
{
    struct viv_buffer body = {0};
    static const uint8_t password[16];
    viv_jute_write_int(&body, 0);
    viv_jute_write_long(&body, 0);
    viv_jute_write_int(&body, TIMEOUT_MS);
    viv_jute_write_long(&body, 0);
    viv_jute_write_bytes(&body, viv_bytes_of(password, sizeof password));
    put_frame(member, &body);
    viv_buffer_fini(&body);
}

static void open_one(unsigned index)
{
    struct member *member = &members[index];
    *member = (struct member){.index = index, .phase = SHAKING};
    member->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int one = 1, receive_bytes = RECEIVE_BYTES;
    unsigned place = index % addresses;
    struct sockaddr_in from = {.sin_family = AF_INET,
                               .sin_addr.s_addr = htonl(0x7f010000U + (place / 250 << 8) + place % 250 + 1)};
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (member->fd < 0 || setsockopt(member->fd, SOL_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one) != 0 ||
        setsockopt(member->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) != 0 ||
        bind(member->fd, (struct sockaddr *)&from, sizeof from) != 0 ||
        (connect(member->fd, (struct sockaddr *)&to, sizeof to) != 0 && errno != EINPROGRESS)) {
        perror("crowd");
        exit(1);
    }
    if (!kind->reads && setsockopt(member->fd, SOL_SOCKET, SO_RCVBUF, &receive_bytes, sizeof receive_bytes) != 0) {
        abort();
    }
    opened++;
    alive++;
    connecting++;
    struct epoll_event event = {.events = EPOLLOUT | EPOLLIN | EPOLLRDHUP, .data.u32 = index};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, member->fd, &event) != 0) {
        abort();
    }
    if (kind->shakes) {
        shake(member);
    } else {
        kind->ask(member);
    }
}

static void hold(struct member *member)
{
    member->phase = HELD;
    held++;
}

/* ---- requests ---- */

static void begin_request(struct viv_buffer *body, int32_t xid, int32_t op, const char *path)
{
    viv_jute_write_int(body, xid);
    viv_jute_write_int(body, op);
    viv_jute_write_text(body, path);
}

static void put_watch(struct member *member)
{
    struct viv_buffer body = {0};
    char path[64];
    snprintf(path, sizeof path, "/w-%u-%llu", member->index, (unsigned long long)member->asked);
    begin_request(&body, 1, OP_EXISTS, path);
    viv_jute_write_bool(&body, true);
    put_frame(member, &body);
    viv_buffer_fini(&body);
}

static void put_get(struct member *member)
{
    struct viv_buffer body = {0};
    begin_request(&body, 1, OP_GET, "/long");
    viv_jute_write_bool(&body, false);
    put_frame(member, &body);
    viv_buffer_fini(&body);
}

static void put_value(struct viv_buffer *body, size_t size)
{
    viv_jute_write_int(body, (int32_t)size);
    memset(viv_buffer_extend(body, size), 'x', size);
}

static void put_set(struct member *member)
{
    struct viv_buffer body = {0};
    begin_request(&body, 1, OP_SET, "/crowd");
    put_value(&body, 8);
    viv_jute_write_int(&body, -1);
    put_frame(member, &body);
    viv_buffer_fini(&body);
}

/* `size`: of the frame. */
static void put_create(struct member *member, size_t size)
{
    struct viv_buffer body = {0}, tail = {0};
    char path[64];
    snprintf(path, sizeof path, "/fill-%d-%u-%llu", (int)getpid(), member->index, (unsigned long long)member->asked);
    viv_jute_write_int(&tail, 1); /* one entry, world:anyone, all */
    viv_jute_write_int(&tail, 31);
    viv_jute_write_text(&tail, "world");
    viv_jute_write_text(&tail, "anyone");
    viv_jute_write_int(&tail, 0);
    begin_request(&body, 1, OP_CREATE, path);
    put_value(&body, size - body.size - 4 - tail.size);
    viv_buffer_append_bytes(&body, viv_buffer_bytes(&tail));
    put_frame(member, &body);
    viv_buffer_fini(&body);
    viv_buffer_fini(&tail);
}

/* ---- kinds ---- */

static void ask_many(struct member *member, void (*put)(struct member *))
{
    while (member->asked < count_wanted && member->asked - member->answered < UNANSWERED_MAX &&
           member->out.size - member->sent < CHUNK) {
        put(member);
        member->asked++;
    }
}

static void ask_writes(struct member *member)
{
    while (member->asked < count_wanted && member->out.size - member->sent < CHUNK) { /* never waits for answers */
        put_set(member);
        member->asked++;
    }
}

static void ask_watches(struct member *member)
{
    ask_many(member, put_watch);
}

static void put_fill(struct member *member)
{
    put_create(member, size_wanted);
}

static void ask_fill(struct member *member)
{
    ask_many(member, put_fill);
}

static void answer_many(struct member *member, int32_t err)
{
    good += err == 0 || err == ERR_NO_NODE;
    bad += err != 0 && err != ERR_NO_NODE;
    if (++member->answered == count_wanted) {
        end(member);
    } else {
        kind->ask(member);
    }
}

static void ask_hold(struct member *member)
{
    good++;
    hold(member);
}

static void ask_sessions(struct member *member)
{
    good++;
    end(member);
}

static void ask_hello(struct member *member)
{
    static const uint8_t hello[] = {0x16, 3, 1, 1, 0, 1};
    viv_buffer_append(&member->out, hello, sizeof hello);
}

static void ask_large(struct member *member)
{
    put_create(member, size_wanted);
    member->out.size--;
    hold(member);
}

static void resume_large(struct member *member)
{
    held--;
    member->phase = ASKING;
    viv_buffer_append(&member->out, "", 1); /* flags 0 end with it */
}

static void answer_once(struct member *member, int32_t err)
{
    good += err == 0;
    bad += err != 0;
    end(member);
}

static void ask_deaf(struct member *member)
{
    for (uint64_t i = 0; i < size_wanted; i++) {
        put_get(member);
    }
    hold(member);
}

static void ask_knock(struct member *member)
{
    viv_buffer_append(&member->out, "ruok", 4);
}

static const struct kind kinds[] = {
    {.name = "hold", .shakes = true, .reads = true, .holds = true, .ask = ask_hold, .resume = end},
    {.name = "knock", .reads = true, .ask = ask_knock},
    {.name = "sessions", .shakes = true, .reads = true, .ask = ask_sessions},
    {.name = "hello", .reads = true, .at_once = OPEN_ONCE_MAX, .ask = ask_hello},
    {.name = "large",
     .shakes = true,
     .reads = true,
     .holds = true,
     .ask = ask_large,
     .answer = answer_once,
     .resume = resume_large},
    {.name = "writes",
     .shakes = true,
     .reads = true,
     .is_one_an_address = true,
     .ask = ask_writes,
     .answer = answer_many},
    {.name = "watches",
     .shakes = true,
     .reads = true,
     .is_one_an_address = true,
     .ask = ask_watches,
     .answer = answer_many},
    {.name = "fill", .shakes = true, .reads = true, .is_one_an_address = true, .ask = ask_fill, .answer = answer_many},
    {.name = "deaf", .shakes = true, .holds = true, .ask = ask_deaf, .resume = end},
};

/* ---- bytes in ---- */

static void take_handshake(struct member *member)
{
    bool is_session = viv_load_be32(member->head + 4 + 4) > 0; /* the timeout; 0: refused */
    connecting--;
    member->phase = ASKING;
    if (is_session) {
        kind->ask(member);
    } else {
        refused++;
        end(member);
    }
}

/* One frame, of which `head` has the length and what is needed of its beginning. */
static void take_frame(struct member *member)
{
    enum { XID_EVENT = -1 };
    if (member->phase == SHAKING) {
        take_handshake(member);
    } else if ((int32_t)viv_load_be32(member->head + 4) != XID_EVENT && kind->answer != NULL) {
        kind->answer(member, (int32_t)viv_load_be32(member->head + 16));
    }
}

static void take_frames(struct member *member, const uint8_t *at, size_t size)
{
    while (size > 0 && member->phase != ENDED) {
        size_t part;
        if (member->head_bytes < HEADER_BYTES) {
            part = HEADER_BYTES - member->head_bytes < size ? HEADER_BYTES - member->head_bytes : size;
            memcpy(member->head + member->head_bytes, at, part);
            member->head_bytes += part;
            if (member->head_bytes == HEADER_BYTES) {
                member->skip = viv_load_be32(member->head) + 4U - HEADER_BYTES;
            }
        } else {
            part = member->skip < size ? (size_t)member->skip : size;
            member->skip -= part;
        }
        at += part;
        size -= part;
        if (member->head_bytes == HEADER_BYTES && member->skip == 0) {
            member->head_bytes = 0;
            take_frame(member);
        }
    }
}

/* Kinds without a session count the first thing that comes, or the end. */
static void take_bare(struct member *member, ssize_t size)
{
    good += size > 0;
    refused += size <= 0;
    end(member);
}

static void receive(struct member *member)
{
    static uint8_t bytes[CHUNK];
    while (member->phase != ENDED) {
        ssize_t size = recv(member->fd, bytes, sizeof bytes, 0);
        if (size < 0 && errno == EAGAIN) {
            break;
        }
        if (!kind->shakes) {
            take_bare(member, size);
        } else if (size <= 0) {
            fail(member);
        } else {
            take_frames(member, bytes, (size_t)size);
        }
        if (!kind->reads && member->phase != SHAKING) {
            break;
        }
    }
    if (member->phase != ENDED) {
        flush(member);
    }
}

/* ---- the crowd ---- */

static uint64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void print_counts(const char *when, uint64_t began_ms)
{
    printf("%s good=%llu bad=%llu refused=%llu lost=%llu held=%llu ms=%llu\n", when, (unsigned long long)good,
           (unsigned long long)bad, (unsigned long long)refused, (unsigned long long)lost, (unsigned long long)held,
           (unsigned long long)(now_ms() - began_ms));
    fflush(stdout);
}

static void run_once(int wait_ms)
{
    struct epoll_event events[512];
    int found = epoll_wait(epoll, events, 512, wait_ms);
    for (int i = 0; i < found; i++) {
        struct member *member = &members[events[i].data.u32];
        if (member->phase != ENDED && (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR | EPOLLRDHUP))) {
            if (kind->reads || member->phase == SHAKING) {
                receive(member);
            } else {
                fail(member);
            }
        }
        if (member->phase != ENDED && (events[i].events & EPOLLOUT)) {
            if (kind->answer != NULL && member->phase == ASKING) {
                kind->ask(member);
            }
            flush(member);
        }
    }
}

static bool has_line(void)
{
    struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};
    char byte;
    return poll(&in, 1, 0) > 0 && read(STDIN_FILENO, &byte, 1) <= 1;
}

static bool read_arguments(int argc, char **argv)
{
    if (argc < 4) {
        return false;
    }
    port = atoi(argv[1]);
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        kind = strcmp(kinds[i].name, argv[2]) == 0 ? &kinds[i] : kind;
    }
    count_wanted = strtoull(argv[3], NULL, 10);
    size_wanted = argc > 4 ? strtoull(argv[4], NULL, 10) : 0;
    addresses = argc > 5 ? (unsigned)atoi(argv[5]) : addresses;
    return kind != NULL && count_wanted > 0 && addresses > 0;
}

static void resume_all(uint64_t room)
{
    for (uint64_t i = 0; i < room; i++) {
        if (members[i].phase == HELD) {
            kind->resume(&members[i]);
            flush(&members[i]);
        }
    }
}

static void run(uint64_t total, uint64_t room)
{
    uint64_t at_once = kind->at_once > 0 ? kind->at_once : AT_ONCE, began_ms = now_ms();
    unsigned next = 0;
    bool is_told = false;
    while (opened < total || alive > 0) {
        while (opened < total && connecting < at_once && members[next].phase == ENDED) {
            open_one(next);
            next = (unsigned)((next + 1) % room);
        }
        run_once(20);
        if (kind->holds && !is_told && opened == total && connecting == 0) {
            is_told = true;
            print_counts("held", began_ms);
        } else if (is_told && has_line()) {
            print_counts("then", began_ms);
            resume_all(room);
        }
    }
    print_counts("done", began_ms);
}

int main(int argc, char **argv)
{
    if (!read_arguments(argc, argv)) {
        fprintf(stderr, "usage: crowd PORT KIND COUNT [SIZE] [ADDRESSES]\n");
        return 2;
    }
    uint64_t total = kind->is_one_an_address ? addresses : count_wanted;
    uint64_t room = kind->holds || kind->is_one_an_address ? total : OPEN_ONCE_MAX;
    members = viv_alloc_zeroed(room, sizeof *members);
    for (uint64_t i = 0; i < room; i++) {
        members[i].phase = ENDED;
    }
    epoll = epoll_create1(EPOLL_CLOEXEC);
    run(total, room);
    free(members);
    return 0;
}
