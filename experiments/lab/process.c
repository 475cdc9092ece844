#include "experiments/lab/process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/log.h"
#include "client/client.h"
#include "experiments/lab/files.h"

enum { EXEC_FAILED = 127, POLL_US = 200 };

/* Between fork and exec: async-signal-safe calls only, the lab has threads. */
static void become(char *const argv[], const char *work_dir, int log_fd, int error_fd, pid_t parent)
{
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    int null_fd = open("/dev/null", O_RDONLY);
    bool ready = getppid() == parent && null_fd >= 0 && dup2(null_fd, 0) >= 0 && dup2(log_fd, 1) >= 0 &&
                 dup2(log_fd, 2) >= 0 && chdir(work_dir) == 0;
    if (ready) {
        execvp(argv[0], argv);
    }
    int error = errno;
    ssize_t told = write(error_fd, &error, sizeof error);
    _exit(told > 0 ? EXEC_FAILED : EXEC_FAILED - 1);
}

viv_status viv_process_start(struct viv_process *process, char *const argv[], const char *work_dir,
                             const char *log_path)
{
    VIV_ASSERT(process->pid == 0);
    int error_pipe[2];
    int log_fd = open(log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (log_fd < 0 || pipe2(error_pipe, O_CLOEXEC) != 0) {
        viv_log(VIV_LOG_ERROR, "lab", "a server's log cannot be opened", "path=%s error=%m", log_path);
        if (log_fd >= 0) {
            close(log_fd);
        }
        return VIV_ERR_SYSTEM;
    }
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid == 0) {
        become(argv, work_dir, log_fd, error_pipe[1], parent);
    }
    close(log_fd);
    close(error_pipe[1]);
    int error = pid < 0 ? errno : 0;
    /* The pipe closes at exec; a number in it is why there was none. */
    if (pid > 0 && read(error_pipe[0], &error, sizeof error) == sizeof error) {
        waitpid(pid, NULL, 0);
    }
    close(error_pipe[0]);
    if (error != 0) {
        viv_log(VIV_LOG_ERROR, "lab", "a program cannot be started", "program=%s error=%s", argv[0], strerror(error));
        return VIV_ERR_SYSTEM;
    }
    *process = (struct viv_process){.pid = pid};
    return VIV_OK;
}

bool viv_process_is_running(struct viv_process *process, char *how, size_t how_size)
{
    if (process->pid == 0) {
        return false;
    }
    int state;
    if (waitpid(process->pid, &state, WNOHANG) != process->pid) {
        return true;
    }
    if (how != NULL && WIFEXITED(state)) {
        snprintf(how, how_size, "ended with exit code %d", WEXITSTATUS(state));
    } else if (how != NULL) {
        snprintf(how, how_size, "ended by signal %d", WTERMSIG(state));
    }
    process->pid = 0;
    process->stopped = false;
    return false;
}

void viv_process_kill(struct viv_process *process)
{
    if (process->pid == 0) {
        return;
    }
    kill(-process->pid, SIGKILL);
    kill(process->pid, SIGKILL); /* should it not have reached its own group yet */
    while (waitpid(process->pid, NULL, 0) < 0 && errno == EINTR) {
    }
    *process = (struct viv_process){0};
}

static char process_state(pid_t pid)
{
    char path[64];
    struct viv_buffer text = {0};
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    char state = '?';
    if (viv_file_read(path, 4096, &text)) {
        viv_buffer_append(&text, "", 1);
        const char *after = strrchr((const char *)text.data, ')');
        state = after != NULL && after[1] == ' ' ? after[2] : '?';
    }
    viv_buffer_fini(&text);
    return state;
}

void viv_process_stop(struct viv_process *process)
{
    VIV_ASSERT(process->pid != 0);
    kill(-process->pid, SIGSTOP);
    for (int i = 0; i < 1000 && process_state(process->pid) != 'T'; i++) {
        usleep(POLL_US);
    }
    process->stopped = true;
}

void viv_process_cont(struct viv_process *process)
{
    VIV_ASSERT(process->pid != 0);
    kill(-process->pid, SIGCONT);
    process->stopped = false;
}

void viv_process_term(const struct viv_process *process)
{
    VIV_ASSERT(process->pid != 0);
    kill(-process->pid, SIGTERM);
}

bool viv_process_end(struct viv_process *process, uint32_t limit_ms)
{
    if (process->pid == 0) {
        return true;
    }
    if (process->stopped) {
        viv_process_cont(process);
    }
    viv_process_term(process);
    uint64_t limit_ns = viv_client_now_ns() + (uint64_t)limit_ms * 1000000;
    while (viv_process_is_running(process, NULL, 0)) {
        if (viv_client_now_ns() >= limit_ns) {
            viv_process_kill(process);
            return false;
        }
        usleep(POLL_US * 10);
    }
    return true;
}

/* Value of "Name:  123 kB" in /proc/PID/status, in bytes. */
static uint64_t status_bytes(const char *text, const char *name)
{
    const char *found = strstr(text, name);
    return found == NULL ? 0 : strtoull(found + strlen(name), NULL, 10) * 1024;
}

void viv_process_usage(const struct viv_process *process, struct viv_process_usage *usage)
{
    char path[64];
    struct viv_buffer text = {0};
    *usage = (struct viv_process_usage){0};
    snprintf(path, sizeof path, "/proc/%d/stat", (int)process->pid);
    if (process->pid != 0 && viv_file_read(path, 4096, &text)) {
        viv_buffer_append(&text, "", 1);
        unsigned long long user = 0;
        unsigned long long system = 0;
        const char *after = strrchr((const char *)text.data, ')');
        if (after != NULL &&
            sscanf(after + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu", &user, &system) == 2) {
            usage->cpu_ns = (user + system) * (1000000000ULL / (unsigned long long)sysconf(_SC_CLK_TCK));
        }
        viv_buffer_clear(&text);
        snprintf(path, sizeof path, "/proc/%d/status", (int)process->pid);
        if (viv_file_read(path, 16384, &text)) {
            viv_buffer_append(&text, "", 1);
            usage->rss_bytes = status_bytes((const char *)text.data, "\nVmRSS:");
            usage->rss_max_bytes = status_bytes((const char *)text.data, "\nVmHWM:");
        }
    }
    viv_buffer_fini(&text);
}
