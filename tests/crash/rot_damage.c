#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/assert.h"
#include "tests/crash/rot_case.h"

enum { UNREADABLE_MAX = 16 };

const char *const rot_fault_names[ROT_FAULTS] = {
    [ROT_FLIP] = "flipped",      [ROT_ZERO] = "zeroed",           [ROT_JUNK] = "junk",
    [ROT_SWAP] = "swapped",      [ROT_STALE] = "stale",           [ROT_MISDIRECTED] = "misdirected",
    [ROT_TORN] = "torn",         [ROT_UNREADABLE] = "unreadable", [ROT_CUT] = "cut",
    [ROT_EXTENDED] = "extended", [ROT_MISSING] = "missing",       [ROT_WRONG_FILE] = "wrong file",
};

bool rot_fault_is_of_whole_files(enum rot_fault fault)
{
    return fault >= ROT_CUT;
}

/* ---- blocks that cannot be read: this program's pread stands before libc's, for libraries too ---- */

static struct {
    dev_t device;
    ino_t inode;
    uint64_t from, to;
} unreadable[UNREADABLE_MAX];
static size_t unreadable_count;

void rot_unreadable(const char *path, uint64_t from, uint64_t to)
{
    struct stat found;
    if (stat(path, &found) == 0 && unreadable_count < UNREADABLE_MAX) {
        unreadable[unreadable_count].device = found.st_dev;
        unreadable[unreadable_count].inode = found.st_ino;
        unreadable[unreadable_count].from = from;
        unreadable[unreadable_count++].to = to;
    }
}

static bool is_unreadable(int fd, size_t size, off_t offset)
{
    struct stat found;
    if (unreadable_count == 0 || fstat(fd, &found) != 0) {
        return false;
    }
    uint64_t from = offset >= 0 ? (uint64_t)offset : (uint64_t)lseek(fd, 0, SEEK_CUR);
    for (size_t i = 0; i < unreadable_count; i++) {
        if (unreadable[i].device == found.st_dev && unreadable[i].inode == found.st_ino &&
            unreadable[i].from < from + size && from < unreadable[i].to) {
            errno = EIO;
            return true;
        }
    }
    return false;
}

#define REAL(name) ((__typeof__(&(name)))dlsym(RTLD_NEXT, #name))

ssize_t pread(int fd, void *to, size_t size, off_t offset)
{
    return is_unreadable(fd, size, offset) ? -1 : REAL(pread)(fd, to, size, offset);
}
ssize_t pread64(int fd, void *to, size_t size, off64_t offset)
{
    return is_unreadable(fd, size, offset) ? -1 : REAL(pread64)(fd, to, size, offset);
}
ssize_t read(int fd, void *to, size_t size)
{
    return is_unreadable(fd, size, -1) ? -1 : REAL(read)(fd, to, size);
}

/* Elections by the seed of the case alone. */
ssize_t getrandom(void *to, size_t size, unsigned flags)
{
    static uint64_t state = 88172645463325252U;
    (void)flags;
    for (size_t i = 0; i < size; i++) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        ((uint8_t *)to)[i] = (uint8_t)state;
    }
    return (ssize_t)size;
}

/* ---- files ---- */

static void path_of(char *path, size_t size, const char *folder, const char *file)
{
    snprintf(path, size, "%s/%s", folder, file);
}

static void load(const char *path, struct viv_buffer *bytes)
{
    FILE *from = fopen(path, "re");
    char part[1 << 14];
    for (size_t got; from != NULL && (got = fread(part, 1, sizeof part, from)) > 0;) {
        viv_buffer_append(bytes, part, got);
    }
    if (from != NULL) {
        fclose(from);
    }
}

static void store(const char *path, const struct viv_buffer *bytes)
{
    FILE *to = fopen(path, "we");
    VIV_ASSERT(to != NULL && (bytes->size == 0 || fwrite(bytes->data, 1, bytes->size, to) == bytes->size));
    VIV_ASSERT(fclose(to) == 0);
}

/* ---- deeds ---- */

static void swap_blocks(struct viv_buffer *bytes, uint64_t from, uint64_t size, struct viv_rng *rng)
{
    uint64_t blocks = bytes->size / size;
    if (blocks < 2) {
        return;
    }
    uint64_t other = viv_rng_below(rng, blocks) * size;
    for (uint64_t i = 0; i < size && from + i < bytes->size && other + i < bytes->size; i++) {
        uint8_t byte = bytes->data[from + i];
        bytes->data[from + i] = bytes->data[other + i];
        bytes->data[other + i] = byte;
    }
}

static void copy_within(struct viv_buffer *bytes, uint64_t from, uint64_t size, struct viv_rng *rng)
{
    if (bytes->size > size) {
        uint64_t source = viv_rng_below(rng, (bytes->size - size) / 512 + 1) * 512;
        memmove(bytes->data + from, bytes->data + source, size);
    }
}

static void copy_older(struct viv_buffer *bytes, uint64_t from, uint64_t size, const char *older, const char *file)
{
    char path[512];
    struct viv_buffer before = {0};
    path_of(path, sizeof path, older, file);
    load(path, &before);
    for (uint64_t i = from; i < from + size; i++) {
        bytes->data[i] = i < before.size ? before.data[i] : 0;
    }
    viv_buffer_fini(&before);
}

static void damage_bytes(enum rot_fault fault, struct viv_buffer *bytes, uint64_t from, uint64_t to,
                         const struct rot_damage *damage, const char *older, struct viv_rng *rng)
{
    uint64_t size = to - from;
    switch (fault) {
    case ROT_FLIP:
        bytes->data[from + viv_rng_below(rng, size)] ^= (uint8_t)(1U << viv_rng_below(rng, 8));
        break;
    case ROT_ZERO:
        memset(bytes->data + from, 0, size);
        break;
    case ROT_JUNK:
        for (uint64_t i = from; i < to; i++) {
            bytes->data[i] = (uint8_t)viv_rng_next(rng);
        }
        break;
    case ROT_SWAP:
        swap_blocks(bytes, from, size, rng);
        break;
    case ROT_STALE:
        copy_older(bytes, from, size, older, damage->file);
        break;
    case ROT_MISDIRECTED:
        copy_within(bytes, from, size, rng);
        break;
    case ROT_TORN:
        memset(bytes->data + from + size / 2, 0, size - size / 2);
        break;
    default:
        break;
    }
}

static void damage_file(enum rot_fault fault, const char *path, const struct rot_damage *damage,
                        struct viv_buffer *bytes, const char *other, struct viv_rng *rng)
{
    char wrong[512];
    switch (fault) {
    case ROT_CUT:
        bytes->size = bytes->size > 0 ? (size_t)viv_rng_below(rng, bytes->size) : 0;
        store(path, bytes);
        break;
    case ROT_EXTENDED:
        for (unsigned i = 0; i < 4096; i++) {
            uint8_t byte = (uint8_t)viv_rng_next(rng);
            viv_buffer_append(bytes, &byte, 1);
        }
        store(path, bytes);
        break;
    case ROT_WRONG_FILE:
        path_of(wrong, sizeof wrong, other, damage->file);
        viv_buffer_clear(bytes);
        load(wrong, bytes);
        store(path, bytes);
        break;
    default:
        unlink(path);
        break;
    }
}

void rot_inflict(enum rot_fault fault, const struct rot_damage *damage, const char *folder, const char *older,
                 const char *other, struct viv_rng *rng)
{
    char path[512];
    struct viv_buffer bytes = {0};
    path_of(path, sizeof path, folder, damage->file);
    load(path, &bytes);
    uint64_t to = damage->to < bytes.size ? damage->to : bytes.size;
    if (rot_fault_is_of_whole_files(fault)) {
        damage_file(fault, path, damage, &bytes, other, rng);
    } else if (fault == ROT_UNREADABLE) {
        rot_unreadable(path, damage->from, damage->to);
    } else if (damage->from < to) {
        damage_bytes(fault, &bytes, damage->from, to, damage, older, rng);
        store(path, &bytes);
    }
    viv_buffer_fini(&bytes);
}
