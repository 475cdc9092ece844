#ifndef VIV_EXPERIMENTS_LAB_PROCESS_H
#define VIV_EXPERIMENTS_LAB_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/status.h"

/* One child process in a process group of its own, that dies with the thread that started it. Knows signals, exit
 * codes and /proc; does not know what the program is for. Start children from the main thread only. */

struct viv_process {
    pid_t pid; /* 0: not running */
    bool stopped;
};

struct viv_process_usage {
    uint64_t cpu_ns; /* user and system, of all threads, since its start */
    uint64_t rss_bytes;
    uint64_t rss_max_bytes;
};

/* argv is NULL-terminated, argv[0] is searched in PATH. Standard output and error are appended to log_path. Runs in
 * directory `work_dir`. VIV_ERR_SYSTEM: no process, or the program cannot be executed. */
viv_status viv_process_start(struct viv_process *process, char *const argv[], const char *work_dir,
                             const char *log_path) VIV_MUST_USE;
/* True while it runs (stopped or not); reaps it otherwise and writes a text such as "exit code 3" to `how`. */
bool viv_process_is_running(struct viv_process *process, char *how, size_t how_size);
/* Signals the whole group and waits until it has taken effect: reaped after SIGKILL, stopped after SIGSTOP. */
void viv_process_kill(struct viv_process *process);
void viv_process_stop(struct viv_process *process);
void viv_process_cont(struct viv_process *process);
/* SIGTERM; does not wait. */
void viv_process_term(const struct viv_process *process);
/* SIGTERM, then up to limit_ms for a clean end, then SIGKILL. True when it ended by itself. */
bool viv_process_end(struct viv_process *process, uint32_t limit_ms);
/* Zeros when it is not running. */
void viv_process_usage(const struct viv_process *process, struct viv_process_usage *usage);

#endif /* VIV_EXPERIMENTS_LAB_PROCESS_H */
