#include "cli/dump_online.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/link.h"
#include "cli/walk.h"

/* A batch of nodes at a time: all asked for, then all answers taken. A server serves 1000 requests of one connection.
 */
enum { BATCH_NODES = 64, FLAG_CONTAINER = 4, FLAG_TTL = 5 };

static int unreadable(void)
{
    viv_cli_error("the server's answer cannot be read; is it a ZooKeeper service?");
    return VIV_CLI_FAILED;
}

/* ---- dump ---- */

static void ask_node(struct viv_cli *cli, struct viv_bytes path)
{
    struct viv_buffer record = {0};
    char *full = viv_cli_path_of(cli, path);
    const struct viv_path_watch_request request = {.path.bytes = viv_bytes_text(full)};
    viv_path_watch_request_encode(&record, &request);
    viv_cli_send(cli, VIV_OP_GET_DATA, viv_buffer_bytes(&record));
    viv_buffer_clear(&record);
    viv_jute_write_text(&record, full);
    viv_cli_send(cli, VIV_OP_GET_ACL, viv_buffer_bytes(&record));
    viv_buffer_fini(&record);
    free(full);
}

static bool write_node(FILE *file, struct viv_bytes path, struct viv_bytes data, struct viv_bytes acl)
{
    struct viv_jute_reader data_reader = viv_jute_reader_of(data), acl_reader = viv_jute_reader_of(acl);
    struct viv_stat stat;
    struct viv_cli_dump_node node = {.path = path, .data = viv_jute_read_buffer(&data_reader)};
    viv_stat_decode(&data_reader, &stat);
    node.acl = viv_acl_list_read(&acl_reader);
    node.czxid = (uint64_t)stat.czxid;
    node.mzxid = (uint64_t)stat.mzxid;
    node.pzxid = (uint64_t)stat.pzxid;
    node.ctime_ms = stat.ctime;
    node.mtime_ms = stat.mtime;
    node.version = stat.version;
    node.children_created = (int32_t)(((int64_t)stat.cversion + stat.child_count) / 2); /* what it was made from */
    node.aversion = stat.aversion;
    node.owner = stat.ephemeral_owner;
    if (data_reader.bad || acl_reader.bad) {
        return false;
    }
    viv_cli_dump_write_node(file, &node);
    return true;
}

/* One node's two answers. */
static int take_node(struct viv_cli *cli, struct viv_bytes path, FILE *file, uint64_t *nodes)
{
    struct viv_cli_reply data, acl;
    int code = VIV_CLI_OK;
    viv_cli_fetch(cli, &data);
    viv_cli_fetch(cli, &acl);
    int32_t err = data.err != VIV_REPLY_OK ? data.err : acl.err;
    if (err == VIV_REPLY_OK) {
        code = write_node(file, path, viv_buffer_bytes(&data.body), viv_buffer_bytes(&acl.body)) ? code : unreadable();
        *nodes += 1;
    } else if (err != VIV_REPLY_NO_NODE) {
        char *text = strndup((const char *)path.data, path.size);
        code = viv_cli_refused(cli, err, text);
        free(text);
    }
    viv_cli_reply_fini(&data);
    viv_cli_reply_fini(&acl);
    return code;
}

static int dump_nodes(struct viv_cli *cli, const struct viv_cli_names *paths, FILE *file, uint64_t *nodes)
{
    int code = VIV_CLI_OK;
    for (size_t begin = 0; begin < paths->count && code == VIV_CLI_OK; begin += BATCH_NODES) {
        size_t end = begin + BATCH_NODES < paths->count ? begin + BATCH_NODES : paths->count;
        for (size_t i = begin; i < end; i++) {
            ask_node(cli, viv_cli_name(paths, i));
        }
        for (size_t i = begin; i < end && code == VIV_CLI_OK; i++) {
            code = take_node(cli, viv_cli_name(paths, i), file, nodes);
        }
    }
    if (code != VIV_CLI_OK) {
        viv_cli_forget_answers(cli);
    }
    return code;
}

/* The server has seen what was committed before, and tells its last transaction. */
static int ask_sync(struct viv_cli *cli, const char *path, uint64_t *zxid)
{
    struct viv_cli_reply reply;
    struct viv_buffer record = {0};
    char *full = viv_cli_path(cli, path);
    viv_jute_write_text(&record, full);
    viv_cli_ask(cli, VIV_OP_SYNC, viv_buffer_bytes(&record), &reply);
    int code = reply.err == VIV_REPLY_OK ? VIV_CLI_OK : viv_cli_refused(cli, reply.err, path);
    *zxid = (uint64_t)reply.zxid;
    viv_cli_reply_fini(&reply);
    viv_buffer_fini(&record);
    free(full);
    return code;
}

int viv_cli_dump_online(struct viv_cli *cli, const char *path, FILE *file)
{
    struct viv_cli_names paths = {0};
    struct viv_cli_dump_header header = {.root = viv_bytes_text(path)};
    uint64_t nodes = 0;
    int code = viv_cli_attach(cli);
    code = code == VIV_CLI_OK ? ask_sync(cli, path, &header.zxid) : code;
    code = code == VIV_CLI_OK ? viv_cli_list_subtree(cli, path, &paths) : code;
    if (code == VIV_CLI_OK) {
        viv_cli_dump_write_header(file, &header);
        code = dump_nodes(cli, &paths, file, &nodes);
    }
    if (code == VIV_CLI_OK) {
        viv_cli_dump_write_end(file, nodes);
    }
    viv_cli_names_fini(&paths);
    return code;
}

/* ---- restore ---- */

struct waiting { /* a create that is on its way, and what to do when the node exists */
    char *shown;
    struct viv_buffer set_data, set_acl;
    bool exists;
};

struct restoring {
    struct viv_cli *cli;
    const struct viv_cli_online_restore *options;
    struct waiting batch[BATCH_NODES];
    size_t count;
    struct viv_buffer path, record;
    uint64_t created, overwritten, ephemerals_left_out, own_left_out;
};

static enum viv_op op_of(int64_t owner, struct viv_create_request *request)
{
    if (owner == VIV_OWNER_CONTAINER) {
        request->flags = FLAG_CONTAINER;
        return VIV_OP_CREATE_CONTAINER;
    }
    if (((uint64_t)owner & VIV_OWNER_TTL_MARK) == VIV_OWNER_TTL_MARK) {
        request->flags = FLAG_TTL;
        request->ttl_ms = owner & VIV_TTL_MS_MAX;
        return VIV_OP_CREATE_TTL;
    }
    return VIV_OP_CREATE2;
}

static void send_create(struct restoring *restoring, const struct viv_cli_dump_node *node, int64_t owner)
{
    struct viv_bytes path = viv_buffer_bytes(&restoring->path);
    char *full = viv_cli_path_of(restoring->cli, path);
    struct waiting *waiting = &restoring->batch[restoring->count++];
    *waiting = (struct waiting){.shown = strndup((const char *)path.data, path.size)};
    struct viv_create_request create = {
        .path.bytes = viv_bytes_text(full), .data = node->data, .acl = node->acl, .ttl_ms = -1};
    enum viv_op op = op_of(owner, &create);
    viv_buffer_clear(&restoring->record);
    viv_create_request_encode(&restoring->record, &create, op);
    viv_cli_send(restoring->cli, op, viv_buffer_bytes(&restoring->record));
    if (restoring->options->overwrite) {
        const struct viv_set_data_request data = {.path = create.path, .data = node->data, .version = -1};
        const struct viv_set_acl_request acl = {.path = create.path, .acl = node->acl, .version = -1};
        viv_set_data_request_encode(&waiting->set_data, &data);
        viv_set_acl_request_encode(&waiting->set_acl, &acl);
    }
    free(full);
}

static int take_create(struct restoring *restoring, struct waiting *waiting)
{
    struct viv_cli_reply reply;
    viv_cli_fetch(restoring->cli, &reply);
    int32_t err = reply.err;
    viv_cli_reply_fini(&reply);
    bool is_root = strcmp(waiting->shown, "/") == 0;
    waiting->exists = err == VIV_REPLY_NODE_EXISTS;
    restoring->created += err == VIV_REPLY_OK;
    if (err == VIV_REPLY_OK || (waiting->exists && (restoring->options->overwrite || is_root))) {
        return VIV_CLI_OK;
    }
    if (waiting->exists) {
        viv_cli_error("%s is there already; --overwrite gives such nodes the value and the ACL of the dump, --at "
                      "restores to another place",
                      waiting->shown);
        return VIV_CLI_REFUSED;
    }
    return viv_cli_refused(restoring->cli, err, waiting->shown);
}

static int take_overwrite(struct restoring *restoring, const struct waiting *waiting)
{
    struct viv_cli_reply data, acl;
    viv_cli_fetch(restoring->cli, &data);
    viv_cli_fetch(restoring->cli, &acl);
    int32_t err = data.err != VIV_REPLY_OK ? data.err : acl.err;
    viv_cli_reply_fini(&data);
    viv_cli_reply_fini(&acl);
    restoring->overwritten += err == VIV_REPLY_OK;
    return err == VIV_REPLY_OK ? VIV_CLI_OK : viv_cli_refused(restoring->cli, err, waiting->shown);
}

static int overwrite_batch(struct restoring *restoring)
{
    int code = VIV_CLI_OK;
    for (size_t i = 0; i < restoring->count; i++) {
        const struct waiting *waiting = &restoring->batch[i];
        if (waiting->exists && restoring->options->overwrite) {
            viv_cli_send(restoring->cli, VIV_OP_SET_DATA, viv_buffer_bytes(&waiting->set_data));
            viv_cli_send(restoring->cli, VIV_OP_SET_ACL, viv_buffer_bytes(&waiting->set_acl));
        }
    }
    for (size_t i = 0; i < restoring->count && code == VIV_CLI_OK; i++) {
        if (restoring->batch[i].exists && restoring->options->overwrite) {
            code = take_overwrite(restoring, &restoring->batch[i]);
        }
    }
    return code;
}

static int end_batch(struct restoring *restoring)
{
    int code = VIV_CLI_OK;
    for (size_t i = 0; i < restoring->count && code == VIV_CLI_OK; i++) {
        code = take_create(restoring, &restoring->batch[i]);
    }
    code = code == VIV_CLI_OK ? overwrite_batch(restoring) : code;
    for (size_t i = 0; i < restoring->count; i++) {
        free(restoring->batch[i].shown);
        viv_buffer_fini(&restoring->batch[i].set_data);
        viv_buffer_fini(&restoring->batch[i].set_acl);
    }
    restoring->count = 0;
    if (code != VIV_CLI_OK) {
        viv_cli_forget_answers(restoring->cli);
    }
    return code;
}

static bool is_own(struct viv_bytes path)
{
    static const char own[] = "/zookeeper";
    return viv_bytes_starts_with(path, viv_bytes_text(own)) &&
           (path.size == sizeof own - 1 || path.data[sizeof own - 1] == '/');
}

static int take_line(struct restoring *restoring, struct viv_bytes root, const struct viv_cli_dump_node *node)
{
    int64_t owner = node->owner;
    if (viv_owner_is_session(owner) && restoring->options->ephemerals == VIV_CLI_EPHEMERALS_SKIP) {
        restoring->ephemerals_left_out++;
        return VIV_CLI_OK;
    }
    viv_cli_dump_move(node->path, root, restoring->options->at, &restoring->path);
    if (is_own(viv_buffer_bytes(&restoring->path))) {
        restoring->own_left_out++;
        return VIV_CLI_OK;
    }
    send_create(restoring, node, viv_owner_is_session(owner) ? 0 : owner);
    return restoring->count < BATCH_NODES ? VIV_CLI_OK : end_batch(restoring);
}

static int restore_lines(struct restoring *restoring, struct viv_cli_dump_reader *reader)
{
    struct viv_cli_dump_item item;
    struct viv_buffer root = {0};
    int code = VIV_CLI_OK;
    do {
        if (!viv_cli_dump_next(reader, &item)) {
            code = VIV_CLI_REFUSED;
        } else if (item.line == VIV_CLI_DUMP_HEADER) {
            viv_buffer_append_bytes(&root, item.header.root);
            viv_cli_dump_move(item.header.root, item.header.root, restoring->options->at, &restoring->path);
            code = viv_cli_create_parents(restoring->cli, viv_buffer_bytes(&restoring->path), viv_acl_open_unsafe());
        } else if (item.line == VIV_CLI_DUMP_NODE) {
            code = take_line(restoring, viv_buffer_bytes(&root), &item.node);
        }
    } while (code == VIV_CLI_OK && item.line != VIV_CLI_DUMP_END);
    viv_buffer_fini(&root);
    int last = end_batch(restoring);
    return code == VIV_CLI_OK ? last : code;
}

static void print(const struct restoring *restoring)
{
    if (restoring->cli->settings.json) {
        viv_cli_print_json(json_pack("{s:I, s:I, s:I, s:I}", "created", (json_int_t)restoring->created, "overwritten",
                                     (json_int_t)restoring->overwritten, "ephemerals_left_out",
                                     (json_int_t)restoring->ephemerals_left_out, "own_left_out",
                                     (json_int_t)restoring->own_left_out));
        return;
    }
    printf("%" PRIu64 " nodes created, %" PRIu64 " overwritten; left out: %" PRIu64 " ephemeral, %" PRIu64
           " of the server's own below /zookeeper\n",
           restoring->created, restoring->overwritten, restoring->ephemerals_left_out, restoring->own_left_out);
}

int viv_cli_restore_online(struct viv_cli *cli, const char *file, const struct viv_cli_online_restore *options)
{
    struct restoring restoring = {.cli = cli, .options = options};
    struct viv_cli_dump_reader *reader = viv_cli_dump_open(file);
    if (reader == NULL) {
        return VIV_CLI_FAILED;
    }
    int code = viv_cli_attach(cli);
    code = code == VIV_CLI_OK ? restore_lines(&restoring, reader) : code;
    if (code == VIV_CLI_OK) {
        print(&restoring);
    }
    viv_cli_dump_close(reader);
    viv_buffer_fini(&restoring.path);
    viv_buffer_fini(&restoring.record);
    return code;
}
