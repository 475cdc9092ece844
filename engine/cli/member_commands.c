#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/interrupt.h"
#include "cli/link.h"
#include "cli/text.h"
#include "wire/members.h"
#include "wire/path.h"
#include "wire/records.h"

/* An ensemble gets another voter, or another leader: join handover. */

enum { WAIT_S = 60, LOOK_MS = 200, MS_PER_S = 1000 };

/* ---- what is asked ---- */

/* The configuration as the server at the other end shows it; the code of its answer. */
static int32_t fetch_config(struct viv_cli *cli, struct viv_buffer *text)
{
    struct viv_buffer record = {0};
    struct viv_cli_reply reply;
    struct viv_path_watch_request request = {.path.bytes = VIV_BYTES_LITERAL(VIV_PATH_CONFIG)};
    viv_path_watch_request_encode(&record, &request);
    viv_cli_ask(cli, VIV_OP_GET_DATA, viv_buffer_bytes(&record), &reply);
    int32_t err = reply.err;
    if (err == VIV_REPLY_OK) {
        struct viv_jute_reader reader = viv_jute_reader_of(viv_buffer_bytes(&reply.body));
        viv_buffer_clear(text);
        viv_buffer_append_bytes(text, viv_jute_read_buffer(&reader).bytes);
    }
    viv_cli_reply_fini(&reply);
    viv_buffer_fini(&record);
    return err;
}

/* A server that answers it has all that was committed before. */
static int sync(struct viv_cli *cli)
{
    struct viv_buffer record = {0};
    struct viv_cli_reply reply;
    viv_jute_write_text(&record, "/");
    viv_cli_ask(cli, VIV_OP_SYNC, viv_buffer_bytes(&record), &reply);
    int code = reply.err == VIV_REPLY_OK ? VIV_CLI_OK : viv_cli_refused(cli, reply.err, NULL);
    viv_cli_reply_fini(&reply);
    viv_buffer_fini(&record);
    return code;
}

/* The text as it is then. A connection that went says nothing: servers close them when they change their part. */
static int reconfigure(struct viv_cli *cli, const char *joining, struct viv_buffer *text)
{
    struct viv_buffer record = {0};
    struct viv_cli_reply reply;
    struct viv_reconfig_request request = {
        .joining.bytes = viv_bytes_text(joining), .leaving.null = true, .members.null = true, .version = -1};
    viv_reconfig_request_encode(&record, &request);
    viv_cli_ask(cli, VIV_OP_RECONFIG, viv_buffer_bytes(&record), &reply);
    int code =
        reply.err == VIV_REPLY_OK || reply.err == VIV_CLIENT_LOST ? VIV_CLI_OK : viv_cli_refused(cli, reply.err, NULL);
    if (reply.err == VIV_REPLY_OK) {
        struct viv_jute_reader reader = viv_jute_reader_of(viv_buffer_bytes(&reply.body));
        viv_buffer_append_bytes(text, viv_jute_read_buffer(&reader).bytes);
    }
    viv_cli_reply_fini(&reply);
    viv_buffer_fini(&record);
    return code;
}

static void print(const struct viv_cli *cli, const struct viv_buffer *text)
{
    if (cli->settings.json) {
        viv_cli_print_json(json_pack("{s:s%}", "config", (const char *)text->data, text->size));
    } else {
        viv_cli_print_text(viv_buffer_bytes(text));
        printf("\n");
    }
}

/* ---- join ---- */

/* "server.5=host:2888:3888;2181" */
static int read_server(const char *text, struct viv_member *member)
{
    const char *why = "begins with server. and its number, then =";
    const char *value = strchr(text, '=');
    char *end = NULL;
    long sid = strncmp(text, "server.", 7) == 0 ? strtol(text + 7, &end, 10) : 0;
    *member = (struct viv_member){.sid = sid};
    bool is_read =
        value != NULL && end == value && sid >= 1 && sid <= VIV_SID_MAX && viv_member_parse(value + 1, member, &why);
    if (is_read && member->client_port < 0) {
        is_read = false;
        why = "the port of its clients is missing: ;PORT at the end";
    } else if (is_read && !member->voter) {
        is_read = false;
        why = "join makes voters; add an observer with `reconfig -add`";
    }
    return is_read ? VIV_CLI_OK : viv_cli_usage_error("join: %s: %s", text, why);
}

/* Until it serves, which it does when it has taken over what its leader has. */
static int wait_until_caught_up(struct viv_cli *newcomer)
{
    int code = viv_cli_attach(newcomer);
    return code == VIV_CLI_OK ? sync(newcomer) : code;
}

static bool votes(const struct viv_buffer *text, viv_sid sid)
{
    struct viv_members members;
    const struct viv_member *member =
        viv_members_parse(viv_buffer_bytes(text), &members) == VIV_OK ? viv_members_find(&members, sid) : NULL;
    return member != NULL && member->voter;
}

/* It may begin anew in its new part meanwhile. */
static int wait_until_it_votes(struct viv_cli *newcomer, viv_sid sid, struct viv_buffer *text)
{
    time_t until = time(NULL) + (time_t)(newcomer->settings.wait_ms / MS_PER_S) + 1;
    int code;
    do {
        code = viv_cli_attach(newcomer);
        if (code == VIV_CLI_OK && fetch_config(newcomer, text) == VIV_REPLY_OK && votes(text, sid)) {
            return VIV_CLI_OK;
        }
        nanosleep(&(struct timespec){.tv_nsec = LOOK_MS * 1000000L}, NULL);
    } while (code != VIV_CLI_INTERRUPTED && time(NULL) <= until);
    viv_cli_error("server %lld does not show that it votes; look at its log, and at `config` of the others",
                  (long long)sid);
    return VIV_CLI_UNREACHABLE;
}

int viv_cli_run_join(struct viv_cli *cli, const struct viv_cli_args *args)
{
    const char *line = viv_cli_arg(args, 0), *seconds = viv_cli_value(args, "--for");
    long wait_s = seconds != NULL ? strtol(seconds, NULL, 10) : WAIT_S;
    struct viv_member member;
    int code = read_server(line, &member);
    if (code == VIV_CLI_OK && (wait_s < 1 || wait_s > 86400)) {
        code = viv_cli_usage_error("join: --for %s: a number of seconds from 1 to 86400 is wanted", seconds);
    }
    if (code != VIV_CLI_OK) {
        return code;
    }
    bool is_everywhere = member.client_host[0] == '\0' || strcmp(member.client_host, "0.0.0.0") == 0 ||
                         strcmp(member.client_host, "::") == 0;
    const char *host = is_everywhere ? member.host : member.client_host;
    struct viv_buffer place = {0}, text = {0};
    viv_buffer_printf(&place, strchr(host, ':') != NULL ? "[%s]:%d" : "%s:%d", host, member.client_port);
    viv_buffer_append(&place, "", 1);
    struct viv_cli newcomer = {.settings = cli->settings, .tls = cli->tls};
    newcomer.settings.servers = (const char *)place.data;
    newcomer.settings.wait_ms = (uint32_t)wait_s * MS_PER_S;
    code = wait_until_caught_up(&newcomer);
    code = code == VIV_CLI_OK ? reconfigure(cli, line, &text) : code;
    code = code == VIV_CLI_OK ? wait_until_it_votes(&newcomer, member.sid, &text) : code;
    if (code == VIV_CLI_OK) {
        print(cli, &text);
    }
    viv_cli_detach(&newcomer);
    viv_buffer_fini(&place);
    viv_buffer_fini(&text);
    return code;
}

/* ---- handover ---- */

static uint64_t version_of(const struct viv_buffer *text)
{
    struct viv_members members;
    return viv_members_parse(viv_buffer_bytes(text), &members) == VIV_OK ? members.version : 0;
}

/* The answer went with the connection: a later version of the configuration tells that it was done. */
static int wait_for_later(struct viv_cli *cli, uint64_t version, struct viv_buffer *text)
{
    time_t until = time(NULL) + (time_t)(cli->settings.wait_ms / MS_PER_S) + 1;
    int code;
    do {
        code = viv_cli_attach(cli);
        if (code == VIV_CLI_OK && fetch_config(cli, text) == VIV_REPLY_OK && version_of(text) > version) {
            return VIV_CLI_OK;
        }
        nanosleep(&(struct timespec){.tv_nsec = LOOK_MS * 1000000L}, NULL);
    } while (code != VIV_CLI_INTERRUPTED && time(NULL) <= until);
    viv_cli_error("the connection went, and the configuration is as it was; ask again");
    return VIV_CLI_UNREACHABLE;
}

int viv_cli_run_handover(struct viv_cli *cli, const struct viv_cli_args *args)
{
    struct viv_buffer joining = {0}, before = {0}, text = {0};
    const char *id = viv_cli_arg(args, 0);
    if (id[strspn(id, "0123456789")] != '\0' || strlen(id) > 3) {
        return viv_cli_usage_error("handover: %s: the number of a server is wanted", id);
    }
    viv_buffer_printf(&joining, VIV_RECONFIG_LEADER "%s", id);
    viv_buffer_append(&joining, "", 1);
    int32_t err = fetch_config(cli, &before);
    int code = err == VIV_REPLY_OK ? reconfigure(cli, (const char *)joining.data, &text)
                                   : viv_cli_refused(cli, err, VIV_PATH_CONFIG);
    if (code == VIV_CLI_OK && text.size == 0) {
        code = wait_for_later(cli, version_of(&before), &text);
    }
    if (code == VIV_CLI_OK) {
        print(cli, &text);
    }
    viv_buffer_fini(&joining);
    viv_buffer_fini(&before);
    viv_buffer_fini(&text);
    return code;
}
