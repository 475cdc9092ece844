#ifndef VIV_EXPERIMENTS_LAB_PROBE_H
#define VIV_EXPERIMENTS_LAB_PROBE_H

#include "client/client.h"
#include "experiments/lab/interrupt.h"

/* Small questions to one server, answered within a time limit: a four-letter word, and "do you serve reads yet". */

/* Sends the word and appends what comes back; false when nothing did within limit_ms. */
bool viv_probe_word(const struct viv_client_address *server, const char *word, uint32_t limit_ms,
                    struct viv_buffer *out);

struct viv_probe; /* keeps trying to open a session and to read "/" on one server */

viv_status viv_probe_open(const struct viv_client_address *server, struct viv_probe **out) VIV_MUST_USE;
/* Works on it until until_ns at the latest; when the first read was answered, or 0. */
uint64_t viv_probe_turn(struct viv_probe *probe, uint64_t until_ns);
/* Closes the session politely if there is one. */
void viv_probe_close(struct viv_probe *probe);

#endif /* VIV_EXPERIMENTS_LAB_PROBE_H */
