#include "server/data_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/log.h"
#include "datadir/import.h"
#include "datadir/restore.h"

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

/* Only ZooKeeper's data is here. */
static viv_status find_zookeeper(const struct viv_data_dir *data, const struct viv_config *config, bool *found)
{
    *found = false;
    if (is_directory(data->state_path)) {
        return VIV_OK;
    }
    struct viv_zk_directory theirs;
    VIV_TRY(viv_zk_directory_read(config->data_dir, config->data_log_dir, &theirs));
    *found = viv_zk_directory_has_data(&theirs);
    viv_zk_directory_fini(&theirs);
    return VIV_OK;
}

static struct viv_datadir_plan plan_of(const struct viv_data_dir *data, const struct viv_config *config,
                                       const struct viv_datadir_pairing *pairing)
{
    return (struct viv_datadir_plan){
        .pairing = *pairing,
        .state_path = data->state_path,
        .log_path = data->log_path,
        .cluster = {config->cluster[0], config->cluster[1]},
        .server_id = config->sid,
        .durable = true, /* a whole state is worth its few syncs, whatever the server promises */
        .segment_bytes = (uint64_t)config->segment_bytes,
    };
}

static viv_status import(struct viv_data_dir *data, const struct viv_config *config,
                         const struct viv_datadir_pairing *pairing)
{
    struct viv_datadir_import import = {
        .data_dir = config->data_dir,
        .data_log_dir = config->data_log_dir,
        .plan = plan_of(data, config, pairing),
    };
    struct viv_datadir_imported done;
    viv_log(VIV_LOG_INFO, "data", "Apache ZooKeeper's data is imported; its own files stay as they are",
            "from=%s to=%s backend=%s", config->data_dir, data->state_path, pairing->name);
    VIV_TRY(viv_datadir_import_run(&import, &done, &data->lock_fd));
    if (!done.was_finished) {
        viv_log(VIV_LOG_INFO, "data", "Apache ZooKeeper's data was imported",
                "znodes=%llu ephemerals=%llu sessions=%llu zxid=0x%llx epoch=%u records=%llu digests_compared=%llu "
                "digest_mismatches=%llu",
                (unsigned long long)done.znodes, (unsigned long long)done.ephemerals, (unsigned long long)done.sessions,
                (unsigned long long)done.facts.zxid, done.facts.current_epoch, (unsigned long long)done.facts.records,
                (unsigned long long)done.facts.digests_compared, (unsigned long long)done.facts.digest_mismatches);
    }
    return VIV_OK;
}

static viv_status refuse_volatile(const struct viv_config *config, const struct viv_datadir_pairing *pairing,
                                  bool is_volatile)
{
    if (!is_volatile) {
        return VIV_OK;
    }
    viv_log(VIV_LOG_ERROR, "data",
            "this directory holds data of Apache ZooKeeper, and this storage configuration would keep nothing of it; "
            "choose another backend, or other directories",
            "path=%s backend=%s", config->data_dir, pairing->name);
    return VIV_ERR_UNSUPPORTED;
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

static viv_status take(struct viv_data_dir *data)
{
    VIV_TRY(make_directories(data->state_path));
    VIV_TRY(make_directories(data->log_path));
    return data->lock_fd >= 0 ? VIV_OK : lock(data);
}

/* The command restore of the admin port was given a snapshot, and the server was ended for it. */
static viv_status keep_promise(struct viv_data_dir *data, const struct viv_config *config,
                               const struct viv_datadir_pairing *pairing)
{
    struct timespec begin, end;
    if (!viv_datadir_restore_is_promised(data->state_path)) {
        return VIV_OK;
    }
    VIV_TRY(take(data));
    clock_gettime(CLOCK_MONOTONIC, &begin);
    struct viv_datadir_plan plan = plan_of(data, config, pairing);
    VIV_TRY(viv_datadir_restore_run(&plan, &data->lock_fd));
    clock_gettime(CLOCK_MONOTONIC, &end);
    data->restore_ns =
        (uint64_t)(end.tv_sec - begin.tv_sec) * 1000000000U + (uint64_t)end.tv_nsec - (uint64_t)begin.tv_nsec;
    return VIV_OK;
}

viv_status viv_data_dir_open(struct viv_data_dir *data, const struct viv_config *config,
                             const struct viv_datadir_pairing *pairing)
{
    *data = (struct viv_data_dir){.lock_fd = -1};
    data->is_volatile = ((pairing->log->traits | pairing->state->traits) & VIV_STORE_VOLATILE) != 0;
    snprintf(data->state_path, sizeof data->state_path, "%s/vivarium", config->data_dir);
    snprintf(data->log_path, sizeof data->log_path, "%s/vivarium", config->data_log_dir);
    snprintf(data->ports_path, sizeof data->ports_path, "%s/ports", config->data_dir);
    bool is_theirs;
    VIV_TRY(keep_promise(data, config, pairing));
    VIV_TRY(find_zookeeper(data, config, &is_theirs));
    if (is_theirs) {
        VIV_TRY(refuse_volatile(config, pairing, data->is_volatile));
        return import(data, config, pairing);
    }
    VIV_TRY(take(data));
    viv_status status = viv_datadir_import_check(data->state_path, config->data_dir, config->data_log_dir);
    if (status != VIV_OK) {
        viv_data_dir_close(data);
    }
    return status;
}

void viv_data_dir_close(struct viv_data_dir *data)
{
    if (data->lock_fd >= 0) {
        unlink(data->ports_path);
        close(data->lock_fd);
        data->lock_fd = -1;
    }
}

viv_status viv_data_dir_write_ports(const struct viv_data_dir *data, struct viv_bytes lines)
{
    char draft[sizeof data->ports_path + 8];
    snprintf(draft, sizeof draft, "%s.new", data->ports_path);
    int fd = open(draft, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    bool is_written = fd >= 0 && write(fd, lines.data, lines.size) == (ssize_t)lines.size;
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
