#ifndef VIV_EXPERIMENTS_LAB_FILES_H
#define VIV_EXPERIMENTS_LAB_FILES_H

#include <stdbool.h>

#include "base/bytes.h"
#include "base/status.h"

/* Small things the lab does with files. Knows nothing of what they hold. */

/* Appends at most bytes_max of the file's content; false when it cannot be read. Works for /proc and /sys. */
bool viv_file_read(const char *path, size_t bytes_max, struct viv_buffer *out);
/* The same for the end of the file. */
bool viv_file_read_tail(const char *path, size_t bytes_max, struct viv_buffer *out);
/* Writes under a temporary name, syncs, renames: afterwards the file is whole or absent. Logs failures. */
viv_status viv_file_write_whole(const char *path, struct viv_bytes content) VIV_MUST_USE;
/* mkdir -p. Logs failures. */
viv_status viv_dir_make(const char *path) VIV_MUST_USE;
/* rm -r; a tree that is not there is fine. Logs failures, tries on. */
void viv_dir_remove(const char *path);
/* Sum of allocated bytes below the path. */
uint64_t viv_dir_bytes(const char *path);
bool viv_path_exists(const char *path);
/* printf to a fresh string; the caller frees. */
char *viv_text(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif /* VIV_EXPERIMENTS_LAB_FILES_H */
