#ifndef VIV_SIM_DISK_H
#define VIV_SIM_DISK_H

#include "base/rng.h"
#include "store/file_io.h"

/* A disk in memory that takes time and loses power. Writes are seen at once and durable after a sync of their file;
 * names are durable after a sync of the directory. When the power goes, each 512-byte sector of each unsynced write is
 * old or new by lot, and of the unsynced directory operations some first part is kept, or any selection (`strict`).
 * One directory, no paths below it.
 *
 * Time: calls are made in tasks. Within one each call moves the disk's own clock on, and what it does bears that time;
 * whoever stops the process or the power at an earlier moment takes it back. A disk without latencies stands at 0. */

enum viv_sim_disk_fault {
    VIV_SIM_DISK_SOUND,
    VIV_SIM_DISK_POWER,       /* from call `at` on nothing works, until power_on */
    VIV_SIM_DISK_SYNC_KEEP,   /* the sync at or after call `at` fails once; the cache keeps the bytes, marked clean */
    VIV_SIM_DISK_SYNC_DROP,   /* as before, but reads show the old bytes again */
    VIV_SIM_DISK_SYNC_STORED, /* as before, but all is durable */
    VIV_SIM_DISK_WRITE_FAILS, /* the write at or after call `at` fails once, the first half having been written */
    VIV_SIM_DISK_LYING_SYNC,  /* syncs of files succeed and do nothing: a broken disk, for controls */
    VIV_SIM_DISK_LYING_DIR,   /* the same for the directory */
};

struct viv_sim_disk_config {
    uint64_t seed;
    bool strict;
    bool rots;                 /* some of it may be told to rot */
    bool torn;                 /* a sector of a kept write whose content changes may come out as neither */
    uint64_t capacity_bytes;   /* of all files; 0: without end */
    int64_t write_ns, sync_ns; /* mean time of a call; 0: none */
};

struct viv_sim_disk;

struct viv_sim_disk *viv_sim_disk_new(const struct viv_sim_disk_config *config);
void viv_sim_disk_free(struct viv_sim_disk *disk);
struct viv_disk viv_sim_disk_calls(struct viv_sim_disk *disk);

/* A task begins: now, or when the one before ends. What is older than now_ns can no longer be taken back. */
void viv_sim_disk_begin(struct viv_sim_disk *disk, int64_t now_ns);
int64_t viv_sim_disk_time_ns(const struct viv_sim_disk *disk); /* when the calls made so far are done */
/* As much time as so many calls take goes by. */
void viv_sim_disk_pass(struct viv_sim_disk *disk, unsigned writes, unsigned syncs);
/* Until then calls take `factor` times as long, or no time (0), or do not end at all; what is under way goes on at the
 * usual pace then. */
#define VIV_SIM_DISK_STANDS_STILL UINT32_MAX
void viv_sim_disk_set_pace(struct viv_sim_disk *disk, unsigned factor, int64_t until_ns);
/* Files do not grow. */
void viv_sim_disk_set_full(struct viv_sim_disk *disk, bool is_full);
void viv_sim_disk_make_room(struct viv_sim_disk *disk);            /* without end from now on */
uint64_t viv_sim_disk_room_bytes(const struct viv_sim_disk *disk); /* UINT64_MAX: without end */

/* Calls that change something are counted from 1, since the last restart. */
void viv_sim_disk_set_fault(struct viv_sim_disk *disk, enum viv_sim_disk_fault fault, uint64_t at);
uint64_t viv_sim_disk_count(const struct viv_sim_disk *disk);
/* Where bytes of the device changed by themselves, and what they became. */
struct viv_sim_place {
    char name[64];
    int inode;
    uint64_t offset;
    size_t size;
    uint32_t crc;
};
/* A part of these bytes, wherever a file holds them; or a sector, or a late write, of any file that holds something.
 * Flipped, zero, junk, of another place, or as before that write. False: there is none. */
bool viv_sim_disk_rot_bytes(struct viv_sim_disk *disk, struct viv_bytes bytes, struct viv_rng *rng,
                            struct viv_sim_place *place);
bool viv_sim_disk_rot_anything(struct viv_sim_disk *disk, struct viv_rng *rng, struct viv_sim_place *place);
/* Nothing was written there since, and the file has its name. */
bool viv_sim_disk_holds(const struct viv_sim_disk *disk, const struct viv_sim_place *place);
/* The process ended at now_ns: what it would have done later is not done; its handles and locks are gone, the cache is
 * not. Handles that it still closes afterwards are closed already. */
void viv_sim_disk_restart(struct viv_sim_disk *disk, int64_t now_ns);
/* The power went at now_ns, and is back. */
void viv_sim_disk_power_on(struct viv_sim_disk *disk, int64_t now_ns);

#endif /* VIV_SIM_DISK_H */
