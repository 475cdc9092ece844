#ifndef VIV_SERVER_LOG_THREAD_H
#define VIV_SERVER_LOG_THREAD_H

#include "node/action.h"
#include "server/completion.h"
#include "store/log_store.h"

/* The one thread that writes the log. It executes LOG_* actions in the order in which they were given; appends that
 * wait next to one another become one write and one sync (group commit without a timer), and each is answered with
 * LOG_DONE after that sync. A failure ends the process; a full disk, which has taken nothing, is waited for. */

struct viv_log_thread;

struct viv_log_thread_config {
    struct viv_log *log;
    const char *path; /* for messages; borrowed */
    struct viv_completion_sink done;
    uint64_t batch_bytes_max;     /* about the most that one write takes */
    uint64_t room_bytes;          /* after so many appended bytes `used` is called */
    viv_completion_wake_fn *used; /* on the log thread: the log may need new room */
    void *ctx;
};

struct viv_log_thread *viv_log_thread_start(const struct viv_log_thread_config *config);
/* Finishes what was kicked, unless it waits for a full disk, then joins the thread. */
void viv_log_thread_stop(struct viv_log_thread *thread);

/* Notes a LOG_APPEND, _TRUNCATE, _RESET, _HARD, _REPAIR or _TRIM for the next kick. What the action borrows must stay
 * valid until its LOG_DONE. now_ns: of this turn, for measuring. */
void viv_log_thread_add(struct viv_log_thread *thread, const struct viv_action *action, uint64_t now_ns);
/* What the thread does with one of these that is no LOG_APPEND, on the caller's thread; for a log without one. */
viv_status viv_log_thread_perform(struct viv_log *log, const struct viv_action *action) VIV_MUST_USE;
/* Hands over everything added since the last kick. Once a turn. */
void viv_log_thread_kick(struct viv_log_thread *thread);

/* Writes what the log holds back to write together, unless the thread is at work. Now and then. */
void viv_log_thread_settle(struct viv_log_thread *thread);

/* One small append was added since the last kick and nothing else, the thread is idle, and the disk has been quick
 * lately: writing at once would save waking two threads in turn. */
bool viv_log_thread_has_lone_append(const struct viv_log_thread *thread);
/* Instead of a kick, when there is a lone append: writes and syncs it on the caller's thread. Returns its ticket, for
 * which no LOG_DONE will come, and says what it took; 0 when the disk is full: kick, the thread waits for room. */
uint64_t viv_log_thread_write_inline(struct viv_log_thread *thread, struct viv_log_batch *batch);

#endif /* VIV_SERVER_LOG_THREAD_H */
