#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/offline.h"
#include "cli/text.h"

/* diff: two namespaces, each from a directory, a snapshot file or a dump, node by node. */

struct diff {
    const struct viv_cli *cli;
    const struct viv_tree *other;
    bool is_second; /* only what the first one lacks is told */
    bool with_stat, with_builtin;
    uint64_t removed, added, changed;
};

static bool is_builtin(struct viv_bytes path)
{
    return viv_bytes_starts_with(path, VIV_BYTES_LITERAL("/zookeeper"));
}

static void tell(const struct diff *diff, char mark, const char *word, struct viv_bytes path, const char *fields)
{
    if (diff->cli->settings.json) {
        json_t *object = json_pack("{s:s, s:o}", "change", word, "path", viv_cli_json_text(path));
        if (*fields != '\0') {
            json_object_set_new(object, "fields", json_string(fields));
        }
        viv_cli_print_json(object);
        return;
    }
    printf("%c ", mark);
    viv_cli_print_text(path);
    printf(*fields == '\0' ? "\n" : " (%s)\n", fields);
}

static bool same_data(const struct viv_znode *a, const struct viv_znode *b)
{
    return a->data.null == b->data.null && viv_bytes_equal(a->data.bytes, b->data.bytes);
}

static void compare(struct diff *diff, const struct viv_zk_node *node, const struct viv_znode *other)
{
    const struct viv_znode *one = &node->znode;
    const struct {
        const char *name;
        bool differs;
    } fields[] = {
        {"data", !same_data(one, other)},
        {"acl", !viv_bytes_equal(node->acl, viv_tree_acl(diff->other, other->acl_id))},
        {"kind", one->owner != other->owner},
        {"version", diff->with_stat && one->version != other->version},
        {"cversion", diff->with_stat && one->child_counter != other->child_counter},
        {"aversion", diff->with_stat && one->aversion != other->aversion},
        {"zxids",
         diff->with_stat && (one->czxid != other->czxid || one->mzxid != other->mzxid || one->pzxid != other->pzxid)},
        {"times", diff->with_stat && (one->ctime_ms != other->ctime_ms || one->mtime_ms != other->mtime_ms)},
    };
    char text[96] = "";
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        if (fields[i].differs) {
            strcat(text, *text == '\0' ? "" : " ");
            strcat(text, fields[i].name);
        }
    }
    if (*text != '\0') {
        diff->changed++;
        tell(diff, '!', "changed", node->path, text);
    }
}

static viv_status visit(void *ctx, const struct viv_zk_node *node)
{
    struct diff *diff = ctx;
    struct viv_znode other;
    if (is_builtin(node->path) && !diff->with_builtin) {
        return VIV_OK;
    }
    bool is_there = viv_tree_find(diff->other, node->path, &other);
    if (is_there && !diff->is_second) {
        compare(diff, node, &other);
    } else if (!is_there) {
        diff->removed += !diff->is_second;
        diff->added += diff->is_second;
        tell(diff, diff->is_second ? '+' : '-', diff->is_second ? "added" : "removed", node->path, "");
    }
    return VIV_OK;
}

static int compare_both(struct viv_cli *cli, const struct viv_cli_args *args, struct viv_cli_source *first,
                        struct viv_cli_source *second)
{
    struct diff diff = {.cli = cli,
                        .other = second->tree,
                        .with_stat = viv_cli_has(args, "-s"),
                        .with_builtin = viv_cli_has(args, "-a")};
    struct viv_bytes root = viv_bytes_text(viv_cli_arg(args, 2) != NULL ? viv_cli_arg(args, 2) : "/");
    viv_status before = viv_zk_visit(first->tree, root, visit, &diff);
    diff.other = first->tree;
    diff.is_second = true;
    viv_status after = viv_zk_visit(second->tree, root, visit, &diff);
    if (before != VIV_OK && after != VIV_OK) {
        viv_cli_error("Node does not exist: %s", viv_cli_arg(args, 2));
        return VIV_CLI_REFUSED;
    }
    uint64_t all = diff.removed + diff.added + diff.changed;
    if (cli->settings.json) {
        viv_cli_print_json(json_pack("{s:I, s:I, s:I, s:o, s:o}", "removed", (json_int_t)diff.removed, "added",
                                     (json_int_t)diff.added, "changed", (json_int_t)diff.changed, "first_zxid",
                                     viv_cli_json_hex((int64_t)first->zxid), "second_zxid",
                                     viv_cli_json_hex((int64_t)second->zxid)));
    } else if (all > 0) {
        printf("%" PRIu64 " removed, %" PRIu64 " added, %" PRIu64 " changed\n", diff.removed, diff.added, diff.changed);
    }
    return all == 0 ? VIV_CLI_OK : VIV_CLI_REFUSED;
}

static int read_as_of(const struct viv_cli_args *args, const char *name, uint64_t *as_of)
{
    const char *text = viv_cli_value(args, name);
    if (text != NULL && (!viv_cli_parse_zxid(text, as_of) || *as_of == 0)) {
        return viv_cli_usage_error("%s %s: a transaction's id is wanted, such as 0x4d", name, text);
    }
    return VIV_CLI_OK;
}

int viv_cli_run_diff(struct viv_cli *cli, const struct viv_cli_args *args)
{
    struct viv_cli_source_options one = {0}, two = {0};
    struct viv_cli_source first, second;
    if (read_as_of(args, "--first-as-of", &one.as_of) != VIV_CLI_OK ||
        read_as_of(args, "--second-as-of", &two.as_of) != VIV_CLI_OK) {
        return VIV_CLI_USAGE;
    }
    int code = viv_cli_source_open(viv_cli_arg(args, 0), &one, &first);
    if (code != VIV_CLI_OK) {
        return code;
    }
    code = viv_cli_source_open(viv_cli_arg(args, 1), &two, &second);
    if (code == VIV_CLI_OK) {
        code = compare_both(cli, args, &first, &second);
        viv_cli_source_close(&second);
    }
    viv_cli_source_close(&first);
    return code;
}
