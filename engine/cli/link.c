#include "cli/link.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "cli/event.h"
#include "cli/interrupt.h"

enum { NS_PER_MS = 1000000, RETRY_MS = 100, CONNECT_MS = 4000 };

struct viv_cli_link {
    struct viv_cli *cli;
    struct viv_cli_target target;
    struct viv_client_loop *loop;
    struct viv_client *client;
    struct viv_cli_reply *replies; /* answered and not fetched: a queue */
    size_t reply_count;
    size_t reply_capacity;
    size_t asked;          /* asked and not fetched */
    uint64_t forget_below; /* answers to older tokens are dropped */
    uint64_t next_token;
    bool expired; /* told, for the one who waits */
};

static void on_reply(void *ctx, struct viv_client *client, const struct viv_client_reply *reply)
{
    struct viv_cli_link *link = ctx;
    (void)client;
    if (reply->token < link->forget_below) {
        return;
    }
    if (link->reply_count == link->reply_capacity) {
        link->reply_capacity = link->reply_capacity == 0 ? 16 : link->reply_capacity * 2;
        link->replies = viv_realloc(link->replies, link->reply_capacity * sizeof *link->replies);
    }
    struct viv_cli_reply *kept = &link->replies[link->reply_count++];
    *kept = (struct viv_cli_reply){.err = reply->err, .zxid = reply->zxid};
    viv_buffer_append_bytes(&kept->body, reply->body);
}

static void on_state(void *ctx, struct viv_client *client, enum viv_client_state state)
{
    struct viv_cli_link *link = ctx;
    (void)client;
    link->expired |= state == VIV_CLIENT_EXPIRED;
    viv_cli_event_state(link->cli, state);
}

static void on_event(void *ctx, struct viv_client *client, const struct viv_watcher_event *event)
{
    struct viv_cli_link *link = ctx;
    (void)client;
    struct viv_watcher_event shown = *event;
    shown.path = viv_cli_path_shown(link->cli, event->path);
    viv_cli_event_print(link->cli, &shown);
}

void viv_cli_reply_fini(struct viv_cli_reply *reply)
{
    viv_buffer_fini(&reply->body);
}

int viv_cli_attach_begin(struct viv_cli *cli)
{
    if (cli->link != NULL) {
        return VIV_CLI_OK;
    }
    struct viv_cli_link *link = viv_alloc_zeroed(1, sizeof *link);
    int code = viv_cli_target_read(&link->target, cli->settings.servers);
    if (code == VIV_CLI_OK && viv_client_loop_open(&link->loop) != VIV_OK) {
        viv_cli_target_fini(&link->target);
        code = VIV_CLI_FAILED;
    }
    if (code != VIV_CLI_OK) {
        free(link);
        return code;
    }
    struct viv_client_options options = {.servers = link->target.addresses,
                                         .server_count = link->target.address_count,
                                         .session_timeout_ms = cli->settings.timeout_ms,
                                         .connect_timeout_ms = CONNECT_MS,
                                         .retry_ms = RETRY_MS,
                                         .tls = cli->tls,
                                         .read_only = cli->settings.read_only};
    link->cli = cli;
    link->next_token = 1;
    cli->link = link;
    link->client = viv_client_new(link->loop, &options, on_reply, on_state, link);
    viv_client_on_event(link->client, on_event);
    return VIV_CLI_OK;
}

static uint64_t in_ms(uint64_t count)
{
    return viv_client_now_ns() + count * NS_PER_MS;
}

int viv_cli_attach(struct viv_cli *cli)
{
    int code = viv_cli_attach_begin(cli);
    uint64_t until_ns = in_ms(cli->settings.wait_ms);
    while (code == VIV_CLI_OK && viv_client_state(cli->link->client) != VIV_CLIENT_READY) {
        if (viv_cli_interrupted()) {
            code = VIV_CLI_INTERRUPTED;
        } else if (viv_client_now_ns() >= until_ns) {
            int error = viv_client_last_error(cli->link->client);
            const char *tls_error = viv_client_tls_error(cli->link->client);
            const char *why = tls_error[0] != '\0' ? tls_error : error != 0 ? strerror(error) : NULL;
            viv_cli_error("no server of %s serves%s%s%s; is it running, does a majority run, and is the address right? "
                          "(--server HOSTS, --wait MS)",
                          cli->settings.servers, why != NULL ? " (" : "", why != NULL ? why : "",
                          why != NULL ? ")" : "");
            code = VIV_CLI_UNREACHABLE;
        } else {
            viv_cli_link_turn(cli->link, until_ns);
        }
    }
    return code;
}

void viv_cli_detach(struct viv_cli *cli)
{
    enum { GOODBYE_MS = 2000 };
    struct viv_cli_link *link = cli->link;
    if (link == NULL) {
        return;
    }
    uint64_t until_ns = in_ms(GOODBYE_MS);
    viv_client_close(link->client);
    while (viv_client_state(link->client) == VIV_CLIENT_READY && viv_client_now_ns() < until_ns) {
        viv_cli_link_turn(link, until_ns);
    }
    viv_cli_forget_answers(cli);
    viv_client_loop_close(link->loop);
    viv_cli_target_fini(&link->target);
    free(link->replies);
    free(link);
    cli->link = NULL;
}

void viv_cli_link_turn(struct viv_cli_link *link, uint64_t until_ns)
{
    viv_client_loop_turn(link->loop, until_ns);
}

struct viv_client *viv_cli_client(const struct viv_cli *cli)
{
    return cli->link->client;
}

const char *viv_cli_link_state(const struct viv_cli *cli)
{
    if (cli->link == NULL) {
        return "CLOSED";
    }
    if (viv_client_state(cli->link->client) != VIV_CLIENT_READY) {
        return "CONNECTING";
    }
    return viv_client_is_read_only(cli->link->client) ? "CONNECTED_READONLY" : "CONNECTED";
}

int viv_cli_link_fd(const struct viv_cli_link *link)
{
    return viv_client_loop_fd(link->loop);
}

uint64_t viv_cli_link_wake_ns(const struct viv_cli_link *link)
{
    return viv_client_loop_wake_ns(link->loop);
}

/* What cannot be asked is answered at once, in its place in the order. */
static bool may_ask(struct viv_cli_link *link)
{
    link->asked++;
    if (viv_client_state(link->client) == VIV_CLIENT_READY) {
        return true;
    }
    struct viv_client_reply lost = {.token = link->next_token++, .err = VIV_CLIENT_LOST};
    on_reply(link, link->client, &lost);
    return false;
}

void viv_cli_send(struct viv_cli *cli, enum viv_op op, struct viv_bytes record)
{
    if (may_ask(cli->link)) {
        viv_client_request(cli->link->client, cli->link->next_token++, op, record);
    }
}

void viv_cli_send_watch(struct viv_cli *cli, enum viv_op op, struct viv_bytes record, enum viv_client_watch kind,
                        const char *path)
{
    if (may_ask(cli->link)) {
        viv_client_request_watch(cli->link->client, cli->link->next_token++, op, record, kind, viv_bytes_text(path));
    }
}

void viv_cli_send_auth(struct viv_cli *cli, struct viv_bytes scheme, struct viv_bytes data)
{
    if (may_ask(cli->link)) {
        viv_client_add_auth(cli->link->client, cli->link->next_token++, scheme, data);
    }
}

void viv_cli_fetch(struct viv_cli *cli, struct viv_cli_reply *reply)
{
    struct viv_cli_link *link = cli->link;
    uint64_t until_ns = in_ms(cli->settings.timeout_ms);
    VIV_ASSERT(link->asked > 0);
    while (link->reply_count == 0 && viv_client_now_ns() < until_ns && !viv_cli_interrupted()) {
        viv_cli_link_turn(link, until_ns);
    }
    link->asked--;
    *reply = (struct viv_cli_reply){.err = VIV_CLIENT_LOST, .zxid = -1};
    if (link->reply_count > 0) {
        *reply = link->replies[0];
        link->reply_count--;
        memmove(link->replies, link->replies + 1, link->reply_count * sizeof *link->replies);
    } else {
        viv_cli_forget_answers(cli); /* one that comes late must not be taken for another's */
    }
}

void viv_cli_ask(struct viv_cli *cli, enum viv_op op, struct viv_bytes record, struct viv_cli_reply *reply)
{
    viv_cli_send(cli, op, record);
    viv_cli_fetch(cli, reply);
}

void viv_cli_forget_answers(struct viv_cli *cli)
{
    struct viv_cli_link *link = cli->link;
    for (size_t i = 0; i < link->reply_count; i++) {
        viv_cli_reply_fini(&link->replies[i]);
    }
    link->reply_count = 0;
    link->asked = 0;
    link->forget_below = link->next_token;
}

char *viv_cli_path(const struct viv_cli *cli, const char *path)
{
    if (*path != '/') {
        viv_cli_error("%s: Path must start with / character", path);
        return NULL;
    }
    const char *chroot = cli->link->target.chroot;
    size_t chroot_size = strlen(chroot);
    /* The root of a chroot is the chroot itself, without a slash behind it. */
    const char *rest = chroot_size > 0 && strcmp(path, "/") == 0 ? "" : path;
    char *full = viv_alloc(chroot_size + strlen(rest) + 1);
    memcpy(full, chroot, chroot_size);
    strcpy(full + chroot_size, rest);
    return full;
}

char *viv_cli_path_of(const struct viv_cli *cli, struct viv_bytes path)
{
    char *text = strndup((const char *)path.data, path.size);
    char *full = viv_cli_path(cli, text);
    free(text);
    return full;
}

struct viv_bytes viv_cli_path_shown(const struct viv_cli *cli, struct viv_bytes path)
{
    struct viv_bytes chroot = viv_bytes_text(cli->link->target.chroot);
    if (chroot.size == 0 || !viv_bytes_starts_with(path, chroot)) {
        return path;
    }
    if (path.size == chroot.size) {
        return VIV_BYTES_LITERAL("/");
    }
    return path.data[chroot.size] == '/' ? viv_bytes_of(path.data + chroot.size, path.size - chroot.size) : path;
}
