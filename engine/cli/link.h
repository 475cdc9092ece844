#ifndef VIV_CLI_LINK_H
#define VIV_CLI_LINK_H

#include "cli/cli.h"
#include "client/client.h"

/* The shell's session: one client of ../client, asked in order and waited for. Replies are kept until they are
 * fetched, so that many requests may be on their way at once. Knows the chroot; the commands see paths without it. */

struct viv_cli_link;

struct viv_cli_reply {
    int32_t err; /* enum viv_reply_code, or VIV_CLIENT_LOST */
    int64_t zxid;
    struct viv_buffer body; /* the record, empty unless err is 0 */
};
void viv_cli_reply_fini(struct viv_cli_reply *reply);

/* "host:port,[v6]:port/chroot", resolved: more than one address of a host are tried one after the other. */
struct viv_cli_target {
    struct viv_client_address *addresses;
    size_t address_count;
    char *chroot; /* "" or "/a/b" */
};
/* VIV_CLI_USAGE for text of another form, VIV_CLI_UNREACHABLE when no host has an address; told. */
int viv_cli_target_read(struct viv_cli_target *target, const char *servers);
void viv_cli_target_fini(struct viv_cli_target *target);

/* Waits until the session is open; opens one when there is none. Returns an exit code and tells what is wrong. */
int viv_cli_attach(struct viv_cli *cli);
/* Begins to open a session and does not wait. */
int viv_cli_attach_begin(struct viv_cli *cli);
/* Closes the session: its ephemeral nodes go. */
void viv_cli_detach(struct viv_cli *cli);
/* Serves what comes while nobody waits; `until_ns` as viv_client_loop_turn. */
void viv_cli_link_turn(struct viv_cli_link *link, uint64_t until_ns);

struct viv_client *viv_cli_client(const struct viv_cli *cli);
/* What the prompt says: "CONNECTED", "CONNECTED_READONLY", "CONNECTING", "CLOSED". */
const char *viv_cli_link_state(const struct viv_cli *cli);
int viv_cli_link_fd(const struct viv_cli_link *link);
uint64_t viv_cli_link_wake_ns(const struct viv_cli_link *link);

/* Asks; the answer is fetched with viv_cli_fetch, in the order of asking. */
void viv_cli_send(struct viv_cli *cli, enum viv_op op, struct viv_bytes record);
void viv_cli_send_watch(struct viv_cli *cli, enum viv_op op, struct viv_bytes record, enum viv_client_watch kind,
                        const char *path);
/* Waits for the oldest answer; err is VIV_CLIENT_LOST when the connection went, nothing came in time or Control-C was
 * pressed. To be released with viv_cli_reply_fini. */
void viv_cli_fetch(struct viv_cli *cli, struct viv_cli_reply *reply);
/* An identity for this connection and each later one; fetched as the others. */
void viv_cli_send_auth(struct viv_cli *cli, struct viv_bytes scheme, struct viv_bytes data);
/* Both. */
void viv_cli_ask(struct viv_cli *cli, enum viv_op op, struct viv_bytes record, struct viv_cli_reply *reply);
/* Drops the answers that were not fetched. */
void viv_cli_forget_answers(struct viv_cli *cli);

/* The path with the chroot in front; NULL and told when it does not begin with '/'. To be freed. */
char *viv_cli_path(const struct viv_cli *cli, const char *path);
char *viv_cli_path_of(const struct viv_cli *cli, struct viv_bytes path);
/* Without it, as the user writes it. Borrows. */
struct viv_bytes viv_cli_path_shown(const struct viv_cli *cli, struct viv_bytes path);

/* Tells a refusal as zkCli words it, or as JSON; returns the exit code for it. path may be NULL. */
int viv_cli_refused(const struct viv_cli *cli, int32_t err, const char *path);
/* "NoNode" for -101. */
const char *viv_cli_err_name(int32_t err);

#endif /* VIV_CLI_LINK_H */
