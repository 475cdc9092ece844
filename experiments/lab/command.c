#include "experiments/lab/command.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/assert.h"
#include "experiments/lab/files.h"

enum { OUTPUT_BYTES_MAX = 1 << 20 };

static void become(const char *const argv[], int out_fd, bool with_errors)
{
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    int null_fd = open("/dev/null", O_RDWR);
    if (null_fd >= 0 && dup2(null_fd, 0) >= 0 && dup2(out_fd, 1) >= 0 && dup2(with_errors ? out_fd : null_fd, 2) >= 0) {
        execvp(argv[0], (char *const *)argv);
    }
    _exit(127);
}

bool viv_command(const char *const argv[], bool with_errors, struct viv_buffer *out)
{
    int pipe_fds[2];
    VIV_ASSERT(argv[0] != NULL);
    if (pipe2(pipe_fds, O_CLOEXEC) != 0) {
        return false;
    }
    pid_t pid = fork();
    if (pid == 0) {
        become(argv, pipe_fds[1], with_errors);
    }
    close(pipe_fds[1]);
    size_t got = 0;
    ssize_t count = 1;
    while (pid > 0 && count > 0 && got < OUTPUT_BYTES_MAX) {
        count = read(pipe_fds[0], viv_buffer_reserve(out, 4096), 4096);
        if (count > 0) {
            out->size += (size_t)count;
            got += (size_t)count;
        }
    }
    close(pipe_fds[0]);
    int state = -1;
    while (pid > 0 && waitpid(pid, &state, 0) < 0 && errno == EINTR) {
    }
    return pid > 0 && WIFEXITED(state) && WEXITSTATUS(state) == 0;
}

char *viv_command_line(const char *const argv[], bool with_errors)
{
    struct viv_buffer text = {0};
    char *line = NULL;
    bool ok = viv_command(argv, with_errors, &text);
    viv_buffer_append(&text, "", 1);
    size_t size = strcspn((const char *)text.data, "\n");
    if (ok && size > 0) {
        line = viv_text("%.*s", (int)size, (const char *)text.data);
    }
    viv_buffer_fini(&text);
    return line;
}
