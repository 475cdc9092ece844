#include "sim/disk.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/checksum.h"
#include "sim/disk_file.h"
#include "sim/disk_names.h"
#include "sim/plan.h"

enum { NOBODY = -1, NO_FILE = -1, READ_PART = 4 /* a read takes a quarter of a write's time */ };

struct inode {
    bool is_used;
    int locker; /* handle */
    struct viv_sim_file file;
};

struct viv_sim_disk {
    struct viv_sim_disk_config config;
    struct viv_rng rng;
    struct inode *inodes;
    size_t inode_count;
    struct viv_sim_names names;
    int *handles; /* inode, or NO_FILE */
    size_t handle_count;
    enum viv_sim_disk_fault fault;
    uint64_t fault_at, count;
    bool is_off, is_full;
    int64_t horizon_ns, time_ns;
    int64_t trouble_until_ns; /* see set_pace */
    unsigned factor;
};

/* ---- time ---- */

static void spend(struct viv_sim_disk *disk, int64_t mean_ns)
{
    int64_t trouble_ns = disk->trouble_until_ns > disk->time_ns ? disk->trouble_until_ns - disk->time_ns : 0;
    bool takes_no_time = mean_ns == 0 || (trouble_ns > 0 && disk->factor == 0);
    if (!takes_no_time) {
        int64_t work_ns = viv_sim_draw_exponential(&disk->rng, mean_ns) + mean_ns / 4 + 1;
        int64_t done_ns = trouble_ns > 0 ? trouble_ns / disk->factor : 0;
        bool ends_meanwhile = work_ns <= done_ns;
        disk->time_ns += ends_meanwhile ? work_ns * disk->factor : trouble_ns + work_ns - done_ns;
    }
}

/* Counts a call that changes something, which takes time. False: the power is off. */
static bool count_call(struct viv_sim_disk *disk, int64_t mean_ns)
{
    disk->count++;
    if (disk->fault == VIV_SIM_DISK_POWER && disk->count >= disk->fault_at) {
        disk->is_off = true;
    }
    spend(disk, mean_ns);
    return !disk->is_off;
}

/* Whether the fault of one call strikes now; it does so once. */
static bool strikes(struct viv_sim_disk *disk, enum viv_sim_disk_fault fault)
{
    if (disk->fault != fault || disk->count < disk->fault_at) {
        return false;
    }
    disk->fault = VIV_SIM_DISK_SOUND;
    return true;
}

/* ---- files ---- */

static bool is_open(const struct viv_sim_disk *disk, int inode)
{
    for (size_t i = 0; i < disk->handle_count; i++) {
        if (disk->handles[i] == inode) {
            return true;
        }
    }
    return false;
}

static void collect(struct viv_sim_disk *disk)
{
    for (size_t i = 0; i < disk->inode_count; i++) {
        struct inode *inode = &disk->inodes[i];
        if (inode->is_used && !viv_sim_names_hold(&disk->names, (int)i) && !is_open(disk, (int)i)) {
            viv_sim_file_fini(&inode->file);
            inode->is_used = false;
        }
    }
}

static void settle(struct viv_sim_disk *disk)
{
    viv_sim_names_settle(&disk->names, disk->horizon_ns);
    for (size_t i = 0; i < disk->inode_count; i++) {
        if (disk->inodes[i].is_used) {
            viv_sim_file_settle(&disk->inodes[i].file, disk->horizon_ns);
        }
    }
}

static int new_inode(struct viv_sim_disk *disk)
{
    collect(disk);
    size_t index = 0;
    while (index < disk->inode_count && disk->inodes[index].is_used) {
        index++;
    }
    if (index == disk->inode_count) {
        disk->inodes = viv_realloc(disk->inodes, ++disk->inode_count * sizeof *disk->inodes);
    }
    disk->inodes[index] = (struct inode){.is_used = true, .locker = NOBODY};
    disk->inodes[index].file.keeps_overwritten = disk->config.rots;
    return (int)index;
}

static int new_handle(struct viv_sim_disk *disk, int inode)
{
    size_t handle = 0;
    while (handle < disk->handle_count && disk->handles[handle] != NO_FILE) {
        handle++;
    }
    if (handle == disk->handle_count) {
        disk->handles = viv_realloc(disk->handles, ++disk->handle_count * sizeof *disk->handles);
    }
    disk->handles[handle] = inode;
    return (int)handle;
}

static int sim_open(void *ctx, const char *path, unsigned flags)
{
    struct viv_sim_disk *disk = ctx;
    int inode = viv_sim_names_find(&disk->names, path);
    if (disk->is_off) {
        return -EIO;
    }
    /* Emptying a file is taken for making another one of its name. */
    bool is_new = inode < 0 || ((flags & VIV_FILE_CREATE) && !(flags & VIV_FILE_KEEP));
    if (is_new && !(flags & VIV_FILE_CREATE)) {
        return -ENOENT;
    }
    if (is_new) {
        if (!count_call(disk, disk->config.write_ns)) {
            return -EIO;
        }
        inode = new_inode(disk);
        viv_sim_names_set(&disk->names, disk->time_ns, path, inode);
    }
    return new_handle(disk, inode);
}

/* NULL: the process that opened it has ended. */
static struct inode *inode_of(struct viv_sim_disk *disk, int handle)
{
    VIV_ASSERT(handle >= 0 && (size_t)handle < disk->handle_count);
    return disk->handles[handle] != NO_FILE ? &disk->inodes[disk->handles[handle]] : NULL;
}

static void sim_close(void *ctx, int handle)
{
    struct viv_sim_disk *disk = ctx;
    struct inode *inode = inode_of(disk, handle);
    if (inode != NULL) {
        inode->locker = inode->locker == handle ? NOBODY : inode->locker;
        disk->handles[handle] = NO_FILE;
    }
}

static int64_t sim_size(void *ctx, int handle)
{
    const struct inode *inode = inode_of(ctx, handle);
    return inode != NULL ? (int64_t)inode->file.now.size : -EIO;
}

static int64_t sim_read(void *ctx, int handle, void *to, size_t size, uint64_t offset)
{
    struct viv_sim_disk *disk = ctx;
    const struct inode *inode = inode_of(disk, handle);
    if (disk->is_off || inode == NULL) {
        return -EIO;
    }
    spend(disk, disk->config.write_ns / READ_PART);
    const struct viv_buffer *bytes = &inode->file.now;
    if (offset >= bytes->size) {
        return 0;
    }
    size_t there = (size_t)(bytes->size - offset);
    size = size < there ? size : there;
    memcpy(to, bytes->data + offset, size);
    return (int64_t)size;
}

/* ---- room ---- */

static uint64_t used_bytes(const struct viv_sim_disk *disk)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < disk->inode_count; i++) {
        bytes += disk->inodes[i].is_used ? disk->inodes[i].file.now.size : 0;
    }
    return bytes;
}

uint64_t viv_sim_disk_room_bytes(const struct viv_sim_disk *disk)
{
    if (disk->is_full) {
        return 0;
    }
    if (disk->config.capacity_bytes == 0) {
        return UINT64_MAX;
    }
    uint64_t used = used_bytes(disk);
    return used < disk->config.capacity_bytes ? disk->config.capacity_bytes - used : 0;
}

static bool has_room(const struct viv_sim_disk *disk, const struct inode *inode, uint64_t end)
{
    return end <= inode->file.now.size ||
           (!disk->is_full &&
            (disk->config.capacity_bytes == 0 || end - inode->file.now.size <= viv_sim_disk_room_bytes(disk)));
}

/* ---- writes ---- */

static bool is_zero(const uint8_t *bytes, size_t size)
{
    return size == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, size - 1) == 0);
}

static void write_now(struct viv_sim_disk *disk, struct inode *inode, const void *from, size_t size, uint64_t offset)
{
    if (size > VIV_SIM_SECTOR_BYTES && is_zero(from, size)) {
        viv_sim_file_write_zeros(&inode->file, disk->time_ns, offset, size);
    } else {
        viv_sim_file_write(&inode->file, disk->time_ns, offset, from, size);
    }
}

static int64_t sim_write(void *ctx, int handle, const void *from, size_t size, uint64_t offset)
{
    struct viv_sim_disk *disk = ctx;
    struct inode *inode = inode_of(disk, handle);
    if (inode == NULL) {
        return -EIO;
    }
    if (!has_room(disk, inode, offset + size)) {
        return -ENOSPC;
    }
    bool works = count_call(disk, disk->config.write_ns);
    if (!works && disk->count != disk->fault_at) {
        return -EIO;
    }
    if (strikes(disk, VIV_SIM_DISK_WRITE_FAILS)) {
        write_now(disk, inode, from, size / 2, offset);
        return -EIO;
    }
    /* The power may go in the middle of the call: then the write is one more that may be kept in part. */
    write_now(disk, inode, from, size, offset);
    return works ? (int64_t)size : -EIO;
}

static int sim_reserve(void *ctx, int handle, uint64_t bytes)
{
    struct viv_sim_disk *disk = ctx;
    struct inode *inode = inode_of(disk, handle);
    if (inode == NULL || !count_call(disk, disk->config.write_ns)) {
        return -EIO;
    }
    if (!has_room(disk, inode, bytes)) {
        return -ENOSPC;
    }
    if (inode->file.now.size < bytes) {
        viv_sim_file_write_zeros(&inode->file, disk->time_ns, inode->file.now.size, bytes - inode->file.now.size);
    }
    return 0;
}

static int sim_sync(void *ctx, int handle)
{
    struct viv_sim_disk *disk = ctx;
    struct inode *inode = inode_of(disk, handle);
    if (inode == NULL || !count_call(disk, disk->config.sync_ns)) {
        return -EIO;
    }
    if (disk->fault == VIV_SIM_DISK_LYING_SYNC) {
        return 0;
    }
    bool keeps = strikes(disk, VIV_SIM_DISK_SYNC_KEEP);
    if (keeps || strikes(disk, VIV_SIM_DISK_SYNC_DROP)) {
        viv_sim_file_lose_writes(&inode->file, keeps);
        return -EIO;
    }
    viv_sim_file_sync(&inode->file, disk->time_ns);
    viv_sim_file_settle(&inode->file, disk->horizon_ns);
    return strikes(disk, VIV_SIM_DISK_SYNC_STORED) ? -EIO : 0;
}

static int sim_lock(void *ctx, int handle)
{
    struct inode *inode = inode_of(ctx, handle);
    if (inode == NULL || inode->locker != NOBODY) {
        return -EWOULDBLOCK;
    }
    inode->locker = handle;
    return 0;
}

/* ---- names ---- */

static int sim_rename(void *ctx, const char *from, const char *to)
{
    struct viv_sim_disk *disk = ctx;
    if (!count_call(disk, disk->config.write_ns)) {
        return -EIO;
    }
    viv_sim_names_rename(&disk->names, disk->time_ns, from, to);
    return 0;
}

static int sim_unlink(void *ctx, const char *path)
{
    struct viv_sim_disk *disk = ctx;
    if (!count_call(disk, disk->config.write_ns)) {
        return -EIO;
    }
    if (viv_sim_names_find(&disk->names, path) < 0) {
        return -ENOENT;
    }
    viv_sim_names_set(&disk->names, disk->time_ns, path, NO_FILE);
    return 0;
}

static int sim_sync_dir(void *ctx, const char *path)
{
    struct viv_sim_disk *disk = ctx;
    (void)path;
    if (!count_call(disk, disk->config.sync_ns)) {
        return -EIO;
    }
    if (disk->fault != VIV_SIM_DISK_LYING_DIR) {
        viv_sim_names_sync(&disk->names, disk->time_ns);
        viv_sim_names_settle(&disk->names, disk->horizon_ns);
    }
    return 0;
}

static int sim_list(void *ctx, const char *path, struct viv_buffer *names)
{
    const struct viv_sim_disk *disk = ctx;
    if (disk->is_off) {
        return -EIO;
    }
    for (size_t i = 0; i < disk->names.now.count; i++) {
        const char *name = disk->names.now.names[i].text + strlen(path) + 1;
        viv_buffer_append(names, name, strlen(name) + 1);
    }
    return 0;
}

static uint64_t sim_random(void *ctx)
{
    return viv_rng_next(&((struct viv_sim_disk *)ctx)->rng);
}

static const struct viv_file_ops sim_ops = {
    .open = sim_open,
    .close = sim_close,
    .size = sim_size,
    .read = sim_read,
    .write = sim_write,
    .reserve = sim_reserve,
    .sync = sim_sync,
    .lock = sim_lock,
    .rename = sim_rename,
    .unlink = sim_unlink,
    .sync_dir = sim_sync_dir,
    .list = sim_list,
    .random = sim_random,
};

/* ---- rot ---- */

/* A file that has its name for good. */
static struct inode *named_inode(const struct viv_sim_disk *disk, size_t index, struct viv_sim_place *place)
{
    const struct viv_sim_name *name = &disk->names.durable.names[index];
    bool is_kept = viv_sim_names_find(&disk->names, name->text) == name->file;
    snprintf(place->name, sizeof place->name, "%s", name->text);
    place->inode = name->file;
    return is_kept ? &disk->inodes[name->file] : NULL;
}

static void rot_place(struct inode *inode, const uint8_t *bytes, struct viv_sim_place *place)
{
    viv_sim_file_rot(&inode->file, place->offset, bytes, place->size);
    place->crc = viv_crc32c(0, bytes, place->size);
}

bool viv_sim_disk_rot_bytes(struct viv_sim_disk *disk, struct viv_bytes bytes, struct viv_rng *rng,
                            struct viv_sim_place *place)
{
    for (size_t i = 0; i < disk->names.durable.count; i++) {
        struct inode *inode = named_inode(disk, i, place);
        const uint8_t *found = inode != NULL && inode->file.durable.size > 0
                                   ? memmem(inode->file.durable.data, inode->file.durable.size, bytes.data, bytes.size)
                                   : NULL;
        if (found != NULL) {
            uint64_t at = viv_rng_below(rng, bytes.size);
            uint8_t flipped = found[at] ^ (uint8_t)(1U << viv_rng_below(rng, 8));
            place->offset = (uint64_t)(found - inode->file.durable.data) + at;
            place->size = 1;
            rot_place(inode, &flipped, place);
            return true;
        }
    }
    return false;
}

/* The latest writes are old again. */
static bool lose_write(struct inode *inode, struct viv_rng *rng, struct viv_sim_place *place)
{
    size_t count = inode->file.overwritten_count;
    count = count < VIV_SIM_OVERWRITTEN_MAX ? count : VIV_SIM_OVERWRITTEN_MAX;
    const struct viv_sim_write *old = count > 0 ? &inode->file.overwritten[viv_rng_below(rng, count)] : NULL;
    if (old == NULL || old->size == 0 || old->offset + old->size > inode->file.durable.size) {
        return false;
    }
    place->offset = old->offset;
    place->size = (size_t)old->size;
    rot_place(inode, old->bytes, place);
    return true;
}

static void rot_sector(struct inode *inode, uint64_t manner, struct viv_rng *rng, struct viv_sim_place *place)
{
    uint8_t bytes[VIV_SIM_SECTOR_BYTES] = {0};
    const struct viv_buffer *durable = &inode->file.durable;
    size_t sectors = (durable->size + VIV_SIM_SECTOR_BYTES - 1) / VIV_SIM_SECTOR_BYTES;
    place->offset = viv_rng_below(rng, sectors) * VIV_SIM_SECTOR_BYTES;
    place->size = (size_t)(durable->size - place->offset);
    place->size = place->size < sizeof bytes ? place->size : sizeof bytes;
    if (manner == 0) { /* a bit */
        memcpy(bytes, durable->data + place->offset, place->size);
        bytes[viv_rng_below(rng, place->size)] ^= (uint8_t)(1U << viv_rng_below(rng, 8));
    } else if (manner == 1) { /* another sector */
        uint64_t from = viv_rng_below(rng, sectors) * VIV_SIM_SECTOR_BYTES;
        uint64_t there = durable->size - from;
        memcpy(bytes, durable->data + from, (size_t)(there < place->size ? there : place->size));
    } else if (manner == 2) {
        for (size_t i = 0; i < place->size; i++) {
            bytes[i] = (uint8_t)viv_rng_next(rng);
        }
    }
    rot_place(inode, bytes, place);
}

bool viv_sim_disk_rot_anything(struct viv_sim_disk *disk, struct viv_rng *rng, struct viv_sim_place *place)
{
    if (disk->names.durable.count == 0) {
        return false;
    }
    struct inode *inode = named_inode(disk, viv_rng_below(rng, disk->names.durable.count), place);
    if (inode == NULL || inode->file.durable.size == 0) {
        return false;
    }
    uint64_t manner = viv_rng_below(rng, 5); /* 3: nothing but zeros */
    if (manner == 4) {
        return lose_write(inode, rng, place);
    }
    rot_sector(inode, manner, rng, place);
    return true;
}

bool viv_sim_disk_holds(const struct viv_sim_disk *disk, const struct viv_sim_place *place)
{
    const struct viv_buffer *durable = &disk->inodes[place->inode].file.durable;
    return viv_sim_names_find(&disk->names, place->name) == place->inode &&
           place->offset + place->size <= durable->size &&
           viv_crc32c(0, durable->data + place->offset, place->size) == place->crc;
}

/* ---- the disk ---- */

struct viv_sim_disk *viv_sim_disk_new(const struct viv_sim_disk_config *config)
{
    struct viv_sim_disk *disk = viv_alloc_zeroed(1, sizeof *disk);
    disk->config = *config;
    disk->factor = 1;
    viv_rng_init(&disk->rng, config->seed);
    return disk;
}

void viv_sim_disk_free(struct viv_sim_disk *disk)
{
    for (size_t i = 0; i < disk->inode_count; i++) {
        viv_sim_file_fini(&disk->inodes[i].file);
    }
    viv_sim_names_fini(&disk->names);
    free(disk->inodes);
    free(disk->handles);
    free(disk);
}

struct viv_disk viv_sim_disk_calls(struct viv_sim_disk *disk)
{
    return (struct viv_disk){&sim_ops, disk};
}

void viv_sim_disk_begin(struct viv_sim_disk *disk, int64_t now_ns)
{
    disk->horizon_ns = now_ns;
    disk->time_ns = disk->time_ns > now_ns ? disk->time_ns : now_ns;
    settle(disk);
}

int64_t viv_sim_disk_time_ns(const struct viv_sim_disk *disk)
{
    return disk->time_ns;
}

void viv_sim_disk_pass(struct viv_sim_disk *disk, unsigned writes, unsigned syncs)
{
    spend(disk, disk->config.write_ns * writes);
    spend(disk, disk->config.sync_ns * syncs);
}

void viv_sim_disk_set_pace(struct viv_sim_disk *disk, unsigned factor, int64_t until_ns)
{
    disk->factor = factor;
    disk->trouble_until_ns = until_ns;
}

void viv_sim_disk_set_full(struct viv_sim_disk *disk, bool is_full)
{
    disk->is_full = is_full;
}

void viv_sim_disk_make_room(struct viv_sim_disk *disk)
{
    disk->is_full = false;
    disk->config.capacity_bytes = 0;
}

void viv_sim_disk_set_fault(struct viv_sim_disk *disk, enum viv_sim_disk_fault fault, uint64_t at)
{
    disk->fault = fault;
    disk->fault_at = at;
}

uint64_t viv_sim_disk_count(const struct viv_sim_disk *disk)
{
    return disk->count;
}

void viv_sim_disk_restart(struct viv_sim_disk *disk, int64_t now_ns)
{
    disk->horizon_ns = now_ns;
    settle(disk);
    viv_sim_names_rewind(&disk->names, now_ns);
    for (size_t i = 0; i < disk->inode_count; i++) {
        disk->inodes[i].locker = NOBODY;
        if (disk->inodes[i].is_used) {
            viv_sim_file_rewind(&disk->inodes[i].file, now_ns);
        }
    }
    for (size_t i = 0; i < disk->handle_count; i++) {
        disk->handles[i] = NO_FILE;
    }
    disk->time_ns = now_ns;
    disk->count = 0;
    disk->is_off = false;
    disk->fault = VIV_SIM_DISK_SOUND;
}

void viv_sim_disk_power_on(struct viv_sim_disk *disk, int64_t now_ns)
{
    viv_sim_disk_restart(disk, now_ns);
    viv_sim_names_lose_power(&disk->names, disk->config.strict, &disk->rng);
    collect(disk);
    for (size_t i = 0; i < disk->inode_count; i++) {
        if (disk->inodes[i].is_used) {
            viv_sim_file_lose_power(&disk->inodes[i].file, disk->config.torn, &disk->rng);
        }
    }
}
