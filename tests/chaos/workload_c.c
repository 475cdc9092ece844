#define THREADED

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <zookeeper/zookeeper.h>

/* One session of the stock C client under a chaos run: registers changed by compare-and-swap, a queue of sequence
 * nodes, reads with watches.
 *
 *   workload_c HOST:PORT,... NAME SEED PAUSE-FILE
 *
 * NAME: below /queues. Rests while PAUSE-FILE exists. A session that expires is followed by another. What it sees is
 * judged elsewhere, from the recorded frames; it ends with whoever stops it. */

enum { TIMEOUT_MS = 6000, QUEUE_MAX = 50, REGISTERS = 4, PAUSE_US = 50000 };

struct workload {
    zhandle_t *handle;
    const char *hosts, *name;
    char queue[QUEUE_MAX][128]; /* a ring: the oldest is deleted when it is full */
    unsigned queued, count;
    volatile bool has_expired;
};

static void on_event(zhandle_t *handle, int type, int state, const char *path, void *context)
{
    struct workload *workload = context;
    (void)handle;
    (void)path;
    if (workload != NULL && type == ZOO_SESSION_EVENT && state == ZOO_EXPIRED_SESSION_STATE) {
        workload->has_expired = true;
    }
}

static bool open_session(struct workload *workload)
{
    if (workload->handle != NULL) {
        zookeeper_close(workload->handle);
    }
    workload->has_expired = false;
    workload->handle = zookeeper_init(workload->hosts, on_event, TIMEOUT_MS, NULL, workload, 0);
    return workload->handle != NULL;
}

static void swap(struct workload *workload, const char *path)
{
    char value[64];
    int size = sizeof value;
    struct Stat stat;
    if (zoo_get(workload->handle, path, 0, value, &size, &stat) == ZOK) {
        size = snprintf(value, sizeof value, "c%s:%u", workload->name, workload->count);
        zoo_set2(workload->handle, path, value, size, stat.version, &stat);
    }
}

static void look(struct workload *workload, const char *path)
{
    char value[64];
    int size = sizeof value;
    struct Stat stat;
    zoo_wget(workload->handle, path, on_event, NULL, value, &size, &stat);
}

static void push(struct workload *workload)
{
    char path[64], made[128];
    char *oldest = workload->queue[workload->queued % QUEUE_MAX];
    snprintf(path, sizeof path, "/queues/%s/n-", workload->name);
    if (zoo_create(workload->handle, path, "v", 1, &ZOO_OPEN_ACL_UNSAFE, ZOO_SEQUENCE, made, sizeof made) != ZOK) {
        return;
    }
    if (workload->queued++ >= QUEUE_MAX) {
        zoo_delete(workload->handle, oldest, -1);
    }
    memcpy(oldest, made, sizeof made);
}

static void step(struct workload *workload)
{
    char path[64];
    workload->count++;
    if (workload->count % 50 == 1) {
        snprintf(path, sizeof path, "/queues/%s", workload->name);
        zoo_create(workload->handle, path, "", 0, &ZOO_OPEN_ACL_UNSAFE, 0, NULL, 0);
    }
    snprintf(path, sizeof path, "/registers/%d", rand() % REGISTERS);
    int dice = rand() % 10;
    if (dice < 4) {
        swap(workload, path);
    } else if (dice < 7) {
        look(workload, path);
    } else {
        push(workload);
    }
}

int main(int argc, char **argv)
{
    if (argc != 5) {
        fprintf(stderr, "usage: workload_c HOST:PORT,... NAME SEED PAUSE-FILE\n");
        return 2;
    }
    struct workload workload = {.hosts = argv[1], .name = argv[2]};
    srand((unsigned)strtoul(argv[3], NULL, 10));
    zoo_set_debug_level(0);
    bool is_open = open_session(&workload);
    while (is_open) {
        if (workload.has_expired || is_unrecoverable(workload.handle) == ZINVALIDSTATE) {
            is_open = open_session(&workload);
        } else if (zoo_state(workload.handle) == ZOO_CONNECTED_STATE) {
            step(&workload);
        }
        usleep(PAUSE_US / 2 + (unsigned)rand() % PAUSE_US);
        while (access(argv[4], F_OK) == 0) {
            usleep(PAUSE_US);
        }
    }
    return 1;
}
