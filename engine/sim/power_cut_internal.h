#ifndef VIV_SIM_POWER_CUT_INTERNAL_H
#define VIV_SIM_POWER_CUT_INTERNAL_H

#include "sim/power_cut.h"

/* Shared by power_cut.c (what is durable and what is not), viv_sim_power_cut_choose.c (which states there are) and
 * viv_sim_power_cut_make.c (folders). */

enum { SECTOR_BYTES = 512, BLOCK_BYTES = 4096, TORN_PLACES_MAX = 128, PATH_BYTES = 512, NOBODY = -1 };

struct entry {
    char *name;
    int node; /* NOBODY: removed */
};

struct entries {
    struct entry *items;
    size_t count;
};

struct node {
    bool is_folder, has_hash;
    struct viv_buffer durable; /* of a file */
    uint64_t hash;             /* of `durable`, when has_hash */
    struct entries now, kept;  /* of a folder */
};

/* What is not durable yet. */
struct change {
    bool is_name;
    bool is_lone, is_durable; /* will be, is durable by itself (O_DSYNC), whatever of the changes before it is */
    int node;                 /* the file, or the folder of the name */
    enum viv_sim_call_kind kind;
    uint64_t offset;
    const uint8_t *bytes;
    size_t size;
    char *name, *to; /* of a rename: both below the same folder */
    int target;      /* what the name stands for afterwards */
};

enum manner { NOTHING, ALL, FIRST_BYTES, SECTORS_BY_LOT };

struct choice {
    enum manner manner;
    size_t bytes;
    uint64_t seed;
};

struct made_file {
    char path[PATH_BYTES];
    bool is_folder;
    int node;
    bool is_changed;
    struct viv_buffer bytes; /* when changed */
};

struct viv_sim_power_cut {
    struct node *nodes;
    size_t node_count, node_capacity;
    int *inodes; /* of the recorder's numbers */
    size_t inode_capacity;
    struct change *changes;
    size_t change_count, change_capacity;
    struct choice *choices; /* one per change */
    size_t choice_capacity;
    struct made_file *files;
    size_t file_count, file_capacity;
};

/* Does to the bytes of a file, or to the names of a folder, what the change says. */
void viv_sim_power_cut_apply_bytes(struct viv_buffer *bytes, const struct change *change, const struct choice *choice);
void viv_sim_power_cut_apply_name(struct entries *entries, const struct change *change);
int viv_sim_power_cut_add_node(struct viv_sim_power_cut *cut, bool is_folder);
void viv_sim_power_cut_set_entry(struct entries *entries, const char *name, int node);
void viv_sim_power_cut_free_entries(struct entries *entries);
/* The files of the state that cut->choices stand for, into cut->files; returns the hash of viv_sim_power_cut_choose. */
uint64_t viv_sim_power_cut_list(struct viv_sim_power_cut *cut);

#endif /* VIV_SIM_POWER_CUT_INTERNAL_H */
