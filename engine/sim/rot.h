#ifndef VIV_SIM_ROT_H
#define VIV_SIM_ROT_H

#include "sim/disk.h"
#include "sim/plan.h"

/* What rots on disks, and the atlas that keeps it within what an ensemble can mend (reliability.md §3.3). The body of
 * a committed transaction rots on any server while another voter has it sound; anything else only on one server at a
 * time, while all others stand together and are a majority that knows its promises. Who is alone may lose anything, and
 * then serves what is right or nothing. */

struct viv_sim_world;

struct viv_sim_injury {
    size_t server;
    struct viv_sim_place place;
    uint64_t zxid; /* of a transaction's body; 0: of anything else */
};

struct viv_sim_rot {
    struct viv_sim_injury *injuries;
    size_t count, capacity;
};

/* Nothing happens when the atlas does not allow it, or nothing of that kind is there. */
void viv_sim_rot_inflict(struct viv_sim_world *world, const struct viv_sim_fault *fault, size_t server);
/* Whether one of these servers (bits) still holds what rot left; of bodies of transactions, or only of anything else.
 */
bool viv_sim_rot_is_on(const struct viv_sim_world *world, uint64_t servers, bool bodies_too);
/* The server's disk is another one. */
void viv_sim_rot_forget(struct viv_sim_world *world, size_t server);
/* It may lose what it knows: all others stand together, whole, and decide without it. */
bool viv_sim_rot_may_forget(const struct viv_sim_world *world, size_t server);

#endif /* VIV_SIM_ROT_H */
