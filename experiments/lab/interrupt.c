#include "experiments/lab/interrupt.h"

#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/log.h"
#include "client/client.h"

enum { NS_PER_S = 1000000000 };

viv_status viv_interrupt_open(struct viv_interrupt *interrupt)
{
    sigset_t mask;
    sigemptyset(&mask);
    sigaddset(&mask, SIGINT);
    sigaddset(&mask, SIGTERM);
    sigaddset(&mask, SIGHUP);
    *interrupt = (struct viv_interrupt){.fd = -1};
    if (sigprocmask(SIG_BLOCK, &mask, NULL) != 0 || (interrupt->fd = signalfd(-1, &mask, SFD_CLOEXEC)) < 0) {
        viv_log(VIV_LOG_ERROR, "lab", "signals cannot be read from a descriptor", "error=%m");
        return VIV_ERR_SYSTEM;
    }
    return VIV_OK;
}

void viv_interrupt_close(struct viv_interrupt *interrupt)
{
    close(interrupt->fd);
    interrupt->fd = -1;
}

viv_status viv_interrupt_wait(struct viv_interrupt *interrupt, uint64_t until_ns)
{
    VIV_ASSERT(interrupt->fd >= 0);
    if (interrupt->signal != 0) {
        return VIV_ERR_INTERRUPTED;
    }
    uint64_t now_ns = viv_client_now_ns();
    uint64_t wait_ns = until_ns > now_ns ? until_ns - now_ns : 0;
    struct timespec wait = {.tv_sec = (time_t)(wait_ns / NS_PER_S), .tv_nsec = (long)(wait_ns % NS_PER_S)};
    struct pollfd polled = {.fd = interrupt->fd, .events = POLLIN};
    if (ppoll(&polled, 1, &wait, NULL) <= 0) {
        return VIV_OK;
    }
    struct signalfd_siginfo info;
    interrupt->signal = read(interrupt->fd, &info, sizeof info) == sizeof info ? (int)info.ssi_signo : SIGTERM;
    viv_log(VIV_LOG_WARN, "lab", "interrupted, cleaning up", "signal=%d", interrupt->signal);
    return VIV_ERR_INTERRUPTED;
}
