#ifndef VIV_EXPERIMENTS_LAB_BULK_H
#define VIV_EXPERIMENTS_LAB_BULK_H

#include "experiments/lab/dialect.h"
#include "experiments/lab/interrupt.h"

/* Many requests through one session, in order, as fast as the server takes them: loading the initial state, reading
 * everything back, removing what a step made. Not measured. Knows nothing of what the requests mean. */

struct viv_bulk;

/* Connects to the server. The callback is told of every reply. VIV_ERR_BUSY when the server did not accept a session
 * until until_ns, which also bounds everything later; VIV_ERR_INTERRUPTED. */
viv_status viv_bulk_open(const struct viv_dialect *dialect, const struct viv_client_address *server,
                         struct viv_interrupt *interrupt, uint64_t until_ns, viv_lab_reply_fn *on_reply, void *ctx,
                         struct viv_bulk **out) VIV_MUST_USE;
void viv_bulk_close(struct viv_bulk *bulk);
/* Waits until one more request may be made on viv_bulk_client(). VIV_ERR_BUSY: the connection went, or time is up. */
viv_status viv_bulk_room(struct viv_bulk *bulk) VIV_MUST_USE;
/* Waits until everything is answered. */
viv_status viv_bulk_drain(struct viv_bulk *bulk) VIV_MUST_USE;
struct viv_lab_client *viv_bulk_client(struct viv_bulk *bulk);

#endif /* VIV_EXPERIMENTS_LAB_BULK_H */
