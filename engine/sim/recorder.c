#include "sim/recorder.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/assert.h"

enum { HANDLES_MAX = 4096, NAMES_MAX = 1 << 14, PATH_BYTES = 512 };

/* Names only ever grow in number: a run makes a few hundred files. */
struct named_inode {
    char path[PATH_BYTES];
    uint32_t inode;
};

struct handle {
    uint32_t inode; /* 0: not below the root, or not for writing */
    bool is_dsync, is_append;
};

static struct {
    struct viv_sim_recording *trace; /* NULL: off */
    char root[PATH_BYTES];
    size_t root_size;
    struct named_inode names[NAMES_MAX];
    size_t name_count;
    uint32_t inode_count;
    struct handle handles[HANDLES_MAX];
} recorder;

/* Held over the call itself: the order of the records is the order of the calls. */
static pthread_mutex_t order = PTHREAD_MUTEX_INITIALIZER;

#define REAL(name) ((__typeof__(&(name)))dlsym(RTLD_NEXT, #name))

/* ---- the record ---- */

struct viv_sim_recording *viv_sim_recording_new(size_t capacity_bytes)
{
    void *memory =
        mmap(NULL, capacity_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    VIV_ASSERT(memory != MAP_FAILED);
    struct viv_sim_recording *trace = memory;
    *trace = (struct viv_sim_recording){.capacity_bytes = capacity_bytes};
    viv_sim_recording_clear(trace);
    return trace;
}

void viv_sim_recording_clear(struct viv_sim_recording *trace)
{
    *trace = (struct viv_sim_recording){.capacity_bytes = trace->capacity_bytes, .used_bytes = sizeof *trace};
}

void viv_sim_recording_free(struct viv_sim_recording *trace)
{
    munmap(trace, trace->capacity_bytes);
}

const struct viv_sim_call *viv_sim_recording_next(const struct viv_sim_recording *recording,
                                                  const struct viv_sim_call *after)
{
    pthread_mutex_lock(&order);
    const struct viv_sim_call *next = after != NULL ? after->next : recording->first;
    pthread_mutex_unlock(&order);
    return next;
}

static void *take(size_t size)
{
    struct viv_sim_recording *trace = recorder.trace;
    void *taken = (uint8_t *)trace + trace->used_bytes;
    trace->used_bytes += (size + 15) / 16 * 16;
    VIV_ASSERT(trace->used_bytes <= trace->capacity_bytes);
    return taken;
}

static struct viv_sim_call *add(enum viv_sim_call_kind kind)
{
    struct viv_sim_recording *trace = recorder.trace;
    struct viv_sim_call *record = take(sizeof *record);
    *record = (struct viv_sim_call){.kind = kind};
    if (trace->last != NULL) {
        trace->last->next = record;
    } else {
        trace->first = record;
    }
    trace->last = record;
    trace->count++;
    return record;
}

static _Noreturn void give_up(const char *call)
{
    fprintf(stderr, "a call that changes files is not known to the recorder: %s\n", call);
    abort();
}

void viv_sim_recorder_note(const void *bytes, size_t size)
{
    pthread_mutex_lock(&order);
    struct viv_sim_call *record = add(VIV_SIM_CALL_NOTE);
    record->bytes = memcpy(take(size), bytes, size);
    record->size = size;
    pthread_mutex_unlock(&order);
}

void viv_sim_recorder_start(struct viv_sim_recording *trace, const char *root)
{
    pthread_mutex_lock(&order);
    VIV_ASSERT(strlen(root) < sizeof recorder.root);
    memset(&recorder, 0, sizeof recorder);
    strcpy(recorder.root, root);
    recorder.root_size = strlen(root);
    recorder.trace = trace;
    pthread_mutex_unlock(&order);
}

void viv_sim_recorder_stop(void)
{
    pthread_mutex_lock(&order);
    recorder.trace = NULL;
    pthread_mutex_unlock(&order);
}

/* ---- names and handles ---- */

/* What is left of the path below the root; NULL: it is elsewhere, or nothing is recorded. */
static const char *below(const char *path)
{
    if (recorder.trace == NULL || strncmp(path, recorder.root, recorder.root_size) != 0) {
        return NULL;
    }
    const char *rest = path + recorder.root_size;
    if (*rest != '/' && *rest != '\0') {
        return NULL;
    }
    while (*rest == '/') {
        rest++;
    }
    VIV_ASSERT(strlen(rest) < PATH_BYTES && strstr(rest, "..") == NULL);
    return rest;
}

/* RocksDB writes "//" here and there. */
static const char *keep_path(const char *path)
{
    char *kept = take(strlen(path) + 1);
    char *to = kept;
    for (const char *from = path; *from != '\0'; from++) {
        if (*from != '/' || (from[1] != '/' && from[1] != '\0')) {
            *to++ = *from;
        }
    }
    *to = '\0';
    return kept;
}

static struct named_inode *find_name(const char *path)
{
    for (size_t i = 0; i < recorder.name_count; i++) {
        if (strcmp(recorder.names[i].path, path) == 0) {
            return &recorder.names[i];
        }
    }
    return NULL;
}

static uint32_t name_inode(const char *path)
{
    struct named_inode *named = find_name(path);
    if (named == NULL) {
        VIV_ASSERT(recorder.name_count < NAMES_MAX);
        named = &recorder.names[recorder.name_count++];
        snprintf(named->path, sizeof named->path, "%s", path);
        named->inode = 0;
    }
    if (named->inode == 0) {
        named->inode = ++recorder.inode_count;
    }
    return named->inode;
}

/* Takes names along, also those below a folder. */
static void move_names(const char *from, const char *to)
{
    size_t size = strlen(from);
    struct named_inode *target = find_name(to);
    if (target != NULL) {
        target->inode = 0;
        target->path[0] = '\0';
    }
    for (size_t i = 0; i < recorder.name_count; i++) {
        struct named_inode *named = &recorder.names[i];
        if (strncmp(named->path, from, size) == 0 && (named->path[size] == '\0' || named->path[size] == '/')) {
            char moved[PATH_BYTES];
            VIV_ASSERT(snprintf(moved, sizeof moved, "%s%s", to, named->path + size) < PATH_BYTES);
            strcpy(named->path, moved);
        }
    }
}

static struct handle *handle_of(int fd)
{
    return recorder.trace != NULL && fd >= 0 && fd < HANDLES_MAX && recorder.handles[fd].inode != 0
               ? &recorder.handles[fd]
               : NULL;
}

static void note_open(int fd, const char *path, int flags, bool was_there)
{
    VIV_ASSERT(fd < HANDLES_MAX);
    recorder.handles[fd] = (struct handle){0};
    const char *rest = below(path);
    if (rest == NULL || (flags & O_ACCMODE) == O_RDONLY) {
        return;
    }
    const char *kept = keep_path(rest);
    struct viv_sim_call *record = add(VIV_SIM_CALL_OPEN);
    record->path = kept;
    record->inode = name_inode(kept);
    record->flag = !was_there || (flags & O_TRUNC) != 0;
    recorder.handles[fd] = (struct handle){record->inode, (flags & O_DSYNC) != 0, (flags & O_APPEND) != 0};
}

/* ---- calls on names ---- */

typedef int open_fn(const char *path, int flags, ...);

static int open_recorded(open_fn *open_real, const char *path, int flags, mode_t mode)
{
    pthread_mutex_lock(&order);
    bool is_ours = below(path) != NULL;
    bool was_there = is_ours && access(path, F_OK) == 0;
    int fd = open_real(path, flags, mode);
    int saved = errno;
    if (fd >= 0 && recorder.trace != NULL) {
        if (is_ours && (flags & O_TMPFILE) == O_TMPFILE) {
            give_up("open with O_TMPFILE");
        }
        note_open(fd, path, flags, was_there);
    }
    pthread_mutex_unlock(&order);
    errno = saved;
    return fd;
}

static mode_t mode_of(int flags, va_list *arguments)
{
    return (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(*arguments, mode_t) : 0;
}

#define RECORD_OPEN(name)                                                                                              \
    int name(const char *path, int flags, ...)                                                                         \
    {                                                                                                                  \
        va_list arguments;                                                                                             \
        va_start(arguments, flags);                                                                                    \
        mode_t mode = mode_of(flags, &arguments);                                                                      \
        va_end(arguments);                                                                                             \
        return open_recorded((open_fn *)REAL(name), path, flags, mode);                                                \
    }
RECORD_OPEN(open)
RECORD_OPEN(open64)

/* As compiled with _FORTIFY_SOURCE. */
int __open_2(const char *path, int flags);
int __open64_2(const char *path, int flags);
int __open_2(const char *path, int flags)
{
    return open_recorded((open_fn *)REAL(open), path, flags, 0);
}
int __open64_2(const char *path, int flags)
{
    return open_recorded((open_fn *)REAL(open64), path, flags, 0);
}

/* Relative to a folder nothing is written; whole paths and reading are left alone. */
#define RECORD_OPENAT(name)                                                                                            \
    int name(int directory, const char *path, int flags, ...)                                                          \
    {                                                                                                                  \
        va_list arguments;                                                                                             \
        va_start(arguments, flags);                                                                                    \
        mode_t mode = mode_of(flags, &arguments);                                                                      \
        va_end(arguments);                                                                                             \
        if (recorder.trace != NULL && (flags & O_ACCMODE) != O_RDONLY && (below(path) != NULL || path[0] != '/')) {    \
            give_up(#name);                                                                                            \
        }                                                                                                              \
        return REAL(name)(directory, path, flags, mode);                                                               \
    }
RECORD_OPENAT(openat)
RECORD_OPENAT(openat64)

int close(int fd)
{
    pthread_mutex_lock(&order);
    if (fd >= 0 && fd < HANDLES_MAX) {
        recorder.handles[fd] = (struct handle){0};
    }
    int result = REAL(close)(fd);
    pthread_mutex_unlock(&order);
    return result;
}

/* Makes the call and, when it worked, records it. */
#define RECORD_PATH(name, record_kind, parameters, ...)                                                                \
    int name parameters                                                                                                \
    {                                                                                                                  \
        pthread_mutex_lock(&order);                                                                                    \
        int result = REAL(name)(__VA_ARGS__);                                                                          \
        int saved = errno;                                                                                             \
        if (result == 0 && below(path) != NULL) {                                                                      \
            const char *kept = keep_path(below(path));                                                                 \
            add(record_kind)->path = kept;                                                                             \
            move_names(kept, "\1gone");                                                                                \
        }                                                                                                              \
        pthread_mutex_unlock(&order);                                                                                  \
        errno = saved;                                                                                                 \
        return result;                                                                                                 \
    }
RECORD_PATH(unlink, VIV_SIM_CALL_UNLINK, (const char *path), path)
RECORD_PATH(rmdir, VIV_SIM_CALL_UNLINK, (const char *path), path)
RECORD_PATH(mkdir, VIV_SIM_CALL_MKDIR, (const char *path, mode_t mode), path, mode)

/* libc's own would call past us. */
int remove(const char *path)
{
    struct stat found;
    return lstat(path, &found) == 0 && S_ISDIR(found.st_mode) ? rmdir(path) : unlink(path);
}

int rename(const char *path, const char *to)
{
    pthread_mutex_lock(&order);
    int result = REAL(rename)(path, to);
    int saved = errno;
    if (result == 0 && (below(path) != NULL || below(to) != NULL)) {
        if (below(path) == NULL || below(to) == NULL) {
            give_up("rename across the folder");
        }
        const char *from_kept = keep_path(below(path)), *to_kept = keep_path(below(to));
        struct viv_sim_call *record = add(VIV_SIM_CALL_RENAME);
        record->path = from_kept;
        record->to = to_kept;
        move_names(from_kept, to_kept);
    }
    pthread_mutex_unlock(&order);
    errno = saved;
    return result;
}

#define REFUSE_PATH(name, parameters, ...)                                                                             \
    int name parameters                                                                                                \
    {                                                                                                                  \
        if (below(path) != NULL) {                                                                                     \
            give_up(#name);                                                                                            \
        }                                                                                                              \
        return REAL(name)(__VA_ARGS__);                                                                                \
    }
REFUSE_PATH(link, (const char *path, const char *to), path, to)
REFUSE_PATH(symlink, (const char *to, const char *path), to, path)
REFUSE_PATH(truncate, (const char *path, off_t size), path, size)
REFUSE_PATH(truncate64, (const char *path, off64_t size), path, size)
REFUSE_PATH(creat, (const char *path, mode_t mode), path, mode)
REFUSE_PATH(unlinkat, (int directory, const char *path, int flags), directory, path, flags)

/* ---- calls on handles ---- */

static void record_write(int fd, const struct iovec *parts, int count, size_t size, uint64_t offset)
{
    struct handle *handle = handle_of(fd);
    uint8_t *kept = take(size);
    struct viv_sim_call *record = add(VIV_SIM_CALL_WRITE);
    record->inode = handle->inode;
    record->flag = handle->is_dsync;
    record->offset = offset;
    record->bytes = kept;
    record->size = size;
    for (int i = 0; i < count && size > 0; i++) {
        size_t part = parts[i].iov_len < size ? parts[i].iov_len : size;
        memcpy(kept, parts[i].iov_base, part);
        kept += part;
        size -= part;
    }
}

/* `offset` -1: where the handle stands. */
static ssize_t write_recorded(int fd, const struct iovec *parts, int count, off_t offset)
{
    pthread_mutex_lock(&order);
    struct handle *handle = handle_of(fd);
    off_t at = offset;
    if (handle != NULL && offset < 0) {
        at = lseek(fd, 0, handle->is_append ? SEEK_END : SEEK_CUR);
    }
    ssize_t result = offset < 0 ? REAL(writev)(fd, parts, count) : REAL(pwritev)(fd, parts, count, offset);
    int saved = errno;
    if (handle != NULL && result > 0) {
        record_write(fd, parts, count, (size_t)result, (uint64_t)at);
    }
    pthread_mutex_unlock(&order);
    errno = saved;
    return result;
}

static ssize_t write_one(int fd, const void *from, size_t size, off_t offset)
{
    struct iovec part = {(void *)from, size};
    return write_recorded(fd, &part, 1, offset);
}

ssize_t write(int fd, const void *from, size_t size)
{
    return write_one(fd, from, size, -1);
}
ssize_t pwrite(int fd, const void *from, size_t size, off_t offset)
{
    return write_one(fd, from, size, offset);
}
ssize_t pwrite64(int fd, const void *from, size_t size, off64_t offset)
{
    return write_one(fd, from, size, offset);
}
ssize_t writev(int fd, const struct iovec *parts, int count)
{
    return write_recorded(fd, parts, count, -1);
}
ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t offset)
{
    return write_recorded(fd, parts, count, offset);
}
ssize_t pwritev64(int fd, const struct iovec *parts, int count, off64_t offset)
{
    return write_recorded(fd, parts, count, offset);
}

static bool folder_of(int fd, char *path, size_t size)
{
    struct stat found;
    char link_path[64];
    if (recorder.trace == NULL || fstat(fd, &found) != 0 || !S_ISDIR(found.st_mode)) {
        return false;
    }
    snprintf(link_path, sizeof link_path, "/proc/self/fd/%d", fd);
    ssize_t got = readlink(link_path, path, size - 1);
    VIV_ASSERT(got > 0 && (size_t)got < size - 1);
    path[got] = '\0';
    return below(path) != NULL;
}

typedef int sync_fn(int fd);

static int sync_recorded(sync_fn *sync_real, int fd)
{
    pthread_mutex_lock(&order);
    int result = sync_real(fd);
    int saved = errno;
    char path[PATH_MAX];
    if (result == 0 && handle_of(fd) != NULL) {
        add(VIV_SIM_CALL_SYNC)->inode = handle_of(fd)->inode;
    } else if (result == 0 && folder_of(fd, path, sizeof path)) {
        const char *kept = keep_path(below(path));
        add(VIV_SIM_CALL_SYNC_DIR)->path = kept;
    }
    pthread_mutex_unlock(&order);
    errno = saved;
    return result;
}

int fsync(int fd)
{
    return sync_recorded(REAL(fsync), fd);
}
int fdatasync(int fd)
{
    return sync_recorded(REAL(fdatasync), fd);
}

/* A hint that makes nothing durable. */
int sync_file_range(int fd, off64_t offset, off64_t size, unsigned flags)
{
    return REAL(sync_file_range)(fd, offset, size, flags);
}

static void record_size(enum viv_sim_call_kind kind, int fd, uint64_t size)
{
    if (handle_of(fd) != NULL) {
        struct viv_sim_call *record = add(kind);
        record->inode = handle_of(fd)->inode;
        record->offset = size;
    }
}

#define RECORD_SIZE(name, record_kind, parameters, size, ...)                                                          \
    int name parameters                                                                                                \
    {                                                                                                                  \
        pthread_mutex_lock(&order);                                                                                    \
        int result = REAL(name)(__VA_ARGS__);                                                                          \
        int saved = errno;                                                                                             \
        if (result == 0) {                                                                                             \
            record_size(record_kind, fd, (uint64_t)(size));                                                            \
        }                                                                                                              \
        pthread_mutex_unlock(&order);                                                                                  \
        errno = saved;                                                                                                 \
        return result;                                                                                                 \
    }
RECORD_SIZE(ftruncate, VIV_SIM_CALL_RESIZE, (int fd, off_t size), size, fd, size)
RECORD_SIZE(ftruncate64, VIV_SIM_CALL_RESIZE, (int fd, off64_t size), size, fd, size)
RECORD_SIZE(posix_fallocate, VIV_SIM_CALL_EXTEND, (int fd, off_t offset, off_t size), offset + size, fd, offset, size)
RECORD_SIZE(posix_fallocate64, VIV_SIM_CALL_EXTEND, (int fd, off64_t offset, off64_t size), offset + size, fd, offset,
            size)

/* With KEEP_SIZE and nothing else no byte and no size changes; holes are punched behind the end only. */
static int fallocate_recorded(int fd, int mode, off_t offset, off_t size)
{
    struct stat found;
    bool is_ours = handle_of(fd) != NULL;
    bool is_behind = is_ours && fstat(fd, &found) == 0 && offset >= found.st_size;
    bool is_known = (mode & FALLOC_FL_KEEP_SIZE) ? mode == FALLOC_FL_KEEP_SIZE || is_behind : mode == 0;
    if (is_ours && !is_known) {
        give_up("fallocate");
    }
    pthread_mutex_lock(&order);
    int result = REAL(fallocate)(fd, mode, offset, size);
    int saved = errno;
    if (result == 0 && mode == 0) {
        record_size(VIV_SIM_CALL_EXTEND, fd, (uint64_t)(offset + size));
    }
    pthread_mutex_unlock(&order);
    errno = saved;
    return result;
}

int fallocate(int fd, int mode, off_t offset, off_t size)
{
    return fallocate_recorded(fd, mode, offset, size);
}
int fallocate64(int fd, int mode, off64_t offset, off64_t size)
{
    return fallocate_recorded(fd, mode, offset, size);
}

/* ---- what must not happen ---- */

static void refuse_handle(int fd, const char *call)
{
    if (handle_of(fd) != NULL) {
        give_up(call);
    }
}

void *mmap(void *address, size_t size, int protection, int flags, int fd, off_t offset)
{
    if ((flags & MAP_SHARED) && (protection & PROT_WRITE)) {
        refuse_handle(fd, "mmap for writing");
    }
    return REAL(mmap)(address, size, protection, flags, fd, offset);
}

int dup(int fd)
{
    refuse_handle(fd, "dup");
    return REAL(dup)(fd);
}

int dup2(int fd, int other)
{
    refuse_handle(fd, "dup2");
    refuse_handle(other, "dup2");
    return REAL(dup2)(fd, other);
}

ssize_t copy_file_range(int from, off64_t *from_offset, int fd, off64_t *offset, size_t size, unsigned flags)
{
    refuse_handle(fd, "copy_file_range");
    return REAL(copy_file_range)(from, from_offset, fd, offset, size, flags);
}
