#ifndef VIV_SIM_DISK_NAMES_H
#define VIV_SIM_DISK_NAMES_H

#include "base/bytes.h"
#include "base/rng.h"

/* The one directory of a simulated disk: which names stand for which files (numbers), now and durably, and what was
 * done since it was last synced. Does not know what files hold. */

struct viv_sim_name {
    char *text;
    int file;
};

struct viv_sim_name_table {
    struct viv_sim_name *names;
    size_t count, capacity;
};

/* One or two changes that belong together (a rename), or a sync. File -1: the name goes. */
struct viv_sim_name_op {
    int64_t at_ns;
    bool is_sync;
    struct viv_sim_name changes[2];
    size_t change_count;
};

struct viv_sim_names {
    struct viv_sim_name_table now, durable;
    struct viv_sim_name_op *ops;
    size_t op_count, op_capacity;
};

void viv_sim_names_fini(struct viv_sim_names *names);
int viv_sim_names_find(const struct viv_sim_names *names, const char *text); /* -1: no such name */
void viv_sim_names_set(struct viv_sim_names *names, int64_t at_ns, const char *text, int file);
void viv_sim_names_rename(struct viv_sim_names *names, int64_t at_ns, const char *from, const char *to);
void viv_sim_names_sync(struct viv_sim_names *names, int64_t at_ns);
/* What syncs up to horizon_ns made durable can no longer be taken back. */
void viv_sim_names_settle(struct viv_sim_names *names, int64_t horizon_ns);
/* Takes back what came after at_ns. */
void viv_sim_names_rewind(struct viv_sim_names *names, int64_t at_ns);
/* The power went: of what is not durable some first part survives, or any selection. */
void viv_sim_names_lose_power(struct viv_sim_names *names, bool strict, struct viv_rng *rng);
/* Whether a name stands for the file, durably or not, or may again after a power loss. */
bool viv_sim_names_hold(const struct viv_sim_names *names, int file);

#endif /* VIV_SIM_DISK_NAMES_H */
