#ifndef VIV_EXPERIMENTS_LAB_CELL_H
#define VIV_EXPERIMENTS_LAB_CELL_H

#include <stdbool.h>
#include <stdint.h>

/* One point of a plan's grid: which system, configured how, holding what. A plain value; strings belong to the plan. */

enum viv_system {
    VIV_SYSTEM_VIVARIUM,
    VIV_SYSTEM_ZOOKEEPER,
    VIV_SYSTEM_ETCD,
    VIV_SYSTEM_PARTITION, /* no servers: a partition scheme is asked directly */
};

/* Of a partition cell. */
struct viv_cell_scheme {
    const char *name;
    uint32_t bins, vnodes, slots, table_size;
    double epsilon;
};

struct viv_cell {
    char name[96];         /* unique in the plan; names files, so of [a-z0-9.-] only */
    char system_label[48]; /* what tables call it: "flat", "zookeeper" */
    enum viv_system system;
    const char *backend; /* vivarium only; NULL: the build's default */
    bool durable;
    uint32_t servers;
    uint32_t tick_ms;
    uint32_t init_limit_ticks;
    uint32_t sync_limit_ticks;
    uint32_t snapshot_entries; /* transactions between two images */
    uint64_t heap_bytes;       /* zookeeper only */
    uint64_t value_bytes;
    uint32_t keys;
    const char *snapshot; /* the initial state: a ZooKeeper snapshot file, or NULL */
    const char *shape;    /* or a generator's name, or NULL: no initial state but the keys */
    uint64_t shape_znodes;
    const char *const *config; /* "key=value" lines appended to the servers' configuration */
    uint32_t config_count;
    struct viv_cell_scheme scheme;
    bool control; /* the second of the pair of identical cells */
};

#endif /* VIV_EXPERIMENTS_LAB_CELL_H */
