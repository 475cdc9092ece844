#ifndef VIV_TESTS_SUPPORT_STORE_WORLD_H
#define VIV_TESTS_SUPPORT_STORE_WORLD_H

#include "backends/registry.h"
#include "tests/support/viv_test.h"

/* A private folder with the stores of one configuration in it, and the entries and rows that tests put there. Every
 * body is a function of group and zxid, and every value one of key and version, so that whatever comes back can be
 * checked without remembering what was written. */

struct world {
    const struct viv_configuration *configuration;
    char dir[64];
    struct viv_store_config config;
    struct viv_store_report report;
    struct viv_log *log;     /* NULL: closed */
    struct viv_state *state; /* NULL: closed */
    struct viv_buffer lines; /* what was logged, one line each */
};

void world_init(struct world *world, const struct viv_configuration *configuration);
void world_fini(struct world *world); /* closes, removes the folder */
bool world_is_volatile(const struct world *world);
/* Ends the test as skipped when nothing survives a close in this configuration. */
void world_needs_durability(struct world *world);
bool world_takes_deltas(const struct world *world);

viv_status world_try_open_log(struct world *world);
void world_open_log(struct world *world);
void world_close_log(struct world *world);
void world_reopen_log(struct world *world); /* what a kill and a restart of the process do */
void world_open_state(struct world *world);
void world_reopen_state(struct world *world);
/* True when a logged line holds the words. */
bool world_logged(const struct world *world, const char *words);
/* The path of the n-th file in the folder, in name order, whose name starts so; false when there is none. */
bool world_file(const struct world *world, const char *prefix, size_t n, char *path, size_t path_size);
size_t world_file_count(const struct world *world, const char *prefix);

/* The body of an entry; valid until the next call. `lineage` tells apart two entries of the same zxid. */
struct viv_entry world_entry(viv_gid gid, uint64_t zxid, unsigned lineage);
/* Appends (first..last) of one group as one batch, commit hint first - 1. */
void world_append(struct world *world, viv_gid gid, uint64_t first, uint64_t last, unsigned lineage);
void world_append_synced(struct world *world, viv_gid gid, uint64_t first, uint64_t last, unsigned lineage);
/* Asserts that the group's log is exactly (after..last], of that lineage, read in small bites. */
void world_expect_log(struct world *world, viv_gid gid, uint64_t after, uint64_t last, unsigned lineage);
struct viv_log_bounds world_bounds(struct world *world, viv_gid gid);

/* Rows "key-%08u" for keys in [first, first + count), of that version, in blocks; `op` PUT or DELETE. */
void world_write_rows(struct world *world, enum viv_row_op op, unsigned first, unsigned count, unsigned version);
void world_checkpoint(struct world *world, enum viv_checkpoint_kind kind, uint64_t zxid, unsigned first, unsigned count,
                      unsigned version);
/* Loads, and asserts that the image is marked with the zxid. */
void world_load(struct world *world, uint64_t zxid);
/* After a load: the version of a key; 0 when it was not there. */
unsigned world_version_of(unsigned key);
/* After a load: how many keys there were, and how often the receiver was told to start over. */
unsigned world_loaded_count(void);
unsigned world_restart_count(void);
viv_status world_try_load(struct world *world, struct viv_state_mark *mark);

#endif /* VIV_TESTS_SUPPORT_STORE_WORLD_H */
