#ifndef VIV_SERVER_COMPLETION_H
#define VIV_SERVER_COMPLETION_H

#include "node/event.h"

/* What the log thread and the background thread tell the loop: an event to be, with the memory it borrows from. */

/* Entries read from the log, copied out of the store. */
struct viv_completion_chunk {
    struct viv_entry *entries;
    size_t entry_count;
    struct viv_buffer bodies;
};

/* Who says DISK_FULL. The node is told when the first begins and when the last ends. */
enum viv_disk_full {
    VIV_DISK_NO_ROOM_AHEAD = 1, /* the background thread cannot prepare room */
    VIV_DISK_NO_ROOM_NOW = 2,   /* the log thread holds a write back */
};

/* What one sync of the log has made durable, and what it took. */
struct viv_log_batch {
    uint64_t entry_count; /* 0: nothing is told */
    uint64_t task_count;  /* appends of the loop that it answers */
    uint64_t bytes;
    uint64_t queue_ns, append_ns, sync_ns; /* queue: from being handed over to the begin, of the oldest */
};

struct viv_completion {
    enum viv_event_kind kind;
    uint64_t ticket, zxid;
    viv_status status;
    bool last, flag;
    enum viv_disk_full disk;
    struct viv_log_fault fault;         /* LOG_FAULT */
    struct viv_completion_chunk *chunk; /* LOG_READ with entries; the receiver frees it */
    struct viv_log_batch batch;         /* the last LOG_DONE of a batch */
};

/* Called on the thread that posted, possibly many times for one look into the mailbox. */
typedef void viv_completion_wake_fn(void *ctx);

struct viv_mailbox;
/* Where completions go. */
struct viv_completion_sink {
    struct viv_mailbox *mailbox; /* of struct viv_completion */
    viv_completion_wake_fn *wake;
    void *ctx;
};

void viv_completion_post(const struct viv_completion_sink *sink, const struct viv_completion *items, size_t count);
void viv_completion_chunk_free(struct viv_completion_chunk *chunk); /* NULL is fine */

/* Logs phase, path and status as one line and ends the process with exit code 3, from any thread: after a disk has
 * failed nothing more may be said to anybody, and nothing is retried. */
_Noreturn void viv_server_fatal(const char *phase, const char *path, viv_status status);

#endif /* VIV_SERVER_COMPLETION_H */
