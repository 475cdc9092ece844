#ifndef VIV_NODE_ADMISSION_H
#define VIV_NODE_ADMISSION_H

#include <stdbool.h>
#include <stdint.h>

/* How fast new sessions may come: a bucket of tokens that fills with time. Renewals of old sessions are always
 * admitted, but take a token when there is one, so that after a storm new sessions wait until the old ones are back.
 * Knows neither sessions nor connections. */

struct viv_admission {
    uint64_t burst_count; /* 0: everybody is admitted */
    uint64_t per_second;
    uint64_t tokens_milli; /* thousandths */
    uint64_t filled_ms;
};

void viv_admission_init(struct viv_admission *admission, uint64_t burst_count, uint64_t per_second);
bool viv_admission_new_session(struct viv_admission *admission, uint64_t now_ms);
void viv_admission_renewal(struct viv_admission *admission, uint64_t now_ms);

#endif /* VIV_NODE_ADMISSION_H */
