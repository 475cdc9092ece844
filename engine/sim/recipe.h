#ifndef VIV_SIM_RECIPE_H
#define VIV_SIM_RECIPE_H

#include "node/node.h"

struct viv_sim_world;

/* Wall clock at the beginning of a run. */
#define VIV_SIM_WALL_MS INT64_C(1700000000000)

/* Who may change the ensemble: what it proves itself by. */
#define VIV_SIM_SUPER_USER "super:secret"

/* The node of one server, as its configuration would make it. */
struct viv_node *viv_sim_recipe_node(struct viv_sim_world *world, size_t server);
/* Appends the server's line of a configuration: "server.1=...". */
void viv_sim_recipe_member(struct viv_buffer *text, size_t server, bool votes, bool has_client_port);
/* Fills the server's empty disk with an empty tree at that zxid, as if a long history were behind it. */
viv_status viv_sim_recipe_history(struct viv_sim_world *world, size_t server, uint64_t zxid) VIV_MUST_USE;
/* Control: sends a vote that claims the longest history that this server ever had. */
void viv_sim_recipe_raise_vote(struct viv_sim_world *world, size_t server, struct viv_bytes body, size_t to);

#endif /* VIV_SIM_RECIPE_H */
