#ifndef VIV_SIM_FAULT_H
#define VIV_SIM_FAULT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct viv_sim_world;

/* What befalls servers, disks, clocks and links, from the lines of the plan, and how all that ends. */

/* A fault that has begun: whom it met, and what it will undo. */
struct viv_sim_trouble {
    size_t server;
    bool is_on;
    int64_t until_ns;
};

void viv_sim_fault_begin(struct viv_sim_world *world, size_t index);
void viv_sim_fault_end(struct viv_sim_world *world, size_t index);

/* The server is as good as new, and starts if it is down; the links of all given servers (bits) to each other and to
 * clients are as well. */
void viv_sim_heal(struct viv_sim_world *world, uint64_t servers);
/* The server plays no part until it is healed. */
void viv_sim_exclude(struct viv_sim_world *world, size_t server);

#endif /* VIV_SIM_FAULT_H */
