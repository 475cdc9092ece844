#ifndef VIV_EXPERIMENTS_LAB_PROBE_H
#define VIV_EXPERIMENTS_LAB_PROBE_H

#include "experiments/lab/dialect.h"
#include "experiments/lab/interrupt.h"

/* Small questions to servers, answered within a time limit: one in plain text, and "do you serve reads yet". */

/* Sends the question (a four-letter word, a line of HTTP) and appends what comes back until the server hangs up; false
 * when nothing did within limit_ms. */
bool viv_probe_ask(const struct viv_client_address *server, const char *question, uint32_t limit_ms,
                   struct viv_buffer *out);

struct viv_probes; /* keep trying, on several servers at once, to open a session and to read "/" */

/* Servers whose `wanted` is false are left alone. */
viv_status viv_probes_open(const struct viv_dialect *dialect, const struct viv_client_address *servers,
                           const bool *wanted, size_t server_count, struct viv_probes **out) VIV_MUST_USE;
/* Works on them until until_ns at the latest; how many servers have not answered yet. */
size_t viv_probes_turn(struct viv_probes *probes, uint64_t until_ns);
/* When the server's first read was answered; 0: not yet. */
uint64_t viv_probes_answered_ns(const struct viv_probes *probes, size_t index);
/* Closes the sessions politely. */
void viv_probes_close(struct viv_probes *probes);

#endif /* VIV_EXPERIMENTS_LAB_PROBE_H */
