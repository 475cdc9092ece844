#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

/* Preloaded into a program (LD_PRELOAD), counts the system calls with which it changes regular files and directories,
 * and does something at the n-th:
 *
 *   VIV_SHIM_AT=n      from 1; 0 or unset: only count
 *   VIV_SHIM_DO=kill   the process is gone before the call is made
 *              torn    as kill, but the first half of a write is made
 *              eio     that one call fails with EIO
 *              sync    the first fsync or fdatasync from that call on fails with EIO
 *              dead    that call and all later ones fail with EIO
 *              full    that call and all later ones that take room fail with ENOSPC
 *
 * And at any time:
 *
 *   VIV_SHIM_FREEZE=path   no sync returns while that file exists
 *   VIV_SHIM_SYNC_MS=n     each takes n milliseconds longer
 *
 * viv_shim_calls() tells the count to whoever looks it up. Calls that libc makes for itself (stdio) are not seen; none
 * of the stores writes data through stdio. */

unsigned long viv_shim_calls(void);

static atomic_ulong calls;

enum deed { PASS, KILL, TORN, REFUSE_EIO, REFUSE_ENOSPC };

/* What a call is to a disk: a full one refuses what takes room. */
enum kind { ANY, TAKES_ROOM, SYNC };

struct order {
    const char *word;
    enum deed deed;
    enum kind kind; /* of the calls that it concerns; ANY: all */
    enum { ONCE_AT, ONCE_FROM, ALWAYS_FROM } when;
};

static const struct order orders[] = {
    {"kill", KILL, ANY, ONCE_AT},           {"torn", TORN, ANY, ONCE_AT},
    {"eio", REFUSE_EIO, ANY, ONCE_AT},      {"sync", REFUSE_EIO, SYNC, ONCE_FROM},
    {"dead", REFUSE_EIO, ANY, ALWAYS_FROM}, {"full", REFUSE_ENOSPC, TAKES_ROOM, ALWAYS_FROM},
};

unsigned long viv_shim_calls(void)
{
    return atomic_load(&calls);
}

static bool is_due(const struct order *order, unsigned long number, unsigned long target, enum kind kind)
{
    static atomic_bool is_done;
    if (number < target || (order->kind != ANY && order->kind != kind)) {
        return false;
    }
    return order->when == ALWAYS_FROM || (order->when == ONCE_AT && number == target) ||
           (order->when == ONCE_FROM && !atomic_exchange(&is_done, true));
}

/* Counts a call and says what is to become of it. */
static enum deed next_deed(enum kind kind)
{
    unsigned long number = atomic_fetch_add(&calls, 1) + 1;
    const char *at = getenv("VIV_SHIM_AT");
    const char *what = getenv("VIV_SHIM_DO");
    unsigned long target = at != NULL ? strtoul(at, NULL, 10) : 0;
    for (size_t i = 0; target != 0 && what != NULL && i < sizeof orders / sizeof orders[0]; i++) {
        if (strcmp(orders[i].word, what) == 0 && is_due(&orders[i], number, target, kind)) {
            return orders[i].deed;
        }
    }
    return PASS;
}

/* True when the call is to be made; otherwise errno is set. */
static bool allowed(enum kind kind)
{
    switch (next_deed(kind)) {
    case KILL:
    case TORN:
        _exit(137);
    case REFUSE_EIO:
        errno = EIO;
        return false;
    case REFUSE_ENOSPC:
        errno = ENOSPC;
        return false;
    case PASS:
        break;
    }
    return true;
}

static bool is_file(int fd)
{
    struct stat stat_of;
    int saved = errno;
    bool result = fd > 2 && fstat(fd, &stat_of) == 0 && (S_ISREG(stat_of.st_mode) || S_ISDIR(stat_of.st_mode));
    errno = saved;
    return result;
}

/* Paths that are nobody's data. */
static bool is_outside(const char *path)
{
    return strncmp(path, "/dev/", 5) == 0 || strncmp(path, "/proc/", 6) == 0 || strncmp(path, "/sys/", 5) == 0;
}

#define REAL(name) ((__typeof__(&(name)))dlsym(RTLD_NEXT, #name))

/* Calls on a descriptor: name, kind, parameters, arguments. */
#define SHIM_FD(name, kind, parameters, ...)                                                                           \
    int name parameters                                                                                                \
    {                                                                                                                  \
        return is_file(fd) && !allowed(kind) ? -1 : REAL(name)(__VA_ARGS__);                                           \
    }
/* Calls on a path. */
#define SHIM_PATH(name, kind, parameters, ...)                                                                         \
    int name parameters                                                                                                \
    {                                                                                                                  \
        return !is_outside(path) && !allowed(kind) ? -1 : REAL(name)(__VA_ARGS__);                                     \
    }
/* Writes, which can be torn: `half` makes the first half. */
#define SHIM_WRITE(name, parameters, half, ...)                                                                        \
    ssize_t name parameters                                                                                            \
    {                                                                                                                  \
        if (is_file(fd)) {                                                                                             \
            enum deed deed = next_deed(TAKES_ROOM);                                                                    \
            if (deed == KILL || deed == TORN) {                                                                        \
                ssize_t made = deed == TORN ? half : 0;                                                                \
                _exit(made >= 0 ? 137 : 138);                                                                          \
            }                                                                                                          \
            if (deed != PASS) {                                                                                        \
                errno = deed == REFUSE_EIO ? EIO : ENOSPC;                                                             \
                return -1;                                                                                             \
            }                                                                                                          \
        }                                                                                                              \
        return REAL(name)(__VA_ARGS__);                                                                                \
    }

SHIM_WRITE(write, (int fd, const void *from, size_t size), REAL(write)(fd, from, size / 2), fd, from, size)
SHIM_WRITE(pwrite, (int fd, const void *from, size_t size, off_t offset), REAL(pwrite)(fd, from, size / 2, offset), fd,
           from, size, offset)
SHIM_WRITE(pwrite64, (int fd, const void *from, size_t size, off64_t offset),
           REAL(pwrite64)(fd, from, size / 2, offset), fd, from, size, offset)
SHIM_WRITE(writev, (int fd, const struct iovec *parts, int count), REAL(writev)(fd, parts, count / 2), fd, parts, count)
SHIM_WRITE(pwritev, (int fd, const struct iovec *parts, int count, off_t offset),
           REAL(pwritev)(fd, parts, count / 2, offset), fd, parts, count, offset)
SHIM_WRITE(pwritev64, (int fd, const struct iovec *parts, int count, off64_t offset),
           REAL(pwritev64)(fd, parts, count / 2, offset), fd, parts, count, offset)

static void nap(unsigned long ms)
{
    nanosleep(&(struct timespec){.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000}, NULL);
}

static void wait_for_disk(void)
{
    const char *frozen = getenv("VIV_SHIM_FREEZE");
    const char *slow = getenv("VIV_SHIM_SYNC_MS");
    int saved = errno;
    if (slow != NULL) {
        nap(strtoul(slow, NULL, 10));
    }
    while (frozen != NULL && access(frozen, F_OK) == 0) {
        nap(2);
    }
    errno = saved;
}

SHIM_FD(fsync, SYNC, (int fd), (wait_for_disk(), fd))
SHIM_FD(fdatasync, SYNC, (int fd), (wait_for_disk(), fd))
SHIM_FD(ftruncate, TAKES_ROOM, (int fd, off_t size), fd, size)
SHIM_FD(ftruncate64, TAKES_ROOM, (int fd, off64_t size), fd, size)
SHIM_FD(fallocate, TAKES_ROOM, (int fd, int mode, off_t offset, off_t size), fd, mode, offset, size)
SHIM_FD(fallocate64, TAKES_ROOM, (int fd, int mode, off64_t offset, off64_t size), fd, mode, offset, size)

/* A hint that makes nothing durable: counted, for kills, but never refused (RocksDB probes for it at every open, and
 * asserts what it may answer). */
int sync_file_range(int fd, off64_t offset, off64_t size, unsigned flags)
{
    enum deed deed = is_file(fd) ? next_deed(ANY) : PASS;
    if (deed == KILL || deed == TORN) {
        _exit(137);
    }
    return REAL(sync_file_range)(fd, offset, size, flags);
}

SHIM_PATH(rename, ANY, (const char *path, const char *to), path, to)
SHIM_PATH(unlink, ANY, (const char *path), path)
SHIM_PATH(link, TAKES_ROOM, (const char *path, const char *to), path, to)
SHIM_PATH(mkdir, TAKES_ROOM, (const char *path, mode_t mode), path, mode)
SHIM_PATH(rmdir, ANY, (const char *path), path)
SHIM_PATH(truncate, TAKES_ROOM, (const char *path, off_t size), path, size)
SHIM_PATH(truncate64, TAKES_ROOM, (const char *path, off64_t size), path, size)

/* These two return an error number instead of setting errno. */
int posix_fallocate(int fd, off_t offset, off_t size)
{
    return is_file(fd) && !allowed(TAKES_ROOM) ? errno : REAL(posix_fallocate)(fd, offset, size);
}

int posix_fallocate64(int fd, off64_t offset, off64_t size)
{
    return is_file(fd) && !allowed(TAKES_ROOM) ? errno : REAL(posix_fallocate64)(fd, offset, size);
}

int msync(void *address, size_t size, int flags)
{
    wait_for_disk();
    return allowed(ANY) ? REAL(msync)(address, size, flags) : -1;
}

static mode_t mode_argument(int flags, va_list *arguments)
{
    return (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(*arguments, mode_t) : 0;
}

/* Opening changes something only when it may create or empty a file. */
static bool may_open(const char *path, int flags)
{
    return (flags & (O_CREAT | O_TRUNC)) == 0 || is_outside(path) || allowed(TAKES_ROOM);
}

#define SHIM_OPEN(name)                                                                                                \
    int name(const char *path, int flags, ...)                                                                         \
    {                                                                                                                  \
        va_list arguments;                                                                                             \
        va_start(arguments, flags);                                                                                    \
        mode_t mode = mode_argument(flags, &arguments);                                                                \
        va_end(arguments);                                                                                             \
        return may_open(path, flags) ? REAL(name)(path, flags, mode) : -1;                                             \
    }
#define SHIM_OPENAT(name)                                                                                              \
    int name(int directory, const char *path, int flags, ...)                                                          \
    {                                                                                                                  \
        va_list arguments;                                                                                             \
        va_start(arguments, flags);                                                                                    \
        mode_t mode = mode_argument(flags, &arguments);                                                                \
        va_end(arguments);                                                                                             \
        return may_open(path, flags) ? REAL(name)(directory, path, flags, mode) : -1;                                  \
    }

SHIM_OPEN(open)
SHIM_OPEN(open64)
SHIM_OPENAT(openat)
SHIM_OPENAT(openat64)
