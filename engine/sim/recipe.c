#include "sim/recipe.h"

#include "backends/registry.h"
#include "datadir/build.h"
#include "sim/world.h"
#include "tree/acl.h"
#include "tree/image.h"
#include "wire/peer.h"

enum { SESSION_TICKS_MIN = 2, SESSION_TICKS_MAX = 20, FRAME_BYTES_MAX = 1 << 20 };

/* VIV_SIM_SUPER_USER's, as ZooKeeper's DigestAuthenticationProvider says it. */
#define SUPER_DIGEST "super:lK75jTNcA+U9vtVEw5vB51mj/w4="

void viv_sim_recipe_member(struct viv_buffer *text, size_t server, bool votes, bool has_client_port)
{
    viv_buffer_printf(text, "server.%zu=127.0.0.1:%zu:%zu:%s", server + 1, 2000 + server, 3000 + server,
                      votes ? "participant" : "observer");
    if (has_client_port) {
        viv_buffer_printf(text, ";0.0.0.0:%zu", 4000 + server);
    }
}

struct viv_node *viv_sim_recipe_node(struct viv_sim_world *world, size_t server)
{
    static const char *const policies[] = {"fle", "ring", "priority", "rtt"};
    struct viv_zab_member members[VIV_SIM_MACHINES_MAX];
    struct viv_buffer text = {0};
    for (size_t i = 0; i < world->server_count; i++) {
        bool votes = i < (size_t)VIV_SIM_GET(world, voters);
        members[i] = (struct viv_zab_member){.sid = (viv_sid)i + 1, .voter = votes};
        viv_sim_recipe_member(&text, i, votes, VIV_SIM_GET(world, reconfigures) != 0);
        viv_buffer_append(&text, "\n", 1);
    }
    viv_buffer_printf(&text, "version=0");
    uint32_t tick_ms = (uint32_t)VIV_SIM_GET(world, tick_ms);
    int64_t wall_ns = viv_sim_server_local_ns(world, server) + world->servers[server].clock.wall_ahead_ns;
    struct viv_node_config config = {
        .zab = {.sid = (viv_sid)server + 1,
                .standalone = world->server_count == 1,
                .members = members,
                .member_count = world->server_count,
                .config_text = viv_buffer_bytes(&text),
                .reconfigurable = VIV_SIM_GET(world, reconfigures) != 0,
                .tick_ms = tick_ms,
                .init_limit_ticks = (uint32_t)VIV_SIM_GET(world, init_limit),
                .sync_limit_ticks = (uint32_t)VIV_SIM_GET(world, sync_limit),
                .adaptive = true,
                .seed = viv_rng_next(&world->servers[server].rng),
                .epoch_entries_max = (uint32_t)VIV_SIM_GET(world, epoch_entries),
                .election_policy = policies[VIV_SIM_GET(world, policy)],
                .election_slack = VIV_SIM_GET(world, slack) < 0 ? UINT64_MAX : (uint64_t)VIV_SIM_GET(world, slack),
                .election_priority = (uint32_t)(server * 7 % 5)},
        .tick_ms = tick_ms,
        .session_timeout_min_ms = SESSION_TICKS_MIN * tick_ms,
        .session_timeout_max_ms = SESSION_TICKS_MAX * tick_ms,
        .frame_bytes_max = FRAME_BYTES_MAX,
        .state_takes_deltas = (viv_sim_library_configuration(world, server)->state->traits & VIV_STORE_DELTAS) != 0,
        .snapshot_entries = (uint64_t)VIV_SIM_GET(world, snapshot_entries),
        .snapshot_bytes = UINT64_MAX,
        .start_wall_ms = wall_ns / 1000000,
        .policy = {.outstanding_count = (uint64_t)VIV_SIM_GET(world, outstanding_max),
                   .super_digest = VIV_BYTES_LITERAL(SUPER_DIGEST)},
        .rules = {.extended_types = true, .acl_schemes = VIV_ACL_SCHEMES_DEFAULT},
        .config_text = viv_buffer_bytes(&text),
    };
    struct viv_node *node = viv_node_new(&config);
    viv_buffer_fini(&text);
    return node;
}

static struct viv_tree *make_tree(uint64_t zxid)
{
    struct viv_tree *fresh = viv_tree_new(), *tree = viv_tree_new_empty();
    struct viv_buffer rows = {0};
    viv_tree_walk_begin(fresh, VIV_WALK_FULL);
    while (viv_tree_walk_step(fresh, SIZE_MAX / 2, &rows)) {
    }
    viv_tree_walk_end(fresh, true);
    bool is_loaded =
        viv_tree_load_rows(tree, viv_buffer_bytes(&rows)) == VIV_OK && viv_tree_load_finish(tree, zxid) == VIV_OK;
    viv_buffer_fini(&rows);
    viv_tree_free(fresh);
    if (!is_loaded) {
        viv_tree_free(tree);
        return NULL;
    }
    return tree;
}

viv_status viv_sim_recipe_history(struct viv_sim_world *world, size_t server, uint64_t zxid)
{
    const struct viv_disk calls = viv_sim_disk_calls(world->servers[server].storage.disk);
    const struct viv_configuration *configuration = viv_sim_library_configuration(world, server);
    struct viv_sim_library *library = world->servers[server].storage.library;
    uint32_t epoch = (uint32_t)(zxid >> 32);
    struct viv_tree *tree = make_tree(zxid);
    if (tree == NULL) {
        return VIV_ERR_CORRUPT;
    }
    /* All of it long ago: the disk is not at it any more when the run begins. */
    viv_sim_disk_set_pace(world->servers[server].storage.disk, 0, INT64_MAX);
    viv_status status = viv_datadir_build(
        &(struct viv_datadir_plan){.pairing = {configuration->name, configuration->log, configuration->state},
                                   .state_path = library != NULL ? viv_sim_library_folder(library) : VIV_SIM_FOLDER,
                                   .log_path = VIV_SIM_FOLDER,
                                   .server_id = (int64_t)server + 1,
                                   .durable = true,
                                   .segment_bytes = (uint64_t)VIV_SIM_GET(world, segment_bytes),
                                   .accepted_epoch = epoch,
                                   .current_epoch = epoch,
                                   .disk = &calls},
        tree);
    viv_sim_disk_set_pace(world->servers[server].storage.disk, 1, 0);
    viv_tree_free(tree);
    return status;
}

void viv_sim_recipe_raise_vote(struct viv_sim_world *world, size_t server, struct viv_bytes body, size_t to)
{
    struct viv_sim_server *at = &world->servers[server];
    struct viv_vote vote;
    struct viv_buffer raised = {0};
    if (to >= world->server_count || viv_vote_decode(body, &vote) != VIV_OK) {
        return;
    }
    if (vote.leader == (viv_sid)server + 1 && (int64_t)vote.zxid >= 0) {
        at->highest_vote = vote.zxid > at->highest_vote ? vote.zxid : at->highest_vote;
        vote.zxid = at->highest_vote | UINT32_MAX >> 1;
    }
    viv_vote_encode(&raised, &vote);
    viv_sim_network_vote(world, server, to, viv_buffer_bytes(&raised));
    viv_buffer_fini(&raised);
}
