#ifndef VIV_TESTS_CRASH_ROT_STORES_H
#define VIV_TESTS_CRASH_ROT_STORES_H

#include "backends/registry.h"
#include "server/recovery.h"
#include "tests/support/node_net.h"

/* Three servers of a node_net whose stores are the real ones, in folders, and who recover as the server does. */

enum { ROT_SERVERS = 3, ROT_PATH_BYTES = 160 };

struct rot_server {
    char folder[ROT_PATH_BYTES];
    struct viv_config config;
    struct viv_data_dir data;
    struct viv_trace trace;
    struct viv_stores stores;
    uint64_t checkpoint_ticket;
    bool in_checkpoint;
    uint64_t image_starts[2]; /* zxid_start of the newest image committed, and of the one before */
    char last_words[512];     /* errors that it logged since its start, and why it ended */
};

struct rot_stores {
    const struct viv_configuration *configuration;
    struct rot_server servers[ROT_SERVERS];
    struct viv_node_net_stores calls;
    size_t speaking; /* whose log lines come now */
};

/* Folders `top`/1 to `top`/3, which are made when missing. snap_count: entries between two images. */
void rot_stores_init(struct rot_stores *stores, const struct viv_configuration *configuration, const char *top,
                     unsigned snap_count);

#endif /* VIV_TESTS_CRASH_ROT_STORES_H */
