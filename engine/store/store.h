#ifndef VIV_STORE_STORE_H
#define VIV_STORE_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"

/* What both store contracts share. A configuration (backends/configurations.def) is a named pairing of a log store
 * with a state store. Stores are passive: every call blocks, they own no clock and (RocksDB's own and the second
 * loader apart) no threads. Stores never decide: they are told, they do, they say when. */

struct viv_disk;

struct viv_store_config {
    const char *log_dir;         /* exists, private to this server; made 0700 by the caller */
    const char *state_dir;       /* may equal log_dir */
    uint64_t cluster[2];         /* identity written into new files; {0,0} adopts what is found */
    int64_t server_id;           /* refuse (VIV_ERR_FOREIGN) files of another server */
    bool durable;                /* false only for durability=none: no sync is made */
    uint64_t segment_bytes;      /* log segment size, 16 KiB to 1 GiB; 0 = 16 MiB */
    unsigned load_threads;       /* 1 or 2; 0 = 2 */
    bool may_forget;             /* a hard state without a good copy is begun anew, as a new server's: the caller sees
                                    to it that a server without promises counts for nothing */
    uint64_t image_upto;         /* for readers of the past: images that end later are passed over; 0 = none is. A
                                    store that keeps one image may leave the comparison to its caller */
    const struct viv_disk *disk; /* NULL: the real one (store/file_io.h); LMDB and RocksDB use their own */
};

enum viv_store_trait {
    VIV_STORE_VOLATILE = 1, /* nothing survives the process: starts only with durability=none */
    VIV_STORE_DELTAS = 2,   /* state store: takes VIV_CHECKPOINT_DELTA, not only full images */
    VIV_STORE_REPAIRS = 4,  /* log store: keeps identifiers apart from entries, and takes damaged bodies back */
};

/* Filled by open and load; printed by the server as one line. Times in nanoseconds of the monotonic clock that the
 * caller passes nothing of: each store measures its own phases with clock_gettime. */
struct viv_store_report {
    uint64_t open_ns, read_ns, decompress_ns, verify_ns;
    uint64_t bytes, rows, entries, files, rejected_files, torn_bytes, faults;
};

/* Sizes and work done since open; every member counts up except the *_now gauges. */
struct viv_store_measure {
    uint64_t bytes_written, syncs, appends, entries, segments_made, segments_recycled, checkpoints;
    uint64_t disk_bytes_now;
};

#endif /* VIV_STORE_STORE_H */
