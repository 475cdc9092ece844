#include "datadir/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/log.h"
#include "store/file_io.h"

bool viv_folder_has(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0;
}

viv_status viv_folder_refused(const char *what, const char *path)
{
    viv_log(VIV_LOG_ERROR, "datadir", what, "path=%s error=\"%s\"", path, strerror(errno));
    return errno == ENOSPC || errno == EDQUOT ? VIV_ERR_NOSPACE : VIV_ERR_SYSTEM;
}

viv_status viv_folder_write_json(const char *path, const json_t *record)
{
    VIV_ASSERT(record != NULL);
    char *draft = viv_file_path(NULL, "%s.tmp", path);
    int fd = open(draft, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    bool is_written = fd >= 0 && json_dumpfd(record, fd, JSON_INDENT(1)) == 0 && fsync(fd) == 0;
    viv_status status =
        is_written ? VIV_OK
                   : viv_folder_refused("the record of what is made of a data directory cannot be written", draft);
    if (fd >= 0) {
        close(fd);
    }
    if (status == VIV_OK && rename(draft, path) != 0) {
        status = viv_folder_refused("the record of what is made of a data directory cannot be written", path);
    }
    free(draft);
    return status;
}

viv_status viv_folder_lock(const char *folder, int *lock)
{
    char *path = viv_file_path(folder, VIV_FOLDER_LOCK_NAME);
    *lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    viv_status status = VIV_OK;
    if (*lock < 0) {
        status = viv_folder_refused("a data directory is not writable; it must belong to this user", path);
    } else if (flock(*lock, LOCK_EX | LOCK_NB) != 0) {
        viv_log(VIV_LOG_ERROR, "datadir",
                "another process holds this data directory; stop it, or give this server a dataDir of its own",
                "path=%s", folder);
        close(*lock);
        *lock = -1;
        status = VIV_ERR_BUSY;
    }
    free(path);
    return status;
}

viv_status viv_folder_rename(const char *from, const char *to)
{
    if (rename(from, to) != 0) {
        return viv_folder_refused("a folder cannot take its name", to);
    }
    const char *slash = strrchr(to, '/');
    char *above = slash != NULL ? viv_file_path(NULL, "%.*s/", (int)(slash - to), to) : viv_file_path(NULL, ".");
    int fd = open(above, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    viv_status status = fd >= 0 && fsync(fd) == 0 ? VIV_OK : viv_folder_refused("a folder cannot be synced", above);
    if (fd >= 0) {
        close(fd);
    }
    free(above);
    return status;
}
