#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/acl_text.h"
#include "cli/link.h"
#include "cli/names.h"
#include "cli/text.h"
#include "cli/value.h"
#include "cli/walk.h"

/* What only reads: ls get stat getAcl getAllChildrenNumber getEphemerals whoami config sync. */

static void path_record(struct viv_buffer *record, const char *path)
{
    viv_jute_write_text(record, path);
}

/* Asks for `path` with an optional watch, prints a refusal. True: the reply is there, to be released. */
static bool ask_path(struct viv_cli *cli, enum viv_op op, const char *path, bool watch, struct viv_cli_reply *reply,
                     int *code)
{
    char *full = viv_cli_path(cli, path);
    *code = VIV_CLI_USAGE;
    if (full == NULL) {
        return false;
    }
    struct viv_buffer record = {0};
    struct viv_path_watch_request request = {.path = {.bytes = viv_bytes_text(full)}, .watch = watch};
    viv_path_watch_request_encode(&record, &request);
    if (watch) {
        viv_cli_send_watch(cli, op, viv_buffer_bytes(&record),
                           op == VIV_OP_GET_CHILDREN2 ? VIV_CLIENT_WATCH_CHILD : VIV_CLIENT_WATCH_DATA, full);
    } else {
        viv_cli_send(cli, op, viv_buffer_bytes(&record));
    }
    viv_cli_fetch(cli, reply);
    *code = reply->err == VIV_REPLY_OK ? VIV_CLI_OK : viv_cli_refused(cli, reply->err, path);
    if (*code != VIV_CLI_OK) {
        viv_cli_reply_fini(reply);
    }
    viv_buffer_fini(&record);
    free(full);
    return *code == VIV_CLI_OK;
}

static struct viv_jute_reader reader_of(const struct viv_cli_reply *reply)
{
    return viv_jute_reader_of(viv_buffer_bytes(&reply->body));
}

static int garbled(const struct viv_jute_reader *reader)
{
    if (reader->bad) {
        viv_cli_error("the server's answer cannot be read; is it a ZooKeeper service?");
        return VIV_CLI_FAILED;
    }
    return VIV_CLI_OK;
}

static void print_names(const struct viv_cli *cli, struct viv_cli_names *names, const char *path, const char *word,
                        const struct viv_stat *stat)
{
    viv_cli_names_sort(names);
    if (cli->settings.json) {
        json_t *list = json_array();
        for (size_t i = 0; i < names->count; i++) {
            json_array_append_new(list, viv_cli_json_text(viv_cli_name(names, i)));
        }
        json_t *told = json_pack("{s:s, s:o}", "path", path, word, list);
        if (stat != NULL) {
            json_object_set_new(told, "stat", viv_cli_json_stat(stat));
        }
        viv_cli_print_json(told);
        return;
    }
    putchar('[');
    for (size_t i = 0; i < names->count; i++) {
        fputs(i > 0 ? ", " : "", stdout);
        viv_cli_print_text(viv_cli_name(names, i));
    }
    puts("]");
    if (stat != NULL) {
        viv_cli_print_stat(stat);
    }
}

static void read_names(struct viv_jute_reader *reader, struct viv_cli_names *names)
{
    int32_t count = viv_jute_read_count(reader, 4);
    for (int32_t i = 0; i < count && !reader->bad; i++) {
        viv_cli_names_add(names, viv_jute_read_buffer(reader).bytes);
    }
}

static int print_visited(void *ctx, struct viv_cli *cli, struct viv_bytes path)
{
    (void)ctx;
    if (cli->settings.json) {
        viv_cli_print_json(json_pack("{s:o}", "path", viv_cli_json_text(path)));
    } else {
        viv_cli_print_text(path);
        putchar('\n');
    }
    return VIV_CLI_OK;
}

/* Names as they come, unsorted and one a line: of a node whose children do not fit into one answer, or into memory
 * twice. */
static void print_child(void *ctx, struct viv_bytes name)
{
    const struct viv_cli *cli = ctx;
    if (cli->settings.json) {
        viv_cli_print_json(json_pack("{s:o}", "child", viv_cli_json_text(name)));
    } else {
        viv_cli_print_text(name);
        putchar('\n');
    }
}

int viv_cli_run_ls(struct viv_cli *cli, const struct viv_cli_args *args)
{
    const char *path = viv_cli_arg(args, 0);
    struct viv_cli_reply reply = {0};
    int code;
    if (viv_cli_has(args, "-R")) {
        return viv_cli_walk(cli, path, VIV_CLI_PARENTS_FIRST, print_visited, NULL);
    }
    if (viv_cli_has(args, "--pages")) {
        return viv_cli_for_children(cli, path, print_child, cli);
    }
    if (!ask_path(cli, VIV_OP_GET_CHILDREN2, path, viv_cli_has(args, "-w"), &reply, &code)) {
        if (reply.err == VIV_REPLY_MARSHALLING_ERROR) {
            viv_cli_error("if it has too many children for one answer, `ls --pages` lists them");
        }
        return code;
    }
    struct viv_jute_reader reader = reader_of(&reply);
    struct viv_cli_names names = {0};
    struct viv_stat stat;
    read_names(&reader, &names);
    viv_stat_decode(&reader, &stat);
    code = garbled(&reader);
    if (code == VIV_CLI_OK) {
        print_names(cli, &names, path, "children", viv_cli_has(args, "-s") ? &stat : NULL);
    }
    viv_cli_names_fini(&names);
    viv_cli_reply_fini(&reply);
    return code;
}

int viv_cli_run_get(struct viv_cli *cli, const struct viv_cli_args *args)
{
    const char *path = viv_cli_arg(args, 0);
    struct viv_cli_reply reply;
    int code;
    if (!ask_path(cli, VIV_OP_GET_DATA, path, viv_cli_has(args, "-w"), &reply, &code)) {
        return code;
    }
    struct viv_jute_reader reader = reader_of(&reply);
    struct viv_jute_slice data = viv_jute_read_buffer(&reader);
    struct viv_stat stat;
    viv_stat_decode(&reader, &stat);
    code = garbled(&reader);
    if (code == VIV_CLI_OK && cli->settings.json) {
        json_t *told = json_pack("{s:s}", "path", path);
        viv_cli_json_set_data(told, data);
        json_object_set_new(told, "stat", viv_cli_json_stat(&stat));
        viv_cli_print_json(told);
    } else if (code == VIV_CLI_OK) {
        viv_cli_value_print(args, data);
        if (viv_cli_has(args, "-s")) {
            viv_cli_print_stat(&stat);
        }
    }
    viv_cli_reply_fini(&reply);
    return code;
}

int viv_cli_run_stat(struct viv_cli *cli, const struct viv_cli_args *args)
{
    const char *path = viv_cli_arg(args, 0);
    struct viv_cli_reply reply;
    int code;
    if (!ask_path(cli, VIV_OP_EXISTS, path, viv_cli_has(args, "-w"), &reply, &code)) {
        return code;
    }
    struct viv_jute_reader reader = reader_of(&reply);
    struct viv_stat stat;
    viv_stat_decode(&reader, &stat);
    code = garbled(&reader);
    if (code == VIV_CLI_OK && cli->settings.json) {
        viv_cli_print_json(json_pack("{s:s, s:o}", "path", path, "stat", viv_cli_json_stat(&stat)));
    } else if (code == VIV_CLI_OK) {
        viv_cli_print_stat(&stat);
    }
    viv_cli_reply_fini(&reply);
    return code;
}

/* A record that is a path and nothing else. */
static bool ask_bare(struct viv_cli *cli, enum viv_op op, const char *path, struct viv_cli_reply *reply, int *code)
{
    char *full = viv_cli_path(cli, path);
    *code = VIV_CLI_USAGE;
    if (full == NULL) {
        return false;
    }
    struct viv_buffer record = {0};
    path_record(&record, full);
    viv_cli_ask(cli, op, viv_buffer_bytes(&record), reply);
    *code = reply->err == VIV_REPLY_OK ? VIV_CLI_OK : viv_cli_refused(cli, reply->err, path);
    if (*code != VIV_CLI_OK) {
        viv_cli_reply_fini(reply);
    }
    viv_buffer_fini(&record);
    free(full);
    return *code == VIV_CLI_OK;
}

int viv_cli_run_get_acl(struct viv_cli *cli, const struct viv_cli_args *args)
{
    const char *path = viv_cli_arg(args, 0);
    struct viv_cli_reply reply;
    int code;
    if (!ask_bare(cli, VIV_OP_GET_ACL, path, &reply, &code)) {
        return code;
    }
    struct viv_jute_reader reader = reader_of(&reply);
    struct viv_stat stat;
    if (cli->settings.json) {
        json_t *acl = viv_cli_acl_json(&reader);
        viv_stat_decode(&reader, &stat);
        viv_cli_print_json(json_pack("{s:s, s:o, s:o}", "path", path, "acl", acl, "stat", viv_cli_json_stat(&stat)));
    } else {
        viv_cli_acl_print(&reader);
        viv_stat_decode(&reader, &stat);
        if (viv_cli_has(args, "-s")) {
            viv_cli_print_stat(&stat);
        }
    }
    code = garbled(&reader);
    viv_cli_reply_fini(&reply);
    return code;
}

int viv_cli_run_get_all_children_number(struct viv_cli *cli, const struct viv_cli_args *args)
{
    const char *path = viv_cli_arg(args, 0);
    struct viv_cli_reply reply;
    int code;
    if (!ask_bare(cli, VIV_OP_GET_ALL_CHILDREN_NUMBER, path, &reply, &code)) {
        return code;
    }
    struct viv_jute_reader reader = reader_of(&reply);
    int32_t count = viv_jute_read_int(&reader);
    code = garbled(&reader);
    if (code == VIV_CLI_OK && cli->settings.json) {
        viv_cli_print_json(json_pack("{s:s, s:i}", "path", path, "descendants", (int)count));
    } else if (code == VIV_CLI_OK) {
        printf("%d\n", count);
    }
    viv_cli_reply_fini(&reply);
    return code;
}

int viv_cli_run_get_ephemerals(struct viv_cli *cli, const struct viv_cli_args *args)
{
    const char *path = viv_cli_arg(args, 0) != NULL ? viv_cli_arg(args, 0) : "/";
    struct viv_cli_reply reply;
    int code;
    if (!ask_bare(cli, VIV_OP_GET_EPHEMERALS, path, &reply, &code)) {
        return code;
    }
    struct viv_jute_reader reader = reader_of(&reply);
    struct viv_cli_names names = {0};
    int32_t count = viv_jute_read_count(&reader, 4);
    for (int32_t i = 0; i < count && !reader.bad; i++) {
        viv_cli_names_add(&names, viv_cli_path_shown(cli, viv_jute_read_buffer(&reader).bytes));
    }
    code = garbled(&reader);
    if (code == VIV_CLI_OK) {
        print_names(cli, &names, path, "ephemerals", NULL);
    }
    viv_cli_names_fini(&names);
    viv_cli_reply_fini(&reply);
    return code;
}

int viv_cli_run_whoami(struct viv_cli *cli, const struct viv_cli_args *args)
{
    (void)args;
    struct viv_cli_reply reply;
    viv_cli_ask(cli, VIV_OP_WHO_AM_I, (struct viv_bytes){0}, &reply);
    if (reply.err != VIV_REPLY_OK) {
        viv_cli_reply_fini(&reply);
        return viv_cli_refused(cli, reply.err, NULL);
    }
    struct viv_jute_reader reader = reader_of(&reply);
    json_t *list = json_array();
    int32_t count = viv_jute_read_count(&reader, 8);
    for (int32_t i = 0; i < count && !reader.bad; i++) {
        json_t *scheme = viv_cli_json_text(viv_jute_read_buffer(&reader).bytes);
        json_array_append_new(list, json_pack("{s:o, s:o}", "scheme", scheme, "user",
                                              viv_cli_json_text(viv_jute_read_buffer(&reader).bytes)));
    }
    int code = garbled(&reader);
    if (code == VIV_CLI_OK && cli->settings.json) {
        viv_cli_print_json(json_pack("{s:O}", "identities", list));
    } else if (code == VIV_CLI_OK) {
        puts("Auth scheme: User");
        for (size_t i = 0; i < json_array_size(list); i++) {
            json_t *one = json_array_get(list, i);
            printf("%s: %s\n", json_string_value(json_object_get(one, "scheme")),
                   json_string_value(json_object_get(one, "user")));
        }
    }
    json_decref(list);
    viv_cli_reply_fini(&reply);
    return code;
}

int viv_cli_run_sync(struct viv_cli *cli, const struct viv_cli_args *args)
{
    const char *path = viv_cli_arg(args, 0) != NULL ? viv_cli_arg(args, 0) : "/";
    struct viv_cli_reply reply;
    int code;
    if (!ask_bare(cli, VIV_OP_SYNC, path, &reply, &code)) {
        return code;
    }
    if (cli->settings.json) {
        viv_cli_print_json(json_pack("{s:s, s:o}", "path", path, "zxid", viv_cli_json_hex(reply.zxid)));
    } else {
        puts("Sync is OK");
    }
    viv_cli_reply_fini(&reply);
    return VIV_CLI_OK;
}
