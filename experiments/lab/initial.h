#ifndef VIV_EXPERIMENTS_LAB_INITIAL_H
#define VIV_EXPERIMENTS_LAB_INITIAL_H

#include "experiments/lab/cell.h"
#include "experiments/lab/interrupt.h"
#include "experiments/lab/keyset.h"
#include "client/client.h"

/* The state a trial begins with: a real ZooKeeper snapshot or a generated namespace, then the keys of the load, all
 * created through the client protocol. Knows where znodes come from; does not know which system takes them. */

struct viv_initial_result {
    uint64_t znodes; /* created, keys included */
    uint64_t data_bytes;
    uint64_t duration_ns;
    char why[160]; /* of a failure, for people */
};

/* Writes through `server`, preferably the leader. VIV_ERR_BUSY when it does not finish until until_ns;
 * VIV_ERR_CORRUPT or VIV_ERR_NOT_FOUND of the snapshot file; VIV_ERR_INVALID when a create was refused. */
viv_status viv_initial_load(const struct viv_cell *cell, const struct viv_client_address *server,
                            struct viv_interrupt *interrupt, struct viv_keyset *keyset, uint64_t seed,
                            uint64_t until_ns, struct viv_initial_result *result) VIV_MUST_USE;
/* Number of znodes that viv_initial_load would create, and their bytes of paths and data, asking no server. */
viv_status viv_initial_measure(const struct viv_cell *cell, uint64_t seed, uint64_t *znodes,
                               uint64_t *bytes) VIV_MUST_USE;

#endif /* VIV_EXPERIMENTS_LAB_INITIAL_H */
