#include "server/data_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/log.h"

static bool is_directory(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

/* mkdir -p with 0700. */
static viv_status make_directories(const char *path)
{
    char part[VIV_CONFIG_PATH_BYTES + 16];
    size_t size = strlen(path);
    VIV_ASSERT(size < sizeof part);
    for (size_t i = 1; i <= size; i++) {
        if (path[i] != '/' && path[i] != '\0') {
            continue;
        }
        memcpy(part, path, i);
        part[i] = '\0';
        if (mkdir(part, 0700) != 0 && errno != EEXIST) {
            viv_log(VIV_LOG_ERROR, "data", "a data directory cannot be made; create it or change dataDir",
                    "path=%s error=\"%s\"", part, strerror(errno));
            return VIV_ERR_SYSTEM;
        }
    }
    if (!is_directory(path) || access(path, R_OK | W_OK | X_OK) != 0) {
        viv_log(VIV_LOG_ERROR, "data", "a data directory cannot be used; it must be a directory that this user owns",
                "path=%s error=\"%s\"", path, is_directory(path) ? strerror(errno) : strerror(ENOTDIR));
        return VIV_ERR_SYSTEM;
    }
    return VIV_OK;
}

/* Starting empty beside data of ZooKeeper's would look like losing it. */
static viv_status refuse_zookeeper_data(const char *data_dir, const char *ours)
{
    char theirs[VIV_CONFIG_PATH_BYTES + 16];
    snprintf(theirs, sizeof theirs, "%s/version-2", data_dir);
    if (is_directory(theirs) && !is_directory(ours)) {
        viv_log(VIV_LOG_ERROR, "data",
                "this directory holds data of Apache ZooKeeper, which cannot be imported yet; "
                "set dataDir and dataLogDir to other directories, or move version-2 away to start empty",
                "path=%s", theirs);
        return VIV_ERR_FOREIGN;
    }
    return VIV_OK;
}

static viv_status lock(struct viv_data_dir *data)
{
    char path[sizeof data->state_path + 16];
    snprintf(path, sizeof path, "%s/server.lock", data->state_path);
    data->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (data->lock_fd < 0) {
        viv_log(VIV_LOG_ERROR, "data", "a data directory is not writable; it must belong to this user",
                "path=%s error=\"%s\"", path, strerror(errno));
        return VIV_ERR_SYSTEM;
    }
    if (flock(data->lock_fd, LOCK_EX | LOCK_NB) != 0) {
        viv_log(VIV_LOG_ERROR, "data",
                "another process holds this data directory; stop it, or give this server a dataDir of its own",
                "path=%s", data->state_path);
        close(data->lock_fd);
        data->lock_fd = -1;
        return VIV_ERR_BUSY;
    }
    return VIV_OK;
}

viv_status viv_data_dir_open(struct viv_data_dir *data, const struct viv_config *config)
{
    *data = (struct viv_data_dir){.lock_fd = -1};
    snprintf(data->state_path, sizeof data->state_path, "%s/vivarium", config->data_dir);
    snprintf(data->log_path, sizeof data->log_path, "%s/vivarium", config->data_log_dir);
    snprintf(data->ports_path, sizeof data->ports_path, "%s/ports", config->data_dir);
    VIV_TRY(refuse_zookeeper_data(config->data_dir, data->state_path));
    VIV_TRY(refuse_zookeeper_data(config->data_log_dir, data->log_path));
    VIV_TRY(make_directories(data->state_path));
    VIV_TRY(make_directories(data->log_path));
    return lock(data);
}

void viv_data_dir_close(struct viv_data_dir *data)
{
    if (data->lock_fd >= 0) {
        unlink(data->ports_path);
        close(data->lock_fd);
        data->lock_fd = -1;
    }
}

viv_status viv_data_dir_write_ports(const struct viv_data_dir *data, int client_port)
{
    char draft[sizeof data->ports_path + 8], text[32];
    snprintf(draft, sizeof draft, "%s.new", data->ports_path);
    int size = snprintf(text, sizeof text, "client=%d\n", client_port);
    int fd = open(draft, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    bool is_written = fd >= 0 && write(fd, text, (size_t)size) == size;
    int why = errno;
    if (fd >= 0) {
        close(fd);
    }
    if (!is_written || rename(draft, data->ports_path) != 0) {
        viv_log(VIV_LOG_ERROR, "data", "the file that names the ports cannot be written", "path=%s error=\"%s\"",
                data->ports_path, strerror(is_written ? errno : why));
        return VIV_ERR_SYSTEM;
    }
    return VIV_OK;
}
