#ifndef VIV_STORE_FILE_IO_H
#define VIV_STORE_FILE_IO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/status.h"

/* Every access of our own stores to a disk goes through a table of a dozen calls, so that a simulated or a
 * fault-injecting disk can stand in for the real one. This module knows no format and retries nothing but short and
 * interrupted transfers.
 *
 * The helpers log a failure once, with the file's name and the reason. Statuses: VIV_ERR_NOSPACE (disk full, quota,
 * file size limit), VIV_ERR_NOT_FOUND (no such file; not logged), VIV_ERR_BUSY (locked), VIV_ERR_IO (the device
 * refused), VIV_ERR_SYSTEM (anything else). */

enum viv_file_flag {
    VIV_FILE_WRITE = 1,  /* else read only */
    VIV_FILE_CREATE = 2, /* create it, mode 0600, or empty what is there */
    VIV_FILE_KEEP = 4,   /* with CREATE: keep what is there */
    VIV_FILE_FRESH = 8,  /* what is synced is read from the device again, as far as the system can be asked for that */
};

/* Calls return a handle, a count or 0, and -errno when they fail. Paths are whole paths. */
struct viv_file_ops {
    int (*open)(void *ctx, const char *path, unsigned flags);
    void (*close)(void *ctx, int file);
    int64_t (*size)(void *ctx, int file);
    int64_t (*read)(void *ctx, int file, void *to, size_t size, uint64_t offset);
    int64_t (*write)(void *ctx, int file, const void *from, size_t size, uint64_t offset);
    int (*reserve)(void *ctx, int file, uint64_t bytes); /* the first `bytes` bytes exist and have room on the device */
    int (*sync)(void *ctx, int file);                    /* contents and size */
    int (*lock)(void *ctx, int file);                    /* exclusive, until the handle is closed; -EWOULDBLOCK */
    int (*rename)(void *ctx, const char *from, const char *to);
    int (*unlink)(void *ctx, const char *path);
    int (*sync_dir)(void *ctx, const char *path);
    int (*list)(void *ctx, const char *path, struct viv_buffer *names); /* appends NUL-ended names, any order */
    uint64_t (*random)(void *ctx);
};

struct viv_disk {
    const struct viv_file_ops *ops;
    void *ctx;
};

extern const struct viv_disk viv_disk_real;

/* The status for a negative errno. Logs nothing. */
viv_status viv_file_status(int64_t result) VIV_MUST_USE;

/* A handle with the name it was opened by, for messages. */
struct viv_file {
    int handle; /* -1: closed */
    char *path;
};

viv_status viv_file_open(const struct viv_disk *disk, const char *path, unsigned flags,
                         struct viv_file *file) VIV_MUST_USE;
void viv_file_close(const struct viv_disk *disk, struct viv_file *file); /* a closed one is left alone */
viv_status viv_file_size(const struct viv_disk *disk, const struct viv_file *file, uint64_t *bytes) VIV_MUST_USE;
/* Reads up to `size` bytes; *got is less only at the end of the file. */
viv_status viv_file_read(const struct viv_disk *disk, const struct viv_file *file, void *to, size_t size,
                         uint64_t offset, size_t *got) VIV_MUST_USE;
viv_status viv_file_write(const struct viv_disk *disk, const struct viv_file *file, const void *from, size_t size,
                          uint64_t offset) VIV_MUST_USE;
viv_status viv_file_fill_zero(const struct viv_disk *disk, const struct viv_file *file, uint64_t offset,
                              uint64_t bytes) VIV_MUST_USE;
viv_status viv_file_reserve(const struct viv_disk *disk, const struct viv_file *file, uint64_t bytes) VIV_MUST_USE;
viv_status viv_file_sync(const struct viv_disk *disk, const struct viv_file *file) VIV_MUST_USE;
viv_status viv_file_lock(const struct viv_disk *disk, const struct viv_file *file) VIV_MUST_USE;
viv_status viv_file_rename(const struct viv_disk *disk, const char *from, const char *to) VIV_MUST_USE;
viv_status viv_file_unlink(const struct viv_disk *disk, const char *path) VIV_MUST_USE;
viv_status viv_file_sync_dir(const struct viv_disk *disk, const char *path) VIV_MUST_USE;

/* The names in a directory, sorted by memcmp. */
struct viv_file_names {
    struct viv_buffer text;
    const char **names; /* borrow from text */
    size_t count;
};
viv_status viv_file_list(const struct viv_disk *disk, const char *path, struct viv_file_names *names) VIV_MUST_USE;
void viv_file_names_fini(struct viv_file_names *names);

/* "directory/name", printf-style; returns owned, for free(). */
char *viv_file_path(const char *directory, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif /* VIV_STORE_FILE_IO_H */
