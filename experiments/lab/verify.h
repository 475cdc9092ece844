#ifndef VIV_EXPERIMENTS_LAB_VERIFY_H
#define VIV_EXPERIMENTS_LAB_VERIFY_H

#include "experiments/lab/dialect.h"
#include "experiments/lab/interrupt.h"
#include "experiments/lab/keyset.h"

/* What the servers owe: every acknowledged write is there, on every server. Asks through the client protocol. */

struct viv_verify_result {
    uint64_t checked;    /* reads compared, over all servers */
    uint64_t lost_acked; /* keys with an older value than one acknowledged (viv_keyset_is_loss), and created znodes that
                            are missing */
    uint64_t violations; /* values that were never written */
    char why[160];
};

/* Reads every key on every server, behind a sync, and compares. VIV_ERR_BUSY with result->why when a server does not
 * answer until until_ns. */
viv_status viv_verify_keys(const struct viv_dialect *dialect, const struct viv_client_address *servers,
                           size_t server_count, struct viv_interrupt *interrupt, struct viv_keyset *keyset,
                           uint64_t until_ns, struct viv_verify_result *result) VIV_MUST_USE;
/* Deletes what create steps made, through one server; what was acknowledged and is not there is lost. */
viv_status viv_verify_created(const struct viv_dialect *dialect, const struct viv_client_address *server,
                              struct viv_interrupt *interrupt, struct viv_keyset *keyset, uint64_t until_ns,
                              struct viv_verify_result *result) VIV_MUST_USE;

#endif /* VIV_EXPERIMENTS_LAB_VERIFY_H */
