#ifndef VIV_SIM_DISK_FILE_H
#define VIV_SIM_DISK_FILE_H

#include "base/bytes.h"
#include "base/rng.h"

/* One file of a simulated disk: its content as the page cache shows it and as the device holds it, and the writes in
 * between. Does not know names. */

enum { VIV_SIM_SECTOR_BYTES = 512 };

enum viv_sim_write_kind {
    VIV_SIM_WRITE_BYTES,
    VIV_SIM_WRITE_ZEROS,
    VIV_SIM_WRITE_GHOST, /* bytes that only the cache has, and will never hand to the device */
    VIV_SIM_WRITE_SYNC,
};

struct viv_sim_write {
    int64_t at_ns;
    enum viv_sim_write_kind kind;
    uint64_t offset, size;
    uint8_t *bytes; /* owned; NULL for zeros */
};

enum { VIV_SIM_OVERWRITTEN_MAX = 8 };

struct viv_sim_file {
    struct viv_buffer now, durable;
    struct viv_sim_write *writes;
    size_t write_count, write_capacity;
    struct viv_sim_write
        overwritten[VIV_SIM_OVERWRITTEN_MAX]; /* what the last durable writes took the place of; a ring */
    size_t overwritten_count;
    bool keeps_overwritten;
};

void viv_sim_file_fini(struct viv_sim_file *file);
void viv_sim_file_write(struct viv_sim_file *file, int64_t at_ns, uint64_t offset, const void *bytes, uint64_t size);
void viv_sim_file_write_zeros(struct viv_sim_file *file, int64_t at_ns, uint64_t offset, uint64_t size);
void viv_sim_file_sync(struct viv_sim_file *file, int64_t at_ns);
/* A sync failed: what waited for it stays in the cache only, or is gone from there too. */
void viv_sim_file_lose_writes(struct viv_sim_file *file, bool keep_in_cache);
/* As in disk_names.h. */
void viv_sim_file_settle(struct viv_sim_file *file, int64_t horizon_ns);
void viv_sim_file_rewind(struct viv_sim_file *file, int64_t at_ns);
/* The device holds other bytes than it was given, and what is read shows them: a fault of the device. */
void viv_sim_file_rot(struct viv_sim_file *file, uint64_t offset, const uint8_t *bytes, uint64_t size);
void viv_sim_file_lose_power(struct viv_sim_file *file, bool torn, struct viv_rng *rng);

#endif /* VIV_SIM_DISK_FILE_H */
