#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/histogram.h"
#include "base/log.h"
#include "client/client.h"
#include "experiments/lab/files.h"
#include "experiments/lab/machine.h"

/* How fast this disk and this loopback are right now: the floor under every latency of the run. */

enum { SYNC_COUNT = 300, SYNC_BYTES = 4096, ROUND_TRIP_COUNT = 2000 };

static json_t *histogram_json(struct viv_histogram *histogram)
{
    return json_pack("{s:I,s:I,s:I,s:I}", "count", (json_int_t)histogram->total, "p50_us",
                     (json_int_t)viv_histogram_quantile(histogram, 0.5), "p99_us",
                     (json_int_t)viv_histogram_quantile(histogram, 0.99), "max_us", (json_int_t)histogram->max_us);
}

/* 4 KiB overwrites of a file that was zeroed and synced once, each followed by fdatasync: what a log does. */
static bool measure_sync(const char *dir, struct viv_histogram *histogram)
{
    char *path = viv_text("%s/calibration", dir);
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    char block[SYNC_BYTES] = {0};
    bool ok = fd >= 0;
    for (int i = 0; i < SYNC_COUNT && ok; i++) {
        ok = write(fd, block, sizeof block) == sizeof block;
    }
    ok = ok && fsync(fd) == 0;
    for (int i = 0; i < SYNC_COUNT && ok; i++) {
        memset(block, i, sizeof block);
        uint64_t from_ns = viv_client_now_ns();
        ok = pwrite(fd, block, sizeof block, (off_t)i * SYNC_BYTES) == sizeof block && fdatasync(fd) == 0;
        viv_histogram_record(histogram, (viv_client_now_ns() - from_ns + 500) / 1000);
    }
    if (!ok) {
        viv_log(VIV_LOG_ERROR, "lab", "the sync latency cannot be measured", "path=%s error=%m", path);
    }
    if (fd >= 0) {
        close(fd);
    }
    unlink(path);
    free(path);
    return ok;
}

static void *echo(void *ctx)
{
    int fd = *(int *)ctx;
    char byte;
    while (recv(fd, &byte, 1, 0) == 1 && send(fd, &byte, 1, MSG_NOSIGNAL) == 1) {
    }
    return NULL;
}

/* Two ends of one loopback connection; false when there is no network at all. */
static bool connect_pair(int pair[2])
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof address;
    int on = 1;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    pair[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool ok = listener >= 0 && pair[0] >= 0 && bind(listener, (struct sockaddr *)&address, size) == 0 &&
              listen(listener, 1) == 0 && getsockname(listener, (struct sockaddr *)&address, &size) == 0 &&
              connect(pair[0], (struct sockaddr *)&address, size) == 0;
    pair[1] = ok ? accept4(listener, NULL, NULL, SOCK_CLOEXEC) : -1;
    if (listener >= 0) {
        close(listener);
    }
    if (pair[1] < 0) {
        if (pair[0] >= 0) {
            close(pair[0]);
        }
        return false;
    }
    setsockopt(pair[0], IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(pair[1], IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return true;
}

static void measure_round_trip(struct viv_histogram *histogram)
{
    int pair[2];
    pthread_t thread;
    if (!connect_pair(pair)) {
        return;
    }
    if (pthread_create(&thread, NULL, echo, &pair[1]) == 0) {
        char byte = 0;
        bool ok = true;
        for (int i = 0; i < ROUND_TRIP_COUNT && ok; i++) {
            uint64_t from_ns = viv_client_now_ns();
            ok = send(pair[0], &byte, 1, MSG_NOSIGNAL) == 1 && recv(pair[0], &byte, 1, 0) == 1;
            viv_histogram_record(histogram, (viv_client_now_ns() - from_ns + 500) / 1000);
        }
        shutdown(pair[0], SHUT_RDWR);
        pthread_join(thread, NULL);
    }
    close(pair[0]);
    close(pair[1]);
}

viv_status viv_machine_calibrate(const char *dir, json_t **out)
{
    struct viv_histogram sync;
    struct viv_histogram round_trip;
    viv_histogram_init(&sync);
    viv_histogram_init(&round_trip);
    bool ok = measure_sync(dir, &sync);
    if (ok) {
        measure_round_trip(&round_trip);
        *out = json_pack("{s:o,s:o}", "fdatasync_4k", histogram_json(&sync), "loopback_round_trip",
                         histogram_json(&round_trip));
    }
    viv_histogram_fini(&sync);
    viv_histogram_fini(&round_trip);
    return ok ? VIV_OK : VIV_ERR_IO;
}
