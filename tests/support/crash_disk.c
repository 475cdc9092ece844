#include "tests/support/crash_disk.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

enum { SECTOR_BYTES = 512, FILES_MAX = 256, HANDLES_MAX = 256, NAME_OPS_MAX = 256 };

struct pending_write {
    uint64_t offset;
    struct viv_buffer bytes;
};

struct inode {
    bool is_used;
    int locker; /* handle; -1: nobody */
    struct viv_buffer now, durable;
    struct pending_write *pending;
    size_t pending_count;
};

/* What a name stands for after an operation; inode -1: nothing. */
struct name_op {
    char *name;
    int inode;
};

struct name_table {
    struct name_op names[FILES_MAX];
    size_t count;
};

struct crash_disk {
    struct viv_rng rng;
    struct inode inodes[FILES_MAX];
    struct name_table now, durable;
    struct name_op ops[NAME_OPS_MAX]; /* not durable yet; a rename is two that belong together */
    size_t op_ends[NAME_OPS_MAX];     /* where each operation ends in ops */
    size_t op_count, op_end_count;
    int handles[HANDLES_MAX]; /* inode, or -1 */
    enum crash_fault fault;
    uint64_t fault_at, count;
    bool is_off;
};

static struct name_op *lookup(struct name_table *table, const char *name)
{
    for (size_t i = 0; i < table->count; i++) {
        if (strcmp(table->names[i].name, name) == 0) {
            return &table->names[i];
        }
    }
    return NULL;
}

static void set_name(struct name_table *table, const char *name, int inode)
{
    struct name_op *found = lookup(table, name);
    if (found == NULL) {
        VIV_ASSERT(table->count < FILES_MAX);
        found = &table->names[table->count++];
        found->name = strdup(name);
    }
    found->inode = inode;
}

static void add_op(struct crash_disk *disk, const char *name, int inode)
{
    VIV_ASSERT(disk->op_count < NAME_OPS_MAX);
    disk->ops[disk->op_count++] = (struct name_op){strdup(name), inode};
    set_name(&disk->now, name, inode);
}

static void end_op(struct crash_disk *disk)
{
    disk->op_ends[disk->op_end_count++] = disk->op_count;
}

/* Makes the first operations durable and forgets the others. */
static void settle_names(struct crash_disk *disk, size_t kept_ops)
{
    size_t kept = kept_ops > 0 ? disk->op_ends[kept_ops - 1] : 0;
    for (size_t i = 0; i < disk->op_count; i++) {
        if (i < kept) {
            set_name(&disk->durable, disk->ops[i].name, disk->ops[i].inode);
        }
        free(disk->ops[i].name);
    }
    disk->op_count = disk->op_end_count = 0;
}

static void write_into(struct viv_buffer *bytes, uint64_t offset, const uint8_t *from, size_t size)
{
    if (bytes->size < offset + size) {
        size_t old = bytes->size;
        viv_buffer_extend(bytes, (size_t)(offset + size) - old);
        memset(bytes->data + old, 0, bytes->size - old);
    }
    memcpy(bytes->data + offset, from, size);
}

static void forget_pending(struct inode *inode)
{
    for (size_t i = 0; i < inode->pending_count; i++) {
        viv_buffer_fini(&inode->pending[i].bytes);
    }
    free(inode->pending);
    inode->pending = NULL;
    inode->pending_count = 0;
}

static void add_pending(struct inode *inode, uint64_t offset, const void *from, size_t size)
{
    inode->pending = viv_realloc(inode->pending, (inode->pending_count + 1) * sizeof *inode->pending);
    struct pending_write *write = &inode->pending[inode->pending_count++];
    *write = (struct pending_write){.offset = offset};
    viv_buffer_append(&write->bytes, from, size);
}

static void copy_bytes(struct viv_buffer *to, const struct viv_buffer *from)
{
    viv_buffer_clear(to);
    viv_buffer_append(to, from->data, from->size);
}

/* Counts a call that changes something. False: the power is off. */
static bool count_call(struct crash_disk *disk)
{
    disk->count++;
    if (disk->fault == CRASH_POWER && disk->count >= disk->fault_at) {
        disk->is_off = true;
    }
    return !disk->is_off;
}

static int new_inode(struct crash_disk *disk)
{
    for (int i = 0; i < FILES_MAX; i++) {
        if (!disk->inodes[i].is_used) {
            disk->inodes[i] = (struct inode){.is_used = true, .locker = -1};
            return i;
        }
    }
    VIV_ASSERT(!"the crash disk is out of files");
    return -1;
}

static int crash_open(void *ctx, const char *path, unsigned flags)
{
    struct crash_disk *disk = ctx;
    struct name_op *name = lookup(&disk->now, path);
    int inode = name != NULL ? name->inode : -1;
    if (disk->is_off) {
        return -EIO;
    }
    /* Emptying a file is taken for making another one of its name. */
    bool is_new = inode < 0 || ((flags & VIV_FILE_CREATE) && !(flags & VIV_FILE_KEEP));
    if (is_new && !(flags & VIV_FILE_CREATE)) {
        return -ENOENT;
    }
    if (is_new) {
        if (!count_call(disk)) {
            return -EIO;
        }
        inode = new_inode(disk);
        add_op(disk, path, inode);
        end_op(disk);
    }
    for (int handle = 0; handle < HANDLES_MAX; handle++) {
        if (disk->handles[handle] < 0) {
            disk->handles[handle] = inode;
            return handle;
        }
    }
    return -EMFILE;
}

static struct inode *inode_of(struct crash_disk *disk, int file)
{
    VIV_ASSERT(file >= 0 && file < HANDLES_MAX && disk->handles[file] >= 0);
    return &disk->inodes[disk->handles[file]];
}

static void crash_close(void *ctx, int file)
{
    struct crash_disk *disk = ctx;
    struct inode *inode = inode_of(disk, file);
    inode->locker = inode->locker == file ? -1 : inode->locker;
    disk->handles[file] = -1;
}

static int64_t crash_size(void *ctx, int file)
{
    return (int64_t)inode_of(ctx, file)->now.size;
}

static int64_t crash_read(void *ctx, int file, void *to, size_t size, uint64_t offset)
{
    struct crash_disk *disk = ctx;
    const struct viv_buffer *bytes = &inode_of(disk, file)->now;
    if (disk->is_off) {
        return -EIO;
    }
    if (offset >= bytes->size) {
        return 0;
    }
    size_t there = (size_t)(bytes->size - offset);
    size = size < there ? size : there;
    memcpy(to, bytes->data + offset, size);
    return (int64_t)size;
}

static int64_t crash_write(void *ctx, int file, const void *from, size_t size, uint64_t offset)
{
    struct crash_disk *disk = ctx;
    struct inode *inode = inode_of(disk, file);
    bool works = count_call(disk);
    if (!works && disk->count != disk->fault_at) {
        return -EIO;
    }
    /* The power may go in the middle of the call: then the write is one more that may be kept in part. */
    write_into(&inode->now, offset, from, size);
    add_pending(inode, offset, from, size);
    return works ? (int64_t)size : -EIO;
}

static int crash_reserve(void *ctx, int file, uint64_t bytes)
{
    struct inode *inode = inode_of(ctx, file);
    if (!count_call(ctx)) {
        return -EIO;
    }
    while (inode->now.size < bytes) {
        static const uint8_t zeros[SECTOR_BYTES];
        size_t more = (size_t)(bytes - inode->now.size);
        more = more < sizeof zeros ? more : sizeof zeros;
        add_pending(inode, inode->now.size, zeros, more);
        write_into(&inode->now, inode->now.size, zeros, more);
    }
    return 0;
}

static int crash_sync(void *ctx, int file)
{
    struct crash_disk *disk = ctx;
    struct inode *inode = inode_of(disk, file);
    if (!count_call(disk)) {
        return -EIO;
    }
    if (disk->fault == CRASH_LYING_SYNC) {
        return 0;
    }
    bool fails = (disk->fault == CRASH_SYNC_KEEP || disk->fault == CRASH_SYNC_DROP) && disk->count >= disk->fault_at;
    if (!fails) {
        for (size_t i = 0; i < inode->pending_count; i++) {
            const struct pending_write *write = &inode->pending[i];
            write_into(&inode->durable, write->offset, write->bytes.data, write->bytes.size);
        }
    } else if (disk->fault == CRASH_SYNC_DROP) {
        copy_bytes(&inode->now, &inode->durable);
    }
    forget_pending(inode);
    if (fails) {
        disk->fault = CRASH_NONE;
    }
    return fails ? -EIO : 0;
}

static int crash_lock(void *ctx, int file)
{
    struct inode *inode = inode_of(ctx, file);
    if (inode->locker >= 0) {
        return -EWOULDBLOCK;
    }
    inode->locker = file;
    return 0;
}

static int crash_rename(void *ctx, const char *from, const char *to)
{
    struct crash_disk *disk = ctx;
    struct name_op *name = lookup(&disk->now, from);
    if (!count_call(disk)) {
        return -EIO;
    }
    VIV_ASSERT(name != NULL && name->inode >= 0);
    int inode = name->inode;
    add_op(disk, to, inode);
    add_op(disk, from, -1);
    end_op(disk);
    return 0;
}

static int crash_unlink(void *ctx, const char *path)
{
    struct crash_disk *disk = ctx;
    struct name_op *name = lookup(&disk->now, path);
    if (!count_call(disk)) {
        return -EIO;
    }
    if (name == NULL || name->inode < 0) {
        return -ENOENT;
    }
    add_op(disk, path, -1);
    end_op(disk);
    return 0;
}

static int crash_sync_dir(void *ctx, const char *path)
{
    struct crash_disk *disk = ctx;
    (void)path;
    if (!count_call(disk)) {
        return -EIO;
    }
    if (disk->fault != CRASH_LYING_DIR) {
        settle_names(disk, disk->op_end_count);
    }
    return 0;
}

static int crash_list(void *ctx, const char *path, struct viv_buffer *names)
{
    struct crash_disk *disk = ctx;
    if (disk->is_off) {
        return -EIO;
    }
    for (size_t i = 0; i < disk->now.count; i++) {
        if (disk->now.names[i].inode >= 0) {
            const char *name = disk->now.names[i].name + strlen(path) + 1;
            viv_buffer_append(names, name, strlen(name) + 1);
        }
    }
    return 0;
}

static uint64_t crash_random(void *ctx)
{
    return viv_rng_next(&((struct crash_disk *)ctx)->rng);
}

static const struct viv_file_ops crash_ops = {
    .open = crash_open,
    .close = crash_close,
    .size = crash_size,
    .read = crash_read,
    .write = crash_write,
    .reserve = crash_reserve,
    .sync = crash_sync,
    .lock = crash_lock,
    .rename = crash_rename,
    .unlink = crash_unlink,
    .sync_dir = crash_sync_dir,
    .list = crash_list,
    .random = crash_random,
};

struct crash_disk *crash_disk_new(uint64_t seed)
{
    struct crash_disk *disk = viv_alloc_zeroed(1, sizeof *disk);
    viv_rng_init(&disk->rng, seed);
    crash_disk_restart(disk);
    return disk;
}

static void free_inode(struct inode *inode)
{
    forget_pending(inode);
    viv_buffer_fini(&inode->now);
    viv_buffer_fini(&inode->durable);
    inode->is_used = false;
}

static void free_names(struct name_table *table)
{
    for (size_t i = 0; i < table->count; i++) {
        free(table->names[i].name);
    }
    table->count = 0;
}

void crash_disk_free(struct crash_disk *disk)
{
    settle_names(disk, 0);
    for (size_t i = 0; i < FILES_MAX; i++) {
        free_inode(&disk->inodes[i]);
    }
    free_names(&disk->now);
    free_names(&disk->durable);
    free(disk);
}

struct viv_disk crash_disk_calls(struct crash_disk *disk)
{
    return (struct viv_disk){&crash_ops, disk};
}

void crash_disk_set_fault(struct crash_disk *disk, enum crash_fault fault, uint64_t at)
{
    disk->fault = fault;
    disk->fault_at = at;
}

uint64_t crash_disk_count(const struct crash_disk *disk)
{
    return disk->count;
}

void crash_disk_restart(struct crash_disk *disk)
{
    for (size_t i = 0; i < HANDLES_MAX; i++) {
        disk->handles[i] = -1;
    }
    for (size_t i = 0; i < FILES_MAX; i++) {
        disk->inodes[i].locker = -1;
    }
    disk->count = 0;
    disk->fault = CRASH_NONE;
    disk->is_off = false;
}

/* Of each unsynced write: all, nothing, or each sector by lot. */
static void keep_by_lot(struct crash_disk *disk, struct inode *inode)
{
    for (size_t i = 0; i < inode->pending_count; i++) {
        const struct pending_write *write = &inode->pending[i];
        uint64_t manner = viv_rng_below(&disk->rng, 3);
        for (size_t at = 0; at < write->bytes.size && manner > 0;) {
            size_t size = SECTOR_BYTES - (size_t)((write->offset + at) % SECTOR_BYTES);
            size = size < write->bytes.size - at ? size : write->bytes.size - at;
            if (manner == 1 || viv_rng_below(&disk->rng, 2) == 0) {
                write_into(&inode->durable, write->offset + at, write->bytes.data + at, size);
            }
            at += size;
        }
    }
    forget_pending(inode);
    copy_bytes(&inode->now, &inode->durable);
}

void crash_disk_power_on(struct crash_disk *disk)
{
    settle_names(disk, (size_t)viv_rng_below(&disk->rng, disk->op_end_count + 1));
    bool is_named[FILES_MAX] = {false};
    free_names(&disk->now);
    for (size_t i = 0; i < disk->durable.count; i++) {
        if (disk->durable.names[i].inode >= 0) {
            is_named[disk->durable.names[i].inode] = true;
            set_name(&disk->now, disk->durable.names[i].name, disk->durable.names[i].inode);
        }
    }
    free_names(&disk->durable);
    for (size_t i = 0; i < disk->now.count; i++) {
        set_name(&disk->durable, disk->now.names[i].name, disk->now.names[i].inode);
    }
    for (size_t i = 0; i < FILES_MAX; i++) {
        if (is_named[i]) {
            keep_by_lot(disk, &disk->inodes[i]);
        } else if (disk->inodes[i].is_used) {
            free_inode(&disk->inodes[i]);
        }
    }
    crash_disk_restart(disk);
}
