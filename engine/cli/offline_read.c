#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "cli/names.h"
#include "cli/offline.h"
#include "cli/text.h"
#include "cli/value.h"

/* dirls and dirget: ls and get on files, now or as of an earlier transaction. */

static int open_node(const struct viv_cli_args *args, struct viv_cli_source *source, struct viv_znode *node)
{
    struct viv_cli_source_options options;
    int code = viv_cli_source_options_read(args, &options);
    code = code == VIV_CLI_OK ? viv_cli_source_open(viv_cli_arg(args, 0), &options, source) : code;
    if (code != VIV_CLI_OK) {
        return code;
    }
    if (!viv_tree_find(source->tree, viv_bytes_text(viv_cli_arg(args, 1)), node)) {
        viv_cli_error("Node does not exist: %s", viv_cli_arg(args, 1));
        viv_cli_source_close(source);
        return VIV_CLI_REFUSED;
    }
    return VIV_CLI_OK;
}

static void list_children(const struct viv_tree *tree, viv_node_id parent, struct viv_cli_names *names)
{
    for (viv_node_id id = viv_tree_next_child(tree, parent, VIV_NODE_NONE); id != VIV_NODE_NONE;
         id = viv_tree_next_child(tree, parent, id)) {
        viv_cli_names_add(names, viv_tree_name(tree, id));
    }
    viv_cli_names_sort(names);
}

static viv_status add_path(void *ctx, const struct viv_zk_node *node)
{
    viv_cli_names_add(ctx, node->path);
    return VIV_OK;
}

int viv_cli_run_dirls(struct viv_cli *cli, const struct viv_cli_args *args)
{
    struct viv_cli_source source;
    struct viv_znode node;
    struct viv_cli_names names = {0};
    int code = open_node(args, &source, &node);
    if (code != VIV_CLI_OK) {
        return code;
    }
    if (viv_cli_has(args, "-R")) {
        viv_status status = viv_zk_visit(source.tree, viv_bytes_text(viv_cli_arg(args, 1)), add_path, &names);
        VIV_ASSERT(status == VIV_OK);
        viv_cli_names_sort(&names);
    } else {
        list_children(source.tree, node.id, &names);
    }
    json_t *array = json_array();
    for (size_t i = 0; i < names.count; i++) {
        if (cli->settings.json) {
            json_array_append_new(array, viv_cli_json_text(viv_cli_name(&names, i)));
        } else {
            viv_cli_print_text(viv_cli_name(&names, i));
            putchar('\n');
        }
    }
    if (cli->settings.json) {
        viv_cli_print_json(json_pack("{s:o, s:o}", "children", array, "zxid", viv_cli_json_hex((int64_t)source.zxid)));
    } else {
        json_decref(array);
    }
    viv_cli_names_fini(&names);
    viv_cli_source_close(&source);
    return VIV_CLI_OK;
}

int viv_cli_run_dirget(struct viv_cli *cli, const struct viv_cli_args *args)
{
    struct viv_cli_source source;
    struct viv_znode node;
    struct viv_stat stat;
    int code = open_node(args, &source, &node);
    if (code != VIV_CLI_OK) {
        return code;
    }
    viv_znode_stat(&node, &stat);
    if (cli->settings.json) {
        json_t *object = json_object();
        viv_cli_json_set_data(object, node.data);
        json_object_set_new(object, "stat", viv_cli_json_stat(&stat));
        json_object_set_new(object, "zxid", viv_cli_json_hex((int64_t)source.zxid));
        viv_cli_print_json(object);
    } else {
        viv_cli_value_print(args, node.data);
        if (viv_cli_has(args, "-s")) {
            viv_cli_print_stat(&stat);
        }
    }
    viv_cli_source_close(&source);
    return VIV_CLI_OK;
}
