#include "datadir/datadir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/log.h"
#include "store/file_io.h"

#define OUR_FOLDER "vivarium"

static bool is_directory(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

static viv_status refused(const char *what, const char *path)
{
    viv_log(VIV_LOG_ERROR, "datadir", what, "path=%s error=\"%s\"", path, strerror(errno));
    return errno == ENOSPC || errno == EDQUOT ? VIV_ERR_NOSPACE : VIV_ERR_SYSTEM;
}

/* ---- finding ---- */

/* A folder that is called so, or shows files of a store of ours. */
static bool is_ours(const char *path)
{
    struct viv_file_names names;
    bool found = false;
    if (!is_directory(path) || viv_file_list(&viv_disk_real, path, &names) != VIV_OK) {
        return false;
    }
    for (size_t i = 0; i < names.count && !found; i++) {
        found = strcmp(names.names[i], "server.lock") == 0 || strcmp(names.names[i], "log.lock") == 0;
    }
    viv_file_names_fini(&names);
    return found;
}

/* Returns owned, or NULL. */
static char *find(const char *path)
{
    char *below = viv_file_path(path, OUR_FOLDER);
    if (is_directory(below)) {
        return below;
    }
    free(below);
    return is_ours(path) ? viv_file_path(NULL, "%s", path) : NULL;
}

bool viv_datadir_is_there(const char *path)
{
    char *found = find(path);
    free(found);
    return found != NULL;
}

static int64_t read_server_id(const char *state_path)
{
    char *path = viv_file_path(state_path, "../myid");
    FILE *file = fopen(path, "re");
    long long number = 0;
    free(path);
    if (file != NULL) {
        if (fscanf(file, "%lld", &number) != 1) {
            number = 0;
        }
        fclose(file);
    }
    return number > 0 ? number : 1;
}

static viv_status lock(struct viv_datadir *datadir)
{
    char *path = viv_file_path(datadir->state_path, "server.lock");
    datadir->lock = open(path, O_RDONLY | O_CLOEXEC);
    free(path);
    if (datadir->lock >= 0 && flock(datadir->lock, LOCK_SH | LOCK_NB) != 0) {
        viv_log(VIV_LOG_ERROR, "datadir", "a running server holds this data directory; stop it first", "path=%s",
                datadir->state_path);
        return VIV_ERR_BUSY;
    }
    return VIV_OK;
}

viv_status viv_datadir_open(const char *path, const char *log_path, int64_t server_id, struct viv_datadir *out)
{
    struct viv_datadir datadir = {.lock = -1};
    datadir.state_path = find(path);
    datadir.log_path = find(log_path == NULL ? path : log_path);
    viv_status status = datadir.state_path == NULL || datadir.log_path == NULL ? VIV_ERR_NOT_FOUND : lock(&datadir);
    if (status != VIV_OK) {
        viv_datadir_close(&datadir);
        return status;
    }
    datadir.server_id = server_id != 0 ? server_id : read_server_id(datadir.state_path);
    *out = datadir;
    return VIV_OK;
}

void viv_datadir_close(struct viv_datadir *datadir)
{
    if (datadir->lock >= 0) {
        close(datadir->lock);
    }
    free(datadir->state_path);
    free(datadir->log_path);
    *datadir = (struct viv_datadir){.lock = -1};
}

/* ---- copying ---- */

static viv_status copy_bytes(int from, int to, const char *path)
{
    for (;;) {
        ssize_t done = copy_file_range(from, NULL, to, NULL, 1 << 30, 0);
        if (done == 0) {
            return VIV_OK;
        }
        if (done < 0 && errno != EINTR) {
            return refused("a file cannot be copied; TMPDIR names the folder for such copies", path);
        }
    }
}

static viv_status copy_file(const char *from_path, const char *to_path)
{
    int from = open(from_path, O_RDONLY | O_CLOEXEC);
    int to = from < 0 ? -1 : open(to_path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    viv_status status = to < 0 ? refused("a file cannot be copied", from_path) : copy_bytes(from, to, from_path);
    if (from >= 0) {
        close(from);
    }
    if (to >= 0) {
        close(to);
    }
    return status;
}

/* Stores keep files, and folders of files at most. Lock files are made anew. */
static viv_status copy_folder(const char *from, const char *to)
{
    struct viv_file_names names;
    if (mkdir(to, 0700) != 0 && errno != EEXIST) {
        return refused("a folder cannot be made", to);
    }
    VIV_TRY(viv_file_list(&viv_disk_real, from, &names));
    viv_status status = VIV_OK;
    for (size_t i = 0; i < names.count && status == VIV_OK; i++) {
        size_t size = strlen(names.names[i]);
        char *source = viv_file_path(from, "%s", names.names[i]), *target = viv_file_path(to, "%s", names.names[i]);
        if (is_directory(source)) {
            status = names.names[i][0] == '.' ? VIV_OK : copy_folder(source, target);
        } else if (size < 5 || strcmp(names.names[i] + size - 5, ".lock") != 0) {
            status = copy_file(source, target);
        }
        free(source);
        free(target);
    }
    viv_file_names_fini(&names);
    return status;
}

viv_status viv_datadir_copy(const struct viv_datadir *datadir, struct viv_datadir *copy, char **folder)
{
    const char *above = getenv("TMPDIR");
    char *path = viv_file_path(above == NULL || *above == '\0' ? "/var/tmp" : above, "vivarium-XXXXXX");
    if (mkdtemp(path) == NULL) {
        viv_status status = refused("no folder for a copy can be made; TMPDIR names another place", path);
        free(path);
        return status;
    }
    bool is_one = strcmp(datadir->state_path, datadir->log_path) == 0;
    *copy = (struct viv_datadir){.lock = -1, .server_id = datadir->server_id};
    copy->state_path = viv_file_path(path, "state");
    copy->log_path = viv_file_path(path, is_one ? "state" : "log");
    viv_status status = copy_folder(datadir->state_path, copy->state_path);
    if (status == VIV_OK && !is_one) {
        status = copy_folder(datadir->log_path, copy->log_path);
    }
    if (status != VIV_OK) {
        viv_datadir_copy_free(copy, path);
        return status;
    }
    *folder = path;
    return VIV_OK;
}

void viv_datadir_copy_free(struct viv_datadir *copy, char *folder)
{
    viv_datadir_close(copy);
    viv_status status = viv_datadir_remove(folder); /* logged; costs space, not safety */
    (void)status;
    free(folder);
}

/* ---- folders ---- */

viv_status viv_datadir_make(const char *path)
{
    char *part = viv_file_path(NULL, "%s", path);
    viv_status status = VIV_OK;
    for (size_t i = 1, size = strlen(path); i <= size && status == VIV_OK; i++) {
        if (path[i] == '/' || path[i] == '\0') {
            part[i] = '\0';
            status = mkdir(part, 0700) != 0 && errno != EEXIST ? refused("a folder cannot be made", part) : VIV_OK;
            part[i] = path[i];
        }
    }
    free(part);
    return status;
}

viv_status viv_datadir_empty(const char *path, const char *keep)
{
    struct viv_file_names names;
    VIV_TRY(viv_file_list(&viv_disk_real, path, &names));
    viv_status status = VIV_OK;
    for (size_t i = 0; i < names.count && status == VIV_OK; i++) {
        const char *name = names.names[i];
        if (strcmp(name, ".") != 0 && strcmp(name, "..") != 0 && (keep == NULL || strcmp(name, keep) != 0)) {
            char *below = viv_file_path(path, "%s", name);
            status = viv_datadir_remove(below);
            free(below);
        }
    }
    viv_file_names_fini(&names);
    return status;
}

viv_status viv_datadir_remove(const char *path)
{
    struct stat at;
    if (lstat(path, &at) != 0) {
        return errno == ENOENT ? VIV_OK : refused("a leftover cannot be looked at", path);
    }
    if (!S_ISDIR(at.st_mode)) {
        return unlink(path) == 0 ? VIV_OK : refused("a leftover cannot be removed", path);
    }
    VIV_TRY(viv_datadir_empty(path, NULL));
    return rmdir(path) == 0 ? VIV_OK : refused("a leftover cannot be removed", path);
}

static viv_status sync_one(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) != 0) {
        viv_status status = refused("a file cannot be brought to the disk", path);
        if (fd >= 0) {
            close(fd);
        }
        return status == VIV_ERR_SYSTEM ? VIV_ERR_IO : status;
    }
    close(fd);
    return VIV_OK;
}

static viv_status sync_below(const char *path)
{
    struct viv_file_names names;
    VIV_TRY(viv_file_list(&viv_disk_real, path, &names));
    viv_status status = VIV_OK;
    for (size_t i = 0; i < names.count && status == VIV_OK; i++) {
        if (names.names[i][0] != '.') {
            char *below = viv_file_path(path, "%s", names.names[i]);
            status = is_directory(below) ? sync_below(below) : sync_one(below);
            free(below);
        }
    }
    viv_file_names_fini(&names);
    return status == VIV_OK ? sync_one(path) : status;
}

viv_status viv_datadir_sync(const char *path)
{
    VIV_TRY(sync_below(path));
    char *above = viv_file_path(path, "..");
    viv_status status = sync_one(above);
    free(above);
    return status;
}
