#include "store/kv_dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/assert.h"
#include "base/log.h"

/* The libraries under the images use the real disk whatever we do, so their directories are there as well. */
static const struct viv_disk *const disk = &viv_disk_real;

static char *image_path(const struct viv_kv_dir *dir, uint64_t generation, const char *suffix)
{
    return viv_file_path(dir->parent, "%s-%u-%016" PRIx64 "%s", dir->store, dir->gid, generation, suffix);
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

/* Removes every image but the current one. */
static void remove_leftovers(const struct viv_kv_dir *dir, const struct viv_file_names *names)
{
    for (size_t i = 0; i < names->count; i++) {
        bool is_new = false;
        uint64_t generation = parse_name(dir, names->names[i], &is_new);
        if (generation != 0 && (is_new || generation != dir->generation)) {
            char *path = image_path(dir, generation, is_new ? ".new" : "");
            remove_tree(dir, path);
            free(path);
        }
    }
}

static viv_status find_current(struct viv_kv_dir *dir)
{
    struct viv_file_names names;
    VIV_TRY(viv_file_list(disk, dir->parent, &names));
    for (size_t i = 0; i < names.count; i++) {
        bool is_new = false;
        uint64_t generation = parse_name(dir, names.names[i], &is_new);
        if (!is_new && generation > dir->generation) {
            dir->generation = generation;
        }
    }
    remove_leftovers(dir, &names);
    viv_file_names_fini(&names);
    return VIV_OK;
}

static viv_status take_lock(struct viv_kv_dir *dir)
{
    char *path = viv_file_path(dir->parent, "%s-%u.lock", dir->store, dir->gid);
    viv_status status = viv_file_open(disk, path, VIV_FILE_WRITE | VIV_FILE_CREATE | VIV_FILE_KEEP, &dir->lock);
    free(path);
    VIV_TRY(status);
    return viv_file_lock(disk, &dir->lock);
}

viv_status viv_kv_dir_open(struct viv_kv_dir *dir, const char *store, const char *parent, viv_gid gid, bool durable)
{
    *dir = (struct viv_kv_dir){.store = store,
                               .parent = viv_file_path(NULL, "%s", parent),
                               .gid = gid,
                               .durable = durable,
                               .lock = {.handle = -1}};
    viv_status status = take_lock(dir);
    if (status == VIV_OK) {
        status = find_current(dir);
    }
    if (status != VIV_OK) {
        viv_kv_dir_close(dir);
    }
    return status;
}

void viv_kv_dir_close(struct viv_kv_dir *dir)
{
    viv_file_close(disk, &dir->lock);
    free(dir->parent);
    *dir = (struct viv_kv_dir){.lock = {.handle = -1}};
}

static viv_status sync_directory(const struct viv_kv_dir *dir, const char *path)
{
    return dir->durable ? viv_file_sync_dir(disk, path) : VIV_OK;
}

viv_status viv_kv_dir_make_next(struct viv_kv_dir *dir)
{
    char *path = viv_kv_dir_next(dir);
    remove_tree(dir, path);
    viv_status status = VIV_OK;
    if (mkdir(path, 0700) != 0) {
        status = viv_file_status(-errno);
        viv_log(VIV_LOG_ERROR, dir->store, "a directory cannot be made", "path=%s error=%s", path, strerror(errno));
    }
    free(path);
    return status;
}

viv_status viv_kv_dir_promote_next(struct viv_kv_dir *dir)
{
    char *from = viv_kv_dir_next(dir);
    char *to = image_path(dir, dir->generation + 1, "");
    /* The names of the files inside must be durable before the directory's own. */
    viv_status status = sync_directory(dir, from);
    if (status == VIV_OK) {
        status = viv_file_rename(disk, from, to);
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
