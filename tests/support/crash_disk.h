#ifndef VIV_TESTS_SUPPORT_CRASH_DISK_H
#define VIV_TESTS_SUPPORT_CRASH_DISK_H

#include "base/rng.h"
#include "store/file_io.h"

/* A disk in memory that loses power. Writes are visible at once and durable after a sync of their file; names are
 * durable after a sync of the directory. When the power goes, each 512-byte sector of each unsynced write is kept or
 * lost by lot, and of the unsynced directory operations some first part is kept. One directory, no paths. */

enum crash_fault {
    CRASH_NONE,
    CRASH_POWER,      /* from call `at` on nothing works, until crash_disk_power_on */
    CRASH_SYNC_KEEP,  /* the sync at or after call `at` fails once; the page cache keeps the bytes, marked clean */
    CRASH_SYNC_DROP,  /* as before, but reads show the old bytes again */
    CRASH_LYING_SYNC, /* syncs of files succeed and do nothing: a broken disk, for controls */
    CRASH_LYING_DIR,  /* the same for the directory */
};

struct crash_disk;

struct crash_disk *crash_disk_new(uint64_t seed);
void crash_disk_free(struct crash_disk *disk);
struct viv_disk crash_disk_calls(struct crash_disk *disk);
/* Calls that change something are counted from 1, since the last power_on. */
void crash_disk_set_fault(struct crash_disk *disk, enum crash_fault fault, uint64_t at);
uint64_t crash_disk_count(const struct crash_disk *disk);
/* The process has ended: its handles and locks are gone, the page cache is not. */
void crash_disk_restart(struct crash_disk *disk);
/* The power went, and is back. */
void crash_disk_power_on(struct crash_disk *disk);

#endif /* VIV_TESTS_SUPPORT_CRASH_DISK_H */
