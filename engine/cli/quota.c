#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/link.h"
#include "cli/quota_text.h"
#include "cli/text.h"

/* setquota listquota delquota: limits are nodes below /zookeeper/quota (client-protocol.md §12), which lie outside any
 * chroot. */

static const char quota_root[] = "/zookeeper/quota";
static const char limits_name[] = "zookeeper_limits";
static const char stats_name[] = "zookeeper_stats";

/* /zookeeper/quota<path>/<name>, to be freed. */
static char *quota_path(const struct viv_cli *cli, const char *path, const char *name)
{
    struct viv_buffer text = {0};
    char *full = viv_cli_path(cli, path);
    if (full == NULL) {
        return NULL;
    }
    viv_buffer_printf(&text, "%s%s%s%s%c", quota_root, full, *name != '\0' ? "/" : "", name, '\0');
    free(full);
    return (char *)text.data;
}

static int32_t get(struct viv_cli *cli, const char *full, struct viv_buffer *data)
{
    struct viv_buffer record = {0};
    struct viv_cli_reply reply;
    struct viv_path_watch_request request = {.path = {.bytes = viv_bytes_text(full)}};
    viv_path_watch_request_encode(&record, &request);
    viv_cli_ask(cli, VIV_OP_GET_DATA, viv_buffer_bytes(&record), &reply);
    int32_t err = reply.err;
    if (err == VIV_REPLY_OK) {
        struct viv_jute_reader reader = viv_jute_reader_of(viv_buffer_bytes(&reply.body));
        viv_buffer_append_bytes(data, viv_jute_read_buffer(&reader).bytes);
    }
    viv_cli_reply_fini(&reply);
    viv_buffer_fini(&record);
    return err;
}

static int32_t put(struct viv_cli *cli, enum viv_op op, const char *full, struct viv_bytes data)
{
    struct viv_buffer record = {0};
    struct viv_cli_reply reply;
    if (op == VIV_OP_CREATE) {
        struct viv_create_request request = {
            .path = {.bytes = viv_bytes_text(full)}, .data = {.bytes = data}, .acl = viv_acl_open_unsafe()};
        viv_create_request_encode(&record, &request, op);
    } else {
        struct viv_set_data_request request = {
            .path = {.bytes = viv_bytes_text(full)}, .data = {.bytes = data}, .version = -1};
        viv_set_data_request_encode(&record, &request);
    }
    viv_cli_ask(cli, op, viv_buffer_bytes(&record), &reply);
    int32_t err = reply.err;
    viv_cli_reply_fini(&reply);
    viv_buffer_fini(&record);
    return err;
}

static int32_t delete_node(struct viv_cli *cli, const char *full)
{
    struct viv_buffer record = {0};
    struct viv_cli_reply reply;
    struct viv_path_version_request request = {.path = {.bytes = viv_bytes_text(full)}, .version = -1};
    viv_path_version_request_encode(&record, &request);
    viv_cli_ask(cli, VIV_OP_DELETE, viv_buffer_bytes(&record), &reply);
    int32_t err = reply.err;
    viv_cli_reply_fini(&reply);
    viv_buffer_fini(&record);
    return err;
}

/* Only the deepest quota above a node counts: one above or below another would silently switch that off. */
static bool has_quota_above(struct viv_cli *cli, const char *path)
{
    struct viv_buffer ignored = {0};
    bool found = false;
    char *parent = strdup(path);
    for (char *slash = strrchr(parent, '/'); !found && slash != NULL && slash != parent; slash = strrchr(parent, '/')) {
        *slash = '\0';
        char *limits = quota_path(cli, parent, limits_name);
        if (get(cli, limits, &ignored) == VIV_REPLY_OK) {
            viv_cli_error("%s has a quota already; quotas below one another are not possible", parent);
            found = true;
        }
        free(limits);
    }
    free(parent);
    viv_buffer_fini(&ignored);
    return found;
}

static int create_chain(struct viv_cli *cli, const char *limits)
{
    for (const char *slash = strchr(limits + sizeof quota_root, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        char *one = strndup(limits, (size_t)(slash - limits));
        int32_t err = put(cli, VIV_OP_CREATE, one, (struct viv_bytes){0});
        free(one);
        if (err != VIV_REPLY_OK && err != VIV_REPLY_NODE_EXISTS) {
            return viv_cli_refused(cli, err, limits);
        }
    }
    return VIV_CLI_OK;
}

/* Limits first: that activates the quota; the stats then begin as they are. */
static int create_quota(struct viv_cli *cli, const char *path, const char *limits, struct viv_bytes text)
{
    static const char nothing_yet[] = "count=-1,bytes=-1";
    int code = create_chain(cli, limits);
    if (code != VIV_CLI_OK) {
        return code;
    }
    int32_t err = put(cli, VIV_OP_CREATE, limits, text);
    if (err == VIV_REPLY_OK) {
        char *stats = quota_path(cli, path, stats_name);
        err = put(cli, VIV_OP_CREATE, stats, viv_bytes_text(nothing_yet));
        free(stats);
    }
    return err == VIV_REPLY_OK ? VIV_CLI_OK : viv_cli_refused(cli, err, path);
}

static int read_limits(const struct viv_cli_args *args, struct viv_cli_quota *quota)
{
    for (size_t i = 0; i < VIV_CLI_QUOTA_LIMITS; i++) {
        const char *text = viv_cli_value(args, viv_cli_quota_options[i]);
        uint64_t value;
        if (text != NULL && (!viv_cli_parse_uint64(text, &value) || value > INT64_MAX)) {
            return viv_cli_usage_error("setquota: %s %s: a number is wanted", viv_cli_quota_options[i], text);
        }
        quota->limits[i] = text != NULL ? (int64_t)value : quota->limits[i];
    }
    return VIV_CLI_OK;
}

static bool names_a_limit(const struct viv_cli_args *args)
{
    bool any = false;
    for (size_t i = 0; i < VIV_CLI_QUOTA_LIMITS; i++) {
        any |= viv_cli_has(args, viv_cli_quota_options[i]);
    }
    return any;
}

static int check_node(struct viv_cli *cli, const char *path)
{
    struct viv_buffer ignored = {0};
    char *full = viv_cli_path(cli, path);
    int32_t err = full != NULL ? get(cli, full, &ignored) : VIV_REPLY_BAD_ARGUMENTS;
    free(full);
    viv_buffer_fini(&ignored);
    return err == VIV_REPLY_OK ? VIV_CLI_OK : viv_cli_refused(cli, err, path);
}

int viv_cli_run_setquota(struct viv_cli *cli, const struct viv_cli_args *args)
{
    const char *path = viv_cli_arg(args, 0);
    if (!names_a_limit(args) || strcmp(path, "/") == 0) {
        return viv_cli_usage_error("setquota: -n, -b, -N or -B and a number are wanted, and a path other than /");
    }
    int code = check_node(cli, path);
    char *limits = code == VIV_CLI_OK ? quota_path(cli, path, limits_name) : NULL;
    if (limits == NULL) {
        return code;
    }
    struct viv_buffer text = {0};
    struct viv_cli_quota quota;
    int32_t err = get(cli, limits, &text);
    viv_cli_quota_read(viv_buffer_bytes(&text), &quota);
    viv_buffer_clear(&text);
    code = read_limits(args, &quota);
    viv_cli_quota_write(&quota, &text);
    if (code == VIV_CLI_OK && err == VIV_REPLY_OK) {
        err = put(cli, VIV_OP_SET_DATA, limits, viv_buffer_bytes(&text));
        code = err == VIV_REPLY_OK ? VIV_CLI_OK : viv_cli_refused(cli, err, path);
    } else if (code == VIV_CLI_OK && err == VIV_REPLY_NO_NODE) {
        code = has_quota_above(cli, path) ? VIV_CLI_REFUSED : create_quota(cli, path, limits, viv_buffer_bytes(&text));
    } else if (code == VIV_CLI_OK) {
        code = viv_cli_refused(cli, err, path);
    }
    viv_buffer_fini(&text);
    free(limits);
    return code;
}

static void print_quota(const struct viv_cli *cli, const char *path, struct viv_bytes limits, struct viv_bytes stats)
{
    if (!cli->settings.json) {
        printf("Output quota for %s %.*s\n", path, (int)limits.size, (const char *)limits.data);
        printf("Output stat for %s %.*s\n", path, (int)stats.size, (const char *)stats.data);
        return;
    }
    struct viv_cli_quota quota;
    struct viv_cli_quota usage;
    viv_cli_quota_read(limits, &quota);
    viv_cli_quota_read(stats, &usage);
    viv_cli_print_json(json_pack("{s:s, s:{s:I, s:I, s:I, s:I}, s:{s:I, s:I}}", "path", path, "limits", "count",
                                 (json_int_t)quota.limits[0], "bytes", (json_int_t)quota.limits[1], "countHard",
                                 (json_int_t)quota.limits[2], "bytesHard", (json_int_t)quota.limits[3], "usage",
                                 "count", (json_int_t)usage.limits[0], "bytes", (json_int_t)usage.limits[1]));
}

static int no_quota(const char *path)
{
    viv_cli_error("quota for %s does not exist.", path);
    return VIV_CLI_REFUSED;
}

int viv_cli_run_listquota(struct viv_cli *cli, const struct viv_cli_args *args)
{
    const char *path = viv_cli_arg(args, 0);
    char *limits_path = quota_path(cli, path, limits_name);
    char *stats_path = quota_path(cli, path, stats_name);
    struct viv_buffer limits = {0};
    struct viv_buffer stats = {0};
    int code = VIV_CLI_USAGE;
    if (limits_path != NULL) {
        int32_t err = get(cli, limits_path, &limits);
        err = err == VIV_REPLY_OK ? get(cli, stats_path, &stats) : err;
        code = err == VIV_REPLY_NO_NODE ? no_quota(path)
               : err != VIV_REPLY_OK    ? viv_cli_refused(cli, err, path)
                                        : VIV_CLI_OK;
        if (code == VIV_CLI_OK) {
            print_quota(cli, path, viv_buffer_bytes(&limits), viv_buffer_bytes(&stats));
        }
    }
    viv_buffer_fini(&limits);
    viv_buffer_fini(&stats);
    free(limits_path);
    free(stats_path);
    return code;
}

/* Deletes the two nodes, then the chain above them as far as nothing else hangs on it. */
static int delete_quota(struct viv_cli *cli, const char *path)
{
    static const char *const names[] = {stats_name, limits_name};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char *full = quota_path(cli, path, names[i]);
        int32_t err = delete_node(cli, full);
        free(full);
        if (err != VIV_REPLY_OK && err != VIV_REPLY_NO_NODE) {
            return viv_cli_refused(cli, err, path);
        }
    }
    char *chain = quota_path(cli, path, "");
    while (strlen(chain) > strlen(quota_root) && delete_node(cli, chain) == VIV_REPLY_OK) {
        *strrchr(chain, '/') = '\0';
    }
    free(chain);
    return VIV_CLI_OK;
}

int viv_cli_run_delquota(struct viv_cli *cli, const struct viv_cli_args *args)
{
    const char *path = viv_cli_arg(args, 0);
    char *limits = quota_path(cli, path, limits_name);
    struct viv_buffer text = {0};
    if (limits == NULL) {
        return VIV_CLI_USAGE;
    }
    int32_t err = get(cli, limits, &text);
    int code = VIV_CLI_OK;
    if (err != VIV_REPLY_OK) {
        code = err == VIV_REPLY_NO_NODE ? no_quota(path) : viv_cli_refused(cli, err, path);
    } else if (!names_a_limit(args)) {
        code = delete_quota(cli, path);
    } else {
        struct viv_cli_quota quota;
        viv_cli_quota_read(viv_buffer_bytes(&text), &quota);
        for (size_t i = 0; i < VIV_CLI_QUOTA_LIMITS; i++) {
            quota.limits[i] = viv_cli_has(args, viv_cli_quota_options[i]) ? -1 : quota.limits[i];
        }
        viv_buffer_clear(&text);
        viv_cli_quota_write(&quota, &text);
        err = put(cli, VIV_OP_SET_DATA, limits, viv_buffer_bytes(&text));
        code = err == VIV_REPLY_OK ? VIV_CLI_OK : viv_cli_refused(cli, err, path);
    }
    viv_buffer_fini(&text);
    free(limits);
    return code;
}
