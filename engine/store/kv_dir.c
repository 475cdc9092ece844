#include "store/kv_dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/log.h"

viv_status viv_kv_status_of_errno(int error)
{
    switch (error) {
    case ENOSPC:
    case EDQUOT:
    case EFBIG: /* a file size limit is a full disk by another name */
        return VIV_ERR_NOSPACE;
    case EIO:
        return VIV_ERR_IO;
    case EWOULDBLOCK:
        return VIV_ERR_BUSY;
    default:
        return VIV_ERR_SYSTEM;
    }
}

static viv_status failed(const struct viv_kv_dir *dir, const char *call, const char *path)
{
    int error = errno;
    viv_log(VIV_LOG_ERROR, dir->store, "a system call failed", "call=%s path=%s error=%s", call, path, strerror(error));
    return viv_kv_status_of_errno(error);
}

static char *path_of(const struct viv_kv_dir *dir, const char *suffix)
{
    struct viv_buffer path = {0};
    viv_buffer_printf(&path, "%s/%s-%u%s", dir->parent, dir->store, dir->gid, suffix);
    viv_buffer_append(&path, "", 1);
    return (char *)path.data;
}

static char *image_path(const struct viv_kv_dir *dir, uint64_t generation, const char *suffix)
{
    char tail[48];
    snprintf(tail, sizeof tail, "-%016" PRIx64 "%s", generation, suffix);
    return path_of(dir, tail);
}

char *viv_kv_dir_current(const struct viv_kv_dir *dir)
{
    VIV_ASSERT(dir->generation > 0);
    return image_path(dir, dir->generation, "");
}

char *viv_kv_dir_next(const struct viv_kv_dir *dir)
{
    return image_path(dir, dir->generation + 1, ".new");
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *where)
{
    (void)status, (void)type, (void)where;
    return remove(path);
}

/* A leftover that cannot be removed costs space, not safety. */
static void remove_tree(const struct viv_kv_dir *dir, const char *path)
{
    if (nftw(path, remove_one, 4, FTW_DEPTH | FTW_PHYS) != 0 && errno != ENOENT) {
        viv_log(VIV_LOG_WARN, dir->store, "an old image could not be removed", "path=%s error=%s", path,
                strerror(errno));
    }
}

/* The generation that `name` stands for, 0 when it is no image of this store and group. */
static uint64_t parse_name(const struct viv_kv_dir *dir, const char *name, bool *is_new)
{
    char prefix[64];
    size_t prefix_size = (size_t)snprintf(prefix, sizeof prefix, "%s-%u-", dir->store, dir->gid);
    VIV_ASSERT(prefix_size < sizeof prefix);
    if (strncmp(name, prefix, prefix_size) != 0 || strspn(name + prefix_size, "0123456789abcdef") != 16) {
        return 0;
    }
    const char *tail = name + prefix_size + 16;
    *is_new = strcmp(tail, ".new") == 0;
    return *is_new || tail[0] == '\0' ? strtoull(name + prefix_size, NULL, 16) : 0;
}

/* One pass over the images. What is not the current one is removed when asked to. */
static viv_status scan(struct viv_kv_dir *dir, bool remove_leftovers, uint64_t *newest)
{
    DIR *stream = opendir(dir->parent);
    if (stream == NULL) {
        return failed(dir, "opendir", dir->parent);
    }
    for (struct dirent *entry; (entry = readdir(stream)) != NULL;) {
        bool is_new = false;
        uint64_t generation = parse_name(dir, entry->d_name, &is_new);
        if (generation == 0) {
            continue;
        }
        if (!is_new && generation > *newest) {
            *newest = generation;
        }
        if (remove_leftovers && (is_new || generation != dir->generation)) {
            char *path = image_path(dir, generation, is_new ? ".new" : "");
            remove_tree(dir, path);
            free(path);
        }
    }
    closedir(stream);
    return VIV_OK;
}

static viv_status take_lock(struct viv_kv_dir *dir)
{
    char *path = path_of(dir, ".lock");
    viv_status status = VIV_OK;
    dir->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (dir->lock_fd < 0) {
        status = failed(dir, "open", path);
    } else if (flock(dir->lock_fd, LOCK_EX | LOCK_NB) != 0) {
        status = failed(dir, "flock", path);
    }
    free(path);
    return status;
}

viv_status viv_kv_dir_open(struct viv_kv_dir *dir, const char *store, const char *parent, viv_gid gid, bool durable)
{
    struct viv_buffer copy = {0};
    viv_buffer_append(&copy, parent, strlen(parent) + 1);
    *dir =
        (struct viv_kv_dir){.store = store, .parent = (char *)copy.data, .gid = gid, .durable = durable, .lock_fd = -1};
    viv_status status = take_lock(dir);
    if (status == VIV_OK) {
        status = scan(dir, false, &dir->generation);
    }
    if (status == VIV_OK) {
        uint64_t newest = 0;
        status = scan(dir, true, &newest);
    }
    if (status != VIV_OK) {
        viv_kv_dir_close(dir);
    }
    return status;
}

void viv_kv_dir_close(struct viv_kv_dir *dir)
{
    if (dir->lock_fd >= 0) {
        close(dir->lock_fd);
    }
    free(dir->parent);
    *dir = (struct viv_kv_dir){.lock_fd = -1};
}

static viv_status sync_directory(const struct viv_kv_dir *dir, const char *path)
{
    if (!dir->durable) {
        return VIV_OK;
    }
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    viv_status status = fd >= 0 && fsync(fd) == 0 ? VIV_OK : failed(dir, "fsync", path);
    if (fd >= 0) {
        close(fd);
    }
    return status;
}

viv_status viv_kv_dir_make_next(struct viv_kv_dir *dir)
{
    char *path = viv_kv_dir_next(dir);
    remove_tree(dir, path);
    viv_status status = mkdir(path, 0700) == 0 ? VIV_OK : failed(dir, "mkdir", path);
    free(path);
    return status;
}

viv_status viv_kv_dir_promote_next(struct viv_kv_dir *dir)
{
    char *from = viv_kv_dir_next(dir);
    char *to = image_path(dir, dir->generation + 1, "");
    /* The names of the files inside must be durable before the directory's own. */
    viv_status status = sync_directory(dir, from);
    if (status == VIV_OK && rename(from, to) != 0) {
        status = failed(dir, "rename", to);
    }
    if (status == VIV_OK) {
        dir->generation++;
        status = sync_directory(dir, dir->parent);
    }
    free(from);
    free(to);
    return status;
}

void viv_kv_dir_drop_old(const struct viv_kv_dir *dir)
{
    VIV_ASSERT(dir->generation > 0);
    char *path = image_path(dir, dir->generation - 1, "");
    remove_tree(dir, path);
    free(path);
}

void viv_kv_dir_drop_next(const struct viv_kv_dir *dir)
{
    char *path = viv_kv_dir_next(dir);
    remove_tree(dir, path);
    free(path);
}

static uint64_t bytes_in(const char *path)
{
    uint64_t total = 0;
    DIR *stream = opendir(path);
    for (struct dirent *entry; stream != NULL && (entry = readdir(stream)) != NULL;) {
        struct stat status;
        if (fstatat(dirfd(stream), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(status.st_mode)) {
            total += (uint64_t)status.st_blocks * 512;
        }
    }
    if (stream != NULL) {
        closedir(stream);
    }
    return total;
}

uint64_t viv_kv_dir_bytes(const struct viv_kv_dir *dir)
{
    char *next = viv_kv_dir_next(dir);
    uint64_t total = bytes_in(next);
    free(next);
    if (dir->generation > 0) {
        char *current = viv_kv_dir_current(dir);
        total += bytes_in(current);
        free(current);
    }
    return total;
}
