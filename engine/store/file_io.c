#include "store/file_io.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/log.h"

/* One write call of zeros while a segment is filled. */
enum { ZERO_CHUNK_BYTES = 256 << 10 };

static int real_open(void *ctx, const char *path, unsigned flags)
{
    (void)ctx;
    int mode = (flags & VIV_FILE_WRITE) ? O_RDWR : O_RDONLY;
    if (flags & VIV_FILE_CREATE) {
        mode |= (flags & VIV_FILE_KEEP) ? O_CREAT : O_CREAT | O_TRUNC;
    }
    int handle = open(path, mode | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (handle >= 0 && (flags & VIV_FILE_FRESH)) {
        (void)posix_fadvise(handle, 0, 0, POSIX_FADV_DONTNEED);
    }
    return handle >= 0 ? handle : -errno;
}

static void real_close(void *ctx, int file)
{
    (void)ctx;
    close(file);
}

static int64_t real_size(void *ctx, int file)
{
    (void)ctx;
    struct stat stat;
    return fstat(file, &stat) == 0 ? (int64_t)stat.st_size : -errno;
}

static int64_t real_read(void *ctx, int file, void *to, size_t size, uint64_t offset)
{
    (void)ctx;
    ssize_t got = pread(file, to, size, (off_t)offset);
    return got >= 0 ? got : -errno;
}

static int64_t real_write(void *ctx, int file, const void *from, size_t size, uint64_t offset)
{
    (void)ctx;
    ssize_t put = pwrite(file, from, size, (off_t)offset);
    return put >= 0 ? put : -errno;
}

static int real_reserve(void *ctx, int file, uint64_t bytes)
{
    (void)ctx;
    return -posix_fallocate(file, 0, (off_t)bytes); /* writes zeros where the file system has no call for it */
}

static int real_sync(void *ctx, int file)
{
    (void)ctx;
    return fdatasync(file) == 0 ? 0 : -errno;
}

static int real_lock(void *ctx, int file)
{
    (void)ctx;
    return flock(file, LOCK_EX | LOCK_NB) == 0 ? 0 : -errno;
}

static int real_rename(void *ctx, const char *from, const char *to)
{
    (void)ctx;
    return rename(from, to) == 0 ? 0 : -errno;
}

static int real_unlink(void *ctx, const char *path)
{
    (void)ctx;
    return unlink(path) == 0 ? 0 : -errno;
}

static int real_sync_dir(void *ctx, const char *path)
{
    (void)ctx;
    int directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0) {
        return -errno;
    }
    int result = fsync(directory) == 0 ? 0 : -errno;
    close(directory);
    return result;
}

static int real_list(void *ctx, const char *path, struct viv_buffer *names)
{
    (void)ctx;
    DIR *directory = opendir(path);
    if (directory == NULL) {
        return -errno;
    }
    errno = 0;
    for (struct dirent *entry; (entry = readdir(directory)) != NULL; errno = 0) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            viv_buffer_append(names, entry->d_name, strlen(entry->d_name) + 1);
        }
    }
    int result = -errno;
    closedir(directory);
    return result;
}

static uint64_t real_random(void *ctx)
{
    (void)ctx;
    uint64_t value;
    ssize_t got = getrandom(&value, sizeof value, 0);
    VIV_ASSERT(got == (ssize_t)sizeof value); /* 8 bytes are never cut short (getrandom(2)) */
    return value;
}

static const struct viv_file_ops real_ops = {
    .open = real_open,
    .close = real_close,
    .size = real_size,
    .read = real_read,
    .write = real_write,
    .reserve = real_reserve,
    .sync = real_sync,
    .lock = real_lock,
    .rename = real_rename,
    .unlink = real_unlink,
    .sync_dir = real_sync_dir,
    .list = real_list,
    .random = real_random,
};

const struct viv_disk viv_disk_real = {&real_ops, NULL};

viv_status viv_file_status(int64_t result)
{
    VIV_ASSERT(result < 0);
    switch ((int)-result) {
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        return VIV_ERR_NOSPACE;
    case EIO:
        return VIV_ERR_IO;
    case ENOENT:
        return VIV_ERR_NOT_FOUND;
    case EWOULDBLOCK:
        return VIV_ERR_BUSY;
    default:
        return VIV_ERR_SYSTEM;
    }
}

static viv_status failed(int64_t result, const char *doing, const char *path)
{
    viv_status status = viv_file_status(result);
    if (status != VIV_ERR_NOT_FOUND) {
        char reason[128];
        viv_log(VIV_LOG_ERROR, "store", "a file operation failed", "operation=%s file=%s reason=\"%s\"", doing, path,
                strerror_r((int)-result, reason, sizeof reason));
    }
    return status;
}

viv_status viv_file_open(const struct viv_disk *disk, const char *path, unsigned flags, struct viv_file *file)
{
    VIV_ASSERT(!(flags & VIV_FILE_CREATE) || (flags & VIV_FILE_WRITE));
    int handle = disk->ops->open(disk->ctx, path, flags);
    if (handle < 0) {
        return failed(handle, "open", path);
    }
    *file = (struct viv_file){handle, viv_file_path(NULL, "%s", path)};
    return VIV_OK;
}

void viv_file_close(const struct viv_disk *disk, struct viv_file *file)
{
    if (file->path != NULL) {
        disk->ops->close(disk->ctx, file->handle);
        free(file->path);
    }
    *file = (struct viv_file){-1, NULL};
}

viv_status viv_file_size(const struct viv_disk *disk, const struct viv_file *file, uint64_t *bytes)
{
    int64_t size = disk->ops->size(disk->ctx, file->handle);
    if (size < 0) {
        return failed(size, "stat", file->path);
    }
    *bytes = (uint64_t)size;
    return VIV_OK;
}

viv_status viv_file_read(const struct viv_disk *disk, const struct viv_file *file, void *to, size_t size,
                         uint64_t offset, size_t *got)
{
    size_t done = 0;
    while (done < size) {
        int64_t result = disk->ops->read(disk->ctx, file->handle, (uint8_t *)to + done, size - done, offset + done);
        if (result == -EINTR) {
            continue;
        }
        if (result < 0) {
            return failed(result, "read", file->path);
        }
        if (result == 0) {
            break;
        }
        done += (size_t)result;
    }
    *got = done;
    return VIV_OK;
}

viv_status viv_file_write(const struct viv_disk *disk, const struct viv_file *file, const void *from, size_t size,
                          uint64_t offset)
{
    size_t done = 0;
    while (done < size) {
        int64_t result =
            disk->ops->write(disk->ctx, file->handle, (const uint8_t *)from + done, size - done, offset + done);
        if (result == -EINTR) {
            continue;
        }
        if (result < 0) {
            return failed(result, "write", file->path);
        }
        VIV_ASSERT(result > 0);
        done += (size_t)result;
    }
    return VIV_OK;
}

viv_status viv_file_fill_zero(const struct viv_disk *disk, const struct viv_file *file, uint64_t offset, uint64_t bytes)
{
    void *zeros = viv_alloc_zeroed(1, ZERO_CHUNK_BYTES);
    viv_status status = VIV_OK;
    while (bytes > 0 && status == VIV_OK) {
        size_t chunk = bytes < ZERO_CHUNK_BYTES ? (size_t)bytes : ZERO_CHUNK_BYTES;
        status = viv_file_write(disk, file, zeros, chunk, offset);
        offset += chunk;
        bytes -= chunk;
    }
    free(zeros);
    return status;
}

viv_status viv_file_reserve(const struct viv_disk *disk, const struct viv_file *file, uint64_t bytes)
{
    int result = disk->ops->reserve(disk->ctx, file->handle, bytes);
    return result == 0 ? VIV_OK : failed(result, "reserve", file->path);
}

viv_status viv_file_sync(const struct viv_disk *disk, const struct viv_file *file)
{
    int result = disk->ops->sync(disk->ctx, file->handle);
    return result == 0 ? VIV_OK : failed(result, "sync", file->path);
}

viv_status viv_file_lock(const struct viv_disk *disk, const struct viv_file *file)
{
    int result = disk->ops->lock(disk->ctx, file->handle);
    return result == 0 ? VIV_OK : failed(result, "lock", file->path);
}

viv_status viv_file_rename(const struct viv_disk *disk, const char *from, const char *to)
{
    int result = disk->ops->rename(disk->ctx, from, to);
    return result == 0 ? VIV_OK : failed(result, "rename", from);
}

viv_status viv_file_unlink(const struct viv_disk *disk, const char *path)
{
    int result = disk->ops->unlink(disk->ctx, path);
    return result == 0 ? VIV_OK : failed(result, "unlink", path);
}

viv_status viv_file_sync_dir(const struct viv_disk *disk, const char *path)
{
    int result = disk->ops->sync_dir(disk->ctx, path);
    return result == 0 ? VIV_OK : failed(result, "sync", path);
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

viv_status viv_file_list(const struct viv_disk *disk, const char *path, struct viv_file_names *names)
{
    struct viv_file_names found = {0};
    int result = disk->ops->list(disk->ctx, path, &found.text);
    if (result != 0) {
        viv_buffer_fini(&found.text);
        return failed(result, "list", path);
    }
    for (size_t at = 0; at < found.text.size; at += strlen((char *)found.text.data + at) + 1) {
        found.names = viv_realloc(found.names, (found.count + 1) * sizeof *found.names);
        found.names[found.count++] = (char *)found.text.data + at;
    }
    if (found.count > 1) {
        qsort(found.names, found.count, sizeof *found.names, compare_names);
    }
    *names = found;
    return VIV_OK;
}

void viv_file_names_fini(struct viv_file_names *names)
{
    free(names->names);
    viv_buffer_fini(&names->text);
    *names = (struct viv_file_names){0};
}

char *viv_file_path(const char *directory, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    struct viv_buffer path = {0};
    if (directory != NULL) {
        viv_buffer_printf(&path, "%s/", directory);
    }
    va_list again;
    va_copy(again, args);
    int size = vsnprintf(NULL, 0, format, args);
    va_end(args);
    VIV_ASSERT(size >= 0);
    vsnprintf((char *)viv_buffer_extend(&path, (size_t)size + 1), (size_t)size + 1, format, again);
    va_end(again);
    return (char *)path.data;
}
