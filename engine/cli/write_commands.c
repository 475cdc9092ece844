#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/acl_text.h"
#include "cli/link.h"
#include "cli/text.h"
#include "cli/value.h"
#include "cli/walk.h"

/* What changes nodes: create set delete deleteall setAcl. */

enum create_flags {
    FLAG_EPHEMERAL = 1,
    FLAG_SEQUENTIAL = 2,
    FLAG_CONTAINER = 4,
    FLAG_TTL = 5,
    FLAG_TTL_SEQUENTIAL = 6
};

/* The reply's err as an exit code, told. */
static int outcome(const struct viv_cli *cli, const struct viv_cli_reply *reply, const char *path)
{
    return reply->err == VIV_REPLY_OK ? VIV_CLI_OK : viv_cli_refused(cli, reply->err, path);
}

static int version_of(const struct viv_cli_args *args, const char *text, int32_t *version)
{
    *version = -1;
    text = text != NULL ? text : viv_cli_value(args, "-v");
    if (text != NULL && !viv_cli_parse_int32(text, version)) {
        return viv_cli_usage_error("version %s: a number is wanted, -1 for any", text);
    }
    return VIV_CLI_OK;
}

/* ---- create ---- */

static int create_mode(const struct viv_cli_args *args, enum viv_op *op, struct viv_create_request *request)
{
    bool ephemeral = viv_cli_has(args, "-e");
    bool sequential = viv_cli_has(args, "-s");
    bool container = viv_cli_has(args, "-c");
    const char *ttl = viv_cli_value(args, "-t");
    uint64_t ttl_ms = 0;
    if ((container && (ephemeral || sequential)) || (ttl != NULL && (ephemeral || container))) {
        return viv_cli_usage_error("create: -c goes with neither -e nor -s nor -t, and -t not with -e");
    }
    if (ttl != NULL && (!viv_cli_parse_uint64(ttl, &ttl_ms) || ttl_ms == 0 || ttl_ms > INT64_MAX)) {
        return viv_cli_usage_error("create: -t %s: a number of milliseconds is wanted", ttl);
    }
    *op = ttl != NULL ? VIV_OP_CREATE_TTL : container ? VIV_OP_CREATE_CONTAINER : VIV_OP_CREATE2;
    request->ttl_ms = ttl != NULL ? (int64_t)ttl_ms : -1;
    request->flags = (ephemeral ? FLAG_EPHEMERAL : 0) | (sequential ? FLAG_SEQUENTIAL : 0);
    if (container) {
        request->flags = FLAG_CONTAINER;
    } else if (ttl != NULL) {
        request->flags = sequential ? FLAG_TTL_SEQUENTIAL : FLAG_TTL;
    }
    return VIV_CLI_OK;
}

static int print_created(const struct viv_cli *cli, const struct viv_cli_reply *reply)
{
    struct viv_jute_reader reader = viv_jute_reader_of(viv_buffer_bytes(&reply->body));
    struct viv_bytes path = viv_cli_path_shown(cli, viv_jute_read_buffer(&reader).bytes);
    if (reader.bad) {
        viv_cli_error("the server's answer cannot be read; is it a ZooKeeper service?");
        return VIV_CLI_FAILED;
    }
    if (cli->settings.json) {
        viv_cli_print_json(json_pack("{s:o}", "created", viv_cli_json_text(path)));
    } else {
        fputs("Created ", stdout);
        viv_cli_print_text(path);
        putchar('\n');
    }
    return VIV_CLI_OK;
}

static int create(struct viv_cli *cli, const struct viv_cli_args *args, const char *full, struct viv_bytes acl)
{
    struct viv_buffer value = {0};
    struct viv_buffer record = {0};
    struct viv_create_request request = {.path = {.bytes = viv_bytes_text(full)}, .acl = acl};
    enum viv_op op = VIV_OP_CREATE2;
    const char *data = viv_cli_arg(args, 1);
    int code = create_mode(args, &op, &request);
    if (code == VIV_CLI_OK && viv_cli_value_read(args, data, &value, &code)) {
        request.data.bytes = viv_buffer_bytes(&value);
        request.data.null = data == NULL && viv_cli_value(args, "--file") == NULL;
        if (viv_cli_has(args, "-p")) {
            code = viv_cli_create_parents(cli, viv_bytes_text(viv_cli_arg(args, 0)), acl);
        }
        if (code == VIV_CLI_OK) {
            struct viv_cli_reply reply;
            viv_create_request_encode(&record, &request, op);
            viv_cli_ask(cli, op, viv_buffer_bytes(&record), &reply);
            code = outcome(cli, &reply, viv_cli_arg(args, 0));
            code = code == VIV_CLI_OK ? print_created(cli, &reply) : code;
            viv_cli_reply_fini(&reply);
        }
    }
    viv_buffer_fini(&record);
    viv_buffer_fini(&value);
    return code;
}

int viv_cli_run_create(struct viv_cli *cli, const struct viv_cli_args *args)
{
    struct viv_buffer raw = {0};
    struct viv_buffer error = {0};
    struct viv_bytes acl = viv_acl_open_unsafe();
    int code = VIV_CLI_OK;
    if (viv_cli_arg(args, 2) != NULL) {
        if (viv_cli_acl_read(viv_cli_arg(args, 2), &raw, &error)) {
            acl = viv_buffer_bytes(&raw);
        } else {
            code = viv_cli_usage_error("%.*s", (int)error.size, (const char *)error.data);
        }
    }
    char *full = code == VIV_CLI_OK ? viv_cli_path(cli, viv_cli_arg(args, 0)) : NULL;
    if (full != NULL) {
        code = create(cli, args, full, acl);
    } else {
        code = VIV_CLI_USAGE;
    }
    free(full);
    viv_buffer_fini(&raw);
    viv_buffer_fini(&error);
    return code;
}

/* ---- set, setAcl ---- */

static void print_stat_reply(const struct viv_cli *cli, const struct viv_cli_args *args, const char *path,
                             const struct viv_cli_reply *reply)
{
    struct viv_jute_reader reader = viv_jute_reader_of(viv_buffer_bytes(&reply->body));
    struct viv_stat stat;
    viv_stat_decode(&reader, &stat);
    if (!reader.bad && cli->settings.json) {
        viv_cli_print_json(json_pack("{s:s, s:o}", "path", path, "stat", viv_cli_json_stat(&stat)));
    } else if (!reader.bad && viv_cli_has(args, "-s")) {
        viv_cli_print_stat(&stat);
    }
}

int viv_cli_run_set(struct viv_cli *cli, const struct viv_cli_args *args)
{
    const char *path = viv_cli_arg(args, 0);
    bool from_file = viv_cli_value(args, "--file") != NULL;
    const char *data = from_file ? NULL : viv_cli_arg(args, 1);
    struct viv_buffer value = {0};
    int32_t version;
    /* zkCli's older form: the version is the last argument. */
    int code = version_of(args, viv_cli_arg(args, from_file ? 1 : 2), &version);
    if (code == VIV_CLI_OK && !from_file && data == NULL) {
        code = viv_cli_usage_error("set: DATA is missing (or --file FILE)");
    }
    char *full = code == VIV_CLI_OK ? viv_cli_path(cli, path) : NULL;
    if (full == NULL) {
        return VIV_CLI_USAGE;
    }
    if (viv_cli_value_read(args, data, &value, &code)) {
        struct viv_set_data_request request = {
            .path = {.bytes = viv_bytes_text(full)}, .data = {.bytes = viv_buffer_bytes(&value)}, .version = version};
        struct viv_buffer record = {0};
        struct viv_cli_reply reply;
        viv_set_data_request_encode(&record, &request);
        viv_cli_ask(cli, VIV_OP_SET_DATA, viv_buffer_bytes(&record), &reply);
        code = outcome(cli, &reply, path);
        if (code == VIV_CLI_OK) {
            print_stat_reply(cli, args, path, &reply);
        }
        viv_cli_reply_fini(&reply);
        viv_buffer_fini(&record);
    }
    viv_buffer_fini(&value);
    free(full);
    return code;
}

struct acl_change {
    const struct viv_cli_args *args;
    struct viv_bytes acl;
    int32_t version;
};

static int set_acl(void *ctx, struct viv_cli *cli, struct viv_bytes path)
{
    const struct acl_change *change = ctx;
    char *shown = strndup((const char *)path.data, path.size);
    char *full = viv_cli_path(cli, shown);
    int code = VIV_CLI_USAGE;
    if (full != NULL) {
        struct viv_set_acl_request request = {
            .path = {.bytes = viv_bytes_text(full)}, .acl = change->acl, .version = change->version};
        struct viv_buffer record = {0};
        struct viv_cli_reply reply;
        viv_set_acl_request_encode(&record, &request);
        viv_cli_ask(cli, VIV_OP_SET_ACL, viv_buffer_bytes(&record), &reply);
        code = outcome(cli, &reply, shown);
        if (code == VIV_CLI_OK) {
            print_stat_reply(cli, change->args, shown, &reply);
        }
        viv_cli_reply_fini(&reply);
        viv_buffer_fini(&record);
    }
    free(full);
    free(shown);
    return code;
}

int viv_cli_run_set_acl(struct viv_cli *cli, const struct viv_cli_args *args)
{
    struct viv_buffer raw = {0};
    struct viv_buffer error = {0};
    struct acl_change change = {.args = args};
    const char *path = viv_cli_arg(args, 0);
    int code = version_of(args, NULL, &change.version);
    if (code == VIV_CLI_OK && !viv_cli_acl_read(viv_cli_arg(args, 1), &raw, &error)) {
        code = viv_cli_usage_error("%.*s", (int)error.size, (const char *)error.data);
    }
    change.acl = viv_buffer_bytes(&raw);
    if (code == VIV_CLI_OK && viv_cli_has(args, "-R")) {
        code = viv_cli_walk(cli, path, VIV_CLI_PARENTS_FIRST, set_acl, &change);
    } else if (code == VIV_CLI_OK) {
        code = set_acl(&change, cli, viv_bytes_text(path));
    }
    viv_buffer_fini(&raw);
    viv_buffer_fini(&error);
    return code;
}

/* ---- delete, deleteall ---- */

int viv_cli_run_delete(struct viv_cli *cli, const struct viv_cli_args *args)
{
    int32_t version;
    int code = version_of(args, viv_cli_arg(args, 1), &version);
    char *full = code == VIV_CLI_OK ? viv_cli_path(cli, viv_cli_arg(args, 0)) : NULL;
    if (full == NULL) {
        return VIV_CLI_USAGE;
    }
    struct viv_path_version_request request = {.path = {.bytes = viv_bytes_text(full)}, .version = version};
    struct viv_buffer record = {0};
    struct viv_cli_reply reply;
    viv_path_version_request_encode(&record, &request);
    viv_cli_ask(cli, VIV_OP_DELETE, viv_buffer_bytes(&record), &reply);
    code = outcome(cli, &reply, viv_cli_arg(args, 0));
    viv_cli_reply_fini(&reply);
    viv_buffer_fini(&record);
    free(full);
    return code;
}

int viv_cli_run_deleteall(struct viv_cli *cli, const struct viv_cli_args *args)
{
    enum { WINDOW_MAX = 1000, WINDOW_USUAL = 256 };
    const char *path = viv_cli_arg(args, 0);
    uint64_t window = WINDOW_USUAL;
    uint64_t deleted = 0;
    const char *text = viv_cli_value(args, "-b");
    if (text != NULL && (!viv_cli_parse_uint64(text, &window) || window == 0)) {
        return viv_cli_usage_error("deleteall: -b %s: a number is wanted", text);
    }
    int code = viv_cli_delete_subtree(cli, path, window < WINDOW_MAX ? window : WINDOW_MAX, &deleted);
    if (code == VIV_CLI_OK && cli->settings.json) {
        viv_cli_print_json(json_pack("{s:s, s:I}", "path", path, "deleted", (json_int_t)deleted));
    }
    return code;
}
