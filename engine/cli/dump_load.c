#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/limits.h"
#include "cli/dump_file.h"
#include "tree/image.h"
#include "wire/path.h"
#include "wire/records.h"

/* A dump becomes a tree by way of ZooKeeper's snapshot stream, which the tree can read: the file is read twice, first
 * for the two tables that stand in front, then for the nodes. */

enum { FEED_BYTES = 1 << 18, KEY_OPEN = -1 };

/* What every namespace begins with. */
static const char *const builtin_paths[] = {"", "/zookeeper", "/zookeeper/config", "/zookeeper/quota"};
enum { BUILTINS = sizeof builtin_paths / sizeof builtin_paths[0] };

struct list {
    uint8_t *bytes;
    size_t size;
};

struct load {
    const struct viv_cli_restore_options *options;
    struct viv_cli_restore_counts *counts;
    struct list *lists; /* sorted; the key of a list is its place, from 1 */
    size_t list_count;
    struct viv_buffer sessions; /* encoded */
    struct viv_tree_loader *loader;
    struct viv_buffer out, path;
    bool is_written[BUILTINS];
    uint64_t zxid;
};

void viv_cli_dump_move(struct viv_bytes path, struct viv_bytes root, const char *at, struct viv_buffer *out)
{
    viv_buffer_clear(out);
    if (at == NULL) {
        viv_buffer_append_bytes(out, path);
        return;
    }
    struct viv_bytes below = path;
    size_t cut = root.size == 1 ? 0 : root.size;
    below.data += cut;
    below.size -= cut;
    if (strcmp(at, "/") != 0) {
        viv_buffer_append(out, at, strlen(at));
    }
    if (below.size > 1 || out->size == 0) {
        viv_buffer_append_bytes(out, below.size == 0 ? VIV_BYTES_LITERAL("/") : below);
    }
}

/* ---- tables ---- */

static size_t place_of(const struct load *load, struct viv_bytes list, bool *found)
{
    size_t low = 0, high = load->list_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct list *at = &load->lists[middle];
        int order = viv_bytes_compare(viv_bytes_of(at->bytes, at->size), list);
        if (order == 0) {
            *found = true;
            return middle;
        }
        low = order < 0 ? middle + 1 : low;
        high = order < 0 ? high : middle;
    }
    *found = false;
    return low;
}

static void add_list(struct load *load, struct viv_bytes list)
{
    bool found;
    if (viv_bytes_equal(list, viv_acl_open_unsafe())) {
        return;
    }
    size_t place = place_of(load, list, &found);
    if (found) {
        return;
    }
    load->lists = viv_realloc(load->lists, (load->list_count + 1) * sizeof *load->lists);
    memmove(load->lists + place + 1, load->lists + place, (load->list_count - place) * sizeof *load->lists);
    load->lists[place] = (struct list){viv_alloc(list.size), list.size};
    memcpy(load->lists[place].bytes, list.data, list.size);
    load->list_count++;
}

static bool read_tables(struct load *load, struct viv_cli_dump_reader *reader)
{
    struct viv_cli_dump_item item;
    bool keeps = load->options->ephemerals == VIV_CLI_EPHEMERALS_KEEP;
    do {
        if (!viv_cli_dump_next(reader, &item)) {
            return false;
        }
        if (item.line == VIV_CLI_DUMP_HEADER) {
            load->zxid = load->counts->zxid = item.header.zxid;
        } else if (item.line == VIV_CLI_DUMP_SESSION && keeps) {
            viv_jute_write_long(&load->sessions, item.session_id);
            viv_jute_write_int(&load->sessions, item.timeout_ms);
            load->counts->sessions++;
        } else if (item.line == VIV_CLI_DUMP_NODE) {
            add_list(load, item.node.acl);
        }
    } while (item.line != VIV_CLI_DUMP_END);
    return true;
}

static void write_tables(struct load *load)
{
    viv_jute_write_int(&load->out, (int32_t)load->counts->sessions);
    viv_buffer_append_bytes(&load->out, viv_buffer_bytes(&load->sessions));
    viv_jute_write_int(&load->out, (int32_t)load->list_count);
    for (size_t i = 0; i < load->list_count; i++) {
        viv_jute_write_long(&load->out, (int64_t)i + 1);
        viv_buffer_append(&load->out, load->lists[i].bytes, load->lists[i].size);
    }
}

/* ---- nodes ---- */

static void write_node(struct load *load, const struct viv_cli_dump_node *node)
{
    bool found = false;
    size_t place = place_of(load, node->acl, &found);
    viv_jute_write_bytes(&load->out, node->path);
    viv_jute_write_slice(&load->out, node->data);
    viv_jute_write_long(&load->out, found ? (int64_t)place + 1 : KEY_OPEN);
    viv_jute_write_long(&load->out, (int64_t)node->czxid);
    viv_jute_write_long(&load->out, (int64_t)node->mzxid);
    viv_jute_write_long(&load->out, node->ctime_ms);
    viv_jute_write_long(&load->out, node->mtime_ms);
    viv_jute_write_int(&load->out, node->version);
    viv_jute_write_int(&load->out, node->children_created);
    viv_jute_write_int(&load->out, node->aversion);
    viv_jute_write_long(&load->out, node->owner);
    viv_jute_write_long(&load->out, (int64_t)node->pzxid);
    for (size_t i = 0; i < BUILTINS; i++) {
        load->is_written[i] = load->is_written[i] || viv_bytes_equal(node->path, viv_bytes_text(builtin_paths[i]));
    }
}

/* A node that the dump does not hold. */
static void write_plain(struct load *load, struct viv_bytes path)
{
    const struct viv_cli_dump_node node = {.path = path, .acl = viv_acl_open_unsafe()};
    write_node(load, &node);
}

static viv_status feed(struct load *load, bool *done)
{
    size_t used = 0;
    struct viv_bytes bytes = viv_buffer_bytes(&load->out);
    *done = false;
    viv_status status = viv_tree_loader_feed(load->loader, bytes, &used, done);
    viv_buffer_clear(&load->out);
    return status;
}

/* The root, and what lies between it and the place of the dump. */
static void write_ancestors(struct load *load, struct viv_bytes top)
{
    if (top.size > 1) {
        write_plain(load, (struct viv_bytes){0});
    }
    for (size_t i = 1; i < top.size; i++) {
        if (top.data[i] == '/') {
            write_plain(load, viv_bytes_of(top.data, i));
        }
    }
}

static viv_status take_node(struct load *load, struct viv_bytes root, const struct viv_cli_dump_node *from)
{
    struct viv_cli_dump_node node = *from;
    bool done;
    if (viv_owner_is_session(node.owner) && load->options->ephemerals != VIV_CLI_EPHEMERALS_KEEP) {
        if (load->options->ephemerals == VIV_CLI_EPHEMERALS_SKIP) {
            load->counts->ephemerals_left_out++;
            return VIV_OK;
        }
        node.owner = 0;
    }
    viv_cli_dump_move(from->path, root, load->options->at, &load->path);
    if (load->counts->nodes++ == 0) {
        write_ancestors(load, viv_buffer_bytes(&load->path));
    }
    node.path = load->path.size == 1 ? (struct viv_bytes){0} : viv_buffer_bytes(&load->path);
    write_node(load, &node);
    return load->out.size < FEED_BYTES ? VIV_OK : feed(load, &done);
}

static viv_status write_rest(struct load *load)
{
    for (size_t i = 0; i < BUILTINS; i++) {
        if (!load->is_written[i]) {
            write_plain(load, viv_bytes_text(builtin_paths[i]));
        }
    }
    viv_jute_write_text(&load->out, "/");
    bool done;
    viv_status status = feed(load, &done);
    VIV_ASSERT(status != VIV_OK || done);
    return status;
}

static int read_nodes(struct load *load, struct viv_cli_dump_reader *reader)
{
    struct viv_cli_dump_item item;
    struct viv_buffer root = {0};
    viv_status status = VIV_OK;
    bool is_sound = true;
    do {
        is_sound = viv_cli_dump_next(reader, &item);
        if (is_sound && item.line == VIV_CLI_DUMP_HEADER) {
            viv_buffer_append_bytes(&root, item.header.root);
        } else if (is_sound && item.line == VIV_CLI_DUMP_NODE) {
            status = take_node(load, viv_buffer_bytes(&root), &item.node);
        }
    } while (is_sound && status == VIV_OK && item.line != VIV_CLI_DUMP_END);
    viv_buffer_fini(&root);
    if (is_sound && status == VIV_OK) {
        status = write_rest(load);
    }
    if (status != VIV_OK) {
        viv_cli_error("the znodes of the dump are no tree: each must stand once, behind its parent");
    }
    return is_sound && status == VIV_OK ? VIV_CLI_OK : VIV_CLI_REFUSED;
}

typedef int pass_fn(struct load *load, struct viv_cli_dump_reader *reader);

static int pass_tables(struct load *load, struct viv_cli_dump_reader *reader)
{
    return read_tables(load, reader) ? VIV_CLI_OK : VIV_CLI_REFUSED;
}

static int pass(struct load *load, const char *path, pass_fn *read)
{
    struct viv_cli_dump_reader *reader = viv_cli_dump_open(path);
    if (reader == NULL) {
        return VIV_CLI_FAILED;
    }
    int code = read(load, reader);
    viv_cli_dump_close(reader);
    return code;
}

int viv_cli_dump_load(const char *path, const struct viv_cli_restore_options *options, struct viv_tree **tree,
                      struct viv_cli_restore_counts *counts)
{
    struct load load = {.options = options, .counts = counts};
    *counts = (struct viv_cli_restore_counts){0};
    if (strcmp(path, "-") == 0) {
        return viv_cli_usage_error("a dump that becomes a directory is read twice: give a file, not -");
    }
    struct viv_tree *loaded = viv_tree_new_empty();
    int code = pass(&load, path, pass_tables);
    if (code == VIV_CLI_OK) {
        load.loader = viv_tree_loader_begin(loaded);
        viv_tree_loader_expect_no_signature(load.loader);
        write_tables(&load);
        code = pass(&load, path, read_nodes);
        viv_tree_loader_end(load.loader, load.zxid);
    }
    for (size_t i = 0; i < load.list_count; i++) {
        free(load.lists[i].bytes);
    }
    free(load.lists);
    viv_buffer_fini(&load.sessions);
    viv_buffer_fini(&load.out);
    viv_buffer_fini(&load.path);
    if (code != VIV_CLI_OK) {
        viv_tree_free(loaded);
        return code;
    }
    *tree = loaded;
    return VIV_CLI_OK;
}
