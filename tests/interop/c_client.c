/* Drives a server with the stock multi-threaded C client of Apache ZooKeeper and prints what it answers, one line a
 * step, without times, session ids and zxids: the transcript is compared between servers by c_client.py. */

#define THREADED 1 /* the header declares the blocking calls only then */

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <zookeeper/zookeeper.h>

enum { CONNECT_SECONDS = 15, EVENT_SECONDS = 10, ANSWER_BYTES_MAX = 4096 };

struct events {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int connected;
    int count;
    char last[256];
};

static struct events events = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, 0, ""};

static void on_event(zhandle_t *handle, int type, int state, const char *path, void *ctx)
{
    (void)handle;
    (void)ctx;
    pthread_mutex_lock(&events.lock);
    if (type == ZOO_SESSION_EVENT) {
        events.connected = state == ZOO_CONNECTED_STATE;
    } else {
        events.count++;
        snprintf(events.last, sizeof events.last, "type %d path %s", type, path);
    }
    pthread_cond_broadcast(&events.changed);
    pthread_mutex_unlock(&events.lock);
}

/* Waits until the connection stands (wanted < 0) or that many events have come. */
static int wait_events(int wanted, int seconds)
{
    struct timespec deadline;
    clock_gettime(CLOCK_REALTIME, &deadline);
    deadline.tv_sec += seconds;
    pthread_mutex_lock(&events.lock);
    int late = 0;
    while (late == 0 && (wanted < 0 ? !events.connected : events.count < wanted)) {
        late = pthread_cond_timedwait(&events.changed, &events.lock, &deadline);
    }
    pthread_mutex_unlock(&events.lock);
    return late == 0;
}

static void show(const char *step, int code, const char *text)
{
    printf("%s: %d %s\n", step, code, text);
}

static void show_stat(const char *step, int code, const struct Stat *stat)
{
    char text[128] = "";
    if (code == ZOK) {
        snprintf(text, sizeof text, "version %d cversion %d aversion %d length %d children %d owned %d",
                 stat->version, stat->cversion, stat->aversion, stat->dataLength, stat->numChildren,
                 stat->ephemeralOwner != 0);
    }
    show(step, code, text);
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void show_children(zhandle_t *handle, const char *step, const char *path)
{
    struct String_vector names = {0};
    char text[ANSWER_BYTES_MAX] = "";
    int code = zoo_get_children(handle, path, 0, &names);
    if (code == ZOK) {
        qsort(names.data, (size_t)names.count, sizeof *names.data, compare_names);
        for (int i = 0; i < names.count; i++) {
            snprintf(text + strlen(text), sizeof text - strlen(text), "%s ", names.data[i]);
        }
        deallocate_String_vector(&names);
    }
    show(step, code, text);
}

static void create(zhandle_t *handle, const char *step, const char *path, int mode)
{
    char made[256] = "";
    int code = zoo_create(handle, path, "value", 5, &ZOO_OPEN_ACL_UNSAFE, mode, made, sizeof made);
    show(step, code, code == ZOK ? made : "");
}

static void basics(zhandle_t *handle)
{
    char data[64];
    int size = sizeof data;
    struct Stat stat;
    create(handle, "create", "/c", 0);
    create(handle, "create again", "/c", 0);
    create(handle, "ephemeral", "/c/e", ZOO_EPHEMERAL);
    create(handle, "sequence", "/c/s-", ZOO_SEQUENCE);
    create(handle, "ephemeral sequence", "/c/es-", ZOO_SEQUENCE | ZOO_EPHEMERAL);
    create(handle, "below an ephemeral", "/c/e/x", 0);
    create(handle, "bad path", "/c//x", 0);
    create(handle, "no parent", "/none/x", 0);
    int code = zoo_get(handle, "/c", 0, data, &size, &stat);
    show("get", code, code == ZOK && size == 5 && memcmp(data, "value", 5) == 0 ? "value" : "?");
    show_stat("stat", code, &stat);
    show_stat("set", zoo_set2(handle, "/c", "other", 5, 0, &stat), &stat);
    show("stale set", zoo_set(handle, "/c", "x", 1, 0), "");
    show_stat("null data", zoo_set2(handle, "/c", NULL, -1, -1, &stat), &stat);
    size = sizeof data;
    code = zoo_get(handle, "/c", 0, data, &size, &stat);
    show("get null", code, size == -1 ? "null" : "not null");
    show_children(handle, "children", "/c");
    show("delete with children", zoo_delete(handle, "/c", -1), "");
    show("delete missing", zoo_delete(handle, "/none", -1), "");
    show_stat("exists missing", zoo_exists(handle, "/none", 0, &stat), &stat);
}

static void multi(zhandle_t *handle)
{
    zoo_op_t operations[4];
    zoo_op_result_t results[4];
    char first[64];
    char second[64];
    struct Stat stat;
    zoo_create_op_init(&operations[0], "/m", "1", 1, &ZOO_OPEN_ACL_UNSAFE, 0, first, sizeof first);
    zoo_set_op_init(&operations[1], "/m", "22", 2, 0, &stat);
    zoo_check_op_init(&operations[2], "/m", 1);
    zoo_create_op_init(&operations[3], "/m/k", "1", 1, &ZOO_OPEN_ACL_UNSAFE, 0, second, sizeof second);
    show("multi", zoo_multi(handle, 4, operations, results), second);
    show_stat("multi stat", results[1].err, &stat);
    zoo_set_op_init(&operations[0], "/m", "3", 1, -1, &stat);
    zoo_delete_op_init(&operations[1], "/m/none", -1);
    zoo_set_op_init(&operations[2], "/m", "4", 1, -1, &stat);
    show("failing multi", zoo_multi(handle, 3, operations, results), "");
    for (int i = 0; i < 3; i++) {
        show("its results", results[i].err, "");
    }
    show_stat("untouched", zoo_exists(handle, "/m", 0, &stat), &stat);
}

static void watches(zhandle_t *handle)
{
    struct Stat stat;
    char data[64];
    int size = sizeof data;
    zoo_wexists(handle, "/w", on_event, NULL, &stat);
    create(handle, "create watched", "/w", 0);
    show("event", wait_events(1, EVENT_SECONDS), events.last);
    zoo_wget(handle, "/w", on_event, NULL, data, &size, &stat);
    show("set watched", zoo_set(handle, "/w", "x", 1, -1), "");
    show("event", wait_events(2, EVENT_SECONDS), events.last);
    struct String_vector names = {0};
    zoo_wget_children(handle, "/w", on_event, NULL, &names);
    deallocate_String_vector(&names);
    create(handle, "create below watched", "/w/k", 0);
    show("event", wait_events(3, EVENT_SECONDS), events.last);
    show("set again", zoo_set(handle, "/w", "y", 1, -1), "");
    show("one-shot", events.count == 3, "");
}

static void sync_and_acl(zhandle_t *handle)
{
    struct ACL_vector acl;
    struct Stat stat;
    int code = zoo_get_acl(handle, "/c", &acl, &stat);
    show("acl", code, code == ZOK && acl.count == 1 ? acl.data[0].id.scheme : "?");
    if (code == ZOK) {
        deallocate_ACL_vector(&acl);
    }
    show("set acl", zoo_set_acl(handle, "/c", -1, &ZOO_READ_ACL_UNSAFE), "");
    show("refused", zoo_set(handle, "/c", "x", 1, -1), "");
    show_stat("aversion", zoo_exists(handle, "/c", 0, &stat), &stat);
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: c_client HOST:PORT,...\n");
        return 2;
    }
    zoo_set_debug_level(0);
    zhandle_t *handle = zookeeper_init(argv[1], on_event, 10000, NULL, NULL, 0);
    if (handle == NULL || !wait_events(-1, CONNECT_SECONDS)) {
        printf("no connection\n");
        return 1;
    }
    basics(handle);
    multi(handle);
    watches(handle);
    sync_and_acl(handle);
    show("close", zookeeper_close(handle), "");
    return 0;
}
