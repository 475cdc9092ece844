#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/link.h"
#include "cli/text.h"
#include "cli/value.h"

/* What concerns the session and the ensemble: addauth connect close config reconfig. */

static const char config_path[] = "/zookeeper/config"; /* outside any chroot */

int viv_cli_run_addauth(struct viv_cli *cli, const struct viv_cli_args *args)
{
    const char *data = viv_cli_arg(args, 1) != NULL ? viv_cli_arg(args, 1) : "";
    struct viv_cli_reply reply;
    viv_cli_send_auth(cli, viv_bytes_text(viv_cli_arg(args, 0)), viv_bytes_text(data));
    viv_cli_fetch(cli, &reply);
    int code = reply.err == VIV_REPLY_OK ? VIV_CLI_OK : viv_cli_refused(cli, reply.err, viv_cli_arg(args, 0));
    viv_cli_reply_fini(&reply);
    return code;
}

int viv_cli_run_connect(struct viv_cli *cli, const struct viv_cli_args *args)
{
    const char *servers = viv_cli_arg(args, 0);
    struct viv_cli_target target;
    if (servers != NULL) {
        int code = viv_cli_target_read(&target, servers);
        if (code != VIV_CLI_OK) {
            return code;
        }
        viv_cli_target_fini(&target);
        free(cli->servers_text);
        cli->servers_text = strdup(servers);
        cli->settings.servers = cli->servers_text;
    }
    viv_cli_detach(cli);
    return viv_cli_attach(cli);
}

int viv_cli_run_close(struct viv_cli *cli, const struct viv_cli_args *args)
{
    (void)args;
    viv_cli_detach(cli);
    return VIV_CLI_OK;
}

/* ---- config ---- */

/* The clients' addresses out of the configuration's lines, as zkCli prints them: version, then host:port,host:port. */
static void client_addresses(const char *config, struct viv_buffer *out)
{
    const char *version = strstr(config, "version=");
    size_t version_size = version != NULL ? strcspn(version + 8, "\n") : 0;
    viv_buffer_printf(out, "%.*s ", (int)version_size, version != NULL ? version + 8 : "");
    const char *comma = "";
    for (const char *line = config; *line != '\0'; line += strcspn(line, "\n"), line += *line == '\n') {
        size_t size = strcspn(line, "\n");
        const char *address = memchr(line, ';', size);
        if (strncmp(line, "server.", 7) == 0 && address != NULL) {
            viv_buffer_printf(out, "%s%.*s", comma, (int)(size - (size_t)(address + 1 - line)), address + 1);
            comma = ",";
        }
    }
}

static void print_config(const struct viv_cli *cli, const struct viv_cli_args *args, struct viv_bytes data,
                         const struct viv_stat *stat)
{
    struct viv_buffer text = {0};
    struct viv_buffer shown = {0};
    viv_buffer_append_bytes(&text, data);
    viv_buffer_append(&text, "", 1);
    if (viv_cli_has(args, "-c")) {
        client_addresses((const char *)text.data, &shown);
    } else {
        viv_buffer_append_bytes(&shown, data);
    }
    if (cli->settings.json) {
        viv_cli_print_json(json_pack("{s:o, s:o}", viv_cli_has(args, "-c") ? "clients" : "config",
                                     viv_cli_json_text(viv_buffer_bytes(&shown)), "stat", viv_cli_json_stat(stat)));
    } else {
        viv_cli_print_text(viv_buffer_bytes(&shown));
        putchar('\n');
        if (viv_cli_has(args, "-s")) {
            viv_cli_print_stat(stat);
        }
    }
    viv_buffer_fini(&text);
    viv_buffer_fini(&shown);
}

/* What getData and reconfig answer with. */
static int take_config(struct viv_cli *cli, const struct viv_cli_args *args)
{
    struct viv_cli_reply reply;
    viv_cli_fetch(cli, &reply);
    int code = reply.err == VIV_REPLY_OK ? VIV_CLI_OK : viv_cli_refused(cli, reply.err, NULL);
    if (code == VIV_CLI_OK) {
        struct viv_jute_reader reader = viv_jute_reader_of(viv_buffer_bytes(&reply.body));
        struct viv_bytes data = viv_jute_read_buffer(&reader).bytes;
        struct viv_stat stat;
        viv_stat_decode(&reader, &stat);
        print_config(cli, args, data, &stat);
    }
    viv_cli_reply_fini(&reply);
    return code;
}

int viv_cli_run_config(struct viv_cli *cli, const struct viv_cli_args *args)
{
    struct viv_buffer record = {0};
    bool watch = viv_cli_has(args, "-w");
    struct viv_path_watch_request request = {.path = {.bytes = viv_bytes_text(config_path)}, .watch = watch};
    viv_path_watch_request_encode(&record, &request);
    if (watch) {
        viv_cli_send_watch(cli, VIV_OP_GET_DATA, viv_buffer_bytes(&record), VIV_CLIENT_WATCH_DATA, config_path);
    } else {
        viv_cli_send(cli, VIV_OP_GET_DATA, viv_buffer_bytes(&record));
    }
    viv_buffer_fini(&record);
    return take_config(cli, args);
}

/* ---- reconfig ---- */

/* Every value of an option that may be given several times, with a separator of one's own. */
static void join(const struct viv_cli_args *args, const char *name, char separator, struct viv_buffer *out)
{
    for (size_t i = 0; i < args->option_count; i++) {
        const struct viv_cli_option *option = &args->options[i];
        if (option->name_size == strlen(name) && strncmp(option->name, name, option->name_size) == 0) {
            viv_buffer_append(out, &separator, out->size > 0 ? 1 : 0);
            viv_buffer_append(out, option->value, strlen(option->value));
        }
    }
}

static void write_list(struct viv_buffer *record, const struct viv_buffer *list)
{
    struct viv_jute_slice slice = {.bytes = viv_buffer_bytes(list), .null = list->size == 0};
    viv_jute_write_slice(record, slice);
}

static int read_members(const struct viv_cli_args *args, struct viv_buffer *members)
{
    int code = VIV_CLI_OK;
    join(args, "-members", '\n', members);
    for (size_t i = 0; i < members->size; i++) {
        members->data[i] = members->data[i] == ',' ? '\n' : members->data[i];
    }
    if (viv_cli_has(args, "--file") && members->size == 0) {
        (void)viv_cli_value_read(args, NULL, members, &code);
    } else if (viv_cli_has(args, "--file")) {
        code = viv_cli_usage_error("reconfig: --file and -members do not go together");
    }
    return code;
}

int viv_cli_run_reconfig(struct viv_cli *cli, const struct viv_cli_args *args)
{
    struct viv_buffer joining = {0};
    struct viv_buffer leaving = {0};
    struct viv_buffer members = {0};
    struct viv_buffer record = {0};
    int64_t version = -1;
    const char *text = viv_cli_value(args, "-v");
    char *end = NULL;
    int code = read_members(args, &members);
    join(args, "-add", ',', &joining);
    join(args, "-remove", ',', &leaving);
    if (text != NULL) {
        version = strtoll(text, &end, 16); /* as `config` and zkCli tell it */
    }
    if (code == VIV_CLI_OK && text != NULL && (end == text || *end != '\0')) {
        code = viv_cli_usage_error("reconfig: -v %s: the hexadecimal version that `config` tells is wanted", text);
    }
    if (code == VIV_CLI_OK && (members.size > 0) == (joining.size > 0 || leaving.size > 0)) {
        code = viv_cli_usage_error("reconfig: either -members or --file, or -add and -remove");
    }
    if (code == VIV_CLI_OK) {
        write_list(&record, &joining);
        write_list(&record, &leaving);
        write_list(&record, &members);
        viv_jute_write_long(&record, version);
        viv_cli_send(cli, VIV_OP_RECONFIG, viv_buffer_bytes(&record));
        code = take_config(cli, args);
    }
    viv_buffer_fini(&joining);
    viv_buffer_fini(&leaving);
    viv_buffer_fini(&members);
    viv_buffer_fini(&record);
    return code;
}
