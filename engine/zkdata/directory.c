#include "zkdata/directory.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/log.h"
#include "zkdata/source.h"
#include "zkdata/zkdata_internal.h"

static char *join(const char *directory, const char *name)
{
    char *path = NULL;
    int size = asprintf(&path, "%s/%s", directory, name);
    VIV_ASSERT(size > 0 && path != NULL);
    return path;
}

static bool is_directory(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

/* "KIND.<hex>" with whatever behind another dot. */
static bool zxid_of(const char *name, const char *kind, uint64_t *zxid)
{
    size_t size = strlen(kind);
    if (strncmp(name, kind, size) != 0 || name[size] != '.' || !isxdigit((unsigned char)name[size + 1])) {
        return false;
    }
    char *end;
    errno = 0;
    *zxid = strtoull(name + size + 1, &end, 16);
    return errno == 0 && (*end == '\0' || *end == '.') && strlen(name) < VIV_ZK_NAME_BYTES;
}

static viv_status add(struct viv_zk_files *files, const char *directory, const char *name, uint64_t zxid)
{
    struct viv_zk_file file = {.zxid = zxid, .path = join(directory, name)};
    struct stat status;
    snprintf(file.name, sizeof file.name, "%s", name);
    if (stat(file.path, &status) != 0) {
        viv_log(VIV_LOG_ERROR, "zkdata", "a file cannot be looked at", "file=%s error=\"%s\"", file.path,
                strerror(errno));
        free(file.path);
        return VIV_ERR_SYSTEM;
    }
    if (!S_ISREG(status.st_mode)) {
        free(file.path);
        return VIV_OK;
    }
    file.bytes = (uint64_t)status.st_size;
    files->items = viv_realloc(files->items, (files->count + 1) * sizeof *files->items);
    files->items[files->count++] = file;
    return VIV_OK;
}

/* By zxid, then by name, so that the order never depends on the directory's. */
static int ascending(const void *a, const void *b)
{
    const struct viv_zk_file *left = a, *right = b;
    return left->zxid != right->zxid ? (left->zxid > right->zxid) - (left->zxid < right->zxid)
                                     : strcmp(left->name, right->name);
}

static int descending(const void *a, const void *b)
{
    return ascending(b, a);
}

static viv_status list(const char *path, const char *kind, struct viv_zk_files *files)
{
    DIR *directory = opendir(path);
    if (directory == NULL) {
        viv_log(VIV_LOG_ERROR, "zkdata", "a data directory of ZooKeeper cannot be read; let this user read it",
                "path=%s error=\"%s\"", path, strerror(errno));
        return VIV_ERR_SYSTEM;
    }
    viv_status status = VIV_OK;
    for (const struct dirent *entry; status == VIV_OK && (entry = readdir(directory)) != NULL;) {
        uint64_t zxid;
        if (zxid_of(entry->d_name, kind, &zxid)) {
            status = add(files, path, entry->d_name, zxid);
        }
    }
    closedir(directory);
    return status;
}

static void files_fini(struct viv_zk_files *files)
{
    for (size_t i = 0; i < files->count; i++) {
        free(files->items[i].path);
    }
    free(files->items);
    *files = (struct viv_zk_files){0};
}

static viv_status refuse_kind(const char *path, const char *kind)
{
    struct viv_zk_files files = {0};
    viv_status status = list(path, kind, &files);
    if (status == VIV_OK && files.count > 0) {
        viv_log(VIV_LOG_ERROR, "zkdata",
                "dataDir holds the snapshots and dataLogDir the logs, and here is one of the other kind; "
                "move it to where it belongs, or correct dataDir and dataLogDir",
                "file=%s", files.items[0].path);
        status = VIV_ERR_INVALID;
    }
    files_fini(&files);
    return status;
}

/* A decimal number alone in a small file. */
static viv_status read_number(const char *directory, const char *name, bool *has, int64_t *number)
{
    char *path = join(directory, name);
    char text[64] = "";
    FILE *file = fopen(path, "re");
    viv_status status = VIV_OK;
    *has = false;
    if (file != NULL) {
        size_t size = fread(text, 1, sizeof text - 1, file);
        fclose(file);
        text[size] = '\0';
        char *end;
        errno = 0;
        *number = strtoll(text, &end, 10);
        *has = errno == 0 && end != text && (*end == '\0' || isspace((unsigned char)*end));
        if (!*has) {
            viv_log(VIV_LOG_ERROR, "zkdata", "a file that must hold one number holds something else", "file=%s", path);
            status = VIV_ERR_CORRUPT;
        }
    } else if (errno != ENOENT) {
        viv_log(VIV_LOG_ERROR, "zkdata", "a file cannot be read", "file=%s error=\"%s\"", path, strerror(errno));
        status = VIV_ERR_SYSTEM;
    }
    free(path);
    return status;
}

static viv_status read_numbers(const char *data_dir, struct viv_zk_directory *out)
{
    VIV_TRY(read_number(out->snapshot_dir, "acceptedEpoch", &out->has_accepted_epoch, &out->accepted_epoch));
    VIV_TRY(read_number(out->snapshot_dir, "currentEpoch", &out->has_current_epoch, &out->current_epoch));
    if (read_number(out->snapshot_dir, "currentEpoch.tmp", &out->has_current_epoch_draft, &out->current_epoch_draft) !=
        VIV_OK) {
        out->has_current_epoch_draft = false; /* a torn draft counts for nothing */
    }
    /* Beside version-2, whichever of the two was named. */
    VIV_TRY(read_number(data_dir, "myid", &out->has_myid, &out->myid));
    if (!out->has_myid) {
        char *above = join(out->snapshot_dir, "..");
        viv_status status = read_number(above, "myid", &out->has_myid, &out->myid);
        free(above);
        return status;
    }
    return VIV_OK;
}

/* `path` itself when it is a version-2, else the version-2 in it. */
static char *version_2(const char *path)
{
    size_t size = strlen(path);
    while (size > 1 && path[size - 1] == '/') {
        size--;
    }
    static const char name[] = "version-2";
    size_t name_size = sizeof name - 1;
    bool is_it = size >= name_size && strncmp(path + size - name_size, name, name_size) == 0 &&
                 (size == name_size || path[size - name_size - 1] == '/');
    if (!is_it) {
        return join(path, name);
    }
    char *copy = strndup(path, size);
    VIV_ASSERT(copy != NULL);
    return copy;
}

static viv_status read_all(const char *data_dir, struct viv_zk_directory *out)
{
    bool has_snapshots = is_directory(out->snapshot_dir), has_logs = is_directory(out->log_dir);
    if (strcmp(out->snapshot_dir, out->log_dir) != 0) {
        VIV_TRY(has_snapshots ? refuse_kind(out->snapshot_dir, "log") : VIV_OK);
        VIV_TRY(has_logs ? refuse_kind(out->log_dir, "snapshot") : VIV_OK);
    }
    VIV_TRY(has_snapshots ? list(out->snapshot_dir, "snapshot", &out->snapshots) : VIV_OK);
    VIV_TRY(has_logs ? list(out->log_dir, "log", &out->logs) : VIV_OK);
    if (out->snapshots.count > 0) {
        qsort(out->snapshots.items, out->snapshots.count, sizeof *out->snapshots.items, descending);
    }
    if (out->logs.count > 0) {
        qsort(out->logs.items, out->logs.count, sizeof *out->logs.items, ascending);
    }
    return has_snapshots ? read_numbers(data_dir, out) : VIV_OK;
}

viv_status viv_zk_directory_read(const char *data_dir, const char *data_log_dir, struct viv_zk_directory *out)
{
    *out = (struct viv_zk_directory){0};
    out->snapshot_dir = version_2(data_dir);
    out->log_dir = version_2(data_log_dir == NULL ? data_dir : data_log_dir);
    viv_status status = read_all(data_dir, out);
    if (status != VIV_OK) {
        viv_zk_directory_fini(out);
    }
    return status;
}

void viv_zk_directory_fini(struct viv_zk_directory *directory)
{
    files_fini(&directory->snapshots);
    files_fini(&directory->logs);
    free(directory->snapshot_dir);
    free(directory->log_dir);
    *directory = (struct viv_zk_directory){0};
}

bool viv_zk_directory_has_data(const struct viv_zk_directory *directory)
{
    return directory->snapshots.count > 0 || directory->logs.count > 0;
}

static bool has_ending(const char *path, const char *ending)
{
    size_t size = strlen(path), ending_size = strlen(ending);
    return size >= ending_size && strcmp(path + size - ending_size, ending) == 0;
}

static bool file_shows(int fd, off_t offset, const void *bytes, size_t size)
{
    uint8_t seen[16];
    VIV_ASSERT(size <= sizeof seen);
    return pread(fd, seen, size, offset) == (ssize_t)size && memcmp(seen, bytes, size) == 0;
}

bool viv_zk_snapshot_looks_whole(const char *path)
{
    enum { BYTES_MIN = 10 };
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    struct stat status;
    bool is_whole = false;
    if (has_ending(path, ".gz")) {
        is_whole = file_shows(fd, 0, "\x1f\x8b", 2);
    } else if (has_ending(path, ".snappy")) {
        is_whole = file_shows(fd, 0, viv_zk_snappy_header, VIV_ZK_SNAPPY_MAGIC_BYTES);
    } else if (fstat(fd, &status) == 0 && status.st_size >= BYTES_MIN) {
        is_whole =
            file_shows(fd, status.st_size - VIV_ZK_END_OF_PART_BYTES, VIV_ZK_END_OF_PART, VIV_ZK_END_OF_PART_BYTES);
    }
    close(fd);
    return is_whole;
}
