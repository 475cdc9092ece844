#include "sim/disk_file.h"

#include <stdlib.h>
#include <string.h>

/* Of 16 sectors that were being overwritten when the power went, one holds neither content. */
enum { TORN_SECTORS_IN = 16 };

static void put(struct viv_buffer *buffer, uint64_t offset, const uint8_t *bytes, uint64_t size)
{
    if (buffer->size < offset + size) {
        size_t old = buffer->size;
        viv_buffer_extend(buffer, (size_t)(offset + size) - old);
        memset(buffer->data + old, 0, buffer->size - old);
    }
    if (bytes != NULL) {
        memcpy(buffer->data + offset, bytes, (size_t)size);
    } else {
        memset(buffer->data + offset, 0, (size_t)size);
    }
}

static void apply(struct viv_buffer *buffer, const struct viv_sim_write *write)
{
    if (write->kind != VIV_SIM_WRITE_SYNC && write->size > 0) {
        put(buffer, write->offset, write->bytes, write->size);
    }
}

/* Keeps what is there before it is overwritten, so that a write can turn out to have been lost. */
static void keep_old(struct viv_sim_file *file, const struct viv_sim_write *write)
{
    struct viv_sim_write *kept = &file->overwritten[file->overwritten_count++ % VIV_SIM_OVERWRITTEN_MAX];
    uint64_t there = write->offset < file->durable.size ? file->durable.size - write->offset : 0;
    free(kept->bytes);
    *kept = (struct viv_sim_write){.offset = write->offset, .size = write->size};
    kept->bytes = viv_alloc_zeroed((size_t)write->size + 1, 1);
    if (there > 0) {
        memcpy(kept->bytes, file->durable.data + write->offset, (size_t)(there < write->size ? there : write->size));
    }
}

static void drop(struct viv_sim_file *file, size_t first, size_t end)
{
    for (size_t i = first; i < end; i++) {
        free(file->writes[i].bytes);
    }
    if (end < file->write_count) {
        memmove(file->writes + first, file->writes + end, (file->write_count - end) * sizeof *file->writes);
    }
    file->write_count -= end - first;
}

static void drop_all(struct viv_sim_file *file)
{
    if (file->write_count > 0) {
        drop(file, 0, file->write_count);
    }
}

/* The cache shows what is durable and what still waits. */
static void rebuild(struct viv_sim_file *file)
{
    viv_buffer_clear(&file->now);
    viv_buffer_append(&file->now, file->durable.data, file->durable.size);
    for (size_t i = 0; i < file->write_count; i++) {
        apply(&file->now, &file->writes[i]);
    }
}

void viv_sim_file_fini(struct viv_sim_file *file)
{
    drop_all(file);
    free(file->writes);
    for (size_t i = 0; i < VIV_SIM_OVERWRITTEN_MAX; i++) {
        free(file->overwritten[i].bytes);
    }
    viv_buffer_fini(&file->now);
    viv_buffer_fini(&file->durable);
    *file = (struct viv_sim_file){0};
}

static struct viv_sim_write *add(struct viv_sim_file *file, int64_t at_ns, enum viv_sim_write_kind kind)
{
    if (file->write_count == file->write_capacity) {
        file->write_capacity = file->write_capacity == 0 ? 16 : file->write_capacity * 2;
        file->writes = viv_realloc(file->writes, file->write_capacity * sizeof *file->writes);
    }
    file->writes[file->write_count] = (struct viv_sim_write){.at_ns = at_ns, .kind = kind};
    return &file->writes[file->write_count++];
}

void viv_sim_file_write(struct viv_sim_file *file, int64_t at_ns, uint64_t offset, const void *bytes, uint64_t size)
{
    struct viv_sim_write *write = add(file, at_ns, VIV_SIM_WRITE_BYTES);
    write->offset = offset;
    write->size = size;
    write->bytes = viv_alloc((size_t)size + 1);
    memcpy(write->bytes, bytes, (size_t)size);
    apply(&file->now, write);
}

void viv_sim_file_write_zeros(struct viv_sim_file *file, int64_t at_ns, uint64_t offset, uint64_t size)
{
    struct viv_sim_write *write = add(file, at_ns, VIV_SIM_WRITE_ZEROS);
    write->offset = offset;
    write->size = size;
    apply(&file->now, write);
}

void viv_sim_file_sync(struct viv_sim_file *file, int64_t at_ns)
{
    (void)add(file, at_ns, VIV_SIM_WRITE_SYNC);
}

void viv_sim_file_lose_writes(struct viv_sim_file *file, bool keep_in_cache)
{
    size_t first = 0;
    for (size_t i = 0; i < file->write_count; i++) {
        first = file->writes[i].kind == VIV_SIM_WRITE_SYNC ? i + 1 : first;
    }
    for (size_t i = first; keep_in_cache && i < file->write_count; i++) {
        file->writes[i].kind = VIV_SIM_WRITE_GHOST;
    }
    if (!keep_in_cache && first < file->write_count) {
        drop(file, first, file->write_count);
        rebuild(file);
    }
}

void viv_sim_file_settle(struct viv_sim_file *file, int64_t horizon_ns)
{
    size_t settled = 0;
    for (size_t i = 0; i < file->write_count && file->writes[i].at_ns <= horizon_ns; i++) {
        settled = file->writes[i].kind == VIV_SIM_WRITE_SYNC ? i + 1 : settled;
    }
    size_t ghosts = 0;
    for (size_t i = 0; i < settled; i++) {
        if (file->writes[i].kind == VIV_SIM_WRITE_GHOST) {
            struct viv_sim_write ghost = file->writes[i];
            file->writes[i] = file->writes[ghosts];
            file->writes[ghosts++] = ghost;
        } else {
            if (file->keeps_overwritten && file->writes[i].kind == VIV_SIM_WRITE_BYTES) {
                keep_old(file, &file->writes[i]);
            }
            apply(&file->durable, &file->writes[i]);
        }
    }
    if (settled > ghosts) {
        drop(file, ghosts, settled);
    }
}

void viv_sim_file_rewind(struct viv_sim_file *file, int64_t at_ns)
{
    size_t kept = 0;
    while (kept < file->write_count && file->writes[kept].at_ns <= at_ns) {
        kept++;
    }
    if (kept < file->write_count) {
        drop(file, kept, file->write_count);
        rebuild(file);
    }
}

static void make_junk(uint8_t *to, size_t size, struct viv_rng *rng)
{
    for (size_t i = 0; i < size; i++) {
        to[i] = (uint8_t)viv_rng_next(rng);
    }
}

/* One sector's part of a write reaches the device. */
static void keep_sector(struct viv_sim_file *file, const struct viv_sim_write *write, uint64_t at, uint64_t size,
                        bool torn, struct viv_rng *rng)
{
    static const uint8_t zeros[VIV_SIM_SECTOR_BYTES];
    const uint8_t *bytes = write->bytes != NULL ? write->bytes + at : zeros;
    uint64_t offset = write->offset + at;
    bool is_there = file->durable.size >= offset + size;
    bool changes = is_there && memcmp(file->durable.data + offset, bytes, (size_t)size) != 0;
    put(&file->durable, offset, bytes, size);
    if (torn && changes && viv_rng_below(rng, TORN_SECTORS_IN) == 0) {
        make_junk(file->durable.data + offset, (size_t)size, rng);
    }
}

/* All of the write, nothing, or each sector by lot. */
static void keep_by_lot(struct viv_sim_file *file, const struct viv_sim_write *write, bool torn, struct viv_rng *rng)
{
    uint64_t manner = viv_rng_below(rng, 3);
    for (uint64_t at = 0; at < write->size && manner > 0;) {
        uint64_t size = VIV_SIM_SECTOR_BYTES - (write->offset + at) % VIV_SIM_SECTOR_BYTES;
        size = size < write->size - at ? size : write->size - at;
        if (manner == 1 || viv_rng_below(rng, 2) == 0) {
            keep_sector(file, write, at, size, torn, rng);
        }
        at += size;
    }
}

void viv_sim_file_rot(struct viv_sim_file *file, uint64_t offset, const uint8_t *bytes, uint64_t size)
{
    put(&file->durable, offset, bytes, size);
    rebuild(file);
}

void viv_sim_file_lose_power(struct viv_sim_file *file, bool torn, struct viv_rng *rng)
{
    for (size_t i = 0; i < file->write_count; i++) {
        if (file->writes[i].kind == VIV_SIM_WRITE_BYTES || file->writes[i].kind == VIV_SIM_WRITE_ZEROS) {
            keep_by_lot(file, &file->writes[i], torn, rng);
        }
    }
    drop_all(file);
    rebuild(file);
}
