#include "tests/support/node_recipe.h"

#include "tree/acl.h"

struct viv_node *viv_node_recipe(size_t server_count, size_t server, uint64_t snapshot_entries, int64_t start_wall_ms,
                                 viv_node_recipe_adjust_fn *adjust)
{
    struct viv_zab_member members[VIV_NODE_RECIPE_SERVERS_MAX];
    struct viv_buffer text = {0};
    for (size_t i = 0; i < server_count; i++) {
        members[i] = (struct viv_zab_member){.sid = (viv_sid)i + 1, .voter = true};
        viv_buffer_printf(&text, "server.%zu=127.0.0.1:%zu:%zu:participant\n", i + 1, 2000 + i, 3000 + i);
    }
    viv_buffer_printf(&text, "version=0");
    struct viv_node_config config = {
        .zab = {.sid = (viv_sid)server + 1,
                .standalone = server_count == 1,
                .members = members,
                .member_count = server_count,
                .config_text = viv_buffer_bytes(&text),
                .tick_ms = VIV_NODE_RECIPE_TICK_MS,
                .init_limit_ticks = 10,
                .sync_limit_ticks = 5,
                .adaptive = true,
                .seed = server + 1,
                .election_policy = "fle"},
        .tick_ms = VIV_NODE_RECIPE_TICK_MS,
        .session_timeout_min_ms = 2 * VIV_NODE_RECIPE_TICK_MS,
        .session_timeout_max_ms = 20 * VIV_NODE_RECIPE_TICK_MS,
        .frame_bytes_max = 1 << 20,
        .snapshot_entries = snapshot_entries,
        .start_wall_ms = start_wall_ms,
        .rules = {.acl_schemes = VIV_ACL_SCHEMES_DEFAULT},
        .config_text = viv_buffer_bytes(&text),
    };
    if (adjust != NULL) {
        adjust(&config);
    }
    struct viv_node *node = viv_node_new(&config);
    viv_buffer_fini(&text);
    return node;
}
