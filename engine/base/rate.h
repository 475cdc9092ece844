#ifndef VIV_BASE_RATE_H
#define VIV_BASE_RATE_H

#include <stdbool.h>
#include <stdint.h>

/* How often something may happen. Times are monotonic milliseconds, given by the caller. */

/* A bucket that holds `burst` tokens and gets `per_second` of them back. */
struct viv_rate {
    uint32_t per_second, burst;
    uint64_t thousandths; /* of tokens in it */
    uint64_t filled_ms;
};
void viv_rate_init(struct viv_rate *rate, uint32_t per_second, uint32_t burst, uint64_t now_ms);
/* Takes a token; false: there is none. */
bool viv_rate_take(struct viv_rate *rate, uint64_t now_ms);

/* For log lines that strangers can provoke: one a second, which says how many were swallowed since the one before. */
struct viv_log_gate {
    uint64_t told_ms;
    uint64_t swallowed;
    bool was_told;
};
/* True: say it, with *swallowed; false: it was counted. */
bool viv_log_gate_open(struct viv_log_gate *gate, uint64_t now_ms, uint64_t *swallowed);

#endif /* VIV_BASE_RATE_H */
