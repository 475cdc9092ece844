#ifndef VIV_SIM_AGENDA_H
#define VIV_SIM_AGENDA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/rng.h"

/* What will happen, by virtual time; what falls on the same nanosecond is ordered by lot. Does not know what the
 * numbers of an item mean. */

struct viv_sim_due {
    int64_t at_ns;
    uint64_t tie, sequence;
    int kind;
    uint64_t a, b;
};

struct viv_sim_agenda {
    struct viv_sim_due *heap;
    size_t count, capacity;
    uint64_t sequence;
    struct viv_rng ties;
};

void viv_sim_agenda_fini(struct viv_sim_agenda *agenda);
void viv_sim_agenda_add(struct viv_sim_agenda *agenda, int64_t at_ns, int kind, uint64_t a, uint64_t b);
/* False when it is empty. */
bool viv_sim_agenda_take(struct viv_sim_agenda *agenda, struct viv_sim_due *due);

#endif /* VIV_SIM_AGENDA_H */
