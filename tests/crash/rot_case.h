#ifndef VIV_TESTS_CRASH_ROT_CASE_H
#define VIV_TESTS_CRASH_ROT_CASE_H

#include "base/rng.h"
#include "tests/crash/rot_stores.h"

/* One damaged ensemble, from its prepared folders to a verdict. */

enum { ROT_NODES = 160, ROT_DAMAGES_MAX = 8, ROT_ENTRIES_MAX = 4096, ROT_NO_PLACE = -1 };

/* What the clients of a prepared run were told: node i (rot_node_path) exists with value `values[i]`, 0: deleted. */
struct rot_history {
    unsigned values[ROT_NODES];
    uint64_t last_zxid;
    uint64_t image_starts[ROT_SERVERS][2];
};

void rot_node_path(unsigned node, char *path, size_t size);
void rot_node_value(unsigned node, unsigned value, char *text, size_t size);

/* ---- preparing ---- */

enum rot_base {
    ROT_YOUNG,      /* no image yet */
    ROT_GROWN,      /* images, and a log behind them */
    ROT_LAGGING,    /* as that, but the third server missed the last entries */
    ROT_FAR_BEHIND, /* the third server needs a snapshot */
    ROT_BASES
};

/* Runs the ensemble in `top`, whose folders are new; half way, when nothing runs, all of it is copied to `older`. */
bool rot_prepare(enum rot_base base, const struct viv_configuration *configuration, const char *top, const char *older,
                 struct rot_history *history);

/* ---- the atlas ---- */

enum rot_structure {
    ROT_SEGMENT_HEADER,
    ROT_BATCH_HEADER,
    ROT_BATCH_TABLE,
    ROT_BODY,
    ROT_IDENTIFIER,
    ROT_HARD_SLOT,
    ROT_IMAGE_HEADER,
    ROT_IMAGE_FRAME,
    ROT_IMAGE_FOOTER,
    ROT_LIBRARY_FILE, /* any block of a file of LMDB or RocksDB */
    ROT_STRUCTURES
};
extern const char *const rot_structure_names[ROT_STRUCTURES];

/* A stretch of a file, and what it holds. */
struct rot_place {
    enum rot_structure structure;
    char file[96]; /* below the server's folder */
    uint64_t from, to;
    uint64_t first_zxid, last_zxid; /* entries that are gone with it; 0: none */
    uint64_t batch_to;              /* of a batch's parts and its identifier: where the batch ends */
    unsigned image;                 /* 0 the newest, 1 the one before */
};

struct rot_atlas {
    struct rot_place *places;
    size_t count, capacity;
    uint64_t first_zxid; /* of the log */
};

struct rot_damage {
    size_t server;
    char file[96];
    uint64_t from, to; /* to UINT64_MAX: the whole file */
};

void rot_atlas_read(struct rot_atlas *atlas, const char *folder);
void rot_atlas_fini(struct rot_atlas *atlas);
/* Whether every committed entry has an intact copy (in a log, or in a whole image) on a server that is `up`, some image
 * can be begun from, and a majority of those up still knows its promises. */
bool rot_is_recoverable(const struct rot_atlas *atlases, const struct rot_history *history, const bool *up,
                        const struct rot_damage *damages, size_t damage_count);

/* ---- damage ---- */

enum rot_fault {
    ROT_FLIP,
    ROT_ZERO,
    ROT_JUNK,
    ROT_SWAP,        /* two blocks of the file */
    ROT_STALE,       /* what stood there before: a lost write */
    ROT_MISDIRECTED, /* what belongs elsewhere in the file */
    ROT_TORN,        /* the second half of it is zero */
    ROT_UNREADABLE,  /* EIO */
    ROT_CUT,
    ROT_EXTENDED,
    ROT_MISSING,
    ROT_WRONG_FILE, /* another server's, or another file of the same server */
    ROT_FAULTS
};
extern const char *const rot_fault_names[ROT_FAULTS];

/* Does it to [from, to) of damage->file in `folder`; `older` and `other` are where bytes of another time or of another
 * server come from. */
void rot_inflict(enum rot_fault fault, const struct rot_damage *damage, const char *folder, const char *older,
                 const char *other, struct viv_rng *rng);
/* EIO for these bytes from now on, in this process. */
void rot_unreadable(const char *path, uint64_t from, uint64_t to);
bool rot_fault_is_of_whole_files(enum rot_fault fault);

/* ---- verdict ---- */

enum rot_verdict { ROT_UNAVAILABLE, ROT_UNSAFE, ROT_CORRECT, ROT_VERDICTS };

/* Starts those that are up, waits, asks as a client would. *down: how many of them did not serve at the end. */
enum rot_verdict rot_judge(struct rot_stores *stores, const bool *up, const struct rot_history *history, size_t *down,
                           char *why, size_t why_size);

#endif /* VIV_TESTS_CRASH_ROT_CASE_H */
