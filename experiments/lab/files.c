#include "experiments/lab/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/log.h"

enum { OPEN_DIRS_MAX = 16 };

static bool read_some(int fd, size_t bytes_max, struct viv_buffer *out)
{
    size_t got = 0;
    while (got < bytes_max) {
        size_t wanted = bytes_max - got < 65536 ? bytes_max - got : 65536;
        ssize_t count = read(fd, viv_buffer_reserve(out, wanted), wanted);
        if (count <= 0) {
            return count == 0;
        }
        out->size += (size_t)count;
        got += (size_t)count;
    }
    return true;
}

bool viv_file_read(const char *path, size_t bytes_max, struct viv_buffer *out)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    bool ok = read_some(fd, bytes_max, out);
    close(fd);
    return ok;
}

bool viv_file_read_tail(const char *path, size_t bytes_max, struct viv_buffer *out)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    struct stat info;
    bool ok = fstat(fd, &info) == 0;
    if (ok && (size_t)info.st_size > bytes_max) {
        ok = lseek(fd, info.st_size - (off_t)bytes_max, SEEK_SET) >= 0;
    }
    ok = ok && read_some(fd, bytes_max, out);
    close(fd);
    return ok;
}

static viv_status write_and_sync(const char *path, struct viv_bytes content)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    size_t written = 0;
    while (fd >= 0 && written < content.size) {
        ssize_t count = write(fd, content.data + written, content.size - written);
        if (count < 0) {
            break;
        }
        written += (size_t)count;
    }
    bool ok = fd >= 0 && written == content.size && fsync(fd) == 0;
    if (!ok) {
        viv_log(VIV_LOG_ERROR, "lab", "a file cannot be written", "path=%s error=%m", path);
    }
    if (fd >= 0) {
        close(fd);
    }
    return ok ? VIV_OK : VIV_ERR_IO;
}

viv_status viv_file_write_whole(const char *path, struct viv_bytes content)
{
    char *temporary = viv_text("%s.tmp", path);
    viv_status status = write_and_sync(temporary, content);
    if (status == VIV_OK && rename(temporary, path) != 0) {
        viv_log(VIV_LOG_ERROR, "lab", "a file cannot be renamed", "path=%s error=%m", path);
        status = VIV_ERR_IO;
    }
    if (status != VIV_OK) {
        unlink(temporary);
    }
    free(temporary);
    return status;
}

viv_status viv_dir_make(const char *path)
{
    char *partial = viv_text("%s", path);
    for (char *slash = strchr(partial + 1, '/');; slash = strchr(slash + 1, '/')) {
        if (slash != NULL) {
            *slash = '\0';
        }
        if (mkdir(partial, 0755) != 0 && errno != EEXIST) {
            viv_log(VIV_LOG_ERROR, "lab", "a directory cannot be made", "path=%s error=%m", partial);
            free(partial);
            return VIV_ERR_IO;
        }
        if (slash == NULL) {
            break;
        }
        *slash = '/';
    }
    free(partial);
    return VIV_OK;
}

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *walk)
{
    (void)info;
    (void)type;
    (void)walk;
    if (remove(path) != 0 && errno != ENOENT) {
        viv_log(VIV_LOG_WARN, "lab", "a temporary file cannot be removed", "path=%s error=%m", path);
    }
    return 0;
}

void viv_dir_remove(const char *path)
{
    VIV_ASSERT(strlen(path) > 1);
    nftw(path, remove_one, OPEN_DIRS_MAX, FTW_DEPTH | FTW_PHYS);
}

/* nftw has no context argument, hence a walk of our own. */
static uint64_t bytes_below(const char *path, unsigned depth)
{
    enum { DEPTH_MAX = 16 };
    struct stat info;
    if (lstat(path, &info) != 0) {
        return 0;
    }
    uint64_t bytes = (uint64_t)info.st_blocks * 512;
    struct dirent **names = NULL;
    int count = S_ISDIR(info.st_mode) && depth < DEPTH_MAX ? scandir(path, &names, NULL, NULL) : 0;
    for (int i = 0; i < count; i++) {
        if (strcmp(names[i]->d_name, ".") != 0 && strcmp(names[i]->d_name, "..") != 0) {
            char *child = viv_text("%s/%s", path, names[i]->d_name);
            bytes += bytes_below(child, depth + 1);
            free(child);
        }
        free(names[i]);
    }
    free(names);
    return bytes;
}

uint64_t viv_dir_bytes(const char *path)
{
    return bytes_below(path, 0);
}

bool viv_path_exists(const char *path)
{
    return access(path, F_OK) == 0;
}

char *viv_text(const char *format, ...)
{
    va_list args;
    char *text = NULL;
    va_start(args, format);
    int size = vasprintf(&text, format, args);
    va_end(args);
    if (size < 0) {
        viv_out_of_memory(0);
    }
    return text;
}
