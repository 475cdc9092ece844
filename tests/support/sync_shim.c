#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Preloaded into a server (LD_PRELOAD), ours or Apache ZooKeeper's, stands between it and the syncs of its disk. What
 * it does may change at any moment: it is read from the first eight bytes of the file that VIV_SYNC_CONTROL names, two
 * 32-bit numbers of this machine's order, a deed and its milliseconds:
 *
 *   0 pass
 *   1 slow     each sync takes so many milliseconds more
 *   2 frozen   no sync ends before the deed changes
 *   3 failing  each sync fails with EIO
 *   4 lying    each sync says that it is done, and was not made; a file opened meanwhile is not synchronous
 *
 * Syncs are fsync, fdatasync, msync, and writes to a file that was opened with O_DSYNC or O_SYNC (LMDB's second page).
 * Without the file, or when it is shorter, all pass. */

enum deed { PASS, SLOW, FROZEN, FAILING, LYING };
enum { LOOK_US = 500 };

struct control {
    volatile uint32_t deed, ms;
};

static struct control none;
static struct control *control = &none;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void open_control(void)
{
    struct stat stat_of;
    const char *path = getenv("VIV_SYNC_CONTROL");
    int fd = path == NULL ? -1 : (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return;
    }
    if (fstat(fd, &stat_of) == 0 && stat_of.st_size >= (off_t)sizeof *control) {
        void *mapped = mmap(NULL, sizeof *control, PROT_READ, MAP_SHARED, fd, 0);
        control = mapped == MAP_FAILED ? &none : mapped;
    }
    close(fd);
}

/* Waits as ordered; true when the sync is then to be made, false with *result when not. */
static bool goes_on(int *result)
{
    pthread_once(&once, open_control);
    while (control->deed == FROZEN) {
        usleep(LOOK_US);
    }
    switch (control->deed) {
    case SLOW:
        usleep(control->ms * 1000);
        return true;
    case FAILING:
        errno = EIO;
        *result = -1;
        return false;
    case LYING:
        *result = 0;
        return false;
    default:
        return true;
    }
}

#define REAL(name) ((__typeof__(&(name)))dlsym(RTLD_NEXT, #name))

#define SHIM_SYNC(name, parameters, ...)                                                                               \
    int name parameters                                                                                                \
    {                                                                                                                  \
        int result;                                                                                                    \
        return goes_on(&result) ? REAL(name)(__VA_ARGS__) : result;                                                    \
    }

SHIM_SYNC(fsync, (int fd), fd)
SHIM_SYNC(fdatasync, (int fd), fd)
SHIM_SYNC(msync, (void *address, size_t size, int flags), address, size, flags)

/* A synchronous write that may not be synced is still a write. */
static bool may_write(int fd)
{
    int result = 0;
    int flags = fcntl(fd, F_GETFL);
    return flags < 0 || (flags & O_DSYNC) == 0 || goes_on(&result) || result == 0;
}

#define SHIM_WRITE(name, parameters, ...)                                                                              \
    ssize_t name parameters                                                                                            \
    {                                                                                                                  \
        return may_write(fd) ? REAL(name)(__VA_ARGS__) : -1;                                                           \
    }

SHIM_WRITE(pwrite, (int fd, const void *from, size_t size, off_t offset), fd, from, size, offset)
SHIM_WRITE(pwrite64, (int fd, const void *from, size_t size, off64_t offset), fd, from, size, offset)

static int flags_now(int flags)
{
    pthread_once(&once, open_control);
    return control->deed == LYING ? flags & ~(O_SYNC | O_DSYNC) : flags;
}

#define SHIM_OPEN(name)                                                                                                \
    int name(const char *path, int flags, ...)                                                                         \
    {                                                                                                                  \
        va_list arguments;                                                                                             \
        va_start(arguments, flags);                                                                                    \
        mode_t mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(arguments, mode_t) : 0;                            \
        va_end(arguments);                                                                                             \
        return REAL(name)(path, flags_now(flags), mode);                                                               \
    }

SHIM_OPEN(open)
SHIM_OPEN(open64)
