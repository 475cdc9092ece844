#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/event.h"
#include "cli/interrupt.h"
#include "cli/link.h"
#include "cli/text.h"

/* addWatch removewatches printwatches watch. */

enum { MODE_PERSISTENT = 0, MODE_RECURSIVE = 1, TYPE_CHILDREN = 1, TYPE_DATA = 2, TYPE_ANY = 3, NS_PER_S = 1000000000 };

static int add_watch(struct viv_cli *cli, const char *path, bool recursive)
{
    char *full = viv_cli_path(cli, path);
    if (full == NULL) {
        return VIV_CLI_USAGE;
    }
    struct viv_buffer record = {0};
    struct viv_cli_reply reply;
    viv_jute_write_text(&record, full);
    viv_jute_write_int(&record, recursive ? MODE_RECURSIVE : MODE_PERSISTENT);
    viv_cli_send_watch(cli, VIV_OP_ADD_WATCH, viv_buffer_bytes(&record),
                       recursive ? VIV_CLIENT_WATCH_RECURSIVE : VIV_CLIENT_WATCH_PERSISTENT, full);
    viv_cli_fetch(cli, &reply);
    int code = reply.err == VIV_REPLY_OK ? VIV_CLI_OK : viv_cli_refused(cli, reply.err, path);
    viv_cli_reply_fini(&reply);
    viv_buffer_fini(&record);
    free(full);
    return code;
}

int viv_cli_run_add_watch(struct viv_cli *cli, const struct viv_cli_args *args)
{
    const char *mode = viv_cli_value(args, "-m");
    bool persistent = mode != NULL && strcmp(mode, "PERSISTENT") == 0;
    if (mode != NULL && !persistent && strcmp(mode, "PERSISTENT_RECURSIVE") != 0) {
        return viv_cli_usage_error("addWatch: -m %s: PERSISTENT or PERSISTENT_RECURSIVE is wanted", mode);
    }
    return add_watch(cli, viv_cli_arg(args, 0), !persistent);
}

static bool forget(struct viv_cli *cli, const char *full, int32_t type)
{
    bool any = false;
    for (int kind = 0; kind < VIV_CLIENT_WATCH_KINDS; kind++) {
        bool child = kind == VIV_CLIENT_WATCH_CHILD;
        bool standard = kind <= VIV_CLIENT_WATCH_CHILD;
        if (type == TYPE_ANY || (standard && child == (type == TYPE_CHILDREN))) {
            any |= viv_client_forget_watch(viv_cli_client(cli), kind, viv_bytes_text(full));
        }
    }
    return any;
}

int viv_cli_run_remove_watches(struct viv_cli *cli, const struct viv_cli_args *args)
{
    const char *path = viv_cli_arg(args, 0);
    int32_t type = viv_cli_has(args, "-c") ? TYPE_CHILDREN : viv_cli_has(args, "-d") ? TYPE_DATA : TYPE_ANY;
    char *full = viv_cli_path(cli, path);
    if (full == NULL) {
        return VIV_CLI_USAGE;
    }
    struct viv_buffer record = {0};
    struct viv_cli_reply reply;
    viv_jute_write_text(&record, full);
    viv_jute_write_int(&record, type);
    viv_cli_ask(cli, VIV_OP_REMOVE_WATCHES, viv_buffer_bytes(&record), &reply);
    bool local = viv_cli_has(args, "-l") && reply.err == VIV_CLIENT_LOST; /* the next connection will not be told */
    int code = reply.err == VIV_REPLY_OK || local ? VIV_CLI_OK : viv_cli_refused(cli, reply.err, path);
    if (code == VIV_CLI_OK) {
        (void)forget(cli, full, type);
    }
    viv_cli_reply_fini(&reply);
    viv_buffer_fini(&record);
    free(full);
    return code;
}

int viv_cli_run_print_watches(struct viv_cli *cli, const struct viv_cli_args *args)
{
    const char *wanted = viv_cli_arg(args, 0);
    if (wanted == NULL) {
        printf("printwatches is %s\n", cli->watches_silent ? "off" : "on");
        return VIV_CLI_OK;
    }
    if (strcmp(wanted, "on") != 0 && strcmp(wanted, "off") != 0) {
        return viv_cli_usage_error("printwatches %s: on or off is wanted", wanted);
    }
    cli->watches_silent = strcmp(wanted, "off") == 0;
    return VIV_CLI_OK;
}

int viv_cli_run_watch(struct viv_cli *cli, const struct viv_cli_args *args)
{
    uint64_t count = UINT64_MAX;
    uint64_t seconds = 0;
    const char *count_text = viv_cli_value(args, "--count");
    const char *for_text = viv_cli_value(args, "--for");
    if ((count_text != NULL && !viv_cli_parse_uint64(count_text, &count)) ||
        (for_text != NULL && (!viv_cli_parse_uint64(for_text, &seconds) || seconds > INT32_MAX))) {
        return viv_cli_usage_error("watch: --count and --for want a number");
    }
    int code = add_watch(cli, viv_cli_arg(args, 0), viv_cli_has(args, "-R"));
    uint64_t until_ns = for_text != NULL ? viv_client_now_ns() + seconds * NS_PER_S : UINT64_MAX;
    uint64_t seen = cli->events_seen;
    while (code == VIV_CLI_OK && cli->events_seen - seen < count && viv_client_now_ns() < until_ns) {
        if (viv_cli_interrupted()) {
            return VIV_CLI_INTERRUPTED;
        }
        uint64_t turn_ns = viv_client_now_ns() + NS_PER_S;
        viv_cli_link_turn(cli->link, turn_ns < until_ns ? turn_ns : until_ns);
    }
    return code;
}
